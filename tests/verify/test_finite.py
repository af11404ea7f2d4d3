"""Finite strain against closed forms, through the product's path where a case can say it."""

import math

import numpy as np
import pytest
from path import merge, solve
from scipy.spatial.transform import Rotation

from interfem.laws import norton
from interfem.physics import finite

R, Q, MASIAS, EXPONENT = 8.314462618, 37e3, 7.7e-3, 6.56
LI = {"Li": {"creep_rate": f"{MASIAS * math.exp(Q / (R * 298.15)):.12e} 1/s", "creep_exponent": EXPONENT}}
FINITE = {"mechanics": {"kinematics": "finite"}}
BAR = {"geometry": {"kind": "axisymmetric", "width": "10 um"}, "layers": [{"name": "li", "material": "Li", "thickness": "10 um"}],
       "materials": LI, "mesh": {"size": "5 um"}, "mechanics": {"kinematics": "finite", "boundaries": {"outer": "free"}},
       "protocol": [{"kind": "pressure", "to": "1 MPa", "duration": "1e-3 s"}, {"kind": "rest", "duration": "80 s"}]}  # fmt: skip


@pytest.mark.parametrize("kind, factor", [("axisymmetric", 1.0), ("plane", (math.sqrt(3) / 2) ** (EXPONENT + 1)), ("box", 1.0)])
def test_a_bar_is_squeezed_to_half_its_height(kind, factor, tmp_path):
    """True stress 1 MPa: `h = h0 exp(-rate t)` at the rate of V11; in plane strain the rate is `(sqrt(3)/2)^(n+1) A p^n`."""
    geometry = {"kind": kind, "width": "10 um"} | ({"depth": "10 um"} if kind == "box" else {})
    free = {"outer": "free"} if kind == "axisymmetric" else {"right": "free"} | ({"back": "free"} if kind == "box" else {})
    rest = {"kind": "rest", "duration": f"{80 / factor} s"}
    case = merge(BAR, {"geometry": geometry, "protocol": [BAR["protocol"][0], rest]}) | {"mechanics": {"kinematics": "finite", "boundaries": free}}
    run = solve(case, tmp_path)
    strain = -math.log(1 + run.last("collector_displacement_um") / 10)
    assert strain == pytest.approx(factor * MASIAS * 80 / factor, rel=2e-3)
    assert run.last("metal_max_von_mises_MPa") == pytest.approx(1.0 * (math.sqrt(3) / 2 if kind == "plane" else 1.0), rel=1e-4)
    volume = run.fields("metal").warp_by_vector("displacement_um").volume / run.fields("metal").volume if kind == "box" else 1.0
    assert volume == pytest.approx(1.0, abs=1e-4)  # flow keeps the volume


def test_a_bar_is_drawn_out(tmp_path):
    """True stress 1 MPa pulls at an end of a bar that is free at its side: `h = h0 exp(rate t)` to 1.65 h0, thinner by as much area."""
    drawn = {"kinematics": "finite", "boundaries": {"outer": "free", "collector": "-1 MPa"}}
    run = solve(BAR | {"mechanics": drawn, "protocol": [{"kind": "rest", "duration": f"{0.5 / MASIAS} s", "first_step": "1e-4 s"}],
                       "solver": {"plastic_increment": 0.05}}, tmp_path)
    assert math.log(1 + run.last("collector_displacement_um") / 10) == pytest.approx(0.5, rel=2e-3)
    side = run.fields("metal").warp_by_vector("displacement_um").points[:, 0].max()
    assert side == pytest.approx(10 * math.exp(-0.25), rel=2e-3)


