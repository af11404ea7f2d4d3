"""Two bodies that stay bonded while metal grows or is stripped between them (model section 6)."""

from ufl import inner, outer, Identity


def growth(w_old, i, omega, dt, faraday):
    """Plated thickness after the step, `w = w_old - dt i Omega/F` in um: plating (i < 0) grows it."""
    return w_old - dt * i * omega / faraday


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
