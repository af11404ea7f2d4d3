"""What regions carry, which pairs exchange lithium and by which kinetics, and where features lie, from the case alone."""

import tomllib

import pytest

from interfem.case import Case, CaseError, parse_case
from interfem.materials import library_folder
from interfem.regions import (
    boundary_names,
    direction,
    extent,
    interface_name,
    is_transfer,
    kinetics,
    layer_pair,
    required_properties,
    touched_layers,
    touching,
    used_properties,
)

BARE = tomllib.loads((library_folder().parent / "cases" / "bare.toml").read_text())
LI = {"name": "li", "material": "Li", "thickness": "20 um"}
FILM = {"name": "film", "material": "Li3N", "thickness": "0.5 um"}
SSE = {"name": "sse", "material": "Li6PS5Cl", "thickness": "30 um"}
VOID = {"kind": "void", "interface": "li|sse", "center": "0 um", "radius": "5 um", "height": "2 um"}
FLAW = {"kind": "flaw", "interface": "li|sse", "center": "25 um", "width": "0.8 um", "depth": "4 um"}


def case(layers=(LI, SSE), features=(), **more) -> Case:
    return parse_case(BARE | {"layers": list(layers), "features": list(features)} | more)


def pairs(found: Case) -> dict[str, bool]:
    return {interface_name(a.name, b.name, found): is_transfer(found, a, b) for a, b in touching(found)}


# ---- regions ----


def test_sides_follow_the_ion_conductors():
    found = case([LI | {"name": "cu", "material": "Cu"}, LI, FILM, SSE, LI | {"name": "li2"}])
    assert [r.side for r in found.regions] == ["anode", "anode", "electrolyte", "electrolyte", "counter"]
    assert [r.body for r in found.regions] == ["metal", "metal", "ceramic", "ceramic", "metal"]
    assert [(r.ions, r.electrons, r.stores, r.reservoir) for r in found.regions[:3]] == [
        (False, True, False, False), (False, True, False, True), (True, False, False, False)]  # fmt: skip


def test_filled_features_are_regions_on_the_side_of_the_metal_they_touch():
    layers = [LI, SSE, LI | {"name": "li2"}]
    other = FLAW | {"name": "far", "interface": "sse|li2", "center": "10 um"}
    grain = {"kind": "pore", "name": "grain", "layer": "sse", "position": "15 um", "radius": "2 um", "center": "15 um"}
    empty = FLAW | {"name": "hollow", "center": "35 um", "fill": "empty"}
    found = case(layers, [FLAW, other, grain | {"fill": "LiF"}, VOID, empty])
    assert {r.name: r.side for r in found.regions[3:]} == {"flaw": "anode", "far": "counter", "grain": "electrolyte"}
    assert not any(r.wired for r in found.regions)


def test_wired_metal_belongs_to_the_anode():
    found = case([LI, FILM, SSE], [FLAW | {"interface": "film|sse", "layer": "sse", "electrons": "collector"}])
    assert found.region("flaw").wired and found.region("flaw").side == "anode"
    assert pairs(found) == {"li|film": True, "film|sse": False, "flaw|film": True, "flaw|sse": True}


def test_flowing_regions():
    found = case([LI, SSE])
    assert [r.flows for r in found.regions] == [True, False]
    assert [r.flows for r in case([LI | {"law": "elastic"}, SSE]).regions] == [False, False]
    assert case([LI | {"material": "Li-In", "law": "elastic"}, SSE]).regions[0].flows  # stress-driven diffusion


def test_required_properties_follow_role_law_and_equations():
    found = case([LI | {"material": "Li-In"}, SSE])
    alloy, sse = (required_properties(region, found) for region in found.regions)
    assert {"diffusivity", "equilibrium_potential", "partial_molar_volume", "yield_stress"} <= set(alloy)
    assert set(sse) == {"ionic_conductivity", "youngs_modulus", "poisson_ratio"}
    still = case([LI | {"material": "Li-In"}, SSE], mechanics={"swelling": False})
    assert "partial_molar_volume" not in required_properties(still.regions[0], still)


def test_used_properties_hold_the_kinetics_of_the_owner():
    found = case([LI, SSE])
    assert "exchange_current_density" in used_properties(found, found.records["Li6PS5Cl"])
    assert "exchange_current_density" not in used_properties(found, found.records["Li"])
    alloy = case([LI | {"material": "Li-In"}, SSE])
    assert "exchange_current_density" in used_properties(alloy, alloy.records["Li-In"])
    assert "exchange_current_density" not in used_properties(alloy, alloy.records["Li6PS5Cl"])


