"""Critical current: the smallest current density at which something ends the run, by bracketing. Every rank calls `critical`.

What comes before the first current of the protocol (the pressure phase) is run once; each trial goes on from the state it left,
with all currents of the protocol scaled alike. The current is doubled or halved from the case's own until one passes and one
fails, then the bracket is halved in the logarithm. A mechanism that fails at some current is taken to fail at all larger ones.
"""

from __future__ import annotations

import csv
import logging
import math
from dataclasses import asdict, dataclass
from pathlib import Path

from mpi4py import MPI

from .case import Case, parse_case
from .failures import AT_ONCE, MODES
from .fracture import fronts
from .mpi import world
from .observe.record import write_json
from .protocol import flat_steps
from .run import Result, Start, run
from .units import show

log = logging.getLogger("interfem")

QUIET = ("pressure", "temperature", "rest")  # kinds of steps that may stand before the first current
UNSOLVED = "unsolved"  # the run could not go on, or was stopped by something that is no failure of the cell
MOST = 40  # trials


class CriticalError(Exception):
    """The search cannot be made; the text says why and what to do."""


@dataclass(frozen=True)
class Trial:
    """One run at a current density (A/m^2): the mode in which it failed, "" if it passed; event, where, time (s)."""

    density: float
    mode: str
    event: str = ""
    where: str = ""
    time: float = math.nan
    folder: str = ""


@dataclass(frozen=True)
class Critical:
    """Smallest density that failed, largest that passed (None: there was none), at a stack pressure (MPa), temperature (K)."""

    failed: Trial | None
    passed: Trial | None
    trials: tuple[Trial, ...]
    pressure: float | None
    temperature: float


def critical(case: Case, folder: Path, low: float, high: float, tolerance: float, pressures=(),
             temperatures=(), progress=None) -> list[Critical]:  # fmt: skip
    """Search at each stack pressure (MPa) and temperature (K), by default those of the case, between two densities (A/m^2).

    Writes critical.csv, critical.json and, for several conditions, map.png. `progress(fraction, text)` is called on rank 0; how
    many trials a search takes is foreseen. CriticalError before anything is run.
    """
    if not 0 < low < high:
        first, last = (show(value, "current density") for value in (low, high))
        raise CriticalError(f"--from = {first} should be above zero and below --to = {last}")
    if not 0 < tolerance < 1:
        raise CriticalError(f"--tolerance = {tolerance:g} should lie between 0 and 1, for example 0.05")
    conditions = [(p, t) for t in (temperatures or (None,)) for p in (pressures or (None,))]
    cases = [_at(case, *condition) for condition in conditions]  # all are valid before any is run
    found = []
    for n, ((pressure, kelvin), trial_case) in enumerate(zip(conditions, cases)):
        tell = (lambda share, text, n=n: progress((n + share) / len(cases), text)) if progress else None
        name = "-".join(f"{value:g}{unit}" for value, unit in ((pressure, "MPa"), (kelvin, "K")) if value is not None)
        found.append(_search(trial_case, folder / name if name else folder, low, high, tolerance, tell))
        _write(found, folder, case)
    return found


# ---- the cases of a search ----------------------------------------------------------------------------------------------


def _at(case: Case, pressure: float | None, kelvin: float | None) -> Case:
    """The case at another stack pressure and temperature, with a limit on K_I where a toughness is known."""
    tree = case.input
    head = _head(tree["protocol"])
    if pressure is not None:
        steps = [step for step in tree["protocol"][:head] if step["kind"] == "pressure" and "boundary" not in step]
        if not steps:
            raise CriticalError("--pressures: no pressure step on the stack comes before the first current; add one")
        steps[-1]["to"] = f"{pressure!r} MPa"
    if kelvin is not None:
        if case.heated:
            raise CriticalError("--temperatures: the protocol sets the temperature itself; remove its temperature steps")
        tree["temperature"] = f"{kelvin!r} K"
    known = any(case.region(front.region).material.has("fracture_toughness") for front in fronts(case))
    if known and case.limits.k_ratio_above is None:
        tree.setdefault("limits", {})["k_ratio_above"] = 1.0
    tree.setdefault("output", {})["figures"] = False
    changed = parse_case(tree)
    if not _currents(changed.protocol[head:]):
        raise CriticalError('protocol: there is no step of kind "current" whose value could be varied; add one')
    return changed


