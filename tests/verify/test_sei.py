"""Growth of the reaction layer against closed forms: Wagner's law, an interlayer, branches, charge, volume."""

import numpy as np
import pytest
from cases import OMEGA, RT_F, F, R, T, build, current, last, layer, rows
from scipy.integrate import solve_ivp

V, SIGMA_E, SIGMA_I, RED, CONSUMED = 2.41e-5, 2.4e-10, 1e-3, 1.71, 1.8e-5  # m3/mol, S/m, S/m, V, m3/mol
DATA = {"sei_molar_volume": f"{V} m^3/mol", "sei_electronic_conductivity": f"{SIGMA_E} S/m",
        "sei_ionic_conductivity": f"{SIGMA_I} S/m", "sei_consumed_volume": f"{CONSUMED} m^3/mol", "reduction_potential": f"{RED} V"}  # fmt: skip
MESH = {"size": "5 um", "interface_size": "5 um"}
HOUR = 3600.0


def case(*protocol, layers=None, electrolyte=None, **more):
    sse = {"Li6PS5Cl": {"ionic_conductivity": "0.2 S/m"} | DATA | (electrolyte or {})}
    more["materials"] = sse | more.get("materials", {})
    layers = layers or [layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 10)]
    return build(layers, list(protocol), width=5, **({"sei": {}, "mesh": MESH} | more))


def rest(hours: float, **more) -> dict:
    return {"kind": "rest", "duration": f"{hours} h", "first_step": "1 s"} | more


def growth_constant(sigma: float = SIGMA_E, drive: float = RED) -> float:
    """k_p of thickness^2 = 2 k_p t, m2/s."""
    return V * sigma * drive / F


def column(table: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] for row in table])


def test_square_root_of_time_from_seconds_to_1000_h(tmp_path):
    """V23, with the constant of LPSCl, 1.01e-19 m2/s; 3.0 uAh/cm2/h^0.5; the lithium comes from the metal."""
    sigma = 1.01e-19 * F / (V * RED)
    hours = [1, 24, 168, 400, 1000]
    steps = [rest(b - a, first_step="1 s" if a == 0 else "1 h") for a, b in zip([0, *hours], hours)]
    table = rows(case(*steps, electrolyte={"sei_electronic_conductivity": f"{sigma} S/m"}), tmp_path)
    time, thickness, charge = (column(table, n) for n in ("time_s", "sei_mean_nm[li|sse]", "sei_charge_mAh_per_cm2"))
    assert time[0] == 1.0
    np.testing.assert_allclose(thickness, 1e9 * np.sqrt(2 * 1.01e-19 * time), rtol=2e-3)
    np.testing.assert_allclose(thickness[np.isin(time, HOUR * np.array(hours))], [27.0, 132, 350, 540, 854], rtol=4e-3)
    np.testing.assert_allclose(1e3 * charge[time >= HOUR], 3.0 * np.sqrt(time[time >= HOUR] / HOUR), rtol=6e-3)
    np.testing.assert_allclose(charge, 1e-9 * thickness * F / V / 36000, rtol=1e-9)
    np.testing.assert_allclose(column(table, "plated_thickness_um"), -1e-3 * thickness * OMEGA / V, rtol=1e-9)
    reservoir = column(table, "lithium_reservoir_mAh_per_cm2")
    np.testing.assert_allclose(reservoir + charge, 5e-6 * F / OMEGA / 36000, rtol=1e-9)
    assert len(table) < 100


def test_an_alloy_is_used_up_behind_a_film_in_few_steps(tmp_path):
    """`dd/dt = (V/F) (E_red - U)/(d/sigma_e + h/sigma_h)`, U of the alloy that gives the lithium. It diffuses so fast that rounding stops Newton."""
    h, sigma_h, sigma_e, hours = 50e-9, 1e-11, 5e-9, 30
    alloy = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "diffusivity": "1e-10 m^2/s",
             "maximum_concentration": "40e3 mol/m^3", "initial_concentration": "20e3 mol/m^3", "exchange_current_density": "100 A/m^2",
             "transfer_coefficient": 0.5, "equilibrium_potential": {"table": [[0, "0.6 V"], [1, "0.2 V"]]}}  # fmt: skip
    film = {"electronic_conductivity": f"{sigma_h} S/m", "reduction_potential": "0 V", "ionic_conductivity": "1e-4 S/m"}
    stack = [layer("alloy", "A", 3), layer("film", "LiF-rich", 0.05), layer("sse", "Li6PS5Cl", 10)]
    table = rows(case({"kind": "rest", "duration": f"{hours} h"}, layers=stack, materials={"A": alloy, "LiF-rich": film}, mesh={},
                      electrolyte={"sei_electronic_conductivity": f"{sigma_e} S/m"}), tmp_path)  # fmt: skip

    def rate(_, d):
        return V / F * (RED - 0.4 - 0.4 * d / (V * 3e-6 * 40e3)) / (d / sigma_e + h / sigma_h)

    exact = solve_ivp(rate, (0, hours * HOUR), [0.0], rtol=1e-9, atol=1e-16).y[0, -1]
    assert table[-1]["sei_mean_nm[alloy|film]"] == pytest.approx(1e9 * exact, rel=1e-4)
    assert len(table) < 40


