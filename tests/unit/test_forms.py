"""Forms compiled on the disk: what a killed compiler leaves does not stop later runs; without a compiler there is one clear error."""

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import create_unit_square, locate_entities_boundary
from mpi4py import MPI

from interfem import compiler
from interfem.forms import compile_forms
from interfem.solve import jacobian_blocks

BARE = Path(__file__).resolve().parents[2] / "models/cases/bare.toml"

COMPILE = """
import sys
from interfem.mpi import world
import interfem.compiler
import ufl
from dolfinx import fem, mesh
from interfem.forms import compile_forms
square = mesh.create_unit_square(world(), 1, 1)
if len(sys.argv) > 1:  # a compiler that hangs
    def hang(*words):
        print("compiling", flush=True)
        import time
        time.sleep(float(sys.argv[1]))
        whole(*words)
    whole, interfem.compiler._compile = interfem.compiler._compile, hang
found = compile_forms({"first": 3.25 * ufl.dx(domain=square), "none": None, "others": [0.5 * ufl.dx(domain=square)]})
print(fem.assemble_scalar(found["first"]) + fem.assemble_scalar(found["others"][0]))
"""


@pytest.fixture
def started(tmp_path):
    """Starts a process that compiles a form in a cache of its own; all are gone afterwards."""
    running = []

    def start(*words: str) -> subprocess.Popen:
        running.append(subprocess.Popen([sys.executable, "-c", COMPILE, *words], env=os.environ | {"XDG_CACHE_HOME": str(tmp_path)},
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True))
        return running[-1]

    yield start
    for process in running:
        process.kill()
        process.communicate()


def test_a_compile_that_was_killed_is_done_anew(started, tmp_path):
    """And one that goes on is waited for."""
    dead = started("60")
    assert dead.stdout.readline() == "compiling\n"
    dead.kill()
    dead.wait()
    assert list(tmp_path.glob("fenics/*.lock")) and not list(tmp_path.glob("fenics/*.so"))
    slow = started("2")
    assert slow.stdout.readline() == "compiling\n"
    start = time.monotonic()
    told, errors = started().communicate(timeout=60)
    assert told == "3.75\n", errors
    assert slow.communicate(timeout=60)[0] == "3.75\n"
    assert time.monotonic() - start > 1.0


def test_forms_asked_for_together_are_compiled_by_one_call(tmp_path, monkeypatch):
    """And found by others one by one; as copies where the disk knows no hard links."""
    calls, call = [], compiler._call
    monkeypatch.setattr(compiler, "_call", lambda *given: (calls.append(1), call(*given)))
    square = create_unit_square(MPI.COMM_SELF, 1, 1)
    for linked in (True, False):
        monkeypatch.setattr("dolfinx.jit.get_options", lambda given, folder=tmp_path / str(linked): {"cache_dir": folder, "cffi_extra_compile_args": []})
        if not linked:
            monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(PermissionError()))
        forms = [factor * ufl.dx(domain=square) for factor in (2.0, 4.0, 2.0)]
        assert [fem.assemble_scalar(form) for form in compile_forms(forms)] == [2.0, 4.0, 2.0]
        assert fem.assemble_scalar(fem.form(forms[1])) == 4.0
        assert len(calls) == 1 + (not linked)
        assert sorted(path.suffix for path in (tmp_path / str(linked)).iterdir()) == [".lock", ".lock", ".so", ".so"]


def test_processes_that_ask_in_other_orders_do_not_wait_for_each_other(tmp_path):
    """Each is slow, and asks for the same forms, the last first: one compiles all."""
    code = ("import sys, time\nfrom pathlib import Path\nfrom interfem import compiler\n"
            "whole = compiler._compile\ndef slow(text, flags, names):\n    print(len(names))\n    time.sleep(0.5)\n    whole(text, flags, names)\n"
            "compiler._compile = slow\n"
            "compiler.compile_once([Path(word) for word in sys.argv[1:]], lambda path: f'int {path.stem};', ['-shared', '-fPIC'])")  # fmt: skip
    names = [tmp_path / f"f{n}.so" for n in range(20)]
    running = [subprocess.Popen([sys.executable, "-c", code, *order], stdout=subprocess.PIPE, text=True) for order in (names, names[::-1])]
    assert sorted(process.communicate(timeout=60)[0] for process in running) == ["", "20\n"]
    assert all(path.exists() for path in names)


@pytest.mark.parametrize(
    "command, told",
    [("/nowhere/cc", "/nowhere/cc: No such file"), ("false", "status 1"), ("true", "makes nothing that this machine can load"),
     ("cc -nostdinc", "math.h"), ("cc '", "No closing quotation"), ("sh -c 'kill -9 $$' --", "was ended by SIGKILL")],
)  # fmt: skip
def test_a_compiler_that_is_missing_or_broken_is_one_error(tmp_path, monkeypatch, command, told):
    """With its remedy; nothing is left in the cache."""
    monkeypatch.setenv("CC", command)
    square = create_unit_square(MPI.COMM_SELF, 1, 1)
    with pytest.raises(compiler.CompilerError, match=re.escape(told)) as error:
        fem.form(2.0 * ufl.dx(domain=square), jit_options={"cache_dir": tmp_path})
    assert "CC" in str(error.value) and "\n" not in str(error.value)
    assert not [path for path in tmp_path.iterdir() if path.suffix != ".lock"]