def test_lithium_is_sheared_between_walls(tmp_path):
    """Simple shear in a plane channel of half height h with stuck walls, g the pressure gradient along it: `tau = g y`,
    `d(gamma)/dt = 3^((n+1)/2) A tau^n`, hence `du/dt = 3^((n+1)/2) A g^n (h^(n+1) - y^(n+1))/(n+1)`; by 1 at the wall.

    n = 3, so that the stresses of the load settle in the middle as well, where next to nothing flows.
    """
    h, long, drop, n = 1.0, 10.0, 6.0, 3
    sides = {"left": f"{drop} MPa", "right": "free", "collector": "clamped", "counter": "roller"}
    strong = 3 ** ((n + 1) / 2) * MASIAS
    seconds = 1 / (strong * (drop / long * h) ** n)
    case = {"geometry": {"kind": "plane", "width": f"{long} um"}, "layers": [{"name": "li", "material": "Li", "thickness": f"{h} um"}],
            "materials": {"Li": LI["Li"] | {"creep_exponent": n}}, "mesh": {"size": "0.3 um"}, "solver": {"plastic_increment": 0.2},
            "mechanics": {"kinematics": "finite", "boundaries": sides}, "output": {"figures": False, "interval": f"{0.5 * seconds} s"},
            "protocol": [{"kind": "rest", "duration": f"{seconds} s", "first_step": f"{1e-6 * seconds} s"}]}  # fmt: skip
    run = solve(case, tmp_path)
    before, after = (run.fields("metal", number) for number in (-2, -1))
    y, x = h - after.points[:, 1], after.points[:, 0]
    moved = (after.point_data["displacement_um"] - before.point_data["displacement_um"])[:, 0] / np.diff(run.times("metal")[-2:])
    cells, inside = after.cell_centers().points, np.abs(x - long / 2) < 1
    sheared = (np.abs(cells[:, 0] - long / 2) < 1) & (cells[:, 1] < 0.4)
    g = float(np.mean(after.cell_data["von_mises_MPa"][sheared] / math.sqrt(3) / (h - cells[sheared, 1])))
    assert g == pytest.approx(drop / long, rel=0.02)  # somewhat more than over all: at its open ends it flows more easily
    assert moved[inside] == pytest.approx((strong * g**n * (h ** (n + 1) - y ** (n + 1)) / (n + 1))[inside], rel=0.03, abs=1e-9)


def test_both_kinematics_agree_for_small_strains(tmp_path):
    """Over a strain of 1e-4 they differ by about as much."""
    protocol = [{"kind": "pressure", "to": "0.4 MPa", "duration": "1e-3 s"}, {"kind": "rest", "duration": "1 s"}]
    found = [solve(merge(BAR, {"protocol": protocol, "mechanics": {"kinematics": kind}}), tmp_path / kind).last("collector_displacement_um")
             for kind in ("small", "finite")]
    assert found[0] == pytest.approx(found[1], rel=3e-4)
    assert found[0] != found[1]


