"""The nonlinear solve of one step by PETSc SNES; the only place with PETSc options."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

from .case import Case
from .domain import Domain
from .fields import Fields, solve_flow
from .model import Model

# Residual of a block over its scale (see model._scales) at which a step is solved, and where rounding may stop it.
TOLERANCE = dict.fromkeys(("phi", "phi_m", "V", "x", "mu", "c"), 1e-11) | {"i": 1e-10, "sei": 1e-9}
TOLERANCE |= dict.fromkeys(("u_m", "u_i", "u_s", "p", "p_c", "gap", "slip", "shear", "stack", "plate"), 1e-8)
ROUNDING = 1e3  # times the tolerance: accepted when Newton no longer reduces the residual
ROUNDING_OF_POTENTIAL = 1e5  # the same for charge: beside an alloy the potentials stand 0.6 V off zero, and at rest no current flows
FEW_ROWS = 100.0  # rounding errors of one row that the norm of the residual may hold
CYCLE = 6  # iterations without a new low of the residual, after which vertices are taken to change sides to and fro
MAX_CONTACT_ITERATIONS = 60  # where bodies may part: the edge of a contact moves by some vertices in one
KEEP_CONTRACTION = 0.03  # of the residual in one iteration, better than which a factorisation is kept
KEEP_ITERATIONS = 6
ROOM = "mat_mumps_icntl_14"
SHORT_OF_ROOM = (-8, -9)  # errors of MUMPS for a workspace that is too small
LEAST_ROOM, MOST_ROOM = 60, 2000  # percent by which its estimate is exceeded

PRESETS = {
    "direct": {"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"},
}
LINE_SEARCHES = (  # with the most iterations of each
    ({"snes_linesearch_type": "basic"}, 12),
    ({"snes_linesearch_type": "bt", "snes_linesearch_order": 2, "snes_linesearch_minlambda": 1e-3}, 20),
)


class NotConverged(Exception):
    """Newton did not reach the tolerance; the text tells the block with the largest residual."""


@dataclass
class Timings:
    """Seconds spent, by kind."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("mesh", "compile", "assembly", "solve", "output"), 0.0))

    def add(self, kind: str, start: float) -> None:
        self.seconds[kind] += time.perf_counter() - start


