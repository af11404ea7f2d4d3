"""Columns of metal in slots that are partly empty: how deep they are, and how far metal has come down on the walls before them."""

from __future__ import annotations

import math

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import Domain
from ..fields import Fields
from ..forms import compile_forms
from ..geometry.extrude import Slot, reach
from ..interface.bond import growth
from ..model import Model
from ..physics import KINEMATICS
from ..regions import direction, head, reservoir, unfilled
from .surfaces import Surface

LOST = 5e-4  # of what has been pressed in: metal beyond the electrolyte's face from which on it is to be laid anew
LEAST = 0.1  # of the width: as if at least that much had been pressed in
FULL = 0.02  # of the width: mean depth of what is empty below which a slot is full


class Column:
    """One of them; `depth` is the mean depth of its head, `overlap` what lies beyond the electrolyte's face, over the mouth's area; um."""

    def __init__(self, feature, case: Case, domain: Domain, fields: Fields, model: Model):
        self.name, self.filled, self.domain, self.fields = feature.name, feature.filled, domain, fields
        level, way = direction(feature, case)
        center = 0.0 if domain.kind == "axisymmetric" else feature.center[0]
        self.slot = Slot(feature.name, center, level, way, feature.width, feature.depth, False)
        self.head = Surface(domain, fields, "u_m", domain.facet_tags.find(domain.boundaries[head(feature.name)]))
        walls = [domain.facet_tags.find(tag) for name, tag in domain.boundaries.items()
                 if name.startswith(f"{unfilled(feature.name)}|") and name != head(feature.name)]
        self.wall = Surface(domain, fields, "u_s", np.concatenate(walls))
        self.forms = compile_forms(self._depths(), domain.entity_maps)
        self.plated_rate, self.plated = model.plated_rate, fem.Function(fields.growth.function_space) if fields.growth is not None else None
        self.beyond = compile_forms(self._overlap(case, model), domain.entity_maps)
        self.sides = self._sides()
        self.rims = {way: self._rim(x, begin) for way, (x, begin, _) in self.sides.items()}
        self.look()

    def _depths(self) -> list:
        """Integrals over the head of its depth, and of 1, by its area across the slot."""
        domain, u, name = self.domain, self.fields["u_m"], head(self.name)
        down = ufl.as_vector((0.0, float(self.slot.way)))
        depth = self.slot.way * (domain.x[1] + u[1] - self.slot.level)
        normal, motion = ufl.FacetNormal(domain.mesh), KINEMATICS["finite"]
        return [motion.pressure_load(f, u, normal, down, domain.kind, domain.x[0], domain.ds(name)) for f in (depth, 1.0)]

    def _overlap(self, case: Case, model: Model) -> list:
        """Volume of metal beyond the electrolyte's face, of the layer before the slot and of its walls; what has parted them is none.

        By the fluxes of `(0, y)` and `(x - x_wall, 0)` through either face, so that what has slid along it does not matter; `div = 1`.
        """
        domain, fields, slot, dS = self.domain, self.fields, self.slot, self.domain.dS_between
        bodies, normal = {r.name: r.body for r in domain.regions}, ufl.FacetNormal(domain.mesh)
        face, wall = (tuple(name for name in domain.interfaces if metal in name.split("|") and "ceramic" in (bodies[n] for n in name.split("|")))
                      for metal in (reservoir(case, self.name).layer, self.name))

        def along(u):
            return domain.x[1] + u[1] - slot.level

        def across(u):
            wall, x = ufl.conditional(ufl.gt(domain.x[0], slot.center), 0.5, -0.5) * slot.width, domain.x[0] + u[0] - slot.center
            return (x**2 - wall**2) / (2 * x) if domain.kind == "axisymmetric" else x - wall

        def behind(flux, u, axis):
            way = ufl.as_vector([float(k == axis) for k in (0, 1)])
            return KINEMATICS["finite"].pressure_load(flux(u), u, normal, way, domain.kind, domain.x[0], 1.0)

        parted = fields["gap"]("+") if "gap" in fields else 0.0
        if fields.growth is not None:
            parted = parted + self.plated("+") - fields.laid("+")
        if "sei" in fields:
            parted = parted + model.interface["sei_share"]("+") * (fields["sei"]("+") - case.sei.initial_thickness)
        return [(behind(flux, fields["u_m"], axis)("+") + behind(flux, fields["u_s"], axis)("-") + parted) * dS(names)
                for axis, flux, names in ((0, across, wall), (1, along, face))]

    def _overlap_now(self, weights: list[float] | None = None) -> float:
        """That volume over the area of the mouth, um: of the last accepted state, or of the step just solved by its backward formula."""
        if self.plated is not None:
            fields, dofs = self.fields, self.plated.function_space.dofmap.list
            self.plated.x.array[:] = fields.growth.x.array
            if weights is not None:
                history, passed = (fields.growth.x.array[dofs], fields.growth_older.x.array[dofs]), fields.faradaic(weights)[dofs]
                self.plated.x.array[dofs] = growth(history, passed, self.plated_rate.x.array[:, None], weights)
        area, *parts = (self.domain.comm.allreduce(fem.assemble_scalar(form), MPI.SUM) for form in (self.forms[1], *self.beyond))
        return sum(parts) / area

    def _allowed(self) -> float:
        return LOST * max(abs(self.depth - self.filled), LEAST * self.slot.width)

    def _sides(self) -> dict[int, tuple[float, float, float]]:
        """Side walls by their way from the axis: (x, depth at which what is empty begins, depth of the next vertex; inf at the end)."""
        corners = np.concatenate(self.domain.comm.allgather(self.wall.nodes(0.0)[:, :2].reshape(-1, 2)))
        found = {}
        for way in (-1, 1):
            x = self.slot.center + way * self.slot.width / 2
            depths = np.unique(np.round(self.slot.deep(corners[np.abs(corners[:, 0] - x) < 1e-9]), 9))
            if len(depths) > 1:
                found[way] = (x, float(depths[0]), float(depths[1]) if len(depths) > 2 else math.inf)
        return found

    def _gathered(self) -> tuple[np.ndarray, np.ndarray]:
        """(places at first, displacements) of the nodes of the walls, of all ranks."""
        first, now = (np.concatenate(self.domain.comm.allgather(self.wall.nodes(moved).reshape(-1, 2))) for moved in (0.0, 1.0))
        return first, now - first

    def _walls(self, depths: np.ndarray) -> dict[int, np.ndarray]:
        """Where each side wall is now, at some depths."""
        first, moved = self._gathered()
        found = {}
        for way, (x, *_) in self.sides.items():
            on = np.abs(first[:, 0] - x) < 1e-9
            order = np.argsort(self.slot.deep(first[on]))
            found[way] = x + np.interp(depths, self.slot.deep(first[on])[order], moved[on][order, 0])
        return found

    def look(self) -> None:
        """Where the walls are that stop each node of the head: distance from the axis of the side wall that it is nearer to, height of the end."""
        places, nodes = self.fields.walls.x.array.reshape(-1, 2), np.unique(self.head.dofs)
        now = (self.head.start + self.head.u.x.array.reshape(-1, 2))[nodes]
        walls, (first, moved) = self._walls(self.slot.deep(now)), self._gathered()
        right = now[:, 0] > self.slot.center if len(walls) == 2 else np.full(len(nodes), 1 in walls)
        places[nodes, 0] = np.abs(np.where(right, walls.get(1, 0.0), walls.get(-1, 0.0)) - self.slot.center)
        end = np.abs(self.slot.deep(first) - self.slot.depth) < 1e-9
        order = np.argsort(first[end, 0])
        places[nodes, 1] = self.slot.level + self.slot.way * self.slot.depth + np.interp(now[:, 0], first[end][order, 0], moved[end][order, 1])
        self.depth, self.overlap = self.depth_now(), self._overlap_now()

    def _rim(self, x: float, begin: float) -> np.ndarray:
        """Degrees of freedom of what is plated at the end of a side wall that metal is on, on this rank."""
        gamma = self.domain.submeshes["gamma"]
        corners = gamma.mesh.geometry.x[gamma.mesh.geometry.dofmaps[0][: gamma.owned]][..., :2]
        at_end = np.hypot(corners[..., 0] - x, self.slot.deep(corners) - begin) < 1e-9
        return self.fields.growth.function_space.dofmap.list[: gamma.owned, :2][at_end] if self.plated is not None else np.zeros(0, np.int32)

    def depth_now(self) -> float:
        """Mean depth of the head at the present displacement, um.

        What has been plated beside the column, and is no part of its cells yet, is as deep as the head's end there.
        """
        total, area = (self.domain.comm.allreduce(fem.assemble_scalar(form), MPI.SUM) for form in self.forms)
        first, now = (np.concatenate(self.domain.comm.allgather(self.head.nodes(moved).reshape(-1, 2))) for moved in (0.0, 1.0))
        around = np.pi * self.slot.width if self.domain.kind == "axisymmetric" else 1.0
        for way, (x, begin, _) in self.sides.items():
            end = np.hypot(first[:, 0] - x, self.slot.deep(first) - begin).argmin()
            beyond = 0.0 if self.plated is None else float(np.sum((self.fields.growth.x.array - self.fields.laid.x.array)[self.rims[way]]))
            rim = around * self.domain.comm.allreduce(beyond, MPI.SUM)
            total, area = total + rim * float(self.slot.deep(now[end])), area + rim
        return total / area

    def change(self) -> float:
        """How far the head has come in the step just solved, in edges of the wall."""
        edge = min((after - before for _, before, after in self.sides.values() if after < math.inf), default=self.slot.width)
        return abs(self.depth_now() - self.depth) / edge

    def cuts(self, weights: list[float]) -> float:
        """How much more metal lies beyond the electrolyte's face than before the step just solved, over what may lie there."""
        return abs(self._overlap_now(weights) - self.overlap) / self._allowed()

    def overlaps(self) -> bool:
        """So much metal lies there that what has been pressed in would soon not be kept to 1e-3."""
        return abs(self.overlap) > self._allowed()

    def passed(self) -> bool:
        """Metal has come down on the wall as far as its next vertex."""
        first, now = (np.concatenate(self.domain.comm.allgather(self.head.nodes(moved).reshape(-1, 2))) for moved in (0.0, 1.0))
        for way, (x, begin, following) in self.sides.items():
            end = np.hypot(first[:, 0] - x, self.slot.deep(first) - begin).argmin()
            wall = float(self._walls(np.array([begin]))[way][0])
            if reach(self.slot, way, np.vstack([now[end], now]), wall)[1] >= following:
                return True
        return False

    def full(self) -> bool:
        """Next to nothing was left empty at the last accepted step."""
        return self.slot.depth - self.depth <= FULL * self.slot.width

    def excess(self) -> float:
        """How far less than half of `FULL` is empty, in widths: negative before it, -inf if it was full already."""
        if self.full():
            return -math.inf
        return FULL / 2 - (self.slot.depth - self.depth_now()) / self.slot.width


def make_columns(case: Case, domain: Domain, fields: Fields, model: Model) -> list[Column]:
    """Of the slots that are still partly empty."""
    return [Column(f, case, domain, fields, model) for f in case.features if f.kind == "flaw" and head(f.name) in domain.boundaries]
