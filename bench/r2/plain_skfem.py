"""R2 as a competent user writes it in scikit-fem: P2, radial return in NumPy, consistent tangent, SciPy's SuperLU. Prints one JSON line.

    python plain_skfem.py MESH.npz

Of orderings that of the symmetric pattern; pyamg (smoothed aggregation with the rigid motions) takes several times as long at these sizes.
"""

import json
import sys
import time

START = time.perf_counter()
import numpy as np
from scipy.sparse.linalg import splu
from skfem import Basis, BilinearForm, ElementTetP2, ElementVector, FacetBasis, Functional, LinearForm, MeshTet
from skfem.helpers import ddot, dot, eye, sym_grad, trace

LI, SSE = (7800.0, 0.38), (22100.0, 0.33)  # MPa
YIELD, HARDENING, LOAD, STEPS = 0.8, 7.8, 1.0, 10  # MPa
times = {"import": time.perf_counter() - START}
t = time.perf_counter()


def lap(name: str) -> None:
    global t
    times[name] = times.get(name, 0.0) + time.perf_counter() - t
    t = time.perf_counter()


def shear_and_bulk(young, nu):
    return young / (2 * (1 + nu)), young / (3 * (1 - 2 * nu))


def facets_of(mesh: MeshTet, corners: np.ndarray) -> np.ndarray:
    """Numbers of facets given by their corners."""
    count = mesh.p.shape[1]
    have, want = np.sort(mesh.facets, axis=0).astype(np.int64), np.sort(corners, axis=1).T.astype(np.int64)
    keys, wanted = ((a[0] * count + a[1]) * count + a[2] for a in (have, want))
    order = np.argsort(keys)
    return order[np.searchsorted(keys[order], wanted)]


def deviator(a: np.ndarray) -> np.ndarray:
    return a - eye(trace(a) / 3, 3)


data = np.load(sys.argv[1])
cells = [data["cells li"], data["cells sse"]]
mesh = MeshTet(data["points"].T.copy(), np.concatenate(cells).T.copy())
facets = {name: facets_of(mesh, data[f"facets {name}"]) for name in ("top", "bottom", "x", "y", "wall", "roof")}
lap("mesh")
element, first = ElementVector(ElementTetP2()), len(cells[0])
metal = Basis(mesh, element, intorder=2, elements=np.arange(first))
ceramic = Basis(mesh, element, intorder=2, elements=np.arange(first, mesh.t.shape[1]))
(G, K), (shear, bulk) = shear_and_bulk(*LI), shear_and_bulk(*SSE)
N = metal.N
free = np.setdiff1d(np.arange(N), np.concatenate([metal.get_dofs(facets[name]).all(f"u^{axis}") for axis, name in ((1, "x"), (2, "y"), (3, "bottom"))]))
stiffness = BilinearForm(lambda u, v, w: 2 * shear * ddot(deviator(sym_grad(u)), sym_grad(v)) + bulk * trace(sym_grad(u)) * trace(sym_grad(v)))
tangent = BilinearForm(lambda u, v, w: (2 * G * w.s * ddot(deviator(sym_grad(u)), sym_grad(v)) + K * trace(sym_grad(u)) * trace(sym_grad(v))
                                        - w.c * ddot(w.n, sym_grad(u)) * ddot(w.n, sym_grad(v))))  # fmt: skip
inner_force = LinearForm(lambda v, w: ddot(w.sigma, sym_grad(v)))
top = FacetBasis(mesh, element, facets=facets["top"], intorder=2)
push = LinearForm(lambda v, w: dot(w.n, v)).assemble(top)
elastic = stiffness.assemble(ceramic)
x = np.zeros(N)
shape = metal.dx.shape
plastic, hardened = np.zeros((3, 3, *shape)), np.zeros(shape)
lap("assembly")


def returned(eps: np.ndarray) -> tuple:
    """(stress, s left of the trial deviator, unit flow n, coefficient of n n in the tangent, plastic strain, its sum)."""
    trial = 2 * G * (deviator(eps) - plastic)
    q = np.sqrt(1.5 * ddot(trial, trial) + 1e-20)
    increment = np.maximum(q - YIELD - HARDENING * hardened, 0.0) / (3 * G + HARDENING)
    n = np.sqrt(1.5) * trial / q
    left = 1 - 3 * G * increment / q
    bend = np.where(increment > 0, 2 * G * (3 * G / (3 * G + HARDENING) - 3 * G * increment / q), 0.0)
    return left * trial + eye(K * trace(eps), 3), left, n, bend, plastic + np.sqrt(1.5) * increment * n, hardened + increment


newton = 0
for step in range(1, STEPS + 1):
    start = None
    for _ in range(25):
        sigma, left, n, bend, new_plastic, new_hardened = returned(sym_grad(metal.interpolate(x)))
        residual = (inner_force.assemble(metal, sigma=sigma) + elastic @ x + LOAD * step / STEPS * push)[free]
        norm = np.linalg.norm(residual)
        start = start or norm
        if norm <= max(1e-9 * start, 1e-11):
            lap("assembly")
            break
        jacobian = (tangent.assemble(metal, s=left, n=n, c=bend) + elastic).tocsr()[free][:, free]
        lap("assembly")
        factors = splu(jacobian.tocsc(), permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        lap("set-up")
        x[free] -= factors.solve(residual)
        newton += 1
        lap("solve")
    else:
        raise SystemExit(f"Newton did not converge in step {step}")
    plastic, hardened = new_plastic, new_hardened
walls = FacetBasis(mesh, element, facets=np.concatenate([facets["wall"], facets["roof"]]), intorder=2)
hole = Functional(lambda w: dot(w.n, w.u)).assemble(walls, u=walls.interpolate(x)) / Functional(lambda w: -w.x[2] * w.n[2]).assemble(walls)
vertex = int(np.abs(data["points"] - (10.0, 10.0, 12.0)).sum(axis=1).argmin())
print(json.dumps({"code": "scikit-fem", "unknowns": int(N), "top_um": -float(push @ x) / 400.0, "apex_um": float(x[metal.nodal_dofs[2, vertex]]),
                  "void_ratio": 1.0 - hole, "max_plastic_strain": float(hardened.max()), "newton": newton, "iterations": 0,
                  "nonzeros": int(jacobian.nnz), "times": times}))
