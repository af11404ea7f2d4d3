"""What a command tells while it works: a bar on a terminal, else lines of log on rank 0."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

log = logging.getLogger("interfem")

NOISY = ("ffcx", "FFCX", "ufl", "UFL", "basix", "dolfinx", "matplotlib", "PIL", "fontTools", "pyvista", "h5py")
EVERY = 0.1  # of a run: a line
PATIENCE = 20.0  # s between lines at most
Progress = Callable[[float, str], None]


class _Stderr(logging.Handler):
    """To the standard error of the moment, which a progress bar replaces while it is drawn."""

    def emit(self, record: logging.LogRecord) -> None:
        print(self.format(record), file=sys.stderr, flush=True)


def set_up_logging(rank: int, quiet: bool = False) -> None:
    """Lines of "interfem" to standard error on rank 0, warnings only if quiet; other packages only from errors on."""
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.ERROR)
    log.handlers[:] = []
    log.propagate = False
    if rank > 0:
        log.addHandler(logging.NullHandler())
        return
    handler = _Stderr(logging.WARNING if quiet else logging.INFO)
    handler.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)


@contextmanager
def reporting(size: int, quiet: bool = False, first: str = "mesh and compile") -> Iterator[Progress | None]:
    """`progress(fraction, text)` of a command: a bar on a terminal and one rank, else a line now and then; None if quiet.

    `first` is told until the first call.
    """
    if quiet:
        yield None
    elif size == 1 and sys.stderr.isatty():
        yield from _bar(first)
    else:
        yield _Lines()


def _bar(first: str) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    columns = (BarColumn(), TaskProgressColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(first, total=1.0)
        yield lambda fraction, text: bar.update(task, completed=fraction, description=text)


class _Lines:
    """A line at every tenth of the run, and when there was none for a while."""

    def __init__(self):
        self.next, self.last = EVERY, time.monotonic()

    def __call__(self, fraction: float, text: str) -> None:
        if fraction >= self.next or time.monotonic() - self.last > PATIENCE:
            log.info("%3.0f %%  %s", 100 * fraction, text)
            self.next, self.last = EVERY * (int(fraction / EVERY) + 1), time.monotonic()
