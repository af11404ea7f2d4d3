"""Binary electrolytes through case files: Sand's time, polarisation of a finite gap, and a salt next to a single-ion conductor."""

import csv
import math

import pytest

from interfem.case import parse_case
from interfem.run import run

F, R, T = 96485.33212, 8.314462618, 298.15


def cell(gap: float, current: float, duration: float, *, electrolyte: float = 0.0, **step) -> dict:
    """Li | PEO (| Li6PS5Cl) | Li with known salt data; gap and electrolyte in um, current in A/m^2."""
    layers = [("li", "Li", 5.0), ("peo", "PEO", gap)] + ([("sse", "Li6PS5Cl", electrolyte)] if electrolyte else []) + [("li2", "Li", 5.0)]
    return {"title": "salt", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": f"{gap / 10:g} um"},
            "layers": [{"name": n, "material": m, "thickness": f"{h:g} um"} for n, m, h in layers],
            "materials": {"PEO": {"transference_number": 0.2, "salt_diffusivity": {"value": "1e-12 m^2/s", "source": "benchmark"},
                                  "initial_concentration": "1000 mol/m^3", "exchange_current_density": "1e4 A/m^2",
                                  "ionic_conductivity": {"value": "0.01 S/m", "source": "benchmark"}}},
            "protocol": [{"kind": "current", "value": f"{current:g} A/m^2", "duration": f"{duration:g} s", **step}],
            "output": {"figures": False}}


def solve(tree: dict, folder):
    result = run(parse_case(tree), folder)
    with open(folder / "scalars.csv", encoding="utf-8") as file:
        return result, [{k: float(v) if v and k != "phase_kind" else v for k, v in row.items()} for row in csv.DictReader(file)]


def test_sands_time(tmp_path):
    """V07: the salt at the plating electrode runs out after pi D [c0 F/(2 i (1 - t+))]^2; L > 6 sqrt(D tau)."""
    result, rows = solve(cell(100, 10, 200, max_step="2 s"), tmp_path)
    assert (result.status, result.event) == ("stopped", "salt_exhausted")
    assert rows[-1]["time_s"] == pytest.approx(114.24, rel=0.01)
    assert max(r["salt_balance_error"] for r in rows) < 1e-10


def series(x: float, length: float, time: float, current: float) -> float:
    """V08, mol/m^3; lengths in m."""
    total = sum(math.cos(n * math.pi * x / length) / n**2 * math.exp(-(n**2) * math.pi**2 * 1e-12 * time / length**2) for n in range(1, 400, 2))
    return 1000 - current * 0.8 / (F * 1e-12) * (x - length / 2 + 4 * length / math.pi**2 * total)


def test_polarisation_of_a_finite_gap(tmp_path):
    """V08: transient and steady concentrations, and the concentration potential 2RT(1-t+)/F ln(c0/cL)."""
    result, rows = solve(cell(50, 2, 7200, first_step="0.1 s", max_step="20 s"), tmp_path)
    assert result.status == "completed"
    for row in [r for r in rows if r["time_s"] > 60]:
        assert row["salt_max_mol_per_m3"] == pytest.approx(series(0.0, 50e-6, row["time_s"], 2), rel=2e-3)
        assert row["salt_min_mol_per_m3"] == pytest.approx(series(50e-6, 50e-6, row["time_s"], 2), rel=2e-3)
    ohmic, kinetic = 2 * 50e-6 / 0.01, 2 * 2 * R * T / F * math.asinh(2 / (2 * 1e4))
    assert rows[-1]["cell_voltage_V"] - ohmic - kinetic == pytest.approx(36.27e-3, rel=2e-3)


