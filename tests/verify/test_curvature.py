"""Surface energy: the equilibrium of a curved face of metal is shifted by `gamma K Omega/F`, K the sum of its curvatures."""

import pytest
from cases import build, current, layer
from interfem.domain import read_domain
from interfem.mpi import world
from interfem.run import make_mesh
from interfem.solve import Timings
from path import merge, solve
from test_growth import CAVITY, FARADAY, OMEGA, TAU, in_cavity

GAMMA = 5.0  # J/m2: more than any, to show


def domain_of(case):
    comm = world()
    return read_domain(make_mesh(case, comm, Timings()), comm, case)


def ball(kind: str, size: float = 0.2):
    """Lithium in a pore of 1 um, wired, inside the electrolyte."""
    depth = {"depth": "6 um"} if kind == "box" else {}
    pore = {"kind": "pore", "layer": "sse", "position": "3 um", "center": "0 um", "radius": "1 um", "fill": "Li", "electrons": "collector"}
    return build([layer("li", "Li", 1), layer("sse", "Li6PS5Cl", 6)], [current(-1)], 6, kind, features=[pore],
                 interfaces={"pore|sse": {"surface_energy": f"{GAMMA} J/m^2"}}, geometry=depth,
                 mesh={"interface_size": f"{size} um", "size": "1 um"})  # fmt: skip


@pytest.mark.parametrize("kind, exact, within", [("plane", 1.0, 1e-6), ("axisymmetric", 2.0, 1e-6), ("box", 2.0, 1e-6)])
def test_curvature_of_a_ball(kind, exact, within):
    """1/a of a cylinder, 2/a of a sphere, positive since the metal bulges; 0 of the flat face."""
    domain = domain_of(ball(kind))
    found, owned = domain.curvature.x.array, domain.submeshes["gamma"].owned
    on = domain.on(["pore|sse"])[:owned]
    assert found[:owned][on] == pytest.approx(exact, rel=within)
    assert found[:owned][~on] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_ball_fills_against_pressure_and_surface_tension(tmp_path, sign):
    """V27 at its end: `p + 2 gamma/a = -F eta/Omega`, whichever way it is driven."""
    hold = {"kind": "voltage", "value": f"{10 * sign} mV", "duration": f"{12 * TAU} s"}
    tense = merge(CAVITY, {"interfaces": {"pore|sse": {"surface_energy": f"{GAMMA} J/m^2"}}})
    run = solve(tense | {"protocol": [hold]}, tmp_path)
    limit = -sign * FARADAY * 0.01 / OMEGA * 1e-6
    assert in_cavity(run.fields("interface", 0), "contact_pressure_MPa") == pytest.approx(limit - 2 * GAMMA, rel=0.01)
