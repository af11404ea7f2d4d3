"""Equilibrium potential of an alloy against its filling, `U(c/c_max)`."""

from ufl import max_value, min_value


def curve(x, knots, values, slopes):
    """Monotone cubic (Fritsch-Carlson slopes) through (knots, values), constant beyond its ends.

    x is a UFL expression; knots, values and slopes are sequences of UFL constants, so one compiled form serves any table.
    """
    result = values[0]
    for n in range(len(knots) - 1):
        h = knots[n + 1] - knots[n]
        t = min_value(max_value((x - knots[n]) / h, 0.0), 1.0)
        result = result + (values[n + 1] - values[n]) * (3 - 2 * t) * t * t
        result = result + h * t * (1 - t) * (slopes[n] * (1 - t) - slopes[n + 1] * t)
    return result
