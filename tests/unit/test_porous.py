"""Populations of pores: what is placed, meshed and refused; effective media against formulas by hand."""

import copy
import time
from itertools import combinations
from math import hypot, pi

import numpy as np
import pytest

from interfem.case import CaseError, parse_case
from interfem.cautions import cautions
from interfem.describe import describe_case
from interfem.effective import EXPONENTS
from interfem.geometry import build_mesh, describe_mesh, mesh_hash, picture
from interfem.geometry.arrays import read_msh
from interfem.materials import PROPERTIES
from interfem.regions import boundary_names

PORES = {"kind": "pores", "layer": "sse", "porosity": 0.15, "radius": "1.5 um"}
KINDS = {"plane": {"width": "40 um"}, "axisymmetric": {"width": "20 um", "inner_radius": "2 um"},
         "box": {"width": "15 um", "depth": "12 um"}}  # fmt: skip


def tree(*features, kind="plane", **more) -> dict:
    layers = [{"name": "anode", "material": "Li-Al", "thickness": "6 um"},
              {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"}]
    return {"title": "porous", "temperature": "298.15 K", "geometry": {"kind": kind} | KINDS[kind], "layers": layers,
            "features": list(features), "protocol": [{"kind": "rest", "duration": "1 s"}]} | more  # fmt: skip


def make(*features, **more):
    return parse_case(tree(*features, **more))


def message(*features, **more) -> str:
    with pytest.raises(CaseError) as error:
        parse_case(tree(*features, **more), "c")
    return str(error.value)


def porous(number: int, **keys) -> list[dict]:
    layers = copy.deepcopy(tree()["layers"])
    layers[number] |= keys
    return layers


# ---- where the pores lie ------------------------------------------------------------------------------------------------


def volume(case, pore) -> float:
    if case.geometry.kind == "box":
        return 4 / 3 * pi * pore.radius**2 * pore.half_height
    turn = 2 * pi * pore.center[0] if case.geometry.kind == "axisymmetric" else 1.0
    return turn * pi * pore.radius * pore.half_height


def layer_volume(case) -> float:
    geometry = case.geometry
    across = {"plane": geometry.width, "axisymmetric": pi * (geometry.width**2 - geometry.inner_radius**2),
              "box": geometry.width * (geometry.depth or 0)}  # fmt: skip
    return across[geometry.kind] * case.layers[1].thickness


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("aspect", "spread"), [(1.0, 0.0), (0.4, 0.3), (2.0, 0.2)])
def test_porosity_is_met_and_pores_keep_their_distance(kind, aspect, spread):
    porosity = 0.15 if kind != "box" else 0.08
    case = make(PORES | {"porosity": porosity, "aspect": aspect, "radius_spread": spread, "spacing": "0.25 um"}, kind=kind)
    pores, geometry = case.populations["pores"], case.geometry
    assert sum(volume(case, pore) for pore in pores) / layer_volume(case) == pytest.approx(porosity, rel=1e-4)
    assert len(pores) >= 4 and np.mean([pore.radius for pore in pores]) == pytest.approx(1.5, rel=0.15)
    for pore in pores:
        assert pore.half_height == pytest.approx(aspect * pore.radius)
        assert 0.25 <= pore.position - pore.half_height + 1e-6 and pore.position + pore.half_height <= 20 - 0.25 + 1e-6
        spans = [(geometry.inner_radius, geometry.width), *([(0, geometry.depth)] if kind == "box" else [])]
        for (low, high), middle in zip(spans, pore.center):
            assert low + 0.25 <= middle - pore.radius + 1e-6 and middle + pore.radius <= high - 0.25 + 1e-6
    for a, b in combinations(pores, 2):
        assert least_gap(a, b) >= 0.25 * (1 - 1e-6)


def least_gap(a, b) -> float:
    """Between two ellipses in the plane through their axes, by points on the walls."""
    apart, angles = hypot(*np.subtract(a.center, b.center)), np.linspace(0, 2 * pi, 721)
    first = np.stack([a.radius * np.cos(angles), a.position + a.half_height * np.sin(angles)])
    second = np.stack([apart + b.radius * np.cos(angles), b.position + b.half_height * np.sin(angles)])
    return float(np.sqrt(((first[:, :, None] - second[:, None]) ** 2).sum(axis=0)).min())


def test_a_seed_gives_the_same_pores_whatever_the_mesh():
    case = make(PORES | {"radius_spread": 0.3})
    again = make(PORES | {"radius_spread": 0.3}, mesh={"refinement": 2.0})
    assert case.populations == again.populations
    assert case.populations != make(PORES | {"radius_spread": 0.3, "seed": 1}).populations
    first = case.populations["pores"][0]  # the same on every machine
    assert (first.name, first.center, first.position, first.radius) == FIRST


FIRST = ("pores-1", (11.615982,), 2.463482, 1.472019)


def test_other_features_are_avoided():
    void = {"kind": "void", "interface": "anode|sse", "layer": "sse", "center": "10 um", "radius": "4 um", "height": "4 um"}
    pore = {"kind": "pore", "name": "big", "layer": "sse", "center": "28 um", "position": "12 um", "radius": "5 um"}
    other = PORES | {"name": "grains", "fill": "LiF", "porosity": 0.1, "radius": "1 um"}
    case = make(void, PORES, pore, other)
    placed = [*case.populations["pores"], *case.populations["grains"]]
    for one in placed:
        x, y, r = one.center[0], one.position, one.radius
        assert abs(x - 10) > 4 + r or y > 4 + r
        assert hypot(x - 28, y - 12) > 5 + r
    assert all(least_gap(a, b) > 0.1 for a, b in combinations(placed, 2))


@pytest.mark.parametrize(("keys", "words"), [
    ({"porosity": 0.6}, "features[0].porosity = 0.6: only 0.3"),
    ({"porosity": 0}, "features[0].porosity = 0: should be greater than 0"),
    ({"porosity": 0.002}, "less than half a pore"),
    ({"radius": "11 um"}, "features[0].radius = 11 um: a pore does not fit"),
    ({"radius": "0.05 um"}, "pores are too many to be resolved"),
    ({"layer": "ssee"}, 'features[0].layer = "ssee" is no layer (did you mean "sse"?)'),
    ({"fill": "Li6PSCl"}, 'features[0].fill = "Li6PSCl" is no known material'),
    ({"electrons": "collector"}, "conducts no electrons"),
    ({"aspect": 0}, "features[0].aspect = 0: should be at least 0.1"),
    ({"center": "1 um"}, "unknown key"),
])  # fmt: skip
def test_refused(keys, words):
    assert words in message(PORES | keys)


# ---- meshes -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_mesh_holds_the_pores(kind, tmp_path):
    p, q = (0.08, 0.05) if kind != "box" else (0.03, 0.02)
    fillings = [PORES | {"porosity": p}, PORES | {"name": "grains", "porosity": q, "fill": "LiF", "aspect": 0.6}]
    case = make(*fillings, kind=kind, mesh={"interface_size": "1 um"})
    path = build_mesh(case, tmp_path)
    facts, mesh = describe_mesh(path, case), read_msh(path, case.geometry.dimension)
    whole = layer_volume(case)
    assert facts["regions"]["sse"]["volume"] == pytest.approx((1 - p - q) * whole, rel=5e-3)
    assert facts["regions"]["grains"]["volume"] == pytest.approx(q * whole, rel=0.02 if kind != "box" else 0.04)
    assert facts["boundaries"]["pores|sse"]["area"] > 0 and facts["interfaces"]["grains|sse"]["area"] > 0
    assert set(facts["boundaries"]) == set(boundary_names(case))
    assert set(mesh.cells) == {"anode", "sse", "grains"}
    for name, inside in (("sse", False), ("grains", True)):  # cells lie where they should
        middles = mesh.points[mesh.cells[name]].mean(axis=1)
        assert (within(case, "grains", middles) == inside).all() and not within(case, "pores", middles).any()
    assert facts["quality"]["min"] > (0.25 if kind != "box" else 0.02)


def within(case, name: str, points: np.ndarray) -> np.ndarray:
    axis, found = case.geometry.dimension - 1, np.zeros(len(points), bool)
    for pore in case.populations[name]:
        apart = points[:, :axis] - np.array(pore.center)
        scaled = (apart**2).sum(axis=1) / pore.radius**2 + ((points[:, axis] - 6.0 - pore.position) / pore.half_height) ** 2
        found |= scaled < 0.98
    return found


def test_fifty_pores_are_meshed_quickly(tmp_path):
    case = make(PORES | {"porosity": 0.25, "radius": "1.1 um"})
    assert len(case.populations["pores"]) >= 50
    start = time.perf_counter()
    facts = describe_mesh(build_mesh(case, tmp_path), case)
    assert time.perf_counter() - start < 20 and facts["cells"] < 30_000
    assert facts["regions"]["sse"]["volume"] == pytest.approx(0.75 * 800, rel=5e-3)
    assert picture(build_mesh(case, tmp_path), case, tmp_path / "p.png").stat().st_size > 10_000


def test_one_support_holds_for_all_walls():
    case = make(PORES, mechanics={"boundaries": {"pores|sse": "0.1 MPa"}})
    assert case.mechanics.support("pores|sse").pressure == pytest.approx(0.1)
    assert "there is no such boundary" in message(PORES, mechanics={"boundaries": {"pores|anode": "free"}})


def test_description_and_cautions():
    assert "pores, radius 1.4" in describe_case(make(PORES))
    assert any("rings" in line for line in cautions(make(PORES, kind="axisymmetric")))
    assert any("channels" in line for line in cautions(make(PORES)))


# ---- effective media ----------------------------------------------------------------------------------------------------


def test_effective_medium_by_hand():
    layers = porous(0, porosity=0.3, pore_uptake=0.25)
    dense, found = make().regions[0].material, make(layers=layers, mechanics={}).regions[0].material
    assert found.name == "Li-Al (porosity 0.3, uptake 0.25)" and found.role == "alloy"

    def ratio(name: str) -> float:
        return found.get(name).value / dense.get(name).value

    assert ratio("electronic_conductivity") == pytest.approx(0.585662, rel=1e-5)
    assert ratio("diffusivity") * ratio("maximum_concentration") == pytest.approx(0.585662, rel=1e-5)  # flux at one filling
    for name in ("maximum_concentration", "initial_concentration", "exchange_current_density"):
        assert ratio(name) == pytest.approx(0.7)
    assert ratio("youngs_modulus") == pytest.approx(0.49) and ratio("yield_stress") == pytest.approx(0.585662, rel=1e-5)
    assert ratio("partial_molar_volume") * ratio("maximum_concentration") == pytest.approx(0.75)  # swelling from empty to full
    assert found.get("equilibrium_potential").table == dense.get("equilibrium_potential").table
    assert ratio("poisson_ratio") == 1 and found.get("youngs_modulus").source.startswith("effective medium of Li-Al")


def test_creep_of_the_effective_medium():
    """rate = A0 (stress/reference)^n follows (1-p)^(-(3n+1)/2)."""
    layers = porous(0, material="Li", porosity=0.2)
    dense, found = make(layers=porous(0, material="Li")).regions[0].material, make(layers=layers).regions[0].material
    names = ("creep_rate", "creep_reference_stress", "creep_exponent")
    a, reference, n = (found.get(name).value / dense.get(name).value for name in names)
    exponent = dense.get("creep_exponent").value
    assert n == 1 and a * reference**-exponent == pytest.approx(0.8 ** (-(3 * exponent + 1) / 2))
    assert found.get("yield_stress").activation_energy == dense.get("yield_stress").activation_energy


def test_exponents_name_properties():
    assert set(EXPONENTS) <= set(PROPERTIES)


def test_media_are_their_own_group_and_read_back():
    layers = [*porous(0, porosity=0.3), {"name": "rest", "material": "Li-Al", "thickness": "5 um"}]
    layers = [layers[2], layers[0], layers[1]]
    case = make(layers=layers)
    assert [region.material.name for region in case.regions] == ["Li-Al", "Li-Al (porosity 0.3)", "Li6PS5Cl"]
    assert list(case.records) == ["Li-Al", "Li6PS5Cl"] and len(case.media) == 3
    resolved = case.resolved()
    assert make(layers=resolved["layers"]).media.keys() == case.media.keys()
    other = make(layers=[layers[0], layers[1] | {"porosity": 0.2}, layers[2]])
    assert case.hash != other.hash and mesh_hash(case) == mesh_hash(other)


def test_a_missing_property_is_asked_for_by_the_dense_name():
    materials = {"mine": {"role": "electrolyte", "law": "elastic", "title": "mine"}}
    found = message(layers=porous(1, material="mine", porosity=0.1), materials=materials)
    assert "materials.mine.ionic_conductivity: not known" in found and "porosity" not in found


@pytest.mark.parametrize(("number", "keys", "words"), [
    (0, {"porosity": 1.0}, "layers[0].porosity = 1.0: should be less than 1"),
    (0, {"pore_uptake": 0.2}, "layers[0].pore_uptake"),
    (1, {"porosity": 0.2, "pore_uptake": 0.2}, "layers[1].pore_uptake = 0.2: nothing swells"),
    (0, {"porosity": 0.2, "pore_uptake": 1.2}, "should be at most 1"),
])  # fmt: skip
def test_porosity_refused(number, keys, words):
    assert words in message(layers=porous(number, **keys), mechanics={})


def test_salt_passes_between_layers_of_one_porosity():
    peo = [tree()["layers"][0], *({"name": name, "material": "PEO", "thickness": "5 um", "porosity": porosity}
                                  for name, porosity in (("a", 0.2), ("b", 0.1)))]  # fmt: skip
    assert "give both one porosity" in message(layers=peo, counter="equipotential")
    peo[2]["porosity"] = 0.2
    assert make(layers=peo, counter="equipotential").regions[1].binary
