"""Norton creep, `dp/dt = A (q/sigma_0)^n` with `A = A0 exp(-Q/(R T))`, backward Euler.

The stress that remains of the trial stress solves `s + beta s^n = 1`, `beta = 3 G dt A (q_trial/sigma_0)^n / q_trial`.
"""

import numpy as np

from ..units import GAS_CONSTANT

PARAMETERS = ("rate", "reference", "exponent")


def values(at) -> dict[str, float]:
    """A at the temperature (1/s), reference stress sigma_0 (MPa) and exponent n."""
    return {"rate": at("creep_rate") * np.exp(-at("creep_activation_energy") / (GAS_CONSTANT * at.temperature)),
            "reference": at("creep_reference_stress"), "exponent": at("creep_exponent")}


def _beta(q_trial, shear, dt, par):
    return 3 * shear * dt * par["rate"] / par["reference"] * (q_trial / par["reference"]) ** (par["exponent"] - 1)


def solve(q_trial, shear, hardened, dt, par):
    """Newton from `min(1, beta^(-1/n))`: monotone for any beta."""
    n = par["exponent"]
    beta = _beta(q_trial, shear, dt, par)
    with np.errstate(divide="ignore"):
        s = np.minimum(1.0, np.where(beta > 0, beta, 1.0) ** (-1.0 / n))
    for _ in range(60):
        powered = beta * s ** (n - 1)
        change = (s + powered * s - 1) / (1 + n * powered)
        s = s - change
        if np.max(np.abs(change / s), initial=0.0) < 1e-14:
            break
    return s


def ratio(q_trial, shear, hardened, dt, par, solved):
    """One Newton step about the solved value: exact in value and in derivative."""
    n = par["exponent"]
    powered = _beta(q_trial, shear, dt, par) * solved ** (n - 1)
    return solved - (solved + powered * solved - 1) / (1 + n * powered)
