"""Pictures of a finished run, made from the files of its folder: `run_figures`."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path

from ..case import Case
from .curves import draw_interfaces, draw_times
from .cycles import draw_cycles
from .data import Run, open_run
from .maps import draw_maps
from .section import section_of

__all__ = ["run_figures"]

log = logging.getLogger("interfem")


def run_figures(folder: str | Path, case: Case | None = None, record: Mapping | None = None) -> list[Path]:
    """Draw everything that a run has into `figures/*.png`: fields with close-ups, curves along the interfaces, over time and cycles.

    `case` and `record` are read back from the folder where they are None. Fields are those of the last output at which a current
    passed: a rest at the end of the protocol has none to show. A picture that fails is told in the log and left out.
    """
    run = open_run(folder, record, case)
    target = run.folder / "figures"
    target.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    for draw in (_times, _cycles, _interfaces, _maps, _solid):
        made += _attempt(draw, run, target)
    return made


def _attempt(draw: Callable[[Run, Path], list[Path | None]], run: Run, target: Path) -> list[Path]:
    try:
        return [path for path in draw(run, target) if path is not None]
    except Exception as error:  # a run is worth more than its pictures
        log.warning("figures:%s could not be drawn: %s: %s", draw.__name__.replace("_", " "), type(error).__name__, error)
        return []


def _times(run: Run, target: Path) -> list[Path | None]:
    return [draw_times(run, target / "time.png")]


def _cycles(run: Run, target: Path) -> list[Path | None]:
    return [draw_cycles(run, target / "cycles.png")]


def _interfaces(run: Run, target: Path) -> list[Path | None]:
    return [draw_interfaces(run, target / "interface.png")]


def _maps(run: Run, target: Path) -> list[Path]:
    section = section_of(run)
    return draw_maps(run, section, target) if section is not None else []


def _solid(run: Run, target: Path) -> list[Path]:
    if run.kind != "box":
        return []
    from .solid import draw_solid

    return draw_solid(run, target)
