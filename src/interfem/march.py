"""Time stepping: protocol -> accepted steps, with adaptive length, rollback and named events."""

from __future__ import annotations

import logging
import math
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from dolfinx import fem
from mpi4py import MPI

from .case import Case
from .domain import Domain
from .distortion import LEAST, WORN, distortion
from .fields import DISPLACEMENT, Fields, commit, plastic_increment, rollback
from .forms import compile_forms
from .interface.bond import growth
from .interface.deposit import ATOMIC
from .model import Model
from .observe.columns import FULL
from .observe.scalars import Observer
from .observe.voids import CLOSED, TIGHT
from .protocol import flat_steps
from .regions import direction, hollow, surroundings, touching
from .solve import NotConverged, Solver

log = logging.getLogger("interfem")

GROWTH, SHRINK = 1.7, 0.4  # of the step, after an easy and a failed one
EASY, HARD = 4, 8  # Newton iterations until round-off
EASY_AT_VOIDS = 6  # where walls come to rest on roofs, node by node
SHORTEST = 1e-12  # of a protocol step: below it the run has failed
PRESSING = 0.5  # edges of the wall that a head passes in a step, above which steps do not grow; twice that is refused
AGAIN = 10  # steps after which metal may be laid anew once more, though none has come down on further wall
LONGEST = 1 / 10  # of a protocol step
RESOLUTION = 1e-12  # of a protocol step: events are not sought more closely
BEND = 3e-4  # of the range of stored lithium and salt: departure from a straight line in one step above which steps do not grow
FIRST = 1e-3  # of a protocol step, or of the part up to its next knot, after a jump of the load
FIRST_SPREADING = 1e-4  # the same where lithium or salt spreads from the surface, with the root of time
CRAWL, CRAWLING = 1e-6, 50  # steps shorter than this part of the protocol step, each a full plastic increment, that tell a limit load
LOST = 0.01  # mean contact state of an electrode's faces below which a driven current has no way left
UNBALANCED = 5e-4  # work of one step that is missing, over all so far, above which steps do not grow; twice that is refused
HELPED = 0.8  # of what was missing before, at most, if a shorter step is of use: what a snap sets free does not fall with the step
PARTING = 0.05  # mean change of the contact state in a step above which steps do not grow
CLOSING = 0.06  # change of ln V of a void in a step above which steps do not grow; twice that is refused
WORN_MESH = "mesh_worn"  # event
TIGHT_VOLTAGE, TIGHT_CURRENT = 1e-5, 1e-4  # how closely a voltage (V) and a current (of its limit) are met


@dataclass(frozen=True)
class Mark:
    """Where a march stands at an accepted step: another goes on from there, as a restarted run or on a new mesh."""

    number: int
    time: float
    temperature: float
    phase: int  # protocol step under way, of which `done` s are over (0: it is yet to begin); `start` and `dt` as in `_Phase`
    start: float
    done: float
    dt: float
    dt_old: float  # as in `_Cell`
    before: tuple[float, ...] | None  # as in `_Phase`; None: to be looked at anew
    shape: dict | None = None  # displacements for which the mesh was made, by name; None: zero
    renews: bool = True  # a worn mesh is to be replaced
    asked: int = 0  # step after which a new mesh was last asked for
    void: str = ""  # void, or partly empty slot, around which the metal is to start anew
    closed: bool = False  # it has closed, and is to be left out; the slot is full
    crawled: int = 0  # as in `_Cell`


@dataclass(frozen=True)
class Step:
    """One accepted step. `event` names what ended the protocol step or the run; `last` closes a protocol step."""

    number: int
    time: float
    dt: float
    phase: int
    kind: str
    scalars: dict[str, float]
    last: bool = False
    event: str = ""
    ends_run: bool = False
    mark: Mark | None = None  # from which another march goes on; None: before the first step

    @property
    def worn(self) -> bool:
        """The mesh is to be replaced before the next step."""
        return self.event == WORN_MESH or (self.mark is not None and bool(self.mark.void))


class StepFailed(Exception):
    """The step could not be made however short: what was accepted before stays valid."""


