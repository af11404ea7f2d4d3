"""Unknowns, their values at the last accepted step, and the history that a step carries on."""

from __future__ import annotations

from dataclasses import dataclass, field

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from .case import Case
from .domain import Domain, Group
from .laws import LAWS
from .physics.momentum import strain, trial_deviator


@dataclass
class Unknown:
    """One block of the coupled system. `old` and `older` are the last accepted values.

    `scale` makes residuals comparable; `content` is the most that a storing block holds (amol), whose rounding over a short
    step is larger than any current.
    """

    name: str
    function: fem.Function
    old: fem.Function
    older: fem.Function
    test: object = None
    scale: float = 1.0
    content: float = 0.0


@dataclass
class Flow:
    """History of one body's flow at its quadrature points; `ratio` is the frozen root of the flow law (see laws)."""

    plastic: fem.Function  # plastic strain, 3x3, of the last accepted step
    hardened: fem.Function  # accumulated equivalent plastic strain of the last accepted step
    ratio: fem.Function
    trial: fem.Expression  # trial deviator at the present displacement
    groups: tuple[tuple[Group, np.ndarray], ...]  # with their cells in the body's submesh
    volumes: np.ndarray  # of the body's owned cells


@dataclass
class Fields:
    """All fields of a run. Blocks by name: phi, phi_m, i, V, c, x:<group>, u_m, u_s, p:<group>, p_c (see `make_fields`)."""

    unknowns: dict[str, Unknown]
    growth: fem.Function | None  # plated thickness w on the interfaces (um)
    flows: dict[str, Flow]  # by displacement name
    parameters: dict[tuple[str, str], fem.Function] = field(default_factory=dict)

    def __getitem__(self, name: str) -> fem.Function:
        return self.unknowns[name].function

    def __contains__(self, name: str) -> bool:
        return name in self.unknowns

    def functions(self) -> list[fem.Function]:
        return [unknown.function for unknown in self.unknowns.values()]


BODIES = {"u_m": "electrons", "u_s": "ions"}  # displacement -> submesh


def make_fields(domain: Domain, case: Case) -> Fields:
    """Spaces and functions for what this case carries, and for nothing else.

    phi (ionic) and phi_m (electronic potential, without the electrode's offset): degree 1 or 2; i: current density on the
    interfaces, discontinuous, same degree; V: voltage of the anode's collector, one number; c: salt, degree 2; x: filling c/c_max, degree 2;
    u: displacement, degree 2, one for each side; p: pressure where metal flows, degree 1; p_c: contact pressure, degree 1.
    """
    degree = case.solver.potential_degree
    spaces: dict[str, fem.FunctionSpace] = {}
    subs = domain.submeshes
    if domain.kinetics:
        spaces["phi"] = fem.functionspace(subs["ions"].mesh, ("Lagrange", degree))
        spaces["phi_m"] = fem.functionspace(subs["electrons"].mesh, ("Lagrange", degree))
        spaces["i"] = fem.functionspace(subs["gamma"].mesh, ("DG", degree))
        if floats(domain, case):
            spaces["V"] = fem.functionspace(domain.mesh, basix.ufl.real_element(domain.mesh.basix_cell(), ()))
        if "salt" in subs:
            spaces["c"] = fem.functionspace(subs["salt"].mesh, ("Lagrange", 2))
        for group in domain.groups:
            if group.head.stores:
                spaces[f"x:{group.name}"] = fem.functionspace(subs[group.name].mesh, ("Lagrange", 2))
    if case.mechanics is not None:
        for name, body in BODIES.items():
            if body in subs:
                spaces[name] = fem.functionspace(subs[body].mesh, ("Lagrange", 2, (domain.dimension,)))
        for group in domain.groups:
            if group.head.flows:
                spaces[f"p:{group.name}"] = fem.functionspace(subs[group.name].mesh, ("Lagrange", 1))
        if "gamma" in subs:
            spaces["p_c"] = fem.functionspace(subs["gamma"].mesh, ("Lagrange", 1))
    tests = ufl.TestFunctions(ufl.MixedFunctionSpace(*spaces.values()))
    unknowns = {}
    for (name, space), test in zip(spaces.items(), tests):
        unknowns[name] = Unknown(name, fem.Function(space, name=name), fem.Function(space), fem.Function(space), test)
    for group in domain.groups:
        if f"x:{group.name}" in unknowns:
            unknown, material = unknowns[f"x:{group.name}"], group.head.material
            start = material.get("initial_concentration").at(case.temperature) / material.get("maximum_concentration").at(case.temperature)
            for function in (unknown.function, unknown.old, unknown.older):
                function.x.array[:] = start
    if "c" in unknowns:
        start = region_values(domain, "salt", lambda r: r.material.get("initial_concentration").at(case.temperature) if r.binary else 0.0)
        for function in (unknowns["c"].function, unknowns["c"].old, unknowns["c"].older):
            function.x.array[function.function_space.dofmap.list] = start.x.array[:, None]
    growth = fem.Function(spaces["i"], name="growth") if "i" in spaces else None
    fields = Fields(unknowns, growth, {})
    if case.mechanics is not None:
        for name, body in BODIES.items():
            flow = _flow(domain, case, fields, name, body) if name in fields else None
            if flow is not None:
                fields.flows[name] = flow
    return fields


