"""Kill a run with -9 at random instants, take it up again each time, and compare what is left with a run that was let alone.

`python tests/kill.py --times 50` by hand; the tests do it a few times. The instants are drawn from `--seed`, over the time that the
run took alone, start of the process included, so that some fall into the writing of files.
"""

from __future__ import annotations

import argparse
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

CASE = """
title = "to be killed"
temperature = "298.15 K"
[geometry]
kind = "plane"
width = "10 um"
[[layers]]
name = "li"
material = "Li"
thickness = "5 um"
[[layers]]
name = "sse"
material = "Li6PS5Cl"
thickness = "8 um"
[mesh]
size = "4 um"
interface_size = "2 um"
[[protocol]]
kind = "repeat"
times = 2
[[protocol.steps]]
kind = "current"
value = "-10 A/m^2"
duration = "100 s"
max_step = "1 s"
[[protocol.steps]]
kind = "current"
value = "10 A/m^2"
duration = "100 s"
max_step = "1 s"
[output]
figures = false
interval = "5 s"
checkpoint = "0.2 s"
"""


def command(case: Path, folder: Path) -> list[str]:
    return [sys.executable, "-m", "interfem.cli", "run", str(case), "--restart", str(folder), "--quiet"]


def assert_sound(folder: Path) -> None:
    """Whenever a run dies: every time that a .pvd lists has whole files, and a checkpoint can be read."""
    for pvd in folder.glob("fields/*.pvd"):
        if not pvd.stem.endswith("_"):  # of a piece under way
            for entry in ElementTree.parse(pvd).getroot().iter("DataSet"):
                for piece in ElementTree.parse(pvd.with_name(entry.get("file"))).getroot().iter("Piece"):
                    assert pvd.with_name(piece.get("Source")).read_bytes().endswith(b"</VTKFile>\n")
    for name in ("checkpoint.npz", "state.npz"):
        if (folder / name).exists():
            with np.load(folder / name) as file:
                assert all(file[key] is not None for key in file)


def results(folder: Path) -> dict[str, bytes]:
    """What must not depend on interruptions."""
    paths = [*folder.glob("*.csv"), *folder.glob("fields/*")]
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


def kill_often(times: int, seed: int, folder: Path) -> str:
    """AssertionError if anything is not as in the run that was let alone; else what happened."""
    case, alone, killed = folder / "case.toml", folder / "alone", folder / "killed"
    case.write_text(CASE)
    start = time.monotonic()
    subprocess.run(command(case, alone), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    takes, drawn, kills, ends, begun = time.monotonic() - start, random.Random(seed), 0, 0, []
    while kills < times:
        run = subprocess.Popen(command(case, killed), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        try:
            run.wait(drawn.uniform(0.2, 1.0) * takes)
            ends += 1
            assert run.returncode == 0 and results(killed) == results(alone)
            for path in killed.glob("*.*"):  # it ended before it could be killed: once more from the beginning
                path.unlink()
        except subprocess.TimeoutExpired:
            run.kill()
            run.wait()
            kills += 1
        assert_sound(killed)
        begun.append(len((killed / "scalars.csv").read_bytes().splitlines()) if (killed / "scalars.csv").exists() else 0)
    subprocess.run(command(case, killed), check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    ours, theirs = results(killed), results(alone)
    assert sorted(ours) == sorted(theirs) and all(ours[name] == theirs[name] for name in theirs)
    assert_sound(killed)
    return f"{kills} kills, {ends} ends between them; {takes:.1f} s alone; lines of scalars.csv at each: {begun}"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--times", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        print(kill_often(given.times, given.seed, Path(place)))
