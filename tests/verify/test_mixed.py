"""Mixed conductors: both faces compete for the lithium (V24); a store that fills up hands over to plating."""

import pytest

from cases import build, current, last, layer, rows

R1, R2 = 5.0, 1.0  # ohm cm2, at the electrolyte's and at the collector's face
SIGMA_I, SIGMA_E = 1e-5, 1e-2  # S/cm
# L in um: fraction of the current at the collector's face, ohm cm2 of the layer with both faces
V24 = {0.5: (0.4548, 2.73), 1: (0.3129, 3.44), 5: (0.0901, 4.60), 10: (0.0481, 4.86), 20: (0.0252, 5.07), 50: (0.0109, 5.44)}
MIXED = {"role": "mixed", "law": "elastic", "ionic_conductivity": f"{SIGMA_I} S/cm", "electronic_conductivity": f"{SIGMA_E} S/cm",
         "youngs_modulus": "10 GPa", "poisson_ratio": 0.3}


def linear(z: float, **more) -> dict:
    return {"kinetics": "linear", "resistance": f"{z} ohm*cm^2"} | more


def cell(thickness: float, i: float = -10.0, film: dict = MIXED, cc: dict | None = None, protocol: list | None = None, **more):
    """Cu | mixed layer | electrolyte that ends as counter electrode."""
    layers = [layer("cu", "Cu", 2), layer("film", "film", thickness), layer("sse", "Li6PS5Cl", 10)]
    return build(layers, protocol or [current(i)], width=2.0, materials={"film": film},
                 interfaces={"cu|film": linear(R2, **(cc or {})), "film|sse": linear(R1)}, **more)


@pytest.mark.parametrize("thickness", V24)
def test_v24_the_split_between_the_faces(thickness, tmp_path):
    row = last(cell(thickness), tmp_path)
    fraction, asr = V24[thickness]
    exact = (R1 + 1e-4 * thickness / SIGMA_E) / (R1 + R2 + 1e-4 * thickness * (1 / SIGMA_E + 1 / SIGMA_I))
    assert row["current_density[cu|film]_A_per_m2"] / -10.0 == pytest.approx(exact, rel=1e-3)
    assert exact == pytest.approx(fraction, abs=1e-4)
    assert row["asr_ohm_cm2"] - 10e-6 / 0.2 * 1e4 == pytest.approx(asr, abs=0.006)


def test_v24_nucleation_shifts_the_split(tmp_path):
    """f = [R1 + L/sigma_e + (E2 - E1)/|i|]/(R1 + R2 + L/sigma_e + L/sigma_i)."""
    row = last(cell(10, cc={"equilibrium_potential": "20 mV"}), tmp_path)
    series = R1 + R2 + 1e-3 * (1 / SIGMA_E + 1 / SIGMA_I)
    exact = (R1 + 1e-3 / SIGMA_E + 20e-3 / 1e-3) / series
    assert row["current_density[cu|film]_A_per_m2"] / -10.0 == pytest.approx(exact, rel=1e-3)


def test_plating_at_both_faces_lifts_the_collector(tmp_path):
    """Three bodies: what is plated at either face adds up to the displacement of the collector; nothing is stressed."""
    case = cell(10, protocol=[current(-10.0, 3600.0, 4)], mechanics={})
    row = last(case, tmp_path)
    assert row["plated_thickness_um"] == pytest.approx(4.8505, rel=1e-4)
    assert row["collector_displacement_um"] == pytest.approx(4.8505, rel=1e-4)
    assert abs(row["interface_max_pressure_MPa"]) < 1e-6


STORING = MIXED | {"ionic_conductivity": "1e-3 S/cm", "maximum_concentration": "20000 mol/m^3", "initial_concentration": "200 mol/m^3",
                   "storage_exchange_current_density": "10 A/m^2", "specific_area": "1e6 1/m",
                   "equilibrium_potential": {"table": [[0.0, "0.3 V"], [0.3, "0.12 V"], [1.0, "0.08 V"]]}}  # fmt: skip
FULL = 96485.33212 * 20000 * 5e-6  # C/m2 held by 5 um


