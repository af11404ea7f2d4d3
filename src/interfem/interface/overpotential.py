"""What drives charge transfer (model section 3)."""


def overpotential(phi_metal, phi_ion, equilibrium, omega, p_contact, faraday, i, film):
    """`eta = phi_m - phi - U + Omega p_c/F - i r_film` in V; p_c = -sigma_n: compression helps stripping, hinders plating."""
    return phi_metal - phi_ion - equilibrium + omega * p_contact / faraday - i * film

