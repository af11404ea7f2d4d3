"""A run that goes on: what its folder holds, whether a case may go on from there, and cutting files back to the checkpoint.

`checkpoint.npz` is there while a run is under way, `state.npz` once it has ended; either holds all that the next step needs. Both
are there where a run was ended from without and its solver had kept factors at its last step: it goes on from the checkpoint.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

from .case import Case, CaseError, parse_case
from .observe.record import case_again, write_json
from .protocol import flat_steps

CHECKPOINT, STATE, INPUT = "checkpoint.npz", "state.npz", "case.json"
TERMINATED, MAX_STEPS = GOES_ON = "terminated", "max_steps"  # events after which a run goes on
APPENDED = ("scalars.csv", "cycles.csv", "fronts.csv")  # besides profiles/*.csv
MADE = (*APPENDED, "run.json", "log.txt", STATE, CHECKPOINT, INPUT, ".*.part", "fields/.*.part", "fields/*.pvd", "fields/*vtu", "figures/*.png",
        "profiles/*.csv", "meshes/*.msh")  # by a run


def keep_input(case: Case, folder: Path) -> None:
    """Note what the run was asked, so that it may begin anew without its case file."""
    write_json(folder / INPUT, {"hash": case.hash, "input": case.input})


def case_in(folder: Path, overrides: tuple[str, ...] = ()) -> Case:
    """The case of a run that was begun in a folder. CaseError if there is none, or it would be another one today."""
    try:
        kept = json.loads((folder / INPUT).read_text(encoding="utf-8"))
        tree, wanted = kept["input"], kept["hash"]
    except OSError:
        raise CaseError(f"{folder}: no run was begun in this folder (there is no {INPUT}); name its case too") from None
    except (ValueError, KeyError, TypeError):
        raise CaseError(f"{folder / INPUT}: is not what a run left; name its case too") from None
    return case_again(tree, wanted, folder / INPUT, overrides)


def saved_state(folder: Path) -> Path | None:
    """The state from which a run goes on; None: it begins anew."""
    return next((folder / name for name in (CHECKPOINT, STATE) if (folder / name).is_file()), None)


def is_over(folder: Path, case: Case, memory: dict) -> bool:
    """The run has ended, and nothing in the case takes it further."""
    record = _record(folder)
    if record.get("status") not in ("completed", "stopped"):
        return False
    if record["status"] == "stopped":
        full = record["summary"]["step"]["last"] >= case.solver.max_steps
        return record["event"] not in (TERMINATED, MAX_STEPS) or (record["event"] == MAX_STEPS and full)
    return next(islice(flat_steps(case.protocol), memory["mark"]["phase"], None), None) is None


def _record(folder: Path) -> dict:
    """run.json, as far as there is one that can be read."""
    try:
        return json.loads((folder / "run.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def assert_goes_on(folder: Path, case: Case, memory: dict) -> None:
    """CaseError unless all that lies behind the state is as it was: only protocol steps that are yet to begin may differ."""
    before = parse_case(memory["input"], str(folder))
    if before.hash != memory["hash"]:
        raise CaseError(f"{folder}: a material of the library, or the mesh file, has changed since this run; run the case again")
    if case.hash == before.hash:
        return
    old, new = (dict(_lines(_essence(c))) for c in (before, case))
    changed = sorted(key for key in old.keys() | new.keys() if old.get(key) != new.get(key))
    if changed:
        raise CaseError(f"{folder}: {changed[0]} = {new.get(changed[0], 'absent')} was {old.get(changed[0], 'absent')} when this run "
                        f"began; undo the change, or run the case in another folder")
    begun = memory["mark"]["phase"] + (1 if memory["mark"]["done"] else 0)
    for number, (first, second) in enumerate(zip(islice(flat_steps(before.protocol), begun), _padded(case))):
        if first != second:
            raise CaseError(f"{folder}: protocol step {number} has begun in this run and is another one now; change later steps only, "
                            f"or run the case in another folder")


def _padded(case: Case) -> Iterator:
    yield from flat_steps(case.protocol)
    while True:
        yield None


def _essence(case: Case) -> dict:
    """All that decides the equations."""
    tree = case.decisive()
    tree.pop("protocol")
    tree["solver"].pop("max_steps")
    return tree | {"protocol": {"changes the temperature": case.heated, "holds the frame": case.framed}}


def _lines(value, place: str = "") -> Iterator[tuple[str, str]]:
    """(key path, value) of a tree of plain data."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if items is None:
        yield place, str(value)
        return
    for key, item in items:
        inner = f"[{key}]" if isinstance(value, list) else f".{key}" if place else str(key)
        yield from _lines(item, place + inner)


# ---- files --------------------------------------------------------------------------------------------------------------


def appended(folder: Path) -> dict[str, int]:
    """Sizes of the files that grow by rows, once they are on the disk."""
    found = {}
    for path in (*(folder / name for name in APPENDED), *sorted(folder.glob("profiles/*.csv"))):
        if path.is_file():
            with open(path, "rb") as file:
                os.fsync(file.fileno())
                found[str(path.relative_to(folder))] = os.fstat(file.fileno()).st_size
    return found


def clear(folder: Path) -> None:
    """Remove what an earlier run left."""
    for pattern in MADE:
        for path in folder.glob(pattern):
            path.unlink()


def cut_back(folder: Path, memory: dict) -> None:
    """Take every file back to where it was when the state was written. OSError where one is missing or too short."""
    (folder / "run.json").unlink(missing_ok=True)
    if not (folder / CHECKPOINT).is_file():
        os.replace(folder / STATE, folder / CHECKPOINT)
    (folder / STATE).unlink(missing_ok=True)
    sizes = memory["files"]
    for name, size in sizes.items():
        if (folder / name).stat().st_size < size:
            raise OSError(f"{name} has been shortened since the checkpoint: run the case again")
        os.truncate(folder / name, size)
    for path in (*(folder / name for name in APPENDED), *folder.glob("profiles/*.csv")):
        if str(path.relative_to(folder)) not in sizes:
            path.unlink(missing_ok=True)
    for pattern in (".*.part", "fields/.*.part", "figures/*.png"):
        for path in folder.glob(pattern):
            path.unlink()
