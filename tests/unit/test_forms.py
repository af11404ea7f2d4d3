"""Forms compiled on the disk: what a killed compiler leaves does not stop later runs."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import ufl
from dolfinx import fem
from dolfinx.mesh import create_unit_square, locate_entities_boundary
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
    assert list(tmp_path.glob("fenics/*.lock")) and not list(tmp_path.glob("fenics/*.so"))
    slow = started("2")
    assert slow.stdout.readline() == "compiling\n"
    start = time.monotonic()
    told, errors = started().communicate(timeout=60)
    assert told == "3.25\n", errors
    assert slow.communicate(timeout=60)[0] == "3.25\n"
    assert time.monotonic() - start > 1.0


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
