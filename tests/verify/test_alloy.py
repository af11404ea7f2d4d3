"""Stored lithium, events, equilibrium potentials, and the coupled solve (tangent, Newton, charge at rest)."""

import json
import math

import numpy as np
import pytest
from scipy.optimize import brentq
from cases import KAPPA, OMEGA, RT_F, F, Pieces, build, current, fixed, layer, rest, rows, um

LENGTH, C0, C_MIN, C_MAX, D = 25.0, 69.6e3, 24.0e3, 80.0e3, 3.0e-15  # um, mol/m^3, m^2/s: V09
SLAB = {"role": "alloy", "law": "elastic", "electronic_conductivity": "1e6 S/m", "diffusivity": f"{D} m^2/s",
        "maximum_concentration": f"{C_MAX} mol/m^3", "minimum_concentration": f"{C_MIN} mol/m^3",
        "initial_concentration": f"{C0} mol/m^3", "equilibrium_potential": "0.3 V"}  # fmt: skip
SSE = layer("sse", "Li6PS5Cl", 5)


def slab(step: dict, size: float = 1.0, edge: float = 0.2):
    """V09: alloy slab, no flux at the collector, on 5 um of electrolyte."""
    return build([layer("alloy", "A", LENGTH), SSE], [step], 4, materials={"A": SLAB},
                 mesh={"size": um(size), "interface_size": um(edge)},
                 interfaces={"alloy|sse": {"exchange_current_density": "10 A/m^2"}})  # fmt: skip


def stored_charge(row: dict) -> float:
    """Charge that has left the slab, C/m^2."""
    return (C0 - row["li_fraction_mean[A]"] * C_MAX) * LENGTH * 1e-6 * F


def surface_drop(i: float, time: float) -> float:
    """`c0 - c(L, t)` of the slab (mol/m^3) for the current density i (A/m^2); series of V09."""
    scale, t = i / F * LENGTH * 1e-6 / D, D * time / (LENGTH * 1e-6) ** 2
    return scale * (t + 1 / 3 - 2 * sum(math.exp(-n * n * math.pi**2 * t) / (n * math.pi) ** 2 for n in range(1, 400)))


# ---- diffusion --------------------------------------------------------------------------------------------------------


def test_current_after_a_step_of_voltage(tmp_path):
    """Slab that takes lithium through a resistance (Biot number 35), its potential linear in the filling, by default steps.

    `i = V/R sum 2 Bi/(b^2 + Bi^2 + Bi) exp(-b^2 D t/L^2)`, `b tan b = Bi`: from a thousandth of the time on, in which 1 % of L^2/D passes.
    """
    length, diffusivity, c_max, slope, resistance = 15e-6, 2e-14, 40e3, 0.4, 22e-4  # m, m^2/s, mol/m^3, V, ohm m^2
    alloy = SLAB | {"diffusivity": f"{diffusivity} m^2/s", "maximum_concentration": f"{c_max} mol/m^3", "minimum_concentration": "0 mol/m^3",
                    "initial_concentration": f"{c_max / 2} mol/m^3", "equilibrium_potential": {"table": [[0, "0.5 V"], [1, "0.1 V"]]}}
    case = build([layer("alloy", "A", 15), layer("sse", "Li6PS5Cl", 20)], [{"kind": "voltage", "value": "0.32 V", "duration": "2000 s"}], 4,
                 materials={"A": alloy, "Li6PS5Cl": {"ionic_conductivity": "0.1 S/m"}}, mesh={"size": "2 um", "interface_size": "0.2 um"},
                 interfaces={"alloy|sse": {"kinetics": "linear", "resistance": "20 ohm*cm^2"}})
    biot = slope / c_max * length / (F * resistance * diffusivity)
    roots = [brentq(lambda b: b * math.sin(b) - biot * math.cos(b), n * math.pi + 1e-12, (n + 0.5) * math.pi) for n in range(400)]
    late = [row for row in rows(case, tmp_path) if row["time_s"] > 2]
    assert len(late) > 30
    for row in late:
        shares = (2 * biot / (b * b + biot * (biot + 1)) * math.exp(-b * b * diffusivity * row["time_s"] / length**2) for b in roots)
        assert row["current_density_A_per_m2"] == pytest.approx(0.02 / resistance * sum(shares), rel=0.01)


