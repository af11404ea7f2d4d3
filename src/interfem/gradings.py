"""Material properties that change through the thickness of a layer: `[[layers]] grading`.

The abscissa s in [0, 1] is the relative distance from the layer's lower face (the collector's side, s = 0) to its upper one:
s = d_low/(d_low + d_high) with the distances from the layer's own faces, so that it follows a rough interface.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, log2
from typing import Annotated, Any

import numpy as np
from pydantic import PlainValidator, WithJsonSchema

from .materials import PROPERTIES, read_value
from .quantities import quantity_schema
from .units import show, to_internal

LAWS = ("linear", "exponential")
LEAST, MOST = 8, 40  # elements through a graded layer


def _straight(a: np.ndarray, b: np.ndarray, power: int) -> np.ndarray:
    """Mean of v^power on a straight line from a to b; of 1/v it is ln(b/a)/(b - a)."""
    if power == 1:
        return (a + b) / 2
    change = np.asarray(b / a - 1.0)
    small = np.abs(change) < 1e-8
    return np.where(small, 1 - change / 2, np.log1p(change) / np.where(small, 1.0, change)) / a


@dataclass(frozen=True)
class Grading:
    """One property across a layer: values at rising abscissae from 0 to 1, at the property's reference temperature.

    linear (also a table): straight between the values; exponential: `v(s) = v(0) (v(1)/v(0))^s`. The values are those of the
    layer as it is: a porosity of the layer does not change them.
    """

    name: str  # of the property
    law: str  # one of LAWS
    abscissae: tuple[float, ...]
    values: tuple[float, ...]  # internal units

    def at(self, s: np.ndarray) -> np.ndarray:
        """Values at relative distances `s`, internal units; constant beyond the faces."""
        s = np.clip(s, 0.0, 1.0)
        if self.law == "exponential":
            return self.values[0] * (self.values[1] / self.values[0]) ** s
        return np.interp(s, self.abscissae, self.values)

    def mean(self, s0: np.ndarray, s1: np.ndarray, power: int) -> np.ndarray:
        """Exact mean between two abscissae: arithmetic (power 1, conduction along the layer) or harmonic (-1, across it)."""
        width = np.maximum(s1 - s0, 1e-12)
        return ((self._integral(s0 + width, power) - self._integral(s0, power)) / width) ** power

    def _integral(self, s: np.ndarray, power: int) -> np.ndarray:
        """`int_0^s v^power ds`, power 1 or -1."""
        v = np.array(self.values)
        if self.law == "exponential":
            growth = power * np.log(v[1] / v[0])
            return v[0] ** power * (np.expm1(growth * s) / growth if growth else s)
        knots = np.array(self.abscissae)
        pieces = np.array([_straight(*ends, power) for ends in zip(v, v[1:])]) * np.diff(knots)
        n = np.clip(np.searchsorted(knots, s, side="right") - 1, 0, len(knots) - 2)
        here = np.interp(s, knots, v)
        return np.append(0.0, np.cumsum(pieces))[n] + _straight(v[n], here, power) * (s - knots[n])

    @property
    def elements(self) -> int:
        """Through the thickness: a factor of 2 an element at most if exponential, two between the closest rows of a table."""
        if self.law == "exponential":
            wanted = ceil(abs(log2(self.values[1] / self.values[0])))
        else:
            wanted = ceil(2.0 / min(np.diff(self.abscissae)) - 1e-9) if len(self.values) > 2 else LEAST
        return min(max(wanted, LEAST), MOST)

    def describe(self) -> dict[str, Any]:
        """As in a case file."""
        shown = [_shown(self.name, value) for value in self.values]
        if len(shown) > 2:
            return {"table": [list(row) for row in zip(self.abscissae, shown)]}
        return {"from": shown[0], "to": shown[1], "law": self.law}


def _shown(name: str, value: float) -> str | float:
    return value if PROPERTIES[name] == "number" else show(value, PROPERTIES[name])


def read_gradings(given: object) -> dict[str, Grading]:
    """Property -> Grading from `{ionic_conductivity = {from = "1 mS/cm", to = "2 mS/cm", law = "exponential"}}`; ValueError."""
    if not isinstance(given, Mapping):
        raise ValueError('should be a table, such as {ionic_conductivity = {from = "1 mS/cm", to = "2 mS/cm"}}')
    for name in given:
        if name not in PROPERTIES:
            close = difflib.get_close_matches(str(name).lower(), PROPERTIES, n=2, cutoff=0.6)
            remedy = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(PROPERTIES)}"
            raise ValueError(f"`{name}`: no material property; {remedy}")
    return {name: entry if isinstance(entry, Grading) else _read(name, entry) for name, entry in given.items()}


def _read(name: str, entry: object) -> Grading:
    example = 'such as {from = ..., to = ..., law = "exponential"} or {table = [[0, ...], [1, ...]]}'
    if not isinstance(entry, Mapping) or not entry:
        raise ValueError(f"`{name}` = {entry!r}: should be a table, {example}")
    for key in entry:
        if key not in ("from", "to", "law", "table"):
            raise ValueError(f"`{name}.{key}`: unknown key; known: from, to, law, table")
    if "table" in entry:
        if len(entry) > 1:
            raise ValueError(f"`{name}`: a table says all; remove {', '.join(key for key in entry if key != 'table')}")
        return _read_table(name, entry["table"])
    for key in ("from", "to"):
        if key not in entry:
            raise ValueError(f"`{name}.{key}` is missing; {example}")
    law = entry.get("law", "linear")
    if law not in LAWS:
        raise ValueError(f"`{name}.law` = {law!r}: should be one of {', '.join(LAWS)}")
    first, last = (read_value(name, entry[key], f"`{name}.{key}`") for key in ("from", "to"))
    if law == "exponential" and first * last <= 0.0:
        raise ValueError(f"`{name}.to` = {entry['to']!r}: an exponential needs two values of one sign, none zero, and `from` is "
                         f'{entry["from"]!r}; use law = "linear" or correct the values')
    return Grading(name, law, (0.0, 1.0), (first, last))


def _read_table(name: str, rows: object) -> Grading:
    pairs = isinstance(rows, list | tuple) and all(isinstance(row, list | tuple) and len(row) == 2 for row in rows)
    if not pairs or len(rows) < 2:
        raise ValueError(f"`{name}.table` = {rows!r}: should be two or more rows [s, value], s from 0 at the lower face to 1")
    abscissae: list[float] = []
    for n, (s, _) in enumerate(rows):
        try:
            s = to_internal(s, "number")
        except ValueError as error:
            raise ValueError(f"`{name}.table[{n}][0]` = {error}") from None
        if not 0.0 <= s <= 1.0:
            raise ValueError(f"`{name}.table[{n}][0]` = {s:g}: the relative distance should lie in [0, 1]; correct the row")
        if abscissae and s <= abscissae[-1]:
            raise ValueError(f"`{name}.table[{n}][0]` = {s:g}: not above {abscissae[-1]:g} of the row before; sort the rows, "
                             f"none twice")
        abscissae.append(s)
    for n, end in ((0, 0.0), (len(rows) - 1, 1.0)):
        if abscissae[n] != end:
            raise ValueError(f"`{name}.table[{n}][0]` = {abscissae[n]:g}: should be {end:g}, so that the table spans the layer; "
                             f"add a row")
    values = (read_value(name, value, f"`{name}.table[{n}][1]`") for n, (_, value) in enumerate(rows))
    return Grading(name, "linear", tuple(abscissae), tuple(values))


def _schema() -> dict[str, Any]:
    properties = {}
    for name, dimension in PROPERTIES.items():
        value = quantity_schema(dimension)
        row = {"type": "array", "prefixItems": [{"type": "number", "minimum": 0, "maximum": 1}, value], "minItems": 2,
               "maxItems": 2}
        ends = {"type": "object", "properties": {"from": value, "to": value, "law": {"enum": list(LAWS)}},
                "required": ["from", "to"], "additionalProperties": False}
        table = {"type": "object", "properties": {"table": {"type": "array", "items": row, "minItems": 2}},
                 "required": ["table"], "additionalProperties": False}
        properties[name] = {"anyOf": [ends, table]}
    return {"type": "object", "properties": properties, "additionalProperties": False}


Gradings = Annotated[dict[str, Grading], PlainValidator(read_gradings), WithJsonSchema(_schema())]
