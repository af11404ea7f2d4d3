"""A study from its file to its tables and figures: run what is missing, keep what has ended, gather everything.

    runs/store/<hash>       one run folder for each different case; all studies beside each other share them
    runs/<study>/members/   links to those of this study
    runs/<study>/running/   runs under way; they move to the store as they end
    runs/<study>/slurm/     what has been sent to Slurm

A search asks for its members batch by batch; each batch is run as the members of a study are.
"""

from __future__ import annotations

import fcntl
import logging
import math
import os
import re
import shutil
import signal
import socket
import time
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
from ..restart import TERMINATED, saved_state
from .charts import draw_figures
from .engine import Cancelled, Ended, Engine, Job, run_command
from .file import StudyError
from .findings import SEARCH, find, told
from .gather import WAITING, Row, columns_of, member_row, read_facts, read_run, read_table, write_csv, write_parquet
from .plan import KEY, Member, Plan, make_plan
from .search import search
from .site import make_engine, settled

log = logging.getLogger("interfem")
STORE = "store"
LOCK = ".lock"
SIGNALLED = re.compile(r"EXIT STRING: .*\(signal (?P<number>\d+)\)")  # what mpirun says of a rank
KEPT = (0, 3)  # exit statuses of `interfem run` that leave a record


@dataclass(frozen=True)
class Outcome:
    """How a study stands: its folder, members by status, and (member, parameters, reason) of those that failed."""

    folder: Path
    counts: dict[str, int]
    failed: list[tuple[str, str, str]]
    figures: list[Path]
    active: list[str]  # members under way, with their run folders
    queue: str = ""  # jobs of Slurm by their states

    @property
    def told(self) -> list[str]:
        """Lines on the optimum and on sensitivities."""
        return list(told(self.folder))

    @property
    def exit_status(self) -> int:
        return 3 if self.failed or self.counts.get(WAITING) else 0


def default_folder(path: Path) -> Path:
    return Path("runs") / path.stem


def run_study(path: Path, folder: Path, *, engine: str | None = None, site: Path | None = None, ranks: int | None = None,
              jobs: int | None = None, detach: bool = False, yes: bool = False, retry: bool = False,
              progress: Progress | None = None) -> Outcome:
    """Run the members that have not ended yet, `jobs` at once on `ranks` each; with `retry` those that failed too; then gather.

    What is not given here the study says, or else the site file. With `detach` members are sent to Slurm, and this does not wait. An
    interrupt (SIGINT, SIGTERM) ends local runs under way and gathers what there is; called again, it goes on. StudyError before
    anything has run.
    """
    plan = make_plan(path, yes)
    settings = settled(plan.file.engine, site, name=engine, ranks=ranks, jobs=jobs)
    if detach and settings.name == "local":
        raise StudyError("--detach: local runs end with the study; say --engine slurm, or leave it out")
    if detach and plan.file.optimise is not None:
        raise StudyError("--detach: a search waits for the answers to each batch; leave it out")
    used = make_engine(settings, folder, path)
    with claimed(folder):
        store = _prepare(plan, folder, retry, used)
        rows = rows_of(plan, store)
        todo = {m.key: m for m in plan.members if rows[m.number]["status"] == WAITING}
        log.info("%s: %d members, %d to run, %d at once on %d rank(s)", plan.file.title, len(rows), len(todo), used.at_once, used.ranks)
        if detach:
            tabulate(plan, rows, folder)
            used.send(jobs_of(plan, todo, folder))
            return read_status(folder)
        try:
            with terminable():
                if plan.file.optimise is None:
                    run_all(plan, todo, rows, folder, used, progress)
                else:
                    search(plan, folder / SEARCH, used.at_once, partial(_answer, plan, rows, folder, retry, used, progress))
        except KeyboardInterrupt:
            log.warning("interrupted: what has ended is kept, local runs under way are given up, jobs of Slurm go on; "
                        "the same command goes on")
        except Cancelled:
            log.warning("the study was cancelled; what has ended is kept, and the same command goes on")
        tidy(folder, used)
        return close(plan, rows, folder)


def rows_of(plan: Plan, store: Path) -> dict[int, Row]:
    """What is known of all members, by their numbers."""
    return {member.number: member_row(member, store / member.key, plan.file) for member in plan.members}


def jobs_of(plan: Plan, todo: dict[str, Member], folder: Path) -> list[Job]:
    places = {key: (folder / "running" / key).absolute() for key in todo}
    return [Job(key, run_command(plan.case.absolute(), member.overrides, places[key]), places[key]) for key, member in todo.items()]


