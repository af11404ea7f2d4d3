"""What is seen of contact: the state that multiplies the kinetics, gaps, slip, adhesion. All ranks take part in each."""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import Domain
from ..fields import Fields, vacancy_after
from ..forms import compile_forms
from ..interface.contact import closeness


class Contact:
    """Functionals of interfaces that may part, slide or hold vacancies."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, electrodes: dict[str, list[str]]):
        """`electrodes`: names of the charge-transfer interfaces of each electrode."""
        self.domain, self.fields, history = domain, fields, fields.contact
        self.vacancy = None if history.vacancy is None else fem.Function(history.vacancy.function_space)
        before = 1.0 if history.vacancy is None else history.vacancy
        self.covered_before = None if history.roofs is None else history.roofs.covered.copy()
        passing = fem.Function(fem.functionspace(domain.submeshes["gamma"].mesh, ("DG", 0)))
        passing.x.array[:] = ~domain.blocked
        self.state = passing * self._closeness("function") * (1.0 if self.vacancy is None else self.vacancy)
        if self.covered_before is not None:
            self.state, before = self.state * history.roofs.covered, before * self.covered_before
        changed = ufl.algebra.Abs(self.state - passing * self._closeness("old") * before)
        self.forms = {"change": changed * domain.dx_gamma(), "area": 1.0 * domain.dx_gamma()}
        for electrode, names in electrodes.items():
            if names:
                dx = domain.dx_gamma(tuple(names))
                self.forms |= {electrode: self.state * dx, f"area:{electrode}": passing * dx}
        self.electrodes = [name for name, found in electrodes.items() if found]
        if "gap" in fields:
            parting = tuple(name for name in domain.interfaces if case.interface(name).parts and name not in domain.roofs)
            self.forms |= {"gap": fields["gap"] * domain.dx_gamma(parting), "parting": 1.0 * domain.dx_gamma(parting)}
            sticky = tuple(name for name in parting if case.interface(name).adhesion_strength)
            if sticky:
                left = ufl.max_value(0.0, 1 - history.widest / history.laws["softening"])
                self.forms |= {"adhesion": left * domain.dx_gamma(sticky), "sticky": 1.0 * domain.dx_gamma(sticky)}
        self.forms = compile_forms(self.forms, domain.entity_maps)
        self.accept()

    def _closeness(self, which: str):
        if "gap" not in self.fields:
            return 1.0
        return closeness(getattr(self.fields.unknowns["gap"], which), self.fields.contact.laws["contact_gap"])

    def _value(self, name: str) -> float:
        return self.domain.comm.allreduce(fem.assemble_scalar(self.forms[name]), MPI.SUM)

    def accept(self) -> None:
        """Look at the last accepted state."""
        if self.vacancy is not None:
            self.vacancy.x.array[:] = self.fields.contact.vacancy.x.array
        if self.covered_before is not None:
            self.covered_before.x.array[:] = self.fields.contact.roofs.covered.x.array

    def look(self, weights) -> None:
        """Look at the step just solved, not yet committed."""
        if self.vacancy is not None:
            self.vacancy.x.array[:] = vacancy_after(self.fields, weights)

    def least(self) -> float:
        """Mean contact state of the electrode that has less of it."""
        return min((self._value(name) / self._value(f"area:{name}") for name in self.electrodes), default=1.0)

    def change(self) -> float:
        """Mean change of the contact state in the step just solved."""
        return self._value("change") / self._value("area")

    def scalars(self) -> dict[str, float]:
        """Of the last accepted state."""
        found = {}
        if "gap" in self.fields:
            found["gap_max_um"] = self._largest(self.fields["gap"])
            found["gap_mean_um"] = self._value("gap") / self._value("parting")
        if "adhesion" in self.forms:
            found["adhesion_left"] = self._value("adhesion") / self._value("sticky")
        if "slip" in self.fields:
            found["slip_max_um"] = self._largest(self.fields["slip"])
            found["interface_max_shear_MPa"] = self._largest(self.fields["shear"])
        return found

    def _largest(self, function: fem.Function) -> float:
        """Largest magnitude at the vertices."""
        bs, owned = function.function_space.dofmap.bs, function.function_space.dofmap.index_map.size_local
        sizes = np.linalg.norm(function.x.array.reshape(-1, bs)[:owned], axis=1)
        return self.domain.comm.allreduce(float(sizes.max()) if sizes.size else 0.0, MPI.MAX)
