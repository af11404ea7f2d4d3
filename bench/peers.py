"""Interfem beside other codes on reference problems R1 and R2 (bench/r1, bench/r2): a JSON line for each process, then medians and a table with ratios.

    python bench/peers.py [R1] [R2] [--unknowns 5e4 2e5 5e5] [--repeats 3] [--limit 7200] [--peers .venv-peers/bin/python]

Every process is run whole, on one core, in turns, so that all see the same machine; medians count. Codes read one and the same mesh, each in
the form that it reads fastest, made beforehand. Compiled forms are cached, of interfem and of plain DOLFINx alike, and so are interfem's pieces
of the mesh. The peers are tuned: lagged or inexact where they can be, the best of their solvers that we found. Interfem besides writes fields,
state, balances and the record of the run, which the others leave out. A peer that fails, as for want of memory, or takes longer than the limit is
said to, and left out from there on.

R1: potentials, P1; all solve Newton's equations to 1e-10 of the first residual (interfem: to its own, sharper tolerance) and give the mean potential
at the top to 1e-6. `interfem` takes the metal for equipotential by its own judgement, `interfem, metal as field` does not, as no peer does.

R2: displacements, P2, in ten steps, to 1e-9 of the first residual of each. Interfem has the pressure of the lithium as an unknown too, P1; so has each peer
named P2-P1. They agree to 1e-4, and so do those named P2 among themselves: without the pressure, plastic flow at constant volume is stiffer on one mesh.

CPU seconds (user and system) are compared as well as wall seconds: on a shared machine they are the ones to believe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from threading import Timer

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
BYTES = 12.0  # of an entry of a sparse matrix: value and column
PARTS = ("import", "mesh", "compile", "assembly", "set-up", "solve")


@dataclass(frozen=True)
class Problem:
    """A reference problem; the codes that solve it are in its folder."""

    name: str
    nodes: float  # unknowns at refinement 1
    growth: float  # the power of the refinement with which they grow
    unknowns: tuple[float, ...]  # sizes that are run if none are asked for
    facets: dict[str, tuple[str, ...]]  # boundaries of the case that make each group of facets in the arrays
    variants: dict[str, tuple[str, ...]]  # interfem's runs -> overrides of the case
    dolfinx: dict[str, tuple[str, ...]]  # name -> words behind the mesh
    others: dict[str, tuple[str, ...]]  # name -> script and words; run by the peers' Python
    read: Callable[[dict, Path], dict]  # what interfem found, from its record and its folder
    answers: dict[str, float]  # name -> how closely codes agree, relative
    alike: Callable[[str], bool]  # does a code solve the very equations of interfem? The others agree among themselves

    @property
    def folder(self) -> Path:
        return ROOT / "bench" / self.name.lower()

    def refinement(self, unknowns: float) -> float:
        return (unknowns / self.nodes) ** (1 / self.growth)


def read_r1(record: dict, folder: Path) -> dict:
    """Mean potential at the top, and the current on the ring."""
    assert record["solver"]["preset"] == "iterative"
    last = {name: value["last"] for name, value in record["summary"].items() if "last" in value}
    return {"unknowns": record["unknowns"]["phi"] + record["unknowns"]["phi_m"], "answer_mV": 1e3 * last["cell_voltage_V"],
            "ring_A_per_m2": last["rim_current_density[patch]_A_per_m2"]}


def read_r2(record: dict, folder: Path) -> dict:
    """Mean displacement of the top, displacement of the void's deepest point (both downwards in R2's box), and what is left of the void."""
    import pyvista

    last = {name: value["last"] for name, value in record["summary"].items() if "last" in value}
    grid = pyvista.read(sorted((folder / "fields").glob("metal_*.pvtu"))[-1])
    deepest = int(np.linalg.norm(grid.points - (10.0, 10.0, 12.0), axis=1).argmin())
    return {"unknowns": record["unknowns"]["total"], "top_um": -last["collector_displacement_um"],
            "apex_um": float(grid["displacement_um"][deepest, 2]), "void_ratio": last["void_volume_ratio[void]"],
            "newton": record["solver"]["newton_iterations"], "factorisations": record["solver"]["factorisations"]}


SIDES = ("left", "right", "front", "back")
PROBLEMS = {
    "R1": Problem(
        "R1", 4961, 2.53, (5e4, 2e5, 5e5),
        {"face": ("li|sse",), "patch": ("patch:patch",), "bottom": ("collector",), "top": ("counter",), "sides": SIDES},
        {"interfem": ("solver.preset=iterative",), "interfem, metal as field": ("solver.preset=iterative", "solver.metal=field")},
        {"plain DOLFINx": ()},
        {"NGSolve, h1amg": ("plain_ngsolve.py", "h1amg"), "NGSolve, sparsecholesky": ("plain_ngsolve.py", "sparsecholesky"),
         "scikit-fem, pyamg": ("plain_skfem.py",)},
        read_r1, {"answer_mV": 1e-6}, lambda name: True),
    "R2": Problem(
        "R2", 13084, 2.2, (5e4, 2e5, 5e5),
        {"top": ("collector",), "bottom": ("counter",), "x": SIDES[:2], "y": SIDES[2:], "wall": ("void|li",), "roof": ("void|sse",)},
        {"interfem": ()},
        {"plain DOLFINx, P2-P1": ("P2-P1",), "plain DOLFINx, P2": ("P2",)},
        {"NGSolve, P2-P1": ("plain_ngsolve.py", "P2-P1"), "NGSolve, P2": ("plain_ngsolve.py", "P2"), "scikit-fem, P2": ("plain_skfem.py",)},
        read_r2, {"top_um": 1e-4, "apex_um": 1e-4, "void_ratio": 1e-4}, lambda name: not name.endswith("P2")),
}  # fmt: skip


def bandwidth() -> float:
    """Bytes/s of a sum of two arrays, written into one of them, far larger than the caches; best of five, CPU time."""
    a, b = np.ones(20_000_000), np.ones(20_000_000)
    best = np.inf
    for _ in range(5):
        start = time.process_time()
        np.add(a, b, out=a)
        best = min(best, time.process_time() - start)
    return 3 * 8 * len(a) / best


def apart(function, *given):
    """Its value, found in another process: the peak memory that a child reports begins with that of its parent."""
    with get_context("spawn").Pool(1) as pool:
        return pool.apply(function, given)


class Failed(Exception):
    """A process that ended badly, or not in time."""


def process(command: list[str], limit: float = np.inf) -> dict:
    """Run it whole: wall and CPU seconds, peak memory in GB, and what it prints. Failed if it takes longer than the limit, s."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        clock = Timer(min(limit, threading.TIMEOUT_MAX), child.kill)
        clock.start()
        _, status, usage = os.wait4(child.pid, 0)
        clock.cancel()
        wall = time.perf_counter() - start
        out.seek(0)
        text = out.read()
    if wall > limit:
        raise Failed(f"takes longer than {limit:g} s")
    if status:
        raise Failed(f"{' '.join(command)}: status {os.waitstatus_to_exitcode(status)}\n{text[-2000:]}")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_GB": usage.ru_maxrss / 1e6, "text": text}