@pytest.mark.parametrize("i, time, utilisation", [(0.1, 1.0305e6, 0.6138), (1, 4.5452e4, 0.2707), (10, 456.1, 0.0272)])
def test_time_to_exhaustion(tmp_path, i, time, utilisation):
    """V09 in some 50 steps: the event, its time, the used part of the lithium, and the balance of mass and charge."""
    step = {"kind": "current", "value": f"{i} A/m^2", "duration": f"{1.3 * time} s", "max_step": f"{time / 40} s"}
    found = rows(slab(step), tmp_path)
    record, end = json.loads((tmp_path / "run.json").read_text()), found[-1]
    assert (record["status"], record["event"]) == ("stopped", "lithium_exhausted")
    assert end["time_s"] == pytest.approx(time, rel=3e-3)
    assert end["li_fraction_min[A]"] == pytest.approx(C_MIN / C_MAX, abs=2e-5)
    assert stored_charge(end) / (C0 * LENGTH * 1e-6 * F) == pytest.approx(utilisation, rel=5e-3)
    for row in found:
        assert stored_charge(row) == pytest.approx(i * row["time_s"], rel=1e-6)
        assert row["areal_charge_mAh_per_cm2"] * 36000 == pytest.approx(i * row["time_s"], rel=1e-9)


def test_time_to_exhaustion_by_default_steps(tmp_path):
    """V09 at 1 A/m^2 without a word on time steps."""
    found = rows(slab({"kind": "current", "value": "1 A/m^2", "duration": "60000 s"}), tmp_path)
    assert found[-1]["time_s"] == pytest.approx(4.5452e4, rel=3e-3)


def test_second_order_in_time(tmp_path):
    """V09 with equal steps: the error of the surface concentration falls by four when the step is halved."""
    errors = []
    for steps in (20, 40, 80):
        end = rows(slab(current(1, 3e4, steps), size=0.5), tmp_path)[-1]
        errors.append(C0 - end["li_fraction_min[A]"] * C_MAX - surface_drop(1, 3e4))
    assert np.log2(np.array(errors[:-1]) / errors[1:]) == pytest.approx([2, 2], abs=0.25)


FAST = {"Li-In": {"diffusivity": "5.5e-11 m^2/s"}}


def test_fast_alloy(tmp_path):
    """V09, Li-In 20 um at 1 mA/cm^2: the surface lags behind the mean by `i L/(3 F D)` = 12.56 mol/m^3, invisibly."""
    case = build([layer("alloy", "Li-In", 20), SSE], [current(10, 60, 30)], 4, materials=FAST)
    end, c_max = rows(case, tmp_path)[-1], 42.43e3
    lag = (end["li_fraction_mean[Li-In]"] - end["li_fraction_min[Li-In]"]) * c_max
    assert lag == pytest.approx(12.56, rel=2e-3)
    assert end["li_fraction_max[Li-In]"] - end["li_fraction_min[Li-In]"] < 1e-3 * end["li_fraction_mean[Li-In]"]
    assert end["overpotential_V"] == pytest.approx(10 * 5e-6 / KAPPA + 2 * RT_F * math.asinh(10 / 100), rel=1e-6)


def test_stress_quickens_diffusion(tmp_path):
    """Held at its sides an alloy of `U = U0 - U' c` bears `p = g c/Omega`, `g = 2 E Omega^2/(9 (1 - nu))`: `D (1 + g/(F U'))` at constant flux, then at rest,
    and `V = U0 - (U' + g/F) c` at the face.
    """
    young, nu, omega, slope, d, height, flux = 50e9, 0.3, 8e-6, 0.4 / 40e3, 2e-14, 15e-6, 2 / F
    alloy = SLAB | {"diffusivity": f"{d} m^2/s", "maximum_concentration": "40e3 mol/m^3", "minimum_concentration": "0 mol/m^3",
                    "initial_concentration": "20e3 mol/m^3", "equilibrium_potential": {"table": [[0, "0.5 V"], [1, "0.1 V"]]},
                    "partial_molar_volume": f"{omega} m^3/mol", "youngs_modulus": f"{young} Pa", "poisson_ratio": nu}
    case = build([layer("alloy", "A", 15), SSE], [current(-2, 3000, 20), rest(3000, 20)], 2, materials={"A": alloy}, mechanics={},
                 mesh={"size": um(1), "interface_size": um(0.3)}, interfaces={"alloy|sse": {"kinetics": "linear", "resistance": "20 ohm*cm^2"}})  # fmt: skip
    g = 2 * young * omega**2 / (9 * (1 - nu))
    quick = d * (1 + g / (F * slope))

    def risen(time: float) -> float:
        t = max(quick * time / height**2, 0.0)
        return flux * height / quick * (t + 1 / 3 - 2 * sum(math.exp(-n * n * math.pi**2 * t) / (n * math.pi) ** 2 for n in range(1, 400)))

    found = [row for row in rows(case, tmp_path) if row["time_s"] % 3000 in (0, 1500)]
    for row in found:
        c = risen(row["time_s"]) - (risen(row["time_s"] - 3000) if row["time_s"] > 3000 else 0.0)
        exact = 0.3 - (slope + g / F) * c + row["current_density_A_per_m2"] * (20e-4 + 5e-6 / KAPPA)
        assert row["cell_voltage_V"] == pytest.approx(exact, abs=2e-4)
    assert found[1]["metal_max_pressure_MPa"] == pytest.approx(g * risen(3000) / omega * 1e-6, rel=5e-3)


