"""Pictures of a finished run, made from the files of its folder: `run_figures`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from ..case import Case
from .curves import draw_interfaces, draw_times
from .data import open_run
from .maps import draw_maps
from .views import section_of

__all__ = ["run_figures"]


def run_figures(folder: str | Path, case: Case | None, record: Mapping | None = None) -> list[Path]:
    """Draw everything that a run has into `figures/*.png`: fields with close-ups, curves along the interfaces and over time.

    `case` and `record` are read back from the folder where they are None. Fields are those of the last output at which a current
    passed: a rest at the end of the protocol has none to show.
    """
    run = open_run(folder, record, case)
    target = run.folder / "figures"
    target.mkdir(parents=True, exist_ok=True)
    made = [draw_times(run, target / "time.png"), draw_interfaces(run, target / "interface.png")]
    section = section_of(run)
    if section is not None:
        made += draw_maps(run, section, target)
        if run.kind == "box":
            from .solid import draw_solid

            made += draw_solid(run, target)
    return [path for path in made if path is not None]