@dataclass(frozen=True)
class Watch:
    """An event: `distance(dt)` is negative before it, positive after; met when within `tolerance`.

    dt is the length of a step that is solved but not yet committed, 0 at an accepted state. `at_start`: it may hold before a
    protocol step begins, which is then left out; else only what the step itself brings about counts. `ends_step`: the protocol step
    ends there; else it goes on.
    """

    name: str
    distance: object
    tolerance: float
    ends_run: bool
    at_start: bool = True
    ends_step: bool = True
    void: str = ""  # that has closed and can be left out of the mesh from here on


@dataclass
class _Cell:
    """What is marched, and what is carried from step to step."""

    case: Case
    domain: Domain
    fields: Fields
    model: Model
    solver: Solver
    observer: Observer
    temperature: float  # K
    number: int = 0
    time: float = 0.0
    dt_old: float = 0.0  # length of the last accepted step if the load was smooth since, else 0
    increment: float = 0.0  # plastic strain in the step just solved
    deviation: float = 0.0  # bend of stored lithium and salt in the step just solved
    relaxation: float = 0.0  # part of the metal's stress that flow has taken off in the step just solved
    imbalance: float = 0.0  # of work in the step just solved, see `Energy.imbalance`
    refused: float = math.inf  # the last one for which this step was made shorter
    parting: float = 0.0  # mean change of the contact state in the step just solved
    closing: float = 0.0  # change of ln V of a void in the step just solved
    pressing: float = 0.0  # how far a head has come in the step just solved, in edges of the wall
    cutting: float = 0.0  # change in the step just solved of what metal cuts of the electrolyte, over what it may
    crawled: int = 0  # steps in a row in which metal that yields has flowed under next to no more pressure
    mark: Mark | None = None  # from which it goes on, or of its last accepted step


@dataclass
class _Phase:
    """A protocol step under way. `start` is the temperature (K), or the pressure (MPa) that it changes, at its beginning."""

    number: int
    entry: object
    watches: list[Watch]
    before: list[float]  # distances to the events at the last accepted state
    start: float
    done: float = 0.0  # s
    dt: float = 0.0  # of the next attempt, s
    ended: bool = False  # by an event


def march(case: Case, domain: Domain, fields: Fields, model: Model, solver: Solver, observer: Observer,
          done: int = 0, mark: Mark | None = None) -> Iterator[Step]:  # fmt: skip
    """Advance through the protocol; `done` of its plain steps lie behind the fields already, or all that lies before the mark.

    Raises StepFailed; every yielded step is final.
    """
    cell = _Cell(case, domain, fields, model, solver, observer, model.parameters.temperature, mark=mark)
    if mark is None:
        _start_at_rest(fields, observer)
    else:
        cell.number, cell.time, cell.temperature, cell.dt_old, done = mark.number, mark.time, mark.temperature, mark.dt_old, 0
        cell.crawled = mark.crawled
    for number, entry in enumerate(flat_steps(case.protocol)):
        if mark is not None and number < mark.phase:
            continue
        if number < done:
            if entry.kind == "pressure":
                model.controls.loads.leave(entry)
            continue
        for step in _phase(cell, number, entry):
            yield step
            if step.ends_run:
                return


def _start_at_rest(fields: Fields, observer: Observer) -> None:
    """Before the first step no current flows: the anode stands at its equilibrium voltage."""
    if "V" in fields:
        unknown, voltage = fields.unknowns["V"], observer.rest_voltage()
        for function in (unknown.function, unknown.old, unknown.older):
            function.x.array[:] = voltage


def _phase(cell: _Cell, number: int, entry) -> Iterator[Step]:
    """One protocol step, from knot to knot of its load."""
    watches, mark = _watches(cell, entry), cell.mark
    under_way = mark is not None and mark.phase == number and mark.done > 0
    if under_way and mark.before is not None:
        before = list(mark.before)
    else:
        before = [w.distance(0.0) if w.at_start else -math.inf for w in watches]
        for watch, value in zip(watches, before):
            if value > 0:  # already past it: nothing to do in this protocol step
                log.info("step %d (%s): %s holds at its start", number, entry.kind, watch.name)
                if watch.ends_run:
                    yield Step(cell.number, cell.time, 0.0, number, entry.kind, _scalars(cell), True, watch.name, True, mark)
                return
    if under_way:
        phase = _Phase(number, entry, watches, before, mark.start, mark.done, mark.dt)
    else:
        log.info("protocol step %d: %s, %.4g s", number, entry.kind, entry.length)
        cell.model.controls.loads.grip(entry, *cell.observer.stack())
        phase = _Phase(number, entry, watches, before, _start(cell, entry))
    while not phase.ended:
        yield from _segment(cell, phase)


