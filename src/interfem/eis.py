"""Impedance: the equations linearised about a state, driven by a small alternating current (docs/theory.md, "Impedance").

`Z = dV/dI * area`, the anode's collector against the counter electrode. Real PETSc: with `A = B + i C` each frequency is the
system `[[B, -C], [C, B]] [Re u, Im u] = [b, 0]`.
"""

from __future__ import annotations

import csv
import logging
import math
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem import petsc
from mpi4py import MPI
from petsc4py import PETSc

from .case import Case, CaseError
from .domain import Domain, read_domain
from .fields import Fields, make_fields
from .forms import compile_forms
from .interface import KINETICS
from .model import Model, build_model, resisting_faces, transfer_overpotential, transfer_parameters
from .mpi import world
from .observe.record import case_of_run, read_record, versions, write_json
from .observe.state import read_state
from .physics import charge, transport
from .regions import CARRIERS
from .run import make_mesh
from .solve import Timings, jacobian_blocks, linear_solver
from .units import FARADAY, GAS_CONSTANT

log = logging.getLogger("interfem")

KEPT = ("phi", "phi_m", "i", "V", "c", "x", "mu")  # unknowns that swing; bodies, plated lithium and contact stand still
STEADY = 1e-200  # 1/s, weight of the backward formula at which nothing accumulates
OHM_CM2 = 1e4  # in one ohm m^2
FLAT = 1e-6  # |Im Z|/|Z| below which a frequency counts as zero: Re Z is then off by the square of it
SLOW = 1e-3  # Hz: from here on down the limit is sought, so that no plateau between two arcs is taken for it
LOWEST = 1e-16  # Hz: without a plateau down to here there is no limit at zero
TRANSFER = ("capacitance", "film_capacitance")  # keys of an interface that transfers charge
CAPACITANCES = (*TRANSFER, *(f"{kind}_capacitance" for kind in CARRIERS.values()))
FILES = ("impedance.csv", "eis.json", "figures/nyquist.png", "figures/bode.png")


class ImpedanceError(Exception):
    """The impedance cannot be computed; nothing was. The text says why and what to do."""


@dataclass(frozen=True)
class Spectrum:
    """Impedance (ohm cm2) at frequencies (Hz), its limit at zero frequency (None if there is none), and where it is written."""

    frequency: np.ndarray
    impedance: np.ndarray
    limit: float | None
    folder: Path


def frequencies(start: float, end: float, points: int) -> np.ndarray:
    """From start to end (Hz), evenly in the logarithm, so many to a decade. ImpedanceError if that makes no sense."""
    for name, value in (("from", start), ("to", end)):
        if not 0 < value < math.inf:
            raise ImpedanceError(f'--{name} = {value:g} Hz should be above zero, for example "1 kHz"')
    if points < 1:
        raise ImpedanceError(f"--points = {points} should be at least 1 to a decade")
    count = round(abs(math.log10(start / end)) * points) + 1
    return np.geomspace(start, end, max(count, 1 if start == end else 2))


# ---- the linear system ------------------------------------------------------------------------------------------------


