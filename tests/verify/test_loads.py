"""Frames that lock or spring, plates that do not pull, rigid platens, lateral pressure; symmetric cells through cycles."""

import math

import numpy as np
import pytest
from path import merge, solve
from scipy.optimize import brentq
from test_growth import CELL, KINDS, VELOCITY

LI, SSE = (7820.0, 0.381), (22e3, 0.3)  # Young's modulus (MPa) and Poisson ratio
ELASTIC = merge(CELL, {"materials": {"Li6PS5Cl": {"youngs_modulus": "22 GPa", "poisson_ratio": 0.3}}})
ELASTIC["layers"] = [CELL["layers"][0] | {"law": "elastic"}, CELL["layers"][1]]
HEIGHTS = ((20.0, LI), (30.0, SSE))


def plate(seconds: float) -> dict:
    return {"kind": "current", "value": "-1 mA/cm^2", "duration": f"{seconds} s", "first_step": f"{seconds / 3} s", "max_step": f"{seconds / 3} s"}


def strip(seconds: float) -> dict:
    return plate(seconds) | {"value": "1 mA/cm^2"}


def press(pressure: float, **more) -> dict:
    return {"kind": "pressure", "to": f"{pressure} MPa", "first_step": "0.5 s", "max_step": "0.5 s"} | more


def thickness(pressure: float, kinematics: str) -> float:
    """Of both layers held at their sides under a pressure, um: uniaxial strain, Hookean or neo-Hookean with ln J."""
    total = 0.0
    for height, (young, nu) in HEIGHTS:
        shear, bulk = young / 2 / (1 + nu), young / 3 / (1 - 2 * nu)
        if kinematics == "small":
            total += height * (1 - pressure / (bulk + 4 / 3 * shear))
        else:
            def stress(x, shear=shear, bulk=bulk):
                return (2 / 3 * shear * (x * x - 1) * x ** (-2 / 3) + bulk * math.log(x)) / x + pressure
            total += height * brentq(stress, 0.9, 1.1)
    return total


# ---- the frame ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, kinematics, support", [("plane", "small", "stack"), ("axisymmetric", "small", "stack"),
                                                       ("box", "small", "platen"), ("plane", "finite", "platen")])
def test_frame_after_a_preload(kind, kinematics, support, tmp_path):
    """V28: after a preload p0 a spring frame bears p0 + k d, d = w + h(p) - h(p0); a locked one keeps d = 0: dp/dt = v/sum(h/M)."""
    growth = 30 * VELOCITY
    case = ELASTIC | {"geometry": KINDS[kind], "mechanics": {"kinematics": kinematics, "boundaries": {"collector": support}},
                      "protocol": [press(5, hold={"spring": "10 MPa/um"}), plate(30), press(5, hold="fixed"), plate(30), strip(30)]}
    run = solve(case, tmp_path)
    found = run.ends("stack_pressure_MPa")

    def moved(pressure: float) -> float:
        return growth + thickness(pressure, kinematics) - thickness(5, kinematics)

    sprung, locked = (brentq(f, 5, 100) for f in (lambda p: 5 + 10 * moved(p) - p, moved))
    assert found == pytest.approx([5, sprung, 5, locked, 5], rel=1e-6)
    place = run.ends("collector_displacement_um")
    assert place[1] - place[0] == pytest.approx((sprung - 5) / 10, rel=1e-6)
    assert place[3] == pytest.approx(place[2], abs=1e-9)
    assert run.ends("interface_max_pressure_MPa") == pytest.approx(found, rel=1e-6)
    if kinematics == "small":
        longitudinal = [e * (1 - nu) / (1 + nu) / (1 - 2 * nu) for e, nu in (LI, SSE)]
        assert locked - 5 == pytest.approx(growth / (20 / longitudinal[0] + 30 / longitudinal[1]), rel=1e-9)


def test_plates_do_not_pull(tmp_path):
    """Locked at 5 MPa and stripped: the pressure falls to zero, then the stack leaves the plate; plated again, both come back."""
    run = solve(ELASTIC | {"protocol": [press(5, hold="fixed"), strip(3), strip(27), plate(30)]}, tmp_path)
    layers = [height * (1 + nu) * (1 - 2 * nu) / young / (1 - nu) for height, (young, nu) in HEIGHTS]
    assert run.ends("stack_pressure_MPa") == pytest.approx([5, 5 - 3 * VELOCITY / sum(layers), 0, 5], abs=1e-6)
    place = run.ends("collector_displacement_um")
    assert place[2] - place[0] == pytest.approx(5 * sum(layers) - 30 * VELOCITY, rel=1e-6)
    assert place[3] == pytest.approx(place[0], abs=1e-8)


def test_platen_stays_flat(tmp_path):
    """Over a void: an even pressure bends the loaded face, a platen with the same force does not."""
    hole = {"kind": "void", "interface": "li|sse", "radius": "8 um", "height": "8 um"}
    spread = {}
    for support in ("stack", "platen"):
        case = ELASTIC | {"mechanics": {"kinematics": "finite", "boundaries": {"collector": support}}, "features": [hole],
                          "mesh": {"size": "5 um", "interface_size": "2 um", "rim_size": "0.5 um"}, "protocol": [press(5)]}
        run = solve(case, tmp_path / support)
        metal = run.fields("metal")
        moved = metal.point_data["displacement_um"][metal.points[:, 1] < 1e-9, 1]
        spread[support] = np.ptp(moved)
        assert run.last("stack_pressure_MPa") == pytest.approx(5, abs=1e-9)
    assert spread["platen"] < 0.02 * spread["stack"]


