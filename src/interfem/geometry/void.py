"""Empty half-ellipse (half-ellipsoid of revolution), or part of a circle (spherical cap), with its flat face on an interface."""

from __future__ import annotations

from ..regions import direction
from .bodies import DimTags, ball, center, cut_by_layers, ellipse, spheroid
from .sizes import Sizes, Source, near_ellipsoid, near_point, near_ring


def body(feature, case, stack) -> DimTags:
    """The part of the ellipse or circle that lies in the layer it is cut from."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    layer, (middle, axes) = case.levels.index(level) - (side < 0), _whole(feature, level, side)
    if feature.shape == "cap" and case.geometry.dimension == 3:
        return cut_by_layers(case, stack, [layer], lambda lift: ball((x, y, middle), axes[0], lift))
    if case.geometry.dimension == 3:
        return spheroid(case, (x, y, level), *axes, (side,), stack.slab(layer))
    return cut_by_layers(case, stack, [layer], lambda lift: ellipse((x, middle), axes, lift))


def _whole(feature, level: float, side: int) -> tuple[float, tuple[float, float]]:
    """Height of the centre and semi-axes of the ellipse or circle; a cap h high and 2 a wide has the radius `(a^2 + h^2)/(2 h)`."""
    a, h = feature.radius, feature.height
    if feature.shape == "ellipse":
        return level, (a, h)
    r = (a * a + h * h) / (2 * h)
    return level + side * (h - r), (r, r)


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """The contact edge, where potential and stress are singular; the curved wall; a sharp top."""
    (x, y), (level, side) = center(feature, case), direction(feature, case)
    a, b = feature.radius, feature.height
    middle, (wide, high) = _whole(feature, level, side)
    whole = near_ellipsoid((x, y, middle), (wide, wide, high), sizes.wall_of(max(a, b)), sizes.growth)

    def wall(px: float, py: float, pz: float) -> float:
        behind = max(side * (level - pz), 0.0)
        return whole(px, py, pz + side * behind) + sizes.growth * behind

    fine = [near_ring(x, y, level, a, sizes.rim_of(a), sizes.growth), wall]
    if b > a:
        fine.append(near_point((x, y, level + side * b), a**2 / b / 3.0, sizes.growth))
    return fine
