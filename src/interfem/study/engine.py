"""Where members run: jobs in, the ended ones out as they end. `Local` is this machine, `slurm.Slurm` a cluster."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

LOOK = 0.05  # s between looks at the processes
GRACE = 10.0  # s that a process has to end when asked to
OUTER = ("PMI", "SLURM", "SUBMITIT_")  # what an outer launch leaves in the environment


class Cancelled(Exception):
    """The study was cancelled from elsewhere; what has ended by then has been told."""


@dataclass(frozen=True)
class Job:
    """A serial command that writes into a folder of its own, where its messages go to output.txt too; the engine adds the ranks."""

    key: str
    command: tuple[str, ...]
    folder: Path


@dataclass(frozen=True)
class Ended:
    """A job that has ended: its exit status (negative: the signal that ended it) and how long it took, s; NaN if that is not known.

    `reason` says why it was cut off, where that came from outside, as by a scheduler.
    """

    job: Job
    status: int
    seconds: float
    reason: str = ""


class Engine(Protocol):
    """What runs the members of a study, or of a batch of them."""

    @property
    def ranks(self) -> int:
        """Ranks of each run."""

    @property
    def at_once(self) -> int:
        """How many run at once, at most: the size of a batch that leaves nothing idle."""

    def run(self, jobs: list[Job]) -> Iterator[Ended]:
        """Each job once, as it ends, in any order. Cancelled if the study was cancelled from elsewhere meanwhile."""

    def under_way(self) -> set[str]:
        """Keys of jobs that go on without this process; their folders are not to be touched."""


@dataclass(frozen=True)
class Local:
    """This machine."""

    ranks: int
    at_once: int

    def run(self, jobs: list[Job]) -> Iterator[Ended]:
        """Some at once, in their order. Closing the iterator, or an exception, ends those under way."""
        waiting, running = list(jobs), {}
        try:
            while waiting or running:
                while waiting and len(running) < self.at_once:
                    job = waiting.pop(0)
                    with undisturbed():  # or what has been started would not be known, and go on by itself
                        running[job] = (start(job, self.ranks, "mpirun"), time.monotonic())
                time.sleep(LOOK)
                for job, (process, started) in list(running.items()):
                    if process.poll() is not None:
                        del running[job]
                        yield Ended(job, process.returncode, time.monotonic() - started)
        finally:
            end([process for process, _ in running.values()], GRACE)

    def under_way(self) -> set[str]:
        return set()


def cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0))


def run_command(case: Path, overrides: tuple[str, ...], folder: Path) -> tuple[str, ...]:
    """`interfem run` with this Python; it goes on from a checkpoint if the folder has one."""
    words = [sys.executable, "-m", "interfem.cli", "run", str(case), "--restart", str(folder), "--quiet"]
    for text in overrides:
        words += ["--set", text]
    return tuple(words)


# ---- processes --------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def undisturbed() -> Iterator[None]:
    """SIGINT and SIGTERM wait for the end of the block; they come to the main thread alone."""
    came: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, lambda one, _: came.append(one)) for number in (signal.SIGINT, signal.SIGTERM)} if main else {}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came:
            signal.raise_signal(number)


def start(job: Job, ranks: int, launcher: str) -> subprocess.Popen:
    """In a session of its own: an interrupt from the keyboard reaches it through `end` only."""
    job.folder.mkdir(parents=True, exist_ok=True)
    with open(job.folder / "output.txt", "w", encoding="utf-8") as file:
        return subprocess.Popen(launched(job.command, ranks, launcher), stdin=subprocess.DEVNULL, stdout=file,
                                stderr=subprocess.STDOUT, env=environment(ranks, launcher), start_new_session=True)


def launched(command: tuple[str, ...], ranks: int, launcher: str) -> tuple[str, ...]:
    """A command on a number of ranks; the launcher may have options, as in "srun --mpi=pmi2"."""
    if ranks == 1:
        return command
    first, *options = launcher.split()
    return (own_mpirun() if first == "mpirun" else first, *options, "-n", str(ranks), *command)


def own_mpirun() -> str:
    """The mpirun beside this Python, which fits its MPI."""
    own = Path(sys.prefix) / "bin" / "mpirun"
    return str(own) if own.is_file() else shutil.which("mpirun") or "mpirun"


def by_srun(ranks: int, launcher: str) -> bool:
    return ranks > 1 and Path(launcher.split()[0]).name == "srun"


def environment(ranks: int, launcher: str) -> dict[str, str]:
    """Of a run. srun needs what Slurm has set; a serial run and mpirun on one node take it for a launch of their own."""
    keep = by_srun(ranks, launcher)
    return {"OMP_NUM_THREADS": "1"} | {name: text for name, text in os.environ.items() if keep or not name.startswith(OUTER)}


def end(processes: list[subprocess.Popen], grace: float, ask: Callable[[subprocess.Popen], object] = subprocess.Popen.terminate) -> None:
    """Ask processes to end and give them some time, in s; then end all that they have started and left."""
    until = time.monotonic() + grace
    for process in processes:
        ask(process)
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(0.0, until - time.monotonic()))
    for process in processes:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
