"""Bodies that part, slide, adhere or lose contact atom by atom, from the case to the numbers of the run folder."""

import math

import gmsh
import numpy as np
import pytest
from path import Run, merge, solve
from test_growth import CELL, KINDS, PRESS, VELOCITY

from interfem.case import parse_case
from interfem.run import run

PARTS = {"li|sse": {"contact": "unilateral", "tangential": "frictionless"}}
STIFF = {"Li6PS5Cl": {"youngs_modulus": "22 GPa", "poisson_ratio": 0.3}}
ELASTIC = [CELL["layers"][0] | {"law": "elastic"}, CELL["layers"][1]]


def modulus(young: float, nu: float) -> float:
    """Of a layer that is held at its sides, MPa."""
    return young * (1 - nu) / ((1 + nu) * (1 - 2 * nu))


COMPLIANCE = 20 / modulus(7820, 0.381) + 30 / modulus(22e3, 0.3)  # um/MPa, of the two layers of CELL
HELD = merge(CELL, {"mechanics": {"boundaries": {"collector": "roller"}}, "materials": STIFF, "layers": ELASTIC})


def stopped(tree: dict, folder) -> Run:
    """Run a case that an event ends."""
    result = run(parse_case(merge({"title": "v", "temperature": "298.15 K", "output": {"figures": False}}, tree)), folder)
    assert result.status == "stopped", result.reason
    return Run(result)


def current(value: float, seconds: float) -> dict:
    return {"kind": "current", "value": f"{value} mA/cm^2", "duration": f"{seconds} s"}


# ---- closed: as if bonded -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, tangential, press", [("plane", "stick", PRESS), ("axisymmetric", "frictionless", PRESS),
                                                     ("box", "stick", PRESS), ("plane", "frictionless", [])])
def test_closed_contact_is_as_a_bond(kind, tangential, press, tmp_path):
    """V28: plating and stripping at a constant pressure, or under none at all: the lithium follows rigidly."""
    case = CELL | {"geometry": KINDS[kind], "protocol": press + CELL["protocol"]}
    runs = [solve(case | {"interfaces": {"li|sse": {"contact": contact, "tangential": tangential}}}, tmp_path / contact)
            for contact in ("bonded", "unilateral")]
    for name in ("collector_displacement_um", "plated_thickness_um", "interface_max_pressure_MPa", "cell_voltage_V"):
        assert runs[1].ends(name) == pytest.approx(runs[0].ends(name), rel=1e-8, abs=1e-8), name
    assert runs[1]["gap_max_um"].max() < 1e-9
    assert runs[1]["contact_fraction"] == pytest.approx(1.0, abs=1e-9)
    assert runs[1]["newton_iterations"].sum() <= runs[0]["newton_iterations"].sum() + 5


# ---- gaps that open and close ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_gap_closes_before_pressure_rises(kind, tmp_path):
    """Held ends: 600 s of stripping leave a gap of v t; 600 s of plating close it; then p = v t/sum(h/M) as without history."""
    wide = merge(PARTS, {"li|sse": {"contact_gap": "20 um"}})
    case = HELD | {"geometry": KINDS[kind], "interfaces": wide, "protocol": [current(1, 600), current(-1, 600), current(-1, 60)]}
    run = solve(case, tmp_path)
    gap = VELOCITY * np.array([600, 0, 0])
    assert run.ends("gap_max_um") == pytest.approx(gap, rel=1e-6, abs=1e-6)
    assert run.ends("gap_mean_um") == pytest.approx(gap, rel=1e-6, abs=1e-6)
    t = gap[0] / 20
    assert run.ends("contact_fraction") == pytest.approx([1 - t * t * (3 - 2 * t), 1, 1], abs=1e-6)
    assert run.ends("interface_max_pressure_MPa") == pytest.approx([0, 0, 60 * VELOCITY / COMPLIANCE], rel=1e-5, abs=2e-4)
    opening = run["phase"] == 0
    assert run["gap_max_um"][opening] == pytest.approx(VELOCITY * run["time_s"][opening], rel=1e-6, abs=1e-6)
    assert run.fields("interface", 0).point_data["gap_um"] == pytest.approx(gap[0], rel=1e-6)
    assert run["newton_iterations"].mean() < 4


