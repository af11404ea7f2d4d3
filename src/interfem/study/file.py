"""The study file: TOML that names a base case, the keys to vary, what to gather and what to draw. Units as in a case."""

from __future__ import annotations

import math
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationError, field_validator, model_validator

from ..checks import suggestion
from ..explain import explain
from ..failures import STANDARD, Limit
from ..overrides import key_parts
from ..quantities import Model, quantity

LIMIT = 200  # runs that need no --yes
OWN_FLAGS = {"array": "jobs", "ntasks": "ranks", "time": "time", "account": "account", "partition": "partition", "signal": "warning",
             "requeue": "requeues", "no-requeue": "requeues", "dependency": "", "output": "", "error": "", "open-mode": ""}


class StudyError(Exception):
    """The study file, or a member of it, is wrong; each line says where, what and how to mend it. Exit status 2."""


def _list(value: object) -> object:
    """One text stands for a list of one."""
    return (value,) if isinstance(value, str) else value


def _column(value: object) -> object:
    """Short spelling of an output: the name of a column."""
    return {"column": value} if isinstance(value, str) else value


def _key(value: str) -> str:
    if not key_parts(value):
        raise ValueError('should be a key of the case, for example "layers.sse.thickness"')
    return value


Text = Annotated[str, Field(min_length=1)]
Texts = Annotated[tuple[Text, ...], Field(min_length=1), BeforeValidator(_list)]
Lines = Annotated[tuple[Text, ...], BeforeValidator(_list)]
Key = Annotated[str, BeforeValidator(_key)]
Keys = Annotated[tuple[Key, ...], Field(min_length=1), BeforeValidator(_list)]


class Range(Model):
    """From one value to another: with `count` a grid, without it a range to sample."""

    start: Any = Field(alias="from")
    to: Any
    count: int | None = Field(None, ge=2, strict=True)


class Axis(Model):
    """Values that a key of the case takes; several keys move together, by one value for all or by a list with one for each."""

    key: Keys
    name: Text | None = None  # column in the tables and label in the figures; default: the key
    values: tuple[Any, ...] | None = Field(None, min_length=1)
    labels: tuple[Text, ...] | None = None  # what the tables and figures show instead of the values
    material: tuple[Text, ...] | None = Field(None, min_length=1)
    linear: Range | None = None
    log: Range | None = None
    uncertain: bool = Field(False, strict=True)  # sampled over the range that the material states

    @model_validator(mode="after")
    def _one(self):
        given = [name for name in ("values", "material", "linear", "log", "uncertain") if getattr(self, name)]
        if len(given) != 1:
            told = f"has {' and '.join(given)}; keep one of them" if given else "has no values"
            ways = "values = [...], material = [...], linear or log = {from, to, count}, or uncertain = true"
            raise ValueError(f"`key`: {told}; give {ways}")
        parts = key_parts(self.key[0])
        if self.uncertain and (len(self.key) > 1 or len(parts) != 3 or parts[0] != "materials"):
            raise ValueError("`key`: uncertain = true is for one property of a material, materials.NAME.PROPERTY")
        listed = self.values or self.material or ()
        if self.labels is not None and len(self.labels) != len(listed):
            raise ValueError(f"`labels`: has {len(self.labels)} entries for {len(listed)} values; give one for each")
        for n, row in enumerate(self.values or ()):
            if len(self.key) > 1 and isinstance(row, list) and len(row) != len(self.key):
                given = f"holds {len(row)} values for {len(self.key)} keys"
                raise ValueError(f"`values[{n}]`: {given}; give one for each, or one for all")
        return self

    @property
    def span(self) -> Range | None:
        return self.linear or self.log

    @property
    def sampled(self) -> bool:
        return self.uncertain or (self.span is not None and self.span.count is None)


class Sample(Model):
    """Points over the ranges without a `count`: Latin hypercube, Sobol' sequence (scrambled), or the design of Saltelli (2010), with
    `count` points in each of its matrices A and B, in which one column of A after the other is replaced by that of B.
    """

    method: Literal["lhs", "sobol", "saltelli"]
    count: int = Field(ge=1, strict=True)
    seed: int = Field(0, ge=0, strict=True)

    @model_validator(mode="after")
    def _balanced(self):
        if self.method != "lhs" and self.count & (self.count - 1):
            nearest = 2 ** round(self.count.bit_length() - 0.5)
            raise ValueError(f"`count`: a Sobol' sequence is balanced for powers of two only; use {nearest}, or method = \"lhs\"")
        return self

    def size(self, dimension: int) -> int:
        """Points over a number of ranges."""
        return self.count * (dimension + 2) if self.method == "saltelli" else self.count


