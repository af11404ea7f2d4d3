"""Figures of docs/gallery.md: runs of the cases in docs/gallery beside closed forms. Each figure is refused if its runs are off.

python docs/gallery.py            # draws docs/gallery/*.png anew (about a minute)
python docs/gallery.py creep      # only some
"""

from __future__ import annotations

import argparse
import math
import sys
import tempfile
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from rich.progress import track

from interfem import mpi  # noqa: F401  (before dolfinx)
from interfem.case import Case, parse_case
from interfem.figures.data import Run, open_run
from interfem.figures.style import CYCLE, LINE, canvas
from interfem.report.words import number
from interfem.run import run

CASES = Path(__file__).resolve().parent / "gallery"
F, OMEGA = 96485.33212, 1.3e-5  # C/mol; m^3/mol, of lithium
RT_F = 8.314462618 * 298.15 / F  # V


class GalleryError(Exception):
    """A run is further from its closed form than its figure allows."""


@dataclass(frozen=True)
class Figure:
    """Points of runs and the closed form on the same x, that as a function too; how far, relative to it, they may be apart."""

    title: str
    x_label: str
    y_label: str
    x: np.ndarray
    runs: np.ndarray
    exact: Callable[[np.ndarray], np.ndarray]
    formula: str
    tolerance: float
    scales: tuple[str, str] = ("linear", "linear")
    over: str = "each"  # or "largest": what the difference is taken relative to

    @property
    def error(self) -> float:
        """Largest difference from the closed form, relative."""
        exact = self.exact(self.x)
        return float(np.max(np.abs(self.runs - exact) / (np.abs(exact) if self.over == "each" else np.abs(exact).max())))


def case_of(name: str, protocol: list[dict] | None = None, **changes: str) -> Case:
    """A case of the gallery, with another protocol or other values of its features."""
    tree = tomllib.loads((CASES / f"{name}.toml").read_text(encoding="utf-8"))
    if protocol is not None:
        tree["protocol"] = protocol
    for feature in tree.get("features", []):
        feature |= changes
    return parse_case(tree)


def solved(case: Case, folder: Path) -> Run:
    """GalleryError if the run does not complete."""
    result = run(case, folder)
    if result.status != "completed":
        raise GalleryError(f"{case.title}: {result.status} ({result.event or result.reason})")
    return open_run(folder)


def ends(found: Run, name: str) -> np.ndarray:
    """A scalar at the end of each protocol step."""
    phase = found.scalars["phase"]
    return found.scalars[name][np.append(np.flatnonzero(np.diff(phase)), len(phase) - 1)]


# ---- figures ----------------------------------------------------------------------------------------------------------


def contact(work: Path) -> Figure:
    """Resistance beyond that of the whole electrolyte, over `1/(4 kappa a)` on the cell's area."""
    radius, height, kappa = 50.0, 150.0, 0.2  # um, um, S/m
    ratios = np.array([0.1, 0.25, 0.5, 0.75, 0.9])
    found = []
    for ratio in ratios:
        changes = {"inner": f"{ratio * radius} um"}
        asr = solved(case_of("contact", **changes), work / f"{ratio}").scalars["asr_ohm_cm2"][-1] * 1e-4
        excess = asr - height * 1e-6 / kappa  # ohm m^2
        found.append(excess / (math.pi * (radius * 1e-6) ** 2) * 4 * kappa * ratio * radius * 1e-6)
    return Figure("Constriction by a disc of contact", "a / b", "R 4 κ a", ratios, np.array(found), constriction,
                  "Negus and Yovanovich 1984", 5e-3, over="largest")  # fmt: skip


def constriction(ratio: np.ndarray) -> np.ndarray:
    """`1 - 1.40978 e + 0.34406 e^3 + 0.0435 e^5 + 0.02271 e^7`, disc on a cylinder, isothermal contact."""
    return 1 - 1.40978 * ratio + 0.34406 * ratio**3 + 0.0435 * ratio**5 + 0.02271 * ratio**7


