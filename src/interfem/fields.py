"""Unknowns, their values at the last accepted step, and the history that a step carries on."""

from __future__ import annotations

from dataclasses import dataclass

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from .case import Case
from .domain import Domain, Group
from .interface.bond import growth
from .interface.contact import healing, vacancy
from .interface.sei import reaction_current
from .laws import LAWS
from .parameters import Parameters, at_points
from .physics import KINEMATICS
from .regions import head
from .roofs import Roofs, make_roofs, raise_roofs
from .units import FARADAY


@dataclass
class Unknown:
    """One block of the coupled system. `old` and `older` are the last accepted values.

    `scale` makes residuals comparable, and `share` the rows of one block: what belongs to a row, its mean square being 1. `content` is
    the most that a storing block holds (amol), whose rounding over a short step is larger than any current.
    """

    name: str
    function: fem.Function
    old: fem.Function
    older: fem.Function
    test: object = None
    scale: float = 1.0
    share: np.ndarray | float = 1.0  # one value per owned row, or the same for all
    content: float = 0.0


@dataclass
class Flow:
    """History of one body's flow at its quadrature points; `ratio` is the frozen root of the flow law (see laws).

    `kinematics` is the module that says what the tensors mean: physics.momentum or physics.finite.
    """

    kinematics: object
    plastic: fem.Function  # plastic strain (finite: C = F_p^-1 F_p^-T), 3x3, of the last accepted step
    hardened: fem.Function  # accumulated equivalent plastic strain of the last accepted step
    ratio: fem.Function
    resistances: dict[str, fem.Function]  # where a law has one: "resistance" of the last accepted step, "resistance_solved"
    trial: fem.Expression  # trial state at the present displacement
    motion: fem.Expression | None  # what a commit needs of the present displacement
    groups: tuple[tuple[Group, np.ndarray], ...]  # with their cells in the body's submesh
    volumes: np.ndarray  # of the body's owned cells
    points: np.ndarray  # quadrature points in the reference cell


@dataclass
class Contact:
    """History of contact at the last accepted step, on the interface mesh; each is None if no interface of the case needs it."""

    vacancy: fem.Function | None  # state theta of the vacancy law, in the space of i
    vacancy_older: fem.Function | None
    widest: fem.Function | None  # largest gap so far, um
    roofs: Roofs | None  # of voids whose inside is meshed
    laws: dict[str, fem.Function]  # values per interface, see model._contact_data; set with the equations


@dataclass
class Fields:
    """All fields of a run. Blocks by name: phi, phi_m, i, V, c, x:<group>, mu:<group>, u_m, u_i, u_s, p:<group>, p_c, gap, slip,
    shear, stack, plate:<boundary>, sei (see `make_fields`).
    """

    unknowns: dict[str, Unknown]
    growth: fem.Function | None  # plated thickness w on the interfaces at the last accepted step (um)
    growth_older: fem.Function | None  # and at the one before
    contact: Contact | None  # history of interfaces that may part, slide or hold vacancies
    flows: dict[str, Flow]  # by displacement name
    parameters: Parameters
    living: fem.Function | None = None  # 1 on faces of the interface mesh, next to 0 behind what has been cut off
    laid: fem.Function | None = None  # part of the plated thickness that the metal's cells hold since their reference began anew, um
    # in the space of u_m, at heads of columns: distance of the side wall from the axis, height of the end of the slot, um
    walls: fem.Function | None = None
    sei_charge: fem.Function | None = None  # F/V of the reaction layer, pC/um^3, 0 where nothing reacts; set with the equations

    def __getitem__(self, name: str) -> fem.Function:
        return self.unknowns[name].function

    def __contains__(self, name: str) -> bool:
        return name in self.unknowns

    def faradaic(self, weights) -> np.ndarray:
        """Current of lithium at the end of the step just solved, like the array of i: what passes and what reacts; A/m^2."""
        i = self["i"].x.array
        if "sei" not in self:
            return i
        unknown, dofs = self.unknowns["sei"], self["i"].function_space.dofmap.list
        now, old, older = (f.x.array[dofs] for f in (unknown.function, unknown.old, unknown.older))
        found = i.copy()
        found[dofs] += reaction_current(now, (old, older), weights, self.sei_charge.x.array[:, None])
        return found

    def functions(self) -> list[fem.Function]:
        return [unknown.function for unknown in self.unknowns.values()]


