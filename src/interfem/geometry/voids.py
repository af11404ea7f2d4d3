"""A population of voids on one interface: the single voids under one name."""

from __future__ import annotations

from . import void
from .bodies import DimTags
from .sizes import Sizes, Source


def body(feature, case, stack) -> DimTags:
    """All of them."""
    return [part for single in case.populations[feature.name] for part in void.body(single, case, stack)]


def sources(feature, case, sizes: Sizes) -> list[Source]:
    """As of each single void."""
    return [source for single in case.populations[feature.name] for source in void.sources(single, case, sizes)]