@contextmanager
def claimed(folder: Path, patience: float = 0.0) -> Iterator[None]:
    """The study folder for this process alone; waits for another one as long as its patience, in s, lasts."""
    if folder.name == STORE:
        raise StudyError(f"{folder}: is where run folders are stored; choose another folder with --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = open(folder / LOCK, "a+")
    except OSError as error:
        raise StudyError(f"{folder}: cannot be written ({error.strerror}); choose another folder with --out") from None
    with file:
        until = time.monotonic() + patience
        while not _locked(file):
            if time.monotonic() > until:
                raise StudyError(f"{folder}: another study works in this folder; wait for it, or choose another with --out")
            time.sleep(1.0)
        file.truncate(0)
        file.write(f"{os.getpid()} {socket.gethostname()}")
        file.flush()
        yield


def _locked(file) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def holder(folder: Path) -> tuple[int, str] | None:
    """(process, machine) of the study that works in a folder; None if none does."""
    try:
        with open(folder / LOCK, encoding="utf-8") as file:
            if _locked(file):
                return None
            process, machine = file.read().split()
            return int(process), machine
    except (FileNotFoundError, ValueError):  # ValueError: it has just begun
        return None


@contextmanager
def terminable() -> Iterator[None]:
    """SIGTERM ends a study as an interrupt from the keyboard does."""
    old = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, old)


def _prepare(plan: Plan, folder: Path, retry: bool, engine: Engine) -> Path:
    """The store of run folders. What a study that was killed left half done is to go on, and with `retry` what has failed."""
    tidy(folder, engine)
    shutil.rmtree(folder / "members", ignore_errors=True)
    for needed in (folder / "members", folder / "running", folder.parent / STORE):
        needed.mkdir(exist_ok=True)
    shutil.copyfile(plan.path, folder / "study.toml")
    return _link_known(plan, folder, retry)


def _link_known(plan: Plan, folder: Path, retry: bool) -> Path:
    """Links to the members that the store has; with `retry` those that failed are taken out of it."""
    store, running = folder.parent / STORE, folder / "running"
    for key in {member.key for member in plan.members if not member.fault}:
        facts = read_facts(store / key)
        if retry and facts is not None and facts["status"] == "failed":
            _again(store / key, running / key)
        elif facts is not None:
            _link(store / key, folder)
    return store


def _again(kept: Path, run: Path) -> None:
    """A failed run out of the store, to go on from its checkpoint if it was cut off; one that failed by itself begins anew."""
    record = read_run(kept)
    if saved_state(kept) and record.get("event", TERMINATED) == TERMINATED and not run.exists():
        (kept / "member.json").unlink()
        os.replace(kept, run)
    else:
        shutil.rmtree(kept)


def tidy(folder: Path, engine: Engine) -> None:
    """Remove what runs under way have left, unless they go on, or can go on from a checkpoint."""
    for left in (folder / "running").glob("*"):
        if left.name not in engine.under_way() and saved_state(left) is None:
            shutil.rmtree(left, ignore_errors=True)


def _link(run: Path, folder: Path) -> None:
    link = folder / "members" / run.name
    link.unlink(missing_ok=True)
    link.symlink_to(os.path.relpath(run, link.parent))


def run_all(plan: Plan, todo: dict[str, Member], rows: dict[int, Row], folder: Path, engine: Engine, progress: Progress | None) -> None:
    """Run members; each that ends goes to the store, into its rows (equal cases share one run) and into study.csv."""
    tabulate(plan, rows, folder)
    with closing(engine.run(jobs_of(plan, todo, folder))) as ended_jobs:
        take(ended_jobs, plan, todo, rows, folder, engine.ranks, progress)


def take(ended_jobs: Iterator[Ended], plan: Plan, todo: dict[str, Member], rows: dict[int, Row], folder: Path, ranks: int,
         progress: Progress | None) -> None:
    """Each job that has ended goes to the store, into the rows of its members and into study.csv."""
    store = folder.parent / STORE
    for count, ended in enumerate(ended_jobs, 1):
        member = todo[ended.job.key]
        facts = _keep(ended, member, ranks, store)
        _link(store / member.key, folder)
        for equal in plan.members:
            if equal.key == member.key:
                rows[equal.number] = member_row(equal, store / equal.key, plan.file)
        tabulate(plan, rows, folder)
        took = f" in {ended.seconds:.1f} s" if math.isfinite(ended.seconds) else ""
        log.info("member %d (%s): %s%s", member.number, member.text, facts["status"], took)
        if progress is not None:
            progress(count / len(todo), f"{count} of {len(todo)} runs")


def _answer(plan: Plan, rows: dict[int, Row], folder: Path, retry: bool, engine: Engine, progress: Progress | None,
            batch: Sequence[Member]) -> list[Row]:
    """Rows of a batch of a search, of which is run what the store does not have."""
    asked, before, wanted = replace(plan, members=tuple(batch)), len(rows), plan.file.optimise.runs
    _link_known(asked, folder, retry)
    rows |= rows_of(asked, folder.parent / STORE)
    todo = {m.key: m for m in batch if rows[m.number]["status"] == WAITING}

    def shown(share: float, text: str) -> None:
        progress((before + share * len(batch)) / wanted, f"{text} of this batch; {before} of {wanted} before")

    run_all(asked, todo, rows, folder, engine, shown if progress is not None else None)
    return [rows[member.number] for member in batch]


