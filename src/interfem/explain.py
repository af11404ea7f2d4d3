"""Pydantic's account of a wrong case -> lines that give place, value and remedy."""

from __future__ import annotations

import re
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from .checks import key_path, suggestion
from .quantities import dimension_of, key_of
from .units import DIMENSIONS

_EXAMPLES = {
    "title": '"Li | Li6PS5Cl"',
    "temperature": '"298.15 K"',
    "geometry": 'a table [geometry] with kind = "plane"',
    "layers": "tables [[layers]]",
    "protocol": "tables [[protocol]]",
    "axes": 'tables [[axes]] with key = "layers.film.thickness"',
    "name": '"sse"',
    "material": '"Li6PS5Cl"',
    "interface": '"li|sse"',
    "layer": '"sse"',
    "times": "3",
    "case": '"../cases/bare.toml"',
    "key": '"layers.sse.thickness"',
    "count": "9",
    "source": '"Kasemchainan 2019"',
    "steps": '[{kind = "rest", duration = "1 min"}]',
}
_NUMBERS = {"temperature": 298.15, "pressure": 5}  # that read well as an example; else 1
_WORDS = {
    "string_type": "should be text in quotes",
    "bool_type": "should be true or false",
    "int_type": "should be a whole number",
    "greater_than_equal": "should be at least {ge}",
    "less_than_equal": "should be at most {le}",
    "too_short": "is empty; give at least one",
    "string_too_short": "is empty; give a name",
    "string_pattern_mismatch": "should start with a letter and go on with letters, digits, - or _",
    "literal_error": "should be {expected}",
}


def explain(error: ValidationError, tree: dict[str, Any], root: type[BaseModel]) -> list[str]:
    """All faults that a model `root` found in `tree`, one a line."""
    entries = [e for e in error.errors() if not (e["type"] == "too_short" and e["input"])]  # emptied by faults told already
    lines = [line for entry in entries for line in _line(entry, tree, root).splitlines()]
    return list(dict.fromkeys(lines))


def _line(error: dict, tree: dict, root: type[BaseModel]) -> str:
    """One line (more for a whole-case check): place, value, remedy."""
    kind, given, context = error["type"], error.get("input"), error.get("ctx", {})
    place, models = _walk(error["loc"], tree, root)
    if kind == "extra_forbidden":
        known = [key for model in _walk(error["loc"][:-1], tree, root)[1] for key in _fields(model)]
        return f"{place}: unknown key{suggestion(error['loc'][-1], known) or '; known: ' + ', '.join(known)}"
    if kind == "missing":
        return f"{place} is missing; give it, for example {_example(error['loc'], tree, root)}"
    if kind in ("model_type", "dict_type", "model_attributes_type"):
        return f"{place} = {given!r}: should be a table{_heading(place)}"
    if kind == "tuple_type":
        return f"{place} = {given!r}: should be a list of tables{_heading(place)}"
    if kind.startswith("union_tag"):
        kinds = [name for model in models for name in get_args(model.model_fields["kind"].annotation)]
        found = f" = {given['kind']!r}: should be" if "kind" in given else " is missing; give"
        return f"{place}.kind{found} one of {', '.join(kinds)}{suggestion(str(given.get('kind', '')), kinds)}"
    message = _WORDS[kind].format(**context) if kind in _WORDS else error["msg"].removeprefix("Value error, ")
    if kind == "literal_error":
        message += suggestion(str(given), re.findall(r"'(\w+)'", message))
    about = re.match(r"`([\w.\[\]]+)`(:? .*)", message)  # a fault of one key, or of one below it, that only the whole table shows
    if about and isinstance(given, dict):
        place, message, given = f"{place}.{about[1]}".lstrip("."), about[2], given.get(about[1])
        if given is None or isinstance(given, dict):
            return f"{place}{message}"
        return f"{place} = {given!r}{message}"
    if not place or given is None or isinstance(given, (dict, list, tuple)):
        return f"{place}: {message}" if place else message
    return f"{place} = {message}" if message.startswith(repr(given)) else f"{place} = {given!r}: {message}"


def _walk(location: tuple, tree: Any, root: type[BaseModel]) -> tuple[str, list[type[BaseModel]]]:
    """Key path of an error, without pydantic's union tags, and the models that may stand there."""
    place, node, models = "", tree, [root]
    for part in location:
        if isinstance(part, int):
            place, node = f"{place}[{part}]", node[part]
        elif isinstance(node, dict) and part not in node and node.get("kind") == part:
            models = [model for model in models if part in get_args(model.model_fields["kind"].annotation)]
        else:
            place, node = key_path(place, part), node.get(part) if isinstance(node, dict) else None
            fields = [_fields(model)[part] for model in models if part in _fields(model)]
            models = [inner for field in fields for inner in _inner(field.annotation)] if fields else models
    return place, models


def _fields(model: type[BaseModel]) -> dict:
    """Fields of a model by the key that a case file has."""
    return {key_of(name, field): field for name, field in model.model_fields.items()}


def _inner(annotation: Any) -> list[type[BaseModel]]:
    """Models named anywhere inside a type."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _inner(part)]


def _example(location: tuple, tree: dict, root: type[BaseModel]) -> str:
    key = location[-1]
    fields = [_fields(model)[key] for model in _walk(location[:-1], tree, root)[1] if key in _fields(model)]
    dimension = next(filter(None, map(dimension_of, fields)), None)
    quantity = _quantity(dimension) if dimension else None
    choices = [choice for field in fields for choice in get_args(field.annotation)]
    value = _EXAMPLES.get(key) or quantity or " or ".join(f'"{choice}"' for choice in choices)
    return value if value.startswith(("a table", "tables")) else f"{key} = {value}"


def _quantity(dimension: str) -> str:
    number, unit = _NUMBERS.get(dimension, 1), DIMENSIONS[dimension][1]
    return f'"{number} {unit}"' if unit else f"{number}"


def _heading(place: str) -> str:
    if place in ("layers", "features", "protocol"):
        return f", each headed [[{place}]]"
    return f" headed [{place}]" if "[" not in place else ""
