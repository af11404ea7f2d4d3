"""Flow laws: the root, the UFL ratio and its derivative, and the limits of short and long steps."""

import interfem.forms  # noqa: F401  (before dolfinx)

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy.optimize import brentq

from interfem.case import CaseError, parse_case
from interfem.laws import LAWS, anand, elastic, j2, norton
from interfem.regions import LAW_PROPERTIES

SHEAR = 2800.0  # MPa
CREEP = {"rate": 7.7e-3, "reference": 1.0, "exponent": 6.56, "softness": 0.0, "diffusional": 0.0}
BRANCHED = CREEP | {"softness": 1 / 2.83, "diffusional": 1e-5}
YIELD = {"yield_stress": 0.8, "hardening": 50.0}
HARDENING = {"rate": 0.0139, "exponent": 1 / 0.15, "saturation": 2.0, "hardening": 10.0, "hardening_exponent": 2.0,
             "saturation_exponent": 0.05, "initial": 1.1, "resistance": 1.2}
PAR = [("j2", YIELD), ("norton", CREEP), ("norton", BRANCHED), ("anand", HARDENING), ("anand", HARDENING | {"resistance": 3.0}),
       ("anand", HARDENING | {"hardening_exponent": 1.3, "hardening": 5e3})]


def evaluate(expression_of, values):
    """A UFL expression of a scalar field with the given nodal values, at the first node of each cell."""
    grid = mesh.create_interval(MPI.COMM_SELF, len(values) - 1, (0.0, 1.0))
    field = fem.Function(fem.functionspace(grid, ("Lagrange", 1)))
    field.x.array[:] = values
    expression = fem.Expression(expression_of(field), np.array([[0.0]]))
    return expression.eval(grid, np.arange(len(values) - 1, dtype=np.int32)).reshape(-1)


@pytest.mark.parametrize("n", [1.0, 2.5, 5.0, 6.56, 10.0])
def test_norton_root_over_sixty_decades(n):
    """`s + beta s^n = 1` against bracketing, beta = 1e-30 ... 1e30."""
    beta = np.logspace(-30, 30, 241)
    q = np.ones_like(beta)
    dt = beta / (3 * SHEAR * CREEP["rate"])
    found = norton.solve(q, SHEAR, 0.0, dt, CREEP | {"exponent": n})
    for b, s in zip(beta, found):
        lowest = np.log(min(1.0, b ** (-1 / n))) - 1.0
        log_root = brentq(lambda y, b=b: np.exp(y) + b * np.exp(n * y) - 1, lowest, 0.0, xtol=1e-15, rtol=1e-15)
        assert s == pytest.approx(np.exp(log_root), rel=1e-12)


def test_norton_takes_zero_and_huge_stress():
    s = norton.solve(np.array([0.0, 1e-200, 1e6]), SHEAR, 0.0, 1.0, CREEP)
    assert s[:2] == pytest.approx([1.0, 1.0])
    assert 0 < s[2] < 1e-4


def test_norton_rate_as_the_step_vanishes():
    """(1 - s) q/(3 G dt) -> A (q/sigma_0)^n, at first order in dt."""
    exact = CREEP["rate"] * 0.7 ** CREEP["exponent"]
    errors = []
    for dt in (1e-4, 1e-5):
        s = norton.solve(np.array([0.7]), SHEAR, 0.0, dt, CREEP)[0]
        errors.append(abs((1 - s) * 0.7 / (3 * SHEAR * dt) / exact - 1))
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(10, rel=0.3)


def test_norton_holds_the_flow_stress_in_a_long_step():
    """A stress far above what creep carries is left at that of the strain rate q_trial/(3 G dt)."""
    q, dt = 1e3, 1e2
    s = norton.solve(np.array([q]), SHEAR, 0.0, dt, CREEP)[0]
    assert s * q == pytest.approx((q / (3 * SHEAR * dt) / CREEP["rate"]) ** (1 / CREEP["exponent"]), rel=1e-3)


def test_j2_returns_to_the_yield_surface():
    q, hardened = np.array([0.5, 0.79, 0.81, 3.0, 1e4]), np.array([0.0, 0.0, 0.0, 0.01, 0.2])
    s = j2.solve(q, SHEAR, hardened, 1.0, YIELD)
    increment = (1 - s) * q / (3 * SHEAR)
    assert s[:2].tolist() == [1.0, 1.0]
    assert (s * q)[2:] == pytest.approx((0.8 + 50 * (hardened + increment))[2:], rel=1e-12)
    assert elastic.solve(q, SHEAR, hardened, 1.0, {}).tolist() == [1.0] * 5


def creep_rate(q, par):
    """The law as it stands in the theory: power law, exponential above the breakdown stress, and diffusional branch."""
    n, breakdown = par["exponent"], 1 / par["softness"] if par["softness"] else np.inf
    held = np.minimum(q, breakdown)
    return par["rate"] * held**n * np.exp(n * (q - held) / breakdown) + par["diffusional"] * q


