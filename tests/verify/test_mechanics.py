"""Flow, elasticity and swelling against closed forms, from the case to the numbers of the run folder."""

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from path import Run, merge, solve

from interfem.case import load_case, parse_case
from interfem.geometry import build_mesh
from interfem.mpi import world
from interfem.run import run as run_case

R = 8.314462618
YOUNG, NU = 7820.0, 0.381  # MPa, of Li in the library
MASIAS, EXPONENT, Q = 7.7e-3, 6.56, 37e3  # 1/s at 1 MPa and 298.15 K; J/mol


def lithium(rate: float = MASIAS, exponent: float = EXPONENT, **others) -> dict:
    """[materials.Li] with the given creep rate at 1 MPa and 298.15 K."""
    return {"Li": {"creep_rate": f"{rate * math.exp(Q / (R * 298.15)):.12e} 1/s", "creep_exponent": exponent, **others}}


BAR = {
    "geometry": {"kind": "axisymmetric", "width": "10 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "10 um"}],
    "materials": lithium(),
    "mesh": {"size": "5 um"},
    "mechanics": {"boundaries": {"outer": "free"}},
}


def shortening(run, phase: int) -> float:
    """Strain rate (1/s, compression positive) over the second half of a protocol step."""
    at = np.flatnonzero(run["phase"] == phase)
    ends = [at[len(at) // 2], at[-1]]
    return float(-np.diff(run["collector_displacement_um"][ends])[0] / np.diff(run["time_s"][ends])[0]) / 10


# ---- uniaxial -----------------------------------------------------------------------------------------------------------


def test_creep_rate_follows_the_power_law(tmp_path):
    """V11: 2.00e-7, 1.888e-5, 2.70e-4, 1.167e-3, 7.7e-3 1/s at 0.2, 0.4, 0.6, 0.75, 1 MPa, within 0.5 %."""
    rates = {0.2: 2.00e-7, 0.4: 1.888e-5, 0.6: 2.70e-4, 0.75: 1.167e-3, 1.0: 7.7e-3}
    protocol = []
    for stress, rate in rates.items():
        protocol += [{"kind": "pressure", "to": f"{stress} MPa", "duration": "1e-3 s"},
                     {"kind": "rest", "duration": f"{1e-3 / rate} s"}]
    run = solve(BAR | {"protocol": protocol}, tmp_path)
    for n, (stress, rate) in enumerate(rates.items()):
        assert shortening(run, 2 * n + 1) == pytest.approx(MASIAS * stress**EXPONENT, rel=1e-6)
        assert shortening(run, 2 * n + 1) == pytest.approx(rate, rel=5e-3)
    assert run.last("max_plastic_strain") == pytest.approx(-run.last("collector_displacement_um") / 10 - 1 / YOUNG, rel=1e-6)
    assert run.last("metal_max_von_mises_MPa") == pytest.approx(1.0, rel=1e-7)


@pytest.mark.parametrize("temperature, factor", [(253.15, 0.0704), (273.15, 0.2551), (333.15, 4.797), (353.15, 10.22)])
def test_creep_is_thermally_activated(temperature, factor, tmp_path):
    """V11: rate over that at 298.15 K, Q = 37 kJ/mol."""
    protocol = [{"kind": "pressure", "to": "1 MPa", "duration": "1e-3 s"}, {"kind": "rest", "duration": f"{0.1 / factor} s"}]
    run = solve(BAR | {"temperature": f"{temperature} K", "protocol": protocol}, tmp_path)
    assert shortening(run, 1) / MASIAS == pytest.approx(factor, rel=1e-3)


def test_hardening_bar(tmp_path):
    """J2, linear hardening: strain `q/E + (q - sigma_y)/H`; elastic unloading leaves the plastic part."""
    steel = {"Li": {"yield_stress": "0.8 MPa", "hardening_modulus": "50 MPa"}}
    steps = [{"kind": "pressure", "to": p} for p in ("0.7 MPa", "1.5 MPa", "1 MPa", "0 MPa")]
    layers = [BAR["layers"][0] | {"law": "j2"}]
    run = solve(BAR | {"layers": layers, "materials": steel, "protocol": steps}, tmp_path)
    plastic = (1.5 - 0.8) / 50
    expected = np.array([0.7 / YOUNG, 1.5 / YOUNG + plastic, 1.0 / YOUNG + plastic, plastic])
    assert -run.ends("collector_displacement_um") / 10 == pytest.approx(expected, rel=1e-7)
    assert run.last("max_plastic_strain") == pytest.approx(plastic, rel=1e-7)


def test_elastic_bar_and_pressure_steps_down(tmp_path):
    """Strain p/E, for pressure steps up and down, back to zero; and the stiffness of springs, which adds to the load."""
    elastic = merge(BAR, {"mechanics": {"boundaries": {"collector": {"spring": "100 MPa/um"}}}})
    elastic["layers"] = [BAR["layers"][0] | {"law": "elastic"}]
    steps = [{"kind": "pressure", "to": p} for p in ("5 MPa", "2 MPa", "0 MPa")]
    free = solve(elastic | {"mechanics": BAR["mechanics"], "protocol": steps}, tmp_path / "free")
    assert free.ends("collector_displacement_um") == pytest.approx(np.array([-5, -2, 0]) / YOUNG * 10, abs=1e-10)
    sprung = solve(elastic | {"protocol": steps}, tmp_path / "sprung")
    assert sprung.ends("collector_displacement_um") == pytest.approx(np.array([-5, -2, 0]) / (YOUNG / 10 + 100), abs=1e-10)


# ---- thick cylinder -----------------------------------------------------------------------------------------------------

INNER, OUTER = 5.0, 10.0
TUBE = {
    "geometry": {"kind": "axisymmetric", "inner_radius": "5 um", "width": "10 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "1 um"}],
    "mesh": {"size": "0.35 um"},
    "mechanics": {"boundaries": {"inner": "1 MPa", "outer": "free", "collector": "roller"}},
}


def radial_profile(run, number: int = -1, part: str = "metal"):
    """(r at the centroids, {name: cell values}) of a part."""
    grid = run.fields(part, number)
    return grid.cell_centers().points[:, 0], {name: np.asarray(grid.cell_data[name]) for name in grid.cell_data}


def bore(run, number: int) -> float:
    """Mean radial displacement of the bore, um."""
    grid = run.fields("metal", number)
    return float(np.mean(grid.point_data["displacement_um"][np.isclose(grid.points[:, 0], INNER), 0]))


@pytest.mark.parametrize("n, difference, rate", [(1.0, 2.66667, 2.0), (5.0, 1.65193, 5.18962), (6.56, 1.60050, 7.37305)])
def test_thick_cylinder_creeps_at_the_steady_rate(n, difference, rate, tmp_path):
    """V12, p = 1 MPa, b/a = 2: stress difference and rate at the bore within 1 %; stresses across the wall; no locking."""
    duration = 5e-3 / (MASIAS * rate)  # half a percent of strain, some forty times the elastic strain
    protocol = [{"kind": "rest", "duration": f"{duration} s", "first_step": f"{1e-4 * duration} s"}]
    output = {"figures": False, "interval": f"{0.8 * duration} s"}
    case = TUBE | {"materials": lithium(exponent=n), "protocol": protocol, "output": output}
    run = solve(case, tmp_path)
    r, cells = radial_profile(run)
    jump = difference * (INNER / r) ** (2 / n)  # sigma_theta - sigma_r
    radial = -((OUTER / r) ** (2 / n) - 1) / ((OUTER / INNER) ** (2 / n) - 1)
    assert cells["von_mises_MPa"] == pytest.approx(math.sqrt(0.75) * jump, rel=0.01)
    assert cells["max_principal_MPa"] == pytest.approx(radial + jump, abs=0.01)
    assert cells["pressure_MPa"] == pytest.approx(-radial - jump / 2, abs=0.01)
    first, last = run.times("metal")[-2:]
    assert (bore(run, -1) - bore(run, -2)) / (last - first) / INNER / MASIAS == pytest.approx(rate, rel=0.01)


def test_plastic_cylinder_near_its_limit_load(tmp_path):
    """Hill: J2 without hardening at 0.9 of the limit load `2k ln(b/a)`, 2k = 2 sigma_y/sqrt(3), nu close to 1/2.

    The plastic front c solves `p/2k = ln(c/a) + (1 - c^2/b^2)/2`; `u(b) = 2k c^2 (1 - nu^2)/(E b)`, `u(a) = u(b) b/a`.
    """
    yield_stress, nu = 0.8, 0.4999
    k2 = 2 * yield_stress / math.sqrt(3)
    pressure = 0.9 * k2 * math.log(OUTER / INNER)
    low, high = INNER, OUTER
    for _ in range(60):
        c = 0.5 * (low + high)
        low, high = (c, high) if math.log(c / INNER) + (1 - c**2 / OUTER**2) / 2 < pressure / k2 else (low, c)
    expected = k2 * c**2 * (1 - nu**2) / (YOUNG * OUTER) * OUTER / INNER
    metal = {"yield_stress": f"{yield_stress} MPa", "hardening_modulus": "1e-6 MPa", "poisson_ratio": nu}
    loaded = {"boundaries": {"inner": {"spring": "1e-9 MPa/um"}}}  # a spring carries the protocol's pressure
    case = merge(TUBE, {"materials": {"Li": metal}, "mechanics": loaded})
    case["layers"] = [TUBE["layers"][0] | {"law": "j2"}]
    run = solve(case | {"protocol": [{"kind": "pressure", "to": f"{pressure} MPa"}]}, tmp_path)
    assert bore(run, -1) == pytest.approx(expected, rel=0.01)
    r, cells = radial_profile(run)
    plastic = r < c - 0.4
    radial = -pressure + k2 * np.log(r / INNER)
    assert cells["pressure_MPa"][plastic] == pytest.approx(-(radial + k2 / 2)[plastic], abs=0.01)


def test_nearly_incompressible_metal_does_not_lock(tmp_path):
    """Lame, plane strain, nu = 0.4999: `u(a) = p a (1+nu)/E ((1-2nu) a^2 + b^2)/(b^2 - a^2)`; uniform pressure."""
    nu = 0.4999
    case = TUBE | {"materials": {"Li": {"poisson_ratio": nu, "yield_stress": "50 MPa"}}, "mesh": {"size": "1.5 um"}}
    case["layers"] = [TUBE["layers"][0] | {"law": "j2"}]
    run = solve(case | {"protocol": [{"kind": "rest", "duration": "1 s", "first_step": "1 s"}]}, tmp_path)
    expected = INNER * (1 + nu) / YOUNG * ((1 - 2 * nu) * INNER**2 + OUTER**2) / (OUTER**2 - INNER**2)
    assert bore(run, -1) == pytest.approx(expected, rel=2e-3)
    _, cells = radial_profile(run)
    assert cells["pressure_MPa"] == pytest.approx(-INNER**2 / (OUTER**2 - INNER**2) * 2 * (1 + nu) / 3, abs=0.02)


# ---- swelling -----------------------------------------------------------------------------------------------------------

ALLOY = {
    "geometry": {"kind": "axisymmetric", "width": "20 um"},
    "layers": [{"name": "alloy", "material": "Li-In", "thickness": "10 um", "law": "elastic"},
               {"name": "sse", "material": "Li6PS5Cl", "thickness": "10 um"}],
    "materials": {"Li-In": {"partial_molar_volume": "9e-6 m^3/mol", "diffusivity": "1e-11 m^2/s", "youngs_modulus": "20 GPa",
                            "poisson_ratio": 0.3}},
    "interfaces": {"alloy|sse": {"tangential": "frictionless", "exchange_current_density": "1 mA/cm^2"}},
    "mesh": {"size": "4 um", "interface_size": "4 um"},
    "protocol": [{"kind": "current", "value": "-1 mA/cm^2", "duration": "100 s"}, {"kind": "rest", "duration": "1000 s"}],
}
LINEAR_STRAIN = 9e-6 * (10 * 100 / 96485.33212 / 10e-6) / 3  # Omega_c (c - c0)/3 after 1000 C/m^2 in 10 um


def test_free_alloy_swells_evenly_without_stress(tmp_path):
    run = solve(merge(ALLOY, {"mechanics": {"boundaries": {"outer": "free"}}}), tmp_path)
    assert run.last("collector_displacement_um") == pytest.approx(10 * LINEAR_STRAIN, rel=1e-4)
    grid = run.fields("metal")
    radius = grid.points[:, 0]
    assert grid.point_data["displacement_um"][:, 0] == pytest.approx(radius * LINEAR_STRAIN, abs=20 * LINEAR_STRAIN * 1e-4)
    assert run.last("metal_max_von_mises_MPa") < 1e-3 * 20e3 * LINEAR_STRAIN


def test_constrained_alloy_is_stressed_in_its_plane(tmp_path):
    """Biaxial stress `-E eps/(1-nu)`, thickness strain `eps (1+nu)/(1-nu)`."""
    run = solve(merge(ALLOY, {"mechanics": {}}), tmp_path)
    stress = 20e3 * LINEAR_STRAIN / (1 - 0.3)
    assert run.last("collector_displacement_um") == pytest.approx(10 * LINEAR_STRAIN * 1.3 / 0.7, rel=1e-4)
    assert run.last("metal_max_von_mises_MPa") == pytest.approx(stress, rel=1e-4)
    assert run.last("metal_max_pressure_MPa") == pytest.approx(stress * 2 / 3, rel=1e-4)


def test_stuck_film_shares_its_strain_with_the_electrolyte(tmp_path):
    """Far from the rim of a free disc: film stress `-M_f eps/(1 + M_f h_f/(M_s h_s))`, M = E/(1-nu), if it sticks."""
    steep = {"table": [[0.0, "1.5 V"], [1.0, "0.1 V"]]}  # so that stress moves little lithium to the relaxed rim
    film = merge(ALLOY, {"geometry": {"width": "80 um"}, "mechanics": {"boundaries": {"outer": "free"}},
                         "materials": {"Li6PS5Cl": {"youngs_modulus": "22 GPa", "poisson_ratio": 0.3},
                                       "Li-In": {"diffusivity": "1e-13 m^2/s", "equilibrium_potential": steep}}})  # fmt: skip
    # nor is it taken up there sooner, beside so much resistance
    film["interfaces"] = {"alloy|sse": {"tangential": "stick", "kinetics": "linear", "resistance": "1e5 ohm*cm^2"}}
    film["layers"] = [ALLOY["layers"][0] | {"thickness": "2 um"}, ALLOY["layers"][1]]
    run = solve(film, tmp_path)
    strain, ratio = 5 * LINEAR_STRAIN, (20 / 0.7 * 2) / (22 / 0.7 * 10)
    for part, expected in (("metal", 20e3 / 0.7 * strain / (1 + ratio)), ("electrolyte", 20e3 / 0.7 * strain / (1 + ratio) / 5)):
        r, cells = radial_profile(run, part=part)
        assert cells["von_mises_MPa"][r < 25] == pytest.approx(expected, rel=0.02)


# ---- order of convergence -----------------------------------------------------------------------------------------------

WIDTH, HEIGHT, LEVEL, GAP = 8.0, 8.0, 4.0, 2e-3  # um; the largest plated thickness


def manufactured_errors(size: float) -> tuple[int, dict[str, float]]:
    """(cells, L2 errors) of a clamped two-layer cell with its model's own terms, loaded so that the exact solution is known.

    `u = 1e-2 (sin(pi x/W) sin(pi y/H), 2 sin(2 pi x/W) sin(pi y/H))`; above the interface the growth `w = GAP sin(pi x/W)`
    is added, falling to zero at the upper end. The load is the body force and the traction that the exact stresses leave over.
    """
    from dolfinx import fem
    import ufl

    from interfem.domain import BONDED, ELASTIC, GROUP, read_domain
    from interfem.fields import bulk_modulus, make_fields, shear_modulus
    from interfem.model import build_model
    from interfem.parameters import At
    from interfem.physics import momentum
    from interfem.run import make_mesh
    from interfem.solve import Solver, Timings

    clamped = dict.fromkeys(("collector", "counter", "left", "right"), "clamped")
    case = parse_case({
        "title": "manufactured", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": f"{WIDTH} um"},
        "layers": [{"name": "li", "material": "Li", "thickness": f"{LEVEL} um", "law": "j2"},
                   {"name": "sse", "material": "Li6PS5Cl", "thickness": f"{HEIGHT - LEVEL} um"}],
        "materials": {"Li": {"yield_stress": "1e6 MPa"}}, "mesh": {"size": f"{size} um", "interface_size": f"{size} um"},
        "mechanics": {"boundaries": clamped}, "protocol": [{"kind": "rest", "duration": "1 s"}]})
    timings = Timings()
    domain = read_domain(make_mesh(case, world(), timings), world(), case)
    fields = make_fields(domain, case)
    model = build_model(case, domain, fields)

    def exact(x):
        return 1e-2 * ufl.as_vector([ufl.sin(np.pi * x[0] / WIDTH) * ufl.sin(np.pi * x[1] / HEIGHT),
                                     2 * ufl.sin(2 * np.pi * x[0] / WIDTH) * ufl.sin(np.pi * x[1] / HEIGHT)])

    def exact_above(x):
        return exact(x) + ufl.as_vector([0, GAP * ufl.sin(np.pi * x[0] / WIDTH) * (HEIGHT - x[1]) / (HEIGHT - LEVEL)])

    def stress(u, region):
        return momentum.elastic_stress(momentum.strain(u, "plane", None), *(f(At(case.region(region), case.temperature)) for f in (shear_modulus, bulk_modulus)))

    def divergence(sigma):
        return ufl.as_vector([sigma[k, 0].dx(0) + sigma[k, 1].dx(1) for k in range(2)])

    fields.growth.interpolate(lambda x: GAP * np.sin(np.pi * x[0] / WIDTH))
    v_m, v_s = fields.unknowns["u_m"].test, fields.unknowns["u_s"].test
    below, above = stress(exact(domain.x), "li"), stress(exact_above(domain.x), "sse")
    p_c, normal = -above[1, 1], ufl.as_vector([0, 1])

    def left_over(sigma):
        return ufl.as_vector([sigma[0, 1], sigma[1, 1]]) + p_c * normal

    group = next(g for g in domain.groups if g.head.name == "li")
    load = (ufl.inner(-divergence(below), v_m) * domain.dx(GROUP + group.number)
            + ufl.inner(-divergence(above), v_s) * domain.dx(ELASTIC["ceramic"])
            + ufl.inner(left_over(below)("+"), v_m("+")) * domain.dS(*BONDED.values())
            - ufl.inner(left_over(above)("-"), v_s("-")) * domain.dS(*BONDED.values()))
    solver = Solver(case, domain, fields, replace(model, residual=model.residual - load), timings)
    for weight, value in zip(model.controls.weights, (1e9, -1e9, 0.0)):  # next to no time: nothing is plated
        weight.value = value
    solver.solve(1e-9)
    solver.destroy()

    def error(function, wanted):
        mesh = function.function_space.mesh
        x = ufl.SpatialCoordinate(mesh)
        squared = ufl.inner(function - wanted(x), function - wanted(x)) * ufl.dx(domain=mesh, metadata={"quadrature_degree": 8})
        return math.sqrt(world().allreduce(fem.assemble_scalar(fem.form(squared))))

    found = {"u_m": error(fields["u_m"], exact), "u_s": error(fields["u_s"], exact_above),
             "p": error(fields[f"p:{group.name}"], lambda x: -ufl.tr(stress(exact(x), "li")) / 3),
             "p_c": error(fields["p_c"], lambda x: -stress(exact_above(x), "sse")[1, 1])}
    return domain.mesh.topology.index_map(2).size_global, found


def test_displacement_and_pressure_converge_at_full_order():
    """Two materials grown apart: third order in both displacements, second in the metal's pressure and the contact pressure."""
    (coarse, first), (fine, second) = (manufactured_errors(size) for size in (0.8, 0.3))
    order = {name: math.log(first[name] / second[name]) / (0.5 * math.log(fine / coarse)) for name in first}
    assert order["u_m"] > 2.8 and order["u_s"] > 2.8, order
    assert order["p"] > 1.8 and order["p_c"] > 1.8, order


# ---- R2 -----------------------------------------------------------------------------------------------------------------


def test_r2(tmp_path):
    """A void in J2 lithium is pressed beyond first yield: as bench/r2/plain_dolfinx.py has it on the same coarse mesh, solving the same equations."""
    folder = Path(__file__).resolve().parents[2] / "bench" / "r2"
    case = load_case(folder / "case.toml", ["mesh.refinement=0.6"])
    result = run_case(case, tmp_path)
    assert result.status == "completed"
    found = Run(result)
    command = [sys.executable, str(folder / "plain_dolfinx.py"), str(build_mesh(case)), "P2-P1"]
    plain = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1])
    assert found.last("max_plastic_strain") > 1e-4
    assert -found.last("collector_displacement_um") == pytest.approx(plain["top_um"], rel=1e-6)
    assert found.last("void_volume_ratio[void]") == pytest.approx(plain["void_ratio"], abs=1e-9)
    assert found.last("max_plastic_strain") == pytest.approx(plain["max_plastic_strain"], rel=1e-5)
