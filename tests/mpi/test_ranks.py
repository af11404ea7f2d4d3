"""The same numbers on any number of ranks: run this folder under `mpirun -n 2` and `-n 3`, and serially.

Every rank runs every test; the reference is the same case on one rank alone (MPI.COMM_SELF), so that no stored number ages.
"""

import csv
import subprocess
import sys
from pathlib import Path

import gmsh
import numpy as np
import pytest
from interfem import forms, pieces
from interfem.mpi import world
import ufl
from dolfinx import fem, graph, mesh
from dolfinx.io.gmsh import extract_geometry
from interfem.case import parse_case
from interfem.compiler import CompilerError
from interfem.domain import BONDED, read_domain
from interfem.eis import SmallSignal
from interfem.fields import make_fields
from interfem.geometry import GeometryError
from interfem.march import march
from interfem.model import build_model
from interfem.observe.scalars import Observer
from interfem.observe.state import read_state, state_of, write_state
from interfem.rebase import press_in, renew_layer
from interfem.remesh import Parts
from interfem.run import make_mesh as make_mesh_on
from interfem.run import run
from interfem.solve import Solver, Timings
from mpi4py import MPI

sys.path.insert(0, str(Path(__file__).parents[1]))
from kill import results

COMM = world()
MESH = {"size": "5 um", "interface_size": "1.5 um", "rim_size": "0.4 um", "tip_size": "0.4 um"}
VOID = {"kind": "void", "interface": "li|sse", "radius": "2 um", "height": "1 um"}
FLAW = {"kind": "flaw", "interface": "li|sse", "center": "6 um", "width": "1 um", "depth": "2 um", "fill": "Li"}
PATCH = {"kind": "patch", "interface": "alloy|sse", "outer": "3 um"}
UNCOMPARED = ("charge_balance_error", "lithium_balance_error", "lithium_audit_error", "newton_iterations")  # round-off, and a count it may move by one


def case(layers: list, features: list[dict], amperes: float, materials: dict | None = None, interfaces: dict | None = None):
    """1 MPa, then a current density in A/m^2, in equal steps."""
    protocol = [{"kind": "pressure", "to": "1 MPa", "duration": "0.1 s", "first_step": "0.05 s", "max_step": "0.05 s"},
                {"kind": "current", "value": f"{amperes} A/m^2", "duration": "1 s", "first_step": "0.25 s", "max_step": "0.25 s"}]
    return parse_case({
        "title": "ranks", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "10 um"},
        "mechanics": {}, "mesh": MESH, "materials": materials or {}, "interfaces": interfaces or {},
        "layers": [item if isinstance(item, dict) else dict(zip(("name", "material", "thickness"), item)) for item in layers],
        "features": features,
        "protocol": protocol, "output": {"figures": False}})  # fmt: skip


BARE = case([("li", "Li", "5 um"), ("sse", "Li6PS5Cl", "8 um")], [VOID, FLAW], -10)
ALLOY = case([("alloy", "Li-In", "5 um"), ("sse", "Li6PS5Cl", "8 um"), ("li", "Li", "2 um")], [PATCH], 10)
STORE = {"role": "mixed", "law": "elastic", "ionic_conductivity": "1e-3 S/cm", "electronic_conductivity": "1 S/cm",
         "youngs_modulus": "5 GPa", "poisson_ratio": 0.3, "maximum_concentration": "2e4 mol/m^3", "initial_concentration": "4e3 mol/m^3",
         "storage_exchange_current_density": "10 A/m^2", "specific_area": "1e6 1/m", "partial_molar_volume": "3e-6 m^3/mol",
         "exchange_current_density": "10 A/m^2", "equilibrium_potential": {"table": [[0, "0.3 V"], [1, "0.08 V"]]}}  # fmt: skip
GRADED = {"name": "film", "material": "LiF", "thickness": "0.5 um",
          "grading": {"ionic_conductivity": {"from": "1e-6 S/cm", "to": "1e-4 S/cm", "law": "exponential"}}}
ROUGH = {"kind": "roughness", "interface": "store|film", "amplitude": "0.3 um", "wavelength": "10 um"}
MIXED = case([("cu", "Cu", "2 um"), ("store", "Store", "5 um"), GRADED, ("sse", "Li6PS5Cl", "5 um")], [ROUGH], -10, {"Store": STORE},
             {"cu|store": {"electronic_resistance": "2 ohm*cm^2"}, "film|sse": {"ionic_resistance": "5 ohm*cm^2"}})
