"""Rate-independent J2 flow with linear hardening, `q <= sigma_y + H p`, by radial return."""

import numpy as np
import ufl

PARAMETERS = ("yield_stress", "hardening")
RESISTANCE = False


def values(at) -> dict[str, float]:
    """Yield stress and hardening modulus (slope of the stress against plastic strain), MPa."""
    return {"yield_stress": at("yield_stress"), "hardening": at("hardening_modulus")}


def _returned(q_trial, shear, hardened, par):
    h = par["hardening"]
    limit = par["yield_stress"] + h * hardened
    return limit, (limit + h * q_trial / (3 * shear)) / (q_trial * (1 + h / (3 * shear)))


def solve(q_trial, shear, hardened, dt, par):
    """s = 1 inside the yield surface, else the stress returned to it; `hardened` is the accumulated plastic strain."""
    limit, returned = _returned(np.maximum(q_trial, 1e-300), shear, hardened, par)
    return np.where(q_trial > limit, returned, 1.0)


def ratio(q_trial, shear, hardened, dt, par, solved):
    limit, returned = _returned(q_trial, shear, hardened, par)
    return ufl.conditional(ufl.gt(q_trial, limit), returned, 1.0)