BODIES = {"u_m": "metal", "u_i": "mixed", "u_s": "ceramic"}  # displacement -> body, in the order of the sides of an interface
DISPLACEMENT = {body: name for name, body in BODIES.items()}


def make_fields(domain: Domain, case: Case) -> Fields:
    """Spaces and functions for what this case carries, and for nothing else, at the initial state."""
    spaces = _potential_spaces(domain, case) if domain.kinetics else {}
    if case.mechanics is not None:
        spaces |= _mechanical_spaces(domain, case)
    tests = ufl.TestFunctions(ufl.MixedFunctionSpace(*spaces.values()))
    unknowns, parameters = {}, Parameters(case, domain)
    for (name, space), test in zip(spaces.items(), tests):
        unknowns[name] = Unknown(name, fem.Function(space, name=name), fem.Function(space), fem.Function(space), test)
    _fill(domain, unknowns, parameters)
    plated = (fem.Function(spaces["i"], name="growth"), fem.Function(spaces["i"])) if "i" in spaces else (None, None)
    fields = Fields(unknowns, *plated, _contact(case, domain, spaces), {}, parameters)
    inside = case.geometry.file is not None or any(r.layer is None and r.reservoir and not r.hollow for r in domain.regions)
    if "i" in spaces and inside and any(r.reservoir for r in domain.regions):  # layers as built have no necks
        fields.living = fem.Function(fem.functionspace(domain.submeshes["gamma"].mesh, ("DG", 0)))
        fields.living.x.array[:] = 1.0
    if "i" in spaces and "u_m" in spaces and case.mechanics.kinematics == "finite":
        fields.laid = fem.Function(spaces["i"])
    if any(f.kind == "flaw" and head(f.name) in domain.boundaries for f in case.features):
        fields.walls = fem.Function(spaces["u_m"])
    if case.mechanics is not None:
        for name, body in BODIES.items():
            flow = _flow(domain, case, fields, name, body) if name in fields else None
            if flow is not None:
                fields.flows[name] = flow
    return fields


def _potential_spaces(domain: Domain, case: Case) -> dict[str, fem.FunctionSpace]:
    """phi (ionic) and phi_m (electronic potential, without the electrode's offset): degree 1 or 2, cut where an areal resistance is; i: current density on the
    interfaces, discontinuous, same degree; sei: thickness of the reaction layer, like i; V: voltage of the anode's collector, one
    number; c: salt, degree 2; x: filling c/c_max,
    degree 2, or 1 where ions, electrons and the store meet in a mixed conductor; mu: chemical potential of an alloy whose phases
    separate, degree 2.
    """
    degree, subs = case.solver.potential_degree, domain.submeshes
    spaces = {"phi": domain.potential_space("ions", degree), "phi_m": domain.potential_space("electrons", degree),
              "i": fem.functionspace(subs["gamma"].mesh, ("DG", degree))}
    if floats(domain, case):
        spaces["V"] = fem.functionspace(domain.mesh, basix.ufl.real_element(domain.mesh.basix_cell(), ()))
    if case.sei is not None:
        spaces["sei"] = fem.functionspace(subs["gamma"].mesh, ("DG", degree))
    if "salt" in subs:
        spaces["c"] = fem.functionspace(subs["salt"].mesh, ("Lagrange", 2))
    for group in domain.groups:
        if group.head.stores:
            spaces[f"x:{group.name}"] = fem.functionspace(subs[group.name].mesh, ("Lagrange", 1 if group.head.body == "mixed" else 2))
        if group.head.separates:
            spaces[f"mu:{group.name}"] = fem.functionspace(subs[group.name].mesh, ("Lagrange", 2))
    return spaces


def _mechanical_spaces(domain: Domain, case: Case) -> dict[str, fem.FunctionSpace]:
    """u: displacement, degree 2, one for each body; p: pressure where metal flows, degree 1; p_c: contact pressure, degree 1;
    gap: where bodies may part, degree 1; slip and shear: tangential motion and traction where they have a history, degree 1 (these
    four break at kinks of the interface, see kinks.py);
    stack: stack pressure, and plate: place of each plate that carries it, one number each, where a frame is modelled (loads.py).
    """
    subs = domain.submeshes
    vector = ("Lagrange", 2, (domain.dimension,))
    spaces = {name: fem.functionspace(subs[body].mesh, vector) for name, body in BODIES.items() if body in subs}
    for group in domain.groups:
        if group.head.flows:
            spaces[f"p:{group.name}"] = fem.functionspace(subs[group.name].mesh, ("Lagrange", 1))
    if "gamma" in subs:
        interfaces = [case.interface(name) for name in domain.interfaces]
        spaces["p_c"] = domain.broken_space()
        if any(interface.parts for interface in interfaces):
            spaces["gap"] = domain.broken_space()
        if any(interface.slides for interface in interfaces):
            for name in ("slip", "shear"):
                spaces[name] = domain.broken_space((domain.dimension,))
    if case.framed:
        number = basix.ufl.real_element(domain.mesh.basix_cell(), ())
        pressed = [f"plate:{boundary}" for boundary in domain.boundaries if case.mechanics.support(boundary).pressed]
        spaces |= {name: fem.functionspace(domain.mesh, number) for name in ("stack", *pressed)}
    return spaces


