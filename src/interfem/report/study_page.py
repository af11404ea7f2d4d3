"""The page of a study: what was varied, what came out over the axes, how the members ended, each with its run folder."""

from __future__ import annotations

import csv
import math
import os
import re
import tomllib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

import numpy as np

from ..failures import event_name, outcome
from ..observe.record import versions
from ..study.charts import REDUCED
from ..study.charts import words as column_words
from ..study.gather import FACTS, JUDGED, WAITING
from .blocks import Cell, Code, Explorer, Fold, Notes, Page, Section, Table, Text, embedded, told_on_the_way
from .charts import finite, outcome_map, output_charts, rounded
from .cite import citation
from .words import event_words, number, time_words

TONES = {"completed": "good", "stopped": "caution", "failed": "bad"}
SHOWN = 400  # members in the table; more are in study.csv


@dataclass(frozen=True)
class Study:
    """A study folder as its tables hold it."""

    folder: Path
    tree: Mapping
    rows: tuple[dict[str, str], ...]

    @cached_property
    def inner(self) -> list[str]:
        """Columns between the member's number and its status: parameters, then outputs."""
        names = list(self.rows[0])
        return [name for name in names[1 : names.index("status")] if name not in JUDGED]

    @cached_property
    def parameters(self) -> list[str]:
        return self.inner[: len(self.inner) - len(self.tree.get("outputs", ()))]

    @cached_property
    def outputs(self) -> list[str]:
        return self.inner[len(self.parameters) :]

    @cached_property
    def keys(self) -> list[str]:
        return [row["member"] for row in self.rows]

    def column(self, name: str) -> list[float | str]:
        """Numbers, or texts if some entry is none; a gap is NaN among numbers."""
        entries = [row.get(name) or "" for row in self.rows]
        try:
            return [float(entry) if entry else math.nan for entry in entries]
        except ValueError:
            return entries

    @cached_property
    def outcomes(self) -> list[str]:
        """The failure that came first in a member, else the event that it stopped at, else its status."""
        return [outcome(row)[0] for row in self.rows]

    @cached_property
    def times(self) -> list[float]:
        """When that was, in s; NaN for a status."""
        return [float(outcome(row)[1] or "nan") for row in self.rows]

    @cached_property
    def near(self) -> list[tuple[str, float]]:
        """The limit that a member came nearest to, and the part of it that was reached."""
        return [(row.get("nearest_failure") or "", float(row.get("share_of_limit") or "nan")) for row in self.rows]

    @cached_property
    def objectives(self) -> dict[str, int]:
        """Column -> 1 where less is better, -1 where more is, of a search; empty for other studies."""
        goals = self.tree.get("optimise", {})
        found = [(name, sign) for key, sign in (("minimise", 1), ("maximise", -1)) for name in _listed(goals.get(key, ()))]
        return {name: sign for name, sign in found if name in self.outputs}

    @cached_property
    def sound(self) -> list[bool]:
        """Members whose numbers count: of a search those that keep its constraints, else those that ran to their end."""
        if "violation" in self.rows[0]:
            return [row["violation"] not in ("", None) and float(row["violation"]) == 0.0 for row in self.rows]
        return [row["status"] == "completed" for row in self.rows]

    def run_folder(self, row: Mapping[str, str]) -> Path | None:
        """Where the run of a member is."""
        folder = self.folder / "members" / row["hash"][:12]
        return folder if folder.is_dir() else None


def _listed(entry) -> list[str]:
    return [entry] if isinstance(entry, str) else list(entry)


def words(column: str) -> str:
    """A column in words; outputs end in how they were reduced: ``cell_voltage_V_max`` -> "cell voltage (V), largest"."""
    for end, told in REDUCED.items():
        if column.endswith(f"_{end}"):
            return f"{column_words(column.removesuffix(f'_{end}'))}, {told}"
    return column_words(column)


def open_study(folder: Path) -> Study:
    """OSError or ValueError if there is no study, or one without members."""
    with open(folder / "study.csv", newline="", encoding="utf-8") as file:
        rows = tuple(csv.DictReader(file))
    if not rows:
        raise ValueError("study.csv has no members")
    file = folder / "study.toml"
    return Study(folder, tomllib.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}, rows)


