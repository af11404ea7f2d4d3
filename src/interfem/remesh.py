"""New cells in flowing metal that is distorted, and the transfer of all that it carries. Finite strain.

The reference configuration stays, and so do all boundaries and interfaces: what lives elsewhere is taken over value by value. In
the metal the displacement, pressure, potential and filling are interpolated from the old cells; the elastic strain
and the hardening are projected from quadrature points to quadrature points. What is stored is then brought to its old sum.
Refused if volume, plastic strain or what is stored changes by more than `KEPT` on the way.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem
from dolfinx.fem.petsc import LinearProblem
from mpi4py import MPI
from scipy.spatial import cKDTree

from .case import Case
from .domain import ELASTIC, GROUP, Domain, Group, Weighted
from .fields import Fields, commit_flow, modulus
from .geometry import GeometryError
from .geometry.arrays import read_msh
from .geometry.own import write_mesh
from .geometry.renew import NotRenewed, renew
from .model import Model, free_volume
from .observe.scalars import Observer
from .observe.state import NEAR, places_of, state_functions
from .observe.surfaces import Surface
from .physics import finite
from .roofs import marked
from .solve import NotConverged, Solver

log = logging.getLogger("interfem")

VOLUME_STEPS = 3  # of Newton's method
SLACK = 1e-6  # of a body that can only keep the volume that it has between what surrounds it
KEPT = 1e-3  # largest relative change of the metal's volume, of its plastic strain and of what it stores
SETTLINGS = 3  # solutions after each other
SAMPLED = {2: 30, 3: 12}  # dimension -> degree of the rule at which a new cell looks at the old ones
MOST_EXACT = 30  # degree of a rule
PADDING = 1e-6  # of the extent of the mesh: how far outside of an old cell a point may seem to lie


@dataclass
class Parts:
    """All of a run that belongs to one mesh."""

    case: Case  # without the voids that have been closed and taken out
    path: Path
    domain: Domain
    fields: Fields
    model: Model
    solver: Solver
    observer: Observer
    shape: dict[str, np.ndarray] | None = None  # displacements by name for which the mesh was made; None: zero


def remesh(old: Parts, path: Path, dt: float, assemble: Callable[..., Parts]) -> tuple[Parts | None, dict]:
    """(the same state with new cells in the metal, their mesh written to `path`; what has changed by it). None if refused.

    dt: length of the step (s) in which displacements give way to one another. `assemble(case, path, restore)` builds the parts
    and calls `restore(domain, fields, model)` before the observers look.
    """
    problem = _new_mesh(old, path)
    if problem:
        return None, {"refused": problem}
    new = assemble(old.case, path, lambda domain, fields, model: _restore(old, domain, fields, model))
    if old.domain.dimension == 3:
        bodies = [(group, group.regions) for group, _ in new.fields.flows["u_m"].groups]
        _straighten(old, new)
        keep_volume(new, bodies, _around(new, bodies), SLACK)
    return settled(old, new, dt, elastic(old, new, project), old.domain.dimension == 3 and _yields(new.fields))


def _yields(fields: Fields) -> bool:
    """Some of the metal flows at once under the least change of its forces: what it would do so in the next step belongs to the new mesh."""
    return any(group.head.law == "j2" for group, _ in fields.flows["u_m"].groups)


def settled(old: Parts, new: Parts, dt: float, strains: dict[str, np.ndarray], balanced: bool = False,
            added: float = 0.0) -> tuple[Parts | None, dict]:  # fmt: skip
    """(the new parts at rest with the elastic strains carried over, what has changed); None if it is not to be.

    `balanced`: the strains give way in the end, so that forces are in equilibrium: the body has another boundary now.
    added: metal that is part of it from now on, um^3.
    """
    problem = _settle(new, dt, strains, balanced)
    if problem:
        new.solver.destroy()
        return None, {"refused": problem}
    before, after = (contents(parts.domain, parts.fields) for parts in (old, new))
    before["volume"] += added
    changes = {name: after[name] / before[name] - 1 if before[name] else 0.0 for name in before}
    worst = max(changes, key=lambda name: abs(changes[name]))
    topology = new.domain.mesh.topology
    record = {"cells": topology.index_map(topology.dim).size_global, "relative_changes": changes}
    if abs(changes[worst]) > KEPT:
        new.solver.destroy()
        return None, record | {"refused": f"{worst} would change by {changes[worst]:.2e}"}
    _restock(new, before, after)
    new.shape = {name: new.fields[name].x.array.copy() for name in new.fields.flows}
    record["elastic_energy_change_pJ"] = _follow(old.observer, new.observer)
    return new, record


def _new_mesh(old: Parts, path: Path) -> str:
    """Write it, rank 0; why not, if there is none."""
    comm, u = old.domain.comm, old.fields["u_m"]
    owned, d = u.function_space.dofmap.index_map.size_local, old.domain.dimension
    places, values = (gathered(comm, rows[:owned]) for rows in (places_of(u.function_space), u.x.array.reshape(-1, d)))
    problem = ""
    if comm.rank == 0:
        regions = [r.name for group, _ in old.fields.flows["u_m"].groups for r in group.regions]
        try:
            mesh = read_msh(old.path, d)
            write_mesh(renew(mesh, regions, values[cKDTree(places).query(mesh.points)[1]]), path)
        except (NotRenewed, GeometryError) as error:
            problem = str(error)
    return comm.bcast(problem)


def gathered(comm: MPI.Comm, rows: np.ndarray) -> np.ndarray:
    return np.concatenate(comm.allgather(rows))


# ---- what is kept -----------------------------------------------------------------------------------------------------


def contents(domain: Domain, fields: Fields) -> dict[str, float]:
    """Of the metal that flows: volume where it is now (um^3), integral of the plastic strain, and of each store's filling."""
    flow, u, found = fields.flows["u_m"], fields["u_m"], {"volume": 0.0, "plastic_strain": 0.0}
    for group, _ in flow.groups:
        dx = domain.dx(GROUP + group.number)
        found["volume"] += domain.integral(finite.volume_ratio(u, domain.kind, domain.x[0]) * dx)
        found["plastic_strain"] += domain.integral(flow.hardened * dx)
        if f"x:{group.name}" in fields:
            found[f"x:{group.name}"] = domain.integral(fields[f"x:{group.name}"] * domain.dx_store(group))
    return found