def _start(cell: _Cell, entry) -> float:
    return float(cell.model.controls.loads.turned(entry).value) if entry.kind == "pressure" else cell.temperature


def _first(cell: _Cell, length: float) -> float:
    """First step after a jump of the load: short, as seen from the protocol step and from the flow of the metal."""
    flow = cell.observer.energy.flow_time if cell.observer.energy is not None else math.inf
    part = FIRST_SPREADING if any(_spreads(name) for name in cell.fields.unknowns) else FIRST
    return max(min(part * length, cell.case.solver.relaxation * flow), 1e3 * SHORTEST * length)


def _spreads(name: str) -> bool:
    """Stored lithium or salt."""
    return name == "c" or name.startswith("x:")


def _segment(cell: _Cell, phase: _Phase) -> Iterator[Step]:
    """Time steps up to the next knot, the last one ending there."""
    entry, past = phase.entry, bisect_right(phase.entry.knots, phase.done)
    begin, knot = entry.knots[past - 1] if past else 0.0, entry.knots[past]
    if phase.done == begin and (not past or entry.jumps):
        cell.dt_old, phase.dt = 0.0, entry.first_step or _first(cell, knot - begin)
    elif phase.done == begin:
        phase.dt = min(phase.dt, entry.step_after(begin))
    longest = entry.max_step or LONGEST * entry.length
    while phase.done < knot and not phase.ended:
        dt, remaining = min(phase.dt, longest), knot - phase.done
        dt = remaining if dt > remaining * (1 - 1e-9) else min(dt, 0.5 * remaining) if dt > 0.5 * remaining else dt
        end = knot if dt == remaining else phase.done + dt
        _set_controls(cell, phase, end)
        iterations, phase.dt, trouble = _attempt(cell, dt)
        if trouble:
            if phase.dt < SHORTEST * (knot - begin):
                _set_controls(cell, phase, phase.done)  # as they were at the last accepted state
                raise StepFailed(f"protocol step {phase.number} ({entry.kind}) at {cell.time:.6g} s: {trouble}; "
                                 f"the time step fell to {phase.dt:.2e} s")
            continue
        after = [w.distance(dt) for w in phase.watches]
        shorter = _before_event(phase.watches, phase.before, after, dt)
        if shorter is not None and shorter > RESOLUTION * (knot - begin):  # else the jump of the load itself has passed the event
            rollback(cell.fields)
            phase.dt = shorter
            continue
        event = next((w for w, value in zip(phase.watches, after) if value >= -w.tolerance), None) or _at_limit_load(cell, entry, dt)
        scalars = _accept(cell, dt, iterations)
        last = end == entry.knots[-1]
        phase.done, phase.before, phase.ended = end, after, last or (event is not None and event.ends_step)
        phase.dt = _next_length(cell, dt, cell.solver.effort)
        cell.mark = _mark(cell, phase, last or (phase.ended and event.name != WORN_MESH), event)
        yield Step(cell.number, cell.time, dt, phase.number, entry.kind, scalars, last or event is not None,
                   event.name if event else "", bool(event and event.ends_run), cell.mark)


def _at_limit_load(cell: _Cell, entry, dt: float) -> Watch | None:
    """Metal that yields without creep flows under a pressure that hardly rises any more: nothing is in its way."""
    yields = [group.head.law for group in cell.domain.groups if group.head.flows]
    crawls = entry.kind == "pressure" and dt < CRAWL * entry.length and set(yields) == {"j2"}
    full = cell.increment > 0.5 * cell.case.solver.plastic_increment
    cell.crawled = cell.crawled + full if crawls else 0
    return Watch("limit_load", lambda dt: 0.0, 0.0, True) if cell.crawled >= CRAWLING else None