def study_page(folder: Path, target: Path, progress: Callable[[float, str], None]) -> Page:
    """The page of the study in a folder; links are relative to the page `target`."""
    study = open_study(folder)
    counts = Counter(row["status"] for row in study.rows)
    tone = "bad" if counts["failed"] else "caution" if counts[WAITING] else "good"
    parts = {
        "what was asked": _asked,
        "optimum": lambda study: _optimum(study, target),
        "outputs": _outputs,
        "trade-off": _trade_off,
        "failure-mode map": _outcomes,
        "figures": _pictures,
        "members": lambda study: _members(study, target),
        "citation": _cite,
    }
    sections = told_on_the_way(study, parts, progress)
    status = ", ".join(f"{count} {name}" for name, count in counts.most_common())
    return Page(
        str(study.tree.get("title", folder.name)),
        f"Study {folder.resolve().name}",
        (status, tone),
        tuple(_lead(study)),
        tuple(_tiles(study)),
        tuple(section for section in sections if section is not None),
    )


def _lead(study: Study) -> Iterator[str]:
    values = "; ".join(f"{words(name)}: {_range(study.column(name))}" for name in study.parameters)
    yield f"{len(study.rows)} members of one base case. Varied: {values}."
    if any(row["status"] == WAITING for row in study.rows):
        yield "Some members have not run yet; the same command goes on with them."


def _range(values: list[float | str]) -> str:
    different = list(dict.fromkeys(values))
    if any(isinstance(v, str) for v in different):
        return ", ".join(map(str, different[:8])) + (f" and {len(different) - 8} more" if len(different) > 8 else "")
    return f"{number(min(different))} to {number(max(different))} ({len(different)} values)"


def _tiles(study: Study) -> Iterator[tuple[str, str, str]]:
    yield "members", str(len(study.rows)), ""
    for name in study.outputs[:4]:
        values = [v for v in finite(study.column(name)) if math.isfinite(v)]
        if values:
            yield words(name), f"{number(min(values), 3)} … {number(max(values), 3)}", ""
    spent = sum(v for v in finite(study.column("wall_s")) if math.isfinite(v))
    yield "time of all runs", time_words(spent).split()[0], time_words(spent).split()[1]


def _asked(study: Study) -> Section:
    tree = study.tree
    axes = tuple((words(name), _range(study.column(name))) for name in study.parameters)
    facts = [f"Base case: {tree.get('case', '?')}"]
    facts += [f"For all members: {', '.join(tree['set'])}"] if tree.get("set") else []
    if "sample" in tree:
        sample = tree["sample"]
        facts.append(f"Sampled: {sample.get('count')} points, method {sample.get('method')}, seed {sample.get('seed', 0)}")
    file = study.folder / "study.toml"
    text = [Fold("The study file", (Code(file.read_text(encoding="utf-8")),))] if file.is_file() else []
    return Section("asked", "What was asked", (Notes(tuple(facts)), Table(("varied", "values"), axes), *text))


def _axes(study: Study) -> dict[str, list[float | str]]:
    """Parameters that differ among the members, in words."""
    return {words(name): values for name in study.parameters if len(set(values := study.column(name))) > 1}


def _outputs(study: Study) -> Section | None:
    outputs = {words(name): finite(study.column(name)).tolist() for name in study.outputs}
    charts = output_charts(study.keys, _axes(study), outputs)
    told = "A member under the pointer is shown in all charts and marked in the table; drag to zoom, double-click to see all."
    return Section("outputs", "Outputs over the axes", (Text((told,)), *charts)) if charts else None


def _trade_off(study: Study) -> Section | None:
    """Outputs against each other, with the front of the best."""
    numbers = {words(name): finite(study.column(name)) for name in (*study.outputs, *study.parameters)}
    columns = {name: tuple(rounded(found)) for name, found in numbers.items() if len(set(found[np.isfinite(found)])) > 1}
    if len(columns) < 2:
        return None
    goals = {words(name): sign for name, sign in study.objectives.items() if words(name) in columns}
    start = tuple((goals | {name: 1 for name in columns if name not in goals}).items())[:2]
    told = (
        "Choose two columns and which way each is better. "
        "The line joins the members that no other one beats in both (the Pareto front)."
    )
    sound = "keep the constraints" if "violation" in study.rows[0] else "ran to their end"
    return Section("trade-off", "Trade-off", (Text((told,)), Explorer(columns, tuple(study.keys), tuple(study.sound), sound, start)))


