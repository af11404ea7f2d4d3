"""Linear kinetics `i = eta/Z`: the small-signal limit `Z = R T/(F i0)`, or any measured areal resistance."""

from ufl import conditional, gt


def residual(i, eta, f, par):
    """Zero on the law; dimensionless.

    par: resistance Z (ohm m^2), activity of the metal (1 if bulk), which limits stripping, contact state.
    """
    return f * (par["resistance"] * i - par["contact"] * conditional(gt(eta, 0), par["activity"], 1.0) * eta)
