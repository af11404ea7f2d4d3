"""What a cycler is told: the steps of a protocol, and the load of each as a function of time.

Current densities are over the cell's area, A/m^2, positive where they strip the anode. `flat_steps` gives the plain steps in the
order in which they are run; each of these tells its `length`, `density`, `charge`, `knots` and `until`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Literal, Union

import numpy as np
from pydantic import BeforeValidator, Field, WithJsonSchema, field_validator, model_validator

from .profile import ProfileError, read_profile
from .quantities import Dimension, Model, quantity, quantity_schema
from .units import to_internal

SLIP = "that looks like a slip of the unit"  # Li yields below 1 MPa and cells are pressed by some MPa
Temperature = quantity("temperature", least=150, most=600, hint=f'{SLIP}; write for example "25 degC" or "298.15 K"')
StackPressure = quantity("pressure", least=0, hint="compression is positive")
MOST = 500.0  # MPa: a larger load looks like a slip of the unit, unless `allow` says that it is meant
Duration = quantity("time", above=0)
Potential = quantity("potential")
CurrentDensity = quantity("current density")
ArealCharge = quantity("areal charge", above=0)
KINK = 1e-5  # of the charge that a profile moves: error of charge at each of its kinks


def sized(pressure: float, allow: bool) -> float:
    """The pressure, MPa; ValueError if it is as large as only a slip of the unit is, and not allowed."""
    if abs(pressure) > MOST and not allow:
        raise ValueError(f"should be at {'most' if pressure > 0 else 'least'} {math.copysign(MOST, pressure):g} MPa; {SLIP}; if it is meant, "
                         f"say allow = true beside it")
    return pressure


def _hold(value: object) -> object:
    """"pressure", "fixed", or the stiffness of a spring frame in MPa/um."""
    if value in ("pressure", "fixed"):
        return value
    if isinstance(value, dict) and set(value) == {"spring"}:
        stiffness = to_internal(value["spring"], "stiffness")
        if stiffness > 0:
            return stiffness
        raise ValueError('`spring` should be above zero; use hold = "pressure" for a frame that yields to any motion')
    raise ValueError('should be "pressure", "fixed" or a frame\'s stiffness such as {spring = "10 MPa/um"}')


_SPRING = {"type": "object", "properties": {"spring": quantity_schema("stiffness")}, "required": ["spring"], "additionalProperties": False}
Hold = Annotated[str | float, BeforeValidator(_hold), WithJsonSchema({"anyOf": [{"enum": ["pressure", "fixed"]}, _SPRING]}),
                 Dimension("stiffness")]


class _Step(Model):
    """Without a word on it, no net current flows."""

    first_step: Duration | None = None
    max_step: Duration | None = None

    @model_validator(mode="after")
    def _steps_rise(self):
        if None not in (self.first_step, self.max_step) and self.first_step > self.max_step:
            raise ValueError("`first_step` is longer than `max_step`; shorten it")
        return self

    @property
    def length(self) -> float:
        """Duration if nothing ends it earlier, s."""
        return self.duration

    def density(self, time: float) -> float:
        """Current density at the end of a time step that ends `time` s after the start, A/m^2."""
        return 0.0

    @property
    def charge(self) -> float:
        """Charge over the whole length, C/m^2, negative where it plates; NaN where only the solution tells it."""
        return 0.0

    @property
    def knots(self) -> tuple[float, ...]:
        """Times at which the load bends, jumps or changes sign, s: time steps end there. The last one is the end."""
        return (self.length,)

    @property
    def jumps(self) -> bool:
        """The load may jump at a knot."""
        return False

    def step_after(self, knot: float) -> float:
        """Longest time step that may follow a knot at which the load bends, s."""
        return math.inf

    @property
    def until(self) -> tuple[tuple[str, float, int], ...]:
        """What ends it earlier: ("voltage" or "current", limit, 1 if it is met from below and -1 if from above)."""
        return ()


class PressureStep(_Step):
    """Pressure, linear in time, to a value; no net current.

    On the stack, or on another `boundary` that carries a pressure. `hold` is what the frame does from the end of this step to the
    next one on the stack: it keeps the pressure ("pressure"), or the distance of its plates ("fixed"), or yields as a spring,
    `p = p0 + k (d - d0)` with its stiffness k in MPa/um.
    """

    kind: Literal["pressure"]
    allow: bool | None = Field(None, strict=True)  # more than 500 MPa
    to: StackPressure
    duration: Duration = "1 s"
    hold: Hold = "pressure"
    boundary: str | None = None  # default: the stack

    @field_validator("to")
    @classmethod
    def _sized(cls, pressure, info):
        return sized(pressure, bool(info.data.get("allow")))

    @model_validator(mode="after")
    def _frame(self):
        if self.boundary is not None and self.hold != "pressure":
            raise ValueError("`hold` is what the frame of the stack does; it does not go with `boundary`; remove one of them")
        return self


class TemperatureStep(_Step):
    """Temperature of the whole cell, linear in time, to a value; no net current."""

    kind: Literal["temperature"]
    to: Temperature
    duration: Duration


class RestStep(_Step):
    """No net current."""

    kind: Literal["rest"]
    duration: Duration


class _Driven(_Step):
    """The current is imposed; a voltage may end the step earlier."""

    until_voltage_above: Potential | None = None
    until_voltage_below: Potential | None = None

    @model_validator(mode="after")
    def _voltages_rise(self):
        above, below = self.until_voltage_above, self.until_voltage_below
        if None not in (above, below) and above <= below:
            raise ValueError("`until_voltage_above` is not above `until_voltage_below`; swap them")
        return self

    @property
    def span(self) -> tuple[float, float]:
        """(least, largest) current density, A/m^2."""
        return self.density(0.0), self.density(0.0)

    @property
    def until(self):
        limits = (("voltage", self.until_voltage_above, 1), ("voltage", self.until_voltage_below, -1))
        return tuple(entry for entry in limits if entry[1] is not None)


class CurrentStep(_Driven):
    """Constant current over the cell's area; positive strips the anode, negative plates onto it."""

    kind: Literal["current"]
    value: CurrentDensity
    duration: Duration | None = None
    areal_charge: ArealCharge | None = None

    @model_validator(mode="after")
    def _length(self):
        if (self.duration is None) == (self.areal_charge is None):
            raise ValueError('give one of `duration` and `areal_charge`, for example duration = "10 min"')
        if self.value == 0:
            raise ValueError('`value` is zero; use kind = "rest"')
        return self

    @property
    def length(self):
        return self.duration if self.duration is not None else self.areal_charge / abs(self.value)

    def density(self, time):
        return self.value

    @property
    def charge(self):
        return self.value * self.length