def interfem(problem: Problem, refinement: float, folder: Path, overrides: tuple[str, ...]) -> dict:
    """One run of the case; what it says in its record, in the words of the others."""
    command = [str(Path(sys.executable).parent / "interfem"), "run", str(problem.folder / "case.toml"), "--out", str(folder), "--quiet"]
    for text in (f"mesh.refinement={refinement:.6g}", *overrides):
        command += ["--set", text]
    found = process(command)
    record = json.loads((folder / "run.json").read_text())
    seconds, solver = record["timings_s"], record["solver"]
    assert not solver["fallbacks"]
    found |= {"iterations": solver["linear_iterations"], "nonzeros": solver["nonzeros"],
              "times": {"import": max(0.0, found["wall_s"] - seconds["total"]), "set-up": seconds["setup"]}
              | {k: seconds[k] for k in ("mesh", "compile", "assembly", "solve", "output")}}  # fmt: skip
    return found | apart(problem.read, record, folder)


def plain(command: list[str], limit: float) -> dict:
    found = process(command, limit)
    line = next(line for line in reversed(found["text"].splitlines()) if line.startswith("{"))
    return found | json.loads(line)


def export(name: str, refinement: float, target: Path) -> Path:
    """The mesh of the case as Gmsh's file (its path), and as arrays for those that take arrays."""
    from interfem.case import load_case
    from interfem.geometry import build_mesh
    from interfem.geometry.arrays import read_msh

    problem = PROBLEMS[name]
    path = build_mesh(load_case(problem.folder / "case.toml", [f"mesh.refinement={refinement:.6g}"]), ROOT / "meshes")
    mesh = read_msh(path, 3)
    np.savez(target, points=mesh.points, **{f"cells {name}": cells for name, cells in mesh.cells.items()},
             **{f"facets {name}": np.concatenate([mesh.facets[k] for k in keys]) for name, keys in problem.facets.items()})  # fmt: skip
    return path


def codes_of(problem: Problem, refinement: float, peers: str | None, folder: Path, limit: float = np.inf) -> dict[str, Callable[[], dict]]:
    """Every code, ready to run on one mesh."""
    arrays = folder / "mesh.npz"
    msh = apart(export, problem.name, refinement, arrays)
    codes = {name: partial(interfem, problem, refinement, folder / f"run{n}", words) for n, (name, words) in enumerate(problem.variants.items())}
    commands = {name: [sys.executable, str(problem.folder / "plain_dolfinx.py"), str(msh), *words] for name, words in problem.dolfinx.items()}
    if peers:
        commands |= {name: [peers, str(problem.folder / script), str(arrays), *words] for name, (script, *words) in problem.others.items()}
    return codes | {name: partial(plain, command, limit) for name, command in commands.items()}


