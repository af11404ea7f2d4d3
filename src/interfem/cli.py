"""The command line. Exit status: 0 done, 2 the input is wrong, 3 the run ended early with everything up to there kept.

Under mpirun every rank reads the same words; rank 0 alone prints.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter

from . import __version__
from .case import Case, CaseError, case_schema, load_case
from .compiler import CompilerError
from .materials import MaterialError
from .mpi import LaunchError, world
from .progress import reporting, set_up_logging
from .units import UnitError, to_internal

app = App(
    name="interfem",
    version=__version__,
    help_format="plaintext",
    result_action="return_value",
    help="Finite-element simulator of the lithium / sulfide-electrolyte interface.",
)

# scalar, words, factor, unit, which value: the last one, or the largest in magnitude
CLOSING = (
    ("cell_voltage_V", "cell voltage at the end", 1e3, "mV", False),
    ("overpotential_V", "largest overpotential", 1e3, "mV", True),
    ("asr_ohm_cm2", "last areal resistance", 1.0, "ohm cm2", False),
    ("current_focusing", "largest current focusing", 1.0, "x mean", True),
    ("coulombic_efficiency", "coulombic efficiency, last cycle", 100.0, "%", False),
    ("plated_thickness_um", "lithium plated at the end", 1.0, "um", False),
    ("sse_max_principal_MPa", "largest tension in the electrolyte", 1.0, "MPa", True),
    ("metal_max_pressure_MPa", "largest pressure in the metal", 1.0, "MPa", True),
)


class InputError(Exception):
    """What was asked for cannot be done; the text says what and how to mend it. Exit status 2."""


class DiskError(Exception):
    """Nothing was computed, since the run's folder cannot be written. Exit status 3."""


Overrides = Annotated[tuple[str, ...], Parameter(name="--set", negative=(), show_default=False)]


@app.command
def check(
    case: Path | None = None, /, *, schema: Annotated[bool, Parameter(negative=())] = False, overrides: Overrides = ()
) -> int:
    """Validate a case and print it resolved, in user units, with the source of each material value.

    Parameters
    ----------
    case
        Case file, such as models/cases/bare.toml.
    schema
        Print the JSON schema of case files instead.
    overrides
        path.to.key=value, as for `run`; several may follow.
    """
    if case is None and not schema:
        raise InputError("check: name a case file, such as models/cases/bare.toml, or ask for --schema")
    loaded = load_case(case, overrides) if case is not None else None
    if schema:
        print(json.dumps(case_schema(), indent=1))
    else:
        from .describe import describe_case

        print(describe_case(loaded))
    return 0


@app.command
def mesh(case: Path, /, *, out: Path | None = None, picture: Path | None = None, overrides: Overrides = ()) -> int:
    """Build the mesh of a case; print its regions, interfaces, cell counts and quality.

    Parameters
    ----------
    case
        Case file.
    out
        Copy the Gmsh file to here; without it, it stays in meshes/.
    picture
        Draw the mesh into this PNG file.
    overrides
        path.to.key=value, as for `run`; several may follow.
    """
    loaded = load_case(case, overrides)
    if world().rank > 0:
        return 0
    import shutil

    from .geometry import GeometryError, build_mesh, describe_mesh
    from .geometry import picture as draw

    try:
        path = build_mesh(loaded)
        text = mesh_text(describe_mesh(path, loaded))
        if out is not None:
            out.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, out)
        if picture is not None:
            picture.parent.mkdir(parents=True, exist_ok=True)
            draw(path, loaded, picture)
    except (GeometryError, OSError) as error:
        raise InputError(str(error)) from None
    print(f"{text}\nmesh: {out or path}" + (f"\npicture: {picture}" if picture else ""))
    return 0


