"""The scalar equation that radial return comes down to."""

import numpy as np


def power_root(beta, n):
    """Root s in (0, 1] of `s + beta s^n = 1`, n >= 1: Newton from `min(1, beta^(-1/n))`, monotone for any beta >= 0."""
    with np.errstate(divide="ignore"):
        s = np.minimum(1.0, np.where(beta > 0, beta, 1.0) ** (-1.0 / n))
    for _ in range(60):
        powered = beta * s ** (n - 1)
        change = (s + powered * s - 1) / (1 + n * powered)
        s = s - change
        if np.max(np.abs(change / s), initial=0.0) < 1e-14:
            break
    return s
