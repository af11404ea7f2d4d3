"""Plotly charts: scalars of a run over time, parts of its resistance, outputs of a study over its axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from textwrap import wrap
from typing import Any

import numpy as np

from ..compare import resistances
from ..failures import colours, event_name
from ..figures.curves import Panel, lines, panels_of
from ..figures.data import Run
from ..figures.style import CYCLE, SHADES, time_unit
from ..study.charts import words
from .blocks import Chart, Outcomes
from .words import number, time_words

INK, GRID = "#2b2f36", "#e7e9ec"
NOTHING = 1e-9
MARK = {"size": 9, "line": {"width": 0.8, "color": "white"}}


def rounded(values: Iterable[float], digits: int = 6) -> list[float | None]:
    """Numbers short enough for a page; None for what is not known."""
    return [float(f"{v:.{digits}g}") if math.isfinite(v) else None for v in values]


def cleaned(values: np.ndarray) -> np.ndarray:
    """Zero for what is nothing beside the largest."""
    return np.where(np.abs(values) < NOTHING * np.nanmax(np.abs(values)), 0.0, values)


def axis(title: str, **more: Any) -> dict[str, Any]:
    return {
        "title": {"text": title, "standoff": 6},
        "gridcolor": GRID,
        "zerolinecolor": "#c9cdd3",
        "linecolor": "#9aa0a8",
        "ticks": "outside",
        "ticklen": 4,
        "tickcolor": "#9aa0a8",
        "automargin": True,
        "exponentformat": "power",
    } | more


def layout(x: Mapping, y: Mapping, height: int = 270, **more: Any) -> dict[str, Any]:
    """The common look."""
    return {
        "height": height,
        "margin": {"l": 58, "r": 14, "t": 10, "b": 44},
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "white",
        "font": {"family": "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif", "size": 12, "color": INK},
        "hoverlabel": {"bgcolor": "white", "bordercolor": "#9aa0a8", "font": {"color": INK}},
        "legend": {"orientation": "h", "y": 1.02, "yanchor": "bottom", "x": 0, "font": {"size": 11}},
        "xaxis": dict(x),
        "yaxis": dict(y),
    } | more


# ---- a run ------------------------------------------------------------------------------------------------------------


def time_charts(run: Run) -> tuple[list[Chart], list[str]]:
    """Scalars over time, those that belong together in one chart; and those that stay the same, in words."""
    if len(run.time) < 2:
        return [], []
    second, unit = time_unit(run.time[-1])
    time, charts, steady = rounded(run.time / second), [], []
    own = set(part_columns(run).values())
    for panel in panels_of([run]):
        if panel.columns[0][0] in own:  # has a section of its own
            continue
        title, unit_y = _named(panel)
        if all(_steady(values) for _, values in lines(panel, run)):
            steady += [
                f"{title}{f', {label}' if label else ''}: {number(values[-1])} {unit_y}".rstrip()
                for label, values in lines(panel, run)
            ]
            continue
        found = [(label, values if panel.log else cleaned(values)) for label, values in lines(panel, run)]
        data = [
            {
                "type": "scatter",
                "mode": "lines",
                "name": label or title,
                "x": time,
                "y": rounded(values),
                "line": {"color": CYCLE[k % len(CYCLE)], "width": 1.8},
                "hovertemplate": f"%{{y:.4g}} {unit_y}{'' if len(found) > 1 else '<extra></extra>'}",
            }
            for k, (label, values) in enumerate(found)
        ]
        if panel.log:
            found = [(label, values) for label, values in found if np.nanmax(values, initial=0.0) > 0]
        y = axis(unit_y, **(_decades([values for _, values in found]) if panel.log else {}))
        nearest = {"hovermode": "x", "hoverdistance": -1}
        look = layout(axis(f"time ({unit})"), y, **nearest, showlegend=len(data) > 1, shapes=_shades(run, second))
        charts.append(Chart(title, tuple(data), look, "time"))
    return charts, steady


def _decades(values: Sequence[np.ndarray]) -> dict[str, Any]:
    """A logarithmic axis with six labels at most, which plotly sets a quarter larger than others."""
    above = np.concatenate([v[v > 0] for v in values]) if values else np.ones(1)
    return {"type": "log", "dtick": max(1, math.ceil(math.log10(above.max() / above.min()) / 6)), "tickfont": {"size": 10}}


def _steady(values: np.ndarray) -> bool:
    """The same at every step."""
    return not np.isnan(values).any() and float(np.ptp(values)) <= NOTHING * float(np.abs(values).max())


def _named(panel: Panel) -> tuple[str, str]:
    """Title and unit; a column that no panel knows is named by its own words."""
    column = panel.columns[0][0]
    if panel.title != column.replace("_", " "):
        return panel.title, panel.unit
    title, _, unit = words(column).partition(" (")
    return title[0].upper() + title[1:], unit.rstrip(")")


def _shades(run: Run, second: float) -> list[dict]:
    """Protocol steps behind the curves; events as dotted lines."""
    across = {"yref": "paper", "y0": 0, "y1": 1, "layer": "below"}
    steps = [
        across
        | {
            "type": "rect",
            "x0": p.start / second,
            "x1": p.end / second,
            "line": {"width": 0},
            "opacity": 0.55,
            "fillcolor": SHADES.get(p.kind, "white"),
        }
        for p in run.phases
    ]
    events = [
        across | {"type": "line", "x0": t / second, "x1": t / second, "line": {"dash": "dot", "width": 1.2, "color": INK}}
        for t, _ in run.events
    ]
    return steps + events


def part_columns(run: Run) -> dict[str, str]:
    """Part of the areal resistance, in words -> its column."""
    found = {column: re.fullmatch(r"asr_(\w+)_ohm_cm2", column) for column in run.scalars}
    return {match[1].replace("_", " "): column for column, match in found.items() if match}


def resistance_parts(run: Run) -> tuple[dict[str, float], bool]:
    """(part -> ohm cm2 at the last step with current, whether measured by power in the fields), which older runs lack."""
    found = {name: run.value(column, run.loaded) for name, column in part_columns(run).items()}
    found = {name: value for name, value in found.items() if math.isfinite(value)}
    return (found, True) if found else (resistances(run), False)


def resistance_charts(run: Run) -> list[Chart]:
    """Parts of the areal resistance: under load as a bar each, and over time where the run has them."""
    parts, from_fields = resistance_parts(run)
    if not parts:
        return []
    shown = {name: value for name, value in parts.items() if abs(value) > NOTHING * max(map(abs, parts.values()))}
    bars = {
        "type": "bar",
        "orientation": "h",
        "y": list(shown)[::-1],
        "x": rounded(shown.values())[::-1],
        "marker": {"color": [CYCLE[k % len(CYCLE)] for k in range(len(shown))][::-1]},
        "hovertemplate": "%{x:.4g} Ω cm²<extra></extra>",
        "text": [number(v, 3) for v in shown.values()][::-1],
        "textposition": "outside",
        "cliponaxis": False,
    }
    low, high = min(0.0, *shown.values()), max(0.0, *shown.values())
    room = 0.18 * (high - low)  # for the numbers
    x = axis("Ω cm²", range=[low - room if low < 0 else 0.0, high + room])
    look = layout(x, axis("", ticks="", ticksuffix="  "), height=90 + 34 * len(shown), showlegend=False)
    charts = [Chart("Under current", (bars,), look, "resistance")]
    return charts + ([_resistance_course(run, list(shown))] if from_fields and len(run.time) > 2 else [])


def _resistance_course(run: Run, shown: list[str]) -> Chart:
    second, unit = time_unit(run.time[-1])
    columns = part_columns(run)
    data = [
        {
            "type": "scatter",
            "mode": "lines",
            "name": name,
            "x": rounded(run.time / second),
            "y": rounded(run.scalars[columns[name]]),
            "line": {"color": CYCLE[k % len(CYCLE)], "width": 1.8},
            "hovertemplate": "%{y:.4g} Ω cm²",
        }
        for k, name in enumerate(shown)
    ]
    look = layout(
        axis(f"time ({unit})"),
        axis("Ω cm²"),
        height=max(270, 90 + 34 * len(shown)),
        hovermode="x",
        showlegend=True,
        shapes=_shades(run, second),
    )
    return Chart("Over time", tuple(data), look, "time")


# ---- a study ----------------------------------------------------------------------------------------------------------


def study_axis(name: str, values: Sequence[float | str]) -> dict[str, Any]:
    """Logarithmic where positive numbers span more than a factor of 30; texts as categories in their order."""
    if any(isinstance(v, str) for v in values):
        return axis(name, type="category", categoryorder="array", categoryarray=list(dict.fromkeys(map(str, values))))
    known = [v for v in values if math.isfinite(v)]
    wide = bool(known) and min(known) > 0 and max(known) > 30 * min(known)
    return axis(name, **(_decades([np.array(known)]) if wide else {}))


def shown_values(values: Sequence[float | str]) -> list:
    return [v if isinstance(v, str) else float(f"{v:.6g}") if math.isfinite(v) else None for v in values]


def output_charts(keys: Sequence[str], axes: Mapping[str, Sequence], outputs: Mapping[str, Sequence[float]]) -> list[Chart]:
    """Each output over each axis; a colour for each value of a second axis with few, dashes for those of a third, marks for a fourth,
    lines along a grid."""
    charts = []
    for x_name, x in axes.items():
        few = {n: v for n, v in axes.items() if n != x_name and len(set(v)) <= FEW}
        for y_name, y in outputs.items():
            if not any(math.isfinite(v) for v in y):
                continue
            data = _families(keys, x, y, few, grid=len(few) == len(axes) - 1)
            told = "<br>".join(wrap(y_name, LINE_OF_TITLE))
            look = layout(study_axis(x_name, x), study_axis(told, y), height=320, hovermode="closest", showlegend=len(data) > 1)
            told_apart = "; marks: ".join(filter(None, (", ".join(list(few)[:2]), ", ".join(list(few)[2:3]))))
            look["legend"] = look["legend"] | {"title": {"text": told_apart, "side": "top"}}
            charts.append(Chart(f"{y_name[0].upper()}{y_name[1:]} over {x_name.partition(' (')[0]}", tuple(data), look, "study"))
    return charts


FEW = 8  # lines told apart
DASHES = ("solid", "dash", "dot", "dashdot")
SYMBOLS = ("circle", "square", "diamond", "triangle-up", "cross", "star", "triangle-down", "x")
LINE_OF_TITLE = 28  # letters


def _families(keys: Sequence[str], x: Sequence, y: Sequence[float], few: Mapping[str, Sequence], grid: bool) -> list[dict]:
    """A trace for the members that agree in all other axes of few values; on a grid joined by lines, if none share a place on x."""
    places = list(few.values())
    groups: dict[tuple, list[int]] = {}
    for n in range(len(x)):
        groups.setdefault(tuple(values[n] for values in places), []).append(n)
    if len(groups) == len(x):  # samples, each at a place of its own
        groups, grid = {(): list(range(len(x)))}, not places
    steps = [list(dict.fromkeys(values)) for values in places]
    data, told = [], set()
    for group, members in groups.items():
        chosen = members if isinstance(x[0], str) else sorted(members, key=lambda n: x[n])
        single = len({x[n] for n in chosen}) == len(chosen) and grid
        color = CYCLE[steps[0].index(group[0]) % len(CYCLE)] if group else CYCLE[0]
        dash = DASHES[steps[1].index(group[1]) % len(DASHES)] if len(group) > 1 else "solid"
        symbol = SYMBOLS[steps[2].index(group[2]) % len(SYMBOLS)] if len(group) > 2 else SYMBOLS[0]
        texts = [v if isinstance(v, str) else number(v) for v in group]
        name = ", ".join(texts[:2])
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if single else "markers",
                "name": name,
                "legendgroup": name,
                "showlegend": name not in told,
                "x": shown_values([x[n] for n in chosen]),
                "y": shown_values([y[n] for n in chosen]),
                "customdata": [keys[n] for n in chosen],
                "marker": MARK | {"color": color, "symbol": symbol},
                "line": {"width": 1.2, "color": color, "dash": dash},
                "hovertemplate": f"member %{{customdata}}<br>{', '.join(texts)}<br>%{{x}}<br>%{{y:.4g}}<extra></extra>",
            }
        )
        told.add(name)
    return data


def outcome_map(
    keys: Sequence[str], axes: Mapping[str, Sequence], outcomes: Sequence[str], times: Sequence[float], near: Sequence[tuple[str, float]] = ()
) -> Outcomes | None:
    """What came first in each member; times (s), NaN where nothing did, and then the limit that came nearest with the part of it reached."""
    if not axes:
        return None
    when, told = [], []
    for n, time in enumerate(times):
        name, share = near[n] if near else ("", math.nan)
        left = f"{100 * share:.2g} %" if name and 0 <= share < 1 else ""
        when.append(f"at {time_words(time)}" if math.isfinite(time) else left)
        told.append(when[-1] if math.isfinite(time) or not left else f"(nearest: {event_name(name)}, at {left} of its limit)")
    shown = {name: tuple(shown_values(values)) for name, values in axes.items()}
    return Outcomes(shown, tuple(outcomes), colours(outcomes), tuple(when), tuple(told), tuple(keys))


def finite(values: Sequence) -> np.ndarray:
    """Numbers of a column; NaN for texts and gaps."""
    return np.array([v if isinstance(v, (int, float)) else math.nan for v in values], dtype=float)
