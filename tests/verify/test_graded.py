"""Functionally graded layers: V25, a rough layer, and the mechanics of a graded modulus."""

import numpy as np
import pytest

from cases import KAPPA, build, current, last, layer

H, SSE_H = 1.0, 10.0  # um
LINEAR = {"kinetics": "linear", "resistance": "1 ohm*cm^2"}


def graded(low: str, high: str, law: str) -> dict:
    return layer("film", "LiF", H, grading={"ionic_conductivity": {"from": low, "to": high, "law": law}})


def asr(film: dict, folder, **more) -> float:
    """Areal resistance of Li | film | SSE less that of contact and electrolyte, ohm cm2."""
    case = build([layer("li", "Li", 5), film, layer("sse", "Li6PS5Cl", SSE_H)], [current(-1.0)], width=2.0,
                 interfaces={"li|film": LINEAR}, **more)
    return last(case, folder)["asr_ohm_cm2"] - 1.0 - SSE_H * 1e-6 / KAPPA * 1e4


@pytest.mark.parametrize("law, expected", [("exponential", 14.46201), ("linear", 0.691466)])
def test_v25_resistance_of_a_graded_layer(law, expected, tmp_path):
    low, high = ("1e-6 S/cm", "1e-3 S/cm")
    if law == "exponential":
        assert expected == pytest.approx(1e-4 * (1 / 1e-6 - 1 / 1e-3) / np.log(1e3), rel=1e-5)
    else:
        assert expected == pytest.approx(1e-4 * np.log(1e3) / (1e-3 - 1e-6), rel=1e-5)
    found = asr(graded(low, high, law), tmp_path)
    assert found == pytest.approx(expected, rel=1e-3)


def test_a_graded_film_follows_a_rough_interface(tmp_path):
    """A thin film of constant height on a slope: h cos(t) thick over dx/cos(t), so it conducts `mean(1/cos^2)` better than a flat one."""
    amplitude, wavelength, h = 1.0, 20.0, 0.2
    film = layer("film", "LiF", h, grading={"ionic_conductivity": {"from": "1e-8 S/cm", "to": "1e-5 S/cm", "law": "exponential"}})
    rough = [{"kind": "roughness", "interface": "li|film", "amplitude": f"{amplitude} um", "wavelength": f"{wavelength} um"}]
    case = build([layer("li", "Li", 5), film, layer("sse", "Li6PS5Cl", 5)], [current(-1.0)], width=20.0, features=rough,
                 interfaces={"li|film": {"kinetics": "linear", "resistance": "0.001 ohm*cm^2"}})
    flat = h * 1e-4 * (1 / 1e-8 - 1 / 1e-5) / np.log(1e3)
    better = 1 + 0.5 * (2 * np.pi * amplitude / wavelength) ** 2
    assert last(case, tmp_path)["asr_ohm_cm2"] == pytest.approx(flat / better, rel=2e-3)


@pytest.mark.parametrize("kind, geometry", [("axisymmetric", {}), ("box", {"depth": "1 um"})])
def test_v25_around_an_axis_and_in_a_box(kind, geometry, tmp_path):
    case = build([layer("li", "Li", 2), graded("1e-6 S/cm", "1e-3 S/cm", "exponential"), layer("sse", "Li6PS5Cl", 2)],
                 [current(-1.0)], width=1.0, kind=kind, geometry=geometry, interfaces={"li|film": LINEAR})
    found = last(case, tmp_path)["asr_ohm_cm2"] - 1.0 - 2e-6 / KAPPA * 1e4
    assert found == pytest.approx(14.46201, rel=1e-3 if kind == "axisymmetric" else 0.02)


def test_a_graded_modulus(tmp_path):
    """A layer held at its sides shortens under pressure by `p int dy/M(y)`; linear from 1 to 10 GPa: `h ln(10)/(M2 - M1)`."""
    h, low, high, nu = 5.0, 1e3, 10e3, 0.25
    soft = layer("soft", "LiF", h, grading={"youngs_modulus": {"from": "1 GPa", "to": "10 GPa"}})
    case = build([soft, layer("sse", "Li6PS5Cl", 5)], [{"kind": "pressure", "to": "10 MPa", "duration": "1 s"}], width=5.0, mechanics={},
                 materials={"LiF": {"poisson_ratio": nu}, "Li6PS5Cl": {"youngs_modulus": "20 GPa", "poisson_ratio": 0.25}})
    ratio = (1 - nu) / ((1 + nu) * (1 - 2 * nu))
    shortening = 10.0 * (h * np.log(high / low) / (high - low) / ratio + 5.0 / (20e3 * ratio))
    assert last(case, tmp_path)["collector_displacement_um"] == pytest.approx(-shortening, rel=1e-3)


def test_a_graded_diffusivity(tmp_path):
    """Constant flux into a slab whose D rises linearly from the collector: quasi-steady, `dx/dt` is even, so the flux at depth y is
    i y/(F L) and x(L) - mean(x) follows by quadrature.
    """
    length, c_max, d0, d1, i = 10.0, 5e4, 1e-13, 4e-13, -1.0
    alloy = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "maximum_concentration": f"{c_max} mol/m^3",
             "initial_concentration": f"{0.3 * c_max} mol/m^3", "equilibrium_potential": "0.3 V", "diffusivity": "1e-13 m^2/s"}
    slab = layer("alloy", "A", length, grading={"diffusivity": {"from": f"{d0} m^2/s", "to": f"{d1} m^2/s"}})
    case = build([slab, layer("sse", "Li6PS5Cl", 5)], [current(i, 3000.0, 60)], width=2.0, materials={"A": alloy},
                 interfaces={"alloy|sse": LINEAR})
    row = last(case, tmp_path)
    y = np.linspace(0, length * 1e-6, 20_001)
    slope = -i / 96485.33212 * y / (length * 1e-6) / (d0 + (d1 - d0) * y / (length * 1e-6)) / c_max
    x = np.concatenate([[0.0], np.cumsum(0.5 * (slope[1:] + slope[:-1]) * np.diff(y))])
    mean = float(np.sum(0.5 * (x[1:] + x[:-1]) * np.diff(y)) / (length * 1e-6))
    assert row["li_fraction_max[A]"] - row["li_fraction_mean[A]"] == pytest.approx(x[-1] - mean, rel=3e-3)
