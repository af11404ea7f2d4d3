"""Functions of one mesh as an unstructured grid for ParaView and pyvista: a `.vtu` of each rank, in binary, and the `.pvtu` that joins them.

Linear functions become point values, those that are constant in cells cell values; vectors of the plane get a third component. Each rank
writes its cells and its ghosts, which `vtkGhostType` tells apart, so that nothing is counted twice.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from dolfinx import common, fem, mesh

from ..cuts import CutSpace
from ..whole import whole

KINDS = {mesh.CellType.interval: 3, mesh.CellType.triangle: 5, mesh.CellType.tetrahedron: 10}  # VTK's numbers of cells
GHOST = 1  # VTK's number of a cell or point that another rank owns
LZ4 = 2  # VTK's number of a compression; a tenth of the time of zlib and text, and no larger
JOINED = """<?xml version="1.0"?>
<VTKFile type="PUnstructuredGrid" version="1.0">
  <PUnstructuredGrid GhostLevel="1">
    <PPointData>
{points}
    </PPointData>
    <PCellData>
{cells}
    </PCellData>
    <PPoints>
      <PDataArray type="Float64" NumberOfComponents="3" />
    </PPoints>
{pieces}
  </PUnstructuredGrid>
</VTKFile>
"""


def write_piece(path: Path, functions: list[fem.Function]) -> None:
    """This rank's part, owned cells and ghosts. OSError if it cannot be written."""
    from vtkmodules.util.numpy_support import numpy_to_vtk, numpy_to_vtkIdTypeArray
    from vtkmodules.vtkCommonCore import vtkPoints
    from vtkmodules.vtkCommonDataModel import vtkCellArray, vtkUnstructuredGrid
    from vtkmodules.vtkIOXML import vtkXMLUnstructuredGridWriter

    of = functions[0].function_space.mesh
    corners, places, numbers = _points(functions)
    points, cells, grid = vtkPoints(), vtkCellArray(), vtkUnstructuredGrid()
    points.SetData(numpy_to_vtk(places, deep=True))
    starts = np.arange(len(corners) + 1) * corners.shape[1]
    cells.SetData(numpy_to_vtkIdTypeArray(starts, deep=True), numpy_to_vtkIdTypeArray(corners.ravel(), deep=True))
    grid.SetPoints(points)
    grid.SetCells(KINDS[of.topology.cell_type], cells)
    maps = ((grid.GetPointData(), numbers, "vtkOriginalPointIds"),
            (grid.GetCellData(), of.topology.index_map(of.topology.dim), "vtkOriginalCellIds"))
    for data, numbers, name in maps:
        count = np.arange(numbers.size_local + numbers.num_ghosts)
        _add(data, name, numpy_to_vtkIdTypeArray(numbers.local_to_global(count.astype(np.int32)).astype(np.int64), deep=True))
        _add(data, "vtkGhostType", numpy_to_vtk(np.where(count < numbers.size_local, 0, GHOST).astype(np.uint8), deep=True))
    for function in functions:
        of_points = _linear(function)
        values = _values(function, corners, len(places)) if of_points else _padded(function)
        _add(grid.GetPointData() if of_points else grid.GetCellData(), function.name, numpy_to_vtk(values, deep=True))
    writer = vtkXMLUnstructuredGridWriter()
    writer.SetInputData(grid)
    writer.SetDataModeToAppended()
    writer.EncodeAppendedDataOff()
    writer.SetCompressorType(LZ4)
    writer.WriteToOutputStringOn()  # VTK itself tells no reason where a disk is full
    writer.Write()
    written = writer.GetOutputString()  # text, if by chance it could be
    with whole(path, "wb") as file:
        file.write(written if isinstance(written, bytes) else written.encode())


def join_pieces(path: Path, pieces: list[str], functions: list[fem.Function]) -> None:
    """The file that names those of all ranks."""
    ghost = '      <PDataArray type="UInt8" Name="vtkGhostType" />'
    lists = {True: ['      <PDataArray type="Int64" Name="vtkOriginalPointIds" IdType="1" />', ghost],
             False: ['      <PDataArray type="Int64" Name="vtkOriginalCellIds" IdType="1" />', ghost]}
    for function in functions:
        size = 1 if _components(function) == 1 else 3
        lists[_linear(function)].append(f'      <PDataArray type="Float64" Name="{function.name}" NumberOfComponents="{size}" />')
    sources = "\n".join(f'    <Piece Source="{piece}" />' for piece in pieces)
    with whole(path) as file:
        file.write(JOINED.format(points="\n".join(lists[True]), cells="\n".join(lists[False]), pieces=sources))


def _add(data, name: str, array) -> None:
    array.SetName(name)
    data.AddArray(array)


def _points(functions: list[fem.Function]) -> tuple[np.ndarray, np.ndarray, common.IndexMap]:
    """(points of each cell, places, numbering of the points): those of the mesh, or one for each side where potentials jump."""
    of = functions[0].function_space.mesh
    cut = next((f.function_space for f in functions if isinstance(f.function_space, CutSpace)), None)
    if cut is None:
        return of.geometry.dofmaps[0].astype(np.int64), of.geometry.x, of.geometry.index_map()
    return cut.dofmap.list.astype(np.int64), np.ascontiguousarray(cut.places[:, :3]), cut.dofmap.index_map


def _linear(function: fem.Function) -> bool:
    return function.function_space.ufl_element().basix_element.degree == 1


def _components(function: fem.Function) -> int:
    return function.function_space.dofmap.index_map_bs


def _padded(function: fem.Function) -> np.ndarray:
    """Values, a row for each place; vectors with three components."""
    rows = function.x.array.reshape(-1, _components(function))
    return rows if rows.shape[1] in (1, 3) else np.pad(rows, ((0, 0), (0, 3 - rows.shape[1])))


def _values(function: fem.Function, corners: np.ndarray, count: int) -> np.ndarray:
    """Of a linear function at the points of its mesh, which have numbers of their own."""
    rows = _padded(function)
    found = np.zeros((count, rows.shape[1]))
    found[corners] = rows[function.function_space.dofmap.list]
    return found
