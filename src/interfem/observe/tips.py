"""J, K_I, K_II and T-stress at crack fronts, from domain and interaction integrals with loads on the crack's faces.

With the virtual growth xi (e1 at the front, falling to zero at the outer radius) and `P_kj = W delta_kj - u_i,k sigma_ij`,

    J L = -int P_kj xi_k,j dV + int_faces xi_k (W n_k - t_i u_i,k) dS,      t = -p n on the faces, n out of the body,

L = int |xi| along the front. The interaction integral has the mixed terms of J with an auxiliary field (physics/williams.py) and
adds `int xi_k b_i u_i,k dV` for the divergence b of its stress where the front is curved; `K = E' I/2`,
`T = E' (I + nu eps_33) - p`, `E' = E/(1 - nu^2)`, eps_33 and p at the front. Inside the inner radius faces count only by
their load, not by `W n_k` and the auxiliary traction, so that a tip may be blunt. Small strain; p is the contact pressure of
what fills the flaw (its shear on the walls is left out), or the given pressure in an empty one.
Sources: Shih, Moran and Nakamura, Int. J. Fract. 30 (1986) 79; Kfouri, Int. J. Fract. 30 (1986) 301 (T).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import basix
import numpy as np
from dolfinx import mesh
from mpi4py import MPI

from ..case import Case
from ..domain import Domain
from ..fields import Fields
from ..fracture import Front, fronts
from ..loads import Loads
from ..model import Model
from ..physics.williams import MODES, Auxiliary, auxiliary

DEGREE, FACE_DEGREE = 6, 10  # of the quadrature; auxiliary fields are no polynomials
SQRT_M = 1e-3  # MPa sqrt(um) in MPa sqrt(m)


@dataclass(frozen=True)
class Elastic:
    """Of the region around a front, at one temperature: E and nu, thermal strain, K_IC (None if not known)."""

    young: float
    nu: float
    thermal: float
    toughness: float | None

    @property
    def shear(self) -> float:
        return self.young / (2 * (1 + self.nu))

    @property
    def plane(self) -> float:
        """E/(1 - nu^2)."""
        return self.young / (1 - self.nu**2)

    def stress(self, strain: np.ndarray) -> np.ndarray:
        lame = 2 * self.shear * self.nu / (1 - 2 * self.nu)
        return 2 * self.shear * strain + lame * np.trace(strain, axis1=-2, axis2=-1)[..., None, None] * np.eye(3)


@dataclass(frozen=True)
class Intensity:
    """At one place of a front: position along it (um), J (N/m), K_I, K_II (MPa sqrt(m)), T (MPa), K_I/K_IC (NaN if not known)."""

    along: float
    J: float
    K_I: float
    K_II: float
    T: float
    ratio: float


# ---- the front as coordinates -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Near:
    """Points seen from a front: its parameter t at the closest place, (x1, x2) across it, rows e1, e2, e3 of the frame, bend."""

    t: np.ndarray
    x1: np.ndarray
    x2: np.ndarray
    frame: np.ndarray
    bend: np.ndarray

    @property
    def r(self) -> np.ndarray:
        return np.hypot(self.x1, self.x2)


def near(front: Front, points: np.ndarray, kind: str) -> Near:
    """Points (.., 3) as x (radius), y, height."""
    t = _closest(front, points)
    e2 = np.broadcast_to(np.array(front.normal), points.shape)
    e1, bend = np.broadcast_to(np.array(front.ahead), points.shape), np.zeros((*t.shape, 2))
    apart = points - front.at(t)
    if front.shape == "arc":
        first, second = front.slope(t), front.slope(t, 2)
        length = np.linalg.norm(first, axis=-1, keepdims=True)
        inward = second - (second * first).sum(-1, keepdims=True) * first / length**2
        e1 = -inward / np.linalg.norm(inward, axis=-1, keepdims=True)
        curvature = np.linalg.norm(inward, axis=-1) / length[..., 0] ** 2
        bend[..., 0] = curvature / np.maximum(1 + curvature * (apart * e1).sum(-1), 1e-12)
    if kind == "axisymmetric":
        bend = np.stack([e1[..., 0], e2[..., 0]], axis=-1) / np.maximum(points[..., :1], 1e-12)
    frame = np.stack([e1, e2, np.cross(e1, e2)], axis=-2)
    return Near(t, (apart * e1).sum(-1), (apart * e2).sum(-1), frame, bend)


def _closest(front: Front, points: np.ndarray) -> np.ndarray:
    """Parameter of the closest place of the front; on an arc by Newton from the best of many."""
    if front.shape == "point":
        return np.zeros(points.shape[:-1])
    if front.shape == "line":
        axis = np.array(front.axes[0])
        return ((points - np.array(front.center)) @ axis) / (axis @ axis)
    guesses = np.linspace(-math.pi, math.pi, 181)
    a, b = (np.array(axis) for axis in front.axes)
    away = points - np.array(front.center)
    distance = np.array([((away - front.at(g) + np.array(front.center)) ** 2).sum(-1) for g in guesses])
    t = guesses[distance.argmin(axis=0)]
    for _ in range(6):
        first, second = front.slope(t), front.slope(t, 2)
        apart = away - (np.cos(t)[..., None] * a + np.sin(t)[..., None] * b)
        slope, steep = (apart * first).sum(-1), (apart * second - first**2).sum(-1)
        t = t - np.where(steep < 0, slope / np.where(steep < 0, steep, 1.0), 0.0)
    return t


def growth(front: Front, place: float, points: np.ndarray, kind: str) -> np.ndarray:
    """Virtual growth xi at points, (.., 3)."""
    seen = near(front, points, kind)
    ramp = np.clip((front.outer - seen.r) / (front.outer - front.inner), 0.0, 1.0)
    return (ramp * hat(front, place, seen.t))[..., None] * seen.frame[..., 0, :]


def hat(front: Front, place: float, t: np.ndarray) -> np.ndarray:
    """1 at a place of the front, 0 at its neighbours."""
    if front.shape == "point":
        return np.ones_like(t)
    apart = t - place
    if front.shape == "arc":
        apart = (apart + math.pi) % (2 * math.pi) - math.pi
    return np.clip(1 - np.abs(apart) / front.spread, 0.0, 1.0)


# ---- geometry of cells and faces --------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Patch:
    """Quadrature points (n, m) on cells, or on faces with their cells: what displacement and virtual growth are there."""

    dofs: np.ndarray  # (n, basis) of the displacement
    shapes: np.ndarray  # (n, m, basis)
    slopes: np.ndarray  # (n, m, basis, 3)
    weights: np.ndarray  # (n, m), with the radius about an axis
    points: np.ndarray  # (n, m, 3)
    xi: np.ndarray  # (n, m, 3)
    xi_slope: np.ndarray | None = None  # (n, m, 3, 3): xi_k,j
    normal: np.ndarray | None = None  # (n, 3), out of the body
    load: tuple[np.ndarray, np.ndarray] | str = ""  # (dofs (n, vertices), shapes (m, vertices)) of p_c, or a boundary


class Body:
    """The ceramic body: displacement u_s as arrays. Vectors have three components: x (radius), y, height."""

    def __init__(self, domain: Domain, fields: Fields, loads: Loads):
        self.domain, self.fields, self.loads = domain, fields, loads
        self.sub, self.u = domain.submeshes["ceramic"], fields["u_s"]
        self.kind, self.dim = domain.kind, domain.dimension
        self.axes = [0, 2] if self.dim == 2 else [0, 1, 2]
        geometry = self.sub.mesh.geometry
        self.corners = self._spread(geometry.x[geometry.dofmaps[0]])  # (cell, vertex, 3)
        self.space = self.u.function_space
        self.element = basix.create_element(basix.ElementFamily.P, getattr(basix.CellType, self.sub.mesh.basix_cell().name), 2)
        self.of_parent = np.full(len(domain.region_of_cell), -1, np.int32)
        self.of_parent[self.sub.parents] = np.arange(len(self.sub.parents), dtype=np.int32)

    def _spread(self, rows: np.ndarray) -> np.ndarray:
        """Coordinates of the mesh as (x, y, height)."""
        found = np.zeros((*rows.shape[:-1], 3))
        found[..., self.axes] = rows[..., : self.dim]
        return found

    def basis(self, cells: np.ndarray, points: np.ndarray):
        """(shapes, slopes) of the displacement at physical points (n, m, 3) of cells (n)."""
        corners = self.corners[cells][..., self.axes]
        jacobian = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
        inverse = np.linalg.inv(jacobian)
        reference = np.einsum("nij,nmj->nmi", inverse, points[..., self.axes] - corners[:, :1])
        table = self.element.tabulate(1, reference.reshape(-1, self.dim))[..., 0]
        table = table.reshape(self.dim + 1, *points.shape[:2], self.element.dim)
        slopes = np.zeros((*table.shape[1:], 3))
        slopes[..., self.axes] = np.einsum("anmb,naj->nmbj", table[1:], inverse)
        return table[0], slopes

    def radius(self, points: np.ndarray) -> np.ndarray | float:
        return points[..., 0] if self.kind == "axisymmetric" else 1.0

    def inside(self, front: Front, place: float) -> Patch:
        """Cells that the virtual growth reaches."""
        corners = self.corners[: self.sub.owned]
        close = np.flatnonzero(_within(front, corners))
        xi = growth(front, place, corners[close], self.kind)
        touched = (xi != 0).any(axis=(1, 2))
        cells, xi = close[touched], xi[touched]
        reference, weights = basix.make_quadrature(self.element.cell_type, DEGREE)
        linear = np.column_stack([1 - reference.sum(axis=1), reference])
        points = np.einsum("mv,nvi->nmi", linear, self.corners[cells])
        shapes, slopes = self.basis(cells, points)
        xi_points = np.einsum("mv,nvi->nmi", linear, xi)
        corners = self.corners[cells][..., self.axes]
        jacobian = np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2)
        by_vertex = np.einsum("va,naj->nvj", np.vstack([-np.ones(self.dim), np.eye(self.dim)]), np.linalg.inv(jacobian))
        slope = np.zeros((len(cells), 3, 3))
        slope[..., self.axes] = np.einsum("nvk,nvj->nkj", xi, by_vertex)
        slope = np.repeat(slope[:, None], len(weights), axis=1)
        if self.kind == "axisymmetric":
            slope[..., 1, 1] = xi_points[..., 0] / points[..., 0]
        measure = np.abs(np.linalg.det(jacobian))[:, None] * weights * self.radius(points)
        return Patch(self.space.dofmap.list[cells], shapes, slopes, measure, points, xi_points, slope)

    def walls(self, front: Front, place: float) -> list[Patch]:
        """Faces of the flaw that it reaches: of what fills it, with p_c, and of an empty one, with the given pressure."""
        found, domain, fields = [], self.domain, self.fields
        if "p_c" in fields:
            names = [n for n, name in enumerate(domain.interfaces) if front.feature in name.split("|")]
            gamma = domain.submeshes["gamma"]
            chosen = np.flatnonzero(np.isin(domain.interface_of_gamma[: gamma.owned], names))
            space = fields["p_c"].function_space
            corners = self._spread(gamma.mesh.geometry.x[gamma.mesh.geometry.dofmaps[0][chosen]])
            found.append(self._faces(front, place, gamma.parents[chosen], corners, space.dofmap.list[chosen]))
        for boundary, tag in domain.boundaries.items():
            if boundary.split("|")[0] == front.feature and "|" in boundary:
                facets = domain.facet_tags.find(tag)
                facets = facets[facets < domain.mesh.topology.index_map(self.dim - 1).size_local]
                found.append(self._faces(front, place, facets, self._corners_of(facets), boundary))
        return found

    def _corners_of(self, facets: np.ndarray) -> np.ndarray:
        if not len(facets):
            return np.zeros((0, self.dim, 3))
        return self._spread(self.domain.mesh.geometry.x[mesh.entities_to_geometry(self.domain.mesh, self.dim - 1, facets)])

    def _faces(self, front, place, facets, corners, load) -> Patch:
        """Facets of the parent mesh with their corners (n, vertex, 3); those beside the ceramic that the growth reaches."""
        links = self.domain.mesh.topology.connectivity(self.dim - 1, self.dim)
        beside = np.array([max((self.of_parent[c] for c in links.links(f)), default=-1) for f in facets], int)
        xi = growth(front, place, corners, self.kind)
        kept = (beside >= 0) & (xi != 0).any(axis=(1, 2)) if len(facets) else np.zeros(0, bool)
        cells, corners, xi = beside[kept], corners[kept], xi[kept]
        cell = {2: basix.CellType.interval, 3: basix.CellType.triangle}[self.dim]
        reference, weights = basix.make_quadrature(cell, FACE_DEGREE)
        if self.dim == 2:  # x = t^2 (3 - 2t) takes the roots of a distance to either end away
            reference, weights = reference**2 * (3 - 2 * reference), weights * (6 * reference * (1 - reference))[:, 0]
        linear = np.column_stack([1 - reference.sum(axis=1), reference])
        points = np.einsum("mv,nvi->nmi", linear, corners)
        shapes, slopes = self.basis(cells, points)
        normal, size = self._normals(corners, self.corners[cells].mean(axis=1))
        pressure = (load[kept], linear) if isinstance(load, np.ndarray) else load
        measure = size[:, None] * weights * self.radius(points)
        xi = np.einsum("mv,nvi->nmi", linear, xi)
        return Patch(self.space.dofmap.list[cells], shapes, slopes, measure, points, xi, None, normal, pressure)

    def _normals(self, corners: np.ndarray, middle: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(unit normals away from the middles of the cells, size over that of the reference facet)."""
        first = corners[:, 1] - corners[:, 0]
        second = corners[:, 2] - corners[:, 0] if self.dim == 3 else np.broadcast_to([0.0, 1.0, 0.0], first.shape)
        normal = np.cross(first, second)
        size = np.linalg.norm(normal, axis=1)
        normal = normal / size[:, None]
        return normal * np.sign(((corners[:, 0] - middle) * normal).sum(axis=1))[:, None], size

    def motion(self, patch: Patch) -> np.ndarray:
        """u_i,j at the points of a patch, (n, m, 3, 3)."""
        u = np.zeros((*patch.dofs.shape, 3))
        u[..., self.axes] = self.u.x.array.reshape(-1, self.dim)[patch.dofs]
        found = np.einsum("nmbj,nbi->nmij", patch.slopes, u)
        if self.kind == "axisymmetric":
            found[..., 1, 1] = np.einsum("nmb,nb->nm", patch.shapes, u[..., 0]) / patch.points[..., 0]
        return found


