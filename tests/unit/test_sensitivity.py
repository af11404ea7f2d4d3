"""Sobol' indices and surrogates against closed forms."""

import numpy as np
import pytest
from scipy.stats import qmc

from interfem.study.sensitivity import indices
from interfem.study.surrogate import fit, left_out


def ishigami(u: np.ndarray) -> np.ndarray:
    """sin x1 + 7 sin^2 x2 + 0.1 x3^4 sin x1 over (-pi, pi)^3, from the unit cube."""
    x = np.pi * (2 * u - 1)
    return np.sin(x[0]) + 7 * np.sin(x[1]) ** 2 + 0.1 * x[2] ** 4 * np.sin(x[0])


def exact() -> tuple[np.ndarray, np.ndarray]:
    """(first order, total) of Ishigami's function (Homma and Saltelli 1996)."""
    a, b = 7.0, 0.1
    v1, v2, v13 = 0.5 * (1 + b * np.pi**4 / 5) ** 2, a**2 / 8, b**2 * np.pi**8 * 8 / 225
    return np.array([v1, v2, 0]) / (v1 + v2 + v13), np.array([v1 + v13, v2, v13]) / (v1 + v2 + v13)


def test_indices_of_a_function_that_is_known():
    first, total = indices(lambda u: ishigami(u)[None], 4096, 3)
    for found, wanted in zip((first, total), exact()):
        assert found[0, 0] == pytest.approx(wanted, abs=0.01)
        assert (found[1, 0] <= found[0, 0]).all() and (found[0, 0] <= found[2, 0]).all()
        assert (found[1, 0] - 0.02 < wanted).all() and (wanted < found[2, 0] + 0.02).all()


def test_a_surrogate_knows_its_error_and_finds_the_same_indices():
    points = qmc.Sobol(3, rng=np.random.default_rng(2)).random(128)
    values = ishigami(points.T)
    model = fit(points, values, np.zeros(3, dtype=bool))
    fresh = np.random.default_rng(3).random((400, 3))
    there = np.sqrt(np.mean((model(fresh) - ishigami(fresh.T)) ** 2))
    told = np.sqrt(np.mean((left_out(points, values, model) - values) ** 2))
    assert there < 0.25 * values.std() and 0.4 < told / there < 3
    first, total = indices(lambda u: model(u.T)[None], 1024, 3)
    assert first[0, 0] == pytest.approx(exact()[0], abs=0.06) and total[0, 0] == pytest.approx(exact()[1], abs=0.08)


def test_a_surrogate_of_noise_does_not_pretend():
    rng = np.random.default_rng(0)
    points, values = rng.random((40, 2)), rng.normal(size=40)
    missed = values - left_out(points, values, fit(points, values, np.zeros(2, dtype=bool)))
    assert np.var(missed) > 0.7 * np.var(values)


def test_entries_of_a_list_have_no_order():
    """Four materials: the surrogate expects the same, in whichever order they are listed."""
    rng = np.random.default_rng(1)
    points = np.stack([rng.random(40), rng.integers(0, 4, 40)], axis=1)
    entries, listed = points[:, 1].astype(int), np.array([False, True])
    values = np.array([1.0, 9.0, 2.0, 5.0])[entries] + points[:, 0]
    fresh = np.stack([rng.random(20), rng.integers(0, 4, 20)], axis=1)
    found = fit(points, values, listed)(fresh)
    assert found == pytest.approx(np.array([1.0, 9.0, 2.0, 5.0])[fresh[:, 1].astype(int)] + fresh[:, 0], abs=0.1)
    order = np.array([2.0, 0.0, 3.0, 1.0])
    points[:, 1], fresh[:, 1] = order[entries], order[fresh[:, 1].astype(int)]
    assert fit(points, values, listed)(fresh) == pytest.approx(found, abs=1e-4)
