"""Parts of a case file, and typed keys that hold a quantity: text with a unit, read within bounds, kept in internal units."""

from __future__ import annotations

from dataclasses import dataclass
from math import inf
from typing import Annotated, Any, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, WithJsonSchema

from .units import DIMENSIONS, show, to_internal


class Model(BaseModel):
    """Frozen part of a case; unknown keys are refused. Defaults are written as in a case file."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def key_of(name: str, field) -> str:
    """Key in a case file of a model's field: its name, or what stands in for it where that is no name ("from")."""
    return field.alias or name


@dataclass(frozen=True)
class Dimension:
    """Mark on a key that holds a quantity: a name of units.DIMENSIONS."""

    name: str


def quantity(dimension: str, *, above: float = -inf, least: float = -inf, below: float = inf, most: float = inf,
             hint: str = "correct it"):
    """Annotated float read from text with a unit of `dimension`, within bounds; kept in internal units."""

    def read(value: object) -> float:
        number = to_internal(value, dimension)
        for holds, wanted, bound in ((number > above, "greater than", above), (number >= least, "at least", least),
                                     (number < below, "less than", below), (number <= most, "at most", most)):
            if not holds:
                raise ValueError(f"should be {wanted} {show(bound, dimension)}; {hint}")
        return number

    return Annotated[float, BeforeValidator(read), WithJsonSchema(quantity_schema(dimension)), Dimension(dimension)]


def quantity_schema(dimension: str) -> dict[str, Any]:
    """JSON schema of a quantity as it stands in a case file."""
    if dimension == "number":
        return {"type": "number"}
    return {"type": "string", "pattern": r"^\s*[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?\s*\S.*$",
            "description": f"{dimension}, a number with its unit", "examples": [f"1 {DIMENSIONS[dimension][1]}"]}


def dimension_of(field) -> str | None:
    """Dimension of a model's field, None if it holds no quantity."""
    marks = [*field.metadata, *(mark for part in get_args(field.annotation) for mark in getattr(part, "__metadata__", ()))]
    return next((mark.name for mark in marks if isinstance(mark, Dimension)), None)
