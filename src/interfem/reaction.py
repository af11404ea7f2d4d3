"""Where electrolytes are reduced: data of the law on the interface mesh. The law itself: interface/sei.py."""

from __future__ import annotations

import numpy as np
from dolfinx import fem, mesh

from .case import Case
from .depth import distance_from_face
from .domain import Domain
from .parameters import Parameters
from .regions import Reaction, reactions
from .units import FARADAY


def reaction_data(case: Case, domain: Domain, parameters: Parameters) -> dict:
    """Values on the interface mesh, zero where nothing reacts: charge F/V (pC/um^3) and V/F of the layer, its conductivity (electrons
    and ions in series) and its resistivity for ions, the potential below which it forms, sei_open (1 where it may), sei_lag (um), the
    share of the current that is spent besides, and the share of its thickness that comes between the bodies (without what was
    electrolyte).
    """
    found = reactions(case)

    def value(what):
        return parameters.interface(lambda law, name, t: what(found[name], t) if law and name in found else 0.0)

    def of(key: str):
        return lambda r, t: r.electrolyte.material.get(key).at(t)

    def series(r: Reaction, t: float) -> float:
        return 1 / (1 / of("sei_electronic_conductivity")(r, t) + 1 / of("sei_ionic_conductivity")(r, t))

    def share(r: Reaction, t: float) -> float:
        return 1 - of("sei_consumed_volume")(r, t) / of("sei_molar_volume")(r, t) if case.mechanics is not None else 0.0

    def fraction(r: Reaction, t: float) -> float:
        return of("sei_current_fraction")(r, t) if r.electrolyte.material.has("sei_current_fraction") else 0.0

    data = {"sei_charge": value(lambda r, t: FARADAY / of("sei_molar_volume")(r, t)),
            "sei_rate": value(lambda r, t: of("sei_molar_volume")(r, t) / FARADAY),
            "sei_conductivity": value(series),
            "sei_resistivity": value(lambda r, t: 1 / of("sei_ionic_conductivity")(r, t)),
            "sei_potential": value(of("reduction_potential")), "sei_fraction": value(fraction), "sei_share": value(share),
            "sei_open": _open(domain, found)}
    return data | {"sei_lag": data["sei_conductivity"] * _leak(domain, parameters, found)}


def _open(domain: Domain, found: dict[str, Reaction]) -> fem.Function:
    """1 where a layer may grow: where lithium may pass too."""
    function = fem.Function(fem.functionspace(domain.submeshes["gamma"].mesh, ("DG", 0)))
    function.x.array[:] = ~domain.blocked & np.array([name in found for name in domain.interfaces])[domain.interface_of_gamma]
    return function


def _leak(domain: Domain, parameters: Parameters, found: dict[str, Reaction]):
    """Resistance for electrons of the stable layers in front of the electrolyte, from their local thickness; UFL, V um^2/pA."""
    def resistivity(n: int):
        def value(law, name, t) -> float:
            through = found[name].through if law and name in found else ()
            return 1 / through[n].material.get("electronic_conductivity").at(t) if n < len(through) else 0.0
        return value

    most = max((len(r.through) for r in found.values()), default=0)
    return sum(_thickness(domain, found, n) * parameters.interface(resistivity(n)) for n in range(most))


def _thickness(domain: Domain, found: dict[str, Reaction], n: int) -> fem.Function:
    """Thickness of the n-th stable layer behind each place of the interfaces, um."""
    sub = domain.submeshes["gamma"].mesh
    function = fem.Function(fem.functionspace(sub, ("DG", 0)))
    for name, what in found.items():
        layers = (*what.through, what.electrolyte)
        cells = np.flatnonzero(domain.interface_of_gamma == domain.interfaces.index(name)).astype(np.int32)
        points = mesh.compute_midpoints(sub, sub.topology.dim, cells) if len(cells) else np.empty((0, 3))
        if n < len(what.through):
            nearer = distance_from_face(domain, points, *layers[n - 1 : n + 1]) if n else 0.0
            function.x.array[cells] = distance_from_face(domain, points, *layers[n : n + 2]) - nearer
    return function