def _restock(new: Parts, before: dict[str, float], after: dict[str, float]) -> None:
    """Bring what is stored to its sum."""
    for name in (name for name in before if name.startswith("x:")):
        unknown = new.fields.unknowns[name]
        for function in (unknown.function, unknown.old, unknown.older):
            function.x.array[:] *= before[name] / after[name]
    new.fields.parameters.follow_filling()


def _follow(old: Observer, new: Observer) -> float:
    """Sums since the start go on; the change of the stored energy (pJ), which is no part of the balance of work."""
    change = new.energy.stored - old.energy.stored
    new.energy.sums, new.energy.throughput, new.energy.flow_time = old.energy.sums, old.energy.throughput, old.energy.flow_time
    new.energy.first = old.energy.first + change
    new.charge, new.older_charge = old.charge, old.older_charge
    if new.domain.kinetics:
        for name in ("beyond", "older_beyond", "time", "start", "metal"):
            setattr(new.audit, name, getattr(old.audit, name))
    if new.voids is not None:
        known = dict(zip((void.name for void in old.voids.voids), old.voids.closed))
        new.voids.closed = [known[void.name] for void in new.voids.voids]
    new.left_out, new.travel = list(old.left_out), dict(old.travel)
    if "c" in new.fields:
        new.salt = old.salt
    return change


# ---- transfer ---------------------------------------------------------------------------------------------------------


def _restore(old: Parts, domain: Domain, fields: Fields, model: Model) -> None:
    """All fields and controls as they are on the old mesh."""
    flows = old.fields.flows.values()
    flowing = {f for flow in flows for f in (flow.plastic, flow.hardened, flow.ratio, *flow.resistances.values())}
    for (_, befores), (_, afters) in zip(state_functions(old.fields), state_functions(fields)):
        first = next(iter(befores))
        rows, known = _matched(domain.comm, befores[first].function_space, afters[first].function_space)
        alike = domain.comm.allreduce(bool(known.all()), MPI.LAND)
        for kind, before in befores.items():
            after = afters[kind]
            bs, owned = after.function_space.dofmap.index_map_bs, before.function_space.dofmap.index_map.size_local
            values = gathered(domain.comm, before.x.array.reshape(-1, bs)[:owned])
            if not alike:
                (project if before in flowing else interpolate)(before, after)
            after.x.array.reshape(-1, bs)[known] = values[rows[known]]
    for name, flow in old.fields.flows.items():
        fields.flows[name].hardened.x.array[:] = np.maximum(fields.flows[name].hardened.x.array, 0.0)
    control(old.model, model)
    fields.parameters.follow_filling()


