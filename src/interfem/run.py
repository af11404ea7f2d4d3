"""One run from a case to a run folder: mesh, fields, model, march, observe. Every rank calls `run`."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from mpi4py import MPI

from .batch import Batch, OutputError, together
from .case import Case
from .cautions import cautions
from .compiler import CompilerError
from .domain import read_domain
from .fields import make_fields
from .geometry import GeometryError, build_mesh
from .march import Mark, Step, StepFailed, march
from .model import build_model
from .mpi import world
from .observe.book import Book
from .observe.energy import MAY_MISS
from .observe.files import FieldWriter
from .observe.record import versions, write_json
from .observe.scalars import Observer
from .observe.state import read_carried, read_memory, read_state, state_of, write_state
from .protocol import flat_steps
from .rebase import press_in, renew_layer
from .remesh import Parts, remesh
from .restart import CHECKPOINT, GOES_ON, MAX_STEPS, STATE, TERMINATED, appended, assert_goes_on, clear, cut_back, is_over, keep_input, saved_state
from .solve import Solver, Timings, collect_garbage

if TYPE_CHECKING:
    from dolfinx import fem

log = logging.getLogger("interfem")

# Largest relative errors of what is conserved; asserted at every step.
BALANCES = {"charge_balance_error": 1e-8, "lithium_balance_error": 1e-8, "lithium_audit_error": 1e-8, "salt_balance_error": 1e-10,
            "work_balance_error": MAY_MISS, "negative_dissipation_MPa": 1e-9}

SETTLING = 1e-3  # of a time step, in which displacements settle on a new mesh
AT_ONCE = 1e-9  # likewise where metal is laid on further wall: so short that it does not flow


class RunError(Exception):
    """The run could not start, for its folder cannot be written; nothing was computed."""


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


def run(case: Case, out: str | Path | None = None, *, name: str = "case", progress=None, begin: Start | None = None,
        restart: bool = False) -> Result:  # fmt: skip
    """Solve a case and write its run folder; the same on any number of ranks. With `begin` it goes on from a state, at time zero.

    With `restart` it goes on from the checkpoint in its folder, begins anew where there is none, and leaves a run that is over as it
    is. Raises GeometryError or DomainError when the mesh cannot be made, RunError when the folder cannot be written, CompilerError when
    forms cannot be compiled, CaseError when the case is not the one that is to go on. A run that ends early returns a Result with everything up to there kept on disk.
    `progress(fraction, text)` is called on rank 0.
    """
    comm = world()
    folder = Path(out) if out is not None else default_folder(case, name)
    memory = _saved(case, folder, comm) if restart else {}
    if memory.get("over"):
        log.info("%s: is over; nothing is left to do", folder)
        return memory["over"]
    collect_garbage(comm)
    session = _Session(case, folder, comm, Timings(), time.time(), progress, memory)
    _prepare(session)
    handler = _log_to(session)
    try:
        with Batch(comm, case.output.checkpoint) as batch:
            return _run(session, batch, begin)
    finally:
        if handler is not None:
            log.removeHandler(handler)
            handler.close()


@dataclass(frozen=True)
class _Session:
    """One call of `run`. `memory`: of the run that it goes on with, empty at the begin."""

    case: Case
    folder: Path
    comm: MPI.Comm
    timings: Timings
    started: float
    progress: Callable | None
    memory: dict

    def wall(self) -> float:
        """Time since the begin, without pauses, s."""
        return self.memory.get("wall", 0.0) + time.time() - self.started


def _saved(case: Case, folder: Path, comm: MPI.Comm) -> dict:
    """Memory of the run in a folder, empty if there is none; of one that is over its result. Read by rank 0 for all."""
    memory: dict = {}
    if comm.rank == 0 and (path := saved_state(folder)) is not None:
        memory = read_memory(path)
        memory = memory if memory.get("mark") else {}  # no step was made
    memory = comm.bcast(memory)
    if memory:
        assert_goes_on(folder, case, memory)
        if comm.bcast(is_over(folder, case, memory) if comm.rank == 0 else None):
            record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
            return {"over": Result(folder, record["status"], record["event"] or "", record["reason"] or "", record["summary"])}
    return memory


def _prepare(session: _Session) -> None:
    """The folder is there, can be written, and holds what lies before the first step and nothing else."""
    def make() -> None:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / ".writable"
        probe.touch()
        probe.unlink()
        if session.memory:
            cut_back(folder, session.memory)
        else:
            clear(folder)
        keep_input(session.case, folder)

    folder, comm = session.folder, session.comm
    try:
        together(comm, folder, lambda: make() if comm.rank == 0 else None)
    except OutputError as error:
        raise RunError(f"{error}; choose another folder with --out") from None


class _LogFile(logging.FileHandler):
    """`log.txt`; a line for which the disk has no room is lost here, and the run is about to end for the same reason."""

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802  (logging's name)
        pass


def _log_to(session: _Session):
    if session.comm.rank != 0:
        return None
    handler = _LogFile(session.folder / "log.txt", mode="a", encoding="utf-8")
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
        except (GeometryError, OSError) as error:
            problem = error
    path, problem = comm.bcast((path, problem))
    timings.add("mesh", start)
    if isinstance(problem, OSError):
        raise RunError(f"{problem.filename or path}: the mesh cannot be written ({problem.strerror or problem})")
    if problem:
        raise problem
    return path


def _run(session: _Session, batch: Batch, begin: Start | None) -> Result:
    case, folder, comm, timings, memory = session.case, session.folder, session.comm, session.timings, session.memory
    path = make_mesh(case, comm, timings)
    state = folder / CHECKPOINT if memory else begin.state if begin is not None else None
    seen = memory.get("observer", {})

    def restore(domain, fields, model) -> None:
        if state is not None:
            read_state(state, domain, fields, model)
        if domain.roofs:
            fields.contact.roofs.first.update({name: tuple(first) for name, first in seen.get("first", {}).items()})

    parts = _assemble(case.without(seen.get("left_out", [])), comm, timings, folder / memory["mesh"] if memory.get("mesh") else path, restore)
    start = time.perf_counter()
    writer = FieldWriter(folder / "fields", case, parts.domain, parts.fields, parts.model, parts.observer)
    timings.add("compile", start)
    book = Book(case, folder, comm, writer)
    mark = _recall(session, parts, book) if memory else None
    facts = _facts(case, parts.domain, parts.solver, comm)
    for text in cautions(case):
        log.info("caution: %s", text)
    log.info("%s: %d cells, %d unknowns, %d rank(s)", case.title, facts["mesh"]["cells"], parts.solver.size, comm.size)
    if mark is not None:
        log.info("goes on from step %d at %.6g s", mark.number, mark.time)
    steps = _marched(session, parts, writer, book, begin.done if begin is not None else 0, mark, memory.get("worn", False))
    status, event, reason = _record_steps(session, steps, parts, book, batch)
    parts.solver.destroy()
    summary = book.summary()
    record = {"status": status, "event": event or None, "events": book.events, "remeshings": book.meshes, "reason": reason or None,
              "title": case.title, "hash": case.hash, "summary": summary, **facts, "solver": timings.facts.told(),
              "restarts": _restarts(session),
              "started": time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(memory.get("started", session.started))),
              "case": case.resolved(), "input": case.input}
    try:
        together(comm, folder, lambda: _close(session, record, _stays(parts, event)) if comm.rank == 0 else None)
    except OutputError as error:
        log.error("the record of the run is missing: %s", error)
        status, event, reason = "failed", "", str(error)
    log.info("%s%s; %d steps in %.1f s", status, f" ({event or reason})" if event or reason else "",
             int(summary.get("step", {}).get("last", 0)), session.wall())
    return Result(folder, status, event, reason, summary)


# ---- what another run needs to go on from here --------------------------------------------------------------------------


def _state(session: _Session, parts: Parts, book: Book) -> dict[str, np.ndarray]:
    """The state at the last accepted step, on rank 0. The solver forgets what it kept, as one that starts there has nothing kept."""
    comm, folder = session.comm, session.folder
    parts.solver.forget()
    mesh = str(parts.path.relative_to(folder)) if parts.path.is_relative_to(folder) else None
    files: dict[str, int] = {}
    together(comm, folder, lambda: files.update(appended(folder)) if comm.rank == 0 else None)
    memory = book.memory() | {
        "mesh": mesh, "shape": list(parts.shape or ()), "files": files,
        "controls": parts.model.controls.memory(), "solver": parts.solver.memory(), "observer": parts.observer.memory(),
        "hash": session.case.hash, "input": session.case.input, "wall": session.wall(),
        "started": session.memory.get("started", session.started), "seconds": session.timings.seconds, "restarts": _restarts(session)}
    return state_of(parts.domain, parts.fields, parts.model, book.reached, _carried(parts), memory)


def _save(session: _Session, name: str, state: dict[str, np.ndarray]) -> None:
    together(session.comm, session.folder, lambda: write_state(session.folder / name, state) if session.comm.rank == 0 else None)


def _carried(parts: Parts) -> dict[str, fem.Function]:
    """Functions that go into a state besides the fields: of the observers, and for which displacements the mesh was made."""
    found = parts.observer.carried()
    for name, values in (parts.shape or {}).items():
        found[f"shape of {name}"] = parts.fields[name].copy()
        found[f"shape of {name}"].x.array[:] = values
    return found


def _recall(session: _Session, parts: Parts, book: Book) -> Mark:
    """Let everything stand as it did when the checkpoint was written; where the march goes on."""
    memory = session.memory
    parts.shape = {name: parts.fields[name].x.array.copy() for name in memory["shape"]} or None
    carried = _carried(parts)
    read_carried(session.folder / CHECKPOINT, parts.domain, carried)
    if parts.shape is not None:
        parts.shape = {name: carried[f"shape of {name}"].x.array.copy() for name in parts.shape}
    parts.model.controls.recall(memory["controls"])
    parts.solver.recall(memory["solver"])
    parts.observer.recall(memory["observer"])
    book.recall(memory)
    for kind, seconds in memory["seconds"].items():
        session.timings.seconds[kind] = session.timings.seconds.get(kind, 0.0) + seconds
    return replace(book.mark, shape=parts.shape)


def _restarts(session: _Session) -> list[dict]:
    """Each time that the run was taken up again: after which step, and on how many ranks."""
    memory = session.memory
    now = [{"step": memory["mark"]["number"], "time_s": memory["mark"]["time"], "ranks": session.comm.size}] if memory else []
    return memory.get("restarts", []) + now


# ---- steps --------------------------------------------------------------------------------------------------------------


def _assemble(case: Case, comm: MPI.Comm, timings: Timings, path: Path, restore: Callable) -> Parts:
    """All that belongs to one mesh; `restore(domain, fields, model)` sets the state before anything is observed."""
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
    return Parts(case, path, domain, fields, model, solver, observer)


def _marched(session: _Session, parts: Parts, writer, book: Book, done: int, mark: Mark | None, worn: bool) -> Iterator[Step]:
    """All steps, those on new meshes too; `parts` then are of the new one. `worn`: it is to be replaced before the first step."""
    while True:
        if worn:
            mark = _remeshed(session, parts, writer, book.meshes, mark)
        worn = False
        for step in march(parts.case, parts.domain, parts.fields, parts.model, parts.solver, parts.observer, done, mark):
            mark, worn = step.mark, step.worn
            yield replace(step, ends_run=step.ends_run and not worn)
            if worn:
                break
        if not worn:
            return


def _remeshed(session: _Session, parts: Parts, writer, meshes: list[dict], mark: Mark) -> Mark:
    """Take a new mesh if there is a better one, or one without a void that has closed, else go on without asking again (where metal is
    pressed into a slot, it is asked for again later); with the last step's length, as from the begin; with a short one where metal has
    been laid on further wall, on which nothing pressed before.
    """
    path = session.folder / "meshes" / f"{len(meshes) + 1}.msh"
    together(session.comm, session.folder, lambda: path.parent.mkdir(exist_ok=True))
    pressed, laid = bool(parts.observer.columns), bool(mark.void) and not mark.closed
    longest = parts.case.solver.relaxation * parts.observer.energy.flow_time if pressed else math.inf
    as_it_was, mark = mark, replace(mark, dt=min(mark.dt_old, longest), dt_old=0.0, before=None)
    given = path, (AT_ONCE if pressed else SETTLING) * mark.dt, lambda chosen, *rest: _assemble(chosen, session.comm, session.timings, *rest)
    anew = press_in if pressed else renew_layer
    new, record = anew(parts, mark.void, mark.closed, *given) if mark.void else remesh(parts, *given)
    meshes.append({"time_s": mark.time} | record)
    if new is None:
        log.info("no new mesh at %.6g s: %s", mark.time, record["refused"])
        if pressed or laid:
            return replace(as_it_was, renews=False, asked=mark.number, before=None, void="")
        return replace(mark, renews=mark.renews and mark.closed, shape=parts.shape, void="")
    changes = ", ".join(f"{name} {change:+.1e}" for name, change in record["relative_changes"].items())
    log.info("new mesh at %.6g s: %d cells; relative changes: %s", mark.time, record["cells"], changes)
    parts.solver.destroy()
    vars(parts).update(vars(new))
    writer.show(parts.domain, parts.fields, parts.model, parts.observer)
    collect_garbage(session.comm)
    return replace(mark, renews=mark.renews or pressed or laid, asked=mark.number, shape=parts.shape, void="")


def _record_steps(session: _Session, steps: Iterator[Step], parts: Parts, book: Book, batch: Batch) -> tuple[str, str, str]:
    """Take every step, write what it shows, leave checkpoints on the way and a state at the end; (status, event, reason).

    A solver that keeps factors over steps goes on to the same digits only where it forgets them: what checkpoints hold is then the last
    such step, a few steps back, and one stays beside the state of a run that is to go on.
    """
    resume = _Resume(session, parts, book)
    try:
        try:
            status, event = _through(session, steps, parts, book, batch, resume)
        except (StepFailed, BalanceError, CompilerError) as error:
            log.error("the run ends here: %s", error)
            book.write_fields()
            book.close("failed")
            return "failed", "", str(error)
        if _stays(parts, event):
            resume.write()
        _save(session, STATE, _state(session, parts, book))
        book.close(event or status)
        return status, event, ""
    except OutputError as error:
        log.error("the run ends here: %s", error)
        return "failed", "", str(error)


class _Resume:
    """Whence a run may go on: where its solver keeps nothing over steps the last step, else the last after which it forgot."""

    def __init__(self, session: _Session, parts: Parts, book: Book):
        self.given = session, parts, book
        self.state: dict[str, np.ndarray] | None = None

    def note(self, step: Step) -> None:
        """Forget after the first of every few steps, and where a protocol step ends."""
        kept_for = self.given[1].solver.kept_for
        if kept_for and (step.number % kept_for == 1 or step.last):
            self.state = _state(*self.given)

    def write(self) -> None:
        """A checkpoint; none before the first step."""
        state = self.state if self.given[1].solver.kept_for else _state(*self.given)
        if state is not None:
            _save(self.given[0], CHECKPOINT, state)


def _stays(parts: Parts, event: str) -> bool:
    """The checkpoint stays beside the state, for a run that is to go on."""
    return event in GOES_ON and parts.solver.kept_for > 0


def _through(session: _Session, steps: Iterator[Step], parts: Parts, book: Book, batch: Batch, resume: _Resume) -> tuple[str, str]:
    """(status, event) at the end of the last step."""
    case, timings, total = session.case, session.timings, sum(s.length for s in flat_steps(session.case.protocol))
    if batch.turn().end:
        return "stopped", TERMINATED
    for step in steps:
        start = time.perf_counter()
        _assert_balances(step)
        book.add(step)
        timings.add("output", start)
        if session.progress is not None and session.comm.rank == 0:
            session.progress(min(1.0, step.time / total), f"{step.kind}, step {step.number}, t = {step.time:.4g} s")
        if step.ends_run:
            return "stopped", step.event
        if step.number >= case.solver.max_steps:
            return "stopped", MAX_STEPS
        resume.note(step)
        turn = batch.turn()
        if turn.end:
            return "stopped", TERMINATED
        if turn.checkpoint:
            start = time.perf_counter()
            resume.write()
            timings.add("output", start)
    return "completed", ""


def _close(session: _Session, record: dict, stays: bool) -> None:
    """Rank 0: the record, then the pictures that are drawn from it, then the record with the time they took; the checkpoint goes unless it `stays`."""
    folder, timings = session.folder, session.timings

    def write() -> None:
        timings.seconds["total"] = session.wall()
        write_json(folder / "run.json", record | {"timings_s": {k: round(v, 4) for k, v in timings.seconds.items()}})

    write()
    if session.case.output.figures:
        start = time.perf_counter()
        _figures(folder, session.case, record)
        timings.add("output", start)
        write()
    if record["status"] != "failed" and not stays:
        (folder / CHECKPOINT).unlink(missing_ok=True)


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
        for path in folder.glob("figures/*.png"):  # one of them is not whole
            path.unlink()