def test_a_free_alloy_grows_by_the_cube_root_of_its_volume(tmp_path):
    """J_c = 1 + Omega_c (c - c0), here 1.9: each length by its cube root, without stress."""
    alloy = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "youngs_modulus": "20 GPa", "poisson_ratio": 0.3,
             "diffusivity": "1e-9 m^2/s", "maximum_concentration": "1.2e5 mol/m^3", "initial_concentration": "1e4 mol/m^3",
             "partial_molar_volume": "9e-6 m^3/mol", "equilibrium_potential": "0.3 V"}  # fmt: skip
    charge = 96485.33212 * 1e5 * 10e-6  # C/m^2 that bring 1e5 mol/m^3 into 10 um
    case = {"geometry": {"kind": "axisymmetric", "width": "10 um"}, "materials": {"A": alloy, "Li6PS5Cl": {"youngs_modulus": "1 kPa"}},
            "layers": [{"name": "a", "material": "A", "thickness": "10 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "5 um"}],
            "interfaces": {"a|sse": {"kinetics": "linear", "resistance": "1 ohm*cm^2", "tangential": "frictionless"}},
            "mesh": {"size": "4 um", "interface_size": "4 um"}, "mechanics": {"kinematics": "finite", "boundaries": {"outer": "free"}},
            "protocol": [{"kind": "current", "value": "-10 A/m^2", "areal_charge": f"{charge} C/m^2"}]}  # fmt: skip
    run = solve(case, tmp_path)
    stretch = 1.9 ** (1 / 3)
    assert run.last("collector_displacement_um") == pytest.approx(10 * (stretch - 1), rel=2e-3)
    assert run.last("metal_max_von_mises_MPa") < 1.0


def test_a_thick_cylinder_flows_from_bore_to_bore(tmp_path):
    """Norton, n = 6.56, b/a = 2, p on the deformed bore: it grows by `da/dt = a rate(b/a) A p^n` while b^2 - a^2 is kept."""
    inner, outer, p = 10.0, 20.0, 1.0
    mechanics = {"kinematics": "finite", "boundaries": {"inner": f"{p} MPa", "outer": "free", "collector": "roller", "counter": "roller"}}
    case = {"geometry": {"kind": "axisymmetric", "inner_radius": f"{inner} um", "width": f"{outer} um"}, "materials": LI,
            "layers": [{"name": "li", "material": "Li", "thickness": "2 um"}], "mesh": {"size": "0.7 um"}, "mechanics": mechanics,
            "protocol": [{"kind": "rest", "duration": "1.7 s", "first_step": "1e-4 s", "max_step": "0.02 s"}],
            "output": {"interval": "0.1 s"}}  # fmt: skip
    run = solve(case, tmp_path)
    times, bores = run.times("metal"), [bore(run, n, inner) for n in range(len(run.times("metal")))]
    assert bores[-1] > inner + 1.5
    for n in range(3, len(times) - 1):  # after the elastic stresses have settled
        a = 0.5 * (bores[n] + bores[n + 1])
        b = math.sqrt(a * a + outer**2 - inner**2)
        found = (bores[n + 1] - bores[n]) / (times[n + 1] - times[n]) / a
        assert found == pytest.approx(rate(b / a) * MASIAS * p**EXPONENT, rel=0.02)


def bore(run, number: int, inner: float) -> float:
    """Radius of the bore, um."""
    grid = run.fields("metal", number)
    return inner + float(np.mean(grid.point_data["displacement_um"][np.isclose(grid.points[:, 0], inner), 0]))


def rate(ratio: float) -> float:
    """V12: `(sqrt(3)/2)^(n+1) [(2/n) (b/a)^(2/n)/((b/a)^(2/n) - 1)]^n` of the bore."""
    n, power = EXPONENT, ratio ** (2 / EXPONENT)
    return (math.sqrt(3) / 2) ** (n + 1) * (2 / n * power / (power - 1)) ** n


# ---- the local update -----------------------------------------------------------------------------------------------

SHEAR, PAR = 2800.0, {"rate": MASIAS, "reference": 1.0, "exponent": EXPONENT, "softness": 0.0, "diffusional": 0.0}


def step(deformation: np.ndarray, c: np.ndarray, dt: float) -> tuple[np.ndarray, np.ndarray]:
    """(Kirchhoff deviator, new C) of one step, as fields.commit does it."""
    fb = (deformation / np.cbrt(np.linalg.det(deformation)))[None, None]
    b = fb @ c @ np.swapaxes(fb, -1, -2)
    e, mu = finite.deviator(b, np.full((1, 1), SHEAR))
    q = 2 * SHEAR * np.sqrt(1.5 * np.einsum("cpij,cpij->cp", e, e))
    s = norton.solve(q, mu, 0 * q, dt, PAR)
    return (2 * SHEAR * s[..., None, None] * e)[0, 0], finite.advance(b, s, c, fb)


def history(turn=None) -> list[np.ndarray]:
    """Stress of a simple shear to 2 in 200 steps at 0.02 1/s, seen by an observer who turns."""
    c, found = np.eye(3)[None, None], []
    for n in range(1, 201):
        f = np.eye(3)
        f[0, 1] = 2.0 * n / 200
        stress, c = step(f if turn is None else turn(n) @ f, c, 0.5)
        found.append(stress)
    return found


def test_stress_turns_with_the_body():
    """A rotation laid over the motion turns the stress and does nothing else."""
    def turn(n: int) -> np.ndarray:
        return Rotation.from_rotvec(0.02 * n * np.array([1.0, 2.0, -0.5])).as_matrix()

    for n, (plain, turned) in enumerate(zip(history(), history(turn)), 1):
        assert turn(n) @ plain @ turn(n).T == pytest.approx(turned, abs=1e-10)


def test_simple_shear_flows_at_its_rate():
    """Steady: `tau = q/sqrt(3)` with `A q^n = rate/sqrt(3)`; the flow is isochoric and dissipates."""
    stress = history()[-1]
    q = (0.02 / math.sqrt(3) / MASIAS) ** (1 / EXPONENT)
    assert math.sqrt(1.5 * np.sum(stress**2)) == pytest.approx(q, rel=1e-3)
    assert stress[0, 1] == pytest.approx(q / math.sqrt(3), rel=1e-3)
    c = np.eye(3)[None, None]
    for n in range(1, 50):
        f = np.eye(3)
        f[0, 1] = 0.02 * n
        before, (tau, c) = c, step(f, c, 0.5)
        assert np.linalg.det(c) == pytest.approx(1.0, abs=1e-12)
        rate = -0.5 * f @ (c - before)[0, 0] @ np.linalg.inv(c[0, 0]) @ np.linalg.inv(f)  # plastic strain, seen in space
        assert np.sum(tau * rate) >= 0


def test_a_distorted_mesh_ends_the_run(tmp_path):
    """A bar squeezed far beyond what its elements bear: a named event, with everything up to there kept."""
    from interfem.case import parse_case
    from interfem.run import run

    protocol = [BAR["protocol"][0], {"kind": "rest", "duration": "800 s"}]
    case = parse_case(merge({"title": "squeezed", "temperature": "298.15 K", "output": {"figures": False}}, BAR, {"protocol": protocol}))
    result = run(case, tmp_path)
    assert (result.status, result.event) == ("stopped", "mesh_distorted")
    assert result.last("collector_displacement_um") < -5.0