# ---- pairs ----


def test_one_name_a_pair():
    found = case([LI, SSE], [VOID, FLAW])
    for a, b in (("li", "sse"), ("flaw", "sse"), ("void", "li"), ("void", "flaw")):
        assert interface_name(a, b, found) == interface_name(b, a, found) == f"{a}|{b}"


def test_pairs_that_touch():
    assert pairs(case([LI, FILM, SSE], [FLAW | {"interface": "li|film"}, VOID | {"interface": "li|film"}])) == {
        "li|film": True, "film|sse": False, "flaw|li": False, "flaw|film": True, "flaw|sse": True}  # fmt: skip
    shallow = FLAW | {"interface": "li|film", "depth": "0.3 um"}
    assert "flaw|sse" not in pairs(case([LI, FILM, SSE], [shallow]))


def test_collector_exchanges_nothing():
    found = case([LI | {"name": "cu", "material": "Cu"}, SSE], protocol=[{"kind": "rest", "duration": "1 s"}])
    assert pairs(found) == {"cu|sse": False}


def test_layer_pair():
    found = case([LI, FILM, SSE])
    assert layer_pair("film|li", found, "x") == (0, 1)
    with pytest.raises(ValueError, match=r'here = "li\|sse" is no interface .*known: li\|film, film\|sse'):
        layer_pair("li|sse", found, "here")


def test_kinetics_belong_to_the_ion_conductor_on_lithium_and_to_the_alloy():
    found = case([LI, SSE])
    law = kinetics(found, found.region("sse"), found.region("li"))
    assert (law.name, law.metal, law.ceramic) == ("li|sse", "li", "sse")
    assert law.exchange_current_density == pytest.approx(320) and law.source.startswith("Li6PS5Cl: ")
    found = case([LI | {"material": "Li-In"}, SSE])
    assert kinetics(found, *found.regions).exchange_current_density == pytest.approx(50)


def test_kinetics_of_the_case_rule():
    given = {"exchange_current_density": "1 mA/cm^2", "transfer_coefficient": 0.3, "film_resistance": "2 ohm*cm^2",
             "tangential": "frictionless"}
    found = case([LI, SSE], interfaces={"li|sse": given})
    law = kinetics(found, *found.regions)
    assert (law.exchange_current_density, law.transfer_coefficient, law.tangential, law.source) == (
        pytest.approx(10), 0.3, "frictionless", "case file")  # fmt: skip
    assert law.film_resistance == pytest.approx(2e-4)
    found = case([LI, SSE], interfaces={"li|sse": {"kinetics": "linear", "resistance": "5 ohm*cm^2"}})
    law = kinetics(found, *found.regions)
    assert (law.law, law.resistance, law.exchange_current_density) == ("linear", pytest.approx(5e-4), 0)


def test_missing_kinetics_name_both_remedies():
    glass = {"role": "electrolyte", "law": "elastic", "ionic_conductivity": "1 mS/cm", "youngs_modulus": "20 GPa",
             "poisson_ratio": 0.3}
    with pytest.raises(CaseError, match=r'materials.glass.exchange_current_density.*or give interfaces."li\|sse".exchange'):
        case([LI, SSE | {"material": "glass"}], materials={"glass": glass})


def test_pairs_that_do_not_touch_take_no_kinetics():
    with pytest.raises(CaseError, match=r'interfaces."li\|sse": these two do not touch; known: li\|film'):
        case([LI, FILM, SSE], interfaces={"li|sse": {}})


def test_equilibrium_potential_of_an_alloy_is_its_material_s():
    with pytest.raises(CaseError, match=r'equilibrium_potential = 0.3 V: that of an alloy follows its filling'):
        case([LI | {"material": "Li-In"}, SSE], interfaces={"li|sse": {"equilibrium_potential": "0.3 V"}})


# ---- features ----


def test_void_lies_in_the_metal_and_flaw_in_the_ceramic():
    found = case([LI, SSE, LI | {"name": "li2"}], [VOID, FLAW, VOID | {"name": "up", "interface": "sse|li2"}])
    assert [direction(f, found) for f in found.features] == [(20, -1), (20, 1), (50, 1)]
    assert [extent(f, found) for f in found.features] == [(5, 5, 18, 20), (0.4, 0.4, 20, 24), (5, 5, 50, 52)]
    assert [touched_layers(f, found) for f in found.features] == [["li", "sse"], ["li", "sse"], ["sse", "li2"]]


