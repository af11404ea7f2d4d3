"""Values of an alloy tabulated against its filling: D, i0 and Young's modulus, each through the product's path."""

import math

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.interpolate import PchipInterpolator

from cases import KAPPA, RT_F, F, build, current, layer, rest, rows, um

LENGTH, C_MAX, X0 = 25.0, 80.0e3, 0.6
D_TABLE = [[0.0, 1e-15], [0.3, 2e-15], [0.6, 8e-15], [1.0, 4e-14]]
ALLOY = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "maximum_concentration": f"{C_MAX} mol/m^3",
         "initial_concentration": f"{X0 * C_MAX} mol/m^3", "equilibrium_potential": "0.3 V", "diffusivity": "1e-14 m^2/s"}  # fmt: skip


def cell(protocol: list, alloy: dict, **more):
    return build([layer("alloy", "A", LENGTH), layer("sse", "Li6PS5Cl", 5)], protocol, 4, materials={"A": ALLOY | alloy},
                 mesh={"size": um(1.0), "interface_size": um(0.2)}, **more)


def test_diffusivity_of_the_filling(tmp_path):
    """Surface filling of a slab that is emptied, against an independent integration by lines."""
    i, time = 1.0, 3000.0
    table = [[x, f"{d} m^2/s"] for x, d in D_TABLE]
    end = rows(cell([current(i, time, 150)], {"diffusivity": {"table": table, "temperature": "298.15 K"}},
                    interfaces={"alloy|sse": {"exchange_current_density": "10 A/m^2"}}), tmp_path)[-1]
    assert end["li_fraction_min[A]"] == pytest.approx(emptied(i, time), rel=1e-3)


def emptied(i: float, time: float, cells: int = 2000) -> float:
    """x at the surface by finite volumes of `dx/dt = (D(x) x')'`, cells refined towards the surface."""
    diffusivity = PchipInterpolator(*np.array(D_TABLE).T)
    faces = LENGTH * 1e-6 * (1 - np.linspace(1, 0, cells + 1) ** 2)
    middles, widths = 0.5 * (faces[1:] + faces[:-1]), np.diff(faces)

    def rate(_, x):
        flux = diffusivity(0.5 * (x[1:] + x[:-1])) * np.diff(x) / np.diff(middles)
        flux = np.concatenate([[0.0], flux, [-i / F / C_MAX]])
        return np.diff(flux) / widths

    band = (1, 1)
    x = solve_ivp(rate, (0, time), np.full(cells, X0), method="LSODA", lband=band[0], uband=band[1], rtol=1e-8, atol=1e-10).y[:, -1]
    return x[-1] - i / F / C_MAX / diffusivity(x[-1]) * widths[-1] / 2


def test_exchange_current_of_the_filling(tmp_path):
    table = [[0.0, "0.1 mA/cm^2"], [0.6, "2 mA/cm^2"], [1.0, "0.1 mA/cm^2"]]
    end = rows(cell([current(10.0, 1e-3)], {"exchange_current_density": {"table": table, "temperature": "298.15 K"}}), tmp_path)[-1]
    eta = end["overpotential_V"] - 10.0 * 5e-6 / KAPPA
    assert eta == pytest.approx(2 * RT_F * math.asinh(10.0 / 40.0), rel=1e-3)


def test_modulus_of_the_filling(tmp_path):
    """Clamped at its sides, an alloy layer shortens by `p h/M` more when it has softened: the difference of two collector positions."""
    table = [[0.0, "10 GPa"], [0.6, "40 GPa"], [1.0, "80 GPa"]]
    alloy = {"youngs_modulus": {"table": table, "temperature": "298.15 K"}, "poisson_ratio": 0.25, "diffusivity": "1e-9 m^2/s",
             "partial_molar_volume": "0 m^3/mol"}
    charge = 0.3 * C_MAX * LENGTH * 1e-6 * F  # empties it from 0.6 to 0.3
    press = {"kind": "pressure", "to": "10 MPa", "duration": "1 s"}
    found = rows(cell([press, current(10.0, charge / 10.0, 20), rest()], alloy, mechanics={"swelling": False},
                      interfaces={"alloy|sse": {"exchange_current_density": "10 A/m^2"}}), tmp_path)
    pressed, held = (max((r for r in found if r["phase"] == n), key=lambda r: r["time_s"]) for n in (0, 2))

    def stiffness(young: float) -> float:
        return young * (1 - 0.25) / ((1 + 0.25) * (1 - 2 * 0.25))

    softer = 10.0 * LENGTH * (1 / stiffness(25e3) - 1 / stiffness(40e3))
    assert held["li_fraction_mean[A]"] == pytest.approx(0.3, abs=1e-6)
    assert pressed["collector_displacement_um"] - held["collector_displacement_um"] == pytest.approx(softer, rel=1e-3)
