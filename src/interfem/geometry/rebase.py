"""A reference that begins anew where a layer of metal is now: what has closed of its voids leaves the mesh, the rest gets new cells. 2D.

The electrolyte keeps its mesh. The metal's new outline follows the electrolyte's face wherever metal has come down to it, and the wall
of a void where it has not; its other faces keep the shape that they have now, at a distance at which the layer holds as much metal as
before. So slip along the face is forgotten, what has been stripped or plated there is not: `x = X + D(X)`, D the jump that is left.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .arrays import Mesh
from .renew import NotRenewed, compact, drawn, once, outline_of, right_handed, sides, split

THINNED = 0.4  # of the mean edge of the face below a void: points of its wall that are closer are left out
GROWTH = 0.3  # of edges with the distance from the outline
EXACT = 1e-12  # of the amount of metal: how closely it is kept
ENDS = ("collector", "counter")


@dataclass(frozen=True)
class Shift:
    """`D(X)` of one layer, linear across it between two faces: tables over the first coordinate.

    near: electrolyte's face, (point, 4): X, and D there. far: (point, 3): first coordinate, and D. base: height of the far face.
    """

    near: np.ndarray
    far: np.ndarray
    base: float

    def _faces(self, along: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        level, *first = (np.interp(along, self.near[:, 0], self.near[:, k]) for k in (1, 2, 3))
        second = [np.interp(along, self.far[:, 0], self.far[:, k]) for k in (1, 2)]
        return level, np.stack(first, axis=1), np.stack(second, axis=1)

    def at(self, reference: np.ndarray) -> np.ndarray:
        """D at reference points (p, 2)."""
        level, near, far = self._faces(reference[:, 0])
        share = ((reference[:, 1] - self.base) / (level - self.base))[:, None]
        return share * near + (1 - share) * far

    def back(self, places: np.ndarray) -> np.ndarray:
        """X of points (p, 2) that are at x now: exactly along the stack, and along the face as far as D varies little over itself."""
        level, near, far = self._faces(places[:, 0])
        slope = (near[:, 1] - far[:, 1]) / (level - self.base)
        height = (places[:, 1] - far[:, 1] + self.base * slope) / (1 + slope)
        share = ((height - self.base) / (level - self.base))[:, None]
        return np.stack([places[:, 0] - (share * near + (1 - share) * far)[:, 0], height], axis=1)

    def lay(self, start: np.ndarray, now: np.ndarray) -> np.ndarray:
        """X of points (p, 2) that were at `start` and are at x now; those on the electrolyte's face are held there."""
        found, held = self.back(now), cKDTree(self.near[:, :2]).query(start)[0] < 1e-9
        found[held] = start[held]
        return found


@dataclass(frozen=True)
class Present:
    """Where the points of a mesh are now: displacements (point, 2) as part of the metal, and as part of the electrolyte."""

    metal: np.ndarray
    ions: np.ndarray


@dataclass(frozen=True)
class Layer:
    """A layer of metal with its voids and the metal layers behind it, by name.

    least: void -> height, um, below which its wall has come down to the electrolyte; inf: closed everywhere.
    """

    name: str
    voids: tuple[str, ...]
    behind: tuple[str, ...]
    least: dict[str, float]


def rebase(mesh: Mesh, layer: Layer, present: Present, turned: bool) -> tuple[Mesh, Shift, float]:
    """(new mesh, D, displacement along the stack that the layers behind have lost by it). `turned`: about an axis. NotRenewed if it fails."""
    points, cells = mesh.points[:, :2], mesh.cells
    metal = right_handed(cells[layer.name], points)
    voids = [name for name in layer.voids if name in cells]
    hollow = {name: right_handed(cells[name], points) for name in voids}
    fixed = [group for name, group in cells.items() if name not in (layer.name, *voids, *layer.behind)]
    face = np.intersect1d(np.unique(np.concatenate(fixed)), np.unique(np.concatenate([metal, *hollow.values()])))
    outline = outline_of(metal)
    far = _far_edges(mesh, layer, outline)
    shifts = _Shifts(points, present, face, np.unique(far), _behind(cells, layer, far))
    held = amount(points[metal], turned)
    lost = shifts.guess
    for _ in range(20):
        found = _redrawn(mesh, layer, outline, hollow, face, shifts, lost)
        excess = enclosed(found.outline, found.points, turned) - held
        if abs(excess) <= EXACT * held:
            break
        lost += excess / shifts.measure(far, found.points, turned)
    else:
        raise NotRenewed("the amount of metal is not met")
    return _filled(mesh, layer, voids, found, lost), shifts.shift(lost), lost