def _within(front: Front, corners: np.ndarray) -> np.ndarray:
    """Cells with a corner in the box around the front and its integral."""
    points = front.at(front.span)
    low, high = points.min(axis=0) - front.outer, points.max(axis=0) + front.outer
    return ((corners >= low) & (corners <= high)).all(axis=2).any(axis=1)


# ---- the integrals ----------------------------------------------------------------------------------------------------


class Place:
    """One place of a front: its integrals at the present displacement."""

    def __init__(self, body: Body, front: Front, place: float, case: Case):
        self.body, self.front = body, front
        self.volume, self.faces = body.inside(front, place), body.walls(front, place)
        self.length = self._length(case, place) / front.shares
        self.along = self._along(place)
        self._seen = [near(front, patch.points, body.kind) for patch in (self.volume, *self.faces)]
        self._known: tuple[tuple[float, float], dict] | None = None

    def _length(self, case: Case, place: float) -> float:
        """L: of the front inside the cell, each part by its growth; about an axis the radius."""
        if self.front.shape == "point":
            return self.front.center[0] if self.body.kind == "axisymmetric" else 1.0
        t = np.linspace(place - self.front.spread, place + self.front.spread, 2001)
        points = self.front.at(t)
        sizes = enumerate((case.geometry.width, case.geometry.depth))
        inside = [(points[:, k] > -1e-9) & (points[:, k] < size + 1e-9) for k, size in sizes]
        speed = np.linalg.norm(self.front.slope(t), axis=1) * hat(self.front, place, t) * (inside[0] & inside[1])
        return float(np.trapezoid(speed, t))

    def _along(self, place: float) -> float:
        """Length along the front from its first place, um."""
        if self.front.shape == "point":
            return 0.0
        t = np.linspace(self.front.places[0], place, 401)
        return float(np.trapezoid(np.linalg.norm(self.front.slope(t), axis=1), t))

    def _auxiliary(self, elastic: Elastic) -> dict[str, list[Auxiliary]]:
        """Fields of each mode on each patch, as tensors of space."""
        key = (elastic.young, elastic.nu)
        if self._known is None or self._known[0] != key:
            self._known = key, {mode: [_turned(auxiliary(law, seen.x1, seen.x2, seen.bend, elastic.shear, elastic.nu), seen.frame)
                                       for seen in self._seen] for mode, law in MODES.items()}
        return self._known[1]

    def integrals(self, elastic: Elastic) -> np.ndarray:
        """(J, interaction with K_I, K_II, T) times L; sums and weights of eps_33 and p at the front. Of this rank's cells."""
        found = np.zeros(5 + len(MODES))
        fields = self._auxiliary(elastic)
        for n, patch in enumerate((self.volume, *self.faces)):
            gradient = self.body.motion(patch)
            strain = 0.5 * (gradient + np.swapaxes(gradient, -1, -2)) - elastic.thermal * np.eye(3)
            stress = elastic.stress(strain)
            modes = [fields[mode][n] for mode in MODES]
            over = (gradient, strain, stress, modes)
            found += self._over_volume(patch, *over) if n == 0 else self._over_faces(n, patch, *over)
        return found

    def _over_volume(self, patch: Patch, gradient, strain, stress, modes: list[Auxiliary]) -> np.ndarray:
        divergence = np.trace(patch.xi_slope, axis1=-2, axis2=-1)

        def flux(energy, terms) -> float:
            """`-int (energy delta_kj - sum u_i,k sigma_ij) xi_k,j`."""
            density = -energy * divergence
            for u, s in terms:
                density = density + np.einsum("nmik,nmij,nmkj->nm", u, s, patch.xi_slope, optimize=True)
            return float((density * patch.weights).sum())

        energy = 0.5 * np.einsum("nmij,nmij->nm", stress, strain)
        found = [flux(energy, [(gradient, stress)])]
        for mode in modes:
            mixed = np.einsum("nmij,nmij->nm", mode.stress, strain)
            driven = np.einsum("nmk,nmi,nmik->nm", patch.xi, mode.divergence, gradient)
            found.append(flux(mixed, [(mode.gradient, stress), (gradient, mode.stress)]) + float((driven * patch.weights).sum()))
        seen = self._seen[0]
        core = _at_front(patch, seen)
        along = np.einsum("nmi,nmij,nmj->nm", seen.frame[..., 2, :], strain, seen.frame[..., 2, :])
        return np.array([*found, float((core * along).sum()), float(core.sum()), 0.0, 0.0])

    def _over_faces(self, n: int, patch: Patch, gradient, strain, stress, modes: list[Auxiliary]) -> np.ndarray:
        normal, weights = patch.normal[:, None, :], patch.weights
        traction = -self._pressure(patch)[..., None] * normal
        counted = self._seen[n].r >= self.front.inner
        forward = (patch.xi * normal).sum(-1)

        def work(force, u):
            return np.einsum("nmk,nmi,nmik->nm", patch.xi, force, u)

        energy = 0.5 * np.einsum("nmij,nmij->nm", stress, strain)
        found = [float(((counted * energy * forward - work(traction, gradient)) * weights).sum())]
        for name, mode in zip(MODES, modes):
            loaded = counted if name == "T" else True  # flat faces do not move under the line force, a blunt tip would
            mixed = np.einsum("nmij,nmij->nm", mode.stress, strain) * forward
            drawn = np.einsum("nmij,nmj->nmi", mode.stress, np.broadcast_to(normal, patch.xi.shape))
            drawn = np.where(counted[..., None], drawn, mode.bent[..., None] * normal)
            given = work(drawn, gradient) + loaded * work(traction, mode.gradient)
            found.append(float(((counted * mixed - given) * weights).sum()))
        core = _at_front(patch, self._seen[n])
        return np.array([*found, 0.0, 0.0, float((core * self._pressure(patch)).sum()), float(core.sum())])

    def _pressure(self, patch: Patch) -> np.ndarray:
        if isinstance(patch.load, tuple):
            dofs, linear = patch.load
            return self.body.fields["p_c"].x.array[dofs] @ linear.T
        given = self.body.loads.others.get(patch.load)
        return np.full(patch.weights.shape, 0.0 if given is None else float(given.value))

    def intensity(self, elastic: Elastic, comm: MPI.Comm) -> Intensity:
        total = comm.allreduce(self.integrals(elastic), MPI.SUM)
        j, first, second, force = total[:4] / self.length
        out, p = (total[k] / total[k + 1] if total[k + 1] else 0.0 for k in (4, 6))
        k_1 = 0.5 * elastic.plane * first * SQRT_M
        k_2 = 0.5 * elastic.plane * second * SQRT_M if self.front.shares == 1 else 0.0  # the other half takes it away
        ratio = k_1 / (elastic.toughness * SQRT_M) if elastic.toughness else math.nan
        t = elastic.plane * (force + elastic.nu * out) - p
        return Intensity(self.along, j, k_1, k_2, t, ratio)


