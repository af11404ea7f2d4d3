"""Comparison and figures on small run folders written here: fields of known values, no solver."""

import csv
import json

import numpy as np
import pytest
import pyvista

from interfem.case import load_case
from interfem.compare import BULK, REST, TRANSFER, CompareError, compare, open_runs, resistances, table
from interfem.figures import run_figures
from interfem.figures.curves import arc_length, chains
from interfem.figures.data import Part, open_run, read_part
from interfem.figures.tubes import stream_function
from interfem.materials import library_folder
from interfem.units import to_internal

CASE = library_folder().parent / "cases" / "bare.toml"
COLUMNS = [
    "step",
    "time_s",
    "dt_s",
    "phase",
    "phase_kind",
    "current_density_A_per_m2",
    "cell_voltage_V",
    "overpotential_V",
    "asr_ohm_cm2",
    "current_focusing",
    "contact_fraction",
    "stack_pressure_MPa",
    "sse_max_principal_MPa",
    "charge_balance_error",
]
ROWS = [
    [1, 5, 5, 0, "pressure", 0, 0, 0, "", "", 0.875, 2, 1, 1e-15],
    [2, 10, 5, 1, "current", -10, -0.003, -0.003, 3, 1.5, 0.875, 2, 50, 1e-14],
    [3, 15, 5, 2, "rest", 0, 0, 0, "", "", 0.875, 2, 5, 1e-15],
]


def fake_run(folder, status="completed", event=None, reason=None, rows=ROWS, fields=True):
    """A run folder with a uniform current of 10 A/m2 downwards."""
    folder.mkdir(parents=True)
    case = load_case(CASE)
    if rows:
        with open(folder / "scalars.csv", "w", newline="") as file:
            csv.writer(file).writerows([COLUMNS, *rows])
    numbers = {name: [float(row[k]) for row in rows if row[k] != ""] for k, name in enumerate(COLUMNS) if name != "phase_kind"}
    summary = {name: {"last": v[-1], "min": min(v), "max": max(v)} for name, v in numbers.items() if v}
    record = {
        "status": status,
        "event": event,
        "reason": reason,
        "title": f"Case {folder.name}",
        "hash": "0",
        "summary": summary,
        "mesh": {"cells": 8, "interfaces": ["li|sse"]},
        "unknowns": {"total": 99},
        "ranks": 2,
        "timings_s": {"total": 1.5},
        "case": case.resolved(),
    }
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "log.txt").write_text("12:00:00 event voltage_reached at 10 s\n")
    if fields:
        (folder / "fields").mkdir()
        for name, region, low, high in (("metal", 0, 0.0, 20.0), ("electrolyte", 1, 20.0, 50.0)):
            write_part(folder / "fields", name, region, low, high)
        write_interface(folder / "fields")
    return folder


def write_part(folder, name, region, low, high):
    x, y = np.meshgrid(np.linspace(0, 40, 9), np.linspace(low, high, 7))
    grid = pyvista.StructuredGrid(x, y, np.zeros_like(x)).triangulate().cast_to_unstructured_grid()
    grid.point_data["potential_V"] = 1e-3 * grid.points[:, 1]
    count = grid.n_cells
    grid.cell_data["current_density_A_per_m2"] = np.tile([0.0, -10.0, 0.0], (count, 1))
    for stress in ("von_mises_MPa", "max_principal_MPa", "pressure_MPa"):
        grid.cell_data[stress] = grid.cell_centers().points[:, 1] - 25.0
    grid.cell_data["region"] = np.full(count, float(region))
    grid.cell_data["vtkGhostType"] = np.zeros(count, np.uint8)
    _write(grid, folder, name)


def write_interface(folder):
    points = np.stack([np.linspace(5, 40, 8), np.full(8, 20.0), np.zeros(8)], axis=1)
    cells = np.stack([np.arange(7), np.arange(1, 8)], axis=1)
    grid = pyvista.UnstructuredGrid({pyvista.CellType.LINE: cells}, points)
    grid.point_data["contact_pressure_MPa"] = points[:, 0]
    grid.cell_data["current_density_A_per_m2"] = np.linspace(-12, -10, 7)
    grid.cell_data["interface"] = np.zeros(7)
    _write(grid, folder, "interface")


def _write(grid, folder, name):
    grid.save(folder / f"{name}0.vtu")
    sets = "".join(f'<DataSet timestep="{t}" part="0" file="{name}0.vtu" />' for t in (5, 10, 15))
    (folder / f"{name}.pvd").write_text(
        f'<?xml version="1.0"?><VTKFile type="Collection"><Collection>{sets}</Collection></VTKFile>'
    )


def test_comparison_is_written_for_runs_of_every_status(tmp_path):
    folders = [
        fake_run(tmp_path / "one"),
        fake_run(tmp_path / "two", "stopped", "voltage_limit", rows=ROWS[:2]),
        fake_run(tmp_path / "three", "failed", None, "no convergence", rows=[], fields=False),
    ]
    told = []
    sheet = compare(folders, tmp_path / "out", lambda fraction, text: told.append((fraction, text)))
    assert sheet == tmp_path / "out" / "comparison.png" and told == sorted(told) and told[-1][0] == 1.0
    for name in ("comparison.png", "fields.png", "time.png", "bars.png"):
        assert (tmp_path / "out" / name).stat().st_size > 10_000
    rows = {row[0]: row for row in csv.reader(open(tmp_path / "out" / "table.csv"))}
    assert rows["quantity"] == ["quantity", "unit", "one", "two", "three"]
    assert rows["Status"][2:] == ["completed", "stopped", "failed"]
    assert rows["Event or reason"][2:] == ["", "voltage_limit", "no convergence"]
    assert rows["Overpotential under current"][1:] == ["mV", "-3", "-3", ""]
    assert rows["Principal stress in the electrolyte, largest"][2:4] == ["50", "50"]
    assert "| no convergence" in (tmp_path / "out" / "table.md").read_text()


