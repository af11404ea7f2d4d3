"""Empty half-ellipse (half-ellipsoid of revolution) with its flat face on an interface."""

from __future__ import annotations

from ..regions import direction
from .bodies import DimTags, center, cut_by_layers, ellipse, ellipsoid
from .sizes import Sizes, Source, near_ellipsoid, near_point, near_ring


def body(feature, case, stack) -> DimTags:
    """The half of the ellipse that lies in the layer it is cut from."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    radius, height = feature.radius, feature.height

    def draw(lift):
        if case.geometry.dimension == 2:
            return ellipse((x, level), (radius, height), lift)
        return ellipsoid(case, (x, y, level), (radius, radius, height), (side,), lift)

    return cut_by_layers(case, stack, [case.levels.index(level) - (side < 0)], draw)


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """The contact edge, where potential and stress are singular; the curved wall; a sharp top."""
    (x, y), (level, sign) = center(feature, case), direction(feature, case)
    a, b = feature.radius, feature.height
    fine = [near_ring(x, y, level, a, sizes.rim_of(a), sizes.growth),
            near_ellipsoid((x, y, level), (a, a, b), sizes.wall_of(max(a, b)), sizes.growth)]
    if b > a:
        fine.append(near_point((x, y, level + sign * b), a**2 / b / 3.0, sizes.growth))
    return fine