def test_a_full_store_hands_over_to_plating_and_gives_back(tmp_path):
    i = 10.0
    time = 0.8 * FULL / i
    back = {"kind": "current", "value": "10 A/m^2", "duration": f"{1.7 * time} s", "until_voltage_above": "0.25 V"}
    protocol = [current(-i, time, 40), current(-i, time, 40), back]
    found = rows(cell(5, film=STORING, protocol=protocol), tmp_path)
    at = {phase: [r for r in found if r["phase"] == phase] for phase in (0, 1, 2)}
    held = {phase: FULL * (r[-1]["li_fraction_mean[film]"] - 0.01) for phase, r in at.items()}
    plated = {phase: r[-1]["plated_thickness_um"] * 1e-6 / 1.3e-5 * 96485.33212 for phase, r in at.items()}
    for phase, passed in ((0, i * time), (1, 2 * i * time)):  # every charge is stored or plated
        assert held[phase] + plated[phase] == pytest.approx(passed, rel=1e-6)
    assert plated[0] < 0.01 * FULL  # the store comes first
    assert at[1][-1]["li_fraction_max[film]"] < 1.0 and at[1][-1]["li_fraction_min[film]"] > 0.98
    assert plated[1] > 0.55 * FULL
    voltages = [r["cell_voltage_V"] for r in at[1]]
    assert max(abs(a - b) for a, b in zip(voltages, voltages[1:])) < 0.05  # the switch is smooth
    assert plated[2] == pytest.approx(0.0, abs=1e-3 * FULL)  # the plated lithium is stripped first, then the store
    assert held[2] < 0.5 * FULL


@pytest.mark.parametrize("film", [MIXED, STORING], ids=["deposit", "store"])
def test_nothing_left_to_strip_is_an_event(film, tmp_path):
    """Plated or stored for 60 s, then stripped for longer: the run ends by name when as much has been taken back."""
    from interfem.run import run

    case = cell(5, film=film, protocol=[current(-10.0, 60.0, 10), {"kind": "current", "value": "10 A/m^2", "duration": "300 s"}])
    result = run(case, tmp_path)
    assert (result.status, result.event) == ("stopped", "lithium_exhausted")
    start = 0.01 * FULL if film is STORING else 0.0  # what the store held at first
    assert result.last("time_s") == pytest.approx(120 + start / 10, rel=0.02)


def test_an_empty_store_on_lithium_is_filled_from_the_first_step_on(tmp_path):
    """0.9 V off its equilibrium, where Newton gains RT/(alpha F) in an iteration: what lithium gives is what is stored."""
    layers = [layer("li", "Li", 10), layer("film", "Ag-C", 20), layer("sse", "Li6PS5Cl", 10)]
    row = rows(build(layers, [{"kind": "rest", "duration": "0.2 s", "first_step": "0.1 s"}], width=2.0), tmp_path)[-1]
    before, given = (96485.33212 / 36000 * x for x in (200 * 20e-6, -float(row["plated_thickness_um"]) * 1e-6 / 1.3e-5))  # mAh/cm2
    assert given > 1e-3
    assert float(row["lithium_alloyed_mAh_per_cm2"]) - before == pytest.approx(given, rel=1e-6)


def test_pressure_on_a_store_is_no_overpotential(tmp_path):
    """Lithium in a pressed store rests at `U - Omega_c p/F`, p = p_c (1 + nu)/(3 (1 - nu)): none of it is overpotential or resistance."""
    store = MIXED | {"maximum_concentration": "20000 mol/m^3", "initial_concentration": "10000 mol/m^3", "equilibrium_potential": "0.2 V",
                     "partial_molar_volume": "8e-6 m^3/mol", "storage_exchange_current_density": "1 mA/cm^2", "specific_area": "10 1/um",
                     "diffusivity": "1e-12 m^2/s"}  # fmt: skip
    press = {"kind": "pressure", "to": "200 MPa", "duration": "1 s", "first_step": "0.5 s", "max_step": "0.5 s"}
    found = rows(cell(5, film=store, protocol=[press, current(-10, 0.01, 2)], mechanics={}), tmp_path)
    resting, flowing = found[1], found[-1]
    assert resting["cell_voltage_V"] == pytest.approx(0.2 - 8e-6 * 200e6 * 1.3 / (3 * 0.7) / 96485.33, abs=1e-6)
    assert resting["overpotential_V"] == pytest.approx(0, abs=1e-6)
    assert flowing["cell_voltage_V"] - flowing["overpotential_V"] == pytest.approx(resting["cell_voltage_V"], abs=1e-5)
    parts = [value for name, value in flowing.items() if name.startswith("asr_") and name != "asr_ohm_cm2"]
    assert flowing["asr_ohm_cm2"] == pytest.approx(sum(parts), rel=1e-3) and abs(flowing["asr_pressure_ohm_cm2"]) < 0.01
