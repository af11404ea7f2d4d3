"""Several runs side by side: a table, fields on common colour scales, curves over each other, bars of resistances and peaks."""

from __future__ import annotations

import csv
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .case import Case
from .figures.curves import dress_time, lines, panels_of, shade
from .figures.data import Run, open_run
from .figures.maps import MAPS, TUBES_NEAR, Scale, color_bar, draw, flow_lines, frame_only, layer_values
from .figures.style import CYCLE, LINE, canvas, time_unit
from .figures.section import section_of
from .figures.views import Section, Window
from .regions import Kinetics, interface_name, is_transfer, kinetics
from .units import FARADAY, GAS_CONSTANT, shown_factor

MOST = 6  # runs whose fields are drawn
LINE_STYLES = ("-", "--", ":", "-.")


class CompareError(Exception):
    """What was given cannot be compared; the text says why. The command line exits with 2."""


def compare(folders: Sequence[str | Path], out: str | Path, progress: Callable[[float, str], None] | None = None) -> Path:
    """Write table.md, table.csv and figures into a folder; gives the one picture to look at, comparison.png.

    `progress(fraction, text)` is called before each of them.
    """
    runs = open_runs(folders)
    out = Path(out)
    tell = progress or (lambda fraction, text: None)
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_table(runs, out)
        tell(0.05, "reading fields")
        sections = {name: s for name, run in list(runs.items())[:MOST] if (s := section_of(run)) is not None}
        tell(0.15, "fields.png")
        draw_fields(runs, sections, out / "fields.png")
        tell(0.45, "time.png")
        draw_curves(runs, out / "time.png")
        tell(0.65, "bars.png")
        draw_bars(runs, out / "bars.png")
        tell(0.75, "comparison.png")
        draw_sheet(runs, sections, out / "comparison.png")
        tell(1.0, "done")
    except OSError as error:
        raise CompareError(f"{error.filename or out}: {error.strerror or error}; choose another folder with --out") from None
    return out / "comparison.png"


def open_runs(folders: Sequence[str | Path]) -> dict[str, Run]:
    """Name -> run, in the order given. CompareError names the folder that holds none."""
    if not folders:
        raise CompareError("no run folder was given; name one or more, such as runs/demo/bare")
    found = []
    for folder in map(Path, folders):
        try:
            found.append(open_run(folder))
        except FileNotFoundError:
            what = "has no run.json, so it is no run folder or its run has not ended" if folder.is_dir() else "is no folder"
            raise CompareError(f"{folder}: {what}; give folders that `interfem run` wrote") from None
        except (ValueError, OSError) as error:
            raise CompareError(f"{folder / 'run.json'}: cannot be read ({error}); run the case again") from None
    return dict(zip(_names([run.folder for run in found]), found))


def _names(folders: list[Path]) -> list[str]:
    """The shortest ends of the paths that tell them apart."""
    parts = [folder.resolve().parts for folder in folders]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{n}: {folder.name}" for n, folder in enumerate(folders, 1)]  # one folder given twice


# ---- table ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Row:
    """A scalar in the table: "loaded" is its value at the last step with current, else an extreme or the last value."""

    label: str
    unit: str
    scalar: str
    which: str
    factor: float = 1.0


