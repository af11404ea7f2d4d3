"""R2 as a competent user writes it in NGSolve: P2, radial return at integration points, its tangent by differentiation, sparsecholesky.

    python plain_ngsolve.py MESH.npz P2|P2-P1

Prints one JSON line. With P2-P1 the pressure of the lithium is an unknown too, as in plain_dolfinx.py.
"""

import json
import sys
import time

START = time.perf_counter()
import netgen.meshing as nm
import numpy as np
from ngsolve import H1, BilinearForm, Compress, GridFunction, Id, IfPos, InnerProduct, Integrate, MatrixValued, Mesh, Projector
from ngsolve import Grad, Parameter, SetNumThreads, Sym, Trace, VectorH1, ds, dx, specialcf, sqrt, z
from ngsolve.comp import IntegrationRuleSpace

LI, SSE = (7800.0, 0.38), (22100.0, 0.33)  # MPa
YIELD, HARDENING, LOAD, STEPS = 0.8, 7.8, 1.0, 10  # MPa
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
for name in ("top", "bottom", "x", "y", "wall", "roof"):
    index = raw.AddRegion(name, dim=2)
    raw.AddElements(dim=2, index=index, data=data[f"facets {name}"].astype(np.int32), base=0)
mesh = Mesh(raw)
lap("mesh")


def shear_and_bulk(young, nu):
    return young / (2 * (1 + nu)), young / (3 * (1 - 2 * nu))


def deviator(a):
    return a - Trace(a) / 3 * Id(3)


mixed = sys.argv[2] == "P2-P1"
V = VectorH1(mesh, order=2, dirichletx="x", dirichlety="y", dirichletz="bottom")
X = V * Compress(H1(mesh, order=1, definedon="li"), active_dofs=H1(mesh, order=1).GetDofs(mesh.Materials("li"))) if mixed else V
(u, p), (v, w) = X.TnT() if mixed else ((V.TrialFunction(), None), (V.TestFunction(), None))
state = GridFunction(X)
moved = state.components[0] if mixed else state
scalars = IntegrationRuleSpace(mesh, order=1, definedon=mesh.Materials("li"))  # four points, exact to degree 2
tensors = MatrixValued(scalars)
plastic, hardened = GridFunction(tensors), GridFunction(scalars)
rule = dx("li", intrules=scalars.GetIntegrationRules())
pressure = Parameter(0.0)
G, K = shear_and_bulk(*LI)


def returned(eps):
    """(stress deviator, flow, its amount) at the strain eps."""
    trial = 2 * G * (deviator(eps) - plastic)
    q = sqrt(1.5 * InnerProduct(trial, trial) + 1e-20)
    over = q - YIELD - HARDENING * hardened
    increment = IfPos(over, over / (3 * G + HARDENING), 0.0)
    flow = 1.5 * increment / q * trial
    return trial - 2 * G * flow, flow, increment


shear, bulk = shear_and_bulk(*SSE)
normal = specialcf.normal(3)
form = BilinearForm(X, symmetric=True)
spherical = -p if mixed else K * Trace(Sym(Grad(u)))
form += InnerProduct(returned(Sym(Grad(u)))[0] + spherical * Id(3), Sym(Grad(v))).Compile() * rule
if mixed:
    form += -(Trace(Grad(u)) + p / K) * w * rule
form += InnerProduct(2 * shear * deviator(Sym(Grad(u))) + bulk * Trace(Sym(Grad(u))) * Id(3), Sym(Grad(v))) * dx("sse")
form += pressure * normal * v * ds("top")
_, flow, increment = returned(Sym(Grad(moved)))
free = X.FreeDofs()
residual, step = state.vec.CreateVector(), state.vec.CreateVector()
newton, inverse = 0, None
lap("compile")
for number in range(1, STEPS + 1):
    pressure.Set(LOAD * number / STEPS)
    first = None
    for _ in range(25):
        form.Apply(state.vec, residual)
        Projector(free, True).Project(residual)
        norm = residual.Norm()
        first = first or norm
        if norm <= max(1e-9 * first, 1e-11):
            lap("assembly")
            break
        form.AssembleLinearization(state.vec)
        lap("assembly")
        if inverse is None:
            inverse = form.mat.Inverse(free, inverse="sparsecholesky")
        else:
            inverse.Update()  # as ordered before
        lap("set-up")
        state.vec.data -= inverse * residual
        newton += 1
        lap("solve")
    else:
        raise SystemExit(f"Newton did not converge in step {number}")
    kept = GridFunction(tensors), GridFunction(scalars)
    kept[0].Interpolate(plastic + flow)
    kept[1].Interpolate(hardened + increment)
    plastic.vec.data, hardened.vec.data = kept[0].vec, kept[1].vec
    lap("assembly")
top = Integrate(-moved * normal * ds("top"), mesh) / 400.0
hole = Integrate(moved * normal * ds("wall|roof"), mesh) / Integrate(-z * normal[2] * ds("wall|roof"), mesh)
apex = float(moved(mesh(10.0, 10.0, 12.0 + 1e-9))[2])
print(json.dumps({"code": f"ngsolve {sys.argv[2]}", "unknowns": X.ndof, "top_um": top, "apex_um": apex, "void_ratio": 1.0 - hole,
                  "max_plastic_strain": max(hardened.vec), "newton": newton, "iterations": 0, "times": times}))
