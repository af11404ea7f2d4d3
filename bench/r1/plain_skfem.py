"""R1 as a competent user writes it in scikit-fem, with pyamg: CG with Ruge-Stueben multigrid. Prints one JSON line.

    python plain_skfem.py MESH.npz
"""

import json
import sys
import time

START = time.perf_counter()
import numpy as np
import pyamg
import scipy.sparse as sp
from scipy.sparse.linalg import cg
from skfem import Basis, BilinearForm, ElementTetP1, FacetBasis, LinearForm, MeshTet
from skfem.helpers import dot, grad

SIGMA, KAPPA, I0, CURRENT, HALF_F = 1.1e13, 0.3e6, 10.0, 10.0, 0.5 / 0.025692579
times = {"import": time.perf_counter() - START}
t = time.perf_counter()


def lap(name: str) -> None:
    global t
    times[name] = times.get(name, 0.0) + time.perf_counter() - t
    t = time.perf_counter()


def part(cells: np.ndarray) -> tuple[MeshTet, np.ndarray]:
    """Mesh of some cells, and the number in it of each point (-1 outside)."""
    used = np.unique(cells)
    number = np.full(len(data["points"]), -1)
    number[used] = np.arange(len(used))
    return MeshTet(data["points"][used].T.copy(), number[cells].T.copy()), number


def facets_of(mesh: MeshTet, corners: np.ndarray) -> np.ndarray:
    """Numbers of facets given by their corners."""
    count = mesh.p.shape[1]
    have = np.sort(mesh.facets, axis=0).astype(np.int64)
    want = np.sort(corners, axis=1).T.astype(np.int64)
    keys, wanted = ((a[0] * count + a[1]) * count + a[2] for a in (have, want))
    order = np.argsort(keys)
    return order[np.searchsorted(keys[order], wanted)]


data = np.load(sys.argv[1])
(metal, in_metal), (ions, in_ions) = part(data["cells li"]), part(data["cells sse"])
face = data["facets face"]
lap("mesh")
bases = [Basis(mesh, ElementTetP1(), intorder=1) for mesh in (metal, ions)]
sides = [FacetBasis(mesh, ElementTetP1(), facets=facets_of(mesh, number[face]), intorder=4)
         for mesh, number in ((metal, in_metal), (ions, in_ions))]
assert np.allclose(sides[0].global_coordinates(), sides[1].global_coordinates())
stiffness = BilinearForm(lambda u, v, w: dot(grad(u), grad(v)))
bulk = sp.block_diag([SIGMA * stiffness.assemble(bases[0]), KAPPA * stiffness.assemble(bases[1])]).tocsr()
top = FacetBasis(ions, ElementTetP1(), facets=facets_of(ions, in_ions[data["facets top"]]), intorder=1)
load = LinearForm(lambda v, w: v).assemble(top)
count = metal.p.shape[1]
right = np.concatenate([np.zeros(count), CURRENT * load])
free = np.setdiff1d(np.arange(count + ions.p.shape[1]), in_metal[np.unique(data["facets bottom"])])
mass = BilinearForm(lambda u, v, w: w.slope * u * v)
source = LinearForm(lambda v, w: w.current * v)
x, first, iterations, hierarchy = np.zeros(bulk.shape[0]), None, 0, None
pair = [sides[0].element_dofs, sides[1].element_dofs + count]
lap("assembly")
for _ in range(20):
    eta = HALF_F * (sides[0].interpolate(x[:count]).value - sides[1].interpolate(x[count:]).value)
    current, slope = 2 * I0 * np.sinh(eta), 2 * I0 * HALF_F * np.cosh(eta)
    out = np.concatenate([source.assemble(sides[0], current=current), -source.assemble(sides[1], current=current)])
    residual = bulk @ x + out + right
    norm = np.linalg.norm(residual[free])
    first = first or norm
    if norm <= 1e-10 * first:
        lap("assembly")
        break
    blocks = [mass.assemble(sides[a], sides[b], slope=slope) for a in (0, 1) for b in (0, 1)]
    jacobian = (bulk + sp.bmat([[blocks[0], -blocks[2]], [-blocks[1], blocks[3]]])).tocsr()[free][:, free]
    lap("assembly")
    if hierarchy is None:
        hierarchy = pyamg.ruge_stuben_solver(jacobian, max_coarse=500)
        lap("set-up")

    def count_one(_):
        global iterations
        iterations += 1

    step, told = cg(jacobian, residual[free], rtol=1e-4, maxiter=400, M=hierarchy.aspreconditioner(), callback=count_one)
    if told:
        raise SystemExit("CG did not converge")
    x[free] -= step
    lap("solve")
else:
    raise SystemExit("Newton did not converge")
print(json.dumps({"code": "scikit-fem", "unknowns": len(x), "answer_mV": -1e3 * float(load @ x[count:]) / 400.0, "iterations": iterations,
                  "nonzeros": int(jacobian.nnz), "times": times}))
