"""How far the elements of the flowing bodies are distorted in finite strain."""

from __future__ import annotations

from collections.abc import Callable
from math import factorial

import numpy as np
from mpi4py import MPI

from .domain import Domain
from .fields import BODIES, Fields

LEAST = 0.02  # of an element's quality at the start: below it the solution is no longer to be trusted
WORN = 0.25  # likewise: below it new elements are made where the case says so


def distortion(domain: Domain, fields: Fields, least: float, shape: dict[str, np.ndarray] | None) -> Callable[[], float]:
    """Function that tells how far the worst element of what flows has come towards `least`; negative before it.

    Quality is the scaled Jacobian `d! V/(mean squared edge)^(d/2)` of the element through the displaced vertices, relative to
    that at the start, or where the displacements are those of `shape`: an inverted element has a negative one.
    """
    parts = []
    for name, flow in fields.flows.items():
        sub = domain.submeshes[BODIES[name]].mesh
        cells = np.concatenate([cells for _, cells in flow.groups])
        vertices = sub.geometry.dofmaps[0][cells]
        nodes = fields[name].function_space.dofmap.list[cells][:, : vertices.shape[1]]
        points = sub.geometry.x[vertices][..., : domain.dimension]
        start = shape[name].reshape(-1, domain.dimension)[nodes] if shape else 0.0
        parts.append((fields[name], nodes, points, _quality(points + start)))

    def value() -> float:
        worst = np.inf
        for u, nodes, points, start in parts:
            moved = points + u.x.array.reshape(-1, domain.dimension)[nodes]
            worst = min(worst, float(np.min(_quality(moved) / start, initial=np.inf)))
        return least - domain.comm.allreduce(worst, MPI.MIN)

    return value


def _quality(points: np.ndarray) -> np.ndarray:
    """Signed, up to a constant factor; points (cell, vertex, d)."""
    d = points.shape[2]
    volume = np.linalg.det(points[:, 1:] - points[:, :1]) / factorial(d)
    first, second = np.triu_indices(d + 1, 1)
    edges = ((points[:, first] - points[:, second]) ** 2).sum(axis=2).mean(axis=1)
    return volume / edges ** (d / 2)