def _head(steps: list[dict]) -> int:
    """Number of steps before the first that carries a current."""
    return next((n for n, step in enumerate(steps) if step["kind"] not in QUIET), len(steps))


def _currents(steps) -> list[float]:
    """Current densities of all steps, A/m^2. CriticalError where one is not a plain constant."""
    found = []
    for step in steps:
        if step.kind == "repeat":
            found += _currents(step.steps)
        elif step.kind == "current":
            found.append(step.value)
        elif step.kind not in QUIET:
            raise CriticalError(f'protocol: a step of kind "{step.kind}" cannot be scaled; search with "current", "rest" '
                                f'and "repeat" after those of kind "pressure"')
    return found


def _scaled(case: Case, factor: float) -> Case:
    """All currents times a factor; what has a duration keeps it, what has a charge passes the same charge."""
    tree = case.input

    def scale(raw: list[dict], steps) -> None:
        for entry, step in zip(raw, steps):
            if step.kind == "repeat":
                scale(entry["steps"], step.steps)
            elif step.kind == "current":
                entry["value"] = f"{factor * step.value!r} A/m^2"

    scale(tree["protocol"], case.protocol)
    return parse_case(tree)


# ---- the search -----------------------------------------------------------------------------------------------------------


def _search(case: Case, folder: Path, low: float, high: float, tolerance: float, progress) -> Critical:
    begin = _pressed(case, folder / "start")
    own = max(abs(value) for value in _currents(case.protocol))
    trials: list[Trial] = []

    def attempt(density: float) -> Trial:
        name = f"{density / 10:.6g}mA_per_cm2"
        done, left = len(trials), foreseen(trials, tolerance)
        tell = (lambda share, text: progress((done + share) / (done + left), f"{density / 10:.4g} mA/cm2: {text}")) if progress else None
        result = run(_scaled(case, density / own), folder / name, begin=begin, progress=tell)
        trials.append(_judged(case, density, result, name))
        log.info("%.5g mA/cm2: %s", density / 10, told(trials[-1]))
        return trials[-1]

    passed, failed = _bracket(attempt, min(max(own, low), high), low, high)
    while passed and failed and failed.density > (1 + tolerance) * passed.density and len(trials) < MOST:
        trial = attempt(math.sqrt(passed.density * failed.density))
        passed, failed = (passed, trial) if trial.mode else (trial, failed)
    pressure = [step.to for step in flat_steps(case.protocol) if step.kind == "pressure" and step.boundary is None]
    return Critical(failed, passed, tuple(trials), pressure[-1] if pressure else None, case.temperature)


def foreseen(trials: list[Trial], tolerance: float) -> int:
    """Trials still to come, the next one included: halvings of the bracket in the logarithm; before there is one, of a factor 2."""
    passed = max((t.density for t in trials if not t.mode), default=0.0)
    failed = min((t.density for t in trials if t.mode), default=math.inf)
    bracketed = 0 < passed < failed < math.inf
    ratio = failed / passed if bracketed else 2.0
    halvings = math.log2(max(math.log(ratio) / math.log(1 + tolerance), 1.0))
    return max(1, math.ceil(halvings)) + (0 if bracketed else 2)


def _pressed(case: Case, folder: Path) -> Start | None:
    """The state that the steps before the first current leave; None if there are none. CriticalError if they do not complete."""
    head = _head(case.input["protocol"])
    if not head:
        return None
    tree = case.input
    tree["protocol"] = tree["protocol"][:head]
    result = run(parse_case(tree), folder)
    if result.status != "completed":
        raise CriticalError(f"the cell fails before any current flows: {result.event or result.reason}; look at {folder}")
    return Start(folder / "state.npz", sum(1 for _ in flat_steps(case.protocol[:head])))


