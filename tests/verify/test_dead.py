"""Dead lithium: islands and metal behind a neck that has been stripped through; electronic potentials of both."""

import json
import math
from pathlib import Path

import gmsh
import pytest
from cases import Pieces, layer, rows
from interfem.case import parse_case
from interfem.geometry.session import session
from interfem.observe.dead import DeadLithium

F, OMEGA = 96485.33212, 1.3e-5
MAH = 1 / 36000.0  # mAh/cm^2 in one C/m^2
METAL = F / OMEGA * 1e-6 * MAH  # mAh/cm^2 in one um of lithium
NECK, LENGTH, BULB, WIDTH = 0.2, 1.0, 1.6, 6.0  # um
RESISTANCE = 1.0  # ohm m^2, so large that all faces pass the same current density


def bottle(path: Path) -> Path:
    """A layer of lithium 2 um thick, a neck 0.4 um wide and 1 um long, and behind it a square bulb of 1.6 um."""
    with session():
        occ = gmsh.model.occ
        metal = [(2, occ.addRectangle(0, 0, 0, WIDTH, 2)), (2, occ.addRectangle(WIDTH / 2 - NECK, 2, 0, 2 * NECK, LENGTH)),
                 (2, occ.addRectangle(WIDTH / 2 - BULB / 2, 2 + LENGTH, 0, BULB, BULB))]
        parts = occ.fragment([(2, occ.addRectangle(0, 2, 0, WIDTH, 6))], metal)[1]
        occ.synchronize()
        li = {tag for group in parts[1:] for _, tag in group}
        sse = {tag for _, tag in parts[0]} - li
        gmsh.model.addPhysicalGroup(2, sorted(li), name="li")
        gmsh.model.addPhysicalGroup(2, sorted(sse), name="sse")
        for name, height in (("bottom", 0.0), ("top", 8.0)):
            lines = [tag for _, tag in gmsh.model.getEntities(1)
                     if all(abs(gmsh.model.getBoundingBox(1, tag)[k] - height) < 1e-4 for k in (1, 4))]
            gmsh.model.addPhysicalGroup(1, lines, name=name)
        gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, lc: min(0.04 + 0.2 * from_neck(x, y), 0.5))
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))
    return path


def from_neck(x: float, y: float) -> float:
    return math.hypot(max(abs(x - WIDTH / 2) - NECK, 0.0), max(abs(y - 2.0 - LENGTH / 2) - LENGTH / 2, 0.0))


def test_a_neck_that_is_stripped_through_leaves_dead_lithium(tmp_path):
    """All faces recede alike: the neck is gone once they have by half its width. The bulb is then dead, to the nearest cell, and
    its face passes nothing more: the voltage rises by the ratio of the faces.
    """
    speed = 0.1 / 600.0  # um/s
    face = WIDTH - 2 * NECK + 2 * LENGTH + 4 * BULB - 2 * NECK
    current = speed * 1e-6 * F / OMEGA * face / WIDTH
    case = parse_case({
        "title": "bottle", "temperature": "298.15 K", "output": {"figures": False},
        "geometry": {"kind": "plane", "file": str(bottle(tmp_path / "bottle.msh")), "regions": {"li": "li", "sse": "sse"},
                     "boundaries": {"bottom": "collector", "top": "counter"}},
        "layers": [{"name": "li", "material": "Li"}, {"name": "sse", "material": "Li6PS5Cl"}],
        "interfaces": {"li|sse": {"kinetics": "linear", "resistance": f"{RESISTANCE} ohm*m^2"}},
        "protocol": [{"kind": "current", "value": f"{current} A/m^2", "duration": "1500 s", "first_step": "100 s", "max_step": "100 s"}]})  # fmt: skip
    table = rows(case, tmp_path / "run")
    dead = "lithium_dead_mAh_per_cm2"
    before, after = [row for row in table if row["time_s"] < 950], [row for row in table if row["time_s"] > 1250]
    assert all(row[dead] == 0 for row in before) and len(after) > 1
    stripped = NECK  # of the bulb's face, when it was cut off
    wanted = METAL * (BULB - 2 * stripped) ** 2 / WIDTH
    assert after[-1][dead] == pytest.approx(wanted, rel=0.15)
    assert after[-1][dead] == pytest.approx(after[0][dead], rel=0.03)
    total = [row["lithium_total_mAh_per_cm2"] for row in table]
    assert total == pytest.approx([total[0]] * len(total), rel=1e-9)
    assert before[0]["cell_voltage_V"] == pytest.approx(current * RESISTANCE * WIDTH / face, rel=0.02)
    assert after[-1]["cell_voltage_V"] > 1.8 * before[0]["cell_voltage_V"]  # face over what of it is alive: 14.4/(5.6 to 7.6)


@pytest.mark.parametrize("fill", ["Li", "Cu"])
def test_islands_float_and_pass_no_net_current(fill, tmp_path):
    """A buried ball without a wire: lithium is dead from the start, an inert one has any potential; the current goes round it."""
    tree = {"title": "island", "temperature": "298.15 K", "output": {"figures": False}, "geometry": {"kind": "plane", "width": "10 um"},
            "layers": [layer("li", "Li", 4.0), layer("sse", "Li6PS5Cl", 10.0)],
            "features": [{"kind": "pore", "layer": "sse", "center": "5 um", "position": "5 um", "radius": "1 um", "fill": fill}],
            "mesh": {"size": "3 um", "interface_size": "1 um"},
            "protocol": [{"kind": "current", "value": "1 mA/cm^2", "duration": "10 s", "first_step": "5 s", "max_step": "5 s"}]}  # fmt: skip
    first, row = rows(parse_case(tree), tmp_path)
    assert row["lithium_dead_mAh_per_cm2"] == pytest.approx(first["lithium_dead_mAh_per_cm2"], rel=1e-9)  # plated here, stripped there
    assert row["current_density[li|sse]_A_per_m2"] == pytest.approx(10.0, rel=1e-8)
    assert row["lithium_dead_mAh_per_cm2"] == pytest.approx(METAL * math.pi / 10 if fill == "Li" else 0.0, rel=0.03)
    if fill == "Li":
        assert abs(row["current_density[pore|sse]_A_per_m2"]) < 1e-7


