"""Cell in, mesh file out: bodies drawn, fragmented, named, meshed in the stretched coordinate, mapped back, written."""

from __future__ import annotations

import hashlib
import json
import os
from collections import defaultdict
from dataclasses import asdict
from pathlib import Path

import gmsh

from ..regions import extent, interface_name, unfilled
from . import flaw, patch, pore, pores, roughness, void, voids
from .bodies import block
from .errors import GeometryError
from .own import write_own
from .session import session
from .sizes import Sizes, Source, edges_along, make_sizes, near_level, near_slab, transfer_levels
from .stack import Stack, elements_across, make_stack
from .warp import warp

FORMAT = 5  # raise it when the same case is to give another mesh
FEATURES = {"void": void, "voids": voids, "flaw": flaw, "pore": pore, "pores": pores, "patch": patch, "roughness": roughness}
NO_POINTS_INSIDE = 3  # Gmsh's algorithm that only joins the points of the boundary: a row of a graded layer stays one row
SLIVER = 0.05  # inscribed over circumscribed radius (times 3) below which tetrahedra are optimised once more


def build_mesh(case, folder: Path = Path("meshes")) -> Path:
    """Mesh of a case as a binary `.msh` 4.1 named by its content; an existing one is reused. Gmsh, one process only.

    Cell groups are the regions; facet groups the boundaries, the walls of holes ("void|li"), the interfaces ("li|sse") and the
    patches ("patch:patch"). GeometryError if it cannot be made.
    """
    path = Path(folder) / f"{mesh_hash(case)}.msh"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.stem}-{os.getpid()}.msh")
    if case.geometry.file is not None:
        write_own(case, draft)
    else:
        with session():
            draw(case)
            gmsh.write(str(draft))
    os.replace(draft, path)
    return path


def mesh_hash(case) -> str:
    """Content hash of all that the mesh depends on: not the materials' values, only whether they conduct alike."""
    if case.geometry.file is not None:
        file = hashlib.sha256(Path(case.geometry.file).read_bytes()).hexdigest()
        return _hash([FORMAT, file, case.geometry.model_dump(exclude={"file"}), [r.name for r in case.regions]])
    features, regions = [], {region.name for region in case.regions}
    for feature in case.features:
        data = feature.model_dump() | {"meshed": feature.name in regions}
        data.pop("electrons", None)
        data.pop("fill", None)
        features.append(data)
    layers = [(layer.name, layer.thickness, count) for layer, count in zip(case.layers, elements_across(case))]
    content = [FORMAT, gmsh.__version__, case.geometry.model_dump(), layers, features, case.mesh.model_dump(),
               transfer_levels(case), [extent(f, case) for f in case.features],
               [[asdict(pore) for pore in placed] for placed in case.populations.values()]]
    return _hash(content)


def _hash(content: list) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]


def draw(case) -> None:
    """Mesh of the case in the current Gmsh model, named and in physical coordinates."""
    sizes = make_sizes(case)
    stack, source = plan(case, sizes)
    cells, holes, patches = fragment(case, stack)
    name_groups(case, stack, cells, holes, patches)
    mesh_cells(case, stack, source, cells)
    warp(case, stack)


def plan(case, sizes: Sizes) -> tuple[Stack, Source]:
    """The stretched stack, and the edge length wanted at each point (x, y, height)."""
    levels = transfer_levels(case)
    places = [(level, level) for level in levels] + [extent(f, case)[2:] for f in case.features if f.kind != "roughness"]
    along = edges_along(case, sizes, places)
    rough = [f for f in case.features if f.kind == "roughness"]
    limits = tuple(min((roughness.edge_limit(f, case, n) for f in rough), default=float("inf")) for n in range(len(case.layers)))
    stack = make_stack(case.levels, along, limits, elements_across(case),
                       tuple(bool(layer.grading) for layer in case.layers), sizes.dimension)
    fine = [near_level(level, sizes.interface, sizes.growth) for level in levels]
    for n, edge in enumerate(along):
        if stack.along[n] < edge:
            fine.append(near_slab(case.levels[n], case.levels[n + 1], stack.along[n] * case.mesh.refinement, sizes.growth))
    for feature in case.features:
        fine += FEATURES[feature.kind].sources(feature, case, sizes)
    refinement, most = case.mesh.refinement, sizes.size

    def edge_at(x: float, y: float, height: float) -> float:
        return min([most, *(source(x, y, height) for source in fine)]) / refinement

    return stack, edge_at


