"""Balance equations: one weak-form term is one short function, in UFL.

Two kinematics have the same functions: `momentum` (small strain) and `finite`; a case chooses.
"""

from . import finite, momentum

KINEMATICS = {"small": momentum, "finite": finite}
