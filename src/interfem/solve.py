"""The nonlinear solve of one step by PETSc SNES; the only place with PETSc options."""

from __future__ import annotations

import gc
import logging
import math
import time
from dataclasses import dataclass, field

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

from . import coupled
from .blocks import CHARGE, Blocks, fits, shell
from .case import Case
from .domain import Domain
from .factors import LEAST_ROOM, Factors
from .fields import BODIES, Fields, solve_flow
from .forms import compile_forms
from .materials import Material
from .metal import EQUIPOTENTIAL, Metal, layers_alone
from .model import Model
from .residual import Residual

log = logging.getLogger("interfem")

# Residual of a block over its scale (see model._scales) at which a step is solved, and where rounding may stop it.
TOLERANCE = dict.fromkeys(("phi", "phi_m", "V", "x", "mu", "c"), 1e-11) | {"i": 1e-10, "sei": 1e-9}
TOLERANCE |= dict.fromkeys(("u_m", "u_i", "u_s", "p", "p_c", "gap", "slip", "shear", "stack", "plate"), 1e-8)
ROUNDING = 1e3  # times the tolerance: accepted when Newton no longer reduces the residual
ROUNDING_OF_POTENTIAL = 1e5  # the same for charge: beside an alloy the potentials stand 0.6 V off zero, and at rest no current flows
FIRST_CURRENT, FIRST_AT_VOLTAGE = 1.0, 1e-2  # A/m^2: measure of charge residuals before any current is known; under a voltage it may be next to none
FEW_ROWS = 100.0  # rounding errors of one row that the norm of the residual may hold
BALANCED, BALANCED_WITHIN = 1e-9, 8  # sum of charge residuals over the current, without which rounding stops no step; iterations that are given to it
CYCLE = 6  # iterations without a new low of the residual, after which vertices are taken to change sides to and fro
MAX_ITERATIONS = 60  # while it gets on: the edge of a contact moves by some vertices in one, an overpotential far off by RT/(alpha F)
FALLS = 0.5  # of the residual in one iteration, by which Newton gets on: e^-1 far up on an exponential
KEEP_CONTRACTION = 0.03  # of the residual in one iteration, better than which a factorisation is kept
KEEP_ITERATIONS = 6
KEPT_FOR, KEPT_FOR_BODIES = 16, 4  # steps in a box, after which factors are forgotten, so that a run may go on from there to the same digits