def control(before: Model, after: Model) -> None:
    after.controls.recall(before.controls.memory())
    after.at_temperature(before.parameters.temperature)


def _matched(comm: MPI.Comm, source: fem.FunctionSpace, target: fem.FunctionSpace) -> tuple[np.ndarray, np.ndarray]:
    """For each degree of freedom: row of the old one at its place, of all ranks; and whether there is one."""
    saved = gathered(comm, places_of(source)[: source.dofmap.index_map.size_local])
    distance, rows = cKDTree(saved).query(places_of(target))
    return rows, distance <= NEAR * np.ptp(saved, axis=0).max()


def interpolate(before: fem.Function, after: fem.Function, padding: float = PADDING) -> None:
    source, target = before.function_space, after.function_space
    topology = target.mesh.topology
    count = topology.index_map(topology.dim)
    cells = np.arange(count.size_local + count.num_ghosts, dtype=np.int32)
    extent = target.mesh.comm.allreduce(float(np.abs(target.mesh.geometry.x).max(initial=0.0)), MPI.MAX)
    after.interpolate_nonmatching(before, cells, fem.create_interpolation_data(target, source, cells, padding=padding * extent))
    after.x.scatter_forward()


def project(before: fem.Function, after: fem.Function, padding: float = PADDING, sampled: int = 0) -> None:
    """Quadrature points to quadrature points, tensors by their logarithm: in each old cell the nearest linear function, sampled
    densely in each new cell, there again the nearest linear function. Each keeps the integral, also with a radius as weight.
    """
    source, target = before.function_space, after.function_space
    shape = tuple(source.element.value_shape)
    size = int(np.prod(shape, initial=1))
    linear = fem.Function(fem.functionspace(source.mesh, ("DG", 1, shape) if shape else ("DG", 1)))
    degree = sampled or SAMPLED[target.mesh.topology.dim]
    element = basix.ufl.quadrature_element(target.mesh.basix_cell(), shape, scheme="default", degree=degree)
    dense = fem.Function(fem.functionspace(target.mesh, element))
    values = _of_eigenvalues(before.x.array, np.log) if shape else before.x.array
    _make_linear(values, before, linear, size)
    interpolate(linear, dense, padding)
    _make_linear(dense.x.array, dense, after, size)
    if shape:
        after.x.array[:] = _of_eigenvalues(after.x.array, np.exp)


def _make_linear(values: np.ndarray, source: fem.Function, target: fem.Function, size: int) -> None:
    """From values at the points of one function to those of another on the same mesh, cell by cell."""
    (points, dofs), (places, targets) = ((f.function_space.element.interpolation_points, f.function_space.dofmap.list)
                                         for f in (source, target))
    target.x.array.reshape(-1, size)[targets] = _nearest_linear(points, places) @ values.reshape(-1, size)[dofs]


