"""What is done to a study from outside the process that runs it: gather what has ended, cancel."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
from pathlib import Path

from .engine import Cancelled
from .file import EngineTable, StudyError
from .gather import WAITING
from .plan import make_plan
from .study import STORE, Outcome, claimed, close, holder, jobs_of, read_status, rows_of, take, terminable, tidy

log = logging.getLogger("interfem")
PATIENCE = 900.0  # s for another process that gathers


def collect(folder: Path, progress=None) -> Outcome:
    """Gather the members that were sent to Slurm, as they end; nothing new is run. StudyError if none were sent.

    What a search has asked for stays for its command, which goes on with it.
    """
    from .slurm import Slurm, read_sent

    if not (folder / "study.toml").is_file():
        read_status(folder)  # tells what is wrong
    with claimed(folder, PATIENCE):
        sent = read_sent(folder)
        if sent["study"] is None:
            raise StudyError(f"{folder}: nothing of this study was sent to Slurm; run interfem study with its file")
        engine = Slurm(EngineTable(ranks=sent["ranks"]), folder, Path(sent["study"]))
        plan = make_plan(engine.study, yes=True)
        if plan.file.optimise is not None:
            return read_status(folder)
        rows = rows_of(plan, folder.parent / STORE)
        todo = {m.key: m for m in plan.members if rows[m.number]["status"] == WAITING and m.key in sent["jobs"]}
        try:
            with terminable():
                take(engine.gather(jobs_of(plan, todo, folder)), plan, todo, rows, folder, engine.ranks, progress)
        except KeyboardInterrupt:
            log.warning("interrupted: what has been gathered is kept")
        except Cancelled:
            log.warning("cancelled: what has ended is kept, and the command of the study goes on with the rest")
        tidy(folder, engine)
        return close(plan, rows, folder)


def cancel(folder: Path) -> Outcome:
    """End what a study has under way, here or in the queue of Slurm, and gather the rest; its command goes on later. StudyError."""
    from .slurm import cancel as cancel_jobs

    read_status(folder)
    count, working = cancel_jobs(folder), holder(folder)
    if working is None:
        return collect(folder) if count else read_status(folder)
    process, machine = working
    if not count:
        if machine != socket.gethostname():
            raise StudyError(f"{folder}: process {process} on {machine} runs this study; cancel it there")
        os.kill(process, signal.SIGTERM)
    until = time.monotonic() + PATIENCE
    while holder(folder) is not None and time.monotonic() < until:
        time.sleep(0.2)
    return read_status(folder)
