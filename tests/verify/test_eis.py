"""Impedance through case files: a case goes in, impedance.csv comes out; closed forms, and the resistance of steady runs."""

import csv
import json
import math

import numpy as np
import pytest
from cases import KAPPA, RT_F, R, F, T, build, current, last, layer, rest, um

from interfem.cli import main
from interfem.eis import eis, frequencies
from interfem.observe.record import case_of_run
from interfem.run import run

C, C_FILM, R_FILM = 10e-6, 1e-6, 5.0  # F/cm2, F/cm2, ohm cm2
I0 = 10.0  # A/m2
PLAIN = {"exchange_current_density": f"{I0} A/m^2"}
DOUBLE = PLAIN | {"capacitance": "10 uF/cm^2"}
FILM = DOUBLE | {"film_resistance": f"{R_FILM} ohm*cm^2", "film_capacitance": "1 uF/cm^2"}
COARSE = {"size": um(5), "interface_size": um(2)}


def spectrum(case, folder, start=1e6, end=1e-3, points=2) -> tuple[np.ndarray, np.ndarray, dict]:
    """(angular frequency, Z in ohm cm2, eis.json) about the end of the case's protocol."""
    result = run(case, folder)
    assert result.status == "completed", result.reason
    eis(folder, frequencies(start, end, points))
    with open(folder / "impedance.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    z = np.array([complex(float(row["z_real_ohm_cm2"]), float(row["z_imag_ohm_cm2"])) for row in rows])
    np.testing.assert_allclose(np.abs(z), [float(row["magnitude"]) for row in rows], rtol=1e-9)
    return 2 * np.pi * np.array([float(row["frequency_Hz"]) for row in rows]), z, json.loads((folder / "eis.json").read_text())


def transfer(i: float, i0: float = I0) -> float:
    """Tangent of Butler-Volmer kinetics with alpha = 1/2 at a current density (A/m^2), ohm cm2."""
    return 1e4 * RT_F / math.hypot(i0, i / 2)


def arc(omega, i: float = 0.0, c: float = C, film: float = 0.0, i0: float = I0):
    """Charge transfer beside a double layer, with a film beside its own capacitance, ohm cm2."""
    return 1 / (1 / transfer(i, i0) + 1j * omega * c) + film / (1 + 1j * omega * film * C_FILM)


def bulk(thickness: float) -> float:
    """Of the electrolyte, um -> ohm cm2."""
    return 1e4 * thickness * 1e-6 / KAPPA


# ---- the planar Randles cell ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("counter", ["equipotential", "uniform"])
@pytest.mark.parametrize("i", [0.0, 10.0, -30.0])
def test_randles_cell(tmp_path, counter, i):
    """Z = L/kappa + film + 1/(1/R_ct + i w C), at rest and under current."""
    case = build([layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)], [current(i) if i else rest()], interfaces={"li|sse": FILM},
                 mesh=COARSE, counter=counter)
    omega, z, record = spectrum(case, tmp_path)
    np.testing.assert_allclose(z, bulk(20) + arc(omega, i, film=R_FILM), rtol=1e-7)
    assert record["limit_at_zero_frequency_ohm_cm2"] == pytest.approx(bulk(20) + transfer(i) + R_FILM, rel=1e-7)
    assert {p.name for p in (tmp_path / "figures").glob("*.png")} == {"nyquist.png", "bode.png"}


@pytest.mark.parametrize("geometry", [{"kind": "axisymmetric"}, {"kind": "box", "depth": um(6)}], ids=lambda g: g["kind"])
def test_randles_cell_of_other_geometries(tmp_path, geometry):
    case = build([layer("li", "Li", 4), layer("sse", "Li6PS5Cl", 6)], [current(10)], 6.0, geometry["kind"], geometry,
                 interfaces={"li|sse": FILM}, mesh={"size": um(4), "interface_size": um(3)})
    omega, z, _ = spectrum(case, tmp_path, points=1)
    np.testing.assert_allclose(z, bulk(6) + arc(omega, 10, film=R_FILM), rtol=1e-7)


