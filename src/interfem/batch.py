"""Manners in batch jobs: when to leave a checkpoint, when to end, and that one rank's trouble with a disk is everyone's."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from mpi4py import MPI

NOTHING, CHECKPOINT, END = range(3)  # what is asked for, by rising urgency
SIGNALS = {signal.SIGUSR1: CHECKPOINT, signal.SIGTERM: END}


class OutputError(Exception):
    """A file of the run cannot be written; the text tells which and why. Raised on all ranks alike."""


@dataclass(frozen=True)
class Turn:
    """What is to be done after a step, the same on all ranks."""

    checkpoint: bool
    end: bool


class Batch:
    """From `with` on signals are noted: SIGUSR1 asks for a checkpoint, SIGTERM for one and the end. All ranks hold one."""

    def __init__(self, comm: MPI.Comm, interval: float):
        """`interval`: s of wall time between checkpoints."""
        self.comm, self.interval = comm, interval
        self.asked = NOTHING
        self.last = time.monotonic()
        self._before: dict[signal.Signals, object] = {}

    def __enter__(self) -> Batch:
        if threading.current_thread() is threading.main_thread():  # no other may listen
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(self, *_) -> None:
        for number, handler in self._before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _: FrameType | None) -> None:
        self.asked = max(self.asked, SIGNALS[signal.Signals(number)])

    def turn(self) -> Turn:
        """After a step. Launchers hand signals to some ranks sooner than to others; the clock is that of rank 0."""
        due = CHECKPOINT if self.comm.rank == 0 and time.monotonic() - self.last >= self.interval else NOTHING
        asked = self.comm.allreduce(max(self.asked, due), MPI.MAX)
        if asked:
            self.asked, self.last = NOTHING, time.monotonic()
        return Turn(asked >= CHECKPOINT, asked >= END)


def together(comm: MPI.Comm, place: Path, action: Callable[[], object]) -> None:
    """Do what may fail on one rank for its disk; OutputError on all ranks then. No rank may wait for others inside `action`."""
    problem = ""
    try:
        action()
    except OSError as error:
        problem = f"{error.filename or place}: cannot be written ({error.strerror or error})"
    for text in comm.allgather(problem):
        if text:
            raise OutputError(text)
