"""The residual by rows of blocks, for iterative solvers: only what has changed is assembled.

A row whose Jacobian `J` does not depend on the unknowns is linear in them: assembled once at `x0`, where Newton's method starts,
it is `R(x) = R(x0) + J (x - x0)` from there on, a product in place of a sweep over all cells. Conduction is such a row, elasticity in small
strain too. A row that essential conditions hold wholly is not needed at all.

Conduction in metal is swept all the same. What rounding does to the flux in a cell adds up to nothing over its corners; what it does to the
product does not, and of 1e7 S/m it was 1e-6 of the current.
"""

from __future__ import annotations

import numpy as np
from dolfinx import fem
from mpi4py import MPI
from petsc4py import PETSc

from .blocks import Block

SWEPT = ("phi_m",)


class Residual:
    """Its rows by the names of the unknowns. `blocks` of the Jacobian are up to date from the second evaluation on."""

    def __init__(self, forms: list[fem.Form], unknowns: dict[str, fem.Function], slices: dict[str, slice], blocks: dict[tuple[str, str], Block]):
        self.forms, self.unknowns, self.slices, self.blocks = dict(zip(unknowns, forms)), unknowns, slices, blocks
        ours = {id(function._cpp_object) for function in unknowns.values()}
        depend = {row for (row, _), block in blocks.items() if ours & {id(c) for c in block.form._cpp_object.coefficients}}
        self.linear = [name for name in unknowns if name not in depend and name not in SWEPT]
        self._given = {name: [c.x.array for c in self.forms[name]._cpp_object.coefficients if id(c) not in ours]
                       for name in self.linear}  # what a linear row holds besides
        self._start: dict[str, tuple[np.ndarray, list[np.ndarray]]] = {}  # R(x0) of linear rows, owned, and what they held
        self._from: dict[str, np.ndarray] = {}  # x0, owned

    def assemble(self, b: PETSc.Vec, held: set[str], first: bool) -> None:
        """Into a blocked vector, owned values; zero for rows that are held. `first`: x0 are the present unknowns."""
        comm = b.getComm().tompi4py()
        if first:
            self._start = {}
        followed = [name for name in self._start if name not in held and comm.allreduce(self._unchanged(name), MPI.LAND)]
        with b.localForm() as local:
            local.set(0.0)
            self._sweep(b, local, [name for name in self.forms if name not in {*held, *followed}])
        b.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        array = b.getArray()
        for name in followed:
            array[self.slices[name]] = self._product(name, held)
        if first:
            self._from = {name: self._owned(name).copy() for name in self.unknowns}
            self._start = {name: (array[self.slices[name]].copy(), [values.copy() for values in self._given[name]])
                           for name in self.linear if name not in held}

    def _sweep(self, b: PETSc.Vec, local: PETSc.Vec, names: list[str]) -> None:
        owned, ghosts = b.getAttr("_blocks")
        for n, name in enumerate(self.forms):
            if name in names:
                count = owned[n + 1] - owned[n]
                values = np.zeros(count + ghosts[n + 1] - ghosts[n])
                fem.assemble_vector(values, self.forms[name])
                local.array_w[owned[n]: owned[n + 1]] = values[:count]
                local.array_w[ghosts[n]: ghosts[n + 1]] = values[count:]

    def _owned(self, name: str) -> np.ndarray:
        part = self.slices[name]
        return self.unknowns[name].x.array[: part.stop - part.start]

    def _unchanged(self, name: str) -> bool:
        return all(np.array_equal(now, before) for now, before in zip(self._given[name], self._start[name][1]))

    def _product(self, row: str, held: set[str]) -> np.ndarray:
        """`R(x0) + J (x - x0)`, owned."""
        found = self._start[row][0].copy()
        for (name, column), block in self.blocks.items():
            if name == row and column not in held:
                x, y = block.matrix.createVecs()
                x.setArray(self._owned(column) - self._from[column])
                block.matrix.mult(x, y)
                found += y.getArray(readonly=True)
                x.destroy()
                y.destroy()
        return found
