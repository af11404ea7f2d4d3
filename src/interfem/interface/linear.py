"""Linear kinetics `i = eta/Z`: the small-signal limit `Z = R T/(F i0)`, or any measured areal resistance."""


def residual(i, eta, f, par):
    """Zero on the law; dimensionless. par: resistance Z (ohm m^2)."""
    return f * (par["resistance"] * i - eta)
