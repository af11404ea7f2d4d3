"""Metal that is as good as equipotential: then its potential need not be solved for.

A current density of at most i_max enters a layer of thickness t through its interface, where voids and patches of that interface may
take parts of it, and leaves at the flat collector. `psi = i_max z/sigma`, z from the collector, satisfies Laplace's equation, is zero at
the collector, has no flux through the sides, i_max through the interface and a flux of the same sign into the walls of those voids, so
that it bounds the potential (maximum principle): the metal's potential varies by less than `i_max t/sigma`. Layers add up.
"""

from __future__ import annotations

import math

import numpy as np
import ufl
from dolfinx import fem
from mpi4py import MPI

from .case import Case
from .domain import Domain
from .fields import Fields
from .forms import compile_forms
from .model import Model, transfer_overpotential
from .regions import cut_layer

EQUIPOTENTIAL = 1e-6  # drop in the metal over the mean overpotential of the interfaces
LEAST_DROP = 1e-15  # V: below it there is nothing but rounding, at rest too


class Metal:
    """The condition that holds the metal at its collectors' potential, and the judge of whether it may."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.domain, self.fields, self.model = domain, fields, model
        self.layers = [[r for r in domain.regions if r.electrons and r.side == side] for side in ("anode", "counter")]
        space = fields["phi_m"].function_space
        count = space.dofmap.index_map.size_local + space.dofmap.index_map.num_ghosts
        self.condition = fem.dirichletbc(0.0, np.arange(count, dtype=np.int32), space)
        self._thickness = {layer.name: layer.thickness for layer in case.layers}
        data, i = {key: f("+") for key, f in model.interface.items()}, fields["i"]("+")
        size = ufl.algebra.Abs(i)
        gross, work = [], []
        for label in domain.transfer_labels:
            dS = domain.dS(label)
            gross.append(size * dS)
            work.append(size * ufl.algebra.Abs(transfer_overpotential(domain, fields, model.controls, data, label)) * dS)
        self._gross, self._work = compile_forms([sum(terms[1:], terms[0]) for terms in (gross, work)], domain.entity_maps)

    def drop(self) -> float:
        """Largest drop in the metal over the mean overpotential of the interfaces, weighted by current; a bound. At the present state."""
        kelvin, comm = self.model.parameters.temperature, self.domain.comm
        resistance = max(sum(self._thickness[r.name] / r.material.get("electronic_conductivity").at(kelvin) for r in layers)
                         for layers in self.layers)  # V um^2/pA
        i = self.fields["i"].x.array
        largest = comm.allreduce(float(np.abs(i).max()) if i.size else 0.0, MPI.MAX)
        gross, work = (comm.allreduce(fem.assemble_scalar(form), MPI.SUM) for form in (self._gross, self._work))
        if largest * resistance <= LEAST_DROP:
            return 0.0
        return largest * resistance * gross / work if work > 0 else math.inf


def layers_alone(case: Case, domain: Domain) -> bool:
    """Whether the bound holds for this cell: electrons flow in flat layers of metal that reach a collector, and nowhere else."""
    if case.geometry.file is not None or domain.resisting["electrons"] or any(feature.kind == "roughness" for feature in case.features):
        return False
    conductors = [r for r in domain.regions if r.electrons]
    plain = all(r.layer is not None and r.body == "metal" and r.side in ("anode", "counter") and not r.grading for r in conductors)
    names = {r.name for r in conductors}
    cut = {cut_layer(f, case) for f in case.features if f.kind in ("flaw", "pore", "pores")}
    return plain and not names & cut