class RampStep(_Driven):
    """Current density linear in time; it may pass through zero."""

    kind: Literal["ramp"]
    start: CurrentDensity = Field(alias="from")
    to: CurrentDensity
    duration: Duration

    @model_validator(mode="after")
    def _slope(self):
        if self.start == self.to:
            raise ValueError('`to` is the same as `from`; use kind = "current" or "rest"')
        return self

    def density(self, time):
        return self.start + (self.to - self.start) * time / self.duration

    @property
    def span(self):
        return min(self.start, self.to), max(self.start, self.to)

    @property
    def charge(self):
        return 0.5 * (self.start + self.to) * self.duration

    @property
    def knots(self):
        zero = self.duration * self.start / (self.start - self.to)
        return (zero, self.duration) if 0 < zero < self.duration else (self.duration,)


class ProfileStep(_Driven):
    """Current density from a CSV table with the columns time and current density, their units in the header.

    "linear": straight lines between the rows. "step": each row holds until the next; the last one only marks the end.
    """

    kind: Literal["profile"]
    file: str | None = Field(None, exclude=True)  # relative to the case file; `points` keeps what it holds
    points: str | None = None  # the text of such a table, in place of a file
    interpolation: Literal["linear", "step"] = "linear"

    @model_validator(mode="before")
    @classmethod
    def _read(cls, data):
        if isinstance(data, dict) and ("file" in data) == ("points" in data):
            raise ValueError('give one of `file` and `points`, for example file = "profile.csv"')
        if isinstance(data, dict) and isinstance(data.get("file"), str):
            try:
                return data | {"points": Path(data["file"]).read_text(encoding="utf-8-sig")}
            except (OSError, ValueError):
                raise ValueError("`file` cannot be read as text; correct the path (relative to the case file)") from None
        return data

    @model_validator(mode="after")
    def _valid(self):
        try:
            self.table  # noqa: B018  (read once, here)
        except ProfileError as error:
            raise ValueError(f"profile {self.file or '`points`'}: {error}") from None
        return self

    @cached_property
    def table(self) -> tuple[np.ndarray, np.ndarray]:
        """(times from 0 in s, current densities in A/m^2)."""
        return read_profile(self.points)

    @property
    def length(self):
        return float(self.table[0][-1])

    @property
    def jumps(self):
        return self.interpolation == "step"

    def density(self, time):
        times, values = self.table
        if self.jumps:
            return float(values[max(np.searchsorted(times, time) - 1, 0)])
        return float(np.interp(time, times, values))

    @property
    def span(self):
        values = self.table[1][:-1] if self.jumps else self.table[1]
        return float(values.min()), float(values.max())

    @cached_property
    def charges(self) -> np.ndarray:
        """Charge between each row and the next, C/m^2."""
        times, values = self.table
        return np.diff(times) * (values[:-1] if self.jumps else 0.5 * (values[1:] + values[:-1]))

    @property
    def charge(self):
        return float(self.charges.sum())

    @cached_property
    def knots(self):
        times, values = self.table
        if self.jumps:
            return tuple(times[1:].tolist())
        crosses = np.flatnonzero(values[:-1] * values[1:] < 0)
        zeros = times[crosses] + np.diff(times)[crosses] * values[crosses] / (values[crosses] - values[crosses + 1])
        return tuple(np.union1d(times[1:], zeros).tolist())


    def step_after(self, knot):
        """A backward formula takes the load before a bend for that after it, and errs in charge by some (change of slope) dt^2/2.

        That shall be KINK of all charge that flows to and fro.
        """
        times, values = self.table
        n = int(np.searchsorted(times, knot))
        if times[n] != knot or not 0 < n < len(times) - 1:
            return math.inf
        before, after = np.diff(values[n - 1 : n + 2]) / np.diff(times[n - 1 : n + 2])
        return math.sqrt(2 * KINK * float(np.abs(self.charges).sum()) / abs(after - before)) if after != before else math.inf


