"""Porous layers: the conductivity of resolved pores against the estimate for dilute ones, and of effective media exactly."""

import pytest

from cases import KAPPA, F, build, current, last, layer

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


@pytest.mark.parametrize("resolved", [True, False])
def test_a_porous_alloy_stores_what_is_charged(resolved, tmp_path):
    """Charge and mechanics with swelling; mean filling x = x0 + i t/(F c_max (1-p) h), resolved or as an effective medium."""
    p, h, time = 0.2, 10.0, 10.0
    features = [pores(p, 0, layer="alloy")] if resolved else []
    porous = {} if resolved else {"porosity": p, "pore_uptake": 0.5}
    case = build([layer("alloy", "Li-Al", h, **porous), layer("sse", "Li6PS5Cl", 5.0)],
                 [{"kind": "pressure", "to": "1 MPa"}, current(-10.0, time, 5)], width=16.0, features=features,
                 mechanics={"boundaries": {"pores|alloy": "0.1 MPa"} if resolved else {}},
                 mesh={"interface_size": "1 um", "size": "4 um"})  # fmt: skip
    found, medium = last(case, tmp_path), case.regions[0].material.name
    dense = case.records["Li-Al"]
    c_max, c0 = (dense.get(name).value for name in ("maximum_concentration", "initial_concentration"))
    expected = c0 / c_max + 10.0 * time / (F * c_max * (1 - p) * h * 1e-6)
    assert found[f"li_fraction_mean[{medium}]"] - c0 / c_max == pytest.approx(expected - c0 / c_max, rel=0.01)
    assert found["stack_pressure_MPa"] == pytest.approx(1.0)
    assert found["metal_max_von_mises_MPa"] > 1.0
