"""Capacity, efficiency and voltages cycle by cycle."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.ticker import MaxNLocator

from .data import Run
from .style import CYCLE, LINE, canvas

COLORS = {"stripping": CYCLE[0], "plating": CYCLE[1]}
FEWEST = 2  # cycles that make a curve
FAR = 150.0  # %, above which an efficiency is not drawn to scale


def draw_cycles(run: Run, path: Path) -> Path | None:
    """The table of cycles as curves; None with fewer than two of them."""
    cycles = run.cycles
    numbers = cycles.get("cycle", np.empty(0))
    if len(numbers) < FEWEST:
        return None
    panels = (_capacity, _efficiency, _voltages, _overpotential)
    with canvas((9.6, 6.4), path) as figure:
        for box, draw in zip(figure.subplots(2, 2, sharex=True).reshape(-1), panels):
            draw(box, numbers, cycles)
            box.grid(color="#e6e6e6", lw=0.6)
            box.set_axisbelow(True)
            box.xaxis.set_major_locator(MaxNLocator(8, integer=True))
            box.set_xlim(numbers[0] - 0.5, numbers[-1] + 0.5)
            box.margins(y=0.12)
            if draw in panels[2:]:
                box.set_xlabel("Cycle")
        figure.suptitle(f"{run.title}\n{run.ending}; {len(numbers)} cycles")
    return path


def _marks(numbers: np.ndarray) -> dict:
    return {"marker": "o", "ms": 5 if len(numbers) <= 50 else 2.5, "lw": 1.2}


def _capacity(box, numbers, cycles) -> None:
    for half, column, face in (("stripping", "stripped", None), ("plating", "plated", "white")):
        box.plot(numbers, cycles[f"{column}_mAh_per_cm2"], color=COLORS[half], label=column, mfc=face, **_marks(numbers))
    box.set_title("Charge (mAh/cm²)", loc="left", pad=5)
    box.set_ylim(bottom=0.0)
    box.legend()


def _efficiency(box, numbers, cycles) -> None:
    coulombic, energy = (100 * cycles[name] for name in ("coulombic_efficiency", "energy_efficiency"))
    box.axhline(100.0, color="#888888", lw=0.8)
    box.plot(numbers, coulombic, color=LINE, label="coulombic", **_marks(numbers))
    if np.isfinite(energy).any():
        box.plot(numbers, energy, color=CYCLE[2], label="energy", **_marks(numbers))
        box.legend()
    box.set_title("Efficiency, second half of a cycle over the first (%)" if not np.isfinite(energy).any() else "Efficiency (%)",
                  loc="left", pad=5)  # fmt: skip
    _window(box, numbers, coulombic, energy)


def _window(box, numbers, *curves) -> None:
    """Range of the usual cycles; the few that lie far above, as where a first cycle empties a store, are told in figures."""
    values = np.concatenate(curves)
    usual = values[np.isfinite(values) & (values <= FAR)]
    low, high = usual.min(initial=100.0), usual.max(initial=100.0)
    slack = max(0.12 * (high - low), 1.0)  # a flat line is no scatter
    box.set_ylim(low - slack, high + slack)
    for curve in curves:
        for number, value in zip(numbers, curve):
            if value > high + slack:
                box.annotate(f"↑ {value:.3g}", (number, 1.0), (0, -4), xycoords=("data", "axes fraction"),
                             textcoords="offset points", ha="center", va="top", fontsize=9)  # fmt: skip


def _voltages(box, numbers, cycles) -> None:
    for half, face in (("stripping", None), ("plating", "white")):
        box.plot(numbers, 1e3 * cycles[f"{half}_mean_voltage_V"], color=COLORS[half], label=half, mfc=face, **_marks(numbers))
    box.set_title("Mean cell voltage (mV)", loc="left", pad=5)
    box.legend()


def _overpotential(box, numbers, cycles) -> None:
    box.plot(numbers, 1e3 * cycles["max_overpotential_V"], color=CYCLE[3], **_marks(numbers))
    box.set_title("Largest overpotential (mV)", loc="left", pad=5)
