"""From run folders to the tables of a study: study.csv and study.parquet, one row a member."""

from __future__ import annotations

import csv
import json
import math
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from ..failures import crossing, verdict
from ..figures.data import Run
from .file import Output, StudyFile
from .plan import Member, Plan

FACTS = (
    *("status", "failure", "failure_time_s", "nearest_failure", "share_of_limit"),
    *("event", "event_time_s", "reason", "wall_s", "ranks", "interfem", "hash"),
)
JUDGED = ("violation", "optimal")
WAITING = "waiting"
Row = dict[str, float | str | None]


def member_row(member: Member, folder: Path, file: StudyFile) -> Row:
    """All that is known of a member: parameters, outputs, how it ended, and the last value of every scalar."""
    row: Row = {"member": member.number} | member.shown
    if member.fault:
        return row | {"status": "failed", "reason": member.fault, "hash": ""}
    facts = read_facts(folder)
    if facts is None:
        return row | {"status": WAITING, "hash": member.hash}
    record = read_run(folder)
    run = Run(folder, record, None)
    name, time = _ending(run)
    lost = facts["status"] == "failed"  # where it broke off says nothing of the case
    row |= {output.title: math.nan if lost else value_of(output, run) for output in file.outputs}
    found = verdict(run.time, run.scalars, run.events, file.limits)
    row |= {"failure": found.first or None, "failure_time_s": found.time, "nearest_failure": found.nearest or None, "share_of_limit": found.share}
    row |= {"status": facts["status"], "event": name, "event_time_s": time, "reason": facts["reason"], "wall_s": facts["wall_s"],
            "ranks": facts["ranks"], "interfem": facts["interfem"], "hash": member.hash}
    return row | {column: run.value(column, -1) for column in run.scalars if len(run.time) and column not in row}


def cut_short(row: Row, outputs: tuple[Output, ...]) -> bool:
    """The run was ended by an event that no output asks for: its numbers are those of another instant than was meant."""
    end = (row.get("event") or "").partition("[")[0]
    return row["status"] == "stopped" and bool(end) and end not in {output.event for output in outputs}


def read_facts(folder: Path) -> Mapping | None:
    """What the study noted of a member that has ended; None if it has not."""
    try:
        return json.loads((folder / "member.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None


def read_run(folder: Path) -> Mapping:
    """`run.json` of a run folder; empty if the run never wrote one."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}


def _ending(run: Run) -> tuple[str | None, float]:
    """The event that ended a run, or else the last one in it, and its time in s."""
    time, last = run.events[-1] if run.events else (math.nan, None)
    name = run.record.get("event") or last
    return name, time if name == last else run.value("time_s", -1) if len(run.time) else math.nan


def value_of(output: Output, run: Run) -> float:
    """An output of a run, without its sign if so asked; NaN if the run has no such column, or what is asked for did not come."""
    value = _signed(output, output.column, run)
    if output.over is not None:
        value = value / (_signed(output, output.over, run) or math.nan)
    return abs(value) if output.magnitude else value


def _signed(output: Output, column: str, run: Run) -> float:
    values = run.scalars.get(column, np.empty(0))
    known = np.isfinite(values)
    if output.event is not None:
        times = [time for time, name in run.events if output.event in (name, name.partition("[")[0])]
        if not times or not known.any():
            return math.nan
        return float(values[known][int(np.argmin(np.abs(run.time[known] - times[0])))])
    if not known.any():
        return math.nan
    found = values[known]
    if output.below is not None:
        return crossing(run.time[known], output.below - found)
    if output.above is not None:
        return crossing(run.time[known], found - output.above)
    largest = found[np.argmax(np.abs(found))]
    return float({"last": found[-1], "max": found.max(), "min": found.min(), "largest": largest}[output.reduce])


def columns_of(plan: Plan, rows: list[Row]) -> list[str]:
    """Parameters and outputs first, then what a search thinks of them, how the runs ended, and the scalars."""
    worth = JUDGED if plan.file.optimise is not None else ()
    first = ["member", *plan.parameters, *(output.title for output in plan.file.outputs), *worth, *FACTS]
    return list(dict.fromkeys([*first, *(column for row in rows for column in row)]))


def write_csv(path: Path, columns: list[str], rows: list[Row]) -> None:
    """Atomically. What is not known is empty."""
    part = path.with_suffix(".csv.part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows([_text(row.get(column)) for column in columns] for row in rows)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)


def write_parquet(path: Path, table: Path, columns: list[str], rows: list[Row]) -> None:
    """The same as the CSV file `table`, with types: numbers and texts. Atomically."""
    import duckdb  # here alone

    part = path.with_suffix(".parquet.part")
    kinds = {column: "VARCHAR" if any(isinstance(row.get(column), str) for row in rows) else "DOUBLE" for column in columns}
    with duckdb.connect() as connection:
        read = connection.read_csv(str(table), header=True, columns=kinds, auto_detect=False, delimiter=",", quotechar='"')
        read.write_parquet(str(part))
    os.replace(part, path)


def _text(value: float | str | None) -> str:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def read_table(path: Path) -> list[dict[str, str]]:
    """Rows of study.csv as text."""
    with open(path, newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))
