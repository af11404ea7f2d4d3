"""Curvature of the interfaces, from the mesh: what surface tension makes of it shifts the equilibrium of charge transfer.

`K = div n` on the surface, the sum of the principal curvatures, of the unit normals at the vertices taken as linear in each cell. These
normals are means of those of the cells around, with weights that make them exact on circles (1/length) and spheres (Max 1999,
doi:10.1080/10867651.1999.10487501), where K is exact then too. About an axis the second curvature is `n_r/r`.
"""

from __future__ import annotations

import numpy as np
from dolfinx import fem

from .kinks import SHARP, sum_at_vertices


def curvature(gamma, normals: np.ndarray, axisymmetric: bool) -> fem.Function:
    """K (1/um) in each cell of the interface mesh, positive where the more metallic side bulges.

    Cells at ends and sharp edges take it from their neighbours; 0 where no cell around lies inside a smooth part.
    normals: (cell, d), unit, of all cells of this rank, out of the more metallic side.
    """
    space, owned = fem.functionspace(gamma, ("Lagrange", 1)), gamma.topology.index_map(gamma.topology.dim).size_local
    dofs, corners = space.dofmap.list[:owned], gamma.geometry.x[gamma.geometry.dofmaps[0][:owned], : normals.shape[1]]
    weights, own = _weights(corners), normals[:owned]
    sums = np.stack([sum_at_vertices(space, weights * part[:, None]) for part in own.T], axis=1)
    length, weight = np.linalg.norm(sums, axis=1), sum_at_vertices(space, weights)
    smooth = (length > np.cos(np.radians(SHARP / 2)) * weight) & ~_edges(space)
    at = (sums / np.maximum(length, 1e-300)[:, None])[dofs]
    found = _divergence(corners, at)
    if axisymmetric:
        found += at[:, :, 0].mean(axis=1) / corners[:, :, 0].mean(axis=1)
    inside = smooth[dofs].all(axis=1)
    total, count = (sum_at_vertices(space, np.where(inside, value, 0.0)) for value in (found, 1.0))
    near, known = (total / np.maximum(count, 1.0))[dofs], (count > 0)[dofs]
    answer = fem.Function(fem.functionspace(gamma, ("DG", 0)), name="curvature")
    answer.x.array[:owned] = np.where(inside, found, (near * known).sum(axis=1) / np.maximum(known.sum(axis=1), 1))
    answer.x.scatter_forward()
    return answer


def _weights(corners: np.ndarray) -> np.ndarray:
    """(cell, corner): of a cell's normal in the mean at each of its corners; 1/length, or `|a x b|/(|a|^2 |b|^2)`, a and b the edges there."""
    if corners.shape[1] == 2:
        return np.repeat(1 / np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)[:, None], 2, axis=1)
    a, b = (np.roll(corners, -k, axis=1) - corners for k in (1, 2))
    return np.linalg.norm(np.cross(a, b), axis=2) / ((a**2).sum(axis=2) * (b**2).sum(axis=2))


def _divergence(corners: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Surface divergence of linear vector fields on cells, from (cell, corner, d)."""
    edges, rises = (rows[:, 1:] - rows[:, :1] for rows in (corners, values))
    metric = np.einsum("cid,cjd->cij", edges, edges)
    return np.einsum("cij,cjd,cid->c", np.linalg.inv(metric), edges, rises)


def _edges(space: fem.FunctionSpace) -> np.ndarray:
    """Vertices where the interface ends, ghosts included: those of sides that one cell of all ranks has for itself."""
    gamma = space.mesh
    box, owned = gamma.topology.dim == 2, gamma.topology.index_map(gamma.topology.dim).size_local
    sides = fem.functionspace(gamma, ("CR", 1)) if box else space  # a number for each side of a cell
    alone = (sum_at_vertices(sides, np.ones(owned)) < 1.5)[sides.dofmap.list[:owned]]
    if box:  # side k lies opposite to vertex k
        alone = alone.sum(axis=1)[:, None] - alone > 0
    return sum_at_vertices(space, alone.astype(float)) > 0
