"""Growth between bonded bodies, and the feedback of the interface pressure, from the case to the numbers of the run folder."""

import math

import numpy as np
import pytest
from path import merge, solve

FARADAY, OMEGA = 96485.33212, 1.3e-5
GROWN = 10 * 3600 * OMEGA / FARADAY * 1e6  # um after 1 h at 10 A/m^2: 4.8505
VELOCITY = GROWN / 3600

KINDS = {
    "plane": {"kind": "plane", "width": "20 um"},
    "axisymmetric": {"kind": "axisymmetric", "width": "20 um"},
    "box": {"kind": "box", "width": "20 um", "depth": "20 um"},
}
CELL = {
    "geometry": KINDS["plane"],
    "layers": [{"name": "li", "material": "Li", "thickness": "20 um"},
               {"name": "sse", "material": "Li6PS5Cl", "thickness": "30 um"}],
    "mesh": {"size": "15 um", "interface_size": "10 um"},
    "mechanics": {},
    "protocol": [{"kind": "current", "value": "-1 mA/cm^2", "duration": "1 h"},
                 {"kind": "current", "value": "1 mA/cm^2", "duration": "1 h"}],
}
SYMMETRIC = CELL | {"layers": [*CELL["layers"], {"name": "counter-li", "material": "Li", "thickness": "20 um"}]}
PRESS = [{"kind": "pressure", "to": "5 MPa"}]


# ---- V28: patch test ----------------------------------------------------------------------------------------------------


BOTH = pytest.mark.parametrize("kinematics", ["small", "finite"])


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_growth_moves_a_free_collector_and_back(kind, kinematics, tmp_path):
    """4.8505 um after 1 h at -10 A/m^2, no stress; after as much stripping all is back."""
    run = solve(CELL | {"geometry": KINDS[kind], "mechanics": {"kinematics": kinematics}}, tmp_path)
    assert GROWN == pytest.approx(4.8505, rel=1e-4)
    for name in ("collector_displacement_um", "plated_thickness_um"):
        assert run.ends(name)[0] == pytest.approx(GROWN, rel=1e-6)
        assert abs(run.ends(name)[1]) <= 1e-6 * GROWN
    for name in ("metal_max_von_mises_MPa", "sse_max_von_mises_MPa", "interface_max_pressure_MPa", "metal_max_pressure_MPa"):
        assert np.abs(run[name]).max() < 1e-5
    assert run["charge_balance_error"].max() <= 1e-10


@BOTH
@pytest.mark.parametrize("kind", KINDS)
def test_growth_under_load_keeps_the_stack_pressure(kind, kinematics, tmp_path):
    """Both bodies and the interface carry just the stack pressure, and plating adds nothing to it."""
    run = solve(CELL | {"geometry": KINDS[kind], "protocol": PRESS + CELL["protocol"], "mechanics": {"kinematics": kinematics}}, tmp_path)
    pressed, plated, stripped = run.ends("collector_displacement_um")
    assert pressed < 0
    plating = run["phase"] >= 1
    for name in ("interface_min_pressure_MPa", "interface_max_pressure_MPa"):
        assert run[name][plating] == pytest.approx(5.0, rel=1e-6)
    assert run.ends("plated_thickness_um")[1:] == pytest.approx([GROWN, 0.0], abs=1e-6 * GROWN)
    assert plated - stripped == pytest.approx(GROWN, rel=1e-4)  # up to lithium that still flows under the held sides
    assert run["charge_balance_error"].max() <= 1e-10


