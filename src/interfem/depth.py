"""Where a point lies between the two faces of its layer."""

from __future__ import annotations

import numpy as np
from dolfinx import fem, mesh

from .domain import Domain
from .regions import Region


def relative_depth(domain: Domain, region: Region, cells: np.ndarray, degree: int) -> np.ndarray:
    """`s = d_low/(d_low + d_high)` at the nodes of the given cells of a layer, shape (cell, node).

    d_low and d_high are the shortest distances from the layer's lower (collector's side) and upper face, wherever these run.
    """
    low, high = (_face(domain, region, lower) for lower in (True, False))
    points = _nodes(domain, cells, degree)
    d_low, d_high = (_distance(points.reshape(-1, 3), *face) for face in (low, high))
    return (d_low / (d_low + d_high)).reshape(points.shape[:2])


def depth_direction(domain: Domain, cells: np.ndarray, depth: np.ndarray, degree: int) -> np.ndarray:
    """Unit vectors along the mean gradient of the relative depth in each cell, from its values at the nodes, shape (cell, dimension)."""
    points = _nodes(domain, cells, degree)[..., : domain.dimension]
    x, s = (values - values.mean(axis=1, keepdims=True) for values in (points, depth))
    if not len(cells):
        return np.empty((0, domain.dimension))
    gradient = np.linalg.solve(np.einsum("cni,cnj->cij", x, x), np.einsum("cni,cn->ci", x, s)[..., None])[..., 0]
    return gradient / np.linalg.norm(gradient, axis=1, keepdims=True)


def distance_from_face(domain: Domain, points: np.ndarray, first: Region, second: Region) -> np.ndarray:
    """Shortest distance of points (point, 3) from the face where two regions meet, um. Collective."""
    number = domain.regions.index
    facets = domain.facets_between(number(first), [number(second)])
    return _distance(points, *_gathered(domain, facets))


def _nodes(domain: Domain, cells: np.ndarray, degree: int) -> np.ndarray:
    """Coordinates (cell, node, 3) of the nodes of a discontinuous polynomial."""
    space = fem.functionspace(domain.mesh, ("DG", degree))
    return space.tabulate_dof_coordinates()[space.dofmap.list[cells]]


def _face(domain: Domain, region: Region, lower: bool) -> tuple[np.ndarray, np.ndarray]:
    """(points, facets as rows of point numbers) of one face of a layer, gathered from all ranks."""
    order = domain.layer_order()
    mine = domain.regions.index(region)
    beyond = [n for n, place in enumerate(order) if place >= 0 and (place < order[mine] if lower else place > order[mine])]
    facets = domain.facets_between(mine, beyond)
    end = "collector" if lower else "counter"
    if not domain.comm.allreduce(len(facets)) and end in domain.boundaries:
        facets = domain.facet_tags.find(domain.boundaries[end])
    return _gathered(domain, facets)


def _gathered(domain: Domain, facets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(points, facets as rows of point numbers) of facets of all ranks."""
    fdim = domain.dimension - 1
    nodes = mesh.entities_to_geometry(domain.mesh, fdim, facets) if len(facets) else np.empty((0, domain.dimension), np.int32)
    points = np.concatenate(domain.comm.allgather(domain.mesh.geometry.x[nodes.reshape(-1)]))
    return points, np.arange(len(points)).reshape(-1, domain.dimension)


def _distance(points: np.ndarray, nodes: np.ndarray, facets: np.ndarray) -> np.ndarray:
    """Shortest distance of each point from a surface of triangles or a line of segments."""
    import pyvista  # slow to load, and few layers are graded

    if not len(points):
        return np.empty(0)
    rows = np.hstack([np.full((len(facets), 1), facets.shape[1]), facets]).ravel()
    surface = pyvista.PolyData(nodes, **({"faces": rows} if facets.shape[1] == 3 else {"lines": rows}))
    _, closest = surface.find_closest_cell(points, return_closest_point=True)
    return np.linalg.norm(points - closest, axis=1)