DEAD = {"kind": "patch", "interface": "li|sse", "outer": "3 um"}
PARTING = {"li|sse": {"contact": "unilateral", "tangential": "coulomb", "friction": 0.2, "adhesion_strength": "0.1 MPa", "contact_gap": "2 nm",
                      "chi": 0.2, "vacancy_charge": "0.1 mAh/cm^2"}}
CONTACT = case([("li", "Li", "5 um"), ("sse", "Li6PS5Cl", "8 um")], [DEAD, FLAW], 100, interfaces=PARTING)
CURVED = case([("li", "Li", "5 um"), ("sse", "Li6PS5Cl", "8 um")], [ROUGH | {"interface": "li|sse"}], -10,
              interfaces={"li|sse": {"surface_energy": "5 J/m^2"}})
FRAME = BARE.input | {"mechanics": {"boundaries": {"collector": "platen", "right": "0.5 MPa"}}, "protocol": [
    BARE.input["protocol"][0] | {"hold": {"spring": "10 MPa/um"}}, BARE.input["protocol"][0] | {"boundary": "right"}, BARE.input["protocol"][1]]}
LOADED = parse_case(FRAME | {"sei": {"initial_thickness": "5 nm"}})

PACED = parse_case(BARE.input | {"protocol": [{"kind": "pressure", "to": "1 MPa", "duration": "10 s"}, {"kind": "current", "value": "-3 mA/cm^2", "duration": "20 s"}]})

FREE = {"li|sse": {"contact": "unilateral", "tangential": "frictionless"}}
SQUEEZED = parse_case(case([("li", "Li", "5 um"), ("sse", "Li6PS5Cl", "8 um")], [VOID], 10, interfaces=FREE).input | {
    "mechanics": {"kinematics": "finite"}, "protocol": [{"kind": "pressure", "to": "4 MPa", "duration": "0.1 s"}]})


SLOT = {"kind": "flaw", "interface": "li|sse", "shape": "slot", "center": "0 um", "width": "2 um", "depth": "3 um", "filled": "1 um"}
PRESSED = parse_case(SQUEEZED.input | {
    "features": [SLOT], "interfaces": {"flaw|sse": {"contact": "unilateral", "tangential": "coulomb", "friction": 0.3}},
    "mechanics": {"kinematics": "finite", "boundaries": {"collector": "platen"}}, "protocol": [{"kind": "pressure", "to": "6 MPa", "duration": "0.1 s"}]})


@pytest.fixture
def folder(tmp_path) -> Path:
    """One folder for all ranks."""
    return COMM.bcast(tmp_path)


def alone(chosen) -> dict[str, float]:
    """Scalars of the last step on one rank; the others wait for them."""
    make_mesh(chosen)
    found = None
    if COMM.rank == 0:
        domain = read_domain(make_mesh_on(chosen, MPI.COMM_SELF, Timings()), MPI.COMM_SELF, chosen)
        fields = make_fields(domain, chosen)
        model = build_model(chosen, domain, fields)
        solver = Solver(chosen, domain, fields, model, Timings())
        observer = Observer(chosen, domain, fields, model, solver)
        found = [step.scalars for step in march(chosen, domain, fields, model, solver, observer)][-1]
        solver.destroy()
    return COMM.bcast(found)


def self_state(chosen, path: Path):
    """Parts of a case on one rank, in the state of a file."""
    domain = read_domain(make_mesh_on(chosen, MPI.COMM_SELF, Timings()), MPI.COMM_SELF, chosen)
    fields = make_fields(domain, chosen)
    model = build_model(chosen, domain, fields)
    read_state(path, domain, fields, model)
    return domain, fields, model


def make_mesh(chosen) -> Path:
    return make_mesh_on(chosen, COMM, Timings())


def assert_same_run(chosen, folder: Path, wanted: dict[str, float]) -> None:
    """Each scalar of the last step to 1e-6."""
    result = run(chosen, folder)
    assert result.status == "completed", result.reason
    for name, value in wanted.items():
        if name not in UNCOMPARED and np.isfinite(value):
            assert result.last(name) == pytest.approx(value, rel=1e-6, abs=1e-10), name


