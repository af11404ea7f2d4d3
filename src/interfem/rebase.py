"""A layer of metal whose voids have closed, or whose cells are worn, starts anew where it is now: transfer to the new reference. 2D.

Displacements count from the new reference then, and the voids that have closed are gone: what was their roof is interface like any other,
with the thickness plated there, its gap and its pressure taken over place by place, as is all else that lives at the electrolyte. In
the metal the displacement is the jump that is left (geometry.rebase); pressure, potential, elastic strain and hardening are carried along
with the material, as in remesh.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem, la
from mpi4py import MPI
from scipy.spatial import cKDTree

from .domain import BONDED, Domain
from .fields import BODIES, Fields, modulus
from .geometry import GeometryError
from .geometry.arrays import read_msh
from .geometry.extrude import Bed, Slot, extrude
from .geometry.laid import Laid, Present
from .geometry.own import write_mesh
from .geometry.rebase import Layer, rebase
from .geometry.renew import NotRenewed
from .loads import boundary_sides
from .model import Model
from .observe.energy import INSTANT
from .observe.state import NEAR, places_of, state_functions
from .observe.surfaces import Surface
from .observe.voids import RESIDUAL
from .physics import finite
from .regions import direction, head, reservoir, surroundings
from .remesh import Parts, contents, control, elastic, gathered, interpolate, keep_volume, over, project, regions_of, settled
from .roofs import marked

MADE_ANEW = ("contact of roofs", "walls")  # of the state: follow from the rest
CARRIED = ("phi_m", "p", "x", "mu")  # of the unknowns: live inside metal
CARRIED_WITHIN = 0.02  # relative change of the plastic strain before it is brought to its sum
SAMPLED = 12  # degree of the rule at which a new cell looks at the old ones
OUTSIDE = 0.02  # of the extent of the mesh: how far from the old cells a point of the new ones may lie


def renew_layer(old: Parts, void: str, closed: bool, path: Path, dt: float, assemble: Callable[..., Parts]) -> tuple[Parts | None, dict]:
    """(the same state with the layer around `void` in a new reference, written to `path`; what has changed by it). None if refused.

    `closed`: the void is left out. Otherwise as `remesh.remesh`.
    """
    voids, turned = old.observer.voids, old.domain.kind == "axisymmetric"
    least = {v.name: np.inf if closed and v.name == void else RESIDUAL * v.first_depth for v in voids.voids if v.interface is not None}
    around = surroundings(old.case, void)
    layer = Layer(around.layer, around.voids, around.behind, least)
    between = _between(old)
    return _begin_anew(old, layer, lambda mesh, present: rebase(mesh, layer, present, between, turned), path, dt, assemble)


def press_in(old: Parts, flaw: str, full: bool, path: Path, dt: float, assemble: Callable[..., Parts]) -> tuple[Parts | None, dict]:
    """The same for the layer of metal before a slot that is partly empty, and all columns pressed out of it. `full`: this slot is."""
    turned, slots = old.domain.kind == "axisymmetric", []
    before = reservoir(old.case, flaw)
    for feature in before.flaws:
        level, way = direction(feature, old.case)
        center = 0.0 if turned else feature.center[0]
        slots.append(Slot(feature.name, center, level, way, feature.width, feature.depth, full and feature.name == flaw))
    layer = Layer(before.layer, tuple(slot.name for slot in slots), before.behind, {})
    curved = np.hstack([rows[:, :2] for rows in _placed(old, "u_m")])
    curved[:, 2:] += curved[:, :2]
    bed, between = Bed(layer.name, tuple(slots), layer.behind, _volumes(old, layer)), _between(old)
    return _begin_anew(old, layer, lambda mesh, present: extrude(mesh, bed, present, curved, between, turned), path, dt, assemble)


def _volumes(old: Parts, layer: Layer) -> dict[str, float]:
    """`int J e^(p/K) dX` of the layer and each of its columns: only their sum is kept by their cells, for p goes on from one to the other."""
    domain, fields, found = old.domain, old.fields, {}
    u, bulk = fields["u_m"], modulus(fields, "metal", "bulk")
    for region in (r for r in domain.regions if r.name in (layer.name, *layer.voids)):
        p = fields[f"p:{next(g for g in domain.groups if region in g.regions).name}"]
        volume = ufl.exp(finite.volume_strain(u, domain.kind, domain.x[0], 0.0) + p / bulk)
        found[region.name] = domain.integral(volume * over(domain, [region]))
    return found


def _between(old: Parts) -> np.ndarray:
    """What lies between metal and electrolyte, of all ranks: (edge, end, 4), place, what has reacted or opened, what is plated; um."""
    fields, gamma = old.fields, old.domain.submeshes["gamma"]

    def ends(function: fem.Function) -> np.ndarray:
        return function.x.array[function.function_space.dofmap.list[: gamma.owned, :2]]

    x = gamma.mesh.geometry.x[gamma.mesh.geometry.dofmaps[0][: gamma.owned]][..., :2]
    parted = ends(fields["gap"]) if "gap" in fields else np.zeros(x.shape[:2])
    plated = ends(fields.growth) - ends(fields.laid) if fields.growth is not None else np.zeros(x.shape[:2])
    if "sei" in fields:
        share = old.model.interface["sei_share"].x.array[: gamma.owned, None]
        parted = parted + share * (ends(fields["sei"]) - old.case.sei.initial_thickness)
    return gathered(old.domain.comm, np.concatenate([x, parted[..., None], plated[..., None]], axis=2))


def _begin_anew(old: Parts, layer: Layer, draw: Callable, path: Path, dt: float, assemble: Callable[..., Parts]) -> tuple[Parts | None, dict]:
    """`draw(mesh, present)` gives the new mesh, D, and the displacement that the layers behind have lost. The new cells hold what has been
    plated on the layer too; also the little on roofs that stay open, which is given to the layer as a whole.
    """
    problem, made = _new_mesh(old, draw, path)
    if problem:
        return None, {"refused": problem}
    shift, lost, left = made
    gone = [name for name in layer.voids if name not in left]

    plated: dict[str, float] = {}

    def along(domain: Domain, before: fem.Function, after: fem.Function) -> None:
        if before.function_space.mesh is not old.domain.submeshes["metal"].mesh:
            return _copy(domain, before, after)
        values = before.x.array.copy()
        _spread(old, before)
        with _laid(old, layer, shift, lost):
            project(before, after, OUTSIDE, SAMPLED)
        before.x.array[:] = values
        return _keep(domain, before, after, lost, layer)

    def restore(domain: Domain, fields: Fields, model: Model) -> None:
        _restore(old, domain, fields, model, layer, shift, lost, along)
        if fields.contact is not None and fields.contact.roofs is not None:
            fields.contact.roofs.first.update(old.observer.voids.at_first())
            fields.contact.roofs.raised.x.array[:] = 0.0
        plated.update(_lay(domain, fields, (layer.name, *layer.voids)))

    new = assemble(old.case.without(gone), path, restore)
    travel, changed = _travel(old, new), _rescale(old, new)
    if abs(changed) > CARRIED_WITHIN + _strained_at_most(old, plated["either way"]):
        new.solver.destroy()
        return None, {"refused": f"plastic_strain would change by {changed:.2e}"}
    _keep_volume(new, layer)
    _part(new)
    strains = elastic(old, new, lambda before, after: along(new.domain, before, after))
    found, record = settled(old, new, dt, strains, True, plated["net"])
    if found is not None:
        found.observer.leave(gone, travel)
        for column in found.observer.columns:
            column.look()
    return found, record | {"voids_left_out": gone, "plastic_strain_rescaled_by": -changed}


def _lay(domain: Domain, fields: Fields, regions: tuple[str, ...]) -> dict[str, float]:
    """What has been plated at the faces of these regions is held by their cells from now on; its volume, net and either way, um^3."""
    if fields.laid is None:
        return {"net": 0.0, "either way": 0.0}
    faces = tuple(name for name in domain.interfaces if set(regions) & set(name.split("|")))
    beyond, dofs = fields.growth - fields.laid, fields.laid.function_space.dofmap.list[domain.on(faces)]
    found = {"net": domain.integral(beyond * domain.dx_gamma(faces)), "either way": domain.integral(abs(beyond) * domain.dx_gamma(faces))}
    fields.laid.x.array[dofs] = fields.growth.x.array[dofs]
    return found


def _strained_at_most(old: Parts, plated: float) -> float:
    """Plastic strain that cells take on at most where they hold what has been plated, of all there is: it has none, and the sum is kept."""
    largest = max(float(flow.hardened.x.array.max(initial=0.0)) for flow in old.fields.flows.values())
    total = contents(old.domain, old.fields)["plastic_strain"]
    return plated * old.domain.comm.allreduce(largest, MPI.MAX) / total if total else 0.0


def _keep_volume(new: Parts, layer: Layer) -> None:
    """Volumes of the layer hold again, none being changed at faces of metal.

    Nor at the mouths of slots, so that nothing is pushed out of a column, or drawn into it. Layer and columns keep their volume each
    for itself, by multipliers of their own: p goes on from one to the other, and would let the one hold what the other lacks.
    """
    group = next(g for g in new.domain.groups if any(r.name == layer.name for r in g.regions))
    columns = [r for r in group.regions if r.name in layer.voids and head(r.name) in new.domain.boundaries]
    bodies = [r for r in group.regions if r not in columns], columns
    keep_volume(new, [(group, regions) for regions in bodies], _at_faces(new, layer))


def _at_faces(new: Parts, layer: Layer) -> np.ndarray:
    """Blocks of the metal's displacement at its faces towards the electrolyte, and at the mouths of slots of the layer."""
    domain, regions = new.domain, list(enumerate(new.domain.regions))
    faces = [domain.facets_between(n, [m for m, other in regions if other.body != "metal"]) for n, region in regions if region.body == "metal"]
    slots = [n for n, region in regions if region.name in layer.voids and not region.hollow]
    faces.append(domain.facets_between(next(n for n, region in regions if region.name == layer.name), slots))
    dofs = Surface(domain, new.fields, "u_m", np.concatenate(faces)).dofs
    return np.flatnonzero(marked(new.fields["u_m"].function_space, dofs)).astype(np.int32)


