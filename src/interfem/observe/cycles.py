"""Cycles of a run: what each strips and plates, its efficiencies, and what ended its halves.

A cycle begins with each change of the current's sign back to the sign that the first current had; the other sign is its second
half. Steps without a net current belong to the half before them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path

from .record import ScalarTable

NONE, NONE_RELATIVE = 1e-9, 1e-6  # A/m^2, and part of the largest current so far: below these no net current flows
COLUMNS = ("current_density_A_per_m2", "areal_charge_mAh_per_cm2", "cell_voltage_V")
REMEMBERED = ("first", "sign", "largest", "charge", "voltage", "phase", "open")
HALVES = {1: "stripping", -1: "plating"}  # by the current's sign


@dataclass
class _Half:
    """The part of a cycle in which the current has one sign. charge: mAh/cm^2, positive; work: its integral of V dq, mWh/cm^2."""

    charge: float = 0.0
    work: float = 0.0
    ended_by: str = ""

    @property
    def mean_voltage(self) -> float:
        """Weighted by charge, V."""
        return self.work / self.charge if self.charge else math.nan


@dataclass
class _Cycle:
    number: int
    start: float = math.nan  # s, of its first and its last current
    end: float = math.nan
    overpotential: float = 0.0  # largest magnitude, V
    halves: dict[int, _Half] = field(default_factory=lambda: {sign: _Half() for sign in HALVES})

    def row(self, first: int) -> dict[str, float | str]:
        """As `cycles.csv` has it. Energies are put into the cell; it delivers where they are negative."""
        strip, plate = self.halves[1], self.halves[-1]
        energies = strip.work, -plate.work
        both = min(energies) < 0 < max(energies)
        return {"cycle": self.number, "start_s": self.start, "end_s": self.end, "stripped_mAh_per_cm2": strip.charge,
                "plated_mAh_per_cm2": plate.charge, "coulombic_efficiency": self.efficiency(first),
                "stripping_mean_voltage_V": strip.mean_voltage, "plating_mean_voltage_V": plate.mean_voltage,
                "hysteresis_V": strip.mean_voltage - plate.mean_voltage,
                "stripping_energy_mWh_per_cm2": energies[0], "plating_energy_mWh_per_cm2": energies[1],
                "energy_efficiency": -min(energies) / max(energies) if both else math.nan,
                "max_overpotential_V": self.overpotential,
                "stripping_ended_by": strip.ended_by, "plating_ended_by": plate.ended_by}

    def efficiency(self, first: int) -> float:
        """Charge of the second half over that of the first, which has the sign `first`; NaN until the second has begun."""
        before, after = self.halves[first].charge, self.halves[-first].charge
        return after / before if before and after else math.nan


class Cycles:
    """Takes the accepted steps of a run in order; each cycle that is over becomes a row of `cycles.csv`."""

    def __init__(self, path: Path):
        self.table = ScalarTable(path)
        self.cycle = _Cycle(1)
        self.first = self.sign = 0  # sign of the first and of the present current, 0 before any
        self.largest = self.charge = self.voltage = 0.0
        self.phase = -1
        self.open = False  # in the midst of a protocol step that passes current

    def add(self, step) -> dict[str, float]:
        """Columns of `scalars.csv` for this step; none in a case without charge transfer."""
        if "current_density_A_per_m2" not in step.scalars:
            return {}
        current, charge, voltage = (step.scalars[name] for name in COLUMNS)
        self.largest = max(self.largest, abs(current))
        flowing = abs(current) > max(NONE, NONE_RELATIVE * self.largest)
        if flowing:
            self._turn(1 if current > 0 else -1)
        if self.sign:
            half, passed = self.cycle.halves[self.sign], self.sign * (charge - self.charge)
            half.charge += passed
            half.work += passed * (0.5 * (voltage + self.voltage) if step.phase == self.phase else voltage)
        if flowing:
            self._note(step)
        self.charge, self.voltage, self.phase, self.open = charge, voltage, step.phase, flowing and not step.last
        return {"cycle": self.cycle.number, "stripped_mAh_per_cm2": self.cycle.halves[1].charge,
                "plated_mAh_per_cm2": self.cycle.halves[-1].charge,
                "coulombic_efficiency": self.cycle.efficiency(self.first) if self.first else math.nan}

    def _turn(self, sign: int) -> None:
        """A current of this sign flows."""
        if not self.first:
            self.first = sign
        elif sign == self.first != self.sign:
            self.table.add(self.cycle.row(self.first))
            self.cycle = _Cycle(self.cycle.number + 1)
        self.sign = sign

    def _note(self, step) -> None:
        cycle = self.cycle
        cycle.start = step.time - step.dt if math.isnan(cycle.start) else cycle.start
        cycle.end = step.time
        cycle.overpotential = max(cycle.overpotential, abs(step.scalars["overpotential_V"]))
        cycle.halves[self.sign].ended_by = step.event or ("time" if step.kind == "voltage" else "charge")

    def memory(self) -> dict:
        """As plain data."""
        halves = {str(sign): vars(half) for sign, half in self.cycle.halves.items()}
        return {name: getattr(self, name) for name in REMEMBERED} | {
            "table": self.table.memory(), "cycle": vars(self.cycle) | {"halves": halves}}

    def recall(self, memory: dict) -> None:
        """Go on from there."""
        for name in REMEMBERED:
            setattr(self, name, memory[name])
        halves = {int(sign): _Half(**half) for sign, half in memory["cycle"]["halves"].items()}
        self.cycle = _Cycle(**memory["cycle"] | {"halves": halves})
        self.table.recall(memory["table"])

    def close(self, reason: str) -> None:
        """The run is over: write the last cycle. `reason` ended the half that was still under way."""
        if not self.first:
            return
        if self.open:
            self.cycle.halves[self.sign].ended_by = reason
        self.table.add(self.cycle.row(self.first))
