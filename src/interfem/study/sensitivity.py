"""Which parameters move an output, or the optimum, most: Sobol' indices over the axes of a study.

First order: share of the variance of the output that goes when the parameter is known. Total: share that is left when all the others
are known. By the estimators of Saltelli (2010, as scipy.stats.sobol_indices has them), from the members themselves if they are
his design and all have the output; else from a Gaussian process through the members, whose error at points left out is told.
"""

from __future__ import annotations

import csv
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from .axes import Track
from .file import Bound, Output
from .gather import Row, cut_short
from .plan import Member, Plan
from .surrogate import Surrogate, fit, left_out

FINE = 1024  # points in each matrix of the design where a surrogate answers
COARSE = 256  # the same for an optimum, which is looked for at each of its points
LOOKED = 121  # points on a range that is chosen from
FEWEST = 8  # members that a surrogate needs
DOUBTFUL = 0.9  # explained variance of points left out, below which a surrogate is doubtful
COLUMNS = ("output", "parameter", "first", "first_low", "first_high", "total", "total_low", "total_high",
           "from", "members", "explained", "rms_error", "median", "low", "high")  # fmt: skip


@dataclass(frozen=True)
class Indices:
    """Of one output: (value, lower, upper) of 95 % of bootstrapped samples, by parameter; the output itself at its median, 5 and 95 %.

    explained: share of the variance at points left out that the surrogate explains; rms_error: its error there, in the output's unit
    """

    output: str
    first: dict[str, tuple[float, float, float]]
    total: dict[str, tuple[float, float, float]]
    source: str
    members: int
    explained: float
    rms_error: float
    spread: tuple[float, float, float]

    @property
    def order(self) -> list[str]:
        """Parameters, what moves the output most first."""
        return sorted(self.total, key=lambda name: -self.total[name][0])


def indices(f: Callable[[np.ndarray], np.ndarray] | dict[str, np.ndarray], count: int, dimension: int, seed: int = 0):
    """(first, total), each (3, outputs, dimension): values, lower and upper ends of 95 %. f: (dimension, m) -> (outputs, m), of points
    of the unit cube; or its values at Saltelli's design, as scipy takes them.
    """
    from scipy.stats import sobol_indices, uniform

    rng = np.random.default_rng(seed)
    found = sobol_indices(func=f, n=count, dists=[uniform()] * dimension, rng=rng)
    spread = found.bootstrap(n_resamples=200)
    return tuple(
        np.stack([np.reshape(part, (-1, dimension)) for part in (values, boot.confidence_interval.low, boot.confidence_interval.high)])
        for values, boot in ((found.first_order, spread.first_order), (found.total_order, spread.total_order))
    )


def sensitivity(plan: Plan, members: Sequence[Member], rows: Sequence[Row]) -> list[Indices]:
    """Of each output that is asked for, and of the optimum; of those only that enough members have."""
    asked = plan.file.sensitivity
    outputs = [o for o in plan.file.outputs if not asked.outputs or o.title in asked.outputs]
    found = [_of_output(plan, members, rows, output) for output in outputs]
    if asked.optimum is not None:
        found += _of_optimum(plan, members, rows)
    return [entry for entry in found if entry is not None]


# ---- outputs ----------------------------------------------------------------------------------------------------------


def _values(plan: Plan, rows: Sequence[Row], title: str) -> np.ndarray:
    """An output, or its logarithm if so asked; NaN where a run has none, or was cut short."""
    found = np.array([_number(row, title, plan.file.outputs) for row in rows])
    if title not in plan.file.sensitivity.log:
        return found
    return np.log10(np.where(found > 0, found, np.nan))


def _name(plan: Plan, title: str) -> str:
    return f"log10 {title}" if title in plan.file.sensitivity.log else title


def _number(row: Row, title: str, outputs: tuple[Output, ...]) -> float:
    value = row.get(title)
    return float(value) if isinstance(value, (int, float)) and not cut_short(row, outputs) else math.nan


def _of_output(plan: Plan, members: Sequence[Member], rows: Sequence[Row], output: Output) -> Indices | None:
    values = _values(plan, rows, output.title)
    names, sample = [track.name for track in plan.tracks], plan.file.sample
    known = values[np.isfinite(values)]
    if sample is not None and sample.method == "saltelli" and len(known) == len(members):
        parts = values.reshape(len(names) + 2, 1, -1)
        both = indices({"f_A": parts[0], "f_B": parts[1], "f_AB": parts[2:]}, sample.count, len(names))
        return _indices(_name(plan, output.title), names, both, 0, "members", len(known), math.nan, math.nan, known)
    surrogate = _surrogate(plan, members, values)
    if surrogate is None:
        return None
    model, explained, error = surrogate
    both = indices(lambda u: model(_places(plan.tracks, u))[None], FINE, len(names))
    return _indices(_name(plan, output.title), names, both, 0, "surrogate", len(known), explained, error, known)


def _indices(title, names, both, n, source, members, explained, error, values) -> Indices:
    first, total = ({name: tuple(part[:, n, k]) for k, name in enumerate(names)} for part in both)
    middle, low, high = np.percentile(values, [50, 5, 95])
    return Indices(title, first, total, source, members, explained, error, (float(middle), float(low), float(high)))