def test_current_left_at_a_small_voltage(tmp_path):
    """Newman's number: at 1 mV the current falls from `V/R` to `V/(R + R_W)`, `R_W = 2RT (1-t+)^2 f L/(F^2 D c0)`, f the thermodynamic factor."""
    tree, gap = cell(40, 0, 1000), 40e-6
    tree["materials"]["PEO"] |= {"thermodynamic_factor": 1.8, "transference_number": 0.35}
    tree["protocol"] = [{"kind": "voltage", "value": "1 mV", "duration": "3000 s", "first_step": "1e-6 s", "max_step": "300 s"}]
    _, rows = solve(tree, tmp_path)
    ohmic = gap / 0.01 + 2 * R * T / (F * 1e4)
    salt = 2 * R * T * (1 - 0.35) ** 2 * 1.8 * gap / (F**2 * 1e-12 * 1000)
    assert rows[0]["current_density_A_per_m2"] == pytest.approx(1e-3 / ohmic, rel=1e-3)
    assert rows[-1]["current_density_A_per_m2"] == pytest.approx(1e-3 / (ohmic + salt), rel=1e-3)


def test_second_order_in_time(tmp_path):
    """The error at a fixed time falls fourfold when the step is halved."""
    errors = []
    for n, dt in enumerate((100.0, 50.0, 25.0)):
        tree = cell(50, 2, 600, first_step=f"{dt:g} s", max_step=f"{dt:g} s")
        reference = solve(cell(50, 2, 600, first_step="2 s", max_step="2 s"), tmp_path / "ref")[1][-1] if n == 0 else reference
        rows = solve(tree, tmp_path / str(n))[1]
        errors.append(abs(rows[-1]["cell_voltage_V"] - reference["cell_voltage_V"]))
    assert math.log2(errors[0] / errors[1]) > 1.6 and math.log2(errors[1] / errors[2]) > 1.6


def test_salt_beside_a_single_ion_conductor(tmp_path):
    """Li+ passes from the salt into the ceramic, anions do not: the salt polarises as if the ceramic were an electrode."""
    alone, _ = solve(cell(50, 2, 7200), tmp_path / "alone")
    result, rows = solve(cell(50, 2, 7200, electrolyte=30.0), tmp_path / "beside")
    assert result.status == "completed"
    for name in ("salt_min_mol_per_m3", "salt_max_mol_per_m3"):
        assert result.last(name) == pytest.approx(alone.last(name), rel=1e-6)
    assert max(r["salt_balance_error"] for r in rows) < 1e-10 and max(r["charge_balance_error"] for r in rows) < 1e-8


def test_no_polarisation_in_the_single_ion_limit(tmp_path):
    tree = cell(50, 2, 600)
    tree["materials"]["PEO"]["transference_number"] = 1.0
    result, rows = solve(tree, tmp_path)
    assert "salt_min_mol_per_m3" not in rows[-1]
    assert result.last("cell_voltage_V") == pytest.approx(2 * 50e-6 / 0.01 + 4 * R * T / F * math.asinh(1e-4), rel=1e-4)


def test_salt_swells_its_electrolyte(tmp_path):
    """Held at its sides and free above: `sigma = -E Omega_s (c - c0)/(3 (1 - nu))` in the plane, at each height."""
    young, nu, omega = 100.0, 0.3, 1e-4  # MPa, m^3/mol
    tree = cell(50, 2, 3600)
    tree["materials"]["PEO"] |= {"youngs_modulus": f"{young} MPa", "poisson_ratio": nu, "partial_molar_volume": f"{omega} m^3/mol"}
    tree["layers"][1]["law"] = "elastic"
    tree |= {"mechanics": {}, "interfaces": {name: {"tangential": "frictionless"} for name in ("li|peo", "peo|li2")}}
    result, rows = solve(tree, tmp_path)
    assert result.status == "completed"
    end, swelling = rows[-1], omega * (rows[-1]["salt_max_mol_per_m3"] - 1000)
    assert end["salt_max_mol_per_m3"] == pytest.approx(1414.57, rel=1e-3)
    assert end["sse_max_von_mises_MPa"] == pytest.approx(young * swelling / 3 / (1 - nu), rel=0.02)
    assert end["sse_max_principal_MPa"] == pytest.approx(young * omega * (1000 - end["salt_min_mol_per_m3"]) / 3 / (1 - nu), rel=0.02)
