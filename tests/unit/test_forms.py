"""Forms compiled on the disk: what a killed compiler leaves does not stop later runs."""

import os
import subprocess
import sys
import time

import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import create_unit_square
from mpi4py import MPI

from interfem.solve import jacobian_blocks

COMPILE = """
import sys
from interfem.mpi import world
import interfem.forms
import ufl
from dolfinx import fem, mesh
square = mesh.create_unit_square(world(), 1, 1)
if len(sys.argv) > 1:  # a compiler that hangs
    def hang(*words):
        print("compiling", flush=True)
        import time
        time.sleep(float(sys.argv[1]))
        whole(*words)
    whole, interfem.forms._compile = interfem.forms._compile, hang
print(fem.assemble_scalar(fem.form(3.25 * ufl.dx(domain=square))))
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
    assert list(tmp_path.glob("fenics/*.c")) and not list(tmp_path.glob("fenics/*.so"))
    slow = started("2")
    assert slow.stdout.readline() == "compiling\n"
    start = time.monotonic()
    told, errors = started().communicate(timeout=60)
    assert told == "3.25\n", errors
    assert slow.communicate(timeout=60)[0] == "3.25\n"
    assert time.monotonic() - start > 1.0


def test_blocks_of_the_jacobian_without_an_unknown_are_not_compiled():
    """Off the diagonal: the first equation does not know the second unknown; the second holds the first alone."""
    space = fem.functionspace(create_unit_square(MPI.COMM_SELF, 1, 1), ("Lagrange", 1))
    u, p, v, q = fem.Function(space), fem.Function(space), *ufl.TestFunctions(ufl.MixedFunctionSpace(space, space))
    found = jacobian_blocks([ufl.inner(ufl.grad(u), ufl.grad(v)) * ufl.dx, u**2 * q * ufl.dx], [u, p])
    assert [[form is None for form in row] for row in found] == [[False, True], [False, False]]
