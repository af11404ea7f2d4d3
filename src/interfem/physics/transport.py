"""Stored lithium in an alloy (model section 4), for the filling `x = c/c_max` in [0, 1]."""

from ufl import grad, inner, max_value

SLOPE = 1e-4  # V per unit of filling: the flattest plateau


def salt(c, history, weights, s, diffusivity, current, transference, faraday, dx):
    """Salt in a binary electrolyte, as conservation of its anions, `dc/dt + div N = 0`, `N = -D grad(c) - (1 - t+) i/F`.

    Anions cross no interface and no boundary, which is the natural condition: no surface term. history = (c_old, c_older).
    """
    a0, a1, a2 = weights
    rate = a0 * c + a1 * history[0] + a2 * history[1]
    return (rate * s + inner(diffusivity * grad(c) + (1 - transference) / faraday * current, grad(s))) * dx


def storage(x, x_old, x_older, weights, s, c_max, dx):
    """`c_max dx/dt` by the second-order backward formula; weights (a0, a1, a2) in 1/s; amol/s."""
    a0, a1, a2 = weights
    return c_max * (a0 * x + a1 * x_old + a2 * x_older) * s * dx


def diffusion(x, s, c_max, diffusivity, dx):
    """Chemical diffusion `N = -D grad(c)`: `int D c_max grad(x).grad(s)`."""
    return diffusivity * c_max * inner(grad(x), grad(s)) * dx


def chemical_potential(mu, t, equilibrium, x, gradient_energy, c_max, faraday, dx):
    """Cahn-Hilliard: `mu = -F U(x) - (K/c_max) div(grad x)`, natural `grad(x).n = 0`; pJ/amol.

    U may rise with x: the gradient energy K (pJ/um) keeps the front between the phases about `sqrt(K/(c_max F dU))` wide.
    Source: Cahn and Hilliard, J. Chem. Phys. 28 (1958) 258.
    """
    return ((mu + faraday * equilibrium) * t - gradient_energy / c_max * inner(grad(x), grad(t))) * dx


def lattice_mobility(x, c_max, diffusivity, thermal_energy):
    """`D c (1 - x)/(R T)`, D the tracer diffusivity of a lattice gas; amol^2/(pJ um s)."""
    return diffusivity * c_max * x * (1 - x) / thermal_energy


def chemical_mobility(slope, c_max, diffusivity, faraday):
    """`D_tracer c/(R T) = D c_max/(F |U'|)`, D the chemical diffusivity, slope = dU/dx in V; amol^2/(pJ um s).

    So diffusion and drift end at one and the same `mu = -F U + Omega_c p`. Plateaus count as falling by SLOPE at least.
    """
    return diffusivity * c_max / (faraday * max_value(-slope, SLOPE))


def migration(mu, s, mobility, dx):
    """`N = -M grad(mu)`."""
    return mobility * inner(grad(mu), grad(s)) * dx


def stress_drift(p, s, mobility, omega, dx):
    """Drift in the hydrostatic stress, `N = -M Omega_c grad(p)` with `p = -tr(sigma)/3`.

    Source: Larche and Cahn, Acta Metall. 30 (1982) 1835.
    """
    return mobility * omega * inner(grad(p), grad(s)) * dx


def withdrawal(i, s, faraday, dS):
    """Li leaves through the interface with `N.n = i/F`: `int (i/F) s`, amol/s."""
    return i / faraday * s * dS