def _part(new: Parts) -> None:
    """Gaps are what parts metal and electrolyte where the metal has been laid, `g = n.(u_s - u_m) - w`, 0 at least, as the bond shares it out.

    Carried over place by place they would be those of metal that has slid on since, and none on further wall.
    """
    fields, domain = new.fields, new.domain
    if "gap" not in fields:
        return
    unknown, row = fields.unknowns["gap"], list(fields.unknowns).index("p_c")
    for weight, value in zip(new.model.controls.weights, (INSTANT, -INSTANT, 0.0)):
        weight.value = value  # nothing grows
    unknown.function.x.array[:] = 0.0
    length, closed = fem.Function(unknown.function.function_space), fem.Function(unknown.function.function_space)
    one = ufl.TestFunction(length.function_space)("+") * domain.dS(*BONDED.values())
    for total, form in ((length, fem.form(one, entity_maps=domain.entity_maps)), (closed, new.solver.residual[row])):
        fem.assemble_vector(total.x.array, form)
        total.x.scatter_reverse(la.InsertMode.add)
        total.x.scatter_forward()
    bonded = length.x.array > 0  # there is none on the roofs of voids
    gap = np.where(bonded, np.maximum(-closed.x.array / np.where(bonded, length.x.array, 1.0), 0.0), 0.0)
    for function in (unknown.function, unknown.old, unknown.older):
        function.x.array[:] = gap


