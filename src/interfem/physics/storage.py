"""Exchange between the ions of a mixed conductor and the lithium that it stores, everywhere in its volume (model section 4)."""

from ufl import conditional, exp, gt

WIDTH = 0.01  # of the filling at either end, within which the exchange dies out


def exchange(rate, eta, f, x):
    """Current per volume, `r = a i0 {x/(x + s) exp(f eta/2) - (1-x)/(1-x + s) exp(-f eta/2)}`, positive out of the store; pA/um^3.

    eta = phi_m - phi - U(x). The prefactors count the lithium and the free places (Langmuir): a full store takes nothing more and an
    empty one gives nothing, so that plating takes over smoothly. rate = a i0 in A/m^2/um. At the middle they are 1 within s = 1 %.
    """
    lithium, places = _share(x), _share(1 - x)
    return rate * (lithium * exp(f * eta / 2) - places * exp(-f * eta / 2))


def _share(y):
    """y/(y + s), continued as y/s below zero: a Newton step that overfills the store is driven back, not beyond the pole."""
    return conditional(gt(y, 0), y / (y + WIDTH), y / WIDTH)
