"""Mesh file -> `Domain`: named regions, interfaces and boundaries, submeshes of the carriers, and the measures.

Two habits hold here and nowhere else: the side order of an interface ("+" is the more metallic side, so that the
facet normal n("+") points from the metal into the ion conductor), and the quadrature degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import ufl
from mpi4py import MPI

from . import mpi  # noqa: F401  (before dolfinx)
from dolfinx import fem, la, mesh

from . import forms  # noqa: F401  (how they are compiled)
from .case import Case
from .curvature import curvature
from .cuts import CutSpace
from .kinks import BrokenSpace, Kinks, find_kinks
from .pieces import read_mesh
from .regions import ORDER, Kinetics, Region, head, interface_name, is_transfer, kinetics

# Integration labels, the same in every case, so that compiled forms are shared between cases.
IONS, ELECTRONS, EVERYWHERE, SALT = 1, 2, 3, 4
ELASTIC = {"metal": 5, "mixed": 6, "ceramic": 7}  # cells of a body that do not flow
ROOFED, BURIED = 8, 9  # cells inside voids at an electrolyte, and inside pores in metal
BLOCKED = 1
BONDED = {("metal", "ceramic"): 2, ("metal", "mixed"): 3, ("mixed", "ceramic"): 4}  # facets between two bodies
ROOF, WALL = {"ceramic": 5, "mixed": 8}, 6  # facets between what is inside a void and the body that is its roof, or the metal; the void is the "+" side
MOUTHS = 7  # facets of metal that is pressed into slots: by themselves, since forms take a rule by vertices beside no other one
GROUP = 10  # label of group g is GROUP + g among cells, GROUP * (g + 1) + law among facets
LAWS = {"butler_volmer": 0, "linear": 1}
RESISTING = {"ions": 100000, "electrons": 200000}  # label of the first face with an areal resistance to each carrier; the next one adds 1
PART = 10000  # added once to the label of a boundary for its part on the metal, twice for that on the mixed conductor, ...


class DomainError(Exception):
    """The mesh does not fit the case."""


@dataclass(frozen=True)
class Group:
    """Regions of one material and law: they share a constitutive law, a pressure and a stored-Li field."""

    number: int
    name: str
    regions: tuple[Region, ...]

    @property
    def head(self) -> Region:
        return self.regions[0]


@dataclass(frozen=True, eq=False)
class Submesh:
    """Cells (or facets) of the parent mesh as a mesh of their own. `parents[k]` is the parent entity of cell k."""

    mesh: mesh.Mesh
    cells: mesh.EntityMap
    vertices: mesh.EntityMap
    parents: np.ndarray
    facet_tags: mesh.MeshTags | None = None

    @property
    def owned(self) -> int:
        topology = self.mesh.topology
        return topology.index_map(topology.dim).size_local


class Weighted:
    """Measure with the weight of the geometry (2 pi r if axisymmetric): `f * Weighted` is a form."""

    def __init__(self, measure: ufl.Measure, weight):
        self.measure, self.weight = measure, weight

    def __rmul__(self, integrand):
        return (integrand * self.weight) * self.measure


@dataclass
class Domain:
    """Everything about the geometry that the equations need. Build it by `read_domain`."""

    mesh: mesh.Mesh
    kind: str
    regions: tuple[Region, ...]
    region_of_cell: np.ndarray  # index into regions, ghosts included
    facet_tags: mesh.MeshTags
    boundaries: dict[str, int]  # name -> facet tag
    groups: tuple[Group, ...]
    # "ions", "electrons", "salt", bodies, "solid metal" if voids are meshed, "gamma", and "<group>" for groups with own fields
    submeshes: dict[str, Submesh]
    interfaces: tuple[str, ...]  # names of the interfaces in gamma
    interface_of_gamma: np.ndarray  # index into interfaces, one per cell of gamma
    blocked: np.ndarray  # True where a cell of gamma passes no charge
    kinetics: dict[str, Kinetics]  # of the charge-transfer interfaces present
    resisting: dict[str, dict[str, tuple[int, int]]]  # carrier -> name of the interface that resists it -> numbers of its regions

    @property
    def comm(self) -> MPI.Comm:
        return self.mesh.comm

    @property
    def dimension(self) -> int:
        return self.mesh.topology.dim

    @cached_property
    def roofs(self) -> tuple[str, ...]:
        """Interfaces of what is inside voids."""
        hollow = {r.name for r in self.regions if r.hollow}
        return tuple(name for name in self.interfaces if hollow & set(name.split("|")))

    def on(self, names) -> np.ndarray:
        """True for the cells of the interface mesh that lie on one of the named interfaces."""
        return np.isin(self.interface_of_gamma, [self.interfaces.index(name) for name in names])

    @cached_property
    def entity_maps(self) -> list:
        return [sub.cells for sub in dict.fromkeys(self.submeshes.values())]

    @cached_property
    def x(self):
        return ufl.SpatialCoordinate(self.mesh)

    @cached_property
    def weight(self):
        """1, or 2 pi r in axisymmetric geometry: integrals are then over the full turn."""
        return 2 * np.pi * self.x[0] if self.kind == "axisymmetric" else 1.0

    @cached_property
    def degree(self) -> int:
        """Quadrature degree in the volume: exact for degree-2 displacements; more for 1/r of the hoop strain and for gradings."""
        return (4 if self.kind == "axisymmetric" else 2) + (2 if any(r.grading for r in self.regions) else 0)

    @cached_property
    def _volumes(self) -> ufl.Measure:
        regions, cells = self.regions, self.cells_of
        labels = [(IONS, cells([r for r in regions if r.ions])), (ELECTRONS, cells([r for r in regions if r.electrons])),
                  (EVERYWHERE, cells(regions)), (SALT, cells([r for r in regions if r.binary]))]
        labels += [(label, cells([r for r in regions if r.body == body and not r.flows and not r.hollow])) for body, label in ELASTIC.items()]
        roofed = {name for roof in self.roofs for name in roof.split("|")}
        labels += [(ROOFED, cells([r for r in regions if r.hollow and r.name in roofed])),
                   (BURIED, cells([r for r in regions if r.hollow and r.name not in roofed]))]
        labels += [(GROUP + g.number, cells(g.regions)) for g in self.groups]
        return ufl.Measure("dx", domain=self.mesh, subdomain_data=labels, metadata={"quadrature_degree": self.degree})

    @cached_property
    def _boundaries(self) -> ufl.Measure:
        return ufl.Measure("ds", domain=self.mesh, subdomain_data=_outer(self), metadata={"quadrature_degree": 5})

    @cached_property
    def _facets(self) -> ufl.Measure:
        return ufl.Measure("dS", domain=self.mesh, subdomain_data=_oriented(self) + _resisting_rows(self),
                           metadata={"quadrature_degree": 6 if self.kind == "axisymmetric" else 5})

    @cached_property
    def transfer_labels(self) -> dict[int, tuple[Group, str]]:
        """Facet label -> (group of the metal side, kinetic law) of the charge-transfer interfaces present."""
        group_of = {r.name: g for g in self.groups for r in g.regions}
        pairs = {(group_of[law.metal].number, law.law) for law in self.kinetics.values()}
        return {transfer_label(number, law): (self.groups[number], law) for number, law in sorted(pairs)}

    def dx(self, label: int) -> Weighted:
        return Weighted(self._volumes(label), self.weight)

    def dx_hollow(self, *labels: int) -> Weighted:
        """Inside voids and pores, at so many points that no element is turned over between them."""
        return Weighted(self._volumes(labels or (ROOFED, BURIED), metadata={"quadrature_degree": 6}), self.weight)

    def dx_store(self, group: Group) -> Weighted:
        """Where lithium is stored. The places of a mixed conductor need not exchange any among themselves: it is integrated by its
        vertices, so that no place is filled beyond its limits (not so around an axis, where vertices have no weight).
        """
        label = GROUP + group.number
        if group.head.body != "mixed" or self.kind == "axisymmetric":
            return self.dx(label)
        return Weighted(self._volumes(label, metadata={"quadrature_rule": "vertex", "quadrature_degree": 1}), self.weight)

    def dS(self, *labels: int) -> Weighted:
        weight = self.weight("+") if self.kind == "axisymmetric" else 1.0
        return Weighted(self._facets(labels), weight)

    def dS_vertices(self, *labels: int) -> ufl.Measure:
        """By the vertices, without the weight of the geometry: what holds vertex by vertex."""
        return self._facets(labels, metadata={"quadrature_rule": "vertex", "quadrature_degree": 1})

    def dS_between(self, names: tuple[str, ...]) -> Weighted:
        """Over the named interfaces."""
        measure = ufl.Measure("dS", domain=self.mesh, subdomain_data=[(1, _rows(self, self.on(names)))], metadata={"quadrature_degree": 5})
        return Weighted(measure(1), self.weight("+") if self.kind == "axisymmetric" else 1.0)

    def ds(self, boundary: str, body: str | None = None) -> Weighted:
        """Over a boundary, or the part of it that belongs to one body."""
        part = 0 if body is None else PART * (1 + list(ELASTIC).index(body))
        return Weighted(self._boundaries(part + self.boundaries[boundary]), self.weight)

    def dx_gamma(self, names: tuple[str, ...] | None = None) -> Weighted:
        """Measure on the interface mesh itself, over the named interfaces (all if None)."""
        sub = self.submeshes["gamma"]
        chosen = range(len(self.interfaces)) if names is None else [self.interfaces.index(n) for n in names]
        owned = self.interface_of_gamma[: sub.owned]
        cells = np.flatnonzero(np.isin(owned, list(chosen))).astype(np.int32)
        r = ufl.SpatialCoordinate(sub.mesh)[0]
        measure = ufl.Measure("dx", domain=sub.mesh, subdomain_data=[(1, cells)], metadata={"quadrature_degree": 6})
        return Weighted(measure(1), 2 * np.pi * r if self.kind == "axisymmetric" else 1.0)

    @cached_property
    def kinks(self) -> Kinks | None:
        """Where the normal of the interfaces jumps; not sought in a box."""
        return find_kinks(self.submeshes["gamma"].mesh, self._normals()) if self.dimension == 2 else None

    @cached_property
    def curvature(self) -> fem.Function:
        """Sum of the principal curvatures on the interface mesh, 1/um, positive where the more metallic side bulges."""
        return curvature(self.submeshes["gamma"].mesh, self._normals(), self.kind == "axisymmetric")

    def _normals(self) -> np.ndarray:
        """Unit normals (cell, d) of the cells of the interface mesh, ghosts included, out of the more metallic side."""
        size, gamma = self.dimension, self.submeshes["gamma"].mesh
        mean = fem.Function(fem.functionspace(gamma, ("DG", 0, (size,))))
        form = ufl.inner(self.normal(), ufl.TestFunction(mean.function_space)("+")) * self.dS_between(self.interfaces).measure
        fem.assemble_vector(mean.x.array, fem.form(form, entity_maps=self.entity_maps))
        mean.x.scatter_reverse(la.InsertMode.add)
        mean.x.scatter_forward()
        rows = mean.x.array.reshape(-1, size)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def broken_space(self, shape: tuple[int, ...] = ()) -> fem.FunctionSpace:
        """Degree 1 on the interface mesh, continuous but at kinks."""
        gamma = self.submeshes["gamma"].mesh
        if self.kinks is None:
            return fem.functionspace(gamma, ("Lagrange", 1, shape) if shape else ("Lagrange", 1))
        return BrokenSpace(gamma, self.kinks, shape)

    def potential_space(self, carrier: str, degree: int) -> fem.FunctionSpace:
        """For the potential of "ions" or "electrons", on their submesh: continuous but where an areal resistance is."""
        return self.lagrange(carrier, degree, (), tuple(self.resisting[carrier].values()))

    def lagrange(self, sub: str, degree: int, shape: tuple[int, ...] = (), cut: tuple[tuple[int, int], ...] = ()) -> fem.FunctionSpace:
        """On a submesh, cut between pairs of regions by their numbers."""
        submesh = self.submeshes[sub]
        if not cut:
            return fem.functionspace(submesh.mesh, ("Lagrange", degree, shape) if shape else ("Lagrange", degree))
        return CutSpace(submesh.mesh, degree, shape, self.region_of_cell[submesh.parents], cut)

    def normal(self):
        """Unit normal on an interface, from the more metallic side ("+") into the other."""
        return ufl.FacetNormal(self.mesh)("+")

    def cells_of(self, regions, sub: str | None = None) -> np.ndarray:
        """Owned cells of the given regions, in parent numbering or in that of a submesh."""
        wanted = [n for n, r in enumerate(self.regions) if r in regions]
        if sub is None:
            owned = self.mesh.topology.index_map(self.dimension).size_local
            return np.flatnonzero(np.isin(self.region_of_cell[:owned], wanted)).astype(np.int32)
        submesh = self.submeshes[sub]
        return np.flatnonzero(np.isin(self.region_of_cell[submesh.parents[: submesh.owned]], wanted)).astype(np.int32)

    def layer_order(self) -> list[int]:
        """Place of each region in the stack, -1 for filled features."""
        return [-1 if r.layer is None else r.layer for r in self.regions]

    def facets_between(self, region: int, others: list[int]) -> np.ndarray:
        """Owned facets between a region and any of others, by their numbers."""
        facets, first, second = _inner_facets(self.mesh, self.region_of_cell)
        meets = ((first == region) & np.isin(second, others)) | ((second == region) & np.isin(first, others))
        owned = self.mesh.topology.index_map(self.dimension - 1).size_local
        return facets[meets & (facets < owned)].astype(np.int32)

    def boundary_area(self, *names: str) -> float:
        """Area (2D: length times 1 um) of boundaries, over all ranks."""
        total = 0.0
        for name in names:
            if name in self.boundaries:
                total += self.integral(1.0 * self.ds(name))
        return total

    @cached_property
    def volumes(self) -> dict[str, float]:
        """Volume of each region at first (2D: area times 1 um; about an axis the full turn), um^3, over all ranks."""
        one = ufl.TestFunction(fem.functionspace(self.mesh, ("DG", 0)))
        owned = self.mesh.topology.index_map(self.dimension).size_local
        cells = fem.assemble_vector(fem.form(one * self.weight * ufl.dx(domain=self.mesh))).array[:owned]
        local = np.bincount(self.region_of_cell[:owned], cells, len(self.regions))
        return dict(zip((region.name for region in self.regions), self.comm.allreduce(local, MPI.SUM).tolist()))

    def integral(self, form) -> float:
        """Value of a scalar form, summed over all ranks."""
        compiled = fem.form(form, entity_maps=self.entity_maps)
        return self.comm.allreduce(fem.assemble_scalar(compiled), MPI.SUM)

    def plane(self, boundary: str) -> tuple[int, float]:
        """Axis to which a flat boundary is normal, and where it cuts it (um). DomainError if it is curved or oblique."""
        facets = self.facet_tags.find(self.boundaries[boundary])
        low, high = np.full(3, np.inf), np.full(3, -np.inf)
        if len(facets):
            nodes = mesh.entities_to_geometry(self.mesh, self.dimension - 1, facets)
            points = self.mesh.geometry.x[nodes.reshape(-1)]
            low, high = points.min(axis=0), points.max(axis=0)
        self.comm.Allreduce(MPI.IN_PLACE, low, MPI.MIN)
        self.comm.Allreduce(MPI.IN_PLACE, high, MPI.MAX)
        spread = (high - low)[: self.dimension]
        axis = int(np.argmin(spread))
        if spread[axis] > 1e-9 * spread.max():
            raise DomainError(f'mechanics.boundaries."{boundary}": a roller needs a flat boundary along an axis; '
                              f'use "free", "clamped" or a pressure')
        return axis, low[axis]


def read_domain(path: Path, comm: MPI.Comm, case: Case) -> Domain:
    """Read a mesh file with named groups, in parallel, and name everything that the case names."""
    dimension, data = case.geometry.dimension, read_mesh(path, comm, case.geometry.dimension)
    parent, groups = data.mesh, data.groups
    for d in range(dimension):
        parent.topology.create_connectivity(d, dimension)
    parent.topology.create_connectivity(dimension, dimension - 1)
    parent.topology.create_connectivity(dimension, dimension)
    regions = _present_regions(case, groups, dimension)
    region_of_cell = _region_of_cell(parent, data.cell_tags, groups, regions)
    boundaries = {name: tag for name, (dim, tag) in groups.items() if dim == dimension - 1}
    facets, interface_of_facet, names, found = _interfaces(parent, region_of_cell, regions, case)
    blocked_tags = [tag for name, (_, tag) in groups.items() if name.endswith(":patch")]
    blocked_facets = np.concatenate([data.facet_tags.find(t) for t in blocked_tags] or [np.empty(0, np.int32)])
    for name in [n for n in boundaries if n in names or n.endswith(":patch")]:
        boundaries.pop(name)
    submeshes = _submeshes(parent, region_of_cell, regions, facets, data.facet_tags, _groups(regions), comm)
    gamma_interface, gamma_blocked = np.empty(0, np.int32), np.empty(0, bool)
    if "gamma" in submeshes:
        lookup = np.full(len(interface_of_facet), -1, np.int32)
        lookup[:] = interface_of_facet
        gamma_interface = lookup[submeshes["gamma"].parents]
        is_blocked = np.isin(submeshes["gamma"].parents, blocked_facets)
        gamma_blocked = is_blocked | ~np.array([n in found for n in names], bool)[gamma_interface]
    return Domain(parent, case.geometry.kind, regions, region_of_cell, data.facet_tags, boundaries, _groups(regions), submeshes,
                  tuple(names), gamma_interface, gamma_blocked, found, _resisting(parent, region_of_cell, regions, case))


def _present_regions(case: Case, groups: dict, dimension: int) -> tuple[Region, ...]:
    present = {name for name, (dim, _) in groups.items() if dim == dimension}
    missing = [r.name for r in case.regions if r.name not in present]
    if missing:
        raise DomainError(f"the mesh has no cells of region {missing[0]!r}; it has {sorted(present)}; correct geometry.regions")
    unknown = present - {r.name for r in case.regions}
    if unknown:
        raise DomainError(f"the mesh has cells named {sorted(unknown)[0]!r}, which is no layer or filled feature of the case")
    return case.regions


def _groups(regions: tuple[Region, ...]) -> tuple[Group, ...]:
    found: dict[tuple[str, str], list[Region]] = {}
    for region in regions:
        found.setdefault((region.material.name, region.law), []).append(region)
    return tuple(Group(n, f"{material}_{law}", tuple(members)) for n, ((material, law), members) in enumerate(found.items()))


def _region_of_cell(parent, cell_tags, groups, regions) -> np.ndarray:
    number = np.full(max([0, *(tag for _, tag in groups.values())]) + 1, -1, np.int32)
    number[[groups[r.name][1] for r in regions]] = range(len(regions))
    result = number[cell_tags]
    if parent.comm.allreduce(bool((result < 0).any()), MPI.LOR):
        raise DomainError("the mesh has cells that belong to no named group; name all of them in geometry.regions")
    return result


def _inner_facets(parent, region_of_cell) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(facets with two cells, region of the one, region of the other)."""
    fdim = parent.topology.dim - 1
    links = parent.topology.connectivity(fdim, parent.topology.dim)
    inner = np.flatnonzero(np.diff(links.offsets) == 2)
    first, second = (region_of_cell[links.array[links.offsets[inner] + k]] for k in (0, 1))
    return inner, first, second