def _fill(domain: Domain, unknowns: dict[str, Unknown], parameters: Parameters) -> None:
    """Initial stored lithium, chemical potential and salt."""
    for group in domain.groups:
        if f"x:{group.name}" in unknowns:
            unknown, material = unknowns[f"x:{group.name}"], group.head.material
            filling = material.get("initial_concentration").value / material.get("maximum_concentration").value
            _start(unknown, filling)
            if group.head.separates:
                _start(unknowns[f"mu:{group.name}"], -FARADAY * material.get("equilibrium_potential").interpolate(filling))
            if material.has("youngs_modulus") and material.get("youngs_modulus").table:
                parameters.fillings |= {r.name: unknown.old for r in group.regions}
    if "c" in unknowns:
        start = parameters.field(lambda at: at("initial_concentration") if at.region.binary else 0.0, "salt")
        for function in (unknowns["c"].function, unknowns["c"].old, unknowns["c"].older):
            function.x.array[function.function_space.dofmap.list] = start.x.array[start.function_space.dofmap.list]


def _contact(case: Case, domain: Domain, spaces: dict[str, fem.FunctionSpace]) -> Contact | None:
    def function(space: str, needed: bool = True) -> fem.Function | None:
        return fem.Function(spaces[space]) if space in spaces and needed else None

    hollow = any(case.interface(name).chi for name in domain.kinetics)
    roofs = make_roofs(case, domain, spaces["u_m"]) if domain.roofs else None
    found = Contact(function("i", hollow), function("i", hollow), function("gap"), roofs, {})
    if hollow:
        found.vacancy.x.array[:] = found.vacancy_older.x.array[:] = 1.0
    return found if hollow or "gap" in spaces or "slip" in spaces or domain.roofs else None


def _start(unknown: Unknown, value: float) -> None:
    for function in (unknown.function, unknown.old, unknown.older):
        function.x.array[:] = value


def floats(domain: Domain, case: Case) -> bool:
    """The anode's voltage is an unknown unless the current density is imposed at the end of an ion conductor."""
    return not (case.counter == "uniform" and case.regions[len(case.layers) - 1].body == "ceramic")


def shear_modulus(at):
    """`G = E/(2 (1 + nu))`, MPa."""
    return at("youngs_modulus") / (2 * (1 + at("poisson_ratio")))


def bulk_modulus(at):
    """`K = E/(3 (1 - 2 nu))`, MPa."""
    return at("youngs_modulus") / (3 * (1 - 2 * at("poisson_ratio")))


def modulus(fields: Fields, body: str, name: str) -> fem.Function:
    """"shear" or "bulk" on a body's submesh."""
    return fields.parameters.law(body, name, {"shear": shear_modulus, "bulk": bulk_modulus}[name])


