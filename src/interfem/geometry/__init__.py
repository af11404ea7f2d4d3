"""Meshes of layered cells with voids, flaws, pores, patches and roughness, made by Gmsh and cached by content."""

from .build import build_mesh, mesh_hash
from .describe import describe_mesh
from .errors import GeometryError
from .picture import picture

__all__ = ["GeometryError", "build_mesh", "describe_mesh", "mesh_hash", "picture"]
