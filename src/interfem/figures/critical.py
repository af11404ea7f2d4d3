"""Map of the critical current over stack pressure and temperature, coloured by what fails."""

from __future__ import annotations

from pathlib import Path

from matplotlib.patches import Patch, Rectangle

from .style import CYCLE, GREY, LINE, canvas

COLOURS = {"fracture": CYCLE[1], "contact": CYCLE[0], "voltage": CYCLE[4], "lithium": CYCLE[2], "salt": CYCLE[5],
           "unsolved": CYCLE[7], "": GREY}  # fmt: skip
WORDS = {"fracture": "fracture", "contact": "loss of contact", "voltage": "voltage limit", "lithium": "lithium exhausted",
         "salt": "salt exhausted", "unsolved": "not solved", "": "none in range"}


def draw_map(found, title: str, path: Path) -> None:
    """One field for each condition with its critical current density."""
    pressures = sorted({c.pressure for c in found}, key=lambda p: (p is not None, p))
    temperatures = sorted({c.temperature for c in found})
    with canvas((1.6 + 1.25 * len(pressures) + 1.8, 1.6 + 0.9 * len(temperatures)), path) as figure:
        axes = figure.subplots()
        for c in found:
            x, y = pressures.index(c.pressure), temperatures.index(c.temperature)
            mode = c.failed.mode if c.failed else ""
            axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=COLOURS[mode], edgecolor="white", linewidth=2))
            text = f"{c.failed.density / 10:.3g}" if c.failed else f"> {c.passed.density / 10:.3g}"
            text = text if c.passed else f"< {text}"
            ink = LINE if mode in ("", "voltage", "salt") else "white"
            axes.text(x, y, text, ha="center", va="center", color=ink, fontweight="bold")
        axes.set_xticks(range(len(pressures)), ["-" if p is None else f"{p:g}" for p in pressures])
        axes.set_yticks(range(len(temperatures)), [f"{t - 273.15:.4g}" for t in temperatures])
        axes.set(xlim=(-0.5, len(pressures) - 0.5), ylim=(-0.5, len(temperatures) - 0.5), xlabel="stack pressure / MPa",
                 ylabel="temperature / °C", title="critical current density / mA cm$^{-2}$")
        modes = dict.fromkeys(c.failed.mode if c.failed else "" for c in found)
        handles = [Patch(color=COLOURS[mode], label=WORDS[mode]) for mode in modes]
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.0, 0.5))
        figure.suptitle(title)
