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