class Solver:
    """Compiled forms and one SNES for all steps of a run."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model, timings: Timings):
        self.case, self.domain, self.fields, self.model, self.timings = case, domain, fields, model, timings
        start = time.perf_counter()
        maps, unknowns = domain.entity_maps, fields.functions()
        blocks = list(ufl.extract_blocks(model.residual))
        self.residual = fem.form(blocks, entity_maps=maps)
        self.jacobian = fem.form(petsc.derivative_block(blocks, unknowns), entity_maps=maps)
        timings.add("compile", start)
        self.A = petsc.create_matrix(self.jacobian, kind="mpi")
        spaces = [u.function_space for u in unknowns]
        self.b, self.x, self.diagonal = (petsc.create_vector(spaces, kind="mpi") for _ in range(3))
        self._bcs = fem.bcs_by_block(fem.extract_function_spaces(self.residual), model.bcs)
        self._slices = _block_slices(fields)
        kinds = {"phi": "ionic_conductivity", "phi_m": "electronic_conductivity"}
        self._conducting = {name: max(r.material.get(key).at(case.temperature) for r in domain.regions if r.material.has(key))
                            for name, key in kinds.items() if name in fields}  # largest conductivity, pA/(V um)
        self._current = 1.0
        self.scales: dict[str, float] = {}
        self.snes = self._snes()
        self.iterations = 0
        self._factored_for = None  # length of the step for which the Jacobian was last assembled

    def _snes(self) -> PETSc.SNES:
        snes = PETSc.SNES().create(self.domain.comm)
        snes.setOptionsPrefix(f"interfem_{id(self)}_")
        snes.setFunction(self._assemble_residual, self.b)
        snes.setJacobian(self._assemble_jacobian, self.A)
        snes.setConvergenceTest(self._converged)
        self._give_room(snes, LEAST_ROOM)
        _take(snes, snes, PRESETS["direct" if self.case.solver.preset == "auto" else self.case.solver.preset])
        return snes

    def destroy(self) -> None:
        """Free the PETSc objects."""
        del PETSc.Options()[self.snes.getOptionsPrefix() + ROOM]
        for thing in (self.snes, self.A, self.b, self.x, self.diagonal):
            thing.destroy()

    @property
    def size(self) -> int:
        """Number of unknowns over all ranks."""
        return self.x.getSize()

    def solve(self, dt: float) -> int:
        """Solve for the unknowns at the end of a step of dt seconds, from their present values; returns Newton iterations.

        Raises NotConverged; the unknowns are then of no use and the caller rolls back.
        """
        self._dt, self._history = dt, []
        self.model.controls.dt.value = dt
        self._scale()
        for function, bcs in zip(self.fields.functions(), self._bcs):
            for bc in bcs:
                bc.set(function.x.array)
        petsc.assign(self.fields.functions(), self.x)
        start, assembled = time.perf_counter(), self.timings.seconds["assembly"]
        reason = self._newton()
        self.timings.add("solve", start)
        self.timings.seconds["solve"] -= self.timings.seconds["assembly"] - assembled
        self.iterations = self.snes.getIterationNumber()
        if reason <= 0 and not self._good_enough():
            raise NotConverged(self._why(reason))
        petsc.assign(self.x, self.fields.functions())
        for function in self.fields.functions():
            function.x.scatter_forward()
        solve_flow(self.domain, self.fields, dt)
        return self.iterations

    def _newton(self) -> int:
        """Reason for which SNES has stopped.

        Full steps first: the residual need not fall in every step while points start or cease to flow, and steps shortened until it
        falls hardly move. Shortened ones are the second try.
        """
        begin = self.x.copy()
        for search, self._most in LINE_SEARCHES:
            _take(self.snes.getLineSearch(), self.snes, search)
            begin.copy(self.x)
            self._history = []
            self.snes.solve(None, self.x)
            while self._renewed():
                begin.copy(self.x)
                self._history = []
                self.snes.solve(None, self.x)
            if self.snes.getConvergedReason() > 0 or self._good_enough():
                break
        begin.destroy()
        return self.snes.getConvergedReason()

    def _renewed(self) -> bool:
        """After an error MUMPS takes no more matrices: it is started anew. True if its workspace was too short and is longer now."""
        if self.snes.getConvergedReason() != PETSc.SNES.ConvergedReason.DIVERGED_LINEAR_SOLVE:
            return False
        pc = self.snes.getKSP().getPC()
        short = pc.getFactorMatrix().getMumpsInfog(1) in SHORT_OF_ROOM and self._room < MOST_ROOM
        if short:
            self._give_room(self.snes, 2 * self._room)
        pc.reset()
        self._factored_for = None
        return short

    def _give_room(self, snes: PETSc.SNES, percent: int) -> None:
        """Workspace of MUMPS above its own estimate; an option that it reads whenever it is started, so it stays set."""
        self._room = percent
        PETSc.Options()[snes.getOptionsPrefix() + ROOM] = percent

    def _scale(self) -> None:
        """Row scaling; charge is judged against the current that flows."""
        controls, before = self.model.controls, self.scales
        imposed = abs(float(controls.density.value))
        current = max(imposed, self._current if not imposed else 0.0, 1e-3)
        driven = ("phi", "phi_m", "V", "x", "c")
        self.scales = {name: u.scale * (current if name.split(":")[0] in driven else 1.0) + 1e-4 * u.content / self._dt
                       for name, u in self.fields.unknowns.items()}
        array = self.diagonal.getArray()
        for name, part in self._slices.items():
            array[part] = 1.0 / (self.scales[name] * self.fields.unknowns[name].share)
        if self.scales != before:  # the rows of a kept factorisation are scaled as they were
            self._factored_for = None

    def note_current(self, density: float) -> None:
        """Mean current density (A/m^2) of the last accepted step: the measure of charge residuals where none is imposed."""
        self._current = max(abs(density), 1e-3)

    def conditions(self, name: str) -> list[fem.DirichletBC]:
        """Essential conditions of one block."""
        return self._bcs[list(self.fields.unknowns).index(name)]

    def unscaled_residual(self) -> dict[str, np.ndarray]:
        """Residual of each block without essential conditions, owned part: the reactions. At the present unknowns."""
        with self.b.localForm() as local:
            local.set(0.0)
        petsc.assemble_vector(self.b, self.residual)
        self.b.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        array = self.b.getArray(readonly=True)
        return {name: array[part].copy() for name, part in self._slices.items()}

    # ---- SNES call-backs -------------------------------------------------------------------------------------------

    def _set_unknowns(self, x: PETSc.Vec) -> None:
        x.ghostUpdate(addv=PETSc.InsertMode.INSERT, mode=PETSc.ScatterMode.FORWARD)
        petsc.assign(x, self.fields.functions())
        solve_flow(self.domain, self.fields, self._dt)

    def _assemble_residual(self, _, x: PETSc.Vec, b: PETSc.Vec) -> None:
        start = time.perf_counter()
        self._set_unknowns(x)
        b.setAttr("_blocks", self.b.getAttr("_blocks"))  # the line search works on bare copies
        with b.localForm() as local:
            local.set(0.0)
        petsc.assemble_vector(b, self.residual)
        b.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
        petsc.set_bc(b, self._bcs, alpha=0.0)  # the unknowns satisfy them already
        b.pointwiseMult(b, self.diagonal)
        self.timings.add("assembly", start)

    def _still_good(self) -> bool:
        """In 3D a factorisation costs as much as tens of solves: keep it while Newton contracts fast on it.

        At the start of a step it is kept if the step is as long as the one it was made for and that one ended fast.
        """
        if self.domain.dimension < 3 or self._factored_for is None:
            return False
        if len(self._history) < 2:
            return abs(self._dt / self._factored_for - 1) < 1e-6 and self.iterations <= KEEP_ITERATIONS
        return self._history[-1] < KEEP_CONTRACTION * self._history[-2]

    def _assemble_jacobian(self, _, x: PETSc.Vec, A: PETSc.Mat, P: PETSc.Mat) -> None:
        if self._still_good():
            return
        start = time.perf_counter()
        self._factored_for = self._dt
        self._set_unknowns(x)
        A.zeroEntries()
        petsc.assemble_matrix(A, self.jacobian, self.model.bcs, diag=1.0)
        A.assemble()
        A.diagonalScale(L=self.diagonal)
        self.timings.add("assembly", start)

    def _converged(self, snes: PETSc.SNES, iteration: int, norms) -> int:
        residual = snes.getFunction()[0].getArray(readonly=True)
        local = np.array([np.dot(residual[part], residual[part]) for part in self._slices.values()])
        norm = np.sqrt(self.domain.comm.allreduce(local))
        self._ratios = {name: float(n / TOLERANCE[name.split(":")[0]]) for name, n in zip(self._slices, norm)}
        worst = max(self._ratios.values())
        self._history.append(worst)
        if not np.isfinite(worst) or worst > 1e25:
            return PETSc.SNES.ConvergedReason.DIVERGED_FUNCTION_DOMAIN
        if worst <= 1.0:
            return PETSc.SNES.ConvergedReason.CONVERGED_FNORM_ABS
        if iteration >= 2 and worst > 0.5 * self._history[-2] and self._good_enough():
            return PETSc.SNES.ConvergedReason.CONVERGED_SNORM_RELATIVE
        if iteration >= self._most and not self._edge_moves(iteration):
            return PETSc.SNES.ConvergedReason.DIVERGED_MAX_IT
        return PETSc.SNES.ConvergedReason.ITERATING

    def _edge_moves(self, iteration: int) -> bool:
        """The edge of a contact is still on its way: the residual has had a new low in the last iterations."""
        if self.fields.contact is None or iteration >= MAX_CONTACT_ITERATIONS:
            return False
        return min(self._history[-CYCLE:]) < min(self._history[:-CYCLE])

    def _good_enough(self) -> bool:
        """Every block is at round-off, whatever the tolerance asks for."""
        limits = {name: max(ROUNDING_OF_POTENTIAL, self._rounding(name)) for name in self._conducting}
        return bool(self._history) and all(ratio < limits.get(name, ROUNDING) for name, ratio in self._ratios.items())

    def _rounding(self, name: str) -> float:
        """Residual over its tolerance that a potential leaves where it does not vary: `eps sigma phi` in a row.

        It counts on islands of metal, which stand at the potential of the ions about them, some mV to V off the collector.
        """
        values = self.fields[name].x.array
        largest = self.domain.comm.allreduce(float(np.abs(values).max()) if values.size else 0.0, MPI.MAX)
        return FEW_ROWS * np.finfo(float).eps * self._conducting[name] * largest / (TOLERANCE[name] * self.scales[name])

    def _why(self, reason: int) -> str:
        name, ratio = max(self._ratios.items(), key=lambda item: item[1])
        return f"Newton stopped after {self.iterations} iterations (reason {reason}); block {name} is {ratio:.1e} times its tolerance"


def _take(thing, snes: PETSc.SNES, given: dict) -> None:
    """Let a PETSc object take options that hold for it alone."""
    options, prefix = PETSc.Options(), snes.getOptionsPrefix()
    for key, value in given.items():
        options[prefix + key] = value
    thing.setFromOptions()
    for key in given:
        del options[prefix + key]


def linear_solver(matrix: PETSc.Mat) -> PETSc.KSP:
    """LU by MUMPS with refinement; the analysis is kept while the matrix keeps its pattern. An error in it is raised."""
    ksp = PETSc.KSP().create(matrix.getComm())
    ksp.setOperators(matrix)
    ksp.setType("gmres")
    ksp.setTolerances(rtol=1e-11, max_it=20)
    ksp.getPC().setType("lu")
    ksp.getPC().setFactorSolverType("mumps")
    ksp.getPC().setFactorSetUpSolverType()
    ksp.getPC().getFactorMatrix().setMumpsIcntl(14, LEAST_ROOM)
    return ksp


def _block_slices(fields: Fields) -> dict[str, slice]:
    """Owned range of each block in the local part of the blocked vectors."""
    start, slices = 0, {}
    for name, unknown in fields.unknowns.items():
        dofmap = unknown.function.function_space.dofmap
        count = dofmap.index_map.size_local * dofmap.index_map_bs
        slices[name] = slice(start, start + count)
        start += count
    return slices
