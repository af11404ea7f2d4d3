"""The search of an optimum: optuna asks for points in batches, members answer them, and each batch is told before the next is asked.

Every point comes from the seed, its number and what was told before it, so that a search takes the same course again. What was asked
is kept in search.json: a search that goes on tells the answers of the store to a new optuna study, in the batches of then, and asks on.
"""

from __future__ import annotations

import hashlib
import json
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from ..case import load_case
from ..observe.record import write_json
from .file import StudyError
from .gather import Row
from .optimum import LOST, judge
from .plan import Member, Plan, make_member

START = 8  # points of a Sobol' sequence before the first that is searched; for several objectives the first generation
Answer = Callable[[Sequence[Member]], Sequence[Row]]


def search(plan: Plan, path: Path, at_once: int, answer: Answer) -> None:
    """Ask for members and answer them, batch by batch, until there are as many as the study wants. `path`: what was asked is kept."""
    goals = plan.file.optimise
    import optuna  # slow to load

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    directions = ["minimize"] * len(goals.objectives)
    study = optuna.create_study(directions=directions, sampler=_sampler(plan, 0))
    name, count = _name(plan), 0
    asked, first = _asked(path, name), _first(plan)
    while count < goals.runs:
        size = min(goals.batch or at_once, goals.runs - count)
        known = asked.pop(0) if asked else None
        points = known[: goals.runs - count] if known else [first[n] if n < len(first) else None for n in range(count, count + size)]
        trials = [_ask(study, plan, count + n, point) for n, point in enumerate(points)]
        members = [_member(plan, count + n, trial.params) for n, trial in enumerate(trials)]
        if not known:
            _keep(path, name, [trial.params for trial in trials])
        for trial, row in zip(trials, answer(members)):
            _tell(study, trial, row, plan)
        count += len(points)


def _sampler(plan: Plan, number: int):
    """A sampler whose choices are those of the seed and of the number of the point."""
    import optuna

    goals = plan.file.optimise
    seed = int(np.random.SeedSequence([goals.seed, number]).generate_state(1)[0])
    if len(goals.objectives) > 1:
        return optuna.samplers.NSGAIISampler(population_size=goals.population, seed=seed)
    return optuna.samplers.TPESampler(n_startup_trials=START, seed=seed)


def _first(plan: Plan) -> list[dict[str, float]]:
    """Points that fill the space before the search."""
    from scipy.stats import qmc

    goals = plan.file.optimise
    count = min(goals.runs, goals.population if len(goals.objectives) > 1 else START)
    cube = qmc.Sobol(len(plan.tracks), rng=np.random.default_rng(goals.seed)).random(2 ** (count - 1).bit_length())[:count]
    return [{t.column: int(u * len(t.grid)) if t.at is None else float(u) for t, u in zip(plan.tracks, row)} for row in cube]


def _ask(study, plan: Plan, number: int, point: dict[str, float] | None):
    """The next trial; at a point that is known, or that the sampler chooses."""
    study.sampler = _sampler(plan, number)
    if point is not None:
        study.enqueue_trial(point)
    trial = study.ask()
    for track in plan.tracks:
        if track.at is None:
            trial.suggest_categorical(track.column, tuple(range(len(track.grid))))
        else:
            trial.suggest_float(track.column, 0.0, 1.0)
    return trial


def _member(plan: Plan, number: int, point: dict[str, float]) -> Member:
    choices = tuple(track.choice(point[track.column]) for track in plan.tracks)
    return make_member(number + 1, choices, plan.case, plan.file)


def asked_members(plan: Plan, path: Path) -> tuple[Member, ...]:
    """All that a search has asked for so far."""
    points = [point for batch in _asked(path, _name(plan)) for point in batch][: plan.file.optimise.runs]
    return tuple(_member(plan, number, point) for number, point in enumerate(points))


def _tell(study, trial, row: Row, plan: Plan) -> None:
    """A run that failed is told as failed; one without its numbers as one that breaks the constraints by far."""
    import optuna

    verdict = judge(row, plan, plan.file.optimise)
    if verdict is None:
        study.tell(trial, state=optuna.trial.TrialState.FAIL)
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        trial.set_constraint("whole", 0.0 if verdict.whole else LOST)
        for name, margin in verdict.margins.items():
            trial.set_constraint(name, -margin)
    study.tell(trial, list(verdict.costs))


# ---- what was asked -----------------------------------------------------------------------------------------------------


def _name(plan: Plan) -> str:
    """Of the search: another case, other axes, objectives or seed make another one. More runs, or other batches, go on with it."""
    goals = plan.file.optimise.model_dump(mode="json", exclude={"runs", "batch"})
    axes = [axis.model_dump(mode="json", by_alias=True) for axis in plan.file.axes]
    told = [load_case(plan.case, plan.file.overrides).hash, axes, goals, [o.model_dump(mode="json") for o in plan.file.outputs]]
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def _asked(path: Path, name: str) -> list[list[dict[str, float]]]:
    """Batches of points that were asked for; none if the search was another one."""
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return []
    except ValueError:
        raise StudyError(f"{path}: is damaged; remove it, and the search begins anew with the runs that are there") from None
    return kept["batches"] if kept["search"] == name else []


def _keep(path: Path, name: str, batch: list[dict[str, float]]) -> None:
    write_json(path, {"search": name, "batches": [*_asked(path, name), batch]})