def _mark(cell: _Cell, phase: _Phase, over: bool, event: Watch | None) -> Mark:
    """Where the march stands; `over`: the next protocol step is yet to begin."""
    under_way = (phase.number + 1, 0.0, 0.0, 0.0) if over else (phase.number, phase.start, phase.done, phase.dt)
    before = None if over else tuple(phase.before)
    kept = {"shape": cell.mark.shape, "renews": cell.mark.renews, "asked": cell.mark.asked} if cell.mark is not None else {}
    closed = event is not None and bool(event.void)
    worn = event is not None and event.name == WORN_MESH
    void = event.void if closed else next(iter(_renewable(cell.case, cell.observer)), "") if worn else _to_lay(cell)
    closed = closed or any(column.name == void and column.full() for column in cell.observer.columns)
    return Mark(cell.number, cell.time, cell.temperature, *under_way, cell.dt_old, before, **kept, void=void, closed=closed, crawled=cell.crawled)


def _to_lay(cell: _Cell) -> str:
    """A slot or void around which the metal is to be laid anew: it has come down on further wall, or cuts the mouth's edge; it has been
    plated beside the void as thick as the cells there, and the case has worn metal meshed anew; or that was refused.
    """
    waited = cell.number - (cell.mark.asked if cell.mark is not None else 0) >= AGAIN
    refused = cell.mark is not None and not cell.mark.renews
    observer = cell.observer
    found = [column for column in observer.columns if (waited if refused else column.passed() or waited and column.overlaps())]
    if (waited or not refused) and observer.voids is not None and cell.case.solver.on_distortion == "remesh":
        found += observer.voids.overgrown(_renewable(cell.case, observer))
    return next((each.name for each in found), "")


def _set_controls(cell: _Cell, phase: _Phase, time: float) -> None:
    """The load at the end of a time step that ends `time` s after the start of the protocol step."""
    controls, entry = cell.model.controls, phase.entry
    density, reached = entry.density(time), time / entry.length
    controls.density.value, controls.current.value = density, density * cell.model.area
    controls.galvanostatic.value = 0.0 if entry.kind == "voltage" else 1.0
    if entry.kind == "voltage":
        controls.voltage.value = entry.value
    if entry.kind == "pressure":
        controls.loads.turned(entry).value = phase.start + (entry.to - phase.start) * reached
    if entry.kind == "temperature":
        cell.temperature = phase.start + (entry.to - phase.start) * reached
        cell.model.at_temperature(cell.temperature)


def _attempt(cell: _Cell, dt: float) -> tuple[int, float, str]:
    """(Newton iterations, dt, "") if solved within the limits of accuracy, else (0, shorter dt, why); rolled back then."""
    _backward_weights(cell.model, dt, cell.dt_old)
    _predict(cell.fields, dt, cell.dt_old)
    try:
        iterations = cell.solver.solve(dt)
    except NotConverged as error:
        rollback(cell.fields)
        log.debug("dt = %.3g s: %s", dt, error)
        return 0, SHRINK * dt, str(error)
    cell.increment = plastic_increment(cell.domain, cell.fields, dt)
    cell.deviation = _deviation(cell.domain, cell.fields, dt, cell.dt_old)
    if cell.observer.contact is not None:
        cell.observer.contact.look(backward(cell.model))
        cell.parting = cell.observer.contact.change()
    if cell.observer.voids is not None:
        cell.closing = cell.observer.voids.change()
    cell.pressing = max((column.change() for column in cell.observer.columns), default=0.0)
    cell.cutting = max((column.cuts(backward(cell.model)) for column in cell.observer.columns), default=0.0)
    if cell.observer.energy is not None:
        cell.relaxation = cell.observer.energy.relaxation()
        if cell.case.mechanics.kinematics == "finite":  # in small strain the balance is exact
            cell.imbalance = cell.observer.energy.imbalance(backward(cell.model))
    shorter, told = _excess(cell)
    if told:
        rollback(cell.fields)
        return 0, shorter * dt, told
    return iterations, dt, ""


