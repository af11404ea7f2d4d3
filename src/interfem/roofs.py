"""Roofs of voids in finite strain: the electrolyte over a void whose inside is meshed. What one step hands to the next."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from dolfinx import fem, la

from .case import Case
from .domain import Domain
from .regions import direction


@dataclass
class Roofs:
    """State of the roofs at the last accepted step; on the interface mesh, where nothing else is said. See observe.voids."""

    covered: fem.Function  # contact state by cell, 1 beside the roofs
    borne: fem.Function  # pressure of the metal that touches a roof, by cell, MPa
    stiffness: fem.Function  # against the metal that touches a roof, by cell, MPa/um
    raised: fem.Function  # plated thickness at the vertices, um
    rising: fem.Function  # its rate, um/s
    over: fem.Function  # 1 at the vertices that lie on roofs alone, else 0
    wall: fem.Function  # in the space of u_m, at nodes of walls: stiffness (MPa/um) in the first place, height of the roof in the last, um
    lifting: fem.Function  # likewise, in the last place: rate of that height, um/s
    into: dict[str, int]  # void -> way from its roof into it along the stack, 1 or -1
    first: dict[str, tuple[float, float]] = field(default_factory=dict)  # void -> (volume, depth) before it began anew, um^3, um


def make_roofs(case: Case, domain: Domain, displacement: fem.FunctionSpace) -> Roofs | None:
    """At the start: nothing touches."""
    if not domain.roofs:
        return None
    gamma, beside = domain.submeshes["gamma"].mesh, ~domain.on(domain.roofs)
    covered, borne, stiffness = (fem.Function(fem.functionspace(gamma, ("DG", 0))) for _ in range(3))
    covered.x.array[:] = beside
    raised, rising, over = (fem.Function(fem.functionspace(gamma, ("Lagrange", 1))) for _ in range(3))
    over.x.array[:] = ~marked(over.function_space, over.function_space.dofmap.list[beside])
    hollow = {name for roof in domain.roofs for name in roof.split("|")}
    into = {f.name: direction(f, case)[1] for f in case.features if f.name in hollow}
    return Roofs(covered, borne, stiffness, raised, rising, over, fem.Function(displacement), fem.Function(displacement), into)


def marked(space: fem.FunctionSpace, dofs: np.ndarray) -> np.ndarray:
    """True for each block of degrees of freedom that this or another rank names, ghosts included."""
    function, bs = fem.Function(space), space.dofmap.index_map_bs
    function.x.array.reshape(-1, bs)[np.ravel(dofs)] = 1.0
    function.x.scatter_reverse(la.InsertMode.add)
    function.x.scatter_forward()
    return function.x.array.reshape(-1, bs)[:, 0] > 0.0


def raise_roofs(domain: Domain, roofs: Roofs, w: fem.Function, laid: fem.Function, i: fem.Function, plated_rate: fem.Function) -> None:
    """Follow what has been plated, `w`, less what cells hold of it, and is being plated by the current density `i`."""
    beyond, rate = fem.Function(w.function_space), fem.Function(w.function_space)
    beyond.x.array[:] = w.x.array - laid.x.array
    dofs = w.function_space.dofmap.list
    rate.x.array[dofs] = -i.x.array[dofs] * plated_rate.x.array[:, None]
    for function, values in ((roofs.raised, beyond), (roofs.rising, rate)):
        function.x.array[:] = _vertex_means(domain, function.function_space, values)


def _vertex_means(domain: Domain, space: fem.FunctionSpace, values: fem.Function) -> np.ndarray:
    """Mean of a discontinuous function over the cells of the interface mesh that meet at each vertex."""
    shape = values.function_space.element.basix_element.tabulate(0, space.element.basix_element.points)[0, :, :, 0]
    owned = domain.submeshes["gamma"].owned
    own = values.x.array[values.function_space.dofmap.list[:owned]] @ shape.T
    sums = [fem.Function(space) for _ in range(2)]
    for function, part in zip(sums, (own, np.ones(own.shape))):
        np.add.at(function.x.array, space.dofmap.list[:owned], part)
        function.x.scatter_reverse(la.InsertMode.add)
        function.x.scatter_forward()
    return sums[0].x.array / np.maximum(sums[1].x.array, 1.0)