LOADED = '"Under current" is at the last step at which a net current passed; "largest" and "smallest" are those of the whole run.'
ROWS = (
    Row("Current density, last", "mA/cm2", "current_density_A_per_m2", "loaded", 0.1),
    Row("Cell voltage under current", "mV", "cell_voltage_V", "loaded", 1e3),
    Row("Overpotential under current", "mV", "overpotential_V", "loaded", 1e3),
    Row("Areal resistance under current", "ohm cm2", "asr_ohm_cm2", "loaded"),
    Row("Areal resistance, largest", "ohm cm2", "asr_ohm_cm2", "max"),
    Row("Current focusing under current", "", "current_focusing", "loaded"),
    Row("Current focusing, largest", "", "current_focusing", "max"),
    Row("Contact fraction under current", "", "contact_fraction", "loaded"),
    Row("Lithium plated, mean, end", "um", "plated_thickness_um", "last"),
    Row("Charge passed", "mAh/cm2", "areal_charge_mAh_per_cm2", "last"),
    Row("Principal stress in the electrolyte, largest", "MPa", "sse_max_principal_MPa", "max"),
    Row("Principal stress in the electrolyte, end", "MPa", "sse_max_principal_MPa", "last"),
    Row("Von Mises stress in the electrolyte, largest", "MPa", "sse_max_von_mises_MPa", "max"),
    Row("Pressure in the metal, largest", "MPa", "metal_max_pressure_MPa", "max"),
    Row("Pressure in the metal, end", "MPa", "metal_max_pressure_MPa", "last"),
    Row("Von Mises stress in the metal, largest", "MPa", "metal_max_von_mises_MPa", "max"),
    Row("Pressure on the interface, smallest", "MPa", "interface_min_pressure_MPa", "min"),
    Row("Pressure on the interface, largest", "MPa", "interface_max_pressure_MPa", "max"),
    Row("Plastic strain, largest", "", "max_plastic_strain", "max"),
    Row("Charge balance error, largest", "", "charge_balance_error", "max"),
    Row("Lithium balance error, largest", "", "lithium_balance_error", "max"),
    Row("Work balance error, largest", "", "work_balance_error", "max"),
)


def table(runs: dict[str, Run]) -> list[tuple[str, str, list[str | float]]]:
    """(what, unit, one entry a run); rows that no run has are left out."""
    rows: list[tuple[str, str, list]] = [
        ("Case", "", [run.title for run in runs.values()]),
        ("Status", "", [run.record["status"] for run in runs.values()]),
        ("Event or reason", "", [run.record.get("event") or run.record.get("reason") or "" for run in runs.values()]),
        ("Time reached", "s", [run.value("time_s", -1) if len(run.time) else math.nan for run in runs.values()]),
    ]
    for row in ROWS:
        values = [row.factor * _entry(run, row) for run in runs.values()]
        if any(map(math.isfinite, values)):
            rows.append((row.label, row.unit, values))
    for name in sorted({n for run in runs.values() for n in run.scalars if n.startswith("li_fraction_mean[")}):
        rows.append((f"Lithium filling of {name[17:-1]}, mean, end", "c/c_max", [run.value(name, -1) for run in runs.values()]))
    for name in sorted({n for run in runs.values() for n in run.scalars if n.startswith("K_I_over_K_IC[")}):
        rows.append((f"K_I/K_IC at {name[14:-1]}, largest", "", [_entry(run, Row("", "", name, "max")) for run in runs.values()]))
    rows += [
        ("Steps", "", [run.value("step", -1) if len(run.time) else 0.0 for run in runs.values()]),
        ("Cells", "", [_number(run.record.get("mesh", {}).get("cells")) for run in runs.values()]),
        ("Unknowns", "", [_number(run.record.get("unknowns", {}).get("total")) for run in runs.values()]),
        ("Ranks", "", [_number(run.record.get("ranks")) for run in runs.values()]),
        ("Wall time", "s", [_number(run.record.get("timings_s", {}).get("total")) for run in runs.values()]),
    ]
    return [row for row in rows if row[2] and not all(entry == "" for entry in row[2])]


def _entry(run: Run, row: Row) -> float:
    if row.which == "loaded":
        return run.value(row.scalar, run.loaded)
    return _number((run.record.get("summary") or {}).get(row.scalar, {}).get(row.which))


def _number(value) -> float:
    return float(value) if isinstance(value, (int, float)) else math.nan


