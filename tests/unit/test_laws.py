"""Flow laws: the root, the UFL ratio and its derivative, and the limits of short and long steps."""

import interfem.mpi  # noqa: F401  (before dolfinx)

import numpy as np
import pytest
import ufl
from dolfinx import fem, mesh
from mpi4py import MPI
from scipy.optimize import brentq

from interfem.laws import LAWS, elastic, j2, norton

SHEAR = 2800.0  # MPa
CREEP = {"rate": 7.7e-3, "reference": 1.0, "exponent": 6.56}
YIELD = {"yield_stress": 0.8, "hardening": 50.0}
PAR = {"j2": YIELD, "norton": CREEP}


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


@pytest.mark.parametrize("name", [name for name in LAWS if LAWS[name].PARAMETERS])
def test_ratio_is_the_root_with_its_derivative(name):
    """The UFL ratio equals the solved root, and its derivative a central difference of the root."""
    law, par, dt, hardened = LAWS[name], PAR[name], 3.0, 0.004
    q = np.linspace(0.05, 6.05, 41)
    q[np.isclose(q, 1.0, atol=1e-3)] += 0.01  # j2: not at the yield stress, where the slope jumps

    def root(values):
        return law.solve(values, SHEAR, hardened, dt, par)

    def expression(f):
        solved = fem.Function(f.function_space)
        solved.x.array[:] = root(f.x.array)
        return law.ratio(f, SHEAR, hardened, dt, par, solved)

    def derivative(f):
        held = ufl.variable(f)
        solved = fem.Function(f.function_space)
        solved.x.array[:] = root(f.x.array)
        return ufl.diff(law.ratio(held, SHEAR, hardened, dt, par, solved), held)

    assert evaluate(expression, q) == pytest.approx(root(q[:-1]), rel=1e-12)
    step = 1e-5
    difference = (root(q + step) - root(q - step)) / (2 * step)
    assert evaluate(derivative, q) == pytest.approx(difference[:-1], rel=1e-6, abs=1e-9)