class SmallSignal:
    """The equations linearised about the present values of the fields; `impedance(f)` solves them at one frequency."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.case, self.domain, self.fields, self.model = case, domain, fields, model
        names = [name for name in fields.unknowns if name.split(":")[0] in KEPT]
        unknowns, maps = [fields[name] for name in names], domain.entity_maps
        model.plated_rate.x.array[:] = 0.0
        for name in ("loss", "healing") if fields.contact is not None else ():
            fields.contact.laws[name].x.array[:] = 0.0
        model.controls.galvanostatic.value = 1.0
        gamma = fem.functionspace(domain.submeshes["gamma"].mesh, ("DG", 0))
        self.beside = {name: fem.Function(gamma) for name in ("i", "phi", "eta")}
        residual = ufl.extract_blocks(model.residual)
        residual = [residual[list(fields.unknowns).index(name)] for name in names]
        jacobian, extra = jacobian_blocks(residual, unknowns), self._beside_transfer()
        for name, forms in self._beside_resistances().items():
            extra[name, name] += forms
        for (row, column), forms in extra.items():
            line, place = jacobian[names.index(row)], names.index(column)
            line[place] = sum(forms, ufl.Form([]) if line[place] is None else line[place])
        self.form, driven = compile_forms([jacobian, residual], maps)
        self.drive = self._drive(driven, [u.function_space for u in unknowns])
        self.direct, self.across = (petsc.create_matrix(self.form, kind="mpi") for _ in range(2))
        self._assemble(self.direct, STEADY, np.zeros((3, len(gamma.dofmap.list))))
        self.steady, self.through = self.direct.copy(), self.direct.copy()
        self.system = self.ksp = None

    @property
    def size(self) -> int:
        """Number of unknowns over all ranks."""
        return self.direct.getSize()[0]

    def impedance(self, frequency: float) -> complex:
        """Z in ohm m^2 at a frequency in Hz; positive and real for a resistance."""
        omega = 2 * math.pi * frequency
        beside = self._coefficients(omega)
        self._assemble(self.direct, STEADY, beside.real)
        self._assemble(self.across, omega, beside.imag)
        self.across.axpy(-1.0, self.steady, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        self.across.copy(self.through, structure=PETSc.Mat.Structure.SAME_NONZERO_PATTERN)
        self.through.scale(-1.0)
        nest = PETSc.Mat().createNest([[self.direct, self.through], [self.across, self.direct]], comm=self.domain.comm)
        self.system = nest.convert("aij", out=self.system) if self.system is not None else nest.convert("aij", out=PETSc.Mat())
        nest.destroy()
        return self.model.area * self._response()

    def _response(self) -> complex:
        """Voltage for a total current of 1 pA: the drive is the derivative by the current, and reads the voltage too."""
        if self.ksp is None:
            self.ksp = linear_solver(self.system)
            self.answer, self.right = self.system.createVecs()
            self.right.setArray(np.concatenate([self.drive, np.zeros_like(self.drive)]))
        self.ksp.setOperators(self.system)
        self.ksp.solve(self.right, self.answer)
        reason = self.ksp.getConvergedReason()
        if reason <= 0:
            raise ImpedanceError(f"the linear system could not be solved (PETSc: {reason}); is the state of the run sound?")
        parts = self.answer.getArray(readonly=True).reshape(2, -1) @ self.drive
        real, imaginary = self.domain.comm.allreduce(parts, MPI.SUM)
        return complex(real, imaginary)

    def destroy(self) -> None:
        """Free the PETSc objects."""
        for thing in (self.ksp, self.system, self.direct, self.through, self.across, self.steady):
            if thing is not None:
                thing.destroy()

    def _assemble(self, matrix: PETSc.Mat, weight: float, beside: np.ndarray) -> None:
        """Jacobian with the weight of the time derivative in 1/s; plated thickness as it is, which these weights leave."""
        for constant, value in zip(self.model.controls.weights, (weight, -weight, 0.0)):
            constant.value = value
        for function, values in zip(self.beside.values(), beside):
            function.x.array[:] = values
        matrix.zeroEntries()
        petsc.assemble_matrix(matrix, self.form, self.model.bcs, diag=1.0)
        matrix.assemble()

    def _drive(self, residual, spaces) -> np.ndarray:
        """Minus the derivative of the residual by the total current, owned part, 1/pA."""
        controls, vector, found = self.model.controls, petsc.create_vector(spaces, kind="mpi"), []
        bcs = fem.bcs_by_block(fem.extract_function_spaces(residual), self.model.bcs)
        for density in (0.0, 1.0):
            controls.density.value, controls.current.value = density, density * self.model.area
            with vector.localForm() as local:
                local.set(0.0)
            petsc.assemble_vector(vector, residual)
            vector.ghostUpdate(addv=PETSc.InsertMode.ADD, mode=PETSc.ScatterMode.REVERSE)
            petsc.set_bc(vector, bcs, alpha=0.0)
            found.append(vector.getArray().copy())
        vector.destroy()
        return (found[0] - found[1]) / self.model.area

    # ---- capacitances -----------------------------------------------------------------------------------------------

    def _coefficients(self, omega: float) -> np.ndarray:
        """(i w C z_f, i w C, r_f - z_f) on each cell of the interface mesh, with the film's z_f = r_f/(1 + i w r_f C_f)."""
        double, film = self._capacitances().T[:, self.domain.interface_of_gamma]
        resistance = self.model.interface["film_resistance"].x.array
        z = resistance / (1 + 1j * omega * resistance * film)
        admittance = 1j * omega * double
        return np.array([admittance * z, admittance, resistance - z])

    def _capacitances(self) -> np.ndarray:
        """(double layer, film) of each interface, F/m^2."""
        tables = [self.case.interface(name) for name in self.domain.interfaces]
        return np.array([(table.capacitance or 0.0, table.film_capacitance or 0.0) for table in tables])

    def _beside_transfer(self) -> dict[tuple[str, str], list]:
        """What the capacitances change in the linearised kinetics and in what is taken from stores: (row, column) -> forms.

        `i` is the whole current; the reaction passes `i_F = i - i w C v`, `v = phi_m - phi - z_f i`, and feels v less U.
        """
        domain, fields, model = self.domain, self.fields, self.model
        data = {key: f("+") for key, f in model.interface.items()}
        g = {key: f("+") for key, f in self.beside.items()}
        f = fields.parameters.constant(lambda t: FARADAY / (GAS_CONSTANT * t))
        trial = {name: ufl.TrialFunction(fields[name].function_space)("-" if name == "phi" else "+")
                 for name in ("phi", "phi_m", "i", "V") if name in fields}
        charging = {"phi": -g["phi"], "phi_m": g["phi"], "i": -g["i"], "V": g["phi"] * data["anode"]}
        charging = {name: charging[name] * trial[name] for name in trial}  # i w C v by what makes it
        found = defaultdict(list)
        for label, (group, law) in domain.transfer_labels.items():
            i, eta = ufl.variable(fields["i"]("+")), ufl.variable(transfer_overpotential(domain, fields, model.controls, data, label))
            par = transfer_parameters(domain, fields, model.controls, data, label)
            residual, dS = KINETICS[law](i, eta, f, par), domain.dS(label)
            by_current, by_eta = ufl.diff(residual, i), ufl.diff(residual, eta)
            found["i", "i"].append(by_eta * g["eta"] * trial["i"] * fields.unknowns["i"].test("+") * dS)
            for name, current in charging.items():
                found["i", name].append(-by_current * current * fields.unknowns["i"].test("+") * dS)
                if not group.head.deposits:
                    store = f"x:{group.name}"
                    found[store, name].append(transport.withdrawal(-current, fields.unknowns[store].test("+"), FARADAY, dS))
        return found


    def _beside_resistances(self) -> dict[str, list]:
        """Current that charges what lies beside the areal resistances between conductors, `i w C (phi(+) - phi(-))`."""
        found, weight = defaultdict(list), self.model.controls.weights[0]
        for name, law, carrier, dS in resisting_faces(self.case, self.domain):
            if law.capacitance_beside(carrier):
                phi, q = ufl.TrialFunction(self.fields[name].function_space), self.fields.unknowns[name].test
                admittance = weight * fem.Constant(self.domain.mesh, law.capacitance_beside(carrier))
                found[name].append(charge.resisted(phi, q, 1 / admittance, dS))
        return found