def write_table(runs: dict[str, Run], out: Path) -> None:
    """table.csv with eight digits, table.md rounded to four."""
    rows = table(runs)
    with open(out / "table.csv", "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["quantity", "unit", *runs])
        writer.writerows([label, unit, *(_digits(entry, 8) for entry in entries)] for label, unit, entries in rows)
    cells = [
        ["Quantity", *runs],
        *(
            [f"{label} ({unit})" if unit else label, *(_digits(entry, 4) or "–" for entry in entries)]
            for label, unit, entries in rows
        ),
    ]
    cells = [[cell.replace("|", "\\|").replace("\n", " ") for cell in row] for row in cells]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    text = [f"| {' | '.join(cell.ljust(width) for cell, width in zip(row, widths))} |" for row in cells]
    text.insert(1, f"|{'|'.join('-' * (width + 2) for width in widths)}|")
    (out / "table.md").write_text("\n".join(text) + f"\n\n{LOADED}\n", encoding="utf-8")


def _digits(entry: str | float, digits: int) -> str:
    if isinstance(entry, str):
        return entry
    if not math.isfinite(entry):
        return ""
    return f"{entry:.0f}" if entry == round(entry) and abs(entry) < 1e9 else f"{entry:.{digits}g}"


# ---- resistances ------------------------------------------------------------------------------------------------------


BULK, TRANSFER, FILM, REST = (
    "bulk of the ion conductors, sum of h/κ",
    "charge transfer at the mean current",
    "unresolved films",
    "remainder: constriction, flaws, concentration",
)
PART_COLORS = dict(zip((BULK, TRANSFER, FILM, REST), ("#0072b2", "#e69f00", "#009e73", "#999999")))


def resistances(run: Run) -> dict[str, float]:
    """Areal resistance in ohm cm2 under load, in parts that sum up to it; empty if no current passed.

    Bulk, charge transfer and films are those of a flat cell with the contact fraction of the run; the remainder is what is left.
    """
    total, current = run.value("asr_ohm_cm2", run.loaded), run.value("current_density_A_per_m2", run.loaded)
    if not (math.isfinite(total) and current):
        return {}
    parts = (
        _flat_parts(run.case, current, run.value("contact_fraction", run.loaded))
        if run.case
        else {}
    )
    return {name: value for name, value in parts.items() if value} | {REST: total - sum(parts.values())}


def _flat_parts(case: Case, current: float, contact: float) -> dict[str, float]:
    """Of a flat stack, ohm cm2; nothing if the thicknesses are not known (own mesh)."""
    layers = case.regions[: len(case.layers)]
    if any(region.thickness is None for region in layers):
        return {}
    to_shown = shown_factor("areal resistance")
    bulk = sum(r.thickness / r.material.get("ionic_conductivity").at(case.temperature) for r in layers if r.ions)
    transfer, film = 0.0, 0.0
    for a, b in zip(layers, layers[1:]):
        if a.ions and b.ions:
            film += case.interface(interface_name(a.name, b.name, case)).ionic_resistance or 0.0
        if not is_transfer(case, a, b):
            continue
        law, anode = kinetics(case, a, b), a.side == "anode"
        share = contact if anode and math.isfinite(contact) and contact > 0 else 1.0
        transfer += charge_transfer(law, (current if anode else -current) / share, case.temperature) / abs(current)
        film += law.film_resistance / share
    return {BULK: bulk * to_shown, TRANSFER: transfer * to_shown, FILM: film * to_shown}


def charge_transfer(law: Kinetics, current: float, temperature: float) -> float:
    """Magnitude in V of the overpotential that drives a current density, A/m^2, without films."""
    if law.law == "linear":
        return abs(current) * law.resistance
    from scipy.optimize import brentq

    thermal, alpha, i0 = GAS_CONSTANT * temperature / FARADAY, law.transfer_coefficient, law.exchange_current_density
    bound = thermal * (math.asinh(abs(current) / i0) + 1.0) / min(alpha, 1.0 - alpha)
    return abs(
        brentq(
            lambda eta: i0 * (math.exp((1 - alpha) * eta / thermal) - math.exp(-alpha * eta / thermal)) - current, -bound, bound
        )
    )


PEAKS = (
    ("sse_max_principal_MPa", "principal stress,\nelectrolyte"),
    ("sse_max_von_mises_MPa", "von Mises,\nelectrolyte"),
    ("metal_max_pressure_MPa", "pressure,\nmetal"),
    ("metal_max_von_mises_MPa", "von Mises,\nmetal"),
    ("interface_max_pressure_MPa", "pressure,\ninterface"),
)


def bar_resistances(axes, runs: dict[str, Run]) -> None:
    """Stacked parts of the areal resistance, its sum marked."""
    parts = [resistances(run) for run in runs.values()]
    shown = [name for name in PART_COLORS if any(name in p for p in parts)]
    for n, found in enumerate(parts):
        up, down = 0.0, 0.0
        for name in shown:
            value = found.get(name, 0.0)
            axes.bar(
                n,
                value,
                0.62,
                bottom=up if value >= 0 else down,
                color=PART_COLORS[name],
                hatch="//" if value < 0 else None,
                edgecolor="white",
                lw=0.6,
            )
            up, down = up + max(value, 0.0), down + min(value, 0.0)
        if found:
            total = sum(found.values())
            axes.plot([n - 0.36, n + 0.36], [total, total], color=LINE, lw=2)
            axes.annotate(f"{total:.3g}", (n, max(up, total)), (0, 4), textcoords="offset points", ha="center")
        else:
            axes.annotate("no current", (n, 0.0), (0, 4), textcoords="offset points", ha="center", color="#777777", rotation=90)
    handles = [
        axes.bar(0, 0, color=PART_COLORS[name], label=name if any(len(p) > 1 for p in parts) else "areal resistance")
        for name in reversed(shown)
    ]
    axes.axhline(0.0, color=LINE, lw=0.7)
    axes.margins(y=0.1)
    _name_runs(axes, runs)
    axes.set_ylabel("Areal resistance (Ω cm²)")
    axes.set_title("Areal resistance under load and its parts", loc="left")
    if handles:
        axes.legend(
            handles=handles, loc="upper center", bbox_to_anchor=(0.5, -0.13 if len(runs) < 5 else -0.3), fontsize=8.5, ncols=1
        )


def bar_peaks(axes, runs: dict[str, Run]) -> None:
    """Largest stresses of the whole runs, in groups."""
    known = [(name, label) for name, label in PEAKS if any(name in (run.record.get("summary") or {}) for run in runs.values())]
    if not known:
        axes.text(0.5, 0.5, "no mechanics", transform=axes.transAxes, ha="center", color="#777777")
        axes.set_axis_off()
        return
    width = 0.8 / len(runs)
    everything = []
    for k, run in enumerate(runs.values()):
        values = [_number((run.record.get("summary") or {}).get(name, {}).get("max")) for name, _ in known]
        places = np.arange(len(known)) + (k - 0.5 * (len(runs) - 1)) * width
        axes.bar(places, values, 0.92 * width, color=color_of(k), label=list(runs)[k])
        for x, value in zip(places, values):
            if math.isfinite(value):
                everything.append(value)
                axes.annotate(
                    f"{value:.3g}",
                    (x, value),
                    (0, 2),
                    textcoords="offset points",
                    ha="center",
                    va="bottom",
                    fontsize=7.5,
                    rotation=0 if len(runs) < 5 else 90,
                )
    positive = [v for v in everything if v > 0]
    if positive and max(positive) > 30 * min(positive):
        axes.set_yscale("log")
    axes.margins(y=0.12)
    axes.set_xticks(range(len(known)), [label for _, label in known], fontsize=8.5)
    axes.set_ylabel("MPa")
    axes.set_title("Largest stresses of the run", loc="left")
    if len(runs) > 1:
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), fontsize=8.5, ncols=min(len(runs), 4))


