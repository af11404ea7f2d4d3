"""Current lines in two dimensions as contours of the stream function: between two neighbours flows the same current."""

from __future__ import annotations

import numpy as np

from .data import Part, join


def stream_function(parts: list[Part], name: str, axisymmetric: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
    """(points, triangles, psi at the points) with `i_x = dpsi/dy`, `i_y = -dpsi/dx` in the least-squares sense; None if nothing flows.

    Electrons and ions together, so that psi is continuous through the interface; about an axis for `r i`.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import spsolve

    parts = [p for p in parts if name in p.values and len(p.cells)]
    if not parts:
        return None
    points, triangles, flux = join(parts, name)
    if axisymmetric:
        flux = flux * points[triangles].mean(axis=1)[:, :1]
    gradient, area = gradients(points, triangles)
    turned = np.stack([-flux[:, 1], flux[:, 0]], axis=1)
    local = np.einsum("cid,cjd,c->cij", gradient, gradient, area)
    rows, columns = np.repeat(triangles, 3, axis=1).reshape(-1), np.tile(triangles, 3).reshape(-1)
    matrix = coo_matrix((local.reshape(-1), (rows, columns)), shape=(len(points), len(points))).tocsr()
    load = np.bincount(triangles.reshape(-1), (np.einsum("cid,cd->ci", gradient, turned) * area[:, None]).reshape(-1), len(points))
    pieces, piece = connected_components(matrix, directed=False)
    fixed = [int(np.flatnonzero(piece == n)[0]) for n in range(pieces)]  # psi is free by a constant in each piece
    free = np.setdiff1d(np.arange(len(points)), fixed)
    psi = np.zeros(len(points))
    psi[free] = spsolve(matrix[free][:, free].tocsc(), load[free])
    return (points, triangles, psi) if np.ptp(psi) > 0 else None


def gradients(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (cells, 3, 2) of the linear shape functions, and areas."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    opposite = np.stack([c - b, a - c, b - a], axis=1)
    area2 = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    area2 = np.where(np.abs(area2) > 0, area2, np.finfo(float).tiny)
    return np.stack([-opposite[:, :, 1], opposite[:, :, 0]], axis=2) / area2[:, None, None], 0.5 * np.abs(area2)
