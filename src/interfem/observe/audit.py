"""Where the lithium is, counted place by place, and what is missing (model section 9). All ranks take part."""

from __future__ import annotations

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import GROUP, Domain
from ..fields import Fields
from ..forms import compile_forms
from ..model import Model
from ..solve import Solver
from ..units import FARADAY
from .dead import DeadLithium

MAH_PER_CM2 = 1.0 / 36000.0  # of 1 C/m^2
LEAST = 1e-3  # A/m^2: the least current that the solver resolves
REMEMBERED = ("beyond", "older_beyond", "time", "start", "metal")


class LithiumAudit:
    """Tallies that no equation ties together directly, in C/m^2 of the cell's area:

    reservoir: volume of lithium metal over Omega/F, with what its faces have gained; plated: on what is no reservoir; alloyed:
    the integral of stored concentration; in_sei: of the reaction layers; beyond_counter: what has left through the counter face
    of an ion conductor, from the reaction of the charge balance there. Salt keeps its lithium and is left out.
    """

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model, solver: Solver, dead: DeadLithium | None):
        self.dead = dead
        self.case, self.domain, self.fields, self.model, self.solver = case, domain, fields, model, solver
        reservoirs = {r.name for r in domain.regions if r.reservoir}
        forms = {"reservoir": self._deposit(lambda metal: metal in reservoirs),
                 "plated": self._deposit(lambda metal: metal not in reservoirs)}
        for group in domain.groups:
            if group.head.reservoir:
                forms[f"metal:{group.number}"] = 1.0 * domain.dx(GROUP + group.number)
            if f"x:{group.name}" in fields:
                forms[f"x:{group.name}"] = fields[f"x:{group.name}"] * domain.dx_store(group)
        if "sei" in fields:
            forms["in_sei"] = model.interface["sei_charge"] * fields["sei"] * domain.dx_gamma()
        self.forms = compile_forms(forms, domain.entity_maps)
        self.metal = sum(self._value(f"metal:{g.number}") * FARADAY / g.head.material.get("molar_volume").at(case.temperature)
                         for g in domain.groups if g.head.reservoir) / model.area
        self.beyond = self.older_beyond = self.time = 0.0
        self.start = sum(self._parts().values())

    def memory(self) -> dict[str, float]:
        """What is carried from step to step."""
        return {name: float(getattr(self, name)) for name in REMEMBERED}

    def recall(self, memory: dict[str, float]) -> None:
        """Go on from there."""
        for name in REMEMBERED:
            setattr(self, name, memory[name])

    def _deposit(self, wanted):
        """Charge of what is plated on the faces of the wanted metals, pC."""
        domain, rate = self.domain, self.model.plated_rate.x.array
        chosen = [name in domain.kinetics and wanted(domain.kinetics[name].metal) for name in domain.interfaces]
        charge = fem.Function(self.model.plated_rate.function_space)  # F/Omega
        here = np.array(chosen, bool)[domain.interface_of_gamma] & (rate > 0)
        charge.x.array[here] = 1 / rate[here]
        return charge * self.fields.growth * domain.dx_gamma()

    def _value(self, name: str) -> float:
        return self.domain.comm.allreduce(fem.assemble_scalar(self.forms[name]), MPI.SUM)

    def before_commit(self, reactions: dict[str, np.ndarray], dt: float) -> None:
        """Count what leaves through the counter face in the step just solved, by the backward formula that all else follows."""
        a0, a1, a2 = (float(weight.value) for weight in self.model.controls.weights)
        out = self._through_counter(reactions["phi"]) / self.model.area
        self.beyond, self.older_beyond = (out - a1 * self.beyond - a2 * self.older_beyond) / a0, self.beyond
        self.time += dt

    def _through_counter(self, reaction: np.ndarray) -> float:
        """Current that leaves the ions through the counter face, pA: imposed there, or the reaction of the rows that it holds."""
        if "V" not in self.fields:
            return float(self.model.controls.density.value) * self.domain.boundary_area("counter")
        local = 0.0
        for bc in self.solver.conditions("phi"):
            dofs, first_ghost = bc.dof_indices()
            local -= float(reaction[dofs[:first_ghost]].sum())
        return self.domain.comm.allreduce(local, MPI.SUM)

    def _parts(self) -> dict[str, float]:
        """C/m^2, by place. Dead lithium is metal that the reservoir has lost."""
        area, kelvin = self.model.area, self.model.parameters.temperature
        stored = sum(self._value(f"x:{g.name}") * FARADAY * g.head.material.get("maximum_concentration").at(kelvin)
                     for g in self.domain.groups if f"x:{g.name}" in self.fields)
        in_sei = self._value("in_sei") if "in_sei" in self.forms else 0.0
        dead = sum(self.dead.charge.values()) if self.dead is not None else 0.0
        return {"reservoir": self.metal + self._value("reservoir") / area - dead, "plated": self._value("plated") / area,
                "alloyed": stored / area, "in_sei": in_sei / area, "dead": dead, "beyond_counter": self.beyond}

    def scalars(self) -> dict[str, float]:
        """Of the last accepted state; the error against all lithium, or against the least current that is resolved."""
        parts = self._parts()
        total, size = sum(parts.values()), max(sum(abs(part) for part in parts.values()), LEAST * self.time)
        found = {f"lithium_{name}_mAh_per_cm2": part * MAH_PER_CM2 for name, part in parts.items()}
        return found | {"lithium_total_mAh_per_cm2": total * MAH_PER_CM2,
                        "lithium_audit_error": abs(total - self.start) / size if size else 0.0}