def _excess(cell: _Cell) -> tuple[float, str]:
    """(factor of a shorter step, why) if more happens in the step just solved than one can resolve, else (1, "")."""
    if cell.closing > 2 * CLOSING or not math.isfinite(cell.closing):
        return SHRINK, f"a void changes its volume by {cell.closing:.2g} of it in one step"
    if cell.pressing > 2 * PRESSING or not math.isfinite(cell.pressing):
        return SHRINK, f"metal comes {cell.pressing:.2g} edges of the wall further in one step"
    if cell.cutting > 1:
        return SHRINK, f"metal cuts {cell.cutting:.2g} of what it may of the electrolyte beside a mouth in one step"
    most = cell.case.solver.relaxation
    if cell.relaxation > 2 * most:
        shorter = max(SHRINK, most / cell.relaxation) ** 2
        return shorter, f"flow takes {cell.relaxation:.2g} of the metal's stress off in one step"
    if 2 * UNBALANCED < cell.imbalance < HELPED * cell.refused:
        cell.refused = cell.imbalance
        shorter = max(SHRINK, (UNBALANCED / cell.imbalance) ** 0.5)
        return shorter, f"the works of one step are {cell.imbalance:.2g} of all work out of balance"
    limit = cell.case.solver.plastic_increment
    if cell.increment > 1.5 * limit:
        shorter = max(SHRINK, 0.9 * limit / cell.increment)
        return shorter, f"the metal flows by {cell.increment:.2g} (mean plastic strain) in one step"
    return 1.0, ""


def _backward_weights(model: Model, dt: float, dt_old: float) -> None:
    """Second-order backward formula of variable step; backward Euler where there is no last step."""
    r = dt / dt_old if dt_old else 0.0
    weights = ((1 + 2 * r) / (1 + r) / dt, -(1 + r) / dt, r * r / (1 + r) / dt)
    for constant, value in zip(model.controls.weights, weights):
        constant.value = value


def backward(model: Model) -> list[float]:
    """Present weights of the backward formula, 1/s."""
    return [float(weight.value) for weight in model.controls.weights]


def _predict(fields: Fields, dt: float, dt_old: float) -> None:
    """Start Newton from a linear extrapolation of the last two states."""
    if not dt_old:
        return
    for unknown in fields.unknowns.values():
        old = unknown.old.x.array
        unknown.function.x.array[:] = old + dt / dt_old * (old - unknown.older.x.array)


def _deviation(domain: Domain, fields: Fields, dt: float, dt_old: float) -> float:
    """How far stored lithium and salt bend away from a straight line in time, largest, as a fraction of their range."""
    if not dt_old:
        return 0.0
    worst = 0.0
    for name, unknown in fields.unknowns.items():
        if _spreads(name):
            old = unknown.old.x.array
            bend = np.abs(unknown.function.x.array - old - dt / dt_old * (old - unknown.older.x.array))
            size = domain.comm.allreduce(float(old.max(initial=0.0)), MPI.MAX) if name == "c" else 1.0
            worst = max(worst, float(bend.max()) / size if bend.size else 0.0)
    return domain.comm.allreduce(worst, MPI.MAX)


def _next_length(cell: _Cell, dt: float, effort: int) -> float:
    easy = EASY if cell.observer.voids is None else EASY_AT_VOIDS
    factor = GROWTH if effort <= easy else 1.0 if effort < HARD else SHRINK
    if cell.increment > 0:
        factor = min(factor, 0.9 * cell.case.solver.plastic_increment / cell.increment)
    if cell.relaxation > 0:
        factor = min(factor, max(1.0, cell.case.solver.relaxation / cell.relaxation))
    if cell.imbalance > 0:
        factor = min(factor, max(1.0, (UNBALANCED / cell.imbalance) ** 0.5))
    if cell.deviation > 0:
        factor = min(factor, max(1.0, (BEND / cell.deviation) ** 0.5))
    if cell.parting > 0:
        factor = min(factor, PARTING / cell.parting)
    if cell.closing > 0:
        factor = min(factor, 0.9 * CLOSING / cell.closing)
    if cell.pressing > 0:
        factor = min(factor, 0.9 * PRESSING / cell.pressing)
    if cell.cutting > 0:
        factor = min(factor, 0.5 / cell.cutting)
    return max(factor, 0.2) * dt


def _accept(cell: _Cell, dt: float, iterations: int) -> dict[str, float]:
    """Commit the step just solved; its scalars."""
    balances = cell.observer.before_commit(dt)
    commit(cell.domain, cell.fields, dt, backward(cell.model), cell.model.plated_rate)
    scalars = _scalars(cell) | balances | {"newton_iterations": iterations}
    if "current_density_A_per_m2" in scalars:
        cell.solver.note_current(scalars["current_density_A_per_m2"])
    cell.number += 1
    cell.time += dt
    cell.dt_old, cell.refused = dt, math.inf
    return scalars


