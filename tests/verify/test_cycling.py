"""Protocols and cycles: what was asked for flows, charges add up, and the table of cycles agrees with them.

Serially, and on any number of ranks (`mpirun -n 2 python -m pytest tests/verify/test_cycling.py`).
"""

import csv
import json
import math

import numpy as np
import pytest
from cases import KAPPA, OMEGA, F, build, current, layer, rest, rows
from interfem.mpi import world

LI, SSE = layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)
LINEAR = {"kinetics": "linear", "resistance": "1 ohm*cm^2"}
COARSE = {"size": "5 um", "interface_size": "5 um"}
MAH = 36000.0  # C/m^2 in 1 mAh/cm^2


@pytest.fixture
def folder(tmp_path):
    """One folder for all ranks."""
    return world().bcast(tmp_path)


def cell(layers: list[dict], protocol: list[dict], **more):
    return build(layers, protocol, 10, mesh=COARSE, **more)


def symmetric(protocol: list[dict], **more):
    """Li | SSE | Li with linear kinetics: the voltage is `i (L/kappa + 2 Z)`."""
    return cell([LI, SSE, layer("rear", "Li", 5)], protocol, interfaces={"li|sse": LINEAR, "sse|rear": LINEAR}, **more)


RESISTANCE = 20e-6 / KAPPA + 2e-4  # ohm m^2, of the symmetric cell