def test_two_electrodes_in_series(tmp_path):
    """Li | SSE | Li with unlike faces under current; without any film on the second."""
    faces = {"li|sse": FILM, "sse|li2": {"exchange_current_density": "40 A/m^2", "capacitance": "3 uF/cm^2"}}
    layers = [layer("li", "Li", 3), layer("sse", "Li6PS5Cl", 10), layer("li2", "Li", 3)]
    case = build(layers, [current(10)], interfaces=faces, mesh=COARSE)
    omega, z, _ = spectrum(case, tmp_path)
    np.testing.assert_allclose(z, bulk(10) + arc(omega, 10, film=R_FILM) + arc(omega, 10, c=3e-6, i0=40.0), rtol=1e-7)


def test_state_at_constant_voltage_and_at_another_temperature(tmp_path):
    """The current that flowed, and the temperature reached, are those of the linearised kinetics."""
    layers, faces = [layer("li", "Li", 3), layer("sse", "Li6PS5Cl", 10)], {"li|sse": DOUBLE}
    held = build(layers, [{"kind": "voltage", "value": "80 mV", "duration": "1 s"}], interfaces=faces, mesh=COARSE)
    omega, z, record = spectrum(held, tmp_path / "held", points=1)
    i = record["state"]["current_density_A_per_m2"]
    assert i > 20
    np.testing.assert_allclose(z, bulk(10) + arc(omega, i), rtol=1e-7)
    hot = build(layers, [{"kind": "temperature", "to": "330 K", "duration": "1 s"}, rest()], interfaces=faces, mesh=COARSE)
    omega, z, record = spectrum(hot, tmp_path / "hot", points=1)
    assert record["state"]["temperature_K"] == 330
    ohmic = bulk(10) * KAPPA * 1e6 / hot.records["Li6PS5Cl"].get("ionic_conductivity").at(330)
    np.testing.assert_allclose(z, ohmic + 1 / (1 / (transfer(0) * 330 / T) + 1j * omega * C), rtol=1e-7)


def test_linear_kinetics_and_a_cell_without_capacitance(tmp_path, caplog):
    """A real impedance, and a warning that names the key."""
    import logging

    logging.getLogger("interfem").propagate = True
    case = build([layer("li", "Li", 3), layer("sse", "Li6PS5Cl", 10)], [current(10)],
                 interfaces={"li|sse": {"kinetics": "linear", "resistance": "7 ohm*cm^2"}}, mesh=COARSE)
    _, z, _ = spectrum(case, tmp_path, points=1)
    np.testing.assert_allclose(z, bulk(10) + 7.0, rtol=1e-7)
    assert 'interfaces."li|sse".capacitance' in caplog.text


def test_mechanics_stand_still(tmp_path):
    """Under pressure and creep, the planar cell has the impedance of the rigid one."""
    case = build([layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)],
                 [{"kind": "pressure", "to": "3 MPa", "duration": "1 s"}, current(10, 10, 4)], interfaces={"li|sse": FILM},
                 mesh=COARSE, mechanics={})
    omega, z, record = spectrum(case, tmp_path)
    np.testing.assert_allclose(z, bulk(20) + arc(omega, 10, film=R_FILM), rtol=1e-7)
    assert record["state"]["stack_pressure_MPa"] == pytest.approx(3.0)


# ---- diffusion --------------------------------------------------------------------------------------------------------

D, C0, T_PLUS, GAP = 1e-12, 1000.0, 0.2, 50.0  # m2/s, mol/m3, 1, um
SALT = {"PEO": {"transference_number": T_PLUS, "salt_diffusivity": {"value": f"{D} m^2/s", "source": "benchmark"},
                "initial_concentration": f"{C0} mol/m^3", "ionic_conductivity": {"value": "0.01 S/m", "source": "benchmark"}}}


def salt_cell(size: float):
    faces = {"li|peo": DOUBLE, "peo|li2": DOUBLE}
    layers = [layer("li", "Li", 5), layer("peo", "PEO", GAP), layer("li2", "Li", 5)]
    return build(layers, [rest()], 5.0, materials=SALT, interfaces=faces, mesh={"size": um(size), "interface_size": um(size)})