@pytest.mark.parametrize("q", [1e-6, 0.05, 1.0, 2.83, 4.0, 300.0])
def test_branched_creep_root_over_sixty_decades(q):
    """`s q_t + 3 G dt rate(s q_t) = q_t` against bracketing, dt = 1e-25 ... 1e35 s."""
    dt = np.logspace(-25, 35, 121)
    found = norton.solve(np.full_like(dt, q), SHEAR, 0.0, dt, BRANCHED)
    for step, s in zip(dt, found):
        def left(y, step=step):
            with np.errstate(over="ignore"):
                return min(np.exp(y) + 3 * SHEAR * step * creep_rate(np.exp(y) * q, BRANCHED) / q - 1, 1e300)
        assert 0 < s <= 1
        assert s == pytest.approx(np.exp(brentq(left, -150.0, 0.0, xtol=1e-15, rtol=1e-15)), rel=1e-12)


def test_breakdown_and_diffusion_leave_the_power_law_between_them():
    """Exactly the power law up to the breakdown stress, faster above, exponent n q/sigma_b there; n = 1 at low stress."""
    q = np.array([1e-3, 0.1, 1.0, 1.415, 2.8, 4.0, 6.0])
    fluidity, slope = norton._fluidity(q, BRANCHED, np.maximum, np.exp)
    assert fluidity * q == pytest.approx(creep_rate(q, BRANCHED), rel=1e-12)
    assert fluidity[0] == pytest.approx(1e-5, rel=1e-10)
    broken, slope = norton._fluidity(q, BRANCHED | {"diffusional": 0.0}, np.maximum, np.exp)
    power, _ = norton._fluidity(q, CREEP, np.maximum, np.exp)
    assert broken[q < 2.83] == pytest.approx(power[q < 2.83], rel=1e-12)
    assert (broken[q > 2.83] > power[q > 2.83]).all()
    assert slope / broken == pytest.approx(6.56 * np.maximum(q / 2.83, 1.0), rel=1e-12)


def anand_residuals(s, q, dt, par):
    """(dp - dt A (q/S)^(1/m), S - S_n - dS)/their size, as the law is written; S from `resisted`."""
    resistance = anand.resisted(q, SHEAR, dt, par, s)
    dp = (1 - s) * q / (3 * SHEAR)
    top = par["saturation"] * (dp / dt / par["rate"] + anand.SLOWEST) ** par["saturation_exponent"]
    u = 1 - resistance / top
    grown = par["hardening"] * np.abs(u) ** par["hardening_exponent"] * np.sign(u) * dp
    flow = s + 3 * SHEAR * dt * par["rate"] * (s * q / resistance) ** par["exponent"] / q - 1
    return flow, (resistance - par["resistance"] - grown) / resistance, resistance, top


@pytest.mark.parametrize("resistance", [0.3, 1.1, 1.9, 6.0])
@pytest.mark.parametrize("hardening", [0.0, 10.0, 1e4])
def test_anand_solves_both_equations_over_forty_decades(resistance, hardening):
    q, dt = np.meshgrid(np.logspace(-4, 3, 15), np.logspace(-20, 20, 41))
    par = HARDENING | {"resistance": resistance, "hardening": hardening}
    s = anand.solve(q, SHEAR, 0.0, dt, par)
    flow, grown, found, top = anand_residuals(s, q, dt, par)
    assert ((0 < s) & (s <= 1)).all()
    assert np.abs(flow).max() < 1e-11 and np.abs(grown).max() < 1e-11
    low, high = np.minimum(resistance, top), np.maximum(resistance, top)
    assert ((found > low * (1 - 1e-12)) & (found < high * (1 + 1e-12))).all()


def test_anand_hardens_along_the_closed_form():
    """At constant rate, a = 2: `1/u = 1/u0 + H0 p/S*`; steps of 1e-3 of strain."""
    rate, step = 1e-3, 1e-3
    par, dt, q = HARDENING | {"resistance": 1.1}, step / rate, 0.0
    top = 2.0 * (rate / 0.0139) ** 0.05
    for n in range(200):
        trial = brentq(lambda x: (1 - anand.solve(np.array([x]), SHEAR, 0.0, dt, par)[0]) * x / (3 * SHEAR) - step, 1.0, 50.0)
        s = anand.solve(np.array([trial]), SHEAR, 0.0, dt, par)
        par["resistance"] = float(anand.resisted(trial, SHEAR, dt, par, s)[0])
    expected = top * (1 - 1 / (1 / (1 - 1.1 / top) + 10 * 0.2 / top))
    assert par["resistance"] == pytest.approx(expected, rel=1e-3)
    assert s[0] * trial == pytest.approx(expected * (rate / 0.0139) ** 0.15, rel=1e-3)


