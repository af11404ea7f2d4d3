"""Alloys whose phases separate (Cahn-Hilliard): plateau, front, and balance, against the closed form of a quartic double well."""

import numpy as np
import pytest
from path import merge, solve

U0, C_MAX, LENGTH = 0.4, 40e3, 10.0  # V, mol/m^3, um
W = 5000.0  # J/mol: g = W x^2 (1 - x)^2, U = U0 - g'/F
FRONT = 0.5  # um: about l = sqrt(K/(2 W c_max)), the front x = 1/(1 + exp(-z/l)) of the bare double well
K = 2 * W * C_MAX * (FRONT * 1e-6) ** 2  # J/m
F = 96485.33212
FILLING = np.concatenate([[0, 0.002, 0.01, 0.025], np.linspace(0.05, 0.95, 19), [0.975, 0.99, 0.998, 1]])  # steep ends: x stays in (0, 1)


def potential(x):
    return U0 - 2 * W / F * x * (1 - x) * (1 - 2 * x) - 1e-3 * np.log((x + 1e-4) / (1 - x + 1e-4))


TABLE = [[float(x), f"{potential(x):.9f} V"] for x in FILLING]
ALLOY = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "maximum_concentration": f"{C_MAX} mol/m^3",
         "initial_concentration": f"{0.03 * C_MAX} mol/m^3", "diffusivity": "1e-12 m^2/s", "gradient_energy": f"{K} J/m",
         "equilibrium_potential": {"table": TABLE, "temperature": "298.15 K"}}  # fmt: skip


def cell(**more) -> dict:
    charge = {"kind": "current", "value": "-2 A/m^2", "areal_charge": f"{0.5 * F * C_MAX * LENGTH * 1e-6} C/m^2"}
    return merge({"geometry": {"kind": "plane", "width": "1 um"}, "materials": {"A": ALLOY},
                  "layers": [{"name": "alloy", "material": "A", "thickness": f"{LENGTH} um"},
                             {"name": "sse", "material": "Li6PS5Cl", "thickness": "5 um"}],
                  "interfaces": {"alloy|sse": {"kinetics": "linear", "resistance": "1 ohm*cm^2"}},
                  "mesh": {"size": "0.15 um", "interface_size": "0.15 um"},
                  "protocol": [charge, {"kind": "rest", "duration": "2000 s"}]}, more)  # fmt: skip


def front() -> tuple[float, float]:
    """(filling b of the poor phase, `int (x - b)(1 - b - x) dz` across the front in um) from `K/(2 c_max) x'^2 = g(x) - g(b)`."""
    x = np.linspace(1e-4, 0.5, 200_001)
    slope = -F * (potential(x) - U0)  # g'
    b = np.flatnonzero(np.diff(np.sign(slope)) > 0)[0] + 1
    x, slope = x[b:], slope[b:]
    g = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(x))])
    steep = np.sqrt(2 * C_MAX * np.maximum(g[1:], 1e-30) / K)  # 1/m
    weight = (x[1:] - x[0]) * (1 - x[0] - x[1:]) / steep
    return float(x[0]), 2e6 * float(np.sum(weight * np.diff(x)))


def test_a_front_moves_on_a_plateau(tmp_path):
    found = solve(cell(), tmp_path)
    assert found["lithium_balance_error"].max() < 1e-8
    passed = found.ends("areal_charge_mAh_per_cm2")[0] * 36000
    stored = (found.ends("li_fraction_mean[A]") - 0.03) * F * C_MAX * LENGTH * 1e-6
    assert stored == pytest.approx([-passed, -passed], rel=1e-8)
    assert found.last("cell_voltage_V") == pytest.approx(U0, abs=2e-4)  # Maxwell: both phases at one potential
    assert found.last("li_fraction_min[A]") < 0.05 and found.last("li_fraction_max[A]") > 0.95
    poor, width = front()
    filling = found.fields("metal")
    filling = filling.point_data_to_cell_data()
    x = filling["lithium_concentration_mol_per_m3"] / C_MAX
    areas = filling.compute_cell_sizes()["Area"]
    assert float(((x - poor) * (1 - poor - x) * areas).sum()) == pytest.approx(width, rel=0.02)
