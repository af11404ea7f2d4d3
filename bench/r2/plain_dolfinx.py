"""R2 as a competent user writes it in DOLFINx: radial return in UFL, whose derivative is the consistent tangent; SNES and MUMPS.

    python plain_dolfinx.py MESH.msh P2|P2-P1

P2 displacements, with P2-P1 also the pressure of the lithium, P1 on a submesh: what interfem solves, for plastic flow keeps its volume.
Prints one JSON line. The state of flow lives at the points of a quadrature of degree 2 in the lithium, and changes after each step.
"""

import json
import sys
import time

START = time.perf_counter()
import importlib.util

if importlib.util.find_spec("dolfinx_solver"):
    import dolfinx_solver  # noqa: F401

import basix.ufl
import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from dolfinx.io import gmsh as gmshio
from mpi4py import MPI
from petsc4py import PETSc

LI, SSE = (7800.0, 0.38), (22100.0, 0.33)  # MPa
YIELD, HARDENING, LOAD, STEPS = 0.8, 7.8, 1.0, 10  # MPa
OPTIONS = {"snes_type": "newtonls", "snes_linesearch_type": "basic", "snes_rtol": 1e-9, "snes_atol": 1e-11,
           "ksp_type": "preonly", "pc_type": "cholesky", "pc_factor_mat_solver_type": "mumps"}
times = {"import": time.perf_counter() - START}


def lap(name: str, since: float) -> float:
    times[name] = times.get(name, 0.0) + time.perf_counter() - since
    return time.perf_counter()


comm = MPI.COMM_WORLD
t = time.perf_counter()
data = gmshio.read_from_msh(sys.argv[1], comm, 0, gdim=3)
domain, tags, facets = data.mesh, data.cell_tags, data.facet_tags
tag = {name: group.tag for name, group in data.physical_groups.items()}
t = lap("mesh", t)

V = fem.functionspace(domain, ("Lagrange", 2, (3,)))
u, mixed = fem.Function(V), sys.argv[2] == "P2-P1"
if mixed:
    lithium, to_domain, _, _ = mesh.create_submesh(domain, 3, tags.find(tag["li"]))
    Q = fem.functionspace(lithium, ("Lagrange", 1))
    p, (v, w) = fem.Function(Q), ufl.TestFunctions(ufl.MixedFunctionSpace(V, Q))
else:
    v = ufl.TestFunction(V)
points = {"quadrature_degree": 2, "quadrature_scheme": "default"}
tensors, scalars = (fem.functionspace(domain, basix.ufl.quadrature_element("tetrahedron", value_shape=shape, degree=2)) for shape in ((3, 3), ()))
plastic, hardened = fem.Function(tensors), fem.Function(scalars)  # plastic strain of the last step, and its sum
pressure = fem.Constant(domain, 0.0)
dx = ufl.Measure("dx", domain=domain, subdomain_data=tags, metadata=points)
ds = ufl.Measure("ds", domain=domain, subdomain_data=facets)


def shear_and_bulk(young, nu):
    return young / (2 * (1 + nu)), young / (3 * (1 - 2 * nu))


def elastic(eps, young, nu):
    shear, bulk = shear_and_bulk(young, nu)
    return 2 * shear * ufl.dev(eps) + bulk * ufl.tr(eps) * ufl.Identity(3)


eps = ufl.sym(ufl.grad(u))
trial = elastic(eps - plastic, *LI)
deviator = ufl.dev(trial)
q = ufl.sqrt(1.5 * ufl.inner(deviator, deviator) + 1e-20)
over = ufl.max_value(q - YIELD - HARDENING * hardened, 0.0)
increment = over / (3 * shear_and_bulk(*LI)[0] + HARDENING)
flow = 1.5 * increment / q * deviator
sigma = trial - 2 * shear_and_bulk(*LI)[0] * flow
n = ufl.FacetNormal(domain)
F = ufl.inner(elastic(eps, *SSE), ufl.sym(ufl.grad(v))) * dx(tag["sse"]) + pressure * ufl.inner(n, v) * ds(tag["collector"])
if mixed:
    F += ufl.inner(ufl.dev(sigma) - p * ufl.Identity(3), ufl.sym(ufl.grad(v))) * dx(tag["li"])
    F -= (ufl.tr(eps) + p / shear_and_bulk(*LI)[1]) * w * dx(tag["li"])
