"""Plotly charts: scalars of a run over time, parts of its resistance, outputs of a study over its axes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..compare import resistances
from ..figures.curves import Panel, lines, panels_of
from ..figures.data import Run
from ..figures.style import CYCLE, SHADES, time_unit
from ..study.charts import words
from .blocks import Chart
from .words import number

INK, GRID = "#2b2f36", "#e7e9ec"
OUTCOMES = {"completed": "#009e73", "failed": "#b00020", "waiting": "#b9bec6"}  # other outcomes take the colours of CYCLE in turn
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
        y = axis(unit_y, **({"type": "log", "dtick": 1} if panel.log else {}))
        nearest = {"hovermode": "x", "hoverdistance": -1}
        look = layout(axis(f"time ({unit})"), y, **nearest, showlegend=len(data) > 1, shapes=_shades(run, second))
        charts.append(Chart(title, tuple(data), look, "time"))
    return charts, steady


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
    return axis(name, **({"type": "log", "dtick": 1} if wide else {}))


def shown_values(values: Sequence[float | str]) -> list:
    return [v if isinstance(v, str) else float(f"{v:.6g}") if math.isfinite(v) else None for v in values]


def output_charts(keys: Sequence[str], axes: Mapping[str, Sequence], outputs: Mapping[str, Sequence[float]]) -> list[Chart]:
    """Each output over each axis; with a second axis, a line for each value of it if they are few."""
    charts = []
    for x_name, x in axes.items():
        for y_name, y in outputs.items():
            if not any(math.isfinite(v) for v in y):
                continue
            by = _other(x_name, axes)
            data = _families(keys, x, y, by)
            look = layout(study_axis(x_name, x), study_axis(y_name, y), height=320, hovermode="closest", showlegend=len(data) > 1)
            look["legend"] = look["legend"] | {"title": {"text": by[0] if by else "", "side": "top"}}
            charts.append(Chart(f"{y_name[0].upper()}{y_name[1:]} over {x_name.partition(' (')[0]}", tuple(data), look, "study"))
    return charts


FEW = 8  # lines told apart


def _other(name: str, axes: Mapping[str, Sequence]) -> tuple[str, Sequence] | None:
    """The first other axis with few values."""
    return next(((n, v) for n, v in axes.items() if n != name and 1 < len(set(v)) <= FEW), None)


def _families(keys: Sequence[str], x: Sequence, y: Sequence[float], by: tuple[str, Sequence] | None) -> list[dict]:
    groups = dict.fromkeys(by[1]) if by else {None: None}
    lined = len(x) / len(groups) <= 4 * len(set(x))  # a grid, not a cloud
    data = []
    for k, value in enumerate(groups):
        chosen = [n for n in range(len(x)) if by is None or by[1][n] == value]
        if not isinstance(x[0], str):
            chosen.sort(key=lambda n: x[n])
        label = "" if by is None else value if isinstance(value, str) else number(value)
        single = len({x[n] for n in chosen}) == len(chosen) and lined and len(groups) <= FEW and len(chosen) < 200
        data.append(
            {
                "type": "scatter",
                "mode": "lines+markers" if single and by else "markers" if not single else "lines+markers",
                "name": label,
                "x": shown_values([x[n] for n in chosen]),
                "y": shown_values([y[n] for n in chosen]),
                "customdata": [keys[n] for n in chosen],
                "marker": MARK | {"color": CYCLE[k % len(CYCLE)]},
                "line": {"width": 1.2, "color": CYCLE[k % len(CYCLE)]},
                "hovertemplate": "member %{customdata}<br>%{x}<br>%{y:.4g}<extra></extra>",
            }
        )
    return data


def outcome_chart(keys: Sequence[str], axes: Mapping[str, Sequence], outcomes: Sequence[str]) -> Chart | None:
    """How each member ended, by colour, over the two axes with most values; along one axis alone in a row each."""
    names = sorted(axes, key=lambda name: -len(set(axes[name])))[:2]
    if not names:
        return None
    x_name, x = names[0], axes[names[0]]
    y_name, y = (names[1], axes[names[1]]) if len(names) > 1 else ("", [str(o) for o in outcomes])
    others = iter(range(len(outcomes)))
    colors = {o: OUTCOMES[o] if o in OUTCOMES else CYCLE[(1, 0, 3, 4, 5, 6)[next(others) % 6]] for o in dict.fromkeys(outcomes)}
    data = []
    for outcome, color in colors.items():
        chosen = [n for n, found in enumerate(outcomes) if found == outcome]
        data.append(
            {
                "type": "scatter",
                "mode": "markers",
                "name": outcome,
                "x": shown_values([x[n] for n in chosen]),
                "y": shown_values([y[n] for n in chosen]),
                "customdata": [keys[n] for n in chosen],
                "marker": MARK | {"size": 15, "color": color, "symbol": "x" if outcome == "failed" else "square"},
                "hovertemplate": f"member %{{customdata}}: {outcome}<br>%{{x}}<br>%{{y}}<extra></extra>",
            }
        )
    look = layout(study_axis(x_name, x), study_axis(y_name, y), height=360, hovermode="closest", showlegend=True)
    return Chart("Each member by the way it ended", tuple(data), look, "study", wide=True)


def finite(values: Sequence) -> np.ndarray:
    """Numbers of a column; NaN for texts and gaps."""
    return np.array([v if isinstance(v, (int, float)) else math.nan for v in values], dtype=float)