def _interfaces(parent, region_of_cell, regions, case):
    """Facets between two bodies: (facets, interface index per facet, names, kinetics by name)."""
    facet_map = parent.topology.index_map(parent.topology.dim - 1)
    count = facet_map.size_local + facet_map.num_ghosts
    inner, first, second = _inner_facets(parent, region_of_cell)
    rank = _ranks(regions)
    meets = rank[first] != rank[second]
    inner, first, second = inner[meets], first[meets], second[meets]
    swap = rank[first] > rank[second]
    plus, minus = np.where(swap, second, first), np.where(swap, first, second)
    local_pairs = set(zip(plus.tolist(), minus.tolist()))
    pairs = sorted(set().union(*parent.comm.allgather(local_pairs)))
    names = [interface_name(regions[m].name, regions[c].name, case) for m, c in pairs]
    found = {name: kinetics(case, regions[m], regions[c]) for name, (m, c) in zip(names, pairs)
             if is_transfer(case, regions[m], regions[c])}
    of_facet = np.full(count, -1, np.int32)
    for n, (m, c) in enumerate(pairs):
        of_facet[inner[(plus == m) & (minus == c)]] = n
    return inner.astype(np.int32), of_facet, names, found


def _resisting(parent, region_of_cell, regions, case) -> dict[str, dict[str, tuple[int, int]]]:
    """Pairs of regions that meet at a face with an areal resistance to what both conduct."""
    _, first, second = _inner_facets(parent, region_of_cell)
    local = set(zip(np.minimum(first, second).tolist(), np.maximum(first, second).tolist()))
    pairs = sorted(pair for pair in set().union(*parent.comm.allgather(local)) if pair[0] != pair[1])
    found = {carrier: {} for carrier in RESISTING}
    for a, b in pairs:
        name = interface_name(regions[a].name, regions[b].name, case)
        for carrier in found:
            if case.interface(name).resistance_to(carrier) and getattr(regions[a], carrier) and getattr(regions[b], carrier):
                found[carrier][name] = (a, b)
    return found


