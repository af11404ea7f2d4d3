"""A mesh made elsewhere: its groups renamed to regions and boundaries, its coordinates scaled to um."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import gmsh
import numpy as np

from ..units import UnitError, show, to_internal
from .arrays import Mesh, faces, read_msh, read_other
from .errors import GeometryError
from .session import session


LEAST, MOST = 1e-2, 1e6  # um, of a whole cell


def write_own(case, path: Path) -> None:
    """Convert `geometry.file` to a `.msh` with the case's names. GeometryError if a group is missing or left over."""
    file, dimension = Path(case.geometry.file), case.geometry.dimension
    mesh = (read_msh if file.suffix.lower() == ".msh" else read_other)(file, dimension)
    mesh = tidy(flat(scaled(renamed(mesh, case), case), case), case)
    check_collector(mesh, case)
    write_mesh(mesh, path)


def check_collector(mesh: Mesh, case) -> None:
    """The collector touches what conducts electrons on the anode's side, or no current could come to it."""
    if "collector" not in mesh.facets or not any(r.electrons for r in case.regions):
        return
    anode = [r.name for r in case.regions if r.electrons and r.side == "anode"]
    sides = {tuple(side) for name in anode for side in faces(mesh.cells[name]).tolist()}
    if not any(tuple(side) in sides for side in np.sort(mesh.facets["collector"], axis=1).tolist()):
        raise GeometryError(f'geometry.boundaries: "collector" touches none of {", ".join(anode) or "the layers"}, the conductors of electrons '
                            "on the anode's side; map a face of the first layer to it, or correct geometry.regions")


def write_mesh(mesh: Mesh, path: Path) -> None:
    """A `.msh` with a physical group for each group of cells and facets."""
    with session():
        number = 0
        for dim, groups in ((mesh.dimension, mesh.cells), (mesh.dimension - 1, mesh.facets)):
            for name, nodes in groups.items():
                number += 1
                gmsh.model.addDiscreteEntity(dim, number)
                if number == 1:
                    gmsh.model.mesh.addNodes(dim, number, np.arange(1, len(mesh.points) + 1), mesh.points.ravel())
                gmsh.model.mesh.addElementsByType(number, {1: 1, 2: 2, 3: 4}[dim], [], (nodes + 1).ravel())
                gmsh.model.addPhysicalGroup(dim, [number], tag=number, name=name)
        gmsh.model.mesh.reclassifyNodes()
        gmsh.write(str(path))


def renamed(mesh: Mesh, case) -> Mesh:
    """Groups under the names of the case; boundaries that it does not name are left out."""
    cells, facets = {}, {}
    for what, given, kept, have in (("regions", case.geometry.regions, cells, mesh.cells),
                                    ("boundaries", case.geometry.boundaries, facets, mesh.facets)):
        for group, name in given.items():
            if group not in have:
                raise GeometryError(f'geometry.{what}."{group}": "{case.geometry.file}" has no such group of '
                                    f'{"cells" if what == "regions" else "facets"}; it has {", ".join(have) or "none"}')
            kept[name] = np.concatenate([kept[name], have[group]]) if name in kept else have[group]
    left = [group for group in mesh.cells if group not in case.geometry.regions]
    if left:
        raise GeometryError(f'geometry.regions: group "{left[0]}" of "{case.geometry.file}" is given to no layer; add it')
    conducts = any(r.ions for r in case.regions) and any(r.electrons for r in case.regions)
    for name in ("collector", "counter"):
        if conducts and name not in facets:
            raise GeometryError(f'geometry.boundaries names no "{name}"; map a group of facets to it '
                                f'({", ".join(mesh.facets) or "there is none"})')
    return replace(mesh, cells=cells, facets=facets)


def scaled(mesh: Mesh, case) -> Mesh:
    """Coordinates in um; refused: a cell of less than 10 nm or more than 1 m, a slip of the unit."""
    unit = case.geometry.length_unit
    try:
        factor = to_internal(f"1 {unit}", "length")
    except UnitError as error:
        raise GeometryError(f'geometry.length_unit = "{unit}": {error}') from None
    points = mesh.points * factor
    size = np.ptp(points, axis=0).max()
    if not LEAST <= size <= MOST:
        raise GeometryError(f'geometry.length_unit = "{unit}": "{case.geometry.file}" would then be {show(size, "length")} large; '
                            'that looks like a slip of the unit; give that of its coordinates, for example "m"')
    return replace(mesh, points=points)


def flat(mesh: Mesh, case) -> Mesh:
    """A 2D mesh lies in the plane z = 0, and about an axis at r >= 0."""
    if mesh.dimension == 3:
        return mesh
    low, high = mesh.points.min(axis=0), mesh.points.max(axis=0)
    if high[2] - low[2] > 1e-9 * max(high - low):
        raise GeometryError(f'geometry.file = "{case.geometry.file}": the mesh spans {high[2] - low[2]:g} um along z; '
                            f'a {case.geometry.kind} one should lie in the x-y plane (y along the stack)')
    if case.geometry.kind == "axisymmetric" and low[0] < -1e-9 * high[0]:
        raise GeometryError(f'geometry.file = "{case.geometry.file}": x reaches {low[0]:g} um; '
                            f"an axisymmetric mesh needs x >= 0 (the radius)")
    return replace(mesh, points=mesh.points * (1.0, 1.0, 0.0))


def tidy(mesh: Mesh, case) -> Mesh:
    """Right-handed cells, no unused points; refused: flat or doubled cells, doubled points, facets away from the cells."""
    place = f'geometry.file = "{case.geometry.file}"'
    cells, _ = mesh.all_cells()
    used, compact = np.unique(cells, return_inverse=True)
    mesh = replace(mesh, points=mesh.points[used])
    cells = compact.reshape(cells.shape)
    row = np.full(int(used.max()) + 1, -1)
    row[used] = np.arange(len(used))
    spread = np.ptp(mesh.points, axis=0).max()
    if len(np.unique(np.round(mesh.points / (1e-9 * spread)), axis=0)) < len(mesh.points):
        raise GeometryError(f"{place}: some points coincide, so that regions are not joined; merge them in the mesher")
    volumes = mesh.volumes(cells)
    if (np.abs(volumes) <= 1e-12 * mesh.edges(cells).max(axis=1) ** mesh.dimension).any():
        raise GeometryError(f"{place}: some cells are flat; correct the mesh")
    if len(np.unique(np.sort(cells, axis=1), axis=0)) < len(cells):
        raise GeometryError(f"{place}: some cells belong to two groups; let each have one")
    sides = {tuple(side) for side in faces(cells).tolist()}
    facets = {}
    for name, group in mesh.facets.items():
        group = np.where(group < len(row), row[np.minimum(group, len(row) - 1)], -1)
        if not all(tuple(side) in sides for side in np.sort(group, axis=1).tolist()):
            raise GeometryError(f'{place}: facets of boundary "{name}" are no faces of the cells; correct the mesh')
        facets[name] = group
    renumbered = {}
    for name, group in mesh.cells.items():
        group = row[group]
        turned = mesh.volumes(group) < 0
        group[turned] = group[turned][:, [1, 0, *range(2, mesh.dimension + 1)]]
        renumbered[name] = group
    return replace(mesh, cells=renumbered, facets=facets)
