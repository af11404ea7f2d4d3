"""Interfem beside other codes on R1 (bench/r1/case.toml): one JSON line for each process, then medians and a table with ratios.

    python bench/peers.py [--unknowns 5e4 2e5] [--repeats 3] [--peers .venv-peers/bin/python]

Every process is run whole, on one core, in turns, so that all see the same machine; medians count. Codes read one and the same mesh, each in
the form that it reads fastest, made beforehand. Compiled forms are cached, of interfem and of plain DOLFINx alike, and so are interfem's pieces
of the mesh. Unknowns are potentials, P1; all solve Newton's equations to 1e-10 of the first residual (interfem: to its own, sharper tolerance) and
give the mean potential at the top to 1e-6. The peers are tuned: lagged or inexact where they can be, the best of their solvers that we found.
`interfem` takes the metal for equipotential by its own judgement, `interfem, metal as field` does not, as no peer does. Interfem
besides writes fields, state, balances and the record of the run, which the others leave out.

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
import time
from multiprocessing import get_context
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
HERE = ROOT / "bench" / "r1"
NODES, GROWTH = 4961, 2.53  # potentials of the case at refinement 1, and the power of the refinement with which they grow
BYTES = 12.0  # of an entry of a sparse matrix: value and column
PARTS = ("import", "mesh", "compile", "assembly", "set-up", "solve")


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


def process(command: list[str]) -> dict:
    """Run it whole: wall and CPU seconds, peak memory in GB, and what it prints."""
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    with tempfile.TemporaryFile("w+") as out:
        start = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=out, stderr=subprocess.STDOUT, env=environment, cwd=ROOT)
        _, status, usage = os.wait4(child.pid, 0)
        wall = time.perf_counter() - start
        out.seek(0)
        text = out.read()
    if status:
        raise SystemExit(f"{' '.join(command)}: status {status}\n{text}")
    return {"wall_s": wall, "cpu_s": usage.ru_utime + usage.ru_stime, "peak_GB": usage.ru_maxrss / 1e6, "text": text}


def interfem(refinement: float, folder: Path, overrides: list[str]) -> dict:
    """One run of the case; what it says in its record, in the words of the others."""
    command = [str(Path(sys.executable).parent / "interfem"), "run", str(HERE / "case.toml"), "--out", str(folder), "--quiet"]
    for text in (f"mesh.refinement={refinement:.6g}", *overrides):
        command += ["--set", text]
    found = process(command)
    record = json.loads((folder / "run.json").read_text())
    seconds, solver = record["timings_s"], record["solver"]
    assert solver["preset"] == "iterative" and not solver["fallbacks"]
    found |= {"unknowns": record["unknowns"]["phi"] + record["unknowns"]["phi_m"], "answer_mV": 1e3 * record["summary"]["cell_voltage_V"]["last"],
              "ring_A_per_m2": record["summary"]["rim_current_density[patch]_A_per_m2"]["last"],
              "iterations": solver["linear_iterations"], "nonzeros": solver["nonzeros"],
              "times": {"import": max(0.0, found["wall_s"] - seconds["total"]), "set-up": seconds["setup"]}
              | {k: seconds[k] for k in ("mesh", "compile", "assembly", "solve", "output")}}  # fmt: skip
    return found


def plain(command: list[str]) -> dict:
    found = process(command)
    line = next(line for line in reversed(found["text"].splitlines()) if line.startswith("{"))
    return found | json.loads(line)


def export(refinement: float, target: Path) -> Path:
    """The mesh of the case as Gmsh's file (its path), and as arrays for those that take arrays."""
    from interfem.case import load_case
    from interfem.geometry import build_mesh
    from interfem.geometry.arrays import read_msh

    path = build_mesh(load_case(HERE / "case.toml", [f"mesh.refinement={refinement:.6g}"]), ROOT / "meshes")
    mesh = read_msh(path, 3)
    facets = {"face": ("li|sse",), "patch": ("patch:patch",), "bottom": ("collector",), "top": ("counter",), "sides": ("left", "right", "front", "back")}
    np.savez(target, points=mesh.points, **{f"cells {name}": cells for name, cells in mesh.cells.items()},
             **{f"facets {name}": np.concatenate([mesh.facets[k] for k in keys]) for name, keys in facets.items()})  # fmt: skip
    return path


