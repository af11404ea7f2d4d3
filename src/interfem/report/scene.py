"""The fields of a run to turn and zoom: scenes of vtk.js inside the page, and a pyvista window."""

from __future__ import annotations

import io
import json
import os
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyvista
from matplotlib import colormaps
from matplotlib.colors import LogNorm, to_hex

from ..figures.data import Part, Run, open_run
from ..figures.maps import MAPS, Layer, Scale, outline
from ..figures.solid import grid_of, plane
from ..figures.style import GREY, LINE
from ..figures.views import Section
from .words import number

PARTS = ("metal", "mixed", "electrolyte")
STOPS = 12  # of a colour bar's gradient
TICKS = 5  # values along a colour bar
LIFT = 1e-4  # of the cell's size: outlines lie this far in front of their faces
Paint = Callable[[pyvista.Plotter, pyvista.PolyData, Layer, object], None]


class SceneError(Exception):
    """There is nothing to look at; the text says why. The command line exits with 2."""


@dataclass(frozen=True)
class Bar:
    """A colour bar for the page: label with unit, values at even places from end to end, colours as CSS stops."""

    label: str
    ticks: tuple[str, ...]
    stops: tuple[str, ...]
    logarithmic: bool


@dataclass(frozen=True)
class View:
    """One scene: title, vtk.js archive in base64, half the height that it shows in parallel projection (um), colour bars."""

    title: str
    data: str
    scale: float
    bars: tuple[Bar, ...]


def viewer_page() -> str:
    """The HTML page of vtk.js that opens a scene by `loadDataSet()`."""
    from trame_vtk.tools.vtksz2html import HTML_VIEWER_PATH

    return Path(HTML_VIEWER_PATH).read_text(encoding="utf-8")


def scenes(run: Run) -> tuple[View, ...]:
    """A scene for each map that the run has, at the time that its pictures show."""
    whole = _whole(run)
    if whole is None:
        return ()
    found = []
    for scale in _scales(whole):
        with pyvista.vtk_verbosity("off"):  # it tries a display first, and says so
            plotter = _plotter(run, whole, scale, _colored, off_screen=True)
            plotter.render()
            found.append(
                View(scale.plan.title, b64encode(archive(plotter)).decode(), plotter.parallel_scale, tuple(_bars(scale)))
            )
            plotter.close()
    return tuple(found)


def view_run(folder: Path, field: str | None = None, screenshot: Path | None = None) -> Path | None:
    """Open a window on a field of a run ("stress", "potential", ...), or draw it into a PNG file. SceneError if there is none."""
    try:
        run = open_run(folder)
    except (OSError, ValueError):
        raise SceneError(f"{folder}: no finished run in this folder (there is no run.json)") from None
    whole = _whole(run)
    if whole is None:
        raise SceneError(f"{folder}: this run has no fields; run the case again")
    if screenshot is not None and screenshot.suffix != ".png":
        raise SceneError(f"--screenshot {screenshot}: should be a PNG file, with the ending .png")
    known = {scale.plan.file: scale for scale in _scales(whole)}
    if field is not None and field not in known:
        raise SceneError(f"--field {field}: this run has {', '.join(known)}")
    if screenshot is None and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        raise SceneError(
            "view: there is no display for a window; say --screenshot FILE.png, or `interfem report` for a page with scenes"
        )
    scale = known[field] if field else known.get("stress") or next(iter(known.values()))
    with pyvista.vtk_verbosity("off"):
        return _show(run, _plotter(run, whole, scale, _mapped, off_screen=screenshot is not None), scale, screenshot)