@pytest.mark.parametrize("kind, side", [("axisymmetric", "outer"), ("box", "right")])
def test_pressure_on_a_side_of_both_bodies(kind, side, tmp_path):
    """5 MPa on the stack, then up to 20 MPa on a side and down to 5: uniform stress in each layer on a sliding interface."""
    case = ELASTIC | {"geometry": KINDS[kind], "interfaces": {"li|sse": {"tangential": "frictionless"}},
                      "mechanics": {"boundaries": {side: "0 MPa"}},
                      "protocol": [press(5), press(20, boundary=side), press(5, boundary=side)]}
    run = solve(case, tmp_path)
    for part, (_, nu) in (("metal", LI), ("sse", SSE)):
        hoop = np.array([0, -20, -5]) if kind == "axisymmetric" else nu * np.array([-5, -25, -10])
        x, y = np.array([0, -20, -5]), np.full(3, -5.0)
        mises = np.sqrt(0.5 * ((x - y) ** 2 + (y - hoop) ** 2 + (hoop - x) ** 2))
        assert run.ends(f"{part}_max_von_mises_MPa") == pytest.approx(mises, rel=1e-5, abs=1e-5)
    assert run.ends("stack_pressure_MPa") == pytest.approx([5, 5, 5])
    assert run.ends(f"pressure[{side}]_MPa") == pytest.approx([0, 20, 5])
    assert run.ends("interface_max_pressure_MPa") == pytest.approx([5, 5, 5], rel=1e-6)


# ---- symmetric cells ----------------------------------------------------------------------------------------------------

HOLLOW = {"contact": "unilateral", "tangential": "frictionless", "chi": 0.5, "vacancy_charge": "0.1 mAh/cm^2", "healing_rate": "0 1/s",
          "healing_exponent": 0.0}
SYMMETRIC = ELASTIC | {"layers": [*ELASTIC["layers"], {"name": "rear", "material": "Li", "thickness": "20 um", "law": "elastic"}],
                       "interfaces": {"li|sse": HOLLOW, "sse|rear": HOLLOW}}


def test_symmetric_cell_returns_after_a_full_cycle(tmp_path):
    """One side strips while the other plates: held plates keep their pressure, the electrolyte moves by v t and back; no gap.

    theta of the stripped face falls by chi i t/q*; plating restores it, but stores no contact: the face that is plated first is
    behind by one half cycle.
    """
    run = solve(SYMMETRIC | {"protocol": [press(5, hold="fixed"), strip(60), plate(60), plate(60), strip(60)]}, tmp_path)
    assert run["stack_pressure_MPa"][run["phase"] > 0] == pytest.approx(5, abs=1e-6)
    middle = [float(run.fields("electrolyte", n).point_data["displacement_um"][:, 1].mean()) for n in range(5)]
    assert np.array(middle) - middle[0] == pytest.approx(60 * VELOCITY * np.array([0, -1, 0, 1, 0]), abs=1e-6)
    assert run.ends("contact_fraction") == pytest.approx([1, 1 - 0.5 / 6, 1, 1, 1 - 0.5 / 6], abs=1e-6)
    loss = 0.5 / 6
    for n, expected in enumerate(([1, 1], [1 - loss, 1], [1, 1 - loss], [1, 1 - 2 * loss], [1 - loss, 1 - loss])):
        grid = run.fields("interface", n)
        height, state = grid.cell_centers().points[:, 1], grid.cell_data["contact_state"]
        for face, theta in zip((height < 30, height > 30), expected):
            assert state[face] == pytest.approx(theta, abs=1e-6)
    assert run["gap_max_um"].max() < 1e-9


def test_uneven_cycles_drift(tmp_path):
    """Nested blocks: twice (twice 20 s of stripping, 10 s of plating), then 30 s of plating; gaps and contact add up.

    Held ends without preload: 20 s of stripping from one face only open a gap of v t; contact lost is chi i t/q*, and what is
    plated restores it.
    """
    block = {"kind": "repeat", "times": 2, "steps": [{"kind": "repeat", "times": 2, "steps": [strip(20)]}, plate(10)]}
    wide = {"li|sse": HOLLOW | {"contact_gap": "20 um"}}
    case = ELASTIC | {"interfaces": wide, "mechanics": {"boundaries": {"collector": "roller"}}, "protocol": [block, plate(30)]}
    run = solve(case, tmp_path)
    stripped = np.array([20, 40, 30, 50, 70, 60, 30])
    assert run.ends("gap_mean_um") == pytest.approx(VELOCITY * stripped, rel=1e-5)
    closed = 1 - (t := VELOCITY * stripped / 20) * t * (3 - 2 * t)
    assert run.ends("contact_fraction") == pytest.approx(closed * (1 - 0.5 * stripped / 360), abs=1e-6)
