"""New cells inside bodies that have been distorted: drawn where the bodies are now, laid back to where they were at first.

The outline of each region keeps its points, so that all other cells stay as they are; in 2D, where nothing lies beyond it, long edges
are split. A point X of the reference is given to each new point by the old cells, as straight ones: `X = sum lambda_k X_k`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations, permutations

import gmsh
import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from .arrays import Mesh, faces
from .session import session

SOUGHT = 4_000_000  # pairs of a point and a cell that are looked at at a time
LEAST_SIZE = 1e-6  # of a new cell in the reference, of the mean one there
ROUNDS = 50  # of untangling
BETTER = 1.5  # times the quality of the worst cell before
SIDES = {3: ((0, 1), (1, 2), (2, 0)), 4: ((0, 2, 1), (0, 1, 3), (1, 2, 3), (0, 3, 2))}  # of right-handed cells by their corners, outwards
REGULAR = {2: 2 / np.sqrt(3), 3: np.sqrt(2)}  # edge^d/(d! V) of the equilateral cell


class NotRenewed(Exception):
    """No better cells were found; the text says why."""


def renew(mesh: Mesh, regions: list[str], displacement: np.ndarray) -> Mesh:
    """The mesh (reference points) with new cells in the regions; displacement (point, d). NotRenewed if none are better."""
    d = mesh.dimension
    points, moved = mesh.points[:, :d], mesh.points[:, :d] + displacement
    cells, facets, before, after = dict(mesh.cells), dict(mesh.facets), [], []
    outer = _outer_edges(mesh) if d == 2 else set()
    for name in regions:
        old = right_handed(mesh.cells[name], points)
        if d == 2:
            outline, points, moved = split(outline_of(old), outer, facets, points, moved, edge(moved, old))
            new, places_now = drawn(outline, moved)
        else:
            new, places_now = filled(old, moved)
        first = len(points)
        new = np.where(new >= 0, new, first - new - 1)
        places = np.vstack([points, _carried(places_now, moved, points, old)])
        _untangle(places, new, first)
        moved = np.vstack([moved, _carried(places[first:], points, moved, old)])
        points = places
        before.append(quality(moved[old]).min())
        after.append(quality(moved[new]).min())
        cells[name] = new
    if min(after) < BETTER * min(before):
        kept = "" if d == 2 else _worst_face(np.concatenate([cells[name] for name in regions]), moved)
        raise NotRenewed(f"new cells would be no better than {min(after):.2g} (now {min(before):.2g}){kept}")
    space = np.hstack([points, np.zeros((len(points), 3 - d))])
    return compact(replace(mesh, points=space, cells=cells, facets=facets))


def quality(corners: np.ndarray) -> np.ndarray:
    """Scaled Jacobian of cells (cell, corner, d), 1 if equilateral: `d! V/(mean squared edge)^(d/2)` up to a factor."""
    d = corners.shape[2]
    edges = np.mean([((corners[:, a] - corners[:, b]) ** 2).sum(axis=1) for a, b in combinations(range(d + 1), 2)], axis=0)
    return REGULAR[d] * math.factorial(d) * _sizes(corners) / edges ** (d / 2)


def _worst_face(cells: np.ndarray, moved: np.ndarray) -> str:
    """Of the outline of tetrahedra, in words."""
    corners = moved[once(sides(cells))]
    edges = np.mean([((corners[:, a] - corners[:, b]) ** 2).sum(axis=1) for a, b in combinations(range(3), 2)], axis=0)
    area = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    shape = 2 * REGULAR[2] * area / edges
    place = ", ".join(f"{x:.3g}" for x in corners[shape.argmin()].mean(axis=0))
    return f"; the faces around them stay, of which the worst, at ({place}) um, has {shape.min():.2g}"


def _sizes(corners: np.ndarray) -> np.ndarray:
    """Signed areas, or volumes."""
    d = corners.shape[1] - 1
    return np.linalg.det(corners[:, 1:, :d] - corners[:, :1, :d]) / math.factorial(d)


def right_handed(cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    turned = [1, 0, *range(2, cells.shape[1])]
    return np.where(_sizes(points[cells])[:, None] < 0, cells[:, turned], cells)


def edge(moved: np.ndarray, cells: np.ndarray) -> float:
    """Edge of an equilateral triangle of the mean area."""
    return float(np.sqrt(4 / np.sqrt(3) * np.abs(_sizes(moved[cells])).mean()))


def sides(cells: np.ndarray) -> np.ndarray:
    """Directed edges of right-handed triangles, the cell to the left; or faces of tetrahedra, as seen from outside."""
    return np.concatenate([cells[:, side] for side in map(list, SIDES[cells.shape[1]])])


def once(edges: np.ndarray) -> np.ndarray:
    """Those edges, or faces, that occur once, in whichever direction."""
    _, where, count = np.unique(np.sort(edges, axis=1), axis=0, return_inverse=True, return_counts=True)
    return edges[count[where.ravel()] == 1]


def _outer_edges(mesh: Mesh) -> set[tuple[int, int]]:
    return {(int(a), int(b)) for a, b in np.sort(once(sides(mesh.all_cells()[0])), axis=1)}


def outline_of(cells: np.ndarray) -> list[tuple[int, int]]:
    """Directed edges around a region."""
    edges = [(int(a), int(b)) for a, b in once(sides(cells))]
    if len({a for a, _ in edges}) < len(edges):
        raise NotRenewed("a region touches itself in a point")
    return edges


def split(outline, outer, facets, points, moved, longest: float):
    """The outline with its outer edges split to at most `longest`; also in the groups of facets."""
    found, pieces = [], {}
    for a, b in outline:
        count = int(np.ceil(np.linalg.norm(moved[b] - moved[a]) / longest - 0.1)) if (min(a, b), max(a, b)) in outer else 1
        chain = [a, *range(len(points), len(points) + count - 1), b]
        if count > 1:
            share = (np.arange(1, count) / count)[:, None]
            points, moved = (np.vstack([p, (1 - share) * p[a] + share * p[b]]) for p in (points, moved))
            pieces[min(a, b), max(a, b)] = np.array(list(zip(chain, chain[1:])))
        found += zip(chain, chain[1:])
    for name, group in facets.items():
        parts = [pieces.get((int(min(e)), int(max(e))), e[None]) for e in group]
        facets[name] = np.concatenate(parts) if parts else group
    return found, points, moved


def _loops(outline: list[tuple[int, int]]) -> list[list[int]]:
    follow, found = dict(outline), []
    while follow:
        first, b = follow.popitem()
        loop = [first]
        while b != first:
            loop.append(b)
            b = follow.pop(b)
        found.append(loop)
    return found


def _bodies(loops: list[list[int]], moved: np.ndarray) -> list[list[list[int]]]:
    """Each loop that goes around a body (to its left), followed by the holes in it."""
    from matplotlib.path import Path as Polygon  # slow to load, and few runs come here

    def area(loop) -> float:
        x, y = moved[loop].T
        return 0.5 * float(np.sum(x * np.roll(y, -1) - y * np.roll(x, -1)))

    around = sorted((loop for loop in loops if area(loop) > 0), key=area)
    found = [[loop] for loop in around]
    for hole in (loop for loop in loops if area(loop) <= 0):
        body = next((b for b in found if Polygon(moved[b[0]]).contains_points(moved[hole]).all()), None)
        if body is None:
            raise NotRenewed("the outline of a region crosses itself")
        body.append(hole)
    return found


def drawn(outline: list[tuple[int, int]], moved: np.ndarray, growth: float = math.inf) -> tuple[np.ndarray, np.ndarray]:
    """Triangles inside an outline, and their new points; point number -1 - k stands for new point k.

    Edges inside are as those of the outline, interpolated; or grow away from it with the distance by `growth`, where that is finite.
    """
    with session():
        for option in ("MeshSizeExtendFromBoundary", "MeshSizeFromPoints"):
            gmsh.option.setNumber(f"Mesh.{option}", int(math.isinf(growth)))
        geo, lines = gmsh.model.geo, {}
        sizes = _lengths(outline, moved)
        for a in sizes:
            geo.addPoint(*moved[a], 0.0, sizes[a], tag=a + 1)
        for a, b in outline:
            lines[a] = geo.addLine(a + 1, b + 1)
            geo.mesh.setTransfiniteCurve(lines[a], 2)
        for body in _bodies(_loops(outline), moved):
            geo.addPlaneSurface([geo.addCurveLoop([lines[a] for a in loop]) for loop in body])
        geo.synchronize()
        if math.isfinite(growth):
            near, edges, most = moved[list(sizes)], np.array(list(sizes.values())), max(sizes.values())
            gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, lc: min(most, float(
                (edges + growth * np.hypot(near[:, 0] - x, near[:, 1] - y)).min())))
        gmsh.model.mesh.generate(2)
        number = {int(gmsh.model.mesh.getNodes(0, a + 1)[0][0]): a for a in sizes}
        tags, places, _ = gmsh.model.mesh.getNodes()
        nodes = gmsh.model.mesh.getElementsByType(2)[1]
    if not len(nodes):
        raise NotRenewed("an outline holds nothing")
    new = []
    for tag, place in zip(tags, places.reshape(-1, 3)[:, :2]):
        if int(tag) not in number:
            number[int(tag)] = -1 - len(new)
            new.append(place)
    triangles = np.array([number[int(tag)] for tag in nodes]).reshape(-1, 3)
    return triangles, np.array(new).reshape(-1, 2)


def filled(cells: np.ndarray, moved: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Tetrahedra between the outer faces of these, which stay; and new points, numbered as by `drawn`. Edges inside as on the faces."""
    with session():
        for option, value in (("MeshSizeExtendFromBoundary", 1), ("Renumber", 0)):
            gmsh.option.setNumber(f"Mesh.{option}", value)
        geo, known = gmsh.model.geo, np.zeros(len(moved), dtype=bool)
        for shells in _shells(cells):
            loops = []
            for shell in shells:
                surface = gmsh.model.addDiscreteEntity(2)
                nodes = np.unique(shell)
                nodes = nodes[~known[nodes]]
                known[nodes] = True
                gmsh.model.mesh.addNodes(2, surface, nodes + 1, moved[nodes].ravel())
                gmsh.model.mesh.addElementsByType(surface, 2, [], (shell + 1).ravel())
                loops.append(geo.addSurfaceLoop([surface]))
            geo.addVolume(loops)
        geo.synchronize()
        gmsh.model.mesh.generate(3)
        gmsh.model.mesh.optimize("Netgen")
        tags, places, _ = gmsh.model.mesh.getNodes()
        nodes = gmsh.model.mesh.getElementsByType(4)[1].astype(np.int64)
    if not len(nodes):
        raise NotRenewed("an outline holds nothing")
    new = np.setdiff1d(nodes, np.flatnonzero(known) + 1)
    number = np.arange(int(nodes.max()) + 1) - 1
    number[new] = -1 - np.arange(len(new))
    at = dict(zip(tags.tolist(), places.reshape(-1, 3)))
    return number[nodes].reshape(-1, 4), np.array([at[tag] for tag in new.tolist()]).reshape(-1, 3)