def mesh_text(facts: dict) -> str:
    """Table of what a mesh holds."""
    measure, face = ("um2", "um") if facts["dimension"] == 2 else ("um3", "um2")
    lines = [
        f"{facts['dimension']}D, {facts['cells']} cells, {facts['nodes']} nodes, edges {facts['edges']['min']:.3g} to "
        f"{facts['edges']['max']:.3g} um, quality {facts['quality']['min']:.3g} (mean {facts['quality']['mean']:.3g})"
    ]
    rows = [("region", "cells", f"size / {measure}", "quality")]
    rows += [(name, str(r["cells"]), f"{r['volume']:.5g}", f"{r['quality_min']:.3g}") for name, r in facts["regions"].items()]
    for heading in ("interfaces", "boundaries"):
        if facts[heading]:
            rows += [("",) * 4, (heading[:-1] if heading == "interfaces" else "boundary", "facets", f"size / {face}", "")]
            rows += [(name, str(r["facets"]), f"{r['area']:.5g}", "") for name, r in facts[heading].items()]
    widths = [max(len(row[k]) for row in rows) for k in range(4)]
    lines += [
        "  ".join([row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:]))]).rstrip()
        for row in rows
    ]
    return "\n".join(lines)


@app.command
def run(
    case: Path | None = None, /, *, out: Path | None = None, restart: Path | None = None, overrides: Overrides = (),
    quiet: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Solve a case and write its run folder; `mpirun -n N interfem run CASE` does so on N ranks.

    Parameters
    ----------
    case
        Case file; not needed with --restart if the run was begun before.
    out
        Run folder; by default runs/<case>-<short hash>.
    restart
        Run folder to go on in: from its checkpoint, on any number of ranks; from the beginning if it has none.
    overrides
        path.to.key=value, such as mesh.refinement=2 or layers.sse.thickness="50 um"; several may follow.
    quiet
        Tell warnings only.
    """
    comm = world()
    set_up_logging(comm.rank, quiet)
    signal.signal(signal.SIGUSR1, lambda *_: None)  # until there is something to keep; SIG_IGN would be inherited by programs that are started
    if case is None and restart is None:
        raise InputError("run: name a case file, such as models/cases/bare.toml, or a run folder to go on in by --restart")
    if out is not None and restart is not None:
        raise InputError("run: --out and --restart both name the run folder; give one of them")
    if case is None:
        from .restart import case_in

        loaded = case_in(restart, overrides)
    else:
        loaded = load_case(case, overrides)
    result = _solve(loaded, restart or out, case.stem if case is not None else "", comm.size, quiet, restart is not None)
    print(closing(result))
    return result.exit_status


def _solve(case: Case, out: Path | None, name: str, size: int, quiet: bool, restart: bool = False):
    from .domain import DomainError
    from .geometry import GeometryError
    from .observe.state import StateError
    from .run import RunError
    from .run import run as solve

    try:
        with reporting(size, quiet) as progress:
            return solve(case, out, name=name, progress=progress, restart=restart)
    except (GeometryError, DomainError, StateError) as error:
        raise InputError(str(error)) from None
    except RunError as error:
        raise DiskError(str(error)) from None


def closing(result) -> str:
    """A few lines about a run: how it ended, its main numbers, where it is."""
    lines = []
    if result.status != "completed":
        time = result.summary.get("time_s", {}).get("last")
        at = f" at {time:.6g} s" if time is not None else " before the first step"
        lines.append(
            f"ended early{at}: {f'event {result.event}' if result.event else result.reason}; everything up to there is kept"
        )
    for name, text, factor, unit, extreme in CLOSING:
        if name in result.summary:
            found = result.summary[name]
            value = max(found["min"], found["max"], key=abs) if extreme else found["last"]
            lines.append(f"  {text:<36} {factor * value + 0.0:.4g} {unit}")  # + 0.0: no "-0"
    return "\n".join([*lines, f"{result.status}: {result.folder}"])


@app.command
def eis(
    source: Path, /, *, from_: Annotated[str, Parameter(name="--from")] = "1 MHz", to: str = "1 mHz", points: int = 10,
    out: Path | None = None, overrides: Overrides = (), quiet: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Impedance about the state at the end of a run, or of a case that is run first; under mpirun too.

    Parameters
    ----------
    source
        Run folder, or case file.
    from_
        First frequency, such as "1 MHz".
    to
        Last frequency, such as "1 mHz".
    points
        Frequencies to a decade.
    out
        Folder for impedance.csv, eis.json and figures; by default the run folder. A case is run in it.
    overrides
        path.to.key=value, as for `run`; for a run folder only capacitances, such as interfaces."li|sse".capacitance="10 uF/cm^2".
    quiet
        Tell warnings only.
    """
    comm = world()
    set_up_logging(comm.rank, quiet)
    first, last = (_quantity(name, text, "frequency") for name, text in (("from", from_), ("to", to)))
    loaded = load_case(source, overrides) if not source.is_dir() else None

    from .domain import DomainError
    from .eis import ImpedanceError, frequencies
    from .eis import eis as solve
    from .geometry import GeometryError
    from .observe.state import StateError

    status = 0
    try:
        wanted = frequencies(first, last, points)
        if loaded is not None:
            result = _solve(loaded, out, source.stem, comm.size, quiet)
            print(closing(result))
            if result.status == "failed":
                return result.exit_status
            source, out, overrides, status = result.folder, None, (), result.exit_status
        with reporting(comm.size, quiet) as progress:
            found = solve(source, wanted, out, overrides=overrides, progress=progress)
    except (ImpedanceError, StateError, DomainError, GeometryError) as error:
        raise InputError(str(error)) from None
    print(closing_impedance(found))
    return status


def _quantity(name: str, text: str, dimension: str) -> float:
    try:
        return to_internal(text.strip(), dimension)
    except UnitError as error:
        raise InputError(f"--{name}: {error}") from None


def closing_impedance(found) -> str:
    """Resistances at both ends of a spectrum and at zero frequency, and where it is."""
    limit = "none: lithium is stored without end" if found.limit is None else f"{found.limit:.5g} ohm cm2"
    ends = [(f, z) for f, z in zip(found.frequency[[0, -1]], found.impedance[[0, -1]])]
    lines = [f"  {f'impedance at {f:.4g} Hz':<36} {z.real:.5g} {z.imag:+.4g}i ohm cm2" for f, z in ends]
    return "\n".join([*lines, f"  {'limit at zero frequency':<36} {limit}", f"impedance: {found.folder}"])


@app.command
def compare(runs: tuple[Path, ...], /, *, out: Path = Path("comparison")) -> int:
    """Compare run folders: a table (Markdown and CSV) and figures, comparison.png among them.

    Parameters
    ----------
    runs
        Run folders, one or more.
    out
        Folder for the comparison.
    """
    if world().rank > 0:
        return 0
    from .compare import CompareError
    from .compare import compare as write

    set_up_logging(0)
    try:
        with reporting(1, first="reading runs") as progress:
            sheet = write(runs, out, progress)
    except CompareError as error:
        raise InputError(str(error)) from None
    print((out / "table.md").read_text(encoding="utf-8"))
    print(f"look at {sheet}; table.md, table.csv and the other figures are beside it")
    return 0


@app.command
def critical(
    case: Path, /, *, from_: Annotated[str, Parameter(name="--from")] = "0.01 mA/cm^2", to: str = "20 mA/cm^2",
    tolerance: float = 0.05, pressures: str = "", temperatures: str = "", out: Path | None = None, overrides: Overrides = (),
    quiet: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Smallest current density at which a flaw grows, contact, voltage or lithium gives out; which of them, and where.

    Parameters
    ----------
    case
        Case file whose protocol presses first and then passes constant currents, which are scaled.
    from_
        Smallest current density to try.
    to
        Largest one.
    tolerance
        How close, relative, the smallest that fails and the largest that passes are brought.
    pressures
        Stack pressures for a map, such as "1 MPa,5 MPa".
    temperatures
        Temperatures for it, such as "25 degC,60 degC".
    out
        Folder; by default runs/critical-<case>-<short hash>.
    overrides
        path.to.key=value, as for `run`; several may follow.
    quiet
        Tell warnings only.
    """
    comm = world()
    set_up_logging(comm.rank, quiet)
    low, high = (_quantity(name, text, "current density") for name, text in (("from", from_), ("to", to)))
    grid = [[_quantity(name, text, kind) for text in filter(str.strip, given.split(","))]
            for name, given, kind in (("pressures", pressures, "pressure"), ("temperatures", temperatures, "temperature"))]
    loaded = load_case(case, overrides)

    from .critical import CriticalError
    from .critical import critical as search
    from .domain import DomainError
    from .geometry import GeometryError
    from .run import RunError

    folder = out or Path("runs") / f"critical-{case.stem}-{loaded.hash[:8]}"
    try:
        with reporting(comm.size, quiet) as progress:
            found = search(loaded, folder, low, high, tolerance, *grid, progress)
    except (CriticalError, GeometryError, DomainError) as error:
        raise InputError(str(error)) from None
    except RunError as error:
        raise DiskError(str(error)) from None
    print(closing_critical(found, folder))
    return 3 if any(c.failed and c.failed.mode == "unsolved" for c in found) else 0


def closing_critical(found, folder: Path) -> str:
    """The bracket, the mechanism and the place, for each condition."""
    from .critical import told

    lines = []
    for c in found:
        at = f"{c.pressure:g} MPa, " if c.pressure is not None else ""
        lines.append(f"at {at}{c.temperature - 273.15:.4g} degC:")
        if c.failed is None:
            lines.append(f"  nothing fails up to {c.passed.density / 10:.4g} mA/cm2")
            continue
        passed = f"{c.passed.density / 10:.4g} mA/cm2 passes" if c.passed else "fails at the smallest current tried"
        lines.append(f"  critical current {c.failed.density / 10:.4g} mA/cm2 ({passed})")
        lines.append(f"  {told(c.failed)}")
    return "\n".join([*lines, f"critical: {folder}"])


studies = App(name="study", help="Run a base case over many values of its keys, here or on a cluster, and gather tables and figures.")
app.command(studies)


@studies.default
def study(
    file: Path, /, *, out: Path | None = None, engine: Literal["local", "slurm"] | None = None, site: Path | None = None,
    ranks: int | None = None, jobs: int | None = None, detach: Annotated[bool, Parameter(negative=())] = False,
    yes: Annotated[bool, Parameter(negative=())] = False, retry: Annotated[bool, Parameter(negative=())] = False,
    quiet: Annotated[bool, Parameter(negative=())] = False
) -> int:
    """Run the members of a study that are missing; gather study.csv, study.parquet and figures.

    Parameters
    ----------
    file
        Study file, such as models/studies/void_closure.toml.
    out
        Folder of the study; by default runs/<study>. Studies in folders side by side share equal runs.
    engine
        This machine, or Slurm; by default what the study or the site file says, else this machine.
    site
        Site file with a table [engine]; by default ~/.config/interfem/site.toml, if it is there.
    ranks
        Ranks of each run.
    jobs
        Runs at once; by default as many as there are cores for, or 32 on Slurm.
    detach
        Send the runs to Slurm and do not wait; a job gathers them.
    yes
        Run a study with more members than its limit.
    retry
        Run again what has failed.
    quiet
        Tell warnings only.
    """
    if world().size > 1:
        raise InputError("study: starts the ranks of its runs itself; say interfem study --ranks N, without mpirun")
    set_up_logging(0, quiet)
    from .study import default_folder, run_study

    def run(progress):
        return run_study(file, out or default_folder(file), engine=engine, site=site, ranks=ranks, jobs=jobs, detach=detach, yes=yes,
                         retry=retry, progress=progress)

    return _studied(run, quiet, detach)


def _studied(run: Callable, quiet: bool, detach: bool = False) -> int:
    """Exit status of a study whose closing words are printed."""
    from .study import StudyError

    try:
        with reporting(1, quiet) as progress:
            found = run(progress)
    except StudyError as error:
        raise InputError(str(error)) from None
    except OSError as error:  # such as a full disk
        _tell(f"the study ends here: {error}; what has ended is kept, and the same command goes on")
        return 3
    print(closing_study(found))
    return 0 if detach else found.exit_status


@studies.command
def status(folder: Path, /) -> int:
    """Tell how the study in a folder stands, also while it runs.

    Parameters
    ----------
    folder
        Folder of the study, such as runs/void_closure.
    """
    from .study import StudyError, read_status

    try:
        print(closing_study(read_status(folder)))
    except StudyError as error:
        raise InputError(str(error)) from None
    return 0


@studies.command
def cancel(folder: Path, /) -> int:
    """End what the study in a folder has under way, here or on Slurm; its command goes on later.

    Parameters
    ----------
    folder
        Folder of the study, such as runs/void_closure.
    """
    set_up_logging(0)
    from .study import StudyError
    from .study import cancel as end

    try:
        print(closing_study(end(folder)))
    except StudyError as error:
        raise InputError(str(error)) from None
    return 0


@studies.command
def collect(folder: Path, /, *, quiet: Annotated[bool, Parameter(negative=())] = False) -> int:
    """Gather what the study in a folder has sent to Slurm, as it ends; a job does so by itself when all have ended.

    Parameters
    ----------
    folder
        Folder of the study, such as runs/void_closure.
    quiet
        Tell warnings only.
    """
    set_up_logging(0, quiet)
    from .study import collect as gather

    return _studied(lambda progress: gather(folder, progress), quiet)


def closing_study(found) -> str:
    """Members by status, the reasons of those that failed, where the tables and figures are."""
    lines = [f"  member {number} ({parameters}) failed: {reason}" for number, parameters, reason in found.failed]
    if found.active:
        lines.append(f"  running: {', '.join(found.active)}")
    if found.queue:
        lines.append(f"  Slurm: {found.queue}")
    counts = ", ".join(f"{count} {name}" for name, count in sorted(found.counts.items()))
    lines += [f"{sum(found.counts.values())} members: {counts}", *found.told, f"tables: {found.folder / 'study.csv'}, study.parquet beside it"]
    return "\n".join(lines + [f"figure: {path}" for path in found.figures])


@app.command
def report(folder: Path, /, *, out: Path | None = None) -> int:
    """Write one HTML page about a run, a study or a critical current; it opens offline.

    Parameters
    ----------
    folder
        Run folder, or folder of a study or of `interfem critical`.
    out
        HTML file; by default report.html in the folder.
    """
    if world().rank > 0:
        return 0
    set_up_logging(0)
    from .report import ReportError, write_report

    try:
        with reporting(1, first="reading") as progress:
            page = write_report(folder, out, progress)
    except ReportError as error:
        raise InputError(str(error)) from None
    print(f"report: {page}")
    return 0


@app.command
def view(folder: Path, /, *, field: str | None = None, screenshot: Path | None = None) -> int:
    """Open a window on the fields of a run, to turn and zoom.

    Parameters
    ----------
    folder
        Run folder.
    field
        potential, current, stress, von_mises, plastic_strain, lithium or salt, as far as the run has it.
    screenshot
        Draw into this PNG file instead of a window.
    """
    if world().rank > 0:
        return 0
    from .report import SceneError, view_run

    try:
        made = view_run(folder, field, screenshot)
    except SceneError as error:
        raise InputError(str(error)) from None
    if made is not None:
        print(f"picture: {made}")
    return 0


@app.command
def materials(name: str | None = None, /) -> int:
    """List the known materials, or all values of one with units, temperature, source and confidence.

    Parameters
    ----------
    name
        Material, such as Li6PS5Cl.
    """
    from .describe import describe_material, list_materials
    from .materials import load_material

    print(list_materials() if name is None else describe_material(load_material(name)))
    return 0


@app.command
def cases(name: str | None = None, /) -> int:
    """List the shipped cases, or show where one is and what it is about.

    Parameters
    ----------
    name
        Shipped case, such as lif_film.
    """
    from .describe import describe_shipped, list_cases

    print(list_cases() if name is None else describe_shipped(name))
    return 0


def main(words: list[str] | None = None) -> None:
    """Entry of the console script; ends by SystemExit."""
    try:
        rank = world().rank
    except LaunchError as error:
        sys.exit(_tell(str(error)))
    with contextlib.redirect_stdout(sys.stdout if rank == 0 else open(os.devnull, "w")):
        sys.exit(_run(sys.argv[1:] if words is None else words, rank))


def _run(words: list[str], rank: int) -> int:
    try:
        status = app(spread(words), exit_on_error=False, print_error=False)
        sys.stdout.flush()
        return int(status or 0)
    except CycloptsError as error:
        return _tell(f"{error}; see interfem --help", rank)
    except (InputError, CaseError, MaterialError) as error:
        return _tell(str(error), rank)
    except (DiskError, CompilerError) as error:
        return _tell(str(error), rank, 3)
    except BrokenPipeError:  # `interfem materials | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0


def _tell(message: str, rank: int = 0, status: int = 2) -> int:
    """The message on standard error, each line as an error of its own; its exit status."""
    if rank == 0:
        print("\n".join(f"error: {line}" for line in message.splitlines()), file=sys.stderr, flush=True)
    return status


def spread(words: list[str]) -> list[str]:
    """`--set a=1 b=2` -> `--set a=1 --set b=2`."""
    found, setting = [], False
    for word in words:
        if setting and found[-1] != "--set" and "=" in word and not word.startswith("-"):
            found.append("--set")
        elif found[-1:] != ["--set"]:
            setting = word == "--set"
        found.append(word)
    return found


if __name__ == "__main__":
    main()
