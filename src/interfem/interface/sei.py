"""Growth of the reaction layer (SEI) between an electron source and an electrolyte that electrons reduce (model section 7).

Ions cross the layer with what the interface passes and with the reaction, electrons with the reaction alone, both by Ohm's law:

    (thickness/sigma_e + h/sigma_h) i_R = E_red - E,    i_R = (F/V) d(thickness)/dt

E = phi_m - phi across the whole, which contains what the ions lose, `thickness (i + i_R)/sigma_i`: the two branches are in series,
and the slower one sets the rate (Wagner 1933). h/sigma_h: stable layers that the electrons cross besides. UFL and arrays alike.

Both branches stand with `i_R thickness`. It is moved to the left, where it meets the conductivity `1/(1/sigma_e + 1/sigma_i)`.
"""

from ufl import conditional, eq, gt, max_value, sqrt

SMALLEST = 1e-8  # um: layers are told apart from none above it


def driving(reduction, potential, contact):
    """`E_red - E` where the faces touch and electrons find something to reduce, else 0; V.

    Contact at a metal and reduction at any other potential are one law: E is about 0 on lithium, U on an alloy, and what the
    currents make it on a collector.
    potential: E without what the ions lose to the reaction in the layer.
    """
    return contact * max_value(reduction - potential, 0.0)


def spent(fraction, rate, current, drive):
    """Growth with the current that passes, `fraction |i| V/F`, um/s; rate = V/F in um^3/pC."""
    return conditional(gt(drive, 0.0), fraction * rate * conditional(gt(current, 0.0), current, -current), 0.0)


def thickness(history, weights, lag, drive, extra):
    """Thickness after the step, um: `d(thickness^2/2)/dt + lag d(thickness)/dt = drive + extra (thickness + lag)`.

    lag = sigma h/sigma_h (um), drive = sigma (V/F) (E_red - E) (um^2/s), extra (um/s). The backward formula acts on thickness^2/2
    and on the thickness, both of which the law makes straight lines: no step is too long, and none starts with a singularity.
    """
    (a0, a1, a2), (now, then) = weights, history
    late = conditional(eq(a2, 0.0), 0.5, 1.0)  # keeps straight growth straight in a first step too
    half = lag - late * extra / a0
    square = 2 * (drive + extra * (lag + (1 - late) * now)) - a1 * now**2 - a2 * then**2 - 2 * lag * (a1 * now + a2 * then)
    root = sqrt(half**2 + square / a0 + SMALLEST**2)
    return conditional(gt(half, 0.0), square / a0 / (half + root), root - half)


def reaction_current(thickness, history, weights, charge):
    """`i_R = (F/V) d(thickness)/dt`, A/m^2; charge = F/V in pC/um^3."""
    return charge * (weights[0] * thickness + weights[1] * history[0] + weights[2] * history[1])


def ionic_loss(thickness, history, weights, charge, resistivity):
    """What the ions of the reaction lose in the layer, `i_R thickness/sigma_i`, V; by the growth of thickness^2/2 as in `thickness`."""
    squares = weights[0] * thickness**2 + weights[1] * history[0] ** 2 + weights[2] * history[1] ** 2
    return 0.5 * resistivity * charge * squares