def _shells(cells: np.ndarray) -> Iterator[list[np.ndarray]]:
    """For each connected body of tetrahedra its closed surfaces of triangles, around it and around holes in it."""
    for body in _joined(cells, faces(cells)):
        outline = once(sides(body))
        edges = np.sort(sides(outline), axis=1)
        if (np.unique(edges, axis=0, return_counts=True)[1] > 2).any():
            raise NotRenewed("a region touches itself along an edge")
        yield list(_joined(outline, edges.reshape(3, -1, 2).swapaxes(0, 1).reshape(-1, 2)))


def _joined(cells: np.ndarray, borders: np.ndarray) -> Iterator[np.ndarray]:
    """Cells, or triangles, that hang together by what they share; the borders of each follow each other."""
    _, where = np.unique(borders, axis=0, return_inverse=True)
    own = np.repeat(np.arange(len(cells)), len(borders) // len(cells))
    links = coo_matrix((np.ones(len(own)), (own, len(cells) + where.ravel())), shape=2 * (len(cells) + int(where.max()) + 1,))
    part = connected_components(links, directed=False)[1][: len(cells)]
    return (cells[part == k] for k in np.unique(part))


def _lengths(outline: list[tuple[int, int]], moved: np.ndarray) -> dict[int, float]:
    """Mean length of the two edges at each point."""
    found: dict[int, float] = {}
    for a, b in outline:
        half = 0.5 * float(np.linalg.norm(moved[b] - moved[a]))
        found[a], found[b] = found.get(a, 0.0) + half, found.get(b, 0.0) + half
    return found


def _untangle(points: np.ndarray, cells: np.ndarray, first: int) -> None:
    """Move points from number `first` on to the middle of their neighbours until no cell is turned over."""
    count, pairs = len(points), np.concatenate([cells[:, [a, b]] for a, b in permutations(range(cells.shape[1]), 2)])
    links = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(count, count)).tocsr()
    links.data[:] = 1.0
    degree = np.maximum(np.asarray(links.sum(axis=1)).ravel(), 1.0)[:, None]
    for _ in range(ROUNDS):
        areas = _sizes(points[cells])
        bad = cells[areas < LEAST_SIZE * np.abs(areas).mean()]
        if not len(bad):
            return
        some = np.unique(bad[bad >= first])
        points[some] = (links @ points / degree)[some]
    raise NotRenewed("new cells would be turned over where they were at first")


