"""Interfaces that are not flat: the nodes are moved after a flat stack has been meshed.

The displacement is along the stack. It is the roughness itself at the interface and across the thin layers next to it, which
follow conformally, and falls linearly to zero through the first thick layer on either side.
"""

from __future__ import annotations

import numpy as np

from ..regions import layer_pair
from .bodies import DimTags, center
from .sizes import Sizes, Source, near_level
from .stack import elements_across


SUMMITS = 401  # points along each axis among which the highest is sought


def body(feature, case, stack) -> DimTags:
    """Nothing is cut."""
    return []


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """Sixteen straight edges a wave; eight a correlation length."""
    edge = feature.wavelength / (16.0 if feature.shape == "sinusoidal" else 8.0)
    return [near_level(case.levels[_above(feature, case)], min(edge, sizes.interface), sizes.growth)]


def edge_limit(feature, case, layer: int) -> float:
    """Longest edge along a layer: its chord strays from the rough surface by a quarter of an element's height at most."""
    (_, lowest), (_, highest) = _fades(feature, case)
    if not feature.fits or case.levels[layer] >= highest or case.levels[layer + 1] <= lowest:
        return float("inf")
    steep = (2.0 * np.pi) ** 2 if feature.shape == "sinusoidal" else 12.0  # random: rms 3.5, with peaks of thrice that
    curvature = feature.amplitude * steep / feature.wavelength**2
    share = {2: 2.0, 3: 1.2}[case.geometry.dimension]  # in a box some edges come out longer than asked for
    edge = np.sqrt(share * case.layers[layer].thickness / elements_across(case)[layer] / curvature)
    return float(edge) / max(case.mesh.refinement, 1.0)


def displacement(feature, case, x: np.ndarray, y: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Change of height of points of the flat stack, um."""
    below, above = _fades(feature, case)
    knots = [below[1], below[0], above[0], above[1]]
    return surface(feature, case, x, y) * np.interp(height, knots, [0.0, 1.0, 1.0, 0.0])


def _fades(feature, case) -> tuple[tuple[float, float], tuple[float, float]]:
    """(near, far) face of the layers below and above in which the displacement fades."""
    upper = _above(feature, case)
    return _fade(feature, case, range(upper - 1, -1, -1)), _fade(feature, case, range(upper, len(case.layers)))


def _fade(feature, case, outwards: range) -> tuple[float, float]:
    """Near and far face of the layer in which the displacement fades.

    A layer follows rigidly if it is thinner than a quarter of the wavelength or than three amplitudes and its far interface has
    no roughness of its own; the first other layer fades, and failing that the thickest.
    """
    thickness = {n: case.layers[n].thickness for n in outwards}
    thin = max(feature.wavelength / 4.0, 3.0 * feature.amplitude)
    own = {_above(f, case) for f in case.features if f.kind == "roughness"}  # layer above each rough interface
    up = outwards.step > 0
    n = next((n for n in outwards if thickness[n] >= thin or n + up in own), max(thickness, key=thickness.get))
    near, far = case.levels[n], case.levels[n + 1]
    return (near, far) if up else (far, near)


def surface(feature, case, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Height of the rough interface above its mean plane at points across the cell, um."""
    return feature.amplitude * (_waves if feature.shape == "sinusoidal" else _random)(feature, case, x, y)


def gap(feature, case, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Gap between a flat face and the rough one, which touch at the highest of the given points and of a fine grid, um."""
    geometry = case.geometry
    grid = np.linspace(geometry.inner_radius, geometry.width, SUMMITS)
    across = np.linspace(0.0, geometry.depth, SUMMITS) if geometry.depth else np.zeros(1)
    fine = [axis.ravel() for axis in np.meshgrid(grid, across)]
    return surface(feature, case, *fine).max() - surface(feature, case, x, y)


def _waves(feature, case, x, y):
    """cos(k (x - x0)); in a box the mean of that and the same along y."""
    (x0, y0), k = center(feature, case), 2.0 * np.pi / feature.wavelength
    if case.geometry.kind == "box":
        return 0.5 * (np.cos(k * (x - x0)) + np.cos(k * (y - y0)))
    return np.cos(k * (x - x0))


def _random(feature, case, x, y):
    """Sum of cosine modes, level at the sides, with normal amplitudes from `seed`.

    The variance of a mode is ~ exp(-(k l)^2/4), the spectrum of the correlation exp(-(d/l)^2) with l the `wavelength`.
    The uniform mode is left out, so the mean is zero. The rms over the cell is scaled to `amplitude` exactly.
    """
    geometry = case.geometry
    spans = [geometry.width - geometry.inner_radius, geometry.depth or 1.0]
    counts = [int(np.ceil(6.0 * span / (np.pi * feature.wavelength))) + 1 for span in spans]  # k l up to 6
    if geometry.kind != "box":
        counts[1] = 1
    kx, ky = (np.arange(count) * np.pi / span for count, span in zip(counts, spans))
    drawn = np.random.default_rng(feature.seed).standard_normal(counts)
    drawn *= np.exp(-(np.add.outer(kx**2, ky**2) * feature.wavelength**2) / 8.0)
    drawn[0, 0] = 0.0
    share = np.outer(np.where(kx > 0, 0.5, 1.0), np.where(ky > 0, 0.5, 1.0))  # mean square of each mode
    modes_x = np.cos(np.multiply.outer(x - geometry.inner_radius, kx))
    modes_y = np.cos(np.multiply.outer(y, ky))
    return np.einsum("ni,nj,ij->n", modes_x, modes_y, drawn, optimize=True) / np.sqrt((share * drawn**2).sum())


def _above(feature, case) -> int:
    return layer_pair(feature.interface, case, f'feature "{feature.name}".interface')[1]
