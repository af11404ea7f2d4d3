"""Buried ellipse (ellipsoid of revolution) inside one layer."""

from __future__ import annotations

from .bodies import DimTags, center, cut_by_layers, ellipse, spheroid
from .sizes import Sizes, Source, near_ellipsoid, near_point, near_ring


def body(feature, case, stack) -> DimTags:
    """The whole ellipse, or the part of it inside the cell."""
    layer, middle, (radius, _, half_height) = placed(feature, case)
    if case.geometry.dimension == 3:
        return spheroid(case, middle, radius, half_height, (-1, 1), stack.slab(layer))
    return cut_by_layers(case, stack, [layer], lambda lift: ellipse(middle[::2], (radius, half_height), lift))


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """The wall, and its sharp edge or ends if it is not round."""
    _, (x, y, height), (a, _, c) = placed(feature, case)
    fine = [near_ellipsoid((x, y, height), (a, a, c), sizes.wall_of(max(a, c)), sizes.growth)]
    if c < a:
        fine.append(near_ring(x, y, height, a, c**2 / a / 2.0, sizes.growth))
    if c > a:
        fine += [near_point((x, y, height + end), a**2 / c / 2.0, sizes.growth) for end in (-c, c)]
    return fine


def placed(feature, case) -> tuple[int, tuple[float, float, float], tuple[float, float, float]]:
    """Index of its layer, centre (x, y, height), semi-axes."""
    layer = [item.name for item in case.layers].index(feature.layer)
    middle = (*center(feature, case), case.levels[layer] + feature.position)
    return layer, middle, (feature.radius, feature.radius, feature.half_height or feature.radius)
