"""Momentum balance in finite strain on the reference mesh (model section 5): the functions of momentum.py, by the same names.

`F = F_e F_p F_c`, F_c a volume change. The state of flow is `C = F_p^-1 F_p^-T` (unimodular), so that `b = Fb C Fb^T` with
`Fb = J^(-1/3) F` is the isochoric elastic left Cauchy-Green tensor. What flows is Hookean in its logarithm, so that radial
return is exact for a proportional step; what does not is neo-Hookean. Logarithmic in volume. tau = J sigma is the Kirchhoff
stress, and p its pressure. Sources: Simo, Comput. Methods Appl. Mech. Eng. 66 (1988) 199; Weber and Anand, ibid. 79 (1990) 173.
"""

import numpy as np
import ufl
from ufl import as_tensor, conditional, det, dev, eq, exp, grad, inner, inv, ln, tr

from .momentum import equivalent_trial_stress, flowing_energy, spring_load, swelling, volume_constraint  # noqa: F401  (alike in both)


def gradient(u, kind: str, r):
    """Displacement gradient, 3x3: plane strain, axisymmetric (hoop strain u_r/r in the third place) or 3D."""
    g = grad(u)
    if kind == "box":
        return g
    hoop = u[0] / r if kind == "axisymmetric" else 0
    return as_tensor([[g[0, 0], g[0, 1], 0], [g[1, 0], g[1, 1], 0], [0, 0, hoop]])


def deformation(u, kind: str, r):
    """`F = I + grad u`."""
    return ufl.Identity(3) + gradient(u, kind, r)


def motion(u, kind: str, r):
    """`Fb = J^(-1/3) F`."""
    f = deformation(u, kind, r)
    return det(f) ** (-1.0 / 3.0) * f


def trial(u, plastic, kind: str, r):
    """`b = Fb C Fb^T` with the flow C of the last accepted step."""
    fb = motion(u, kind, r)
    return fb * plastic * fb.T


def measures(b, shear):
    """(e, mu) of a trial state: `e = ln(b)/2`, the trial stress is `2 G e`, and plastic flow reduces it at the rate `3 mu`.

    `ln(b)/2 = artanh(z)`, `z = (b - I)(b + I)^-1`, by its series: to 1e-9 for elastic strains up to 0.1.
    """
    one = ufl.Identity(3)
    z = (b - one) * inv(b + one)
    square = z * z
    return z * (one + square * (one / 3 + square * (one / 5 + square / 7))), shear


def elastic_work(u, v, kind: str, r, shear, bulk, thermal):
    """`P : grad v`, `P = tau F^-T`, `tau = G dev(b) + K (ln J - 3 alpha (T - T0)) I`."""
    f = deformation(u, kind, r)
    tau = elastic_kirchhoff(f, shear, bulk, thermal)
    return inner(tau * inv(f).T, gradient(v, kind, r))


def elastic_kirchhoff(f, shear, bulk, thermal):
    """`tau` of an elastic body."""
    b = det(f) ** (-2.0 / 3.0) * f * f.T
    return shear * dev(b) + bulk * (ln(det(f)) - 3 * thermal) * ufl.Identity(3)


def elastic_stress_of(u, kind: str, r, shear, bulk, thermal):
    """Cauchy stress of an elastic body."""
    f = deformation(u, kind, r)
    return elastic_kirchhoff(f, shear, bulk, thermal) / det(f)


def elastic_energy(u, kind: str, r, shear, bulk, thermal):
    """Stored energy `G/2 (tr(b) - 3) + K/2 (ln J - 3 alpha (T - T0))^2` of an elastic body, pJ/um^3 of the reference.

    In terms of grad u: beside 1, a faint strain in stiff ceramic would be lost in rounding, `G eps` per volume.
    """
    g = gradient(u, kind, r)
    stretch = 2 * tr(g) + inner(g, g)  # tr(F^T F) - 3
    volume = _ln_of_one_and(tr(g) + _second(g) + det(g))  # ln J
    shrunk = _exp_less_one(-2.0 / 3.0 * volume)
    return 0.5 * shear * (stretch + shrunk * (3 + stretch)) + 0.5 * bulk * (volume - 3 * thermal) ** 2


