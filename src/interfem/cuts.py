"""Potentials that jump where an areal resistance lies between two regions that conduct alike.

The field is continuous in each region and over every face without a resistance. At a degree of freedom on a resisting face there is one
value for each side; where the sides are joined by a third region at that place, or end there, they share one.
"""

from __future__ import annotations

from itertools import combinations

import numpy as np
from dolfinx import common, cpp, fem, graph, la
from mpi4py import MPI

Pair = tuple[int, int]  # numbers of two regions


class CutSpace(fem.FunctionSpace):
    """Lagrange of a degree on a mesh whose cells lie in numbered regions (ghosts included), cut between some pairs of them.

    `places` (degree of freedom, 4): x, y, z in um and the number of the side, which tells values at one place apart.
    """

    def __init__(self, mesh, degree: int, shape: tuple[int, ...], regions: np.ndarray, pairs: tuple[Pair, ...]):
        whole = fem.functionspace(mesh, ("Lagrange", degree, shape) if shape else ("Lagrange", degree))
        sides = _sides(_present(mesh, degree, regions), pairs)
        counts = sides.max(axis=1, initial=0) + 1
        first, copies = _runs(counts)
        dofmap, dofs = whole.dofmap._cpp_object, whole.dofmap.list
        rows = graph.adjacencylist((first[dofs] + sides[dofs, regions[:, None]]).astype(np.int32))._cpp_object
        own = cpp.fem.DofMap(dofmap.dof_layout, _numbered(mesh, degree, counts), dofmap.bs, rows, dofmap.bs)
        super().__init__(mesh, whole.ufl_element(), cpp.fem.FunctionSpace_float64(mesh._cpp_object, whole.element._cpp_object, own))
        self.places = np.column_stack([np.repeat(whole.tabulate_dof_coordinates(), counts, axis=0), copies])


def _present(mesh, degree: int, regions: np.ndarray) -> np.ndarray:
    """(degree of freedom, region): whether a cell of that region, of any rank, has it."""
    seen = fem.Function(fem.functionspace(mesh, ("Lagrange", degree)))
    dofs, owned = seen.function_space.dofmap.list, mesh.topology.index_map(mesh.topology.dim).size_local
    found = np.zeros((len(seen.x.array), mesh.comm.allreduce(int(regions.max(initial=-1)), MPI.MAX) + 1), bool)
    for region in range(found.shape[1]):
        seen.x.array[:] = 0.0
        seen.x.array[dofs[:owned][regions[:owned] == region].ravel()] = 1.0
        seen.x.scatter_reverse(la.InsertMode.add)
        seen.x.scatter_forward()
        found[:, region] = seen.x.array > 0
    return found


def _sides(present: np.ndarray, pairs: tuple[Pair, ...]) -> np.ndarray:
    """(degree of freedom, region): number 0, 1, ... of the side on which a region lies, of those that meet there."""
    patterns, which = np.unique(present, axis=0, return_inverse=True) if len(present) else (present, np.empty(0, np.int64))
    found = np.zeros(patterns.shape, np.int64)
    for pattern, sides in zip(patterns, found):
        here = np.flatnonzero(pattern)
        side = {region: region for region in here}
        for a, b in combinations(here, 2):
            if (a, b) not in pairs and (b, a) not in pairs:
                side = {region: side[a] if old == side[b] else old for region, old in side.items()}
        sides[here] = np.unique(list(side.values()), return_inverse=True)[1]
    return found[which.ravel()]


def _runs(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(place where each run of so many begins, place in its own run of each)."""
    first = np.cumsum(counts) - counts
    return first, np.arange(counts.sum()) - np.repeat(first, counts)


def _numbered(mesh, degree: int, counts: np.ndarray) -> common.IndexMap:
    """Numbering with so many values at each degree of freedom of the continuous space; owned ones come first."""
    number = fem.Function(fem.functionspace(mesh, ("Lagrange", degree)))
    old, (first, _) = number.function_space.dofmap.index_map, _runs(counts)
    owned, behind = np.split(counts, [old.size_local])
    begin = mesh.comm.exscan(int(owned.sum())) or 0
    number.x.array[: old.size_local] = begin + first[: old.size_local]
    number.x.scatter_forward()
    ghosts = np.repeat(np.rint(number.x.array[old.size_local :]).astype(np.int64), behind) + _runs(behind)[1]
    return common.IndexMap(mesh.comm, int(owned.sum()), ghosts, np.repeat(old.owners, behind).astype(np.int32), 1907)
