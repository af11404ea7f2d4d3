"""Field files: values stand where they belong, and what cannot be written is told."""

import numpy as np
import pytest
import pyvista
from dolfinx import fem
from dolfinx.mesh import create_rectangle, create_submesh, locate_entities
from mpi4py import MPI

from interfem.observe.vtu import join_pieces, write_piece


@pytest.fixture
def functions() -> list[fem.Function]:
    """x + 10 y, the vector (y, x) and, constant in cells, x of their middles."""
    whole = create_rectangle(MPI.COMM_SELF, ((0.0, 0.0), (6.0, 1.0)), (10, 4))
    plane, *_ = create_submesh(whole, 2, locate_entities(whole, 2, lambda x: x[0] > 3 - 1e-9)[::-1].copy())
    scalar, vector, constant = (fem.functionspace(plane, kind) for kind in (("Lagrange", 1), ("Lagrange", 1, (2,)), ("DG", 0)))
    found = [fem.Function(space, name=name) for space, name in ((scalar, "a"), (vector, "b"), (constant, "c"))]
    for function, value in zip(found, (lambda x: x[0] + 10 * x[1], lambda x: x[1::-1], lambda x: x[0])):
        function.interpolate(value)
    return found


def test_values_stand_at_their_places(tmp_path, functions):
    write_piece(tmp_path / "one.vtu", functions)
    join_pieces(tmp_path / "all.pvtu", ["one.vtu"], functions)
    grid = pyvista.read(tmp_path / "all.pvtu")
    x, y = grid.points[:, 0], grid.points[:, 1]
    assert (grid.n_cells, grid.n_points) == (40, 30) and not grid.cell_data["vtkGhostType"].any()
    np.testing.assert_allclose(grid.point_data["a"], x + 10 * y, atol=1e-14)
    np.testing.assert_allclose(grid.point_data["b"], np.stack([y, x, 0 * x], axis=1), atol=1e-14)
    np.testing.assert_allclose(grid.cell_data["c"], grid.cell_centers().points[:, 0], atol=1e-14)


def test_a_full_disk_is_told_once(tmp_path, functions, capfd):
    (tmp_path / ".full.vtu.part").symlink_to("/dev/full")
    with pytest.raises(OSError, match="No space left on device.*full.vtu"):
        write_piece(tmp_path / "full.vtu", functions)
    assert capfd.readouterr() == ("", "")
