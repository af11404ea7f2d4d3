"""A picture of a mesh: 2D by matplotlib with close-ups, 3D by pyvista with a corner cut away."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np

from ..regions import extent, layer_pair
from .arrays import Mesh, read_msh
from .bodies import center
from .roughness import displacement

COLORS = {  # of layers, by role; the next one for the next layer of that role
    "metal": ("#b4bfcc", "#94a3b5"), "collector": ("#d8a47f",), "alloy": ("#b9a7d6", "#9c86c4"),
    "electrolyte": ("#a9d8cc", "#86bfd1", "#c9dfa6"), "interlayer": ("#f2c14e", "#e89a5d", "#f4dd8c"),
}  # fmt: skip
FILLED = ("#e4572e", "#a23b72", "#5b5f97")  # of filled features


def picture(path: Path, case, png: Path) -> Path:
    """Draw the mesh of a case into a PNG file."""
    mesh = read_msh(path, case.geometry.dimension)
    (_flat_picture if mesh.dimension == 2 else _solid_picture)(mesh, case, region_colors(case), Path(png))
    return Path(png)


def region_colors(case) -> dict[str, str]:
    """Colour of each region, alike in cases of like layers."""
    colors, used = {}, Counter()
    for n, region in enumerate(case.regions):
        kind, choice = ("filled", FILLED) if n >= len(case.layers) else (region.role, COLORS[region.role])
        colors[region.name] = choice[used[kind] % len(choice)]
        used[kind] += 1
    return colors


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
    figure.get_layout_engine().set(rect=(0, 0, 1, 0.97))  # room for the titles
    figure.savefig(png, dpi=130)


def close_ups(case) -> list[tuple[str, tuple[float, float, float, float]]]:
    """(label, x and height range) of each feature and of its sharpest place; of the thinnest layer if there is no feature."""
    views = []
    for feature in case.features:
        if feature.kind == "roughness":
            views.append(_at(feature.name, center(feature, case)[0], _level(feature, case), 1.2 * feature.wavelength, case))
            continue
        if feature.kind == "voids":
            void = case.populations[feature.name][0]
            views.append(_at(f"part of {feature.name}", void.center[0], _level(feature, case), 5.0 * void.radius, case))
            continue
        if feature.kind == "pores":
            pore = case.populations[feature.name][0]
            low, high = extent(pore, case)[2:]
            half = 5.0 * max(pore.radius, pore.half_height)
            views.append(_at(f"part of {feature.name}", pore.center[0], 0.5 * (low + high), half, case))
            continue
        half, _, low, high = extent(feature, case)
        x = center(feature, case)[0]
        views.append(_at(feature.name, x, 0.5 * (low + high), 0.75 * max(2 * half, high - low), case))
        if feature.kind == "flaw":
            tip = high if abs(low - _level(feature, case)) < abs(high - _level(feature, case)) else low
            views.append(_at(f"tip of {feature.name}", x, tip, 0.12 * feature.depth, case))
        elif feature.kind in ("void", "patch"):
            edge = x + half if x + half < case.geometry.width else x - half
            views.append(_at(f"edge of {feature.name}", edge, _level(feature, case), 0.12 * half, case))
    thinnest = min(range(len(case.layers)), key=lambda n: case.layers[n].thickness or np.inf)
    if not case.features and len(case.layers) > 1 and case.geometry.file is None:
        views.append(_at(case.layers[thinnest].name, 0.5 * (case.geometry.width + case.geometry.inner_radius),
                         0.5 * (case.levels[thinnest] + case.levels[thinnest + 1]), 2.0 * case.layers[thinnest].thickness, case))
    return views[:6]


def _above(feature, case) -> int:
    return layer_pair(feature.interface, case, f'feature "{feature.name}".interface')[1]


def _level(feature, case) -> float:
    return case.levels[_above(feature, case)]


def _at(label: str, x: float, height: float, half: float, case) -> tuple[str, tuple[float, float, float, float]]:
    """Square window, shifted into the cell, and with the roughness."""
    where = np.array([x]), np.zeros(1), np.array([height])
    height += sum(displacement(f, case, *where)[0] for f in case.features if f.kind == "roughness" and f.fits)
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
    length = f"{bar:g} µm" if bar >= 0.1 else f"{1000 * bar:g} nm"
    axes.text(x + 0.5 * bar, y + 0.012 * (window[3] - window[2]), length, ha="center", va="bottom", fontsize=9,
              bbox={"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.5})


def _round_down(value: float) -> float:
    """Largest 1, 2 or 5 times a power of ten below a value."""
    power = 10.0 ** np.floor(np.log10(value))
    return float(max(m for m in (1.0, 2.0, 5.0) if m * power <= value * (1 + 1e-12)) * power)


# ---- 3D ---------------------------------------------------------------------------------------------------------------


def _solid_picture(mesh: Mesh, case, colors: dict[str, str], png: Path) -> None:
    """The cell cut open along x through the first feature, and what lies below its first interface, with the filled features."""
    import pyvista

    cells, group = mesh.all_cells()
    grid = pyvista.UnstructuredGrid({pyvista.CellType.TETRA: cells}, mesh.points)
    names, (y, below) = list(mesh.cells), _cut(case, mesh)
    with pyvista.vtk_verbosity("off"):
        plotter = pyvista.Plotter(off_screen=True, shape=(1, 2), window_size=(2000, 1050), border=False)
        for n, name in enumerate(names):
            part = grid.extract_cells(group == n)
            for column, piece in enumerate((part.clip("-y", origin=(0.0, y, 0.0)), part)):
                if piece.n_cells and (column == 0 or name in below):
                    plotter.subplot(0, column)
                    plotter.add_mesh(piece.extract_surface(algorithm="dataset_surface"), color=colors[name], show_edges=True,
                                     edge_color="#303030", line_width=0.7, ambient=0.4, diffuse=0.6)
        for column, title in enumerate((f"cut at y = {y:g} µm", f"{below[0]} seen from the counter side")):
            plotter.subplot(0, column)
            plotter.add_text(title, font_size=11)
            plotter.show_bounds(xtitle="x (um)", ytitle="y (um)", ztitle="z (um)", font_size=10, location="outer",
                                ticks="outside", n_xlabels=3, n_ylabels=3, n_zlabels=3)
            plotter.view_vector((0.55, -1.0, 0.6), viewup=(0, 0, 1))
        plotter.subplot(0, 1)
        for n, name in enumerate(names):  # pyvista's own legend runs out of the picture
            text = f"{name}: {int((group == n).sum())} cells"
            plotter.add_text(text, position=(0.7, 0.94 - 0.035 * n), viewport=True, color=colors[name], font_size=12, shadow=True)
        plotter.screenshot(str(png))
        plotter.close()


def _cut(case, mesh: Mesh) -> tuple[float, list[str]]:
    """y of the first feature not on a side (else of the front); layers below the first interface with a feature, fillings."""
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    solid = [body for f in case.features for body in case.populations.get(f.name, (f,)) if body.kind != "roughness"]
    middles = [center(body, case)[1] for body in solid]
    y = next((middle for middle in middles if low[1] < middle < high[1]), low[1])
    first = next((_above(f, case) for f in case.features if f.kind not in ("pore", "pores")), 1)
    return y, [r.name for n, r in enumerate(case.regions) if n < first or n >= len(case.layers)]