def _optimum(study: Study, target: Path) -> Section | None:
    """What a search looked for, and the members that are best."""
    if "optimal" not in study.rows[0]:
        return None
    goals = study.tree.get("optimise", {})
    told = [f"Wanted {'small' if sign > 0 else 'large'}: {words(name)}." for name, sign in study.objectives.items()]
    for bound in goals.get("constraints", ()):
        limits = [f"{word} {number(bound[word])}" for word in ("below", "above") if word in bound]
        told.append(f"Constraint: {words(bound['output'])} {' and '.join(limits)}.")
    best = [row for row in study.rows if row["optimal"] and float(row["optimal"]) > 0]
    names = [*study.parameters, *study.outputs]
    rows = tuple((row["member"], _link(study, row, target), *(_shown(row[name]) for name in names)) for row in best)
    numeric = frozenset({0, *(n for n, name in enumerate(names, 2) if _numbers(study, name))})
    what = "The best member" if len(best) == 1 else f"{len(best)} members that no other one beats in all that is wanted"
    found = (
        Table(("member", "run", *map(words, names)), rows, f"{what}, of {sum(study.sound)} that keep the constraints.", numeric, 0)
        if best
        else Text(("No member keeps the constraints so far.",))
    )
    return Section("optimum", "Optimum", (Notes(tuple(told)), found))


def _outcomes(study: Study) -> Section | None:
    """Failure-mode map: what came first in each member; the events in words, the reasons of those that failed."""
    chart = outcome_map(study.keys, _axes(study), study.outcomes, study.times, study.near)
    first = Counter(row.get("failure") or (row["event"] if row["status"] == "stopped" else "") for row in study.rows)
    first.pop("", None)
    own = {entry["name"]: f"{words(entry['column'])} {side} {number(entry[side])}, a limit of this study"
           for entry in study.tree.get("failures", ()) for side in ("above", "below") if side in entry}
    lines = [f"{event_name(name)} ({count} {'member' if count == 1 else 'members'}) – {own.get(name.partition('[')[0]) or event_words(name)}."
             for name, count in first.most_common()]
    lost = tuple(
        (row["member"], *(_shown(row[name]) for name in study.parameters), row["reason"] or "no reason is known")
        for row in study.rows
        if row["status"] == "failed"
    )
    blocks: list = [chart] if chart is not None else []
    blocks += [Notes(tuple(lines))] if lines else []
    if lost:
        blocks.append(
            Section(
                "",
                "Members that failed",
                (Table(("member", *map(words, study.parameters), "reason"), lost, "", frozenset({0}), 0),),
            )
        )
    told = (
        "What failed first, over two axes, and when: a flaw at its toughness, lithium that is cut off, a limit of the study, or an event that "
        "ended the member. Where nothing did, the tile tells how near the nearest of these limits came. "
        "Axes that are not drawn stand at the value beside them."
    )
    return Section("outcomes", "Failure-mode map", (Text((told,)), *blocks)) if blocks else None


def _pictures(study: Study) -> Section | None:
    files = sorted(study.folder.glob("figures/*.png"))
    named = {png: re.sub(r"^(figure)(\d+)$", r"\1 \2", png.stem.replace("_", " ")).capitalize() for png in files}
    pictures = tuple(embedded(png, name, f"{name} of the study") for png, name in named.items())
    return Section("pictures", "Figures of the study", pictures) if pictures else None


def _members(study: Study, target: Path) -> Section:
    names = [*study.parameters, *study.outputs]
    rows = tuple(
        (
            row["member"],
            _link(study, row, target),
            Cell(ended, tone="caution" if row.get("failure") else TONES.get(row["status"], "quiet")),
            *(_shown(row[name]) for name in names),
            _shown(row["wall_s"]),
        )
        for row, ended in zip(study.rows[:SHOWN], study.outcomes)
    )
    numeric = frozenset({0, len(names) + 3, *(n for n, name in enumerate(names, 3) if _numbers(study, name))})
    more = f"; {len(study.rows) - SHOWN} more are in study.csv" if len(study.rows) > SHOWN else ""
    return Section(
        "members",
        "Members",
        (
            Table(
                ("member", "run", "ended", *map(words, names), "wall time (s)"),
                rows,
                f"All columns are in study.csv{more}.",
                numeric,
                0,
            ),
        ),
    )


def _numbers(study: Study, name: str) -> bool:
    return not any(isinstance(value, str) for value in study.column(name))


def _shown(entry: str | None) -> str:
    """A number with four digits, a text as it is."""
    try:
        return number(float(entry)) if entry else "–"
    except ValueError:
        return entry


def _link(study: Study, row: Mapping[str, str], target: Path) -> Cell | str:
    """To the run's own page if there is one, else to its folder."""
    folder = study.run_folder(row)
    if folder is None:
        return "–"
    page = folder / "report.html"
    path = os.path.relpath(page if page.is_file() else folder, target.parent)
    return Cell(row["hash"][:12], quote(path) + ("" if page.is_file() else "/"))


def _cite(study: Study) -> Section:
    made = sorted({row["interfem"] for row in study.rows if row["interfem"]}) or [versions().get("interfem", "")]
    return citation(", ".join(made), (), f"Columns that every study has: {', '.join(FACTS)}.")