def _bracket(attempt, first: float, low: float, high: float) -> tuple[Trial | None, Trial | None]:
    """(largest that passed, smallest that failed), by doubling or halving; None where a bound was met."""
    trial = attempt(first)
    if trial.mode:
        failed = trial
        while failed.density > low:
            trial = attempt(max(failed.density / 2, low))
            if not trial.mode:
                return trial, failed
            failed = trial
        return None, failed
    passed = trial
    while passed.density < high:
        trial = attempt(min(2 * passed.density, high))
        if trial.mode:
            return passed, trial
        passed = trial
    return passed, None


def _judged(case: Case, density: float, result: Result, name: str) -> Trial:
    """What a run says about its current."""
    if result.status == "completed":
        return Trial(density, "", folder=name)
    event = result.event or result.reason
    mode = MODES.get(result.event.partition("[")[0], UNSOLVED)
    time = result.summary.get("time_s", {}).get("last", math.nan)
    return Trial(density, mode, event, _where(case, mode, result), time, name)


def _where(case: Case, mode: str, result: Result) -> str:
    """The place that gave way, in words."""
    if mode == "fracture":
        front = next(f for f in fronts(case) if f.name == result.event.partition("[")[2][:-1])
        x, y, height = front.center
        place = f"x = {x:.4g} um, " + (f"y = {y:.4g} um, " if case.geometry.kind == "box" else "")
        return f'tip of "{front.name}" in layer "{front.region}" ({place}{height:.4g} um above the collector)'
    current = result.summary.get("current_density_A_per_m2", {}).get("last", 0.0)
    side = "anode" if current > 0 else "counter"
    if mode == "lithium":
        taker = side if result.event != "alloy_saturated" else {"anode": "counter", "counter": "anode"}[side]
        names = [r.name for r in case.regions if r.side == taker and (r.reservoir or r.stores)]
        return f'{taker} ({", ".join(names) or "what is plated there"})'
    return {"contact": "faces of the anode" if result.event == "contact_below" else "faces of an electrode",
            "voltage": "cell voltage", "salt": "salt in the electrolyte"}.get(mode, "")


def told(trial: Trial) -> str:
    """Mechanism, event, place and time, as far as there are any."""
    if not trial.mode:
        return "passed"
    after = f"after {trial.time:.4g} s" if trial.time > AT_ONCE else "at once"
    return f"{trial.mode}: " + ", ".join(part for part in (trial.event, trial.where, after) if part)


# ---- files ----------------------------------------------------------------------------------------------------------------


def _write(found: list[Critical], folder: Path, case: Case) -> None:
    """critical.csv (all trials), critical.json, and for several conditions map.csv and map.png; rank 0."""
    comm: MPI.Comm = world()
    if comm.rank == 0:
        from .figures.critical import draw_map

        head = ("stack_pressure_MPa", "temperature_K", "current_density_mA_per_cm2", "mode", "event", "where", "time_s", "run")
        rows = [(c.pressure, c.temperature, t.density / 10, t.mode, t.event, t.where, t.time, t.folder)
                for c in found for t in c.trials]
        _table(folder / "critical.csv", head, rows)
        write_json(folder / "critical.json", {"title": case.title, "hash": case.hash, "conditions": [asdict(c) for c in found]})
        if len(found) > 1:
            head = (*head[:2], "critical_mA_per_cm2", "passed_mA_per_cm2", "mode", "where")
            ends = [(c, c.failed or Trial(math.nan, ""), c.passed or Trial(math.nan, "")) for c in found]
            rows = [(c.pressure, c.temperature, f.density / 10, p.density / 10, f.mode, f.where) for c, f, p in ends]
            _table(folder / "map.csv", head, rows)
            draw_map(found, case.title, folder / "map.png")
    comm.barrier()


def _table(path: Path, head: tuple, rows: list[tuple]) -> None:
    """What is not a number is left empty."""
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([head, *(["" if entry != entry else entry for entry in row] for row in rows)])