def beside(pieces: Pieces, found: DeadLithium, *names: str) -> bool:
    """All faces of some interfaces pass charge."""
    found.accept()
    return bool((pieces.fields.living.x.array[pieces.domain.on(names)] == 1).all())


def test_a_filled_flaw_is_cut_off_by_gaps_and_not_by_metal_that_turns_over():
    """At the edge of a film of 5 nm that a flaw cuts, pressure dissolves lithium and plates it a nanometre away, over 100 h by more
    than the flaw is wide. Lithium creeps after, and fills the mouth as before. Where a gap of half its width opens, nothing fills it.
    """
    tree = {"title": "thin film", "temperature": "298.15 K", "output": {"figures": False}, "geometry": {"kind": "plane", "width": "2 um"},
            "layers": [layer("li", "Li", 1.0), layer("film", "LiF", 0.005), layer("sse", "Li6PS5Cl", 2.0)],
            "features": [{"kind": "flaw", "interface": "li|film", "shape": "wedge", "center": "1 um", "width": "0.1 um", "depth": "0.5 um",
                          "fill": "Li"}],
            "interfaces": {"flaw|sse": {"contact": "unilateral"}}, "mesh": {"refinement": 0.35}, "mechanics": {},
            "protocol": [{"kind": "pressure", "to": "1 MPa", "duration": "1 s"}]}  # fmt: skip
    pieces = Pieces(parse_case(tree))
    domain, fields = pieces.domain, pieces.fields
    found = DeadLithium(pieces.case, domain, fields, pieces.model, None)
    edge, wall = domain.on(["flaw|film"]), domain.on(["flaw|sse"])
    fields.growth.x.array[fields.growth.function_space.dofmap.list[edge]] = -1.0
    assert beside(pieces, found, "flaw|sse", "flaw|film", "li|film") and not found.charge
    fields["gap"].x.array[fields["gap"].function_space.dofmap.list[wall]] = 0.06
    assert not beside(pieces, found, "flaw|sse")


@pytest.mark.parametrize("kind, mechanics", [("plane", {}), ("axisymmetric", {}), ("plane", {"mechanics": {}})])
def test_a_wired_pore_gives_the_lithium_that_it_holds_and_no_more(kind, mechanics, tmp_path):
    """All current comes from it: `t = V F/(Omega I)`. Bodies that move do not bring it more: it touches no other lithium."""
    volume, area = (2 * math.pi, 10.0) if kind == "plane" else (32 / 3 * math.pi, 100 * math.pi)
    tree = {"title": "spent", "temperature": "298.15 K", "output": {"figures": False}, "geometry": {"kind": kind, "width": "10 um"},
            "layers": [layer("li", "Li", 2.0), layer("sse", "Li6PS5Cl", 20.0)],
            "features": [{"kind": "pore", "layer": "sse", "position": "10 um", "radius": "2 um", "fill": "Li", "electrons": "collector"}],
            "interfaces": {"li|sse": {"kinetics": "linear", "resistance": "1e9 ohm*cm^2"}},
            "protocol": [{"kind": "current", "value": "10 A/m^2", "duration": "4000 s"}]} | mechanics  # fmt: skip
    row = rows(parse_case(tree), tmp_path)[-1]
    assert json.loads((tmp_path / "run.json").read_text())["event"] == "lithium_exhausted"
    assert row["time_s"] == pytest.approx(volume / area * 1e-6 * F / OMEGA / 10, rel=1e-2)


def test_lithium_of_an_own_mesh_is_spent(tmp_path):
    """A layer of an own mesh has no thickness to go by: its volume counts."""
    with session():
        occ = gmsh.model.occ
        parts = occ.fragment([(2, occ.addRectangle(0, 0, 0, 4, 2))], [(2, occ.addRectangle(0, 2, 0, 4, 6))])[1]
        occ.synchronize()
        for name, (_, tag) in zip(("li", "sse"), (parts[0][0], parts[1][0])):
            gmsh.model.addPhysicalGroup(2, [tag], name=name)
        for name, height in (("bottom", 0.0), ("top", 8.0)):
            lines = [tag for _, tag in gmsh.model.getEntities(1)
                     if all(abs(gmsh.model.getBoundingBox(1, tag)[k] - height) < 1e-4 for k in (1, 4))]
            gmsh.model.addPhysicalGroup(1, lines, name=name)
        gmsh.model.mesh.generate(2)
        gmsh.write(str(tmp_path / "slab.msh"))
    case = parse_case({
        "title": "slab", "temperature": "298.15 K", "output": {"figures": False},
        "geometry": {"kind": "plane", "file": str(tmp_path / "slab.msh"), "regions": {"li": "li", "sse": "sse"},
                     "boundaries": {"bottom": "collector", "top": "counter"}},
        "layers": [{"name": "li", "material": "Li"}, {"name": "sse", "material": "Li6PS5Cl"}],
        "protocol": [{"kind": "current", "value": "10 A/m^2", "duration": "1 h"}]})  # fmt: skip
    table = rows(case, tmp_path / "run")
    assert json.loads((tmp_path / "run/run.json").read_text())["event"] == "lithium_exhausted"
    assert table[-1]["time_s"] == pytest.approx(2e-6 * F / OMEGA / 10, rel=2e-3)
