"""Two bodies that may part (model section 6): `[u.n] = w + g`, `g >= 0`; adhesion, contact state, friction, unresolved voids.

Everything here holds at the vertices of the interface mesh. UFL and, where said, arrays alike.
"""

from ufl import Identity, conditional, gt, inner, lt, max_value, min_value, outer, sqrt

HOLD = 1e-4  # MPa: pull that any interface bears before it opens; without it a body that nothing presses would drift off
LEAST = 1e-6  # contact state of an open gap: a face that has lost all contact then runs away in voltage, with a solution
SHUT = 1e-9  # um: gaps below are closed
LIGHT = 1e-9  # MPa: as good as no pressure


def complementarity(p, g, pull, stiffness):
    """`g >= 0`, `p + T >= 0`, `(p + T) g = 0` as `(p + T) - max(0, (p + T) - r g) = 0`; contact pressure p and pull T in MPa.

    r (MPa/um) sets which of the two a Newton step takes for zero, and not the solution. Source: Alart and Curnier 1991,
    doi:10.1016/0045-7825(91)90022-X.
    """
    return p + pull - max_value(0.0, p + pull - stiffness * g)


def adhesion(g, widest, strength, length):
    """Pull T(g) that the interface bears, MPa: `strength` at first, down to zero in a straight line over the gap `length` (um).

    What has opened as far as `widest` keeps the pull of there, and unloads in a straight line to zero at the closed gap:
    the work of separation, strength length/2, is spent once. Source: the linear cohesive law of Camacho and Ortiz 1996,
    doi:10.1016/0020-7683(95)00255-3.
    """
    envelope = strength * max_value(0.0, 1 - max_value(g, widest) / length)
    return HOLD + envelope * conditional(gt(widest, SHUT), min_value(1.0, max_value(g, 0.0) / max_value(widest, SHUT)), 1.0)


def closeness(g, length):
    """Contact state of a gap: 1 when closed, smoothly 0 from `length` (um) on; `1 - 3 t^2 + 2 t^3`, t = g/length in [0, 1]."""
    t = min_value(1.0, max_value(0.0, g / length))
    return 1 - t * t * (3 - 2 * t)


def healing(p, rate, exponent, larger=max_value):
    """`k = rate (p/MPa)^n`, 1/s; nothing heals under tension. Cut off at a pressure where the power still has a slope."""
    return rate * larger(p, LIGHT) ** exponent


def vacancy(history, i, k, loss, weights, smaller=min_value, larger=max_value):
    """State theta after the step, from `dtheta/dt = -loss i + (1 - theta) k` by the backward formula, kept within 0 and 1.

    history = (theta_old, theta_older); loss = chi/q* in m^2/C: stripping (i > 0) leaves vacancies. UFL, or arrays with NumPy's
    minimum and maximum.
    """
    a0, a1, a2 = weights
    return smaller(1.0, larger(0.0, (k - loss * i - a1 * history[0] - a2 * history[1]) / (a0 + k)))


def slip_of(u_metal, u_ion, normal, mean_normal, w):
    """Tangential motion of the metal over the ion conductor, um; growth is no slip, see `bond.tangential_stick`."""
    return (Identity(len(normal)) - outer(normal, normal)) * (u_metal - u_ion + w * mean_normal)


def shear_work(shear, normal, v_metal, v_ion, dS):
    """Work of the shear traction (MPa) that the metal exerts as it slides, on both faces."""
    return inner((Identity(len(normal)) - outer(normal, normal)) * shear, v_metal - v_ion) * dS


def friction(shear, sliding, normal, limit, stiffness):
    """Coulomb's law as `t - P(t + r ds) = 0`, P the return to the disc of radius `limit` (MPa); shear has no normal part.

    Inside the disc nothing slides, ds = 0; outside, t has the size of the limit and the direction of sliding. r as in
    `complementarity`. Source: Alart and Curnier 1991, doi:10.1016/0045-7825(91)90022-X.
    """
    tangent = Identity(len(normal)) - outer(normal, normal)
    trial = tangent * (shear + stiffness * sliding)
    size = sqrt(inner(trial, trial) + 1e-24)
    return shear - conditional(lt(size, limit), 1.0, limit / size) * trial
