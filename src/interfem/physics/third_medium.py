"""The inside of a void in finite strain: a very soft medium that carries no load until it is crushed, and then is contact.

`W = G/2 (F:F - 3) + h(J) + k L^2/2 |grad grad u|^2`, `h(J) = k/2 (ln J)^2 - G ln J`, `G = k/2`: its stiffness k is `SOFTNESS` of the
metal's bulk modulus, about 1e-3 MPa, so that creep does not feel it. As J -> 0 the pressure rises without limit, so that the wall
comes to rest at a small distance from the face opposite (J = 2e-3 at 3 MPa) and does not pass through it. The second gradient, L being
the size of the void, keeps elements from folding. Sources: Wriggers, Schroeder and Schwarz, Comput. Mech. 52 (2013) 837;
Bluhm, Sigmund and Poulios, Comput. Methods Appl. Mech. Eng. 381 (2021) 113798.
"""

from ufl import as_matrix, conditional, det, grad, gt, inner, ln, max_value

from .finite import deformation, gradient

SOFTNESS = 1e-7  # stiffness k over the metal's bulk modulus
CRUSHED = 1e-4  # J below which h is continued by its tangent parabola, so that a Newton step beyond J = 0 has a way back
BENDING = 1e-2  # weight of the second gradient


def cofactor(f):
    """`cof F = J F^-T`, polynomial in F."""
    def minor(i, j):
        a, b = ((i + 1) % 3, (i + 2) % 3), ((j + 1) % 3, (j + 2) % 3)
        return f[a[0], b[0]] * f[a[1], b[1]] - f[a[0], b[1]] * f[a[1], b[0]]

    return as_matrix([[minor(i, j) for j in range(3)] for i in range(3)])


def slope(j, k, shear):
    """`dh/dJ` in MPa, linear in J below `CRUSHED`."""
    start = conditional(gt(j, CRUSHED), j, CRUSHED)
    value = (k * ln(start) - shear) / start
    stiffness = (k * (1 - ln(CRUSHED)) + shear) / CRUSHED**2
    return value + conditional(gt(j, CRUSHED), 0.0, stiffness * (j - CRUSHED))


def work(u, v, kind: str, r, bulk, length):
    """`P : grad v + k L^2 grad grad u : grad grad v`, `P = G F + h'(J) cof F`; L = `length` in um, `bulk` of the metal in MPa."""
    k = SOFTNESS * bulk
    f = deformation(u, kind, r)
    stress = 0.5 * k * f + slope(det(f), k, 0.5 * k) * cofactor(f)
    return inner(stress, gradient(v, kind, r)) + BENDING * k * length**2 * inner(grad(grad(u)), grad(grad(v)))


def energy(u, kind: str, r, bulk, length):
    """W, pJ/um^3 of the reference."""
    k = SOFTNESS * bulk
    f = deformation(u, kind, r)
    volume = ln(max_value(det(f), CRUSHED))
    bent = 0.5 * BENDING * length**2 * inner(grad(grad(u)), grad(grad(u)))
    return k * (0.25 * (inner(f, f) - 3) + 0.5 * volume**2 - 0.5 * volume + bent)


def roof_pressure(u_medium, u_ion, normal, w, stiffness, parts: bool):
    """Contact pressure on the electrolyte over a void, `k ((u_m - u_s).n + w)`, MPa; no pull if the two may part.

    The stiffness k (MPa/um) is far above that of the bodies. It acts point by point: a multiplier that is linear along the
    interface would let the soft medium ripple, and give way at the rim to what presses beside it.
    """
    pressed = stiffness * (inner(u_medium - u_ion, normal) + w)
    return max_value(pressed, 0.0) if parts else pressed
