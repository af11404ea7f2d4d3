"""What a run writes step by step, and what it must remember of that to go on: tables, fields at their times, events, meshes."""

from __future__ import annotations

import logging
import math
from dataclasses import fields
from pathlib import Path

from mpi4py import MPI

from ..batch import together
from ..case import Case
from ..march import Mark, Step
from .cycles import Cycles
from .files import FieldWriter, list_times
from .record import ScalarTable

log = logging.getLogger("interfem")


class Book:
    """Every rank has one and calls `add`; the tables are on rank 0. OutputError on all ranks if one cannot write."""

    def __init__(self, case: Case, folder: Path, comm: MPI.Comm, writer: FieldWriter):
        self.interval, self.folder, self.comm, self.writer = case.output.interval, folder, comm, writer
        self.table = ScalarTable(folder / "scalars.csv") if comm.rank == 0 else None
        self.cycles = Cycles(folder / "cycles.csv") if comm.rank == 0 else None
        self.events: list[dict] = []
        self.meshes: list[dict] = []  # what has changed by each remeshing
        self.mark: Mark | None = None  # where the march stands, the shape of its mesh apart
        self.worn = False  # its mesh is to be replaced
        self.reached, self.next_output = 0.0, self.interval or math.inf
        together(comm, folder, lambda: writer.folder.mkdir(parents=True, exist_ok=True))

    def add(self, step: Step) -> None:
        """Write what a step shows."""
        self.reached, self.mark, self.worn = step.time, step.mark, step.worn
        together(self.comm, self.folder, lambda: self._tabulate(step))
        if step.last or step.time >= self.next_output - 1e-9:
            self.write_fields()
            while self.next_output <= step.time + 1e-9:
                self.next_output += self.interval
        if step.event:
            log.info("event %s at %.6g s", step.event, step.time)
            self.events.append({"event": step.event, "time_s": step.time})

    def _tabulate(self, step: Step) -> None:
        if self.table is not None:
            head = {"step": step.number, "time_s": step.time, "dt_s": step.dt, "phase": step.phase, "phase_kind": step.kind}
            self.table.add(head | step.scalars | self.cycles.add(step))

    def write_fields(self) -> None:
        """Of the last accepted state, unless they are written."""
        if self.reached not in self.writer.times[-1:]:
            together(self.comm, self.folder, lambda: self.writer.write(self.reached))

    def close(self, reason: str) -> None:
        """The run is over; `reason` ended what was under way."""
        together(self.comm, self.folder, lambda: self.cycles.close(reason) if self.cycles is not None else None)

    def summary(self) -> dict[str, dict[str, float]]:
        """Last, least and largest value of each scalar, on all ranks."""
        return self.comm.bcast(self.table.summary if self.table is not None else None)

    def memory(self) -> dict:
        """As plain data; that of the tables on rank 0 alone."""
        tables = {"table": self.table.memory(), "cycles": self.cycles.memory()} if self.table is not None else {}
        mark = {f.name: getattr(self.mark, f.name) for f in fields(Mark) if f.name != "shape"} if self.mark is not None else None
        return tables | {"mark": mark, "worn": self.worn, "events": self.events, "meshes": self.meshes, "reached": self.reached,
                         "next_output": self.next_output, "times": self.writer.times}

    def recall(self, memory: dict) -> None:
        """Go on from there: fields of later times are forgotten."""
        mark = memory["mark"]
        self.mark = Mark(**mark | {"before": None if mark["before"] is None else tuple(mark["before"])})
        self.events, self.meshes, self.worn = memory["events"], memory["meshes"], memory["worn"]
        self.reached, self.next_output, self.writer.times = memory["reached"], memory["next_output"], memory["times"]
        if self.table is not None:
            self.table.recall(memory["table"])
            self.cycles.recall(memory["cycles"])
        together(self.comm, self.folder, self._relist)

    def _relist(self) -> None:
        if self.comm.rank == 0:
            for path in self.writer.folder.glob("*_.pvd"):  # of a piece that was under way
                path.unlink()
            for part in self.writer.parts:
                list_times(self.writer.folder, part, self.writer.times)