# ---- equilibrium potential --------------------------------------------------------------------------------------------

I0 = {"Li": 320.0, "Li-In": 50.0}  # A/m^2, of the library on Li6PS5Cl
ALLOY, LI, THICK = layer("alloy", "Li-In", 5), layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)


@pytest.mark.parametrize("layers, volt", [([ALLOY, THICK], 0.62), ([LI, THICK, layer("rear", "Li-In", 5)], -0.62),
                                          ([ALLOY, THICK, layer("rear", "Li-In", 5)], 0), ([LI, THICK], 0)])  # fmt: skip
def test_rest_voltage_and_overpotential(tmp_path, layers, volt):
    """Li-In stands at 0.62 V against Li/Li+, in either place; the overpotential exceeds the rest voltage and has the sign of i."""
    for sign in (1, -1):
        resting, flowing = rows(build(layers, [rest(), current(sign * 10)], 10, mesh={"size": "5 um"}), tmp_path)
        assert resting["cell_voltage_V"] == pytest.approx(volt, abs=1e-4)
        assert resting["overpotential_V"] == pytest.approx(0, abs=1e-9)
        kinetic = sum(2 * RT_F * math.asinh(10 / (2 * I0[item["material"]])) for item in layers if item["material"] in I0)
        assert flowing["cell_voltage_V"] - flowing["overpotential_V"] == pytest.approx(volt, abs=1e-4)
        assert flowing["overpotential_V"] == pytest.approx(sign * (10 * 20e-6 / KAPPA + kinetic), rel=1e-4)


# ---- events -----------------------------------------------------------------------------------------------------------

THIN = [layer("alloy", "Li-In", 0.5), layer("sse", "Li6PS5Cl", 5)]


def test_voltage_limit_ends_the_run(tmp_path):
    """A run ends within 1e-5 V of its limit, by a named event, with the steps up to there kept."""
    found = rows(build(THIN, [current(10, 2000, 20), rest()], 4, limits={"voltage_above": "0.65 V"}), tmp_path)
    record = json.loads((tmp_path / "run.json").read_text())
    assert (record["status"], record["event"]) == ("stopped", "voltage_limit")
    assert found[-1]["cell_voltage_V"] == pytest.approx(0.65, abs=1e-5) and found[-1]["phase"] == 0


@pytest.mark.parametrize("value, until, volt", [(10, "until_voltage_above", 0.65), (-10, "until_voltage_below", 0.59)])
def test_until_voltage_ends_a_step(tmp_path, value, until, volt):
    """The step ends within 1e-5 V, and the protocol goes on."""
    found = rows(build(THIN, [current(value, 2000, 20, **{until: f"{volt} V"}), rest(5)], 4), tmp_path)
    first = [row for row in found if row["phase"] == 0]
    assert first[-1]["cell_voltage_V"] == pytest.approx(volt, abs=1e-5) and first[-1]["time_s"] < 1000
    assert found[-1]["phase"] == 1 and found[-1]["time_s"] == pytest.approx(first[-1]["time_s"] + 5)
    assert json.loads((tmp_path / "run.json").read_text())["status"] == "completed"


# ---- stress and charge ------------------------------------------------------------------------------------------------

PRESS = {"kind": "pressure", "to": "5 MPa", "duration": "1 s"} | fixed(1, 2)