def color_of(number: int) -> str:
    return CYCLE[number % len(CYCLE)]


def _name_runs(axes, runs: dict[str, Run]) -> None:
    long = max(map(len, runs)) * len(runs) > 60
    axes.set_xticks(range(len(runs)), list(runs), rotation=30 if long else 0, ha="right" if long else "center")


# ---- figures ----------------------------------------------------------------------------------------------------------


def draw_bars(runs: dict[str, Run], path: Path) -> None:
    with canvas((max(11.0, 1.1 * len(runs) + 8.0), 5.2), path) as figure:
        left, right = figure.subplots(1, 2)
        bar_resistances(left, runs)
        bar_peaks(right, runs)


def draw_curves(runs: dict[str, Run], path: Path) -> None:
    """Scalars of all runs over time; the protocol behind them if it is the same for all."""
    timed = {name: run for name, run in runs.items() if len(run.time) > 1}
    if not timed:
        return
    panels = panels_of(list(timed.values()))
    columns = min(4, len(panels))
    rows = -(-len(panels) // columns)
    with canvas((3.55 * columns, 2.35 * rows + 1.0), path) as figure:
        axes = figure.subplots(rows, columns, squeeze=False).reshape(-1)
        for n, (box, panel) in enumerate(zip(axes, panels)):
            curve(box, panel, timed, runs, labels=n < columns)
        for box in axes[len(panels) :]:
            box.remove()
        _legend(figure, axes[0], timed, runs)


def _legend(figure, box, timed: dict[str, Run], runs: dict[str, Run]) -> None:
    handles = [
        box.plot([], [], color=color_of(list(runs).index(name)), label=f"{name}: {run.title}, {run.ending}")[0]
        for name, run in timed.items()
    ]
    figure.legend(
        handles=handles,
        loc="outside upper center",
        ncols=1 if len(timed) > 6 else 2 if len(timed) > 2 else len(timed),
        fontsize=9.5,
    )


def curve(box, panel, timed: dict[str, Run], runs: dict[str, Run], labels: bool) -> None:
    """One panel: a colour a run, a line style a scalar."""
    longest = max(timed.values(), key=lambda run: run.time[-1])
    second, unit = time_unit(longest.time[-1])
    if all(
        run.record.get("case", {}).get("protocol") == longest.record.get("case", {}).get("protocol") for run in timed.values()
    ):
        shade(box, longest, second, labels, events=False)
    for name, run in timed.items():
        for k, (_, values) in enumerate(lines(panel, run)):
            box.plot(run.time / second, values, color=color_of(list(runs).index(name)), ls=LINE_STYLES[k % 4], lw=1.4)
            if run.record["status"] != "completed":
                last = np.flatnonzero(np.isfinite(values))[-1]
                box.plot(run.time[last] / second, values[last], "x", color=color_of(list(runs).index(name)), ms=6)
    for k, label in enumerate(dict.fromkeys(label for run in timed.values() for label, _ in lines(panel, run))):
        if label:
            box.plot([], [], color=LINE, ls=LINE_STYLES[k % 4], lw=1.4, label=label)
    dress_time(box, panel)
    box.set_xlim(0.0, longest.time[-1] / second)
    box.set_xlabel(f"Time ({unit})")


def common_window(sections: dict[str, Section]) -> dict[str, Window]:
    """Windows of one size, the sections aligned at their lower left corners."""
    wholes = {name: s.whole for name, s in sections.items()}
    wide, tall = max(w[1] - w[0] for w in wholes.values()), max(w[3] - w[2] for w in wholes.values())
    return {name: (w[0], w[0] + wide, w[2], w[2] + tall) for name, w in wholes.items()}


def draw_fields(runs: dict[str, Run], sections: dict[str, Section], path: Path) -> None:
    """Rows: quantities on one scale for all runs; columns: runs."""
    scales = [scale for plan in MAPS if (scale := Scale(plan, list(sections.values()))).norms]
    if not scales:
        return
    windows = common_window(sections)
    wide, tall = 3.3, 3.3 * _aspect(windows)
    with canvas((wide * len(sections) + 2.6, (tall + 0.15) * len(scales) + 0.9), path) as figure:
        rows = field_grid(figure, len(sections), [tall] * len(scales))
        for n, (row, scale) in enumerate(zip(rows, scales)):
            field_row(figure, row, scale, runs, sections, windows)
            if n == 0:
                _head(row, runs, sections)
        _note_missing(figure, runs, sections)


def _aspect(windows: dict[str, Window]) -> float:
    return next(((w[3] - w[2]) / (w[1] - w[0]) for w in windows.values()), 1.0)


def field_grid(figure, columns: int, heights: list[float]) -> list[list]:
    """Rows of axes, one for each run and two narrow ones for colour bars, aligned from row to row."""
    grid = figure.add_gridspec(len(heights), columns + 2, height_ratios=heights, width_ratios=[1.0] * columns + [0.05, 0.05])
    return [[figure.add_subplot(grid[n, k]) for k in range(columns + 2)] for n in range(len(heights))]


def field_row(
    figure, row: list, scale: Scale, runs: dict[str, Run], sections: dict[str, Section], windows: dict[str, Window]
) -> None:
    """One quantity for every run; the colour bars at the right hold for all."""
    for box, (name, section) in zip(row, sections.items()):
        box.set_xticks([])
        box.set_yticks([])
        if name not in windows:
            box.set_axis_off()
        elif any(layer_values(section, layer) is not None for layer in scale.norms):
            draw(
                box,
                section,
                scale,
                windows[name],
                flow_lines(section, runs[name].axisymmetric) if scale.plan.lines else None,
                TUBES_NEAR,
            )
        else:
            frame_only(box, section, windows[name])
    bars = scale.bars()
    for n, box in enumerate(row[len(sections) :]):
        if n < len(bars):
            mappable, label, extend = bars[n]
            color_bar(figure, None, mappable, label.replace(" (", "\n(", 1), extend, cax=box)
        else:
            box.set_axis_off()


def _head(row: list, runs: dict[str, Run], sections: dict[str, Section]) -> None:
    for box, name in zip(row, sections):
        box.set_title(_heading(name, runs[name]), fontsize=9.5)


def _heading(name: str, run: Run) -> str:
    return f"{name} ({run.ending})\n{run.shown_text}"


def _note_missing(figure, runs: dict[str, Run], sections: dict[str, Section]) -> None:
    missing = [name for name in runs if name not in sections]
    if missing:
        why = f"only the first {MOST} runs are drawn" if len(runs) > MOST else "no fields: " + ", ".join(missing)
        figure.suptitle(why, fontsize=9.5)


def draw_sheet(runs: dict[str, Run], sections: dict[str, Section], path: Path) -> None:
    """The one picture: current and stress of every run, the flaw's tip or its like near, resistances, peaks, curves."""
    found = {
        plan.file: scale
        for plan in MAPS
        if plan.file in ("current", "stress") and (scale := Scale(plan, list(sections.values()))).norms
    }
    near = {name: s.views[-1] for name, s in sections.items() if s.views}
    timed = {name: run for name, run in runs.items() if len(run.time) > 1}
    windows = common_window(sections) if sections else {}
    wide = float(np.clip(10.0 / max(len(sections), 1), 2.4, 4.2))
    heights = [min(wide * _aspect(windows), 5.0)] * len(found) + [wide] * bool(found and near)
    top, bottom = sum(heights) + 0.2 * len(heights) + 0.6 * bool(heights), 4.2 + 2.9 * bool(timed)
    with canvas((max(wide * len(sections) + 2.4, 12.0), top + bottom + 0.4), path) as figure:
        figure.suptitle("Comparison of " + ", ".join(runs) if len(runs) < 7 else f"Comparison of {len(runs)} runs")
        upper, lower = figure.subfigures(2, 1, height_ratios=[top, bottom]) if heights else (None, figure)
        rows = field_grid(upper, len(sections), heights) if heights else []
        for row, scale in zip(rows, found.values()):
            field_row(upper, row, scale, runs, sections, windows)
        if rows:
            _head(rows[0], runs, sections)
        if found and near:
            closest = found.get("stress") or found["current"]
            field_row(upper, rows[-1], closest, runs, sections, {name: window for name, (_, window) in near.items()})
            for box, name in zip(rows[-1], sections):
                box.set_title(near[name][0] if name in near else "", fontsize=9.5)
        parts = lower.subfigures(2, 1, height_ratios=[4.2, 2.9]) if timed else [lower]
        left, right = parts[0].subplots(1, 2)
        bar_resistances(left, runs)
        bar_peaks(right, runs)
        if timed:
            _curve_row(parts[1], timed, runs)


def _curve_row(figure, timed: dict[str, Run], runs: dict[str, Run]) -> None:
    wanted = (
        "Overpotential",
        "Current focusing",
        "Peak stress, electrolyte",
        "Peak stress, metal",
        "Stack pressure",
        "Largest plastic strain",
    )
    panels = sorted((p for p in panels_of(list(timed.values())) if p.title in wanted), key=lambda p: wanted.index(p.title))[:4]
    if not panels:
        return
    for n, (box, panel) in enumerate(zip(figure.subplots(1, len(panels), squeeze=False)[0], panels)):
        curve(box, panel, timed, runs, labels=False)
        if n == 0 and len(timed) > 1:
            handles = [box.plot([], [], color=color_of(list(runs).index(name)), label=name)[0] for name in timed]
            box.legend(handles=handles, loc="best", fontsize=8.5)
