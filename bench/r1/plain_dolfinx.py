"""R1 as a competent user writes it in DOLFINx: submeshes, one blocked system, SNES with tuned CG + GAMG. Prints one JSON line.

    python plain_dolfinx.py MESH.msh
"""

import json
import sys
import time

START = time.perf_counter()
import importlib.util

if importlib.util.find_spec("dolfinx_solver"):
    import dolfinx_solver  # noqa: F401

import numpy as np
import ufl
from dolfinx import fem, mesh
from dolfinx.fem import petsc
from dolfinx.io import gmsh as gmshio
from mpi4py import MPI
from petsc4py import PETSc

SIGMA, KAPPA, I0, CURRENT, HALF_F = 1.1e13, 0.3e6, 10.0, 10.0, 0.5 / 0.025692579  # pA/(V um), A/m^2, 1/V
OPTIONS = {"snes_type": "newtonls", "snes_linesearch_type": "basic", "snes_rtol": 1e-10, "snes_ksp_ew": True, "snes_lag_preconditioner": -2,
           "ksp_type": "cg", "pc_type": "gamg", "pc_gamg_threshold": 0.02}
times = {"import": time.perf_counter() - START}


def lap(name: str, since: float) -> float:
    times[name] = times.get(name, 0.0) + time.perf_counter() - since
    return time.perf_counter()


comm = MPI.COMM_WORLD
t = time.perf_counter()
data = gmshio.read_from_msh(sys.argv[1], comm, 0, gdim=3)
domain, tags = data.mesh, data.cell_tags
li, sse, face, bottom, top = (data.physical_groups[name].tag for name in ("li", "sse", "li|sse", "collector", "counter"))
subs = {name: mesh.create_submesh(domain, 3, tags.find(tag)) for name, tag in (("m", li), ("e", sse))}
maps = [sub[1] for sub in subs.values()]
domain.topology.create_connectivity(2, 3)
integration = fem.compute_integration_domains(fem.IntegralType.interior_facet, domain.topology, data.facet_tags.find(face)).reshape(-1, 4)
metal = np.zeros(domain.topology.index_map(3).size_local, bool)
metal[tags.find(li)] = True
swap = ~metal[integration[:, 0]]
integration[swap] = integration[swap][:, [2, 3, 0, 1]]
t = lap("mesh", t)

V = [fem.functionspace(sub[0], ("Lagrange", 1)) for sub in subs.values()]
phi_m, phi = (fem.Function(space) for space in V)
q_m, q = ufl.TestFunctions(ufl.MixedFunctionSpace(*V))
dx = ufl.Measure("dx", domain=domain, subdomain_data=tags)
dS = ufl.Measure("dS", domain=domain, subdomain_data=[(1, integration.reshape(-1))], metadata={"quadrature_degree": 5})
ds = ufl.Measure("ds", domain=domain, subdomain_data=data.facet_tags)
i = 2 * I0 * ufl.sinh(HALF_F * (phi_m("+") - phi("-")))
F = (SIGMA * ufl.inner(ufl.grad(phi_m), ufl.grad(q_m)) * dx(li) + KAPPA * ufl.inner(ufl.grad(phi), ufl.grad(q)) * dx(sse)
     + i * (q_m("+") - q("-")) * dS(1) + CURRENT * q * ds(top))  # fmt: skip
blocks = ufl.extract_blocks(F)
facets = mesh.transfer_meshtags_to_submesh(data.facet_tags, subs["m"][0], subs["m"][2], subs["m"][1])
subs["m"][0].topology.create_connectivity(2, 3)
bc = fem.dirichletbc(0.0, fem.locate_dofs_topological(V[0], 2, facets.find(bottom)), V[0])
problem = petsc.NonlinearProblem(blocks, [phi_m, phi], bcs=[bc], kind="mpi", entity_maps=maps,
                                 petsc_options_prefix="r1_", petsc_options=OPTIONS)
mean = fem.form(phi * ds(top), entity_maps=maps)
t = lap("compile", t)

PETSc.Log.begin()
problem.solve()
solver = problem.solver
assert solver.getConvergedReason() > 0
total = time.perf_counter() - t
spent = {name: PETSc.Log.Event(name).getPerfInfo()["time"] for name in ("SNESFunctionEval", "SNESJacobianEval", "PCSetUp")}
assembly, set_up = spent["SNESFunctionEval"] + spent["SNESJacobianEval"], spent["PCSetUp"]
times |= {"assembly": assembly, "set-up": set_up, "solve": total - assembly - set_up}
voltage = comm.allreduce(fem.assemble_scalar(mean), MPI.SUM) / 400.0
unknowns = sum(space.dofmap.index_map.size_global for space in V)
print(json.dumps({"code": "dolfinx", "unknowns": unknowns, "answer_mV": -1e3 * voltage, "iterations": solver.getLinearSolveIterations(),
                  "nonzeros": int(solver.getJacobian()[0].getInfo(PETSc.Mat.InfoType.GLOBAL_SUM)["nz_used"]), "times": times}))