def cycles_of(folder) -> list[dict]:
    with open(folder / "cycles.csv", newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    return [{key: text if key.endswith("_by") else float(text or "nan") for key, text in row.items()} for row in table]


def column(found: list[dict], name: str) -> np.ndarray:
    return np.array([row[name] if row[name] is not None else math.nan for row in found])


# ---- loads ------------------------------------------------------------------------------------------------------------


def test_ramp_through_zero(folder):
    """Each step passes the current asked for at its end; one ends at the change of sign; charge is that of two triangles."""
    step = {"kind": "ramp", "from": "-10 A/m^2", "to": "30 A/m^2", "duration": "100 s"}
    found = rows(symmetric([step]), folder)
    time, density = column(found, "time_s"), column(found, "current_density_A_per_m2")
    assert density == pytest.approx(-10 + 0.4 * time, abs=1e-7)
    assert column(found, "cell_voltage_V") == pytest.approx(density * RESISTANCE, abs=1e-9)
    assert any(time == pytest.approx(25, abs=1e-9) for time in time)
    charge = -10 * time + 0.2 * time**2
    assert column(found, "areal_charge_mAh_per_cm2") * MAH == pytest.approx(charge, abs=2e-6 * 1000)
    plated = -OMEGA / F * column(found, "areal_charge_mAh_per_cm2") * MAH * 1e6
    assert column(found, "plated_thickness_um") == pytest.approx(plated, abs=1e-12)
    (row,) = cycles_of(folder)
    assert row["plated_mAh_per_cm2"] * MAH == pytest.approx(125, abs=2e-3)
    assert row["stripped_mAh_per_cm2"] * MAH == pytest.approx(1125, abs=2e-3)
    assert row["coulombic_efficiency"] == pytest.approx(9, rel=2e-5)


POINTS = [(0, 0), (10, 8), (10.0005, -4), (40, -4), (50, 6)]  # s, A/m^2; a jump in half a millisecond


def profile(path, points=POINTS, **more) -> dict:
    if world().rank == 0:
        path.write_text("time [min],current density [mA/cm^2]\n" + "".join(f"{t / 60!r},{i / 10!r}\n" for t, i in points))
    world().barrier()
    return {"kind": "profile", "file": str(path)} | more


def test_profile_keeps_to_its_kinks(folder):
    """Linear between the rows: a step ends at each row and each change of sign, and passes what the table says there."""
    found = rows(symmetric([profile(folder / "p.csv")]), folder / "run")
    time, density = column(found, "time_s"), column(found, "current_density_A_per_m2")
    times, values = np.array(POINTS).T
    assert density == pytest.approx(np.interp(time, times, values), abs=2e-5)  # 24 A/(m^2 ms) in the jump
    for knot in (*times[1:], 10 + 0.0005 * 8 / 12, 44):
        assert np.abs(time - knot).min() < 1e-9
    assert found[-1]["areal_charge_mAh_per_cm2"] * MAH == pytest.approx(np.trapezoid(values, times), abs=0.01)
    assert json.loads((folder / "run" / "run.json").read_text())["case"]["protocol"][0]["points"].startswith("time [min],")


def test_profile_of_constant_pieces(folder):
    """Each row holds until the next: charge to round-off, as many halves as signs."""
    step = profile(folder / "p.csv", [(0, 5), (10, -3), (30, 4), (35, 0), (40, 0)], interpolation="step")
    found = rows(symmetric([step]), folder / "run")
    time, density = column(found, "time_s"), column(found, "current_density_A_per_m2")
    assert density == pytest.approx(np.select([time <= 10 + 1e-9, time <= 30 + 1e-9, time <= 35 + 1e-9], [5, -3, 4], 0), abs=1e-8)
    first, second = cycles_of(folder / "run")
    assert [first["stripped_mAh_per_cm2"] * MAH, first["plated_mAh_per_cm2"] * MAH] == pytest.approx([50, 60], rel=1e-9)
    assert second["stripped_mAh_per_cm2"] * MAH == pytest.approx(20, rel=1e-9) and math.isnan(second["coulombic_efficiency"])


def test_temperature_ramp(folder):
    """Linear, with no net current, and kept by what follows: conduction is activated."""
    hot = {"kind": "temperature", "to": "333.15 K", "duration": "10 s"}
    material = {"ionic_conductivity": {"value": f"{KAPPA} S/m", "temperature": "298.15 K", "activation_energy": "0.35 eV"}}
    found = rows(symmetric([current(10), hot, current(10)], materials={"Li6PS5Cl": material}), folder)
    heating = [row for row in found if row["phase"] == 1]
    assert column(heating, "temperature_K") == pytest.approx(298.15 + 3.5 * (column(heating, "time_s") - 1), abs=1e-9)
    assert column(heating, "current_density_A_per_m2") == pytest.approx(0, abs=1e-9)
    assert found[-1]["temperature_K"] == pytest.approx(333.15)
    kappa = KAPPA * math.exp(-0.35 * F / 8.314462618 * (1 / 333.15 - 1 / 298.15))
    assert found[0]["cell_voltage_V"] == pytest.approx(10 * RESISTANCE, rel=1e-7)
    assert found[-1]["cell_voltage_V"] == pytest.approx(10 * (20e-6 / kappa + 2e-4), rel=1e-6)


def test_staircase(folder):
    """Half cycles at rising currents, the same charge in each."""
    step = {"kind": "staircase", "start": "-5 A/m^2", "increment": "-5 A/m^2", "times": 3, "areal_charge": "0.001 mAh/cm^2",
            "rest": "2 s"}  # fmt: skip
    found = rows(symmetric([step]), folder)
    ends = [row for row, after in zip(found, [*found[1:], {"phase": -1}]) if after["phase"] != row["phase"]]
    assert column(ends, "current_density_A_per_m2") == pytest.approx([-5, 0, 5, 0, -10, 0, 10, 0, -15, 0, 15, 0], abs=1e-8)
    table = cycles_of(folder)
    for row in table:
        assert row["stripped_mAh_per_cm2"] == pytest.approx(0.001, rel=1e-9)
        assert row["coulombic_efficiency"] == pytest.approx(1, abs=1e-9)
        assert row["max_overpotential_V"] == pytest.approx(5 * row["cycle"] * RESISTANCE, rel=1e-6)
    assert len(table) == 3


# ---- cycles -----------------------------------------------------------------------------------------------------------


def test_symmetric_cell(folder):
    """Li | SSE | Li: all that is stripped is plated again, at opposite voltages."""
    steps = [current(10, 30), rest(2), current(-10, 30), rest(2)]
    found = rows(symmetric([{"kind": "repeat", "times": 3, "steps": steps}]), folder)
    for number, row in enumerate(cycles_of(folder), 1):
        assert row["cycle"] == number and [row["start_s"], row["end_s"]] == pytest.approx([64 * number - 64, 64 * number - 2])
        assert row["coulombic_efficiency"] == pytest.approx(1, abs=1e-9)
        assert row["stripped_mAh_per_cm2"] * MAH == pytest.approx(300, rel=1e-9)
        voltages = [row["stripping_mean_voltage_V"], row["plating_mean_voltage_V"]]
        assert voltages == pytest.approx([10 * RESISTANCE, -10 * RESISTANCE])
        assert row["stripping_energy_mWh_per_cm2"] == pytest.approx(row["plating_energy_mWh_per_cm2"])
        assert row["stripping_ended_by"] == row["plating_ended_by"] == "charge" and math.isnan(row["energy_efficiency"])
    assert found[-1]["coulombic_efficiency"] == pytest.approx(1, abs=1e-9) and found[-1]["cycle"] == number == 3
    halfway = next(row for row in found if row["phase"] == 4)  # stripping of the second cycle
    assert halfway["cycle"] == 2 and halfway["coulombic_efficiency"] is None and halfway["plated_mAh_per_cm2"] == 0


C_MAX, C_0 = 4e4, 2e4  # mol/m^3, of an alloy whose potential falls linearly with its filling, U = 0.4 V (1 - x)


def alloy(thickness: float, diffusivity: float, protocol: list[dict]):
    """A | SSE with linear kinetics at the alloy; thickness in um, diffusivity in m^2/s."""
    material = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "diffusivity": f"{diffusivity} m^2/s",
                "maximum_concentration": f"{C_MAX} mol/m^3", "initial_concentration": f"{C_0} mol/m^3",
                "equilibrium_potential": {"unit": "V", "table": [[0, 0.4], [1, 0.0]]}}  # fmt: skip
    return cell([layer("alloy", "A", thickness), SSE], protocol, materials={"A": material}, interfaces={"alloy|sse": LINEAR})