# ---- where everything is -------------------------------------------------------------------------------------------------


class _Shifts:
    """The tables of `Shift`, for each displacement `lost` of the far face."""

    def __init__(self, points: np.ndarray, present: Present, face: np.ndarray, far: np.ndarray, behind: bool):
        self.points, self.now, self.face, self.far = points, points + present.metal, face, far
        held = np.stack([present.ions[face, 0], present.metal[face, 1]], axis=1)
        self.near = _sorted(np.hstack([points[face], held]))
        moved = present.metal[far] if behind else np.zeros((len(far), 2))
        self.other = _sorted(np.hstack([(points if behind else self.now)[far][:, :1], moved]))
        self.base = float(points[far, 1].mean())
        self.guess = float(moved[:, 1].mean() - present.metal[face, 1].mean())

    def shift(self, lost: float) -> Shift:
        return Shift(self.near, self.other - np.array([0.0, 0.0, lost]), self.base)

    def reference(self, lost: float) -> np.ndarray:
        """Every point of the metal in the new reference; what stood on a vertical side stays on it."""
        found = self.shift(lost).back(self.now)
        still = np.abs(self.now[:, 0] - self.points[:, 0]) < 1e-9
        found[still, 0] = self.points[still, 0]
        found[self.face] = self.points[self.face]
        return found

    def measure(self, far: np.ndarray, points: np.ndarray, turned: bool) -> float:
        """Metal that a displacement of the far face along the stack takes away, with its sign."""
        first, second = points[far[:, 0]], points[far[:, 1]]
        return float(np.sum((second - first)[:, 0] * (0.5 * (first + second)[:, 0] if turned else 1.0)))


def _sorted(rows: np.ndarray) -> np.ndarray:
    return rows[np.argsort(rows[:, 0], kind="stable")]


def _behind(cells: dict, layer: Layer, far: np.ndarray) -> bool:
    """The far face is one towards another layer of metal, whose shape it keeps."""
    beyond = [cells[name] for name in layer.behind if name in cells]
    return bool(beyond) and bool(np.isin(far, np.unique(np.concatenate(beyond))).all())


def _far_edges(mesh: Mesh, layer: Layer, outline: list) -> np.ndarray:
    """Edges (edge, 2), the metal to the left, of the face that looks away from the electrolyte."""
    ends = [tuple(sorted(e)) for name in ENDS for e in mesh.facets.get(name, np.empty((0, 2), int)).tolist()]
    behind = [mesh.cells[name] for name in layer.behind if name in mesh.cells]
    ends += [tuple(sorted(e)) for group in behind for e in sides(group).tolist()]
    known, found = set(ends), []
    for a, b in outline:
        if (min(a, b), max(a, b)) in known:
            found.append((a, b))
    if not found:
        raise NotRenewed("the metal has no face that looks away from the electrolyte")
    return np.array(found)


def amount(corners: np.ndarray, turned: bool) -> float:
    """Area of triangles (cell, corner, 2), or with the radius as weight."""
    areas = 0.5 * np.linalg.det(corners[:, 1:] - corners[:, :1])
    return float((areas * (corners[:, :, 0].mean(axis=1) if turned else 1.0)).sum())


