"""From a study file to its members: every combination of the axes as a validated case. Nothing is run here."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np

from ..case import CaseError, load_case
from ..checks import suggestion
from .axes import Choice, Track, make_track
from .file import Figure, Reference, StudyError, StudyFile, read_study

KEY = 12  # characters of a hash that name a run folder
MANY = 5  # wrong members that are told one by one


@dataclass(frozen=True, eq=False)
class Member:
    """One run of a study: overrides of the base case, what the tables show for them, the hash of the case, its places on the axes;
    and what is wrong with it, which only a search finds out on its way.
    """

    number: int
    overrides: tuple[str, ...]
    shown: dict[str, float | str]
    hash: str
    places: tuple[float, ...]
    fault: str = ""

    @property
    def key(self) -> str:
        """Name of its run folder."""
        return self.hash[:KEY]

    @property
    def text(self) -> str:
        shown = {name: f"{value:g}" if isinstance(value, float) else value for name, value in self.shown.items()}
        return ", ".join(f"{name} = {value}" for name, value in shown.items())


@dataclass(frozen=True)
class Plan:
    """A study made ready."""

    path: Path
    case: Path
    file: StudyFile
    tracks: tuple[Track, ...]
    members: tuple[Member, ...]
    figures: tuple[Figure, ...]

    @property
    def parameters(self) -> list[str]:
        """Columns of the tables that say what was varied."""
        return [column for track in self.tracks for column in track.columns]

    def track(self, column: str) -> Track | None:
        return next((track for track in self.tracks if column in (track.column, track.name)), None)


def make_plan(path: Path, yes: bool = False) -> Plan:
    """Read a study and validate all its members. StudyError, also for more members than its `limit` without `yes`."""
    file = read_study(path)
    case = path.parent / file.case
    tracks = tuple(make_track(axis, f"{path}: axes[{n}]", file, case) for n, axis in enumerate(file.axes))
    columns = [column for track in tracks for column in track.columns]
    for n, column in enumerate(columns):
        if column in columns[:n]:
            raise StudyError(f'{path}: axes: two have the column {column!r}; give one of them another `name`')
    size = _size(file, tracks)
    if size > file.limit and not yes:
        raise StudyError(f"{path}: makes {size} runs, more than its limit of {file.limit}; make it smaller, or say --yes")
    places = [f"{path}: figures[{n}]" for n in range(len(file.figures))]
    figures = tuple(_resolved(figure, place, file, tracks, path.parent) for figure, place in zip(file.figures, places))
    choices = combinations(file, tracks) if file.optimise is None else _probes(tracks)
    members = _valid(path, [make_member(number, chosen, case, file) for number, chosen in enumerate(choices, 1)])
    return Plan(path, case, file, tracks, members if file.optimise is None else (), figures)


def _size(file: StudyFile, tracks: tuple[Track, ...]) -> int:
    if file.optimise is not None:
        return file.optimise.runs
    ranges = sum(track.at is not None for track in tracks)
    return (file.sample.size(ranges) if file.sample else 1) * int(np.prod([len(track.grid) for track in tracks if track.at is None]))


def make_member(number: int, choices: tuple[Choice, ...], case: Path, file: StudyFile) -> Member:
    """The run at a point of the axes, with its fault if the case does not hold there."""
    overrides = ("output.figures=false", *file.overrides, *(text for choice in choices for text in choice.overrides))
    shown = {column: value for choice in choices for column, value in choice.shown.items()}
    places = tuple(choice.place for choice in choices)
    try:
        return Member(number, overrides, shown, load_case(case, overrides).hash, places)
    except CaseError as error:
        return Member(number, overrides, shown, "", places, str(error))


def _valid(path: Path, members: list[Member]) -> tuple[Member, ...]:
    """The members, if nothing is wrong with any of them. StudyError."""
    faults = {member: member.fault.splitlines() for member in members if member.fault}
    if faults:
        raise StudyError("\n".join(_told(str(path), faults, len(members))))
    return tuple(members)


def _probes(tracks: tuple[Track, ...]) -> Iterator[tuple[Choice, ...]]:
    """Points of a search that should hold before it begins: on one axis after the other, each entry or both ends, in the middle of
    the other ranges and at the first entry of the other lists.
    """
    middle = tuple(track.choice(0.0 if track.at is None else 0.5) for track in tracks)
    yield middle
    for n, track in enumerate(tracks):
        for choice in track.grid or (track.choice(0.0), track.choice(1.0)):
            yield (*middle[:n], choice, *middle[n + 1 :])


def _told(path: str, faults: dict[Member, list[str]], size: int) -> Iterator[str]:
    """Lines on wrong members; what is wrong in all of them is told once."""
    common = set.intersection(*map(set, faults.values())) if len(faults) == size > 1 else set()
    yield from (f"{path}: {line}" for line in next(iter(faults.values())) if line in common)
    own = {member: [line for line in lines if line not in common] for member, lines in faults.items()}
    wrong = [member for member in own if own[member]]
    for member in wrong[:MANY]:
        yield from (f"{path}: member {member.number} ({member.text}): {line}" for line in own[member])
    if len(wrong) > MANY:
        yield f"{path}: {len(wrong) - MANY} more members are wrong"


def combinations(file: StudyFile, tracks: tuple[Track, ...]) -> Iterator[tuple[Choice, ...]]:
    """One choice on each axis: all points of the grids, and at each of them all samples of the ranges."""
    grids = [track.grid for track in tracks if track.at is None]
    ranges = [track for track in tracks if track.at is not None]
    points = _points(file, len(ranges)) if ranges else np.empty((1, 0))
    for chosen in product(*grids):
        for point in points:
            fixed, drawn = iter(chosen), iter(track.at(u) for track, u in zip(ranges, point))
            yield tuple(next(fixed if track.at is None else drawn) for track in tracks)


def _points(file: StudyFile, dimension: int) -> np.ndarray:
    """Samples of the unit cube, the same for the same seed."""
    from scipy.stats import qmc  # slow to load, and few studies sample

    rng = np.random.default_rng(file.sample.seed)
    if file.sample.method == "lhs":
        return qmc.LatinHypercube(dimension, rng=rng).random(file.sample.count)
    if file.sample.method == "sobol":
        return qmc.Sobol(dimension, rng=rng).random(file.sample.count)
    first, second = np.hsplit(qmc.Sobol(2 * dimension, rng=rng).random(file.sample.count), 2)
    swapped = [np.where(np.arange(dimension) == n, second, first) for n in range(dimension)]
    return np.concatenate([first, second, *swapped])


# ---- figures ----------------------------------------------------------------------------------------------------------


def _resolved(figure: Figure, place: str, file: StudyFile, tracks: tuple[Track, ...], folder: Path) -> Figure:
    """Axes by their columns, and the points of reference files read."""
    columns = {track.name: track.column for track in tracks} | {column: column for track in tracks for column in track.columns}
    known = columns | {output.title: output.title for output in file.outputs}
    changed = {}
    for key, names in (("x", known), ("by", columns)):
        name = getattr(figure, key)
        if name is not None and name not in names:
            hint = suggestion(name, names) or f"; known: {', '.join(names)}"
            what = "axis or output" if key == "x" else "axis"
            raise StudyError(f'{place}.{key} = "{name}": no {what} of the study has this name{hint}')
        changed[key] = names.get(name)
    for name in figure.where:
        if name not in columns:
            raise StudyError(f'{place}.where: no axis of the study is called "{name}"{suggestion(name, columns)}')
    changed["where"] = {columns[name]: value for name, value in figure.where.items()}
    references = tuple(_read(entry, f"{place}.reference[{n}]", folder) for n, entry in enumerate(figure.reference))
    return figure.model_copy(update=changed | {"reference": references})


def _read(entry: Reference, place: str, folder: Path) -> Reference:
    if entry.file is None:
        return entry
    try:
        with open(folder / entry.file, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(line for line in file if not line.startswith("#")))
        x, y = (tuple(float(row[name]) for row in rows) for name in "xy")
    except OSError as error:
        raise StudyError(f'{place}.file = "{entry.file}": {error.strerror}; give a CSV beside the study file') from None
    except (KeyError, TypeError, ValueError):
        raise StudyError(f'{place}.file = "{entry.file}": should hold numbers in two columns headed x and y') from None
    return entry.model_copy(update={"x": x, "y": y})
