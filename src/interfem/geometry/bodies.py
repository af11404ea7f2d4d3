"""Solid bodies from which features are cut, drawn in the virtual coordinates of one layer.

Each takes physical centres and extents and the layer's affine map `lift` of heights; 2D bodies lie in the x-height plane.
"""

from __future__ import annotations

from itertools import product
from math import pi

import gmsh

DimTags = list[tuple[int, int]]


def ellipse(center: tuple[float, float], axes: tuple[float, float], lift) -> DimTags:
    """Ellipse about (x, height) with semi-axes along x and the height."""
    (x, height), a, b = center, axes[0], axes[1] * lift.scale
    if a >= b:
        return [(2, gmsh.model.occ.addDisk(x, lift(height), 0, a, b))]
    return [(2, gmsh.model.occ.addDisk(x, lift(height), 0, b, a, zAxis=[0, 0, 1], xAxis=[0, 1, 0]))]


def ellipsoid(case, center: tuple[float, float, float], axes: tuple[float, float, float], sides: tuple[int, ...], lift) -> DimTags:
    """Octants above (1) and below (-1) the centre of an ellipsoid with semi-axes along x, y and the height, in the cell.

    Octants, since cutting them from a whole ball fails at its poles and seam; and a thin one gets its sharp front as an edge.
    """
    (x, y, height), (a, b, c) = center, axes
    v, parts = lift(height), []
    for side in sides:
        for east, north in product((1, -1), (1, -1)):
            if not (0 < x + east * a < case.geometry.width and 0 < y + north * b < case.geometry.depth):
                continue  # beyond a plane of symmetry
            octant = [(3, gmsh.model.occ.addSphere(x, y, v, a, angle1=0, angle2=pi / 2, angle3=pi / 2))]
            gmsh.model.occ.rotate(octant, x, y, v, 1, 1, 1, 2 * pi / 3)  # its pole goes from the height to x, where a thin one is flat
            for flip, normal, offset in ((east, (1, 0, 0), x), (north, (0, 1, 0), y), (side, (0, 0, 1), v)):
                if flip < 0:
                    gmsh.model.occ.mirror(octant, *normal, -offset)
            if (b, c * lift.scale) != (a, a):
                gmsh.model.occ.dilate(octant, x, y, v, 1, b / a, c * lift.scale / a)
            parts += octant
    return parts


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
        whole = draw(stack.slab(n))
        size = (geometry.width - geometry.inner_radius, geometry.depth or 0.0, high - low)
        room = block(geometry.dimension, (geometry.inner_radius, 0.0, low), size)
        parts += gmsh.model.occ.intersect(whole, room)[0]
    return parts


def center(feature, case) -> tuple[float, float]:
    """(x, y) of a feature's axis; y = 0 in 2D."""
    x, y = (*feature.center, 0.0)[:2]
    return (x, y) if case.geometry.kind == "box" else (x, 0.0)
