"""Seeded populations of pores in one layer: where each pore lies, from the case alone. No Gmsh, no dolfinx.

Random sequential placement: pores are drawn one after the other, and each goes to the first of its random places that is free
(Widom, J. Chem. Phys. 44 (1966) 3888). It jams at an area fraction of 0.547 for equal discs and 0.384 for equal spheres; less
with gaps and faces to keep. Numbers come from numpy's PCG64 and are rounded, so that a seed gives the same pores everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, floor, log, log10, pi, sqrt

import numpy as np

from .regions import extent
from .units import show

SPACING = 0.2  # default gap, of the mean radius
SPREAD = 3.0  # radii stay within the mean times and over this
MOST = 2000  # pores
TRIES, ROUNDS = 1000, 5  # places tried at a time, and how often, before a layer counts as jammed
ATTEMPTS = 5  # to fill a layer anew once it has jammed
DIGITS = 6  # of lengths, relative to the mean radius


class PopulationError(ValueError):
    """The pores cannot be placed; the text gives what was reached and a remedy."""


@dataclass(frozen=True)
class PlacedPore:
    """One pore of a population, with the attributes of a single pore of the case."""

    name: str
    layer: str
    center: tuple[float, ...]
    position: float
    radius: float
    half_height: float
    kind: str = "pore"


@dataclass(frozen=True)
class Room:
    """The layer: spans along x, along y in a box, and in height above its lower face; boxes that other features take."""

    kind: str
    spans: np.ndarray  # (axes, 2)
    taken: np.ndarray  # (features, axes, 2)

    @property
    def volume(self) -> float:
        """um^3; 1 um deep in the plane, the full turn about an axis."""
        if self.kind == "axisymmetric":
            (inner, outer), (_, height) = self.spans
            return float(pi * (outer**2 - inner**2) * height)
        return float(np.prod(self.spans[:, 1] - self.spans[:, 0]))

    def pore_volume(self, middle: np.ndarray, radius: float, aspect: float) -> float:
        """Ellipse, ellipsoid of revolution, or ring (Pappus) about an axis."""
        if self.kind == "box":
            return 4.0 / 3.0 * pi * radius**3 * aspect
        turn = 2.0 * pi * middle[0] if self.kind == "axisymmetric" else 1.0
        return float(turn * pi * radius**2 * aspect)


def place(feature, case, earlier: list[PlacedPore]) -> tuple[PlacedPore, ...]:
    """Pores of a population, clear of the faces and sides, of each other, of other features and of `earlier` populations.

    Pores are added until their volume reaches `porosity` times the layer's, then all radii shrink alike to meet it exactly.
    """
    room, at = _room(feature, case, earlier), f"features[{case.features.index(feature)}]"
    target = feature.porosity * room.volume
    _check(feature, room, target, at)
    rng, most = np.random.default_rng(feature.seed), 0.0
    for _ in range(ATTEMPTS):
        middles, radii, filled = _fill(rng, feature, room, target)
        most = max(most, filled)
        if filled >= target:
            break
    else:
        raise PopulationError(f"{at}.porosity = {feature.porosity:g}: only {most / room.volume:.3g} was reached in layer "
                              f'"{feature.layer}", as {ATTEMPTS} attempts jammed; reduce porosity, spacing or radius')
    shrink = (target / filled) ** (1.0 / (3.0 if room.kind == "box" else 2.0))
    if len(radii) == 1 and shrink < 0.7:
        raise PopulationError(f"{at}.porosity = {feature.porosity:g}: less than half a pore of radius "
                              f'{show(feature.radius, "length")} in layer "{feature.layer}"; reduce radius or use a single pore')
    digits = _digits(feature)
    sizes = [floor(radius * shrink * 10**digits) / 10**digits for radius in radii]
    places = (middle.tolist() for middle in middles)
    return tuple(PlacedPore(f"{feature.name}-{n}", feature.layer, tuple(center), height, size, size * feature.aspect)
                 for n, ((*center, height), size) in enumerate(zip(places, sizes), 1))


def _fill(rng, feature, room: Room, target: float) -> tuple[list[np.ndarray], list[float], float]:
    """(centres, radii, volume) of pores until their volume reaches `target`, or until they jam."""
    middles, radii, filled = [], [], 0.0
    while filled < target:
        radius = _draw(rng, feature, room)
        middle = _free_place(rng, feature, room, radius, np.array(middles), np.array(radii))
        if middle is None:
            break
        middles.append(middle)
        radii.append(radius)
        filled += room.pore_volume(middle, radius, feature.aspect)
    return middles, radii, filled


def _room(feature, case, earlier: list[PlacedPore]) -> Room:
    geometry, n = case.geometry, [layer.name for layer in case.layers].index(feature.layer)
    base = case.levels[n]
    spans = [(geometry.inner_radius, geometry.width), *([(0.0, geometry.depth)] if geometry.kind == "box" else []),
             (0.0, case.layers[n].thickness)]
    taken = []
    for other in (*(f for f in case.features if f.kind not in ("pores", "voids", "roughness")), *earlier):
        *halves, low, high = extent(other, case)
        middle = (*other.center, 0.0)[: len(spans) - 1]
        taken.append([*((c - h, c + h) for c, h in zip(middle, halves)), (low - base, high - base)])
    return Room(geometry.kind, np.array(spans), np.array(taken).reshape(-1, len(spans), 2))


def _check(feature, room: Room, target: float, at: str) -> None:
    """A pore of the mean size fits between the faces, and not too many are asked for."""
    for (low, high), half in zip(room.spans, _halves(feature.radius, feature, len(room.spans))):
        if high - low <= 2.0 * (half + _gap(feature)):
            raise PopulationError(f'{at}.radius = {show(feature.radius, "length")}: a pore does not fit into layer '
                                  f'"{feature.layer}" ({show(high - low, "length")} there) with its spacing; reduce it')
    wanted = target / room.pore_volume(room.spans.mean(axis=1), feature.radius, feature.aspect)
    if wanted > MOST:
        raise PopulationError(f"{at}.radius = {show(feature.radius, 'length')}: {wanted:.0f} pores are too many to be resolved "
                              f"(at most {MOST}); enlarge it, model a smaller part, or make the layer an effective medium "
                              f"(layers.porosity)")


def _gap(feature) -> float:
    return SPACING * feature.radius if feature.spacing is None else feature.spacing


def _digits(feature) -> int:
    return DIGITS - floor(log10(feature.radius))


def _halves(radius: float, feature, axes: int) -> np.ndarray:
    return np.array([radius] * (axes - 1) + [radius * feature.aspect])


def _draw(rng, feature, room: Room) -> float:
    """Lognormal of the mean `radius` and the relative standard deviation `radius_spread`, within what the layer holds."""
    sigma = sqrt(log(1.0 + feature.radius_spread**2))
    radius = feature.radius * exp(sigma * rng.standard_normal() - sigma**2 / 2.0)
    radius = min(max(radius, feature.radius / SPREAD), feature.radius * SPREAD)
    space = room.spans[:, 1] - room.spans[:, 0] - 2.0 * _gap(feature)
    return min(radius, float((0.49 * space / _halves(1.0, feature, len(space))).min()))


def _free_place(rng, feature, room: Room, radius: float, middles: np.ndarray, radii: np.ndarray) -> np.ndarray | None:
    """Centre of a pore of this radius, uniform in the volume that is free; None if none is found."""
    gap, axes = _gap(feature), len(room.spans)
    reach = _halves(radius, feature, axes) + gap
    low, high = room.spans[:, 0] + reach, room.spans[:, 1] - reach
    for _ in range(ROUNDS):
        drawn = rng.random((TRIES, axes))
        places = low + (high - low) * drawn
        if room.kind == "axisymmetric":  # rings: the volume grows with the distance from the axis
            places[:, 0] = np.sqrt(low[0] ** 2 + (high[0] ** 2 - low[0] ** 2) * drawn[:, 0])
        places = np.round(places, _digits(feature))
        free = ~_hits(places, reach, room.taken)
        if len(middles):
            free &= _apart(places, radius, middles, radii, gap, feature.aspect)
        if free.any():
            return places[np.argmax(free)]
    return None


def _hits(places: np.ndarray, reach: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """Does the box around a pore and its gap meet the box of another feature?"""
    over = (places[:, None] + reach > taken[:, :, 0]) & (places[:, None] - reach < taken[:, :, 1])
    return over.all(axis=2).any(axis=1)


def _apart(places: np.ndarray, radius: float, middles: np.ndarray, radii: np.ndarray, gap: float, aspect: float) -> np.ndarray:
    """At least `gap` between the walls: ellipsoids of one aspect are balls if heights are divided by it, gaps shrink with it."""
    scale = np.array([1.0] * (places.shape[1] - 1) + [1.0 / aspect])
    distances = np.linalg.norm((places[:, None] - middles) * scale, axis=2)
    return (distances > radius + radii + gap / min(aspect, 1.0)).all(axis=1)