def salt_impedance(omega):
    """R + two arcs + Z_W, R_W = 2 R T (1 - t+)^2 L/(F^2 D c0): anions blocked at both ends."""
    root = np.sqrt(1j * omega * (GAP * 1e-6 / 2) ** 2 / D)
    warburg = 2 * R * T * (1 - T_PLUS) ** 2 * GAP * 1e-6 / (F**2 * D * C0)
    return 1e4 * (GAP * 1e-6 / 0.01 + warburg * np.tanh(root) / root) + 2 * arc(omega)


def test_warburg_impedance_of_a_salt(tmp_path):
    """Finite-length diffusion of a binary electrolyte: twice the order of the concentration's degree, since Z is an energy."""
    errors = []
    for n, size in enumerate((5.0, 2.5, 1.25)):
        omega, z, record = spectrum(salt_cell(size), tmp_path / str(n), 1e-1, 1e-6)
        errors.append(np.max(np.abs(z / salt_impedance(omega) - 1)))
        warburg = 2 * R * T * (1 - T_PLUS) ** 2 * GAP * 1e-6 / (F**2 * D * C0)
        steady = 1e4 * (GAP * 1e-6 / 0.01 + warburg) + 2 * transfer(0)
        assert record["limit_at_zero_frequency_ohm_cm2"] == pytest.approx(steady, rel=1e-7)
    assert errors[-1] < 2e-5
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([4, 4], abs=0.4)


SLOPE, START, TOP, SLAB, D_SLAB = -0.2, 0.5, 5e4, 8.0, 3e-13  # V, 1, mol/m3, um, m2/s
ALLOY = {"A": {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "diffusivity": f"{D_SLAB} m^2/s",
               "maximum_concentration": f"{TOP} mol/m^3", "initial_concentration": f"{START * TOP} mol/m^3",
               "equilibrium_potential": {"table": [[0.0, "0.5 V"], [1.0, f"{0.5 + SLOPE} V"]]}}}  # fmt: skip


def slab_impedance(omega):
    """Z_W coth in series with the charge transfer, both beside the double layer: the reaction alone takes from the store."""
    root = np.sqrt(1j * omega * (SLAB * 1e-6) ** 2 / D_SLAB)
    warburg = -SLOPE * SLAB * 1e-6 / (F * D_SLAB * TOP) / (root * np.tanh(root))
    film = R_FILM / (1 + 1j * omega * R_FILM * C_FILM)
    return bulk(5) + film + 1 / (1j * omega * C + 1 / (transfer(0) + 1e4 * warburg))


@pytest.mark.parametrize("phases", [False, True], ids=["one phase", "chemical potential"])
def test_warburg_impedance_of_an_alloy(tmp_path, phases):
    """The same from the chemical potential, whose D is that of a lattice gas, with next to no gradient energy."""
    tracer = D_SLAB / (START * (1 - START) * -SLOPE / RT_F)
    more = {"gradient_energy": "1e-15 J/m", "diffusivity": f"{tracer} m^2/s"} if phases else {}
    case = build([layer("alloy", "A", SLAB), layer("sse", "Li6PS5Cl", 5)], [rest()], 2.0, materials={"A": ALLOY["A"] | more},
                 interfaces={"alloy|sse": FILM}, mesh={"size": um(0.5), "interface_size": um(0.1)})
    omega, z, record = spectrum(case, tmp_path, 1e5, 1e-4)
    np.testing.assert_allclose(z, slab_impedance(omega), rtol=2e-4)
    assert record["limit_at_zero_frequency_ohm_cm2"] is None


# ---- zero frequency ---------------------------------------------------------------------------------------------------


def slope(solve, i: float, h: float) -> float:
    """dV/di by central differences of two widths and Richardson's extrapolation."""
    wide, narrow = ((solve(i + d) - solve(i - d)) / (2 * d) for d in (2 * h, h))
    return (4 * narrow - wide) / 3


def constricted(i: float):
    """Two unlike Butler-Volmer faces, a void on one: no closed form."""
    faces = {"li|sse": DOUBLE | {"transfer_coefficient": 0.3},
             "sse|li2": {"exchange_current_density": "3 A/m^2", "capacitance": "5 uF/cm^2", "film_resistance": "2 ohm*cm^2"}}
    return build([layer("li", "Li", 4), layer("sse", "Li6PS5Cl", 8), layer("li2", "Li", 3)], [current(i)], 6.0, interfaces=faces,
                 features=[{"kind": "void", "interface": "li|sse", "radius": um(3), "height": um(1)}],
                 mesh={"size": um(2), "interface_size": um(1), "rim_size": um(0.3)})