def enclosed(outline: list, points: np.ndarray, turned: bool) -> float:
    """The same inside directed edges."""
    a, b = (points[[e[k] for e in outline]] for k in (0, 1))
    cross = a[:, 0] * b[:, 1] - b[:, 0] * a[:, 1]
    return float(np.sum(cross * (a + b)[:, 0]) / 6 if turned else np.sum(cross) / 2)


# ---- outlines --------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Drawing:
    """Directed edges around the metal and around each open void, points of the new reference, and what a side's end has become."""

    outline: list
    open: dict[str, list]
    points: np.ndarray
    instead: dict[int, int]


def _redrawn(mesh: Mesh, layer: Layer, outline: list, hollow: dict, face: np.ndarray, shifts: _Shifts, lost: float) -> _Drawing:
    points = shifts.reference(lost)
    on_face, edges, instead, opened = set(face.tolist()), set(outline), {}, {}
    for name, cells in hollow.items():
        for part in _parts(cells):
            around = outline_of(part)
            roof = _path([e for e in around if e[0] in on_face and e[1] in on_face and (e[1], e[0]) not in edges])
            wall = _path([(b, a) for a, b in around if (b, a) in edges])
            edges -= set(zip(wall, wall[1:]))
            chain, loops = _meeting(roof, wall, points, layer.least[name], instead)
            edges |= set(zip(chain, chain[1:]))
            opened.setdefault(name, []).extend(e for loop in loops for e in zip(loop, loop[1:] + loop[:1]))
    edges = {(instead.get(a, a), instead.get(b, b)) for a, b in edges}
    return _Drawing(sorted(edges), {name: found for name, found in opened.items() if found}, points, instead)


def _parts(cells: np.ndarray) -> list[np.ndarray]:
    """Cells of each void of a population."""
    pairs = sides(cells)
    graph = coo_matrix((np.ones(len(pairs)), pairs.T), shape=(cells.max() + 1,) * 2)
    label = connected_components(graph, directed=False)[1][cells[:, 0]]
    return [cells[label == n] for n in np.unique(label)]


def _path(edges: list) -> list[int]:
    """Points along directed edges that form one open path."""
    follow = dict(edges)
    starts = [a for a in follow if a not in set(follow.values())]
    if len(starts) != 1 or len(follow) < len(edges):
        raise NotRenewed("a void has no single mouth")
    path = [starts[0]]
    while path[-1] in follow:
        path.append(follow[path[-1]])
    if len(path) != len(edges) + 1:
        raise NotRenewed("a void has no single mouth")
    return path


def _meeting(roof: list[int], wall: list[int], points: np.ndarray, least: float, instead: dict[int, int]) -> tuple[list[int], list[list[int]]]:
    """(points along the metal's new edge under a void, loops around what is still open of it).

    Both paths run the same way, the metal to the left; each ends at the other's end, or across from it on a side of the cell.
    """
    if np.isinf(least):
        instead |= {w: r for w, r in ((wall[0], roof[0]), (wall[-1], roof[-1])) if w != r}
        return roof, []
    way = np.sign(points[roof[-1], 0] - points[roof[0], 0])
    up = np.sign(np.sum([points[w, 1] for w in wall]) / len(wall) - points[roof, 1].mean())
    along, height = points[wall, 0] * way, points[wall, 1]
    order = np.argsort(along, kind="stable")
    gap = up * (np.interp(points[roof, 0] * way, along[order], height[order]) - points[roof, 1])
    is_open = gap > least
    is_open[[k for k, (r, w) in ((0, (roof[0], wall[0])), (-1, (roof[-1], wall[-1]))) if r == w]] = False
    chain, loops, k = [], [], 0
    while k < len(roof):
        if not is_open[k]:
            chain.append(roof[k])
            k += 1
            continue
        first, last = k, k
        while last + 1 < len(roof) and is_open[last + 1]:
            last += 1
        below = roof[max(first - 1, 0) : last + 2]
        over = _above(below, wall, points, least, up, way)
        ends = ([wall[0]] if first == 0 else []), ([wall[-1]] if last == len(roof) - 1 else [])
        over = ends[0] + [w for w in over if w not in (wall[0], wall[-1])] + ends[1]
        if over:
            loops.append(below + over[::-1])
            chain += over
        else:
            chain += roof[first : last + 1]
        k = last + 1
    instead |= {w: r for w, r, o in ((wall[0], roof[0], is_open[0]), (wall[-1], roof[-1], is_open[-1])) if w != r and not o}
    return chain, loops