else:
    F += ufl.inner(sigma, ufl.sym(ufl.grad(v))) * dx(tag["li"])
domain.topology.create_connectivity(2, 3)
bcs = []
for name, axis in (("left", 0), ("right", 0), ("front", 1), ("back", 1), ("counter", 2)):
    dofs = fem.locate_dofs_topological(V.sub(axis), 2, facets.find(tag[name]))
    bcs.append(fem.dirichletbc(PETSc.ScalarType(0.0), dofs, V.sub(axis)))
blocked = {"kind": "mpi", "entity_maps": [to_domain]} if mixed else {}
problem = petsc.NonlinearProblem(ufl.extract_blocks(F) if mixed else F, [u, p] if mixed else u, bcs=bcs, petsc_options_prefix="r2_",
                                 petsc_options=OPTIONS, **blocked)
metal = tags.find(tag["li"])
at = tensors.element.interpolation_points
new_plastic, new_hardened = fem.Expression(plastic + flow, at), fem.Expression(hardened + increment, at)
travel = fem.form(ufl.inner(u, -n) * ds(tag["collector"]))
wall = fem.form(ufl.inner(u, n) * (ds(tag["void|li"]) + ds(tag["void|sse"])))
room = fem.form(-ufl.SpatialCoordinate(domain)[2] * n[2] * (ds(tag["void|li"]) + ds(tag["void|sse"])))
t = lap("compile", t)

PETSc.Log.begin()
newton = 0
for step in range(1, STEPS + 1):
    pressure.value = LOAD * step / STEPS
    problem.solve()
    assert problem.solver.getConvergedReason() > 0, step
    newton += problem.solver.getIterationNumber()
    kept = [fem.Function(tensors), fem.Function(scalars)]
    for target, expression in zip(kept, (new_plastic, new_hardened)):
        target.interpolate(expression, metal)
    plastic.x.array[:], hardened.x.array[:] = (target.x.array for target in kept)
total = time.perf_counter() - t
spent = {name: PETSc.Log.Event(name).getPerfInfo()["time"] for name in ("SNESFunctionEval", "SNESJacobianEval", "PCSetUp", "MatCholFctrNum", "MatCholFctrSym")}
assembly, set_up = spent["SNESFunctionEval"] + spent["SNESJacobianEval"], spent["PCSetUp"]
times |= {"assembly": assembly, "set-up": set_up, "solve": total - assembly - set_up}


def whole(form) -> float:
    return comm.allreduce(fem.assemble_scalar(form), MPI.SUM)


place = V.tabulate_dof_coordinates()
near = np.linalg.norm(place - (10.0, 10.0, 12.0), axis=1)
apex = u.x.array.reshape(-1, 3)[near.argmin(), 2] if near.min() < 1e-6 else np.inf
unknowns = 3 * V.dofmap.index_map.size_global + (Q.dofmap.index_map.size_global if mixed else 0)
print(json.dumps({"code": f"dolfinx {sys.argv[2]}", "unknowns": unknowns, "top_um": whole(travel) / 400.0, "apex_um": comm.allreduce(apex, MPI.MIN),
                  "void_ratio": 1.0 - whole(wall) / whole(room), "max_plastic_strain": float(hardened.x.array.max()), "newton": newton, "iterations": 0,
                  "nonzeros": int(problem.A.getInfo(PETSc.Mat.InfoType.GLOBAL_SUM)["nz_used"]), "times": times}))
