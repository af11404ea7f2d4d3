"""Which runs of a study are best: objectives, margins to the constraints, the front of those that no other run beats."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from .file import Bound, Goals
from .gather import Row, cut_short
from .plan import Member, Plan

LOST = 1e3  # violation of a run without the numbers that are asked for: far more than one that has them and breaks a constraint


@dataclass(frozen=True)
class Verdict:
    """What a run that has ended is worth.

    costs: objectives, with their signs so that less is better; infinite for a run without them
    margins: by constraint, how far inside its limit the output is, relative to the limit; negative: beyond it
    """

    costs: tuple[float, ...]
    margins: dict[str, float]
    whole: bool

    @property
    def violation(self) -> float:
        """Sum of what the constraints are broken by; 0 if all are kept."""
        return sum(max(-margin, 0.0) for margin in self.margins.values()) if self.whole else LOST

    @property
    def feasible(self) -> bool:
        return self.violation == 0.0


def judge(row: Row, plan: Plan, goals: Goals) -> Verdict | None:
    """What a run is worth; None if it failed or waits. One that an event cut short, or that lacks a number, breaks the constraints."""
    if row["status"] not in ("completed", "stopped"):
        return None
    names = (*goals.objectives, *(bound.output for bound in goals.constraints))
    known = {name: row.get(name) for name in names}
    if cut_short(row, plan.file.outputs) or not all(isinstance(v, float) and math.isfinite(v) for v in known.values()):
        return Verdict((math.inf,) * len(goals.objectives), {}, False)
    costs = tuple(sign * known[name] for name, sign in zip(goals.objectives, goals.signs))
    return Verdict(costs, {key: value for b in goals.constraints for key, value in margins(b, known[b.output]).items()}, True)


def margins(bound: Bound, value: float) -> dict[str, float]:
    """(limit - value)/|limit| of each side of a constraint that is given; the difference itself where the limit is 0."""
    found = {}
    for word, limit, sign in (("below", bound.below, 1.0), ("above", bound.above, -1.0)):
        if limit is not None:
            found[f"{bound.output} {word} {limit:g}"] = sign * (limit - value) / (abs(limit) or 1.0)
    return found


def front(costs: Sequence[tuple[float, ...]]) -> list[int]:
    """Numbers of the points that no other is as good as in everything and better than in something; equal ones once."""
    points = np.array(costs, dtype=float)
    kept = []
    for n, point in enumerate(points):
        better = (points <= point).all(axis=1) & (points < point).any(axis=1)
        if not better.any() and not any((points[k] == point).all() for k in kept):
            kept.append(n)
    return sorted(kept, key=lambda n: tuple(points[n]))


@dataclass(frozen=True)
class Standing:
    """How the members of a search compare: verdicts in their order, the best ones (a front for several objectives), or, if none keeps
    the constraints, the one that comes nearest.
    """

    verdicts: list[Verdict | None]
    best: list[int]
    nearest: int | None


def standing(rows: Sequence[Row], plan: Plan, goals: Goals) -> Standing:
    verdicts = [judge(row, plan, goals) for row in rows]
    good = [n for n, verdict in enumerate(verdicts) if verdict is not None and verdict.feasible]
    whole = [n for n, verdict in enumerate(verdicts) if verdict is not None and verdict.whole]
    nearest = min(whole, key=lambda n: verdicts[n].violation) if whole and not good else None
    return Standing(verdicts, [good[k] for k in front([verdicts[n].costs for n in good])], nearest)


def marked(rows: Sequence[Row], found: Standing) -> None:
    """Add to the rows what the tables tell of a search: `violation` of the constraints, and 1 in `optimal` on the front."""
    for n, (row, verdict) in enumerate(zip(rows, found.verdicts)):
        row["violation"] = verdict.violation if verdict is not None and verdict.whole else None
        row["optimal"] = None if verdict is None else float(n in found.best)


def record(plan: Plan, members: Sequence[Member], rows: Sequence[Row], found: Standing) -> dict:
    """What optimum.json holds."""
    goals = plan.file.optimise
    judged = [verdict for verdict in found.verdicts if verdict is not None]
    return {
        "title": plan.file.title,
        "minimise": list(goals.minimise),
        "maximise": list(goals.maximise),
        "constraints": [bound.model_dump(exclude_none=True) for bound in goals.constraints],
        "seed": goals.seed,
        "runs": {"asked": goals.runs, "judged": len(judged), "feasible": sum(v.feasible for v in judged),
                 "without_numbers": sum(not v.whole for v in judged), "failed": sum(row["status"] == "failed" for row in rows)},
        "best": [_entry(plan, members[n], rows[n], found.verdicts[n]) for n in found.best],
        "nearest": None if found.nearest is None else _entry(plan, members[found.nearest], rows[found.nearest], found.verdicts[found.nearest]),
    }  # fmt: skip


def _entry(plan: Plan, member: Member, row: Row, verdict: Verdict) -> dict:
    return {"member": member.number, "parameters": member.shown, "outputs": {o.title: row.get(o.title) for o in plan.file.outputs},
            "margins": verdict.margins, "run": member.key, "set": list(member.overrides)}  # fmt: skip


def told(record: Mapping) -> list[str]:
    """An optimum in a few lines, from what optimum.json holds."""
    runs, best = record["runs"], record["best"]
    lines = [f"  {runs['feasible']} of {runs['judged']} runs keep all constraints" if record["constraints"] else f"  {runs['judged']} runs"]
    if not best:
        if record["nearest"] is None:
            return [*lines, "  no run has all the numbers that are asked for"]
        return [*lines, "  none keeps the constraints; nearest:", *_told_entry(record, record["nearest"])]
    several = len(record["minimise"] + record["maximise"]) > 1
    lines.append(f"  {len(best)} that no other beats in all objectives:" if several else "  best:")
    return lines + [line for entry in best[:SHOWN] for line in _told_entry(record, entry)] + (
        [f"  and {len(best) - SHOWN} more in optimum.json"] if len(best) > SHOWN else [])  # fmt: skip


SHOWN = 8  # points of a front that are told


def _told_entry(record: Mapping, entry: Mapping) -> list[str]:
    shown = ", ".join(f"{k} = {v:.4g}" if isinstance(v, float) else f"{k} = {v}" for k, v in entry["parameters"].items())
    names = dict.fromkeys([*record["minimise"], *record["maximise"], *(bound["output"] for bound in record["constraints"])])
    values = ", ".join(f"{name} = {entry['outputs'][name]:.4g}" for name in names)
    slack = min(entry["margins"].values(), default=None)
    tight = min(entry["margins"], key=entry["margins"].get) if slack is not None else ""
    return [f"    member {entry['member']}: {shown}", f"      {values}" + (f"; closest limit: {tight}, by {100 * slack:.3g} %" if tight else "")]
