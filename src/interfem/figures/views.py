"""Where to look: the whole section, and close-ups of the void's rim, the flaw's tip and their like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..case import Case
from ..regions import extent
from .data import Part

Window = tuple[float, float, float, float]  # lowest and highest x, then height, um
MOST_SLENDER = 2.5  # a longer section is cropped around the interfaces
RIM, TIP = 0.35, 0.4  # half width of a close-up over the void's radius and the flaw's depth


@dataclass(frozen=True)
class Section:
    """What is drawn in the plane: parts in two coordinates, the names of these, close-ups. In 3D a cut through the solid."""

    parts: dict[str, Part]
    names: tuple[str, str]
    views: list[tuple[str, Window]]
    note: str = ""
    flat: bool = True  # the current has no part normal to the section

    @property
    def whole(self) -> Window:
        """Extent of all parts, cropped if very slender."""
        points = np.concatenate([p.points[p.used] for p in self.parts.values()])
        (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
        wide, tall = x1 - x0, y1 - y0
        if tall > MOST_SLENDER * wide:
            middle = _middle(self.parts)
            low = float(np.clip(middle - 0.5 * MOST_SLENDER * wide, y0, y1 - MOST_SLENDER * wide))
            y0, y1 = low, low + MOST_SLENDER * wide
        elif wide > MOST_SLENDER * tall:
            middle = np.mean([w[:2] for _, w in self.views]) if self.views else x0
            low = float(np.clip(middle - 0.5 * MOST_SLENDER * tall, x0, x1 - MOST_SLENDER * tall))
            x0, x1 = low, low + MOST_SLENDER * tall
        return float(x0), float(x1), float(y0), float(y1)


def _middle(parts: dict[str, Part]) -> float:
    """Height at which the parts meet; between two electrodes, where the lower one does."""
    heights = [p.points[p.used][:, 1] for p in parts.values()]
    if len(heights) < 2:
        return float(heights[0].mean())
    face = max(h.min() for h in heights)
    counter = "metal" in parts and heights[list(parts).index("metal")].max() >= max(h.max() for h in heights) * (1 - 1e-9)
    return float(face if counter else (min(h.max() for h in heights) + face) / 2)


def close_ups(case: Case | None, centres: dict[str, float], limits: tuple[float, float]) -> list[tuple[str, Window]]:
    """Square windows at the sharpest place of each feature that has a centre on the section, four at most."""
    views = []
    for feature in case.features if case else ():
        if feature.name not in centres:
            continue
        x = centres[feature.name]
        if feature.kind == "roughness":
            level = case.levels[[layer.name for layer in case.layers].index(feature.interface.split("|")[1])]
            views.append((f"{feature.name}: one wave", _square(x, level, 0.6 * feature.wavelength, limits)))
            continue
        half, _, low, high = extent(feature, case)
        if feature.kind in ("void", "patch"):
            level = low if feature.kind == "patch" or _grows_up(feature, case) else high
            edge = x + half if x + half < limits[1] else x - half
            views.append((f"edge of the {feature.name}", _square(edge, level, RIM * half, limits)))
        elif feature.kind == "flaw":
            tip = high if _grows_up(feature, case) else low
            views.append((f"tip of the {feature.name}", _square(x, tip, TIP * feature.depth, limits)))
        else:
            views.append((feature.name, _square(x, 0.5 * (low + high), 0.8 * max(2 * half, high - low), limits)))
    return views[:4]


def _grows_up(feature, case: Case) -> bool:
    """The feature reaches from its interface towards the counter electrode."""
    low, high = extent(feature, case)[2:]
    return min(abs(low - level) for level in case.levels) <= min(abs(high - level) for level in case.levels)


def _square(x: float, height: float, half: float, limits: tuple[float, float]) -> Window:
    """Shifted into the section."""
    half = min(half, 0.5 * (limits[1] - limits[0]))
    x = float(np.clip(x, limits[0] + half, limits[1] - half))
    return x - half, x + half, height - half, height + half