def test_gap_survives_cycles(tmp_path):
    """Twice 200 s of stripping and 100 s of plating, and a rest after each: the gap is what was stripped less what was plated."""
    wide = merge(PARTS, {"li|sse": {"contact_gap": "20 um"}})
    rest = {"kind": "rest", "duration": "1 h"}
    run = solve(HELD | {"interfaces": wide, "protocol": [{"kind": "repeat", "times": 2, "steps": [current(1, 200), rest, current(-1, 100), rest]}]},
                tmp_path)
    assert run.ends("gap_mean_um") == pytest.approx(VELOCITY * np.array([200, 200, 100, 100, 300, 300, 200, 200]), rel=1e-5)


def test_lost_contact_ends_the_run(tmp_path):
    """Nothing can be stripped across a gap: the voltage runs away, and the run ends with what it has, at a gap of some nm."""
    run = stopped(HELD | {"interfaces": PARTS, "protocol": [current(1, 600)]}, tmp_path)
    assert run.result.event == "contact_lost"
    assert run.last("contact_fraction") == pytest.approx(0.01, abs=3e-3)
    assert 4e-3 < run.last("gap_max_um") < 5e-3
    state = run.fields("interface").cell_data["contact_state"]
    assert state == pytest.approx(run.last("contact_fraction"), abs=1e-6)


def test_contact_state_scales_the_kinetics(tmp_path):
    """i = theta i0 {...}: the overpotential of a face at a gap, i0 = 1 A/m^2; and i = theta eta/Z."""
    t = VELOCITY * 600 / 20
    theta = 1 - t * t * (3 - 2 * t)
    laws = {"butler_volmer": {"exchange_current_density": "1 A/m^2"}, "linear": {"kinetics": "linear", "resistance": "20 ohm*cm^2"}}
    expected = {"butler_volmer": 2 * 0.0256926 * math.asinh(10 / 2 / theta), "linear": 10 * 20e-4 / theta}
    for name, law in laws.items():
        both = {"li|sse": PARTS["li|sse"] | law | {"contact_gap": "20 um"}}
        materials = merge(STIFF, {"Li6PS5Cl": {"ionic_conductivity": "1e6 S/m"}})
        run = solve(HELD | {"interfaces": both, "materials": materials, "protocol": [current(1, 600)]}, tmp_path / name)
        assert run.last("overpotential_V") == pytest.approx(expected[name], rel=1e-4)


def test_dead_patch_props_the_lithium_up(tmp_path):
    """Where nothing is stripped the lithium stays and carries all of the pressure; beside it a gap grows and the current crowds."""
    case = merge(HELD, {"mechanics": {"boundaries": {"collector": "stack"}}, "interfaces": PARTS, "mesh": {"interface_size": "1 um"},
                        "geometry": KINDS["plane"], "features": [{"kind": "patch", "interface": "li|sse", "outer": "4 um"}],
                        "protocol": PRESS + [current(1, 30)]})
    run = stopped(case, tmp_path)
    assert run.result.event == "contact_lost"
    assert 0 < run.last("contact_fraction") < 0.1 and run.last("current_focusing") > 1.2
    grid = run.fields("interface")
    x, p = grid.points[:, 0], grid.point_data["contact_pressure_MPa"]
    order = np.argsort(x)
    assert np.trapezoid(p[order], x[order]) == pytest.approx(100, rel=1e-6)
    assert grid.point_data["gap_um"][x < 3].max() < 1e-12 and grid.point_data["gap_um"][x > 8].min() > 1e-4


# ---- partial contact -----------------------------------------------------------------------------------------------------------


