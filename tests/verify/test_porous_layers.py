"""Porous layers: the conductivity of resolved pores against the estimate for dilute ones, and of effective media exactly."""

import pytest

from cases import KAPPA, build, current, last, layer

Z = 1e-6  # ohm m^2 of the interface
HEIGHT = 40.0  # um of electrolyte


def resistance(folder, features=(), kind="plane", **sse) -> float:
    """Areal resistance (ohm m^2) of the electrolyte layer of a linear cell."""
    case = build([layer("li", "Li", 2.0), layer("sse", "Li6PS5Cl", HEIGHT, **sse)], [current(10.0)], width=40.0, kind=kind,
                 features=list(features), interfaces={"li|sse": {"kinetics": "linear", "resistance": f"{Z} ohm*m^2"}},
                 mesh={"interface_size": "0.8 um"})  # fmt: skip
    return last(case, folder)["asr_ohm_cm2"] * 1e-4 - Z


def pores(porosity: float, seed: int, **more) -> dict:
    return {"kind": "pores", "layer": "sse", "porosity": porosity, "radius": "1.2 um", "seed": seed} | more


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_resolved_channels_follow_maxwell(seed, tmp_path):
    """kappa_eff = kappa (1 - p)/(1 + p) of insulating discs (Maxwell-Garnett in 2D), measured: 0.821, 0.810, 0.814 for 0.818."""
    assert resistance(tmp_path / "dense") == pytest.approx(HEIGHT * 1e-6 / KAPPA, rel=1e-3)
    p = 0.1
    found = HEIGHT * 1e-6 / KAPPA / resistance(tmp_path / "pores", [pores(p, seed)])
    assert found == pytest.approx((1 - p) / (1 + p), rel=0.02)


@pytest.mark.parametrize("kind", ["plane", "axisymmetric"])
def test_effective_medium_is_bruggeman(kind, tmp_path):
    assert resistance(tmp_path, kind=kind, porosity=0.3) == pytest.approx(HEIGHT * 1e-6 / KAPPA / 0.7**1.5, rel=1e-4)
