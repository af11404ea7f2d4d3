"""New cells around a void whose wall overhangs what has been plated beside it."""

import numpy as np
import pytest

from interfem.case import parse_case
from interfem.geometry.arrays import read_msh
from interfem.geometry.build import build_mesh
from interfem.geometry.laid import Present, amount, enclosed
from interfem.geometry.rebase import Layer, rebase
from interfem.geometry.renew import once, outline_of, right_handed, sides

CASE = {"title": "overhang", "temperature": "298.15 K",
        "layers": [{"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "3 um"}],
        "features": [{"kind": "void", "name": "void", "interface": "li|sse", "center": "0 um", "radius": "1 um", "height": "0.6 um"}],
        "mesh": {"size": "1.5 um", "interface_size": "0.3 um", "rim_size": "0.05 um"}, "mechanics": {"kinematics": "finite"},
        "protocol": [{"kind": "rest", "duration": "1 s"}]}  # fmt: skip
FACE, PLATED, LEANING = 5.0, 0.2, 0.15  # um: height of the electrolyte's face, thickness at the rim, how far the rim has come inwards


def plated(x):
    return np.where(x > 1 - 1e-9, PLATED * np.exp((1 - x) / 0.6), 0.0)


def moved(points):
    """The metal is lifted off its face by what is plated there, its rim leans over the void."""
    x, y = points.T
    along = np.where(x > 1, np.exp((1 - x) / 0.6), np.exp((x - 1) / 0.3))
    near = np.exp((y - FACE) / 0.6) * along
    return np.stack([-LEANING * near * np.minimum(x, 1.0) * (x < 5 - 1e-9), -PLATED * near], axis=1)


@pytest.mark.parametrize("kind", ["plane", "axisymmetric"])
def test_metal_is_kept_and_the_wall_stays_where_it_is(kind):
    case = parse_case(CASE | {"geometry": {"kind": kind, "width": "5 um"}})
    mesh, turned = read_msh(build_mesh(case), 2), kind == "axisymmetric"
    points = mesh.points[:, :2]
    roof = np.setdiff1d(np.intersect1d(mesh.cells["void"], mesh.cells["sse"]), mesh.cells["li"])
    shift = moved(points)
    shift[roof] = 0.0
    ends = points[face_edges(mesh)]
    on_metal = ends[..., 0].mean(axis=1) > 1
    between = np.concatenate([ends, np.zeros((*ends.shape[:2], 1)), (plated(ends[..., 0]) * on_metal[:, None])[..., None]], axis=2)
    new, laid, lost = rebase(mesh, Layer("li", ("void",), (), {"void": 0.006}), Present(shift, np.zeros_like(shift)), between, turned)
    place = new.points[:, :2]
    metal, void = (right_handed(new.cells[name], place) for name in ("li", "void"))
    weights = ends[..., 0] if turned else np.ones(ends.shape[:2])
    length, w = np.linalg.norm(np.diff(ends, axis=1)[:, 0], axis=1), between[..., 3]
    added = np.sum(length * (2 * (weights * w).sum(axis=1) + (weights * w[:, ::-1]).sum(axis=1)) / 6)
    before = amount(points[right_handed(mesh.cells["li"], points)], turned)
    assert amount(place[metal], turned) == pytest.approx(before + added, rel=1e-12)
    wall = between_cells(metal, void)
    assert (np.diff(place[ordered(wall), 0]) > 0).any() and (np.diff(place[ordered(wall), 0]) < 0).any()  # it overhangs
    old_wall = np.intersect1d(mesh.cells["li"], mesh.cells["void"])
    there, inner = (points + shift)[old_wall], np.array([p for p in ordered(wall) if place[p, 1] < FACE - 1e-9])
    assert np.linalg.norm(place[inner][:, None] - there, axis=2).min(axis=1).max() < 1e-9
    open_now = enclosed_now(points + shift, mesh, turned)
    assert amount(place[void], turned) == pytest.approx(open_now, rel=0.03)
    assert laid.lay(there, there) == pytest.approx(there, abs=0.02)  # as the electrolyte has not moved


def face_edges(mesh) -> np.ndarray:
    electrolyte = {tuple(e) for e in np.sort(once(sides(mesh.cells["sse"])), axis=1).tolist()}
    inner = {tuple(e) for name in ("li", "void") for e in np.sort(sides(mesh.cells[name]), axis=1).tolist()}
    return np.array(sorted(electrolyte & inner))


def between_cells(metal: np.ndarray, void: np.ndarray) -> list:
    return [e for e in outline_of(metal) if (e[1], e[0]) in set(outline_of(void))]


def ordered(edges: list) -> list[int]:
    follow = dict(edges)
    path = [next(a for a in follow if a not in follow.values())]
    while path[-1] in follow:
        path.append(follow[path[-1]])
    return path


def enclosed_now(now: np.ndarray, mesh, turned: bool) -> float:
    """Of the void: below the roof, and beside the step that has been plated."""
    wall = ordered(between_cells(*(right_handed(mesh.cells[name], mesh.points[:, :2]) for name in ("li", "void"))))
    line = now[wall] if abs(now[wall[-1], 0]) < 1e-9 else now[wall[::-1]]  # from the rim to the axis
    closed = np.vstack([line, [0.0, FACE], [line[0, 0], FACE]])
    return abs(enclosed([(k, (k + 1) % len(closed)) for k in range(len(closed))], closed, turned))
