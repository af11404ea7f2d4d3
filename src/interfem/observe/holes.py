"""Voids and pores that are holes in the mesh, in small strain: how much of each is left."""

from __future__ import annotations

import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import Domain
from ..fields import BODIES, Fields
from ..forms import compile_forms
from ..loads import boundary_sides


class Holes:
    """`V/V0 = 1 - int u.n / V0` over the walls of each hole, n out of the bodies; `V0 = -int z n_z`, z along the stack.

    What lies in planes of symmetry adds nothing to either.
    """

    def __init__(self, case: Case, domain: Domain, fields: Fields):
        self.comm, self.forms, self.first = domain.comm, {}, {}
        normal, up = ufl.FacetNormal(domain.mesh), domain.dimension - 1
        walls = [boundary for boundary in domain.boundaries if "|" in boundary and boundary.split("|")[0] not in {r.name for r in domain.regions}]
        if case.mechanics is None or case.mechanics.kinematics != "small":
            return
        for name in dict.fromkeys(wall.split("|")[0] for wall in walls):
            own = [wall for wall in walls if wall.split("|")[0] == name]
            self.first[name] = -domain.integral(sum((domain.x[up] * normal[up]) * domain.ds(wall) for wall in own))
            closed = sum(ufl.inner(fields[u], normal) * domain.ds(wall, BODIES[u]) for wall in own for u in boundary_sides(domain, wall))
            self.forms[name] = compile_forms(closed, domain.entity_maps)

    def scalars(self) -> dict[str, float]:
        """Volumes over those at the start."""
        return {f"void_volume_ratio[{name}]": 1.0 - self.comm.allreduce(fem.assemble_scalar(form), MPI.SUM) / self.first[name]
                for name, form in self.forms.items()}