def tabulate(plan: Plan, rows: dict[int, Row], folder: Path) -> None:
    write_csv(folder / "study.csv", columns_of(plan, list(rows.values())), list(rows.values()))


def _keep(ended: Ended, member: Member, ranks: int, store: Path) -> dict:
    """Note how a member ended and move its folder to the store, whole; another study may have been faster."""
    record, folder = read_run(ended.job.folder), store / member.key
    if record and record.get("hash") != member.hash:
        status, reason = "failed", "the case, or a material, was changed while the study ran; say --retry"
    elif ended.reason:
        status, reason = "failed", ended.reason
    elif record.get("event") == TERMINATED:
        status, reason = "failed", "ended by signal 15, with a checkpoint; --retry goes on from there"
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
    """The error that a run told, the signal that ended one of its ranks, or the last line that it wrote."""
    file = ended.job.folder / "output.txt"
    text = file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""
    errors = "; ".join(re.findall(r"^error: (.*)", text, re.MULTILINE))
    if ended.status == 2 and errors:
        return errors
    told = SIGNALLED.search(text)
    number = int(told["number"]) if told else -ended.status if ended.status < 0 else ended.status - 128
    if number > 0:
        return f"killed by signal {number}{', as when memory runs out' if number == signal.SIGKILL else ''}"
    return f"ended by exit status {ended.status}: {errors or text.strip().rpartition('\n')[2] or 'it said nothing'}"


# ---- the end ----------------------------------------------------------------------------------------------------------


def close(plan: Plan, found: dict[int, Row], folder: Path) -> Outcome:
    """Tables and figures of what there is."""
    rows = list(found.values())
    figures = draw_figures(plan, rows, folder / "figures") + list(find(plan, rows, folder))
    columns = columns_of(plan, rows)
    write_csv(folder / "study.csv", columns, rows)
    write_parquet(folder / "study.parquet", folder / "study.csv", columns, rows)
    for text in doubts(plan, rows):
        log.warning("caution: %s", text)
    return _outcome(folder, read_table(folder / "study.csv"), figures, [])


def doubts(plan: Plan, rows: list[Row]) -> Iterator[str]:
    """Outputs that no run has, and runs made by another version."""
    done = [row for row in rows if row["status"] not in (WAITING, "failed")]
    known = {name for row in done for name in row}
    for n, output in enumerate(plan.file.outputs):
        if done and output.column not in known and not any(np.isfinite(row[output.title]) for row in done):
            yield f"outputs[{n}]: no run has a column {output.column!r}{suggestion(output.column, known)}"
    for n, failure in enumerate(plan.file.failures):
        if done and not any(failure.limit.parts(known)):
            yield f"failures[{n}]: no run has a column {failure.column!r}{suggestion(failure.column, known)}"
    made = {row["interfem"] for row in rows if row["status"] != WAITING} - {versions().get("interfem")}
    if made:
        yield f"some runs were made by interfem {', '.join(map(str, sorted(made)))}; remove their folders to run them again"


def read_status(folder: Path) -> Outcome:
    """How the study in a folder stands, also while it runs. StudyError if there is none."""
    try:
        rows = read_table(folder / "study.csv")
    except OSError:
        raise StudyError(f"{folder}: no study in this folder (no study.csv); give one such as runs/void_closure") from None
    figures = sorted(folder.glob("figures/*.png"))
    if not (folder / "slurm").is_dir():
        return _outcome(folder, rows, figures, _active(rows, {path.name for path in folder.glob("running/*")}))
    from .slurm import look, read_sent, told_queue  # submitit is slow to load

    jobs = read_sent(folder)["jobs"]
    seen = look(jobs.values()) if jobs else {}
    running = {key for key, number in jobs.items() if seen and number in seen and seen[number].state == "RUNNING"}
    return replace(_outcome(folder, rows, figures, _active(rows, running)), queue=told_queue(jobs.values(), seen) if jobs else "")


def _active(rows: list[dict[str, str]], keys: set[str]) -> list[str]:
    return [f"member {row['member']} (running/{row['hash'][:KEY]})" for row in rows if row["hash"][:KEY] in keys]


def _outcome(folder: Path, rows: list[dict[str, str]], figures: list[Path], active: list[str]) -> Outcome:
    """From the rows of study.csv, in which what stands before the status of a failed member are its parameters."""
    failed = []
    for row in rows:
        if row["status"] == "failed":
            names = [name for name in list(row)[1 : list(row).index("status")] if row[name]]
            failed.append((row["member"], ", ".join(f"{name} = {row[name]}" for name in names), row["reason"]))
    return Outcome(folder, dict(Counter(row["status"] for row in rows)), failed, figures, active)
