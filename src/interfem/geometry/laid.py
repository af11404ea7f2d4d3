"""What metal that begins anew is laid by: the jump `D(X)` between a new reference and where it is, and how much an outline holds. 2D."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.linalg import spsolve
from scipy.spatial import cKDTree

CANDIDATES = 24  # cells, by their middles, among which the one that holds a point is sought
GROWTH = 0.3  # of edges with the distance from the outline
ENDS = ("collector", "counter")


@dataclass(frozen=True)
class Present:
    """Where the points of a mesh are now: displacements (point, 2) as part of the metal, and as part of the electrolyte."""

    metal: np.ndarray
    ions: np.ndarray


@dataclass(frozen=True)
class Laid:
    """`D(X)`, linear in the triangles (cell, corner) of the new reference, points X. near: points (p, 2) on the electrolyte's face."""

    points: np.ndarray
    jump: np.ndarray
    cells: np.ndarray
    near: np.ndarray

    def at(self, reference: np.ndarray) -> np.ndarray:
        """D at reference points (p, 2)."""
        return _interpolated(reference, self.points, self.jump, self.cells)

    def lay(self, start: np.ndarray, now: np.ndarray) -> np.ndarray:
        """X of points (p, 2) that are at `now`; where they started does not matter."""
        return _interpolated(now, self.points + self.jump, self.points, self.cells)


def _interpolated(places: np.ndarray, points: np.ndarray, values: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """By the straight cell that holds each place, or is nearest to doing so."""
    corners = points[cells]
    _, near = cKDTree(corners.mean(axis=1)).query(places, k=min(CANDIDATES, len(cells)))
    inverse = np.linalg.inv(np.swapaxes(corners[:, 1:] - corners[:, :1], 1, 2))
    two = np.einsum("pcij,pcj->pci", inverse[near], places[:, None] - corners[near, 0])
    share = np.concatenate([1 - two.sum(axis=2, keepdims=True), two], axis=2)
    best = share.min(axis=2).argmax(axis=1)
    row = np.arange(len(places))
    return np.einsum("pk,pkd->pd", share[row, best], values[cells[near[row, best]]])


def amount(corners: np.ndarray, turned: bool) -> float:
    """Area of triangles (cell, corner, 2), or with the radius as weight."""
    areas = 0.5 * np.linalg.det(corners[:, 1:] - corners[:, :1])
    return float((areas * (corners[:, :, 0].mean(axis=1) if turned else 1.0)).sum())


def enclosed(outline: list, points: np.ndarray, turned: bool) -> float:
    """The same inside directed edges."""
    a, b = (points[[e[k] for e in outline]] for k in (0, 1))
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    return float(np.sum(cross * (a + b)[:, 0]) / 6 if turned else np.sum(cross) / 2)


def lying(between: np.ndarray, points: np.ndarray, edges: list[tuple[int, int]]) -> dict[tuple[int, int], np.ndarray]:
    """Edges of the electrolyte's face -> what lies at either end, (end, 2): parted, plated; um. between: (edge, end, 4), after x and y."""
    if not edges:
        return {}
    first, second = (points[[e[k] for e in edges]] for k in (0, 1))
    rows = between[cKDTree(between[:, :, :2].mean(axis=1)).query(0.5 * (first + second))[1]]
    back = np.linalg.norm(rows[:, 0, :2] - first, axis=1) > np.linalg.norm(rows[:, 1, :2] - first, axis=1)
    return {edge: (two[::-1] if turned else two)[:, 2:] for edge, two, turned in zip(edges, rows, back)}


def plated(lying: dict[tuple[int, int], np.ndarray], points: np.ndarray, turned: bool) -> float:
    """Metal between the metal's cells and the electrolyte: `int w dx`, w linear, or with the radius as weight."""
    total = 0.0
    for (a, b), ends in lying.items():
        r, w = points[[a, b], 0] if turned else np.ones(2), ends[:, 1]
        total += float(np.linalg.norm(points[b] - points[a]) * (2 * r @ w + r @ w[::-1]) / 6)
    return total


def harmonic(points: np.ndarray, cells: np.ndarray, given: np.ndarray, value: np.ndarray) -> np.ndarray:
    """Each component of a vector (point, 2) that is given at some points, by linear triangles; elsewhere `div grad = 0`."""
    corners = points[cells]
    gradients = np.linalg.inv(np.concatenate([np.ones((*cells.shape, 1)), corners], axis=2))[:, 1:]
    areas = 0.5 * np.abs(np.linalg.det(corners[:, 1:] - corners[:, :1]))
    local = areas[:, None, None] * np.swapaxes(gradients, 1, 2) @ gradients
    rows, columns = (np.broadcast_to(c, local.shape).ravel() for c in (cells[:, :, None], cells[:, None, :]))
    matrix = coo_matrix((local.ravel(), (rows, columns)), shape=(len(points),) * 2).tocsr()
    used, found = np.isin(np.arange(len(points)), cells), value.copy()
    for k in (0, 1):
        free = used & ~given[:, k]
        held = used & given[:, k]
        found[free, k] = spsolve(matrix[free][:, free].tocsc(), -(matrix[free][:, held] @ value[held, k]))
    return found
