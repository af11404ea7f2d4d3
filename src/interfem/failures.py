"""What gives out in a cell: the events that tell so, limits on scalars, and which of them is passed first. Knows no mesh."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

MODES = {"fracture": "fracture", "contact_below": "contact", "contact_lost": "contact", "voltage_limit": "voltage",
         "lithium_exhausted": "lithium", "alloy_saturated": "lithium", "salt_exhausted": "salt"}  # event that ends a run -> failure mode
COLOURS = {"completed": "#009e73", "passed": "#009e73", "contact": "#0072b2", "voltage": "#c98a00", "lithium": "#cc79a7",
           "salt": "#8a6d3b", "failed": "#5b1a2b", "waiting": "#b9bec6", "fracture": "#d55e00", "contact lost": "#0072b2",
           "contact below": "#56b4e9", "voltage limit": "#c98a00", "lithium exhausted": "#cc79a7", "salt exhausted": "#8a6d3b",
           "void closed": "#6a51a3", "mesh distorted": "#737373", "dead lithium": "#7d4a8d"}  # fmt: skip
AT_ONCE = 1e-6  # s, until which something fails with the jump of the current itself
SPARE = ("#3b8ea5", "#a14a76", "#7a7f00", "#4d4d4d")  # for others, and for a second place of the same


@dataclass(frozen=True)
class Limit:
    """A failure that no event tells: a scalar above, or below, a number. Without its [part] a column stands for all its parts."""

    name: str
    column: str
    above: float | None = None
    below: float | None = None

    def parts(self, scalars: Iterable[str]) -> Iterator[str]:
        """The columns that it is about."""
        return (column for column in scalars if self.column in (column, column.partition("[")[0]))

    def label(self, column: str) -> str:
        """Its name with the part of a column: ``fracture[flaw]``."""
        return self.name + (column[len(self.column):] if column != self.column else "")

    def excess(self, values: np.ndarray) -> np.ndarray:
        """Positive where the limit is passed."""
        return values - self.above if self.above is not None else self.below - values

    def share(self, values: np.ndarray) -> float:
        """The part of the limit that was reached at most, 1 at the limit; NaN for a limit of zero."""
        if self.above is not None:
            return float(values.max()) / self.above if self.above > 0 else math.nan
        least = float(values.min())
        return self.below / least if self.below > 0 and least > 0 else math.nan


# Judged in every study: a crack at its toughness lets lithium through to the other electrode; and metal that no electrons reach is lost.
STANDARD = (Limit("fracture", "K_I_over_K_IC", above=1.0), Limit("dead lithium", "lithium_dead_mAh_per_cm2", above=0.0))


@dataclass(frozen=True)
class Verdict:
    """The failure that came first and its time in s ("" and NaN: none did); and the limit that a run came nearest to, by what part of it."""

    first: str = ""
    time: float = math.nan
    nearest: str = ""
    share: float = math.nan


def verdict(time: np.ndarray, scalars: Mapping[str, np.ndarray], events: Sequence[tuple[float, str]], limits: Sequence[Limit]) -> Verdict:
    """What failed first in a run, by the columns of scalars.csv over its times (s), and by its events (time, name)."""
    found = [(when, name) for when, name in events if name.partition("[")[0] in MODES]
    near: list[tuple[float, str]] = []
    for limit in limits:
        for column in limit.parts(scalars):
            known = np.isfinite(scalars[column])
            if known.any():
                found.append((crossing(time[known], limit.excess(scalars[column][known])), limit.label(column)))
                near.append((limit.share(scalars[column][known]), limit.label(column)))
    when, first = min(((t, name) for t, name in found if math.isfinite(t)), default=(math.nan, ""))
    share, nearest = max(((part, name) for part, name in near if math.isfinite(part)), default=(math.nan, ""))
    return Verdict(first, when, nearest, share)


def crossing(time: np.ndarray, excess: np.ndarray) -> float:
    """When the excess first turns positive, by a straight line between steps; NaN if it never does."""
    n = int(np.argmax(excess > 0))
    if not excess[n] > 0:
        return math.nan
    return float(time[n] if n == 0 else time[n - 1] - excess[n - 1] * (time[n] - time[n - 1]) / (excess[n] - excess[n - 1]))


# ---- how members of a study ended, in words and colours ---------------------------------------------------------------


def outcome(row: Mapping) -> tuple[str, float | None]:
    """(words, time in s) of a row of study.csv: the failure that came first, else the event that ended it, else its status."""
    if row.get("failure"):
        return event_name(row["failure"]), row.get("failure_time_s")
    if row["status"] == "stopped":
        return event_name(row.get("event") or "stopped"), row.get("event_time_s")
    return row["status"], None


def clock(seconds: float) -> str:
    """A time as people say it: 0.5 s, 12 min, 3.2 h."""
    size, unit = (1.0, "s") if abs(seconds) < 600 else (60.0, "min") if abs(seconds) < 3 * 3600 else (3600.0, "h")
    return f"{seconds / size:.3g} {unit}"


def event_name(name: str) -> str:
    """``void_closed[left]`` -> void closed, left"""
    what, _, where = name.rstrip("]").partition("[")
    return what.replace("_", " ") + (f", {where}" if where else "")


def colours(outcomes: Iterable[str]) -> dict[str, str]:
    """A colour for each outcome: its own, or a spare one where another place of the same has that."""
    found: dict[str, str] = {}
    spare = 0
    for name in dict.fromkeys(outcomes):
        own = COLOURS.get(name.partition(",")[0])
        if own is None or own in found.values():
            own, spare = SPARE[spare % len(SPARE)], spare + 1
        found[name] = own
    return found
