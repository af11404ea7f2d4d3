"""Voids in finite strain, whose inside is meshed: volume, depth, and where their roof is covered by metal again."""

from __future__ import annotations

import math

import numpy as np
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy.spatial import cKDTree

from ..case import Case
from ..domain import Domain
from ..fields import DISPLACEMENT, Fields
from ..forms import compile_forms
from ..physics import KINEMATICS
from ..regions import roof_law
from ..roofs import marked
from .surfaces import Surface, heights, measure, nearest

CLOSED = 0.01  # volume or depth, over that at the start, below which a void is closed
REOPENED = 0.02  # from which on it counts as open again
TIGHT = 0.05  # how closely that is met
RESIDUAL = 0.01  # of the depth: how near the wall, held off by the crushed medium, is in contact with the electrolyte
STEEPEST = 10.0  # area of the wall over the area of the roof that it covers, at most
PILED = 1.0  # of the length of a cell beside a void: thickness from which on what is plated on it is to be part of the metal's cells
SLID = 1e-3  # of the depth: distance beyond the rim from which on metal has slid over the roof


class Void:
    """One void or pore, or one population of them: its surfaces. `cells` are those of its roof in the interface mesh."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, number: int):
        self.comm, self.number, self.name, self.up = domain.comm, number, domain.regions[number].name, domain.dimension - 1
        metal, others = ([n for n, r in enumerate(domain.regions) if (r.body == "metal") == same and not r.hollow] for same in (True, False))
        self.wall = Surface(domain, fields, "u_m", domain.facets_between(number, metal))
        self.interface = next((name for name in domain.roofs if self.name in name.split("|")), None)
        if self.interface is not None:
            self.law, self.gap = roof_law(self.interface, case), case.interface(self.interface).contact_gap
            self.roofs, roof = fields.contact.roofs, domain.facets_between(number, others)
            self.into = self.roofs.into[self.name]
            body = next(r.body for r in domain.regions if r.body != "metal" and r.name in self.interface.split("|"))
            self.mouth, self.face = (Surface(domain, fields, name, roof) for name in ("u_m", DISPLACEMENT[body]))
            order = np.argsort(domain.submeshes["gamma"].parents)
            self.cells = order[np.searchsorted(domain.submeshes["gamma"].parents, roof, sorter=order)]
            self.vertices = self._vertices(domain)
            self.first_depth = self.roofs.first[self.name][1] if self.name in self.roofs.first else self.depth(0.0)
            self._hold(case, domain.regions[number])
            self.beside, self.sizes = self._beside(domain)

    def _beside(self, domain: Domain) -> tuple[np.ndarray, np.ndarray]:
        """Cells of the interface mesh, of this rank, on the roof and around it, and their lengths, um. 2D."""
        gamma, d = domain.submeshes["gamma"], domain.dimension
        x = gamma.mesh.geometry.x[gamma.mesh.geometry.dofmaps[0][: gamma.owned]][..., :d]
        mouth = np.concatenate(self.comm.allgather(self.mouth.nodes(0.0)[:, :d].reshape(-1, d)))
        touches = cKDTree(mouth).query(x.reshape(-1, d))[0].reshape(x.shape[:2]) < 1e-9 * max(np.ptp(mouth, axis=0).max(), 1e-30)
        cells = np.flatnonzero(touches.any(axis=1) & domain.on((self.law, self.interface))[: gamma.owned])
        return cells, measure(x[cells])

    def _vertices(self, domain: Domain) -> np.ndarray:
        """Degrees of freedom of what has been plated at the vertices of the roof's facets, in their order there."""
        space, d = self.roofs.raised.function_space, domain.dimension
        dofs = space.dofmap.list[self.cells]
        places = space.tabulate_dof_coordinates()[dofs][:, :, :d]
        apart = np.linalg.norm(self.face.nodes(0.0)[:, :d, None] - places[:, None], axis=3)
        return np.take_along_axis(dofs, apart.argmin(axis=2), axis=1)

    def _hold(self, case: Case, region) -> None:
        """Stiffness against the roof: the metal's shear modulus over the depth."""
        space = self.roofs.wall.function_space
        wall, roof = (marked(space, surface.dofs) for surface in (self.wall, self.mouth))
        self.nodes, self.rim = np.flatnonzero(wall), np.flatnonzero(wall & roof)
        young, nu = (region.material.get(key).at(case.temperature) for key in ("youngs_modulus", "poisson_ratio"))
        self._wall()[self.nodes, 0] = self.roofs.stiffness.x.array[self.cells] = young / (2 * (1 + nu)) / self.first_depth
        self.roofs.stiffness.x.scatter_forward()

    def _wall(self) -> np.ndarray:
        return self.roofs.wall.x.array.reshape(-1, self.up + 1)

    def roof_now(self, moved: float = 1.0) -> np.ndarray:
        """Vertices (facet, vertex, d) of the roof, of all ranks: of the electrolyte, with what has been plated on it."""
        vertices = self.face.nodes(moved)[:, : self.up + 1].copy()
        vertices[..., self.up] += moved * self.into * self.roofs.raised.x.array[self.vertices]
        return np.concatenate(self.comm.allgather(vertices))

    def depth(self, moved: float = 1.0) -> float:
        """Largest distance of the wall from the roof, um; at the start for `moved` = 0."""
        points = self.wall.nodes(moved).reshape(-1, self.up + 1)
        away = np.linalg.norm(points - nearest(points, self.roof_now(moved)), axis=1)
        return self.comm.allreduce(float(away.max(initial=0.0)), MPI.MAX)

    def look(self) -> None:
        """How high the roof is over each node of the wall; the rim lies on it, wherever the interface beside it is."""
        vertices = self.roof_now().reshape(-1, self.up + 1)
        places = self.wall.start + self.wall.u.x.array.reshape(-1, self.up + 1)
        self._wall()[self.nodes, self.up] = heights(places[self.nodes, : self.up], vertices)
        self._wall()[self.rim, self.up] = places[self.rim, self.up]
        rates = self.into * self.roofs.rising.x.array[self.vertices].reshape(-1, 1)
        rising = np.hstack([self.face.nodes()[:, : self.up + 1].reshape(-1, self.up + 1)[:, : self.up], rates])
        lifted = heights(places[self.nodes, : self.up], np.concatenate(self.comm.allgather(rising)))
        self.roofs.lifting.x.array.reshape(-1, self.up + 1)[self.nodes, self.up] = lifted

    def contact(self, beside: float) -> tuple[np.ndarray, np.ndarray]:
        """(contact state, pressure in MPa) of the roof's facets of this rank; `beside` is the mean pressure beside the void.

        Where the wall is near, it presses as much as it is held; where metal has slid over the roof, as beside it.
        """
        vertices = self.face.nodes()[:, : self.up + 1].copy()
        vertices[..., self.up] += self.into * self.roofs.raised.x.array[self.vertices]
        points, flat = vertices.mean(axis=1), np.append(np.ones(self.up), 0.0)
        away = np.linalg.norm(points - nearest(points, self.wall.simplices()), axis=1) - RESIDUAL * self.first_depth
        t = np.clip(away / self.gap, 0.0, 1.0)
        beyond = np.linalg.norm(flat * points - nearest(flat * points, flat * self.mouth.simplices()), axis=1)
        slid, near = beyond > SLID * self.first_depth, 1 - t * t * (3 - 2 * t)
        middles, pressures = self._pressures()
        pressed = pressures[cKDTree(middles).query(points[:, : self.up])[1]] if len(points) else np.zeros(0)
        return np.maximum(near, slid), np.where(slid, beside, near * pressed)

    def _pressures(self) -> tuple[np.ndarray, np.ndarray]:
        """Middles along the interface of the wall's facets, of all ranks, and what each presses on the area that it covers, MPa."""
        start, now, values = self.wall.nodes(0.0), self.wall.nodes(), self._wall()[self.wall.dofs]
        pressure = values[..., 0] * np.maximum(0.0, self.into * (values[..., self.up] - now[..., self.up]))
        spread = np.minimum(measure(start) / np.maximum(measure(now * np.append(np.ones(self.up), 0.0)), 1e-30), STEEPEST)
        middles = now[:, : self.up + 1, : self.up].mean(axis=1)
        return np.concatenate(self.comm.allgather(middles)), np.concatenate(self.comm.allgather(pressure.mean(axis=1) * spread))


