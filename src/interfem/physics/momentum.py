"""Momentum balance `div sigma = 0` in small strain (model section 5). Tensors are always 3x3; tension is positive."""

import numpy as np
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


def elastic_stress_of(u, kind: str, r, shear, bulk, thermal):
    """Stress of an elastic body."""
    return elastic_stress(strain(u, kind, r) - isotropic(thermal), shear, bulk)


def isotropic(strain):
    """The same strain in all directions."""
    return strain * ufl.Identity(3)


def trial(u, plastic, kind: str, r):
    """Elastic deviatoric trial strain `dev(eps) - eps_p`, the plastic strain eps_p being that of the last accepted step."""
    return dev(strain(u, kind, r)) - plastic


def measures(trial, shear):
    """(e, mu) of a trial state: the trial stress is `2 G e`, and plastic flow reduces it at the rate `3 mu`."""
    return trial, shear


def equivalent_trial_stress(e_trial, shear):
    """`q_trial = 2 G sqrt(3/2 e:e)`; a negligible constant keeps its derivative finite at zero strain."""
    return 2 * shear * ufl.sqrt(1.5 * inner(e_trial, e_trial) + 1e-24)


def elastic_work(u, v, kind: str, r, shear, bulk, thermal):
    """`sigma : eps(v)` of an elastic body with the thermal strain `alpha (T - T0)`."""
    return inner(elastic_stress_of(u, kind, r, shear, bulk, thermal), strain(v, kind, r))


def elastic_energy(u, kind: str, r, shear, bulk, thermal):
    """Stored energy `G dev(eps):dev(eps) + K/2 (tr(eps) - 3 alpha (T - T0))^2` of an elastic body, pJ/um^3."""
    eps = strain(u, kind, r)
    return shear * inner(dev(eps), dev(eps)) + 0.5 * bulk * (tr(eps) - 3 * thermal) ** 2


def flowing_energy(e, shear, p, bulk):
    """Stored energy `G e:e + p^2/(2 K)` where metal flows, e the elastic deviator; pJ/um^3."""
    return shear * inner(e, e) + 0.5 * p * p / bulk


def carried(tensor, before, u, kind: str, r):
    """A tensor of the last step in the axes of the present one: they are the same."""
    return tensor


def flowing_work(u, v, kind: str, r, e_trial, ratio, shear, p):
    """`sigma : eps(v)`, `sigma = s 2G e_trial - p I`: s in (0, 1] is what the flow law leaves of the trial stress."""
    return inner(ratio * 2 * shear * e_trial - p * ufl.Identity(3), strain(v, kind, r))


def volume_strain(u, kind: str, r, swollen):
    """Elastic volume strain `tr(eps) - swollen`."""
    return tr(strain(u, kind, r)) - swollen


def volume_ratio(u, kind: str, r):
    """Deformed over reference volume: None, it is 1 in small strain."""
    return None


def volume_constraint(volume, p, bulk, p_test, dx):
    """Elastic volume strain `+ p/K = 0`; the sign makes the block symmetric with the work of the pressure."""
    return -(volume + p / bulk) * p_test * dx


def swelling(omega, c_max, x, x0):
    """Chemical volume strain `Omega_c (c - c0)`."""
    return omega * c_max * (x - x0)


def pressure_load(p, u, normal, v, kind: str, r, ds):
    """Boundary pressure p pushing inwards: traction `-p n`; residual `+int p n.v`."""
    return p * inner(normal, v) * ds


def spring_load(stiffness, u, normal, v, ds):
    """Springs that resist outward motion: traction `-k (u.n) n`."""
    return stiffness * inner(u, normal) * inner(normal, v) * ds


# ---- the same at quadrature points, arrays (cell, point, 3, 3) --------------------------------------------------------

NO_FLOW = np.zeros((3, 3))  # plastic strain of a body that has not flown


def deviator(trial: np.ndarray, shear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(e, mu) as in `measures`."""
    return trial, shear


def advance(trial: np.ndarray, left: np.ndarray, plastic: np.ndarray, motion: np.ndarray | None) -> np.ndarray:
    """Plastic strain after the step; `left` is s."""
    return plastic + (1 - left)[..., None, None] * trial


def motion(u, kind: str, r):
    """What `advance` needs of the motion: nothing."""
    return None
