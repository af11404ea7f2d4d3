"""Constitutive laws. Each scales the trial stress radially by s in (0, 1], found from one scalar equation.

A law gives its parameters (fields named here; `values(at)` reads them from a material, see parameters.At), `solve` (NumPy, at
quadrature points: the root s) and `ratio` (UFL: the same s with its exact derivative, by one Newton step about the solved value,
which changes nothing in value). A law with `RESISTANCE` has a flow resistance that evolves: its `par` also holds `resistance`, of
the last accepted step, and for UFL `resistance_solved`, of the present one, which `resisted` (NumPy) finds for a solved s. It
starts at the parameter `initial`.
To add a law: one file here, one line in LAWS.
"""

from . import anand, elastic, j2, norton

LAWS = {"elastic": elastic, "void": elastic, "j2": j2, "norton": norton, "anand": anand}