def _carried(places: np.ndarray, source: np.ndarray, target: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """Places among the source points as seen among the target points: by the straight cell that holds each, or is nearest."""
    corner = source[cells[:, 0]]
    inverse = np.linalg.inv(np.swapaxes(source[cells[:, 1:]] - corner[:, None], 1, 2))
    found = np.empty_like(places)
    chunk = max(SOUGHT // len(cells), 1)
    for begin in range(0, len(places), chunk):
        some = slice(begin, begin + chunk)
        others = np.einsum("cij,pcj->pci", inverse, places[some, None] - corner)
        shares = np.concatenate([1 - others.sum(axis=2, keepdims=True), others], axis=2)
        best = shares.min(axis=2).argmax(axis=1)
        share = shares[np.arange(len(best)), best]
        found[some] = np.einsum("pk,pkd->pd", share, target[cells[best]])
    return found


def compact(mesh: Mesh) -> Mesh:
    """Without points that no cell uses."""
    used = np.unique(mesh.all_cells()[0])
    row = np.full(len(mesh.points), -1)
    row[used] = np.arange(len(used))
    cells, facets = ({name: row[group] for name, group in groups.items()} for groups in (mesh.cells, mesh.facets))
    return replace(mesh, points=mesh.points[used], cells=cells, facets=facets)
