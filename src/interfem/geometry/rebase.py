"""A reference that begins anew where a layer of metal is now: what has closed of its voids leaves the mesh, the rest gets new cells. 2D.

The electrolyte keeps its mesh. The metal's new outline follows the electrolyte's face wherever metal has come down to it, and the wall
of a void where it has not, in whichever direction that runs: it may overhang. What has been plated between metal and electrolyte is part
of the metal from now on, and what has been stripped is not, so that slip along the face is forgotten: `x = X + D(X)`, D the jump on
faces of the electrolyte, harmonic inside. The layer's far face is put where the layer holds its metal.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from .arrays import Mesh
from .laid import ENDS, GROWTH, Laid, Present, amount, enclosed, harmonic, lying, plated
from .renew import NotRenewed, compact, drawn, once, outline_of, right_handed, sides, split

THINNED = 0.4  # of the mean edge of the face below a void: points of its wall that are closer are left out


@dataclass(frozen=True)
class Layer:
    """A layer of metal with its voids and the metal layers behind it, by name.

    least: void -> height, um, below which its wall has come down to the electrolyte; inf: closed everywhere.
    """

    name: str
    voids: tuple[str, ...]
    behind: tuple[str, ...]
    least: dict[str, float]


def rebase(mesh: Mesh, layer: Layer, present: Present, between: np.ndarray, turned: bool) -> tuple[Mesh, Laid, float]:
    """(new mesh, D, displacement along the stack that the layers behind have lost by it). NotRenewed if it fails.

    between: what lies between metal and electrolyte, (edge, end, 4): x, y of the reference, what has reacted or opened, what is plated and
    not yet held by the metal's cells; um. `turned`: about an axis.
    """
    draft = _Draft(mesh, layer, present, between, turned)
    draft.walls()
    lost = draft.far()
    return draft.filled(lost)


class _Draft:
    """The new mesh while it is made. points: X; there: where they are now, of those on outlines."""

    def __init__(self, mesh: Mesh, layer: Layer, present: Present, between: np.ndarray, turned: bool):
        self.mesh, self.layer, self.present, self.between, self.turned = mesh, layer, present, between, turned
        self.start = mesh.points[:, :2]
        self.points, self.there = self.start.copy(), self.start + present.metal
        self.metal = right_handed(mesh.cells[layer.name], self.start)
        self.hollow = {name: right_handed(mesh.cells[name], self.start) for name in layer.voids if name in mesh.cells}
        self.kept = {name: group for name, group in mesh.cells.items() if name not in (layer.name, *self.hollow)}
        fixed = [group for name, group in self.kept.items() if name not in layer.behind]
        self.face = np.intersect1d(np.unique(np.concatenate(fixed)), np.unique(np.concatenate([self.metal, *self.hollow.values()])))
        self.face = self.face[np.argsort(self.start[self.face, 0], kind="stable")]
        self.on_face = set(self.face.tolist())
        self.outline, self.open, self.instead, self.free = outline_of(self.metal), {}, {}, []
        self.far_edges = _far_edges(mesh, layer, self.outline)

    def level(self, x: np.ndarray) -> np.ndarray:
        """Height of the electrolyte's face."""
        return np.interp(x, *self.start[self.face].T)

    def lean(self, x: np.ndarray) -> np.ndarray:
        """Displacement of the electrolyte's face, which what is near it shares."""
        return np.stack([np.interp(x, self.start[self.face, 0], self.present.ions[self.face, k]) for k in (0, 1)], axis=1)

    def walls(self) -> None:
        """The metal's outline along the walls of what is open, and along the face elsewhere; and loops around what is open."""
        edges = set(self.outline)
        for name, cells in self.hollow.items():
            for part in _parts(cells):
                around = outline_of(part)
                roof = _path([e for e in around if e[0] in self.on_face and e[1] in self.on_face and (e[1], e[0]) not in edges])
                wall = _path([(b, a) for a, b in around if (b, a) in edges])
                edges -= set(zip(wall, wall[1:]))
                chain, loops = self._meeting(roof, self._placed(wall), self.layer.least[name])
                self.instead |= {w: r for w, r in ((wall[0], chain[0]), (wall[-1], chain[-1])) if w != r and w not in self.on_face}
                edges |= set(zip(chain, chain[1:]))
                self.open.setdefault(name, []).extend(e for loop in loops for e in zip(loop, loop[1:] + loop[:1]))
        self.outline = sorted({(self.instead.get(a, a), self.instead.get(b, b)) for a, b in edges})
        left = [name for name, found in self.open.items() if not found and np.isfinite(self.layer.least[name])]
        if left:
            raise NotRenewed(f"what is left of {left[0]} is narrower than an edge of its roof, and not closed yet")
        self.open = {name: found for name, found in self.open.items() if found}

    def _placed(self, wall: list[int]) -> list[int]:
        """Points of a wall where it is now; its ends on the face become others, as the face keeps its own."""
        ends = [w for w in (wall[0], wall[-1]) if w in self.on_face]
        new = dict(zip(ends, range(len(self.points), len(self.points) + len(ends))))
        self.points, self.there = (np.vstack([rows, rows[ends]]) for rows in (self.points, self.there))
        wall = [new.get(w, w) for w in wall]
        self.points[wall] = self.there[wall] - self.lean(self.there[wall, 0])
        return wall

    def _meeting(self, roof: list[int], wall: list[int], least: float) -> tuple[list[int], list[list[int]]]:
        """(points along the metal's new edge under a void, loops around what is still open of it).

        Both paths run the same way, the metal to the left; each ends at the other's end, or across from it on a side of the cell.
        """
        x, height = self.points[wall].T
        floor, along = self.level(x), self.start[roof, 0]
        plated = np.interp(x, *(rows[np.argsort(along)] for rows in (along, self._raised(roof))))
        is_open = np.sign(np.sum(height - floor)) * (height - floor) - plated > least
        at_side = [wall[end] < len(self.start) for end in (0, -1)]
        chain, loops, k = [], [], 0
        for first, last in _runs(is_open):
            begins, ends = first == 0 and at_side[0], last == len(wall) - 1 and at_side[1]
            a, b = (int(np.abs(along - x[np.clip(n, 0, len(wall) - 1)]).argmin()) for n in (first - 1, last + 1))
            a, b = 0 if begins else a, len(roof) - 1 if ends else b
            over = self._thinned(wall[first : last + 1], roof[a : b + 1], begins, ends) if k <= a < b else []
            if not over:
                continue  # narrower than an edge of the face
            loops.append(roof[a : b + 1] + over[::-1])
            chain += roof[k : a + (not begins)] + over
            self.free += over
            k = b + ends
        return chain + roof[k:], loops

    def _raised(self, roof: list[int]) -> np.ndarray:
        """What has been plated on a roof, at its points; not on the face beside it."""
        ends = np.array([two[:, 1] for two in lying(self.between, self.start, list(zip(roof, roof[1:]))).values()])
        return np.concatenate([ends[:1, 0], 0.5 * (ends[1:, 0] + ends[:-1, 1]), ends[-1:, 1]])

    def _thinned(self, over: list[int], below: list[int], begins: bool, ends: bool) -> list[int]:
        """Without points that have come close to one before, or to the ends of the face below; those on a side (begins, ends) stay."""
        spacing = THINNED * float(np.linalg.norm(np.diff(self.start[below], axis=0), axis=1).mean())
        kept = [over[0]] if begins else []
        last = self.points[over[-1]] if ends else self.start[below[-1]]
        before = self.points[over[0]] if begins else self.start[below[0]]
        for w in over[len(kept) : len(over) - ends]:
            if min(np.linalg.norm(self.points[w] - before), np.linalg.norm(self.points[w] - last)) > spacing:
                kept.append(w)
                before = self.points[w]
        return kept + ([over[-1]] if ends and len(over) > len(kept) else [])

    def far(self) -> float:
        """Put the layer's far face where the layer holds its metal; the displacement along the stack that this takes away."""
        back, faces = np.unique(self.far_edges), self._faces()
        back = back[np.argsort(self.start[back, 0], kind="stable")]
        moved = _behind(self.mesh.cells, self.layer, back)
        rim = np.unique(self.outline)
        aside = np.array([p for p in rim if p not in self.on_face and p < len(self.start)], int)
        aside = np.setdiff1d(aside, np.concatenate([back, np.array(self.free, int)]))
        height = self.start[back] if moved else self.there[back]
        base = self.level(self.start[aside, 0])
        share = (self.start[aside, 1] - base) / (np.interp(self.start[aside, 0], *self.start[back].T) - base)
        column = cKDTree(self.start[back, :1]).query(self.start[aside, :1])[1]
        self.points[aside, 0] = (self.start if moved else self.there)[aside, 0]

        def held(lost: float) -> float:
            self.points[back] = height + np.array([0.0, lost])
            self.points[aside, 1] = base + share * (self.points[back[column], 1] - base)
            return enclosed(self.outline, self.points, self.turned)

        roofs = [e for found in self.open.values() for e in found if e[0] in self.on_face and e[1] in self.on_face]
        added = plated(faces | lying(self.between, self.start, roofs), self.start, self.turned)
        wanted, none = amount(self.start[self.metal], self.turned) + added, held(0.0)
        lost = (wanted - none) / (held(1.0) - none)
        held(lost)
        face = np.array(sorted(self.on_face))
        self.there[face] = self.start[face] + self.present.ions[face] + self._parted(faces)[face]
        self.back, self.aside = back, aside
        return lost

    def _faces(self) -> dict[tuple[int, int], np.ndarray]:
        """Edges between metal and electrolyte, the metal to the left -> what lies there."""
        edges = [e for e in self.outline if e[0] in self.on_face and e[1] in self.on_face]
        return lying(self.between, self.start, edges)

    def _parted(self, faces: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
        """What has parted metal and electrolyte moves the metal's points back along the normal: a mean over edges."""
        total, number = np.zeros((len(self.points), 2)), np.zeros((len(self.points), 1))
        for (a, b), ends in faces.items():
            along = self.start[b] - self.start[a]
            total[[a, b]] -= np.array([along[1], -along[0]]) / np.linalg.norm(along) * ends[:, :1]
            number[[a, b]] += 1
        return total / np.maximum(number, 1)

    def filled(self, lost: float) -> tuple[Mesh, Laid, float]:
        """Cells inside the outlines, groups of facets, and D."""
        for name in self.layer.behind:
            inner = np.setdiff1d(np.unique(self.mesh.cells[name]), self.back)
            self.points[inner, 1] += lost
        drawings = {self.layer.name: self.outline} | self.open
        facets = _outer_facets(self.mesh, [*self.kept.values()], drawings, self.instead)
        outer = {tuple(e) for group in facets.values() for e in np.sort(group, axis=1).tolist()}
        longest = max(float(self.mesh.areas(group).max()) for group in self.mesh.facets.values())
        chains, there = {}, self.there
        for name, edges in drawings.items():
            chains[name], self.points, there = split(edges, outer, facets, self.points, there, longest)
        points, cells = self.points, dict(self.kept)
        for name, edges in chains.items():
            triangles, places = drawn(edges, points, GROWTH)
            cells[name] = np.where(triangles >= 0, triangles, len(points) - triangles - 1)
            points = np.vstack([points, places])
        metal = np.concatenate([right_handed(cells[name], points) for name in chains])
        jump = harmonic(points, metal, *self._held_jumps(len(points), np.unique([e for edges in chains.values() for e in edges]), there))
        laid = Laid(points, jump, metal, points[np.intersect1d(np.unique(metal), self.face)])
        order = {name: cells[name] for name in self.mesh.cells if name in cells}
        return compact(replace(self.mesh, points=np.hstack([points, np.zeros((len(points), 1))]), cells=order, facets=facets)), laid, lost

    def _held_jumps(self, count: int, rim: np.ndarray, there: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(where D is given (point, 2), its values there): on all outlines, but for its part along the sides of the cell."""
        given, value = np.zeros((count, 2), bool), np.zeros((count, 2))
        given[rim] = True
        given[np.setdiff1d(rim, np.concatenate([self.face, self.back, np.array(self.free, int)])), 1] = False
        value[rim] = there[rim] - self.points[rim]
        return given, value


# ---- outlines --------------------------------------------------------------------------------------------------------------


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


def _runs(marked: np.ndarray) -> list[tuple[int, int]]:
    """(first, last) of each run of True."""
    change = np.flatnonzero(np.diff(np.concatenate([[False], marked, [False]]).astype(int)))
    return [(int(first), int(end) - 1) for first, end in zip(change[::2], change[1::2])]


def _outer_facets(mesh: Mesh, kept: list[np.ndarray], drawings: dict[str, list], instead: dict[int, int]) -> dict[str, np.ndarray]:
    """Groups of facets on the outside of the new mesh (and patches), with the new ends of voids at a side."""
    every = np.concatenate([*(sides(group) for group in kept), *(np.array(edges) for edges in drawings.values())])
    outer = {tuple(e) for e in np.sort(once(every), axis=1).tolist()}
    anywhere = {tuple(e) for e in np.sort(every, axis=1).tolist()}
    facets, taken = {}, set()
    for name, group in mesh.facets.items():
        edges = [tuple(sorted(instead.get(p, p) for p in e)) for e in group.tolist()]
        edges = [e for e in dict.fromkeys(edges) if e[0] != e[1] and e in (anywhere if name.endswith(":patch") else outer)]
        taken |= set(edges)
        facets[name] = edges
    for e in outer - taken:  # across the mouth of a void that is cut by a side
        side = [name for name, group in mesh.facets.items() if np.isin(e, group).all()]
        if side:
            facets[side[0]].append(e)
    return {name: np.array(edges, dtype=np.int64).reshape(-1, 2) for name, edges in facets.items() if edges}
