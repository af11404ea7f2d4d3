"""Temperature as a protocol: conduction, kinetics, creep and thermal expansion follow it."""

import math

import pytest

from cases import F, R, build, current, layer, rows

EA = {"ionic_conductivity": 30e3, "exchange_current_density": 40e3}  # J/mol
SSE = {"Li6PS5Cl": {"ionic_conductivity": {"value": "0.2 S/m", "activation_energy": "30 kJ/mol", "temperature": "298.15 K"},
                    "exchange_current_density": {"value": "10 A/m^2", "activation_energy": "40 kJ/mol", "temperature": "298.15 K"},
                    "youngs_modulus": "20 GPa", "poisson_ratio": 0.25, "thermal_expansion": "2e-5 1/K"},
       "Li": {"thermal_expansion": "5e-5 1/K", "youngs_modulus": "5 GPa", "poisson_ratio": 0.25}}  # fmt: skip


def to(kelvin: float, duration: float = 60.0) -> dict:
    return {"kind": "temperature", "to": f"{kelvin} K", "duration": f"{duration} s"}


def factor(energy: float, kelvin: float) -> float:
    return math.exp(-energy / R * (1 / kelvin - 1 / 298.15))


def test_a_cell_is_heated_and_cooled(tmp_path):
    """Overpotential of Li | SSE at 1 mA/cm2 at three temperatures in one run, against the closed form of V05."""
    steps = [current(10.0), to(333.15), current(10.0), to(273.15), current(10.0)]
    found = rows(build([layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 100)], steps, materials=SSE), tmp_path)
    for phase, kelvin in ((0, 298.15), (2, 333.15), (4, 273.15)):
        row = [r for r in found if r["phase"] == phase][-1]
        ohmic = 10.0 * 100e-6 / (0.2 * factor(30e3, kelvin))
        kinetic = 2 * R * kelvin / F * math.asinh(10.0 / (2 * 10.0 * factor(40e3, kelvin)))
        assert row["temperature_K"] == pytest.approx(kelvin)
        assert row["cell_voltage_V"] == pytest.approx(ohmic + kinetic, rel=1e-6)


def test_a_heated_stack_expands(tmp_path):
    """Held at its sides and free at the collector, elastic layers grow by `h alpha dT (1 + nu)/(1 - nu)`."""
    case = build([layer("li", "Li", 5, law="elastic"), layer("sse", "Li6PS5Cl", 100)], [to(318.15)], materials=SSE, mechanics={})
    expected = 20.0 * (5 * 5e-5 + 100 * 2e-5) * (1 + 0.25) / (1 - 0.25)
    assert rows(case, tmp_path)[-1]["collector_displacement_um"] == pytest.approx(expected, rel=1e-6)


def test_heated_lithium_expands_as_a_flowing_metal(tmp_path):
    """Norton creep keeps the volume, so held lithium lifts the collector by `3 alpha dT h` once its shear stress has relaxed."""
    hold = {"kind": "rest", "duration": "1e6 s"}
    case = build([layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 10)], [to(318.15), hold],
                 materials=SSE | {"Li6PS5Cl": SSE["Li6PS5Cl"] | {"thermal_expansion": "0 1/K"}}, mechanics={})
    row = rows(case, tmp_path)[-1]
    assert row["collector_displacement_um"] == pytest.approx(3 * 5e-5 * 20.0 * 5, rel=5e-3)
    assert row["metal_max_von_mises_MPa"] < 0.2


def test_a_floating_sphere_of_lithium_is_heated_in_the_electrolyte(tmp_path):
    """Misfit of a sphere in an endless body, `p = 3 (alpha_Li - alpha) dT/(3/(4 G) + 1/K_Li)`: 8 MPa lift the potential of the island by 1 mV.

    About an axis its rows are integrals over the full turn, with as much more of rounding.
    """
    pore = {"kind": "pore", "name": "sphere", "layer": "sse", "center": "0 um", "position": "12 um", "radius": "2 um", "fill": "Li"}
    case = build([layer("li", "Li", 2, law="elastic"), layer("sse", "Li6PS5Cl", 24)], [to(318.15, 1e-3)], width=12, kind="axisymmetric",
                 features=[pore], materials=SSE, mechanics={"boundaries": {"collector": "free", "outer": "free"}}, mesh={"refinement": 0.6})
    row = rows(case, tmp_path)[-1]
    shear, bulk = 20e3 / 2.5, 5e3 / 1.5
    assert row["metal_max_pressure_MPa"] == pytest.approx(3 * 3e-5 * 20 / (3 / (4 * shear) + 1 / bulk), rel=2e-2)
