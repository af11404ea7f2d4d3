"""What an axis of a study stands for: overrides of the case, and the numbers that the tables show for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..case import CaseError, load_case
from ..materials import MaterialError, Property
from ..overrides import key_parts
from ..units import DIMENSIONS, UnitError, read_as, show, shown_factor
from .file import Axis, StudyError, StudyFile

WIDE = 10.0  # high over low of an uncertain property from which on it is sampled evenly in its logarithm
DIGITS = 6


@dataclass(frozen=True)
class Choice:
    """One point of an axis: `key=value` overrides of the case, what the tables show in the axis's columns, and where on the axis it
    is: from 0 to 1 on a range (in its logarithm if that is even), the number of an entry on a list.
    """

    overrides: tuple[str, ...]
    shown: dict[str, float | str]
    place: float


@dataclass(frozen=True)
class Track:
    """An axis made ready: its first column and label, and its points on a grid, or `at(u)` for u in [0, 1] if it is sampled."""

    name: str
    column: str
    unit: str
    log: bool
    columns: tuple[str, ...]
    grid: tuple[Choice, ...]
    at: Callable[[float], Choice] | None = None
    listed: bool = False  # entries without an order

    def choice(self, place: float) -> Choice:
        """The point at a place; of a list or a grid the nearest."""
        return self.at(place) if self.at is not None else min(self.grid, key=lambda choice: abs(choice.place - place))

    def value(self, place: float) -> float | str:
        """What the tables show there in the axis's first column."""
        return self.choice(place).shown[self.column]


def make_track(axis: Axis, place: str, study: StudyFile, case: Path) -> Track:
    """Track of an axis; `place` begins its error messages. StudyError."""
    if axis.uncertain:
        return _uncertain(axis, place, study, case)
    if axis.span is not None:
        return _ranged(axis, place)
    return _listed(axis, axis.values or axis.material)


def toml_text(value: object) -> str:
    """A value as TOML writes it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(toml_text, value))}]"
    if isinstance(value, dict):
        return f"{{{', '.join(f'{json.dumps(key, ensure_ascii=False)} = {toml_text(item)}' for key, item in value.items())}}}"
    return repr(value) if isinstance(value, (int, float)) else json.dumps(str(value), ensure_ascii=False)


PLAIN = str.maketrans({"²": "2", "³": "3", "µ": "u", "Ω": "ohm", "°": "deg", "√": "sqrt_", "·": "*"})


def column_name(name: str, unit: str) -> str:
    """``pressure_MPa``, ``current_mA_per_cm2``: a name with its unit as the columns of scalars.csv have it, in plain letters."""
    own = unit.translate(PLAIN).replace("1/", "per_").replace("/", "_per_").replace("^", "").replace("*", "_").replace(" ", "")
    return "_".join(filter(None, (name.replace(" ", "_"), own)))


# ---- lists ------------------------------------------------------------------------------------------------------------


def _listed(axis: Axis, values: tuple) -> Track:
    """A list with one entry for all keys, or with labels, has one column; one with an entry for each key a column for each."""
    rows = [tuple(v) if len(axis.key) > 1 and isinstance(v, list) else (v,) * len(axis.key) for v in values]
    apart = any(len(axis.key) > 1 and isinstance(v, list) for v in values)
    names = [axis.name or axis.key[0], *(axis.key[1:] if apart and not axis.labels else ())]
    shown = [list(axis.labels)] if axis.labels else [[row[k] for row in rows] for k in range(len(names))]
    columns = [_column(name, values) for name, values in zip(names, shown)]
    grid = tuple(
        Choice(tuple(f"{key}={toml_text(v)}" for key, v in zip(axis.key, row)), {name: shown[n] for name, _, shown in columns}, float(n))
        for n, row in enumerate(rows)
    )
    return Track(names[0], columns[0][0], columns[0][1], False, tuple(name for name, _, _ in columns), grid, listed=True)


def _column(name: str, values: list) -> tuple[str, str, list]:
    """(column, unit, what it shows): numbers in the unit of the first value, or texts if one of them is no quantity."""
    try:
        unit = read_as(values[0])[1]
        return column_name(name, unit), unit, [read_as(v, unit)[0] for v in values]
    except UnitError:
        return name, "", [v if isinstance(v, str) else toml_text(v) for v in values]


# ---- ranges -----------------------------------------------------------------------------------------------------------


def _ranged(axis: Axis, place: str) -> Track:
    span, kind = axis.span, "log" if axis.log else "linear"
    try:
        low, unit = read_as(span.start)
        high, _ = read_as(span.to, unit)
    except UnitError as error:
        raise StudyError(f"{place}.{kind}: {error}") from None
    if axis.log and not (low > 0 and high > 0):
        raise StudyError(f"{place}.log: runs from {span.start} to {span.to}; both should be above zero, or use linear")
    if low == high:
        raise StudyError(f"{place}.{kind}: begins where it ends, at {span.to}; give two different values")
    whole = isinstance(span.start, int) and isinstance(span.to, int)
    name = axis.name or axis.key[0]
    column = column_name(name, unit)

    def at(u: float) -> Choice:
        number = _rounded(_between(low, high, u, bool(axis.log)))
        value = f"{number:.{DIGITS}g} {unit}" if unit else int(number) if whole and number == int(number) else number
        return Choice(tuple(f"{key}={toml_text(value)}" for key in axis.key), {column: number}, u)

    grid = () if axis.sampled else tuple(at(u) for u in np.linspace(0.0, 1.0, span.count))
    return Track(name, column, unit, bool(axis.log), (column,), grid, at if axis.sampled else None)


def _between(low: float, high: float, u: float, log: bool) -> float:
    return float(low * (high / low) ** u if log else low + (high - low) * u)


def _rounded(number: float) -> float:
    return float(f"{number:.{DIGITS}g}")


def _uncertain(axis: Axis, place: str, study: StudyFile, case: Path) -> Track:
    """The range that a material states for a property, with its temperature and activation energy kept."""
    _, material, name = key_parts(axis.key[0])
    try:
        known = load_case(case, study.overrides).material(material).get(name)
    except (CaseError, MaterialError) as error:
        raise StudyError("\n".join(f"{place}: {line}" for line in str(error).splitlines())) from None
    if known.range is None:
        raise StudyError(f"{place}: {axis.key[0]} states no range; give linear or log = {{from, to}} instead of uncertain = true")
    unit, factor = DIMENSIONS[known.dimension][1], shown_factor(known.dimension)
    low, high = known.range
    log = low > 0 and high / low > WIDE
    column = column_name(axis.name or f"{material}.{name}", unit)

    def at(u: float) -> Choice:
        number = _rounded(factor * _between(low, high, u, log))
        return Choice((f"{axis.key[0]}={toml_text(_entry(known, number, unit))}",), {column: number}, u)

    return Track(axis.name or f"{material}.{name}", column, unit, log, (column,), (), at)


def _entry(known: Property, number: float, unit: str) -> dict:
    """The property with another value."""
    entry = {"value": f"{number:.{DIGITS}g} {unit}" if unit else number,
             "temperature": show(known.reference_temperature, "temperature")}
    if known.activation_energy is not None:
        entry["activation_energy"] = show(known.activation_energy, "molar energy")
    return entry | {"source": known.source, "conditions": "sampled over its range"}
