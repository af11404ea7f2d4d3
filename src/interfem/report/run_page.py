"""The page of a run: what was asked, what it rests on, what came out, how it was computed."""

from __future__ import annotations

import json
import logging
import math
import re
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from ..cautions import cautions
from ..compare import table
from ..describe import LEGEND, Rows, Value, case_sections, material_values
from ..failures import event_name
from ..figures import run_figures
from ..figures.data import Run, open_run
from ..geometry import GeometryError, build_mesh
from ..geometry import picture as draw_mesh
from ..study.charts import words
from .blocks import Cell, Code, Fold, Notes, Page, Scenes, Section, Table, Text, embedded, told_on_the_way
from .cite import citation
from .charts import resistance_charts, resistance_parts, time_charts
from .scene import scenes
from .words import PARTS, PICTURES, event_words, heading, number, property_name, time_words, typeset

log = logging.getLogger("interfem")

TILES = {  # rows of a comparison, short
    "Areal resistance under current": "areal resistance",
    "Overpotential under current": "overpotential",
    "Current focusing, largest": "largest / mean current",
    "Charge passed": "charge passed",
    "Lithium plated, mean, end": "lithium plated",
    "Principal stress in the electrolyte, largest": "largest tension in the electrolyte",
    "Pressure in the metal, largest": "largest pressure in the metal",
}
CRACK = "K_I/K_IC at "  # rows of crack fronts
STRAIN = 0.2  # plastic strain up to which small-strain kinematics are taken without a word
TONES = {"completed": "good", "stopped": "caution", "failed": "bad"}
BALANCE = "_balance_error"
NOTHING = 1e-9  # of the areal resistance: a part below it is none


def run_page(folder: Path, progress: Callable[[float, str], None]) -> Page:
    """The page of a finished run. OSError or ValueError if the folder holds none."""
    run = open_run(folder)
    parts = {
        "what was asked": _asked,
        "parameters": _parameters,
        "results": _results,
        "pictures": _pictures,
        "scene": _scene,
        "curves": _courses,
        "resistance": _resistance,
        "events": _events,
        "computation": _computed,
        "citation": _cite,
    }
    sections = told_on_the_way(run, parts, progress)
    return Page(
        run.title,
        f"Run {run.folder.resolve().name}",
        (run.ending.replace("_", " "), TONES.get(run.record["status"], "")),
        tuple(_lead(run)),
        tuple(_tiles(run)),
        tuple(section for section in sections if section is not None),
    )


def _lead(run: Run) -> Iterator[str]:
    """How it ended, in a sentence or two."""
    end = f" at {time_words(run.time[-1])}" if len(run.time) else " before the first step"
    if run.record.get("event"):
        yield f"The run ended{end} by the event {event_name(run.record['event'])}: {event_words(run.record['event'])}."
    elif run.record["status"] == "failed":
        yield f"The run broke off{end}: {run.record.get('reason')}. Everything up to there is kept, and shown."
    else:
        yield f"The protocol was carried out to its end{end}."
    estimates = sum(value.estimate for _, _, used, _ in _materials(run) for value in used)
    if estimates:
        yield f"{estimates} of the material values in use are estimates; they are marked under Parameters."


def _tiles(run: Run) -> Iterator[tuple[str, str, str]]:
    """Main numbers; where a toughness is known the worst crack front stands for the peak of stress at its tip."""
    rows = {label: (entry, unit) for label, unit, (entry,) in table({"run": run}) if isinstance(entry, float) and math.isfinite(entry)}
    cracks = {label: entry for label, (entry, _) in rows.items() if label.startswith(CRACK)}
    for label, told in TILES.items():
        if label in rows and not (cracks and label.startswith("Principal stress")):
            yield told, number(rows[label][0], 3), typeset(rows[label][1])
    if cracks:
        worst = max(cracks, key=cracks.__getitem__)
        yield f"largest K_I/K_IC, at {worst.removeprefix(CRACK).removesuffix(', largest')}", number(cracks[worst], 3), ""