def _ranks(regions) -> np.ndarray:
    """Place of each region's body in the order of sides; "+" is the lower one."""
    return np.array([ORDER.index(r.body) for r in regions])


def _submeshes(parent, region_of_cell, regions, facets, facet_tags, groups, comm) -> dict[str, Submesh]:
    dimension = parent.topology.dim

    def cells_where(test) -> np.ndarray:
        wanted = [n for n, r in enumerate(regions) if test(r)]
        return np.flatnonzero(np.isin(region_of_cell, wanted)).astype(np.int32)

    found: dict[str, Submesh] = {}
    for name, test in {"ions": lambda r: r.ions, "electrons": lambda r: r.electrons, "salt": lambda r: r.binary}.items():
        if any(test(r) for r in regions):
            found[name] = _submesh(parent, dimension, cells_where(test), facet_tags)
    for body in ORDER:
        members = [r for r in regions if r.body == body]
        carriers = {"electrons": [r for r in regions if r.electrons], "ions": [r for r in regions if r.ions]}
        same = next((name for name, carrying in carriers.items() if members == carrying), None)
        if members:
            found[body] = found[same] if same else _submesh(parent, dimension, cells_where(lambda r: r.body == body), facet_tags)
    if any(r.hollow for r in regions):
        found["solid metal"] = _submesh(parent, dimension, cells_where(lambda r: r.body == "metal" and not r.hollow), facet_tags)
    for group in groups:
        if group.head.flows:
            found[group.name] = _submesh(parent, dimension, cells_where(lambda r: r in group.regions), facet_tags)
    if comm.allreduce(len(facets), MPI.SUM):
        found["gamma"] = _submesh(parent, dimension - 1, facets, None)
    return found


