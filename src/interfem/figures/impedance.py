"""Pictures of an impedance spectrum: Nyquist and Bode."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from .style import CYCLE, LINE, canvas

PREFIXES = ((1e9, "GHz"), (1e6, "MHz"), (1e3, "kHz"), (1.0, "Hz"), (1e-3, "mHz"), (1e-6, "µHz"), (1e-9, "nHz"))
WIDTH = 6.4  # inches
HALO = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}
APART = 0.07  # of the width of the picture: labels closer than this are left out


def draw_nyquist(frequency: np.ndarray, impedance: np.ndarray, title: str, path: Path) -> Path:
    """-Im Z over Re Z on equal axes, the decades of frequency marked."""
    points = np.stack([impedance.real, -impedance.imag], axis=1)
    low, high = points.min(axis=0), points.max(axis=0)
    width = max(*(high - low), 0.3 * np.abs(impedance).max())
    low, high = low - 0.14 * width, np.maximum(high, low + 0.3 * width) + 0.14 * width
    with canvas((WIDTH, np.clip(WIDTH * (high - low)[1] / (high - low)[0] + 0.9, 3.0, 8.0)), path) as figure:
        axes = figure.subplots()
        axes.axhline(0.0, color=LINE, lw=0.6)
        axes.plot(*points.T, color=CYCLE[0], marker=".", ms=5)
        for n in _labelled(frequency, points, APART * width):
            axes.plot(*points[n], "o", color=CYCLE[1], ms=6)
            away = _outward(points, n)
            axes.annotate(frequency_text(frequency[n]), points[n], 8 * away, textcoords="offset points", fontsize=8.5,
                          color=CYCLE[1], bbox=HALO, **_anchor(away))
        axes.set(xlabel="Re Z (Ω cm²)", ylabel="−Im Z (Ω cm²)", title=title)
        axes.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]), aspect="equal")
    return path


def draw_bode(frequency: np.ndarray, impedance: np.ndarray, title: str, path: Path) -> Path:
    """Magnitude and phase over frequency."""
    with canvas((6.4, 5.2), path) as figure:
        upper, lower = figure.subplots(2, 1, sharex=True)
        size = np.abs(impedance)
        upper.semilogx(frequency, size, color=CYCLE[0], marker=".", ms=4)
        upper.set(ylabel="|Z| (Ω cm²)", title=title, yscale="log" if size.max() > 10 * size.min() else "linear")
        lower.semilogx(frequency, np.degrees(np.angle(impedance)), color=CYCLE[1], marker=".", ms=4)
        lower.set(xlabel="Frequency (Hz)", ylabel="Phase (°)")
        for axes in (upper, lower):
            axes.grid(True, which="major", color="#dddddd", lw=0.6)
    return path


def _labelled(frequency: np.ndarray, points: np.ndarray, apart: float) -> Iterator[int]:
    """Numbers of the points at full decades, as far as they do not crowd."""
    decades = np.arange(np.ceil(np.log10(frequency.min()) - 1e-9), np.floor(np.log10(frequency.max()) + 1e-9) + 1)
    taken: list[np.ndarray] = []
    for decade in decades:
        n = int(np.argmin(np.abs(np.log10(frequency) - decade)))
        near = abs(np.log10(frequency[n]) - decade) < 0.01
        if near and all(np.hypot(*(points[n] - other)) > apart for other in taken):
            taken.append(points[n])
            yield n


def _outward(points: np.ndarray, n: int) -> np.ndarray:
    """Unit vector across the curve, to the left of its way towards larger resistance: outside of an arc."""
    way = points[min(n + 1, len(points) - 1)] - points[max(n - 1, 0)]
    way = way * (1 if points[-1, 0] >= points[0, 0] else -1)
    length = np.hypot(*way)
    return np.array([-way[1], way[0]]) / length if length > 0 else np.array([0.0, 1.0])


def _anchor(direction: np.ndarray) -> dict[str, str]:
    """Which side of a label faces the point."""
    x, y = direction
    return {"ha": "left" if x > 0.4 else "right" if x < -0.4 else "center",
            "va": "bottom" if y > 0.4 else "top" if y < -0.4 else "center"}


def frequency_text(frequency: float) -> str:
    """Such as "10 kHz"."""
    factor, unit = next(((f, u) for f, u in PREFIXES if frequency >= 0.999 * f), PREFIXES[-1])
    return f"{frequency / factor:.3g} {unit}"
