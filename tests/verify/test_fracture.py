"""Crack fronts: J, K_I, K_II and T-stress against closed forms (V18), and the electro-chemical Griffith limit (V19)."""

import csv
import math

import numpy as np
import pytest
from cases import Pieces
from interfem import mpi  # noqa: F401  (before dolfinx)
from interfem.case import parse_case
from interfem.fracture import fronts
from interfem.observe.tips import Body, Elastic, Place, near
from interfem.physics.williams import MODES, auxiliary
from interfem.run import run

P, YOUNG, NU, TOUGHNESS = 10.0, 22.1e3, 0.37, 0.25  # MPa, MPa, -, MPa sqrt(m)
PLANE = YOUNG / (1 - NU**2)
ELECTROLYTE = {"youngs_modulus": "22.1 GPa", "poisson_ratio": NU, "fracture_toughness": "0.25 MPa*m^0.5"}
REST = [{"kind": "rest", "duration": "1 s", "first_step": "1 s", "max_step": "1 s"}]
DEPOSIT = 96485.33212 / 1.3e-5 * 1e-6  # F/Omega, MPa/V


def um(value: float) -> str:
    return f"{value:.10g} um"


def case(tree: dict):
    base = {"title": "fracture", "temperature": "298.15 K", "output": {"figures": False}, "protocol": REST, "fracture": {}}
    return parse_case(base | tree | {"materials": {"Li6PS5Cl": ELECTROLYTE} | tree.get("materials", {})})


def solve(tree: dict, folder) -> dict[str, float]:
    result = run(case(tree), folder)
    assert result.status == "completed", result.reason
    return {name: entry["last"] for name, entry in result.summary.items()}


def pore(kind: str, thin: float, loads: dict, **more) -> dict:
    """A crack of half length 1 um amid 40 um: a pore of half height `thin`."""
    side = "outer" if kind == "axisymmetric" else "right"
    return {"geometry": {"kind": kind, "width": "20 um"},
            "layers": [{"name": "sse", "material": "Li6PS5Cl", "thickness": "40 um"}],
            "features": [{"kind": "pore", "layer": "sse", "position": "20 um", "radius": "1 um", "half_height": um(thin)}],
            "mechanics": {"boundaries": {side: "free"} | loads}} | more  # fmt: skip


