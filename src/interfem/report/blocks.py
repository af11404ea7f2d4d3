"""What a page is made of. The template says how each kind of block looks, and escapes all text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar


@dataclass(frozen=True)
class Text:
    """Paragraphs."""

    lines: tuple[str, ...]
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Notes:
    """A list of remarks; `tone` "caution" marks them."""

    lines: tuple[str, ...]
    tone: str = ""
    kind: ClassVar[str] = "notes"


@dataclass(frozen=True)
class Cell:
    """Text in a table with a link, or with a tone: "estimate", "good", "bad", "quiet"."""

    text: str
    href: str = ""
    tone: str = ""


@dataclass(frozen=True)
class Table:
    """Rows of text or cells; `numeric` are the columns set to the right; `key` is the column that linked charts know."""

    head: tuple[str, ...]
    rows: tuple[tuple[str | Cell, ...], ...]
    caption: str = ""
    numeric: frozenset[int] = frozenset()
    key: int | None = None
    stacks: bool = False  # on a narrow screen cells stand below each other
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A PNG file inside the page."""

    source: str
    size: tuple[int, int]  # pixels; keeps the place of a picture that is not loaded yet
    caption: str
    alt: str
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Chart:
    """Data and layout for plotly; the points under the pointer are shown in all charts of a group."""

    title: str
    data: tuple[Mapping[str, Any], ...]
    layout: Mapping[str, Any]
    group: str
    wide: bool = False
    kind: ClassVar[str] = "chart"


@dataclass(frozen=True)
class Explorer:
    """Any two columns of a study against each other, with the members that no other one beats in both."""

    columns: Mapping[str, tuple[float | None, ...]]
    keys: tuple[str, ...]
    sound: tuple[bool, ...]  # members whose numbers count,
    meaning: str  # those that ..., in words
    start: tuple[tuple[str, int], ...]  # columns shown first, 1 where less is better, -1 where more is
    kind: ClassVar[str] = "explorer"


@dataclass(frozen=True)
class Outcomes:
    """Failure-mode map: over two axes to choose, what failed first in each member and when, or how near it came; more of that under the pointer."""

    axes: Mapping[str, tuple[float | str | None, ...]]
    outcomes: tuple[str, ...]
    colors: Mapping[str, str]
    when: tuple[str, ...]
    told: tuple[str, ...]
    keys: tuple[str, ...]
    kind: ClassVar[str] = "outcomes"


@dataclass(frozen=True)
class Scenes:
    """Scenes to turn and zoom, one at a time."""

    views: tuple[Any, ...]
    caption: str
    kind: ClassVar[str] = "scenes"

    @property
    def data(self) -> list[dict[str, Any]]:
        """The views as plain data."""
        return [asdict(view) for view in self.views]


@dataclass(frozen=True)
class Code:
    """Text as it stands."""

    text: str
    kind: ClassVar[str] = "code"


@dataclass(frozen=True)
class Fold:
    """Blocks that open on demand."""

    title: str
    blocks: tuple[Any, ...]
    kind: ClassVar[str] = "fold"


@dataclass(frozen=True)
class Section:
    """A heading with blocks; `name` is its anchor, empty for a section inside another one."""

    name: str
    title: str
    blocks: tuple[Any, ...]
    kind: ClassVar[str] = "section"

    @property
    def runs(self) -> list[tuple[str, list[Any]]]:
        """Blocks in order, those of one kind that follow each other together: charts and pictures stand side by side."""
        found: list[tuple[str, list[Any]]] = []
        for block in self.blocks:
            if found and found[-1][0] == block.kind:
                found[-1][1].append(block)
            else:
                found.append((block.kind, [block]))
        return found


@dataclass(frozen=True)
class Page:
    """A whole page. `status` is (words, tone); `tiles` are (what, number, unit)."""

    title: str
    about: str
    status: tuple[str, str]
    lead: tuple[str, ...]
    tiles: tuple[tuple[str, str, str], ...]
    sections: tuple[Section, ...]


def told_on_the_way(source: Any, parts: Mapping[str, Callable[[Any], Section | None]], progress: Callable[[float, str], None]) -> list[Section | None]:
    """Each part made of a source, named before it is begun."""
    found = []
    for n, (name, part) in enumerate(parts.items()):
        progress(n / len(parts), name)
        found.append(part(source))
    return found


def embedded(png: Path, caption: str, alt: str) -> Picture:
    """A PNG file as a block."""
    data = png.read_bytes()
    width, height = (int.from_bytes(data[at : at + 4], "big") for at in (16, 20))
    return Picture("data:image/png;base64," + b64encode(data).decode(), (width, height), caption, alt)
