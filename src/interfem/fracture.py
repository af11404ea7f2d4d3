"""Crack fronts of flaws, from the case alone: where they are, which way they would grow, how far an integral may reach.

A front is a point in the plane and about an axis (a circle there), a straight line or an arc of an ellipse in a box. No dolfinx.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from math import cos, pi, radians, sin

import numpy as np

from .materials import MaterialError
from .regions import direction, extent
from .units import show

SLENDER = 0.2  # short over long half axis up to which a pore counts as a crack
REACH = 0.9  # of the distance to the nearest obstacle: default outer radius of the integral
CORE = 0.3  # of the outer radius: within it the virtual growth is rigid
POINTS = {"line": 5, "arc": 7, "circle": 12}  # of a front in a box at which J is taken
MARGIN = 0.25  # of the length of a straight front, at each end, left out: the front ends at a corner there


@dataclass(frozen=True)
class Front:
    """Crack front of a flaw, `center + axes[0] cos t + axes[1] sin t` (arc) or `center + axes[0] t` (line); a point has no axes.

    normal: e2, across the crack; ahead: e1 of a point or line, the way of growth. shares: 2 if the other face lies beyond a
    plane of symmetry. places, spread: values of t at which J is taken, and the half width in t of each growth.
    """

    name: str
    feature: str
    region: str
    center: tuple[float, float, float]  # x (radius), y (0 but in a box), height
    normal: tuple[float, float, float]
    ahead: tuple[float, float, float]
    shape: str = "point"
    axes: tuple[tuple[float, float, float], ...] = ()
    places: tuple[float, ...] = (0.0,)
    spread: float = 0.0
    shares: int = 1
    outer: float = 0.0  # radii of the integral, um
    inner: float = 0.0

    def at(self, t: np.ndarray) -> np.ndarray:
        """Points of the front, (.., 3)."""
        t, base = np.asarray(t, float)[..., None], np.array(self.center)
        if self.shape == "arc":
            return base + np.cos(t) * np.array(self.axes[0]) + np.sin(t) * np.array(self.axes[1])
        return base + t * np.array(self.axes[0]) if self.shape == "line" else base + 0 * t

    def slope(self, t: np.ndarray, order: int = 1) -> np.ndarray:
        """Derivative of that by t."""
        t = np.asarray(t, float)[..., None]
        if self.shape == "arc":
            shift = t + order * pi / 2
            return np.cos(shift) * np.array(self.axes[0]) + np.sin(shift) * np.array(self.axes[1])
        return np.array(self.axes[0]) + 0 * t if self.shape == "line" and order == 1 else np.zeros((*t.shape[:-1], 3))

    @cached_property
    def span(self) -> np.ndarray:
        """Values of t that the growths touch, closely spaced."""
        return np.linspace(self.places[0] - self.spread, self.places[-1] + self.spread, 61)


def fronts(case) -> tuple[Front, ...]:
    """Every crack front that an integral can go around, with the radii of the case or its own."""
    found = []
    for front in _all(case):
        room = clearance(front, case)
        if _sound(front, case) is None and room > 1e-3 * _size(front, case):
            outer = (case.fracture.radius if case.fracture and case.fracture.radius else None) or REACH * room
            found.append(replace(front, outer=outer, inner=CORE * outer))
    return tuple(found)


def _all(case) -> list[Front]:
    if case.mechanics is None or case.geometry.file is not None:
        return []
    found = []
    for feature in case.features:
        if feature.kind in MAKERS:
            found += MAKERS[feature.kind](feature, case)
    return found


def _size(front: Front, case) -> float:
    feature = next(f for f in case.features if f.name == front.feature)
    return max(extent(feature, case)[0], extent(feature, case)[3] - extent(feature, case)[2])


# ---- flaws: the front is at their depth -------------------------------------------------------------------------------


def _of_flaw(feature, case) -> list[Front]:
    level, sign = direction(feature, case)
    kind, x = case.geometry.kind, feature.center[0]
    if kind == "axisymmetric" and not case.geometry.inner_radius < x < case.geometry.width:
        return []
    wide, deep = feature.width / 2, feature.depth
    y = (*feature.center, 0.0)[1] if kind == "box" else 0.0
    blunt = wide**2 / deep / 2 if feature.shape == "ellipse" else 0.0  # the fields are centred half a radius behind a round tip
    region, place = _region_at(case, level + sign * deep * (1 - 1e-9)), (x, y, level + sign * (deep - blunt))
    front = Front(feature.name, feature.name, region, place, (1.0, 0.0, 0.0), (0.0, 0.0, float(sign)),
                  shares=2 if _symmetric(case, x) else 1)  # fmt: skip
    if kind != "box":
        return [front]
    half, sides = (feature.length or feature.width) / 2, _sides(case, y)
    if feature.shape != "ellipse":
        places, spread = _along(sides, (-0.5, 0.5), 2 * (1 - 2 * MARGIN) / (POINTS["line"] - 1))
        return [replace(front, shape="line", axes=((0.0, half, 0.0),), places=places, spread=spread)]
    axes = ((0.0, half, 0.0), (0.0, 0.0, sign * deep))
    places, spread = _along((-sides[1], -sides[0]), (-pi / 4, pi / 4), radians(90) / (POINTS["arc"] - 1))
    return [replace(front, shape="arc", axes=axes, center=(x, y, level), places=tuple(t + pi / 2 for t in places), spread=spread)]


def _sides(case, y: float) -> tuple[int, int]:
    """(-1, 0), (0, 1) or (-1, 1): which ways along y from the centre of a feature lie inside the cell."""
    return (0 if y <= 0 else -1, 0 if y >= case.geometry.depth else 1)


def _along(sides: tuple[int, int], span: tuple[float, float], step: float) -> tuple[tuple[float, ...], float]:
    """Places from the one to the other end of a span about zero, or only on the side that lies inside the cell."""
    low, high = (end if side else 0.0 for end, side in zip(span, sides))
    count = max(round((high - low) / step), 1)
    return tuple(np.linspace(low, high, count + 1).tolist()), (high - low) / count


# ---- pores: slender ones are cracks -----------------------------------------------------------------------------------


def _of_pore(feature, case) -> list[Front]:
    a, b = feature.radius, feature.half_height or feature.radius
    if min(a, b) > SLENDER * max(a, b):
        return []
    return _flat_pore(feature, case, a, b) if b < a else _tall_pore(feature, case, a, b)


def _pore_front(feature, case, name: str, offset, normal, ahead, a: float, b: float) -> Front:
    x, y = (*feature.center, 0.0)[:2]
    layer = [item.name for item in case.layers].index(feature.layer)
    height = case.levels[layer] + feature.position
    place = tuple(c + o * (a - b**2 / a / 2) for c, o in zip((x, y if case.geometry.kind == "box" else 0.0, height), offset))
    return Front(name, feature.name, feature.layer, place, normal, ahead)


def _flat_pore(feature, case, a: float, b: float) -> list[Front]:
    """Two tips in the plane, one or two circles about an axis, a circle in a box."""
    x, geometry, up = feature.center[0], case.geometry, (0.0, 0.0, 1.0)
    if geometry.kind == "box":
        reach = a - b**2 / a / 2
        front = _pore_front(feature, case, feature.name, (0, 0, 0), up, (1.0, 0.0, 0.0), a, b)
        places, spread = _arc_inside(case, feature)
        return [replace(front, shape="arc", axes=((reach, 0.0, 0.0), (0.0, reach, 0.0)), places=places, spread=spread)]
    tips = {"left": -1.0, "right": 1.0}
    inside = [name for name, side in tips.items() if geometry.inner_radius < x + 0.5 * side * a < geometry.width]
    return [_pore_front(feature, case, feature.name if len(inside) == 1 else f"{feature.name}:{name}", (tips[name], 0, 0), up,
                        (tips[name], 0.0, 0.0), a, b) for name in inside]


def _arc_inside(case, feature) -> tuple[tuple[float, ...], float]:
    """Angles of a circle, evenly spaced: all of it, or the part inside the cell where its centre lies on a side."""
    x, y = (*feature.center, 0.0)[:2]
    step = 2 * pi / POINTS["circle"]

    def inside(t: float) -> bool:
        width, depth = case.geometry.width, case.geometry.depth
        outward = ((x == 0.0) * -cos(t), (x == width) * cos(t), (y == 0.0) * -sin(t), (y == depth) * sin(t))
        return max(outward) < 1e-9

    angles = [n * step for n in range(2 * POINTS["circle"])]
    if all(inside(t) for t in angles):
        return tuple(angles[: POINTS["circle"]]), step
    start = next(n for n in range(1, len(angles)) if inside(angles[n]) and not inside(angles[n - 1]))
    end = next(n for n in range(start, len(angles)) if not inside(angles[n + 1]))
    return tuple(angles[start : end + 1]), step


def _tall_pore(feature, case, a: float, b: float) -> list[Front]:
    """An upright channel: tips above and below in the plane, circles about an axis; in a box, or on the axis, a needle."""
    x, geometry = feature.center[0], case.geometry
    if geometry.kind == "box" or (geometry.kind == "axisymmetric" and not geometry.inner_radius < x < geometry.width):
        return []
    shares = 2 if _symmetric(case, x) else 1
    return [replace(_pore_front(feature, case, f"{feature.name}:{name}", (0, 0, side), (1.0, 0.0, 0.0), (0.0, 0.0, side), b, a),
                    shares=shares) for name, side in (("lower", -1.0), ("upper", 1.0))]


MAKERS = {"flaw": _of_flaw, "pore": _of_pore}


def _symmetric(case, x: float) -> bool:
    """The feature is centred on a side of the cell, its other half beyond it."""
    return case.geometry.kind != "axisymmetric" and x in (0.0, case.geometry.width)


def _region_at(case, height: float) -> str:
    n = next(n for n in range(len(case.layers)) if height <= case.levels[n + 1])
    return case.layers[n].name


# ---- room for the integral --------------------------------------------------------------------------------------------


def clearance(front: Front, case) -> float:
    """Distance from the used part of a front to what its integral must not touch, um."""
    return min(apart for apart, _ in _obstacles(front, case))


def _obstacles(front: Front, case) -> Iterator[tuple[float, str]]:
    """(distance, what) of layer faces, sides of the cell, other features, other tips, and of the bend of the front itself."""
    points, geometry = front.at(front.span), case.geometry
    rough = sum(f.amplitude * (1.0 if f.shape == "sinusoidal" else 4.0) for f in case.features if f.kind == "roughness")
    for n, level in enumerate(case.levels):
        inside = 0 < n < len(case.layers)
        name = f'face between layers "{case.layers[n - 1].name}" and "{case.layers[n].name}"' if inside else "end of the cell"
        yield float(np.abs(points[:, 2] - level).min()) - rough, f"the {name}"
    for axis, low, high in ((0, geometry.inner_radius, geometry.width), (1, 0.0, geometry.depth)):
        if axis == 0 or geometry.kind == "box":
            for side in (low, high):
                if not _mirrors(front, axis, side, case):
                    yield float(np.abs(points[:, axis] - side).min()), "a side of the cell"
    placed = [pore for pores in case.populations.values() for pore in pores]
    for other in [f for f in case.features if f.name != front.feature] + placed:
        if other.kind in ("void", "flaw", "pore"):
            yield _distance(points, other, case), f'feature "{other.name}"'
    for other in _all(case):
        if other.name != front.name:
            yield float(np.linalg.norm(points[:, None] - other.at(other.span), axis=-1).min()), f'the tip of "{other.name}"'
    if front.shape == "arc":
        yield 0.5 * min(_radius(front, t) for t in front.span), "the bend of its own front"
    elif feature_of(front, case).kind == "pore":
        pore = feature_of(front, case)
        yield float(pore.radius if front.ahead[0] else pore.half_height), "its own middle"


def feature_of(front: Front, case):
    """The feature that a front belongs to."""
    return next(f for f in case.features if f.name == front.feature)


def _radius(front: Front, t: float) -> float:
    """Radius of curvature."""
    first, second = front.slope(t), front.slope(t, 2)
    return float(np.linalg.norm(first) ** 3 / np.linalg.norm(np.cross(first, second)))


def _mirrors(front: Front, axis: int, side: float, case) -> bool:
    """The side is a plane of symmetry of the flaw."""
    x, y = (*feature_of(front, case).center, 0.0)[:2]
    middle = (x, y)[axis]
    if axis == 0 and front.shape != "arc" and front.ahead[0]:
        return False
    return middle == side and (case.geometry.kind != "axisymmetric")


def _distance(points: np.ndarray, other, case) -> float:
    """From points to the box around another feature."""
    half_x, half_y, low, high = extent(other, case)
    x, y = (*other.center, 0.0)[:2]
    height = np.maximum(low - points[:, 2], points[:, 2] - high)
    away = [np.maximum(np.abs(points[:, 0] - x) - half_x, 0.0), np.maximum(height, 0.0)]
    if case.geometry.kind == "box":
        away.append(np.maximum(np.abs(points[:, 1] - y) - half_y, 0.0))
    return float(np.linalg.norm(away, axis=0).min())


# ---- faults -----------------------------------------------------------------------------------------------------------


def _sound(front: Front, case) -> str | None:
    """Why there is no integral around a front; None if there is."""
    region = next(r for r in case.regions if r.name == front.region)
    if region.flows or region.body != "ceramic":
        return f'layer "{region.name}" around it is not elastic'
    graded = [key for key in ("youngs_modulus", "poisson_ratio") if key in region.grading]
    if graded:
        return f'{graded[0]} of layer "{region.name}" is graded'
    x = feature_of(front, case).center[0]
    if front.shares == 2:
        side = "left" if x == 0.0 else "right"
        if case.mechanics.support(side).kind != "roller":
            return f'it is centred on side "{side}", which is no plane of symmetry (a roller)'
    return None


def faults(case) -> Iterator[str]:
    """What keeps a case that asks for stress intensities from getting them."""
    limit = case.limits.k_ratio_above
    if case.fracture is None and limit is None:
        return
    place = "[fracture]" if case.fracture is not None else f"limits.k_ratio_above = {limit:g}"
    if case.mechanics is None:
        yield f"{place} needs displacement; add a [mechanics] table, or remove it"
        return
    if not _all(case):
        yield (f"{place}: the case has no crack front: a flaw, or a pore whose half axes differ {1 / SLENDER:g}-fold (in a box a "
               f"flat one, about an axis off the axis or flat); add one to [[features]], or remove it")
    for front in _all(case):
        yield from _front_faults(front, case, place)


def _front_faults(front: Front, case, place: str) -> Iterator[str]:
    why = _sound(front, case)
    if why:
        yield f'{place}: "{front.name}" has no stress intensity: {why}; change that, or remove {place}'
        return
    try:
        next(r for r in case.regions if r.name == front.region).material.get("fracture_toughness")
    except MaterialError as error:
        yield f'{place}: "{front.name}": {error}'
    room, what = min(_obstacles(front, case))
    given = case.fracture.radius if case.fracture else None
    if given is not None and given >= room:
        radius, apart = (show(value, "length") for value in (given, room))
        yield (f'fracture.radius = {radius}: {what} is only {apart} from the tip of "{front.name}", and the integral must not '
               f"touch it; reduce the radius, or move them apart")
    elif room <= 1e-3 * _size(front, case):
        yield f'{place}: the tip of "{front.name}" lies on {what}, where no integral fits around it; change its depth'
