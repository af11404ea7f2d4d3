"""Conditions between two bodies; one condition is one file. n points from the metal into the ion conductor.

To add a kinetic law: one function of (i, eta, parameters) in a file here, one line in KINETICS.
"""

from . import butler_volmer, linear

KINETICS = {"butler_volmer": butler_volmer.residual, "linear": linear.residual}
