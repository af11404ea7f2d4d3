"""Studies on a real Slurm: an array of parallel members, one killed, one that cannot be meshed; the job that gathers with
no one waiting; a rerun of what is missing; the warning before the time limit, after which a run goes on; status and cancel.
"""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from cluster import cluster, missing

CASE = """
title = "Lithium on argyrodite"
temperature = "298.15 K"
geometry = {kind = "plane", width = "4 um"}
layers = [{name = "li", material = "Li", thickness = "4 um"}, {name = "sse", material = "Li6PS5Cl", thickness = "8 um"}]
mesh = {size = "4 um", interface_size = "4 um"}
protocol = [{kind = "current", value = "1 mA/cm^2", duration = "10 s", first_step = "10 s", max_step = "10 s"}]
"""
ROUGH = '[{kind = "roughness", interface = "li|sse", shape = "sinusoidal", amplitude = "3.9 um", wavelength = "4 um"}]'
MEMBERS = {  # thickness, features, duration, step
    "thin": ("8 um", "[]", "10 s", "10 s"), "thick": ("16 um", "[]", "10 s", "10 s"), "rough": ("12 um", ROUGH, "10 s", "10 s"),
    "endless": ("8 um", "[]", "1000 s", "1 ms"), "endless too": ("9 um", "[]", "1000 s", "1 ms"),
}  # fmt: skip
STUDY = """
title = "Study"
case = "case.toml"
outputs = ["asr_ohm_cm2"]
[[axes]]
name = "kind"
key = ["layers.sse.thickness", "features", "protocol[0].duration", "protocol[0].first_step", "protocol[0].max_step"]
labels = {labels}
values = [{values}]
"""
SITE = """
[engine]
name = "slurm"
partition = "batch"
time = "10 min"
setup = ["export SEEN=site", "trap '' USR1"]
sbatch = ["--comment=from the site", "--nice=0"]
"""
LONG = 200.0  # s that anything may take on a busy machine

absent = missing()
pytestmark = pytest.mark.skipif(bool(absent) and os.environ.get("INTERFEM_TEST_SLURM") != "required",
                                reason=f"no {', '.join(absent)}: make system-slurm, as root, installs Slurm")  # fmt: skip


@pytest.fixture(scope="module")
def slurm():
    assert not absent, "make system-slurm, as root, installs Slurm"
    with cluster() as environment:
        yield environment


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("slurm")
    (folder / "case.toml").write_text(CASE)
    (folder / "site.toml").write_text(SITE)
    return folder


def write(folder: Path, name: str, members: tuple[str, ...], engine: str = "") -> None:
    values = [f'["{thickness}", {features}, "{duration}", "{step}", "{step}"]'
              for thickness, features, duration, step in map(MEMBERS.get, members)]  # fmt: skip
    (folder / f"{name}.toml").write_text(STUDY.format(labels=list(members), values=", ".join(values)) + engine)


def told(place: Path, environment: dict[str, str], *words: str, status: int = 0) -> str:
    """What `interfem study ...` prints and logs."""
    done = subprocess.run([sys.executable, "-m", "interfem.cli", "study", *words], capture_output=True, text=True, cwd=place,
                          env=environment, stdin=subprocess.DEVNULL, timeout=LONG)  # fmt: skip
    assert done.returncode == status, done.stdout + done.stderr
    return done.stdout + done.stderr


def asked(environment: dict[str, str], *words: str) -> str:
    return subprocess.check_output(words, env=environment, text=True, stdin=subprocess.DEVNULL, timeout=60)


def until(found, what: str):
    """What `found()` gives once it gives something."""
    limit = time.monotonic() + LONG
    while time.monotonic() < limit:
        if value := found():
            return value
        time.sleep(0.2)
    raise AssertionError(f"{what} did not come in {LONG} s")


def table(place: Path, name: str) -> dict[str, dict[str, str]]:
    with open(place / "runs" / name / "study.csv", newline="", encoding="utf-8") as file:
        return {row["kind"]: row for row in csv.DictReader(file)}