def _submesh(parent, dim: int, entities: np.ndarray, facet_tags) -> Submesh:
    sub, cells, vertices, _ = mesh.create_submesh(parent, dim, entities)
    index_map = sub.topology.index_map(dim)
    parents = cells.sub_topology_to_topology(np.arange(index_map.size_local + index_map.num_ghosts, dtype=np.int32), False)
    tags = None
    if facet_tags is not None:
        tags = mesh.transfer_meshtags_to_submesh(facet_tags, sub, vertices, cells)
        sub.topology.create_connectivity(dim - 1, dim)
    return Submesh(sub, cells, vertices, np.asarray(parents), tags)


def _rows(domain: Domain, selected: np.ndarray) -> np.ndarray:
    """Integration entities of the selected cells of the interface mesh; the more metallic side comes first."""
    rank = _ranks(domain.regions)
    facets = np.sort(domain.submeshes["gamma"].parents[selected]).astype(np.int32)
    rows = fem.compute_integration_domains(fem.IntegralType.interior_facet, domain.mesh.topology, facets).reshape(-1, 4)
    swap = rank[domain.region_of_cell[rows[:, 0]]] > rank[domain.region_of_cell[rows[:, 2]]]
    rows[swap] = rows[swap][:, [2, 3, 0, 1]]
    assert (rank[domain.region_of_cell[rows[:, 0]]] < rank[domain.region_of_cell[rows[:, 2]]]).all()
    return rows.reshape(-1)


