"""Solid bodies from which features are cut, drawn in the virtual coordinates of one layer.

Each takes physical centres and extents and the layer's affine map `lift` of heights; 2D bodies lie in the x-height plane.
"""

from __future__ import annotations

import gmsh

DimTags = list[tuple[int, int]]


def ellipsoid(dimension: int, center: tuple[float, float, float], axes: tuple[float, float, float], lift) -> DimTags:
    """Ellipse (2D) or ellipsoid about (x, y, height) with semi-axes along x, y and the height."""
    (x, y, height), (a, b, c) = center, axes
    v, c = lift(height), c * lift.scale
    if dimension == 2:
        if a >= c:
            return [(2, gmsh.model.occ.addDisk(x, v, 0, a, c))]
        return [(2, gmsh.model.occ.addDisk(x, v, 0, c, a, zAxis=[0, 0, 1], xAxis=[0, 1, 0]))]
    ball = [(3, gmsh.model.occ.addSphere(x, y, v, a))]
    if (b, c) != (a, a):
        gmsh.model.occ.dilate(ball, x, y, v, 1, b / a, c / a)
    return ball


def wedge(dimension: int, center: tuple[float, float, float], width: float, depth: float, length: float, lift) -> DimTags:
    """Triangle (2D) or triangular prism along y: mouth of `width` at (x, y, height), tip `depth` above (below if < 0)."""
    x, y, height = center
    corners = [(x - width / 2, lift(height)), (x + width / 2, lift(height)), (x, lift(height + depth))]
    if dimension == 2:
        return [(2, polygon([(cx, cv, 0.0) for cx, cv in corners]))]
    face = polygon([(cx, y - length / 2, cv) for cx, cv in corners])
    return [d for d in gmsh.model.occ.extrude([(2, face)], 0, length, 0) if d[0] == 3]


def block(dimension: int, start: tuple[float, float, float], size: tuple[float, float, float]) -> DimTags:
    """Rectangle (2D) or box from (x, y, v) with extents along x, y and v."""
    (x, y, v), (dx, dy, dv) = start, size
    if dimension == 2:
        return [(2, gmsh.model.occ.addRectangle(x, v, 0, dx, dv))]
    return [(3, gmsh.model.occ.addBox(x, y, v, dx, dy, dv))]


def polygon(corners: list[tuple[float, float, float]]) -> int:
    """Plane surface inside straight edges."""
    points = [gmsh.model.occ.addPoint(*corner) for corner in corners]
    lines = [gmsh.model.occ.addLine(p, q) for p, q in zip(points, points[1:] + points[:1])]
    return gmsh.model.occ.addPlaneSurface([gmsh.model.occ.addCurveLoop(lines)])


def cut_by_layers(case, stack, layers, draw) -> DimTags:
    """Parts of a body inside each of `layers`; `draw(lift)` draws the whole of it in that layer's virtual coordinates."""
    geometry, parts = case.geometry, []
    for n in layers:
        low, high = stack.virtual[n], stack.virtual[n + 1]
        size = (geometry.width - geometry.inner_radius, geometry.depth or 0.0, high - low)
        room = block(geometry.dimension, (geometry.inner_radius, 0.0, low), size)
        parts += gmsh.model.occ.intersect(draw(stack.slab(n)), room)[0]
    return parts


def center(feature, case) -> tuple[float, float]:
    """(x, y) of a feature's axis; y = 0 in 2D."""
    x, y = (*feature.center, 0.0)[:2]
    return (x, y) if case.geometry.kind == "box" else (x, 0.0)
