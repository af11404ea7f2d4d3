"""Voids in finite strain, whose inside is meshed: they close, touch the electrolyte, and pass current again."""

import json
import math

import numpy as np
import pytest
from path import merge, solve

from interfem.case import CaseError, parse_case

R, Q, MASIAS, EXPONENT = 8.314462618, 37e3, 7.7e-3, 6.56
LI = {"Li": {"creep_rate": f"{MASIAS * math.exp(Q / (R * 298.15)):.12e} 1/s", "creep_exponent": EXPONENT}}
COARSE = {"size": "1.5 um", "interface_size": "0.3 um", "rim_size": "0.1 um"}
CELL = {"geometry": {"kind": "plane", "width": "5 um"}, "materials": LI, "mesh": COARSE, "mechanics": {"kinematics": "finite"},
        "layers": [{"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "3 um"}],
        "features": [{"kind": "void", "interface": "li|sse", "radius": "1 um", "height": "0.4 um"}],
        "interfaces": {"li|sse": {"exchange_current_density": "10 A/m^2"}}}  # fmt: skip
DEAD = {"li|sse": {"exchange_current_density": "1e-6 A/m^2", "tangential": "frictionless"}}  # no current driven by the pressure alone


def press(to: float) -> dict:
    return {"kind": "pressure", "to": f"{to} MPa", "duration": "1e-3 s"}


def test_a_flat_void_closes_and_passes_current_again(tmp_path):
    """3 MPa: the wall comes to rest on the electrolyte, within 2 % of the depth at the fold; the cell is then as one without a void."""
    plating = {"kind": "current", "value": "-1 mA/cm^2", "duration": "10 s"}
    run = solve(CELL | {"protocol": [press(3), {"kind": "rest", "duration": "20 s"}, plating]}, tmp_path / "void")
    flat = solve(merge(CELL, {"features": []}) | {"protocol": [press(3), plating]}, tmp_path / "flat")
    ratio, depth = run["void_volume_ratio[void]"], run["void_depth_um[void]"]
    assert ratio[0] == pytest.approx(1, abs=1e-3) and ratio[-1] < 0.01 and depth[-1] < 0.02 * 0.4  # the fold at the rim
    assert run["contact_fraction"][0] == pytest.approx(0.8, abs=1e-6) and run.last("contact_fraction") > 0.99
    assert run.last("asr_ohm_cm2") == pytest.approx(flat.last("asr_ohm_cm2"), rel=0.02)
    events = json.loads((tmp_path / "void" / "run.json").read_text())["events"]
    assert [event["event"] for event in events] == ["void_closed[void]"]
    at = np.searchsorted(run["time_s"], events[0]["time_s"] - 1e-9)
    assert min(ratio[at], depth[at] / 0.4) == pytest.approx(0.01, rel=0.06)
    assert run.fields("metal").array_names.count("region") == 1 and set(run.fields("metal").cell_data["region"]) == {0.0}


def test_what_fills_a_void_is_not_felt(tmp_path):
    """Creep towards a void that is meshed, and towards one that is a hole (with gas at 0 MPa in it)."""
    case = merge(CELL, {"features": [{"kind": "void", "interface": "li|sse", "radius": "1 um", "height": "1 um"}], "interfaces": DEAD})
    moved = {}
    for name, boundaries in (("filled", {}), ("hole", {"void|li": "0 MPa"})):
        mechanics = {"kinematics": "finite", "boundaries": boundaries}
        run = solve(case | {"mechanics": mechanics, "protocol": [press(3), {"kind": "rest", "duration": "0.4 s"}]}, tmp_path / name)
        late = run["time_s"] > 0.3 * run.last("time_s")
        moved[name] = np.ptp(run["collector_displacement_um"][late]) / np.ptp(run["time_s"][late])
    assert moved["filled"] == pytest.approx(moved["hole"], rel=5e-3)


def test_a_pore_in_lithium_closes(tmp_path):
    """A buried pore is filled too: its volume falls without end of the run."""
    case = merge(CELL, {"interfaces": DEAD})
    case["features"] = [{"kind": "pore", "layer": "li", "position": "2.5 um", "radius": "0.5 um"}]
    run = solve(case | {"protocol": [press(3), {"kind": "rest", "duration": "20 s"}]}, tmp_path)
    ratio = run["void_volume_ratio[pore]"]
    assert ratio[-1] < 0.2 and (np.diff(ratio) < 1e-9).all()


@pytest.mark.parametrize("kind, depth", [("plane", {}), ("box", {"depth": "20 um"})])
def test_population_covers_its_fraction(kind, depth):
    """Exactly; the same for the same seed; clear of each other and of the sides."""
    voids = {"kind": "voids", "interface": "li|sse", "coverage": 0.2, "radius": "1 um", "radius_spread": 0.3, "aspect": 0.5, "seed": 4}
    tree = {"title": "v", "temperature": "298.15 K"} | CELL | {"geometry": {"kind": kind, "width": "20 um"} | depth, "features": [voids],
                                                               "protocol": [press(1)]}
    placed = parse_case(tree).populations["voids"]
    assert placed == parse_case(tree).populations["voids"]
    area = sum(2 * v.radius for v in placed) / 20 if kind == "plane" else sum(math.pi * v.radius**2 for v in placed) / 400
    assert area == pytest.approx(0.2, rel=1e-4)
    for n, a in enumerate(placed):
        assert all(a.radius < x < 20 - a.radius for x in a.center) and a.height == pytest.approx(0.5 * a.radius)
        assert all(math.dist(a.center, b.center) > a.radius + b.radius for b in placed[:n])
    with pytest.raises(CaseError, match="coverage"):
        parse_case(tree | {"features": [voids | {"coverage": 0.95}]})


def test_the_roof_has_no_laws_of_its_own():
    tree = {"title": "v", "temperature": "298.15 K"} | CELL | {"protocol": [press(1)]}
    with pytest.raises(CaseError, match="follows the interface"):
        parse_case(merge(tree, {"interfaces": {"void|sse": {"exchange_current_density": "1 A/m^2"}}}))
