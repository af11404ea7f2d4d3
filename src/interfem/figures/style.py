"""One look for all pictures: fonts, colours, colour ranges, scale bars, saving."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path

import numpy as np
from matplotlib import rc_context
from matplotlib.backends.backend_agg import FigureCanvasAgg  # no display, no global figures
from matplotlib.colors import LogNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from mpl_toolkits.axes_grid1.anchored_artists import AnchoredSizeBar

DPI = 140
CYCLE = (
    "#0072b2",
    "#d55e00",
    "#009e73",
    "#cc79a7",
    "#e69f00",
    "#56b4e9",
    "#6a51a3",
    "#737373",
)  # told apart by the colour-blind too
GREY = "#e3e5e8"  # regions that a map does not show
LINE = "#20242a"
SEQUENTIAL, DIVERGING = "viridis", "RdBu_r"
SHADES = {
    "pressure": "#dfe7f2",
    "temperature": "#f6dede",
    "current": "#fbead2",
    "ramp": "#fbead2",
    "profile": "#fbead2",
    "voltage": "#e2f0de",
    "rest": "#f0f0f0",
}  # protocol steps
TAG = {
    "fontsize": 9,
    "color": LINE,
    "bbox": {"facecolor": "white", "alpha": 0.75, "edgecolor": "none", "boxstyle": "round,pad=0.18"},
}
RC = {
    "font.size": 10,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10,
    "figure.titlesize": 12.5,
    "axes.linewidth": 0.7,
    "axes.prop_cycle": f"cycler('color', {list(CYCLE)})",
    "legend.frameon": False,
    "legend.fontsize": 9,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "lines.linewidth": 1.6,
    "axes.formatter.limits": (-3, 4),
    "axes.formatter.useoffset": False,
    "savefig.dpi": DPI,
    "figure.constrained_layout.h_pad": 0.06,
    "figure.constrained_layout.w_pad": 0.06,
    "hatch.linewidth": 0.6,
}


@contextmanager
def canvas(size: tuple[float, float], path: Path):
    """A figure with the common look, saved into a PNG file at the end."""
    with rc_context(RC):
        figure = Figure(figsize=size, layout="constrained")
        FigureCanvasAgg(figure)
        yield figure
        figure.set_dpi(DPI)
        figure.get_layout_engine().execute(figure)
        figure.set_layout_engine(None)  # else saving draws everything twice, the first time for the layout alone
        figure.savefig(path, dpi=DPI, facecolor="white", pil_kwargs={"compress_level": 4})


def magnitude(*values: np.ndarray, percentile: float = 99.0) -> Normalize:
    """From 0 to nearly the largest value: singular tips saturate rather than wash out the rest."""
    top = _percentile(values, percentile)
    return Normalize(0.0, top if top > 0 else 1.0)


def focused(*values: np.ndarray) -> Normalize:
    """From 0 to 2.2 times the median at most, so that a hot spot leaves the rest visible."""
    return Normalize(0.0, min(magnitude(*values).vmax, 2.2 * _percentile(values, 50.0) or np.inf))


def decades(*values: np.ndarray) -> Normalize:
    """Logarithmic from nearly the smallest to nearly the largest, three decades at most."""
    top = _percentile(values, 99.8)
    low = max(-_percentile([-v for v in values], 99.0), 1e-3 * top)
    return LogNorm(low, top) if 0 < low < top else magnitude(*values)


def span(*values: np.ndarray, percentile: float = 99.5) -> Normalize:
    """Between nearly the smallest and the largest value."""
    low, high = -_percentile([-v for v in values], percentile), _percentile(values, percentile)
    slack = 1e-3 * max(abs(low), abs(high), 1e-9)  # of a uniform field
    return Normalize(low, high) if high - low > slack else Normalize(low - slack, high + slack)


def signed_range(*values: np.ndarray, percentile: float = 98.0) -> Normalize:
    """Symmetric about zero."""
    top = _percentile([np.abs(v) for v in values], percentile)
    return Normalize(-top, top) if top > 0 else Normalize(-1.0, 1.0)


def _percentile(values, percentile: float) -> float:
    found = np.concatenate([np.ravel(v) for v in values]) if len(values) else np.empty(0)
    found = found[np.isfinite(found)]
    return float(np.percentile(found, percentile)) if len(found) else 0.0


def beyond(norm: Normalize, *values: np.ndarray) -> str:
    """Which ends of the colour bar are exceeded, as matplotlib's `extend`."""
    found = np.concatenate([np.ravel(v) for v in values]) if values else np.zeros(1)
    slack = 1e-3 * (norm.vmax - norm.vmin)
    low, high = found.min(initial=norm.vmin) < norm.vmin - slack, found.max(initial=norm.vmax) > norm.vmax + slack
    return ("both" if high else "min") if low else ("max" if high else "neither")


def scale_bar(axes, window: tuple[float, float, float, float]) -> None:
    """A length in um at the lower left of a window, readable on any colour."""
    length = round_down(0.3 * (window[1] - window[0]))
    bar = AnchoredSizeBar(
        axes.transData,
        length,
        length_text(length),
        "lower left",
        pad=0.3,
        borderpad=0.5,
        sep=3,
        color=LINE,
        label_top=True,
        size_vertical=0.007 * (window[3] - window[2]),
        fill_bar=True,
        fontproperties=FontProperties(size=9),
    )
    bar.patch.set(facecolor="white", alpha=0.75, edgecolor="none", boxstyle="round,pad=0.1")
    bar.set_zorder(9)
    axes.add_artist(bar)


def length_text(length: float) -> str:
    return f"{1000 * length:g} nm" if length < 0.1 else f"{length:g} µm" if length < 1000 else f"{length / 1000:g} mm"


def round_down(value: float) -> float:
    """Largest 1, 2 or 5 times a power of ten up to a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m for m in (1.0, 2.0, 5.0) if m * power <= value * (1 + 1e-12)) * power)


def time_unit(end: float) -> tuple[float, str]:
    """(seconds in it, name) of the unit in which a duration reads well."""
    return (3600.0, "h") if end > 3 * 3600 else (60.0, "min") if end > 600 else (1.0, "s")