def test_wavy_face_is_pressed_flat(tmp_path):
    """Westergaard 1939: half width of contact from p = p* sin^2(pi a/l), p* = pi E* D/l; the pressure at the summit 2 p/sin(pi a/l).

    Within microseconds, or the pressure itself would drive lithium from summit to valley.
    """
    wave, height, shares = 20.0, 0.01, (0.1, 0.3, 0.5, 0.8, 1.02)
    full = math.pi * height / wave / ((1 - 0.381**2) / 7820 + (1 - 0.3**2) / 22e3)
    layers = [{"name": "li", "material": "Li", "thickness": "20 um", "law": "elastic"},
              {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"}]
    rough = {"kind": "roughness", "interface": "li|sse", "amplitude": f"{height} um", "wavelength": f"{wave} um", "fits": False}
    case = {"geometry": {"kind": "plane", "width": "10 um"}, "layers": layers, "materials": STIFF, "mechanics": {},
            "mesh": {"size": "3 um", "interface_size": "0.1 um"}, "interfaces": PARTS, "features": [rough],
            "protocol": [{"kind": "pressure", "to": f"{share * full} MPa", "duration": "1e-6 s"} for share in shares]}
    run = solve(case, tmp_path)
    for number, share in enumerate(shares):
        grid = run.fields("interface", number)
        order = np.argsort(grid.points[:, 0])
        x, p, gap = grid.points[order, 0], grid.point_data["contact_pressure_MPa"][order], grid.point_data["gap_um"][order]
        if share < 1:
            edge = 0.5 * (x[gap < 1e-9].max() + x[gap > 1e-9].min())
            assert edge == pytest.approx(wave / math.pi * math.asin(math.sqrt(share)), abs=max(0.055, 0.02 * edge))
        summit = 2 * math.sqrt(share) * full if share < 1 else (share + 1) * full
        assert p[0] == pytest.approx(summit, rel=2e-3)
        assert gap.min() >= -1e-12 and (p >= -2e-4).all()
    assert run["newton_iterations"].mean() < 4


@pytest.mark.parametrize("kind", ["axisymmetric", "plane"])
def test_curved_face_is_pressed_on_as_hertz_says(kind, tmp_path):
    """Hertz 1882 (Johnson, Contact Mechanics, 4.22-4.24 and 4.43-4.45): sphere, `a^3 = 3 P R/(4 E*)` and `p0 = 3 P/(2 pi a^2)`; cylinder,
    `a^2 = 4 P R/(pi E*)` and `p0 = 2 P/(pi a)`; 1/E* of both bodies.

    A summit of a long wave, about the axis a sphere, has R = l^2/(4 pi^2 D). The radius of contact is that of the pressure's second moment.
    """
    wave, height, width = 40.0, 0.02, 20.0
    stiff, curve, radii = 1 / ((1 - 0.381**2) / 7820 + (1 - 0.3**2) / 22e3), wave**2 / (4 * math.pi**2 * height), np.array([1.5, 2.0, 3.0])
    if kind == "axisymmetric":
        load, area, share = 4 * stiff * radii**3 / (3 * curve), math.pi * width**2, 2 / 5
        peak = 1.5 * load / (math.pi * radii**2)
    else:
        load, area, share = math.pi * stiff * radii**2 / (4 * curve), 2 * width, 1 / 4
        peak = 2 * load / (math.pi * radii)
    layers = [{"name": name, "material": material, "thickness": "20 um", "law": "elastic"} for name, material in (("li", "Li"), ("sse", "Li6PS5Cl"))]
    summit = {"kind": "roughness", "interface": "li|sse", "amplitude": f"{height} um", "wavelength": f"{wave} um", "fits": False}
    case = {"geometry": {"kind": kind, "width": f"{width} um"}, "layers": layers, "materials": STIFF, "mechanics": {},
            "mesh": {"size": "3 um", "interface_size": "0.15 um"}, "interfaces": PARTS, "features": [summit],
            "protocol": [{"kind": "pressure", "to": f"{p} MPa", "duration": "1e-6 s", "first_step": "2e-7 s"} for p in load / area]}
    run, found = solve(case, tmp_path), []
    for number in range(len(radii)):
        grid = run.fields("interface", number)
        order = np.argsort(grid.points[:, 0])
        x, p = grid.points[order, 0], np.maximum(grid.point_data["contact_pressure_MPa"][order], 0.0)
        ring = x if kind == "axisymmetric" else np.ones_like(x)
        found.append((p[0], math.sqrt(np.trapezoid(p * ring * x**2, x) / np.trapezoid(p * ring, x) / share)))
    peaks, edges = np.array(found).T
    assert peaks == pytest.approx(peak, rel=0.01)
    assert edges == pytest.approx(radii, rel=0.015)
    assert np.polyfit(np.log(load), np.log(edges), 1)[0] == pytest.approx(1 / 3 if kind == "axisymmetric" else 1 / 2, abs=0.01)


# ---- adhesion --------------------------------------------------------------------------------------------------------------


def test_adhesion_opens_at_its_strength_and_spends_its_energy(tmp_path):
    """Held ends, stripping by v t: pull v t/c up to 10 MPa, then down with the gap, g = (v t - c S)/(1 - c S/g_f), zero from g_f on.

    S = 10 MPa, g_f = 2 x 0.5 J/m^2/S = 0.1 um. Closed and opened again, nothing holds.
    """
    strength, last, c = 10.0, 0.1, COMPLIANCE
    glued = merge(PARTS, {"li|sse": {"contact_gap": "20 um", "adhesion_strength": "10 MPa", "adhesion_energy": "0.5 J/m^2"}})
    step = {"max_step": "0.5 s"}
    run = solve(HELD | {"interfaces": glued, "protocol": [current(1, 100) | step, current(-1, 105), current(1, 10)]}, tmp_path)
    first = run["phase"] == 0
    stripped = VELOCITY * run["time_s"][first]
    gap = np.where(stripped < c * strength, 0.0, np.minimum((stripped - c * strength) / (1 - c * strength / last), np.inf))
    gap = np.where(gap > last, stripped, gap)
    pull = np.where(gap > 0, strength * np.maximum(0, 1 - gap / last), stripped / c)
    assert run["gap_max_um"][first] == pytest.approx(gap, abs=2e-6)
    assert -run["interface_min_pressure_MPa"][first] == pytest.approx(pull, abs=1e-3)
    assert -run["interface_min_pressure_MPa"][first].min() > 0.95 * strength
    work = np.trapezoid(pull, gap)
    assert work == pytest.approx(0.5 * strength * last, rel=0.05)
    assert run.ends("adhesion_left") == pytest.approx([0, 0, 0], abs=1e-9)
    again = run["phase"] == 2
    assert -run["interface_min_pressure_MPa"][again].min() < 1e-3


# ---- friction -----------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def block(tmp_path_factory):
    """Mesh of a block of lithium, 20 um x 5 um, on an electrolyte of 40 um x 10 um; pushed on one side, stopped on 1 um of the other."""
    path = tmp_path_factory.mktemp("block") / "block.msh"
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    try:
        parts = [gmsh.model.occ.addRectangle(*where) for where in ((0, 5, 0, 40, 10), (10, 0, 0, 20, 4), (10, 4, 0, 20, 1))]
        gmsh.model.occ.fragment([(2, parts[0])], [(2, part) for part in parts[1:]])
        gmsh.model.occ.synchronize()
        regions = {tag: gmsh.model.occ.getCenterOfMass(2, tag)[1] > 5 for _, tag in gmsh.model.getEntities(2)}
        for electrolyte, name in ((True, "sse"), (False, "li")):
            gmsh.model.addPhysicalGroup(2, [tag for tag, above in regions.items() if above is electrolyte], name=name)
        middles = {tag: gmsh.model.occ.getCenterOfMass(1, tag) for _, tag in gmsh.model.getEntities(1)}
        chosen = {"counter": lambda x, y: y > 14.9, "press": lambda x, y: y < 0.1, "push": lambda x, y: abs(x - 10) < 0.1 and y < 5,
                  "stop": lambda x, y: abs(x - 30) < 0.1 and 4 < y < 5}
        for name, test in chosen.items():
            gmsh.model.addPhysicalGroup(1, [tag for tag, (x, y, _) in middles.items() if test(x, y)], name=name)
        gmsh.option.setNumber("Mesh.MeshSizeMax", 1.0)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return path


def sliding(block, push: list[float], friction: float) -> dict:
    """Block pressed by 1 MPa, pushed from one side against a spring of 10 MPa/um on the other, within microseconds.

    The spring's frame carries the push as well.
    """
    names = {"push": "collector", "counter": "counter", "press": "press", "stop": "stop"}
    return {"geometry": {"kind": "plane", "file": str(block), "regions": {"li": "li", "sse": "sse"}, "boundaries": names},
            "layers": [{"name": "li", "material": "Li", "law": "elastic"}, {"name": "sse", "material": "Li6PS5Cl"}], "materials": STIFF,
            "mechanics": {"boundaries": {"collector": "stack", "press": "1 MPa", "counter": "clamped", "stop": {"spring": "10 MPa/um"}}},
            "interfaces": {"li|sse": {"contact": "unilateral", "tangential": "coulomb", "friction": friction}},
            "protocol": [{"kind": "pressure", "to": f"{p} MPa", "duration": "1e-6 s"} for p in push]}


def test_block_slides_when_pushed_beyond_friction(block, tmp_path):
    """Push P on 5 um of one side, P and a spring on 1 um of the other: it slides by s = (4 um P - mu p l)/(10 MPa/um 1 um).

    mu p l = 0.3 x 1 MPa x 20 um = 6 N/m: at 1 MPa it sticks, at 4 MPa s = 1 um, at 2 MPa it stays there, and at 0 the spring overcomes
    the friction the other way: s = 0.6 um. The shear traction is the limit wherever it slides.
    """
    run = solve(sliding(block, [1.0, 4.0, 2.0, 0.0], 0.3), tmp_path)
    moved, total = [], []
    for number in range(4):
        grid = run.fields("interface", number)
        order = np.argsort(grid.points[:, 0])
        x, slip, shear, p = (a[order] for a in (grid.points[:, 0], grid.point_data["slip_um"][:, 0], grid.point_data["contact_shear_MPa"][:, 0],
                                                grid.point_data["contact_pressure_MPa"]))
        moved.append(float(slip.mean()))
        total.append(float(np.trapezoid(shear, x)))
        assert np.trapezoid(p, x) == pytest.approx(20, rel=1e-6)
        assert (np.abs(shear) <= 0.3 * np.maximum(p, 0) + 1e-6).all()
    assert np.array(moved) == pytest.approx([0, 1, 1, 0.6], abs=0.01)
    assert total[1] == pytest.approx(6, rel=1e-4) and total[3] == pytest.approx(-6, rel=1e-4)


# ---- vacancies -----------------------------------------------------------------------------------------------------------

HOLLOW = {"geometry": KINDS["plane"], "layers": CELL["layers"], "mesh": CELL["mesh"]}


def vacancies(**more) -> dict:
    return {"li|sse": {"chi": 0.5, "vacancy_charge": "1 mAh/cm^2"} | more}


def test_vacancies_without_healing(tmp_path):
    """theta = 1 - chi i t/q*, and back as lithium is plated, never above 1; without mechanics."""
    case = HOLLOW | {"interfaces": vacancies(healing_rate="0 1/s", healing_exponent=0.0),
                     "protocol": [current(1, 3600), current(-1, 1800), current(-1, 3600)]}
    run = solve(case, tmp_path)
    assert run.ends("contact_fraction") == pytest.approx([0.5, 0.75, 1.0], abs=1e-6)
    first = run["phase"] == 0
    assert run["contact_fraction"][first] == pytest.approx(1 - 0.5 * run["time_s"][first] / 3600, abs=1e-6)


def test_vacancies_take_all_contact(tmp_path):
    """chi = 1: all gone at q*/i."""
    case = HOLLOW | {"interfaces": vacancies(chi=1.0, healing_rate="0 1/s", healing_exponent=0.0), "protocol": [current(1, 7200)]}
    run = stopped(case, tmp_path)
    assert run.result.event == "contact_lost"
    assert run.last("time_s") == pytest.approx(3600 * 0.99, rel=3e-3)


def test_vacancies_heal_under_pressure(tmp_path):
    """theta = 1 - (chi i/(q* k)) (1 - exp(-k t)), k = k_1 (p/MPa)^2 with k_1 = 1e-4/s, p = 4 MPa: steady at 0.95660."""
    k = 1e-4 * 16
    case = HOLLOW | {"mechanics": {}, "interfaces": vacancies(healing_rate="1e-4 1/s", healing_exponent=2.0),
                     "protocol": [{"kind": "pressure", "to": "4 MPa"}, current(1, 6000) | {"max_step": "60 s"}]}
    run = solve(case, tmp_path)
    on, depth = run["phase"] == 1, 0.5 * 10 / (36000 * 1e-3) / 1e3 / k
    seconds = run["time_s"][on] - 1.0
    assert run["contact_fraction"][on] == pytest.approx(1 - depth * (1 - np.exp(-k * seconds)), abs=1e-3 * depth)
    assert run.last("contact_fraction") == pytest.approx(1 - depth, abs=1e-4)


def test_vacancies_heal_by_creep(tmp_path):
    """By default k = A (3 p/(2 n))^n of the metal's creep law: steady theta = 1 - chi i/(q* k)."""
    a, n = 2.3e4 * math.exp(-37e3 / (8.314462618 * 298.15)), 6.56
    k = a * (1.5 * 4.0 / n) ** n
    depth = 0.5 * 10 / 36.0 / 1e3 / k
    lithium = {"Li": {"creep_rate": "2.3e4 1/s", "creep_exponent": n, "creep_activation_energy": "37 kJ/mol"}}
    case = HOLLOW | {"mechanics": {}, "interfaces": vacancies(), "materials": lithium,
                     "protocol": [{"kind": "pressure", "to": "4 MPa"}, current(1, 12 / k)]}
    run = solve(case, tmp_path)
    assert 0.0 < depth < 1
    assert 1 - run.last("contact_fraction") == pytest.approx(depth, rel=1e-3)