def test_a_folder_that_is_no_run_is_named(tmp_path):
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "run.json").write_text("{")
    for folder, told in (
        (tmp_path / "absent", "is no folder"),
        (tmp_path / "empty", "has no run.json"),
        (tmp_path / "broken", "cannot be read"),
    ):
        with pytest.raises(CompareError, match=told) as caught:
            compare([folder], tmp_path / "out")
        assert str(folder) in str(caught.value)
    with pytest.raises(CompareError):
        compare([], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_runs_are_named_by_what_tells_them_apart(tmp_path):
    assert list(open_runs([fake_run(tmp_path / "a" / "x"), fake_run(tmp_path / "b" / "x")])) == ["a/x", "b/x"]
    assert len(open_runs([tmp_path / "a" / "x", tmp_path / "a" / "x"])) == 2


def test_parts_of_the_resistance_sum_up_and_bulk_is_thickness_over_conductivity(tmp_path):
    run = open_run(fake_run(tmp_path / "one"))
    parts = resistances(run)
    assert sum(parts.values()) == pytest.approx(3.0)
    kappa = run.case.records["Li6PS5Cl"].get("ionic_conductivity").at(298.15)
    assert parts[BULK] == pytest.approx(30.0 / kappa * 1e4)
    i0 = to_internal("32 mA/cm^2", "current density")
    mean = 10.0 / 0.875
    thermal = 8.314462618 * 298.15 / 96485.33212
    assert parts[TRANSFER] == pytest.approx(2 * thermal * np.arcsinh(mean / 2 / i0) / 10.0 * 1e4)
    assert REST in parts


def test_fields_are_those_under_current_and_the_case_is_read_back(tmp_path):
    run = open_run(fake_run(tmp_path / "one"))
    assert run.shown_time == 10 and "−1 mA/cm²" in run.shown_text
    assert run.case is not None and [p.kind for p in run.phases] == ["pressure", "current", "rest"]
    assert run.events == [(10.0, "voltage_reached")]
    assert dict((label, entries[0]) for label, _, entries in table({"one": run}))["Time reached"] == 15


def test_figures_of_a_run(tmp_path):
    folder = fake_run(tmp_path / "one")
    made = {path.name for path in run_figures(folder)}
    assert made == {"time.png", "interface.png", "potential.png", "current.png", "stress.png", "von_mises.png"}
    assert run_figures(fake_run(tmp_path / "none", rows=[], fields=False)) == []


def test_ghost_cells_are_left_out_and_pieces_joined(tmp_path):
    points = np.array(
        [[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], float
    )  # two pieces with two common places
    cells = np.array([[0, 1, 2], [3, 4, 5], [0, 1, 2]])
    grid = pyvista.UnstructuredGrid({pyvista.CellType.TRIANGLE: cells}, points)
    grid.cell_data["vtkGhostType"] = np.array([0, 0, 1], np.uint8)
    grid.cell_data["region"] = np.array([1.0, 1.0, 1.0])
    grid.cell_data["f"] = np.array([2.0, 4.0, 99.0])
    grid.save(tmp_path / "g.vtu")
    part = read_part(tmp_path / "g.vtu", "region", 2)
    assert part.cells.shape == (2, 3) and len(part.points) == 4
    assert sorted(part.values["f"]) == pytest.approx([2.0, 3.0, 3.0, 4.0])


def test_stream_function_of_a_uniform_current_is_linear():
    x, y = np.meshgrid(np.linspace(0, 2, 5), np.linspace(0, 1, 4))
    mesh = pyvista.StructuredGrid(x, y, 0 * x).triangulate()
    part = Part(np.asarray(mesh.points, float)[:, :2], mesh.cells_dict[5], np.zeros(24, int), {})
    flux = np.tile([0.0, -3.0], (len(part.points), 1))
    tubes = stream_function([Part(part.points, part.cells, part.region, {"i": flux})], "i", axisymmetric=False)
    slope = np.polyfit(tubes.points[:, 0], tubes.psi, 1)[0]
    assert slope == pytest.approx(3.0) and np.ptp(tubes.psi) == pytest.approx(6.0)


def test_lines_are_followed_around_a_corner_and_broken_at_a_gap():
    points = np.array([[0, 0], [1, 0], [1, 1], [5, 0], [6, 0]], float)
    part = Part(points, np.array([[2, 1], [0, 1], [4, 3]]), np.zeros(3, int), {})
    first, second = chains(part)
    assert list(first) == [0, 1, 2] and list(second) == [3, 4]
    assert list(arc_length(points[first])) == [0, 1, 2]


def test_a_logarithmic_axis_needs_something_above_zero(recwarn):
    """A run at rest shears nothing and strains nothing: its curves are zero, and Matplotlib would warn."""
    from matplotlib.figure import Figure

    from interfem.figures.curves import Panel, dress_time

    for values, scale in (([0.0, 0.0], "linear"), ([0.0, 2.0], "log")):
        box = Figure().subplots()
        box.plot([0.0, 1.0], values)
        dress_time(box, Panel("zeros", "", (), log=True))
        box.figure.draw_without_rendering()
        assert box.get_yscale() == scale
    assert not recwarn.list