def _oriented(domain: Domain) -> list[tuple[int, np.ndarray]]:
    """Integration entities (cell, facet, cell, facet) with the more metallic side first, by label; the side is asserted."""
    if "gamma" not in domain.submeshes:
        return []
    bodies, roofs = {r.name: r.body for r in domain.regions}, domain.roofs
    labels = [(BLOCKED, _rows(domain, domain.blocked)), (WALL, _walls(domain))]
    labels += [(label, _rows(domain, domain.on([n for n in roofs if body in {bodies[r] for r in n.split("|")}]))) for body, label in ROOF.items()]
    for pair, label in BONDED.items():
        names = [n for n in domain.interfaces if {bodies[r] for r in n.split("|")} == set(pair) and n not in roofs]
        labels.append((label, _rows(domain, domain.on(names))))
    pressed = any(head(region.name) in domain.boundaries for region in domain.regions)
    beside = [n for n in domain.interfaces if n not in roofs and {bodies[r] for r in n.split("|")} == {"metal", "ceramic"}]
    labels.append((MOUTHS, _rows(domain, domain.on(beside if pressed else []))))
    for label, (group, law) in domain.transfer_labels.items():
        names = [n for n, k in domain.kinetics.items() if k.law == law and any(r.name == k.metal for r in group.regions)]
        labels.append((label, _rows(domain, domain.on(names) & ~domain.blocked)))
    return labels