ALLOY_RESISTANCE = 20e-6 / KAPPA + 1e-4  # ohm m^2


def taken(row: dict, thickness: float) -> float:
    """Lithium that the alloy has taken since the start, C/m^2."""
    return (row["li_fraction_mean[A]"] * C_MAX - C_0) * thickness * 1e-6 * F


def test_alloy_with_voltage_limit(folder):
    """Lithiation by a charge, delithiation to the voltage of x = 0.55: its efficiency is that of the lithium lost again."""
    limit = 0.4 * 0.45 + 10 * ALLOY_RESISTANCE
    out = {"kind": "current", "value": "10 A/m^2", "duration": "1000 s", "until_voltage_above": f"{limit} V"}
    found = rows(alloy(0.5, 1e-10, [current(-10, 40), rest(5), out]), folder)
    lithiated, end = [row for row in found if row["phase"] == 0][-1], found[-1]
    (row,) = cycles_of(folder)
    assert row["plated_mAh_per_cm2"] * MAH == pytest.approx(400, rel=1e-9)
    assert taken(lithiated, 0.5) == pytest.approx(400, rel=1e-8)
    lost = 1 - taken(end, 0.5) / taken(lithiated, 0.5)
    assert row["coulombic_efficiency"] == pytest.approx(lost, rel=1e-7)
    assert row["coulombic_efficiency"] == pytest.approx(1 - 0.05 * C_MAX * 0.5e-6 * F / 400, abs=2e-3)
    assert row["coulombic_efficiency"] == pytest.approx(10 * (end["time_s"] - 45) / 400, rel=1e-9)
    assert (row["plating_ended_by"], row["stripping_ended_by"]) == ("charge", "voltage_reached")
    assert row["energy_efficiency"] == pytest.approx(-row["plating_energy_mWh_per_cm2"] / row["stripping_energy_mWh_per_cm2"])