def _flow(domain: Domain, case: Case, fields: Fields, name: str, body: str) -> Flow | None:
    groups = tuple((g, domain.cells_of(g.regions, body)) for g in domain.groups if LAWS[g.head.law].PARAMETERS and g.head.body == body)
    if not groups:
        return None
    sub = domain.submeshes[body].mesh
    degree = domain.degree
    points, _ = basix.make_quadrature(sub.basix_cell(), degree)
    element = basix.ufl.quadrature_element(sub.basix_cell(), (), scheme="default", degree=degree)
    tensor = basix.ufl.quadrature_element(sub.basix_cell(), (3, 3), scheme="default", degree=degree)
    plastic = fem.Function(fem.functionspace(sub, tensor))
    scalars = fem.functionspace(sub, element)
    hardened, ratio = (fem.Function(scalars) for _ in range(2))
    ratio.x.array[:] = 1.0
    resistances = {}
    if any(LAWS[group.head.law].RESISTANCE for group, _ in groups):
        resistances = {"resistance": fem.Function(scalars), "resistance_solved": fem.Function(scalars)}
    kinematics, place = KINEMATICS[case.mechanics.kinematics], (domain.kind, ufl.SpatialCoordinate(sub)[0])
    plastic.x.array.reshape(-1, 3, 3)[:] = kinematics.NO_FLOW
    trial = fem.Expression(kinematics.trial(fields[name], plastic, *place), points)
    motion = kinematics.motion(fields[name], *place)
    motion = fem.Expression(motion, points) if motion is not None else None
    constant = ufl.TestFunction(fem.functionspace(sub, ("DG", 0)))
    r = ufl.SpatialCoordinate(sub)[0] if domain.kind == "axisymmetric" else 1.0
    volumes = fem.assemble_vector(fem.form(constant * r * ufl.dx(domain=sub))).array[: domain.submeshes[body].owned].copy()
    _start_resistances(fields, resistances, groups, points)
    return Flow(kinematics, plastic, hardened, ratio, resistances, trial, motion, groups, volumes, points)


def _start_resistances(fields: Fields, resistances: dict, groups, points) -> None:
    """Each law's own resistance at the start, where it has one."""
    for group, cells in groups:
        if LAWS[group.head.law].RESISTANCE and len(cells):
            initial = at_points(_law_values(fields, group)["initial"], cells, points)
            for function in resistances.values():
                function.x.array[_dofs(function, cells)] = initial


def law_parameters(fields: Fields, group: Group) -> dict[str, fem.Function]:
    """What the flow law of a group takes, on its body's submesh: values of its material, and its resistance if that evolves."""
    evolving = fields.flows[DISPLACEMENT[group.head.body]].resistances if LAWS[group.head.law].RESISTANCE else {}
    return _law_values(fields, group) | evolving


def _law_values(fields: Fields, group: Group) -> dict[str, fem.Function]:
    def value(at, name: str):
        return LAWS[at.region.law].values(at).get(name, 0.0)

    return {name: fields.parameters.law(group.head.body, name, lambda at, name=name: value(at, name))
            for name in LAWS[group.head.law].PARAMETERS}


def solve_flow(domain: Domain, fields: Fields, dt: float) -> None:
    """Solve each flow law at its quadrature points for the present displacement; freezes the root in `Flow.ratio`."""
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                _, q_trial, mu, solved = _local(domain, fields, name, flow, group, cells, dt)
                flow.ratio.x.array[_dofs(flow.ratio, cells)] = solved
                _resist(fields, flow, group, cells, "resistance_solved", (q_trial, mu, solved), dt)


def _resist(fields, flow, group, cells, which: str, solved: tuple, dt: float) -> None:
    """Set a resistance of the present step, if the law has one; `solved` holds q_trial, mu and s."""
    law = LAWS[group.head.law]
    if law.RESISTANCE:
        q_trial, mu, s = solved
        function, par = flow.resistances[which], _local_parameters(fields, flow, group, cells)
        function.x.array[_dofs(function, cells)] = law.resisted(q_trial, mu, dt, par, s)


def _local_parameters(fields, flow, group, cells) -> dict[str, np.ndarray]:
    """What the flow law takes, at the quadrature points of the cells."""
    values = {k: at_points(f, cells, flow.points) for k, f in _law_values(fields, group).items()}
    return values | {k: f.x.array[_dofs(f, cells)] for k, f in flow.resistances.items()}


def _dofs(function: fem.Function, cells: np.ndarray) -> np.ndarray:
    return function.function_space.dofmap.list[cells]


def _local(domain, fields, name, flow, group, cells, dt):
    """(trial state, q_trial, mu, s) at the quadrature points of the cells; arrays (cell, point, ...)."""
    trial = _tensors(flow.trial, domain, name, cells)
    shear = at_points(modulus(fields, BODIES[name], "shear"), cells, flow.points)
    e, mu = flow.kinematics.deviator(trial, shear)
    q_trial = 2 * shear * np.sqrt(1.5 * np.einsum("cpij,cpij->cp", e, e))
    par = _local_parameters(fields, flow, group, cells)
    hardened = flow.hardened.x.array[_dofs(flow.hardened, cells)]
    return trial, q_trial, mu, LAWS[group.head.law].solve(q_trial, mu, hardened, dt, par)


