"""Fields over a section of the cell: the whole and close-ups, one colour scale, current lines, layer names, scale bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.tri import Triangulation

from .data import Part, Run
from .style import CYCLE, DIVERGING, GREY, LINE, SEQUENTIAL, beyond, canvas, magnitude, scale_bar, signed_range, span
from .tubes import stream_function
from .views import Section, Window

CURRENT = "current_density_A_per_m2"
TUBES, TUBES_NEAR = 20, 12  # current lines in the whole and in a close-up
HALO = [withStroke(linewidth=2.5, foreground="white")]


@dataclass(frozen=True)
class Layer:
    """One quantity over one part: (part, label with unit, values, colours, colour range)."""

    part: str
    label: str
    values: Callable[[Part], np.ndarray | None]
    colors: str
    norm: Callable[..., Normalize]


@dataclass(frozen=True)
class Map:
    """One picture. `lines` adds current lines in this colour."""

    file: str
    title: str
    layers: tuple[Layer, ...]
    lines: str | None = None


def scaled(name: str, factor: float = 1.0) -> Callable[[Part], np.ndarray | None]:
    return lambda part: factor * part.values[name] if name in part.values else None


def size_of(name: str, factor: float = 1.0) -> Callable[[Part], np.ndarray | None]:
    return lambda part: factor * np.linalg.norm(part.values[name], axis=1) if name in part.values else None


def _lithium(part: Part) -> np.ndarray | None:
    """Only where lithium is stored: elsewhere the field file holds 0."""
    found = part.values.get("lithium_concentration_mol_per_m3")
    return None if found is None else np.where(found > 0, 1e-3 * found, np.nan)


MAPS = (
    Map("potential", "Ionic potential", (Layer("electrolyte", "Ionic potential (mV)", scaled("potential_V", 1e3), SEQUENTIAL, span),), "white"),
    Map("current", "Current density", (Layer("electrolyte", "Ionic current density (mA/cm²)", size_of(CURRENT, 0.1), "inferno", magnitude),
                                       Layer("metal", "Electronic current density (mA/cm²)", size_of(CURRENT, 0.1), "inferno", magnitude)), "#7fd4ff"),
    Map("stress", "Tension in the electrolyte, pressure in the metal",
        (Layer("electrolyte", "Largest principal stress (MPa)", scaled("max_principal_MPa"), DIVERGING, signed_range),
         Layer("metal", "Pressure in the metal (MPa)", scaled("pressure_MPa"), "viridis", span))),
    Map("von_mises", "Von Mises stress", (Layer("electrolyte", "Electrolyte: von Mises stress (MPa)", scaled("von_mises_MPa"), "magma", magnitude),
                                          Layer("metal", "Metal: von Mises stress (MPa)", scaled("von_mises_MPa"), "viridis", magnitude))),
    Map("plastic_strain", "Plastic strain of the metal", (Layer("metal", "Equivalent plastic strain", scaled("plastic_strain"), "viridis", magnitude),)),
    Map("lithium", "Lithium stored in the alloy", (Layer("metal", "Li concentration (mol/l)", _lithium, "cividis", span),)),
)


def draw_maps(run: Run, section: Section, folder: Path) -> list[Path]:
    """A picture of every quantity that the run has."""
    tubes = flow_lines(section, run.axisymmetric)
    made = []
    for plan in MAPS:
        shown = [(layer, values) for layer in plan.layers if (values := layer_values(section, layer)) is not None]
        if shown:
            made.append(_picture(run, section, plan, shown, tubes, folder / f"{plan.file}.png"))
    return made


def layer_values(section: Section, layer: Layer) -> np.ndarray | None:
    """Values at the part's nodes; None if the run has none, or nothing but zeros in a range from zero."""
    part = section.parts.get(layer.part)
    values = layer.values(part) if part is not None else None
    if values is None or not np.isfinite(values).any() or (layer.norm is magnitude and np.nanmax(np.abs(values)) < 1e-14):
        return None
    return values


def flow_lines(section: Section, axisymmetric: bool):
    return stream_function(list(section.parts.values()), CURRENT, axisymmetric) if section.flat else None


