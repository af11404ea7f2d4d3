"""The record of a run: `run.json`, `scalars.csv`, `cycles.csv`, `log.txt`. Rank 0 writes; every file is whole at any time."""

from __future__ import annotations

import json
import math
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from ..case import Case, CaseError, parse_case
from ..overrides import OverrideError, override
from ..whole import append_rows, whole

PACKAGES = ("interfem", "fenics-dolfinx", "dolfinx-solver-real", "fenics-ufl", "fenics-basix", "fenics-ffcx", "petsc4py", "mpi4py", "numpy",
            "scipy", "gmsh", "pyvista")


def versions() -> dict[str, str]:
    """Versions of what decides the numbers, as far as installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def write_json(path: Path, data: dict) -> None:
    """Atomically: a reader sees the old file or the new one. NaN becomes null."""
    with whole(path) as file:
        json.dump(_finite(data), file, indent=1)
        file.write("\n")


def read_record(folder: Path) -> dict:
    """`run.json` of a run folder. CaseError if there is none."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        return record if record["status"] and record["input"] else {}
    except OSError:
        raise CaseError(f"{folder}: no finished run in this folder (there is no run.json)") from None
    except (ValueError, KeyError, TypeError):
        raise CaseError(f"{folder / 'run.json'}: no record of a run, or one of another version; run the case again") from None


def case_of_run(folder: Path, overrides=()) -> Case:
    """The case that a run was made from, with overrides if any. CaseError if it would not be the same today."""
    record = read_record(folder)
    return case_again(record["input"], record["hash"], folder / "run.json", overrides)


def case_again(tree: dict, kept: str, path: Path, overrides=()) -> Case:
    """The case of a file that a run has left, whose hash was kept with it; then with overrides. CaseError if the hash is another one today."""
    case = parse_case(tree, str(path))
    if case.hash != kept:
        raise CaseError(f"{path.parent}: a material of the library, or the mesh file, has changed since this run; run the case again")
    if not overrides:
        return case
    try:
        for text in overrides:
            override(tree, text)
    except OverrideError as error:
        raise CaseError(str(error)) from None
    return parse_case(tree, str(path))


def _finite(data):
    if isinstance(data, dict):
        return {key: _finite(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [_finite(value) for value in data]
    if isinstance(data, float) and not math.isfinite(data):
        return None
    return data


class ScalarTable:
    """A CSV file, one row a step or cycle, and the summary (last, minimum, maximum of every column)."""

    def __init__(self, path: Path):
        self.path, self.columns, self.summary = path, [], {}

    def add(self, row: dict[str, float]) -> None:
        columns = self.columns or list(row)
        texts = [_text(row.get(name, math.nan)) for name in columns]
        append_rows(self.path, [texts] if self.columns else [columns, texts])
        self.columns = columns
        for name, value in row.items():
            if isinstance(value, (int, float)) and math.isfinite(value):
                entry = self.summary.setdefault(name, {"last": value, "min": value, "max": value})
                entry["last"], entry["min"], entry["max"] = value, min(value, entry["min"]), max(value, entry["max"])

    def memory(self) -> dict:
        """As plain data."""
        return {"columns": self.columns, "summary": self.summary}

    def recall(self, memory: dict) -> None:
        """Go on from there."""
        self.columns, self.summary = memory["columns"], memory["summary"]


def _text(value) -> str:
    if isinstance(value, float):
        return f"{value:.12g}" if math.isfinite(value) else ""
    return str(value)
