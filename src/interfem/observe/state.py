"""The state of a run, in one file that any number of ranks reads: `state.npz` at its end, `checkpoint.npz` on the way.

Values go with the place of their degree of freedom. Those of discontinuous functions, of which several stand at one place, are
moved a little towards the middle of their cell, so that every place is taken once.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from dolfinx import fem, mesh
from scipy.spatial import cKDTree

from ..domain import Domain
from ..fields import Fields
from ..cuts import CutSpace
from ..kinks import BrokenSpace
from ..model import Model
from ..whole import whole

INWARD = 0.1  # of the way from a degree of freedom to the middle of its cell
NEAR = 1e-9  # of the extent of the mesh: places this close are one
CONTROLS = ("pressure", "current", "density", "voltage")
MEMORY = "memory"  # name of the plain data among the arrays, JSON as bytes


class StateError(Exception):
    """There is no state, or it belongs to another case; the text says which and what to do."""


def state_of(domain: Domain, fields: Fields, model: Model, time: float,
             carried: Mapping[str, fem.Function] | None = None, memory: dict | None = None) -> dict[str, np.ndarray]:  # fmt: skip
    """All unknowns with their history, growth and flow, and the controls, at `time` (s), as arrays by name; whole on rank 0.

    carried: functions of the observers, by name; memory: all else that another run needs to go on from here, as plain data.
    """
    arrays = {name: np.array(float(getattr(model.controls, name).value)) for name in CONTROLS}
    arrays |= {"time": np.array(time), "temperature": np.array(model.parameters.temperature)}
    for name, functions in _all_functions(fields, carried):
        space = next(iter(functions.values())).function_space
        owned = space.dofmap.index_map.size_local
        arrays[f"{name}/places"] = _gathered(domain, places_of(space)[:owned])
        for kind, function in functions.items():
            values = function.x.array.reshape(-1, space.dofmap.index_map_bs)[:owned]
            arrays[f"{name}/{kind}"] = _gathered(domain, values)
    if memory is not None:
        arrays[MEMORY] = np.frombuffer(json.dumps(memory).encode(), np.uint8)
    return arrays


def write_state(path: Path, state: dict[str, np.ndarray]) -> None:
    """A state, atomically; for rank 0. OSError if it cannot be written."""
    with whole(path, "wb") as file:
        _pack(file, state)


def _pack(file, arrays: dict[str, np.ndarray]) -> None:
    """As `np.savez_compressed`, but lightly: more than that takes twice the time for 2 % of the size."""
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, values in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as part:
                np.lib.format.write_array(part, values, allow_pickle=False)


def read_state(path: Path, domain: Domain, fields: Fields, model: Model) -> float:
    """Set fields and controls to a state; its time (s). StateError if there is none or it does not fit the mesh."""
    if not path.is_file():
        raise StateError(f"{path}: there is no state; runs that failed leave none: run the case again, to an end")
    with np.load(path) as file:
        arrays = dict(file)
    for name in CONTROLS:
        getattr(model.controls, name).value = float(arrays[name])
    _set(path, domain, state_functions(fields), arrays)
    model.at_temperature(float(arrays["temperature"]))
    fields.parameters.follow_filling()
    return float(arrays["time"])


def read_carried(path: Path, domain: Domain, carried: Mapping[str, fem.Function]) -> None:
    """Set functions of the observers as they were when a state was written. StateError if it has them not."""
    with np.load(path) as file:
        _set(path, domain, _all_functions(None, carried), dict(file))


def read_memory(path: Path) -> dict:
    """What a run remembered when it wrote a state; empty if it wrote none."""
    with np.load(path) as file:
        return json.loads(file[MEMORY].tobytes()) if MEMORY in file else {}


def _all_functions(fields: Fields | None, carried: Mapping[str, fem.Function] | None) -> Iterator[tuple[str, dict[str, fem.Function]]]:
    if fields is not None:
        yield from state_functions(fields)
    for name, function in (carried or {}).items():
        yield name, {"carried": function}


def _set(path: Path, domain: Domain, groups, arrays: dict[str, np.ndarray]) -> None:
    for name, functions in groups:
        rows = _rows(arrays.get(f"{name}/places"), next(iter(functions.values())).function_space)
        if domain.comm.allreduce(int(rows is None)):
            raise StateError(f"{path}: {name} was saved on another mesh (by another version of Gmsh?); run the case again")
        for kind, function in functions.items():
            function.x.array[:] = arrays[f"{name}/{kind}"][rows].reshape(-1)


def state_functions(fields: Fields) -> Iterator[tuple[str, dict[str, fem.Function]]]:
    """(name, functions of one space by kind) of all that a state holds."""
    for name, unknown in fields.unknowns.items():
        yield name, {"now": unknown.function, "old": unknown.old, "older": unknown.older}
    if fields.growth is not None:
        yield "growth", {"old": fields.growth, "older": fields.growth_older} | ({"laid": fields.laid} if fields.laid is not None else {})
    if fields.contact is not None and fields.contact.vacancy is not None:
        yield "contact of vacancies", {"old": fields.contact.vacancy, "older": fields.contact.vacancy_older}
    if fields.contact is not None and fields.contact.widest is not None:
        yield "widest gap", {"old": fields.contact.widest}
    if fields.contact is not None and fields.contact.roofs is not None:
        roofs = fields.contact.roofs
        yield "contact of roofs", {"old": roofs.covered, "borne": roofs.borne}
        yield "plated on roofs", {"old": roofs.raised, "rate": roofs.rising}
        yield "walls", {"old": roofs.wall, "rate": roofs.lifting}
    if fields.living is not None:
        yield "living faces", {"old": fields.living}
    for name, flow in fields.flows.items():
        yield f"plastic strain of {name}", {"old": flow.plastic}
        yield f"hardening of {name}", {"old": flow.hardened, "ratio": flow.ratio} | flow.resistances


def _gathered(domain: Domain, rows: np.ndarray) -> np.ndarray | None:
    """Rows of all ranks, one after the other, on rank 0."""
    found = domain.comm.gather(rows)
    return np.concatenate(found) if found is not None else None


def places_of(space: fem.FunctionSpace) -> np.ndarray:
    """One place (x, y, z, and in a space with cuts the side) for each block of degrees of freedom of this rank, ghosts included; zero for
    a single number.
    """
    dofmap, target = space.dofmap, space.mesh
    index_map, cells = dofmap.index_map, target.topology.index_map(target.topology.dim)
    if index_map.size_global == 1:
        return np.zeros((index_map.size_local + index_map.num_ghosts, 3))
    if isinstance(space, (BrokenSpace, CutSpace)):
        return space.places
    places = space.tabulate_dof_coordinates()
    if index_map.size_global == cells.size_global * dofmap.list.shape[1]:  # none is shared: discontinuous
        count = cells.size_local + cells.num_ghosts
        middle = mesh.compute_midpoints(target, target.topology.dim, np.arange(count, dtype=np.int32))
        places[dofmap.list] += INWARD * (middle[:, None, :] - places[dofmap.list])
    return places


def _rows(saved: np.ndarray | None, space: fem.FunctionSpace) -> np.ndarray | None:
    """Row of the saved place for each degree of freedom; None if they are not the same places."""
    if saved is None or len(saved) != space.dofmap.index_map.size_global:
        return None
    places = places_of(space)
    extent = np.ptp(saved, axis=0).max()
    distance, rows = cKDTree(saved).query(places)
    return rows if (distance <= NEAR * extent).all() else None