def edge(width: float, **more) -> dict:
    """An edge crack 1 um deep, loaded by 10 MPa; what covers the surface is as good as nothing."""
    return {"geometry": {"kind": "plane", "width": "20 um"},
            "layers": [{"name": "base", "material": "Base", "thickness": "1 um"},
                       {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"}],
            "features": [{"kind": "flaw", "interface": "base|sse", "depth": "1 um", "width": um(width), "fill": "empty"}],
            "materials": {"Base": {"like": "Li", "law": "elastic", "youngs_modulus": "1 kPa"}},
            "interfaces": {"base|sse": {"tangential": "frictionless"}},
            "mechanics": {"boundaries": {"right": "free", "flaw|sse": f"{P} MPa"}}} | more  # fmt: skip


# ---- V18 ----------------------------------------------------------------------------------------------------------------

CENTRE = P * math.sqrt(math.pi) * 1e-3  # MPa sqrt(m)
PENNY = 2 * P / math.sqrt(math.pi) * 1e-3


def griffith(k: float) -> float:
    """J in N/m."""
    return (k * 1e3) ** 2 / PLANE


@pytest.mark.parametrize("kind, thin, k, t", [("plane", 0.01, CENTRE, -P), ("axisymmetric", 0.005, PENNY, -P * (0.5 + NU))])
def test_pressurised_crack_amid_the_electrolyte(kind, thin, k, t, tmp_path):
    """Centre crack p sqrt(pi a) with T = -p, penny 2 p sqrt(a/pi) with T = -p (1 + 2 nu)/2; the same from rings of any radius."""
    loads = {"pore|sse": f"{P} MPa"}
    found = {r: solve(pore(kind, thin, loads, fracture={"radius": um(r)}), tmp_path / str(r)) for r in (0.15, 0.4, 0.9)}
    for values in found.values():
        assert values["K_I_MPa_sqrt_m[pore]"] == pytest.approx(k, rel=0.01)
        assert values["J_N_per_m[pore]"] == pytest.approx(griffith(k), rel=0.01)
        assert values["K_II_MPa_sqrt_m[pore]"] == pytest.approx(0.0, abs=1e-3 * k)
        assert values["K_I_over_K_IC[pore]"] == pytest.approx(values["K_I_MPa_sqrt_m[pore]"] / TOUGHNESS, rel=1e-9)
    for name in ("K_I_MPa_sqrt_m[pore]", "J_N_per_m[pore]"):
        assert np.ptp([values[name] for values in found.values()]) <= 0.005 * found[0.9][name]
    assert found[0.9]["T_stress_MPa[pore]"] == pytest.approx(t, rel=0.04)


@pytest.mark.parametrize("across, along, k, t", [(4.0, 0.0, 0.6, -6.0), (0.0, 6.0, 1.0, -16.0), (10.0, 0.0, 0.0, 0.0)])
def test_compression_in_the_plane(across, along, k, t, tmp_path):
    """p becomes p - S for a compression S across the crack; one along it only adds to the T-stress."""
    loads = {"pore|sse": f"{P} MPa", "collector": f"{across} MPa", "right": f"{along} MPa"}
    found = solve(pore("plane", 0.01, loads), tmp_path)
    assert found["K_I_MPa_sqrt_m[pore]"] == pytest.approx(k * CENTRE, abs=0.01 * CENTRE)
    assert found["T_stress_MPa[pore]"] == pytest.approx(t, abs=0.4)


def test_edge_crack(tmp_path):
    """1.1215 p sqrt(pi a), T = -0.526 p; a wedge 1/40 as wide as it is deep, half of it by symmetry, and rings that agree."""
    found = [solve(edge(0.025, fracture={"radius": um(r)}), tmp_path / str(r)) for r in (0.2, 0.8)]
    for values in found:
        assert values["K_I_MPa_sqrt_m[flaw]"] == pytest.approx(1.1215 * CENTRE, rel=0.01)
        assert values["J_N_per_m[flaw]"] == pytest.approx(griffith(1.1215 * CENTRE), rel=0.01)
        assert values["T_stress_MPa[flaw]"] == pytest.approx(-0.526 * P, rel=0.08)  # the faces are 1.4 degrees apart
    assert found[0]["J_N_per_m[flaw]"] == pytest.approx(found[1]["J_N_per_m[flaw]"], rel=0.005)


# ---- fields that are known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("mode, wanted", [("K_I", (1.0, 0.0)), ("K_II", (0.0, 1.0))])
def test_each_mode_is_told_apart(mode, wanted):
    """The displacement of one mode alone, put on the mesh: its K is 1, the other 0, and J = 1/E'."""
    tree = edge(0.02, fracture={})
    tree["features"][0]["center"] = "10 um"
    tree["mechanics"]["boundaries"]["flaw|sse"] = "free"
    pieces = Pieces(case(tree))
    front, elastic = fronts(pieces.case)[0], Elastic(YOUNG, NU, 0.0, None)
    body = Body(pieces.domain, pieces.fields, pieces.model.controls.loads)
    place = Place(body, front, 0.0, pieces.case)
    points = np.zeros((len(body.space.tabulate_dof_coordinates()), 3))
    points[:, [0, 2]] = body.space.tabulate_dof_coordinates()[:, :2]
    seen = near(front, points, "plane")
    z, kappa = seen.x1 + 1j * seen.x2 + 1e-12, 3 - 4 * NU
    phi, slope, _, psi, _ = MODES[mode](z)
    moved = (kappa * phi - z * slope.conj() - psi.conj()) / (2 * elastic.shear)
    ahead, across = (seen.frame[:, row, [0, 2]] for row in (0, 1))
    body.u.x.array[:] = (moved.real[:, None] * ahead + moved.imag[:, None] * across).reshape(-1)
    found = place.intensity(elastic, pieces.domain.comm)
    assert (found.K_I * 1e3, found.K_II * 1e3) == pytest.approx(wanted, abs=0.02)
    assert found.J * PLANE == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("mode", MODES)
def test_auxiliary_fields_balance(mode):
    """Divergence of the stress about a circular front by differences: it is that of cylindrical coordinates."""
    radius, step = 3.0, 1e-4

    def stress(x, y):
        bend = np.array([[1 / (radius + x), 0.0]])
        return auxiliary(MODES[mode], np.array([x]), np.array([y]), bend, 2.0, 0.3)

    here, x, y = stress(0.4, 0.7), 0.4, 0.7
    by_x = (stress(x + step, y).stress - stress(x - step, y).stress)[0] / (2 * step)
    by_y = (stress(x, y + step).stress - stress(x, y - step).stress)[0] / (2 * step)
    s, rho = here.stress[0], radius + x
    wanted = [by_x[0, 0] + by_y[0, 1] + (s[0, 0] - s[2, 2]) / rho, by_x[1, 0] + by_y[1, 1] + s[0, 1] / rho]
    assert here.divergence[0, :2] == pytest.approx(wanted, abs=1e-6)


def test_front_in_a_box_agrees_with_the_circle(tmp_path):
    """A quarter of a penny, coarse: J along its front within 5 % of that about an axis, and written as a profile."""
    loads = {"pore|sse": f"{P} MPa"}
    mesh = {"size": "2 um"}
    thick = pore("box", 0.2, loads | {"back": "free"}, mesh=mesh)
    thick["geometry"] |= {"width": "6 um", "depth": "6 um"}
    thick["layers"][0]["thickness"] = "12 um"
    thick["features"][0] |= {"center": ["0 um", "0 um"], "position": "6 um"}
    wanted = solve(pore("axisymmetric", 0.2, loads), tmp_path / "circle")["J_N_per_m[pore]"]
    found = solve(thick, tmp_path / "box")
    with open(tmp_path / "box" / "fronts.csv", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4 and float(rows[-1]["along_um"]) == pytest.approx(math.pi / 2, rel=0.05)
    assert [float(row["J_N_per_m"]) for row in rows] == pytest.approx([wanted] * 4, rel=0.06)
    assert found["J_N_per_m[pore]"] == pytest.approx(max(float(row["J_N_per_m"]) for row in rows))


# ---- V19 ----------------------------------------------------------------------------------------------------------------


def plated(depth: float, eta: float, **more) -> dict:
    """A flaw filled with lithium, plated at -eta (mV) until the pressure on its walls is F eta/Omega."""
    tree = edge(0.04)
    seconds = f"{200 * depth:.6g} s"
    return tree | {
        "geometry": {"kind": "plane", "width": um(20 * depth)},
        "layers": [tree["layers"][0] | {"thickness": um(depth)}, tree["layers"][1] | {"thickness": um(20 * depth)}],
        "features": [{"kind": "flaw", "interface": "base|sse", "depth": um(depth), "width": um(0.04 * depth), "fill": "Li"}],
        "materials": tree["materials"] | {"Li": {"law": "elastic"}, "Li6PS5Cl": ELECTROLYTE | {"ionic_conductivity": "1e3 S/m"}},
        "interfaces": {"flaw|sse": {"kinetics": "linear", "resistance": "1 ohm*cm^2"},
                       "base|sse": {"kinetics": "linear", "resistance": "1e14 ohm*cm^2", "tangential": "frictionless"}},
        "mechanics": {"boundaries": {"right": "free"}},
        "mesh": {"tip_size": um(0.03 * depth)},
        "protocol": [{"kind": "voltage", "value": f"{-eta} mV", "duration": seconds, "first_step": f"{0.1 * depth} s",
                      "max_step": seconds}]} | more  # fmt: skip


def test_electrochemical_griffith_limit(tmp_path):
    """V19: overpotential at which K_I = K_IC from full runs, K_IC Omega/(F Y sqrt(pi a)): the slope is -1/2."""
    sizes, limits = (0.1, 1.0, 20.0), []
    for depth in sizes:
        found = solve(plated(depth, 5.0), tmp_path / str(depth))
        limits.append(5.0 / found["K_I_over_K_IC[flaw]"])
        closed = TOUGHNESS / (1.1215 * math.sqrt(math.pi * depth * 1e-6)) / DEPOSIT * 1e3
        assert limits[-1] == pytest.approx(closed, rel=0.02)
    slope = np.polyfit(np.log(sizes), np.log(limits), 1)[0]
    assert slope == pytest.approx(-0.5, rel=0.02)


def test_a_run_ends_where_the_toughness_is_reached(tmp_path):
    """`limits.k_ratio_above`, met closely; the risk of the weakest link is 1 - exp(-(K_I/K_IC)^m)."""
    result = run(case(plated(1.0, 5.0, limits={"k_ratio_above": 0.2}, fracture={"weibull_modulus": 2})), tmp_path)
    assert (result.status, result.event) == ("stopped", "fracture[flaw]")
    assert result.last("K_I_over_K_IC[flaw]") == pytest.approx(0.2, rel=2e-3)
    assert result.last("short_risk") == pytest.approx(-math.expm1(-(result.last("K_I_over_K_IC[flaw]") ** 2)))
