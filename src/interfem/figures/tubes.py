"""Current lines in two dimensions as contours of the stream function: between two neighbours flows the same current."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .data import Part, join


@dataclass(frozen=True)
class Tubes:
    """Stream function psi at the points of a mesh; the flux at its cells. About an axis psi grows as r squared."""

    points: np.ndarray
    cells: np.ndarray
    flux: np.ndarray
    psi: np.ndarray
    axisymmetric: bool

    def shape(self, psi: np.ndarray) -> np.ndarray:
        """A monotonic function of psi that varies nearly linearly in space, so that its contours are smooth."""
        if not self.axisymmetric:
            return psi
        away = psi - self.psi[np.argmin(self.points[:, 0])]
        return np.sign(away) * np.sqrt(np.abs(away))


def stream_function(parts: list[Part], name: str, axisymmetric: bool) -> Tubes | None:
    """`i_x = dpsi/dy`, `i_y = -dpsi/dx` in the least-squares sense; about an axis so for `r i`. None if nothing flows.

    Electrons and ions together, so that psi is continuous through the interface.
    """
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components
    from scipy.sparse.linalg import spsolve

    parts = [p for p in parts if name in p.values and len(p.cells)]
    if not parts:
        return None
    points, triangles, flux = join(parts, name)
    weight = points[triangles].mean(axis=1)[:, :1] if axisymmetric else 1.0
    gradient, area = gradients(points, triangles)
    turned = weight * np.stack([-flux[:, 1], flux[:, 0]], axis=1)
    local = np.einsum("cid,cjd,c->cij", gradient, gradient, area)
    rows, columns = np.repeat(triangles, 3, axis=1).reshape(-1), np.tile(triangles, 3).reshape(-1)
    matrix = coo_matrix((local.reshape(-1), (rows, columns)), shape=(len(points), len(points))).tocsr()
    load = np.bincount(
        triangles.reshape(-1), (np.einsum("cid,cd->ci", gradient, turned) * area[:, None]).reshape(-1), len(points)
    )
    pieces, piece = connected_components(matrix, directed=False)
    fixed = [int(np.flatnonzero(piece == n)[0]) for n in range(pieces)]  # psi is free by a constant in each piece
    free = np.setdiff1d(np.arange(len(points)), fixed)
    psi = np.zeros(len(points))
    psi[free] = spsolve(matrix[free][:, free].tocsc(), load[free])
    return Tubes(points, triangles, flux, psi, axisymmetric) if np.ptp(psi) > 0 else None


def gradients(points: np.ndarray, triangles: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Gradients (cells, 3, 2) of the linear shape functions, and areas."""
    a, b, c = (points[triangles[:, k]] for k in range(3))
    opposite = np.stack([c - b, a - c, b - a], axis=1)
    area2 = (b - a)[:, 0] * (c - a)[:, 1] - (b - a)[:, 1] * (c - a)[:, 0]
    area2 = np.where(np.abs(area2) > 0, area2, np.finfo(float).tiny)
    return np.stack([-opposite[:, :, 1], opposite[:, :, 0]], axis=2) / area2[:, None, None], 0.5 * np.abs(area2)
