"""The Jacobian by blocks, for iterative solvers: only what has changed is assembled, and currents of interfaces are eliminated.

A current density i is discontinuous from facet to facet, so that its block D is inverted facet by facet, exactly. With potentials x and
the voltage V of a collector, one number,

    A x + B i = r,   C x + c V + D i = r_i,   R i + d V = r_V

leaves `(A - B D^-1 C) x - B D^-1 c V = r - B D^-1 r_i` and one row for V, which is eliminated by one solve more.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from dolfinx import fem
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

POTENTIALS, CURRENT, VOLTAGE = ("phi", "phi_m"), "i", "V"
CHARGE = (*POTENTIALS, CURRENT, VOLTAGE)
SYMMETRIC = 1e-10  # relative difference of x.Sy and y.Sx for random vectors, below which S is symmetric


def fits(names) -> bool:
    """The unknowns are potentials, currents of interfaces and at most a voltage."""
    return CURRENT in names and set(names) <= {*POTENTIALS, CURRENT, VOLTAGE}


@dataclass
class Block:
    """One block, and the values of its coefficients and constants for which it has been assembled. Its matrix is made when needed.

    PETSc adds what other ranks have for an entry in the order in which it comes; `in_order`, in one that is always the same, which matters
    from three ranks on: each rank keeps its part, and all are added in the order that the matrix has found when it was made.
    """

    form: fem.Form
    diagonal: float  # of rows that essential conditions hold, as large as others: multigrid estimates eigenvalues
    in_order: bool = False
    values: list[np.ndarray] | None = None

    def refresh(self, bcs: list[fem.DirichletBC]) -> bool:
        """Assemble it if anything in it has changed on any rank; True if so."""
        now = [c.x.array for c in self.form._cpp_object.coefficients] + [np.asarray(c.value) for c in self.form._cpp_object.constants]
        same = self.values is not None and all(np.array_equal(a, b) for a, b in zip(now, self.values))
        if self.matrix.getComm().tompi4py().allreduce(same, MPI.LAND):
            return False
        self.values = [a.copy() for a in now]
        assembled = self.part if self.in_order else self.matrix
        assembled.zeroEntries()
        petsc.assemble_matrix(assembled, self.form, bcs, diag=self.diagonal)
        assembled.assemble()
        if self.in_order:
            self.matrix.setValuesCOO(self.part.getISLocalMat().getValuesCSR()[2])
        return True

    @cached_property
    def part(self) -> PETSc.Mat:
        """What each rank has to add; assembled once, for PETSc keeps no place that nothing has been written to. On the diagonal, zero is: a
        rank may own what none but others' cells touch, and essential conditions write there.
        """
        part = petsc.create_matrix(self.form, kind="is")
        petsc.assemble_matrix(part, self.form)
        row, column = self.form.function_spaces
        if row == column:
            places = np.arange(row.dofmap.index_map.size_local * row.dofmap.index_map_bs, dtype=PETSc.IntType)
            part.setValuesLocalIJV(np.append(places, len(places)).astype(PETSc.IntType), places, np.zeros(len(places)), addv=PETSc.InsertMode.ADD)
        part.assemble()
        return part

    @cached_property
    def matrix(self) -> PETSc.Mat:
        if not self.in_order:
            return petsc.create_matrix(self.form)
        starts, columns, _ = self.part.getISLocalMat().getValuesCSR()
        of_row, of_column = (numbers.indices for numbers in self.part.getLGMap())
        matrix = PETSc.Mat().create(comm=self.part.getComm())
        matrix.setSizes(self.part.getSizes())
        matrix.setBlockSizes(*self.part.getBlockSizes())
        matrix.setType("aij")
        matrix.setPreallocationCOO(np.repeat(of_row, np.diff(starts)), of_column[columns])
        return matrix

    def forget(self) -> None:
        self.values = None

    def destroy(self) -> None:
        for made in {"matrix", "part"} & set(vars(self)):
            vars(self)[made].destroy()


class Blocks:
    """The linear system of potentials. `system` is that of the potentials alone, currents and voltage eliminated."""

    closest = 0.0  # smallest relative tolerance that is of use to Newton's method

    def __init__(self, names: list[str], forms: list[list[fem.Form | None]], slices: dict[str, slice], facets: np.ndarray,
                 sizes: dict[str, float], in_order: bool = False):  # fmt: skip
        """facets: for each owned facet of the interface mesh the local numbers of its unknowns i. sizes: of diagonal entries, by block."""
        self.slices, self.facets = slices, facets
        self.blocks = {(row, column): Block(form, sizes.get(row, 1.0), in_order)
                       for row, line in zip(names, forms) for column, form in zip(names, line) if form is not None}
        self.names = names
        self.assembled = 0  # blocks so far
        self.potentials: tuple[str, ...] = ()
        self.inverse: PETSc.Mat | None = None  # of D
        self.system: PETSc.Mat | None = None
        self.symmetric = True
        self._thin: dict[tuple[str, str], PETSc.Mat] = {}  # blocks between potentials and currents without their zeros
        self._work: list[PETSc.Mat] = []  # B D^-1 C, by place in the system

    def choose(self, held: set[str]) -> None:
        """Take the potentials that essential conditions do not hold wholly for unknowns; everything is assembled anew."""
        self.potentials = tuple(name for name in POTENTIALS if name in self.names and name not in held)
        for block in self.blocks.values():
            block.forget()
        for matrix in (self.system, *self._work):
            if matrix is not None:
                matrix.destroy()
        self.system, self._work = None, []

    def destroy(self) -> None:
        self.choose(set())
        for thing in (*self.blocks.values(), *self._thin.values(), self.inverse):
            if thing is not None:
                thing.destroy()

    def _matrix(self, row: str, column: str) -> PETSc.Mat | None:
        block = self.blocks.get((row, column))
        return block.matrix if block is not None else None

    @property
    def method(self) -> str:
        """PETSc's name of the Krylov method that fits the system."""
        return "cg" if self.symmetric else "gmres"

    @property
    def nonzeros(self) -> int:
        """Of the system, over all ranks."""
        return int(sum(part.getInfo(PETSc.Mat.InfoType.GLOBAL_SUM)["nz_used"] for part in self._work))

    def refresh(self, bcs: list[fem.DirichletBC]) -> None:
        """Bring the blocks of the unknowns, and the system, up to date."""
        kept = {*self.potentials, CURRENT, VOLTAGE}
        fresh = [key for key, block in self.blocks.items() if kept.issuperset(key) and block.refresh(bcs)]
        self.assembled += len(fresh)
        if not fresh:
            return
        if (CURRENT, CURRENT) in fresh:
            self.inverse = _inverse(self._matrix(CURRENT, CURRENT), self.facets, self.inverse)
        for row, column in fresh:
            if CURRENT in (row, column) and {row, column} & {*POTENTIALS}:
                self._filter(row, column)
        self._condense()
        self.symmetric = self._is_symmetric()

    def _filter(self, row: str, column: str) -> None:
        """Facets are coupled to one more unknown, by zeros, where a carrier lies on one of their sides only: without them."""
        matrix = self._matrix(row, column)
        indptr, indices, values = matrix.getValuesCSR()
        there = values != 0.0
        counts = np.concatenate([[0], np.cumsum(there)])[indptr].astype(indptr.dtype)
        old = self._thin.get((row, column))
        if old is not None:
            old.destroy()
        self._thin[row, column] = PETSc.Mat().createAIJ(matrix.getSizes(), csr=(counts, indices[there], values[there]), comm=matrix.getComm())

    def _condense(self) -> None:
        """`S = A - B D^-1 C`, in the pattern of A on the diagonal; potentials meet at interfaces alone."""
        first = not self._work
        places = [(row, column) for row in self.potentials for column in self.potentials]
        parts = []
        for n, (row, column) in enumerate(places):
            left = self._thin[row, CURRENT].matMult(self.inverse)
            exchanged = left.matMult(self._thin[CURRENT, column])
            left.destroy()
            own = self._matrix(row, column)
            if row != column:
                exchanged.scale(-1.0)
                if first:
                    self._work.append(exchanged)
                else:
                    exchanged.copy(self._work[n], PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
                    exchanged.destroy()
            else:
                if first:
                    self._work.append(own.copy())
                else:
                    own.copy(self._work[n], PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
                self._work[n].axpy(-1.0, exchanged, PETSc.Mat.Structure.SUBSET_NONZERO_PATTERN)
                exchanged.destroy()
            parts.append(self._work[n])
        if first and len(self.potentials) == 1:
            self.system = parts[0]
            self.system.incRef()
        elif first:
            count = len(self.potentials)
            self.system = PETSc.Mat().createNest([parts[n * count: (n + 1) * count] for n in range(count)], comm=parts[0].getComm())
        self.system.assemble()

    def whole(self) -> PETSc.Mat:
        """As one sparse matrix, which factors need."""
        return self.system.convert("aij", PETSc.Mat()) if self.system.getType() == "nest" else self.system

    def precondition(self, pc: PETSc.PC, prefix: str, options: dict) -> dict:
        """The options that a preconditioner of the system takes, by their names behind the prefix."""
        return self.options(options)

    def options(self, options: dict) -> dict:
        """Those given for each potential, for all together."""
        count = len(self.potentials)
        if count == 1:
            return options
        given = {"pc_type": "fieldsplit", "pc_fieldsplit_type": "additive"}
        for n in range(count):
            given |= {f"fieldsplit_{n}_{key}": value for key, value in ({"ksp_type": "preonly"} | options).items()}
        return given

    def _is_symmetric(self) -> bool:
        x, y = self.system.createVecs()
        z = x.duplicate()
        random = PETSc.Random().create(self.system.getComm())
        x.setRandom(random)
        z.setRandom(random)
        self.system.mult(x, y)
        one, size = y.dot(z), y.norm() * z.norm()
        self.system.mult(z, y)
        other = y.dot(x)
        for thing in (x, y, z, random):
            thing.destroy()
        return abs(one - other) <= SYMMETRIC * size

    # ---- vectors: dictionaries of PETSc vectors by name ----------------------------------------------------------------

    def parts(self, vector: PETSc.Vec) -> dict[str, PETSc.Vec]:
        """The owned values of each block of a blocked vector, copied."""
        array, found = vector.getArray(readonly=True), {}
        for name in (*self.potentials, CURRENT, VOLTAGE):
            if name in self.names:
                found[name] = self._matrix(name, name if (name, name) in self.blocks else CURRENT).createVecLeft()
                found[name].getArray()[:] = array[self.slices[name]]
        return found

    def join(self, parts: dict[str, PETSc.Vec], vector: PETSc.Vec) -> None:
        vector.set(0.0)
        array = vector.getArray()
        for name, part in parts.items():
            array[self.slices[name]] = part.getArray(readonly=True)

    def multiply(self, x: dict[str, PETSc.Vec]) -> dict[str, PETSc.Vec]:
        """The Jacobian times a vector."""
        found = {name: vector.duplicate() for name, vector in x.items()}
        for (row, column), block in self.blocks.items():
            if row in x and column in x:
                block.matrix.multAdd(x[column], found[row], found[row])
        return found

    def _times(self, row: str, column: str, x: PETSc.Vec, y: PETSc.Vec, sign: float) -> None:
        """`y += sign M x` for one block M, if it is there."""
        matrix = self._thin.get((row, column)) or self._matrix(row, column)
        if matrix is not None:
            z = y.duplicate()
            matrix.mult(x, z)
            y.axpy(sign, z)
            z.destroy()

    def _inner(self, inner, b: dict[str, PETSc.Vec]) -> dict[str, PETSc.Vec] | None:
        """Potentials that solve the system for b, or None."""
        right, left = self.system.createVecs()
        right.setArray(np.concatenate([b[name].getArray(readonly=True) for name in self.potentials]))
        found = None
        if inner(right, left):
            found, array, start = {}, left.getArray(readonly=True), 0
            for name in self.potentials:
                found[name] = b[name].duplicate()
                count = found[name].getLocalSize()
                found[name].setArray(array[start: start + count])
                start += count
        right.destroy()
        left.destroy()
        return found

    def solve(self, r: dict[str, PETSc.Vec], inner) -> dict[str, PETSc.Vec] | None:
        """Solution for a right-hand side, or None if `inner(b, x) -> bool`, which solves the system of potentials, has failed.

        The right-hand side is used up.
        """
        z = r[CURRENT].duplicate()
        self.inverse.mult(r[CURRENT], z)
        for name in r:
            if name != CURRENT:
                self._times(name, CURRENT, z, r[name], -1.0)
        x = self._inner(inner, r)
        if x is None:
            return None
        if VOLTAGE in r:
            voltage = self._voltage(r[VOLTAGE], x, inner)
            if voltage is None:
                return None
            x[VOLTAGE] = voltage
        driven = r[CURRENT].duplicate()
        for name in x:
            self._times(CURRENT, name, x[name], driven, 1.0)
        i = z.duplicate()
        self.inverse.mult(driven, i)
        i.aypx(-1.0, z)
        return x | {CURRENT: i}

    def _voltage(self, right: PETSc.Vec, x: dict[str, PETSc.Vec], inner) -> PETSc.Vec | None:
        """V from its row; takes what V brings about out of the potentials x, which were solved for without it."""
        unit = right.duplicate()
        unit.set(1.0)
        driven, following = (self._matrix(CURRENT, CURRENT).createVecLeft() for _ in range(2))
        self._times(CURRENT, VOLTAGE, unit, driven, 1.0)
        self.inverse.mult(driven, following)
        b = {name: x[name].duplicate() for name in self.potentials}
        for name in self.potentials:
            self._times(name, CURRENT, following, b[name], -1.0)
            self._times(name, VOLTAGE, unit, b[name], 1.0)
        y = self._inner(inner, b)
        if y is None:
            return None
        row = self._voltage_row(y, driven)
        slope = right.duplicate()
        self._times(VOLTAGE, VOLTAGE, unit, slope, 1.0)
        slope.axpy(-1.0, row)
        left = self._voltage_row(x, None)
        value = right.sum() + left.sum()
        total = slope.sum()
        voltage = right.duplicate()
        voltage.set(value / total)
        for name in self.potentials:
            x[name].axpy(-value / total, y[name])
        return voltage

    def _voltage_row(self, x: dict[str, PETSc.Vec], driven: PETSc.Vec | None) -> PETSc.Vec:
        """`R D^-1 (c - C x)`, or of `C x` without c: current that the potentials x draw, in the row of V."""
        total = self._matrix(CURRENT, CURRENT).createVecLeft()
        for name in self.potentials:
            self._times(CURRENT, name, x[name], total, 1.0 if driven is None else -1.0)
        if driven is not None:
            total.axpy(1.0, driven)
        current = total.duplicate()
        self.inverse.mult(total, current)
        row = self._matrix(VOLTAGE, CURRENT).createVecLeft()
        self._matrix(VOLTAGE, CURRENT).mult(current, row)
        return row


class _Product:
    """A matrix known by its product, as PETSc calls it."""

    def __init__(self, multiply):
        self.multiply = multiply

    def mult(self, _, x: PETSc.Vec, y: PETSc.Vec) -> None:
        self.multiply(x, y)


def shell(x: PETSc.Vec, multiply) -> PETSc.Mat:
    """The square matrix of a product `multiply(x, y)`, for vectors like x."""
    sizes = x.getSizes()
    matrix = PETSc.Mat().createPython((sizes, sizes), _Product(multiply), comm=x.getComm())
    matrix.setUp()
    return matrix


def _inverse(matrix: PETSc.Mat, facets: np.ndarray, old: PETSc.Mat | None) -> PETSc.Mat:
    """Inverse of a matrix that couples only the unknowns of one facet."""
    indptr, indices, values = matrix.getValuesCSR()
    start, end = matrix.getOwnershipRange()
    count, size = facets.shape
    facet, place = np.empty(end - start, np.int64), np.empty(end - start, np.int64)
    facet[facets], place[facets] = np.arange(count)[:, None], np.arange(size)[None, :]
    rows = np.repeat(np.arange(end - start), np.diff(indptr))
    columns = indices - start
    assert len(columns) == 0 or (columns.min() >= 0 and columns.max() < end - start and (facet[rows] == facet[columns]).all())
    dense = np.zeros((count, size, size))
    dense[facet[rows], place[rows], place[columns]] = values
    dense = np.linalg.inv(dense)
    inverse = dense[facet[rows], place[rows], place[columns]]
    if old is not None:
        old.setValuesCSR(indptr, indices, inverse)
        old.assemble()
        return old
    return PETSc.Mat().createAIJ((matrix.getSizes()), csr=(indptr, indices, inverse), comm=matrix.getComm())