def test_pressure_shifts_the_rest_voltage(tmp_path):
    """Compressed Li strips more easily: at rest `V = -Omega p/F` against an unstressed reference, nothing against pressed Li."""
    shift = -OMEGA * 5e6 / F
    for layers, volt in (([LI, THICK], shift), ([LI, THICK, layer("rear", "Li", 5)], 0.0)):
        end = rows(build(layers, [PRESS], 10, mechanics={}, mesh={"size": "5 um"}), tmp_path)[-1]
        assert end["interface_min_pressure_MPa"] == pytest.approx(5, rel=1e-6)
        assert end["cell_voltage_V"] == pytest.approx(volt, abs=1e-4 * abs(shift))


FLAW = {"kind": "flaw", "interface": "li|sse", "center": "6 um", "width": "1 um", "depth": "2 um", "fill": "Li"}
VOID = {"kind": "void", "interface": "li|sse", "radius": "2 um", "height": "1 um"}
COARSE = {"size": "5 um", "interface_size": "1.5 um", "rim_size": "0.5 um", "tip_size": "0.4 um"}
STIFF = {"A": SLAB | {"diffusivity": "1e-9 m^2/s", "partial_molar_volume": "8e-6 m^3/mol", "youngs_modulus": "40 GPa",
                      "poisson_ratio": 0.3, "exchange_current_density": "10 A/m^2", "transfer_coefficient": 0.5}}  # fmt: skip


def test_alloys_feel_the_mean_stress(tmp_path):
    """Lithium in an alloy swells it against p = -tr(sigma)/3, here p_c (1 + nu)/(3 (1 - nu)): `V = U - Omega_c p/F` at rest."""
    press = PRESS | {"to": "200 MPa"}
    shift = -8e-6 * 200e6 * 1.3 / (3 * 0.7) / F
    for layers, volt in (([layer("alloy", "A", 5), THICK], 0.3 + shift), ([LI, THICK, layer("rear", "A", 5)], -OMEGA * 200e6 / F - 0.3 - shift)):
        end = rows(build(layers, [press], 10, mechanics={}, materials=STIFF, mesh={"size": "5 um"}), tmp_path)[-1]
        assert end["cell_voltage_V"] == pytest.approx(volt, abs=1e-3 * abs(shift))
        assert end["overpotential_V"] == pytest.approx(0, abs=1e-3 * abs(shift))


GAS = [[x, 0.3 + RT_F * math.log((1 - x) / x)] for x in (0.02, *np.linspace(0.8, 0.94, 15), 0.98)]  # an ideal lattice gas
PLATEAU = [[0.0, 0.5], [0.1, 0.305], [0.9, 0.29], [1.0, 0.2]]


@pytest.mark.parametrize("table", [GAS, PLATEAU])
def test_no_current_circulates_in_a_stressed_alloy(tmp_path, table):
    """Uneven stress moves lithium until `-F U + Omega_c p` is even; then charge transfer rests too, at every wall."""
    plug = FLAW | {"interface": "alloy|sse", "fill": "A"}
    case = build([layer("alloy", "A", 5), layer("sse", "Li6PS5Cl", 5)], [PRESS | {"to": "200 MPa"}, rest(10, 5)], 10, mechanics={},
                 materials={"A": STIFF["A"] | {"equilibrium_potential": {"table": [[x, f"{u} V"] for x, u in table]}}}, features=[plug],
                 mesh=COARSE)  # fmt: skip
    end = rows(case, tmp_path)[-1]
    assert end["interface_max_pressure_MPa"] - end["interface_min_pressure_MPa"] > 10
    assert max(abs(end[f"current_density[{name}]_A_per_m2"]) for name in ("alloy|sse", "flaw|sse")) < 1e-3


def test_rest_under_uneven_pressure_conserves_charge(tmp_path):
    """Beside a void the contact presses unevenly, and lithium moves along the interface: local currents whose sum is zero."""
    steps = [PRESS, rest(1, 4)]
    case = build([LI, layer("sse", "Li6PS5Cl", 10)], steps, 10, mechanics={}, features=[VOID, FLAW], mesh=COARSE)
    end = rows(case, tmp_path)[-1]
    assert end["interface_max_pressure_MPa"] - end["interface_min_pressure_MPa"] > 0.5
    local = [end[f"current_density[{name}]_A_per_m2"] for name in ("li|sse", "flaw|sse")]
    assert min(abs(i) for i in local) > 1e-3 and local[0] * local[1] < 0
    assert abs(end["current_density_A_per_m2"]) < 1e-9 * max(abs(i) for i in local)


