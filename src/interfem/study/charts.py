"""Pictures of a study: outputs over an axis as lines, or over two as a map, beside points from elsewhere."""

from __future__ import annotations

import logging
import math
import re
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten

import matplotlib
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.patches import Patch, Rectangle
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from ..failures import clock, colours, outcome
from ..figures.style import CYCLE, LINE, SEQUENTIAL, canvas, span
from .file import Figure, Reference
from .gather import WAITING, Row, cut_short
from .plan import Plan

log = logging.getLogger("interfem")

# ends of column names -> units as figures show them
UNITS = {"_ohm_cm2": "Ω cm²", "_mAh_per_cm2": "mAh/cm²", "_mA_per_cm2": "mA/cm²", "_A_per_m2": "A/m²",
         "_mWh_per_cm2": "mWh/cm²", "_mol_per_m3": "mol/m³", "_J_per_m2": "J/m²", "_N_per_m": "N/m", "_pJ": "pJ",
         "_MPa_sqrt_m": "MPa √m", "_MPa": "MPa", "_um": "µm", "_nm": "nm", "_mm": "mm", "_K": "K", "_degC": "°C", "_V": "V", "_mV": "mV", "_h": "h", "_s": "s"}  # fmt: skip
REDUCED = {"max": "largest", "min": "smallest", "largest": "largest magnitude"}
SPOKEN = {"asr": "areal resistance", "fresh asr": "areal resistance, fresh", "aged asr": "areal resistance, aged",
          "lithium in sei": "lithium in reaction layers", "sse": "electrolyte",
          "K I over K IC": "K_I/K_IC", "K I": "K_I", "K II": "K_II", "J": "J-integral", "T stress": "T-stress"}
MARKS = ("s", "D", "v", "P", "*", "h")  # of references
DASHES = ("--", ":", "-.")  # of references that are lines
FAMILY = len(CYCLE)  # lines told apart by colour alone; more go by a colour scale if they have an order, else by marks and dashes too
ROUNDS = (("o", "-"), ("s", "--"), ("^", ":"), ("D", "-."))  # mark and dash of each time through the colours
LOST = "#b00020"
TICK = 24  # letters of a text on an axis
MARKED = 8  # places on an axis of a map, up to which each is marked
WRITTEN = 60  # tiles of a map, up to which each tells its number, unless lines or marks lie on it
TOLD = "time of the failure; where nothing fails, the part of the nearest limit that was reached"
PLAIN = 300.0  # high over low of a logarithmic axis up to which its ticks are plain numbers


def draw_figures(plan: Plan, rows: list[Row], folder: Path) -> list[Path]:
    """The figures that the study asks for, or those that fit its axes; a picture that fails is told in the log and left out."""
    folder.mkdir(parents=True, exist_ok=True)
    for stale in folder.glob("*.png"):
        stale.unlink()
    made = []
    for n, figure in enumerate(plan.figures or _default(plan), 1):
        path = folder / f"{figure.name or f'figure{n}'}.png"
        try:
            sheet = Sheet(plan, [row for row in rows if _belongs(row, figure)], figure)
            made.append(KINDS[figure.kind](sheet, path))
        except Exception as error:  # the tables are worth more than their pictures
            log.warning("figure %s could not be drawn: %s: %s", path.name, type(error).__name__, error)
    return made


def _belongs(row: Row, figure: Figure) -> bool:
    """The run has the values that the figure is restricted to."""
    return all(str(row[name]) == str(value) if isinstance(value, str) else math.isclose(row[name], value, rel_tol=1e-6)
               for name, value in figure.where.items())


def _default(plan: Plan) -> list[Figure]:
    """Every output over the first axis with most points, a line for each value of the next; sampled axes one by one."""
    outputs = tuple(output.title for output in plan.file.outputs)
    sampled = [track for track in plan.tracks if track.at is not None]
    if not outputs:
        return []
    if sampled:
        return [Figure(x=track.column, y=outputs, name=f"figure{n}") for n, track in enumerate(sampled, 1)]
    x, *others = sorted(plan.tracks, key=lambda track: -len(track.grid))
    return [Figure(x=x.column, y=outputs, by=others[0].column if others else None)]