def _show(run: Run, plotter: pyvista.Plotter, scale: Scale, screenshot: Path | None) -> Path | None:
    title = f"{run.title}\n{scale.plan.title} at {run.shown_text}".replace("|", "/")  # VTK sets columns at a |
    plotter.add_text(title, font_size=10, color="black")
    box = run.kind == "box"
    names = ("r (um)", "z (um)", "-") if run.axisymmetric else ("x (um)", "y (um)", "z (um)")  # the letters of axes have no µ
    plotter.show_bounds(
        **dict(zip(("xtitle", "ytitle", "ztitle"), names)),
        bounds=[round(b, 9) + 0.0 for b in plotter.bounds],
        show_zaxis=box,
        show_zlabels=box,
        fmt="%.3g",
        font_size=10,
        color="black",
        location="outer",
        n_xlabels=5,
        n_ylabels=5,
        n_zlabels=5,
    )
    plotter.camera.zoom(0.82)  # room for the colour bars
    if box:
        plotter.add_axes(color="black", line_width=3)
    if screenshot is None:
        plotter.show()
        return None
    try:
        screenshot.parent.mkdir(parents=True, exist_ok=True)
        plotter.screenshot(str(screenshot))
    except OSError as error:
        raise SceneError(
            f"{screenshot}: cannot be written ({error.strerror or error}); choose another file with --screenshot"
        ) from None
    plotter.close()
    return screenshot


# ---- what is shown ----------------------------------------------------------------------------------------------------


def _whole(run: Run) -> Section | None:
    """All bodies at the shown time."""
    parts = {name: part for name in PARTS if (part := run.part(name)) is not None and len(part.cells)}
    return Section(parts, ("x (µm)", "y (µm)"), [], flat=run.kind != "box") if parts else None


def _scales(whole: Section) -> list[Scale]:
    return [scale for plan in MAPS if (scale := Scale(plan, [whole])).norms]


def _plotter(run: Run, whole: Section, scale: Scale, paint: Paint, off_screen: bool) -> pyvista.Plotter:
    """The cell, in three dimensions opened along the cut through its features; grey where the map has no values."""
    plotter = pyvista.Plotter(off_screen=off_screen, window_size=(1200, 800))
    plotter.set_background("white")
    surfaces = _opened if run.kind == "box" else _flat
    for name, surface, part, edges in surfaces(run, whole):
        layer = next((layer for layer in scale.norms if layer.part == name), None)
        if layer is None:
            plotter.add_mesh(surface, color=GREY, lighting=False)
        else:
            found = Part(np.asarray(surface.points), part.cells, part.region, dict(surface.point_data))
            surface.point_data["shown"] = layer.values(found)
            paint(plotter, surface, layer, scale.norms[layer])
        plotter.add_mesh(edges, color=LINE, line_width=2, lighting=False)
    plotter.enable_parallel_projection()
    if run.kind != "box":
        plotter.view_xy()
    else:
        plotter.view_vector(_towards(run, whole), viewup=(0, 0, 1))
    plotter.reset_camera()
    return plotter


def _flat(run: Run, whole: Section) -> Iterator[tuple[str, pyvista.PolyData, Part, pyvista.PolyData]]:
    """(name, surface, part, outlines) of a plane section."""
    size = max(np.ptp(part.points, axis=0).max() for part in whole.parts.values())
    for name, part in whole.parts.items():
        points = np.column_stack([part.points, np.zeros(len(part.points))])
        surface = pyvista.PolyData.from_regular_faces(points, part.cells)
        for value, array in part.values.items():
            surface.point_data[value] = array
        edges = outline(part)
        lines = np.column_stack([np.full(len(edges), 2), edges]).ravel()
        yield name, surface, part, pyvista.PolyData(points + np.array([0, 0, LIFT * size]), lines=lines)