class VoltageStep(_Step):
    """Constant voltage of the anode's collector against the counter electrode, until the current has tapered or time is up."""

    kind: Literal["voltage"]
    value: Potential
    duration: Duration
    until_current_below: quantity("current density", above=0) | None = None  # in magnitude

    @property
    def charge(self):
        return math.nan

    @property
    def until(self):
        return () if self.until_current_below is None else (("current", self.until_current_below, -1),)


class StaircaseStep(_Driven):
    """Search for the critical current: at each level a half cycle strips and a half cycle plates the same charge.

    Levels: start, start + increment, ...; `times` of them. A negative start plates first. `until_voltage_above` ends the halves
    that strip, `until_voltage_below` those that plate; the next half follows. A voltage that should end the run goes to [limits].
    """

    kind: Literal["staircase"]
    start: CurrentDensity
    increment: CurrentDensity
    times: int = Field(ge=1, le=10_000, strict=True)
    areal_charge: ArealCharge  # of each half
    rest: Duration | None = None  # after each half

    @model_validator(mode="after")
    def _levels_rise(self):
        if self.start == 0:
            raise ValueError('`start` is zero: no current would flow at first; give the first level, such as "0.1 mA/cm^2"')
        if self.start * self.increment <= 0:
            raise ValueError("`increment` does not lead away from zero; give it the sign of `start`")
        return self

    @cached_property
    def steps(self) -> tuple[CurrentStep | RestStep, ...]:
        """The plain steps."""
        numerics = {"first_step": self.first_step, "max_step": self.max_step}
        found = []
        for n in range(self.times):
            for sign in (1, -1):
                value = sign * (self.start + n * self.increment)
                until = "until_voltage_above" if value > 0 else "until_voltage_below"
                more = numerics | {until: getattr(self, until)}
                found.append(CurrentStep.model_construct(kind="current", value=value, areal_charge=self.areal_charge, **more))
                if self.rest is not None:
                    found.append(RestStep.model_construct(kind="rest", duration=self.rest))
        return tuple(found)


class RepeatStep(Model):
    """A block of steps, several times."""

    kind: Literal["repeat"]
    times: int = Field(ge=1, le=100_000, strict=True)
    steps: tuple["Step", ...] = Field(min_length=1)


Step = Annotated[
    Union[PressureStep, TemperatureStep, CurrentStep, RampStep, ProfileStep, StaircaseStep, VoltageStep, RestStep, RepeatStep],
    Field(discriminator="kind"),
]
RepeatStep.model_rebuild()


def flat_steps(steps) -> Iterator[_Step]:
    """Plain steps in order, lazily: repeats and staircases opened out."""
    for step in steps:
        if step.kind == "repeat":
            for _ in range(step.times):
                yield from flat_steps(step.steps)
        elif step.kind == "staircase":
            yield from step.steps
        else:
            yield step