@pytest.mark.parametrize("chosen", [MIXED, CONTACT, LOADED, CURVED], ids=["mixed", "contact", "loaded", "curved"])
def test_scalars_do_not_depend_on_the_ranks(folder, chosen):
    """A void and a filled flaw under creep, in a frame and with a reaction layer; a store that swells; lithium that parts, slides and loses contact."""
    assert_same_run(chosen, folder, alone(chosen))


def parts_of(chosen, comm, path: Path, restore=lambda *state: None) -> Parts:
    domain = read_domain(path, comm, chosen)
    fields = make_fields(domain, chosen)
    model = build_model(chosen, domain, fields)
    restore(domain, fields, model)
    solver = Solver(chosen, domain, fields, model, Timings())
    return Parts(chosen, path, domain, fields, model, solver, Observer(chosen, domain, fields, model, solver))


def begun_anew(comm, path: Path) -> tuple[dict[str, float], dict[str, float]]:
    """Scalars of a squeezed void before and after the metal around it has begun anew."""
    parts = parts_of(SQUEEZED, comm, make_mesh_on(SQUEEZED, comm, Timings()))
    steps = list(march(SQUEEZED, parts.domain, parts.fields, parts.model, parts.solver, parts.observer))
    new, record = renew_layer(parts, "void", False, path, 1e-5, lambda chosen, *rest: parts_of(chosen, comm, *rest))
    assert new is not None, record
    return steps[-1].scalars, new.observer.after_commit()


def test_metal_begins_anew_around_a_void_alike_on_any_number_of_ranks(folder):
    """As on one rank, with the void's volume and the places that it had."""
    make_mesh(SQUEEZED)
    wanted = COMM.bcast(begun_anew(MPI.COMM_SELF, folder / "one.msh")[1] if COMM.rank == 0 else None)
    before, after = begun_anew(COMM, folder / "all.msh")
    for name, value in wanted.items():
        if name not in UNCOMPARED and np.isfinite(value):
            assert after[name] == pytest.approx(value, rel=1e-6, abs=1e-10), name
    for name in ("void_volume_ratio[void]", "void_depth_um[void]", "collector_displacement_um", "stack_pressure_MPa"):
        assert after[name] == pytest.approx(before[name], rel=5e-3, abs=2e-3), name
    assert before["void_volume_ratio[void]"] < 0.99


@pytest.mark.parametrize("chosen", [ALLOY, CONTACT, MIXED], ids=["alloy", "contact", "mixed"])
def test_a_state_is_read_on_any_number_of_ranks(folder, chosen):
    """Written on all ranks and on one, read on one and on all: every value is the same; so is the impedance about it."""
    face = "|".join(layer.name for layer in chosen.layers[:2])
    chosen = parse_case(chosen.input | {"interfaces": {face: {"capacitance": "10 uF/cm^2"}}})
    assert run(chosen, folder / "run").status == "completed"
    again, one, many = folder / "again.npz", folder / "one.npz", folder / "run" / "state.npz"
    if COMM.rank == 0:
        write_state(one, state_of(*self_state(chosen, many), 1.1))
    COMM.barrier()
    domain = read_domain(make_mesh(chosen), COMM, chosen)
    fields = make_fields(domain, chosen)
    model = build_model(chosen, domain, fields)
    assert read_state(one, domain, fields, model) == 1.1
    state = state_of(domain, fields, model, 1.1)
    if COMM.rank == 0:
        write_state(again, state)
    system = SmallSignal(chosen, domain, fields, model)
    z = [system.impedance(f) for f in (1e5, 1.0)]
    if COMM.rank == 0:
        assert_same_state(many, again)
        alone = SmallSignal(chosen, *self_state(chosen, many))
        np.testing.assert_allclose(z, [alone.impedance(f) for f in (1e5, 1.0)], rtol=1e-8)
    COMM.barrier()


def test_multigrid_and_kept_pieces_of_the_mesh(folder, monkeypatch):
    """Potentials in a box by multigrid, with the metal as one, from the pieces that the ranks have kept: as by factors on one rank."""
    tree = {"title": "box", "temperature": "298.15 K", "geometry": {"kind": "box", "width": "10 um", "depth": "10 um"},
            "layers": [{"name": n, "material": m, "thickness": "4 um"} for n, m in (("li", "Li"), ("sse", "Li6PS5Cl"), ("rear", "Li"))],
            "features": [{"kind": "patch", "interface": "li|sse", "outer": "4 um"}], "output": {"figures": False},
            "mesh": {"size": "3 um", "interface_size": "1.5 um", "rim_size": "1 um"},
            "protocol": [{"kind": "current", "value": "30 A/m^2", "duration": "1 s", "first_step": "1 s", "max_step": "1 s"}]}
    direct, iterative = (parse_case(tree | {"solver": {"preset": preset, "potential_degree": 1}}) for preset in ("direct", "iterative"))
    wanted, cwd = alone(direct), Path.cwd()
    monkeypatch.setattr(pieces, "KEPT_FROM", 0)
    monkeypatch.chdir(folder)
    assert_same_run(iterative, folder / "first", wanted)
    monkeypatch.setattr(pieces, "_distribute", None)
    assert_same_run(iterative, folder / "again", wanted)
    monkeypatch.chdir(cwd)


