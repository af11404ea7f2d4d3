"""The product's own path, for tests: a case as nested data in, the numbers of its run folder out."""

from __future__ import annotations

import copy
import csv
import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
from interfem.run import Result, run
from interfem.case import parse_case


def solve(tree: dict, folder: Path) -> Run:
    """Run a case (no figures); its status must be "completed"."""
    case = parse_case(merge({"title": "verification", "temperature": "298.15 K", "output": {"figures": False}}, tree))
    result = run(case, folder)
    assert result.status == "completed", f"{result.status}: {result.event} {result.reason}"
    return Run(result)


def merge(base: dict, *changes: dict) -> dict:
    """Nested dictionaries laid over each other; lists are replaced whole."""
    result = copy.deepcopy(base)
    for change in changes:
        for key, value in change.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merge(result[key], value) if both else copy.deepcopy(value)
    return result


class Run:
    """Scalars as arrays over the accepted steps, by name; fields as pyvista grids."""

    def __init__(self, result: Result):
        self.result, self.folder = result, result.folder
        self.record = json.loads((result.folder / "run.json").read_text(encoding="utf-8"))
        with open(result.folder / "scalars.csv", newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        self.columns = {name: np.array([_number(row[name]) for row in rows]) for name in rows[0] if name != "phase_kind"}

    def __getitem__(self, name: str) -> np.ndarray:
        return self.columns[name]

    def last(self, name: str) -> float:
        return float(self.columns[name][-1])

    def ends(self, name: str) -> np.ndarray:
        """Values at the end of each protocol step."""
        phase = self["phase"]
        return self[name][np.append(np.flatnonzero(np.diff(phase)), len(phase) - 1)]

    def times(self, part: str) -> list[float]:
        """Times (s) at which a part's fields were written."""
        return [float(data.get("timestep")) for data in self._datasets(part)]

    def fields(self, part: str, number: int = -1):
        """One part ("metal", "electrolyte", "interface") at one of its times, the last by default."""
        import pyvista

        file = self.folder / "fields" / self._datasets(part)[number].get("file")
        data = pyvista.read(file)
        return data.combine() if isinstance(data, pyvista.MultiBlock) else data

    def _datasets(self, part: str) -> list:
        return list(ElementTree.parse(self.folder / "fields" / f"{part}.pvd").getroot().iter("DataSet"))


def _number(text: str) -> float:
    return float(text) if text else float("nan")
