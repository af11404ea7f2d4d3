"""Faces of bodies where they are now: simplices through the displaced nodes, gathered over ranks, and distances to them."""

from __future__ import annotations

import numpy as np
from dolfinx import fem
from scipy.spatial import cKDTree

from ..domain import Domain
from ..fields import BODIES, Fields

CORNERS = {2: ((0, 2), (2, 1)), 3: ((0, 5, 4), (1, 3, 5), (2, 4, 3), (3, 4, 5))}  # of a face of degree 2, in its vertices and middles
NEAREST = 12  # simplices, by their middles, among which the nearest point is sought


class Surface:
    """Facets of the parent mesh, each owned by this rank, as part of one body that is displaced by `name`."""

    def __init__(self, domain: Domain, fields: Fields, name: str, facets: np.ndarray):
        self.comm, self.dimension, self.u = domain.comm, domain.dimension, fields[name]
        space, body = self.u.function_space, domain.submeshes[BODIES[name]]
        where = np.full(len(domain.region_of_cell), -1, np.int32)
        where[body.parents] = np.arange(len(body.parents), dtype=np.int32)
        closure = [space.dofmap.dof_layout.entity_closure_dofs(self.dimension - 1, n) for n in range(self.dimension + 1)]
        self.dofs = np.array([_closure(domain, facet, where, space, closure) for facet in facets], np.int32)
        self.dofs = self.dofs.reshape(-1, len(closure[0]))
        self.start = space.tabulate_dof_coordinates()[:, : self.dimension]

    def nodes(self, moved: float = 1.0) -> np.ndarray:
        """Displaced nodes (facet, node, d) of this rank; where they were at the start for `moved` = 0."""
        return (self.start + moved * self.u.x.array.reshape(-1, self.dimension))[self.dofs]

    def simplices(self, moved: float = 1.0) -> np.ndarray:
        """Of all ranks, (simplex, corner, d): each facet in two, or four."""
        own = self.nodes(moved)[:, np.array(CORNERS[self.dimension])].reshape(-1, self.dimension, self.dimension)
        return np.concatenate(self.comm.allgather(own))


def _closure(domain: Domain, facet: int, where: np.ndarray, space: fem.FunctionSpace, closure: list) -> np.ndarray:
    """Degrees of freedom of a facet as seen from its cell in the body."""
    links = domain.mesh.topology.connectivity(domain.dimension - 1, domain.dimension).links(facet)
    cell = next(c for c in links if where[c] >= 0)
    number = list(domain.mesh.topology.connectivity(domain.dimension, domain.dimension - 1).links(cell)).index(facet)
    return space.dofmap.list[where[cell]][closure[number]]


def nearest(points: np.ndarray, simplices: np.ndarray) -> np.ndarray:
    """Nearest point (p, d) of a surface to each of some points."""
    if not len(points) or not len(simplices):
        return np.full_like(points, np.inf)
    _, near = cKDTree(simplices.mean(axis=1)).query(points, k=min(NEAREST, len(simplices)))
    near = near.reshape(len(points), -1)
    feet = (_on_segments if simplices.shape[1] == 2 else _on_triangles)(points[:, None], *np.moveaxis(simplices[near], 2, 0))
    best = np.linalg.norm(feet - points[:, None], axis=2).argmin(axis=1)
    return feet[np.arange(len(points)), best]


def heights(places: np.ndarray, surface: np.ndarray) -> np.ndarray:
    """Height, along the last axis, of a surface given by points (p, d) at places along the others; outside it that of the nearest."""
    if not len(places):
        return np.zeros(0)
    if places.shape[1] == 1:
        order = np.argsort(surface[:, 0])
        return np.interp(places[:, 0], surface[order, 0], surface[order, 1])
    from scipy.interpolate import LinearNDInterpolator  # slow to load, and for voids in a box alone

    across, found = surface[:, :2], np.unique(surface, axis=0)
    inside = LinearNDInterpolator(found[:, :2], found[:, 2])(places)
    return np.where(np.isnan(inside), surface[cKDTree(across).query(places)[1], 2], inside)


def measure(nodes: np.ndarray) -> np.ndarray:
    """Lengths or areas of facets through their vertices, (facet, node, d)."""
    d = nodes.shape[2]
    if d == 2:
        return np.linalg.norm(nodes[:, 1] - nodes[:, 0], axis=1)
    return 0.5 * np.linalg.norm(np.cross(nodes[:, 1] - nodes[:, 0], nodes[:, 2] - nodes[:, 0]), axis=1)


def _on_segments(p, a, b) -> np.ndarray:
    along = b - a
    share = ((p - a) * along).sum(axis=2) / np.maximum((along**2).sum(axis=2), 1e-300)
    return a + np.clip(share, 0.0, 1.0)[..., None] * along


def _on_triangles(p, a, b, c) -> np.ndarray:
    """Foot of the perpendicular where it falls inside, else the nearest point of an edge."""
    normal = np.cross(b - a, c - a)
    square = np.maximum((normal**2).sum(axis=2), 1e-300)
    foot = p - (((p - a) * normal).sum(axis=2) / square)[..., None] * normal
    turns = [(np.cross(t - s, foot - s) * normal).sum(axis=2) for s, t in ((a, b), (b, c), (c, a))]
    inside = (np.array(turns) >= 0).all(axis=0)
    edges = np.stack([_on_segments(p, s, t) for s, t in ((a, b), (b, c), (c, a))])
    best = np.linalg.norm(edges - p, axis=3).argmin(axis=0)
    return np.where(inside[..., None], foot, np.take_along_axis(edges, best[None, ..., None], axis=0)[0])
