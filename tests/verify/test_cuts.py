"""Areal resistances between two regions that conduct alike: the potential jumps by the current times the resistance."""

import math

import numpy as np
import pytest
import pyvista
from cases import KAPPA, RT_F, build, current, last, layer, rest
from test_eis import bulk, spectrum, transfer
from test_mixed import R1, R2, SIGMA_E, SIGMA_I, cell

from interfem.case import parse_case
from interfem.cuts import _sides
from interfem.run import run

KINETICS = {"exchange_current_density": "100 A/m^2"}
STACK = [layer("li", "Li", 5), layer("a", "Li6PS5Cl", 20), layer("b", "Li6PS5Cl", 30)]


def resisting(ohm_cm2: float, **more) -> dict:
    return {"ionic_resistance": f"{ohm_cm2} ohm*cm^2"} | more


@pytest.mark.parametrize("degree", [1, 2])
@pytest.mark.parametrize("kind", ["plane", "axisymmetric", "box"])
def test_two_electrolytes_in_series(tmp_path, kind, degree):
    """`V = i (L/kappa + R) + eta`, and the part of R is that of films."""
    depth = {"depth": "10 um"} if kind == "box" else {}
    case = build(STACK, [current(-50)], 10, kind, geometry=depth, interfaces={"li|a": KINETICS, "a|b": resisting(20)}, solver={"potential_degree": degree},
                 mesh={"size": "5 um"})  # fmt: skip
    row = last(case, tmp_path)
    assert row["cell_voltage_V"] == pytest.approx(-50 * (50e-6 / KAPPA + 20e-4) - 2 * RT_F * math.asinh(50 / 200), rel=1e-7)
    assert row["asr_film_ohm_cm2"] == pytest.approx(20, rel=1e-7)
    assert row["asr_constriction_ohm_cm2"] == pytest.approx(0, abs=1e-6)


def test_resolved_and_unresolved_layer_agree_beside_a_contact(tmp_path):
    """A layer of 50 nm and 5 ohm cm2 between two electrolytes, 3 um from a stripe of contact: as meshed, and as areal resistance."""
    patch = {"kind": "patch", "outer": "5 um", "interface": "li|a"}
    mesh, near, far = {"rim_size": "0.02 um"}, layer("a", "Li6PS5Cl", 3), layer("b", "Li6PS5Cl", 30)
    meshed = build([STACK[0], near, layer("film", "Li3N", 0.05), far], [current(-50)], 20, materials={"Li3N": {"ionic_conductivity": "1e-4 S/m"}},
                   interfaces={"li|a": KINETICS}, features=[patch], mesh=mesh)  # fmt: skip
    lumped = build([STACK[0], near, far], [current(-50)], 20, interfaces={"li|a": KINETICS, "a|b": resisting(5)}, features=[patch], mesh=mesh)
    plain = build([STACK[0], near, far], [current(-50)], 20, interfaces={"li|a": KINETICS}, features=[patch], mesh=mesh)
    first, second, third = (last(case, tmp_path) for case in (meshed, lumped, plain))
    assert first["asr_ohm_cm2"] == pytest.approx(second["asr_ohm_cm2"], rel=1e-3)
    assert second["asr_ohm_cm2"] - third["asr_ohm_cm2"] > 5.01  # least power: more than where the current is even


def test_resistance_to_electrons(tmp_path):
    """Between two pieces of lithium the drop is i R."""
    stack = [layer("foil", "Li", 5), layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)]
    case = build(stack, [current(-50)], 10, interfaces={"li|sse": KINETICS, "foil|li": {"electronic_resistance": "3 ohm*cm^2"}})
    row = last(case, tmp_path)
    assert row["cell_voltage_V"] == pytest.approx(-50 * (20e-6 / KAPPA + 3e-4) - 2 * RT_F * math.asinh(50 / 200), rel=1e-6)
    assert row["asr_film_ohm_cm2"] == pytest.approx(3, rel=1e-7)


def test_paths_through_a_mixed_conductor(tmp_path):
    """V24 with R to ions on the way to one face, and to electrons on the way to the other: both count like the layer's own."""
    case = cell(5, cc={"electronic_resistance": "7 ohm*cm^2"})
    case = parse_case(case.input | {"interfaces": case.input["interfaces"] | {"film|sse": case.input["interfaces"]["film|sse"] | resisting(12)}})
    row, of_film = last(case, tmp_path), 5e-4
    exact = (R1 + of_film / SIGMA_E + 7) / (R1 + R2 + of_film * (1 / SIGMA_E + 1 / SIGMA_I) + 7 + 12)
    assert row["current_density[cu|film]_A_per_m2"] / -10.0 == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("capacitance", [None, 2.0])
def test_arc_of_an_interface_between_electrolytes(tmp_path, capacitance):
    """Z = L/kappa + R_ct + R/(1 + i w R C)."""
    more = {"ionic_capacitance": f"{capacitance} uF/cm^2"} if capacitance else {}
    case = build(STACK, [rest()], interfaces={"li|a": {"exchange_current_density": "10 A/m^2"}, "a|b": resisting(20, **more)}, mesh={"size": "5 um"})
    omega, z, record = spectrum(case, tmp_path)
    arc = 20 / (1 + 1j * omega * 20 * (capacitance or 0.0) * 1e-6)
    np.testing.assert_allclose(z, bulk(50) + transfer(0.0) + arc, rtol=1e-6)
    assert record["capacitances"]["a|b"] == {"ionic_capacitance_uF_per_cm2": capacitance or 0.0}


def test_fields_have_a_value_on_each_side(tmp_path):
    """Points of the shared face are written twice; the potential between them jumps by i R, and nothing else does."""
    case = build(STACK, [current(-50)], 10, interfaces={"li|a": KINETICS, "a|b": resisting(20)}, mesh={"size": "5 um"}, mechanics={})
    assert run(case, tmp_path).status == "completed"
    grid = pyvista.read(sorted((tmp_path / "fields").glob("electrolyte*.pvtu"))[-1])
    on = np.flatnonzero(np.isclose(grid.points[:, 1], 25))
    values = {}
    for point in on:
        values.setdefault(round(float(grid.points[point, 0]), 9), []).append(point)
    assert len(values) > 2 and all(len(pair) == 2 for pair in values.values())
    for a, b in values.values():
        assert abs(grid["potential_V"][a] - grid["potential_V"][b]) == pytest.approx(50 * 20e-4, rel=1e-6)
        np.testing.assert_allclose(grid["displacement_um"][a], grid["displacement_um"][b], atol=1e-15)


def test_sides_where_three_regions_meet():
    """Two cut regions that a third joins share one value; where none joins them they have two."""
    present = np.array([[True, True, False], [True, True, True], [False, True, True], [True, False, False]])
    np.testing.assert_array_equal(_sides(present, ((0, 1),)), [[0, 1, 0], [0, 0, 0], [0, 0, 0], [0, 0, 0]])
    np.testing.assert_array_equal(_sides(present, ((0, 1), (1, 2)))[1], [0, 1, 0])
    assert _sides(present[:0], ((0, 1),)).shape == (0, 3)