@pytest.mark.parametrize("name, par", PAR)
def test_ratio_is_the_root_with_its_derivative(name, par):
    """The UFL ratio equals the solved root, and its derivative a central difference of the root."""
    law, dt, hardened = LAWS[name], 3.0, 0.004
    q = np.linspace(0.05, 6.05, 41)
    q[np.isclose(q, 1.0, atol=1e-3)] += 0.01  # j2: not at the yield stress, where the slope jumps

    def root(values):
        return law.solve(values, SHEAR, hardened, dt, par)

    def ratio(values, f):
        solved, resisted = fem.Function(f.function_space), fem.Function(f.function_space)
        solved.x.array[:] = root(f.x.array)
        if law.RESISTANCE:
            resisted.x.array[:] = law.resisted(f.x.array, SHEAR, dt, par, solved.x.array)
        return law.ratio(values, SHEAR, hardened, dt, par | {"resistance_solved": resisted}, solved)

    def derivative(f):
        held = ufl.variable(f)
        return ufl.diff(ratio(held, f), held)

    assert evaluate(lambda f: ratio(f, f), q) == pytest.approx(root(q[:-1]), rel=1e-12)
    step = 1e-5
    difference = (root(q + step) - root(q - step)) / (2 * step)
    assert evaluate(derivative, q) == pytest.approx(difference[:-1], rel=1e-6, abs=1e-9)


# ---- a law without its parameters ---------------------------------------------------------------------------------------


def refusal(law: str, **properties) -> str:
    """What is said to a bar of a metal with these properties beside elasticity; "" if the case is accepted."""
    metal = {"role": "metal", "law": "elastic", "electronic_conductivity": "1e7 S/m", "molar_volume": "1.3e-5 m^3/mol",
             "youngs_modulus": "8 GPa", "poisson_ratio": 0.38} | properties  # fmt: skip
    try:
        parse_case({"title": "bar", "temperature": "298 K", "geometry": {"kind": "axisymmetric", "width": "1 um"},
                    "mechanics": {}, "layers": [{"name": "bar", "material": "M", "thickness": "1 um", "law": law}], "materials": {"M": metal},
                    "protocol": [{"kind": "pressure", "to": "1 MPa"}]})
    except CaseError as error:
        return str(error)
    return ""


GIVEN = {"j2": {"yield_stress": "1 MPa", "hardening_modulus": "1 MPa"},
         "norton": {"creep_rate": "1e4 1/s", "creep_reference_stress": "1 MPa", "creep_exponent": 5,
                    "creep_activation_energy": "37 kJ/mol"},
         "anand": {"anand_rate": "4e4 1/s", "anand_activation_energy": "37 kJ/mol", "anand_rate_sensitivity": 0.15,
                   "anand_saturation_stress": "2 MPa", "anand_initial_resistance": "1 MPa", "anand_hardening": "10 MPa",
                   "anand_hardening_exponent": 2, "anand_saturation_exponent": 0.05}}  # fmt: skip


@pytest.mark.parametrize("law", GIVEN)
def test_a_law_asks_for_each_of_its_parameters(law):
    assert set(GIVEN[law]) == set(LAW_PROPERTIES[law]) and refusal(law, **GIVEN[law]) == ""
    for name in GIVEN[law]:
        said = refusal(law, **{k: v for k, v in GIVEN[law].items() if k != name})
        assert f"materials.M.{name}: not known, but needed; state it in the case" in said


def test_a_branch_asks_for_what_it_needs():
    creep = GIVEN["norton"] | {"creep_breakdown_stress": "3 MPa"}
    assert refusal("norton", **creep) == ""
    rate, energy = {"creep_diffusional_rate": "1 1/s"}, {"creep_diffusional_activation_energy": "50 kJ/mol"}
    assert "materials.M.creep_diffusional_activation_energy: not known" in refusal("norton", **creep, **rate)
    assert refusal("norton", **creep, **rate, **energy) == ""


@pytest.mark.parametrize("law, name, value, wanted", [
    ("norton", "creep_breakdown_stress", "-3 MPa", "positive"), ("norton", "creep_breakdown_stress", "0 MPa", "positive"),
    ("norton", "creep_diffusional_rate", "-1 1/s", "positive"),
    ("norton", "creep_diffusional_activation_energy", "-1 kJ/mol", "zero or positive"),
    ("norton", "creep_exponent", 0.5, "at least 1"), ("anand", "anand_rate_sensitivity", 1.5, "above 0 and at most 1"),
    ("anand", "anand_hardening_exponent", 0.5, "at least 1"), ("anand", "anand_hardening", "-1 MPa", "zero or positive"),
    ("anand", "anand_initial_resistance", "-1 MPa", "positive"), ("anand", "anand_rate", "0 1/s", "positive"),
])  # fmt: skip
def test_values_out_of_bounds_are_refused(law, name, value, wanted):
    assert f"materials.M.{name} = {value!r}: {name} should be {wanted}" in refusal(law, **(GIVEN[law] | {name: value}))