def test_a_cache_that_cannot_be_written_is_one_error(tmp_path):
    (tmp_path / "file").touch()
    square = create_unit_square(MPI.COMM_SELF, 1, 1)
    with pytest.raises(compiler.CompilerError, match="XDG_CACHE_HOME"):
        fem.form(2.0 * ufl.dx(domain=square), jit_options={"cache_dir": tmp_path / "file" / "fenics"})


@pytest.mark.parametrize("ranks", [1, 2])
def test_a_run_without_a_compiler_tells_so_and_ends(tmp_path, ranks):
    """Exit status 3, on all ranks, without a traceback."""
    launcher = Path(sys.prefix) / "bin/mpirun"
    if ranks > 1 and not launcher.exists():
        pytest.skip("no mpirun beside this Python")
    words = [*([launcher, "-n", str(ranks)] if ranks > 1 else []), sys.executable, "-m", "interfem.cli", "run", BARE, "--out", tmp_path / "run"]
    done = subprocess.run(words, env=os.environ | {"CC": "/nowhere/cc", "XDG_CACHE_HOME": str(tmp_path)}, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, timeout=120)  # fmt: skip
    assert done.returncode == 3
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == 1 and "/nowhere/cc: No such file" in errors[0] and "install gcc" in errors[0]
    assert "Traceback" not in done.stderr + done.stdout


def side(square, at: float) -> np.ndarray:
    """(cell, facet) of the side at x = `at`."""
    facets = locate_entities_boundary(square, 1, lambda x: np.isclose(x[0], at))
    return fem.compute_integration_domains(fem.IntegralType.exterior_facet, square.topology, facets)


def test_forms_that_differ_by_labels_are_compiled_once(tmp_path):
    """And each is integrated over its own part: one cell and three, of four; a side by itself, and two."""
    square = create_unit_square(MPI.COMM_SELF, 1, 2)
    dx = ufl.Measure("dx", square, subdomain_data=[(7, np.array([0], np.int32)), (9, np.array([1, 2, 3], np.int32))])
    ds = ufl.Measure("ds", square, subdomain_data=[(label, side(square, at)) for label, at in ((3, 0.0), (10007, 1.0))])

    def value(form) -> float:
        return fem.assemble_scalar(fem.form(form, jit_options={"cache_dir": tmp_path}))

    assert [value(2.0 * dx(7)), value(2.0 * dx(9))] == pytest.approx([0.5, 1.5])
    assert len(list(tmp_path.glob("*.so"))) == 1
    x = ufl.SpatialCoordinate(square)[0]
    assert [value(x * ds(3)), value(x * ds(10007))] == pytest.approx([0.0, 1.0])
    assert len(list(tmp_path.glob("*.so"))) == 2
    assert value(1.0 * dx(7) + 3.0 * dx((7, 9)) + 5.0 * x * ds(10007)) == pytest.approx(0.25 + 3.0 + 5.0)
    assert value(1.0 * dx(9) + 3.0 * dx(7) + 5.0 * x * ds((3, 10007))) == pytest.approx(0.75 + 0.75 + 5.0)


def test_blocks_of_the_jacobian_hold_the_terms_of_their_unknown_alone():
    """Forms are so compiled once for all cases that share these terms."""
    square = create_unit_square(MPI.COMM_SELF, 1, 1)
    space = fem.functionspace(square, ("Lagrange", 1))
    u, p, c, v = fem.Function(space), fem.Function(space), fem.Function(space), ufl.TestFunction(space)
    row = u**2 * v * ufl.dx + c * p * v * ufl.ds
    (of_u, of_p), = jacobian_blocks([row], [u, p])
    assert [form.coefficients() for form in (of_u, of_p)] == [(u,), (p, c)]
    assert of_u.signature() == jacobian_blocks([u**2 * v * ufl.dx], [u])[0][0].signature()
    whole = ufl.derivative(row, u)
    u.x.array[:] = 1.0, 2.0, 3.0, 4.0
    assert (fem.assemble_matrix(fem.form(of_u)).to_dense() == fem.assemble_matrix(fem.form(whole)).to_dense()).all()


def test_blocks_of_the_jacobian_without_an_unknown_are_not_compiled():
    """Off the diagonal: the first equation does not know the second unknown; the second holds the first alone."""
    space = fem.functionspace(create_unit_square(MPI.COMM_SELF, 1, 1), ("Lagrange", 1))
    u, p, v, q = fem.Function(space), fem.Function(space), *ufl.TestFunctions(ufl.MixedFunctionSpace(space, space))
    found = jacobian_blocks([ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, u**2 * q * ufl.dx], [u, p])
    assert [[form is None for form in row] for row in found] == [[False, True], [False, False]]
