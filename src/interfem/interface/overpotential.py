"""What drives charge transfer (model section 3)."""


def overpotential(phi_metal, phi_ion, equilibrium, omega, pressure, faraday, i, film):
    """`eta = phi_m - phi - U + Omega p/F - i r_film` in V: compression helps stripping, hinders plating.

    p = p_c = -sigma_n on metal, p = -tr(sigma)/3 with the partial molar volume where lithium is stored.
    """
    return phi_metal - phi_ion - equilibrium + omega * pressure / faraday - i * film