# ---- sweeps -----------------------------------------------------------------------------------------------------------


def limit_at_zero(system: SmallSignal, start: float) -> float | None:
    """Resistance (ohm cm2) at zero frequency, from a frequency at which Im Z has died out; None where Z grows without bound."""
    frequency = min(start, SLOW)
    while frequency >= LOWEST:
        z = system.impedance(frequency) * OHM_CM2
        if abs(z.imag) <= FLAT * abs(z):
            return z.real
        frequency *= max(0.3 * FLAT * abs(z) / abs(z.imag), 1e-4)
    return None


def sweep(system: SmallSignal, wanted: np.ndarray, progress=None) -> Iterator[complex]:
    """Impedance (ohm cm2) at each frequency."""
    for n, frequency in enumerate(wanted, 1):
        z = system.impedance(frequency) * OHM_CM2
        if progress is not None:
            progress(n / len(wanted), f"{frequency:.4g} Hz, Z = {z.real:.5g} {z.imag:+.5g}i ohm cm2")
        yield z


def eis(run: str | Path, wanted: np.ndarray, out: str | Path | None = None, *, overrides=(), progress=None) -> Spectrum:
    """Impedance about the state at the end of a run, written into `out` (the run folder by default). Every rank calls it.

    `overrides` may set capacitances of interfaces. CaseError, StateError or ImpedanceError before anything is computed.
    """
    comm, started, timings = world(), time.time(), Timings()
    run, out = Path(run), Path(out) if out is not None else Path(run)
    case = case_with_capacitances(run, overrides)
    domain = read_domain(make_mesh(case, comm, timings), comm, case)
    if not domain.kinetics:
        raise ImpedanceError(f"{run}: no interface of this case passes charge: it has no impedance")
    fields = make_fields(domain, case)
    model = build_model(case, domain, fields)
    reached = read_state(run / "state.npz", domain, fields, model)
    state = _reached(run) | {"temperature_K": model.parameters.temperature}
    _clear(out, comm)
    _warn_of_missing_arcs(case, domain)
    system = SmallSignal(case, domain, fields, model)
    log.info("impedance about t = %.6g s: %d frequencies, %.4g to %.4g Hz, %d unknowns, %d rank(s)", reached, len(wanted),
             wanted[0], wanted[-1], system.size, comm.size)
    values = np.array(list(sweep(system, wanted, progress if comm.rank == 0 else None)))
    limit = limit_at_zero(system, wanted.min())
    spectrum = Spectrum(wanted, values, limit, out)
    if comm.rank == 0:
        record = {"title": case.title, "hash": case.hash, "state": state, "limit_at_zero_frequency_ohm_cm2": limit,
                  "capacitances": _listed(case, domain), "unknowns": system.size, "ranks": comm.size, "versions": versions(),
                  "seconds": round(time.time() - started, 3)}
        _write(spectrum, record)
    system.destroy()
    comm.barrier()
    log.info("impedance done in %.1f s", time.time() - started)
    return spectrum


