"""The section of a run that is drawn: the plane of a 2D run, or a cut through the solid."""

from __future__ import annotations

import numpy as np

from .data import Run
from .views import Section, close_ups


def section_of(run: Run, time: float | None = None) -> Section | None:
    """The plane of a 2D run, or a cut through void and flaw; None without fields."""
    parts = {name: part for name in ("metal", "mixed", "electrolyte") if (part := run.part(name, time)) is not None and len(part.cells)}
    if not parts:
        return None
    if run.kind == "box":
        from .solid import cut

        return cut(run, parts)
    names = ("r (µm)", "z (µm)") if run.axisymmetric else ("x (µm)", "y (µm)")
    points = np.concatenate([p.points for p in parts.values()])
    centres = {f.name: f.center[0] for f in run.case.features if f.kind not in ("pores", "voids")} if run.case else {}
    return Section(parts, names, close_ups(run.case, centres, (float(points[:, 0].min()), float(points[:, 0].max()))))