@dataclass(frozen=True)
class Sheet:
    """A figure with the study that it shows."""

    plan: Plan
    rows: list[Row]
    figure: Figure

    @property
    def title(self) -> str:
        return self.figure.title or self.plan.file.title

    def label(self, column: str, own: str | None) -> str:
        """Own text, or the name of a column in words with its unit."""
        if own:
            return own
        track = self.plan.track(column)
        if track is not None and track.column == column:
            return f"{track.name} ({pretty(track.unit)})" if track.unit else track.name
        output = next((output for output in self.plan.file.outputs if output.title == column), None)
        if output is None or output.name:
            return words(column)
        if output.event:
            return f"{words(output.column)} at {output.event.replace('_', ' ')}"
        return ", ".join(filter(None, (words(output.column), REDUCED.get(output.reduce))))

    @property
    def running(self) -> str | None:
        """The axis that runs along a line: x, or where x is an output the first axis that does not tell the lines apart."""
        columns = [track.column for track in self.plan.tracks]
        free = [column for column in columns if column != self.figure.by]
        return self.figure.x if self.figure.x in columns else free[0] if free else None

    def logarithmic(self, key: str, column: str) -> bool:
        """Asked for, or the axis of the study is a logarithmic one."""
        track = self.plan.track(column)
        return key in self.figure.log or (track is not None and track.log)

    def places(self, column: str) -> tuple[np.ndarray, list[str]]:
        """Where each row stands on an axis, and the texts there if they are no numbers."""
        values = [row.get(column) for row in self.rows]
        if not any(isinstance(value, str) for value in values):
            return np.array([np.nan if value is None else float(value) for value in values]), []
        texts = list(dict.fromkeys(str(value) for value in values))
        return np.array([float(texts.index(str(value))) for value in values]), texts

    def values(self, column: str) -> np.ndarray:
        found = [row.get(column) for row in self.rows]
        return np.array([value if isinstance(value, (int, float)) else np.nan for value in found], dtype=float)

    @property
    def lost(self) -> np.ndarray:
        """Rows of runs that failed."""
        return np.array([row["status"] == "failed" for row in self.rows])

    @property
    def cut(self) -> np.ndarray:
        """Rows of runs that an event ended which no output asks for."""
        return np.array([cut_short(row, self.plan.file.outputs) for row in self.rows], dtype=bool)

    def instant(self, column: str) -> bool:
        """An output that is known at some instant, whatever ended the run after it."""
        output = next((output for output in self.plan.file.outputs if output.title == column), None)
        return output is not None and any(value is not None for value in (output.event, output.below, output.above))

    @property
    def ended(self) -> np.ndarray:
        """Rows of runs that have ended well."""
        return np.array([row["status"] not in (WAITING, "failed") for row in self.rows])


def words(column: str) -> str:
    """A column in words: ``crack_length_um[slot]`` or ``crack_length[slot]_um`` -> "crack length, slot (µm)"."""
    name, _, rest = column.partition("[")
    part, _, unit = rest.partition("]")
    name += unit
    end = next((end for end in UNITS if name.endswith(end)), "")
    name = name.removesuffix(end).replace("_", " ")
    said = next((text for text in sorted(SPOKEN, key=len, reverse=True) if re.match(rf"{text}\b", name)), "")
    name = SPOKEN.get(said, "") + name.removeprefix(said)
    text = f"{name}, {part.replace('|', ' | ')}" if part else name
    return f"{text} ({UNITS[end]})" if end else text


def pretty(unit: str) -> str:
    """A unit as figures show it: ``mA/cm^2`` -> mA/cm², ``MPa*m^0.5`` -> MPa √m."""
    unit = unit.replace("*m^0.5", " √m")
    unit = re.sub(r"\^?2\b", "²", re.sub(r"\^?3\b", "³", unit))
    return re.sub(r"\bum\b|\bum(?=[²³])", "µm", unit.replace("ohm", "Ω").replace("*", " ").replace("degC", "°C"))


# ---- lines ------------------------------------------------------------------------------------------------------------


