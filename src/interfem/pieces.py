"""Mesh file -> distributed mesh with its tags. What each rank gets of a large mesh is kept beside the file, so that Gmsh, the partitioner
and the search for tagged facets are needed once for a number of ranks, and after that each rank reads its own piece.
"""

from __future__ import annotations

import os
import shutil
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import gmsh
import numpy as np
from mpi4py import MPI

from . import mpi  # noqa: F401  (before dolfinx)
import dolfinx.io.gmsh
from dolfinx import common, fem, graph, mesh
from dolfinx.cpp.mesh import Geometry_float64, Mesh_float64, Topology

from .geometry.session import session

FORMAT = 1  # raise it when pieces are written otherwise
KEPT_FROM = 50_000  # cells, from which on pieces are kept
GMSH_TYPES = {2: 2, 3: 4}  # dimension -> Gmsh's number of its simplex
TAG = 1181  # of the messages by which index maps are made


@dataclass(frozen=True)
class Pieces:
    """The mesh on this rank, ghosts included; `groups`: name -> (dimension, tag)."""

    mesh: mesh.Mesh
    cell_tags: np.ndarray  # one for each cell, ghosts included
    facet_tags: mesh.MeshTags
    groups: dict[str, tuple[int, int]]


def read_mesh(path: Path, comm: MPI.Comm, dimension: int) -> Pieces:
    """Collective. From the pieces kept for this number of ranks, if the file is still the one they were made of."""
    folder, stamp = path.with_name(f"{path.stem}.{comm.size}"), None
    if comm.rank == 0:
        status = path.stat()
        stamp = np.array([FORMAT, dimension, status.st_size, status.st_mtime_ns])
    stamp = comm.bcast(stamp)
    piece = folder / f"{comm.rank}.npz"
    if comm.allreduce(piece.is_file() and _stamp(piece) == stamp.tolist(), MPI.LAND):
        found = _load(piece, comm, dimension)
        if comm.allreduce(found is not None, MPI.LAND):
            return found
    found = _distribute(path, comm, dimension)
    if found.mesh.topology.index_map(dimension).size_global >= KEPT_FROM:
        _keep(found, folder, stamp)
    return found


def _distribute(path: Path, comm: MPI.Comm, dimension: int) -> Pieces:
    """Rank 0 reads the file, and every rank gets its part."""
    partitioner = mesh.create_cell_partitioner(mesh.GhostMode.shared_facet, 2)
    with session() if comm.rank == 0 else nullcontext():
        if comm.rank == 0:
            gmsh.merge(str(path))
        data = dolfinx.io.gmsh.model_to_mesh(gmsh.model, comm, 0, gdim=dimension, partitioner=partitioner)
    index_map = data.mesh.topology.index_map(dimension)
    tags = fem.Function(fem.functionspace(data.mesh, ("DG", 0)))
    tags.x.array[data.cell_tags.indices] = data.cell_tags.values
    tags.x.scatter_forward()
    of_cell = np.rint(tags.x.array[: index_map.size_local + index_map.num_ghosts]).astype(np.int32)
    return Pieces(data.mesh, of_cell, data.facet_tags, {name: (group.dim, group.tag) for name, group in data.physical_groups.items()})


def _stamp(piece: Path) -> list[int]:
    with np.load(piece) as data:
        return data["stamp"].tolist()


def _index_map(arrays: dict, name: str, index_map: common.IndexMap) -> None:
    arrays |= {f"{name} size": index_map.size_local, f"{name} ghosts": index_map.ghosts, f"{name} owners": index_map.owners}


def _keep(found: Pieces, folder: Path, stamp: np.ndarray) -> None:
    """Each rank writes what it has; the folder appears when all have."""
    topology, geometry, comm, facets = found.mesh.topology, found.mesh.geometry, found.mesh.comm, found.facet_tags
    dim = topology.dim
    arrays = {"stamp": stamp, "cells": topology.connectivity(dim, 0).array, "original": topology.original_cell_index,
              "dofmap": geometry.dofmaps[0], "x": geometry.x[:, : geometry.dim], "nodes": geometry.input_global_indices,
              "cell tags": found.cell_tags, "facets": facets.indices, "facet tags": facets.values,
              "facet vertices": _vertices(found.mesh, facets.indices), "names": np.array(list(found.groups)),
              "groups": np.array(list(found.groups.values()))}
    for name, index_map in (("vertex", topology.index_map(0)), ("cell", topology.index_map(dim)), ("node", geometry.index_map())):
        _index_map(arrays, name, index_map)
    draft = comm.bcast(folder.with_name(f".{folder.name}-{os.getpid()}"))
    if comm.rank == 0:
        draft.mkdir(exist_ok=True)
    comm.barrier()
    np.savez(draft / f"{comm.rank}.npz", **arrays)
    comm.barrier()
    if comm.rank == 0:
        shutil.rmtree(folder, ignore_errors=True)
        os.replace(draft, folder)


def _vertices(domain: mesh.Mesh, facets: np.ndarray) -> np.ndarray:
    """Local vertices of facets, sorted, one row each."""
    links = domain.topology.connectivity(domain.topology.dim - 1, 0)
    return np.sort(links.array.reshape(-1, domain.topology.dim)[facets], axis=1)


def _load(piece: Path, comm: MPI.Comm, dimension: int) -> Pieces | None:
    """The mesh of the pieces; None if its facets turn out to be numbered otherwise than when they were tagged."""
    with np.load(piece) as data:
        arrays = {key: data[key] for key in data.files}

    def index_map(name: str, tag: int) -> common.IndexMap:
        return common.IndexMap(comm, int(arrays[f"{name} size"]), arrays[f"{name} ghosts"], arrays[f"{name} owners"], tag)

    kind = {2: mesh.CellType.triangle, 3: mesh.CellType.tetrahedron}[dimension]
    cells = graph.adjacencylist(arrays["cells"].reshape(-1, dimension + 1))._cpp_object
    topology = Topology(kind, index_map("vertex", TAG), index_map("cell", TAG + 1), cells, arrays["original"])
    linear = dolfinx.io.gmsh.ufl_mesh(GMSH_TYPES[dimension], dimension, dtype=np.float64)
    element = fem.coordinate_element(linear.ufl_coordinate_element().basix_element)._cpp_object
    geometry = Geometry_float64(index_map("node", TAG + 2), arrays["dofmap"], element, arrays["x"], arrays["nodes"])
    domain = mesh.Mesh(Mesh_float64(comm, topology, geometry), linear)
    domain.topology.create_entities(dimension - 1)
    count = domain.topology.connectivity(dimension - 1, 0).num_nodes
    facets = arrays["facets"]
    if len(facets) and (facets.max() >= count or not np.array_equal(_vertices(domain, facets), arrays["facet vertices"])):
        return None
    tags = mesh.meshtags(domain, dimension - 1, facets, arrays["facet tags"])
    groups = {str(name): (int(dim), int(tag)) for name, (dim, tag) in zip(arrays["names"], arrays["groups"])}
    return Pieces(domain, arrays["cell tags"], tags, groups)