def scalars(run: Path) -> list[dict[str, str]]:
    with open(run / "scalars.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def running(folder: Path) -> list[tuple[int, Path]]:
    """(process, run folder) of the ranks that write below a folder and have made steps."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0")
        except OSError:
            continue
        runs = [Path(word) for word in words if word.startswith(str(folder))]
        if words[0] == sys.executable and runs and rows(runs[0]) > 5:
            found.append((int(process.name), runs[0]))
    return found


def rows(run: Path) -> int:
    path = run / "scalars.csv"
    return path.read_bytes().count(b"\n") if path.is_file() else 0


def test_an_array_is_gathered_with_no_one_waiting_and_tells_who_failed_and_why(slurm, place):
    write(place, "array", ("thin", "rough", "endless"))
    said = told(place, slurm, "array.toml", "--site", "site.toml", "--ranks", "2", "--jobs", "1", "--detach")
    assert "sent 3 members" in said and "3 waiting" in said
    job = asked(slurm, "scontrol", "show", "job", said.split("to Slurm: ")[1].split()[0])
    for part in ("Partition=batch", "Comment=from the site", "TimeLimit=00:10:00", "ArrayTaskThrottle=1", "NumCPUs=2"):
        assert part in job, f"{part} in {job}"
    ranks = until(lambda: (found := running(place / "runs" / "array")) and len(found) == 2 and found, "the run on two ranks")
    status = told(place, slurm, "status", "runs/array")
    assert "Slurm: 2 ended, 1 running" in status and "running: member 3 (running/" in status
    os.kill(ranks[1][0], signal.SIGKILL)
    until(lambda: (place / "runs" / "array" / "study.parquet").is_file(), "what the dependent job gathers")
    found = table(place, "array")
    assert [row["status"] for row in found.values()] == ["completed", "failed", "failed"]
    assert found["thin"]["ranks"] == "2" and float(found["thin"]["wall_s"]) > 0 and float(found["thin"]["asr_ohm_cm2"]) > 0
    assert "turned over" in found["rough"]["reason"] and "killed by signal 9" in found["endless"]["reason"]
    script = next((place / "runs" / "array" / "slurm").glob("*_submission.sh")).read_text()
    assert "export SEEN=site" in script and "--nice=0" in script


def test_a_rerun_sends_only_what_is_missing_and_waits_for_it(slurm, place):
    write(place, "array", ("thin", "rough", "thick"))
    store = place / "runs" / "store"
    before = {path.parent.name: path.stat().st_mtime_ns for path in store.glob("*/member.json")}
    said = told(place, slurm, "array.toml", "--site", "site.toml", "--retry", status=3)
    assert "sent 2 members" in said and "2 of 2 runs" in said and "2 completed, 1 failed" in said
    after = {path.parent.name: path.stat().st_mtime_ns for path in store.glob("*/member.json")}
    assert len(after) == len(before) + 1 and sum(after[key] == before[key] for key in before) == len(before) - 1


def test_told_that_its_time_is_nearly_over_a_run_queues_again_and_goes_on_and_cancel_ends_it(slurm, place):
    write(place, "limited", ("endless too",), '[engine]\nwarning = "90 s"\n')
    job = told(place, slurm, "limited.toml", "--site", "site.toml", "--detach").split("to Slurm: ")[1].split()[0]
    folder = place / "runs" / "limited"
    [(process, run)] = until(lambda: running(folder), "the run")
    assert "#SBATCH --signal=B:USR2@90" in (folder / "slurm" / f"{job}_submission.sh").read_text()
    asked(slurm, "scancel", "--batch", "--signal=USR2", job)  # as Slurm does then
    until(lambda: [other for other, _ in running(folder) if other != process], "the run that goes on")
    assert asked(slurm, "squeue", "--noheader", f"--job={job}", "--Format=RestartCnt").split() == ["1"]
    until(lambda: "goes on from step" in (run / "log.txt").read_text(), "a step")
    said = told(place, slurm, "cancel", "runs/limited")
    assert "1 waiting" in said and "failed" not in said
    assert not asked(slurm, "squeue", "--noheader", "--name=interfem-limited") and not running(folder)
    record, steps = json.loads((run / "run.json").read_text()), [row["step"] for row in scalars(run)]
    assert record["event"] == "terminated" and record["restarts"][0]["step"] > 0 and (run / "state.npz").is_file()
    assert steps == [str(n) for n in range(1, len(steps) + 1)] and len(steps) > record["restarts"][0]["step"]


def test_what_slurm_refuses_is_told_in_one_line(slurm, place):
    write(place, "refused", ("thin", "thick"), '[engine]\npartition = "nowhere"\n')
    said = told(place, slurm, "refused.toml", "--site", "site.toml", "--out", "elsewhere/refused", status=2)
    assert said.splitlines()[-1].startswith("error: engine slurm: refused") and "partition" in said and "Traceback" not in said