def fragment(case, stack: Stack) -> tuple[dict[int, str], dict[int, str], dict[int, str]]:
    """Draw all bodies and make them conform. Names of cell entities, of hole entities, and of patch facets, by Gmsh tag."""
    geometry, dimension = case.geometry, case.geometry.dimension
    bodies, names = [], []
    for n, layer in enumerate(case.layers):
        low, rise = stack.virtual[n], (stack.virtual[n + 1] - stack.virtual[n]) / stack.sublayers[n]
        for k in range(stack.sublayers[n]):
            bodies += block(dimension, (geometry.inner_radius, 0.0, low + k * rise),
                            (geometry.width - geometry.inner_radius, geometry.depth or 0.0, rise))
            names.append(layer.name)
    slabs = len(bodies)
    for feature in case.features:
        parts = FEATURES[feature.kind].body(feature, case, stack)
        rest = flaw.empty(feature, case, stack) if feature.kind == "flaw" else []
        bodies += parts + rest
        names += [feature.name] * len(parts) + [unfilled(feature.name)] * len(rest)
    pieces = [[body] for body in bodies]
    if len(bodies) > 1:
        pieces = gmsh.model.occ.fragment(bodies[:slabs], bodies[slabs:])[1]
    gmsh.model.occ.synchronize()
    empty = {name for f in case.features for name in (f.name, unfilled(f.name))} - {region.name for region in case.regions}
    named = {(dim, tag): name for group, name in zip(pieces, names) for dim, tag in group}  # features come last and win
    cells = {tag: name for (dim, tag), name in named.items() if dim == dimension and name not in empty}
    holes = {tag: name for (dim, tag), name in named.items() if dim == dimension and name in empty}
    patches = {tag: name for (dim, tag), name in named.items() if dim == dimension - 1}
    return cells, holes, patches


def name_groups(case, stack: Stack, cells: dict[int, str], holes: dict[int, str], patches: dict[int, str]) -> None:
    """Physical groups of cells and facets; holes leave the model, so that they are not meshed."""
    dimension = case.geometry.dimension
    groups: dict[tuple[int, str], list[int]] = defaultdict(list)
    for tag, name in cells.items():
        groups[dimension, name].append(tag)
    inner = []
    for _, tag in gmsh.model.getEntities(dimension - 1):
        beside = [int(t) for t in gmsh.model.getAdjacencies(dimension - 1, tag)[0]]
        name = facet_name(case, stack, tag, beside, cells, holes, patches)
        if name:
            groups[dimension - 1, name].append(tag)
        elif all(t in holes for t in beside):
            inner.append((dimension - 1, tag))
    gmsh.model.removeEntities([(dimension, tag) for tag in holes] + inner)
    for number, ((dim, name), tags) in enumerate(groups.items(), 1):
        gmsh.model.addPhysicalGroup(dim, tags, tag=number, name=name)


def facet_name(case, stack: Stack, tag: int, beside: list[int], cells, holes, patches) -> str | None:
    """Group of a facet entity from what lies beside it; None inside one region or one hole."""
    solid = [cells[t] for t in beside if t in cells]
    if tag in patches:
        return f"{patches[tag]}:patch"
    if not solid:
        return None
    if len(solid) == 2:
        return None if solid[0] == solid[1] else interface_name(*solid, case)
    empty = [holes[t] for t in beside if t in holes]
    return f"{empty[0]}|{solid[0]}" if empty else side_name(case, stack, tag)


def side_name(case, stack: Stack, tag: int) -> str:
    """Outer boundary on which a facet entity lies; by its centre, since bounding boxes have the kernel's loose tolerances."""
    geometry, dimension = case.geometry, case.geometry.dimension
    point = gmsh.model.occ.getCenterOfMass(dimension - 1, tag)
    first, last = "left", "right"
    if geometry.kind == "axisymmetric":
        first, last = "inner" if geometry.inner_radius else "axis", "outer"
    planes = {first: abs(point[0] - geometry.inner_radius), last: abs(point[0] - geometry.width),
              "collector": abs(point[dimension - 1]), "counter": abs(point[dimension - 1] - stack.virtual[-1])}
    if geometry.kind == "box":
        planes |= {"front": abs(point[1]), "back": abs(point[1] - geometry.depth)}
    name = min(planes, key=planes.get)
    if planes[name] > 1e-4 * min(geometry.width, stack.virtual[-1]):
        raise GeometryError(f"geometry: a face at ({point[0]:g}, {point[1]:g}, {point[2]:g}) um belongs to no side of the cell; "
                            f"a feature may only just touch another face; move it a little")
    return name


def mesh_cells(case, stack: Stack, edge_at: Source, cells: dict[int, str]) -> None:
    """Triangles or tetrahedra, sized by `edge_at` through the stretched coordinate."""
    if case.geometry.dimension == 2:
        gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, lc: edge_at(x, 0.0, stack.height(y)))
        graded = {layer.name for layer in case.layers if layer.grading}
        for tag in (tag for tag, name in cells.items() if name in graded):
            gmsh.model.mesh.setAlgorithm(2, tag, NO_POINTS_INSIDE)
    else:
        gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, lc: edge_at(x, y, stack.height(z)))
    gmsh.model.mesh.generate(case.geometry.dimension)
    if case.geometry.dimension == 3:
        quality = gmsh.model.mesh.getElementQualities(gmsh.model.mesh.getElementsByType(4)[0], "gamma")
        if min(quality) < SLIVER:
            gmsh.model.mesh.optimize("Netgen")
