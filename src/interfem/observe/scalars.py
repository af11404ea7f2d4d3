"""Scalars of a step, by name with unit. One function a group of scalars; all ranks take part in each."""

from __future__ import annotations

import math

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import GROUP, SALT, Domain
from ..fields import BODIES, Fields
from ..forms import compile_forms
from ..interface.deposit import ATOMIC
from ..loads import boundary_sides, stack_state
from ..model import Model, anode_volume, equilibrium, felt_pressure, stored_equilibrium, stored_shift
from ..protocol import flat_steps
from ..regions import interface_name
from ..solve import Solver
from ..units import FARADAY
from .audit import LithiumAudit
from .breakdown import Breakdown
from .columns import make_columns
from .contact import Contact
from .dead import DeadLithium
from .energy import Energy
from .flaws import make_flaws
from .holes import Holes
from .reaction import ReactionLayer
from .stress import Stress, max_principal, pressure, von_mises
from .tips import Tips
from .voids import Voids

RIM = 1.2  # outer over inner radius of the ring about a patch over which the current at its rim is averaged
MAH_PER_CM2 = 1.0 / 36000.0  # of 1 C/m^2


class Observer:
    """Compiled functionals of a run. `before_commit` reads the balances, `after_commit` everything else."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model, solver: Solver):
        self.case, self.domain, self.fields, self.model, self.solver = case, domain, fields, model, solver
        self.area = model.area
        self.forms: dict[str, fem.Form] = {}
        self.to_come: dict[str, ufl.Form] = {}  # to be compiled together
        self.stresses = {name: Stress(domain, case, fields, name) for name in BODIES if name in fields}
        if domain.kinetics:
            self._charge_forms()
        self._mechanics_forms()
        self.energy = Energy(case, domain, fields, model) if case.mechanics is not None else None
        self.tips = Tips(case, domain, fields, model)
        for group in domain.groups:
            if f"x:{group.name}" in fields:
                self._form(f"x:{group.name}", fields[f"x:{group.name}"] * domain.dx(GROUP + group.number))
                self._form(f"volume:{group.name}", 1.0 * domain.dx(GROUP + group.number))
        if "c" in fields:
            self._form("salt", fields["c"] * domain.dx(SALT))
            self.salt = self._value("salt")
        self.contact = None
        if fields.contact is not None:
            anode = [n for n in domain.kinetics if _on_anode(domain, n)]
            counter = [n for n in domain.kinetics if n not in anode]
            self.contact = Contact(case, domain, fields, {"anode": anode, "counter": counter})
        self.reaction = ReactionLayer(domain, fields, model) if "sei" in fields else None
        self.voids = Voids(case, domain, fields) if any(r.hollow for r in domain.regions) else None
        self.columns = make_columns(case, domain, fields, model)
        if domain.kinetics:
            self._contact_area_form()
            self.dead = self._dead() if fields.living is not None else None
            self.audit = LithiumAudit(case, domain, fields, model, solver, self.dead)
            self.breakdown = Breakdown(case, domain, fields, model)
        self.flaws, self.holes = make_flaws(case, domain, fields, model), Holes(case, domain, fields)
        self._compile()
        self.left_out: list[str] = []  # voids that are closed and no longer meshed
        self.travel: dict[str, float] = {}  # boundary -> outward displacement before its reference began anew, um
        self.charge = self.older_charge = 0.0  # passed since the start, C/m^2 of the cell's area

    def _dead(self) -> DeadLithium:
        if self.contact is None:
            return DeadLithium(self.case, self.domain, self.fields, self.model, None)
        per_face = ufl.TestFunction(self.fields.living.function_space)
        touching = fem.form(per_face * self.contact.state * self.domain.dx_gamma(), entity_maps=self.domain.entity_maps)
        return DeadLithium(self.case, self.domain, self.fields, self.model, touching)

    def _form(self, name: str, form) -> None:
        self.to_come[name] = form

    def _compile(self) -> None:
        self.forms |= compile_forms(self.to_come, self.domain.entity_maps)
        self.to_come = {}

    def _value(self, name: str) -> float:
        if name in self.to_come:
            self._compile()
        return self.domain.comm.allreduce(fem.assemble_scalar(self.forms[name]), MPI.SUM)

    def _charge_forms(self) -> None:
        domain, i = self.domain, self.fields["i"]
        self.anode = [n for n in domain.kinetics if _on_anode(domain, n)]
        self.faces = [n for n in self.anode if self._between_layers(n)]
        self._form("anode current", self.model.anode_side * i * domain.dx_gamma())
        self._form("gross current", self.model.anode_side * ufl.algebra.Abs(i) * domain.dx_gamma())
        for group, exchanged in self.model.exchange:
            self._form(f"exchange:{group.name}", anode_volume(self.fields) * exchanged * domain.dx_store(group))
        self._form("growth", self.model.anode_side * self.fields.growth * domain.dx_gamma())
        for name in domain.kinetics:
            self._form(f"area:{name}", 1.0 * domain.dx_gamma((name,)))
            self._form(f"current:{name}", i * domain.dx_gamma((name,)))
        self._rim_forms()
        if "counter" in domain.boundaries and "V" not in self.fields:
            self._form("counter potential", self.fields["phi"] * domain.ds("counter"))
        owned = domain.submeshes["gamma"].owned
        chosen = np.isin(domain.interface_of_gamma[:owned], [domain.interfaces.index(n) for n in self.anode]) & ~domain.blocked[:owned]
        self.anode_dofs = i.function_space.dofmap.list[:owned][chosen].reshape(-1)
        on_face = np.isin(domain.interface_of_gamma[:owned], [domain.interfaces.index(n) for n in self.faces]) & ~domain.blocked[:owned]
        indicator = fem.Function(fem.functionspace(domain.submeshes["gamma"].mesh, ("DG", 0)))
        indicator.x.array[: owned] = on_face
        indicator.x.scatter_forward()
        self.on_face = indicator
        self._form("face area", 1.0 * domain.dx_gamma(tuple(self.faces)) if self.faces else 0 * self.fields["i"] * domain.dx_gamma())
        roofs = [b for b in domain.boundaries if "|" in b and _is_roof(self.case, b)]
        self.roof_area = domain.boundary_area(*roofs)
        for label, (group, _) in domain.transfer_labels.items():
            if not group.head.deposits:
                rest, anode = equilibrium(self.fields, group, "+"), self.model.anode_side("+")
                for electrode, share in (("anode", anode), ("counter", 1 - anode)):
                    self._form(f"rest:{electrode}:{label}", rest * share * domain.dS(label))
                    self._form(f"rest area:{electrode}:{label}", share * domain.dS(label))
        self.counter = [n for n in domain.kinetics if n not in self.anode]
        self._shift_forms()
        for group, _ in self.model.exchange:
            dx, side = domain.dx(GROUP + group.number), anode_volume(self.fields)
            self._form(f"store:{group.name}", side * stored_equilibrium(self.fields, group) * dx)
            self._form(f"store shift:{group.name}", side * stored_shift(self.case, self.fields, group) * dx)
            self._form(f"store volume:{group.name}", side * dx)

    def _shift_forms(self) -> None:
        """`Omega p/F` over the faces of each electrode that pass charge, interfaces of one metal and law at a time."""
        data = {key: f("+") for key, f in self.model.interface.items()}
        if "p_c" not in self.fields and "curvature" not in data:
            return
        omega, anode = data["omega"] / FARADAY, data["anode"]
        for label, (group, _) in self.domain.transfer_labels.items():
            for electrode, share in (("anode", anode * self.on_face("+")), ("counter", 1 - anode)):
                self._form(f"shift:{electrode}:{label}", share * omega * felt_pressure(self.fields, group, data) * self.domain.dS(label))
                self._form(f"pressed:{electrode}:{label}", share * self.domain.dS(label))

    def _rim_forms(self) -> None:
        """About each patch: area of, and current through, the ring from its outer radius to RIM times that."""
        self.rims = []
        for feature in self.case.features:
            name = interface_name(*feature.interface.split("|"), self.case) if feature.kind == "patch" else None
            if name not in self.domain.kinetics:
                continue
            place = ufl.SpatialCoordinate(self.domain.submeshes["gamma"].mesh)
            middle = (*feature.center, 0.0) if self.domain.dimension == 3 else feature.center
            apart = ufl.sqrt(sum((place[k] - middle[k]) ** 2 for k in range(self.domain.dimension - 1)))
            ring = ufl.conditional(ufl.And(ufl.gt(apart, feature.outer), ufl.lt(apart, RIM * feature.outer)), 1.0, 0.0)
            self._form(f"rim area:{feature.name}", ring * self.domain.dx_gamma((name,)))
            if self._value(f"rim area:{feature.name}") > 0:
                self._form(f"rim:{feature.name}", ring * self.fields["i"] * self.domain.dx_gamma((name,)))
                self.rims.append(feature.name)

    def _contact_area_form(self) -> None:
        """Area of the anode's faces that passes charge, each part by its contact state."""
        state = self.contact.state if self.contact is not None else 1.0
        self._form("contact area", self.on_face * state * self.domain.dx_gamma())

    def _between_layers(self, name: str) -> bool:
        layers = {layer.name for layer in self.case.layers}
        return set(name.split("|")) <= layers or name in self.domain.roofs

    def _mechanics_forms(self) -> None:
        domain = self.domain
        for name in BODIES:
            if name in self.fields and "collector" in domain.boundaries and name in boundary_sides(domain, "collector"):
                n = ufl.FacetNormal(domain.mesh)
                self._form("collector displacement", ufl.inner(self.fields[name], n) * domain.ds("collector"))
                self.collector_area = domain.boundary_area("collector")

    # ---- what is carried from step to step ---------------------------------------------------------------------------

    def carried(self) -> dict[str, fem.Function]:
        """Functions that no field of the run holds, by name."""
        found = self.energy.carried() if self.energy is not None else {}
        if self.contact is not None and self.contact.covered_before is not None:
            found["covered before"] = self.contact.covered_before
        return found

    def memory(self) -> dict:
        """All other than functions that the next step needs, as plain data. What follows from the state is looked at anew."""
        found: dict = {"charge": self.charge, "older_charge": self.older_charge, "left_out": self.left_out, "travel": self.travel}
        if self.energy is not None:
            found["energy"] = self.energy.memory()
        if self.domain.kinetics:
            found |= {"audit": self.audit.memory(), "powers": dict(self.breakdown.powers)}
        if self.voids is not None:
            found |= {"closed": [bool(closed) for closed in self.voids.closed], "first": self.voids.at_first()}
        if "c" in self.fields:
            found["salt"] = self.salt
        return found

    def recall(self, memory: dict) -> None:
        """Go on from there."""
        self.charge, self.older_charge = memory["charge"], memory["older_charge"]
        self.left_out, self.travel = list(memory["left_out"]), dict(memory["travel"])
        if self.energy is not None:
            self.energy.recall(memory["energy"])
        if self.domain.kinetics:
            self.audit.recall(memory["audit"])
            self.breakdown.powers = dict(memory["powers"])
        if self.voids is not None:
            self.voids.closed = list(memory["closed"])
        if "c" in self.fields:
            self.salt = memory["salt"]

    # ---- balances, with the unknowns of the step and the history of the last ------------------------------------------

    def before_commit(self, dt: float) -> dict[str, float]:
        """Balances of the step just solved: of work, charge and stored lithium."""
        weights = [float(weight.value) for weight in self.model.controls.weights]
        found = self.energy.step(dt, weights) if self.energy is not None else {}
        return found | self._charges(dt, weights) if self.domain.kinetics else found

    def _charges(self, dt: float, weights) -> dict[str, float]:
        """Charge and stored-lithium balances."""
        reactions = self.solver.unscaled_residual()
        current, gross = self._current(), self._value("gross current")
        floor = max(abs(current), gross, 1e-3 * self.area)  # 1e-3 A/m^2 is the least current that the solver resolves
        errors = [abs(self._free_sum(name, reactions[name])) / floor for name in ("phi", "phi_m")]
        controls = self.model.controls
        if float(controls.galvanostatic.value):
            errors.append(abs(current - float(controls.current.value)) / floor)
        found = {"charge_balance_error": max(errors)}
        for group in self.domain.groups:
            name = f"x:{group.name}"
            if name in self.fields:  # against the current, or 1e-6 of the inventory in this step where next to none flows
                inventory = self._value(name) * group.head.material.get("maximum_concentration").at(self.case.temperature)
                lost = abs(self._total(reactions[name])) * FARADAY / max(floor, 1e-6 * inventory * FARADAY / dt)
                found["lithium_balance_error"] = max(found.get("lithium_balance_error", 0.0), lost)
        self.audit.before_commit(reactions, dt)
        self.breakdown.look()
        a0, a1, a2 = weights  # as everything that it fills
        self.charge, self.older_charge = (current / self.area - a1 * self.charge - a2 * self.older_charge) / a0, self.charge
        return found

    def _current(self) -> float:
        """Total current of the anode, pA: through its faces, and out of its mixed conductors' stores."""
        return self._value("anode current") + sum(self._value(f"exchange:{group.name}") for group, _ in self.model.exchange)

    def contact_fraction(self) -> float:
        """Part of the anode's faces that passes charge, voids and patches counting as none."""
        return self._value("contact area") / (self._value("face area") + self.roof_area)

    def current_size(self) -> float:
        """Magnitude of the current density over the cell's area, A/m^2."""
        return abs(self._current()) / self.area

    def _total(self, residual: np.ndarray) -> float:
        return self.domain.comm.allreduce(float(residual.sum()), MPI.SUM)

    def _free_sum(self, name: str, residual: np.ndarray) -> float:
        """Current that is lost inside: the sum over rows that no electrode holds (zero on a solved step)."""
        free = np.ones(len(residual), bool)
        for bc in self.solver.conditions(name):
            dofs, first_ghost = bc.dof_indices()
            free[dofs[:first_ghost]] = False
        return self._total(residual[free])

    # ---- state after the commit ---------------------------------------------------------------------------------------

    def after_commit(self) -> dict[str, float]:
        found: dict[str, float] = {}
        if self.contact is not None:
            self.contact.accept()
        if self.voids is not None:
            self.voids.accept()
        if self.domain.kinetics:
            if self.dead is not None:
                self.dead.accept()
            found |= self._electrical()
        if self.case.mechanics is not None:
            found |= self._mechanical() | self.tips.scalars()
        if self.contact is not None:
            found |= self.contact.scalars()
        if self.reaction is not None:
            found |= self.reaction.scalars()
        for column in self.columns:
            column.look()
        found |= {f"flaw_overlap_um[{column.name}]": column.overlap for column in self.columns}
        depths = {column.name: column.depth for column in self.columns}
        for flaw in self.flaws:
            found |= flaw.scalars(depths.get(flaw.name))
        found |= {f"{name}[{void}]": 0.0 for void in self.left_out for name in ("void_volume_ratio", "void_depth_um")}
        if self.voids is not None:
            found |= self.voids.scalars()
        found |= self.holes.scalars()
        if "c" in self.fields:
            found |= self._salt()
        for group in self.domain.groups:
            if f"x:{group.name}" in self.fields:
                found |= self._stored(group)
        return found

    def leave(self, voids: list[str], travel: dict[str, float]) -> None:
        """Some voids are no longer meshed, and boundaries count their displacement from another place."""
        self.left_out = self.left_out + voids
        self.travel = {boundary: self.travel.get(boundary, 0.0) + away for boundary, away in travel.items()}

    def stack(self) -> tuple[float, float]:
        """Stack pressure (MPa), and the sum of its plates' outward displacements (um; 0 where no frame is modelled)."""
        return stack_state(self.domain, self.fields, self.model.controls.loads)

    def voltage(self) -> float:
        """Anode's collector against the counter electrode, V."""
        if "V" in self.fields:
            local = self.fields["V"].x.array
            return float(self.domain.comm.bcast(float(local[0]) if len(local) else 0.0, root=0))
        return -self._value("counter potential") / self.area

    def rest_voltage(self) -> float:
        """Equilibrium voltage: mean `U - Omega p/F` of the anode's interfaces minus that of the counter's; a counter face counts as Li.

        An anode that holds lithium only inside its mixed conductors stands at their mean `U - Omega_c p/F`.
        """
        metal = self.holds_metal() or not self.model.exchange
        anode = self._rest("anode", self.anode) if metal else self._mean_of_stores("store")
        return anode - self._rest("counter", self.counter) + self._pressure_shift(metal)

    def _pressure_shift(self, metal: bool) -> float:
        """What pressure adds to the rest voltage, V."""
        return self._shift("counter") - (self._shift("anode") if metal else self._mean_of_stores("store shift"))

    def _shift(self, electrode: str) -> float:
        """Mean Omega p/F of an electrode's interfaces, V: by as much pressure lowers its potential."""
        shift, area = (sum(self._value(name) for name in self.forms if name.startswith(f"{kind}:{electrode}:"))
                       for kind in ("shift", "pressed"))
        return shift / area if area else 0.0

    def holds_metal(self) -> bool:
        """The anode has lithium metal or alloy, or more than atoms of it have been plated."""
        alloyed = any(_metal_of(self.domain, n).reservoir or not _metal_of(self.domain, n).deposits for n in self.anode)
        return alloyed or self._value("growth") > ATOMIC * self.area

    def without_source(self) -> bool:
        """The anode has no lithium metal or alloy of its own: only what has been plated on it, or stored in its mixed conductors."""
        return all(not _metal_of(self.domain, n).reservoir and _metal_of(self.domain, n).deposits for n in self.anode)

    def fillings(self) -> list[float]:
        """Mean filling of each mixed conductor that stores lithium."""
        names = [group.name for group, _ in self.model.exchange]
        return [self._value(f"x:{name}") / self._value(f"volume:{name}") for name in names]

    def _mean_of_stores(self, what: str) -> float:
        """Mean over the mixed conductors of the anode, V: of U ("store"), or of Omega_c p/F ("store shift")."""
        total = sum(self._value(f"{what}:{group.name}") for group, _ in self.model.exchange)
        volume = sum(self._value(f"store volume:{group.name}") for group, _ in self.model.exchange)
        return total / volume if volume else 0.0

    def _rest(self, electrode: str, interfaces: list[str]) -> float:
        """Mean equilibrium potential of one electrode's interfaces at their present filling, V."""
        given = [(self.case.interface(n).equilibrium_potential or 0.0, self._value(f"area:{n}")) for n in interfaces
                 if not _metal_of(self.domain, n).stores]
        total, area = sum(u * a for u, a in given), sum(a for _, a in given)
        for label in self.domain.transfer_labels:
            if f"rest:{electrode}:{label}" in self.forms:
                total += self._value(f"rest:{electrode}:{label}")
                area += self._value(f"rest area:{electrode}:{label}")
        return total / area if area else 0.0

    def _electrical(self) -> dict[str, float]:
        current = self._current() / self.area
        voltage = self.voltage()
        rest = self.rest_voltage()
        shift, over = self._pressure_shift(self.holds_metal() or not self.model.exchange), voltage - rest
        largest = self._max(np.abs(self.fields["i"].x.array[self.anode_dofs]))
        flowing = abs(current) > 1e-9
        face = self._value("face area")
        found = {"current_density_A_per_m2": current, "cell_voltage_V": voltage, "overpotential_V": over,
                 "asr_ohm_cm2": over / current * 1e4 if flowing else math.nan,
                 "current_focusing": largest / abs(current) if flowing else math.nan,
                 "contact_fraction": self.contact_fraction() if face else math.nan,
                 "plated_thickness_um": self._value("growth") / self.area,
                 "areal_charge_mAh_per_cm2": self.charge * MAH_PER_CM2}
        found |= self.breakdown.scalars(current * self.area, rest - shift, shift) | self.audit.scalars()
        for name in self.rims:
            found[f"rim_current_density[{name}]_A_per_m2"] = self._value(f"rim:{name}") / self._value(f"rim area:{name}")
        for name in self.domain.kinetics:
            found[f"current_density[{name}]_A_per_m2"] = self._value(f"current:{name}") / self._value(f"area:{name}")
        return found

    def _mechanical(self) -> dict[str, float]:
        found: dict[str, float] = {"stack_pressure_MPa": self.stack()[0]}
        for boundary in sorted({step.boundary for step in flat_steps(self.case.protocol) if step.kind == "pressure"} - {None}):
            found[f"pressure[{boundary}]_MPa"] = float(self.model.controls.loads.others[boundary].value)
        if "u_s" in self.stresses:
            sigma = self.stresses["u_s"]()
            found["sse_max_principal_MPa"] = self._max(max_principal(sigma))
            found["sse_max_von_mises_MPa"] = self._max(von_mises(sigma))
        if "u_m" in self.stresses:
            sigma = self.stresses["u_m"]()[self.stresses["u_m"].solid]
            found["metal_max_pressure_MPa"] = self._max(pressure(sigma))
            found["metal_max_von_mises_MPa"] = self._max(von_mises(sigma))
        if "u_i" in self.stresses:
            sigma = self.stresses["u_i"]()
            found["mixed_max_pressure_MPa"] = self._max(pressure(sigma))
            found["mixed_max_von_mises_MPa"] = self._max(von_mises(sigma))
        flows = list(self.fields.flows.values())
        found["max_plastic_strain"] = max([self._max(flow.hardened.x.array) for flow in flows], default=0.0)
        if "p_c" in self.fields:
            p = self.fields["p_c"]
            owned = p.x.array[: p.function_space.dofmap.index_map.size_local]
            found["interface_min_pressure_MPa"] = -self._max(-owned)
            found["interface_max_pressure_MPa"] = self._max(owned)
        if "collector displacement" in self.forms:
            found["collector_displacement_um"] = self._value("collector displacement") / self.collector_area + self.travel.get("collector", 0.0)
        return found

    def _salt(self) -> dict[str, float]:
        c = self.fields["c"]
        owned = c.x.array[: c.function_space.dofmap.index_map.size_local]
        return {"salt_min_mol_per_m3": -self._max(-owned), "salt_max_mol_per_m3": self._max(owned),
                "salt_balance_error": abs(self._value("salt") / self.salt - 1.0)}

    def _stored(self, group) -> dict[str, float]:
        x = self.fields[f"x:{group.name}"]
        owned = x.x.array[: x.function_space.dofmap.index_map.size_local]
        name = group.head.material.name
        return {f"li_fraction_mean[{name}]": self._value(f"x:{group.name}") / self._value(f"volume:{group.name}"),
                f"li_fraction_min[{name}]": -self._max(-owned), f"li_fraction_max[{name}]": self._max(owned)}

    def _max(self, values: np.ndarray) -> float:
        local = float(values.max()) if values.size else -math.inf
        return self.domain.comm.allreduce(local, MPI.MAX)


def _metal_of(domain: Domain, interface: str):
    return next(r for r in domain.regions if r.name == domain.kinetics[interface].metal)


def _on_anode(domain: Domain, interface: str) -> bool:
    return _metal_of(domain, interface).side == "anode"


def _is_roof(case: Case, boundary: str) -> bool:
    """Face of the electrolyte over a void at an interface."""
    hole, region = boundary.split("|")
    voids = {f.name for f in case.features if f.kind in ("void", "voids")}
    return hole in voids and any(r.name == region and r.ions for r in case.regions)