def _rescale(old: Parts, new: Parts) -> float:
    """Bring the plastic strain to its sum, which straight cells for bent ones keep only nearly; relative change before."""
    before, after = (contents(parts.domain, parts.fields)["plastic_strain"] for parts in (old, new))
    for flow in new.fields.flows.values():
        flow.hardened.x.array[:] *= before / after if after else 1.0
    return after / before - 1 if before else 0.0


def _travel(old: Parts, new: Parts) -> dict[str, float]:
    """Outward displacement of the two ends that no longer counts, um; plates and frame follow it."""
    travel = {b: _outward(old, b) - _outward(new, b) for b in ("collector", "counter") if b in new.domain.boundaries}
    for boundary, away in travel.items():
        if f"plate:{boundary}" in new.fields:
            unknown = new.fields.unknowns[f"plate:{boundary}"]
            for function in (unknown.function, unknown.old, unknown.older):
                function.x.array[:] -= away
            new.model.controls.loads.place.value -= away
    return travel


def _outward(parts: Parts, boundary: str) -> float:
    """Mean outward displacement of an end of the stack, um."""
    domain, n = parts.domain, ufl.FacetNormal(parts.domain.mesh)
    sides = boundary_sides(domain, boundary)
    total = sum(domain.integral(ufl.inner(parts.fields[name], n) * domain.ds(boundary, BODIES[name])) for name in sides)
    return total / domain.boundary_area(boundary)


