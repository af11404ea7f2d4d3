"""Part of an interface that passes no charge: the mesh conforms to its edge."""

from __future__ import annotations

import gmsh

from ..regions import layer_pair
from .bodies import DimTags, center
from .sizes import Sizes, Source, near_ring


def body(feature, case, stack) -> DimTags:
    """Lines (2D) or a disc or annulus (box) in the interface, inside the cell."""
    geometry, (x, y) = case.geometry, center(feature, case)
    v = stack.virtual[_layer(feature, case)]
    if geometry.dimension == 2:
        spans = [(x - feature.outer, x - feature.inner), (x + feature.inner, x + feature.outer)]
        inside = [(max(a, geometry.inner_radius), min(b, geometry.width)) for a, b in spans]
        return [(1, _line(a, b, v)) for a, b in inside if b > a]
    disc = [(2, gmsh.model.occ.addDisk(x, y, v, feature.outer, feature.outer))]
    if feature.inner:
        disc = gmsh.model.occ.cut(disc, [(2, gmsh.model.occ.addDisk(x, y, v, feature.inner, feature.inner))])[0]
    return gmsh.model.occ.intersect(disc, [(2, gmsh.model.occ.addRectangle(0, 0, v, geometry.width, geometry.depth))])[0]


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """Its edges, where the current is singular."""
    (x, y), level = center(feature, case), case.levels[_layer(feature, case)]
    edge = sizes.rim_of(feature.outer - feature.inner)
    return [near_ring(x, y, level, radius, edge, sizes.growth) for radius in (feature.inner, feature.outer) if radius]


def _layer(feature, case) -> int:
    return layer_pair(feature.interface, case, f'feature "{feature.name}".interface')[1]


def _line(a: float, b: float, v: float) -> int:
    return gmsh.model.occ.addLine(gmsh.model.occ.addPoint(a, v, 0), gmsh.model.occ.addPoint(b, v, 0))