def floats(domain: Domain, case: Case) -> bool:
    """The anode's voltage is an unknown unless the current density is imposed at the end of an ion conductor."""
    return not (case.counter == "uniform" and case.regions[len(case.layers) - 1].ions)


def region_values(domain: Domain, sub: str | None, value) -> fem.Function:
    """Piecewise constant function on a submesh (None: the whole mesh) with `value(region)` in each region."""
    target = domain.mesh if sub is None else domain.submeshes[sub].mesh
    function = fem.Function(fem.functionspace(target, ("DG", 0)))
    cells = domain.region_of_cell if sub is None else domain.region_of_cell[domain.submeshes[sub].parents]
    function.x.array[:] = np.array([value(r) for r in domain.regions])[cells]
    return function


def moduli(region, temperature: float) -> tuple[float, float]:
    """Shear and bulk modulus (MPa) from E and nu."""
    young, nu = (region.material.get(k).at(temperature) for k in ("youngs_modulus", "poisson_ratio"))
    return young / (2 * (1 + nu)), young / (3 * (1 - 2 * nu))


def parameter(domain: Domain, case: Case, fields: Fields, body: str, name: str) -> fem.Function:
    """Piecewise constant law parameter or modulus on a body's submesh; made once."""
    if (body, name) not in fields.parameters:
        def value(region) -> float:
            if name in ("shear", "bulk"):
                return moduli(region, case.temperature)[name == "bulk"]
            return LAWS[region.law].values(region.material, case.temperature).get(name, 0.0)

        fields.parameters[body, name] = region_values(domain, body, lambda r: value(r) if r.electrons == (body == "electrons") else 0.0)
    return fields.parameters[body, name]


def _flow(domain: Domain, case: Case, fields: Fields, name: str, body: str) -> Flow | None:
    groups = tuple((g, domain.cells_of(g.regions, body)) for g in domain.groups
                   if LAWS[g.head.law].PARAMETERS and g.head.electrons == (body == "electrons"))
    if not groups:
        return None
    sub = domain.submeshes[body].mesh
    degree = domain.degree
    points, _ = basix.make_quadrature(sub.basix_cell(), degree)
    element = basix.ufl.quadrature_element(sub.basix_cell(), (), scheme="default", degree=degree)
    tensor = basix.ufl.quadrature_element(sub.basix_cell(), (3, 3), scheme="default", degree=degree)
    plastic = fem.Function(fem.functionspace(sub, tensor))
    hardened, ratio = (fem.Function(fem.functionspace(sub, element)) for _ in range(2))
    ratio.x.array[:] = 1.0
    eps = strain(fields[name], domain.kind, ufl.SpatialCoordinate(sub)[0])
    trial = fem.Expression(trial_deviator(eps, plastic), points)
    constant = ufl.TestFunction(fem.functionspace(sub, ("DG", 0)))
    r = ufl.SpatialCoordinate(sub)[0] if domain.kind == "axisymmetric" else 1.0
    volumes = fem.assemble_vector(fem.form(constant * r * ufl.dx(domain=sub))).array[: domain.submeshes[body].owned].copy()
    return Flow(plastic, hardened, ratio, trial, groups, volumes)