def _scalars(cell: _Cell) -> dict[str, float]:
    return {"temperature_K": cell.temperature} | cell.observer.after_commit()


# ---- events -----------------------------------------------------------------------------------------------------------


def _before_event(watches, before, after, dt: float) -> float | None:
    """A shorter step that ends just before the first event that this one overshoots; None if it overshoots none."""
    shorter = None
    for watch, b, a in zip(watches, before, after):
        if a > watch.tolerance and math.isfinite(b):
            estimate = dt * min(max(-b / (a - b), 0.02), 0.98)
            shorter = estimate if shorter is None else min(shorter, estimate)
    return shorter


def _watches(cell: _Cell, entry) -> list[Watch]:
    case, domain, fields, observer = cell.case, cell.domain, cell.fields, cell.observer
    found = [Watch("void_closed", depth, 0.02, True) for depth in _closing_voids(case, domain, fields)]
    if observer.voids is not None:
        for n, void in enumerate(observer.voids.voids):
            leaves = void.name if void.name in _renewable(case, observer) else ""
            found.append(Watch(f"void_closed[{void.name}]", lambda dt, n=n: observer.voids.distance(n), CLOSED * TIGHT, False,
                               ends_step=False, void=leaves))
    if case.mechanics is not None and case.mechanics.kinematics == "finite" and fields.flows:
        shape = cell.mark.shape if cell.mark is not None else None
        worst = distortion(domain, fields, LEAST, shape)
        found.append(Watch("mesh_distorted", lambda dt: worst(), 0.05, True))
        renews = cell.mark is None or cell.mark.renews
        found += [Watch(f"flaw_full[{column.name}]", lambda dt, c=column: c.excess(), FULL / 2, False, ends_step=False,
                        void=column.name if renews else "") for column in observer.columns]
        if (case.solver.on_distortion == "remesh" or observer.columns) and "u_m" in fields.flows and renews:
            worn = distortion(domain, fields, WORN, shape)
            found.append(Watch(WORN_MESH, lambda dt: worn(), 0.05, True))
    if case.limits.k_ratio_above is not None:
        found += [_breaking(observer.tips, name, case.limits.k_ratio_above) for name in observer.tips.judged]
    if not domain.kinetics:
        return found
    for limit, sign in ((case.limits.voltage_above, 1), (case.limits.voltage_below, -1)):
        if limit is not None:
            found.append(Watch("voltage_limit", _distance(observer.voltage, limit, sign), TIGHT_VOLTAGE, True))
    for what, limit, sign in entry.until:
        if what == "voltage":
            found.append(Watch("voltage_reached", _distance(observer.voltage, limit, sign), TIGHT_VOLTAGE, False))
        else:
            taper = _distance(observer.current_size, limit, sign)
            found.append(Watch("current_reached", taper, TIGHT_CURRENT * limit, False, at_start=False))
    if observer.contact is not None and case.limits.contact_below is not None:
        found.append(Watch("contact_below", _parted(observer, cell.model, case.limits.contact_below), 1e-3, True))
    if observer.contact is not None and entry.kind in ("current", "ramp", "profile"):
        found.append(Watch("contact_lost", _lost(observer, cell.model), 0.05 * LOST, True))
    if entry.kind == "current" and entry.value > 0 and observer.without_source():
        found.append(Watch("lithium_exhausted", _emptied(cell), 0.3, True))
    return found + _lithium_watches(case, domain, fields, observer.model)


def _renewable(case: Case, observer: Observer) -> list[str]:
    """Partly empty slots, and voids under a roof, around which the metal can start anew."""
    if observer.columns:
        return [column.name for column in observer.columns]
    voids = observer.voids.voids if observer.voids is not None else []
    return [void.name for void in voids if void.interface is not None and surroundings(case, void.name) is not None]


def _breaking(tips, name: str, limit: float) -> Watch:
    """K_I/K_IC of a crack front reaches its limit."""
    return Watch(f"fracture[{name}]", lambda dt: tips.ratio(name) - limit, 1e-3 * limit, True)


def _parted(observer: Observer, model: Model, limit: float):
    """The contact fraction falls below its limit."""
    def value(dt: float) -> float:
        if dt > 0:
            observer.contact.look(backward(model))
        else:
            observer.contact.accept()
        return limit - observer.contact_fraction()

    return value