def _normal(run: Run, whole: Section) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(point on the cut, direction along it, normal towards the larger half, which stays)."""
    points = np.concatenate([part.points for part in whole.parts.values()])
    low, high = points.min(axis=0), points.max(axis=0)
    point, direction, _ = plane(run, low[:2], high[:2])
    normal = np.array([-direction[1], direction[0], 0.0])
    away = (0.5 * (low + high)[:2] - point) @ normal[:2]
    return np.array([*point, 0.0]), np.array([*direction, 0.0]), -normal if away < -1e-3 * (high - low).max() else normal


def _towards(run: Run, whole: Section) -> np.ndarray:
    """Direction from the cell to the eye, in front of the cut."""
    _, direction, normal = _normal(run, whole)
    return -3.0 * normal + 1.1 * direction + np.array([0.0, 0.0, 1.1])


def _opened(run: Run, whole: Section) -> Iterator[tuple[str, pyvista.PolyData, Part, pyvista.PolyData]]:
    """(name, surface, part, outlines) of the half behind the cut."""
    point, _, normal = _normal(run, whole)
    for name, part in whole.parts.items():
        grid = grid_of(part).clip(normal=normal, origin=point, invert=False)
        if not grid.n_cells:
            continue
        edges = pyvista.merge([_feature_edges(grid, region) for region in np.unique(grid.cell_data["region"])])
        yield name, grid.extract_surface(algorithm=None), part, edges


def _feature_edges(grid, region) -> pyvista.PolyData:
    piece = grid.extract_cells(np.flatnonzero(grid.cell_data["region"] == region)).extract_surface(algorithm=None)
    edges = piece.extract_feature_edges(35, boundary_edges=False, non_manifold_edges=False, manifold_edges=False)
    edges.clear_data()
    return edges


# ---- colours ----------------------------------------------------------------------------------------------------------


def _colored(plotter: pyvista.Plotter, surface: pyvista.PolyData, layer: Layer, norm) -> None:
    """Colours at the nodes, which every viewer shows alike, whatever the range."""
    values = np.ma.masked_invalid(surface.point_data["shown"])
    colors = (255 * colormaps[layer.colors](norm(values))[:, :3]).astype(np.uint8)
    colors[np.ma.getmaskarray(values)] = [int(GREY[n : n + 2], 16) for n in (1, 3, 5)]
    bare = pyvista.PolyData(surface.points, surface.faces)
    bare.point_data["colors"] = colors
    plotter.add_mesh(bare, scalars="colors", rgb=True, lighting=False)


def _mapped(plotter: pyvista.Plotter, surface: pyvista.PolyData, layer: Layer, norm) -> None:
    """Values with a colour bar."""
    surface.set_active_scalars("shown")
    plotter.add_mesh(
        surface,
        scalars="shown",
        cmap=layer.colors,
        clim=(norm.vmin, norm.vmax),
        log_scale=isinstance(norm, LogNorm),
        nan_color=GREY,
        lighting=False,
        scalar_bar_args={
            "title": layer.label,
            "color": "black",
            "vertical": False,
            "fmt": "%.3g",
            "title_font_size": 15,
            "label_font_size": 13,
            "position_x": 0.04 + 0.32 * len(plotter.scalar_bars),
            "position_y": 0.02,
            "width": 0.28,
            "height": 0.1,
            "n_labels": 2,  # at the ends: those between would touch the title
        },
    )


def _bars(scale: Scale) -> Iterator[Bar]:
    for mappable, label, extend in scale.bars():
        norm = mappable.norm
        stops = tuple(to_hex(mappable.cmap(s)) for s in np.linspace(0.0, 1.0, STOPS))
        nothing = 1e-9 * max(abs(norm.vmin), abs(norm.vmax))
        values = (float(norm.inverse(place)) for place in np.linspace(0.0, 1.0, TICKS))
        ticks = [number(0.0 if abs(v) < nothing else v, 3 if n in (0, TICKS - 1) else 2) for n, v in enumerate(values)]
        ticks[0] = ("≤ " if extend in ("min", "both") else "") + ticks[0]
        ticks[-1] = ("≥ " if extend in ("max", "both") else "") + ticks[-1]
        yield Bar(label.partition("\n")[0], tuple(ticks), stops, isinstance(norm, LogNorm))


# ---- vtk.js -----------------------------------------------------------------------------------------------------------


def archive(plotter: pyvista.Plotter) -> bytes:
    """A rendered window as the zip file that vtk.js's viewer of stored scenes reads: a description and its arrays by hash."""
    from trame_vtk.modules.vtk.serializers import (
        SynchronizationContext,
        extract_array_hash,
        initialize_serializers,
        reference_id,
        serialize,
    )

    initialize_serializers()
    window, camera = plotter.render_window, plotter.renderer.GetActiveCamera()
    context = SynchronizationContext()
    context.set_ignore_last_dependencies(True)
    scene = serialize(None, window, reference_id(window), context, 1)
    scene["extra"] = {
        "vtkRefId": reference_id(window),
        "centerOfRotation": camera.GetFocalPoint(),
        "camera": reference_id(camera),
    }
    arrays = {
        entry["hash"]: entry | {"content": context.get_cached_data_array(entry["hash"], False)}
        for entry in extract_array_hash(scene)
    }
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
            file.writestr("index.json", json.dumps({"hashes": arrays, "scene": scene}))
        return buffer.getvalue()
