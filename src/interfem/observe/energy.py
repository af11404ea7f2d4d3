"""Works, stored energy and dissipation of the bodies, step by step and since the start. All ranks take part in each.

`W_external + W_interface + W_expansion = E + D` at any time: what loads and growing, parting and sliding faces do, and expansion
against the stress, is stored elastically or dissipated by flow. Works and D are sums over steps by the trapezoidal rule, E is a
function of the state; in small strain the balance is then exact, in finite strain it is to the second order in the step.
In pJ: in the plane per um of depth, about an axis over the full turn.
"""

from __future__ import annotations

from itertools import chain

import numpy as np
import ufl
from dolfinx import fem, la
from mpi4py import MPI

from ..case import Case
from ..domain import BONDED, BURIED, ELASTIC, GROUP, ROOFED, Domain
from ..fields import BODIES, DISPLACEMENT, Fields, modulus
from ..forms import compile_forms
from ..interface.bond import growth
from ..laws import LAWS
from ..model import Model, medium, thermal_strain, vertex_share
from ..physics import KINEMATICS, third_medium

INSTANT = 1e12  # 1/s, weight of the backward formula over no time
MAY_MISS = 1e-2  # of all work in a run, at which it fails
LEAST_LEFT = 0.05  # of that, which a step may always draw upon
FAINT = 1e-2  # MPa: energies and works of less are lost in the tolerance of the solver and in rounding
WORKS = ("external", "interface", "expansion")
COLUMNS = {kind: f"work_{kind}_pJ" for kind in (*WORKS, "growth")}
COLUMNS |= {kind: f"{kind}_dissipation_pJ" for kind in ("friction", "plastic")}
REMEMBERED = ("stored", "first", "throughput", "flow_time")


