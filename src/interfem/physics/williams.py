"""Auxiliary fields about a crack front, for interaction integrals. Plain numpy, at points off the front.

In the plane across the front, with x1 ahead of the crack, x2 normal to it and z = x1 + i x2, the potentials of Kolosov and
Muskhelishvili give `2 mu (u1 + i u2) = kappa phi - z conj(phi') - conj(psi)`, `kappa = 3 - 4 nu` (plane strain). Where the front
is curved the same displacement turns with it: it stays compatible, but gains a hoop strain, and its stress a divergence.
Sources: Williams, J. Appl. Mech. 24 (1957) 109; Nahta and Moran, Int. J. Solids Struct. 30 (1993) 2027 for curved fronts.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Auxiliary:
    """In the frame (1, 2, 3) of the front, arrays over points: u_i,j and stress, (.., 3, 3); divergence of the stress, (.., 3).

    `bent` is the tension that the hoop strain adds in all directions across the front; it alone loads flat faces.
    """

    gradient: np.ndarray
    stress: np.ndarray
    divergence: np.ndarray
    bent: np.ndarray


def mode_1(z):
    """K_I = 1: (phi, phi', phi'', psi, psi')."""
    root = 1 / np.sqrt(2 * np.pi * z)
    return z * root, root / 2, -root / (4 * z), z * root / 2, root / 4


def mode_2(z):
    """K_II = 1."""
    root = 1 / np.sqrt(2 * np.pi * z)
    return -1j * z * root, -0.5j * root, 0.25j * root / z, 1.5j * z * root, 0.75j * root


def line_force(z):
    """Unit force per length on the front along x1: `sigma_rr = -cos(theta)/(pi r)`, all else zero; for the T-stress."""
    c = -0.25 / np.pi
    return c * np.log(z), c / z, -c / z**2, -c * np.log(z), -c / z


MODES = {"K_I": mode_1, "K_II": mode_2, "T": line_force}


def auxiliary(mode, x1: np.ndarray, x2: np.ndarray, bend: np.ndarray, shear: float, nu: float) -> Auxiliary:
    """Fields of a mode at points (x1, x2); `bend` (.., 2) is the logarithmic gradient of the arc length along the front.

    Hoop strain `bend.u`; divergence `lambda grad(bend.u) + stress bend - stress_33 bend`, as the fields across the front balance.
    """
    z, kappa, lame = x1 + 1j * x2, 3 - 4 * nu, 2 * shear * nu / (1 - 2 * nu)
    phi, d_phi, dd_phi, psi, d_psi = mode(z)
    moved = (kappa * phi - z * d_phi.conj() - psi.conj()) / (2 * shear)
    by_z, by_conj = (kappa * d_phi - d_phi.conj()) / (2 * shear), -(z * dd_phi.conj() + d_psi.conj()) / (2 * shear)
    first, second = by_z + by_conj, 1j * (by_z - by_conj)  # derivatives of u1 + i u2 by x1 and x2
    gradient = np.zeros((*z.shape, 3, 3))
    for j, column in enumerate((first, second)):
        gradient[..., 0, j], gradient[..., 1, j] = column.real, column.imag
    across = np.stack([moved.real, moved.imag], axis=-1)
    hoop = (bend * across).sum(axis=-1)
    gradient[..., 2, 2] = hoop
    strain = 0.5 * (gradient + np.swapaxes(gradient, -1, -2))
    stress = 2 * shear * strain + lame * np.trace(strain, axis1=-2, axis2=-1)[..., None, None] * np.eye(3)
    rising = np.einsum("...i,...ij->...j", bend, gradient[..., :2, :2]) - hoop[..., None] * bend
    divergence = np.zeros((*z.shape, 3))
    turning = np.einsum("...ij,...j->...i", stress[..., :2, :2], bend) - stress[..., 2, 2, None] * bend
    divergence[..., :2] = lame * rising + turning
    return Auxiliary(gradient, stress, divergence, lame * hoop)
