"""Fields over a section of the cell: the whole and close-ups, one colour scale, current lines, layer names, scale bars."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.collections import LineCollection, PolyCollection
from matplotlib.colors import LogNorm, Normalize
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke
from matplotlib.ticker import FuncFormatter, LogLocator
from matplotlib.tri import Triangulation

from .data import Part, Run
from .style import (
    DIVERGING,
    GREY,
    LINE,
    SEQUENTIAL,
    TAG,
    beyond,
    canvas,
    decades,
    focused,
    magnitude,
    scale_bar,
    signed_range,
    span,
)
from .tubes import Tubes, stream_function
from .views import Section, Window

CURRENT = "current_density_A_per_m2"
TUBES, TUBES_NEAR = 20, 12  # current lines in the whole and in a close-up


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
    """One picture. `lines` adds current lines in this colour; `label` is that of the colour bar that all layers then share."""

    file: str
    title: str
    layers: tuple[Layer, ...]
    lines: str | None = None
    label: str | None = None


def scaled(name: str, factor: float = 1.0) -> Callable[[Part], np.ndarray | None]:
    return lambda part: factor * part.values[name] if name in part.values else None


def size_of(name: str, factor: float = 1.0) -> Callable[[Part], np.ndarray | None]:
    return lambda part: factor * np.linalg.norm(part.values[name], axis=1) if name in part.values else None


def total_current(part: Part) -> np.ndarray | None:
    """Current density of all carriers, A/m²: a mixed conductor has ions and electrons."""
    found = [part.values[name] for name in (CURRENT, f"electronic_{CURRENT}") if name in part.values]
    return sum(found) if found else None


def whole_current(part: Part) -> np.ndarray | None:
    """Its size, mA/cm²."""
    current = total_current(part)
    return 0.1 * np.linalg.norm(current, axis=1) if current is not None else None


def stored(name: str) -> Callable[[Part], np.ndarray | None]:
    """Concentration in mol/l where there is some: the field file holds 0 in all other regions."""
    return lambda part: np.where(part.values[name] > 0, 1e-3 * part.values[name], np.nan) if name in part.values else None


MAPS = (
    Map(
        "potential",
        "Ionic potential",
        (
            Layer("electrolyte", "Ionic potential (mV)", scaled("potential_V", 1e3), SEQUENTIAL, span),
            Layer("mixed", "Ionic potential (mV)", scaled("potential_V", 1e3), SEQUENTIAL, span),
        ),
        "white",
        "Ionic potential (mV)",
    ),
    Map(
        "current",
        "Current density",
        (
            Layer("electrolyte", "Ionic current density (mA/cm²)", size_of(CURRENT, 0.1), "inferno", focused),
            Layer("mixed", "Current density of ions and electrons (mA/cm²)", whole_current, "inferno", focused),
            Layer("metal", "Electronic current density (mA/cm²)", size_of(CURRENT, 0.1), "inferno", focused),
        ),
        "#8fe3ff",
        "Current density of ions and electrons (mA/cm²)",
    ),
    Map(
        "stress",
        "Tension in the electrolyte, pressure in the metal",
        (
            Layer("electrolyte", "Largest principal stress (MPa)", scaled("max_principal_MPa"), DIVERGING, signed_range),
            Layer("mixed", "Mixed conductor: pressure (MPa)", scaled("pressure_MPa"), "cividis", span),
            Layer("metal", "Pressure in the metal (MPa)", scaled("pressure_MPa"), "viridis", span),
        ),
    ),
    Map(
        "von_mises",
        "Von Mises stress",
        (
            Layer("electrolyte", "Electrolyte: von Mises stress (MPa)", scaled("von_mises_MPa"), "magma", decades),
            Layer("mixed", "Mixed conductor: von Mises stress (MPa)", scaled("von_mises_MPa"), "cividis", decades),
            Layer("metal", "Metal: von Mises stress (MPa)", scaled("von_mises_MPa"), "viridis", decades),
        ),
    ),
    Map(
        "plastic_strain",
        "Plastic strain of the metal",
        (Layer("metal", "Equivalent plastic strain", scaled("plastic_strain"), "viridis", decades),),
    ),
    Map(
        "lithium",
        "Stored lithium",
        (
            Layer("metal", "Li concentration (mol/l)", stored("lithium_concentration_mol_per_m3"), "cividis", span),
            Layer("mixed", "Li concentration (mol/l)", stored("lithium_concentration_mol_per_m3"), "cividis", span),
        ),
        label="Li concentration (mol/l)",
    ),
    Map(
        "salt",
        "Salt in the electrolyte",
        (Layer("electrolyte", "Salt concentration (mol/l)", stored("salt_concentration_mol_per_m3"), "cividis", span),),
    ),
)


def draw_maps(run: Run, section: Section, folder: Path) -> list[Path]:
    """A picture of every quantity that the run has."""
    tubes = flow_lines(section, run.axisymmetric)
    made = []
    for plan in MAPS:
        scale = Scale(plan, [section])
        if scale.norms:
            made.append(_picture(run, section, scale, tubes, folder / f"{plan.file}.png"))
    return made


def layer_values(section: Section, layer: Layer) -> np.ndarray | None:
    """Values at the part's nodes; None if the run has none, or nothing but zeros in a range from zero."""
    part = section.parts.get(layer.part)
    values = layer.values(part) if part is not None else None
    if (
        values is None
        or not np.isfinite(values).any()
        or (layer.norm in (magnitude, focused, decades) and np.nanmax(np.abs(values)) < 1e-14)
    ):
        return None
    return values


