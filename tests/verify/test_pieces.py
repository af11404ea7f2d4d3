"""Pieces of large meshes are kept for a number of ranks: read back, they give the same run; without Gmsh, and only while they are true."""

import numpy as np
import pytest
from cases import build, current, layer, um
from interfem import pieces
from interfem.mpi import world
from interfem.run import make_mesh, run
from interfem.solve import Timings

PATCH = {"kind": "patch", "interface": "li|sse", "outer": "2 um"}
PLANE = {"width": 10, "kind": "plane"}
BOX = {"width": 10, "kind": "box", "geometry": {"depth": um(10)}}


def cell(**more):
    return build([layer("li", "Li", 3), layer("sse", "Li6PS5Cl", 5)], [current(10)], features=[PATCH], counter="uniform",
                 mesh={"size": "3 um", "interface_size": "1.5 um", "rim_size": "1 um"}, solver={"potential_degree": 1}, **more)  # fmt: skip


@pytest.fixture
def kept(tmp_path, monkeypatch):
    """Every mesh is kept, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(pieces, "KEPT_FROM", 0)
    return tmp_path


def refuse(*_):
    raise AssertionError("the file was read again")


def test_a_run_from_pieces_is_the_same(kept, monkeypatch):
    first = run(cell(**BOX), kept / "first").summary
    monkeypatch.setattr(pieces, "_distribute", refuse)
    again = run(cell(**BOX), kept / "again").summary
    for name, entry in first.items():
        assert again[name]["last"] == pytest.approx(entry["last"], rel=1e-12, abs=1e-12), name


def test_pieces_of_another_file_are_not_taken(kept, monkeypatch):
    path, comm = make_mesh(cell(**PLANE), world(), Timings()), world()
    pieces.read_mesh(path, comm, 2)
    assert (path.parent / f"{path.stem}.1" / "0.npz").is_file()
    path.touch()
    monkeypatch.setattr(pieces, "_distribute", refuse)
    with pytest.raises(AssertionError, match="read again"):
        pieces.read_mesh(path, comm, 2)


def test_facets_numbered_otherwise_are_noticed(kept):
    path, comm = make_mesh(cell(**PLANE), world(), Timings()), world()
    wanted = pieces.read_mesh(path, comm, 2)
    piece = path.parent / f"{path.stem}.1" / "0.npz"
    with np.load(piece) as data:
        arrays = {key: data[key] for key in data.files}
    np.savez(piece, **arrays | {"facets": np.roll(arrays["facets"], 1)})
    found = pieces.read_mesh(path, comm, 2)
    assert np.array_equal(found.facet_tags.indices, wanted.facet_tags.indices)
    assert np.array_equal(found.facet_tags.values, wanted.facet_tags.values)


def test_small_meshes_are_not_kept(kept, monkeypatch):
    monkeypatch.setattr(pieces, "KEPT_FROM", 50_000)
    path = make_mesh(cell(**PLANE), world(), Timings())
    pieces.read_mesh(path, world(), 2)
    assert [file.name for file in path.parent.iterdir()] == [path.name]