def _second(g):
    """Second invariant, `(tr(g)^2 - tr(g^2))/2`, by minors."""
    pairs = ((0, 1), (0, 2), (1, 2))
    return sum(g[i, i] * g[j, j] - g[i, j] * g[j, i] for i, j in pairs)


def _ln_of_one_and(x):
    """`ln(1 + x)` to rounding of x, not of 1. Source: Kahan, as in Goldberg 1991, doi:10.1145/103162.103163, theorem 4."""
    y = 1 + x
    return conditional(eq(y, 1), x, x * ln(y) / conditional(eq(y, 1), 1.0, y - 1))


def _exp_less_one(x):
    """`exp(x) - 1` likewise."""
    y = exp(x)
    return conditional(eq(y, 1), x, (y - 1) * x / conditional(eq(y, 1), 1.0, ln(y)))


def carried(tensor, before, u, kind: str, r):
    """A tensor of the last step, at the displacement `before`, turned with the body to the present one.

    By the rotation of the step, `Q = (I - W/2)^-1 (I + W/2)`, W the spin of its midpoint. Source: Hughes and Winget 1980,
    doi:10.1002/nme.1620151210.
    """
    one = ufl.Identity(3)
    step = deformation(u, kind, r) * inv(deformation(before, kind, r))
    spin = ufl.skew((step - one) * inv(step + one))  # W/2
    turn = inv(one - spin) * (one + spin)
    return turn * tensor * turn.T


def flowing_work(u, v, kind: str, r, e_trial, ratio, shear, p):
    """`P : grad v`, `P = (s 2G e - p I) F^-T`: s in (0, 1] is what the flow law leaves of the trial stress."""
    tau = ratio * 2 * shear * e_trial - p * ufl.Identity(3)
    return inner(tau * inv(deformation(u, kind, r)).T, gradient(v, kind, r))


def volume_strain(u, kind: str, r, swollen):
    """Elastic volume strain `ln(J/J_c)`, `J_c = 1 + swollen`."""
    return ln(det(deformation(u, kind, r))) - ln(1 + swollen)


def volume_kept(strain, p, bulk, p_test, dx):
    """The same as `volume_constraint`, as `J/J_c e^(p/K) - 1 = 0`: keeps the volume itself where cells are distorted, and not the mean of its
    logarithm; the work of p is then the change of `p^2/(2 K)` no longer to round-off (to 1 % in cells about to fold).
    """
    return -(exp(strain + p / bulk) - 1) * p_test * dx


def volume_ratio(u, kind: str, r):
    """`J = det F`."""
    return det(deformation(u, kind, r))


def pressure_load(p, u, normal, v, kind: str, r, ds):
    """Pressure p on the deformed boundary: `+int p (J F^-T N).v` over the reference."""
    f = deformation(u, kind, r)
    area = det(f) * inv(f).T
    size = len(normal)
    turned = ufl.as_vector([sum(area[i, j] * normal[j] for j in range(size)) for i in range(size)])
    return p * inner(turned, v) * ds


# ---- the same at quadrature points, arrays (cell, point, 3, 3) --------------------------------------------------------

NO_FLOW = np.eye(3)


def deviator(b: np.ndarray, shear: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(e, mu) as in `measures`."""
    one = np.eye(3)
    z = (b - one) @ np.linalg.inv(b + one)
    square = z @ z
    return z @ (one + square @ (one / 3 + square @ (one / 5 + square / 7))), shear


def advance(b: np.ndarray, left: np.ndarray, plastic: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """C after the step: the part `left` of the logarithmic elastic strain remains, `b = exp(2 s e)`."""
    e, _ = deviator(b, left)
    sizes, axes = np.linalg.eigh(0.5 * (e + np.swapaxes(e, -1, -2)))
    sizes -= sizes.mean(axis=-1, keepdims=True)
    elastic = (axes * np.exp(2 * left[..., None] * sizes)[..., None, :]) @ np.swapaxes(axes, -1, -2)
    back = np.linalg.inv(motion)
    return back @ elastic @ np.swapaxes(back, -1, -2)
