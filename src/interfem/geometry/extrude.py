"""A reference that begins anew where the metal of partly filled slots is now: the column that has been pressed in meets further wall. 2D.

The electrolyte keeps its mesh, and the metal's face keeps its points there; a column's wall goes on along the electrolyte, from vertex to
vertex, as far as metal has come down on it. Its head has the shape that it has now, moved such that the column holds the metal that is in
it now; so the far face of the layer holds the rest. `x = X + D(X)`: D is the jump on faces of the
electrolyte, harmonic inside.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from scipy.spatial import cKDTree

from ..regions import head, unfilled
from .arrays import Mesh
from .laid import ENDS, GROWTH, Laid, Present, amount, enclosed, harmonic, lying, plated
from .renew import NotRenewed, compact, drawn, once, outline_of, right_handed, sides

PIECES = 8  # straight ones of each curved edge of a head
SHUT = 1e-9  # um: gaps below are closed
TOUCH = 0.01  # of the width: closer to the wall metal has come down on it


@dataclass(frozen=True)
class Slot:
    """A slot by its name and axis, the height of its mouth, its way into the electrolyte (1 or -1), width and depth; um.

    full: metal is everywhere in it from now on.
    """

    name: str
    center: float
    level: float
    way: int
    width: float
    depth: float
    full: bool

    def deep(self, points: np.ndarray) -> np.ndarray:
        return self.way * (points[..., 1] - self.level)


@dataclass(frozen=True)
class Bed:
    """A layer of metal, the columns in slots of which it is the reservoir, and the metal layers behind it.

    volumes: of the layer and of each column now, freed of their pressure; in any unit.
    """

    layer: str
    slots: tuple[Slot, ...]
    behind: tuple[str, ...]
    volumes: dict[str, float]


def reach(slot: Slot, way: int, curve: np.ndarray, wall: float) -> tuple[int, float]:
    """(point of a head that is the deepest on a side wall at x = `wall`, depth there). way: 1 to the right.

    Its first point is where the column ends on that wall: it may have slid along, behind what has been plated there.
    """
    there = np.union1d([0], np.flatnonzero(way * (curve[:, 0] - wall) > -TOUCH * slot.width))
    deepest = int(there[slot.deep(curve[there]).argmax()])
    return deepest, float(slot.deep(curve[deepest]))


def extrude(mesh: Mesh, bed: Bed, present: Present, curved: np.ndarray, between: np.ndarray, turned: bool) -> tuple[Mesh, Laid, float]:
    """(new mesh, D, displacement along the stack that the layers behind have lost by it). NotRenewed if it fails.

    curved: where the middles of edges are now, by rows (x, y of the reference, x, y now). between: what lies between metal and
    electrolyte, (edge, end, 4): x, y, what has reacted or opened, what is plated and becomes part of the metal; um. `turned`: about an axis.
    """
    draft = _Draft(mesh, bed, present, curved, between, turned)
    columns = [draft.column(slot) for slot in bed.slots]
    lost = draft.far(sum(column.held for column in columns))
    return draft.filled(columns, lost)


@dataclass(frozen=True)
class _Column:
    """New outline of a column, by points; those of its head, D there and at vertices that metal has come down on, and the metal it holds."""

    slot: Slot
    outline: list[tuple[int, int]]
    head: list[int]
    side: list[int]  # on a plane of symmetry
    jump: dict[int, np.ndarray]
    held: float


class _Draft:
    """The new mesh while it is made."""

    def __init__(self, mesh: Mesh, bed: Bed, present: Present, curved: np.ndarray, between: np.ndarray, turned: bool):
        self.mesh, self.bed, self.present, self.between, self.turned = mesh, bed, present, between, turned
        self.start, self.points = mesh.points[:, :2], mesh.points[:, :2].copy()
        self.now = self.start + present.metal
        self.middles, self.places = cKDTree(curved[:, :2]), curved[:, 2:]
        self.cells = {name: right_handed(mesh.cells[name], self.start) for name in (bed.layer, *(slot.name for slot in bed.slots))}
        fixed = [group for name, group in mesh.cells.items() if name not in self.cells and name not in bed.behind]
        self.face = np.unique(np.concatenate(fixed))
        self.on_face = set(self.face.tolist())
        self.outlines = {name: outline_of(cells) for name, cells in self.cells.items()}
        self.faces = self._faces()
        self.parted = self._parted()
        unit = sum(amount(self.start[cells], turned) for cells in self.cells.values()) / sum(bed.volumes.values())
        self.held = {name: unit * bed.volumes[name] + self._plated(self.outlines[name]) for name in self.cells}

    def bent(self, edges: list[tuple[int, int]]) -> np.ndarray:
        """Points now along edges that follow each other, each curved by its middle."""
        share, found = np.arange(PIECES)[:, None] / PIECES, []
        for a, b in edges:
            middle = self.places[self.middles.query(0.5 * (self.start[a] + self.start[b]))[1]]
            found.append((1 - share) * (1 - 2 * share) * self.now[a] + 4 * share * (1 - share) * middle + share * (2 * share - 1) * self.now[b])
        return np.vstack([*found, self.now[edges[-1][1]]])

    def column(self, slot: Slot) -> _Column:
        """Its outline, and its metal: what it held, and what has come through its mouth since."""
        outline, layer = self.outlines[slot.name], {(b, a) for a, b in self.outlines[self.bed.layer]}
        mouth = _chain([e for e in outline if e in layer])
        old_head = {tuple(sorted(e)) for e in self.mesh.facets.get(head(slot.name), np.empty((0, 2), int)).tolist()}
        over = [e for e in outline if tuple(sorted(e)) in old_head]
        wall = [e for e in outline if e not in mouth and np.isin(e, self.face).all()]
        held = self.held[slot.name] + self._entered(slot, mouth)
        if not over:
            return _Column(slot, outline, [], [], {}, enclosed(outline, self.start, self.turned))
        if slot.full:
            return self._closed(slot, mouth, wall)
        return self._open(slot, mouth, wall, _chain(over), self._further(slot, _chain(over)), held)

    def _entered(self, slot: Slot, mouth: list[tuple[int, int]]) -> float:
        """Metal now between the mouth and where its points were at first, as seen from its corners."""
        curve, corners = self.bent(mouth), np.isin([mouth[0][0], mouth[-1][1]], self.face)
        rim = self.present.ions[[mouth[0][0], mouth[-1][1]], 1][corners].mean()
        drop = curve[:, 1] - slot.level - rim
        across = np.diff(curve[:, 0] ** 2 / 2) if self.turned else np.diff(curve[:, 0])
        return slot.way * float(np.sum(0.5 * (drop[1:] + drop[:-1]) * np.abs(across)))

    def _rest(self, slot: Slot) -> list[tuple[int, int]]:
        """Edges of the electrolyte along what is empty, the slot to the left."""
        groups = [group for name, group in self.mesh.facets.items() if name.startswith(f"{unfilled(slot.name)}|") and name != head(slot.name)]
        return [tuple(e) for e in np.concatenate(groups).tolist()]

    def _further(self, slot: Slot, over: list[tuple[int, int]]) -> tuple[list[int], list[int]]:
        """Vertices of the side walls, from the first and from the last end of the head on, that metal has come down on by now."""
        curve, rest, found = self.bent(over), self._rest(slot), []
        for end, line in ((over[0][0], curve), (over[-1][1], curve[::-1])):
            beside = {p for e in rest for p in e if abs(self.start[p, 0] - self.start[end, 0]) < 1e-9 and slot.deep(self.start[p]) < slot.depth * (1 - 1e-9)}
            if end not in self.face:
                found.append([])
                continue
            way = 1 if self.start[end, 0] > slot.center else -1
            _, front = reach(slot, way, line, self.start[end, 0] + self.present.ions[end, 0])
            begin = slot.deep(self.start[end])
            passed = sorted((p for p in beside if begin + 1e-12 < slot.deep(self.start[p]) <= front), key=lambda p: slot.deep(self.start[p]))
            found.append(passed)
        return found[0], found[1]

    def _closed(self, slot: Slot, mouth, wall) -> _Column:
        """Metal everywhere, up to the electrolyte."""
        rest = self._rest(slot)
        edges, side, foot = mouth + wall + rest, [], [p for p in (mouth[0][0], mouth[-1][1]) if p not in self.on_face]
        if foot:
            top = next(p for e in rest for p in e if abs(self.start[p, 0] - self.start[foot[0], 0]) < 1e-9)
            side = self._side(mouth, top, _spacing(wall, self.start))
            edges += list(zip(side, side[1:]))
        outline = _loop(edges, self.points)
        return _Column(slot, outline, [], side, {}, enclosed(outline, self.points, self.turned))

    def _open(self, slot: Slot, mouth, wall, over, further, held: float) -> _Column:
        old, spacing, jump = [over[0][0], over[-1][1]], _spacing(wall, self.start), {}
        ends = [(passed or [end])[-1] for passed, end in zip(further, old)]
        parts = self._shape(slot, self.bent(over), wall, old, further, jump)
        jump |= self._level(mouth, jump)
        new_head, now = self._head(parts, ends, spacing)
        edges = mouth + wall + list(zip([old[0], *further[0]], further[0])) + list(zip([old[1], *further[1]], further[1]))
        edges += list(zip(new_head, new_head[1:]))
        side = []
        for top in (p for p in (new_head[0], new_head[-1]) if p not in self.on_face):
            side = self._side(mouth, top, spacing)
            edges += list(zip(side, side[1:]))
        return self._held(slot, edges, new_head, side, held, (now, np.vstack(parts)), jump)

    def _shape(self, slot: Slot, curve: np.ndarray, wall, old: list[int], further, jump: dict[int, np.ndarray]) -> list[np.ndarray]:
        """The metal's surface now, from wall to wall, in parts: where it has come down on either wall, and what is free between. Sets D on walls."""
        (first, used), (last, used_last) = (self._left(slot, curve[::way], wall, end, passed, jump) for way, end, passed in zip((1, -1), old, further))
        return [first, np.vstack([first[-1:], curve[used : len(curve) - used_last], last[-1:]]), last[::-1]]

    def _head(self, parts: list[np.ndarray], ends: list[int], spacing: float) -> tuple[list[int], np.ndarray]:
        """(points of the new head, where they are now): at equal distances in each part, so that it keeps its corners at the walls."""
        first, free, last = (_spread_out(part, length) for part, length in zip(parts, (spacing, spacing / 2, spacing)))
        now, begin, (x, to) = np.vstack([first, free[1:-1], last]), len(self.points), self.start[ends, 0]
        across = x + (to - x) * (free[1:-1, 0] - free[0, 0]) / (free[-1, 0] - free[0, 0])  # walls where they were at first
        across = np.concatenate([np.full(len(first), x), across, np.full(len(last), to)])
        self.points = np.vstack([self.points, np.stack([across, now[:, 1]], axis=1)])  # an end that is not used is left out in the end
        self.now = np.vstack([self.now, np.zeros(now.shape)])
        numbers = list(range(begin, begin + len(now)))
        return [ends[0] if ends[0] in self.on_face else numbers[0], *numbers[1:-1], ends[1] if ends[1] in self.on_face else numbers[-1]], now

    def _left(self, slot: Slot, curve: np.ndarray, wall, end: int, passed: list[int], jump: dict[int, np.ndarray]) -> tuple[np.ndarray, int]:
        """(the metal's surface now along a wall, from the last vertex that it has come down on to where it leaves it; the next of the curve).

        On a plane of symmetry the curve's end. Sets D on the wall.
        """
        if end not in self.on_face:
            return curve[:1], 1
        x = self.start[end, 0]
        way = 1 if x > slot.center else -1
        at, front = reach(slot, way, curve, x + self.present.ions[end, 0])
        down, edges = curve[: at + 1], [e for e in wall if np.abs(self.start[list(e), 0] - x).max() < 1e-9]
        jump |= self._walls(slot, way, edges, end, passed, np.vstack([*(self.bent([e]) for e in edges), down]))
        last = (passed or [end])[-1]
        corner = self.start[last] + jump[last]
        if front <= slot.deep(corner) + TOUCH * slot.width:
            return corner[None], at + 1
        beyond = down[np.argsort(slot.deep(down))]
        return np.vstack([corner, beyond[slot.deep(beyond) > slot.deep(corner)]]), at + 1

    def _level(self, mouth, jump: dict[int, np.ndarray]) -> dict[int, np.ndarray]:
        """D at a mouth, straight between its corners: what is beyond them now is the column."""
        points = np.array([mouth[0][0], *(b for _, b in mouth)])
        ends = sorted(points[[0, -1]].tolist(), key=lambda p: self.start[p, 0])
        height = np.mean([jump[p][1] for p in ends if p in jump])
        across = np.array([jump.get(p, (0.0, height)) for p in ends])  # (0, height) on a plane of symmetry
        return dict(zip(points.tolist(), np.stack([np.interp(self.start[points, 0], self.start[ends, 0], across[:, k]) for k in (0, 1)], axis=1)))

    def _walls(self, slot: Slot, way: int, edges, end: int, passed: list[int], surface: np.ndarray) -> dict[int, np.ndarray]:
        """D at vertices of a wall: metal that is parted from it stays where its surface is now, but for what has been plated; else it is on it.

        Metal comes round the mouth's edge, so that it is not parted there; at new vertices it is if it is at the end of the old ones.
        """
        surface, plated, found = surface[np.argsort(slot.deep(surface))], {p: [0.0] for p in passed}, {}
        for e in edges:
            for p, (_, w) in zip(e, self.faces[e]):
                plated.setdefault(p, []).append(w)
        for p, thickness in plated.items():
            x, y = self.start[p] + self.present.ions[p] + (0.0, self.parted[p, 1])
            metal = np.interp(slot.way * (y - slot.level), slot.deep(surface), surface[:, 0])
            is_open = slot.deep(self.start[p]) > 0 and abs(self.parted[end if p in passed else p, 0]) > SHUT
            found[p] = np.array([x - way * is_open * max(way * (x - metal) - np.mean(thickness), 0.0), y]) - self.start[p]
        return found

    def _side(self, mouth, top: int, spacing: float) -> list[int]:
        """New points on a plane of symmetry between the mouth and the head."""
        foot = next(p for p in (mouth[0][0], mouth[-1][1]) if p not in self.face)
        length = abs(self.points[top, 1] - self.points[foot, 1])
        share = np.arange(1, max(int(round(length / spacing)), 1))[:, None] / max(int(round(length / spacing)), 1)
        begin = len(self.points)
        self.points = np.vstack([self.points, (1 - share) * self.points[foot] + share * self.points[top]])
        self.now = np.vstack([self.now, np.zeros((len(share), 2))])
        return [foot, *range(begin, begin + len(share)), top]

    def _held(self, slot: Slot, edges, new_head, side, held: float, lines: tuple[np.ndarray, np.ndarray], jump: dict[int, np.ndarray]) -> _Column:
        """The column that holds its metal. lines: where the head's points are now, and the metal's surface.

        Now the head is further along the slot by what the chords between its points cut off the surface. In the reference it is moved
        by a parabola across the slot, 0 on the walls: D goes on from them, and what stretches the column is spread over its length.
        """
        (now, surface), outline = lines, _loop(edges, self.points)
        free = [k for k, p in enumerate(new_head) if p not in self.on_face]
        moved = [new_head[k] for k in free]
        inside = 1 - ((self.points[moved, 0] - slot.center) / (0.5 * slot.width)) ** 2
        inside[inside < 1e-9] = 0.0
        ends = sorted((self.start[p, 0], jump[p][1]) for p in (new_head[0], new_head[-1]) if p in jump)
        aside, start = np.interp(self.points[moved, 0], *zip(*ends)), now[free, 1]

        def behind(curve: np.ndarray) -> float:
            loop = np.vstack([curve, [curve[-1, 0], slot.level], [curve[0, 0], slot.level]])
            return enclosed([(k, (k + 1) % len(loop)) for k in range(len(loop))], loop, self.turned)

        def chords(by: float) -> float:
            now[free, 1] = start + by * (inside > 0)
            return behind(now)

        def column(by: float) -> float:
            self.points[moved, 1] = now[free, 1] - aside + by * inside
            return enclosed(outline, self.points, self.turned)

        for volume, wanted in ((chords, behind(surface)), (column, held)):
            volume(_reaches(volume, wanted))
        return _Column(slot, outline, new_head, side, jump | dict(zip(moved, now[free] - self.points[moved])), held)

    def far(self, columns: float) -> float:
        """Move the layer's far face so that the layer holds what is left; the displacement along the stack that this takes away."""
        outline, base = self.outlines[self.bed.layer], self.bed.slots[0].level
        behind = [self.mesh.cells[name] for name in self.bed.behind]
        ends = [group for name, group in self.mesh.facets.items() if name in ENDS]
        beyond = np.unique(np.concatenate([np.ravel(group) for group in behind or ends]))
        mouths = {p for slot in self.bed.slots for e in self.outlines[slot.name] for p in e}
        away = np.array([p for p in np.unique(outline) if p not in self.on_face and p not in mouths])
        self.back, aside = np.intersect1d(away, beyond), np.setdiff1d(away, beyond)
        if not len(self.back):
            raise NotRenewed("the metal has no face that looks away from the electrolyte")
        self.back = self.back[np.argsort(self.start[self.back, 0])]
        x, old = self.start[self.back].T
        height = old if behind else np.interp(x, *self.now[self.back[np.argsort(self.now[self.back, 0])]].T)
        share = (self.start[aside, 1] - base) / (np.interp(self.start[aside, 0], x, old) - base)

        def held(shift: float) -> float:
            self.points[self.back, 1] = height + shift
            self.points[aside, 1] = base + share * (np.interp(self.start[aside, 0], x, height + shift) - base)
            return enclosed(outline, self.points, self.turned)

        lost = _reaches(held, sum(self.held.values()) - columns)
        held(lost)
        self.jump_back = (self.present.metal[self.back] if behind else 0.0) - np.array([[0.0, lost]])
        return lost

    def filled(self, columns: list[_Column], lost: float) -> tuple[Mesh, Laid, float]:
        """Cells inside the outlines, groups of facets, and D."""
        cells = {name: group for name, group in self.mesh.cells.items() if name not in self.cells}
        for name in self.bed.behind:
            inner = np.setdiff1d(np.unique(cells[name]), self.back)
            self.points[inner, 1] += lost
        outlines = {self.bed.layer: self.outlines[self.bed.layer]} | {column.slot.name: column.outline for column in columns}
        points = self.points
        for name, outline in outlines.items():
            triangles, places = drawn(outline, points, GROWTH)
            cells[name] = np.where(triangles >= 0, triangles, len(points) - triangles - 1)
            points = np.vstack([points, places])
        metal = np.concatenate([right_handed(cells[name], points) for name in outlines])
        jump = harmonic(points, metal, *self._held_jumps(len(points), columns))
        laid = Laid(points, jump, metal, points[np.intersect1d(np.unique(metal), self.face)])
        order = {name: cells[name] for name in self.mesh.cells}
        facets = self._facets(columns, {name: right_handed(group, points) for name, group in cells.items()})
        return compact(replace(self.mesh, points=np.hstack([points, np.zeros((len(points), 1))]), cells=order, facets=facets)), laid, lost

    def _held_jumps(self, count: int, columns: list[_Column]) -> tuple[np.ndarray, np.ndarray]:
        """(where D is given (point, 2), its values there)."""
        given, value = np.zeros((count, 2), bool), np.zeros((count, 2))
        outlines = [self.outlines[self.bed.layer], *(column.outline for column in columns)]
        rim = np.unique(np.concatenate(outlines))
        on_side = np.isin(self.points[rim, 0], self._ends())
        given[rim[on_side], 0] = True
        given[self.back], value[self.back] = True, self.jump_back
        face = np.intersect1d(rim, self.face)
        given[face], value[face] = True, self.present.ions[face] + self.parted[face]
        for p, jump in ((p, jump) for column in columns for p, jump in column.jump.items()):
            given[p], value[p] = True, jump
        return given, value

    def _ends(self) -> np.ndarray:
        """First coordinate of the sides of the cell."""
        return np.array([self.start[:, 0].min(), self.start[:, 0].max()])

    def _faces(self) -> dict[tuple[int, int], np.ndarray]:
        """Edges between metal and electrolyte, the metal to the left -> what lies there at either end (end, 2): parted, plated."""
        every = {e for outline in self.outlines.values() for e in outline}
        edges = [(a, b) for a, b in sorted(every) if (b, a) not in every and a in self.on_face and b in self.on_face]
        return lying(self.between, self.start, edges)

    def _plated(self, outline: list[tuple[int, int]]) -> float:
        """Metal plated along an outline."""
        return plated({e: self.faces[e] for e in outline if e in self.faces}, self.start, self.turned)

    def _parted(self) -> np.ndarray:
        """What has parted metal and electrolyte moves the metal's points back along the normal: a mean over edges, each axis by itself."""
        total, number = np.zeros(self.start.shape), np.zeros(self.start.shape)
        for (a, b), ends in self.faces.items():
            along = self.start[b] - self.start[a]
            axis = int(np.abs(along).argmin())
            outward = np.sign(along[1]) if axis == 0 else -np.sign(along[0])
            total[[a, b], axis] -= outward * ends[:, 0]
            number[[a, b], axis] += 1
        return total / np.maximum(number, 1)

    def _facets(self, columns: list[_Column], cells: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Groups on the outside of the new mesh, and patches; heads and the sides of columns anew."""
        every = np.concatenate([sides(group) for group in cells.values()])
        outer, anywhere = ({tuple(e) for e in np.sort(edges, axis=1).tolist()} for edges in (once(every), every))
        facets = {}
        for name, group in self.mesh.facets.items():
            kept = [e for e in (tuple(sorted(e)) for e in group.tolist()) if e in (anywhere if name.endswith(":patch") else outer)]
            middles = np.unique(self.start[np.ravel(group), 0])
            side = [tuple(sorted(e)) for c in columns for e in zip(c.side, c.side[1:]) if middles.tolist() == [c.slot.center]]
            facets[name] = list(dict.fromkeys(kept + side))
        for column in columns:
            facets[head(column.slot.name)] = list(zip(column.head, column.head[1:]))
        return {name: np.array(edges, dtype=np.int64).reshape(-1, 2) for name, edges in facets.items() if edges}



def _chain(edges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Directed edges in the order in which they follow each other."""
    follow, ends = dict(edges), {b for _, b in edges}
    starts = [a for a in follow if a not in ends]
    if len(starts) != 1 or len(follow) < len(edges):
        raise NotRenewed("a head or a mouth is no single line")
    found, point = [], starts[0]
    while point in follow:
        found.append((point, follow[point]))
        point = follow[point]
    return found


def _loop(edges: list[tuple[int, int]], points: np.ndarray) -> list[tuple[int, int]]:
    """Edges, each either way round, as one loop with its inside to the left."""
    beside: dict[int, list[int]] = {}
    for a, b in edges:
        beside.setdefault(a, []).append(b)
        beside.setdefault(b, []).append(a)
    if any(len(two) != 2 for two in beside.values()):
        raise NotRenewed("the outline of a column is not closed")
    path = [edges[0][0], edges[0][1]]
    while path[-1] != path[0]:
        first, second = beside[path[-1]]
        path.append(second if first == path[-2] else first)
    found = list(zip(path, path[1:]))
    return found if enclosed(found, points, False) > 0 else [(b, a) for a, b in found[::-1]]


def _spacing(edges: list[tuple[int, int]], points: np.ndarray) -> float:
    """Median length."""
    return float(np.median([np.linalg.norm(points[a] - points[b]) for a, b in edges]))


def _reaches(linear: Callable[[float], float], wanted: float) -> float:
    """Where a linear function has this value."""
    none = linear(0.0)
    return (wanted - none) / (linear(1.0) - none)


def _spread_out(line: np.ndarray, spacing: float) -> np.ndarray:
    """Points at equal distances along a line, about `spacing` apart; a single point is one."""
    along = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(line, axis=0), axis=1))])
    places = np.linspace(0.0, along[-1], max(int(round(along[-1] / spacing)), int(len(line) > 1)) + 1)
    return np.stack([np.interp(places, along, line[:, k]) for k in (0, 1)], axis=1)
