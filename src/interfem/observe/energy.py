"""Works, stored energy and dissipation of the bodies, step by step and since the start. All ranks take part in each.

`W_external + W_interface + W_expansion = E + D` at any time: what loads and growing, parting and sliding faces do, and expansion
against the stress, is stored elastically or dissipated by flow. Works and D are sums over steps by the trapezoidal rule, E is a
function of the state; in small strain the sum is then exact, in finite strain it is to the second order in the step. In pJ: in the
plane per um of depth, about an axis over the full turn.
"""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import BONDED, ELASTIC, GROUP, Domain
from ..fields import BODIES, DISPLACEMENT, Fields, modulus
from ..interface.bond import growth
from ..laws import LAWS
from ..model import Model, thermal_strain, vertex_share
from ..physics import KINEMATICS

FAINT = 1e-2  # MPa: work of less, over the cell's area, is lost in the tolerance of the solver
COLUMNS = {"external": "work_external_pJ", "interface": "work_interface_pJ", "expansion": "work_expansion_pJ", "growth": "work_growth_pJ",
           "friction": "friction_dissipation_pJ", "plastic": "plastic_dissipation_pJ"}


class Energy:
    """Compiled works and energies. `step` adds the step just solved, before it is committed."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.case, self.domain, self.fields, self.model = case, domain, fields, model
        self.motion = KINEMATICS[case.mechanics.kinematics]
        self.changing = case.heated or bool(fields.parameters.fillings)
        self.sums = dict.fromkeys(COLUMNS, 0.0)
        self.stored = self.throughput = 0.0
        self.grown = None if fields.growth is None else fem.Function(fields.growth.function_space)  # thickness after the step
        self.before: dict[fem.Function, fem.Function] = {}  # moduli and thermal strain of the last accepted step
        self.vectors = {"external": self._rows("loads"), "interface": self._rows("interfaces"), "swelling": self._swelling()}
        self.last = {kind: {name: 0.0 for name in rows} for kind, rows in self.vectors.items()}
        self.forms = {name: self._sum(form) for name, form in self._functionals().items()}
        self.flowing = [(name, group, cells, self._heat(name, group)) for name, flow in fields.flows.items() for group, cells in flow.groups]

    # ---- forms --------------------------------------------------------------------------------------------------------

    def _rows(self, kind: str) -> dict[str, fem.Form]:
        """Forces on the displacements: the terms of a kind, by the displacement that they do work on."""
        terms, names = self.model.mechanics[kind], list(self.fields.unknowns)
        blocks = list(ufl.extract_blocks(sum(terms[1:], terms[0]))) if terms else []
        return {names[n]: self._compiled(form) for n, form in enumerate(blocks) if form is not None and names[n] in BODIES}

    def _swelling(self) -> dict[str, fem.Form]:
        """Volume strain that is not elastic, tested by the pressures: the total one less the elastic one `-p/K`."""
        found = {}
        for group in self.domain.groups:
            name = f"p:{group.name}"
            if name in self.fields and (group.head.stores or group.head.binary or self.case.heated):
                body = group.head.body
                total = self.motion.volume_strain(self.fields[DISPLACEMENT[body]], self.domain.kind, self.domain.x[0], 0.0)
                elastic = -self.fields[name] / modulus(self.fields, body, "bulk")
                test = ufl.TestFunction(self.fields[name].function_space)
                found[name] = self._compiled((total - elastic) * test * self.domain.dx(GROUP + group.number))
        return found

    def _functionals(self) -> dict[str, list]:
        """Terms of the stored energy of the step just solved, of its dissipation, of what changes of the material add, and of growth."""
        found = {"stored": [], "plastic": [], "material": [], "friction": [], "growth": []}
        for body in [body for name, body in BODIES.items() if name in self.fields]:
            self._elastic_terms(body, found)
        for group in self.domain.groups:
            if f"p:{group.name}" in self.fields:
                self._flowing_terms(group, found)
        if "slip" in self.fields:
            slip, shear = self.fields.unknowns["slip"], self.fields["shear"]("+")
            slid = slip.function("+") - slip.old("+")
            found["friction"] = [vertex_share(self.domain)("+") * ufl.inner(shear, slid) * self.domain.dS_vertices(*BONDED.values())]
        if "p_c" in self.fields and self.grown is not None:
            p_c = self.fields.unknowns["p_c"]
            found["growth"] = [0.5 * (p_c.function + p_c.old) * (self.grown - self.fields.growth) * self.domain.dx_gamma()]
        return found

    def _elastic_terms(self, body: str, found: dict[str, list]) -> None:
        name, dx, place = DISPLACEMENT[body], self.domain.dx(ELASTIC[body]), (self.domain.kind, self.domain.x[0])
        shear, bulk, thermal = (*self._moduli(body), thermal_strain(self.case, self.fields, body))
        energy = self.motion.elastic_energy
        u, u_old = self.fields[name], self.fields.unknowns[name].old
        found["stored"].append(energy(u, *place, shear, bulk, thermal) * dx)
        if not self.changing:
            return
        cold = self._old(thermal)
        stiffer = (shear - self._old(shear), bulk - self._old(bulk))
        pressures = [-k * (self.motion.volume_strain(v, *place, 0.0) - 3 * t)
                     for k, v, t in ((bulk, u, thermal), (self._old(bulk), u_old, cold))]
        found["material"].append(1.5 * sum(pressures) * (thermal - cold) * dx)
        states = ((0.5, u, thermal), (0.5, u_old, cold), (-0.5, u - u_old, thermal - cold))  # of 2ab = a^2 + b^2 - (a - b)^2
        found["material"] += [weight * energy(v, *place, *stiffer, t) * dx for weight, v, t in states]

    def _flowing_terms(self, group, found: dict[str, list]) -> None:
        dx, (shear, bulk) = self.domain.dx(GROUP + group.number), self._moduli(group.head.body)
        p = self.fields.unknowns[f"p:{group.name}"]
        e, e_old, flown = self._strains(group)
        found["stored"].append(self.motion.flowing_energy(e, shear, p.function, bulk) * dx)
        if flown is not None:
            stress = 2 * shear * e + 2 * self._old(shear) * e_old
            found["plastic"].append(0.5 * ufl.inner(stress, flown) * dx)
        if self.changing:
            strains = (p.function / bulk) * (p.old / self._old(bulk))
            added = (shear - self._old(shear)) * ufl.inner(e, e_old) + 0.5 * (bulk - self._old(bulk)) * strains
            found["material"].append(added * dx)

    def _strains(self, group) -> tuple:
        """Elastic deviators after and before the step, in the axes of after, and the plastic strain in it (None where nothing flows); UFL."""
        name, place = DISPLACEMENT[group.head.body], (self.domain.kind, self.domain.x[0])
        flows = bool(LAWS[group.head.law].PARAMETERS)
        plastic = self.fields.flows[name].plastic if flows else ufl.as_tensor(self.motion.NO_FLOW.tolist())
        unknown = self.fields.unknowns[name]
        trial, e_old = (self.motion.measures(self.motion.trial(u, plastic, *place), 1.0)[0] for u in (unknown.function, unknown.old))
        e_old = self.motion.carried(e_old, unknown.old, unknown.function, *place)
        if not flows:
            return trial, e_old, None
        left = self.fields.flows[name].ratio
        return left * trial, e_old, (1 - left) * trial

    def _heat(self, name: str, group) -> fem.Expression:
        """`q dp` at the quadrature points of a body, MPa: `2 G e:(plastic strain of the step)`."""
        flow, body = self.fields.flows[name], BODIES[name]
        shear, place = modulus(self.fields, body, "shear"), (self.domain.kind, ufl.SpatialCoordinate(self.domain.submeshes[body].mesh)[0])
        e = self.motion.measures(self.motion.trial(self.fields[name], flow.plastic, *place), 1.0)[0]
        return fem.Expression(2 * shear * flow.ratio * (1 - flow.ratio) * ufl.inner(e, e), flow.points)

    def _moduli(self, body: str) -> tuple[fem.Function, fem.Function]:
        return modulus(self.fields, body, "shear"), modulus(self.fields, body, "bulk")

    def _old(self, value):
        """A material value at the last accepted step: itself where no value ever changes."""
        if not self.changing or not isinstance(value, fem.Function):
            return value
        if value not in self.before:
            self.before[value] = value.copy()
        return self.before[value]

    def _compiled(self, form) -> fem.Form:
        return fem.form(form, entity_maps=self.domain.entity_maps)

    def _sum(self, terms: list) -> fem.Form | None:
        return self._compiled(sum(terms[1:], terms[0])) if terms else None

    # ---- values -------------------------------------------------------------------------------------------------------

    def step(self, weights) -> dict[str, float]:
        """Add the step just solved; works since the start, energy, and the errors of the balance. `weights`: of the backward formula."""
        now = {kind: {name: fem.assemble_vector(form).array for name, form in rows.items()} for kind, rows in self.vectors.items()}
        stored = self._value("stored")
        self._grow(weights)
        added = {"external": -self._work(now, "external"), "interface": -self._work(now, "interface"),
                 "expansion": self._expansion(now) + self._value("material"), "growth": self._value("growth"),
                 "friction": self._value("friction"), "plastic": self._value("plastic")}
        kept = stored - self.stored, added["plastic"]
        self.throughput += 0.5 * sum(abs(v) for v in (*(added[k] for k in ("external", "interface", "expansion")), *kept)) + self._faint()
        self.last, self.stored = now, stored
        for kind, value in added.items():
            self.sums[kind] += value
        for value, old in self.before.items():
            old.x.array[:] = value.x.array
        missing = self.sums["external"] + self.sums["interface"] + self.sums["expansion"] - self.stored - self.sums["plastic"]
        return {COLUMNS[kind]: value for kind, value in self.sums.items()} | {
            "elastic_energy_pJ": stored, "work_balance_error": abs(missing) / self.throughput,
            "negative_dissipation_MPa": self._negative()}

    def _value(self, name: str) -> float:
        form = self.forms[name]
        return 0.0 if form is None else self._total(fem.assemble_scalar(form))

    def _total(self, local: float) -> float:
        return self.domain.comm.allreduce(float(local), MPI.SUM)

    def _work(self, now: dict, kind: str) -> float:
        """Mean force of the step times its displacement. Parts of the forces that ranks have not summed yet, so none counts twice."""
        unknowns, total = self.fields.unknowns, 0.0
        for name, force in now[kind].items():
            total += 0.5 * float((force + self.last[kind][name]) @ (unknowns[name].function.x.array - unknowns[name].old.x.array))
        return self._total(total)

    def _expansion(self, now: dict) -> float:
        """Mean pressure of the step times the swelling in it."""
        unknowns, total = self.fields.unknowns, 0.0
        for name, swollen in now["swelling"].items():
            mean = 0.5 * (unknowns[name].function.x.array + unknowns[name].old.x.array)
            total += float((swollen - self.last["swelling"][name]) @ mean)
        return self._total(total)

    def _grow(self, weights) -> None:
        """Plated thickness after the step just solved."""
        if self.grown is not None:
            fields, dofs = self.fields, self.grown.function_space.dofmap.list
            history = fields.growth.x.array[dofs], fields.growth_older.x.array[dofs]
            self.grown.x.array[dofs] = growth(history, fields["i"].x.array[dofs], self.model.plated_rate.x.array[:, None], weights)

    def _faint(self) -> float:
        """Work of the least stress that matters, over the largest displacement of the step."""
        moved = [np.abs(u.function.x.array - u.old.x.array).max(initial=0.0) for name, u in self.fields.unknowns.items() if name in BODIES]
        return FAINT * self.model.area * self.domain.comm.allreduce(float(max(moved)), MPI.MAX)

    def _negative(self) -> float:
        """How far `q dp` of the step lies below zero at any quadrature point, MPa."""
        least = 0.0
        for name, _, cells, heat in self.flowing:
            if len(cells):
                least = min(least, float(heat.eval(self.domain.submeshes[BODIES[name]].mesh, cells).min()))
        return abs(self.domain.comm.allreduce(least, MPI.MIN))
