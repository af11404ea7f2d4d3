"""New cells in distorted metal in 3D, on as many ranks as the test is run on, against one."""

from pathlib import Path

import numpy as np
import pytest

from interfem.mpi import world
from interfem.case import parse_case
from interfem.domain import read_domain
from interfem.fields import make_fields
from interfem.geometry import renew
from interfem.march import march
from interfem.model import build_model
from interfem.observe.scalars import Observer
from interfem.remesh import Parts, contents, remesh
from interfem.run import make_mesh
from interfem.solve import Solver, Timings
from mpi4py import MPI

COMM = world()
UNCOMPARED = ("charge_balance_error", "lithium_balance_error", "lithium_audit_error", "newton_iterations")
ALLOY = parse_case({
    "title": "ranks", "temperature": "298.15 K", "geometry": {"kind": "box", "width": "3 um", "depth": "3 um"},
    "layers": [{"name": "alloy", "material": "Li-In", "thickness": "3 um", "law": "norton"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "1.5 um"}],
    "materials": {"Li-In": {"creep_rate": "1 1/s", "creep_reference_stress": "20 MPa", "creep_exponent": 3.0, "creep_activation_energy": "0 kJ/mol"}},
    "interfaces": {"alloy|sse": {"tangential": "stick"}},
    "mechanics": {"kinematics": "finite", "boundaries": {"right": "free", "back": "free"}}, "mesh": {"size": "1.5 um", "interface_size": "1.5 um"},
    "solver": {"on_distortion": "remesh"}, "output": {"figures": False},
    "protocol": [{"kind": "pressure", "to": "4 MPa", "duration": "0.1 s", "first_step": "0.05 s", "max_step": "0.05 s"},
                 {"kind": "current", "value": "5 A/m^2", "duration": "1 s", "first_step": "0.25 s", "max_step": "0.25 s"}]})  # fmt: skip


def parts_of(comm, path: Path, restore=lambda *state: None) -> Parts:
    domain = read_domain(path, comm, ALLOY)
    fields = make_fields(domain, ALLOY)
    model = build_model(ALLOY, domain, fields)
    restore(domain, fields, model)
    solver = Solver(ALLOY, domain, fields, model, Timings())
    return Parts(ALLOY, path, domain, fields, model, solver, Observer(ALLOY, domain, fields, model, solver))


def remeshed(comm, path: Path) -> tuple[list[dict], list[dict]]:
    """(contents, scalars) of squeezed metal that has stored lithium, before it gets new cells and after."""
    old = parts_of(comm, make_mesh(ALLOY, comm, Timings()))
    steps = list(march(ALLOY, old.domain, old.fields, old.model, old.solver, old.observer))
    new, record = remesh(old, path, 1e-3, lambda chosen, *rest: parts_of(comm, *rest))
    assert new is not None, record
    scalars = steps[-1].scalars, new.observer.after_commit()
    return [contents(parts.domain, parts.fields) for parts in (old, new)], [dict(each) for each in scalars]


def test_new_cells_in_3d_are_alike_on_any_number_of_ranks(tmp_path, monkeypatch):
    """Volume, plastic strain and stored lithium are kept, and all is as on one rank."""
    monkeypatch.setattr(renew, "BETTER", 0.0)  # its cells are not worn
    folder = COMM.bcast(tmp_path)
    make_mesh(ALLOY, COMM, Timings())
    wanted = COMM.bcast(remeshed(MPI.COMM_SELF, folder / "one.msh") if COMM.rank == 0 else None)
    kept, (before, after) = remeshed(COMM, folder / "all.msh")
    assert set(kept[0]) > {"volume", "plastic_strain"}
    for name, value in kept[0].items():
        assert kept[1][name] == pytest.approx(value, rel=1e-8 if name.startswith("x:") else 1e-3), name
        assert kept[1][name] == pytest.approx(wanted[0][1][name], rel=1e-6), name
    assert after["cell_voltage_V"] == pytest.approx(before["cell_voltage_V"], abs=1e-5)
    for name, value in wanted[1][1].items():
        if name not in UNCOMPARED and np.isfinite(value):
            assert after[name] == pytest.approx(value, rel=1e-5, abs=1e-9), name
