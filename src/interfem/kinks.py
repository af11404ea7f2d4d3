"""Fields of degree 1 on the interfaces of a plane that break at kinks, where the normal jumps.

At the mouth of a flaw the pressure on the anode's face and that on the flaw's wall are two, and both are singular: one continuous field
swings from facet to facet there. Each side of a kink has its own value instead, constant over the facet that ends there, as
multipliers are taken at the corners of mortar methods (Bernardi, Maday and Patera 1994; Wohlmuth 2000, doi:10.1137/S0036142999350929).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from dolfinx import common, cpp, fem, graph, la

SHARP = 40.0  # degrees by which the normal turns at a kink; from facet to facet of a curved wall it turns less


@dataclass(frozen=True, eq=False)
class Kinks:
    """Numbering of a field that breaks at kinks."""

    index_map: common.IndexMap
    dofs: np.ndarray  # (cell of the interface mesh, vertex); at a kink that of the cell's other vertex
    places: np.ndarray  # (degree of freedom, 3), um


class BrokenSpace(fem.FunctionSpace):
    """Degree 1, with the numbering of `Kinks`."""

    def __init__(self, gamma, kinks: Kinks, shape: tuple[int, ...] = ()):
        whole = fem.functionspace(gamma, ("Lagrange", 1, shape) if shape else ("Lagrange", 1))
        dofmap = whole.dofmap._cpp_object
        rows = graph.adjacencylist(kinks.dofs)._cpp_object
        broken = cpp.fem.DofMap(dofmap.dof_layout, kinks.index_map, dofmap.bs, rows, dofmap.bs)
        super().__init__(gamma, whole.ufl_element(), cpp.fem.FunctionSpace_float64(gamma._cpp_object, whole.element._cpp_object, broken))
        self.places = kinks.places


def find_kinks(gamma, normals: np.ndarray) -> Kinks | None:
    """Kinks of the interface mesh of a plane, None if there are none; `normals` (cell, 2) of all cells of this rank.

    Where kinks are but a facet apart, the field stays continuous.
    """
    space = fem.functionspace(gamma, ("Lagrange", 1))
    index_map, dofs, owned = space.dofmap.index_map, space.dofmap.list, gamma.topology.index_map(1).size_local
    sums = [sum_at_vertices(space, values[:owned]) for values in (normals[:, 0], normals[:, 1], np.ones(len(normals)))]
    kink = np.hypot(*sums[:2]) < np.cos(np.radians(SHARP / 2)) * sums[2]
    kink &= sum_at_vertices(space, kink[dofs[:owned]].all(axis=1)) == 0
    if not gamma.comm.allreduce(int(kink[: index_map.size_local].sum())):
        return None
    kept = np.flatnonzero(~kink[: index_map.size_local])
    begin = gamma.comm.exscan(len(kept)) or 0
    number = fem.Function(space)
    number.x.array[kept] = begin + np.arange(len(kept))
    number.x.scatter_forward()
    ghosts = index_map.size_local + np.flatnonzero(~kink[index_map.size_local :])
    local = np.full(len(kink), -1, np.int32)
    local[np.concatenate([kept, ghosts])] = np.arange(len(kept) + len(ghosts))
    broken = local[np.where(kink[dofs], dofs[:, ::-1], dofs)]
    owners = index_map.owners[ghosts - index_map.size_local]
    numbered = common.IndexMap(gamma.comm, len(kept), np.rint(number.x.array[ghosts]).astype(np.int64), owners, 1906)
    return Kinks(numbered, broken, space.tabulate_dof_coordinates()[np.concatenate([kept, ghosts])])


def sum_at_vertices(space: fem.FunctionSpace, values: np.ndarray) -> np.ndarray:
    """At each vertex (or side), ghosts included, the sum of values (cell,) or (cell, vertex) of owned cells, over those of all ranks that
    meet there.
    """
    total = fem.Function(space)
    dofs = space.dofmap.list[: len(values)]
    np.add.at(total.x.array, dofs, np.broadcast_to(values if values.ndim == 2 else values[:, None], dofs.shape))
    total.x.scatter_reverse(la.InsertMode.add)
    total.x.scatter_forward()
    return total.x.array