def _picture(run: Run, section: Section, plan: Map, shown: list, tubes, path: Path) -> Path:
    views = section.views
    columns = (len(views) + 1) // 2
    x0, x1, y0, y1 = section.whole
    height = 6.6
    wide = float(np.clip(height * (x1 - x0) / (y1 - y0), 2.6, 10.0))
    near = 0.5 * height - 0.25
    with canvas((wide + columns * (near + 0.1) + 1.15 * len(shown) + 0.9, height + 0.9), path) as figure:
        grid = figure.add_gridspec(2, 1 + columns, width_ratios=[wide, *[near] * columns])
        main = figure.add_subplot(grid[:, 0] if views else grid[:, :])
        mappables = draw(main, section, shown, None, section.whole, plan.lines, tubes, TUBES)
        dress_main(main, run, section)
        boxes = [figure.add_subplot(grid[n % 2, 1 + n // 2] if len(views) > 1 else grid[:, 1]) for n in range(len(views))]
        for n, (axes, (label, window)) in enumerate(zip(boxes, views)):
            draw(axes, section, shown, [m.norm for m in mappables], window, plan.lines, tubes, TUBES_NEAR)
            axes.set_title(f"{chr(97 + n)}  {label}", loc="left")
            axes.set_xticks([])
            axes.set_yticks([])
            mark(main, window, chr(97 + n))
        for (layer, values), mappable in zip(shown, mappables):
            bar = figure.colorbar(mappable, ax=[main, *boxes], fraction=0.05, pad=0.02, aspect=32, extend=beyond(mappable.norm, values[np.isfinite(values)]))
            bar.set_label(f"{layer.label}\n{whole_range(values)}")
        figure.suptitle(f"{run.title}\n{plan.title} at {run.shown_text}{section.note}")
        if plan.lines and tubes is not None:
            main.set_xlabel(f"{section.names[0]}\nequal currents flow between neighbouring lines of a panel")
    return path


def whole_range(values: np.ndarray) -> str:
    low, high = np.nanmin(values), np.nanmax(values)
    return f"(nodes: {low:.3g} … {high:.3g})".replace("-", "−")


def draw(axes, section: Section, shown: list, norms: list[Normalize] | None, window: Window, lines: str | None, tubes, count: int) -> list:
    """Layers in a window. Gives what the colour bars need."""
    mappables = []
    for name, part in section.parts.items():
        drawn = [layer for layer, _ in shown if layer.part == name]
        if not drawn:
            _fill(axes, part, window)
    for n, (layer, values) in enumerate(shown):
        part = section.parts[layer.part]
        norm = norms[n] if norms else layer.norm(values[part.used][np.isfinite(values[part.used])])
        cells = part.cells[np.isfinite(values[part.cells]).all(axis=1) & _seen(part, window)]
        if len(cells) < len(part.cells):
            _fill(axes, part, window)
        if len(cells):
            axes.tripcolor(Triangulation(part.points[:, 0], part.points[:, 1], cells), np.nan_to_num(values), cmap=layer.colors, norm=norm,
                           shading="gouraud", rasterized=True, zorder=2)
        mappables.append(ScalarMappable(norm, layer.colors))
    for part in section.parts.values():
        axes.add_collection(LineCollection(part.points[outline(part)], colors=LINE, linewidths=0.8, zorder=4))
    if lines and tubes is not None:
        _tubes(axes, tubes, window, lines, count)
    if lines and not section.flat:
        _arrows(axes, section, window, lines)
    axes.set_xlim(window[0], window[1])
    axes.set_ylim(window[2], window[3])
    axes.set_aspect("equal")
    scale_bar(axes, window)
    return mappables


def _seen(part: Part, window: Window) -> np.ndarray:
    corners = part.points[part.cells]
    return ((corners.max(axis=1) >= [window[0], window[2]]) & (corners.min(axis=1) <= [window[1], window[3]])).all(axis=1)


def _fill(axes, part: Part, window: Window) -> None:
    axes.add_collection(PolyCollection(part.points[part.cells[_seen(part, window)]], facecolors=GREY, edgecolors=GREY, linewidths=0.3, zorder=1))


def outline(part: Part) -> np.ndarray:
    """Edges (n, 2) that belong to one cell only: the regions' outlines, since nodes are not shared between regions."""
    edges = np.sort(part.cells[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    return found[count == 1]


def _tubes(axes, tubes, window: Window, color: str, count: int) -> None:
    """Contours of the stream function with an arrow on every third; as many as asked for in the window."""
    points, triangles, psi = tubes
    corners = points[triangles]
    seen = ((corners.max(axis=1) >= [window[0], window[2]]) & (corners.min(axis=1) <= [window[1], window[3]])).all(axis=1)
    if not seen.any():
        return
    low, high = psi[triangles[seen]].min(), psi[triangles[seen]].max()
    if high - low <= 1e-9 * np.ptp(psi):
        return
    levels = low + (high - low) * (np.arange(count) + 0.5) / count
    drawn = axes.tricontour(Triangulation(points[:, 0], points[:, 1], triangles[seen]), psi, levels=levels, colors=color, linewidths=0.75,
                            linestyles="solid", alpha=0.85, zorder=3)
    for n, path in enumerate(drawn.get_paths()):
        if n % 3 == 1:
            _arrow(axes, path, window, color)


def _arrow(axes, path, window: Window, color: str) -> None:
    """In the middle of the longest stretch of a contour; `psi` falls to the right of the current in two dimensions."""
    pieces = [p for p in path.to_polygons(closed_only=False) if len(p) > 2]
    inside = [(p, (p[:, 0] > window[0]) & (p[:, 0] < window[1]) & (p[:, 1] > window[2]) & (p[:, 1] < window[3])) for p in pieces]
    piece, within = max(inside, key=lambda entry: entry[1].sum(), default=(None, None))
    if piece is None or within.sum() < 3:
        return
    chosen = np.flatnonzero(within)
    k = int(chosen[int(0.62 * (len(chosen) - 1))])
    k = min(max(k, 1), len(piece) - 2)
    axes.annotate("", piece[k + 1], piece[k], arrowprops={"arrowstyle": "-|>", "color": color, "lw": 0.7, "mutation_scale": 8}, zorder=3)


def _arrows(axes, section: Section, window: Window, color: str) -> None:
    """Direction of the current within the section, on a grid."""
    x, y = np.meshgrid(*(np.linspace(a + 0.06 * (b - a), b - 0.06 * (b - a), 13) for a, b in (window[:2], window[2:])))
    for part in section.parts.values():
        if CURRENT not in part.values:
            continue
        find = Triangulation(part.points[:, 0], part.points[:, 1], part.cells).get_trifinder()
        cell = find(x.reshape(-1), y.reshape(-1))
        vectors = part.values[CURRENT][part.cells[cell]].mean(axis=1)
        length = np.linalg.norm(vectors, axis=1)
        good = (cell >= 0) & (length > 1e-9)
        if good.any():
            axes.quiver(x.reshape(-1)[good], y.reshape(-1)[good], *(vectors[good] / length[good, None]).T, color=color, scale=26, width=0.004,
                        pivot="mid", alpha=0.85, zorder=3)


def mark(axes, window: Window, letter: str) -> None:
    """Frame of a close-up in the main panel."""
    axes.add_patch(Rectangle((window[0], window[2]), window[1] - window[0], window[3] - window[2], fill=False, color=CYCLE[1], lw=1.1, zorder=8))
    axes.annotate(letter, (window[1], window[3]), (2, 1), textcoords="offset points", fontsize=11, fontweight="bold", color=CYCLE[1], zorder=8,
                  path_effects=HALO)


def dress_main(axes, run: Run, section: Section) -> None:
    """Axes, layer names, the axis of revolution."""
    axes.set_xlabel(section.names[0])
    axes.set_ylabel(section.names[1])
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    if run.axisymmetric and left <= 1e-9 * right:
        axes.axvline(0.0, color=LINE, lw=1.2, dashes=(8, 3, 1.5, 3), zorder=5, clip_on=False)
        axes.text(0.0, 1.005, "axis", transform=axes.get_xaxis_transform(), ha="center", va="bottom", fontsize=9)
    if run.case is None or run.case.geometry.file is not None:
        return
    for n, layer in enumerate(run.case.layers):
        bottom, top = max(run.case.levels[n], low), min(run.case.levels[n + 1], high)
        if top <= bottom:
            continue
        text, thin = f"{layer.name} ({layer.material})", top - bottom < 0.06 * (high - low)
        y = bottom + 0.5 * (top - bottom)
        style = {"fontsize": 9.5, "color": LINE, "path_effects": HALO, "zorder": 7, "ha": "right"}
        x = right - 0.02 * (right - left)
        if thin:  # named below, with a pointer
            axes.annotate(text, (x - 0.02 * (right - left), y), (x, y - 0.075 * (high - low)), va="top", **style,
                          arrowprops={"arrowstyle": "-", "color": LINE, "lw": 0.8})
        else:
            axes.text(x, y, text, va="center", **style)
