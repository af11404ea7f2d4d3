"""Gmsh from start to end: silent, without signal handlers, its errors told as GeometryError."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import gmsh

from .errors import GeometryError

OPTIONS = {
    "General.Terminal": 0,
    "General.NumThreads": 1,  # the same mesh on every machine
    "Mesh.MeshSizeExtendFromBoundary": 0,
    "Mesh.MeshSizeFromPoints": 0,
    "Mesh.MeshSizeFromCurvature": 0,
    "Mesh.Algorithm": 6,  # frontal Delaunay
    "Mesh.Algorithm3D": 1,  # Delaunay
    "Mesh.MshFileVersion": 4.1,
    "Mesh.Binary": 1,
    "Mesh.SaveAll": 0,
}


@contextmanager
def session() -> Iterator[None]:
    """An empty Gmsh model, gone afterwards."""
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGUSR1)}
    gmsh.initialize(readConfigFiles=False, interruptible=False)
    _heed(handlers)
    try:
        for name, value in OPTIONS.items():
            gmsh.option.setNumber(name, value)
        gmsh.model.add("interfem")
        yield
    except GeometryError:
        raise
    except Exception as error:  # Gmsh raises plain Exception
        raise GeometryError(f"geometry: Gmsh failed ({error}); if the mesh is built here, change a feature's size or place "
                            f"a little, or mesh.refinement") from error
    finally:
        gmsh.finalize()
        _heed(handlers)


def _heed(handlers: dict) -> None:
    """Gmsh takes signals away from those that listen to them; give them back."""
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            if callable(handler):
                signal.signal(number, handler)