def case_with_capacitances(run: Path, overrides) -> Case:
    """Case of a run, with other capacitances; nothing else may change, since the state would belong to another case."""
    case = case_of_run(run)
    if not overrides:
        return case
    changed = case_of_run(run, overrides)
    names = {*case.interfaces, *changed.interfaces}
    if _without_capacitances(case, names) != _without_capacitances(changed, names):
        raise CaseError(f"--set: of a finished run only the capacitances of its interfaces may change, as in "
                        f"'interfaces.\"li|sse\".capacitance=10 uF/cm^2'; for anything else give the case file in place of {run}")
    return changed


def _without_capacitances(case: Case, names) -> dict:
    bare = dict.fromkeys(CAPACITANCES)
    tree = case.resolved() | {"interfaces": {n: case.interface(n).model_copy(update=bare).model_dump() for n in names}}
    return {key: value for key, value in tree.items() if key not in ("title", "output")}


def _reached(run: Path) -> dict:
    """Which run, and what it came to."""
    names = ("time_s", "current_density_A_per_m2", "cell_voltage_V", "areal_charge_mAh_per_cm2", "stack_pressure_MPa")
    record = read_record(run)
    reached = {name: record["summary"][name]["last"] for name in names if name in record["summary"]}
    return {"run": str(run.resolve()), "hash": record["hash"], "status": record["status"]} | reached


def _listed(case: Case, domain: Domain) -> dict:
    """Capacitances of the interfaces, uF/cm2; of those between conductors that conduct alike what lies beside their resistance."""
    tables = {name: case.interface(name) for name in domain.kinetics}
    found = {name: {f"{key}_uF_per_cm2": 100 * (getattr(table, key) or 0.0) for key in TRANSFER} for name, table in tables.items()}
    for carrier, pairs in domain.resisting.items():
        for name in pairs:
            found.setdefault(name, {})[f"{CARRIERS[carrier]}_capacitance_uF_per_cm2"] = 100 * case.interface(name).capacitance_beside(carrier)
    return found


def _warn_of_missing_arcs(case: Case, domain: Domain) -> None:
    if not any(case.interface(name).capacitance for name in domain.kinetics):
        name = next(iter(domain.kinetics))
        log.warning('no interface has a capacitance, so that charge transfer makes no arc; give interfaces."%s".capacitance, '
                    'for example "10 uF/cm^2"', name)


# ---- files ------------------------------------------------------------------------------------------------------------


def _clear(out: Path, comm: MPI.Comm) -> None:
    """The folder, without the files of an earlier sweep."""
    problem = None
    if comm.rank == 0:
        try:
            (out / "figures").mkdir(parents=True, exist_ok=True)
            for name in FILES:
                (out / name).unlink(missing_ok=True)
        except OSError as error:
            problem = f"{out}: cannot be written ({error.strerror or error}); choose another folder with --out"
    problem = comm.bcast(problem)
    if problem:
        raise ImpedanceError(problem)


def _write(spectrum: Spectrum, record: dict) -> None:
    """Rank 0: the table, the record, the pictures."""
    from .figures.impedance import draw_bode, draw_nyquist

    with open(spectrum.folder / "impedance.csv", "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["frequency_Hz", "z_real_ohm_cm2", "z_imag_ohm_cm2", "magnitude", "phase_deg"])
        for f, z in zip(spectrum.frequency, spectrum.impedance):
            table.writerow([f"{v:.12g}" for v in (f, z.real, z.imag, abs(z), math.degrees(math.atan2(z.imag, z.real)))])
    write_json(spectrum.folder / "eis.json", record)
    draw_nyquist(spectrum.frequency, spectrum.impedance, record["title"], spectrum.folder / "figures" / "nyquist.png")
    draw_bode(spectrum.frequency, spectrum.impedance, record["title"], spectrum.folder / "figures" / "bode.png")