# ---- asked ------------------------------------------------------------------------------------------------------------


def _asked(run: Run) -> Section:
    """Geometry, stack, loads; the case as it was given."""
    blocks: list = []
    if run.case is None:
        blocks.append(
            Text(("The case of this run can't be read back (its mesh or a profile has moved); below it is as it was resolved.",))
        )
    else:
        blocks += _mesh_picture(run)
        for title, items in case_sections(run.case):
            lines = tuple(typeset(item) for item in items if not isinstance(item, Rows))
            tables = [_table(item) for item in items if isinstance(item, Rows)]
            if items:
                blocks.append(
                    Fold(title, (*tables, *([Notes(lines)] if lines else [])))
                    if title == "Numerics"
                    else Section("", title, (*tables, *([Notes(lines)] if lines else [])))
                )
    case = run.record.get("input") or run.record.get("case", {})
    blocks.append(Fold("The case, as data", (Code(json.dumps(case, indent=1, ensure_ascii=False)),)))
    return Section("asked", "What was asked", tuple(blocks))


def _table(rows: Rows) -> Table:
    return Table(tuple(map(heading, rows[0])), tuple(tuple(map(typeset, row)) for row in rows[1:]))


def _mesh_picture(run: Run) -> list:
    """Layers and features, drawn on the mesh."""
    try:
        with tempfile.TemporaryDirectory() as folder:
            png = draw_mesh(build_mesh(run.case), run.case, Path(folder) / "mesh.png")
            return [
                embedded(
                    png,
                    "Layers and features on the mesh that was used; the collector is below, the counter electrode above.",
                    "Mesh of the cell, coloured by layer, with close-ups",
                )
            ]
    except (GeometryError, OSError) as error:
        return [Notes((f"The mesh could not be drawn: {error}",), "caution")]


# ---- parameters -------------------------------------------------------------------------------------------------------


def _materials(run: Run) -> list[tuple[str, str, list[Value], list[Value]]]:
    """(name, what it is, values in use, others) of every material."""
    if run.case is None:
        return []
    return [(name, f"{m.title} ({m.role}, {m.law})", *material_values(run.case, m)) for name, m in run.case.media.items()]


def _parameters(run: Run) -> Section | None:
    blocks: list = []
    for name, what, used, others in _materials(run):
        inner: list = [_values(used, what)] if used else []
        if others:
            inner.append(Fold(f"Known of {name} too, but not used by this case", (_values(others, ""),)))
        blocks.append(Section("", name, tuple(inner)))
    if not blocks:
        return None
    found = cautions(run.case)
    said = tuple(re.sub(r"\b[a-z]+(_[a-z]+)+\b", lambda name: name[0].replace("_", " "), line) for line in found)
    doubts = [Section("", "Cautions", (Notes(said, "caution"),))] if said else []
    return Section("parameters", "Parameters and their sources", (Text((f"{LEGEND[0].upper()}{LEGEND[1:]}.",)), *blocks, *doubts))


def _values(values: list[Value], caption: str) -> Table:
    rows = tuple(
        (
            property_name(v.name),
            typeset(v.here),
            typeset(v.stated),
            Cell(v.trust, tone="estimate" if v.estimate else "quiet"),
            typeset(v.source),
        )
        for v in values
    )
    return Table(("property", "here", "as stated", "trust", "source, conditions, range"), rows, caption, stacks=True)


# ---- results ----------------------------------------------------------------------------------------------------------


