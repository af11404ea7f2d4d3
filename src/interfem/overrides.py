"""`--set path.to.key=value`: one key of a case set from the command line or by a study."""

from __future__ import annotations

import re
import tomllib
from typing import Any


class OverrideError(ValueError):
    """The path leads nowhere or the text is no `key=value`; the message says which and what there is."""


_PART = r"""(?:"[^"]+"|'[^']+'|[^\s."'\[\]]+)"""
_KEY = re.compile(rf"{_PART}(?:\.{_PART}|\[\d+\])*")


def override(tree: dict[str, Any], text: str) -> None:
    """Set one key of a TOML document. A list item goes by its `name` (or kind) or number: ``layers.sse``, ``protocol[1]``.

    Quotes, of either kind, hold a name with dots together: ``materials."Li5.5PS4.5Cl1.5".youngs_modulus=20 GPa``. OverrideError if it cannot be.
    """
    key, equals, value = (part.strip() for part in text.partition("="))
    parts = key_parts(key)
    if not (equals and value and parts):
        raise OverrideError(f"--set {text}: should read path.to.key=value, for example --set layers.li.thickness='10 um'")
    node: Any = tree
    for n, part in enumerate(parts):
        path = ".".join(parts[:n])
        if isinstance(node, list):
            part = _item(node, part, f"--set {text}", path)
        elif not isinstance(node, dict):
            raise OverrideError(f"--set {text}: {path} = {node!r} is a value, not a table; shorten the path")
        if n == len(parts) - 1:
            node[part] = _value(value)
        else:
            node = node[part] if isinstance(node, list) else node.setdefault(part, {})


def key_parts(key: str) -> list[str]:
    """Parts of a key path, quotes taken off; none if it is no key path."""
    return [part.strip("\"'") for part in re.findall(_PART, key)] if _KEY.fullmatch(key) else []


def _item(items: list, part: str, place: str, path: str) -> int:
    """Index of the list item with that name or number."""
    labels = [item.get("name", item.get("kind")) if isinstance(item, dict) else None for item in items]
    if labels.count(part) == 1:
        return labels.index(part)
    if part.isdecimal() and int(part) < len(items):
        return int(part)
    shown = ", ".join(f"{n} {label}" if label else str(n) for n, label in enumerate(labels))
    found = "several" if part in labels else "no"
    raise OverrideError(f"{place}: {found} {part!r} in {path}, which holds {shown or 'nothing'}; use a number or another name")


def _value(text: str) -> Any:
    """A TOML value; anything else is text, so that quantities need no quotes."""
    try:
        document = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return document["value"] if len(document) == 1 else text