def _at_front(patch: Patch, seen: Near) -> np.ndarray:
    """Weights of a mean over a patch that only the points closest to the front decide."""
    return patch.weights * np.linalg.norm(patch.xi, axis=-1) / seen.r**3


def _turned(fields: Auxiliary, frame: np.ndarray) -> Auxiliary:
    """From the frame of the front to space."""
    def tensor(t):
        return np.einsum("...ai,...ab,...bj->...ij", frame, t, frame, optimize=True)

    divergence = np.einsum("...ai,...a->...i", frame, fields.divergence)
    return Auxiliary(tensor(fields.gradient), tensor(fields.stress), divergence, fields.bent)


class Tips:
    """All crack fronts of a case."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.case, self.domain, self.parameters = case, domain, model.parameters
        self.fronts = fronts(case) if "u_s" in fields else ()
        body = Body(domain, fields, model.controls.loads) if self.fronts else None
        self.places = {front.name: [Place(body, front, t, case) for t in front.places] for front in self.fronts}

    @cached_property
    def judged(self) -> list[str]:
        """Names of the fronts whose K_IC is known."""
        return [front.name for front in self.fronts if self._elastic(front).toughness]

    def _elastic(self, front: Front) -> Elastic:
        material, kelvin = self.case.region(front.region).material, self.parameters.temperature
        expands, warmer = material.has("thermal_expansion"), kelvin - self.case.temperature
        thermal = material.get("thermal_expansion").at(kelvin) * warmer if expands else 0.0
        toughness = material.get("fracture_toughness").at(kelvin) if material.has("fracture_toughness") else None
        return Elastic(material.get("youngs_modulus").at(kelvin), material.get("poisson_ratio").at(kelvin), thermal, toughness)

    def profile(self, name: str) -> list[Intensity]:
        """Along one front, at the present displacement."""
        elastic = self._elastic(next(front for front in self.fronts if front.name == name))
        return [place.intensity(elastic, self.domain.comm) for place in self.places[name]]

    def ratio(self, name: str) -> float:
        """Largest K_I/K_IC of a front at the present displacement."""
        return max(place.ratio for place in self.profile(name))

    def scalars(self) -> dict[str, float]:
        """Of each front; along one in a box where J is largest, with K_II and T as they are there."""
        found, risk = {}, 0.0
        for front in self.fronts:
            places = self.profile(front.name)
            worst = max(places, key=lambda place: place.J)
            found |= {f"J_N_per_m[{front.name}]": worst.J, f"K_I_MPa_sqrt_m[{front.name}]": worst.K_I,
                      f"K_II_MPa_sqrt_m[{front.name}]": worst.K_II, f"T_stress_MPa[{front.name}]": worst.T}
            if front.name in self.judged:
                found[f"K_I_over_K_IC[{front.name}]"] = max(place.ratio for place in places)
                if self.case.fracture is not None and self.case.fracture.weibull_modulus is not None:
                    risk += max(found[f"K_I_over_K_IC[{front.name}]"], 0.0) ** self.case.fracture.weibull_modulus
        if self.case.fracture is not None and self.case.fracture.weibull_modulus is not None:
            found["short_risk"] = -math.expm1(-risk)
        return found


class FrontTable:
    """`fronts.csv`: the intensities along the fronts of a box, at every time at which fields are written."""

    COLUMNS = ["front", "along_um", "J_N_per_m", "K_I_MPa_sqrt_m", "K_II_MPa_sqrt_m", "T_stress_MPa", "K_I_over_K_IC"]

    def __init__(self, path: Path, tips: Tips):
        self.path, self.tips = path, tips
        self.names = [front.name for front in tips.fronts if len(front.places) > 1]

    def look(self) -> dict[Path, tuple[list[str], list[list]]]:
        """(columns, rows) for the file at the present state; all ranks take part."""
        rows = [[name, p.along, p.J, p.K_I, p.K_II, p.T, p.ratio] for name in self.names for p in self.tips.profile(name)]
        return {self.path: (self.COLUMNS, rows)} if rows else {}
