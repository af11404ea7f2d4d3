"""A picture of a mesh: 2D by matplotlib with close-ups, 3D by pyvista with a corner cut away."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..regions import extent
from .arrays import Mesh, read_msh
from .bodies import center

COLORS = ("#b8c4d0", "#f2c14e", "#9fd3c7", "#c9b6e4", "#e8a598", "#8fb8de", "#d0d89a", "#e3c9a8")  # layers, from the collector
FILLED = ("#e4572e", "#a23b72", "#3d7068", "#5b5f97")  # filled features


def picture(path: Path, case, png: Path) -> Path:
    """Draw the mesh of a case into a PNG file."""
    mesh = read_msh(path, case.geometry.dimension)
    layers = len(case.layers)
    colors = {r.name: COLORS[n % len(COLORS)] if n < layers else FILLED[(n - layers) % len(FILLED)] for n, r in enumerate(case.regions)}
    (_flat_picture if mesh.dimension == 2 else _solid_picture)(mesh, case, colors, Path(png))
    return Path(png)


# ---- 2D ---------------------------------------------------------------------------------------------------------------


def _flat_picture(mesh: Mesh, case, colors: dict[str, str], png: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # no display, no global state
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    points = mesh.points
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    views = close_ups(case)
    wide, tall = high - low
    width = float(np.clip(9.0 * wide / tall, 3.5, 9.0))
    inset_columns = (len(views) + 1) // 2
    figure = Figure(figsize=(width + 4.2 * inset_columns, 9.0), layout="constrained")
    FigureCanvasAgg(figure)
    grid = figure.add_gridspec(2, 1 + inset_columns, width_ratios=[width, *[4.2] * inset_columns])
    main = figure.add_subplot(grid[:, 0])
    _draw(main, mesh, colors, (low[0], high[0], low[1], high[1]), 0.25)
    main.legend(handles=[Patch(color=colors[name], label=f"{name}  ({len(cells)} cells)") for name, cells in mesh.cells.items()],
                loc="upper center", bbox_to_anchor=(0.5, -0.02), ncols=2, frameon=False)
    for n, (label, window) in enumerate(views):
        axes = figure.add_subplot(grid[n % 2, 1 + n // 2])
        _draw(axes, mesh, colors, window, 0.4)
        axes.set_title(f"{chr(97 + n)}  {label}", fontsize=10, loc="left")
        main.add_patch(_frame(window))
        main.annotate(chr(97 + n), (window[1], window[3]), fontsize=9, fontweight="bold", color="#c00000")
    figure.savefig(png, dpi=130)


def close_ups(case) -> list[tuple[str, tuple[float, float, float, float]]]:
    """(label, x and height range) of each feature and of its sharpest place; of the thinnest layer if there is no feature."""
    views = []
    for feature in case.features:
        if feature.kind == "roughness":
            views.append(_at(feature.name, center(feature, case)[0], _level(feature, case), 1.2 * feature.wavelength, case))
            continue
        half, _, low, high = extent(feature, case)
        x = center(feature, case)[0]
        views.append(_at(feature.name, x, 0.5 * (low + high), 0.75 * max(2 * half, high - low), case))
        if feature.kind == "flaw":
            tip = high if abs(low - _level(feature, case)) < abs(high - _level(feature, case)) else low
            views.append(_at(f"tip of {feature.name}", x, tip, 0.12 * feature.depth, case))
        elif feature.kind in ("void", "patch"):
            edge = x + half if x + half < case.geometry.width else x - half
            views.append(_at(f"edge of {feature.name}", edge, low if feature.kind == "patch" else _level(feature, case), 0.12 * half, case))
    thinnest = min(range(len(case.layers)), key=lambda n: case.layers[n].thickness or np.inf)
    if not case.features and len(case.layers) > 1 and case.geometry.file is None:
        views.append(_at(case.layers[thinnest].name, 0.5 * (case.geometry.width + case.geometry.inner_radius),
                         0.5 * (case.levels[thinnest] + case.levels[thinnest + 1]), 2.0 * case.layers[thinnest].thickness, case))
    return views[:6]


def _level(feature, case) -> float:
    return case.levels[[layer.name for layer in case.layers].index(feature.interface.split("|")[1])]


def _at(label: str, x: float, height: float, half: float, case) -> tuple[str, tuple[float, float, float, float]]:
    """Square window, shifted into the cell."""
    half = min(half, 0.5 * (case.geometry.width - case.geometry.inner_radius))
    x = float(np.clip(x, case.geometry.inner_radius + half, case.geometry.width - half))
    return label, (x - half, x + half, height - half, height + half)


def _frame(window):
    from matplotlib.patches import Rectangle

    return Rectangle((window[0], window[2]), window[1] - window[0], window[3] - window[2], fill=False, color="#c00000", lw=0.8)


def _draw(axes, mesh: Mesh, colors: dict[str, str], window: tuple[float, float, float, float], line: float) -> None:
    """Cells in a window by region, holes left white, and a scale bar."""
    from matplotlib.collections import PolyCollection

    for name, cells in mesh.cells.items():
        corners = mesh.points[cells][:, :, :2]
        seen = ((corners.max(axis=1) > [window[0], window[2]]) & (corners.min(axis=1) < [window[1], window[3]])).all(axis=1)
        axes.add_collection(PolyCollection(corners[seen], facecolors=colors[name], edgecolors="#303030", linewidths=line))
    axes.set_xlim(window[0], window[1])
    axes.set_ylim(window[2], window[3])
    axes.set_aspect("equal")
    axes.set_xticks([])
    axes.set_yticks([])
    bar = _round_down(0.3 * (window[1] - window[0]))
    x, y = window[0] + 0.06 * (window[1] - window[0]), window[2] + 0.05 * (window[3] - window[2])
    axes.plot([x, x + bar], [y, y], color="black", lw=4, solid_capstyle="butt")
    axes.text(x + 0.5 * bar, y + 0.012 * (window[3] - window[2]), f"{bar:g} um" if bar >= 0.1 else f"{1000 * bar:g} nm", ha="center", va="bottom",
              fontsize=9, bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5})


def _round_down(value: float) -> float:
    """Largest 1, 2 or 5 times a power of ten below a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m for m in (1.0, 2.0, 5.0) if m * power <= value * (1 + 1e-12)) * power)


