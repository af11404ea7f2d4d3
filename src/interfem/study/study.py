"""A study from its file to its tables and figures: run what is missing, keep what has ended, gather everything.

    runs/store/<hash>       one run folder for each different case; all studies beside each other share them
    runs/<study>/members/   links to those of this study
    runs/<study>/running/   runs under way; they move to the store as they end

A search asks for its members batch by batch; each batch is run as the members of a study are.
"""

from __future__ import annotations

import fcntl
import logging
import os
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from ..checks import suggestion
from ..observe.record import versions, write_json
from ..progress import Progress
from .charts import draw_figures
from .engine import Ended, Job, cores, run_command, run_local
from .file import StudyError
from .findings import SEARCH, find, told
from .gather import WAITING, Row, columns_of, member_row, read_facts, read_run, read_table, write_csv, write_parquet
from .plan import Member, Plan, make_plan
from .search import search

log = logging.getLogger("interfem")
STORE = "store"
KEPT = (0, 3)  # exit statuses of `interfem run` that leave a record


@dataclass(frozen=True)
class Outcome:
    """How a study stands: its folder, members by status, and (member, parameters, reason) of those that failed."""

    folder: Path
    counts: dict[str, int]
    failed: list[tuple[str, str, str]]
    figures: list[Path]
    active: list[str]  # run folders under way

    @property
    def told(self) -> list[str]:
        """Lines on the optimum and on sensitivities."""
        return list(told(self.folder))

    @property
    def exit_status(self) -> int:
        return 3 if self.failed or self.counts.get(WAITING) else 0


def default_folder(path: Path) -> Path:
    return Path("runs") / path.stem


def run_study(path: Path, folder: Path, *, ranks: int = 1, jobs: int | None = None, yes: bool = False, retry: bool = False,
              progress: Progress | None = None) -> Outcome:
    """Run the members that have not ended yet, `jobs` at once on `ranks` each; with `retry` those that failed too; then gather.

    An interrupt (SIGINT, SIGTERM) ends the runs under way and gathers what there is; called again, it goes on. StudyError before
    anything has run.
    """
    at_once = _room(ranks, jobs)
    plan = make_plan(path, yes)
    with _claimed(folder):
        store = _prepare(plan, folder, retry)
        rows = {member.number: member_row(member, store / member.key, plan.file.outputs) for member in plan.members}
        todo = {m.key: m for m in plan.members if rows[m.number]["status"] == WAITING}
        log.info("%s: %d members, %d to run, %d at once on %d rank(s)", plan.file.title, len(rows), len(todo), at_once, ranks)
        try:
            with _terminable():
                if plan.file.optimise is None:
                    _run_all(plan, todo, rows, folder, ranks, at_once, progress)
                else:
                    search(plan, folder / SEARCH, at_once, partial(_answer, plan, rows, folder, retry, ranks, at_once, progress))
        except KeyboardInterrupt:
            log.warning("interrupted: runs under way are given up, those that have ended are kept; the same command goes on")
        shutil.rmtree(folder / "running", ignore_errors=True)
        return _close(plan, list(rows.values()), folder)


def _room(ranks: int, jobs: int | None) -> int:
    """Runs at once within the cores there are."""
    found = cores()
    if ranks < 1 or (jobs is not None and jobs < 1):
        raise StudyError("--ranks and --jobs should be at least 1")
    needed = ranks * (jobs or 1)
    if needed > found:
        raise StudyError(f"--ranks {ranks} --jobs {jobs or 1}: needs {needed} cores, and there are {found}; lower one of them")
    return jobs or found // ranks


