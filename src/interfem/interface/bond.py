"""Two bodies that stay bonded while metal grows or is stripped between them (model section 6)."""

from ufl import inner, outer, Identity


def growth(history, i, rate, weights):
    """Plated thickness after the step, from `dw/dt = -i Omega/F` by the backward formula: plating (i < 0) grows it. um.

    history = (w_old, w_older), rate = Omega/F in um^3/pC, weights (a0, a1, a2) in 1/s. Works on UFL and on arrays alike.
    """
    a0, a1, a2 = weights
    return -(a1 * history[0] + a2 * history[1] + i * rate) / a0


def contact_work(p_contact, normal, v_metal, v_ion, dS):
    """Work of the contact pressure on both faces: `int p_c n.(v_metal - v_ion)`; compression is positive."""
    return p_contact * inner(normal, v_metal - v_ion) * dS


def normal_jump(u_metal, u_ion, normal, w, p_test, dS):
    """`n.(u_ion - u_metal) = w`, imposed by the contact pressure as multiplier."""
    return (inner(normal, u_metal - u_ion) + w) * p_test * dS


def tangential_stick(u_metal, u_ion, normal, mean_normal, w, v_metal, v_ion, stiffness, dS):
    """Shear traction `k_t` times the slip; k_t is far stiffer than either body, or zero where the interface slides freely.

    Growth is no slip: on a curved face, meshed by flat facets, it follows `mean_normal`, which is continuous from facet to facet.
    """
    tangent = Identity(len(normal)) - outer(normal, normal)
    return stiffness * inner(tangent * (u_metal - u_ion + w * mean_normal), v_metal - v_ion) * dS
