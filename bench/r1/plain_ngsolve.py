"""R1 as a competent user writes it in NGSolve: two H1 spaces, Newton with the linear solver named by the last word. Prints one JSON line.

    python plain_ngsolve.py MESH.npz sparsecholesky|h1amg
"""

import json
import sys
import time

START = time.perf_counter()
import netgen.meshing as nm
import numpy as np
from ngsolve import H1, BilinearForm, CGSolver, Compress, GridFunction, Integrate, Mesh, Preconditioner, Projector, SetNumThreads
from ngsolve import ds, dx, grad, sinh

SIGMA, KAPPA, I0, CURRENT, HALF_F = 1.1e13, 0.3e6, 10.0, 10.0, 0.5 / 0.025692579
times = {"import": time.perf_counter() - START}
SetNumThreads(1)
t = time.perf_counter()


def lap(name: str) -> None:
    global t
    times[name] = times.get(name, 0.0) + time.perf_counter() - t
    t = time.perf_counter()


data = np.load(sys.argv[1])
raw = nm.Mesh(dim=3)
raw.AddPoints(data["points"])
for name in ("li", "sse"):
    index = raw.AddRegion(name, dim=3)
    raw.AddElements(dim=3, index=index, data=data[f"cells {name}"].astype(np.int32), base=0)
for name in ("face", "patch", "bottom", "top", "sides"):
    index = raw.AddRegion(name, dim=2)
    raw.AddElements(dim=2, index=index, data=data[f"facets {name}"].astype(np.int32), base=0)
mesh = Mesh(raw)
lap("mesh")
whole = H1(mesh, order=1, dirichlet="bottom")
metal, ions = (Compress(H1(mesh, order=1, definedon=mesh.Materials(name), dirichlet="bottom" if name == "li" else ""),
                        active_dofs=whole.GetDofs(mesh.Materials(name))) for name in ("li", "sse"))  # fmt: skip
X = metal * ions
(u_m, u), (v_m, v) = X.TnT()
form = BilinearForm(X)
form += SIGMA * grad(u_m) * grad(v_m) * dx("li") + KAPPA * grad(u) * grad(v) * dx("sse")
form += 2 * I0 * sinh(HALF_F * (u_m - u)) * (v_m - v) * ds("face")
form += CURRENT * v * ds("top")
kind = sys.argv[2]
state = GridFunction(X)
state.vec[:] = 0.0
residual, step = state.vec.CreateVector(), state.vec.CreateVector()
free = X.FreeDofs(False)
first, iterations, preconditioner = None, 0, None
lap("compile")
if kind == "h1amg":  # one for each potential, with the slope of the kinetics at rest, made once
    preconditioner, kept = None, []
    for space, bulk, number, region in ((metal, SIGMA, 0, "li"), (ions, KAPPA, 1, "sse")):
        a, b = space.TnT()
        part = BilinearForm(bulk * grad(a) * grad(b) * dx(region) + 2 * I0 * HALF_F * a * b * ds("face"))
        amg = Preconditioner(part, "h1amg")
        part.Assemble()
        embed = X.embeddings[number]
        kept.append((part, amg))
        added = embed @ amg.mat @ embed.T
        preconditioner = preconditioner + added if number else added
    lap("set-up")
for _ in range(20):
    form.Apply(state.vec, residual)
    Projector(free, True).Project(residual)
    norm = residual.Norm()
    first = first or norm
    if norm <= 1e-10 * first:
        lap("assembly")
        break
    form.AssembleLinearization(state.vec)
    lap("assembly")
    if preconditioner is None:
        inverse = form.mat.Inverse(free, inverse="sparsecholesky")
        lap("set-up")
        step.data = inverse * residual
    else:
        inverse = CGSolver(form.mat, preconditioner, tol=1e-4, maxiter=300)
        step.data = inverse * residual
        iterations += inverse.iterations
    state.vec.data -= step
    lap("solve")
else:
    raise SystemExit("Newton did not converge")
voltage = Integrate(state.components[1] * ds("top"), mesh) / 400.0
print(json.dumps({"code": f"ngsolve {kind}", "unknowns": X.ndof, "answer_mV": -1e3 * voltage, "iterations": iterations, "times": times}))
