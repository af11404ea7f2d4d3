"""What fills a void or pore in finite strain, so that its inside is meshed and moves with the metal; and contact of its wall.

Under a roof of electrolyte the filling is linear and far too soft to be felt, `W = k/2 |grad u|^2`, and may be folded: the wall itself
is held on its side of the roof, without friction, by the pressure `p = r max(0, -d)`, d being its distance from the roof along the
stack. Inside metal, where walls would meet walls, it is a medium that bears no load until it is crushed, and is contact then:
`W = G/2 (F:F - 3) + h(J) + k l^2/2 |grad grad u|^2`, `h = k/2 (ln J)^2 - G ln J` and as stiff as the metal below J = `CRUSHED`.
Sources: Wriggers, Schroeder and Schwarz, Comput. Mech. 52 (2013) 837, doi:10.1007/s00466-013-0848-5; Bluhm, Sigmund and Poulios,
Comput. Mech. 67 (2021) 1099, doi:10.1007/s00466-021-01974-x.
"""

from ufl import as_matrix, det, grad, inner, ln, max_value, min_value

from .finite import deformation, gradient

SOFTNESS = 1e-8  # stiffness k of the filling over the metal's bulk modulus
CRUSHED = 0.005  # J from which on a medium inside metal bears load as stiffly as the metal
BENDING = 0.3  # weight of its second gradient


def filling_work(u, v, kind: str, r, bulk):
    """`k grad u : grad v` under a roof; `bulk` of the metal in MPa."""
    return SOFTNESS * bulk * inner(gradient(u, kind, r), gradient(v, kind, r))


def medium_work(u, v, kind: str, r, bulk, length):
    """`P : grad v + k l^2 grad grad u : grad grad v`, `P = G F + h'(J) cof F`, inside metal; l = `length`, the pore's size in um."""
    k = SOFTNESS * bulk
    f = deformation(u, kind, r)
    stress = 0.5 * k * f + _slope(det(f), k, 0.5 * k, bulk) * _cofactor(f)
    return inner(stress, gradient(v, kind, r)) + BENDING * k * length**2 * inner(grad(grad(u)), grad(grad(v)))


def filling_energy(u, kind: str, r, bulk):
    """W under a roof, pJ/um^3 of the reference."""
    g = gradient(u, kind, r)
    return 0.5 * SOFTNESS * bulk * inner(g, g)


def medium_energy(u, kind: str, r, bulk, length):
    """W inside metal, pJ/um^3 of the reference."""
    k, f = SOFTNESS * bulk, deformation(u, kind, r)
    j = det(f)
    volume, crushed = ln(max_value(j, CRUSHED)), min_value(j - CRUSHED, 0.0)
    slope = (k * ln(CRUSHED) - 0.5 * k) / CRUSHED
    bent = 0.5 * BENDING * length**2 * inner(grad(grad(u)), grad(grad(u)))
    return k * (0.25 * (inner(f, f) - 3) + 0.5 * volume**2 - 0.5 * volume + bent) + slope * crushed + 0.5 * bulk * crushed**2


def _slope(j, k, shear, bulk):
    """`dh/dJ` in MPa."""
    held = max_value(j, CRUSHED)
    return (k * ln(held) - shear) / held + bulk * min_value(j - CRUSHED, 0.0)


def _cofactor(f):
    """`cof F = J F^-T`, polynomial in F."""
    def minor(i, j):
        a, b = ((i + 1) % 3, (i + 2) % 3), ((j + 1) % 3, (j + 2) % 3)
        return f[a[0], b[0]] * f[a[1], b[1]] - f[a[0], b[1]] * f[a[1], b[0]]

    return as_matrix([[minor(i, j) for j in range(3)] for i in range(3)])


def wall_pressure(height, u, floor, into, stiffness):
    """Pressure (MPa of the wall at the start) that holds a wall above its roof, `r max(0, -d)`, along the stack.

    height of the wall at the start, its displacement u along the stack, height `floor` of the roof; into = 1 or -1 is the way from the
    roof into the void.
    """
    return stiffness * max_value(0.0, into * (floor - height - u))


def roof_tie(u_filling, u_ion, normal, raised, stiffness):
    """`r ((u_f - u_s).n + w)`, MPa: keeps the filling on the roof, or on what has been plated there (`raised`, um)."""
    return stiffness * (inner(u_filling - u_ion, normal) + raised)
