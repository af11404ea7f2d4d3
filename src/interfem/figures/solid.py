"""Three dimensions: a cut through void and flaw for the maps, and views of the opened cell."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyvista

from .data import Part, Run
from .maps import MAPS, Scale, color_bar
from .style import GREY, LINE, canvas
from .views import Section, close_ups

INSIDE = 1e-4  # of the cell's size: the cut stays this far from its sides


def plane(run: Run, low: np.ndarray, high: np.ndarray) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """(point, direction along x and y, features on it) of the upright cut: through the first void and the first other feature.

    With one feature only, along x through it; with none, through the middle.
    """
    features = [f for f in run.case.features if f.kind not in ("roughness", "pores", "voids")] if run.case else []
    centres = {f.name: np.array((*f.center, 0.0)[:2]) for f in features}
    features.sort(key=lambda f: f.kind not in ("void", "patch"))
    first = next(iter(features), None)
    other = next((f for f in features[1:] if f.kind != first.kind), None)
    margin = INSIDE * (high - low)
    if first is None:
        return 0.5 * (low + high), np.array([1.0, 0.0]), []
    point = np.clip(centres[first.name], low + margin, high - margin)
    direction = np.array([1.0, 0.0])
    if other is not None:
        away = np.clip(centres[other.name], low + margin, high - margin) - point
        direction = away / np.linalg.norm(away) if np.linalg.norm(away) > 10 * margin.max() else direction
    normal = np.array([-direction[1], direction[0]])
    on = [f.name for f in features if abs((centres[f.name] - point) @ normal) < 1e-2 * (high - low).max()]
    return point, direction, on


def cut(run: Run, parts: dict[str, Part]) -> Section:
    """Upright section; its first coordinate is the distance along the cut from the side of the cell where it starts."""
    points = np.concatenate([p.points for p in parts.values()])
    low, high = points.min(axis=0)[:2], points.max(axis=0)[:2]
    point, direction, on = plane(run, low, high)
    start = _start(point, direction, low, high)
    sliced = {name: found for name, part in parts.items() if (found := _slice(part, point, start, direction)) is not None}
    centres = (
        {f.name: float((np.array((*f.center, 0.0)[:2]) - start) @ direction) for f in run.case.features if f.name in on}
        if run.case
        else {}
    )
    ends = np.concatenate([p.points[:, 0] for p in sliced.values()])
    along = "x" if abs(direction[1]) < 1e-9 else "y" if abs(direction[0]) < 1e-9 else None
    other = f"y = {point[1]:.3g} µm" if along == "x" else f"x = {point[0]:.3g} µm"
    end = start + float(ends.max()) * direction
    note = f", cut at {other}" if along else f", cut from (x, y) = {_place(start)} to {_place(end)} µm"
    names = (f"{along} (µm)" if along else "along the cut (µm)", "z (µm)")
    return Section(sliced, names, close_ups(run.case, centres, (float(ends.min()), float(ends.max()))), note, flat=False)


def _place(point: np.ndarray) -> str:
    return f"({', '.join(f'{round(float(c), 2) + 0.0:g}' for c in point)})"


def _start(point: np.ndarray, direction: np.ndarray, low: np.ndarray, high: np.ndarray) -> np.ndarray:
    """Where the cut enters the cell; along an axis its coordinate then is that of the cell."""
    if abs(direction[1]) < 1e-9:
        return np.array([0.0, point[1]])
    if abs(direction[0]) < 1e-9:
        return np.array([point[0], 0.0])
    steps = [(edge - point[k]) / direction[k] for k in (0, 1) for edge in (low[k], high[k])]
    return point + max(s for s in steps if s <= 1e-9) * direction


def grid_of(part: Part):
    """The part as a pyvista grid with node values, and the region at the cells."""
    grid = pyvista.UnstructuredGrid({pyvista.CellType.TETRA: part.cells}, part.points)
    for name, values in part.values.items():
        grid.point_data[name] = values
    grid.cell_data["region"] = part.region
    return grid


def _slice(part: Part, point: np.ndarray, start: np.ndarray, direction: np.ndarray) -> Part | None:
    """Triangles in (distance along the cut, z); vectors in the same two directions. Region by region, so that jumps stay."""
    pieces = []
    for region in np.unique(part.region):
        found = grid_of(part.only([region])).slice(normal=(-direction[1], direction[0], 0.0), origin=(*point, 0.0)).triangulate()
        if found.n_cells:
            pieces.append((int(region), found))
    if not pieces:
        return None
    offsets = np.cumsum([0, *(p.n_points for _, p in pieces)])
    points = np.concatenate([np.asarray(p.points, float) for _, p in pieces])
    cells = np.concatenate([p.regular_faces + n for (_, p), n in zip(pieces, offsets)])
    region = np.concatenate([np.full(p.n_cells, number) for number, p in pieces])
    values = {name: np.concatenate([np.asarray(p.point_data[name]) for _, p in pieces]) for name in part.values}
    flat = {name: np.stack([v[:, :2] @ direction, v[:, 2]], axis=1) if v.ndim == 2 else v for name, v in values.items()}
    return Part(np.stack([(points[:, :2] - start) @ direction, points[:, 2]], axis=1), cells, region, flat)


# ---- the opened cell --------------------------------------------------------------------------------------------------


def draw_solid(run: Run, folder: Path) -> list[Path]:
    """The cell cut open along the plane through void and flaw, coloured by current density and by stress."""
    parts = {name: part for name in ("metal", "mixed", "electrolyte") if (part := run.part(name)) is not None and len(part.cells)}
    whole = Section(parts, ("x (µm)", "y (µm)"), [], flat=False)
    scales = [scale for plan in MAPS if plan.file in ("current", "stress") and (scale := Scale(plan, [whole])).norms]
    return [_opened(run, whole, scale, folder / f"{scale.plan.file}_3d.png") for scale in scales]


def _opened(run: Run, whole: Section, scale: Scale, path: Path) -> Path:
    points = np.concatenate([p.points for p in whole.parts.values()])
    extent = " × ".join(f"{length:.3g}" for length in np.ptp(points, axis=0))
    with pyvista.vtk_verbosity("off"):  # it tries a display first, and says so
        image = render(run, whole, scale)
    with canvas((10.5, 7.6), path) as figure:
        axes = figure.add_subplot()
        axes.imshow(image)
        axes.set_axis_off()
        for mappable, label, extend in scale.bars():
            color_bar(figure, axes, mappable, label, extend)
        figure.suptitle(f"{run.title}\n{scale.plan.title} at {run.shown_text}; {extent} µm, cut open")
    return path


def render(run: Run, whole: Section, scale: Scale) -> np.ndarray:
    """Picture of the half behind the cut, in parallel projection."""
    points = np.concatenate([p.points for p in whole.parts.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    point, direction, _ = plane(run, low[:2], high[:2])
    normal = np.array([-direction[1], direction[0], 0.0])
    if (0.5 * (low + high)[:2] - point) @ normal[:2] < -1e-3 * (high - low).max():
        normal = -normal  # the larger half stays
    plotter = pyvista.Plotter(off_screen=True, window_size=(1600, 1300))
    plotter.set_background("white")
    for name, part in whole.parts.items():
        grid = grid_of(part).clip(normal=normal, origin=(*point, 0.0), invert=False)
        shown = next(((layer, norm) for layer, norm in scale.norms.items() if layer.part == name), None)
        if not grid.n_cells:
            continue
        if shown is None:
            plotter.add_mesh(grid, color=GREY, lighting=False)
        else:
            layer, norm = shown
            grid.point_data["shown"] = np.nan_to_num(
                layer.values(Part(np.asarray(grid.points), part.cells, part.region, dict(grid.point_data)))
            )
            plotter.add_mesh(
                grid, scalars="shown", cmap=layer.colors, clim=(norm.vmin, norm.vmax), show_scalar_bar=False, lighting=False
            )
        for region in np.unique(grid.cell_data["region"]):
            piece = grid.extract_cells(np.flatnonzero(grid.cell_data["region"] == region)).extract_surface(algorithm=None)
            plotter.add_mesh(
                piece.extract_feature_edges(35, boundary_edges=False, non_manifold_edges=False, manifold_edges=False),
                color=LINE,
                line_width=2,
            )
    plotter.enable_parallel_projection()
    side = np.array([direction[0], direction[1], 0.0])
    middle = 0.5 * (low + high)
    plotter.camera_position = [
        tuple(middle - 3.0 * normal * np.ptp(points) + 1.1 * side * np.ptp(points) + np.array([0, 0, 1.1 * np.ptp(points)])),
        tuple(middle),
        (0, 0, 1),
    ]
    plotter.reset_camera()
    plotter.add_axes(color="black", line_width=3)
    image = plotter.screenshot(return_img=True)
    plotter.close()
    return image
