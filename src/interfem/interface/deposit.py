"""Lithium plated on something that is no reservoir of lithium: a collector, a mixed conductor."""

from ufl import conditional, exp, gt

ATOMIC = 1e-3  # um: a deposit of some atomic layers behaves as bulk lithium


def activity(w):
    """Activity of a deposit of thickness w (um), `a = 1 - exp(-w/w0)`, w0 = 1 nm: nothing is stripped where nothing is left.

    It multiplies the anodic branch of the kinetics. Continued linearly below zero, so that it has a slope there.
    """
    ratio = w / ATOMIC
    return conditional(gt(ratio, 0), 1 - exp(-ratio), ratio)