@pytest.mark.parametrize("kind", ["plane", "axisymmetric"])
def test_interlayer_slows_it_by_its_resistance_for_electrons(tmp_path, kind):
    """V23: `t = (thickness^2/2 + thickness h sigma_e/sigma_h)/k_p`; the layer grows behind the film, on the electrolyte."""
    h, sigma_h = 0.2e-6, 1e-10
    film = {"electronic_conductivity": f"{sigma_h} S/m", "reduction_potential": "0 V"}
    stack = [layer("li", "Li", 5), layer("film", "LiF-rich", 0.2), layer("sse", "Li6PS5Cl", 10)]
    table = rows(case(rest(1000), layers=stack, materials={"LiF-rich": film}, kind=kind), tmp_path)
    d = 1e-9 * column(table, "sei_mean_nm[li|film]")
    np.testing.assert_allclose((d**2 / 2 + d * h * SIGMA_E / sigma_h) / growth_constant(), column(table, "time_s"), rtol=2e-3)


def test_mixed_conducting_products_grow_by_their_ionic_branch(tmp_path):
    """sigma_e far above sigma_i: the ionic branch sets the rate, the layer does not passivate, and the cell shows E_red."""
    sigma_i = 1e-8
    mixed = {"sei_electronic_conductivity": "1e-3 S/m", "sei_ionic_conductivity": f"{sigma_i} S/m"}
    table = rows(case(rest(10), electrolyte=mixed), tmp_path)
    thickness = column(table, "sei_mean_nm[li|sse]")
    np.testing.assert_allclose(thickness, 1e9 * np.sqrt(2 * growth_constant(sigma_i) * column(table, "time_s")), rtol=2e-3)
    assert table[-1]["cell_voltage_V"] == pytest.approx(RED, rel=1e-3)


def test_arrhenius(tmp_path):
    """The growth constant follows the activation energy, also where the protocol changes the temperature."""
    warm = {"kind": "temperature", "to": "333.15 K", "duration": "1 s"}
    electronic = {"value": f"{SIGMA_E} S/m", "activation_energy": "50 kJ/mol", "temperature": f"{T} K"}
    table = rows(case(warm, rest(10), electrolyte={"sei_electronic_conductivity": electronic}), tmp_path)
    start = table[[row["phase_kind"] for row in table].index("rest") - 1]
    squares = [(1e-9 * row["sei_mean_nm[li|sse]"]) ** 2 for row in (start, table[-1])]
    factor = np.exp(50e3 / R * (1 / T - 1 / 333.15))
    assert (squares[1] - squares[0]) / (2 * 10 * HOUR) == pytest.approx(factor * growth_constant(), rel=2e-3)


def test_film_resistance_enters_the_kinetics(tmp_path):
    """A layer of 1 um at 1e-3 S/m costs 10 ohm cm2, and grows on only a little in a second."""
    i = 10.0
    row = last(case(current(i), sei={"initial_thickness": "1 um"}), tmp_path)
    assert row["asr_film_ohm_cm2"] == pytest.approx(10, rel=1e-4)
    assert row["asr_ohm_cm2"] == pytest.approx(10 + 0.5 + 1e4 * 2 * RT_F / i * np.arcsinh(i / 640), rel=1e-4)


def test_current_spends_its_share(tmp_path):
    """`d(thickness)/dt = ... + f |i| V/F`: a tenth of 10 A/m^2 goes into the layer besides, whichever way it flows."""
    for i in (10.0, -10.0):
        fraction = {"sei_current_fraction": 0.1, "sei_electronic_conductivity": "1e-16 S/m"}
        row = last(case(current(i, 100, 4), electrolyte=fraction), tmp_path / str(i))
        assert row["sei_charge_mAh_per_cm2"] * 36000 == pytest.approx(0.1 * 10 * 100, rel=2e-3)
        assert row["plated_thickness_um"] == pytest.approx(-(i * 100 + 0.1 * 10 * 100) * OMEGA / F * 1e6, rel=2e-3)