class Scale:
    """Colour ranges of a map, common to several sections; and what their colour bars say."""

    def __init__(self, plan: Map, sections: list[Section]):
        self.plan = plan
        pooled = {layer: [v for s in sections if (v := layer_values(s, layer)) is not None] for layer in plan.layers}
        self.pooled = {layer: np.concatenate([v[np.isfinite(v)] for v in found]) for layer, found in pooled.items() if found}
        if plan.label and self.pooled:
            one = plan.layers[0].norm(*self.pooled.values())
            self.norms = dict.fromkeys(self.pooled, one)
        else:
            self.norms = {layer: layer.norm(values) for layer, values in self.pooled.items()}

    def bars(self) -> list[tuple[ScalarMappable, str, str]]:
        """(colours, label, ends that are exceeded) of each colour bar."""
        if self.plan.label:
            groups = [(self.plan.label, list(self.pooled))]
        else:
            groups = [(layer.label, [layer]) for layer in self.pooled]
        found = []
        for label, layers in groups:
            values = np.concatenate([self.pooled[layer] for layer in layers])
            norm = self.norms[layers[0]]
            found.append((ScalarMappable(norm, layers[0].colors), f"{label}\n{_whole_range(values)}", beyond(norm, values)))
        return found


def _whole_range(values: np.ndarray) -> str:
    low, high = (0.0 if abs(v) < 1e-9 * np.abs(values).max() else v for v in (values.min(), values.max()))
    return f"nodes: {low:.3g} to {high:.3g}".replace("-", "−")


def flow_lines(section: Section, axisymmetric: bool) -> Tubes | None:
    """Current lines of a plane section; a cut through the solid has none."""
    if not section.flat:
        return None
    parts = [replace(part, values=part.values | {CURRENT: total_current(part)}) if CURRENT in part.values else part
             for part in section.parts.values()]
    return stream_function(parts, CURRENT, axisymmetric)


