"""A mesh as plain arrays: points, and simplices by the name of their group; read from what Gmsh or meshio reads."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import gmsh
import numpy as np

from .errors import GeometryError
from .session import session

CORNERS = {1: {1: 2, 8: 2}, 2: {2: 3, 9: 3}, 3: {4: 4, 11: 4}}  # dimension -> Gmsh element type -> corner nodes
MESHIO = {"line": (1, 2), "line3": (1, 2), "triangle": (2, 3), "triangle6": (2, 3), "tetra": (3, 4), "tetra10": (3, 4)}
TAGS = ("gmsh:physical", "cell_tags", "medit:ref")  # integer cell data of meshio that name groups


@dataclass(frozen=True)
class Mesh:
    """Points (n, 3); cells and facets by group name, (m, d + 1) and (m, d) point numbers."""

    dimension: int
    points: np.ndarray
    cells: dict[str, np.ndarray]
    facets: dict[str, np.ndarray]

    def all_cells(self) -> tuple[np.ndarray, np.ndarray]:
        """Cells of all groups, and the number of the group of each."""
        counts = [len(c) for c in self.cells.values()]
        return np.concatenate(list(self.cells.values())), np.repeat(np.arange(len(counts)), counts)

    def volumes(self, cells: np.ndarray) -> np.ndarray:
        """Signed area (2D) or volume of cells; positive if right-handed."""
        corners = self.points[cells][:, :, : self.dimension]
        return np.linalg.det(corners[:, 1:] - corners[:, :1]) / {2: 2.0, 3: 6.0}[self.dimension]

    def areas(self, facets: np.ndarray) -> np.ndarray:
        """Length (2D) or area of facets."""
        corners = self.points[facets]
        if self.dimension == 2:
            return np.linalg.norm(corners[:, 1] - corners[:, 0], axis=1)
        return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)

    def edges(self, cells: np.ndarray) -> np.ndarray:
        """Edge lengths, (m, edges of a cell)."""
        pairs = list(combinations(range(self.dimension + 1), 2))
        return np.stack([np.linalg.norm(self.points[cells[:, a]] - self.points[cells[:, b]], axis=1) for a, b in pairs], axis=1)

    def quality(self, cells: np.ndarray) -> np.ndarray:
        """Inscribed over circumscribed radius, times the dimension: 1 if equilateral, 0 if flat."""
        volume, edges = np.abs(self.volumes(cells)), self.edges(cells)
        if self.dimension == 2:
            return 16.0 * volume**2 / (edges.prod(axis=1) * edges.sum(axis=1))
        surface = sum(self.areas(np.delete(cells, k, axis=1)) for k in range(4))
        opposite = edges[:, [0, 1, 2]] * edges[:, [5, 4, 3]]  # products of opposite edges
        heron = np.maximum((opposite.sum(axis=1)[:, None] - 2 * opposite).prod(axis=1) * opposite.sum(axis=1), 0.0)
        return 216.0 * volume**2 / (surface * np.sqrt(heron))


def faces(cells: np.ndarray) -> np.ndarray:
    """Sorted point numbers of the faces of cells, face k of cell n in row n (d + 1) + k."""
    sides = np.stack([np.delete(cells, k, axis=1) for k in range(cells.shape[1])], axis=1)
    return np.sort(sides.reshape(-1, cells.shape[1] - 1), axis=1)


def neighbours(mesh: Mesh) -> dict[tuple[str, str], np.ndarray]:
    """Facets between two groups of cells, by the pair of their names."""
    cells, group = mesh.all_cells()
    names, width = list(mesh.cells), mesh.dimension + 1
    unique, where, count = np.unique(faces(cells), axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(where.ravel(), kind="stable")
    first = np.cumsum(count) - count
    inner = np.flatnonzero(count == 2)
    a, b = group[order[first[inner]] // width], group[order[first[inner] + 1] // width]
    found: dict[tuple[str, str], np.ndarray] = {}
    for low, high in sorted(set(zip(np.minimum(a, b)[a != b].tolist(), np.maximum(a, b)[a != b].tolist()))):
        found[names[low], names[high]] = unique[inner[(np.minimum(a, b) == low) & (np.maximum(a, b) == high)]]
    return found


def read_msh(path: Path, dimension: int) -> Mesh:
    """Physical groups of a Gmsh file; elements of second order are read by their corners."""
    with session():
        gmsh.merge(str(path))
        tags, points, _ = gmsh.model.mesh.getNodes()
        row = np.zeros(int(tags.max(initial=0)) + 1, dtype=np.int64)
        row[tags.astype(np.int64)] = np.arange(len(tags))
        found: dict[int, dict[str, list[np.ndarray]]] = {dimension: defaultdict(list), dimension - 1: defaultdict(list)}
        for dim, group in gmsh.model.getPhysicalGroups():
            if dim not in found:
                continue
            name = gmsh.model.getPhysicalName(dim, group) or str(group)
            for entity in gmsh.model.getEntitiesForPhysicalGroup(dim, group):
                for kind, _, nodes in zip(*gmsh.model.mesh.getElements(dim, entity)):
                    corners = CORNERS[dim].get(kind)
                    if corners is None:
                        _refuse(path, name, gmsh.model.mesh.getElementProperties(kind)[0])
                    per_cell = gmsh.model.mesh.getElementProperties(kind)[3]
                    found[dim][name].append(row[nodes.astype(np.int64)].reshape(-1, per_cell)[:, :corners])
    cells, facets = ({name: np.concatenate(parts) for name, parts in found[d].items()} for d in (dimension, dimension - 1))
    return Mesh(dimension, points.reshape(-1, 3), cells, facets)


def read_other(path: Path, dimension: int) -> Mesh:
    """Groups of a mesh that meshio reads: its cell sets, or else its integer cell data (then a group is named by its number)."""
    import meshio  # rarely needed, and slow to import

    try:
        mesh = meshio.read(path)
    except (Exception, SystemExit) as error:  # meshio exits on an unknown suffix
        raise GeometryError(f'geometry.file = "{path}": meshio cannot read it ({error}); convert it to .msh or .vtu') from None
    found: dict[int, dict[str, list[np.ndarray]]] = {dimension: defaultdict(list), dimension - 1: defaultdict(list)}
    for n, block in enumerate(mesh.cells):
        for name, members in _groups(path, mesh, n):
            dim, corners = MESHIO.get(block.type, (None, 0))
            if dim is None and block.type != "vertex" and len(members):
                _refuse(path, name, block.type)
            if dim in found and len(members):
                found[dim][name].append(np.asarray(block.data)[members][:, :corners].astype(np.int64))
    points = np.zeros((len(mesh.points), 3))
    points[:, : mesh.points.shape[1]] = mesh.points
    cells, facets = ({name: np.concatenate(parts) for name, parts in found[d].items()} for d in (dimension, dimension - 1))
    return Mesh(dimension, points, cells, facets)


def _groups(path: Path, mesh, block: int) -> list[tuple[str, np.ndarray]]:
    """(name, members) of the groups in one block of a meshio mesh."""
    if mesh.cell_sets:
        members = {name: sets[block] for name, sets in mesh.cell_sets.items() if sets[block] is not None}
        return [(name, np.asarray(cells, dtype=np.int64)) for name, cells in members.items()]
    whole = [key for key, data in mesh.cell_data.items() if np.issubdtype(np.asarray(data[0]).dtype, np.integer)]
    known = [key for key in TAGS if key in whole] or whole
    if not known:
        raise GeometryError(f'geometry.file = "{path}": it names no groups of cells; add cell sets or one integer cell array')
    if len(known) > 1 and known[0] not in TAGS:
        raise GeometryError(f'geometry.file = "{path}": several integer cell arrays ({", ".join(known)}); '
                            f"keep the one that numbers the groups")
    values = np.asarray(mesh.cell_data[known[0]][block])
    return [(_name(mesh, int(value)), np.flatnonzero(values == value)) for value in np.unique(values)]


def _name(mesh, value: int) -> str:
    """Name of a numbered group: of Gmsh's field data, of a MED family, or the number itself."""
    for name, data in mesh.field_data.items():
        if int(data[0]) == value:
            return name
    family = getattr(mesh, "cell_tags", {}).get(value)
    return family[0] if family else str(value)


def _refuse(path: Path, group: str, kind: str) -> None:
    raise GeometryError(f'geometry.file = "{path}": group "{group}" has elements of type {kind}; '
                        f"mesh it with triangles (plane, axisymmetric) or tetrahedra (box)")
