"""A finished run as its folder holds it: record, scalars, and fields as plain arrays. No dolfinx."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from ..case import Case, CaseError, parse_case
from ..materials import PROPERTIES

NEAR = 1e-9  # of the extent: nodes of different pieces this close are one
FLOWING = 1e-9  # A/m^2; below it no net current flows
LABELS = {"pressure": "stack pressure", "voltage": "constant voltage", "ramp": "current ramp", "profile": "current profile"}


@dataclass(frozen=True)
class Part:
    """Simplices with values at their nodes. A node on the border of two regions is there once for each, so that jumps stay jumps.

    points (n, d) um; cells (m, k); region (m,) index into the case's regions; values name -> (n,) or (n, d).
    """

    points: np.ndarray
    cells: np.ndarray
    region: np.ndarray
    values: Mapping[str, np.ndarray]

    def only(self, regions) -> Part:
        """The same nodes, with the cells of some regions."""
        chosen = np.isin(self.region, list(regions))
        return Part(self.points, self.cells[chosen], self.region[chosen], self.values)

    @property
    def used(self) -> np.ndarray:
        """Nodes that some cell has."""
        return np.unique(self.cells)

    @property
    def centres(self) -> np.ndarray:
        return self.points[self.cells].mean(axis=1)


@dataclass(frozen=True)
class Phase:
    """A protocol step as it was run: kind, start and end, s, and the load at its end in words."""

    kind: str
    start: float
    end: float
    text: str


@dataclass(frozen=True)
class Run:
    """A run folder. `case` is None when the record's case cannot be read back (its own mesh has moved)."""

    folder: Path
    record: Mapping
    case: Case | None

    @property
    def title(self) -> str:
        return self.record.get("title") or self.folder.name

    @property
    def ending(self) -> str:
        """Status, with the event or that it failed."""
        return f"stopped: {self.record['event']}" if self.record.get("event") else self.record["status"]

    @property
    def axisymmetric(self) -> bool:
        return self.kind == "axisymmetric"

    @property
    def kind(self) -> str:
        return self.record.get("case", {}).get("geometry", {}).get("kind", "plane")

    @cached_property
    def regions(self) -> list[str]:
        """Names by region number."""
        return [r.name for r in self.case.regions] if self.case else list(self.record.get("mesh", {}).get("cells_by_region", {}))

    @cached_property
    def _rows(self) -> list[dict[str, str]]:
        return _table(self.folder / "scalars.csv")

    @cached_property
    def scalars(self) -> dict[str, np.ndarray]:
        """Columns of scalars.csv; what was not known at a step is NaN."""
        names = [n for n in (self._rows[0] if self._rows else {}) if n != "phase_kind"]
        return {n: np.array([_number(row[n]) for row in self._rows]) for n in names}

    @cached_property
    def cycles(self) -> dict[str, np.ndarray]:
        """Columns of cycles.csv, those of numbers."""
        rows = _table(self.folder / "cycles.csv")
        names = [n for n in (rows[0] if rows else {}) if not n.endswith("_ended_by")]
        return {n: np.array([_number(row[n]) for row in rows]) for n in names}

    @cached_property
    def time(self) -> np.ndarray:
        return self.scalars.get("time_s", np.empty(0))

    @cached_property
    def flowing(self) -> np.ndarray:
        """Steps at which a net current passes."""
        current = np.abs(self.scalars.get("current_density_A_per_m2", np.zeros(len(self.time))))
        return current > max(FLOWING, 1e-6 * current.max(initial=0.0))

    @cached_property
    def loaded(self) -> int | None:
        """Index of the last step with current, else of the last step; None if there is none."""
        found = np.flatnonzero(self.flowing)
        return int(found[-1]) if len(found) else len(self.time) - 1 if len(self.time) else None

    def value(self, name: str, index: int | None) -> float:
        """A scalar at a step; NaN if it is not there."""
        return float(self.scalars[name][index]) if index is not None and name in self.scalars else np.nan

    @cached_property
    def phases(self) -> list[Phase]:
        """Protocol steps in the order in which they were run."""
        found: list[Phase] = []
        numbers = self.scalars.get("phase", np.empty(0))
        starts = np.flatnonzero(np.diff(numbers, prepend=-1.0))
        for first, last in zip(starts, [*starts[1:], len(numbers)]):
            kind = self._rows[first]["phase_kind"]
            start = self.time[first] - self.value("dt_s", first)
            found.append(Phase(kind, float(start), float(self.time[last - 1]), self._load(kind, last - 1)))
        return found

    def _load(self, kind: str, index: int) -> str:
        if kind in ("current", "ramp"):
            current = signed(0.1 * self.value("current_density_A_per_m2", index))
            return f"{'to ' if kind == 'ramp' else ''}{current} mA/cm²"
        if kind == "temperature":
            return f"to {self.value('temperature_K', index):.4g} K"
        if kind == "voltage":
            return f"{signed(self.value('cell_voltage_V', index))} V"
        if kind == "pressure" and "stack_pressure_MPa" in self.scalars:
            return f"to {self.value('stack_pressure_MPa', index):.3g} MPa"
        return LABELS.get(kind, kind)

    @cached_property
    def events(self) -> list[tuple[float, str]]:
        """(time in s, name) as recorded; records of old have them in the log alone."""
        if "events" in self.record:
            return [(float(event["time_s"]), event["event"]) for event in self.record["events"]]
        try:
            text = (self.folder / "log.txt").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        return [(float(time), name) for name, time in re.findall(r"event (\S+) at ([-+.\deE]+) s", text)]

    # ---- fields -------------------------------------------------------------------------------------------------------

    def output_times(self, part: str) -> list[tuple[float, Path]]:
        """(time in s, file) of a part: "electrolyte", "metal", "interface"."""
        try:
            text = (self.folder / "fields" / f"{part}.pvd").read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        found = re.findall(r'timestep="([^"]+)"[^>]*file="([^"]+)"', text)
        return [(float(time), self.folder / "fields" / file) for time, file in found]

    @cached_property
    def shown_time(self) -> float | None:
        """The last time with fields at which a current passes; without any current the last one."""
        times = next((found for part in ("electrolyte", "mixed", "metal") if (found := self.output_times(part))), [])
        if not times:
            return None
        under_load = [t for t, _ in times if len(self.time) and self.flowing[int(np.argmin(np.abs(self.time - t)))]]
        return (under_load or [t for t, _ in times])[-1]

    @cached_property
    def shown_text(self) -> str:
        """The shown time in words."""
        if self.shown_time is None:
            return "no fields"
        phase = next((p for p in reversed(self.phases) if p.start < self.shown_time - 1e-6 * abs(self.shown_time)), None)
        return f"t = {self.shown_time:.4g} s" + (
            f", {LABELS.get(phase.kind, phase.kind)} {phase.text}".replace("rest rest", "rest") if phase else ""
        )

    def part(self, name: str, time: float | None = None) -> Part | None:
        """Fields of a part at the output nearest to a time (the shown one); None if it was not written."""
        times = self.output_times(name)
        time = self.shown_time if time is None else time
        if not times or time is None:
            return None
        return read_part(
            min(times, key=lambda entry: abs(entry[0] - time))[1],
            "interface" if name == "interface" else "region",
            3 if self.kind == "box" else 2,
        )