def _results(run: Run) -> Section:
    rows = tuple(
        (label, number(entry), typeset(unit)) for label, unit, (entry,) in table({"run": run}) if isinstance(entry, float)
    )
    summary = tuple(
        (words(name), *(number(v.get(key)) for key in ("last", "min", "max")))
        for name, v in (run.record.get("summary") or {}).items()
    )
    doubts = tuple(_doubts(run))
    return Section(
        "results",
        "Results",
        (
            *([Notes(doubts, "caution")] if doubts else []),
            Table(
                ("quantity", "value", "unit"),
                rows,
                "“Under current” is at the last step at which a net current passed.",
                frozenset({1}),
            ),
            Fold(
                "Last, smallest and largest value of every scalar",
                (Table(("scalar", "last", "smallest", "largest"), summary, "", frozenset({1, 2, 3})),),
            ),
        ),
    )


def _doubts(run: Run) -> Iterator[str]:
    """What a reader should know before believing the numbers."""
    strain = run.scalars.get("max_plastic_strain", np.zeros(1))
    small = (run.record.get("case", {}).get("mechanics") or {}).get("kinematics", "small") == "small"
    if small and np.nanmax(strain, initial=0.0) > STRAIN:
        yield (
            f"The metal has flowed by up to {number(100 * np.nanmax(strain), 3)} % somewhere, computed with small strains: shapes are those of the "
            'start there. mechanics.kinematics = "finite" follows them.'
        )
    if "sse_max_principal_MPa" in run.scalars and run.record.get("case", {}).get("features"):
        yield (
            "Peaks of stress at sharp edges and tips grow as the mesh is refined: compare them between equal meshes only. "
            "Stress intensities (K_I), where the run has them, do not depend on the mesh."
        )
    pull = np.nanmin(run.scalars.get("interface_min_pressure_MPa", np.zeros(1)), initial=0.0)
    if pull < 0 and "gap_max_um" not in run.scalars:
        yield (
            f"A bonded interface is pulled somewhere, with up to {number(-pull, 3)} MPa; with contact = \"unilateral\" it would part there."
        )


def _pictures(run: Run) -> Section | None:
    """What is in figures/, drawn if there is nothing."""
    if not list(run.folder.glob("figures/*.png")):
        try:
            run_figures(run.folder, run.case, run.record)
        except OSError as error:
            log.warning("figures could not be written: %s", error)
    order = list(PICTURES)
    files = sorted(
        (png for png in run.folder.glob("figures/*.png") if png.stem != "time"),
        key=lambda png: (order.index(png.stem) if png.stem in order else len(order), png.stem),
    )
    blocks = tuple(
        embedded(png, PICTURES.get(png.stem, png.stem.replace("_", " ")), f"{png.stem.replace('_', ' ')}: {run.title}")
        for png in files
    )
    told = Text((f"Fields at {run.shown_text}. A picture opens in full size when chosen.",))
    return Section("pictures", "Pictures", (told, *blocks)) if blocks else None


def _scene(run: Run) -> Section | None:
    try:
        views = scenes(run)
    except Exception as error:  # a page is worth more than its scene
        log.warning("scene: could not be made: %s: %s", type(error).__name__, error)
        return None
    how = "the half behind a cut through the features" if run.kind == "box" else "the whole section"
    drag = "Drag to turn, shift and drag to move, scroll to zoom; the buttons do the same."
    caption = f"{how[0].upper()}{how[1:]} at {run.shown_text}. {drag}"
    return Section("scene", "Scene", (Scenes(views, caption),)) if views else None


def _courses(run: Run) -> Section | None:
    charts, steady = time_charts(run)
    if not charts:
        return None
    phases = tuple((str(n), p.kind, p.text, time_words(p.start), time_words(p.end)) for n, p in enumerate(run.phases))
    return Section(
        "time",
        "Over time",
        (
            Text(
                (
                    "Shaded: steps of the protocol; dotted: events. The pointer shows the same instant in all charts; drag "
                    "to zoom, double-click to see all.",
                )
            ),
            *charts,
            *([Fold("The same at every step", (Notes(tuple(steady)),))] if steady else []),
            Fold("Protocol as it was run", (Table(("step", "kind", "load", "from", "to"), phases, "", frozenset({0, 3, 4})),)),
        ),
    )


