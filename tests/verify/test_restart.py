"""Runs that are interrupted and go on: the same files, byte by byte, as of a run that was let alone."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from path import merge

sys.path.insert(0, str(Path(__file__).parents[1]))
from kill import CASE, assert_sound, command, kill_often, results

from interfem.case import CaseError, parse_case
from interfem.observe.vtu import write_piece
from interfem.restart import case_in
from interfem.run import RunError, run

CELL = {
    "title": "interrupted", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "10 um"},
    "mesh": {"size": "5 um", "interface_size": "2 um", "rim_size": "0.8 um", "tip_size": "0.8 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "8 um"}],
    "output": {"figures": False, "interval": "0.1 s"}}  # fmt: skip
FEATURES = [{"kind": "void", "interface": "li|sse", "radius": "2 um", "height": "1 um"},
            {"kind": "flaw", "interface": "li|sse", "center": "6 um", "width": "1 um", "depth": "2 um", "fill": "Li"}]  # fmt: skip
RAMP = {"kind": "pressure", "to": "1 MPa", "duration": "0.1 s", "first_step": "0.04 s", "max_step": "0.04 s"}
CYCLE = {"kind": "repeat", "times": 2, "steps": [
    {"kind": "current", "value": f"{sign}20 A/m^2", "duration": "1 s", "first_step": "0.25 s", "max_step": "0.3 s"} for sign in ("-", "")]}
# creep, stress intensities, works and profiles: most of what has a memory; the frame, layers, stores are in tests/mpi
WHOLE = merge(CELL, {"features": FEATURES, "mechanics": {}, "protocol": [RAMP, CYCLE]})
PLAIN = merge(CELL, {"protocol": [CYCLE]})


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """Files of a case that is run without interruption."""
    found = {}

    def files(tree: dict) -> dict[str, bytes]:
        key = json.dumps(tree)
        if key not in found:
            folder = tmp_path_factory.mktemp("alone")
            assert run(parse_case(tree), folder).status == "completed"
            found[key] = written(folder)
        return found[key]

    return files


def written(folder: Path) -> dict[str, bytes]:
    return results(folder) | {f"profiles/{path.name}": path.read_bytes() for path in folder.glob("profiles/*.csv")}


def assert_same(folder: Path, wanted: dict[str, bytes]) -> None:
    found = written(folder)
    assert sorted(found) == sorted(wanted)
    assert [name for name in wanted if found[name] != wanted[name]] == []


def stop_after(steps: int, tree: dict) -> dict:
    return merge(tree, {"solver": {"max_steps": steps}})


def signalling(number: signal.Signals, after: int):
    """A progress that sends this process a signal once."""
    left = [after]

    def progress(fraction: float, text: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            os.kill(os.getpid(), number)

    return progress


def test_every_byte_is_the_same_wherever_a_run_was_interrupted(tmp_path, alone):
    """In the middle of the pressure's ramp, in the middle of a cycle's half, and at the end of a protocol step."""
    rows = alone(WHOLE)["scalars.csv"].decode().splitlines()
    phases = [int(row.split(",")[rows[0].split(",").index("phase")]) for row in rows[1:]]
    stops = [2, phases.index(2) + 2, phases.index(4)]
    assert phases[2] == 0
    for stop in stops:
        result = run(parse_case(stop_after(stop, WHOLE)), tmp_path, restart=True)
        assert (result.status, result.event, result.exit_status) == ("stopped", "max_steps", 3)
    assert run(parse_case(WHOLE), tmp_path, restart=True).status == "completed"
    assert_same(tmp_path, alone(WHOLE))
    record = json.loads((tmp_path / "run.json").read_text())
    assert [entry["step"] for entry in record["restarts"]] == stops
    assert not (tmp_path / "checkpoint.npz").exists()


@pytest.mark.parametrize("chosen", [{"mechanics": {}, "protocol": [RAMP, CYCLE]}, {"solver": {"preset": "iterative"}, "protocol": [CYCLE]}],
                         ids=["factors", "multigrid"])
def test_a_box_goes_on_to_the_same_bytes_though_it_keeps_factors_over_steps(tmp_path, chosen):
    """From the last step after which they were forgotten: the first of every few, and the last of a protocol step."""
    box = merge(CELL, {"geometry": {"kind": "box", "width": "6 um", "depth": "6 um"}, "mesh": {"size": "4 um", "interface_size": "2 um"},
                       "features": [{"kind": "patch", "interface": "li|sse", "outer": "3 um"}]} | chosen)
    assert run(parse_case(box), tmp_path / "alone").status == "completed"
    for stop in (2, 4):
        assert run(parse_case(merge(box, {"solver": {"max_steps": stop}})), tmp_path / "run", restart=True).last("step") == stop
        assert run(parse_case(merge(box, {"solver": {"max_steps": stop}})), tmp_path / "run", restart=True).last("step") == stop
    assert run(parse_case(box), tmp_path / "run", progress=signalling(signal.SIGTERM, 4), restart=True).event == "terminated"
    assert run(parse_case(box), tmp_path / "run", restart=True).status == "completed"
    assert_same(tmp_path / "run", written(tmp_path / "alone"))
    restarts = json.loads((tmp_path / "run/run.json").read_text())["restarts"]
    assert restarts[0]["step"] == 1 and not (tmp_path / "run/checkpoint.npz").exists()


def test_signals(tmp_path, alone):
    """SIGUSR1 leaves a checkpoint and the run goes on; SIGTERM leaves one and ends it as "terminated"."""
    seen = []

    def look(fraction: float, text: str) -> None:
        seen.append((tmp_path / "checkpoint.npz").exists())
        signalled(fraction, text)

    signalled = signalling(signal.SIGUSR1, 3)
    assert run(parse_case(PLAIN), tmp_path, progress=look).status == "completed"
    assert seen.index(True) == 3 and all(seen[3:])
    result = run(parse_case(PLAIN), tmp_path, progress=signalling(signal.SIGTERM, 5))
    assert (result.status, result.event, result.exit_status) == ("stopped", "terminated", 3)
    assert result.last("step") == 5 and not seen[0]
    assert run(case_in(tmp_path), tmp_path, restart=True).status == "completed"
    assert_same(tmp_path, alone(PLAIN))
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL


def test_a_run_that_is_over_stays_and_a_longer_protocol_goes_on(tmp_path, alone):
    """Steps that are yet to begin may be added; whatever lies behind may not be changed."""
    longer = merge(PLAIN, {"protocol": [CYCLE | {"times": 3}]})
    assert run(parse_case(PLAIN), tmp_path).status == "completed"
    before = (tmp_path / "run.json").stat().st_mtime_ns
    again = run(parse_case(PLAIN), tmp_path, restart=True)
    assert again.status == "completed" and again.last("cell_voltage_V") and (tmp_path / "run.json").stat().st_mtime_ns == before
    thicker = [PLAIN["layers"][0] | {"thickness": "6 um"}, PLAIN["layers"][1]]
    for change, told in (({"layers": thicker}, r"layers\[0\].thickness = 6 um was 5 um"),
                         ({"protocol": [CYCLE["steps"][0] | {"duration": "2 s"}]}, "protocol step 0 has begun"),
                         ({"protocol": [CYCLE, RAMP], "mechanics": {}}, "mechanics")):  # fmt: skip
        with pytest.raises(CaseError, match=told):
            run(parse_case(merge(PLAIN, change)), tmp_path, restart=True)
    assert (tmp_path / "run.json").stat().st_mtime_ns == before
    assert run(parse_case(longer), tmp_path, restart=True).status == "completed"
    assert_same(tmp_path, alone(longer))


def test_killed_at_random(tmp_path):
    """With -9; whatever is listed is whole, and the end is the same. `python tests/kill.py` does it more often."""
    kill_often(3, 11, tmp_path)


LIMITED = """
import resource, sys
from interfem.cli import main
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[1]),) * 2)  # only now: MPI has larger files
main(sys.argv[2:])
"""


def test_full_disk(tmp_path):
    """Files that may not grow any more: one message, exit status 3, what is there is sound, and with room the run goes on."""
    case, folder, whole = tmp_path / "case.toml", tmp_path / "run", tmp_path / "whole"
    case.write_text(CASE)
    subprocess.run(command(case, whole), check=True, capture_output=True)
    limit = (whole / "scalars.csv").stat().st_size // 2
    done = subprocess.run([sys.executable, "-c", LIMITED, str(limit), *command(case, folder)[3:]], capture_output=True, text=True)
    assert done.returncode == 3, done.stderr
    assert done.stderr.count("cannot be written") == 1 and "Traceback" not in done.stderr
    assert "scalars.csv" in done.stderr
    assert_sound(folder)
    assert (folder / "scalars.csv").read_bytes().endswith(b"\r\n")
    record = json.loads((folder / "run.json").read_text())
    assert record["status"] == "failed" and "scalars.csv" in record["reason"]
    assert not list(folder.glob("**/.*.part"))
    subprocess.run(command(case, folder), check=True, capture_output=True)
    assert_same(folder, written(whole))


def test_fields_that_cannot_be_written(tmp_path, monkeypatch, alone):
    """On a full disk, one reason with the file's name, and with room the run goes on."""
    def write(path: Path, functions: list) -> None:
        if path.name.startswith("metal_000002"):
            path.with_name(f".{path.name}.part").symlink_to("/dev/full")
        write_piece(path, functions)

    with monkeypatch.context() as patch:
        patch.setattr("interfem.observe.files.write_piece", write)
        result = run(parse_case(PLAIN), tmp_path)
    assert (result.status, result.exit_status) == ("failed", 3)
    assert "fields/metal_000002" in result.reason and "No space left on device" in result.reason
    assert_sound(tmp_path)
    assert run(parse_case(PLAIN), tmp_path, restart=True).status == "completed"
    assert_same(tmp_path, alone(PLAIN))


def test_folder_that_cannot_be_written(tmp_path):
    """One message, and exit status 3."""
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match=r"file.*cannot be written .*choose another folder"):
        run(parse_case(PLAIN), tmp_path / "file" / "run")
