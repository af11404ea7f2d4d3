"""Stress at quadrature points of the last accepted state, and the measures that are read off it."""

from __future__ import annotations

import basix
import numpy as np
import ufl
from dolfinx import fem

from ..case import Case
from ..domain import Domain
from ..fields import BODIES, Fields, modulus
from ..model import thermal_strain
from ..parameters import at_points
from ..physics import KINEMATICS


class Stress:
    """Evaluates the stress of one body (displacement `u_m`, `u_i` or `u_s`); the expressions are compiled once."""

    def __init__(self, domain: Domain, case: Case, fields: Fields, name: str):
        self.domain, self.fields, self.name, self.body = domain, fields, name, BODIES[name]
        sub = domain.submeshes[self.body]
        self.mesh, self.owned = sub.mesh, sub.owned
        degree = domain.degree
        self.points, _ = basix.make_quadrature(self.mesh.basix_cell(), degree)
        self.motion, u, place = KINEMATICS[case.mechanics.kinematics], fields[name], (domain.kind, ufl.SpatialCoordinate(self.mesh)[0])
        self.shear, bulk = (modulus(fields, self.body, k) for k in ("shear", "bulk"))
        elastic = self.motion.elastic_stress_of(u, *place, self.shear, bulk, thermal_strain(case, fields, self.body))
        self.elastic = fem.Expression(elastic, self.points)
        self.trial = fem.Expression(self.motion.trial(u, ufl.as_tensor(self.motion.NO_FLOW.tolist()), *place), self.points)
        ratio = self.motion.volume_ratio(u, *place)
        self.volume = fem.Expression(ratio, self.points) if ratio is not None else None
        lagrange = basix.create_element(basix.ElementFamily.P, getattr(basix.CellType, self.mesh.basix_cell().name), 1)
        self.shape = lagrange.tabulate(0, self.points)[0, :, :, 0]
        self.plain = domain.cells_of([r for r in domain.regions if not r.flows and not r.hollow], self.body)
        self.solid = np.setdiff1d(np.arange(self.owned), domain.cells_of([r for r in domain.regions if r.hollow], self.body))
        self.pressures = [(g, domain.cells_of(g.regions, self.body), self._pressure_cells(g)) for g in domain.groups
                          if f"p:{g.name}" in fields and g.head.body == self.body]

    def _pressure_cells(self, group) -> np.ndarray:
        """Cells of the group's own submesh, in the order of its cells in the body's submesh."""
        own = self.domain.submeshes[group.name]
        where = np.full(len(self.domain.region_of_cell), -1, np.int32)
        where[own.parents[: own.owned]] = np.arange(own.owned, dtype=np.int32)
        body_cells = self.domain.cells_of(group.regions, self.body)
        return where[self.domain.submeshes[self.body].parents[body_cells]]

    def __call__(self) -> np.ndarray:
        """Cauchy stress sigma, shape (owned cells, points, 3, 3), MPa; zero inside voids."""
        sigma = np.zeros((self.owned, len(self.points), 3, 3))
        if len(self.plain):
            sigma[self.plain] = self.elastic.eval(self.mesh, self.plain).reshape(len(self.plain), -1, 3, 3)
        for group, cells, own in self.pressures:
            if len(cells):
                p = self.fields[f"p:{group.name}"]
                pressures = p.x.array[p.function_space.dofmap.list[own]] @ self.shape.T
                sigma[cells] = self._deviatoric(group, cells) - pressures[..., None, None] * np.eye(3)
                if self.volume is not None:
                    sigma[cells] /= self.volume.eval(self.mesh, cells).reshape(*pressures.shape, 1, 1)
        return sigma

    def _deviatoric(self, group, cells) -> np.ndarray:
        """Deviatoric stress (times the volume ratio in finite strain); after a commit the trial state is the elastic one."""
        flow = self.fields.flows.get(self.name)
        flowing = flow is not None and any(g.number == group.number for g, _ in flow.groups)
        expression = flow.trial if flowing else self.trial
        shear = at_points(self.shear, cells, self.points)
        e, _ = self.motion.deviator(expression.eval(self.mesh, cells).reshape(len(cells), -1, 3, 3), shear)
        return 2 * shear[..., None, None] * e


def von_mises(sigma: np.ndarray) -> np.ndarray:
    """`sqrt(3/2 s:s)`."""
    s = sigma - np.trace(sigma, axis1=-2, axis2=-1)[..., None, None] / 3 * np.eye(3)
    return np.sqrt(1.5 * np.einsum("...ij,...ij->...", s, s))


def pressure(sigma: np.ndarray) -> np.ndarray:
    """`-tr(sigma)/3`, compression positive."""
    return -np.trace(sigma, axis1=-2, axis2=-1) / 3


def max_principal(sigma: np.ndarray) -> np.ndarray:
    """Largest principal stress, tension positive."""
    return np.linalg.eigvalsh(sigma)[..., -1]