@pytest.mark.parametrize("i", [12.0, -25.0])
def test_limit_at_zero_frequency_is_the_differential_resistance(tmp_path, i):
    """Of steady runs at neighbouring currents, around a void."""
    _, z, record = spectrum(constricted(i), tmp_path, 1e5, 1e-2, 1)
    steady = 1e4 * slope(lambda j: last(constricted(j), tmp_path / "steady")["cell_voltage_V"], i, 0.02 * abs(i))
    assert record["limit_at_zero_frequency_ohm_cm2"] == pytest.approx(steady, rel=1e-6)
    assert z[-1].real == pytest.approx(steady, rel=1e-5)


def test_limit_at_zero_frequency_of_a_polarised_salt(tmp_path):
    """The concentration follows, and so does what it does to the potential."""
    def cell(i: float):
        step = current(i, 2000, 1) | {"first_step": "1 s", "max_step": "200 s"}
        return build([layer("li", "Li", 5), layer("peo", "PEO", 20), layer("li2", "Li", 5)], [step], 5.0, materials=SALT,
                     interfaces={"li|peo": DOUBLE, "peo|li2": DOUBLE}, mesh={"size": um(5), "interface_size": um(2)})

    _, _, record = spectrum(cell(5.0), tmp_path, 1e2, 1e-5, 1)
    steady = 1e4 * slope(lambda j: last(cell(j), tmp_path / "steady")["cell_voltage_V"], 5.0, 0.1)
    assert record["limit_at_zero_frequency_ohm_cm2"] == pytest.approx(steady, rel=1e-6)


def test_mixed_conductor_that_plates_at_both_faces(tmp_path):
    """Linear kinetics: the limit at zero frequency is the areal resistance under the same current."""
    film = {"role": "mixed", "law": "elastic", "ionic_conductivity": "1e-5 S/cm", "electronic_conductivity": "1e-2 S/cm"}
    faces = {"cu|film": {"kinetics": "linear", "resistance": "1 ohm*cm^2", "capacitance": "20 uF/cm^2"},
             "film|sse": {"kinetics": "linear", "resistance": "5 ohm*cm^2", "capacitance": "10 uF/cm^2"}}
    case = build([layer("cu", "Cu", 2), layer("film", "film", 10), layer("sse", "Li6PS5Cl", 10)], [current(-10)], 2.0,
                 materials={"film": film}, interfaces=faces)
    _, z, record = spectrum(case, tmp_path, points=1)
    assert record["limit_at_zero_frequency_ohm_cm2"] == pytest.approx(last(case, tmp_path / "again")["asr_ohm_cm2"], rel=1e-6)
    assert (z.imag < 0).all()


def test_mixed_conductor_that_stores(tmp_path):
    """A thin film with exchange everywhere: `1/(r P f) + (Q/(P f) - U')/(i w F c_max)` per volume, beside a double layer."""
    slope_u, top, thickness, rate, x = -0.2, 2e4, 1e-6, 1e6 * 10.0, 0.5  # V, mol/m3, m, A/m3, 1
    film = {"role": "mixed", "law": "elastic", "ionic_conductivity": "1e4 S/m", "electronic_conductivity": "1e6 S/m",
            "maximum_concentration": f"{top} mol/m^3", "initial_concentration": f"{x * top} mol/m^3",
            "storage_exchange_current_density": "10 A/m^2", "specific_area": "1e6 1/m",
            "equilibrium_potential": {"table": [[0.0, "0.5 V"], [1.0, f"{0.5 + slope_u} V"]]}}  # fmt: skip
    inert = {"exchange_current_density": "1e-9 A/m^2"}
    layers = [layer("cu", "Cu", 2), layer("film", "film", 1), layer("sse", "Li6PS5Cl", 10)]
    faces = {"cu|film": inert, "film|sse": inert | {"capacitance": "10 uF/cm^2"}}
    case = build(layers, [rest()], 2.0, materials={"film": film}, interfaces=faces)
    omega, z, record = spectrum(case, tmp_path, 1e6, 1e-4, 1)
    p, q = x / (x + 0.01), 2 * 0.01 / (x + 0.01) ** 2
    store = (RT_F / (rate * p) + (q / p * RT_F - slope_u) / (1j * omega * F * top)) / thickness
    np.testing.assert_allclose(z, bulk(10) + 1 / (1e-4 / store + 1j * omega * C), rtol=1e-5)
    assert record["limit_at_zero_frequency_ohm_cm2"] is None


