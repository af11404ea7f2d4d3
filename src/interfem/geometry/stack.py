"""Layers along the stack, and the stretched stack coordinate in which thin layers are meshed.

Heights are physical, 0 at the collector. The mesher works in a virtual coordinate `v`, piecewise linear in the height,
in which a layer thinner than its least number of local edge lengths is drawn that thick. There its elements are isotropic; mapped
back they are flat. Their aspect ratio (edge along the film over element height) is held below `ASPECT` by a finer
edge along very thin films.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass

import numpy as np

Values = tuple[float, ...]
ROW, MOST_ROWS = 0.7, 60  # height over edge of a row of elements that the mesher leaves undivided; rows in a graded layer
ASPECT = {2: 40.0, 3: 150.0}  # largest aspect ratio in a stretched film, by dimension


@dataclass(frozen=True)
class Slab:
    """Affine piece `v = shift + scale * height` of one layer."""

    scale: float
    shift: float

    def __call__(self, height: float) -> float:
        return self.shift + self.scale * height


@dataclass(frozen=True)
class Stack:
    """Faces of the layers in both coordinates, sublayers of each layer, and the edge length along each layer."""

    levels: Values
    virtual: Values
    sublayers: tuple[int, ...]
    along: Values

    def slab(self, layer: int) -> Slab:
        low, high = self.levels[layer], self.levels[layer + 1]
        scale = (self.virtual[layer + 1] - self.virtual[layer]) / (high - low)
        return Slab(scale, self.virtual[layer] - scale * low)

    def height(self, v: float) -> float:
        """Physical height of a virtual one."""
        n = min(max(bisect_right(self.virtual, v) - 1, 0), len(self.sublayers) - 1)
        low, high = self.virtual[n], self.virtual[n + 1]
        return self.levels[n] + (v - low) * (self.levels[n + 1] - self.levels[n]) / (high - low)

    def heights(self, v: np.ndarray) -> np.ndarray:
        """Physical heights of an array of virtual ones."""
        return np.interp(v, self.virtual, self.levels)


def elements_across(case) -> tuple[int, ...]:
    """Least number of elements through the thickness of each layer: `film_layers`, and what a grading asks for."""
    return tuple(max([case.mesh.film_layers, *(g.elements for g in layer.grading.values())]) for layer in case.layers)


def make_stack(
    levels: Values, along: Values, limits: Values, across: tuple[int, ...], graded: tuple[bool, ...], dimension: int
) -> Stack:
    """Stack whose layers are at least `across` elements thick; edges are `along` (all one a layer) within `limits` and `ASPECT`.

    A layer that would hold fewer than twice that is split into sublayers, so that the count is certain. A graded layer always is,
    into sublayers of a single row of elements, across which the grading is averaged exactly.
    """
    virtual, sublayers, edges = [0.0], [], []
    for low, high, edge, limit, count, rows in zip(levels, levels[1:], along, limits, across, graded):
        thickness = high - low
        edge = min(edge, limit, ASPECT[dimension] * thickness / count)
        if rows:
            count = min(max(count, round(thickness / edge)), MOST_ROWS)
        drawn = ROW * count * edge if rows else max(thickness, count * edge)
        virtual.append(virtual[-1] + drawn)
        sublayers.append(count if rows or drawn < 2 * count * edge else 1)
        edges.append(edge)
    return Stack(tuple(levels), tuple(virtual), tuple(sublayers), tuple(edges))
