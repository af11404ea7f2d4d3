"""Seeded populations of voids on one interface: where each lies and how large it is, from the case alone. No Gmsh, no dolfinx.

Random sequential placement as in populations.py; numbers are rounded, so that a seed gives the same voids everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, floor, log, log10, pi, sqrt

import numpy as np

from .populations import SPACING, SPREAD, PopulationError
from .regions import extent
from .units import show

MOST = 500  # voids
TRIES = 5000  # places tried for each before the interface counts as jammed
DIGITS = 6  # of lengths, relative to the mean radius


@dataclass(frozen=True)
class PlacedVoid:
    """One void of a population, with the attributes of a single void of the case."""

    name: str
    interface: str
    layer: str | None
    center: tuple[float, ...]
    radius: float
    height: float
    kind: str = "void"
    shape: str = "ellipse"


def place_voids(feature, case) -> tuple[PlacedVoid, ...]:
    """Voids clear of the sides, of each other and of other features, until they cover the fraction `coverage` of the interface.

    All radii are then scaled alike to meet it exactly. Lengths along x in the plane, areas in a box.
    """
    at, geometry = f"features[{case.features.index(feature)}]", case.geometry
    if geometry.kind == "axisymmetric":
        raise PopulationError(f'{at}.kind = "voids": about an axis they would be rings; use a plane or a box, or a single void on the axis')
    sides = np.array([geometry.width] + ([geometry.depth] if geometry.kind == "box" else []))
    rng, target = np.random.default_rng(feature.seed), feature.coverage * float(np.prod(sides))
    gap = SPACING * feature.radius if feature.spacing is None else feature.spacing
    taken, middles, radii, covered = _taken(feature, case, len(sides)), [], [], 0.0
    while covered < target:
        radius = _draw(rng, feature)
        middle = _free(rng, sides, radius + gap, np.array(middles).reshape(-1, len(sides)), np.array(radii), taken)
        if middle is None or len(radii) == MOST:
            raise PopulationError(f"{at}.coverage = {feature.coverage:g}: only {covered / np.prod(sides):.3g} was reached with "
                                  f"{len(radii)} voids; reduce coverage or spacing, or change radius")
        middles.append(middle)
        radii.append(radius)
        covered += _area(radius, len(sides))
    shrink, digits = (target / covered) ** (1.0 / len(sides)), DIGITS - floor(log10(feature.radius))
    if len(radii) == 1 and shrink < 0.7:
        raise PopulationError(f"{at}.coverage = {feature.coverage:g}: less than half a void of radius {show(feature.radius, 'length')}; "
                              f"reduce radius, or use a single void")
    sizes = [floor(radius * shrink * 10**digits) / 10**digits for radius in radii]
    return tuple(PlacedVoid(f"{feature.name}-{n}", feature.interface, feature.layer, tuple(np.round(middle, digits).tolist()), size,
                            size * feature.aspect) for n, (middle, size) in enumerate(zip(middles, sizes), 1))


def _area(radius: float, axes: int) -> float:
    return 2.0 * radius if axes == 1 else pi * radius**2


def _draw(rng, feature) -> float:
    """Lognormal of the mean `radius` and the relative standard deviation `radius_spread`."""
    sigma = sqrt(log(1.0 + feature.radius_spread**2))
    radius = feature.radius * exp(sigma * rng.standard_normal() - sigma**2 / 2.0)
    return min(max(radius, feature.radius / SPREAD), feature.radius * SPREAD)


def _taken(feature, case, axes: int) -> np.ndarray:
    """(centre, half width) along each axis of the other features, (feature, 2, axes)."""
    others = [f for f in case.features if f.kind not in ("pores", "voids", "roughness")]
    rows = [[(*f.center, 0.0)[:axes], extent(f, case)[:axes]] for f in others]
    return np.array(rows, float).reshape(-1, 2, axes)


def _free(rng, sides, reach: float, middles, radii, taken) -> np.ndarray | None:
    """The first of some random places that is free."""
    if (2 * reach >= sides).any():
        return None
    for place in reach + (sides - 2 * reach) * rng.random((TRIES, len(sides))):
        apart = (np.linalg.norm(middles - place, axis=1) > radii + reach).all()
        if apart and (np.abs(taken[:, 0] - place) > taken[:, 1] + reach).any(axis=1).all():
            return place
    return None