# ---- finished runs ----------------------------------------------------------------------------------------------------


def test_impedance_of_a_finished_run(tmp_path, monkeypatch, capsys):
    """By the command line: from the folder alone, with other capacitances; of anything else the run would have to be another."""
    file = tmp_path / "case.toml"
    file.write_text("""
title = "finished"
temperature = "298.15 K"
geometry = {kind = "plane", width = "10 um"}
layers = [{name = "li", material = "Li", thickness = "5 um"}, {name = "sse", material = "Li6PS5Cl", thickness = "20 um"}]
materials.Li6PS5Cl.ionic_conductivity = "1 S/m"
interfaces."li|sse".exchange_current_density = "10 A/m^2"
protocol = [{kind = "current", value = "1 A/m^2", duration = "10 s"}]
mesh.size = "5 um"
output.figures = false
""", encoding="utf-8")  # fmt: skip
    monkeypatch.chdir(tmp_path)

    def told(*words) -> tuple[int, str]:
        with pytest.raises(SystemExit) as end:
            main([*words])
        shown = capsys.readouterr()
        return end.value.code, shown.out + shown.err

    status, text = told("run", str(file), "--set", "materials.Li6PS5Cl.ionic_conductivity=0.2 S/m", "--out", "r")
    assert status == 0, text
    case = case_of_run(tmp_path / "r")
    assert case.hash == json.loads((tmp_path / "r/run.json").read_text())["hash"]
    assert case.records["Li6PS5Cl"].get("ionic_conductivity").at(T) == pytest.approx(0.2e6)
    sweep = ("eis", "r", "--from", "100 kHz", "--to", "10 Hz", "--points", "3")
    status, text = told(*sweep)
    assert status == 0 and 'interfaces."li|sse".capacitance' in text
    status, text = told(*sweep, "--set", 'interfaces."li|sse".capacitance=10 uF/cm^2', "--out", "other")
    assert status == 0 and "capacitance, for example" not in text and "limit at zero frequency" in text
    with open("other/impedance.csv", encoding="utf-8") as table:
        rows = [[float(v) for v in row] for row in list(csv.reader(table))[1:]]
    assert len(rows) == 13 and rows[0][0] == pytest.approx(1e5) and rows[-1][0] == pytest.approx(10)
    f, re, im, size, phase = np.array(rows).T
    np.testing.assert_allclose(re + 1j * im, bulk(20) + arc(2 * np.pi * f, 1.0), rtol=1e-7)
    np.testing.assert_allclose(size * np.exp(1j * np.radians(phase)), re + 1j * im, rtol=1e-9)
    status, text = told(*sweep, "--set", 'interfaces."li|sse".exchange_current_density=1 A/m^2')
    assert status == 2 and "capacitance" in text and "case file" in text
    (tmp_path / "r/state.npz").unlink()
    status, text = told(*sweep)
    assert status == 2 and "no state" in text


def test_a_stopped_run_has_a_state(tmp_path):
    """Stripped through: the impedance at the event."""
    step = {"kind": "current", "value": "10 A/m^2", "duration": "1000 s", "until_voltage_above": "1 V"}
    layers = [layer("li", "Li", 0.1), layer("sse", "Li6PS5Cl", 5)]
    case = build(layers, [step], 2.0, interfaces={"li|sse": DOUBLE}, mesh={"size": um(2)})
    result = run(case, tmp_path)
    assert (result.status, result.event) == ("stopped", "lithium_exhausted")
    found = eis(tmp_path, frequencies(1e4, 10, 1))
    np.testing.assert_allclose(found.impedance, bulk(5) + arc(2 * np.pi * found.frequency, 10), rtol=1e-7)