def test_taper(folder):
    """Constant current, then constant voltage until the current has tapered: the alloy's diffusion sets the pace.

    With linear kinetics `V = U(x) + i R` throughout; charge is the lithium that the alloy took, while the current falls.
    """
    cc = {"kind": "current", "value": "-2 A/m^2", "duration": "2000 s", "until_voltage_below": "0.18 V"}
    cv = {"kind": "voltage", "value": "0.18 V", "duration": "1 h", "until_current_below": "0.2 A/m^2"}
    found = rows(alloy(2, 1e-14, [cc, cv, rest(5), current(2, 50)]), folder)
    tapering = [row for row in found if row["phase"] == 1]
    assert [row for row in found if row["phase"] == 0][-1]["cell_voltage_V"] == pytest.approx(0.18, abs=1e-5)
    density = column(tapering, "current_density_A_per_m2")
    assert (np.diff(density) > 0).all() and density[-1] == pytest.approx(-0.2, rel=1.1e-4)
    assert column(tapering, "cell_voltage_V") == pytest.approx(0.18, abs=1e-12)
    assert tapering[-1]["time_s"] - tapering[0]["time_s"] < 3600 and found[-1]["phase"] == 3
    for row in tapering:
        surface = 0.4 * (1 - row["li_fraction_max[A]"])
        assert surface + row["current_density_A_per_m2"] * ALLOY_RESISTANCE == pytest.approx(0.18, abs=1e-5)
        assert -row["areal_charge_mAh_per_cm2"] * MAH == pytest.approx(taken(row, 2), rel=1e-7)
    (row,) = cycles_of(folder)
    assert row["plating_ended_by"] == "current_reached" and row["stripping_ended_by"] == "charge"
    assert row["coulombic_efficiency"] == pytest.approx(100 / (row["plated_mAh_per_cm2"] * MAH), rel=1e-9)


def test_run_that_ends_early_keeps_its_cycles(folder):
    """Stopped by a limit in the third half: two rows, the second one without an efficiency, ended by the event."""
    limits = {"voltage_above": f"{15 * RESISTANCE:.9g} V"}
    ramp = {"kind": "ramp", "from": "0 A/m^2", "to": "20 A/m^2", "duration": "20 s"}
    rows(symmetric([current(10, 5), current(-10, 5), ramp], limits=limits), folder)
    assert json.loads((folder / "run.json").read_text())["event"] == "voltage_limit"
    first, second = cycles_of(folder)
    assert first["coulombic_efficiency"] == pytest.approx(1, abs=1e-9)
    assert second["stripping_ended_by"] == "voltage_limit" and math.isnan(second["coulombic_efficiency"])
    assert second["stripped_mAh_per_cm2"] * MAH == pytest.approx(0.5 * 15**2, rel=1e-3)


@pytest.mark.parametrize("limit, ends", [(10, False), (50, True)])
def test_taper_after_rest(folder, limit, ends):
    """No current flows before a voltage step: that is no taper. A current below the limit from the first on is."""
    step = {"kind": "voltage", "value": "10 mV", "duration": "20 s", "until_current_below": f"{limit} A/m^2"}
    found = rows(symmetric([rest(2), step]), folder)
    assert found[-1]["current_density_A_per_m2"] == pytest.approx(0.01 / RESISTANCE, rel=1e-6)
    assert found[-1]["time_s"] == pytest.approx(2.02 if ends else 22)
    assert cycles_of(folder)[0]["stripping_ended_by"] == ("current_reached" if ends else "time")
