"""From the meshed flat stack to the real one: virtual heights to physical ones, then the roughness of the interfaces."""

from __future__ import annotations

import gmsh
import numpy as np

from .errors import GeometryError
from .roughness import displacement


def warp(case, stack) -> None:
    """Move the nodes of the current Gmsh model; GeometryError if that turns a cell over."""
    axis = case.geometry.dimension - 1
    tags, points, _ = gmsh.model.mesh.getNodes()
    points = points.reshape(-1, 3)
    flat = points.copy()
    flat[:, axis] = stack.heights(points[:, axis])
    moved = flat.copy()
    y = flat[:, 1] if axis == 2 else np.zeros(len(flat))
    for feature in case.features:
        if feature.kind == "roughness" and feature.fits:
            moved[:, axis] += displacement(feature, case, flat[:, 0], y, flat[:, axis])
    if not np.array_equal(moved, points):
        for tag, point in zip(tags.tolist(), moved.tolist()):
            gmsh.model.mesh.setNode(tag, point, [])
    _check_cells(case, axis + 1)


def _check_cells(case, dimension: int) -> None:
    """Every cell right-handed and not flat; the scale is that of its own edges."""
    tags, points, _ = gmsh.model.mesh.getNodes()
    position = np.zeros((int(tags.max()) + 1, 3))
    position[tags.astype(int)] = points.reshape(-1, 3)
    nodes = gmsh.model.mesh.getElementsByType({2: 2, 3: 4}[dimension])[1].astype(int).reshape(-1, dimension + 1)
    corners = position[nodes]
    edges = (corners[:, 1:] - corners[:, :1])[:, :, :dimension]
    volume = np.linalg.det(edges)
    bad = np.flatnonzero(volume <= 0.0)
    if len(bad):
        x, height = corners[bad[0]].mean(axis=0)[[0, dimension - 1]]
        rough = [f"features[{n}].amplitude = {f.amplitude:g} um" for n, f in enumerate(case.features) if f.kind == "roughness"]
        remedy = f"{' and '.join(rough)} too much for the layers or the mesh there; reduce it or raise mesh.refinement"
        raise GeometryError(f"{len(bad)} cells are turned over, the first at x = {x:g} um, height {height:g} um: "
                            f"{remedy if rough else 'raise mesh.refinement or change mesh.size a little'}")