def _resisting_rows(domain: Domain) -> list[tuple[int, np.ndarray]]:
    """Integration entities of the faces with an areal resistance, by label; what jumps there counts alike from either side."""
    labels = []
    for carrier, pairs in domain.resisting.items():
        for n, (a, b) in enumerate(pairs.values()):
            facets = np.sort(domain.facets_between(a, [b]))
            labels.append((RESISTING[carrier] + n, fem.compute_integration_domains(fem.IntegralType.interior_facet, domain.mesh.topology, facets)))
    return labels


def _outer(domain: Domain) -> list[tuple[int, np.ndarray]]:
    """Integration entities (cell, facet) of each boundary and of its part on each body, by label."""
    labels, body = [], np.array([list(ELASTIC).index(r.body) for r in domain.regions])
    for tag in dict.fromkeys(domain.boundaries.values()):
        rows = fem.compute_integration_domains(fem.IntegralType.exterior_facet, domain.mesh.topology, domain.facet_tags.find(tag)).reshape(-1, 2)
        labels.append((tag, rows.reshape(-1)))
        labels += [(PART * (1 + k) + tag, rows[body[domain.region_of_cell[rows[:, 0]]] == k].reshape(-1)) for k in range(len(ELASTIC))]
    return labels


def _walls(domain: Domain) -> np.ndarray:
    """The same for the walls of voids that have a roof, the void's side first."""
    roofed = {name for roof in domain.roofs for name in roof.split("|")}
    metal = [n for n, r in enumerate(domain.regions) if r.body == "metal" and not r.hollow]
    found = [domain.facets_between(n, metal) for n, r in enumerate(domain.regions) if r.hollow and r.name in roofed]
    facets = np.sort(np.concatenate([np.empty(0, np.int32), *found])).astype(np.int32)
    rows = fem.compute_integration_domains(fem.IntegralType.interior_facet, domain.mesh.topology, facets).reshape(-1, 4)
    swap = np.isin(domain.region_of_cell[rows[:, 0]], metal)
    rows[swap] = rows[swap][:, [2, 3, 0, 1]]
    return rows.reshape(-1)


def transfer_label(group: int, law: str) -> int:
    """Facet label of a charge-transfer law on the metal of a group."""
    return GROUP * (group + 1) + LAWS[law]
