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


def asinh_driven(forward, backward, activity, contact):
    """`asinh(contact (activity exp(forward) - exp(backward))/2)`, the exponents of opposite sign.

    The larger exponential is taken out, so that nothing overflows: Newton's first step goes to `f eta = i/i0`, which may be 1e9.
    """
    largest = conditional(gt(forward, backward), forward, backward)
    x = 0.5 * contact * (activity * exp(forward - largest) - exp(backward - largest))
    sign = conditional(ge(x, 0), 1.0, -1.0)
    return sign * (largest + ln(sign * x + sqrt(x * x + exp(-2 * largest))))


def residual(i, eta, f, par):
    """Zero on the law; dimensionless.

    par: exchange_current_density (A/m^2), transfer_coefficient, activity of the metal (1 if bulk), contact state. The latter
    stands with the exponentials: where it vanishes, so does the current, and the law keeps a slope. Where next to nothing is left to
    strip, the law is divided by its anodic exponential, and so is straight in what is left.
    """
    alpha, i0 = par["transfer_coefficient"], par["exchange_current_density"]
    law = asinh(i / (2 * i0)) - asinh_driven((1 - alpha) * f * eta, -alpha * f * eta, par["activity"], par["contact"])
    if par["activity"] == 1.0:
        return law
    held = i / i0 * exp(-(1 - alpha) * f * eta) - par["contact"] * (par["activity"] - exp(-f * eta))
    return conditional(gt(eta, 0), conditional(lt(par["activity"], SCARCE), held, law), law)
