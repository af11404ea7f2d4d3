"""Linear elasticity: nothing flows, s = 1."""

PARAMETERS = ()
RESISTANCE = False


def values(at) -> dict[str, float]:
    return {}


def solve(q_trial, shear, hardened, dt, par):
    return 0 * q_trial + 1.0


def ratio(q_trial, shear, hardened, dt, par, solved):
    return 1.0