def compare(unknowns: float, repeats: int, peers: str | None, wanted: list[str] | None, folder: Path) -> list[dict]:
    """All codes on one mesh, in turns."""
    refinement = (unknowns / NODES) ** (1 / GROWTH)
    arrays = folder / "mesh.npz"
    msh = apart(export, refinement, arrays)
    codes = {"interfem": lambda: interfem(refinement, folder / "run", []),
             "interfem, metal as field": lambda: interfem(refinement, folder / "field", ["solver.metal=field"]),
             "plain DOLFINx": lambda: plain([sys.executable, str(HERE / "plain_dolfinx.py"), str(msh)])}
    if peers:
        codes |= {"NGSolve, h1amg": lambda: plain([peers, str(HERE / "plain_ngsolve.py"), str(arrays), "h1amg"]),
                  "NGSolve, sparsecholesky": lambda: plain([peers, str(HERE / "plain_ngsolve.py"), str(arrays), "sparsecholesky"]),
                  "scikit-fem, pyamg": lambda: plain([peers, str(HERE / "plain_skfem.py"), str(arrays)])}
    codes = {name: code for name, code in codes.items() if name == "interfem" or wanted is None or any(word in name for word in wanted)}
    codes["interfem"]()  # its pieces of the mesh
    found: dict[str, list[dict]] = {name: [] for name in codes}
    for _ in range(repeats):
        for name, code in codes.items():
            found[name].append(code())
            print(json.dumps(summary(name, found[name][-1:])), flush=True)
    return [summary(name, runs) for name, runs in found.items()]


def summary(name: str, runs: list[dict]) -> dict:
    middle = {key: round(statistics.median(run[key] for run in runs), 3) for key in ("wall_s", "cpu_s", "peak_GB")}
    parts = {key: round(statistics.median(run["times"].get(key, 0.0) for run in runs), 3) for key in (*PARTS, "output")}
    last = {key: runs[-1][key] for key in ("unknowns", "answer_mV", "iterations", "nonzeros", "ring_A_per_m2") if key in runs[-1]}
    return {"bench": "R1", "code": name, "repeats": len(runs), **last, **middle, "split_wall_s": parts}


def table(rows: list[dict], stream: float) -> str:
    """Ratios over interfem, and the linear solve over the time in which its matrix passes through memory once an iteration."""
    base, lines = rows[0], []
    lines.append(f"R1, {base['unknowns']} potentials; memory {stream / 1e9:.1f} GB/s; medians of {base['repeats']}")
    heads = ("CPU s", "ratio", "wall s", "ratio", "GB", *PARTS, "its", "solve/bound", "answer mV")
    lines.append(f"{'':26}" + "".join(f"{head:>11}" for head in heads))
    for row in rows:
        scale = row["cpu_s"] / row["wall_s"]
        bound = row["iterations"] * row.get("nonzeros", 0) * BYTES / stream
        cells = [f"{row['cpu_s']:.2f}", f"{row['cpu_s'] / base['cpu_s']:.2f}", f"{row['wall_s']:.2f}", f"{row['wall_s'] / base['wall_s']:.2f}",
                 f"{row['peak_GB']:.2f}", *(f"{row['split_wall_s'][part] * scale:.2f}" for part in PARTS), str(row["iterations"]),
                 f"{row['split_wall_s']['solve'] * scale / bound:.1f}" if bound else "-", f"{row['answer_mV']:.6f}"]
        lines.append(f"{row['code']:26}" + "".join(f"{cell:>11}" for cell in cells))
    lines.append("parts: wall seconds times CPU over wall of the whole process, for all codes alike")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--unknowns", type=float, nargs="+", default=[5e4, 2e5])
    parser.add_argument("--codes", nargs="+", metavar="WORD", help="only codes whose name contains one of these, and interfem")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--peers", help="Python with bench/requirements-peers.txt; without it NGSolve and scikit-fem are left out")
    given = parser.parse_args()
    peers = given.peers or next((str(p) for p in [ROOT / ".venv-peers/bin/python"] if p.is_file()), None)
    stream = apart(bandwidth)
    with tempfile.TemporaryDirectory() as folder:  # compiled forms, the same on every mesh
        small = apart(export, 1.0, Path(folder) / "mesh.npz")
        plain([sys.executable, str(HERE / "plain_dolfinx.py"), str(small)])
        for metal in ("auto", "field"):
            interfem(1.0, Path(folder) / metal, ["solver.preset=iterative", f"solver.metal={metal}"])
    for unknowns in given.unknowns:
        with tempfile.TemporaryDirectory() as folder:
            rows = compare(unknowns, given.repeats, peers, given.codes, Path(folder))
        answers = [row["answer_mV"] for row in rows]
        assert max(answers) - min(answers) < 1e-6 * max(answers), answers
        for row in rows:
            print(json.dumps(row), flush=True)
        print(table(rows, stream), flush=True)


if __name__ == "__main__":
    main()
