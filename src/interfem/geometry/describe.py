"""What a mesh holds, for printing: regions, interfaces, boundaries, cell counts, volumes, quality."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ..regions import interface_name
from .arrays import Mesh, neighbours, read_msh


def describe_mesh(path: Path, case) -> dict:
    """Counts, volumes (um^3; 1 um deep in the plane, the full turn about an axis), areas (um^2), edge lengths (um), quality.

    Quality is the ratio of inscribed to circumscribed radius times the dimension: 1 is best; thin films have flat cells.
    """
    mesh = read_msh(path, case.geometry.dimension)
    cells, _ = mesh.all_cells()
    quality, edges = mesh.quality(cells), mesh.edges(cells)
    between = {interface_name(*pair, case): facets for pair, facets in neighbours(mesh).items()}

    def volume(name: str) -> float:
        return turned(mesh, mesh.cells[name], mesh.volumes(mesh.cells[name]), case)

    def surface(facets: np.ndarray) -> dict:
        return {"facets": len(facets), "area": turned(mesh, facets, mesh.areas(facets), case)}

    return {
        "file": str(path),
        "dimension": mesh.dimension,
        "cells": len(cells),
        "nodes": len(mesh.points),
        "regions": {r.name: {"cells": len(mesh.cells[r.name]), "volume": volume(r.name),
                             "quality_min": float(mesh.quality(mesh.cells[r.name]).min())} for r in case.regions},
        "interfaces": {name: surface(facets) for name, facets in between.items()},
        "boundaries": {name: surface(facets) for name, facets in mesh.facets.items() if name not in between},
        "quality": {"min": float(quality.min()), "mean": float(quality.mean())},
        "edges": {"min": float(edges.min()), "max": float(edges.max())},
    }


def turned(mesh: Mesh, simplices: np.ndarray, measures: np.ndarray, case) -> float:
    """Sum of measures; about an axis each times 2 pi times its mean radius (Pappus)."""
    if case.geometry.kind == "axisymmetric":
        measures = measures * 2.0 * np.pi * mesh.points[simplices][:, :, 0].mean(axis=1)
    return float(measures.sum())
