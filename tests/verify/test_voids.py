"""Voids in finite strain, whose inside is meshed: they close, touch the electrolyte, and pass current again."""

import json
import math

import numpy as np
import pytest
from path import Run, merge, solve

from interfem.case import CaseError, parse_case
from interfem.run import run as run_case

R, Q, MASIAS, EXPONENT = 8.314462618, 37e3, 7.7e-3, 6.56
LI = {"Li": {"creep_rate": f"{MASIAS * math.exp(Q / (R * 298.15)):.12e} 1/s", "creep_exponent": EXPONENT}}
COARSE = {"size": "1.5 um", "interface_size": "0.3 um", "rim_size": "0.1 um"}
CELL = {"geometry": {"kind": "plane", "width": "5 um"}, "materials": LI, "mesh": COARSE, "mechanics": {"kinematics": "finite"},
        "layers": [{"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "3 um"}],
        "features": [{"kind": "void", "interface": "li|sse", "radius": "1 um", "height": "0.4 um"}],
        "interfaces": {"li|sse": {"exchange_current_density": "10 A/m^2"}}}  # fmt: skip
FREE = {"contact": "unilateral", "tangential": "frictionless"}
VOLUME = math.pi / 4 * 1.0 * 0.4  # of half a void, um^2
DEAD = {"li|sse": {"exchange_current_density": "1e-6 A/m^2", "tangential": "frictionless"}}  # no current driven by the pressure alone


def press(to: float) -> dict:
    return {"kind": "pressure", "to": f"{to} MPa", "duration": "1e-3 s"}


def test_a_void_is_pressed_shut_and_stripped_over_for_an_hour(tmp_path):
    """5 MPa, 0.5 mAh/cm2: the void closes in a quarter of a second and leaves the mesh, with nothing left at its fold; what follows is
    a flat cell: its resistance, its even current, and its collector, which has come nearer by what is stripped and by the void's volume.
    """
    parts = {"interfaces": {"li|sse": FREE}, "solver": {"on_distortion": "remesh"}, "mesh": {"interface_size": "0.5 um", "rim_size": "0.25 um"}}
    strip = {"kind": "current", "value": "0.5 mA/cm^2", "duration": "1 h", "first_step": "1e-3 s"}
    run = solve(merge(CELL, parts) | {"protocol": [press(5), strip]}, tmp_path / "void")
    flat = solve(merge(CELL, parts, {"features": []}) | {"protocol": [press(5), strip | {"first_step": "10 s"}]}, tmp_path / "flat")
    ratio, depth, at = run["void_volume_ratio[void]"], run["void_depth_um[void]"], run["time_s"]
    record = json.loads((tmp_path / "void" / "run.json").read_text())
    closed = next(event["time_s"] for event in record["events"] if event["event"] == "void_closed[void]")
    n = np.searchsorted(at, closed - 1e-9)
    assert ratio[0] == pytest.approx(1, abs=1e-3) and min(ratio[n], depth[n] / 0.4) == pytest.approx(0.01, rel=0.06)
    assert (ratio[n + 1 :] == 0).all() and (depth[n + 1 :] < 0.01 * 0.4).all() and (run["gap_max_um"] < 0.01 * 0.4).all()
    assert run["contact_fraction"][0] == pytest.approx(0.8, abs=1e-6) and run["contact_fraction"][n + 1 :] == pytest.approx(1, abs=1e-6)
    for name in ("asr_ohm_cm2", "cell_voltage_V", "interface_max_pressure_MPa", "interface_min_pressure_MPa", "plated_thickness_um"):
        assert run.last(name) == pytest.approx(flat.last(name), rel=1e-3), name
    lost = VOLUME * (1 - ratio[n]) / 5  # um of the layer; what is left then is closed by the pressure
    assert run.last("collector_displacement_um") - flat.last("collector_displacement_um") == pytest.approx(-lost, rel=0.02)
    meshes = record["remeshings"]
    assert meshes[-1]["voids_left_out"] == ["void"] and all("refused" not in entry for entry in meshes)
    assert all(abs(entry["relative_changes"]["volume"]) < 2e-5 and abs(entry["relative_changes"]["plastic_strain"]) < 1e-4 for entry in meshes)
    assert run["lithium_audit_error"].max() < 1e-12
    assert run.fields("metal").array_names.count("region") == 1 and set(run.fields("metal").cell_data["region"]) == {0.0}


PATCH = {"kind": "patch", "interface": "li|sse", "center": "5 um", "outer": "0.5 um"}  # nothing is stripped here
POPULATION = {"kind": "voids", "interface": "li|sse", "coverage": 0.4, "radius": "0.5 um", "radius_spread": 0.2, "aspect": 0.4, "seed": 4}


@pytest.mark.parametrize("voids", [CELL["features"][0], POPULATION], ids=["one", "population"])
def test_voids_grow_on_stripping_where_lithium_cannot_follow(voids, tmp_path):
    """0.01 MPa is too little for creep, and a dead spot props the lithium up: what is stripped widens the voids, until contact is lost.

    V - V0 = stripped volume - what the collector has come nearer by, but for the facets at the rims, half of whose gap counts to the void.
    """
    strip = {"kind": "current", "value": "0.5 mA/cm^2", "duration": "60 s"}
    name = f"void_volume_ratio[{voids.get('name', voids['kind'])}]"
    run = stopped(merge(CELL, {"interfaces": {"li|sse": FREE}}) | {"features": [voids, PATCH], "protocol": [press(0.01), strip]}, tmp_path)
    assert run.result.event == "contact_lost"
    pressed = np.flatnonzero(run["phase"] == 0)[-1]
    stripped, nearer = (5 * (run[key][pressed] - run[key]) for key in ("plated_thickness_um", "collector_displacement_um"))
    grown = (run[name] - run[name][pressed]) * first_volume(tmp_path, run)
    late = stripped > 0.3 * stripped.max()
    assert run.last(name) > 1.02 and (np.diff(run[name][late]) > 0).all()
    assert grown[late] == pytest.approx((stripped - nearer)[late], rel=0.04)
    assert (nearer[late] < 0.1 * stripped[late]).all() and run.last("gap_max_um") > 1e-3


def first_volume(folder, run) -> float:
    """Volume of the voids, um^3 for 1 um of depth: of the cells that fill them in the mesh."""
    from interfem.geometry.build import build_mesh
    from interfem.geometry.describe import describe_mesh
    from interfem.observe.record import case_of_run

    case = case_of_run(folder)
    regions = describe_mesh(build_mesh(case), case)["regions"]
    return next(entry["volume"] for name, entry in regions.items() if name not in ("li", "sse"))


def test_closed_contact_opens_again_on_stripping(tmp_path):
    """A void that 5 MPa have closed is contact like any other: at 0.05 MPa, beside a dead spot, stripping opens it together with the rest."""
    strip = {"kind": "current", "value": "0.5 mA/cm^2", "duration": "60 s"}
    small = {"kind": "void", "interface": "li|sse", "radius": "0.6 um", "height": "0.2 um"}
    case = merge(CELL, {"interfaces": {"li|sse": FREE}, "mesh": {"interface_size": "0.5 um", "rim_size": "0.2 um"}})
    run = stopped(case | {"features": [small, PATCH], "protocol": [press(5), {"kind": "rest", "duration": "1 s"}, press(0.05), strip]}, tmp_path)
    assert run.result.event == "contact_lost"
    before, opening = run.ends("contact_fraction")[1], run["phase"] == 3
    assert run["contact_fraction"][0] == pytest.approx(1 - 0.12 - 0.1, abs=1e-3) and before == pytest.approx(0.9, abs=2e-3)
    assert run.ends("void_volume_ratio[void]")[1:3] == pytest.approx(0.0, abs=1e-9)
    assert (np.diff(run["contact_fraction"][opening]) < 1e-3).all() and run.last("contact_fraction") < 0.02
    grid = run.fields("interface")
    inside = grid.points[:, 0] < 0.6
    assert grid.point_data["gap_um"][inside].min() > 3e-3


def stopped(tree: dict, folder) -> Run:
    """Run a case that an event ends."""
    result = run_case(parse_case(merge({"title": "v", "temperature": "298.15 K", "output": {"figures": False}}, tree)), folder)
    assert result.status == "stopped", result.reason
    return Run(result)


def test_what_fills_a_void_is_not_felt(tmp_path):
    """Creep towards a void that is meshed, and towards one that is a hole (with gas at 0 MPa in it)."""
    case = merge(CELL, {"features": [{"kind": "void", "interface": "li|sse", "radius": "1 um", "height": "1 um"}], "interfaces": DEAD,
                        "mesh": {"interface_size": "0.5 um", "rim_size": "0.15 um"}})
    moved = {}
    for name, boundaries in (("filled", {}), ("hole", {"void|li": "0 MPa"})):
        mechanics = {"kinematics": "finite", "boundaries": boundaries}
        run = solve(case | {"mechanics": mechanics, "protocol": [press(3), {"kind": "rest", "duration": "0.4 s"}]}, tmp_path / name)
        late = run["time_s"] > 0.3 * run.last("time_s")
        moved[name] = np.ptp(run["collector_displacement_um"][late]) / np.ptp(run["time_s"][late])
    assert moved["filled"] == pytest.approx(moved["hole"], rel=5e-3)


def test_a_pore_in_lithium_closes(tmp_path):
    """A buried pore is filled too: its volume falls without end of the run."""
    case = merge(CELL, {"interfaces": DEAD, "mesh": {"interface_size": "0.5 um", "rim_size": "0.15 um"}})
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


def test_a_void_under_a_mixed_conductor_closes_as_under_an_electrolyte(tmp_path):
    """The same elastic body as roof, with electrons in it or without, and no current: the same volume after 0.1 s at 5 MPa."""
    roof = {"law": "elastic", "youngs_modulus": "22.1 GPa", "poisson_ratio": 0.37, "ionic_conductivity": "0.2 S/m"}
    volumes = []
    for role in ({"role": "interlayer"}, {"role": "mixed", "electronic_conductivity": "1 S/m"}):
        layers = [CELL["layers"][0], {"name": "film", "material": "film", "thickness": "1 um"}, CELL["layers"][1]]
        inert = {"exchange_current_density": "1e-6 A/m^2", "tangential": "frictionless"}
        case = CELL | {"layers": layers, "materials": LI | {"film": roof | role},
                       "interfaces": {"li|film": inert} | ({"film|sse": inert | {"plating": False}} if role["role"] == "mixed" else {}),
                       "features": [CELL["features"][0] | {"interface": "li|film"}], "protocol": [press(5), {"kind": "rest", "duration": "0.1 s"}]}
        run = solve(case, tmp_path / role["role"])
        volumes.append(run.last("void_volume_ratio[void]"))
    assert volumes[0] < 0.9
    assert volumes[1] == pytest.approx(volumes[0], rel=1e-3)
