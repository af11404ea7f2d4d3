"""Charge balance, `div i = 0` (model section 2)."""

from ufl import grad, inner


def conduction(phi, q, kappa, dx):
    """Ohmic current `i = -kappa grad(phi)`: `int kappa grad(phi).grad(q)` in pA; kappa (number or tensor) in pA/(V um)."""
    return inner(kappa * grad(phi), grad(q)) * dx


def diffusion_potential(c, q, kappa, transference, factor, thermal_voltage, dx):
    """Part of the current in a binary salt that the concentration drives, `i += (2 kappa RT/F)(1 - t+) f grad(ln c)`.

    phi is read by a Li/Li+ reference electrode; f = 1 + dln(f)/dln(c). Source: Newman and Thomas-Alyea, Electrochemical Systems, ch. 12.
    """
    return -2 * thermal_voltage * (1 - transference) * factor / c * inner(kappa * grad(c), grad(q)) * dx


def exchange(i, q_metal, q_ion, dS):
    """Faradaic current i > 0 leaves the metal and enters the electrolyte: `int i (q_metal - q_ion)` in pA."""
    return i * (q_metal - q_ion) * dS


def resisted(phi, q, resistance, dS):
    """Current through a face with an areal resistance R, V um^2/pA: `i.n = (phi(+) - phi(-))/R`, n out of the "+" side; in pA."""
    return (phi("+") - phi("-")) / resistance * (q("+") - q("-")) * dS


def imposed_current(i, q, ds):
    """Current density i that enters the conductor through a boundary: `-int i q`."""
    return -i * q * ds
