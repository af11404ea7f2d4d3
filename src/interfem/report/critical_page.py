"""The page of a search for the critical current: what fails first at which pressure, temperature and current."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ..failures import AT_ONCE, event_name
from ..observe.record import versions
from .blocks import Cell, Notes, Page, Section, Table, Text, embedded, told_on_the_way
from .charts import outcome_map
from .cite import citation
from .words import event_words, number, time_words

PASSED = "passed"
PRESSURE, TEMPERATURE, CURRENT = "stack pressure (MPa)", "temperature (°C)", "current density (mA/cm²)"


@dataclass(frozen=True)
class Search:
    """A folder of `interfem critical` as its critical.json holds it."""

    folder: Path
    record: Mapping[str, Any]

    @property
    def conditions(self) -> list[Mapping[str, Any]]:
        return self.record["conditions"]

    @cached_property
    def trials(self) -> list[tuple[Mapping[str, Any], Mapping[str, Any]]]:
        """(condition, trial) of all runs."""
        return [(condition, trial) for condition in self.conditions for trial in condition["trials"]]

    def run_folder(self, condition: Mapping, trial: Mapping) -> Path | None:
        """Where the run of a trial is: below the folder of its condition if there are several."""
        pressure, kelvin = condition["pressure"], condition["temperature"]
        parts = [f"{pressure:g}MPa" if pressure is not None else "", f"{kelvin:g}K"]
        places = ["-".join(filter(None, parts)), *filter(None, parts), "."]
        return next((path for name in places if (path := self.folder / name / trial["folder"]).is_dir()), None)


def critical_page(folder: Path, target: Path, progress: Callable[[float, str], None]) -> Page:
    """The page of the search in a folder; links are relative to the page `target`. OSError or ValueError if there is none."""
    record = json.loads((folder / "critical.json").read_text(encoding="utf-8"))
    if not record.get("conditions"):
        raise ValueError("holds no conditions")
    search = Search(folder, record)
    parts = {"result": _result, "map": _map, "trials": lambda search: _trials(search, target), "citation": _cite}
    sections = told_on_the_way(search, parts, progress)
    unsolved = any(c["failed"] and c["failed"]["mode"] == "unsolved" for c in search.conditions)
    return Page(
        str(record.get("title", folder.name)),
        f"Critical current, {folder.resolve().name}",
        ("not solved at some conditions", "caution") if unsolved else ("bracketed", "good"),
        ("The smallest current density at which something gives out, by runs at growing and halved brackets; what that is, and where.",),
        tuple(_tiles(search)),
        tuple(section for section in sections if section is not None),
    )


def _tiles(search: Search):
    found = [c["failed"]["density"] / 10 for c in search.conditions if c["failed"]]
    if found:
        low, high = number(min(found), 3), number(max(found), 3)
        yield "critical current", low if low == high else f"{low} … {high}", "mA/cm²"
    yield "conditions", str(len(search.conditions)), ""
    yield "runs", str(len(search.trials)), ""


def _place(condition: Mapping) -> tuple[str, ...]:
    """Pressure, of a search that has one, and temperature."""
    pressure = condition["pressure"]
    return (*([number(pressure)] if pressure is not None else []), number(condition["temperature"] - 273.15))


def _heads(search: Search, *before: str) -> tuple[str, ...]:
    return (*before, *([PRESSURE] if search.conditions[0]["pressure"] is not None else []), TEMPERATURE)


def _result(search: Search) -> Section:
    rows = []
    for c in search.conditions:
        failed, passed = c["failed"], c["passed"]
        rows.append((*_place(c), number(failed["density"] / 10) if failed else "none", number(passed["density"] / 10) if passed else "none",
                     failed["mode"] if failed else "nothing fails", failed["where"] if failed else "", _after(failed)))  # fmt: skip
    head = (*_heads(search), "fails at (mA/cm²)", "passes at (mA/cm²)", "what", "where", "after")
    numbers = frozenset({*range(len(head) - 3), len(head) - 1})
    table = Table(head, tuple(rows), "The critical current lies between what passes and what fails.", numbers)
    picture = search.folder / "map.png"
    pictures = [embedded(picture, "Critical current over pressure and temperature.", "Map of the critical current")] if picture.is_file() else []
    return Section("result", "Critical current", (table, *pictures))


def _after(trial: Mapping | None) -> str:
    if not trial or trial["time"] is None or not math.isfinite(trial["time"]):
        return ""
    return time_words(trial["time"]) if trial["time"] > AT_ONCE else "at once"


def _map(search: Search) -> Section | None:
    """What came first in each run, over any two of pressure, temperature and current."""
    axes = {
        PRESSURE: [c["pressure"] if c["pressure"] is not None else math.nan for c, _ in search.trials],
        TEMPERATURE: [float(f"{c['temperature'] - 273.15:.6g}") for c, _ in search.trials],
        CURRENT: [float(f"{t['density'] / 10:.6g}") for _, t in search.trials],
    }
    axes = {name: values for name, values in axes.items() if len(set(values)) > 1}
    outcomes = [t["mode"] or PASSED for _, t in search.trials]
    times = [t["time"] if t["mode"] and t["time"] is not None else math.nan for _, t in search.trials]
    found = outcome_map([str(n) for n in range(1, len(outcomes) + 1)], axes, outcomes, times)
    if found is None:
        return None
    events = dict.fromkeys(t["event"] for _, t in search.trials if t["event"])
    lines = [f"{event_name(event)}: {event_words(event)}." for event in events]
    told = "What came first in each run. Axes that are not drawn stand at the value beside them."
    return Section("outcomes", "Failure-mode map", (Text((told,)), found, *([Notes(tuple(lines))] if lines else [])))


def _trials(search: Search, target: Path) -> Section:
    rows = []
    for n, (c, t) in enumerate(search.trials, 1):
        folder = search.run_folder(c, t)
        link = Cell(t["folder"], quote(os.path.relpath(folder, target.parent)) + "/") if folder is not None else t["folder"]
        tone = "good" if not t["mode"] else "bad" if t["mode"] == "unsolved" else "caution"
        rows.append((str(n), *_place(c), number(t["density"] / 10), Cell(t["mode"] or PASSED, tone=tone), event_name(t["event"] or ""), _after(t), link))
    head = (*_heads(search, "run"), CURRENT, "what failed", "event", "after", "folder")
    numbers = frozenset({*range(len(head) - 4), len(head) - 2})
    return Section("members", "Runs", (Table(head, tuple(rows), "All columns are in critical.csv.", numbers, 0),))


def _cite(search: Search) -> Section:
    return citation(versions().get("interfem", ""), (), f"Hash of the case: {search.record.get('hash', 'none')}")