def _draw_lines(sheet: Sheet, path: Path) -> Path:
    """A panel for each y."""
    names = sheet.figure.y
    columns = min(len(names), 3 if len(names) > 4 else 2)
    height = -(-len(names) // columns)
    with canvas((5.2 * columns + (1.2 if columns == 1 else 0.2), 3.9 * height + 1.2), path) as figure:
        boxes = np.atleast_1d(figure.subplots(height, columns, squeeze=False)).reshape(-1)
        for box, name in zip(boxes, names):
            _panel(box, sheet, name)
        for box in boxes[len(names) :]:
            box.remove()
        handles = {h.get_label(): h for box in figure.axes for h in box.get_legend_handles_labels()[0]}
        if handles:
            figure.legend(handles=list(handles.values()), loc="outside lower center", ncol=2 if len(handles) > 2 else 1)
        figure.suptitle(sheet.title)
    return path


def _panel(box, sheet: Sheet, name: str) -> None:
    x, texts = sheet.places(sheet.figure.x)
    y, hollow = sheet.values(name), sheet.cut & (not sheet.instant(name))
    for label, colour, (mark, dash), rows in _families(sheet):
        order = rows[np.argsort(x[rows], kind="stable")] if sheet.running == sheet.figure.x else rows
        shown = order[np.isfinite(x[order]) & np.isfinite(y[order])]
        whole, cut = shown[~hollow[shown]], shown[hollow[shown]]
        if _is_curve(sheet, rows) and not texts:
            box.plot(x[whole], y[whole], dash, color=colour)
        first = label if len(whole) or not len(cut) else None
        box.plot(x[whole], y[whole], mark, ms=5, color=colour, label=first)
        box.plot(x[cut], y[cut], mark, ms=5, mfc="white", color=colour, label=None if first else label)
    _references(box, sheet.figure.reference)
    _scales(box, sheet, texts, name)
    _missing(box, x, sheet.lost, "x", 0.03, "failed")
    _missing(box, x, sheet.ended & ~np.isfinite(y), "^", 0.96, "no value in the run")
    if hollow.any():
        box.plot([], [], "o", ms=5, mfc="white", color=LINE, label="hollow: ended early by an event")


def _is_curve(sheet: Sheet, rows: np.ndarray) -> bool:
    """Points of a grid, one at each value of the axis that runs along the line."""
    values = [sheet.rows[n].get(sheet.running) for n in rows]
    return len(set(values)) == len(values) and all(track.at is None for track in sheet.plan.tracks)


def _families(sheet: Sheet) -> list[tuple[str | None, object, tuple[str, str], np.ndarray]]:
    """(label, colour, mark and dash, rows) of each line: one for each `by`, and for each value of the axes that are not drawn."""
    by = sheet.figure.by
    others = [track.column for track in sheet.plan.tracks if track.at is None and track.column not in (sheet.running, by)]
    groups: dict[tuple, list[int]] = {}
    for n, row in enumerate(sheet.rows):
        groups.setdefault((row.get(by) if by else None, *(row.get(column) for column in others)), []).append(n)
    firsts = list(dict.fromkeys(key[0] for key in groups))
    styles = _styles(firsts)
    told: set = set()
    found = []
    for key, rows in groups.items():
        label = _member_label(sheet, key[0]) if by and key[0] not in told else None
        told.add(key[0])
        found.append((label, *styles[firsts.index(key[0])], np.array(rows)))
    return found


def _styles(values: list[float | str | None]) -> list[tuple[object, tuple[str, str]]]:
    """Colour, mark and dash for each value: names differ in all three once the colours are used up, many numbers follow a colour scale."""
    if len(values) > FAMILY and not any(isinstance(value, str) for value in values):
        return [(colour, ROUNDS[0]) for colour in matplotlib.colormaps[SEQUENTIAL](np.linspace(0.0, 0.92, len(values)))]
    return [(CYCLE[n % FAMILY], ROUNDS[n // FAMILY % len(ROUNDS)]) for n in range(len(values))]


def _member_label(sheet: Sheet, value: float | str) -> str:
    if isinstance(value, str):
        return re.sub(r"(?<=m)\^2\b", "²", value)  # a quantity; in a name 2 is no power
    track = sheet.plan.track(sheet.figure.by)
    return f"{track.name} {value:.4g} {pretty(track.unit)}".strip()


def _scales(box, sheet: Sheet, texts: list[str], name: str) -> None:
    box.set_xlabel(sheet.label(sheet.figure.x, sheet.figure.x_label))
    box.set_ylabel(sheet.label(name, sheet.figure.y_label if len(sheet.figure.y) == 1 else None))
    if texts:
        crowded = len(texts) > 4
        short = [shorten(text, TICK, placeholder=" ...") for text in texts]
        box.set_xticks(range(len(texts)), short, rotation=30 if crowded else 0, ha="right" if crowded else "center")
        box.set_xlim(-0.5, len(texts) - 0.5)
    elif sheet.logarithmic("x", sheet.figure.x):
        decades(box, "x")
    if "y" in sheet.figure.log:
        decades(box, "y")
    box.margins(y=0.12)
    box.grid(True, color="#dddddd", lw=0.6)
    box.set_axisbelow(True)


def decades(box, which: str) -> None:
    """A logarithmic axis where something is above zero; over few decades its ticks are plain numbers."""
    axis = box.xaxis if which == "x" else box.yaxis
    low, high = box.dataLim.minposx if which == "x" else box.dataLim.minposy, box.dataLim.x1 if which == "x" else box.dataLim.y1
    if not np.isfinite(low) or not high > 0:
        return
    (box.set_xscale if which == "x" else box.set_yscale)("log")
    if high < PLAIN * low:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0) if high > 10 * low else np.arange(1.0, 10.0)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())


def _references(box, references: tuple[Reference, ...]) -> None:
    for n, entry in enumerate(references):
        line, points = {"ls": DASHES[n % len(DASHES)]}, {"ls": "", "marker": MARKS[n % len(MARKS)], "ms": 7}
        style = {"color": LINE, "mfc": "white", "mew": 1.4, "zorder": 5} | (line if entry.line else points)
        box.plot(entry.x, entry.y, label=f"{entry.label} [{entry.source}]", **style)


def _missing(box, x: np.ndarray, rows: np.ndarray, mark: str, height: float, label: str) -> None:
    """Marks at the edge of a panel for runs without a value."""
    rows = rows & np.isfinite(x)
    if rows.any():
        style = {"marker": mark, "ls": "", "ms": 8, "mew": 2, "color": LOST, "mfc": "none", "clip_on": False, "zorder": 6}
        box.plot(x[rows], np.full(rows.sum(), height), transform=box.get_xaxis_transform(), label=label, **style)


# ---- maps -------------------------------------------------------------------------------------------------------------


def _draw_map(sheet: Sheet, path: Path) -> Path:
    """A map for each y; a full grid in tiles, anything else as points."""
    names = sheet.figure.y
    with canvas((6.0 * len(names) + 0.4, 5.6), path) as figure:
        for box, name in zip(np.atleast_1d(figure.subplots(1, len(names))), names):
            _map(figure, box, sheet, name)
        handles = {h.get_label(): h for box in figure.axes for h in box.get_legend_handles_labels()[0]}
        if handles:
            figure.legend(handles=list(handles.values()), loc="outside lower center")
        figure.suptitle(sheet.title)
    return path


def _map(figure, box, sheet: Sheet, name: str) -> None:
    (x, x_texts), (y, y_texts), z = sheet.places(sheet.figure.x), sheet.places(sheet.figure.by), sheet.values(name)
    logs = sheet.logarithmic("x", sheet.figure.x), sheet.logarithmic("by", sheet.figure.by)
    found = z[np.isfinite(z)]
    wide = "y" in sheet.figure.log and len(found) and 0 < found.min() < found.max()
    norm = LogNorm(found.min(), found.max()) if wide else span(z, percentile=100.0)
    xs, ys = np.unique(x), np.unique(y)
    if len(xs) * len(ys) == len(z) and min(len(xs), len(ys)) > 1:
        tiles = np.full((len(ys), len(xs)), np.nan)
        tiles[np.searchsorted(ys, y), np.searchsorted(xs, x)] = z
        drawn = box.pcolormesh(_edges(xs, logs[0]), _edges(ys, logs[1]), tiles, cmap=SEQUENTIAL, norm=norm)
        if tiles.size <= WRITTEN and not (sheet.figure.contours or sheet.figure.reference):
            _write(box, xs, ys, tiles, norm)
        if sheet.figure.contours and np.isfinite(tiles).sum() > 3:
            lines = box.contour(xs, ys, tiles, levels=sorted(sheet.figure.contours), colors="white", linewidths=1.8)
            box.clabel(lines, fontsize=9)
    else:
        drawn = box.scatter(x, y, c=z, cmap=SEQUENTIAL, norm=norm, s=60, edgecolors=LINE, linewidths=0.5)
    figure.colorbar(drawn, ax=box, label=sheet.label(name, sheet.figure.y_label if len(sheet.figure.y) == 1 else None))
    _marked(box, sheet, (x_texts, y_texts), logs, (xs, ys))
    _overlay(box, x, y, sheet.lost, {"marker": "x", "mew": 2, "color": LOST}, "failed")
    _overlay(box, x, y, sheet.cut, {"marker": "o", "mfc": "none", "mec": "white"}, "ended early by an event")
    _references(box, sheet.figure.reference)


def _marked(box, sheet: Sheet, texts, logs, places) -> None:
    """Scales, ticks and labels of both axes of a map."""
    for which, names, long, at in zip("xy", texts, logs, places):
        if not names and long:
            decades(box, which)
        if names or len(at) <= MARKED:
            (box.set_xticks if which == "x" else box.set_yticks)(range(len(names)) if names else at, names or [f"{v:.3g}" for v in at])
    box.set_xlabel(sheet.label(sheet.figure.x, sheet.figure.x_label))
    box.set_ylabel(sheet.label(sheet.figure.by, sheet.figure.by_label))


def _draw_failures(sheet: Sheet, path: Path) -> Path:
    """A tile for each run, coloured by what failed first, with the time; where nothing did, by what part the nearest limit was reached."""
    (x, x_texts), (y, y_texts) = sheet.places(sheet.figure.x), sheet.places(sheet.figure.by)
    logs = sheet.logarithmic("x", sheet.figure.x), sheet.logarithmic("by", sheet.figure.by)
    xs, ys = np.unique(x), np.unique(y)
    edges = _edges(xs, logs[0]), _edges(ys, logs[1])
    ended = [outcome(row) for row in sheet.rows]
    colour = colours(name for name, _ in ended)
    with canvas((max(1.1 * len(xs) + 1.6, 6.0), 0.62 * len(ys) + 2.4), path) as figure:
        box = figure.subplots()
        for (name, time), row, px, py in zip(ended, sheet.rows, x, y):
            column, line = np.searchsorted(xs, px), np.searchsorted(ys, py)
            corner, size = zip(*((e[n], e[n + 1] - e[n]) for e, n in zip(edges, (column, line))))
            box.add_patch(Rectangle(corner, *size, facecolor=colour[name], edgecolor="white", lw=1.5))
            box.text(px, py, _tile_text(row, time), ha="center", va="center", fontsize=9, color="white", fontweight="bold")
        for which, long, edge in zip("xy", logs, edges):
            if long:
                (box.set_xscale if which == "x" else box.set_yscale)("log")
            (box.set_xlim if which == "x" else box.set_ylim)(edge[0], edge[-1])
        _marked(box, sheet, (x_texts, y_texts), logs, (xs, ys))
        box.minorticks_off()
        figure.legend(handles=[Patch(color=c, label="nothing fails" if name == "completed" else name) for name, c in colour.items()],
                      loc="outside lower center", ncol=3, title=TOLD if any(map(_near, sheet.rows)) else None, title_fontsize=9)
        figure.suptitle(sheet.title)
    return path


def _tile_text(row: Row, time: float | None) -> str:
    """When it failed, or how near it came."""
    return clock(time) if time is not None and math.isfinite(time) else _near(row)


def _near(row: Row) -> str:
    share = row.get("share_of_limit")
    return f"{100 * share:.2g} %" if share is not None and 0 <= share < 1 else ""


def _write(box, xs: np.ndarray, ys: np.ndarray, tiles: np.ndarray, norm) -> None:
    """The number in each tile, dark on light."""
    for row, y in zip(tiles, ys):
        for value, x in zip(row, xs):
            if np.isfinite(value):
                box.text(x, y, f"{value:.3g}", ha="center", va="center", fontsize=10, color="black" if norm(value) > 0.6 else "white")


def _overlay(box, x: np.ndarray, y: np.ndarray, rows: np.ndarray, style: dict, label: str) -> None:
    """Marks on a map; what is white there is dark in the legend."""
    if rows.any():
        box.plot(x[rows], y[rows], ls="", ms=8, **style)
        box.plot([], [], ls="", ms=8, label=label, **(style | ({"mec": LINE} if "mec" in style else {})))


def _edges(centres: np.ndarray, log: bool) -> np.ndarray:
    """Borders of tiles about their centres."""
    if len(centres) == 1:
        return centres[0] * np.array([0.5, 2.0]) if log else centres[0] + np.array([-0.5, 0.5])
    c = np.log(centres) if log else centres
    middle = 0.5 * (c[1:] + c[:-1])
    edges = np.concatenate([[2 * c[0] - middle[0]], middle, [2 * c[-1] - middle[-1]]])
    return np.exp(edges) if log else edges


KINDS = {"lines": _draw_lines, "map": _draw_map, "failures": _draw_failures}
