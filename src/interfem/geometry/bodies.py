"""Solid bodies from which features are cut, drawn in the virtual coordinates of one layer.

Each takes physical centres and extents and the layer's affine map `lift` of heights; 2D bodies lie in the x-height plane.
"""

from __future__ import annotations

from math import ceil, cos, pi, sin, sqrt

import gmsh

DimTags = list[tuple[int, int]]
Point = tuple[float, float, float]


def ellipse(center: tuple[float, float], axes: tuple[float, float], lift) -> DimTags:
    """Ellipse about (x, height) with semi-axes along x and the height."""
    (x, height), a, b = center, axes[0], axes[1] * lift.scale
    if a >= b:
        return [(2, gmsh.model.occ.addDisk(x, lift(height), 0, a, b))]
    return [(2, gmsh.model.occ.addDisk(x, lift(height), 0, b, a, zAxis=[0, 0, 1], xAxis=[0, 1, 0]))]


def spheroid(case, center: Point, radius: float, half_height: float, sides: tuple[int, ...], lift) -> DimTags:
    """Ellipsoid of revolution about the vertical through (x, y, height): upper (1), lower (-1) or both halves, in the cell."""
    x, y, height = center
    inside = [quarter for quarter in QUARTERS if _in_cell(case, center, quarter, radius, radius)]
    start = next((n for n, quarter in enumerate(QUARTERS) if quarter in inside and QUARTERS[n - 1] not in inside), 0)
    south, north = (pi / 2 if -1 in sides else 0.0), (pi / 2 if 1 in sides else 0.0)
    lune = [(3, gmsh.model.occ.addSphere(x, y, lift(height), radius, angle1=-south, angle2=north, angle3=len(inside) * pi / 2))]
    gmsh.model.occ.rotate(lune, x, y, lift(height), 0, 0, 1, start * pi / 2)
    _stretch(lune, (x, y, lift(height)), (1.0, 1.0, half_height * lift.scale / radius))
    return lune


def ball(center: Point, radius: float, lift) -> DimTags:
    """Ball about (x, y, height)."""
    x, y, height = center
    body = [(3, gmsh.model.occ.addSphere(x, y, lift(height), radius))]
    _stretch(body, (x, y, lift(height)), (1.0, 1.0, lift.scale))
    return body


def penny(case, center: Point, axes: Point, side: int, lift, reach: tuple[float, float]) -> DimTags:
    """Half-ellipsoid, thin along x, above (`side` = 1) or below (-1) its centre: what lies in the cell and between two heights.

    It is drawn by quarters, so that its sharp front is an edge with nodes on it. Where it only passes through a stretched film,
    its wall is ruled between ellipses, since the surface of a much stretched ball cannot be meshed.
    """
    quarters = [quarter for quarter in QUARTERS if _in_cell(case, center, quarter, *axes[:2])]
    apart = max(abs(level - center[2]) for level in reach)
    draw = _ruled_quarter if lift.scale > 1.0 and apart < axes[2] else _octant
    return [part for quarter in quarters for part in draw(center, axes, quarter, side, lift, reach)]


def _octant(center, axes, quarter: tuple[int, int], side: int, lift, reach: tuple[float, float]) -> DimTags:
    """Octant of a ball, its pole on x where a thin one is flat; cut between the heights, and only then stretched."""
    (x, y, height), (a, b, c) = center, axes
    v = lift(height)
    low, high = (v + a * (level - height) / c for level in reach)
    octant = [(3, gmsh.model.occ.addSphere(x, y, v, a, angle1=0, angle2=pi / 2, angle3=pi / 2))]
    gmsh.model.occ.rotate(octant, x, y, v, 1, 1, 1, 2 * pi / 3)
    for flip, normal, offset in ((quarter[0], (1, 0, 0), x), (quarter[1], (0, 1, 0), y), (side, (0, 0, 1), v)):
        if flip < 0:
            gmsh.model.occ.mirror(octant, *normal, -offset)
    if low > v or high < v or max(v - low, high - v) < a:
        octant = gmsh.model.occ.intersect(octant, block(3, (x - a, y - a, low), (2 * a, 2 * a, high - low)))[0]
    _stretch(octant, (x, y, v), (1.0, b / a, c * lift.scale / a))
    return octant


def _ruled_quarter(center, axes, quarter: tuple[int, int], side: int, lift, reach: tuple[float, float]) -> DimTags:
    """Quarter of a stack of elliptic frusta between the heights, none higher than a tenth of the depth."""
    (x, y, height), (a, b, c) = center, axes
    start = QUARTERS.index(quarter) * pi / 2
    rings = int(ceil((reach[1] - reach[0]) / (0.1 * c))) + 1
    wires = []
    for n in range(rings):
        level = reach[0] + (reach[1] - reach[0]) * n / (rings - 1)
        v, radius = lift(level), a * sqrt(1.0 - ((level - height) / c) ** 2)
        middle = gmsh.model.occ.addPoint(x, y, v)
        ends = [gmsh.model.occ.addPoint(x + radius * cos(angle), y + radius * sin(angle), v) for angle in (start, start + pi / 2)]
        arc = gmsh.model.occ.addCircleArc(ends[0], middle, ends[1])
        edges = [(1, gmsh.model.occ.addLine(middle, ends[0])), (1, arc), (1, gmsh.model.occ.addLine(ends[1], middle))]
        _stretch(edges, (x, y, v), (1.0, b / a, 1.0))
        wires.append(gmsh.model.occ.addWire([tag for _, tag in edges]))
    return [body for body in gmsh.model.occ.addThruSections(wires, makeSolid=True, makeRuled=True) if body[0] == 3]


QUARTERS = ((1, 1), (-1, 1), (-1, -1), (1, -1))  # counterclockwise: signs of x and y


def _in_cell(case, center: Point, quarter: tuple[int, int], a: float, b: float) -> bool:
    """Is this quarter of a feature inside the cell, and not beyond a plane of symmetry on which it is centred?"""
    return 0 < center[0] + quarter[0] * a < case.geometry.width and 0 < center[1] + quarter[1] * b < case.geometry.depth


def _stretch(body: DimTags, center: Point, factors: tuple[float, float, float]) -> None:
    if factors != (1.0, 1.0, 1.0):  # a stretched ball is no longer a ball to the mesher
        gmsh.model.occ.dilate(body, *center, *factors)


def wedge(dimension: int, center: Point, width: float, depth: float, length: float, lift) -> DimTags:
    """Triangle (2D) or triangular prism along y: mouth of `width` at (x, y, height), tip `depth` above (below if < 0)."""
    x, y, height = center
    corners = [(x - width / 2, lift(height)), (x + width / 2, lift(height)), (x, lift(height + depth))]
    corners = corners if depth > 0 else corners[::-1]  # counterclockwise
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
