"""A population of pores in one layer: the single pores under one name, sized by one table."""

from __future__ import annotations

import numpy as np
from scipy.spatial import cKDTree

from ..regions import extent
from .bodies import DimTags, ellipse, spheroid
from .pore import placed
from .sizes import Sizes, Source

WALL = {2: 5.0, 3: 4.0}  # edges in the wall's radius of curvature
SHARPEST = 5.0  # edges are at most so much finer at the ends of an ellipse than along the wall of a ball as wide
NEAREST = 8  # pores that decide on the edge length at a point
TABLE = 400_000  # points at which edge lengths are tabulated, at most


def body(feature, case, stack) -> DimTags:
    """All of them; none is cut by a side."""
    parts: DimTags = []
    for pore in case.populations[feature.name]:
        layer, middle, (radius, _, half_height) = placed(pore, case)
        if case.geometry.dimension == 3:
            parts += spheroid(case, middle, radius, half_height, (-1, 1), stack.slab(layer))
        else:
            parts += ellipse(middle[::2], (radius, half_height), stack.slab(layer))
    return parts


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """Fine along the walls; looked up in a table over the layer, since the mesher asks half a million times."""
    pores = [placed(pore, case) for pore in case.populations[feature.name]]
    middles, axes = (np.array([pore[k] for pore in pores]) for k in (1, 2))
    half_x, half_y, low, high = extent(feature, case)
    start = np.array([case.geometry.inner_radius, 0.0, low])
    spans = np.array([2 * half_x, 2 * half_y, high - low])
    step = max(axes.min() / SHARPEST, float(np.prod(spans[spans > 0]) / TABLE) ** (1.0 / sizes.dimension))
    counts = np.ceil(spans / step).astype(int) + 1
    grid = np.meshgrid(*(s + step * np.arange(n) for s, n in zip(start, counts)), indexing="ij")
    table = edge_lengths(np.stack([g.ravel() for g in grid], axis=1), middles, axes, sizes).tolist()
    (x0, y0, z0), (nx, ny, nz) = start.tolist(), counts.tolist()

    def source(px: float, py: float, pz: float) -> float:
        i, j, k = (min(max(int(d / step + 0.5), 0), n - 1) for d, n in ((px - x0, nx), (py - y0, ny), (pz - z0, nz)))
        return table[(i * ny + j) * nz + k] + sizes.growth * max(low - pz, pz - high, 0.0)

    return [source]


def edge_lengths(points: np.ndarray, middles: np.ndarray, axes: np.ndarray, sizes: Sizes) -> np.ndarray:
    """By the curvature of the nearest walls in the upright section, growing with the distance towards their centres."""
    _, near = cKDTree(middles).query(points, k=min(NEAREST, len(middles)))
    near = near.reshape(len(points), -1)
    apart = points[:, None] - middles[near]
    wide, high = axes[near, 0], axes[near, 2]
    scaled = np.maximum(np.sqrt(((apart / axes[near]) ** 2).sum(axis=2)), 1e-9)
    up = (apart[..., 2] / high / scaled) ** 2
    curved = (wide**2 * up + high**2 * (1.0 - up)) ** 1.5 / (wide * high)
    edge = np.minimum(np.maximum(curved, np.maximum(wide, high) / SHARPEST) / WALL[sizes.dimension], sizes.interface)
    return (edge + sizes.growth * np.abs(1.0 - 1.0 / scaled) * np.linalg.norm(apart, axis=2)).min(axis=1)