GATHERED_BELOW = {2: 200_000, 3: 20_000}  # dimension -> unknowns, below which factors on one rank take as long as on two
ITERATIVE_FROM = 40_000  # unknowns in 3D, from which potentials are solved for by multigrid
COUPLED_FROM = 100_000  # the same where bodies deform. A pressing step of creeping metal at 113,000: 55 CPU s by factors, 40 by multigrid
MULTIGRID = {"pc_type": "gamg", "pc_gamg_threshold": 0.02}
STRONGER = {"pc_type": "gamg", "pc_gamg_threshold": 0.05, "pc_gamg_aggressive_coarsening": 0, "mg_levels_ksp_max_it": 4}
BOOMER = {"pc_type": "hypre", "pc_hypre_type": "boomeramg", "pc_hypre_boomeramg_strong_threshold": 0.5}
LADDER = (  # what an iterative solve tries, one after the other: name, options of each potential's preconditioner, most iterations
    ("multigrid", BOOMER if PETSc.Sys.hasExternalPackage("hypre") else MULTIGRID, 200),
    ("stronger multigrid", STRONGER, 400),
    ("direct", None, 20),
)
BODIES_CYCLE = {"pc_type": "gamg", "pc_gamg_threshold": 0.02, "pc_gamg_agg_nsmooths": 0, "pc_gamg_esteig_ksp_max_it": 20, "mg_levels_pc_type": "sor"}
STRONGER_BODIES = BODIES_CYCLE | {"pc_gamg_agg_nsmooths": 1, "pc_gamg_threshold": 0.0, "mg_levels_ksp_max_it": 4}
AROUND = {  # of GMRES about all, judged against what is left once the parts are solved on their own; and of potentials, cheap beside bodies
    "whole": {"ksp_knoll": True, "ksp_converged_use_min_initial_residual_norm": True, "ksp_gmres_cgs_refinement_type": "refine_always"},
    "close": {"ksp_type": "gmres", "ksp_rtol": 1e-5, "ksp_max_it": 50, "ksp_gmres_cgs_refinement_type": "refine_always"},
}  # orthogonal but once, the directions of fast creep are dependent: 120 iterations instead of 24
COUPLED_LADDER = (  # the same where bodies deform: options of the potentials and of the bodies together
    ("multigrid", AROUND | {"charge": LADDER[0][1], "bodies": BODIES_CYCLE}, 200),
    ("stronger multigrid", AROUND | {"charge": STRONGER, "bodies": STRONGER_BODIES}, 400),
    ("direct", None, 20),
)
LOOSEST, CLOSER = 1e-2, 0.1  # relative tolerance of a linear solve at most, and of what Newton still has to gain
LEFT, CLOSEST = 1e-6, 1e-11  # of a reproducible run: what a linear solve leaves, over Newton's tolerance; and its relative tolerance at least
DECADES = 4  # of a linear residual, for which the ladders' most iterations are meant
SENT = "matptap_via"  # PETSc's own choice of the product of three matrices adds what other ranks send in the order in which it comes
SUMS = ("vec_mdot_use_gemv", "vec_maxpy_use_gemv")  # of several vectors at once: their last digits depend on where these lie in memory
WORTH = 1.5  # iterations for a decade over those of a fresh preconditioner, beyond which it is made anew
FACTORS = 400.0  # bytes of factors in 3D for each unknown to the power 4/3; MUMPS, measured with potentials
SPARE = 0.7  # part of the free memory that factors may take
LINE_SEARCHES = (  # with the most iterations of each
    ({"snes_linesearch_type": "basic"}, 12),
    ({"snes_linesearch_type": "bt", "snes_linesearch_order": 2, "snes_linesearch_minlambda": 1e-3}, 20),
)


class NotConverged(Exception):
    """Newton did not reach the tolerance; the text tells the block with the largest residual."""


@dataclass
class Facts:
    """What the solver did, for `run.json`. Of the last mesh, where there were several."""

    preset: str = ""
    newton_iterations: int = 0
    factorisations: int = 0
    linear_solves: int = 0
    linear_iterations: int = 0
    preconditioners: int = 0
    nonzeros: int = 0  # of the last system of potentials
    blocks_assembled: int = 0
    symmetric: bool | None = None
    fallbacks: list[str] = field(default_factory=list)
    metal: str = "field"
    metal_drop: float | None = None  # largest drop in equipotential metal over the overpotential, a bound

    def told(self) -> dict:
        return {key: value for key, value in vars(self).items() if value is not None}


@dataclass
class Timings:
    """Seconds spent, by kind; and what the solver did in them."""

    seconds: dict[str, float] = field(default_factory=lambda: dict.fromkeys(("mesh", "compile", "assembly", "setup", "solve", "output"), 0.0))
    facts: Facts = field(default_factory=Facts)

    def add(self, kind: str, start: float) -> None:
        self.seconds[kind] += time.perf_counter() - start


def jacobian_blocks(residual: list[ufl.Form], unknowns: list[fem.Function]) -> list[list[ufl.Form | None]]:
    """Derivative of each block of the residual by each unknown.

    Only terms that hold the unknown are told, so that a form is compiled once for all cases that share these, whatever else they hold.
    None beside the diagonal where there are none. On the diagonal a form stays, since boundary conditions need a place there.
    """
    trials, found = [ufl.TrialFunction(u.function_space) for u in unknowns], []
    for row, block in enumerate(residual):
        held = [(integral, ufl.algorithms.extract_coefficients(integral)) for integral in block.integrals()]
        line = [[integral for integral, coefficients in held if u in coefficients] for u in unknowns]
        line[row] = line[row] or list(block.integrals())
        found.append([ufl.derivative(ufl.Form(terms), u, trial) if terms else None for terms, u, trial in zip(line, unknowns, trials)])
    return found


