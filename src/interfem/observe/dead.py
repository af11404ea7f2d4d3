"""Dead lithium: metal that no electrons reach any more, or that touches no ion conductor (model section 9). All ranks take part.

The cells that carry electrons are the nodes of a graph, the faces between them its links, each of areal resistance l/sigma, to which
a face may add its own.
Metal is dead where the best path to a terminal has less than `LEAST` of areal conductance, as on an island; or where nothing of
a connected piece of metal passes charge. A cell of metal is stripped away once the face of the metal has come past its middle, by
its distance from the nearest face. Where bodies move, metal that is stripped creeps after: its face is where the other body's is,
`[u.n] = w + g`, less the gap and what a reaction has put between them. How much has been stripped or plated at a point of the face
says nothing then: metal that turns over, dissolved here and plated a nanometre away, still fills its place.
What faces have gained or lost counts with the cell behind them until that is gone: an island, from whose one side current takes
what it plates on the other, keeps its lithium.
Cells count whole, and remnants thinner than a cell not at all. Faces behind a neck that has been stripped through pass no charge
from the next step on, so that what lies there floats.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem, mesh
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components, dijkstra
from scipy.spatial import cKDTree

from ..case import Case
from ..domain import Domain
from ..fields import Fields
from ..interface.contact import LEAST as OPEN
from ..model import Model
from ..units import FARADAY

LEAST = 1.0  # S/m^2: with less, 1 mA/cm^2 would need 10 V
TOUCHING = 1e-3  # part of the face of a piece of metal that passes charge, below which it has no ionic contact


@dataclass(frozen=True)
class Graph:
    """On rank 0, over all ranks. Cells that carry electrons, links between them, faces of the metal with the cell behind each."""

    middles: np.ndarray  # (cell, dim), um
    sizes: np.ndarray  # of the cells, um
    charge: np.ndarray  # of the lithium in each cell of metal, pC; 0 elsewhere
    region: np.ndarray
    links: np.ndarray  # (link, 2)
    resistance: np.ndarray  # of each link, ohm m^2
    terminals: np.ndarray  # cells at the collector, at the counter electrode, or wired
    owner: np.ndarray  # cell behind each face
    places: np.ndarray  # (face, dim), middles of the faces
    normals: np.ndarray  # (face, dim), out of the metal
    areas: np.ndarray  # um^2
    rate: np.ndarray  # F/Omega of the faces that are plated, pC/um^3; 0 elsewhere


class DeadLithium:
    """Follows the metal of one run. `accept` after every accepted step; `charge` is what it has found, C/m^2 by region name."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model, touching: fem.Form | None):
        """`touching` integrates the contact state over each face; None if all touch."""
        self.case, self.domain, self.fields, self.model, self.touching = case, domain, fields, model, touching
        gamma = domain.submeshes["gamma"]
        self.owned = gamma.owned
        self.cells = domain.cells_of([r for r in domain.regions if r.electrons])
        self.names = [r.name for r in domain.regions]
        self.graph = self._graph()
        self.first = None  # conducting to a terminal as meshed
        self.charge: dict[str, float] = {}
        self.accept()

    # ---- once -----------------------------------------------------------------------------------------------------------

    def _graph(self) -> Graph | None:
        """Everything that stays, gathered on rank 0."""
        domain, gamma, dim = self.domain, self.domain.submeshes["gamma"], self.domain.dimension
        middles = mesh.compute_midpoints(domain.mesh, dim, self.cells)[:, :dim]
        number = domain.mesh.topology.index_map(dim).local_to_global
        region = domain.region_of_cell[self.cells]
        volume, plain = (fem.assemble_vector(self._volumes(weight)).array[self.cells] for weight in (domain.weight, 1.0))
        kelvin = self.case.temperature
        metals = {n: r.material.get("molar_volume").at(kelvin) for n, r in enumerate(domain.regions) if r.reservoir}
        per_volume = np.array([FARADAY / metals[n] if n in metals else 0.0 for n in range(len(domain.regions))])
        places = mesh.compute_midpoints(gamma.mesh, dim - 1, np.arange(self.owned, dtype=np.int32))[:, :dim]
        behind, normals = self._behind(gamma, places)
        area = fem.assemble_vector(fem.form(self._per_face() * domain.dx_gamma())).array[: self.owned]
        plated = self.model.plated_rate.x.array[: self.owned]
        rate = np.divide(1.0, plated, out=np.zeros_like(plated), where=plated > 0)
        cells = [middles, plain ** (1 / dim), volume * per_volume[region], region, number(self.cells)]
        faces = [number(behind), places, normals, area, rate]
        gathered = [domain.comm.gather(row) for row in (self._links(), self._terminals(), *cells, *faces)]
        self.counts = domain.comm.gather(self.owned)
        return self._joined([np.concatenate(rows) for rows in gathered]) if domain.comm.rank == 0 else None

    def _joined(self, gathered: list[np.ndarray]) -> Graph:
        """The graph from what all ranks have; cells are numbered anew."""
        links, terminals, middles, sizes, charge, region, ids, owner, *faces = gathered
        order = np.argsort(ids)

        def index(of: np.ndarray) -> np.ndarray:
            return order[np.searchsorted(ids[order], of)]

        links = index(np.unique(np.sort(links, axis=1), axis=0))
        kelvin, regions = self.case.temperature, self.domain.regions
        sigma = np.array([r.material.get("electronic_conductivity").at(kelvin) if r.electrons else 1.0 for r in regions])
        half = np.linalg.norm(middles[links[:, 0]] - middles[links[:, 1]], axis=1) / 2
        joined = region[links]
        resistance = half / sigma[joined[:, 0]] + half / sigma[joined[:, 1]]
        for name, pair in self.domain.resisting["electrons"].items():
            resistance[np.isin(joined, pair).all(axis=1) & (joined[:, 0] != joined[:, 1])] += self.case.interface(name).electronic_resistance
        return Graph(middles, sizes, charge, region, links, resistance, index(np.unique(terminals)), index(owner), *faces)

    def _volumes(self, weight) -> fem.Form:
        one = ufl.TestFunction(fem.functionspace(self.domain.mesh, ("DG", 0)))
        return fem.form(one * weight * ufl.dx(domain=self.domain.mesh))

    def _per_face(self):
        return ufl.TestFunction(fem.functionspace(self.domain.submeshes["gamma"].mesh, ("DG", 0)))

    def _behind(self, gamma, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(cell on the more metallic side of each face, unit normal out of it)."""
        domain, dim = self.domain, self.domain.dimension
        links = domain.mesh.topology.connectivity(dim - 1, dim)
        order = [domain.regions[domain.region_of_cell[c]].body for c in range(len(domain.region_of_cell))]
        rank = {"metal": 0, "mixed": 1, "ceramic": 2}
        behind = np.array([min(links.links(f), key=lambda c: rank[order[c]]) for f in gamma.parents[: self.owned]], np.int32)
        corners = gamma.mesh.geometry.x[gamma.mesh.geometry.dofmaps[0][: self.owned]]
        first = corners[:, 1] - corners[:, 0]
        second = corners[:, 2] - corners[:, 0] if dim == 3 else np.broadcast_to([0.0, 0.0, 1.0], first.shape)
        normals = np.cross(first, second)[:, :dim]
        normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-300)
        inside = mesh.compute_midpoints(domain.mesh, dim, behind)[:, :dim]
        return behind, normals * np.sign(((places - inside) * normals).sum(axis=1))[:, None]

    def _links(self) -> np.ndarray:
        """Global numbers of the pairs of cells that conduct electrons to each other, (pair, 2)."""
        domain, dim = self.domain, self.domain.dimension
        conducts = np.array([r.electrons for r in domain.regions])[domain.region_of_cell]
        around = domain.mesh.topology.connectivity(dim - 1, dim)
        inner = np.flatnonzero(np.diff(around.offsets) == 2)
        pairs = np.stack([around.array[around.offsets[inner] + k] for k in (0, 1)], axis=1)
        pairs = pairs[conducts[pairs].all(axis=1)].astype(np.int32)
        return domain.mesh.topology.index_map(dim).local_to_global(pairs.reshape(-1)).reshape(-1, 2)

    def _terminals(self) -> np.ndarray:
        """Global numbers of the cells that an electrode holds."""
        domain, dim = self.domain, self.domain.dimension
        around = domain.mesh.topology.connectivity(dim - 1, dim)
        held = {int(c) for name in ("collector", "counter") if name in domain.boundaries
                for f in domain.facet_tags.find(domain.boundaries[name]) for c in around.links(f)}
        found = [c for c in self.cells if c in held or domain.regions[domain.region_of_cell[c]].wired]
        return domain.mesh.topology.index_map(dim).local_to_global(np.array(found, np.int32))

    # ---- every step -----------------------------------------------------------------------------------------------------

    def accept(self) -> None:
        """Look at the accepted state."""
        comm = self.domain.comm
        passing = fem.assemble_vector(self.touching).array[: self.owned] if self.touching is not None else None
        w = _means(self.fields.growth)[: self.owned]
        rows = [w, ~self.domain.blocked[: self.owned], -w if self.case.mechanics is None else self._between()]
        rows = [comm.gather(row) for row in rows]
        passing = comm.gather(passing)
        living, charge = None, None
        if comm.rank == 0:
            w, open_, receded = (np.concatenate(row) for row in rows)
            touching = np.concatenate(passing) if self.touching is not None else self.graph.areas
            living, charge = self._judge(w, touching * open_, receded)
            living = np.split(living, np.cumsum(self.counts)[:-1])
        self.fields.living.x.array[: self.owned] = np.where(comm.scatter(living), 1.0, OPEN)
        self.fields.living.x.scatter_forward()
        self.charge = comm.bcast(charge)

    def _between(self) -> np.ndarray:
        """What lies between the bodies at each face, um: the gap, and what the reaction has put there."""
        fields, found = self.fields, np.zeros(self.owned)
        if "gap" in fields:
            found += _means(fields["gap"])[: self.owned]
        if "sei" in fields:
            share = self.model.interface["sei_share"].x.array[: self.owned]
            found += share * (_means(fields["sei"])[: self.owned] - self.case.sei.initial_thickness)
        return found

    def _judge(self, w, touching, receded) -> tuple[np.ndarray, dict[str, float]]:
        """Rank 0: (faces that pass charge, dead charge by region in C/m^2). `receded`: of the metal from each face, um."""
        g = self.graph
        metal = np.flatnonzero(g.charge > 0)
        kept, left = np.ones(len(g.middles), bool), np.full(len(g.middles), np.inf)
        faces = np.flatnonzero(g.rate > 0)
        if len(faces) and len(metal):
            near = faces[cKDTree(g.places[faces]).query(g.middles[metal])[1]]
            apart = ((g.places[near] - g.middles[metal]) * g.normals[near]).sum(axis=1)
            left[metal] = apart - receded[near]
            kept[metal] = (left[metal] > 0) | (receded[near] <= 0)
        reached = self._reached(kept)
        if self.first is None:
            self.first = self._reached(np.ones_like(kept))
        pieces = self._pieces(kept)
        bodies = np.zeros(pieces.max() + 1, bool)
        bodies[pieces[kept & (left > g.sizes)]] = True  # others are ragged remnants of cells beside the face
        reached |= ~bodies[pieces]
        dead = kept & (g.charge > 0) & ~(reached & (self._touched(kept, touching, pieces) | ~bodies[pieces]))
        beside = self._beside(kept, metal)
        cut = kept & self.first & ~reached  # conducted once, and no longer
        living = np.ones(len(g.owner), bool)
        living[faces] = ~cut[beside[faces]]
        charge: dict[str, float] = {}
        gained = np.where(kept[g.owner], w, np.maximum(w, 0.0))  # what is stripped comes off a cell until it counts as gone
        on_faces = np.where(dead[beside], gained * g.rate * g.areas, 0.0)
        for n, name in enumerate(self.names):
            total = g.charge[dead & (g.region == n)].sum() + on_faces[g.region[g.owner] == n].sum()
            if total > 0:
                charge[name] = float(total / self.model.area)
        return living, charge

    def _beside(self, kept: np.ndarray, metal: np.ndarray) -> np.ndarray:
        """Cell that each face belongs to: the one behind it, or the nearest of the same region that is still there."""
        g, found = self.graph, self.graph.owner.copy()
        gone = np.flatnonzero(~kept[found])
        left = metal[kept[metal]]
        if len(gone) and len(left):
            found[gone] = left[cKDTree(g.middles[left]).query(g.places[gone])[1]]
        return found

    def _reached(self, kept: np.ndarray) -> np.ndarray:
        """Cells with a path of enough conductance to a terminal."""
        g, count = self.graph, len(self.graph.middles)
        through = kept[g.links].all(axis=1)
        starts = g.terminals[kept[g.terminals]]
        if not len(starts):
            return np.zeros(count, bool)
        network = coo_matrix((g.resistance[through], g.links[through].T), shape=(count, count)).tocsr()
        return dijkstra(network, directed=False, indices=starts, min_only=True, limit=1 / LEAST) < 1 / LEAST

    def _pieces(self, kept: np.ndarray) -> np.ndarray:
        """Number of the connected piece of electron conductor to which each cell belongs."""
        g, count = self.graph, len(self.graph.middles)
        through = kept[g.links].all(axis=1)
        network = coo_matrix((np.ones(through.sum()), g.links[through].T), shape=(count, count))
        return connected_components(network, directed=False)[1]

    def _touched(self, kept: np.ndarray, touching: np.ndarray, pieces: np.ndarray) -> np.ndarray:
        """Cells in a piece of electron conductor of which some face passes charge."""
        g = self.graph
        beside = pieces[self._beside(kept, np.flatnonzero(g.charge > 0))]
        area, passing = (np.bincount(beside, weights=values, minlength=pieces.max() + 1) for values in (g.areas, touching))
        return (passing > TOUCHING * area)[pieces]


def _means(function: fem.Function) -> np.ndarray:
    """Mean over the degrees of freedom of each cell."""
    return function.x.array[function.function_space.dofmap.list].mean(axis=1)