def _lost(observer: Observer, model: Model):
    def value(dt: float) -> float:
        if dt > 0:
            observer.contact.look(backward(model))
        else:
            observer.contact.accept()
        return LOST - observer.contact.least()

    return value


def _distance(value, limit: float, sign: int):
    return lambda dt: sign * (value() - limit)


def _lithium_watches(case: Case, domain: Domain, fields: Fields, model: Model) -> list[Watch]:
    """Alloy surfaces that run empty or full, lithium layers that are stripped through, and other lithium that is spent."""
    found = []
    for group in domain.groups:
        if not group.head.deposits:
            material = group.head.material
            top = material.get("maximum_concentration").at(case.temperature)
            lowest = material.get("minimum_concentration").at(case.temperature) / top if material.has("minimum_concentration") else 1e-3
            extremes = _extremes(domain, fields[f"x:{group.name}"])
            found.append(Watch("lithium_exhausted", lambda dt, e=extremes, x=lowest: x - e()[0], 1e-5, True))
            found.append(Watch("alloy_saturated", lambda dt, e=extremes: e()[1] - 0.999, 1e-5, True))
    if "c" in fields:
        extremes = _extremes(domain, fields["c"])
        highest = max(r.material.get("initial_concentration").at(case.temperature) for r in domain.regions if r.binary)
        found.append(Watch("salt_exhausted", lambda dt: 1e-3 - extremes()[0] / highest, 5e-4, True))
    for region in domain.regions:
        if region.reservoir and region.thickness:
            found.append(Watch("lithium_exhausted", _stripped(domain, fields, model, region), 1e-3 * region.thickness, True))
    found += [Watch("lithium_exhausted", _spent(domain, fields, model, together), 1e-3, True) for together in _sharing(case, domain)]
    return found


def _sharing(case: Case, domain: Domain) -> list[list]:
    """Regions of lithium whose volume bounds what they can give, those that give to each other together: where bodies move, what touches
    makes up for what is stripped. What has a thickness and is alone is watched by that.
    """
    givers = {law.metal for law in domain.kinetics.values()}
    known = {r.name: r for r in domain.regions if r.reservoir and (r.layer is not None or r.wired or case.mechanics is not None)}
    parts = [{name} for name in known]
    for a, b in touching(case) if case.mechanics is not None else []:
        if a.name in known and b.name in known:
            joined = [part for part in parts if part & {a.name, b.name}]
            parts = [part for part in parts if part not in joined] + [set().union(*joined)]
    return [[known[name] for name in sorted(part)] for part in parts
            if part & givers and (len(part) > 1 or not known[next(iter(part))].thickness)]


def _emptied(cell: _Cell):
    """How far an anode without lithium of its own has been stripped of what was plated on it or stored in its mixed conductors.

    1 minus the mean deposit over a fifth of `ATOMIC`, or the mean filling over 2e-3, whichever is more: 0 when next to nothing is left.
    """
    domain, fields, model, observer = cell.domain, cell.fields, cell.model, cell.observer
    deposit = fem.Function(fields.growth.function_space)
    mean = fem.form(model.anode_side * deposit / model.area * domain.dx_gamma(), entity_maps=domain.entity_maps)
    dofs = deposit.function_space.dofmap.list

    def value(dt: float) -> float:
        w = fields.growth.x.array
        deposit.x.array[:] = w
        if dt > 0:
            history = w[dofs], fields.growth_older.x.array[dofs]
            passed = fields.faradaic(backward(model))[dofs]
            deposit.x.array[dofs] = growth(history, passed, model.plated_rate.x.array[:, None], backward(model))
        thickness = domain.comm.allreduce(fem.assemble_scalar(mean), MPI.SUM)
        return 1.0 - max([thickness / (0.2 * ATOMIC), *(filling / 2e-3 for filling in observer.fillings())])

    return value


def _extremes(domain: Domain, function):
    def values() -> tuple[float, float]:
        owned = function.x.array[: function.function_space.dofmap.index_map.size_local]
        low, high = (float(owned.min()), float(owned.max())) if owned.size else (np.inf, -np.inf)
        return domain.comm.allreduce(low, MPI.MIN), domain.comm.allreduce(high, MPI.MAX)

    return values