class Solver:
    """Compiled forms and one SNES for all steps of a run."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model, timings: Timings):
        self.case, self.domain, self.fields, self.model, self.timings = case, domain, fields, model, timings
        start = time.perf_counter()
        for name in SUMS:
            PETSc.Options()[name] = False
        maps, unknowns = domain.entity_maps, fields.functions()
        blocks = list(ufl.extract_blocks(model.residual))
        self.residual, self.jacobian = compile_forms([blocks, jacobian_blocks(blocks, unknowns)], maps)
        spaces = [u.function_space for u in unknowns]
        self.b, self.x, self.diagonal = (petsc.create_vector(spaces, kind="mpi") for _ in range(3))
        self._slices, self.facts = _block_slices(fields), timings.facts
        kinds = {"phi": "ionic_conductivity", "phi_m": "electronic_conductivity"}
        self._conducting = {name: max(r.material.get(key).at(case.temperature) for r in domain.regions if r.material.has(key))
                            for name, key in kinds.items() if name in fields}  # largest conductivity, pA/(V um)
        self._spreading = {f"x:{group.name}": _spreading(group.head.material, case.temperature) for group in domain.groups
                           if f"x:{group.name}" in fields and group.head.material.has("diffusivity")}
        self._turn = _turn(domain)
        self.facts.preset = self._preset()
        if self.facts.preset == "iterative" and self._in_order:
            PETSc.Options()[SENT] = "allatonce"
        else:
            PETSc.Options().delValue(SENT)
        self.metal = None
        if self.facts.preset == "iterative" and case.solver.metal == "auto" and layers_alone(case, domain):
            self.metal = Metal(case, domain, fields, model)
        timings.add("compile", start)
        self.linear = self._linear() if self.facts.preset == "iterative" else None
        self.rows = self._rows() if self.linear is not None else None
        self.A = petsc.create_matrix(self.jacobian, kind=self._kind()) if self.linear is None else shell(self.x, self._multiply)
        self._hold_metal(self.metal is not None)
        self._current: float | None = None  # of the last accepted step, A/m^2
        self.scales: dict[str, float] = {}
        self.snes = self._snes()
        self.iterations = 0
        self.effort = 0  # of them, those until every block was at round-off; how many follow is chance, and differs between numbers of ranks
        self._factored_for = None  # length of the step for which the Jacobian was last assembled

    def _preset(self) -> str:
        """The case's preset; by default multigrid for many unknowns in 3D that it takes, else factors."""
        asked, names = self.case.solver.preset, self.fields.unknowns
        if asked == "auto":
            least = ITERATIVE_FROM if fits(names) else COUPLED_FROM if coupled.fits(names, self.domain) else math.inf
            return "iterative" if self.domain.dimension == 3 and self.size >= least else "direct"
        return asked

    def _kind(self) -> str:
        """Type of the matrix to factor; "is" is gathered, so that two runs on as many ranks agree in every digit."""
        gathered = self.case.solver.reproducible or self.size < GATHERED_BELOW[self.domain.dimension]
        return "is" if gathered and self.domain.comm.size > 1 else "mpi"

    @property
    def kept_for(self) -> int:
        """Steps for which factors and preconditioners are kept at most; 0: within one. Kept in a box, where making them takes as long as tens
        of solves; where bodies deform they are seldom of use for longer.
        """
        if self.domain.dimension < 3 or self.case.solver.reproducible:
            return 0
        return KEPT_FOR_BODIES if any(name in BODIES for name in self.fields.unknowns) else KEPT_FOR

    @property
    def _in_order(self) -> bool:
        """Blocks for multigrid are added up rank by rank; with two ranks there is one order alone."""
        return self.domain.comm.size > 2

    def _linear(self) -> Linear:
        names, prefix = list(self.fields.unknowns), f"interfem_{id(self)}_"
        charge = [name for name in names if name in CHARGE]
        assert fits(names) or coupled.fits(names, self.domain), f"no preconditioner takes {names}"  # see checks._preset
        blocks = self._charge_blocks(charge) if charge else None
        if charge == names:
            return Linear(blocks, LADDER, prefix, self.timings)
        sizes = {name: max(r.material.get("youngs_modulus").at(self.case.temperature) for r in self.domain.regions if r.body == body)
                 for name, body in BODIES.items() if name in names}  # MPa um
        weights = {name: lambda part=part, name=name: self.diagonal.getArray(readonly=True)[part] / TOLERANCE[name.split(":")[0]]
                   for name, part in self._slices.items()}
        spaces = {name: unknown.function.function_space for name, unknown in self.fields.unknowns.items()}
        softened = coupled.softened(self.case, self.domain, self.fields)
        whole = coupled.Coupled(names, self.jacobian, self._slices, weights, spaces, blocks, softened, sizes, self._in_order)
        return Linear(whole, COUPLED_LADDER, prefix, self.timings)

    def _rows(self) -> Residual:
        functions = {name: unknown.function for name, unknown in self.fields.unknowns.items()}
        return Residual(self.residual, functions, self._slices, self.linear.blocks.blocks)

    def _charge_blocks(self, names: list[str]) -> Blocks:
        sub, dofmap = self.domain.submeshes["gamma"], self.fields["i"].function_space.dofmap
        places = [list(self.fields.unknowns).index(name) for name in names]
        forms = [[self.jacobian[row][column] for column in places] for row in places]
        return Blocks(names, forms, self._slices, dofmap.list[: sub.owned], self._conducting, self._in_order)

    def _hold_metal(self, held: bool) -> None:
        """Take the metal for equipotential, or solve for its potential."""
        self.facts.metal = "equipotential" if held else "field"
        self.bcs = [*self.model.bcs, self.metal.condition] if held else self.model.bcs
        self._bcs = fem.bcs_by_block(fem.extract_function_spaces(self.residual), self.bcs)
        self._held = {"phi_m"} if held else set()
        if self.linear is not None:
            self.linear.choose(self._held)

    def _snes(self) -> PETSc.SNES:
        snes = PETSc.SNES().create(self.domain.comm)
        snes.setOptionsPrefix(f"interfem_{id(self)}_")
        snes.setFunction(self._assemble_residual, self.b)
        snes.setJacobian(self._assemble_jacobian, self.A)
        snes.setConvergenceTest(self._converged)
        if self.linear is None:
            ksp = snes.getKSP()
            ksp.setType("preonly")
            ksp.getPC().setType("python")
            ksp.getPC().setPythonContext(Factors())
        else:
            snes.getKSP().setType("python")
            snes.getKSP().setPythonContext(_Inexact(self))
        snes.setFromOptions()
        return snes

    def destroy(self) -> None:
        """Free the PETSc objects."""
        if self.linear is not None:
            self.linear.destroy()
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
        if not self.kept_for:
            self.forget()
        self.model.controls.dt.value = dt
        self._scale()
        self._solve()
        if self.facts.metal == "equipotential" and self._drops():
            self._hold_metal(False)
            self._solve()
        solve_flow(self.domain, self.fields, dt)
        return self.iterations

    def _solve(self) -> None:
        for function, bcs in zip(self.fields.functions(), self._bcs):
            for bc in bcs:
                bc.set(function.x.array)
        petsc.assign(self.fields.functions(), self.x)
        start, before = time.perf_counter(), self._apart()
        reason = self._newton()
        self.timings.add("solve", start)
        self.timings.seconds["solve"] -= self._apart() - before
        self.iterations = self.snes.getIterationNumber()
        self.facts.newton_iterations += self.iterations
        if reason <= 0 and not self._good_enough():
            raise NotConverged(self._why(reason))
        petsc.assign(self.x, self.fields.functions())
        for function in self.fields.functions():
            function.x.scatter_forward()

    def _apart(self) -> float:
        """Seconds within Newton's method that are counted as other than solving."""
        return self.timings.seconds["assembly"] + self.timings.seconds["setup"]

    def _drops(self) -> bool:
        """The metal is not as good as equipotential; told once."""
        drop = self.metal.drop()
        self.facts.metal_drop = max(drop, self.facts.metal_drop or 0.0)
        if drop > EQUIPOTENTIAL:
            log.info("the potential drops by up to %.1e of the overpotential in the metal: solved for from here on", drop)
        return drop > EQUIPOTENTIAL

    def _newton(self) -> int:
        """Reason for which SNES has stopped.

        Full steps first: the residual need not fall in every step while points start or cease to flow, and steps shortened until it
        falls hardly move. Shortened ones are the second try.
        """
        begin = self.x.copy()
        for search, self._most in LINE_SEARCHES:
            _take(self.snes.getLineSearch(), self.snes, search)
            begin.copy(self.x)
            self._history, self.effort = [], 0
            self.snes.solve(None, self.x)
            if self.snes.getConvergedReason() == PETSc.SNES.ConvergedReason.DIVERGED_LINEAR_SOLVE:
                self._factored_for = None
            if self.snes.getConvergedReason() > 0 or self._good_enough():
                break
        begin.destroy()
        return self.snes.getConvergedReason()

    def _scale(self) -> None:
        """Row scaling; charge is judged against the current that flows."""
        controls, before = self.model.controls, self.scales
        imposed = abs(float(controls.density.value))
        known = self._current or (FIRST_CURRENT if float(controls.galvanostatic.value) else FIRST_AT_VOLTAGE)
        current = max(imposed, known if not imposed else 0.0, 1e-3)
        flows = imposed if float(controls.galvanostatic.value) else known
        self._flows = max(flows, 1e-3) / current  # of that measure; less at rest, whose measure is the current before
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

    def memory(self) -> dict[str, float | None]:
        """What is carried from step to step."""
        held = self.facts.metal == "equipotential"
        return {"current": self._current, "metal_held": float(held), "rung": float(self.linear.rung if self.linear is not None else 0)}

    def recall(self, memory: dict[str, float | None]) -> None:
        """Go on from there."""
        self._current = memory["current"]
        if self.facts.metal == "equipotential" and not memory["metal_held"]:
            self._hold_metal(False)
        if self.linear is not None:
            self.linear.rung = int(memory["rung"])
        self.forget()

    def forget(self) -> None:
        """Keep nothing but the memory: what comes next depends on the state alone, as in a run that is restarted from here."""
        self._factored_for = None
        if self.linear is not None:
            self.linear.forget()

    def conditions(self, name: str) -> list[fem.DirichletBC]:
        """Essential conditions of one block."""
        return self._bcs[list(self.fields.unknowns).index(name)]

    def unscaled_residual(self) -> dict[str, np.ndarray]:
        """Residual of each block without essential conditions, owned part: the reactions. At the present unknowns."""
        self._assemble(self.b)
        array = self.b.getArray(readonly=True)
        return {name: array[part].copy() for name, part in self._slices.items()}

    def _assemble(self, b: PETSc.Vec) -> None:
        with b.localForm() as local:
            local.set(0.0)
        petsc.assemble_vector(b, self.residual)
        b.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)

    # ---- SNES call-backs -------------------------------------------------------------------------------------------

    def _set_unknowns(self, x: PETSc.Vec) -> None:
        x.ghostUpdate(addv=PETSc.InsertMode.INSERT, mode=PETSc.ScatterMode.FORWARD)
        petsc.assign(x, self.fields.functions())
        solve_flow(self.domain, self.fields, self._dt)

    def _assemble_residual(self, _, x: PETSc.Vec, b: PETSc.Vec) -> None:
        start = time.perf_counter()
        self._set_unknowns(x)
        b.setAttr("_blocks", self.b.getAttr("_blocks"))  # the line search works on bare copies
        if self.rows is not None:
            self.rows.assemble(b, self._held, first=not self._history)
        else:
            self._assemble(b)
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

    def _multiply(self, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """The Jacobian, its rows scaled, times x; of the iterative preset."""
        blocks = self.linear.blocks
        blocks.join(blocks.multiply(blocks.parts(x)), y)
        y.pointwiseMult(y, self.diagonal)

    def correct(self, b: PETSc.Vec, x: PETSc.Vec) -> bool:
        """Solve the Jacobian's system; False if nothing has solved it."""
        scaled = b.duplicate()
        scaled.pointwiseDivide(b, self.diagonal)
        found = self.linear.solve(scaled, x, self._closeness())
        scaled.destroy()
        return found

    def _closeness(self) -> float:
        """Relative tolerance of a linear solve; if reproducible, such that Newton's way does not tell its preconditioner, and so not the ranks."""
        worst = self._history[-1]
        if self.case.solver.reproducible:
            return min(LOOSEST, max(LEFT / worst, CLOSEST))
        contraction = (worst / self._history[-2]) ** 2 if len(self._history) > 1 else 1.0  # Eisenstat and Walker's second choice
        return min(LOOSEST, max(contraction, CLOSER / worst, self.linear.blocks.closest))

    def _assemble_jacobian(self, _, x: PETSc.Vec, A: PETSc.Mat, P: PETSc.Mat) -> None:
        if self.linear is not None:
            start = time.perf_counter()
            self._set_unknowns(x)
            self.linear.blocks.refresh(self.bcs)
            self.facts.blocks_assembled = self.linear.blocks.assembled
            A.assemble()
            self.timings.add("assembly", start)
            return
        if self._still_good():
            return
        start = time.perf_counter()
        self.facts.factorisations += 1
        self._factored_for = self._dt
        self._set_unknowns(x)
        A.zeroEntries()
        petsc.assemble_matrix(A, self.jacobian, self.bcs, diag=1.0)
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
        settled = self._good_enough()
        if iteration == self.effort and not settled:
            self.effort += 1
        if not np.isfinite(worst) or worst > 1e25:
            return PETSc.SNES.ConvergedReason.DIVERGED_FUNCTION_DOMAIN
        balanced = iteration >= BALANCED_WITHIN or self._balanced(residual)
        if worst <= 1.0 and (iteration > 0 or worst == 0.0) and balanced:  # never by extrapolation alone: rounding would grow
            return PETSc.SNES.ConvergedReason.CONVERGED_FNORM_ABS
        if iteration >= 2 and worst > 0.5 * self._history[-2] and settled and balanced:
            return PETSc.SNES.ConvergedReason.CONVERGED_SNORM_RELATIVE
        if iteration >= self._most and not self._gets_on(iteration):
            return PETSc.SNES.ConvergedReason.DIVERGED_MAX_IT
        return PETSc.SNES.ConvergedReason.ITERATING

    def _gets_on(self, iteration: int) -> bool:
        """The residual falls fast; or has had a new low in the last iterations, while the edge of a contact is still on its way."""
        if iteration >= MAX_ITERATIONS:
            return False
        moves = self.fields.contact is not None and min(self._history[-CYCLE:]) < min(self._history[:-CYCLE])
        return moves or self._history[-1] < FALLS * self._history[-2]

    def _balanced(self, residual: np.ndarray) -> bool:
        """Charge is balanced as a whole, though rounding hides it in single rows: on an island it is by the last correction of its level.

        Against the current that flows, at rest 1e-3 A/m^2; the audit of a step asks for 1e-8.
        """
        local = np.array([residual[self._slices[name]].sum() for name in self._conducting])
        return bool((np.abs(self.domain.comm.allreduce(local)) <= BALANCED * self._flows).all())

    def _good_enough(self) -> bool:
        """Every block is at round-off, whatever the tolerance asks for."""
        limits = {name: max(ROUNDING_OF_POTENTIAL, self._rounding(name, carried)) for name, carried in self._conducting.items()}
        limits |= {name: max(ROUNDING, self._rounding(name, carried)) for name, carried in self._spreading.items()}
        return bool(self._history) and all(ratio < limits.get(name, ROUNDING) for name, ratio in self._ratios.items())

    def _rounding(self, name: str, carried: float) -> float:
        """Residual over its tolerance that a field leaves where it does not vary: `eps sigma phi` of a potential, `eps D c_max x` of a
        store, in a row; `carried` is sigma, or D c_max. About an axis a row is an integral over the full turn.

        It counts on islands of metal, which stand at the potential of the ions about them, some mV to V off the collector; and in long
        steps at rest of an alloy in which lithium diffuses fast.
        """
        values = self.fields[name].x.array
        largest = self.domain.comm.allreduce(float(np.abs(values).max()) if values.size else 0.0, MPI.MAX)
        return FEW_ROWS * np.finfo(float).eps * self._turn * carried * largest / (TOLERANCE[name.split(":")[0]] * self.scales[name])

    def _why(self, reason: int) -> str:
        name, ratio = max(self._ratios.items(), key=lambda item: item[1])
        return f"Newton stopped after {self.iterations} iterations (reason {reason}); block {name} is {ratio:.1e} times its tolerance"


class Linear:
    """Solves the linear system by multigrid, and by stronger means where that fails; says so once."""

    def __init__(self, blocks: Blocks | coupled.Coupled, ladder: tuple, prefix: str, timings: Timings):
        self.blocks, self.ladder, self.timings, self.facts, self._prefix = blocks, ladder, timings, timings.facts, prefix
        self.rung = 0
        self._ksp: PETSc.KSP | None = None
        self._options: list[str] = []
        self._fresh_rate: float | None = None  # iterations for a decade with the preconditioner just made
        self._worn = False

    def choose(self, held: set[str]) -> None:
        """Change the unknowns, see `Blocks.choose`."""
        self.forget()
        self.blocks.choose(held)

    def destroy(self) -> None:
        self.forget()
        self.blocks.destroy()

    def forget(self) -> None:
        """Keep no preconditioner."""
        for key in self._options:
            del PETSc.Options()[key]
        if self._ksp is not None:
            self._ksp.destroy()
        self._ksp, self._options, self._fresh_rate, self._worn = None, [], None, False

    def solve(self, b: PETSc.Vec, x: PETSc.Vec, rtol: float) -> bool:
        """Solve for a blocked vector to a relative residual; False, and x zero, if no means there is has reached it."""
        self._rtol = rtol
        found = self.blocks.solve(self.blocks.parts(b), self._inner)
        x.set(0.0)
        if found is not None:
            self.blocks.join(found, x)
        return found is not None

    def _inner(self, b: PETSc.Vec, x: PETSc.Vec) -> bool:
        """One system: with the preconditioner there is, a new one, then one rung after the other."""
        while True:
            kept = self._ksp is not None and not self._worn
            if self._attempt(b, x):
                return True
            if kept and self._fresh_rate is not None:
                self._worn = True
                continue
            name = self.ladder[self.rung][0]
            self.forget()
            if self.rung + 1 == len(self.ladder) or (self.ladder[self.rung + 1][1] is None and not _room(self.blocks.system)):
                self._fall(f"{name} failed; nothing stronger fits in the memory there is" if self.rung + 1 < len(self.ladder) else f"{name} failed")
                self.rung = 0
                return False
            self.rung += 1
            self._fall(f"{name} failed; {self.ladder[self.rung][0]} from here on")

    def _fall(self, told: str) -> None:
        if told not in self.facts.fallbacks:
            self.facts.fallbacks.append(told)
            log.info("linear solver: %s", told)

    def _attempt(self, b: PETSc.Vec, x: PETSc.Vec) -> bool:
        fresh = self._prepare()
        ksp = self._ksp
        most = self.ladder[self.rung][2] * max(1.0, -math.log10(self._rtol) / DECADES)
        ksp.setTolerances(rtol=self._rtol, atol=0.0, max_it=round(most))
        x.set(0.0)
        ksp.solve(b, x)
        count, reason = ksp.getIterationNumber(), ksp.getConvergedReason()
        self.facts.linear_solves += 1
        self.facts.linear_iterations += count
        if reason <= 0:
            return False
        decades = -np.log10(max(ksp.getResidualNorm(), 1e-300) / max(b.norm(), 1e-300))
        rate = count / max(decades, 1.0)
        if fresh:
            self._fresh_rate = max(rate, 1.0)
        self._worn = not fresh and rate > WORTH * (self._fresh_rate or rate)
        return True

    def _prepare(self) -> bool:
        """Have a solver of the present rung; True if its preconditioner is new."""
        options, system = self.ladder[self.rung][1], self.blocks.system
        if self._ksp is not None and self._ksp.getType() == "cg" and not self.blocks.symmetric:
            self.forget()
        fresh = self._ksp is None or self._worn
        if self._ksp is None:
            self._ksp = linear_solver(self.blocks.whole()) if options is None else self._multigrid(system, options)
        else:
            self._ksp.setOperators(self.blocks.whole() if options is None else system)
        pc = self._ksp.getPC()
        pc.setReusePreconditioner(False)
        if fresh or options is None:
            start = time.perf_counter()
            self._ksp.setUp()
            self._ksp.setUpOnBlocks()
            self.timings.add("setup", start)
            self.facts.preconditioners, self.facts.nonzeros = self.facts.preconditioners + 1, self.blocks.nonzeros
        pc.setReusePreconditioner(options is not None)
        self._worn = False
        self.facts.symmetric = self.blocks.symmetric and self.facts.symmetric is not False
        return fresh or options is None

    def _multigrid(self, system: PETSc.Mat, options: dict) -> PETSc.KSP:
        """CG where the system is symmetric, else GMRES."""
        ksp, prefix = PETSc.KSP().create(system.getComm()), f"{self._prefix}{self.rung}_"
        ksp.setOptionsPrefix(prefix)
        ksp.setOperators(system)
        ksp.setType(self.blocks.method)
        ksp.setNormType(PETSc.KSP.NormType.UNPRECONDITIONED)
        if not self.blocks.symmetric:
            ksp.setPCSide(PETSc.PC.Side.RIGHT)
            ksp.setGMRESRestart(100)
        for key, value in self.blocks.precondition(ksp.getPC(), prefix, options).items():
            PETSc.Options()[prefix + key] = value
            self._options.append(prefix + key)
        ksp.setFromOptions()
        return ksp


class _Inexact:
    """The linear solver inside Newton's method, as PETSc calls it."""

    def __init__(self, solver: Solver):
        self.solver = solver

    def solve(self, ksp: PETSc.KSP, b: PETSc.Vec, x: PETSc.Vec) -> None:
        found, reasons = self.solver.correct(b, x), PETSc.KSP.ConvergedReason
        ksp.setConvergedReason(reasons.CONVERGED_RTOL if found else reasons.DIVERGED_BREAKDOWN)


def _room(system: PETSc.Mat) -> bool:
    """Whether the factors of a matrix fit, by a measured law, into what is free on every node."""
    comm = system.getComm().tompi4py()
    node = comm.Split_type(MPI.COMM_TYPE_SHARED)
    needed = FACTORS * system.getSize()[0] ** (4 / 3) * node.size / comm.size
    fits_here = needed < SPARE * free_memory()
    node.Free()
    return comm.allreduce(fits_here, MPI.LAND)


def free_memory() -> float:
    """Bytes of this node that a process can have without others losing theirs."""
    with open("/proc/meminfo", encoding="ascii") as file:
        return next(1024.0 * int(line.split()[1]) for line in file if line.startswith("MemAvailable:"))


def collect_garbage(comm: MPI.Comm) -> None:
    """Free what earlier runs of this process have left, on all ranks: MPI has some 2,000 communicators, and a run takes dozens."""
    gc.collect()
    PETSc.garbage_cleanup(comm)


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


def _turn(domain: Domain) -> float:
    """Depth of the largest row of the residual: 1 um in the plane and of that order in a box, `2 pi r` about an axis."""
    if domain.kind != "axisymmetric":
        return 1.0
    return 2.0 * np.pi * domain.comm.allreduce(float(domain.mesh.geometry.x[:, 0].max(initial=0.0)), MPI.MAX)


def _spreading(material: Material, kelvin: float) -> float:
    """Largest D c_max of a store, amol/(um s)."""
    entry = material.get("diffusivity")
    values = [entry.value] if entry.table is None else [value for _, value in entry.table]
    return max(values) * entry.activation(kelvin) * material.get("maximum_concentration").at(kelvin)


def _block_slices(fields: Fields) -> dict[str, slice]:
    """Owned range of each block in the local part of the blocked vectors."""
    start, slices = 0, {}
    for name, unknown in fields.unknowns.items():
        dofmap = unknown.function.function_space.dofmap
        count = dofmap.index_map.size_local * dofmap.index_map_bs
        slices[name] = slice(start, start + count)
        start += count
    return slices
