"""What a study makes of its runs beyond the table: the optimum of a search, and sensitivities; records, figures, words."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from ..observe.record import write_json
from .gather import WAITING, Row
from .optimum import marked, record, standing
from .optimum import told as told_optimum
from .optimum_charts import draw_indices, draw_search
from .plan import Plan
from .search import asked_members
from .sensitivity import DOUBTFUL, sensitivity, write_indices
from .sensitivity import told as told_sensitivity

log = logging.getLogger("interfem")
OPTIMUM, INDICES, SEARCH = "optimum.json", "sensitivity.csv", "search.json"


def find(plan: Plan, rows: Sequence[Row], folder: Path) -> Iterator[Path]:
    """Write the optimum and the sensitivities that the study asks for, add what the table tells of them to its rows; figures as drawn."""
    for stale in (OPTIMUM, INDICES):
        (folder / stale).unlink(missing_ok=True)
    if not rows:  # a search that was ended before its first batch
        return
    members = plan.members if plan.file.optimise is None else asked_members(plan, folder / SEARCH)
    if plan.file.optimise is not None:
        found = standing(rows, plan, plan.file.optimise)
        marked(rows, found)
        write_json(folder / OPTIMUM, record(plan, members, rows, found))
        yield from _drawn(lambda: draw_search(plan, rows, found, folder / "figures"))
    if plan.file.sensitivity is not None:
        if any(row["status"] == WAITING for row in rows):
            return
        moved = sensitivity(plan, members, rows)
        for entry in moved:
            if entry.explained < DOUBTFUL:
                text = "caution: the surrogate of %s explains only %.2f of the points left out; more runs would tell more"
                log.warning(text, entry.output, entry.explained)
        if moved:
            write_indices(folder / INDICES, moved)
            yield from _drawn(lambda: [draw_indices(plan, moved, folder / "figures" / "sensitivity.png")])
        else:
            log.warning("caution: too few runs have the outputs whose sensitivity is asked for")


def _drawn(draw: Callable[[], list[Path]]) -> list[Path]:
    """Figures; one that fails is told in the log and left out, as those of the table are."""
    try:
        return draw()
    except Exception as error:  # records and tables are worth more than their pictures
        log.warning("a figure could not be drawn: %s: %s", type(error).__name__, error)
        return []


def told(folder: Path) -> Iterator[str]:
    """Lines on what the records in a folder say."""
    if (folder / OPTIMUM).is_file():
        yield from told_optimum(json.loads((folder / OPTIMUM).read_text(encoding="utf-8")))
    if (folder / INDICES).is_file():
        yield from told_sensitivity(folder / INDICES)