@pytest.mark.parametrize("contact", ["bonded", "unilateral"])
def test_bodies_by_multigrid(folder, contact):
    """Coupled multigrid on all ranks: as by factors on one, and after a checkpoint every byte. If reproducible, as on one to 1e-10."""
    tree = {"title": "box", "temperature": "298.15 K", "geometry": {"kind": "box", "width": "4 um", "depth": "4 um"},
            "layers": [{"name": n, "material": m, "thickness": "3 um"} | more for n, m, more in (("li", "Li", {"law": "j2"}), ("sse", "Li6PS5Cl", {}))],
            "features": [{"kind": "void", "interface": "li|sse", "center": ["0 um", "0 um"], "radius": "2 um", "height": "1 um"}],
            "mesh": {"size": "2 um", "interface_size": "1.5 um", "rim_size": "1 um"}, "mechanics": {}, "output": {"figures": False},
            "interfaces": {"li|sse": {"contact": contact}},
            "protocol": [{"kind": "pressure", "to": "0.5 MPa", "duration": "1 s", "first_step": "0.5 s", "max_step": "0.5 s"}]}
    flowing = parse_case(tree | {  # of pressures enough that factors on all ranks would tell the order of their messages
        "layers": [{k: v for k, v in layer.items() if k != "law"} for layer in tree["layers"]], "solver": {"preset": "iterative"},
        "mesh": dict.fromkeys(("size", "interface_size", "rim_size"), "1 um"),
        "protocol": [tree["protocol"][0] | {"first_step": "0.25 s", "max_step": "0.25 s"}]})
    direct, iterative = (parse_case(tree | {"solver": {"preset": preset, "potential_degree": 1}}) for preset in ("direct", "iterative"))
    wanted = alone(direct)
    del wanted["work_balance_error"]  # a residual: factors leave rounding, multigrid what Newton's tolerance allows
    if contact == "bonded":
        assert_same_run(iterative, folder / "bodies", wanted)
        return
    exact = parse_case(tree | {"solver": {"preset": "iterative", "potential_degree": 1, "reproducible": True}})
    assert_same_run(exact, folder / "bodies", wanted)
    part = parse_case(flowing.input | {"solver": {"preset": "iterative", "max_steps": 2}})
    assert run(flowing, folder / "whole").status == "completed" and run(part, folder / "again").event == "max_steps"
    assert run(flowing, folder / "again", restart=True).status == "completed"
    if COMM.rank == 0:
        assert results(folder / "again") == results(folder / "whole")
    names, found = numbers(folder / "bodies" / "scalars.csv")
    kept = [n for n, name in enumerate(names) if name in wanted and name not in UNCOMPARED]
    again = alone(exact)
    np.testing.assert_allclose(found[-1, kept], [again[names[n]] for n in kept], rtol=1e-10, atol=1e-12)


def pressed_in(comm, path: Path) -> tuple[dict[str, float], dict[str, float], float]:
    """Scalars of a slot into which lithium has been pressed, before and after it is laid anew, and its volume for a unit of depth then."""
    parts = parts_of(PRESSED, comm, make_mesh_on(PRESSED, comm, Timings()))
    steps = list(march(PRESSED, parts.domain, parts.fields, parts.model, parts.solver, parts.observer))
    new, record = press_in(parts, "flaw", False, path, 1e-9, lambda chosen, *rest: parts_of(chosen, comm, *rest))
    assert new is not None, record
    return steps[-1].scalars, new.observer.after_commit(), record["relative_changes"]["volume"]