def _new_mesh(old: Parts, draw: Callable, path: Path) -> tuple[str, tuple[Laid, float, list[str]] | None]:
    """Write it, rank 0: (why not, (D, displacement that the layers behind have lost, regions))."""
    comm, problem, made = old.domain.comm, "", None
    metal, ions = _placed(old, "u_m"), _placed(old, "u_s")
    if comm.rank == 0:
        try:
            mesh = read_msh(old.path, old.domain.dimension)
            new, shift, lost = draw(mesh, Present(*(values[cKDTree(places).query(mesh.points)[1]] for places, values in (metal, ions))))
            write_mesh(new, path)
            made = shift, lost, list(new.cells)
        except (NotRenewed, GeometryError) as error:
            problem = str(error)
    return comm.bcast((problem, made))


def _placed(old: Parts, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(places, values) of a displacement's nodes, of all ranks."""
    u = old.fields[name]
    owned, bs = u.function_space.dofmap.index_map.size_local, u.function_space.dofmap.index_map_bs
    return gathered(old.domain.comm, places_of(u.function_space)[:owned]), gathered(old.domain.comm, u.x.array.reshape(-1, bs)[:owned])


# ---- transfer ---------------------------------------------------------------------------------------------------------


def _restore(old: Parts, domain: Domain, fields: Fields, model: Model, layer: Layer, shift: Laid, lost: float, along: Callable) -> None:
    """All fields and controls in the new reference."""
    flows, new = old.fields.flows.values(), dict(state_functions(fields))
    hardened = {f for flow in flows for f in (flow.hardened, *flow.resistances.values())}
    follows = {f for flow in flows for f in (flow.plastic, flow.ratio)}  # from the elastic strain
    for name, befores in state_functions(old.fields):
        if name in MADE_ANEW or name not in new:
            continue
        for kind, before in befores.items():
            after = new[name][kind]
            if before in follows:
                continue
            if name == "u_m":
                _displace(old, domain, before, after, layer, shift, lost)
            elif before in hardened:
                along(domain, before, after)
            elif name.split(":")[0] in CARRIED:
                with _laid(old, layer, shift, lost):
                    interpolate(before, after, OUTSIDE)
                _keep(domain, before, after, lost, layer)
            else:
                _copy(domain, before, after)
            if name == "slip":
                near = cKDTree(shift.near[:, :2]).query(places_of(after.function_space)[:, :2])[0] < 1e-9
                after.x.array.reshape(-1, domain.dimension)[near] = 0.0
    for flow in fields.flows.values():
        flow.hardened.x.array[:] = np.maximum(flow.hardened.x.array, 0.0)
    control(old.model, model)
    fields.parameters.follow_filling()


def _rows(domain: Domain, before: fem.Function, after: fem.Function, step: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(values of the old degree of freedom at each new place less its step, whether there is one)."""
    source, target = before.function_space, after.function_space
    bs, owned = source.dofmap.index_map_bs, source.dofmap.index_map.size_local
    saved, values = (gathered(domain.comm, rows[:owned]) for rows in (places_of(source), before.x.array.reshape(-1, bs)))
    places = places_of(target).copy()
    places[:, :3] -= step
    distance, rows = cKDTree(saved).query(places)
    return values[rows], distance <= NEAR * max(np.ptp(saved, axis=0).max(), 1e-30)


def _copy(domain: Domain, before: fem.Function, after: fem.Function) -> None:
    """What lives where no reference has changed."""
    values, known = _rows(domain, before, after, np.zeros(3))
    further = after.function_space.mesh is domain.submeshes["gamma"].mesh  # of its walls: nothing has happened there
    assert domain.comm.allreduce(further or bool(known.all()), MPI.LAND), "the electrolyte keeps its places"
    after.x.array.reshape(values.shape)[known] = values[known]


def _keep(domain: Domain, before: fem.Function, after: fem.Function, lost: float, layer: Layer) -> None:
    """What lives in metal outside of the layer, place by place."""
    space = after.function_space
    behind = regions_of(domain, space, layer.behind)
    values, known = _rows(domain, before, after, behind[:, None] * np.array([0.0, lost, 0.0]))
    known &= ~regions_of(domain, space, (layer.name, *layer.voids))
    size = int(np.prod(values.shape[1:]))  # of a value; -1 is unknown where a rank has none
    after.x.array.reshape(-1, size)[known] = values.reshape(-1, size)[known]


def _displace(old: Parts, domain: Domain, before: fem.Function, after: fem.Function, layer: Layer, shift: Laid, lost: float) -> None:
    """D in the layer, and the displacement less what has been lost elsewhere."""
    space, d = after.function_space, domain.dimension
    behind, inside = (regions_of(domain, space, names) for names in (layer.behind, (layer.name, *layer.voids)))
    values, _ = _rows(domain, before, after, behind[:, None] * np.array([0.0, lost, 0.0]))
    rows = after.x.array.reshape(-1, d)
    rows[:] = values - behind[:, None] * np.array([0.0, lost])
    rows[inside] = shift.at(places_of(space)[inside][:, :d])


def _spread(old: Parts, function: fem.Function) -> None:
    """Give the cells inside voids, at quadrature points, the mean of the nearest metal, which may come to lie there."""
    domain, sub = old.domain, old.domain.submeshes["metal"]
    hollow = np.array([region.hollow for region in domain.regions])[domain.region_of_cell[sub.parents]]
    dofs, vertices = function.function_space.dofmap.list, sub.mesh.geometry.dofmaps[0]
    u, corners = old.fields["u_m"], old.fields["u_m"].function_space.dofmap.list[:, : vertices.shape[1]]
    middles = (sub.mesh.geometry.x[vertices][..., :2] + u.x.array.reshape(-1, 2)[corners]).mean(axis=1)
    rows = function.x.array.reshape(-1, function.function_space.dofmap.index_map_bs)
    means, own = rows[dofs].mean(axis=1), ~hollow & (np.arange(len(hollow)) < sub.owned)
    known, values = (gathered(domain.comm, part[own]) for part in (middles, means))
    rows[dofs[hollow]] = values[cKDTree(known).query(middles[hollow])[1]][:, None] if hollow.any() else 0.0


@contextmanager
def _laid(old: Parts, layer: Layer, shift: Laid, lost: float) -> Iterator[None]:
    """The old meshes of the metal as their vertices lie in the new reference."""
    places, values = _placed(old, "u_m")
    tree, domain, kept = cKDTree(places), old.domain, []
    numbers, rest = ([n for n, region in enumerate(domain.regions) if region.name in names]
                     for names in ((layer.name, *layer.voids), layer.behind))
    for sub in dict.fromkeys(domain.submeshes.values()):
        if sub.mesh.topology.dim < domain.dimension:
            continue
        x, region = sub.mesh.geometry.x, domain.region_of_cell[sub.parents]
        kept.append((x, x.copy()))
        dofs = sub.mesh.geometry.dofmaps[0]
        inside, behind = (np.unique(dofs[np.isin(region, chosen)]) for chosen in (numbers, rest))
        start = x[inside].copy()
        now = start[:, :2] + values[tree.query(start)[1]]
        x[behind, 1] += lost
        x[inside, :2] = shift.lay(start[:, :2], now)
    try:
        yield
    finally:
        for x, before in kept:
            x[:] = before