def _picture(run: Run, section: Section, scale: Scale, tubes, path: Path) -> Path:
    views, plan, bars = section.views, scale.plan, scale.bars()
    columns = (len(views) + 1) // 2
    x0, x1, y0, y1 = section.whole
    height = 6.6
    wide = float(np.clip(height * (x1 - x0) / (y1 - y0), 2.6, 10.0))
    near = 0.5 * height - 0.25
    with canvas((max(wide + columns * (near + 0.1) + 1.05 * len(bars) + 0.9, 8.4), height + 0.9), path) as figure:
        grid = figure.add_gridspec(2, 1 + columns, width_ratios=[wide, *[near] * columns])
        main = figure.add_subplot(grid[:, 0])
        draw(main, section, scale, section.whole, tubes, TUBES)
        dress_main(main, run, section)
        boxes = [figure.add_subplot(grid[n % 2, 1 + n // 2] if len(views) > 1 else grid[:, 1]) for n in range(len(views))]
        for n, (axes, (label, window)) in enumerate(zip(boxes, views)):
            draw(axes, section, scale, window, tubes, TUBES_NEAR)
            axes.set_title(f"{chr(97 + n)}  {label}", loc="left")
            axes.set_xticks([])
            axes.set_yticks([])
            mark(main, window, chr(97 + n))
        for mappable, label, extend in bars:
            color_bar(figure, [main, *boxes], mappable, label, extend)
        figure.suptitle(f"{run.title}\n{plan.title} at {run.shown_text}{section.note}")
        if plan.lines and tubes is not None:
            main.set_xlabel(f"{section.names[0]}\nequal currents flow between neighbouring lines of a panel")
    return path


def color_bar(figure, axes, mappable: ScalarMappable, label: str, extend: str, cax=None) -> None:
    """Beside the axes, which give way; or filling axes of its own."""
    place = {"cax": cax} if cax is not None else {"ax": axes, "fraction": 0.05, "pad": 0.02, "aspect": 32}
    bar = figure.colorbar(mappable, extend=extend, **place)
    bar.set_label(label)
    if isinstance(mappable.norm, LogNorm):
        bar.locator, bar.formatter = LogLocator(subs=(1.0, 2.0, 5.0)), FuncFormatter(lambda value, _: f"{value:g}")
        bar.minorticks_off()


def draw(axes, section: Section, scale: Scale, window: Window, tubes, count: int) -> None:
    """The map in a window; parts without values are grey."""
    for part in section.parts.values():
        _fill(axes, part, window)
    for layer, norm in scale.norms.items():
        values = layer_values(section, layer)
        if values is None:
            continue
        part = section.parts[layer.part]
        cells = part.cells[np.isfinite(values[part.cells]).all(axis=1) & _seen(part, window)]
        if len(cells):
            shown = np.maximum(np.nan_to_num(values), norm.vmin) if isinstance(norm, LogNorm) else np.nan_to_num(values)
            axes.tripcolor(
                Triangulation(part.points[:, 0], part.points[:, 1], cells),
                shown,
                cmap=layer.colors,
                norm=norm,
                shading="gouraud",
                rasterized=True,
                zorder=2,
            )
    for part in section.parts.values():
        axes.add_collection(LineCollection(part.points[outline(part)], colors=LINE, linewidths=0.8, zorder=4))
    if scale.plan.lines and tubes is not None:
        _tubes(axes, tubes, window, scale.plan.lines, count)
    if scale.plan.lines and not section.flat:
        _arrows(axes, section, window, scale.plan.lines)
    axes.set_xlim(window[0], window[1])
    axes.set_ylim(window[2], window[3])
    axes.set_aspect("equal")
    scale_bar(axes, window)


def frame_only(axes, section: Section, window: Window) -> None:
    """The outlines alone, for a run without the quantity."""
    for part in section.parts.values():
        _fill(axes, part, window)
        axes.add_collection(LineCollection(part.points[outline(part)], colors=LINE, linewidths=0.8))
    axes.set_xlim(window[0], window[1])
    axes.set_ylim(window[2], window[3])
    axes.set_aspect("equal")


def _seen(part: Part | Tubes, window: Window) -> np.ndarray:
    corners = part.points[part.cells]
    return ((corners.max(axis=1) >= [window[0], window[2]]) & (corners.min(axis=1) <= [window[1], window[3]])).all(axis=1)


def _fill(axes, part: Part, window: Window) -> None:
    axes.add_collection(
        PolyCollection(part.points[part.cells[_seen(part, window)]], facecolors=GREY, edgecolors=GREY, linewidths=0.3, zorder=1)
    )


def outline(part: Part) -> np.ndarray:
    """Edges (n, 2) that belong to one cell only: the regions' outlines, since nodes are not shared between regions."""
    edges = np.sort(part.cells[:, [[0, 1], [1, 2], [2, 0]]].reshape(-1, 2), axis=1)
    found, count = np.unique(edges, axis=0, return_counts=True)
    return found[count == 1]


def _tubes(axes, tubes: Tubes, window: Window, color: str, count: int) -> None:
    """Current lines with an arrow on every third; as many as asked for in the window."""
    seen = _seen(tubes, window)
    low, high = (tubes.psi[tubes.cells[seen]].min(), tubes.psi[tubes.cells[seen]].max()) if seen.any() else (0.0, 0.0)
    if high - low <= 1e-9 * np.ptp(tubes.psi):
        return
    levels = low + (high - low) * (np.arange(count) + 0.5) / count
    mesh = Triangulation(tubes.points[:, 0], tubes.points[:, 1], tubes.cells[seen])
    drawn = axes.tricontour(
        mesh,
        tubes.shape(tubes.psi),
        levels=np.unique(tubes.shape(levels)),
        colors=color,
        linewidths=0.75,
        linestyles="solid",
        alpha=0.85,
        zorder=3,
    )
    for n, path in enumerate(drawn.get_paths()):
        if n % 3 == 1:
            _arrow(axes, path, window, color, tubes)


def _arrow(axes, path, window: Window, color: str, tubes: Tubes) -> None:
    """On the longest stretch of a current line, along the current there."""
    pieces = [p for p in path.to_polygons(closed_only=False) if len(p) > 2]
    inside = [
        np.flatnonzero((p[:, 0] > window[0]) & (p[:, 0] < window[1]) & (p[:, 1] > window[2]) & (p[:, 1] < window[3]))
        for p in pieces
    ]
    piece, within = max(zip(pieces, inside), key=lambda entry: len(entry[1]), default=(None, ()))
    if len(within) < 3:
        return
    start, end = piece[within[int(0.6 * (len(within) - 2))]], piece[within[int(0.6 * (len(within) - 2)) + 1]]
    cell = int(locate(tubes, 0.5 * (start + end)[None])[0])
    if cell >= 0 and tubes.flux[cell] @ (end - start) < 0:
        start, end = end, start
    axes.annotate("", end, start, arrowprops={"arrowstyle": "-|>", "color": color, "lw": 0.7, "mutation_scale": 8}, zorder=3)


def _arrows(axes, section: Section, window: Window, color: str) -> None:
    """Direction of the current within the section, on a grid."""
    grid = np.meshgrid(*(np.linspace(a + 0.06 * (b - a), b - 0.06 * (b - a), 13) for a, b in (window[:2], window[2:])))
    places = np.stack(grid, axis=-1).reshape(-1, 2)
    for part in section.parts.values():
        if CURRENT not in part.values:
            continue
        cell = locate(part, places)
        vectors = part.values[CURRENT][part.cells[cell]].mean(axis=1)
        length = np.linalg.norm(vectors, axis=1)
        good = (cell >= 0) & (length > 1e-9)
        if good.any():
            axes.quiver(
                *places[good].T,
                *(vectors[good] / length[good, None]).T,
                color=color,
                scale=26,
                width=0.004,
                pivot="mid",
                alpha=0.85,
                zorder=3,
            )


def locate(part: Part | Tubes, places: np.ndarray) -> np.ndarray:
    """Triangle around each place, -1 if none of the nearest ones is."""
    from scipy.spatial import cKDTree

    centres = part.points[part.cells].mean(axis=1)
    near = cKDTree(centres).query(places, k=min(16, len(centres)))[1].reshape(len(places), -1)
    a, b, c = (part.points[part.cells[near][:, :, k]] for k in range(3))
    p = places[:, None]
    turns = np.stack([_cross(b - a, p - a), _cross(c - b, p - b), _cross(a - c, p - c)], axis=-1)
    around = (turns >= 0).all(axis=-1) | (turns <= 0).all(axis=-1)
    return np.where(around.any(axis=1), near[np.arange(len(places)), around.argmax(axis=1)], -1)


def _cross(u: np.ndarray, v: np.ndarray) -> np.ndarray:
    return u[..., 0] * v[..., 1] - u[..., 1] * v[..., 0]


def mark(axes, window: Window, letter: str) -> None:
    """Frame of a close-up in the main panel."""
    axes.add_patch(
        Rectangle(
            (window[0], window[2]),
            window[1] - window[0],
            window[3] - window[2],
            fill=False,
            color=LINE,
            lw=1.0,
            zorder=8,
            path_effects=[withStroke(linewidth=2.6, foreground="white")],
        )
    )
    axes.annotate(
        letter,
        (window[1], window[3]),
        (3, 3),
        textcoords="offset points",
        fontsize=11,
        fontweight="bold",
        color=LINE,
        zorder=8,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def dress_main(axes, run: Run, section: Section) -> None:
    """Axes, layer names, the axis of revolution."""
    axes.set_xlabel(section.names[0])
    axes.set_ylabel(section.names[1])
    low, high = axes.get_ylim()
    left, right = axes.get_xlim()
    if run.axisymmetric and left <= 1e-9 * right:
        axes.axvline(0.0, color=LINE, lw=1.2, dashes=(8, 3, 1.5, 3), zorder=5, clip_on=False)
        axes.text(0.0, 1.005, "axis", transform=axes.get_xaxis_transform(), ha="left", va="bottom", fontsize=9)
    if run.case is None or run.case.geometry.file is not None:
        return
    for n, layer in enumerate(run.case.layers):
        bottom, top = max(run.case.levels[n], low), min(run.case.levels[n + 1], high)
        if top <= bottom:
            continue
        text, thin = f"{layer.name} ({layer.material})", top - bottom < 0.06 * (high - low)
        y = bottom + 0.5 * (top - bottom)
        style = {"zorder": 7, "ha": "right", **TAG}
        x = right - 0.02 * (right - left)
        if thin:  # named below, with a pointer
            axes.annotate(
                text,
                (x - 0.02 * (right - left), y),
                (x, y - 0.075 * (high - low)),
                va="top",
                **style,
                arrowprops={
                    "arrowstyle": "-",
                    "color": LINE,
                    "lw": 1.0,
                    "path_effects": [withStroke(linewidth=3, foreground="white")],
                },
            )
        else:
            axes.text(x, y, text, va="center", **style)
