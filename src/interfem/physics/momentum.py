"""Momentum balance `div sigma = 0` in small strain (model section 5). Tensors are always 3x3; tension is positive."""

import ufl
from ufl import dev, inner, tr


def strain(u, kind: str, r):
    """Small strain, 3x3: plane strain, axisymmetric (hoop strain u_r/r in the third place) or 3D."""
    e = ufl.sym(ufl.grad(u))
    if kind == "box":
        return e
    hoop = u[0] / r if kind == "axisymmetric" else 0
    return ufl.as_tensor([[e[0, 0], e[0, 1], 0], [e[1, 0], e[1, 1], 0], [0, 0, hoop]])


def elastic_stress(eps, shear, bulk):
    """`sigma = 2 G dev(eps) + K tr(eps) I` in MPa."""
    return 2 * shear * dev(eps) + bulk * tr(eps) * ufl.Identity(3)


def isotropic(strain):
    """The same strain in all directions."""
    return strain * ufl.Identity(3)


def trial_deviator(eps, eps_p):
    """Elastic deviatoric trial strain `dev(eps) - eps_p`, the plastic strain eps_p being that of the last accepted step."""
    return dev(eps) - eps_p


def equivalent_trial_stress(e_trial, shear):
    """`q_trial = 2 G sqrt(3/2 e:e)`; a negligible constant keeps its derivative finite at zero strain."""
    return 2 * shear * ufl.sqrt(1.5 * inner(e_trial, e_trial) + 1e-24)


def flowing_stress(e_trial, ratio, shear, p):
    """`sigma = s 2G e_trial - p I`: s in (0, 1] is what the flow law leaves of the trial stress."""
    return ratio * 2 * shear * e_trial - p * ufl.Identity(3)


def virtual_work(sigma, eps_test, dx):
    """`int sigma : eps(v)` in pJ."""
    return inner(sigma, eps_test) * dx


def volume_constraint(eps, p, swelling, bulk, p_test, dx):
    """`tr(eps) - swelling + p/K = 0`; the sign makes the block symmetric with the work of the pressure."""
    return -(tr(eps) - swelling + p / bulk) * p_test * dx


def swelling(omega, c_max, x, x0):
    """Chemical volume strain `Omega_c (c - c0)`."""
    return omega * c_max * (x - x0)


def pressure_load(p, normal, v, ds):
    """Boundary pressure p pushing inwards: traction `-p n`; residual `+int p n.v`."""
    return p * inner(normal, v) * ds


def spring_load(stiffness, u, normal, v, ds):
    """Springs that resist outward motion: traction `-k (u.n) n`."""
    return stiffness * inner(u, normal) * inner(normal, v) * ds
