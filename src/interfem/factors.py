"""LU factors of a matrix by MUMPS, on all ranks or on the first of them.

On all ranks both PETSc's assembly and MUMPS add up in the order in which messages come, so that no two runs agree in the last digits. Gathered
on the first rank, the parts of all ranks are added in the order of the ranks, and factored in one order; for small matrices that is as fast.
"""

from __future__ import annotations

import numpy as np
from mpi4py import MPI
from petsc4py import PETSc

LEAST_ROOM, MOST_ROOM = 60, 2000  # percent by which the workspace exceeds MUMPS's estimate
SHORT_OF_ROOM = (-8, -9)  # errors of MUMPS for a workspace that is too small


class Factors:
    """A preconditioner, as PETSc calls it: `y = A^-1 x`. Its failure is told to the solver on all ranks.

    A matrix of type "is", which is the sum of the parts of its ranks, is gathered.
    """

    def __init__(self):
        self._room = LEAST_ROOM
        self._lu: PETSc.PC | None = None
        self._whole: PETSc.Mat | None = None  # on the first rank; empty on the others
        self._scatter: PETSc.Scatter | None = None

    def setUp(self, pc: PETSc.PC) -> None:
        """Factor; the analysis is kept while the matrix keeps its pattern, and the workspace grows until it suffices."""
        matrix = pc.getOperators()[1]
        if matrix.getType() == "is":
            comm = matrix.getComm().tompi4py()
            self._gather(matrix, comm)
            error = comm.bcast(self._factor(self._whole))
        else:
            error = self._factor(matrix)
        pc.setFailedReason(PETSc.PC.FailedReason.FACTOR_OTHER if error else PETSc.PC.FailedReason.NOERROR)

    def apply(self, pc: PETSc.PC, x: PETSc.Vec, y: PETSc.Vec) -> None:
        if self._scatter is None:
            if self._lu is not None:  # else the failure is told already
                self._lu.apply(x, y)
            return
        self._scatter.scatter(x, self._b)
        if self._lu is not None:
            self._lu.apply(self._b, self._x)
        self._scatter.scatter(self._x, y, mode=PETSc.ScatterMode.REVERSE)

    def destroy(self, pc: PETSc.PC) -> None:
        for thing in (self._lu, self._whole, *((self._scatter, self._b, self._x) if self._scatter is not None else ())):
            if thing is not None:
                thing.destroy()

    def _gather(self, matrix: PETSc.Mat, comm: MPI.Comm) -> None:
        """Add up the parts of all ranks on the first."""
        part = matrix.getISLocalMat()
        starts, columns, values = part.getValuesCSR()
        if self._whole is None:
            self._counts = comm.gather(len(values))
            of_row, of_column = (numbers.indices for numbers in matrix.getLGMap())
            rows, columns = self._joined(np.repeat(of_row, np.diff(starts)), comm), self._joined(of_column[columns], comm)
            self._whole = PETSc.Mat().createAIJ(matrix.getSize()[0] if comm.rank == 0 else 0, comm=PETSc.COMM_SELF)
            self._whole.setPreallocationCOO(rows, columns)
            sample = matrix.createVecRight()
            self._scatter, self._b = PETSc.Scatter.toZero(sample)
            self._x = self._b.duplicate()
            sample.destroy()
        self._whole.setValuesCOO(self._joined(values, comm))

    def _joined(self, values: np.ndarray, comm: MPI.Comm) -> np.ndarray:
        """Of all ranks, one after the other, on the first; empty on the others."""
        found = np.empty(sum(self._counts or ()), values.dtype)
        comm.Gatherv(np.ascontiguousarray(values), (found, self._counts) if comm.rank == 0 else None)
        return found

    def _factor(self, matrix: PETSc.Mat) -> int:
        """MUMPS's INFOG(1), zero if all is well; after an error it takes no more matrices and is started anew."""
        while matrix.getSize()[0]:
            if self._lu is None:
                self._lu = self._start(matrix)
            self._lu.setUp()
            error = self._lu.getFactorMatrix().getMumpsInfog(1)
            if error >= 0:
                break
            self._lu.destroy()
            self._lu = None
            if error not in SHORT_OF_ROOM or self._room >= MOST_ROOM:
                return error
            self._room *= 2
        return 0

    def _start(self, matrix: PETSc.Mat) -> PETSc.PC:
        lu = PETSc.PC().create(matrix.getComm())
        lu.setOperators(matrix)
        lu.setType("lu")
        lu.setFactorSolverType("mumps")
        lu.setFactorSetUpSolverType()
        lu.getFactorMatrix().setMumpsIcntl(14, self._room)
        return lu
