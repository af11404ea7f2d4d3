"""Speed and size of the shipped cases: one JSON line each, warm (forms and mesh cached by a first run), median of the repeats.

    python bench/run.py [NAME ...] [--ranks N] [--repeats K]

Figures are whole-process; memory is the largest rank's peak. Machines differ and are noisy: compare ratios from one call only.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BIN = Path(sys.executable).parent

# of R3, one step of pressing to 1 MPa, in which metal creeps, and one of plating and growth
R3 = [*(f"protocol.{phase}.{key}=0.1 s" for phase in (0, 1) for key in ("first_step", "max_step")), "protocol.0.duration=0.1 s",
      "solver.max_steps=2"]

# name -> (case file, overrides, limit in seconds or None, limit in GB per rank or None)
BENCHES = {
    "bare": ("bare.toml", [], 60, None),
    "interlayer": ("interlayer.toml", [], 60, None),
    "alloy": ("alloy.toml", [], 60, None),
    "bare_3d_50k": ("bare_3d.toml", ["mesh.refinement=0.9"], 480, 4),
    # R3: all fields coupled, by factors and by multigrid
    **{f"r3_{name}_{preset}": ("bare_3d.toml", [*R3, f"mesh.refinement={refinement}", f"solver.preset={preset}"], None, None)
       for name, refinement in (("50k", 0.9), ("100k", 1.3), ("240k", 1.8)) for preset in ("direct", "iterative")},
    **{f"r3_{name}_iterative": ("bare_3d.toml", [*R3, f"mesh.refinement={refinement}", "solver.preset=iterative"], None, 24)
       for name, refinement in (("300k", 1.95), ("850k", 2.95), ("1m", 3.12))},
    "void_strip_30k": ("void_strip.toml", ["mesh.refinement=1.8"], 480, None),  # a void under 5 MPa, 0.5 mAh/cm2 at 0.5 mA/cm2, finite strain
    "polymer_cycle_50k": ("polymer_interlayer.toml", ["mesh.refinement=2"], 600, None),  # charge and discharge, 1 mAh/cm2 at 1 mA/cm2
}


def once(case: str, overrides: list[str], ranks: int, folder: Path) -> dict:
    """Seconds (passed, and of processors), peak memory and the run's own record of one run."""
    command = [str(BIN / "mpirun"), "-n", str(ranks), str(BIN / "interfem"), "run", str(ROOT / "models/cases" / case), "--out", str(folder),
               "--quiet", "--set", "output.figures=false"]
    for override in overrides:
        command += ["--set", override]
    start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    seconds = time.perf_counter() - start
    if done.returncode not in (0, 3):  # 3: ended after as many steps as were asked for
        raise SystemExit(f"{case}: exit {done.returncode}\n{done.stderr}")
    record = json.loads((folder / "run.json").read_text())
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
    return {"seconds": seconds, "cpu": cpu, "peak_GB": used.ru_maxrss / 1e6, "record": record}


def bench(name: str, ranks: int, repeats: int) -> dict:
    case, overrides, limit_s, limit_gb = BENCHES[name]
    with tempfile.TemporaryDirectory() as folder:
        once(case, overrides, ranks, Path(folder) / "warm")
        runs = [once(case, overrides, ranks, Path(folder) / "run") for _ in range(repeats)]
    record = runs[-1]["record"]
    seconds, cpu = (statistics.median(r[key] for r in runs) for key in ("seconds", "cpu"))
    peak, unknowns, steps, solver = max(r["peak_GB"] for r in runs), record["unknowns"]["total"], record["summary"]["step"]["last"], record["solver"]
    return {"bench": name, "ranks": ranks, "repeats": repeats, "unknowns": unknowns, "cells": record["mesh"]["cells"],
            "steps": steps, "median_s": round(seconds, 2), "limit_s": limit_s, "cpu_s": round(cpu, 2), "cpu_s_per_step": round(cpu / steps, 2),
            "peak_GB_per_rank": round(peak, 2), "kB_per_unknown": round(1e6 * peak * ranks / unknowns, 2), "limit_GB": limit_gb,
            "within": seconds <= (limit_s or float("inf")) and peak <= (limit_gb or float("inf")),
            "linear_iterations_per_step": round(solver["linear_iterations"] / steps, 1),
            "linear_iterations_per_solve": round(solver["linear_iterations"] / max(solver["linear_solves"], 1), 1),
            "newton_iterations": solver["newton_iterations"], "preconditioners": solver["preconditioners"],
            "factorisations": solver["factorisations"], "fallbacks": solver["fallbacks"], "split_s": record["timings_s"]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHES)}; all if absent")
    parser.add_argument("--ranks", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    for name in given.names or BENCHES:
        if name not in BENCHES:
            parser.error(f"{name!r} is no bench; known: {', '.join(BENCHES)}")
        print(json.dumps(bench(name, given.ranks, given.repeats)), flush=True)


if __name__ == "__main__":
    main()