def _nearest_linear(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Matrix from values at a rule's points to those of the linear function nearest to them, by the weights of the rule."""
    cell = {2: basix.CellType.triangle, 3: basix.CellType.tetrahedron}[points.shape[1]]
    weights = next(w for degree in range(MOST_EXACT + 1) for x, w in [basix.make_quadrature(cell, degree)]
                   if x.shape == points.shape and np.allclose(x, points))
    basis = _affine(points)
    moments = basis.T * weights
    return _affine(targets) @ np.linalg.solve(moments @ basis, moments)


def _affine(points: np.ndarray) -> np.ndarray:
    return np.hstack([np.ones((len(points), 1)), points])


def _of_eigenvalues(values: np.ndarray, function) -> np.ndarray:
    """A function of symmetric tensors, as a flat array like their values."""
    tensors = values.reshape(-1, 3, 3)
    sizes, axes = np.linalg.eigh(0.5 * (tensors + np.swapaxes(tensors, 1, 2)))
    return ((axes * function(sizes)[:, None, :]) @ np.swapaxes(axes, 1, 2)).ravel()


def _settle(new: Parts, dt: float, strains: dict[str, np.ndarray], balanced: bool) -> str:
    """Interpolated displacements keep the volume only nearly. They are made to, at the elastic strain that is there; or why not.

    That strain `b` is carried over and not C, which would be as far off as the elastic strain is large: `C = Fb^-1 b Fb^-T`.
    """
    fields, weights = new.fields, new.model.controls.weights
    for _ in range(SETTLINGS):
        if not bear(new.domain.comm, fields, strains):
            return "new cells would be turned over by the displacements inside them"
        for weight, value in zip(weights, (1 / dt, -1 / dt, 0.0)):
            weight.value = value
        try:
            new.solver.solve(dt)
        except NotConverged as error:
            return f"no equilibrium is found ({error})"
        for unknown in fields.unknowns.values():
            unknown.old.x.array[:] = unknown.older.x.array[:] = unknown.function.x.array
    if balanced:
        commit_flow(new.domain, fields, dt)
    else:
        bear(new.domain.comm, fields, strains)
    new.observer.energy.begin()
    return ""


def keep_volume(new: Parts, bodies: list[tuple[Group, list]], held: np.ndarray, slack: float = 0.0) -> None:
    """The least change d of displacement, `int |grad d|^2`, by which `ln J = -p/K` holds again in the regions of each group given.

    Each body of these has a multiplier q of its own; the blocks `held` stay. slack: `J/J_c e^(p/K) - 1 = slack q` instead, which is
    defined where a cell is turned over, too.
    """
    domain, fields = new.domain, new.fields
    u, within = fields["u_m"], [GROUP + group.number for group, _ in bodies]
    parts = u.function_space, *(fields[f"p:{group.name}"].function_space.clone() for group, _ in bodies)
    spaces, place, loose = ufl.MixedFunctionSpace(*parts), (domain.kind, domain.x[0]), fem.Constant(domain.mesh, slack)
    (d, *multipliers), (v, *tests) = ufl.TrialFunctions(spaces), ufl.TestFunctions(spaces)
    slope, away = finite.gradient(v, *place), ufl.inv(finite.deformation(u, *place)).T
    stretch = ufl.inner(finite.gradient(d, *place), slope)
    a = sum(stretch * domain.dx(cells) for cells in (*dict.fromkeys(within), ELASTIC["metal"])) + stretch * domain.dx_hollow()
    load = fem.Constant(domain.mesh, 0.0) * v[0] * domain.dx(within[0])
    for q, s, (group, regions) in zip(multipliers, tests, bodies):
        inside = over(domain, regions)
        pressed, free = fields[f"p:{group.name}"] / modulus(fields, "metal", "bulk"), free_volume(new.case, fields, group)
        if slack:
            weight = finite.volume_ratio(u, *place) / (1 + free) * ufl.exp(pressed)
            excess = weight - 1
        else:
            weight, excess = 1.0, finite.volume_strain(u, *place, free) + pressed
        a += weight * (q * ufl.inner(away, slope) + s * ufl.inner(away, finite.gradient(d, *place))) * inside
        a += -loose * q * s * domain.dx(GROUP + group.number)
        load += -excess * s * inside
    elsewhere = [np.flatnonzero(~regions_of(domain, space, tuple(r.name for r in regions))).astype(np.int32)
                 for space, (_, regions) in zip(parts[1:], bodies)]
    still = [fem.dirichletbc(np.zeros(domain.dimension), held, u.function_space), *new.solver.conditions("u_m")]
    still += [fem.dirichletbc(0.0, dofs, space) for dofs, space in zip(elsewhere, parts[1:])]
    problem = LinearProblem(ufl.extract_blocks(a), ufl.extract_blocks(load), petsc_options_prefix="interfem_volume_", kind="mpi",
                            bcs=still, entity_maps=domain.entity_maps,
                            petsc_options={"ksp_type": "preonly", "pc_type": "lu", "pc_factor_mat_solver_type": "mumps"})
    for _ in range(VOLUME_STEPS):
        change, *_ = problem.solve()
        u.x.array[:] += change.x.array


def _straighten(old: Parts, new: Parts) -> None:
    """Where interpolated displacements would turn a cell over, its new edges become straight where they are now, as they were drawn."""
    u, flow = new.fields["u_m"], new.fields.flows["u_m"]
    space, known = u.function_space, _matched(new.domain.comm, old.fields["u_m"].function_space, u.function_space)[1]
    dofs, motion = space.dofmap.list, _evaluated(new.fields.flows["u_m"].motion, flow.plastic)
    turned = ~(np.linalg.det(motion) > 0)[flow.plastic.function_space.dofmap.list].all(axis=1)
    rows, layout = u.x.array.reshape(-1, 3), space.dofmap.dof_layout
    for edge, ends in enumerate(basix.topology(basix.CellType.tetrahedron)[1]):
        middles, (a, b) = dofs[turned, layout.entity_dofs(1, edge)[0]], dofs[turned][:, ends].T
        free = ~known[middles]
        rows[middles[free]] = 0.5 * (rows[a] + rows[b])[free]
    u.x.scatter_forward()


def _around(new: Parts, bodies: list[tuple[Group, list]]) -> np.ndarray:
    """Blocks of the metal's displacement at its faces towards all else: other bodies, and voids."""
    domain, inside = new.domain, [region.name for _, regions in bodies for region in regions]
    within = [n for n, region in enumerate(domain.regions) if region.name in inside]
    beyond = [n for n, region in enumerate(domain.regions) if region.name not in inside]
    faces = np.concatenate([domain.facets_between(n, beyond) for n in within])
    space = new.fields["u_m"].function_space
    others = regions_of(domain, space, tuple(domain.regions[n].name for n in beyond))
    return np.flatnonzero(others | marked(space, Surface(domain, new.fields, "u_m", faces).dofs)).astype(np.int32)


def over(domain: Domain, regions: list) -> Weighted:
    """Measure over the cells of these regions."""
    parts, rule = [(1, domain.cells_of(regions))], {"quadrature_degree": domain.degree}
    return Weighted(ufl.Measure("dx", domain=domain.mesh, subdomain_data=parts, metadata=rule)(1), domain.weight)


def regions_of(domain: Domain, space: fem.FunctionSpace, names: tuple[str, ...]) -> np.ndarray:
    """True for the blocks of degrees of freedom in cells of these regions; of a space on the mesh or on a submesh of its cells."""
    numbers = [n for n, region in enumerate(domain.regions) if region.name in names]
    sub = next(sub for sub in domain.submeshes.values() if sub.mesh is space.mesh)
    found = np.zeros(space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts, bool)
    found[space.dofmap.list[np.isin(domain.region_of_cell[sub.parents], numbers)].ravel()] = True
    return found


def elastic(old: Parts, new: Parts, carry: Callable[[fem.Function, fem.Function], None]) -> dict[str, np.ndarray]:
    """Elastic left Cauchy-Green tensor at the quadrature points, by displacement, as the state of flow is numbered.

    `carry(before, after)` takes values from quadrature points to quadrature points.
    """
    found = {}
    for name, flow in old.fields.flows.items():
        before, after = (fem.Function(parts.fields.flows[name].plastic.function_space) for parts in (old, new))
        _tensors(before)[:] = _evaluated(flow.trial, before)
        carry(before, after)
        found[name] = _tensors(after).copy()
    return found


def bear(comm: MPI.Comm, fields: Fields, strains: dict[str, np.ndarray]) -> bool:
    """Set C so that the elastic strain is this one at the present displacement; False if a cell is turned over by that."""
    for name, flow in fields.flows.items():
        motion = _evaluated(flow.motion, flow.plastic)  # no number if turned over
        if not comm.allreduce(bool((np.linalg.det(motion) > 0).all()), MPI.LAND):
            return False
        back = np.linalg.inv(motion)
        _tensors(flow.plastic)[:] = back @ strains[name] @ np.swapaxes(back, -1, -2)
        flow.ratio.x.array[:] = 1.0
    return True


def _tensors(function: fem.Function) -> np.ndarray:
    return function.x.array.reshape(-1, 3, 3)


def _evaluated(expression: fem.Expression, function: fem.Function) -> np.ndarray:
    """Values of a tensor on all cells, ghosts included, as the function numbers them."""
    dofs = function.function_space.dofmap.list
    found = np.empty((dofs.max(initial=-1) + 1, 3, 3))
    found[dofs] = expression.eval(function.function_space.mesh, np.arange(len(dofs), dtype=np.int32)).reshape(*dofs.shape, 3, 3)
    return found