def kinetics(work: Path) -> Figure:
    """Cell voltage of two equal electrodes."""
    currents = np.array([0.1, 1.0, 10.0, 100.0, 1000.0, 10000.0])
    step = {"kind": "current", "duration": "1 s", "first_step": "1 s", "max_step": "1 s"}
    found = solved(case_of("kinetics", [step | {"value": f"{i} A/m^2"} for i in currents]), work)
    return Figure("Flat cell with Butler-Volmer kinetics", "current density (A/m²)", "cell voltage (V)", currents, ends(found, "cell_voltage_V"),
                  lambda i: i * 100e-6 / 0.2 + 4 * RT_F * np.arcsinh(i / 20.0), "i L/κ + (4 RT/F) asinh(i / 2 i₀)", 1e-6, ("log", "log"))  # fmt: skip


def creep(work: Path) -> Figure:
    """Rate of shortening at each stress."""
    stresses = np.array([0.2, 0.3, 0.4, 0.6, 0.8, 1.0])
    protocol: list[dict] = []
    for stress in stresses:
        protocol += [{"kind": "pressure", "to": f"{stress} MPa", "duration": "1e-3 s"},
                     {"kind": "rest", "duration": f"{1e-3 / norton(stress)} s"}]  # fmt: skip
    found = solved(case_of("creep", protocol), work)
    rates = []
    for phase in range(1, 2 * len(stresses), 2):
        at = np.flatnonzero(found.scalars["phase"] == phase)
        first, last = at[len(at) // 2], at[-1]
        shift = found.scalars["collector_displacement_um"][last] - found.scalars["collector_displacement_um"][first]
        rates.append(-shift / 10.0 / (found.time[last] - found.time[first]))
    return Figure("Creep of lithium at 25 °C", "stress (MPa)", "strain rate (1/s)", stresses, np.array(rates), norton,
                  "7.7·10⁻³ s⁻¹ (σ / MPa)^6.56, Masias 2019", 1e-3, ("log", "log"))  # fmt: skip


def norton(stress):
    return 7.7e-3 * stress**6.56


def cavity(work: Path) -> Figure:
    """Pressure on the wall of a sealed ball of lithium at -10 mV."""
    found = solved(case_of("cavity"), work)
    compliance = 3 / (4 * 8.1e9) + 1 / 11.1e9  # 1/Pa, of shell and ball
    tau = compliance * 1e-6 * 0.8e-4 * (F / OMEGA) ** 2 / 3  # s
    chosen = np.unique(np.searchsorted(found.time, np.linspace(0.05, found.time[-1], 16)).clip(max=len(found.time) - 1))
    return Figure("Lithium plated into a sealed cavity at −10 mV", "time (s)", "pressure (MPa)", found.time[chosen],
                  found.scalars["interface_max_pressure_MPa"][chosen], lambda t: 1e-6 * F / OMEGA * 0.01 * -np.expm1(-t / tau),
                  "(F |η| / Ω) (1 − exp(−t/τ))", 0.02, over="largest")  # fmt: skip


def hertz(work: Path) -> Figure:
    """Largest pressure under a sphere, over the force on it."""
    forces = np.array([3.0, 6.0, 12.0, 25.0, 50.0])  # uN
    step = {"kind": "pressure", "duration": "1e-6 s", "first_step": "2e-7 s"}
    case = case_of("hertz", [step | {"to": f"{force / (math.pi * 20**2)} MPa"} for force in forces])
    return Figure("Sphere of lithium on the electrolyte", "force (µN)", "largest contact pressure (MPa)", forces,
                  ends(solved(case, work), "interface_max_pressure_MPa"), hertzian, "(6 F E*² / π³ R²)^(1/3), Hertz 1882", 0.02, ("log", "log"))  # fmt: skip


def hertzian(force: np.ndarray) -> np.ndarray:
    """`p0 = (6 F E*^2/(pi^3 R^2))^(1/3)`, MPa; 1/E* of both bodies, R of the wave's summit in um."""
    stiffness, radius = 1 / ((1 - 0.381**2) / 7820 + (1 - 0.3**2) / 22000), 40**2 / (4 * math.pi**2 * 0.02)
    return (6 * force * stiffness**2 / (math.pi**3 * radius**2)) ** (1 / 3)


def reaction(work: Path) -> Figure:
    """Thickness of the reaction layer."""
    found = solved(case_of("reaction"), work)
    rate = 2.41e-5 * 2.4e-10 * 1.71 / F  # m^2/s
    times = found.time[:: max(1, len(found.time) // 14)]
    thickness = found.scalars["sei_mean_nm[li|sse]"][:: max(1, len(found.time) // 14)]
    return Figure("Reaction layer on Li₆PS₅Cl", "time (h)", "thickness (nm)", times / 3600, thickness,
                  lambda hours: 1e9 * np.sqrt(2 * rate * 3600 * hours), "√(2 k t), Wagner", 2e-3, ("log", "log"))  # fmt: skip


FIGURES: Mapping[str, Callable[[Path], Figure]] = {
    "contact": contact, "kinetics": kinetics, "creep": creep, "cavity": cavity, "hertz": hertz, "reaction": reaction}  # fmt: skip


def draw(figure: Figure, path: Path) -> None:
    """Closed form as a line, runs as points. GalleryError if they are too far apart."""
    if not figure.error <= figure.tolerance:
        raise GalleryError(f"{figure.title}: {figure.error:.2g} from the closed form, {figure.tolerance:g} is allowed")
    low, high = figure.x.min(), figure.x.max()
    fine = np.geomspace(low, high, 300) if figure.scales[0] == "log" else np.linspace(0.0 if low < 0.2 * high else low, high, 300)
    with canvas((5.6, 4.0), path) as drawn:
        axes = drawn.subplots()
        axes.plot(fine, figure.exact(fine), color=LINE, lw=1.4, label=figure.formula)
        axes.plot(figure.x, figure.runs, "o", ms=6, mfc="white", mew=1.6, color=CYCLE[1], label=f"runs (largest difference {percent(figure.error)})")
        axes.set(xscale=figure.scales[0], yscale=figure.scales[1], xlabel=figure.x_label, ylabel=figure.y_label)
        if figure.scales[0] == "log" and high < 30 * low:
            axes.xaxis.set_major_locator(FixedLocator(figure.x))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
            axes.xaxis.set_minor_locator(NullLocator())
        if figure.scales[1] == "log" and figure.runs.max() < 10 * figure.runs.min():
            axes.yaxis.set_minor_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.set_title(figure.title, loc="left")
        axes.grid(True, color="#dddddd", lw=0.6)
        axes.legend()


def percent(share: float) -> str:
    """Two digits, as a percentage down to a thousandth of one."""
    return f"{number(100 * share, 2)} %" if share > 1e-5 else number(share, 1)


def make(names: list[str], out: Path) -> dict[str, float]:
    """Run, draw into a folder; the largest relative difference of each."""
    errors = {}
    out.mkdir(parents=True, exist_ok=True)
    for name in track(names, "gallery"):
        with tempfile.TemporaryDirectory() as work:
            figure = FIGURES[name](Path(work))
            draw(figure, out / f"{name}.png")
            errors[name] = figure.error
    return errors


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", choices=[*FIGURES, []], help="figures; by default all")
    parser.add_argument("--out", type=Path, default=CASES)
    asked = parser.parse_args()
    try:
        errors = make(asked.names or list(FIGURES), asked.out)
    except GalleryError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(f"{name:<10} {error:.1e}" for name, error in errors.items()))
    return 0


if __name__ == "__main__":
    sys.exit(main())
