"""Surface flaw from an interface into the electrolyte: a wedge, half an ellipse, or a slot; it may cut through thin layers.

A slot may be filled only in part; the rest of it is a hole of its own.
"""

from __future__ import annotations

from math import hypot, sqrt

from ..regions import direction
from .bodies import DimTags, block, center, cut_by_layers, ellipse, penny, wedge
from .sizes import Sizes, Source

MOUTH_ELEMENTS = {2: 3.0, 3: 1.6}  # elements across the local opening
OPEN_ELEMENTS = 8.0  # across a slot that is partly empty, into which metal will be pressed
MOUTH_EDGE = 8.0  # elements in half the opening at the edges of the mouth, in 2D


def body(feature, case, stack) -> DimTags:
    """The part of the flaw in each layer it passes through."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    width, depth, length = feature.width, feature.depth, feature.length or feature.width

    first, step = (case.levels.index(level), 1) if side > 0 else (case.levels.index(level) - 1, -1)
    passed = [n for n in range(first, len(case.layers) if side > 0 else -1, step)
              if min(abs(case.levels[n] - level), abs(case.levels[n + 1] - level)) < depth]
    if feature.shape == "wedge":
        return cut_by_layers(case, stack, passed,
                             lambda lift: wedge(case.geometry.dimension, (x, y, level), width, side * depth, length, lift))
    if feature.shape == "slot":
        return _slot(feature, case, stack, passed, 0.0, feature.filled or depth)
    if case.geometry.dimension == 2:
        return cut_by_layers(case, stack, passed, lambda lift: ellipse((x, level), (width / 2, depth), lift))
    axes = (width / 2, length / 2, depth)
    return [part for n in passed for part in penny(case, (x, y, level), axes, side, stack.slab(n), case.levels[n:n + 2])]


def empty(feature, case, stack) -> DimTags:
    """What is not filled of a slot, in each layer it passes through; nothing of any other flaw."""
    return _slot(feature, case, stack, range(len(case.layers)), feature.filled, feature.depth) if feature.filled else []


def _slot(feature, case, stack, layers, begin: float, end: float) -> DimTags:
    """Between two depths."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    width, length = feature.width, feature.length or feature.width
    low, high = sorted((level + side * begin, level + side * end))
    crossed = [n for n in layers if case.levels[n] < high and case.levels[n + 1] > low]
    return cut_by_layers(case, stack, crossed, lambda lift: block(case.geometry.dimension, (x - width / 2, y - length / 2, lift(low)),
                                                                  (width, length, lift(high) - lift(low))))


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """A few elements across the opening all the way down to the tip's edge length."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    wide, deep, long = feature.width / 2, feature.depth, (feature.length or feature.width) / 2
    rounded = feature.shape == "ellipse"
    sharpest = wide**2 / deep if sizes.dimension == 2 else min(long, deep) ** 2 / max(long, deep)  # of the tip; of the front
    tip = sizes.tip_of(deep, sharpest if rounded else 0.0)
    across = OPEN_ELEMENTS if feature.filled else MOUTH_ELEMENTS[sizes.dimension]
    growth, most = sizes.growth, sizes.interface

    def wedge_source(px: float, py: float, pz: float) -> float:
        down, aside = side * (pz - level), max(abs(py - y) - long, 0.0)
        opening = 2 * wide * (1.0 - min(max(down, 0.0), deep) / deep)
        apart = sqrt(max(abs(px - x) - opening / 2, 0.0) ** 2 + aside**2 + max(down - deep, -down, 0.0) ** 2)
        return min(max(opening / across, tip), most) + growth * apart

    def slot_source(px: float, py: float, pz: float) -> float:
        down, sideways, aside = side * (pz - level), abs(px - x) - wide, max(abs(py - y) - long, 0.0)
        apart = sqrt(max(sideways, 0.0) ** 2 + aside**2 + max(down - deep, -down, 0.0) ** 2)
        corner = sqrt(sideways**2 + aside**2 + (down - deep) ** 2)
        return min(min(2 * wide / across, most) + growth * apart, min(tip, wide / across) + growth * corner)

    def ellipse_source(px: float, py: float, pz: float) -> float:
        down, behind, aside, sideways = max(side * (pz - level), 0.0), max(side * (level - pz), 0.0), py - y, abs(px - x)
        scaled = hypot(aside / long, down / deep)
        if scaled < 1.0:
            opening = 2 * wide * sqrt(1.0 - scaled**2)
            return min(max(opening / across, tip), most) + growth * hypot(max(sideways - opening / 2, 0.0), behind)
        beyond = (1.0 - 1.0 / scaled) * hypot(aside, down)
        return min(tip, most) + growth * hypot(hypot(sideways, beyond), behind)

    def mouth_source(px: float, py: float, pz: float) -> float:
        """At the mouth's edges the contact pressure is singular."""
        return wide / MOUTH_EDGE + growth * hypot(abs(px - x) - wide, pz - level)

    walls = {"wedge": wedge_source, "ellipse": ellipse_source, "slot": slot_source}[feature.shape]
    return [walls, mouth_source] if sizes.dimension == 2 else [walls]
