"""Loads on the outer faces: pressures, springs, and the frame that presses the stack between its plates (model section 5).

A plate that carries the stack pressure P sits at the mean outward displacement U of its boundary. While the frame presses, P is
imposed. Once it is locked at (P0, d0), d being the sum of U over its plates, each of them bears
`P = P0 + k (d - d0)` if the frame is a spring of stiffness k, or `d = d0` if it is rigid; and P >= 0, for a plate does not pull.
"""

from __future__ import annotations

from dataclasses import dataclass

import ufl
from dolfinx import fem

from .domain import EVERYWHERE, Domain
from .fields import BODIES, Fields
from .interface.contact import complementarity
from .physics import KINEMATICS

RATE = 1e3  # MPa/um, of the choice between a pressing and a lifted plate: some GPa over some um; not of the solution
PLATE = 1e5  # MPa/um: how stiffly a platen keeps its face flat; 1 MPa more than the mean bends it by 10 pm


@dataclass
class Loads:
    """What the protocol turns: constants of the compiled forms, and what the frame does between pressure steps."""

    pressure: fem.Constant  # stack pressure that is imposed, or at which the frame was locked, MPa
    others: dict[str, fem.Constant]  # of the boundaries that carry a pressure of their own, MPa
    held: fem.Constant  # 1 while the frame is locked
    give: fem.Constant  # its compliance 1/k, um/MPa
    place: fem.Constant  # d at which it was locked, um
    hold: str | float = "pressure"  # of the last pressure step on the stack

    def grip(self, step, pressure: float, place: float) -> None:
        """Before a protocol step, at the present P and d: the frame presses in a pressure step, and is locked after it if that says so."""
        if step.kind == "pressure" and step.boundary is None:
            self.held.value, self.pressure.value, self.hold = 0.0, pressure, step.hold
        elif self.hold != "pressure" and not self.held.value:
            self.held.value, self.pressure.value, self.place.value = 1.0, pressure, place
            self.give.value = 0.0 if self.hold == "fixed" else 1.0 / self.hold

    def leave(self, step) -> None:
        """Behind a pressure step: its pressure is reached, and the frame to be locked if it says so."""
        self.turned(step).value = step.to
        if step.boundary is None:
            self.hold = step.hold

    def memory(self) -> dict:
        """As plain data."""
        numbers = {name: float(getattr(self, name).value) for name in ("pressure", "held", "give", "place")}
        return numbers | {"others": {boundary: float(constant.value) for boundary, constant in self.others.items()}, "hold": self.hold}

    def recall(self, memory: dict) -> None:
        """Go on from there."""
        for name in ("pressure", "held", "give", "place"):
            getattr(self, name).value = memory[name]
        for boundary, value in memory["others"].items():
            self.others[boundary].value = value
        self.hold = memory["hold"]

    def turned(self, step) -> fem.Constant:
        """The pressure that a step of kind "pressure" changes."""
        return self.pressure if step.boundary is None else self.others[step.boundary]


def make_loads(case, domain: Domain) -> Loads:
    """All at zero, but for the pressures of the case."""
    def constant(value: float = 0.0) -> fem.Constant:
        return fem.Constant(domain.mesh, float(value))

    supports = {b: case.mechanics.support(b) for b in domain.boundaries} if case.mechanics is not None else {}
    others = {b: constant(support.pressure) for b, support in supports.items() if support.kind == "pressure"}
    return Loads(constant(), others, constant(), constant(), constant())


def plates(case, domain: Domain) -> list[str]:
    """Boundaries that carry the stack pressure."""
    return [b for b in domain.boundaries if case.mechanics.support(b).pressed]


def boundary_sides(domain: Domain, boundary: str) -> list[str]:
    """Displacements that live on a boundary (a side of the cell touches several bodies)."""
    facets = domain.facet_tags.find(domain.boundaries[boundary])
    links = domain.mesh.topology.connectivity(domain.dimension - 1, domain.dimension)
    regions = {int(domain.region_of_cell[c]) for f in facets for c in links.links(f)}
    regions = set().union(*domain.comm.allgather(regions))
    return [name for name, body in BODIES.items() if any(domain.regions[n].body == body for n in regions)]


def load_terms(case, domain: Domain, fields: Fields, loads: Loads) -> list:
    """Virtual work of all loads, and the equations of the frame."""
    terms, n, motion = [], ufl.FacetNormal(domain.mesh), KINEMATICS[case.mechanics.kinematics]
    for boundary in domain.boundaries:
        support = case.mechanics.support(boundary)
        if support.kind not in ("stack", "platen", "pressure", "spring"):
            continue
        for name in boundary_sides(domain, boundary):
            v, u, ds = fields.unknowns[name].test, fields[name], domain.ds(boundary, BODIES[name])
            terms.append(motion.pressure_load(_pressure(support, boundary, fields, loads, u, n), u, n, v, domain.kind, domain.x[0], ds))
            if support.kind == "spring":
                terms.append(motion.spring_load(fem.Constant(domain.mesh, support.spring), u, n, v, ds))
    return terms + (_frame_terms(case, domain, fields, loads) if case.framed else [])


def _pressure(support, boundary: str, fields: Fields, loads: Loads, u, n):
    """Pressure on a boundary: a plate's is P; a platen adds what keeps its face flat, `PLATE (u.n - U)`."""
    if support.kind == "pressure":
        return loads.others[boundary]
    if "stack" not in fields or support.kind == "spring":
        return loads.pressure
    flat = PLATE * (ufl.inner(u, n) - fields[f"plate:{boundary}"]) if support.kind == "platen" else 0.0
    return fields["stack"] + flat


def _frame_terms(case, domain: Domain, fields: Fields, loads: Loads) -> list:
    """U is the mean of u.n over each plate; P is imposed, or such that the gap between a plate and its face, and P, exclude each other."""
    p, n, stacked, terms = fields["stack"], ufl.FacetNormal(domain.mesh), plates(case, domain), []
    for boundary in stacked:
        place = fields.unknowns[f"plate:{boundary}"]
        for name in boundary_sides(domain, boundary):
            terms.append((ufl.inner(fields[name], n) - place.function) * place.test * domain.ds(boundary, BODIES[name]))
    gap = loads.place + loads.give * (p - loads.pressure) - sum(fields[f"plate:{boundary}"] for boundary in stacked)
    row = (1 - loads.held) * (p - loads.pressure) + loads.held * complementarity(p, gap, 0.0, RATE)
    share = fem.Constant(domain.mesh, domain.boundary_area(*stacked) / domain.integral(1.0 * domain.dx(EVERYWHERE)))  # as a number it would be
    # compiled into the form, anew with each mesh
    return [*terms, share * row * fields.unknowns["stack"].test * domain.dx(EVERYWHERE)]


def stack_state(domain: Domain, fields: Fields, loads: Loads) -> tuple[float, float]:
    """(P in MPa, d in um) of the present state; d is 0 where no frame is modelled."""
    if "stack" not in fields:
        return float(loads.pressure.value), 0.0
    found = [(name, fields[name].x.array) for name in fields.unknowns if name.split(":")[0] in ("stack", "plate")]
    values = domain.comm.bcast({name: float(array[0]) if len(array) else 0.0 for name, array in found}, root=0)
    return values.pop("stack"), sum(values.values())