# ---- the coupled solve ------------------------------------------------------------------------------------------------

POOR = {"electronic_conductivity": "100 S/m"}  # so that differences of the electronic current are above round-off
SOFT = {"Li": POOR, "Li-In": POOR | {"diffusivity": "1e-13 m^2/s", "yield_stress": "0.5 MPa"}}


@pytest.fixture(scope="module")
def coupled():
    """Everything on: creeping Li with a void and a filled flaw, an alloy that swells and yields as the counter electrode, a film,
    asymmetric kinetics under stress; a few steps under current."""
    film = {"film_resistance": "5 ohm*cm^2", "transfer_coefficient": 0.4}
    press = {"kind": "pressure", "to": "1 MPa", "duration": "0.1 s"} | fixed(0.1, 2)
    pieces = Pieces(build([LI, layer("sse", "Li6PS5Cl", 6), layer("rear", "Li-In", 3)], [press, current(-100, 1, 5)], 10,
                          materials=SOFT, mechanics={}, features=[VOID, FLAW], interfaces={"li|sse": film, "sse|rear": film},
                          mesh=COARSE))  # fmt: skip
    rows = pieces.advance()
    assert rows[-1]["current_density_A_per_m2"] == pytest.approx(-100)
    for flow in pieces.fields.flows.values():
        assert (flow.ratio.x.array < 0.99).any(), "nothing flows"
    return pieces


def blocks(fields) -> dict[str, slice]:
    """Place of each block in the blocked vectors, on one rank."""
    start, found = 0, {}
    for name, unknown in fields.unknowns.items():
        found[name] = slice(start, start + len(unknown.function.x.array))
        start = found[name].stop
    return found


def noise_of(solver, fields) -> np.ndarray:
    """Random change of all unknowns, of their own size (0.1 V for potentials), zero where a condition holds them."""
    noise = np.random.default_rng(1).standard_normal(solver.size)
    for name, part in blocks(fields).items():
        noise[part] *= 0.1 if name in ("phi", "phi_m", "V") else np.abs(fields[name].x.array).max()
        for condition in solver.conditions(name):
            noise[part][condition.dof_indices()[0]] = 0
    return noise


def test_newton_converges_quadratically(coupled):
    """What one Newton step leaves of the residual falls a hundredfold when the start is ten times nearer to the solution."""
    solver, snes, left = coupled.solver, coupled.solver.snes, []
    solver.solve(0.05 * float(coupled.model.controls.dt.value))  # a short step on from the last accepted state
    solution, residual, change = solver.x.copy(), solver.b.duplicate(), solver.x.duplicate()
    for distance in (1e-6, 1e-7):
        state = solution.copy()
        state.array[:] += distance * noise_of(solver, coupled.fields)
        snes.computeFunction(state, residual)
        snes.computeJacobian(state, solver.A)
        snes.ksp.setOperators(solver.A)
        snes.ksp.solve(residual, change)
        snes.computeFunction(state - change, residual)
        left.append(residual.norm())
    assert np.log10(left[0] / left[1]) == pytest.approx(2, abs=0.25)


def test_tangent_agrees_with_finite_differences(coupled):
    """`J d` is `(R(x + h d) - R(x - h d))/2h` for a random direction in each block, about a state near a solved one."""
    solver, fields, snes, h = coupled.solver, coupled.fields, coupled.solver.snes, 1e-8
    parts, noise = blocks(fields), noise_of(solver, fields)
    state, direction, residual = solver.x.copy(), solver.x.duplicate(), solver.b.duplicate()
    state.array[:] += 1e-5 * noise
    for name, part in parts.items():
        direction.array[:] = 0
        direction.array[part] = noise[part]
        snes.computeJacobian(state, solver.A)
        product, difference = (solver.A * direction).array, np.zeros(solver.size)
        for sign in (1, -1):
            snes.computeFunction(state + sign * h * direction, residual)
            difference += sign * residual.array / (2 * h)
        for row, rows in parts.items():
            error, size = np.linalg.norm((product - difference)[rows]), np.linalg.norm(difference[rows])
            assert error <= 1e-5 * size, f"derivative of block {row} by {name}"
