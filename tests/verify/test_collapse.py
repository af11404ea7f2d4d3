"""V14: a void on a frictionless electrolyte in lithium that creeps, half a sphere and half a cylinder, at its first shape (small strain)."""

import math

import gmsh
import numpy as np
import pytest
from path import solve

MASIAS, N, YOUNG, NU = 7.7e-3, 6.56, 7820.0, 0.381  # 1/s at 1 MPa, and lithium's elastic constants in MPa
CREEP = {"creep_rate": f"{MASIAS * math.exp(37e3 / (8.314462618 * 298.15)):.12e} 1/s", "creep_exponent": N, "creep_breakdown_stress": "1 GPa"}
MATERIALS = {"Li": CREEP, "Li6PS5Cl": {"youngs_modulus": "1e7 GPa"}}  # the electrolyte is rigid
SLIPPERY = {"li|sse": {"tangential": "frictionless", "exchange_current_density": "1e-6 A/m^2"}}  # and no current is driven by the pressure
RATES = {"axisymmetric": lambda p: MASIAS / 2 * (1.5 * p / N) ** N,  # -da/dt/a in endless lithium under the pressure p
         "plane": lambda p: (3**0.5 / 2) ** (N + 1) * MASIAS * (2 * p / N) ** N}
DIMENSION = {"axisymmetric": 3, "plane": 2}
INNER, OUTER = 1.0, 10.0  # um


@pytest.fixture(scope="module")
def shell(tmp_path_factory):
    """Mesh of a quarter ring of lithium about a void, on a slab of electrolyte."""
    path = tmp_path_factory.mktemp("shell") / "shell.msh"
    gmsh.initialize()
    gmsh.option.setNumber("General.Terminal", 0)
    try:
        ring, void = (gmsh.model.occ.addDisk(0, 0, 0, r, r) for r in (OUTER, INNER))
        box = gmsh.model.occ.addRectangle(0, 0, 0, OUTER, OUTER)
        li = gmsh.model.occ.intersect(gmsh.model.occ.cut([(2, ring)], [(2, void)])[0], [(2, box)])[0]
        slab = gmsh.model.occ.addRectangle(0, -2, 0, OUTER, 2)
        gmsh.model.occ.fragment(li, [(2, slab)])
        gmsh.model.occ.synchronize()
        middles = {tag: gmsh.model.occ.getCenterOfMass(2, tag) for _, tag in gmsh.model.getEntities(2)}
        for name, above in (("li", True), ("sse", False)):
            gmsh.model.addPhysicalGroup(2, [tag for tag, (_, y, _) in middles.items() if (y > 0) is above], name=name)
        middles = {tag: gmsh.model.occ.getCenterOfMass(1, tag) for _, tag in gmsh.model.getEntities(1)}
        chosen = {"collector": lambda x, y: math.hypot(x, y) > 0.6 * OUTER and y > 0.1 and x > 0.1, "axis": lambda x, y: x < 1e-6,
                  "void|li": lambda x, y: math.hypot(x, y) < INNER and y > 0.1 and x > 0.1, "counter": lambda x, y: y < -1.99,
                  "void|sse": lambda x, y: abs(y) < 1e-6 and x < INNER}
        for name, test in chosen.items():
            gmsh.model.addPhysicalGroup(1, [tag for tag, (x, y, _) in middles.items() if test(x, y)], name=name)
        gmsh.model.mesh.setSizeCallback(lambda dim, tag, x, y, z, lc: 0.2 * max(math.hypot(x, y), INNER))
        gmsh.model.mesh.generate(2)
        gmsh.write(str(path))
    finally:
        gmsh.finalize()
    return path


@pytest.mark.parametrize("kind", RATES)
def test_void_collapses_as_in_endless_lithium(kind, shell, tmp_path):
    """V14 at 1, 3, 5 MPa: `-da/dt/a = (A/2)(3p/2n)^n` (sphere), `(sqrt3/2)^(n+1) A (2p/n)^n` (cylinder), steady, within 0.5 %.

    Endless lithium bears the pressure `p (1 - (a/b)^(d/n))` at the radius b = 10 a, d = 3 or 2: what presses there here.
    """
    d, pressures = DIMENSION[kind], (1.0, 3.0, 5.0)
    far = 1 - (INNER / OUTER) ** (d / N)
    protocol = []
    for p in pressures:
        protocol += [{"kind": "pressure", "to": f"{p * far} MPa", "duration": f"{1e-6 / RATES[kind](p)} s"},
                     {"kind": "rest", "duration": f"{0.25 / d / RATES[kind](p)} s"}]
    names = {name: name for name in ("collector", "axis", "counter", "void|li", "void|sse")}
    case = {"geometry": {"kind": kind, "file": str(shell), "regions": {"li": "li", "sse": "sse"}, "boundaries": names},
            "layers": [{"name": "li", "material": "Li"}, {"name": "sse", "material": "Li6PS5Cl"}], "materials": MATERIALS,
            "interfaces": SLIPPERY, "mechanics": {"boundaries": {"axis": "roller", "counter": "roller"}}, "protocol": protocol}
    run = solve(case, tmp_path)
    for n, p in enumerate(pressures):
        late = np.flatnonzero(run["phase"] == 2 * n + 1)[-3:]
        rate = -np.ptp(run["void_volume_ratio[void]"][late]) / -np.ptp(run["time_s"][late]) / d
        assert rate == pytest.approx(RATES[kind](p), rel=0.005)


def test_void_in_a_wide_cell(tmp_path):
    """A void of 1 um in a cell of 1 m: its volume under 5 MPa before anything flows, `1 - p (3/(4 G) + 1/K)`, within 1 %.

    The force on it is 1e-12 of the forces on the cell.
    """
    layers = [{"name": name, "material": material, "thickness": "1e6 um"} for name, material in (("li", "Li"), ("sse", "Li6PS5Cl"))]
    case = {"geometry": {"kind": "axisymmetric", "width": "1e6 um"}, "layers": layers, "materials": MATERIALS, "interfaces": SLIPPERY,
            "features": [{"kind": "void", "interface": "li|sse", "center": "0 um", "radius": "1 um", "height": "1 um"}],
            "mesh": {"size": "3e5 um", "interface_size": "3e5 um", "rim_size": "0.1 um"},
            "mechanics": {"boundaries": {"outer": "5 MPa", "collector": "5 MPa"}},
            "protocol": [{"kind": "rest", "duration": "1e-9 s", "first_step": "1e-9 s"}]}
    run = solve(case, tmp_path)
    shear, bulk = YOUNG / (2 * (1 + NU)), YOUNG / (3 * (1 - 2 * NU))
    assert 1 - run.last("void_volume_ratio[void]") == pytest.approx(5 * (0.75 / shear + 1 / bulk), rel=0.01)