class Output(Model):
    """A number of a run: a column of scalars.csv reduced over time, its value at an event (by default the time), or the time in s
    when it first falls below or rises above a number.
    """

    column: Text = "time_s"
    reduce: Literal["last", "max", "min", "largest"] = "last"  # largest: in magnitude, with its sign
    event: Text | None = None
    below: quantity("number") | None = None
    above: quantity("number") | None = None
    over: Text | None = None  # another column, by whose value that of the first is divided
    magnitude: bool = Field(False, strict=True)  # without its sign, as a logarithmic axis wants it
    name: Text | None = None

    @model_validator(mode="after")
    def _plain(self):
        given = [key for key in ("event", "below", "above") if getattr(self, key) is not None]
        if len(given) > 1:
            raise ValueError(f"`{given[1]}`: does not go with `{given[0]}`; keep one of them")
        if given and self.reduce != "last":
            raise ValueError(f"`reduce`: does not go with `{given[0]}`, which is one instant; remove it")
        return self

    @property
    def title(self) -> str:
        """Its column in the study's tables."""
        if self.name or self.event:
            return self.name or f"{self.event}_{self.column}"
        for word, bound in (("below", self.below), ("above", self.above)):
            if bound is not None:
                return f"{self.column}_{word}_{bound:g}_time_s"
        return self.column if self.reduce == "last" else f"{self.column}_{self.reduce}"


class Failure(Model):
    """A failure mode of this study: a column of scalars.csv passes a number. It replaces a standard one of the same name."""

    name: Text
    column: Text  # without [part], of any part
    below: quantity("number") | None = None
    above: quantity("number") | None = None

    @model_validator(mode="after")
    def _one_side(self):
        if (self.below is None) == (self.above is None):
            raise ValueError("`above` or `below`: give one of them, the number at which this counts as failed")
        return self

    @property
    def limit(self) -> Limit:
        return Limit(self.name, self.column, self.above, self.below)


class Reference(Model):
    """Points from elsewhere in a figure, with where they come from; numbers in the units of the figure's axes."""

    label: Text
    source: Text
    x: tuple[float, ...] = ()
    y: tuple[float, ...] = ()
    file: Text | None = None  # CSV beside the study file, with columns `x` and `y`
    line: bool = Field(False, strict=True)

    @model_validator(mode="after")
    def _pairs(self):
        if self.file is None and not self.x:
            raise ValueError("`x` is missing or empty; give x and y, or a file")
        if self.file is not None and (self.x or self.y):
            raise ValueError("`file`: goes without x and y; remove them")
        if len(self.x) != len(self.y):
            raise ValueError(f"`y`: has {len(self.y)} numbers for {len(self.x)} in x; give as many")
        return self


class Figure(Model):
    """Lines of y over x, one for each `by`; or a map: x to the right, `by` upwards, y as the colour, or what failed first."""

    kind: Literal["lines", "map", "failures"] = "lines"
    x: Text
    y: Annotated[tuple[Text, ...], BeforeValidator(_list)] = ()
    by: Text | None = None
    where: dict[Text, float | str] = {}  # axis -> the value that the runs shown have, as the tables show it
    log: tuple[Literal["x", "y", "by"], ...] = ()
    name: Annotated[str, Field(pattern=r"^[\w\-]+$")] | None = None  # of the file
    title: Text | None = None
    x_label: Text | None = None
    y_label: Text | None = None
    by_label: Text | None = None
    contours: tuple[float, ...] = ()  # of y in a map
    reference: tuple[Reference, ...] = ()

    @model_validator(mode="after")
    def _map(self):
        if self.kind != "lines" and self.by is None:
            raise ValueError(f'`by` is missing for kind = "{self.kind}": the axis that goes upwards')
        if self.kind == "failures" and self.y:
            raise ValueError('`y`: a map of kind = "failures" shows what failed first; remove it')
        if self.kind != "failures" and not self.y:
            raise ValueError("`y` is missing: name at least one output")
        if self.kind != "map" and self.contours:
            raise ValueError('`contours` belong to kind = "map"; remove them')
        return self


class Bound(Model):
    """A constraint: an output is to stay below, or above, a number in its own unit."""

    output: Text
    below: quantity("number") | None = None
    above: quantity("number") | None = None

    @model_validator(mode="after")
    def _bounded(self):
        if self.below is None and self.above is None:
            raise ValueError("`below` or `above` is missing: the number that the output is to stay below, or above")
        return self