@pytest.mark.parametrize("press", [[], PRESS])
def test_lithium_drifts_rigidly_between_two_electrodes(press, tmp_path):
    """Li|SSE|Li: what one interface gains the other loses; the electrolyte moves, the collectors do not, no gap opens."""
    layers = [layer | {"law": "elastic"} for layer in SYMMETRIC["layers"]]
    run = solve(SYMMETRIC | {"layers": layers, "protocol": press + CELL["protocol"][:1]}, tmp_path)
    pressure = 5.0 if press else 0.0
    start = run.ends("collector_displacement_um")[0] if press else 0.0
    assert run.last("collector_displacement_um") == pytest.approx(start, abs=1e-5)
    assert run.last("plated_thickness_um") == pytest.approx(GROWN, rel=1e-6)
    assert run.last("interface_min_pressure_MPa") == pytest.approx(pressure, abs=1e-5)
    middle = [float(run.fields("electrolyte", n).point_data["displacement_um"][:, 1].mean()) for n in range(-1 - len(press), 0)]
    assert middle[-1] - (middle[0] if press else 0.0) == pytest.approx(GROWN, rel=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_fixed_plates_build_up_pressure(kind, tmp_path):
    """Clamped ends, elastic layers: dp/dt = v/sum(h/M), M = E (1-nu)/((1+nu)(1-2nu)); a stuck or a sliding interface alike."""
    case = merge(CELL, {"geometry": KINDS[kind], "mechanics": {"boundaries": {"collector": "roller"}},
                        "materials": {"Li6PS5Cl": {"youngs_modulus": "22 GPa", "poisson_ratio": 0.3}}})
    case["layers"] = [CELL["layers"][0] | {"law": "elastic"}, CELL["layers"][1]]
    case["protocol"] = [{"kind": "current", "value": "-1 mA/cm^2", "duration": "60 s"}]
    run = solve(case, tmp_path)

    def longitudinal(young, nu):
        return young * (1 - nu) / ((1 + nu) * (1 - 2 * nu))

    expected = 60 * VELOCITY / (20 / longitudinal(7820, 0.381) + 30 / longitudinal(22e3, 0.3))
    assert run.last("interface_min_pressure_MPa") == pytest.approx(expected, rel=1e-6)
    assert run.last("interface_max_pressure_MPa") == pytest.approx(expected, rel=1e-6)
    assert abs(run.last("collector_displacement_um")) < 1e-12


def test_springs_share_the_growth(tmp_path):
    """In series with a spring k: p = w/(1/k + sum(h/M)); elastic lithium."""
    case = merge(CELL, {"mechanics": {"boundaries": {"collector": {"spring": "10 MPa/um"}}},
                        "materials": {"Li6PS5Cl": {"youngs_modulus": "22 GPa", "poisson_ratio": 0.3}}})
    case["layers"] = [CELL["layers"][0] | {"law": "elastic"}, CELL["layers"][1]]
    run = solve(case | {"protocol": [{"kind": "current", "value": "-1 mA/cm^2", "duration": "60 s"}]}, tmp_path)
    compliance = 20 * (1.381 * 0.238) / (7820 * 0.619) + 30 * (1.3 * 0.4) / (22e3 * 0.7)
    assert run.last("interface_max_pressure_MPa") == pytest.approx(60 * VELOCITY / (0.1 + compliance), rel=1e-6)


# ---- pressure and kinetics ----------------------------------------------------------------------------------------------


def test_pressure_shifts_the_equilibrium_voltage(tmp_path):
    """Omega p/F: 74.2 MPa is 10 mV. Compressed lithium strips more easily: its potential falls; two electrodes balance."""
    pressure = 0.01 * FARADAY / OMEGA * 1e-6
    case = CELL | {"protocol": [{"kind": "pressure", "to": f"{pressure} MPa"}]}
    case["layers"] = [CELL["layers"][0] | {"law": "elastic"}, CELL["layers"][1]]
    run = solve(case, tmp_path / "half")
    assert run.last("cell_voltage_V") == pytest.approx(-0.010, rel=1e-6)
    assert run.last("interface_max_pressure_MPa") == pytest.approx(74.2, rel=1e-3)
    case["layers"] = [case["layers"][0], case["layers"][1], SYMMETRIC["layers"][2] | {"law": "elastic"}]
    assert abs(solve(case, tmp_path / "whole").last("cell_voltage_V")) < 1e-9


# ---- V27: sealed cavity -------------------------------------------------------------------------------------------------

SHEAR, BULK, RADIUS, RESISTANCE = 8.1e9, 11.1e9, 1e-6, 0.8e-4  # Pa, Pa, m, ohm m^2
COMPLIANCE = 3 / (4 * SHEAR) + 1 / BULK
TAU = COMPLIANCE * RADIUS * RESISTANCE * (FARADAY / OMEGA) ** 2 / 3
CAVITY = {
    "geometry": {"kind": "axisymmetric", "width": "20 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "2 um"},
               {"name": "sse", "material": "Li6PS5Cl", "thickness": "40 um"}],
    "features": [{"kind": "pore", "layer": "sse", "position": "20 um", "radius": "1 um", "fill": "Li", "electrons": "collector"}],
    "materials": {"Li": {"youngs_modulus": f"{3 * 11.1 * (1 - 2 * 0.381)} GPa"},
                  "Li6PS5Cl": {"youngs_modulus": f"{2 * 8.1 * 1.37} GPa", "poisson_ratio": 0.37,
                               "ionic_conductivity": "1e6 S/m"}},
    "interfaces": {"pore|sse": {"kinetics": "linear", "resistance": "0.8 ohm*cm^2"},
                   "li|sse": {"kinetics": "linear", "resistance": "1e12 ohm*cm^2"}},  # the collector's layer takes no part
    "mesh": {"size": "5 um"},
    "mechanics": {},
}


def in_cavity(grid, name: str) -> np.ndarray:
    """Values of a field in the lithium ball and on its wall."""
    points, values = (grid.points, grid.point_data) if name in grid.point_data else (grid.cell_centers().points, grid.cell_data)
    return np.asarray(values[name])[np.hypot(points[:, 0], points[:, 1] - 22) < 1.01]


@pytest.mark.parametrize("sign, kinematics", [(-1, "small"), (1, "small"), (-1, "finite")])
def test_sealed_cavity_stops_at_the_deposition_stress(sign, kinematics, tmp_path):
    """V27: p(t) = (F|eta|/Omega)(1 - exp(-t/tau)) in a lithium ball held at -10 mV; as much tension when it is stripped."""
    assert TAU == pytest.approx(0.268, rel=2e-3)
    steps = [{"kind": "voltage", "value": f"{10 * sign} mV", "duration": f"{TAU} s", "max_step": f"{TAU / 60} s"},
             {"kind": "voltage", "value": f"{10 * sign} mV", "duration": f"{9 * TAU} s"}]
    run = solve(CAVITY | {"protocol": steps, "mechanics": {"kinematics": kinematics}}, tmp_path)
    limit = -sign * FARADAY * 0.01 / OMEGA * 1e-6  # 74.2 MPa
    first = run["phase"] == 0
    decay = np.exp(-run["time_s"][first] / TAU)
    assert run["current_density[pore|sse]_A_per_m2"][first] == pytest.approx(sign * 0.010 / RESISTANCE * decay, rel=0.01)
    for number, share in ((0, -math.expm1(-1)), (1, 1.0)):
        for part, field in (("metal", "pressure_MPa"), ("interface", "contact_pressure_MPa")):
            assert in_cavity(run.fields(part, number), field) == pytest.approx(limit * share, rel=0.01)
        sheared = run.fields("metal", number).cell_data["von_mises_MPa"]
        assert sheared.max() < 0.1  # a stuck curved wall does not shear the lithium
    charge = run.last("areal_charge_mAh_per_cm2") * 36000 * math.pi * 20e-6**2
    assert charge == pytest.approx(sign * 4.2e-10, rel=0.01)
    assert charge == pytest.approx(-COMPLIANCE * 4 / 3 * math.pi * RADIUS**3 * limit * 1e6 * FARADAY / OMEGA, rel=0.01)
