"""Voids in finite strain, whose inside is meshed: volume, depth, and where their roof is covered by metal again."""

from __future__ import annotations

import math

import numpy as np
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI

from ..case import Case
from ..domain import HOLLOW, ROOF, Domain
from ..fields import Fields
from ..physics import KINEMATICS
from ..regions import roof_law
from .surfaces import Surface, nearest

CLOSED = 0.01  # volume or depth, over that at the start, below which a void is closed
REOPENED = 0.02  # from which on it counts as open again
TIGHT = 0.05  # how closely that is met
RESIDUAL = 0.01  # of the depth: how near the wall, held off by the crushed medium, is in contact with the electrolyte
SLID = 1e-3  # of the depth: distance beyond the rim from which on metal has slid over the roof


class Void:
    """One void or pore, or one population of them: its surfaces. `cells` are those of its roof in the interface mesh."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, number: int):
        self.comm, self.number, self.name = domain.comm, number, domain.regions[number].name
        metal, ions = ([n for n, r in enumerate(domain.regions) if r.body == body and not r.hollow] for body in ("metal", "ceramic"))
        self.wall = Surface(domain, fields, "u_m", domain.facets_between(number, metal))
        self.interface = next((name for name in domain.roofs if self.name in name.split("|")), None)
        if self.interface is not None:
            roof = domain.facets_between(number, ions)
            self.mouth, self.face = (Surface(domain, fields, name, roof) for name in ("u_m", "u_s"))
            order = np.argsort(domain.submeshes["gamma"].parents)
            self.cells = order[np.searchsorted(domain.submeshes["gamma"].parents, roof, sorter=order)]
            self.law, self.gap = roof_law(self.interface, case), case.interface(self.interface).contact_gap
            self.first_depth = self.depth(0.0)

    def depth(self, moved: float = 1.0) -> float:
        """Largest distance of the wall from the electrolyte, um; at the start for `moved` = 0."""
        points = self.wall.nodes(moved).reshape(-1, self.wall.dimension)
        away = np.linalg.norm(points - nearest(points, self.face.simplices(moved)), axis=1)
        return self.comm.allreduce(float(away.max(initial=0.0)), MPI.MAX)

    def covered(self) -> np.ndarray:
        """Contact state of the roof's facets of this rank: 1 where the wall is within `RESIDUAL`, or metal has slid over it."""
        points = self.face.middles()
        away = np.linalg.norm(points - nearest(points, self.wall.simplices()), axis=1) - RESIDUAL * self.first_depth
        t = np.clip(away / self.gap, 0.0, 1.0)
        flat = np.append(np.ones(points.shape[1] - 1), 0.0)  # seen along the stack
        beyond = np.linalg.norm(flat * points - nearest(flat * points, flat * self.mouth.simplices()), axis=1)
        return np.where(beyond > SLID * self.first_depth, 1.0, 1 - t * t * (3 - 2 * t))


class Voids:
    """All voids of a run. `accept` follows every accepted step, and decides where the roofs pass charge in the next one."""

    def __init__(self, case: Case, domain: Domain, fields: Fields):
        self.domain, self.fields = domain, fields
        self.voids = [Void(case, domain, fields, n) for n, region in enumerate(domain.regions) if region.hollow]
        self.forms = [[fem.form(form, entity_maps=domain.entity_maps) for form in self._volumes(case, void)] for void in self.voids]
        self.first = [domain.integral(self._inside(void, 1.0)) for void in self.voids]
        self.closed = [False for _ in self.voids]
        self.accept()

    def _inside(self, void: Void, integrand):
        inside = self.fields.parameters.field(lambda at: float(at.region.name == void.name))
        return inside * integrand * self.domain.dx(HOLLOW)

    def _volumes(self, case: Case, void: Void) -> list:
        """Forms whose sum is the volume: inside, and of the gap to the electrolyte over the void and beside it."""
        domain, fields = self.domain, self.fields
        found = [self._inside(void, KINEMATICS["finite"].volume_ratio(fields["u_m"], domain.kind, domain.x[0]))]
        if void.interface is not None and "gap" in fields:
            law, roof = void.law, np.isin(domain.interface_of_gamma, [domain.interfaces.index(void.interface)])
            lifted = ufl.inner(fields["u_s"]("-") - fields["u_m"]("+"), domain.normal())
            lifted = lifted - fields.growth("+") if fields.growth is not None else lifted
            found.append(self._on_gamma(self._nearer(void, law)) * fields["gap"] * domain.dx_gamma((law,)))
            found.append(self._on_gamma(roof)("+") * ufl.max_value(lifted, 0.0) * domain.dS(ROOF))
        return found

    def _on_gamma(self, values: np.ndarray) -> fem.Function:
        function = fem.Function(fem.functionspace(self.domain.submeshes["gamma"].mesh, ("DG", 0)))
        function.x.array[:] = values
        return function

    def _nearer(self, void: Void, law: str) -> np.ndarray:
        """True for the cells of the interface mesh to which no other void on the same interface is nearer."""
        gamma = self.domain.submeshes["gamma"]
        count = len(gamma.parents)
        middles = mesh.compute_midpoints(gamma.mesh, self.domain.dimension - 1, np.arange(count, dtype=np.int32))[:, : self.domain.dimension]
        rivals = [v for v in self.voids if v.interface is not None and v.law == law]
        away = [np.linalg.norm(middles - nearest(middles, rival.mouth.simplices(0.0)), axis=1) for rival in rivals]
        return np.argmin(away, axis=0) == rivals.index(void)

    def volume_ratios(self) -> list[float]:
        """V/V0 at the present displacement."""
        local = np.array([sum(fem.assemble_scalar(form) for form in forms) for forms in self.forms])
        return (self.domain.comm.allreduce(local, MPI.SUM) / self.first).tolist()

    def distance(self, number: int) -> float:
        """How far a void is closed beyond `CLOSED`: negative before it, -inf if it was already."""
        if self.closed[number]:
            return -math.inf
        void = self.voids[number]
        left = self.volume_ratios()[number]
        return CLOSED - (left if void.interface is None else min(left, void.depth() / void.first_depth))

    def accept(self) -> None:
        """Look at the last accepted state."""
        covered = self.fields.contact.covered
        self.ratios = self.volume_ratios()
        self.depths = [void.depth() if void.interface is not None else math.nan for void in self.voids]
        for n, (void, ratio, depth) in enumerate(zip(self.voids, self.ratios, self.depths)):
            least = ratio if void.interface is None else min(ratio, depth / void.first_depth)
            self.closed[n] = least < (REOPENED if self.closed[n] else CLOSED * (1 + TIGHT))
            if void.interface is not None and covered is not None:
                covered.x.array[void.cells] = void.covered()
        if covered is not None:
            covered.x.scatter_forward()

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