@contextmanager
def _claimed(folder: Path) -> Iterator[None]:
    """The study folder for this process alone."""
    if folder.name == STORE:
        raise StudyError(f"{folder}: is where run folders are stored; choose another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / ".lock", "w")
    except OSError as error:
        raise StudyError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from None
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise StudyError(f"{folder}: another study works in this folder; wait for it, or choose another with --out") from None
        yield


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM ends a study as an interrupt from the keyboard does."""
    old = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def _prepare(plan: Plan, folder: Path, retry: bool) -> Path:
    """The store of run folders. What a study that was killed left half done goes, and with `retry` what has failed."""
    store = folder.parent / STORE
    for fresh in (folder / "running", folder / "members"):
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir()
    store.mkdir(exist_ok=True)
    shutil.copyfile(plan.path, folder / "study.toml")
    return _link_known(plan, folder, retry)


def _link_known(plan: Plan, folder: Path, retry: bool) -> Path:
    """Links to the members that the store has; with `retry` those that failed are removed from it."""
    store = folder.parent / STORE
    for key in {member.key for member in plan.members if not member.fault}:
        facts = read_facts(store / key)
        if retry and facts is not None and facts["status"] == "failed":
            shutil.rmtree(store / key)
        elif facts is not None:
            _link(store / key, folder)
    return store


def _link(run: Path, folder: Path) -> None:
    link = folder / "members" / run.name
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(run, link.parent))


def _run_all(plan: Plan, todo: dict[str, Member], rows: dict[int, Row], folder: Path, ranks: int, at_once: int, progress) -> None:
    """Run members; each that ends goes to the store, into its rows (equal cases share one run) and into study.csv."""
    store, places = folder.parent / STORE, {key: folder / "running" / key for key in todo}
    jobs = [Job(key, run_command(plan.case, member.overrides, places[key], ranks), places[key]) for key, member in todo.items()]
    _tabulate(plan, rows, folder)
    with closing(run_local(jobs, at_once)) as ended_jobs:
        for count, ended in enumerate(ended_jobs, 1):
            member = todo[ended.job.key]
            facts = _keep(ended, member, ranks, store)
            _link(store / member.key, folder)
            for equal in plan.members:
                if equal.key == member.key:
                    rows[equal.number] = member_row(equal, store / equal.key, plan.file.outputs)
            _tabulate(plan, rows, folder)
            log.info("member %d (%s): %s in %.1f s", member.number, member.text, facts["status"], ended.seconds)
            if progress is not None:
                progress(count / len(jobs), f"{count} of {len(jobs)} runs")


def _answer(plan: Plan, rows: dict[int, Row], folder: Path, retry: bool, ranks: int, at_once: int, progress,
            batch: Sequence[Member]) -> list[Row]:
    """Rows of a batch of a search, of which is run what the store does not have."""
    asked, before, wanted = replace(plan, members=tuple(batch)), len(rows), plan.file.optimise.runs
    store = _link_known(asked, folder, retry)
    rows |= {member.number: member_row(member, store / member.key, plan.file.outputs) for member in batch}
    todo = {m.key: m for m in batch if rows[m.number]["status"] == WAITING}

    def shown(share: float, text: str) -> None:
        progress((before + share * len(batch)) / wanted, f"{text} of this batch; {before} of {wanted} before")

    _run_all(asked, todo, rows, folder, ranks, at_once, shown if progress is not None else None)
    return [rows[member.number] for member in batch]


def _tabulate(plan: Plan, rows: dict[int, Row], folder: Path) -> None:
    write_csv(folder / "study.csv", columns_of(plan, list(rows.values())), list(rows.values()))


def _keep(ended: Ended, member: Member, ranks: int, store: Path) -> dict:
    """Note how a member ended and move its folder to the store, whole; another study may have been faster."""
    record, folder = read_run(ended.job.folder), store / member.key
    if record and record.get("hash") != member.hash:
        status, reason = "failed", "the case, or a material, was changed while the study ran; say --retry"
    elif record and ended.status in KEPT:
        status, reason = record["status"], record.get("reason")
    else:
        status, reason = "failed", _last_words(ended)
    facts = {"status": status, "reason": reason, "wall_s": round(ended.seconds, 3), "ranks": ranks,
             "interfem": versions().get("interfem"), "hash": member.hash}
    write_json(ended.job.folder / "member.json", facts)
    if read_facts(folder) is None:
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(ended.job.folder, folder)
    return facts


def _last_words(ended: Ended) -> str:
    """The error that a run told, or the last line that it wrote."""
    lines = (ended.job.folder / "output.txt").read_text(encoding="utf-8", errors="replace").split("\n")
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    told = errors or [line for line in lines if line.strip()][-1:]
    ending = f"signal {-ended.status}" if ended.status < 0 else f"exit status {ended.status}"
    return "; ".join(told) if told and ended.status == 2 else f"ended by {ending}: {'; '.join(told) or 'it said nothing'}"


# ---- the end ----------------------------------------------------------------------------------------------------------


def _close(plan: Plan, rows: list[Row], folder: Path) -> Outcome:
    """Tables and figures of what there is."""
    figures = draw_figures(plan, rows, folder / "figures") + list(find(plan, rows, folder))
    columns = columns_of(plan, rows)
    write_csv(folder / "study.csv", columns, rows)
    write_parquet(folder / "study.parquet", folder / "study.csv", columns, rows)
    for text in _doubts(plan, rows):
        log.warning("caution: %s", text)
    return _outcome(folder, read_table(folder / "study.csv"), figures, [])


def _doubts(plan: Plan, rows: list[Row]) -> Iterator[str]:
    """Outputs that no run has, and runs made by another version."""
    done = [row for row in rows if row["status"] not in (WAITING, "failed")]
    known = {name for row in done for name in row}
    for n, output in enumerate(plan.file.outputs):
        if done and output.column not in known and not any(np.isfinite(row[output.title]) for row in done):
            yield f"outputs[{n}]: no run has a column {output.column!r}{suggestion(output.column, known)}"
    made = {row["interfem"] for row in rows if row["status"] != WAITING} - {versions().get("interfem")}
    if made:
        yield f"some runs were made by interfem {', '.join(map(str, sorted(made)))}; remove their folders to run them again"


def read_status(folder: Path) -> Outcome:
    """How the study in a folder stands, also while it runs. StudyError if there is none."""
    try:
        rows = read_table(folder / "study.csv")
    except OSError:
        raise StudyError(f"{folder}: no study in this folder (no study.csv); give one such as runs/void_closure") from None
    return _outcome(folder, rows, sorted(folder.glob("figures/*.png")), sorted(path.name for path in folder.glob("running/*")))


def _outcome(folder: Path, rows: list[dict[str, str]], figures: list[Path], active: list[str]) -> Outcome:
    """From the rows of study.csv, in which what stands before the status of a failed member are its parameters."""
    failed = []
    for row in rows:
        if row["status"] == "failed":
            names = [name for name in list(row)[1 : list(row).index("status")] if row[name]]
            failed.append((row["member"], ", ".join(f"{name} = {row[name]}" for name in names), row["reason"]))
    return Outcome(folder, dict(Counter(row["status"] for row in rows)), failed, figures, active)