def test_electrochemical_reduction_on_a_mixed_conductor(tmp_path):
    """Without lithium the same law takes electrons from the circuit: held at 1 V it passes the layer's charge, at 2 V none."""
    mixed = {"role": "mixed", "law": "elastic", "ionic_conductivity": "1 mS/cm", "electronic_conductivity": "1 S/cm",
             "exchange_current_density": "10 A/m^2"}  # fmt: skip
    stack = [layer("cu", "Cu", 2), layer("coat", "Coat", 2), layer("sse", "Li6PS5Cl", 10)]
    hold = {"kind": "voltage", "duration": "1 h", "first_step": "1 s"}
    for voltage, drive in ((1.0, RED - 1.0), (2.0, 0.0)):
        row = last(case(hold | {"value": f"{voltage} V"}, layers=stack, materials={"Coat": mixed}), tmp_path / str(voltage))
        d = row["sei_mean_nm[coat|sse]"] * 1e-9
        assert d == pytest.approx(np.sqrt(2 * growth_constant(drive=drive) * HOUR), rel=2e-3, abs=1e-12)
        assert row["areal_charge_mAh_per_cm2"] * 36000 == pytest.approx(-d * F / V, rel=1e-6, abs=1e-3)
        assert row["lithium_beyond_counter_mAh_per_cm2"] * 36000 == pytest.approx(-d * F / V, rel=1e-6, abs=1e-3)


def test_change_of_volume_moves_the_bodies(tmp_path):
    """The jump between the bodies: the layer, less the electrolyte and the lithium that it was."""
    elastic = [layer("li", "Li", 5, law="elastic"), layer("sse", "Li6PS5Cl", 10)]
    row = last(case(rest(100), layers=elastic, mechanics={}), tmp_path)
    d = row["sei_mean_nm[li|sse]"] * 1e-3
    assert row["collector_displacement_um"] == pytest.approx(d * (1 - CONSUMED / V - OMEGA / V), rel=1e-4)


def test_an_island_of_lithium_keeps_its_charge_at_rest(tmp_path):
    """Lithium that floats in the electrolyte and reacts under 5 MPa for an hour: the rounding of its potential, some mV times 1e7 S/m,
    covers in single rows what little current flows; its sum is balanced all the same."""
    pore = {"kind": "pore", "name": "p", "layer": "sse", "center": "0 um", "position": "12 um", "radius": "2 um", "fill": "Li"}
    press = {"kind": "pressure", "to": "5 MPa", "duration": "1 s"}
    case = build([layer("li", "Li", 2, law="elastic"), layer("sse", "Li6PS5Cl", 24)], [press, {"kind": "rest", "duration": "1 h"}], width=12,
                 features=[pore], mechanics={}, sei={}, mesh={"refinement": 0.6})
    found = rows(case, tmp_path)
    assert found[-1]["time_s"] == pytest.approx(3601)
    assert found[-1]["sei_mean_nm[p|sse]"] == pytest.approx(found[-1]["sei_mean_nm[li|sse]"], rel=2e-2)


def test_an_island_of_lithium_is_balanced_at_rest_after_a_current(tmp_path):
    """The measure of charge is the current before: 1e-11 of it left the island unbalanced by more than the audit allows at rest."""
    pore = {"kind": "pore", "name": "p", "layer": "sse", "center": "0 um", "position": "10 um", "radius": "2 um", "fill": "Li"}
    protocol = [{"kind": "current", "value": "10 A/m^2", "duration": "600 s"}, {"kind": "rest", "duration": "100 h"}]
    case = build([layer("li", "Li", 8), layer("sse", "E", 20)], protocol, width=10, kind="axisymmetric", features=[pore], sei={},
                 materials={"E": {"like": "Li6PS5Cl", "sei_electronic_conductivity": "2.4e-8 S/m"}})
    found = rows(case, tmp_path)
    assert found[-1]["sei_mean_nm[p|sse]"] == pytest.approx(found[-1]["sei_mean_nm[li|sse]"], rel=1e-3)
    lithium = [row["lithium_dead_mAh_per_cm2"] + row["lithium_in_sei_mAh_per_cm2"] + row["lithium_reservoir_mAh_per_cm2"] for row in found]
    assert lithium[-1] == pytest.approx(lithium[0] - 10 * (600 - found[0]["time_s"]) / 36000, rel=1e-9)
