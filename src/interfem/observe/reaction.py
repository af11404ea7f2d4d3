"""What is seen of the reaction layer: thickness, charge taken, resistance. All ranks take part in each."""

from __future__ import annotations

import math

from dolfinx import fem
from mpi4py import MPI

from ..domain import Domain
from ..fields import Fields
from ..forms import compile_forms
from ..model import Model

MAH_PER_CM2 = 1.0 / 36000.0  # of 1 C/m^2
OHM_CM2 = 1e4  # of 1 ohm m^2


class ReactionLayer:
    """Functionals of the interfaces where electrolyte is reduced."""

    def __init__(self, domain: Domain, fields: Fields, model: Model):
        self.domain, self.fields, self.area = domain, fields, model.area
        open_, charge, resistivity = (model.interface[key] for key in ("sei_open", "sei_charge", "sei_resistivity"))
        owned = domain.submeshes["gamma"].owned
        reacting = domain.interface_of_gamma[:owned][open_.x.array[:owned] > 0]
        numbers = set().union(*domain.comm.allgather(set(reacting.tolist())))
        self.names = [domain.interfaces[n] for n in sorted(numbers)]
        forms = {"charge": charge * fields["sei"] * domain.dx_gamma()}
        for name in self.names:
            dx = domain.dx_gamma((name,))
            forms |= {f"area:{name}": open_ * dx, f"mean:{name}": open_ * fields["sei"] * dx,
                      f"film:{name}": open_ * resistivity * fields["sei"] * dx}
        self.forms = compile_forms(forms, domain.entity_maps)
        dofs = fields["sei"].function_space.dofmap.list[:owned]
        on = {name: domain.interface_of_gamma[:owned] == domain.interfaces.index(name) for name in self.names}
        self.dofs = {name: dofs[chosen].reshape(-1) for name, chosen in on.items()}

    def _value(self, name: str) -> float:
        return self.domain.comm.allreduce(fem.assemble_scalar(self.forms[name]), MPI.SUM)

    def _largest(self, name: str) -> float:
        values = self.fields["sei"].x.array[self.dofs[name]]
        return self.domain.comm.allreduce(float(values.max()) if len(values) else -math.inf, MPI.MAX)

    def scalars(self) -> dict[str, float]:
        """Mean and largest thickness, and mean resistance for ions, of each interface; charge per area of the cell."""
        found = {}
        for name in self.names:
            area = self._value(f"area:{name}")
            found[f"sei_mean_nm[{name}]"] = 1e3 * self._value(f"mean:{name}") / area
            found[f"sei_max_nm[{name}]"] = 1e3 * self._largest(name)
            found[f"sei_resistance_ohm_cm2[{name}]"] = OHM_CM2 * self._value(f"film:{name}") / area
        return found | {"sei_charge_mAh_per_cm2": self._value("charge") / self.area * MAH_PER_CM2}
