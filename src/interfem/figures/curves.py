"""Curves: scalars over time with the protocol behind them, and fields along the interfaces."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator
from matplotlib.tri import Triangulation

from .data import Part, Phase, Run
from .style import CYCLE, DIVERGING, LINE, SEQUENTIAL, SHADES, beyond, canvas, scale_bar, signed_range, span, time_unit


RESISTANCES = ("bulk", "constriction", "charge transfer", "contact", "film", "concentration", "pressure", "reaction")


@dataclass(frozen=True)
class Panel:
    """Scalars that share an axis: (column, or the start of several; label), a factor on the values, the axis label."""

    title: str
    unit: str
    columns: tuple[tuple[str, str], ...]
    factor: float = 1.0
    log: bool = False
    stacked: bool = False  # parts of a sum, on top of each other


PANELS = (
    Panel("Stack pressure", "MPa", (("stack_pressure_MPa", ""),)),
    Panel("Current density", "mA/cm²", (("current_density_A_per_m2", ""),), 0.1),
    Panel("Cell voltage", "mV", (("cell_voltage_V", ""),), 1e3),
    Panel("Charge in the cycle", "µAh/cm²", (("stripped_mAh_per_cm2", "stripped"), ("plated_mAh_per_cm2", "plated")), 1e3),
    Panel("Overpotential", "mV", (("overpotential_V", ""),), 1e3),
    Panel("Areal resistance", "Ω cm²", (("asr_ohm_cm2", ""),)),
    Panel(
        "Areal resistance by part",
        "Ω cm²",
        tuple((f"asr_{part.replace(' ', '_')}_ohm_cm2", part) for part in RESISTANCES),
        stacked=True,
    ),
    Panel("Current focusing", "largest / mean", (("current_focusing", ""),)),
    Panel("Mean current by interface", "mA/cm²", (("current_density[", ""),), 0.1),
    Panel("Lithium plated, mean", "µm", (("plated_thickness_um", ""),)),
    Panel(
        "Peak stress, electrolyte",
        "MPa",
        (("sse_max_principal_MPa", "largest principal"), ("sse_max_von_mises_MPa", "von Mises")),
    ),
    Panel("Peak stress, metal", "MPa", (("metal_max_pressure_MPa", "pressure"), ("metal_max_von_mises_MPa", "von Mises"))),
    Panel("Peak stress, mixed conductor", "MPa", (("mixed_max_pressure_MPa", "pressure"), ("mixed_max_von_mises_MPa", "von Mises"))),
    Panel(
        "Pressure on the interface",
        "MPa",
        (("interface_max_pressure_MPa", "largest"), ("interface_min_pressure_MPa", "smallest")),
    ),
    Panel("Largest plastic strain", "", (("max_plastic_strain", ""),)),
    Panel(
        "Lithium filling of the store",
        "c / c_max",
        (("li_fraction_mean[", "mean"), ("li_fraction_min[", "smallest"), ("li_fraction_max[", "largest")),
    ),
    Panel("Salt concentration", "mol/l", (("salt_min_mol_per_m3", "smallest"), ("salt_max_mol_per_m3", "largest")), 1e-3),
    Panel("Temperature", "K", (("temperature_K", ""),)),
    Panel("Contact fraction", "", (("contact_fraction", ""),)),
    Panel("Gap between the bodies", "nm", (("gap_max_um", "largest"), ("gap_mean_um", "mean")), 1e3),
    Panel("Slip on the interface", "nm", (("slip_max_um", ""),), 1e3),
    Panel("Adhesion left", "", (("adhesion_left", ""),)),
    Panel("Shear on the interface", "MPa", (("interface_max_shear_MPa", ""),)),
    Panel("Reaction layer, thickness", "nm", (("sei_mean_nm[", "mean"), ("sei_max_nm[", "largest"))),
    Panel("Reaction layer, resistance", "Ω cm²", (("sei_resistance_ohm_cm2[", ""),)),
    Panel("Charge in the reaction layer", "µAh/cm²", (("sei_charge_mAh_per_cm2", ""),), 1e3),
    Panel("Stress intensity", "MPa √m", (("K_I_MPa_sqrt_m[", "K_I"), ("K_II_MPa_sqrt_m[", "K_II"))),
    Panel("Stress intensity, K_I / K_IC", "", (("K_I_over_K_IC[", ""),)),
    Panel("J-integral", "N/m", (("J_N_per_m[", ""),)),
    Panel("T-stress", "MPa", (("T_stress_MPa[", ""),)),
    Panel("Chance of a short", "", (("short_risk", ""),)),
    Panel("Pressure of lithium in flaws", "MPa", (("flaw_max_pressure_MPa[", "largest"), ("flaw_tip_pressure_MPa[", "at the tip"))),
    Panel("Lithium that entered flaws by the mouth", "nm", (("extrusion_length_um[", ""),), 1e3),
    Panel("Charge plated in flaws", "µAh/cm²", (("flaw_charge_mAh_per_cm2[", ""),), 1e3),
    Panel("Volume of voids", "V / V_0", (("void_volume_ratio[", ""),)),
    Panel("Depth of voids", "µm", (("void_depth_um[", ""),)),
    Panel(
        "Works, stored and dissipated energy",
        "pJ",
        (("work_external_pJ", "loads"), ("work_interface_pJ", "interfaces"), ("work_expansion_pJ", "expansion"), ("elastic_energy_pJ", "stored"),
         ("plastic_dissipation_pJ", "flow"), ("friction_dissipation_pJ", "friction")),
    ),
    Panel("Displacement of the collector", "µm", (("collector_displacement_um", ""),)),
    Panel(
        "Balance errors",
        "relative",
        (("charge_balance_error", "charge"), ("lithium_balance_error", "stored lithium"), ("lithium_audit_error", "all lithium"),
         ("salt_balance_error", "salt"), ("work_balance_error", "work")),
        1.0,
        True,
    ),
)
PLACES = ("reservoir", "plated", "alloyed", "in_sei", "dead", "beyond_counter", "total")
UNPLOTTED = {"step", "time_s", "dt_s", "phase", "newton_iterations", "areal_charge_mAh_per_cm2", "cycle", "coulombic_efficiency",
             "negative_dissipation_MPa", "work_growth_pJ",
             *(f"lithium_{place}_mAh_per_cm2" for place in PLACES)}
STEADY = {"Contact fraction": "contact_fraction", "Temperature": "temperature_K", "Charge in the cycle": "plated_mAh_per_cm2"}
LITTLE = 0.01  # of a sum: parts below are not drawn
MANY = 6  # events; more are not named


def panels_of(runs: list[Run]) -> list[Panel]:
    """Panels with something to show; scalars that no panel knows get one each."""
    present = {n for run in runs for n, values in run.scalars.items() if np.isfinite(values).any()}
    known = [p for p in PANELS if any(lines(p, run) for run in runs)]
    claimed = {
        n
        for n in present
        for p in PANELS
        for column, _ in p.columns
        if n == column or (column.endswith("[") and n.startswith(column))
    }
    own = [Panel(n.replace("_", " "), "", ((n, ""),)) for n in sorted(present - claimed - UNPLOTTED)]
    return [p for p in [*known, *own] if p.title not in STEADY or any(_tells(run, STEADY[p.title]) for run in runs)]


def _tells(run: Run, name: str) -> bool:
    """A scalar that is shown only where it varies, or where there are cycles."""
    return len(run.cycles.get("cycle", ())) > 1 if name == "plated_mAh_per_cm2" else _varies(run, name)


def _varies(run: Run, name: str) -> bool:
    values = run.scalars.get(name, np.empty(0))
    values = values[np.isfinite(values)]
    return len(values) > 1 and np.ptp(values) > 1e-9


def lines(panel: Panel, run: Run) -> list[tuple[str, np.ndarray]]:
    """(label, values) of a panel."""
    found = []
    for column, label in panel.columns:
        names = (
            [n for n in run.scalars if n.startswith(column)]
            if column.endswith("[")
            else [column]
            if column in run.scalars
            else []
        )
        for name in names:
            values = panel.factor * run.scalars[name]
            inner = name[len(column) :].partition("]")[0] if column.endswith("[") else ""
            if np.isfinite(values).any():
                found.append((" ".join(filter(None, (label, inner.replace("|", " | ")))), values))
    return found


def draw_times(run: Run, path: Path) -> Path | None:
    """All scalars of a run over time."""
    panels = panels_of([run])
    if not panels or len(run.time) < 2:
        return None
    columns = 4 if len(panels) > 9 else 3 if len(panels) > 2 else len(panels)
    rows = -(-len(panels) // columns)
    second, unit = time_unit(run.time[-1])
    with canvas((3.55 * columns, 2.35 * rows + 0.9), path) as figure:
        axes = np.atleast_1d(figure.subplots(rows, columns, sharex=True, squeeze=False)).reshape(-1)
        for n, (box, panel) in enumerate(zip(axes, panels)):
            shade(box, run, second, labels=n < columns)
            _draw_lines(box, run, panel, second)
            dress_time(box, panel)
            box.set_xlim(0.0, run.time[-1] / second)
            if n + columns >= len(panels):
                box.set_xlabel(f"Time ({unit})")
                box.tick_params(labelbottom=True)
        for box in axes[len(panels) :]:
            box.remove()
        figure.suptitle(f"{run.title}\n{run.ending}; shaded: steps of the protocol" + (", dotted: events" if run.events else ""))
    return path


def _draw_lines(box, run: Run, panel: Panel, second: float) -> None:
    """One line each; of a sum, the parts that matter on top of each other, negative ones below zero."""
    found = [(CYCLE[k % len(CYCLE)], *line) for k, line in enumerate(lines(panel, run))]
    if not panel.stacked:
        for color, label, values in found:
            box.plot(run.time / second, values, color=color, label=label or None, marker="." if len(run.time) < 8 else None)
        return
    whole = np.nanmax(sum(np.abs(values) for _, _, values in found))
    colors, labels, parts = zip(*(part for part in found if np.nanmax(np.abs(part[2])) > LITTLE * whole))
    for clip, told in ((np.maximum, labels), (np.minimum, ())):
        clipped = (clip(np.nan_to_num(part), 0.0) for part in parts)
        box.stackplot(run.time / second, *clipped, colors=colors, labels=told, step="pre", lw=0)


def dress_time(box, panel: Panel) -> None:
    """Title and axis; a logarithmic axis where it is asked for."""
    box.set_title(f"{panel.title} ({panel.unit})" if panel.unit else panel.title, loc="left", pad=5)
    if panel.log and box.dataLim.y1 > 0:
        box.set_yscale("log")
    else:
        low, high = box.get_ylim()
        flat = 1e-9 * max(abs(low), abs(high))
        if high - low <= 2 * flat:
            box.set_ylim(low - 1e-3, high + 1e-3)
    box.margins(y=0.08)
    if box.get_legend_handles_labels()[1]:
        box.legend(loc="best", handlelength=1.4)


def shade(box, run: Run, second: float, labels: bool, events: bool = True) -> None:
    """Protocol steps behind the curves, named above where there is room; events as dotted lines."""
    end = run.time[-1]
    for phase in run.phases:
        box.axvspan(phase.start / second, phase.end / second, color=SHADES.get(phase.kind, "white"), lw=0, zorder=0)
        words = _fitting(phase, (phase.end - phase.start) / end) if labels else ""
        if words:
            box.annotate(
                words,
                (0.5 * (phase.start + phase.end) / second, 1.0),
                (0, 18),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="center",
                va="bottom",
                fontsize=8,
                color="#555555",
                annotation_clip=False,
            )
    for time, name in run.events if events else ():
        box.axvline(time / second, color=LINE, lw=1.0, ls=":", zorder=1)
        if labels and len(run.events) <= MANY:
            box.annotate(
                name.replace("_", " "),
                (time / second, 0.97),
                (-3, 0),
                xycoords=("data", "axes fraction"),
                textcoords="offset points",
                ha="right",
                va="top",
                fontsize=8,
                rotation=90,
                color=LINE,
            )


def _fitting(phase: Phase, share: float) -> str:
    """The load in words, or the kind of step, or nothing: what fits above a share of a panel."""
    room = 42 * share  # letters
    return next((words for words in (phase.text, phase.kind) if len(words) <= room), "")


# ---- along the interfaces ---------------------------------------------------------------------------------------------


QUANTITIES = (
    ("current_density_A_per_m2", "Current density (mA/cm²)", 0.1),
    ("contact_pressure_MPa", "Contact pressure (MPa)", 1.0),
    ("plated_thickness_um", "Lithium plated (µm)", 1.0),
    ("sei_thickness_nm", "Reaction layer (nm)", 1.0),
)


def draw_interfaces(run: Run, path: Path) -> Path | None:
    """Current, pressure and growth along each interface at the shown time; in three dimensions seen along the stack."""
    part = run.part("interface")
    if part is None or not len(part.cells):
        return None
    names = run.record.get("mesh", {}).get("interfaces", [])
    numbers = [n for n in np.unique(part.region) if n < len(names)]
    quantities = [q for q in QUANTITIES if q[0] in part.values and np.abs(part.values[q[0]]).max() > 1e-15]
    if not numbers or not quantities:
        return None
    if part.cells.shape[1] == 3:
        return _interface_maps(run, part, quantities, path)
    layers = _layers(run)
    flat = [n for n in numbers if set(names[n].split("|")) <= layers] or numbers
    walls = [n for n in numbers if n not in flat]
    columns = 1 + len(walls)
    with canvas((max(6.4 + 4.4 * len(walls), 8.0), 2.5 * len(quantities) + 1.0), path) as figure:
        axes = figure.subplots(
            len(quantities), columns, squeeze=False, sharex="col", width_ratios=[1.45, *[1.0] * len(walls)] if walls else None
        )
        for row, (name, label, factor) in enumerate(quantities):
            for n in flat:
                for k, chain in enumerate(chains(part.only([n]))):
                    axes[row, 0].plot(
                        part.points[chain, 0],
                        factor * part.values[name][chain],
                        color=CYCLE[flat.index(n) % len(CYCLE)],
                        label=names[n].replace("|", " | ") if k == 0 and len(flat) > 1 else None,
                    )
            axes[row, 0].set_ylabel(label)
            for column, n in enumerate(walls, 1):
                for chain in chains(part.only([n])):
                    axes[row, column].plot(arc_length(part.points[chain]), factor * part.values[name][chain], color=CYCLE[1])
                    _mark_turn(axes[row, column], part.points[chain], row == 0)
            for box in axes[row]:
                box.grid(color="#e6e6e6", lw=0.6)
                box.margins(x=0.01)
                if min(box.get_ylim()) < 0 < max(box.get_ylim()):
                    box.axhline(0.0, color="#888888", lw=0.7)
        if len(flat) > 1:
            axes[0, 0].legend()
        axes[0, 0].set_title(", ".join(names[n].replace("|", " | ") for n in flat), loc="left")
        axes[-1, 0].set_xlabel("r (µm)" if run.axisymmetric else "x (µm)")
        for column, n in enumerate(walls, 1):
            axes[0, column].set_title(f"walls: {names[n].replace('|', ' | ')}", loc="left")
            axes[-1, column].set_xlabel("Length along the walls (µm)")
        figure.suptitle(f"{run.title}\nAlong the interfaces at {run.shown_text}; a negative current plates")
    return path


def _layers(run: Run) -> set[str]:
    return {layer["name"] for layer in run.record.get("case", {}).get("layers", [])}


def _mark_turn(box, points: np.ndarray, label: bool) -> None:
    """Where a wall turns back: the tip."""
    heights = points[:, 1]
    tip = int(np.argmax(np.abs(heights - 0.5 * (heights[0] + heights[-1]))))
    if 0 < tip < len(points) - 1:
        s = arc_length(points)[tip]
        box.axvline(s, color=LINE, lw=0.9, ls=":")
        if label:
            box.annotate(
                "tip", (s, 1.0), (0, 2), xycoords=("data", "axes fraction"), textcoords="offset points", ha="center", fontsize=9
            )


def arc_length(points: np.ndarray) -> np.ndarray:
    return np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(points, axis=0), axis=1))])


def chains(part: Part) -> list[np.ndarray]:
    """Line cells -> node sequences from end to end, each from its left end, from left to right."""
    neighbours: dict[int, list[int]] = {}
    for a, b in part.cells:
        neighbours.setdefault(int(a), []).append(int(b))
        neighbours.setdefault(int(b), []).append(int(a))
    found, left = [], set(neighbours)
    ends = sorted((n for n in neighbours if len(neighbours[n]) == 1), key=lambda n: tuple(part.points[n]))
    for start in [*ends, *neighbours]:  # closed lines have no end
        if start not in left:
            continue
        chain = [start]
        left.discard(start)
        while True:
            ahead = next((n for n in neighbours[chain[-1]] if n in left), None)
            if ahead is None:
                break
            chain.append(ahead)
            left.discard(ahead)
        if len(chain) > 2 and chain[0] in neighbours[chain[-1]]:
            chain.append(chain[0])
        found.append(np.array(chain))
    return sorted(found, key=lambda chain: tuple(part.points[chain[0]]))


def _interface_maps(run: Run, part: Part, quantities: list, path: Path) -> Path:
    """Seen from the counter electrode: x to the right, y up; the walls of flaws are seen in projection."""
    (x0, y0), (x1, y1) = part.points[:, :2].min(axis=0), part.points[:, :2].max(axis=0)
    order = np.argsort(part.points[part.cells][:, :, 2].mean(axis=1))  # what is higher hides what is lower
    with canvas((4.6 * len(quantities) + 0.4, 4.2 * float(np.clip((y1 - y0) / (x1 - x0), 0.4, 2.0)) + 1.2), path) as figure:
        for box, (name, label, factor) in zip(np.atleast_1d(figure.subplots(1, len(quantities))), quantities):
            values = factor * part.values[name]
            both = values.min() < 0 < values.max() and min(-values.min(), values.max()) > 0.02 * np.abs(values).max()
            norm = signed_range(values) if both else span(values)
            drawn = box.tripcolor(
                Triangulation(part.points[:, 0], part.points[:, 1], part.cells[order]),
                values,
                cmap=DIVERGING if both else SEQUENTIAL,
                norm=norm,
                shading="flat" if len(part.cells) > 2e5 else "gouraud",
            )
            box.set_aspect("equal")
            box.set_xlim(x0, x1)
            box.set_ylim(y0, y1)
            box.xaxis.set_major_locator(MaxNLocator(5))
            box.yaxis.set_major_locator(MaxNLocator(5))
            box.set_xlabel("x (µm)")
            box.set_ylabel("y (µm)")
            scale_bar(box, (x0, x1, y0, y1))
            figure.colorbar(
                drawn, ax=box, label=label, extend=beyond(norm, values), orientation="horizontal", fraction=0.06, pad=0.03
            )
        figure.suptitle(f"{run.title}\nInterfaces seen along the stack at {run.shown_text}; a negative current plates")
    return path