def _tensors(expression: fem.Expression, domain: Domain, name: str, cells: np.ndarray) -> np.ndarray:
    """Values (cell, point, 3, 3) of an expression on a body's cells."""
    return expression.eval(domain.submeshes[BODIES[name]].mesh, cells).reshape(len(cells), -1, 3, 3)


def plastic_increment(domain: Domain, fields: Fields, dt: float) -> float:
    """Increment of equivalent plastic strain in the present step, root mean square over the flowing volume of all ranks.

    A mean, because at the rim of a contact the strain is singular and its largest value is a matter of the mesh.
    """
    sums = np.zeros(2)
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                _, q_trial, mu, s = _local(domain, fields, name, flow, group, cells, dt)
                squares = (((1 - s) * q_trial / (3 * mu)) ** 2).mean(axis=1)
                sums += flow.volumes[cells] @ squares, flow.volumes[cells].sum()
    total = domain.comm.allreduce(sums, MPI.SUM)
    return float(np.sqrt(total[0] / total[1])) if total[1] > 0 else 0.0


def vacancy_after(fields: Fields, weights) -> np.ndarray:
    """State of the vacancy law at the end of the step just solved; like the array of `Contact.vacancy`."""
    history, dofs = fields.contact, fields.contact.vacancy.function_space.dofmap.list
    loss, rate, exponent = (history.laws[key].x.array[:, None] for key in ("loss", "healing", "exponent"))
    pressure = fem.Function(history.vacancy.function_space)
    if "p_c" in fields:
        pressure.interpolate(fields["p_c"])
    k = healing(pressure.x.array[dofs], rate, exponent, larger=np.maximum)
    older = tuple(f.x.array[dofs] for f in (history.vacancy, history.vacancy_older))
    state = np.empty_like(history.vacancy.x.array)
    state[dofs] = vacancy(older, fields.faradaic(weights)[dofs], k, loss, weights, smaller=np.minimum, larger=np.maximum)
    return state


def _commit_contact(fields: Fields, weights) -> None:
    history = fields.contact
    if history.vacancy is not None:
        state = vacancy_after(fields, weights)
        history.vacancy_older.x.array[:] = history.vacancy.x.array
        history.vacancy.x.array[:] = state
    if history.widest is not None:
        np.maximum(history.widest.x.array, fields["gap"].x.array, out=history.widest.x.array)


def commit(domain: Domain, fields: Fields, dt: float, weights, plated_rate: fem.Function | None) -> None:
    """Accept the present step: plastic strain and growth move on, the unknowns become the old ones.

    `plated_rate` holds Omega/F per cell of the interface mesh (um^3/pC), zero where nothing is plated; `weights` those of the
    backward formula.
    """
    commit_flow(domain, fields, dt)
    if fields.growth is not None:
        w, dofs = fields.growth.x.array, fields.growth.function_space.dofmap.list
        passed, history = fields.faradaic(weights)[dofs], (w[dofs], fields.growth_older.x.array[dofs])
        grown = growth(history, passed, plated_rate.x.array[:, None], weights)
        fields.growth_older.x.array[:] = w
        w[dofs] = grown
    if fields.contact is not None:
        _commit_contact(fields, weights)
        if domain.roofs and fields.growth is not None:
            raise_roofs(domain, fields.contact.roofs, fields.growth, fields.laid, fields["i"], plated_rate)
    for unknown in fields.unknowns.values():
        unknown.older.x.array[:] = unknown.old.x.array
        unknown.old.x.array[:] = unknown.function.x.array
    fields.parameters.follow_filling()


def commit_flow(domain: Domain, fields: Fields, dt: float) -> None:
    """The part of `commit` that is plastic strain."""
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                trial, q_trial, mu, s = _local(domain, fields, name, flow, group, cells, dt)
                dofs = _dofs(flow.hardened, cells)
                flow.hardened.x.array[dofs] += (1 - s) * q_trial / (3 * mu)
                motion = _tensors(flow.motion, domain, name, cells) if flow.motion is not None else None
                plastic = flow.plastic.x.array.reshape(-1, 3, 3)
                plastic[dofs] = flow.kinematics.advance(trial, s, plastic[dofs], motion)
                _resist(fields, flow, group, cells, "resistance", (q_trial, mu, s), dt)
        for function in (flow.hardened, flow.plastic, *flow.resistances.values()):
            function.x.scatter_forward()


def rollback(fields: Fields) -> None:
    """Forget a failed step."""
    for unknown in fields.unknowns.values():
        unknown.function.x.array[:] = unknown.old.x.array