def _stripped(domain: Domain, fields: Fields, model: Model, region):
    """Largest depth stripped from a layer, minus its thickness."""
    owned = domain.submeshes["gamma"].owned
    names = [n for n, law in domain.kinetics.items() if law.metal == region.name]
    chosen = np.isin(domain.interface_of_gamma[:owned], [domain.interfaces.index(n) for n in names])
    dofs = fields.growth.function_space.dofmap.list[:owned][chosen].reshape(-1)

    rate = np.repeat(model.plated_rate.x.array[:owned][chosen], fields.growth.function_space.dofmap.list.shape[1])

    def value(dt: float) -> float:
        w = fields.growth.x.array[dofs]
        if dt > 0:
            w = growth((w, fields.growth_older.x.array[dofs]), fields.faradaic(backward(model))[dofs], rate, backward(model))
        local = -float(w.min()) if w.size else -np.inf
        return domain.comm.allreduce(local, MPI.MAX) - region.thickness

    return value


def _spent(domain: Domain, fields: Fields, model: Model, regions: list):
    """Part of their lithium that is stripped from regions, minus 1."""
    volume, metals = sum(domain.volumes[region.name] for region in regions), {region.name for region in regions}
    names = tuple(n for n, law in domain.kinetics.items() if law.metal in metals)
    gained = fem.Function(fields.growth.function_space)
    dofs, rate = gained.function_space.dofmap.list, model.plated_rate.x.array[:, None]
    whole = compile_forms(gained * domain.dx_gamma(names), domain.entity_maps)

    def value(dt: float) -> float:
        gained.x.array[:] = fields.growth.x.array
        if dt > 0:
            history = fields.growth.x.array[dofs], fields.growth_older.x.array[dofs]
            gained.x.array[dofs] = growth(history, fields.faradaic(backward(model))[dofs], rate, backward(model))
        return -domain.comm.allreduce(fem.assemble_scalar(whole), MPI.SUM) / volume - 1

    return value


def _closing_voids(case: Case, domain: Domain, fields: Fields) -> list:
    """How far each void's wall has come towards the face beneath it, as a fraction of its depth, minus 1; one function a void.

    Bodies in small strain would pass through each other from there on. Judged at wall nodes that started off the rim.
    """
    found, bodies = [], {r.name: r.body for r in case.regions}
    for feature in case.features:
        if feature.kind not in ("void", "voids") or case.mechanics is None or hollow(feature, case):
            continue
        level, sign = direction(feature, case)
        for boundary in domain.boundaries:
            hole, _, region = boundary.partition("|")
            owner = next((r for r in case.regions if r.name == region), None)
            if hole == feature.name and owner is not None and owner.electrons:
                height = feature.height if feature.kind == "void" else feature.aspect * feature.radius
                roofs = [(b, bodies[b.split("|")[1]]) for b in domain.boundaries if b.startswith(f"{hole}|") and b != boundary]
                found.append(_approach(domain, fields, boundary, roofs, level, sign, height))
    return found


def _approach(domain: Domain, fields: Fields, boundary: str, roofs: list[tuple[str, str]], level: float, sign: int, height: float):
    space, axis = fields["u_m"].function_space, domain.dimension - 1
    facets = domain.submeshes["metal"].facet_tags.find(domain.boundaries[boundary])
    nodes = fem.locate_dofs_topological(space, domain.dimension - 1, facets)
    depth = sign * (space.tabulate_dof_coordinates()[nodes, axis] - level)
    nodes, depth = nodes[depth > 0.3 * height], depth[depth > 0.3 * height]
    under = compile_forms([sign * fields[DISPLACEMENT[body]][axis] * domain.ds(roof) for roof, body in roofs], domain.entity_maps)
    area = domain.boundary_area(*(roof for roof, _ in roofs))

    def value(dt: float) -> float:
        lifted = domain.comm.allreduce(sum(fem.assemble_scalar(form) for form in under), MPI.SUM) / area if area else 0.0
        moved = lifted - sign * fields["u_m"].x.array.reshape(-1, domain.dimension)[nodes, axis]
        local = float((moved / depth).max()) - 1.0 if nodes.size else -np.inf
        return domain.comm.allreduce(local, MPI.MAX)

    return value