class Goals(Model):
    """What is to be small, what large, and what has to be kept; outputs by their names."""

    minimise: tuple[Text, ...] = ()
    maximise: tuple[Text, ...] = ()
    constraints: tuple[Bound, ...] = ()

    @field_validator("minimise", "maximise", mode="before")
    @classmethod
    def _several(cls, value: object) -> object:
        return _list(value)

    @model_validator(mode="after")
    def _something(self):
        if not self.objectives:
            raise ValueError("`minimise` or `maximise` is missing: name at least one output")
        return self

    @property
    def objectives(self) -> tuple[str, ...]:
        return self.minimise + self.maximise

    @property
    def signs(self) -> tuple[float, ...]:
        """By which objectives are multiplied so that less is better."""
        return (1.0,) * len(self.minimise) + (-1.0,) * len(self.maximise)

    def faults(self, place: str, titles: list[str]) -> Iterator[str]:
        """Names that are no outputs, and outputs that are named twice."""
        named = [(f"{key}[{n}]", name) for key in ("minimise", "maximise") for n, name in enumerate(getattr(self, key))]
        for key, name in named + [(f"constraints[{n}].output", bound.output) for n, bound in enumerate(self.constraints)]:
            if name not in titles:
                hint = suggestion(name, titles) or f"; known: {', '.join(titles) or 'none, list them in outputs'}"
                yield f"`{place}.{key}`: no output of the study is called {name!r}{hint}"
        if len(set(self.objectives)) < len(self.objectives):
            yield f"`{place}`: an output is an objective twice; name it once"


class Optimise(Goals):
    """A search over the axes for the best runs, in batches: by a tree of Parzen estimators, for several objectives by NSGA-II."""

    runs: int = Field(ge=1, strict=True)
    batch: int | None = Field(None, ge=1, strict=True)  # asked for at once; default: as many as run at once
    population: int = Field(16, ge=4, strict=True)  # of a generation, for several objectives
    seed: int = Field(0, ge=0, strict=True)


class Optimum(Goals):
    """The optimum that would be chosen if the other axes were known: it moves with them."""

    choose: Texts  # axes

    @model_validator(mode="after")
    def _single(self):
        if len(self.objectives) > 1:
            raise ValueError("`minimise`: has one objective only; make the others constraints")
        return self


class Sensitivity(Model):
    """Sobol' indices of outputs, and of an optimum, over the axes that are ranges."""

    outputs: tuple[Text, ...] = ()  # default: all
    log: tuple[Text, ...] = ()  # of these the logarithm
    optimum: Optimum | None = None


def _clock(value: object) -> object:
    """Times as Slurm writes them, [days-]hours:minutes:seconds, beside quantities."""
    found = re.fullmatch(r"(?:(\d+)-)?(\d+):(\d\d):(\d\d)", value.strip()) if isinstance(value, str) else None
    if found is None:
        return value
    days, hours, minutes, seconds = (int(part or 0) for part in found.groups())
    return f"{((24 * days + hours) * 60 + minutes) * 60 + seconds} s"


class EngineTable(Model):
    """Where and how members run; the same table stands in a study and in a site file. What follows `jobs` is for Slurm."""

    name: Literal["local", "slurm"] = "local"
    ranks: int = Field(1, ge=1, strict=True)  # of each run
    jobs: int | None = Field(None, ge=1, strict=True)  # at once
    account: Text | None = None
    partition: Text | None = None
    time: Annotated[quantity("time", above=0), BeforeValidator(_clock)] = "1 h"  # limit of each run, between two requeues
    warning: quantity("time", above=0) = "2 min"  # before the limit: a run writes its state and queues again
    requeues: int = Field(20, ge=0, strict=True)  # at most, of each run
    modules: Lines = ()  # loaded before anything else
    setup: Lines = ()  # lines of shell after that
    launcher: Text | None = None  # of runs on several ranks; default: mpirun, and srun in a conda environment
    sbatch: Lines = ()  # further options as `#SBATCH` lines have them

    @model_validator(mode="after")
    def _flags(self):
        for n, line in enumerate(self.sbatch):
            flag = option(line)[0]
            if not re.fullmatch(r"[a-z][a-z0-9-]*", flag):
                raise ValueError(f'`sbatch[{n}]`: {line!r} should be one long option, as in "--constraint=rome" or "--exclusive"')
            if flag in OWN_FLAGS:
                instead = f"; use the key {OWN_FLAGS[flag]!r}" if OWN_FLAGS[flag] else "; remove it"
                raise ValueError(f"`sbatch[{n}]`: --{flag} is set by the study itself{instead}")
        return self

    @property
    def minutes(self) -> int:
        return math.ceil(self.time / 60)


def option(line: str) -> tuple[str, str | bool]:
    """("constraint", "rome") of "--constraint=rome", as in an `#SBATCH` line; True without a value."""
    name, value = re.fullmatch(r"(?:#SBATCH\s+)?(?:--)?([^\s=]*)[\s=]*(.*)", line.strip()).groups()
    return name, " ".join(shlex.split(value)) or True


