"""A Gaussian process through the outputs of members, where running more of them costs too much, with its error at points left out.

Covariance of two points, by the distance d_k on each axis: s2 prod_k exp(-d_k^2/(2 l_k^2)) on ranges, exp(-1/l_k) between different
entries of lists; s2 noise at the same point. The lengths l_k and the noise are those of the largest likelihood, mean and s2 follow
(Rasmussen and Williams, Gaussian Processes for Machine Learning, 2006, chapters 2 and 5).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

FOLDS = 5  # parts of the points that are left out in turn
LENGTHS, NOISE = (0.05, 50.0), (1e-8, 1.0)  # bounds, relative to the ranges and to the variance
STARTS = (0.3, 1.0, 3.0)  # lengths from which the likelihood is climbed


@dataclass(frozen=True)
class Surrogate:
    """points: (n, axes), ranges from 0 to 1 and numbers of entries; listed: which axes are lists; logs: of the lengths, then of the noise."""

    points: np.ndarray
    listed: np.ndarray
    logs: np.ndarray
    mean: float
    weights: np.ndarray

    def __call__(self, points: np.ndarray) -> np.ndarray:
        """Expected output at points (m, axes)."""
        return self.mean + covariance(points, self.points, self.listed, self.logs) @ self.weights


def covariance(a: np.ndarray, b: np.ndarray, listed: np.ndarray, logs: np.ndarray) -> np.ndarray:
    """(len(a), len(b)), over s2 and without noise."""
    exponent = np.zeros((len(a), len(b)))
    for k, length in enumerate(np.exp(logs[:-1])):
        apart = a[:, None, k] - b[None, :, k]
        exponent += (apart != 0) / length if listed[k] else 0.5 * (apart / length) ** 2
    return np.exp(-exponent)


def fit(points: np.ndarray, values: np.ndarray, listed: np.ndarray, start: np.ndarray | None = None) -> Surrogate:
    """Through values (n,) at points; `start`: logs to climb from instead of the usual ones."""
    from scipy.optimize import minimize

    scale = float(np.std(values)) or 1.0
    scaled = values / scale
    bounds = [tuple(np.log(LENGTHS))] * points.shape[1] + [tuple(np.log(NOISE))]
    starts = [start] if start is not None else [np.log([length] * points.shape[1] + [1e-4]) for length in STARTS]
    climbed = [minimize(lambda logs: _profile(points, scaled, listed, logs)[0], x0, method="L-BFGS-B", bounds=bounds) for x0 in starts]
    logs = min(climbed, key=lambda found: found.fun).x
    _, mean, weights = _profile(points, scaled, listed, logs)
    return Surrogate(points, listed, logs, scale * mean, scale * weights)


def _profile(points: np.ndarray, values: np.ndarray, listed: np.ndarray, logs: np.ndarray) -> tuple[float, float, np.ndarray]:
    """(-log likelihood at the best mean and s2, that mean, weights of the covariances)."""
    matrix = covariance(points, points, listed, logs) + (np.exp(logs[-1]) + 1e-10) * np.eye(len(points))
    lower = np.linalg.cholesky(matrix)
    ones, y = (np.linalg.solve(lower, column) for column in (np.ones(len(points)), values))
    mean = float(ones @ y / (ones @ ones))
    rest = y - mean * ones
    variance = max(float(rest @ rest) / len(points), 1e-300)
    return 0.5 * len(points) * np.log(variance) + np.log(np.diag(lower)).sum(), mean, np.linalg.solve(lower.T, rest)


def left_out(points: np.ndarray, values: np.ndarray, surrogate: Surrogate) -> np.ndarray:
    """What surrogates that have not seen a point, fitted anew to four fifths of the others, expect there."""
    found = np.empty(len(values))
    parts = np.random.default_rng(0).permutation(len(values)) % FOLDS
    for part in range(FOLDS):
        away, there = parts != part, parts == part
        found[there] = fit(points[away], values[away], surrogate.listed, surrogate.logs)(points[there])
    return found
