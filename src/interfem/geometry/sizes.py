"""Edge lengths: defaults from the geometry, and the grading `h = h0 + growth * distance` away from everything fine.

A source is a function `h(x, y, height)` in physical coordinates (y = 0 in 2D); the mesh takes the smallest.
All are divided by `mesh.refinement`, so the growth is too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import hypot, sqrt

from ..regions import GRADING, cell_volume, far_size, is_transfer

Source = Callable[[float, float, float], float]


@dataclass(frozen=True)
class Sizes:
    """Edge lengths before refinement, um; fractions of a feature's own size where the case gives none."""

    dimension: int
    size: float
    interface: float
    rim: float | None
    tip: float | None
    growth: float

    def rim_of(self, radius: float) -> float:
        """At a contact edge: 1/100 of the radius in 2D, 1/10 in a box."""
        return self.rim or radius / {2: 100.0, 3: 10.0}[self.dimension]

    def tip_of(self, depth: float, curvature: float) -> float:
        """At a flaw's tip: 1/100 of the depth in 2D, 1/12 in a box; finer where the radius of `curvature` is small (0: sharp)."""
        edge = self.tip or depth / {2: 100.0, 3: 12.0}[self.dimension]
        return min(edge, max(curvature / 2.0, edge / 4.0)) if curvature and not self.tip else edge

    def wall_of(self, extent: float) -> float:
        """Along a curved wall."""
        return min(self.interface, extent / {2: 10.0, 3: 4.5}[self.dimension])


def make_sizes(case) -> Sizes:
    """Defaults follow the mean extent of the cell."""
    mesh, dimension = case.mesh, case.geometry.dimension
    mean, size = cell_volume(case) ** (1.0 / dimension), far_size(case)
    interface = mesh.interface_size or min(size, mean / {2: 80.0, 3: 16.0}[dimension])
    return Sizes(dimension, size, interface, mesh.rim_size, mesh.tip_size, GRADING[dimension])


def transfer_levels(case) -> list[float]:
    """Heights of the faces between layers that exchange charge."""
    layers = case.regions[: len(case.layers)]
    return [case.levels[n + 1] for n, (a, b) in enumerate(zip(layers, layers[1:])) if is_transfer(case, a, b)]


def edges_along(case, sizes: Sizes, places: list[tuple[float, float]]) -> tuple[float, ...]:
    """Edge length along each layer, after refinement: graded from the nearest place (lowest, highest height) that is fine."""
    apart = [min((max(bottom - high, low - top, 0.0) for bottom, top in places), default=float("inf"))
             for low, high in zip(case.levels, case.levels[1:])]
    return tuple(min(sizes.size, sizes.interface + sizes.growth * d) / case.mesh.refinement for d in apart)


def near_level(level: float, edge: float, growth: float) -> Source:
    """Fine along the whole plane at one height."""
    return lambda x, y, z: edge + growth * abs(z - level)


def near_slab(low: float, high: float, edge: float, growth: float) -> Source:
    """Fine in a whole layer."""
    return lambda x, y, z: edge + growth * max(low - z, z - high, 0.0)


def near_ring(x: float, y: float, height: float, radius: float, edge: float, growth: float) -> Source:
    """Fine at a horizontal circle; in 2D at its two points."""
    return lambda px, py, pz: edge + growth * hypot(hypot(px - x, py - y) - radius, pz - height)


def near_ellipsoid(middle: tuple[float, float, float], axes: tuple[float, float, float], edge: float, growth: float) -> Source:
    """Fine along the surface; the distance is taken towards the centre."""
    (x, y, z), (a, b, c) = middle, axes

    def source(px: float, py: float, pz: float) -> float:
        dx, dy, dz = px - x, py - y, pz - z
        scaled = sqrt((dx / a) ** 2 + (dy / b) ** 2 + (dz / c) ** 2)
        if scaled == 0.0:
            return edge + growth * min(a, b, c)
        return edge + growth * abs(1.0 - 1.0 / scaled) * sqrt(dx * dx + dy * dy + dz * dz)

    return source


def near_point(point: tuple[float, float, float], edge: float, growth: float) -> Source:
    """Fine at a point."""
    x, y, z = point
    return lambda px, py, pz: edge + growth * sqrt((px - x) ** 2 + (py - y) ** 2 + (pz - z) ** 2)