def _resistance(run: Run) -> Section | None:
    charts = resistance_charts(run)
    if not charts:
        return None
    parts, from_fields = resistance_parts(run)
    total = run.value("asr_ohm_cm2", run.loaded)
    rows = tuple(
        (name, number(value), f"{100 * value / total:.1f} %".replace("-", "−"), PARTS.get(name, ""))
        for name, value in parts.items()
        if abs(value) > NOTHING * abs(total)
    )
    how = (
        "Parts by the power that each takes in the fields, over the square of the current."
        if from_fields
        else "Bulk, charge transfer and films are those of a flat cell with this contact fraction; the remainder is what is left."
    )
    return Section(
        "resistance",
        "Resistance, told apart",
        (
            Text((how,)),
            *charts,
            Table(
                ("part", "Ω cm²", "share", "what it is"),
                (*rows, ("sum", number(sum(parts.values())), "", f"areal resistance {number(total)} Ω cm²")),
                "",
                frozenset({1, 2}),
            ),
        ),
    )


def _events(run: Run) -> Section:
    """Events in words, in their order."""
    lines = [f"{time_words(time)}: {event_name(name)} – {event_words(name)}." for time, name in run.events]
    return Section("events", "Events", (Notes(tuple(lines or ["None: no event ended the run or a step of the protocol."])),))


# ---- how --------------------------------------------------------------------------------------------------------------


def _computed(run: Run) -> Section:
    """Mesh, solver, balances, timings, versions."""
    record, mesh = run.record, run.record.get("mesh", {})
    balances = tuple(
        (words(name), number(entry["max"], 2)) for name, entry in (record.get("summary") or {}).items() if name.endswith(BALANCE)
    )
    regions = tuple((name, str(count)) for name, count in mesh.get("cells_by_region", {}).items())
    unknowns = tuple((name, str(count)) for name, count in record.get("unknowns", {}).items())
    timings = record.get("timings_s", {})
    times = (
        tuple((name, f"{value:.1f}", f"{100 * value / timings['total']:.0f} %") for name, value in timings.items())
        if timings.get("total")
        else ()
    )
    versions = tuple(record.get("versions", {}).items())
    blocks = [
        Table(("mesh", "cells"), (("all", str(mesh.get("cells", "–"))), *regions), "", frozenset({1})),
        Table(("field", "unknowns"), unknowns, "", frozenset({1})),
        Table(("solution", ""), tuple(_steps(run)), "", frozenset({1})),
        Table(("balance", "largest relative error"), balances, "", frozenset({1})),
        Table(("wall time", "s", "share"), times, "", frozenset({1, 2})),
        Table(("package", "version"), versions, ""),
    ]
    return Section("computed", "How it was computed", tuple(block for block in blocks if block.rows))


def _steps(run: Run) -> Iterator[tuple[str, str]]:
    if len(run.time):
        yield "time steps", str(len(run.time))
        yield "shortest, longest step", f"{run.scalars['dt_s'].min():.3g}, {run.scalars['dt_s'].max():.3g} s"
    if "newton_iterations" in run.scalars and len(run.time):
        yield (
            "Newton iterations a step, mean, most",
            f"{run.scalars['newton_iterations'].mean():.1f}, {run.scalars['newton_iterations'].max():.0f}",
        )
    yield "vertices of the mesh", str(run.record.get("mesh", {}).get("vertices", "–"))
    yield "ranks", str(run.record.get("ranks", "–"))
    yield "started", str(run.record.get("started", "–")).replace("T", " ")


def _cite(run: Run) -> Section:
    sources = "The sources of the material values, as the section on parameters names them."
    return citation(str(run.record.get("versions", {}).get("interfem", "")), (sources,), f"Hash of the case: {run.record.get('hash', 'none')}")