class Voids:
    """All voids of a run. `accept` follows every accepted step, and decides where the roofs pass charge in the next one."""

    def __init__(self, case: Case, domain: Domain, fields: Fields):
        self.domain, self.fields = domain, fields
        self.voids = [Void(case, domain, fields, n) for n, region in enumerate(domain.regions) if region.hollow]
        self.forms = compile_forms([self._volumes(void) for void in self.voids], domain.entity_maps)
        self.first = [self._first(void) for void in self.voids]
        self.pressures = [self._pressure(void) for void in self.voids]
        self.closed = [False for _ in self.voids]
        self.accept()

    def _first(self, void: Void) -> float:
        """Volume at the start of the run."""
        known = void.roofs.first if void.interface is not None else {}
        return known[void.name][0] if void.name in known else self.domain.integral(self._inside(void, 1.0))

    def at_first(self) -> dict[str, tuple[float, float]]:
        """(volume, depth) of the voids under a roof at the start of the run."""
        return {void.name: (first, void.first_depth) for void, first in zip(self.voids, self.first) if void.interface is not None}

    def _inside(self, void: Void, integrand):
        inside = self.fields.parameters.field(lambda at: float(at.region.name == void.name))
        return inside * integrand * self.domain.dx_hollow()

    def _volumes(self, void: Void) -> list:
        """Forms whose sum is the volume: inside, and of the gap beside the void."""
        domain, fields = self.domain, self.fields
        found = [self._inside(void, KINEMATICS["finite"].volume_ratio(fields["u_m"], domain.kind, domain.x[0]))]
        if void.interface is not None and "gap" in fields:
            found.append(self._on_gamma(self._nearer(void)) * fields["gap"] * domain.dx_gamma((void.law,)))
        return found

    def _pressure(self, void: Void) -> list[fem.Form]:
        """Integrals of the contact pressure beside a void, and of 1."""
        if void.interface is None:
            return []
        dx = self.domain.dx_gamma((void.law,))
        return compile_forms([self.fields["p_c"] * dx, 1.0 * dx], self.domain.entity_maps)

    def _on_gamma(self, values: np.ndarray) -> fem.Function:
        function = fem.Function(fem.functionspace(self.domain.submeshes["gamma"].mesh, ("DG", 0)))
        function.x.array[:] = values
        return function

    def _nearer(self, void: Void) -> np.ndarray:
        """True for the cells of the interface mesh to which no other void on the same interface is nearer."""
        gamma = self.domain.submeshes["gamma"]
        count = len(gamma.parents)
        middles = mesh.compute_midpoints(gamma.mesh, self.domain.dimension - 1, np.arange(count, dtype=np.int32))[:, : self.domain.dimension]
        rivals = [v for v in self.voids if v.interface is not None and v.law == void.law]
        away = [np.linalg.norm(middles - nearest(middles, rival.mouth.simplices(0.0)), axis=1) for rival in rivals]
        return np.argmin(away, axis=0) == rivals.index(void)

    def volume_ratios(self) -> list[float]:
        """V/V0 at the present displacement."""
        local = np.array([sum(fem.assemble_scalar(form) for form in forms) for forms in self.forms])
        return np.maximum(self.domain.comm.allreduce(local, MPI.SUM) / self.first, 0.0).tolist()

    def distance(self, number: int) -> float:
        """How far a void is closed beyond `CLOSED`: negative before it, -inf if it was already."""
        if self.closed[number]:
            return -math.inf
        void = self.voids[number]
        left = self.volume_ratios()[number]
        return CLOSED - (left if void.interface is None else min(left, void.depth() / void.first_depth))

    def overgrown(self, names: list[str]) -> list[Void]:
        """Of these voids those beside which more has been plated than the metal's cells hold, by `PILED` of the length of a cell."""
        growth, laid, found = self.fields.growth, self.fields.laid, []
        for void in (void for void in self.voids if void.name in names and growth is not None):
            dofs = growth.function_space.dofmap.list[void.beside]
            beyond = (growth.x.array[dofs] - laid.x.array[dofs]).mean(axis=1) / void.sizes
            if self.domain.comm.allreduce(float(beyond.max(initial=0.0)), MPI.MAX) > PILED:
                found.append(void)
        return found

    def accept(self) -> None:
        """Look at the last accepted state."""
        self.ratios = self.volume_ratios()
        self.depths = [void.depth() if void.interface is not None else math.nan for void in self.voids]
        for n, (void, ratio, depth) in enumerate(zip(self.voids, self.ratios, self.depths)):
            least = ratio if void.interface is None else min(ratio, depth / void.first_depth)
            self.closed[n] = least < (REOPENED if self.closed[n] else CLOSED * (1 + TIGHT))
            if void.interface is not None:
                self._cover(n, void)

    def _cover(self, number: int, void: Void) -> None:
        """The roof passes charge where metal touches it; metal that has slid over it presses as it does beside it on average."""
        pressure, area = (self.domain.comm.allreduce(fem.assemble_scalar(form), MPI.SUM) for form in self.pressures[number])
        void.look()
        for function, values in zip((void.roofs.covered, void.roofs.borne), void.contact(pressure / area)):
            function.x.array[void.cells] = values
            function.x.scatter_forward()

    def change(self) -> float:
        """Largest change of ln V in the step just solved, each void counted as at least `CLOSED` of its first volume."""
        return max(abs(math.log(max(now, CLOSED) / max(old, CLOSED))) for now, old in zip(self.volume_ratios(), self.ratios))

    def scalars(self) -> dict[str, float]:
        """Of the last accepted state."""
        found = {}
        for void, ratio, depth in zip(self.voids, self.ratios, self.depths):
            found[f"void_volume_ratio[{void.name}]"] = ratio
            if void.interface is not None:
                found[f"void_depth_um[{void.name}]"] = depth
        return found