def _table(path: Path) -> list[dict[str, str]]:
    try:
        with open(path, newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    except FileNotFoundError:
        return []


def open_run(folder: str | Path, record: Mapping | None = None, case: Case | None = None) -> Run:
    """The run in a folder. FileNotFoundError without its record, ValueError if that is none."""
    folder = Path(folder)
    if record is None:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        if not isinstance(record, dict) or "status" not in record:
            raise ValueError("holds no status")
    return Run(folder, record, case if case is not None else _recorded_case(record))


def _recorded_case(record: Mapping) -> Case | None:
    """The case of the record, read back; records of materials name their origin, and give plain numbers as text."""
    tree = json.loads(json.dumps(record.get("case", {})))
    if tree.get("counter") == "equipotential":  # the default, refused where the last layer is the counter electrode
        tree.pop("counter")
    for material in tree.get("materials", {}).values():
        for name, entry in material.get("properties", {}).items():
            entry.pop("origin", None)
            if PROPERTIES.get(name) == "number":
                entry |= {key: _plain(entry[key]) for key in ("value", "range", "table") if key in entry}
    try:
        return parse_case(tree)
    except CaseError:
        return None


def _plain(value):
    return [_plain(item) for item in value] if isinstance(value, list) else float(value)


def read_part(file: Path, key: str, dimension: int) -> Part:
    """One field file of any number of pieces, ghosts left out; `key` names the cell values that tell regions apart."""
    import pyvista

    grid = pyvista.read(file)
    cells = _simplices(grid)
    kept = (
        (np.asarray(grid.cell_data["vtkGhostType"]) & 1) == 0 if "vtkGhostType" in grid.cell_data else np.ones(len(cells), bool)
    )
    cells = cells[kept]
    points = np.asarray(grid.points, dtype=float)[:, :dimension]
    same = _coincident(points)
    region = np.rint(np.asarray(grid.cell_data[key])[kept]).astype(int)
    corner = same[cells] * (region.max(initial=0) + 1) + region[:, None]  # one number for each node and region
    numbers, first, broken = np.unique(corner, return_index=True, return_inverse=True)
    origin = cells.reshape(-1)[first]
    part = Part(points[origin], broken.reshape(cells.shape), region, {})
    values = {name: np.asarray(array)[origin] for name, array in grid.point_data.items() if not name.startswith("vtk")}
    weights = sizes(part)
    for name, array in grid.cell_data.items():
        if not name.startswith("vtk") and name != key:
            values[name] = to_nodes(part, np.asarray(array)[kept], weights)
    values = {name: array[:, :dimension] if array.ndim == 2 else array for name, array in values.items()}
    return Part(part.points, part.cells, region, values)


def to_nodes(part: Part, values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Cell values -> node values, averaged by size within a region."""
    total = np.bincount(part.cells.reshape(-1), np.repeat(weights, part.cells.shape[1]), len(part.points))
    columns = values.reshape(len(values), -1).T
    sums = [
        np.bincount(part.cells.reshape(-1), np.repeat(weights * column, part.cells.shape[1]), len(part.points))
        for column in columns
    ]
    found = np.stack(sums, axis=-1) / total[:, None]
    return found[:, 0] if values.ndim == 1 else found


def sizes(part: Part) -> np.ndarray:
    """Length, area or volume of each simplex."""
    corners = part.points[part.cells]
    edges = corners[:, 1:] - corners[:, :1]
    factorial = (1, 1, 2, 6)[edges.shape[1]]
    return np.sqrt(np.abs(np.linalg.det(edges @ edges.transpose(0, 2, 1)))) / factorial


CORNERS = {3: 2, 21: 2, 68: 2, 5: 3, 22: 3, 69: 3, 10: 4, 24: 4, 71: 4}  # of VTK's lines, triangles, tetrahedra of any order


def _simplices(grid) -> np.ndarray:
    """Corner nodes of the cells; VTK lists them before the nodes on edges."""
    kinds = {int(kind) for kind in np.unique(grid.celltypes)}
    if not kinds:
        return np.empty((0, 3), int)
    if len(kinds) != 1 or not kinds <= set(CORNERS):
        raise ValueError(f"cells of VTK type {sorted(kinds)} are not drawn")
    return np.asarray(grid.cell_connectivity, dtype=int).reshape(grid.n_cells, -1)[:, : CORNERS[kinds.pop()]]


def _coincident(points: np.ndarray) -> np.ndarray:
    """Number of each point, the same for points at one place."""
    extent = np.ptp(points, axis=0).max(initial=0.0) or 1.0
    return np.unique(np.rint(points / (NEAR * extent)).astype(np.int64), axis=0, return_inverse=True)[1].reshape(-1)


def join(parts: list[Part], name: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(points, cells, values at the cells) of several parts as one connected mesh."""
    points = np.concatenate([p.points for p in parts])
    same = _coincident(points)
    offsets = np.cumsum([0, *(len(p.points) for p in parts[:-1])])
    cells = same[np.concatenate([p.cells + n for p, n in zip(parts, offsets)])]
    values = np.concatenate([p.values[name][p.cells].mean(axis=1) for p in parts])
    whole = np.empty((same.max() + 1, points.shape[1]))
    whole[same] = points
    return whole, cells, values


def signed(value: float) -> str:
    """Three digits with a true minus sign."""
    return f"{value:.3g}".replace("-", "−")


def _number(text: str | None) -> float:
    try:
        return float(text) if text else np.nan
    except ValueError:
        return np.nan