class Energy:
    """Compiled works and energies. `step` adds the step just solved, before it is committed."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.case, self.domain, self.fields, self.model = case, domain, fields, model
        self.motion = KINEMATICS[case.mechanics.kinematics]
        self.changing = case.heated or bool(fields.parameters.fillings)
        self.sums = dict.fromkeys(COLUMNS, 0.0)
        self.grown = None if fields.growth is None else fem.Function(fields.growth.function_space)  # thickness after the step
        self.before: dict[fem.Function, fem.Function] = {}  # moduli and thermal strain of the last accepted step
        rows = {"external": self._rows("loads"), "interface": self._rows("interfaces"), "swelling": self._swelling()}
        functionals = {name: sum(terms[1:], terms[0]) if terms else None for name, terms in self._functionals().items()}
        self.vectors, self.forms = compile_forms([rows, functionals], domain.entity_maps)
        self.last = {kind: {name: fem.Function(fields[name].function_space) for name in rows} for kind, rows in self.vectors.items()}
        self.faint = sum(domain.integral(FAINT**2 / 6 / shear * dx) for shear, dx in self._shears())
        self.throughput = self.faint  # half of all that has been turned over so far
        self.flow_time = float("inf")  # stored deviatoric energy over the rate at which flow dissipated in the last step, s
        self.begin()
        self.heat = {name: self._heat(name) for name in fields.flows}

    def begin(self) -> None:
        """Forces and stored energy of the state from which the run starts or goes on, all of whose strain is elastic."""
        ratios = [(flow.ratio, flow.ratio.x.array.copy()) for flow in self.fields.flows.values()]
        for ratio, _ in ratios:
            ratio.x.array[:] = 1.0
        for weight, value in zip(self.model.controls.weights, (INSTANT, -INSTANT, 0.0)):
            weight.value = value  # nothing grows
        self.stored = self.first = self._value("stored")
        if self.stored < self.faint:  # nothing bears a load yet: those that are there from the start come with the first step
            for function in chain(*(rows.values() for rows in self.last.values())):
                function.x.array[:] = 0.0
        else:
            self._keep(self._assembled())
        for ratio, values in ratios:
            ratio.x.array[:] = values

    # ---- what is carried from step to step ---------------------------------------------------------------------------

    def carried(self) -> dict[str, fem.Function]:
        """Functions, by name."""
        forces = {f"{kind} of {name}": function for kind, rows in self.last.items() for name, function in rows.items()}
        return forces | {f"material value {n}": function for n, function in enumerate(self.before.values())}

    def memory(self) -> dict:
        """Numbers."""
        return {name: getattr(self, name) for name in REMEMBERED} | {"sums": dict(self.sums)}

    def recall(self, memory: dict) -> None:
        """Go on from these."""
        for name in REMEMBERED:
            setattr(self, name, memory[name])
        self.sums = dict(memory["sums"])

    # ---- forms --------------------------------------------------------------------------------------------------------

    def _shears(self) -> list:
        """(shear modulus, measure) of every part of the bodies."""
        parts = [(body, ELASTIC[body]) for name, body in BODIES.items() if name in self.fields]
        parts += [(g.head.body, GROUP + g.number) for g in self.domain.groups if f"p:{g.name}" in self.fields]
        return [(modulus(self.fields, body, "shear"), self.domain.dx(label)) for body, label in parts]

    def _rows(self, kind: str) -> dict[str, ufl.Form]:
        """Forces on the displacements: the terms of a kind, by the displacement that they do work on."""
        terms, names = self.model.mechanics[kind], list(self.fields.unknowns)
        blocks = list(ufl.extract_blocks(sum(terms[1:], terms[0]))) if terms else []
        return {names[n]: form for n, form in enumerate(blocks) if form is not None and names[n] in BODIES}

    def _swelling(self) -> dict[str, ufl.Form]:
        """Volume strain that is not elastic, tested by the pressures: the total one less the elastic one `-p/K`."""
        found = {}
        for group in self.domain.groups:
            name = f"p:{group.name}"
            if name in self.fields and (group.head.stores or group.head.binary or self.case.heated):
                body = group.head.body
                total = self.motion.volume_strain(self.fields[DISPLACEMENT[body]], self.domain.kind, self.domain.x[0], 0.0)
                elastic = -self.fields[name] / modulus(self.fields, body, "bulk")
                test = ufl.TestFunction(self.fields[name].function_space)
                found[name] = (total - elastic) * test * self.domain.dx(GROUP + group.number)
        return found

    def _functionals(self) -> dict[str, list]:
        """Terms of the energy stored after the step just solved, its dissipation, what material changes add, and growth."""
        found = {name: [] for name in ("stored", "plastic", "material", "friction", "growth", "strained", "relaxed")}
        for body in [body for name, body in BODIES.items() if name in self.fields]:
            self._elastic_terms(body, found)
        for group in self.domain.groups:
            if f"p:{group.name}" in self.fields:
                self._flowing_terms(group, found)
        if any(region.hollow for region in self.domain.regions):
            inside, (bulk, length) = (self.fields["u_m"], self.domain.kind, self.domain.x[0]), medium(self.case, self.fields)
            found["stored"] += [third_medium.filling_energy(*inside, bulk) * self.domain.dx_hollow(ROOFED),
                                third_medium.medium_energy(*inside, bulk, length) * self.domain.dx_hollow(BURIED)]
        if "slip" in self.fields:
            slip, shear = self.fields.unknowns["slip"], self.fields["shear"]("+")
            slid = slip.function("+") - slip.old("+")
            share = vertex_share(self.domain)("+")
            found["friction"] = [share * ufl.inner(shear, slid) * self.domain.dS_vertices(*BONDED.values())]
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
            found["strained"].append(shear * ufl.inner(e_old, e_old) * dx)
            found["relaxed"].append(shear * ufl.inner(e_old - e, flown) * dx)
        if self.changing:
            strains = (p.function / bulk) * (p.old / self._old(bulk))
            added = (shear - self._old(shear)) * ufl.inner(e, e_old) + 0.5 * (bulk - self._old(bulk)) * strains
            found["material"].append(added * dx)

    def _strains(self, group) -> tuple:
        """UFL: elastic deviators after and before the step, in the axes of after; its plastic strain (None: nothing flows)."""
        name, place = DISPLACEMENT[group.head.body], (self.domain.kind, self.domain.x[0])
        flows = bool(LAWS[group.head.law].PARAMETERS)
        plastic = self.fields.flows[name].plastic if flows else ufl.as_tensor(self.motion.NO_FLOW.tolist())
        unknown = self.fields.unknowns[name]
        trial, e_old = (self._deviator(u, plastic, place) for u in (unknown.function, unknown.old))
        e_old = self.motion.carried(e_old, unknown.old, unknown.function, *place)
        if not flows:
            return trial, e_old, None
        left = self.fields.flows[name].ratio
        return left * trial, e_old, (1 - left) * trial

    def _deviator(self, u, plastic, place):
        return self.motion.measures(self.motion.trial(u, plastic, *place), 1.0)[0]

    def _heat(self, name: str) -> fem.Expression:
        """`q dp` at the quadrature points of a body, MPa: `2 G e:(plastic strain of the step)`."""
        flow, body = self.fields.flows[name], BODIES[name]
        shear, r = modulus(self.fields, body, "shear"), ufl.SpatialCoordinate(self.domain.submeshes[body].mesh)[0]
        e = self._deviator(self.fields[name], flow.plastic, (self.domain.kind, r))
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

    # ---- values -------------------------------------------------------------------------------------------------------

    def imbalance(self, weights) -> float:
        """Work of the step just solved that is neither stored nor dissipated, over all that has been turned over so far.

        Of second order in the step in finite strain, rounding in small strain. It counts for more the more of what the run may miss is used up,
        since what steps miss has one sign.
        """
        _, stored, added, throughput = self._of_the_step(weights)
        missing = sum(added[kind] for kind in WORKS) - (stored - self.stored) - added["plastic"]
        left = 1 - abs(self._missing(self.sums, self.stored)) / self.throughput / MAY_MISS
        return abs(missing) / throughput / max(left, LEAST_LEFT)

    def _missing(self, sums: dict[str, float], stored: float) -> float:
        """Work since the start that is neither stored nor dissipated, pJ."""
        return sum(sums[kind] for kind in WORKS) - (stored - self.first) - sums["plastic"]

    def _of_the_step(self, weights) -> tuple[dict, float, dict[str, float], float]:
        """(forces after it, stored energy after it, what it adds to the sums, all that has been turned over by its end)."""
        now = self._assembled()
        stored = self._value("stored")
        self._grow(weights)
        added = {"external": -self._work(now, "external"), "interface": -self._work(now, "interface"),
                 "expansion": self._expansion(now) + self._value("material"), "growth": self._value("growth"),
                 "friction": self._value("friction"), "plastic": self._value("plastic")}
        turned = [added[kind] for kind in (*WORKS, "plastic")] + [stored - self.stored]
        return now, stored, added, self.throughput + 0.5 * sum(abs(value) for value in turned) + self._faint()

    def step(self, dt: float, weights) -> dict[str, float]:
        """Add the step just solved; works since the start, energy, errors of the balance. `weights`: of the backward formula."""
        now, stored, added, self.throughput = self._of_the_step(weights)
        self._keep(now)
        self.stored = stored
        self.flow_time = dt * (self._value("strained") + self.faint) / added["plastic"] if added["plastic"] > 0 else float("inf")
        for kind, value in added.items():
            self.sums[kind] += value
        for value, old in self.before.items():
            old.x.array[:] = value.x.array
        return {COLUMNS[kind]: value for kind, value in self.sums.items()} | {
            "elastic_energy_pJ": stored, "work_balance_error": abs(self._missing(self.sums, stored)) / self.throughput,
            "negative_dissipation_MPa": self._negative()}

    def relaxation(self) -> float:
        """Part of the deviatoric stress that flow has taken off where metal flows, in the step just solved; a mean by energy.

        `x^2 = int (s_old - s_new)/2 : d eps_p / int G e:e`: of a stress that falls by the part x. Zero in steady flow and under a
        rising load.
        """
        relaxed, held = self._value("relaxed"), self._value("strained") + self.faint
        return max(0.0, relaxed / held) ** 0.5

    def _value(self, name: str) -> float:
        form = self.forms[name]
        return 0.0 if form is None else self._total(fem.assemble_scalar(form))

    def _total(self, local: float) -> float:
        return self.domain.comm.allreduce(float(local), MPI.SUM)

    def _assembled(self) -> dict[str, dict[str, np.ndarray]]:
        """Forces, and what swells, of the step just solved: by kind and unknown, in the rows that this rank owns."""
        found: dict[str, dict[str, np.ndarray]] = {kind: {} for kind in self.vectors}
        for kind, rows in self.vectors.items():
            for name, form in rows.items():
                vector = fem.assemble_vector(form)
                vector.scatter_reverse(la.InsertMode.add)
                found[kind][name] = vector.array[: self._owned(name)]
        return found

    def _owned(self, name: str) -> int:
        dofmap = self.fields[name].function_space.dofmap
        return dofmap.index_map.size_local * dofmap.index_map_bs

    def _keep(self, now: dict[str, dict[str, np.ndarray]]) -> None:
        for kind, rows in now.items():
            for name, values in rows.items():
                self.last[kind][name].x.array[: len(values)] = values

    def _work(self, now: dict, kind: str) -> float:
        """Mean force of the step times its displacement."""
        unknowns, total = self.fields.unknowns, 0.0
        for name, force in now[kind].items():
            last, u, u_old = (f.x.array[: len(force)] for f in (self.last[kind][name], unknowns[name].function, unknowns[name].old))
            total += 0.5 * float((force + last) @ (u - u_old))
        return self._total(total)

    def _expansion(self, now: dict) -> float:
        """Mean pressure of the step times the swelling in it."""
        unknowns, total = self.fields.unknowns, 0.0
        for name, swollen in now["swelling"].items():
            last, p, p_old = (f.x.array[: len(swollen)] for f in (self.last["swelling"][name], unknowns[name].function, unknowns[name].old))
            total += float((swollen - last) @ (0.5 * (p + p_old)))
        return self._total(total)

    def _grow(self, weights) -> None:
        """Plated thickness after the step just solved."""
        if self.grown is not None:
            fields, dofs, rate = self.fields, self.grown.function_space.dofmap.list, self.model.plated_rate.x.array[:, None]
            history = fields.growth.x.array[dofs], fields.growth_older.x.array[dofs]
            self.grown.x.array[dofs] = growth(history, fields.faradaic(weights)[dofs], rate, weights)

    def _faint(self) -> float:
        """Work of the least stress that matters, over the largest displacement of the step."""
        bodies = [unknown for name, unknown in self.fields.unknowns.items() if name in BODIES]
        moved = [np.abs(u.function.x.array - u.old.x.array).max(initial=0.0) for u in bodies]
        return FAINT * self.model.area * self.domain.comm.allreduce(float(max(moved)), MPI.MAX)

    def _negative(self) -> float:
        """How far `q dp` of the step lies below zero at any quadrature point, MPa."""
        least = 0.0
        for name, heat in self.heat.items():
            cells = np.concatenate([cells for _, cells in self.fields.flows[name].groups])
            if len(cells):
                least = min(least, float(heat.eval(self.domain.submeshes[BODIES[name]].mesh, cells).min()))
        return abs(self.domain.comm.allreduce(least, MPI.MIN))
