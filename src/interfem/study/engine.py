"""Where members run. One function, `run_local`: jobs in, the ended ones out as they end; another engine has the same shape."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

LOOK = 0.05  # s between looks at the processes
GRACE = 10.0  # s that a process has to end when asked to


@dataclass(frozen=True)
class Job:
    """A command that writes into a folder of its own, where its messages go to output.txt too."""

    key: str
    command: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Ended:
    """A job that has ended: its exit status (negative: the signal that ended it) and how long it took, s."""

    job: Job
    status: int
    seconds: float


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_command(case: Path, overrides: tuple[str, ...], folder: Path, ranks: int) -> tuple[str, ...]:
    """`interfem run` with this Python, on a number of ranks."""
    words = [sys.executable, "-m", "interfem.cli", "run", str(case), "--out", str(folder), "--quiet"]
    for text in overrides:
        words += ["--set", text]
    return tuple(words) if ranks == 1 else (launcher(), "-n", str(ranks), *words)


def launcher() -> str:
    """The mpirun beside this Python, which fits its MPI."""
    own = Path(sys.prefix) / "bin" / "mpirun"
    return str(own) if own.is_file() else shutil.which("mpirun") or "mpirun"


def run_local(jobs: list[Job], at_once: int) -> Iterator[Ended]:
    """Run jobs on this machine, some at once, in their order. Closing the iterator, or an exception, ends those under way."""
    waiting, running = list(jobs), {}
    try:
        while waiting or running:
            while waiting and len(running) < at_once:
                job = waiting.pop(0)
                running[job] = (_start(job), time.monotonic())
            time.sleep(LOOK)
            for job, (process, started) in list(running.items()):
                if process.poll() is not None:
                    del running[job]
                    yield Ended(job, process.returncode, time.monotonic() - started)
    finally:
        _end([process for process, _ in running.values()])


def _start(job: Job) -> subprocess.Popen:
    """In a session of its own: an interrupt from the keyboard reaches it through `_end` only."""
    job.folder.mkdir(parents=True)
    with open(job.folder / "output.txt", "w", encoding="utf-8") as file:
        return subprocess.Popen(job.command, stdin=subprocess.DEVNULL, stdout=file, stderr=subprocess.STDOUT,
                                env={"OMP_NUM_THREADS": "1"} | os.environ, start_new_session=True)


def _end(processes: list[subprocess.Popen]) -> None:
    """End processes, and then all that they have started and left."""
    until = time.monotonic() + GRACE
    for process in processes:
        process.terminate()
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
