"""Viscoplasticity with hardening after Anand and Narayan (2019 J Electrochem Soc 166:A1092), backward Euler:

`dp/dt = A (q/S)^(1/m)`, `A = A0 exp(-Q/(R T))`;  `dS = H0 |u|^a sign(u) dp`, `u = 1 - S/S*`, `S* = S0 (dp/dt/A)^n`.

With s of the trial stress left, `dp = (1 - s) q_trial/(3 G)`. Both equations are `s + beta s^k = 1` then:
the flow at a given resistance S, `beta = 3 G dt A (q_trial/S)^(1/m)/q_trial`, k = 1/m; and the hardening at a given dp, where
u/u_n = v solves `v + beta v^a = 1`, `beta = H0 dp |u_n|^(a-1)/S*`, `u_n = 1 - S_n/S*`. S lies between S_n and S*, always.
"""

import numpy as np
import ufl

from ..units import GAS_CONSTANT
from .root import power_root

PARAMETERS = ("rate", "exponent", "saturation", "hardening", "hardening_exponent", "saturation_exponent", "initial")
RESISTANCE = True
SLOWEST = 1e-12  # of A: added to the rate in S*, which would fall to zero, and its slope to infinity, where nothing flows


def values(at) -> dict[str, float]:
    """A at the temperature (1/s), 1/m, S0 and H0 (MPa), a, n, and the resistance at the start (MPa)."""
    return {"rate": at("anand_rate") * np.exp(-at("anand_activation_energy") / (GAS_CONSTANT * at.temperature)),
            "exponent": 1 / at("anand_rate_sensitivity"), "saturation": at("anand_saturation_stress"),
            "hardening": at("anand_hardening"), "hardening_exponent": at("anand_hardening_exponent"),
            "saturation_exponent": at("anand_saturation_exponent"), "initial": at("anand_initial_resistance")}


def _beta(q_trial, shear, dt, par, resistance):
    return 3 * shear * dt * par["rate"] / resistance * (q_trial / resistance) ** (par["exponent"] - 1)


def _saturated(increment, dt, par):
    """S* at the rate of the step."""
    return par["saturation"] * (increment / (dt * par["rate"]) + SLOWEST) ** par["saturation_exponent"]


def _hardened(increment, dt, par):
    """S after a plastic increment."""
    a, old, top = par["hardening_exponent"], par["resistance"], _saturated(increment, dt, par)
    return top + (old - top) * power_root(par["hardening"] * increment / top * np.abs(1 - old / top) ** (a - 1), a)


def _slope(resistance, increment, dt, par):
    """dS/d(increment) of `_hardened`."""
    a, n, top = par["hardening_exponent"], par["saturation_exponent"], _saturated(increment, dt, par)
    u = 1 - resistance / top
    bend = par["hardening"] * a * np.abs(u) ** (a - 1) / top  # -dH/dS; dH/dS* = bend S/S*
    moved = n * top / (increment + SLOWEST * dt * par["rate"])  # dS*/d(increment)
    return (par["hardening"] * np.abs(u) ** a * np.sign(u) + increment * bend * resistance / top * moved) / (1 + increment * bend)


def solve(q_trial, shear, hardened, dt, par):
    """Newton for S, in each step of which the flow equation is solved for s."""
    k, resistance = par["exponent"], par["resistance"] + 0 * q_trial
    for _ in range(50):
        beta = _beta(q_trial, shear, dt, par, resistance)
        s = power_root(beta, k)
        increment = (1 - s) * q_trial / (3 * shear)
        powered = k * beta * s ** (k - 1)
        slower = q_trial / (3 * shear) * powered * s / (resistance * (1 + powered))  # -d(increment)/dS
        excess = resistance - _hardened(increment, dt, par)
        change = excess / (1 + slower * _slope(resistance, increment, dt, par))
        resistance = np.maximum(resistance - change, 0.1 * resistance)
        if np.max(np.abs(change / resistance), initial=0.0) < 1e-14:
            break
    return power_root(_beta(q_trial, shear, dt, par, resistance), k)


def resisted(q_trial, shear, dt, par, solved):
    """S at the end of the step, MPa."""
    return _hardened((1 - solved) * q_trial / (3 * shear), dt, par)


def ratio(q_trial, shear, hardened, dt, par, solved):
    """One Newton step about the solved s, and inside it one about the solved S: exact in value and in derivative."""
    s = ufl.variable(solved)
    increment = (1 - s) * q_trial / (3 * shear)
    resistance = _resistance(increment, dt, par)
    left = s + _beta(q_trial, shear, dt, par, resistance) * s ** par["exponent"] - 1
    return s - left / ufl.diff(left, s)


def _resistance(increment, dt, par):
    """S of the plastic increment, by one Newton step about the solved one (UFL)."""
    a, held, top = par["hardening_exponent"], par["resistance_solved"], _saturated(increment, dt, par)
    u = 1 - held / top
    size = ufl.sqrt(u * u + 1e-24)  # |u|, with a slope where S has reached S*
    hardening = par["hardening"] * size ** (a - 1)
    return held - (held - par["resistance"] - increment * hardening * u) / (1 + increment * a * hardening / top)
