"""Meshes of layered cells with voids, flaws, pores, patches and roughness, made by Gmsh and cached by content."""

from .build import build_mesh
from .errors import GeometryError

__all__ = ["GeometryError", "build_mesh"]