def compare(problem: Problem, unknowns: float, given: argparse.Namespace, peers: str | None, folder: Path) -> list[dict]:
    """All codes on one mesh, in turns."""
    codes = codes_of(problem, problem.refinement(unknowns), peers, folder, given.limit)
    codes = {name: code for name, code in codes.items() if name == "interfem" or given.codes is None or any(word in name for word in given.codes)}
    codes["interfem"]()  # its pieces of the mesh
    found: dict[str, list[dict]] = {name: [] for name in codes}
    for _ in range(given.repeats):
        for name, code in codes.items():
            if name not in found:
                continue
            try:
                found[name].append(code())
            except Failed as error:
                if name.startswith("interfem"):
                    raise
                del found[name]
                print(json.dumps({"bench": problem.name, "code": name, "unknowns": unknowns, "failed": str(error)}), flush=True)
                continue
            print(json.dumps(summary(problem, name, found[name][-1:])), flush=True)
    return [summary(problem, name, runs) for name, runs in found.items()]


def summary(problem: Problem, name: str, runs: list[dict]) -> dict:
    middle = {key: round(statistics.median(run[key] for run in runs), 3) for key in ("wall_s", "cpu_s", "peak_GB")}
    parts = {key: round(statistics.median(run["times"].get(key, 0.0) for run in runs), 3) for key in (*PARTS, "output")}
    told = ("unknowns", *problem.answers, "newton", "iterations", "factorisations", "nonzeros", "ring_A_per_m2")
    last = {key: runs[-1][key] for key in told if key in runs[-1]}
    return {"bench": problem.name, "code": name, "repeats": len(runs), **last, **middle, "split_wall_s": parts}


def check(problem: Problem, rows: list[dict]) -> None:
    """Codes that solve the same equations agree."""
    for kind in (True, False):
        same = [row for row in rows if problem.alike(row["code"]) == kind]
        for answer, tolerance in problem.answers.items():
            values = [row[answer] for row in same]
            assert not same or max(values) - min(values) < tolerance * max(map(abs, values)), (answer, values)


def table(problem: Problem, rows: list[dict], stream: float) -> str:
    """Ratios over interfem, and the linear solve over the time in which its matrix passes through memory once an iteration."""
    base, lines = rows[0], []
    lines.append(f"{problem.name}, {base['unknowns']} unknowns; memory {stream / 1e9:.1f} GB/s; medians of {base['repeats']}")
    heads = ("CPU s", "ratio", "wall s", "ratio", "GB", *PARTS, "Newton", "its", "solve/bound", *problem.answers)
    lines.append(f"{'':26}" + "".join(f"{head:>15}" for head in heads))
    for row in rows:
        scale = row["cpu_s"] / row["wall_s"]
        bound = row["iterations"] * row.get("nonzeros", 0) * BYTES / stream
        cells = [f"{row['cpu_s']:.2f}", f"{row['cpu_s'] / base['cpu_s']:.2f}", f"{row['wall_s']:.2f}", f"{row['wall_s'] / base['wall_s']:.2f}",
                 f"{row['peak_GB']:.2f}", *(f"{row['split_wall_s'][part] * scale:.2f}" for part in PARTS),
                 str(row.get("newton", "-")), str(row["iterations"]),
                 f"{row['split_wall_s']['solve'] * scale / bound:.1f}" if bound else "-", *(f"{row[answer]:.8g}" for answer in problem.answers)]
        lines.append(f"{row['code']:26}" + "".join(f"{cell:>15}" for cell in cells))
    lines.append("parts: wall seconds times CPU over wall of the whole process, for all codes alike")
    return "\n".join(lines)


def warm(problem: Problem) -> None:
    """Compile the forms, which are the same on every mesh."""
    with tempfile.TemporaryDirectory() as folder:
        for name, code in codes_of(problem, 1.0, None, Path(folder)).items():
            code()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("problems", nargs="*", metavar="PROBLEM", help=f"of {', '.join(PROBLEMS)}; all if absent")
    parser.add_argument("--unknowns", type=float, nargs="+", help="sizes; by default those of each problem")
    parser.add_argument("--codes", nargs="+", metavar="WORD", help="only codes whose name contains one of these, and interfem")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--limit", type=float, default=7200.0, help="most seconds for one process of a peer")
    parser.add_argument("--peers", help="Python with bench/requirements-peers.txt; without it NGSolve and scikit-fem are left out")
    given = parser.parse_args()
    for name in given.problems:
        if name not in PROBLEMS:
            parser.error(f"{name!r} is no problem; known: {', '.join(PROBLEMS)}")
    peers = given.peers or next((str(p) for p in [ROOT / ".venv-peers/bin/python"] if p.is_file()), None)
    stream = apart(bandwidth)
    for problem in [PROBLEMS[name] for name in given.problems or PROBLEMS]:
        warm(problem)
        for unknowns in given.unknowns or problem.unknowns:
            with tempfile.TemporaryDirectory() as folder:
                rows = compare(problem, unknowns, given, peers, Path(folder))
            for row in rows:
                print(json.dumps(row), flush=True)
            print(table(problem, rows, stream), flush=True)
            check(problem, rows)


if __name__ == "__main__":
    try:
        main()
    except Failed as error:
        raise SystemExit(str(error)) from None