def _above(below: list[int], wall: list[int], points: np.ndarray, least: float, up: float, way: float) -> list[int]:
    """Points of the wall over a part of the roof, thinned out where they have come close to each other."""
    floor = points[below]
    spacing = THINNED * float(np.linalg.norm(np.diff(floor, axis=0), axis=1).mean())
    low, high = np.sort(floor[[0, -1], 0] * way)
    found: list[int] = []
    for w in wall:
        x, height = points[w, 0] * way, up * (points[w, 1] - np.interp(points[w, 0] * way, floor[:, 0] * way, floor[:, 1]))
        if low < x < high and height > 0.5 * least:
            if found and x <= points[found[-1], 0] * way:
                raise NotRenewed("the wall of a void is folded")
            if not found or np.linalg.norm(points[w] - points[found[-1]]) > spacing:
                found.append(w)
    return found


# ---- cells -----------------------------------------------------------------------------------------------------------------


def _filled(mesh: Mesh, layer: Layer, voids: list[str], found: _Drawing, lost: float) -> Mesh:
    """Cells inside the new outlines; the layers behind move along."""
    points = mesh.points[:, :2].copy()
    for name in layer.behind:
        used = np.unique(mesh.cells[name])
        points[used, 1] += lost
    cells = {name: group for name, group in mesh.cells.items() if name not in (layer.name, *voids)}
    drawings = {layer.name: found.outline} | found.open
    own = np.unique([e for edges in drawings.values() for e in edges])
    points[own] = found.points[own]
    facets = _outer_facets(mesh, [*cells.values()], drawings, found)
    outer = {tuple(e) for group in facets.values() for e in np.sort(group, axis=1).tolist()}
    longest = max(float(mesh.areas(group).max()) for group in mesh.facets.values())
    chains = {}
    for name, edges in drawings.items():
        chains[name], points, _ = split(edges, outer, facets, points, points, longest)
    for name, edges in chains.items():
        triangles, places = drawn(edges, points, GROWTH)
        cells[name] = np.where(triangles >= 0, triangles, len(points) - triangles - 1)
        points = np.vstack([points, places])
    order = {name: cells[name] for name in mesh.cells if name in cells}
    return compact(replace(mesh, points=np.hstack([points, np.zeros((len(points), 1))]), cells=order, facets=facets))


def _outer_facets(mesh: Mesh, kept: list[np.ndarray], drawings: dict[str, list], found: _Drawing) -> dict[str, np.ndarray]:
    """Groups of facets on the outside of the new mesh (and patches), with the new ends of voids at a side."""
    every = np.concatenate([*(sides(group) for group in kept), *(np.array(edges) for edges in drawings.values())])
    outer = {tuple(e) for e in np.sort(once(every), axis=1).tolist()}
    anywhere = {tuple(e) for e in np.sort(every, axis=1).tolist()}
    facets, taken = {}, set()
    for name, group in mesh.facets.items():
        edges = [tuple(sorted(found.instead.get(p, p) for p in e)) for e in group.tolist()]
        edges = [e for e in dict.fromkeys(edges) if e[0] != e[1] and e in (anywhere if name.endswith(":patch") else outer)]
        taken |= set(edges)
        facets[name] = edges
    for e in outer - taken:  # across the mouth of a void that is cut by a side
        side = [name for name, group in mesh.facets.items() if np.isin(e, group).all()]
        if side:
            facets[side[0]].append(e)
    return {name: np.array(edges, dtype=np.int64).reshape(-1, 2) for name, edges in facets.items() if edges}
