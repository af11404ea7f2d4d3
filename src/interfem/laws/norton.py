"""Norton creep with power-law breakdown and a diffusional branch, backward Euler:

`dp/dt = A (q/(x sigma_0))^n exp(n (x - 1)) + A_d q/sigma_0`, `x = max(q/sigma_b, 1)`, `A = A0 exp(-Q/(R T))`, A_d likewise.

Below the breakdown stress sigma_b this is the power law; above it ln(rate) rises by n for every sigma_b of stress. These are the
two limits of Garofalo's sinh law (1963 Trans AIME 227:351; Frost and Ashby 1982), joined at sigma_b with the same slope; there the
flow stress grows with the logarithm of the rate only. Without sigma_b, and with A_d = 0, this is Norton's law.

The stress that remains of the trial stress, `q = s q_trial`, solves `s + 3 G dt rate(s q_trial)/q_trial = 1`.
"""

import numpy as np
import ufl

from ..units import GAS_CONSTANT

PARAMETERS = ("rate", "reference", "exponent", "softness", "diffusional")
RESISTANCE = False


def values(at) -> dict[str, float]:
    """A and A_d at the temperature (1/s), reference stress sigma_0 (MPa), exponent n, 1/sigma_b (1/MPa, 0 if there is none)."""
    thermal = GAS_CONSTANT * at.temperature
    found = {"rate": at("creep_rate") * np.exp(-at("creep_activation_energy") / thermal), "softness": 0.0, "diffusional": 0.0,
             "reference": at("creep_reference_stress"), "exponent": at("creep_exponent")}
    if at.has("creep_breakdown_stress"):
        found["softness"] = 1 / at("creep_breakdown_stress")
    if at.has("creep_diffusional_rate"):
        found["diffusional"] = at("creep_diffusional_rate") * np.exp(-at("creep_diffusional_activation_energy") / thermal)
    return found


def _fluidity(q, par, larger, exp):
    """(rate/q, d rate/dq) in 1/(MPa s)."""
    n, x = par["exponent"], larger(par["softness"] * q, 1.0)
    power = par["rate"] / par["reference"] * (q / par["reference"]) ** (n - 1) * (exp(x - 1) / x) ** n
    diffusional = par["diffusional"] / par["reference"]
    return power + diffusional, n * x * power + diffusional


def _start(q_trial, stiffness, par):
    """The least of 1 and the s at which one branch alone would spend the whole trial stress: not below the root."""
    n, reference = par["exponent"], par["reference"]
    beta = stiffness * par["rate"] / reference * (q_trial / reference) ** (n - 1)
    alone = np.maximum(beta, 1e-300) ** (-1.0 / n)
    x = np.maximum(par["softness"] * q_trial * alone, 1.0)
    linear = np.maximum(stiffness * par["diffusional"] / reference, 1.0)
    return np.minimum(np.minimum(1.0, alone * (1 + np.log(x)) / x), 1.0 / linear)


def solve(q_trial, shear, hardened, dt, par):
    """Newton from the right on a convex function: monotone for any length of step."""
    stiffness = 3 * shear * dt
    s = _start(q_trial, stiffness, par)
    for _ in range(60):
        fluidity, slope = _fluidity(s * q_trial, par, np.maximum, np.exp)
        change = (s + stiffness * fluidity * s - 1) / (1 + stiffness * slope)
        s = s - change
        if np.max(np.abs(change / s), initial=0.0) < 1e-14:
            break
    return s


def ratio(q_trial, shear, hardened, dt, par, solved):
    """One Newton step about the solved value: exact in value and in derivative."""
    stiffness = 3 * shear * dt
    fluidity, slope = _fluidity(solved * q_trial, par, ufl.max_value, ufl.exp)
    return solved - (solved + stiffness * fluidity * solved - 1) / (1 + stiffness * slope)
