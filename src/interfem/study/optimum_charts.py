"""Pictures of a search and of sensitivities: the course of the best, trade-offs with their front, Sobol' indices."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from ..figures.style import CYCLE, LINE, canvas
from .charts import LOST, Sheet, decades, words
from .file import Figure, Goals
from .gather import Row
from .optimum import Standing
from .plan import Plan
from .sensitivity import Indices

KEPT, BROKEN, BEST = CYCLE[0], "#9aa0a6", CYCLE[1]
WIDE = 30.0  # largest over smallest of an objective from which on its axis is logarithmic
PANELS = 6  # axes and constraints beside which an objective is drawn


def draw_search(plan: Plan, rows: Sequence[Row], found: Standing, folder: Path) -> list[Path]:
    """The best so far over the runs, objectives over axes and constraints, and each pair of objectives with the front."""
    goals = plan.file.optimise
    made = [_history(plan, rows, found, folder / "history.png"), _slices(plan, rows, found, folder / "search.png")]
    pairs = list(combinations(goals.objectives, 2))
    return made + [_front(plan, rows, found, pair, folder / f"pareto{n if len(pairs) > 1 else ''}.png") for n, pair in enumerate(pairs, 1)]


def _numbers(rows: Sequence[Row], column: str) -> np.ndarray:
    return np.array([v if isinstance(v := row.get(column), (int, float)) else np.nan for row in rows], dtype=float)


def _groups(found: Standing, bound: bool) -> list[tuple[str, dict, np.ndarray]]:
    """(label, style, rows) of runs that break constraints, keep them, and are best."""
    kept = np.array([v is not None and v.feasible for v in found.verdicts])
    broken = np.array([v is not None and not v.feasible for v in found.verdicts])
    best = np.isin(np.arange(len(kept)), found.best)
    return [("breaks a constraint" if bound else "without a number", {"marker": "o", "mfc": "white", "mec": BROKEN, "ms": 5}, broken),
            ("keeps all constraints" if bound else "another run", {"marker": "o", "color": KEPT, "ms": 5}, kept & ~best),
            ("best" if len(found.best) < 2 else "on the front", {"marker": "D", "color": BEST, "ms": 8, "mec": LINE}, best)]  # fmt: skip


def _points(box, x: np.ndarray, y: np.ndarray, found: Standing, goals: Goals) -> None:
    for label, style, rows in _groups(found, bool(goals.constraints)):
        rows = rows & np.isfinite(x) & np.isfinite(y)
        if rows.any():
            box.plot(x[rows], y[rows], ls="", label=label, **style)


def _finish(figure, title: str) -> None:
    for box in figure.axes:
        box.grid(True, color="#dddddd", lw=0.6)
        box.set_axisbelow(True)
    handles = {h.get_label(): h for box in figure.axes for h in box.get_legend_handles_labels()[0]}
    if handles:
        figure.legend(handles=list(handles.values()), loc="outside lower center", ncol=4)
    figure.suptitle(title)


def _logarithmic(values: np.ndarray) -> bool:
    known = values[np.isfinite(values)]
    return bool(len(known)) and known.min() > 0 and known.max() > WIDE * known.min()


def _history(plan: Plan, rows: Sequence[Row], found: Standing, path: Path) -> Path:
    """Each objective in the order of the runs; of a single one the best so far as a line."""
    goals = plan.file.optimise
    number = np.arange(1, len(rows) + 1, dtype=float)
    with canvas((7.2, 3.3 * len(goals.objectives) + 1.0), path) as figure:
        for box, name, sign in zip(figure.subplots(len(goals.objectives), 1, squeeze=False)[:, 0], goals.objectives, goals.signs):
            y = _numbers(rows, name)
            kept = np.array([v is not None and v.feasible for v in found.verdicts])
            if len(goals.objectives) == 1 and kept.any():
                best = sign * np.minimum.accumulate(np.where(kept, sign * y, np.inf))
                known = np.isfinite(best)
                box.step(number[known], best[known], where="post", color=BEST, label="best so far")
            _points(box, number, y, found, goals)
            failed = np.array([v is None for v in found.verdicts])
            if failed.any():
                style = {"marker": "x", "ls": "", "ms": 8, "mew": 2, "color": LOST, "clip_on": False, "label": "failed"}
                box.plot(number[failed], np.full(failed.sum(), 0.03), transform=box.get_xaxis_transform(), **style)
            if _logarithmic(y):
                decades(box, "y")
            box.set_xlabel("run")
            box.set_ylabel(words(name))
        _finish(figure, plan.file.title)
    return path


def _slices(plan: Plan, rows: Sequence[Row], found: Standing, path: Path) -> Path:
    """The first objective over each axis, and over each output that is constrained, with its limit."""
    goals = plan.file.optimise
    name = goals.objectives[0]
    bounded = [bound for bound in goals.constraints if bound.output != name]
    shown = [track.column for track in plan.tracks] + [bound.output for bound in bounded]
    shown = list(dict.fromkeys(shown))[:PANELS]
    across = 2 if len(shown) == 4 else min(len(shown), 3)
    y = _numbers(rows, name)
    sheet = Sheet(plan, list(rows), Figure(x=shown[0], y=(name,)))
    with canvas((4.6 * across + 0.4, 3.8 * -(-len(shown) // across) + 0.9), path) as figure:
        boxes = figure.subplots(-(-len(shown) // across), across, squeeze=False).reshape(-1)
        for box, column in zip(boxes, shown):
            x, texts = sheet.places(column)
            _points(box, x, y, found, goals)
            if texts:
                box.set_xticks(range(len(texts)), texts, rotation=30 if len(texts) > 3 else 0, ha="right" if len(texts) > 3 else "center")
            for bound in (bound for bound in bounded if bound.output == column):
                for limit in filter(None, (bound.below, bound.above)):
                    box.axvline(limit, color=LOST, ls="--", lw=1.2, label="limit")
            if sheet.logarithmic("x", column) or (column not in plan.parameters and _logarithmic(x)):
                decades(box, "x")
            if _logarithmic(y):
                decades(box, "y")
            box.set_xlabel(sheet.label(column, None))
            box.set_ylabel(words(name))
        for box in boxes[len(shown) :]:
            box.remove()
        _finish(figure, plan.file.title)
    return path


def _front(plan: Plan, rows: Sequence[Row], found: Standing, pair: tuple[str, str], path: Path) -> Path:
    """Two objectives; the best runs joined if these are all that there are."""
    x, y = (_numbers(rows, name) for name in pair)
    with canvas((7.0, 5.4), path) as figure:
        box = figure.subplots()
        if len(plan.file.optimise.objectives) == 2 and found.best:
            order = sorted(found.best, key=lambda n: x[n])
            box.step(x[order], y[order], where="post", color=BEST, lw=1.2)
        _points(box, x, y, found, plan.file.optimise)
        for which, values in (("x", x), ("y", y)):
            if _logarithmic(values):
                decades(box, which)
        box.set_xlabel(words(pair[0]))
        box.set_ylabel(words(pair[1]))
        _finish(figure, plan.file.title)
    return path


def draw_indices(plan: Plan, found: Sequence[Indices], path: Path) -> Path:
    """Bars of the total indices with the first-order ones in them, and what 95 % of bootstrapped samples give."""
    across = min(len(found), 3)
    down = -(-len(found) // across)
    with canvas((4.7 * across + 0.4, down * (1.3 + 0.45 * len(plan.tracks)) + 1.2), path) as figure:
        boxes = figure.subplots(down, across, squeeze=False).reshape(-1)
        for box, entry in zip(boxes, found):
            names = entry.order[::-1]
            for height, colour, label, parts in ((0.66, "#c9d7e8", "total", entry.total), (0.36, CYCLE[0], "first order", entry.first)):
                values = np.array([parts[name][0] for name in names])
                spread = np.abs(np.array([parts[name][1:] for name in names]).T - values)
                error = {"ecolor": LINE, "elinewidth": 1.0, "capsize": 2.5} if label == "total" else {}
                box.barh(names, values, height, color=colour, label=label, xerr=spread if error else None, error_kw=error)
            box.set_xlim(0, max(1.02, 1.05 * max(part[2] for part in entry.total.values())))
            box.set_xlabel("share of the variance")
            quality = "" if np.isnan(entry.explained) else f"\nsurrogate of {entry.members} runs, Q² = {entry.explained:.3f}"
            box.set_title(words(entry.output) + quality)
        for box in boxes[len(found) :]:
            box.remove()
        _finish(figure, plan.file.title)
    return path