def test_lithium_is_pressed_into_a_slot_alike_on_any_number_of_ranks(folder):
    """As on one rank, and laid anew where it is, with its volume."""
    make_mesh(PRESSED)
    wanted = COMM.bcast(pressed_in(MPI.COMM_SELF, folder / "one.msh")[:2] if COMM.rank == 0 else None)
    *found, changed = pressed_in(COMM, folder / "all.msh")
    for ours, theirs in zip(found, wanted):
        for name, value in theirs.items():
            if name not in UNCOMPARED and np.isfinite(value):
                assert ours[name] == pytest.approx(value, rel=1e-6, abs=1e-9), name
    before, after = found
    assert before["extrusion_length_um[flaw]"] > 0.01 and abs(changed) < 1e-6
    assert after["flaw_filled_um[flaw]"] == pytest.approx(before["flaw_filled_um[flaw]"], abs=2e-3)
    assert abs(after["flaw_overlap_um[flaw]"]) < 1e-6


def assert_same_state(first: Path, second: Path) -> None:
    """Each place has the same values in both; the first, that of a run, holds its memory too."""
    with np.load(first) as a, np.load(second) as b:
        assert "memory" in a and set(a) > set(b)
        for name in b:
            if name.endswith("/places"):
                orders = [np.lexsort(np.round(file[name], 9).T) for file in (a, b)]
                for key in (key for key in b if key.rpartition("/")[0] == name.rpartition("/")[0]):
                    np.testing.assert_allclose(a[key][orders[0]], b[key][orders[1]], rtol=1e-12, atol=1e-12, err_msg=key)


def numbers(path: Path) -> tuple[list[str], np.ndarray]:
    """(columns, rows) of scalars.csv; what is empty is NaN."""
    rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    kept = [n for n, name in enumerate(rows[0]) if name != "phase_kind"]
    return [rows[0][n] for n in kept], np.array([[float(row[n] or "nan") for n in kept] for row in rows[1:]])


def assert_alike(folder: Path, other: Path) -> None:
    """Every value of scalars.csv to 1e-10 of the largest of its column, or of what it is a part of; those of rounding size aside."""
    (names, wanted), (others, found) = (numbers(path / "scalars.csv") for path in (other, folder))
    assert names == others and wanted.shape == found.shape
    size = np.maximum(np.nanmax(np.abs(wanted), axis=0, initial=0.0), 1e-6)
    wholes = {n: "asr_ohm_cm2" if name.startswith("asr_") else name.replace("K_II_", "K_I_") for n, name in enumerate(names)}
    size = np.array([max(size[n], size[names.index(wholes[n])]) for n in range(len(names))])
    apart = np.nanmax(np.abs(found - wanted) / size, axis=0, initial=0.0)
    assert [(name, gap) for name, gap in zip(names, apart) if gap > 1e-10 and name not in (*UNCOMPARED, "work_balance_error")] == []


@pytest.mark.parametrize("chosen", [CONTACT, LOADED, PACED], ids=["contact", "loaded", "paced"])
def test_goes_on_from_a_checkpoint_on_any_number_of_ranks(folder, chosen, monkeypatch):
    """In the middle of a protocol step: on the same ranks, every byte, and on one; contact that is lost and slides, a frame, a reaction layer,
    and steps whose length follows from what the solver needed for the last.
    """
    part = parse_case(chosen.input | {"solver": {"max_steps": 4}})
    assert run(chosen, folder / "whole").status == "completed"
    for name in ("same", "one"):
        assert run(part, folder / name).event == "max_steps"
    assert run(chosen, folder / "same", restart=True).status == "completed"
    if COMM.rank == 0:
        found, wanted = results(folder / "same"), results(folder / "whole")
        assert sorted(found) == sorted(wanted) and [name for name in wanted if found[name] != wanted[name]] == []
        monkeypatch.setattr(sys.modules["interfem.run"], "world", lambda: MPI.COMM_SELF)
        assert run(chosen, folder / "one", restart=True).status == "completed"
        assert_alike(folder / "one", folder / "whole")
    COMM.barrier()


def test_a_disk_that_is_full_ends_the_run_on_all_ranks(folder, monkeypatch):
    """Rank 0 writes, and no other may wait for it."""
    def full(path, rows):
        if path.name == "scalars.csv" and path.exists():
            raise OSError(28, "No space left on device", str(path))
        append(path, rows)

    record = sys.modules["interfem.observe.record"]
    append = record.append_rows
    monkeypatch.setattr(record, "append_rows", full)
    result = run(ALLOY, folder)
    assert (result.status, result.exit_status) == ("failed", 3)
    assert "scalars.csv: cannot be written (No space left on device)" in result.reason