def law_parameters(domain: Domain, case: Case, fields: Fields, group: Group) -> dict[str, fem.Function]:
    body = "electrons" if group.head.electrons else "ions"
    return {name: parameter(domain, case, fields, body, name) for name in LAWS[group.head.law].PARAMETERS}


def solve_flow(domain: Domain, case: Case, fields: Fields, dt: float) -> None:
    """Solve each flow law at its quadrature points for the present displacement; freezes the root in `Flow.ratio`."""
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                _, q_trial, shear, solved = _local(domain, case, fields, name, flow, group, cells, dt)
                flow.ratio.x.array[_dofs(flow.ratio, cells)] = solved


def _dofs(function: fem.Function, cells: np.ndarray) -> np.ndarray:
    return function.function_space.dofmap.list[cells]


def _local(domain, case, fields, name, flow, group, cells, dt):
    """(trial deviator, q_trial, G, s) at the quadrature points of the cells; arrays (cell, point, ...)."""
    body = BODIES[name]
    e = flow.trial.eval(domain.submeshes[body].mesh, cells).reshape(len(cells), -1, 3, 3)
    shear = parameter(domain, case, fields, body, "shear").x.array[cells][:, None]
    q_trial = 2 * shear * np.sqrt(1.5 * np.einsum("cpij,cpij->cp", e, e))
    par = {k: f.x.array[cells][:, None] for k, f in law_parameters(domain, case, fields, group).items()}
    hardened = flow.hardened.x.array[_dofs(flow.hardened, cells)]
    return e, q_trial, shear, LAWS[group.head.law].solve(q_trial, shear, hardened, dt, par)


def plastic_increment(domain: Domain, case: Case, fields: Fields, dt: float) -> float:
    """Increment of equivalent plastic strain in the present step, root mean square over the flowing volume of all ranks.

    A mean, because at the rim of a contact the strain is singular and its largest value is a matter of the mesh.
    """
    sums = np.zeros(2)
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                _, q_trial, shear, s = _local(domain, case, fields, name, flow, group, cells, dt)
                squares = (((1 - s) * q_trial / (3 * shear)) ** 2).mean(axis=1)
                sums += flow.volumes[cells] @ squares, flow.volumes[cells].sum()
    total = domain.comm.allreduce(sums, MPI.SUM)
    return float(np.sqrt(total[0] / total[1])) if total[1] > 0 else 0.0


def commit(domain: Domain, case: Case, fields: Fields, dt: float, plated_rate: fem.Function | None) -> None:
    """Accept the present step: plastic strain and growth move on, the unknowns become the old ones.

    `plated_rate` holds Omega/F per cell of the interface mesh (um^3/pC), zero where nothing is plated: `w -= dt i Omega/F`.
    """
    for name, flow in fields.flows.items():
        for group, cells in flow.groups:
            if len(cells):
                e, q_trial, shear, s = _local(domain, case, fields, name, flow, group, cells, dt)
                dofs = _dofs(flow.hardened, cells)
                flow.hardened.x.array[dofs] += (1 - s) * q_trial / (3 * shear)
                increment = (1 - s)[..., None, None] * e
                plastic = flow.plastic.x.array.reshape(-1, 3, 3)
                plastic[dofs] += increment
        flow.hardened.x.scatter_forward()
        flow.plastic.x.scatter_forward()
    if fields.growth is not None:
        per_cell = plated_rate.x.array
        dofs = fields.growth.function_space.dofmap.list
        fields.growth.x.array[dofs] -= dt * per_cell[:, None] * fields["i"].x.array[dofs]
    for unknown in fields.unknowns.values():
        unknown.older.x.array[:] = unknown.old.x.array
        unknown.old.x.array[:] = unknown.function.x.array


def rollback(fields: Fields) -> None:
    """Forget a failed step."""
    for unknown in fields.unknowns.values():
        unknown.function.x.array[:] = unknown.old.x.array