def _surrogate(plan: Plan, members: Sequence[Member], values: np.ndarray) -> tuple[Surrogate, float, float] | None:
    """(surrogate, explained variance and root mean square error at points left out); None from too few members."""
    known = np.isfinite(values)
    if known.sum() < FEWEST or np.ptp(values[known]) == 0:
        return None
    points = np.array([member.places for member in members], dtype=float)[known]
    model = fit(points, values[known], np.array([track.listed for track in plan.tracks]))
    missed = values[known] - left_out(points, values[known], model)
    error = float(np.sqrt(np.mean(missed**2)))
    return model, 1.0 - error**2 / float(np.var(values[known])), error


def _places(tracks: Sequence[Track], u: np.ndarray) -> np.ndarray:
    """Points (m, axes) on the axes from (axes, m) of the unit cube: entries of lists are equally likely."""
    return np.stack([np.minimum(np.floor(row * len(t.grid)), len(t.grid) - 1) if t.listed else row for t, row in zip(tracks, u)], axis=1)


# ---- the optimum ------------------------------------------------------------------------------------------------------


def _of_optimum(plan: Plan, members: Sequence[Member], rows: Sequence[Row]) -> list[Indices | None]:
    """Of what would be chosen on each range, measured along its axis (by its logarithm on a logarithmic one), and of the objective
    there, over the axes that are not chosen: by surrogates.
    """
    goals = plan.file.sensitivity.optimum
    chosen = [track.name in goals.choose for track in plan.tracks]
    names = [track.name for track, own in zip(plan.tracks, chosen) if not own]
    titles = [*goals.objectives, *(bound.output for bound in goals.constraints)]
    made = [_surrogate(plan, members, _values(plan, rows, title)) for title in titles]
    if any(surrogate is None for surrogate in made):
        return []
    explained, error = min(s[1] for s in made), made[0][2]
    logs = [title in plan.file.sensitivity.log for title in titles]
    looked = _looked([track for track, own in zip(plan.tracks, chosen) if own])
    free = [track for track, own in zip(plan.tracks, chosen) if not own]

    def best(u: np.ndarray) -> np.ndarray:
        """(chosen axes + 1, m): places on the chosen axes, and the objective."""
        found = []
        for point in _places(free, u):
            full = np.empty((len(looked), len(chosen)))
            full[:, chosen], full[:, np.logical_not(chosen)] = looked, point
            cost, *bounded = (model(full) for model, _, _ in made)
            broken = sum((_broken(b, 10**v if log else v) for b, v, log in zip(goals.constraints, bounded, logs[1:])), np.zeros(len(full)))
            n = int(np.lexsort((goals.signs[0] * cost, broken))[0])
            found.append([*looked[n], cost[n]])
        return np.array(found).T

    both = indices(best, COARSE, len(free))
    cloud = best(np.random.default_rng(1).random((len(free), COARSE)))
    count = int(np.isfinite(_values(plan, rows, titles[0])).sum())
    found = []
    for n, track in enumerate(track for track, own in zip(plan.tracks, chosen) if own):
        if not track.listed:
            values = np.array([track.value(u) for u in cloud[n]])
            found.append(_indices(f"best {track.column}", names, both, n, "surrogate", count, explained, math.nan, values))
    return [*found, _indices(f"{_name(plan, titles[0])} at the best", names, both, len(cloud) - 1, "surrogate", count, explained, error, cloud[-1])]


def _looked(tracks: Sequence[Track]) -> np.ndarray:
    """Points (n, axes) from which the best is chosen."""
    axes = [np.arange(len(t.grid), dtype=float) if t.listed else np.linspace(0.0, 1.0, LOOKED if len(tracks) == 1 else 21) for t in tracks]
    return np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, len(tracks))


def _broken(bound: Bound, value: np.ndarray) -> np.ndarray:
    """By how much a constraint is broken, relative to its limit."""
    found = np.zeros(len(value))
    for limit, sign in ((bound.below, 1.0), (bound.above, -1.0)):
        if limit is not None:
            found += np.maximum(sign * (value - limit), 0.0) / (abs(limit) or 1.0)
    return found


# ---- the table --------------------------------------------------------------------------------------------------------


def write_indices(path: Path, found: Sequence[Indices]) -> None:
    """sensitivity.csv, atomically: a row for each output and parameter."""
    part = path.with_suffix(".csv.part")
    with open(part, "w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(COLUMNS)
        for entry in found:
            for name in entry.order:
                numbers = [*entry.first[name], *entry.total[name]]
                rest = [entry.explained, entry.rms_error, *entry.spread]
                texts = ["" if math.isnan(value) else f"{value:.6g}" for value in rest]
                table.writerow([entry.output, name, *(f"{value:.6g}" for value in numbers), entry.source, entry.members, *texts])
    os.replace(part, path)


def told(path: Path) -> list[str]:
    """Lines on what moves the outputs most, from sensitivity.csv."""
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    lines = []
    for output in dict.fromkeys(row["output"] for row in rows):
        own = [row for row in rows if row["output"] == output]
        shares = ", ".join(f"{row['parameter']} {float(row['total']):.2f}" for row in own[:4])
        quality = own[0]["explained"]
        source = f"surrogate of {own[0]['members']} members, explains {float(quality):.3f} of points left out" if quality else "members"
        lines.append(f"  {output} moves with {shares} (total Sobol' indices; {source})")
    return lines
