"""Butler-Volmer kinetics (model section 3), written so that Newton converges from anywhere.

`i = i0 {exp[(1-alpha) f eta] - exp[-alpha f eta]}`, `f = F/(R T)`; both sides are passed through asinh, which turns the
exponentials into nearly straight lines without changing the root.
"""

from ufl import conditional, exp, ge, gt, ln, lt, sqrt

SCARCE = 0.5  # activity of a deposit, below which the law is solved for what is left of it


def asinh(x):
    """Exact for large |x| of either sign, and with slope 1 at zero (`sign` and `abs` would give it slope 0 there)."""
    sign = conditional(ge(x, 0), 1.0, -1.0)
    return sign * ln(sign * x + sqrt(x * x + 1))


def residual(i, eta, f, par):
    """Zero on the law; dimensionless.

    par: exchange_current_density (A/m^2), transfer_coefficient, activity of the metal (1 if bulk), contact state. The latter
    stands with the exponentials: where it vanishes, so does the current, and the law keeps a slope. Where next to nothing is left to
    strip, the law is divided by its anodic exponential, and so is straight in what is left.
    """
    alpha, i0 = par["transfer_coefficient"], par["exchange_current_density"]
    driven = par["activity"] * exp((1 - alpha) * f * eta) - exp(-alpha * f * eta)
    law = asinh(i / (2 * i0)) - asinh(0.5 * par["contact"] * driven)
    if par["activity"] == 1.0:
        return law
    held = i / i0 * exp(-(1 - alpha) * f * eta) - par["contact"] * (par["activity"] - exp(-f * eta))
    return conditional(gt(eta, 0), conditional(lt(par["activity"], SCARCE), held, law), law)