def test_layer_overrides_the_side():
    found = case([LI, SSE], [VOID | {"layer": "sse"}])
    assert direction(found.features[0], found) == (20, 1)
    with pytest.raises(CaseError, match='both sides conduct alike; say which one is cut, for example layer = "sse"'):
        case([LI, FILM, SSE], [VOID | {"interface": "film|sse"}])
    with pytest.raises(CaseError, match='make the first layer "film" the anode'):
        case([FILM, SSE], [VOID | {"interface": "film|sse"}])


def test_extent_of_pore_and_patch():
    pore = {"kind": "pore", "layer": "sse", "position": "15 um", "radius": "3 um", "half_height": "1 um", "center": "10 um"}
    patch = {"kind": "patch", "interface": "li|sse", "outer": "4 um"}
    rough = {"kind": "roughness", "interface": "li|sse", "amplitude": "0.1 um", "wavelength": "5 um"}
    found = case([LI, SSE], [pore, patch, rough])
    assert [extent(f, found) for f in found.features] == [(3, 3, 34, 36), (4, 4, 20, 20), None]
    assert [touched_layers(f, found) for f in found.features] == [["sse"], [], []]


def test_flaw_may_run_through_thin_layers_but_not_out():
    found = case([LI, FILM, SSE], [FLAW | {"interface": "li|film"}])
    assert touched_layers(found.features[0], found) == ["li", "film", "sse"]
    with pytest.raises(CaseError, match=r'features\[0\].depth = 31 um exceeds layer "film" and "sse" \(30.5 um\)'):
        case([LI, FILM, SSE], [FLAW | {"interface": "li|film", "depth": "31 um"}])


def overlap(*features, **geometry) -> bool:
    try:
        case([LI, SSE, LI | {"name": "li2"}], features, geometry=BARE["geometry"] | geometry)
    except CaseError as error:
        assert "overlaps or touches" in str(error)
        return True
    return False


def test_overlaps():
    assert not overlap(VOID, FLAW)
    assert overlap(VOID, FLAW | {"center": "5.2 um"})  # mouths on both sides of one interface
    assert not overlap(VOID, FLAW | {"center": "5.5 um"})
    assert not overlap(VOID, FLAW | {"interface": "sse|li2", "center": "2 um"})  # far above
    assert overlap(FLAW | {"depth": "16 um"}, FLAW | {"name": "far", "interface": "sse|li2", "depth": "15 um"})
    ring = {"kind": "patch", "interface": "li|sse", "center": "0 um", "inner": "10 um", "outer": "12 um"}
    assert not overlap(VOID, ring) and overlap(VOID | {"center": "11 um"}, ring)
    assert not overlap(VOID, ring, kind="axisymmetric")
    quarter = VOID | {"center": ["0 um", "0 um"]}
    box = {"kind": "box", "depth": "40 um"}
    assert not overlap(quarter, FLAW | {"center": ["2 um", "20 um"], "length": "6 um"}, **box)
    assert overlap(quarter, FLAW | {"center": ["2 um", "7 um"], "length": "6 um"}, **box)


# ---- boundaries ----


@pytest.mark.parametrize(("geometry", "sides"), [
    ({"kind": "plane"}, ["left", "right"]), ({"kind": "axisymmetric"}, ["axis", "outer"]),
    ({"kind": "axisymmetric", "inner_radius": "1 um"}, ["inner", "outer"]),
    ({"kind": "box", "depth": "9 um"}, ["left", "right", "front", "back"])])  # fmt: skip
def test_boundaries_by_geometry(geometry, sides):
    assert boundary_names(case(geometry=BARE["geometry"] | geometry)) == ["collector", "counter", *sides]


def test_walls_of_holes_are_boundaries():
    found = case([LI, FILM, SSE], [VOID | {"interface": "li|film"}, FLAW | {"interface": "li|film", "fill": "empty"}])
    assert boundary_names(found)[4:] == ["void|li", "void|film", "flaw|li", "flaw|film", "flaw|sse"]


def test_axis_is_always_a_roller():
    with pytest.raises(CaseError, match='the axis of symmetry is always a "roller"'):
        case(geometry=BARE["geometry"] | {"kind": "axisymmetric"}, mechanics={"boundaries": {"axis": "free"}})
    assert case(geometry=BARE["geometry"] | {"kind": "axisymmetric"}, mechanics={"boundaries": {"outer": "free"}})
