"""One run from a case to a run folder: mesh, fields, model, march, observe. Every rank calls `run`."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from mpi4py import MPI

from .case import Case
from .cautions import cautions
from .geometry import GeometryError, build_mesh
from .march import Mark, Step, StepFailed, march
from .mpi import world
from .observe.cycles import Cycles
from .observe.record import ScalarTable, versions, write_json
from .protocol import flat_steps
from .solve import Solver, Timings

if TYPE_CHECKING:
    from .remesh import Parts

log = logging.getLogger("interfem")

# Largest relative errors of what is conserved; asserted at every step.
BALANCES = {"charge_balance_error": 1e-8, "lithium_balance_error": 1e-8, "lithium_audit_error": 1e-8, "salt_balance_error": 1e-10,
            "work_balance_error": 1e-2, "negative_dissipation_MPa": 1e-9}

SETTLING = 1e-3  # of a time step, in which displacements settle on a new mesh


class RunError(Exception):
    """The run could not start; nothing was computed. The command line exits with 2 (input) or 3."""


class BalanceError(Exception):
    """A conserved quantity was not conserved: the step is wrong and is not kept."""


@dataclass(frozen=True)
class Start:
    """The state of an earlier run of the same cell, which stands for the first `done` plain steps of the protocol."""

    state: Path
    done: int


@dataclass(frozen=True)
class Result:
    """What a run left: its folder, how it ended ("completed", "stopped", "failed"), and why."""

    folder: Path
    status: str
    event: str
    reason: str
    summary: dict[str, dict[str, float]]

    @property
    def exit_status(self) -> int:
        return 0 if self.status == "completed" else 3

    def last(self, scalar: str) -> float:
        """Value of a scalar at the last accepted step."""
        return self.summary[scalar]["last"]


def default_folder(case: Case, name: str) -> Path:
    return Path("runs") / f"{name}-{case.hash[:8]}"


def run(case: Case, out: str | Path | None = None, *, name: str = "case", progress=None, begin: Start | None = None) -> Result:
    """Solve a case and write its run folder; the same on any number of ranks. With `begin` it goes on from a state, at time zero.

    Raises GeometryError or DomainError when the mesh cannot be made. A run that ends early returns a Result with everything up to there
    kept on disk. `progress(fraction, text)` is called on rank 0.
    """
    comm = world()
    folder = Path(out) if out is not None else default_folder(case, name)
    timings, started = Timings(), time.time()
    _prepare(folder, comm)
    handler = _log_to(folder, comm)
    try:
        return _run(case, folder, comm, timings, started, progress, begin)
    finally:
        if handler is not None:
            log.removeHandler(handler)
            handler.close()


def _prepare(folder: Path, comm: MPI.Comm) -> None:
    problem = None
    if comm.rank == 0:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / ".writable"
            probe.touch()
            probe.unlink()
            for stale in ("run.json", "scalars.csv", "cycles.csv", "fronts.csv", "log.txt", "state.npz"):
                (folder / stale).unlink(missing_ok=True)
            for stale in [*folder.glob("fields/*.pvd"), *folder.glob("fields/*vtu"), *folder.glob("figures/*.png"),
                          *folder.glob("profiles/*.csv")]:
                stale.unlink()
        except OSError as error:
            problem = f"{folder}: cannot be written ({error.strerror or error}); choose another folder with --out"
    problem = comm.bcast(problem)
    if problem:
        raise RunError(problem)


def _log_to(folder: Path, comm: MPI.Comm):
    if comm.rank != 0:
        return None
    handler = logging.FileHandler(folder / "log.txt", mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(min(log.level or logging.INFO, logging.INFO))
    return handler


def make_mesh(case: Case, comm: MPI.Comm, timings: Timings) -> Path:
    """Cached mesh file; built on rank 0, an error there is raised everywhere."""
    start, path, problem = time.perf_counter(), None, None
    if comm.rank == 0:
        try:
            path = build_mesh(case)
        except GeometryError as error:
            problem = str(error)
    path, problem = comm.bcast((path, problem))
    timings.add("mesh", start)
    if problem:
        raise GeometryError(problem)
    return path


def _run(case: Case, folder: Path, comm: MPI.Comm, timings: Timings, started: float, progress, begin: Start | None) -> Result:
    from .observe.files import FieldWriter  # dolfinx only now: reading a case stays fast
    from .observe.state import read_state, write_state

    path = make_mesh(case, comm, timings)
    parts = _assemble(case, comm, timings, path, lambda *state: read_state(begin.state, *state) if begin is not None else None)
    start = time.perf_counter()
    writer = FieldWriter(folder / "fields", case, parts.domain, parts.fields, parts.model, parts.observer)
    timings.add("compile", start)
    table = ScalarTable(folder / "scalars.csv") if comm.rank == 0 else None
    cycles = Cycles(folder / "cycles.csv") if comm.rank == 0 else None
    facts = _facts(case, parts.domain, parts.solver, comm)
    for text in cautions(case):
        log.info("caution: %s", text)
    log.info("%s: %d cells, %d unknowns, %d rank(s)", case.title, facts["mesh"]["cells"], parts.solver.size, comm.size)
    meshes: list[dict] = []
    steps = _marched(case, parts, folder, timings, writer, meshes, begin.done if begin is not None else 0)
    events: list[dict] = []
    status, event, reason = _record_steps(case, steps, table, cycles, writer, timings, events, progress if comm.rank == 0 else None)
    if cycles is not None:
        cycles.close(event or status)
    writer.close()
    parts.solver.destroy()
    summary = comm.bcast(table.summary if table is not None else None)
    if status != "failed":
        write_state(folder / "state.npz", parts.domain, parts.fields, parts.model, summary.get("time_s", {}).get("last", 0.0))
    record = {"status": status, "event": event or None, "events": events, "remeshings": meshes, "reason": reason or None,
              "title": case.title, "hash": case.hash, "summary": summary, **facts, "solver": timings.facts.told(),
              "started": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(started)), "case": case.resolved(),
              "input": case.input}
    if comm.rank == 0:
        _close(folder, case, record, timings, started)
    comm.barrier()
    log.info("%s%s; %d steps in %.1f s", status, f" ({event or reason})" if event or reason else "",
             int(summary.get("step", {}).get("last", 0)), time.time() - started)
    return Result(folder, status, event, reason, summary)


def _assemble(case: Case, comm: MPI.Comm, timings: Timings, path: Path, restore: Callable) -> Parts:
    """All that belongs to one mesh; `restore(domain, fields, model)` sets the state before anything is observed."""
    from .domain import read_domain
    from .fields import make_fields
    from .model import build_model
    from .observe.scalars import Observer
    from .remesh import Parts

    start = time.perf_counter()
    domain = read_domain(path, comm, case)
    timings.add("mesh", start)
    start = time.perf_counter()
    fields = make_fields(domain, case)
    model = build_model(case, domain, fields)
    timings.add("compile", start)
    restore(domain, fields, model)
    solver = Solver(case, domain, fields, model, timings)
    start = time.perf_counter()
    observer = Observer(case, domain, fields, model, solver)
    timings.add("compile", start)
    return Parts(path, domain, fields, model, solver, observer)


def _marched(case: Case, parts: Parts, folder: Path, timings: Timings, writer, meshes: list[dict], done: int) -> Iterator[Step]:
    """All steps, those on new meshes too; `parts` then are of the new one. `meshes` tells of each what has changed by it."""
    mark, going = None, True
    while going:
        going = False
        for step in march(case, parts.domain, parts.fields, parts.model, parts.solver, parts.observer, done, mark):
            mark, going = step.mark, step.mark is not None
            yield replace(step, ends_run=step.ends_run and not going)
        if going:
            mark = _remeshed(case, parts, folder, timings, writer, meshes, mark)


def _remeshed(case: Case, parts: Parts, folder: Path, timings: Timings, writer, meshes: list[dict], mark: Mark) -> Mark:
    """Take a new mesh if there is a better one, else go on without asking again."""
    from .remesh import remesh

    comm, path = parts.domain.comm, folder / "meshes" / f"{len(meshes) + 1}.msh"
    if comm.rank == 0:
        path.parent.mkdir(exist_ok=True)
    new, record = remesh(parts, path, SETTLING * mark.dt, lambda *given: _assemble(case, comm, timings, *given))
    meshes.append({"time_s": mark.time} | record)
    if new is None:
        log.info("no new mesh at %.6g s: %s", mark.time, record["refused"])
        return replace(mark, renews=False, shape=parts.shape)
    changes = ", ".join(f"{name} {change:+.1e}" for name, change in record["relative_changes"].items())
    log.info("new mesh at %.6g s: %d cells; relative changes: %s", mark.time, record["cells"], changes)
    parts.solver.destroy()
    vars(parts).update(vars(new))
    writer.show(parts.domain, parts.fields, parts.model, parts.observer)
    return replace(mark, shape=parts.shape)


def _record_steps(case, steps, table, cycles, writer, timings: Timings, events: list[dict], progress) -> tuple[str, str, str]:
    """Take every step, write what it shows; (status, event, reason) at the end, `events` on the way.

    Rank 0 alone has the tables.
    """
    written, reached, next_output = math.nan, 0.0, case.output.interval or math.inf
    total = sum(s.length for s in flat_steps(case.protocol))
    try:
        for step in steps:
            start = time.perf_counter()
            _assert_balances(step)
            reached = step.time
            if table is not None:
                table.add({"step": step.number, "time_s": step.time, "dt_s": step.dt, "phase": step.phase, "phase_kind": step.kind}
                          | step.scalars | cycles.add(step))
            if step.last or step.time >= next_output - 1e-9:
                writer.write(step.time)
                written = step.time
                while next_output <= step.time + 1e-9:
                    next_output += case.output.interval
            if step.event:
                log.info("event %s at %.6g s", step.event, step.time)
                events.append({"event": step.event, "time_s": step.time})
            timings.add("output", start)
            if progress is not None:
                progress(min(1.0, step.time / total), f"{step.kind}, step {step.number}, t = {step.time:.4g} s")
            if step.ends_run:
                return "stopped", step.event, ""
            if step.number >= case.solver.max_steps:
                return "stopped", "max_steps", ""
    except (StepFailed, BalanceError) as error:
        log.error("the run ends here: %s", error)
        if written != reached:
            writer.write(reached)
        return "failed", "", str(error)
    return "completed", "", ""


def _close(folder: Path, case: Case, record: dict, timings: Timings, started: float) -> None:
    """Rank 0: the record, then the pictures that are drawn from it, then the record with the time they took."""
    def write() -> None:
        timings.seconds["total"] = time.time() - started
        write_json(folder / "run.json", record | {"timings_s": {k: round(v, 4) for k, v in timings.seconds.items()}})

    write()
    if case.output.figures:
        start = time.perf_counter()
        _figures(folder, case, record)
        timings.add("output", start)
        write()


def _assert_balances(step) -> None:
    for name, limit in BALANCES.items():
        if not step.scalars.get(name, 0.0) <= limit:
            raise BalanceError(f"{name} = {step.scalars[name]:.2e} at {step.time:.6g} s is above {limit:g}: the step was not solved")


def _facts(case: Case, domain, solver: Solver, comm: MPI.Comm) -> dict:
    topology = domain.mesh.topology
    unknowns = {name: u.function.function_space.dofmap.index_map.size_global * u.function.function_space.dofmap.index_map_bs
                for name, u in solver.fields.unknowns.items()}
    counts = {r.name: comm.allreduce(len(domain.cells_of([r])), MPI.SUM) for r in domain.regions}
    return {"mesh": {"cells": topology.index_map(topology.dim).size_global, "vertices": topology.index_map(0).size_global,
                     "cells_by_region": counts, "interfaces": list(domain.interfaces), "boundaries": sorted(domain.boundaries)},
            "unknowns": {"total": solver.size, **unknowns}, "ranks": comm.size, "versions": versions()}


def _figures(folder: Path, case: Case, record: dict) -> None:
    from .figures import run_figures

    try:
        run_figures(folder, case, record)
    except OSError as error:
        log.warning("figures could not be written: %s", error)
