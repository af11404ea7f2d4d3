"""Empty half-ellipse (half-ellipsoid of revolution) with its flat face on an interface."""

from __future__ import annotations

from ..regions import direction
from .bodies import DimTags, center, cut_by_layers, ellipse, spheroid
from .sizes import Sizes, Source, near_ellipsoid, near_point, near_ring


def body(feature, case, stack) -> DimTags:
    """The half of the ellipse that lies in the layer it is cut from."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    layer, axes = case.levels.index(level) - (side < 0), (feature.radius, feature.height)
    if case.geometry.dimension == 3:
        return spheroid(case, (x, y, level), *axes, (side,), stack.slab(layer))
    return cut_by_layers(case, stack, [layer], lambda lift: ellipse((x, level), axes, lift))


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """The contact edge, where potential and stress are singular; the curved wall; a sharp top."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    a, b = feature.radius, feature.height
    whole = near_ellipsoid((x, y, level), (a, a, b), sizes.wall_of(max(a, b)), sizes.growth)

    def wall(px: float, py: float, pz: float) -> float:
        behind = max(side * (level - pz), 0.0)
        return whole(px, py, pz + side * behind) + sizes.growth * behind

    fine = [near_ring(x, y, level, a, sizes.rim_of(a), sizes.growth), wall]
    if b > a:
        fine.append(near_point((x, y, level + side * b), a**2 / b / 3.0, sizes.growth))
    return fine