# ---- 3D ---------------------------------------------------------------------------------------------------------------


def _solid_picture(mesh: Mesh, case, colors: dict[str, str], png: Path) -> None:
    """The whole cell with the quarter before the first feature taken out, and the interface from above with the counter side off."""
    import pyvista

    cells, group = mesh.all_cells()
    names = list(mesh.cells)
    grid = pyvista.UnstructuredGrid({pyvista.CellType.TETRA: cells}, mesh.points)
    middle = mesh.points[cells].mean(axis=1)
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    cut = _cut(case, low, high)
    shown = {"a corner taken out": ~((middle[:, 0] > cut[0]) & (middle[:, 1] < cut[1])), "counter side taken off": middle[:, 2] < cut[2]}
    plotter = pyvista.Plotter(off_screen=True, shape=(1, 2), window_size=(1800, 1000), border=False)
    for n, (label, keep) in enumerate(shown.items()):
        plotter.subplot(0, n)
        filled = {r.name for r in case.regions[len(case.layers):]}
        for m, name in enumerate(names):
            part = np.flatnonzero((group == m) & (keep | (np.isin(name, list(filled)))))
            if len(part):
                plotter.add_mesh(grid.extract_cells(part).extract_surface(algorithm="dataset_surface"), color=colors[name], show_edges=True,
                                 edge_color="#404040", line_width=0.6, label=f"{name} ({int((group == m).sum())} cells)", lighting=True)
        plotter.add_text(label, font_size=10)
        plotter.show_bounds(xtitle="x (um)", ytitle="y (um)", ztitle="z (um)", font_size=9, location="outer", ticks="outside",
                            n_xlabels=3, n_ylabels=3, n_zlabels=3)
        plotter.camera_position = [tuple(0.5 * (low + high) + np.array([1.1, -1.5, 0.9]) * np.linalg.norm(high - low)), tuple(0.5 * (low + high)), (0, 0, 1)]
    plotter.subplot(0, 0)
    plotter.add_legend(bcolor="white", size=(0.3, 0.04 + 0.04 * len(names)), loc="upper right")
    plotter.screenshot(str(png))
    plotter.close()


def _cut(case, low: np.ndarray, high: np.ndarray) -> tuple[float, float, float]:
    """Planes of the cut: through the axis of the first feature, and at its interface."""
    for feature in case.features:
        if feature.kind != "roughness":
            x, y = center(feature, case)
            _, _, bottom, top = extent(feature, case)
            return x, y, top if feature.kind == "void" else bottom
    return tuple(0.5 * (low + high))