def partition_at(path: Path, height: float):
    """Partitioner: cells below a height on rank 0, above on the last rank, with their neighbours across it as ghosts."""
    heights = None
    if COMM.rank == 0:
        gmsh.initialize()
        gmsh.option.setNumber("General.Terminal", 0)
        gmsh.open(str(path))
        heights = extract_geometry(gmsh.model)[:, 1]
        gmsh.finalize()

    def partition(comm, parts, cell_types, cells):
        owners: list[list[int]] = []
        for nodes in np.asarray(cells[0]).reshape(-1, 3):
            y, last = heights[nodes], parts - 1
            owner = 0 if y.mean() < height else last
            shared = last > 0 and np.isclose(y, height).sum() == 2
            owners.append([owner, last - owner] if shared else [owner])
        offsets = np.cumsum([0] + [len(row) for row in owners])
        return graph.adjacencylist(np.array(sum(owners, []), np.int32), offsets.astype(np.int32))._cpp_object

    return partition


def test_interface_on_the_partition_boundary(folder, monkeypatch):
    """Anode on the first rank, the rest on the last (a third has no cell): every coupling of the anode crosses between ranks."""
    wanted, partition = alone(ALLOY), partition_at(make_mesh(ALLOY), 5.0)
    monkeypatch.setattr(mesh, "create_cell_partitioner", lambda *_: partition)
    domain = read_domain(make_mesh(ALLOY), COMM, ALLOY)
    cells = COMM.allgather([len(domain.cells_of([region])) for region in domain.regions])
    assert cells[0][0] > 0 and cells[-1][1] > 0
    if COMM.size > 1:
        assert sum(row[0] for row in cells[1:]) == sum(row[1] for row in cells[:-1]) == 0
    assert_same_run(ALLOY, folder, wanted)


@pytest.mark.parametrize("chosen, upward", [(BARE, 8.0), (ALLOY, 0.0)], ids=["bare", "alloy"])
def test_sides_of_interfaces(chosen, upward):
    """The normal points out of the metal: its integral is the upward area, less the void's of 2 um; lithium on top cancels."""
    domain = read_domain(make_mesh(chosen), COMM, chosen)
    n = domain.normal()
    assert domain.integral(n[1] * domain.dS(*BONDED.values())) == pytest.approx(upward, abs=1e-9)
    assert domain.integral((n[0] ** 2 + n[1] ** 2) * domain.dS(*BONDED.values())) > 10


def test_mesh_error_is_raised_on_all_ranks(monkeypatch):
    """Rank 0 alone makes the mesh; the others must not wait for it."""
    def fails(_):
        raise GeometryError("no mesh")

    monkeypatch.setattr(sys.modules["interfem.run"], "build_mesh", fails)
    with pytest.raises(GeometryError, match="no mesh"):
        make_mesh(BARE)


@pytest.mark.skipif(COMM.size > 1, reason="starts ranks of its own")
def test_failing_rank_ends_all(tmp_path):
    """One rank raises while the other waits: both end, with an error status and the traceback."""
    launcher, script = Path(sys.prefix) / "bin" / "mpirun", tmp_path / "fails.py"
    if not launcher.exists():
        pytest.skip("no mpirun beside this Python")
    script.write_text("from interfem.mpi import world\ncomm = world()\nif comm.rank == 1:\n"
                      "    raise ValueError('rank one is broken')\ncomm.barrier()\nprint('not reached')\n")  # fmt: skip
    done = subprocess.run([launcher, "-n", "2", sys.executable, script], capture_output=True, text=True, timeout=60)
    assert done.returncode != 0 and "not reached" not in done.stdout
    assert "rank one is broken" in done.stderr and "rank 1 of 2 failed" in done.stderr


def test_what_one_rank_cannot_compile_all_raise(monkeypatch):
    """Whatever goes wrong on the last rank alone; the others do not wait for it."""
    def compile_(orders):
        if COMM.rank == COMM.size - 1:
            raise MemoryError("no room")

    monkeypatch.setattr(forms, "_compile", compile_)
    monkeypatch.setattr(forms.Path, "exists", lambda self: False)
    box = mesh.create_unit_interval(COMM, 8)
    with pytest.raises(MemoryError if COMM.rank == COMM.size - 1 else CompilerError, match="no room"):
        forms.compile_forms(fem.Constant(box, 1.0) * ufl.dx(domain=box))