class StudyFile(Model):
    """A whole study. Paths are relative to the file."""

    title: Text
    case: Text
    overrides: tuple[Text, ...] = Field((), alias="set")  # for all members, as `--set` takes them
    outputs: tuple[Annotated[Output, BeforeValidator(_column)], ...] = ()
    axes: tuple[Axis, ...] = Field(min_length=1)
    sample: Sample | None = None
    optimise: Optimise | None = None
    sensitivity: Sensitivity | None = None
    failures: tuple[Failure, ...] = ()
    figures: tuple[Figure, ...] = ()
    limit: int = Field(LIMIT, ge=1, strict=True)
    engine: EngineTable = EngineTable()

    @property
    def limits(self) -> tuple[Limit, ...]:
        """All that counts as failed besides events: of this study, and the standard ones that it does not replace."""
        own = tuple(failure.limit for failure in self.failures)
        return own + tuple(limit for limit in STANDARD if limit.name not in {entry.name for entry in own})

    @model_validator(mode="after")
    def _sampling(self):
        sampled = [n for n, axis in enumerate(self.axes) if axis.sampled]
        if self.optimise is not None:
            raise_first(self._searched())
        elif sampled and self.sample is None:
            first = f"`axes[{sampled[0]}]`"
            raise ValueError(f"{first} is to be sampled: give a table [sample] with method, count and seed, or give it a count")
        elif self.sample is not None and not sampled:
            raise ValueError("`sample`: has nothing to sample; leave `count` out of the ranges that it is to cover, or remove it")
        titles = [output.title for output in self.outputs]
        for n, title in enumerate(titles):
            if title in titles[:n]:
                raise ValueError(f"`outputs[{n}]` is called {title!r} as one before it; give it another name")
        if self.optimise is not None:
            raise_first(self.optimise.faults("optimise", titles))
        if self.sensitivity is not None:
            raise_first(self._sensed(sampled, titles))
        return self

    def _searched(self) -> Iterator[str]:
        """What does not go with a search."""
        if self.sample is not None:
            yield "`sample`: does not go with [optimise], which chooses the points; remove it"
        for n, axis in enumerate(self.axes):
            if axis.uncertain:
                yield f"`axes[{n}].uncertain`: what is not known cannot be chosen; give linear or log = {{from, to}}, or sample it"
            if axis.span is not None and axis.span.count is not None:
                yield f"`axes[{n}]`: [optimise] goes over a whole range; leave out `count`, or list values"

    def _sensed(self, sampled: list[int], titles: list[str]) -> Iterator[str]:
        """What an analysis of sensitivity cannot do."""
        entry = self.sensitivity
        if not sampled:
            yield "`sensitivity`: is over ranges without `count` or uncertain properties, and the study has none"
        for key in ("outputs", "log"):
            for n, name in enumerate(getattr(entry, key)):
                if name not in titles:
                    yield f"`sensitivity.{key}[{n}]`: no output of the study is called {name!r}{suggestion(name, titles)}"
        if self.sample is not None and self.sample.method == "saltelli" and len(sampled) < len(self.axes):
            yield '`sample.method`: the design of Saltelli is for ranges alone; use "sobol" where other axes are lists or grids'
        if not titles:
            yield "`outputs`: [sensitivity] needs at least one"
        if entry.optimum is not None:
            yield from entry.optimum.faults("sensitivity.optimum", titles)
            names = [axis.name or axis.key[0] for axis in self.axes]
            for n, name in enumerate(entry.optimum.choose):
                if name not in names:
                    yield f"`sensitivity.optimum.choose[{n}]`: no axis is called {name!r}{suggestion(name, names)}"
            if set(names) <= set(entry.optimum.choose):
                yield "`sensitivity.optimum.choose`: leaves no axis to be uncertain"


def raise_first(faults: Iterator[str]) -> None:
    """ValueError with the first of some faults, if there is one."""
    for fault in faults:
        raise ValueError(fault)


class SiteFile(Model):
    """What a cluster wants of every study: defaults of the table [engine]."""

    engine: EngineTable


def read_study(path: Path) -> StudyFile:
    """Read and validate a study file. StudyError with the faults found, one a line."""
    return _read(path, StudyFile, "give a study file such as models/studies/void_closure.toml")


def read_site(path: Path) -> SiteFile:
    """Read and validate a site file. StudyError with the faults found, one a line."""
    return _read(path, SiteFile, "give a file with a table [engine]")


def _read(path: Path, kind: type[Model], wanted: str):
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise StudyError(f"{path}: there is no such file; {wanted}") from None
    except OSError as error:
        raise StudyError(f"{path}: cannot be read ({error.strerror}); {wanted}") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise StudyError(f'{path}: not TOML: {error}; text and quantities stand in quotes, as in from = "1 MPa"') from None
    try:
        return kind.model_validate(tree)
    except ValidationError as error:
        raise StudyError("\n".join(f"{path}: {line}" for line in explain(error, tree, kind))) from None
