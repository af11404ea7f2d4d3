"""The one place where terms are summed: case + domain + fields -> residual blocks, boundary conditions, controls."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import ufl
from dolfinx import fem, la
from scipy.interpolate import PchipInterpolator

from .case import Case
from .domain import BLOCKED, BONDED, ELASTIC_CERAMIC, ELASTIC_METAL, ELECTRONS, EVERYWHERE, GROUP, IONS, SALT, Domain, DomainError
from .fields import BODIES, Fields, floats, law_parameters, parameter, region_values
from .interface import KINETICS
from .interface.bond import contact_work, growth, normal_jump, tangential_stick
from .interface.equilibrium import curve
from .interface.overpotential import overpotential
from .laws import LAWS
from .physics import charge, momentum, transport
from .units import FARADAY, GAS_CONSTANT

STICK = 100.0  # shear stiffness of a stuck interface per um, times the metal's shear modulus: slip below 1e-2 of its shear strain


@dataclass
class Controls:
    """What the protocol turns: constants of the compiled forms."""

    dt: fem.Constant
    weights: list[fem.Constant]  # of the backward formula for stored Li, 1/s
    pressure: fem.Constant  # stack pressure, MPa
    current: fem.Constant  # total current, pA; positive strips the anode
    density: fem.Constant  # the same over the cell's area, A/m^2
    voltage: fem.Constant  # imposed voltage, V
    galvanostatic: fem.Constant  # 1: current imposed, 0: voltage imposed


@dataclass
class Model:
    """Residual form, essential conditions and the interface data that observers need."""

    residual: object  # one summed UFL form; its blocks follow fields.unknowns
    bcs: list[fem.DirichletBC]
    controls: Controls
    area: float  # nominal cell area, um^2 (plane: width times 1 um)
    anode_side: fem.Function | None  # 1 on interfaces of the anode's side
    plated_rate: fem.Function | None  # Omega/F on each interface cell, um^3/pC; 0 where Li is stored instead


def build_model(case: Case, domain: Domain, fields: Fields) -> Model:
    """Sum all terms that the case carries."""
    controls = _controls(domain)
    area = cell_area(case, domain)
    interface = _interface_data(case, domain) if "gamma" in domain.submeshes else {}
    terms: list = []
    if domain.kinetics:
        terms += _charge_terms(case, domain, fields, controls, interface, area)
    if case.mechanics is not None:
        terms += _mechanics_terms(case, domain, fields, controls, interface)
    form = terms[0]
    for term in terms[1:]:
        form = form + term
    _scales(case, domain, fields, area)
    return Model(form, _essential(case, domain, fields), controls, area, interface.get("anode"), interface.get("plated_rate"))


def cell_area(case: Case, domain: Domain) -> float:
    """Nominal area of the cell: that of the counter electrode's face, or of the collector's."""
    for name in ("counter", "collector"):
        if name in domain.boundaries:
            found = domain.boundary_area(name)
            if found > 0:
                return found
    raise DomainError('the mesh has no boundary named "collector" or "counter"; name them in geometry.boundaries')


def _controls(domain: Domain) -> Controls:
    def constant(value: float = 0.0) -> fem.Constant:
        return fem.Constant(domain.mesh, float(value))

    return Controls(constant(1.0), [constant(1.0), constant(-1.0), constant(0.0)], constant(), constant(), constant(), constant(), constant(1))


def _interface_data(case: Case, domain: Domain) -> dict[str, fem.Function]:
    """Piecewise constant data on the interface mesh."""
    gamma = domain.submeshes["gamma"].mesh
    space = fem.functionspace(gamma, ("DG", 0))
    by_name = {r.name: r for r in case.regions}

    def spread(value) -> fem.Function:
        function = fem.Function(space)
        per_name = np.array([value(domain.kinetics.get(name), name) for name in domain.interfaces] or [0.0], float)
        function.x.array[:] = per_name[domain.interface_of_gamma]
        return function

    def omega(law, _) -> float:
        if law is None:
            return 0.0
        material = by_name[law.metal].material
        name = "molar_volume" if by_name[law.metal].reservoir else "partial_molar_volume"
        return material.get(name).at(case.temperature) if material.has(name) else 0.0

    def on_anode(law, name) -> float:
        return float(any(by_name[n].side == "anode" and by_name[n].electrons for n in name.split("|")))

    def stick(law, name) -> float:
        metal = next(by_name[n] for n in name.split("|") if by_name[n].electrons)
        if case.mechanics is None or (law is not None and law.tangential == "frictionless"):
            return 0.0
        young, nu = (metal.material.get(k).at(case.temperature) for k in ("youngs_modulus", "poisson_ratio"))
        return STICK * young / (2 * (1 + nu))

    data = {key: spread(lambda law, _, key=key: getattr(law, key) if law else 1.0)
            for key in ("exchange_current_density", "transfer_coefficient", "resistance", "film_resistance")}
    data["omega"] = spread(omega)
    data["plated_rate"] = spread(lambda law, n: omega(law, n) / FARADAY if law and by_name[law.metal].reservoir else 0.0)
    data["plated_rate"].x.array[domain.blocked] = 0.0
    data["anode"] = spread(on_anode)
    data["stick"] = spread(stick)
    data["equilibrium"] = spread(lambda law, n: (case.interface(n).equilibrium_potential or 0.0) if law else 0.0)
    return data


def _plus(functions: dict) -> dict:
    return {key: f("+") for key, f in functions.items()}


def _charge_terms(case, domain, fields, controls, interface, area) -> list:
    """Charge balance of ions and electrons, kinetics, the current law and stored lithium."""
    unknowns, t = fields.unknowns, case.temperature
    phi, phi_m, i = (fields[k] for k in ("phi", "phi_m", "i"))
    q, q_m, j = (unknowns[k].test for k in ("phi", "phi_m", "i"))
    kappa = region_values(domain, None, lambda r: r.material.get("ionic_conductivity").at(t) if r.ions else 0.0)
    sigma = region_values(domain, None, lambda r: r.material.get("electronic_conductivity").at(t) if r.electrons else 0.0)
    data = _plus(interface)
    faradaic = sorted(domain.transfer_labels)
    i_, j_ = i("+"), j("+")
    terms = [charge.conduction(phi, q, kappa, domain.dx(IONS)), charge.conduction(phi_m, q_m, sigma, domain.dx(ELECTRONS)),
             charge.exchange(i_, q_m("+"), q("-"), domain.dS(*faradaic))]
    offset = fields["V"]("+") * data["anode"] if "V" in fields else 0.0
    p_c = fields["p_c"]("+") if "p_c" in fields else 0.0
    f = fem.Constant(domain.mesh, FARADAY / (GAS_CONSTANT * t))
    for label, (group, law) in domain.transfer_labels.items():
        stored = f"x:{group.name}" in fields
        if stored:
            rest = equilibrium(case, domain, fields, group, "+")
        else:
            rest = data["equilibrium"]
        eta = overpotential(phi_m("+") + offset, phi("-"), rest, data["omega"], p_c, FARADAY, i_, data["film_resistance"])
        terms.append(KINETICS[law](i_, eta, f, data) * j_ * domain.dS(label))
        if stored:
            terms.append(transport.withdrawal(i_, unknowns[f"x:{group.name}"].test("+"), FARADAY, domain.dS(label)))
    if domain.comm.allreduce(int(domain.blocked.sum())):
        terms.append(i_ * j_ * domain.dS(BLOCKED))
    if "c" in fields:
        terms += _salt_terms(case, domain, fields, controls, kappa)
    terms += _current_law(domain, fields, controls, data, area)
    for group in domain.groups:
        if f"x:{group.name}" in fields:
            terms += _storage_terms(case, domain, fields, controls, group)
    return terms


def _current_law(domain, fields, controls, data, area) -> list:
    """Galvanostatic: the anode's total current is the imposed one. Potentiostatic: V is the imposed voltage.

    Without V (counter = "uniform") the current density enters through the counter boundary instead.
    """
    if "V" not in fields:
        return [charge.imposed_current(-controls.density, fields.unknowns["phi"].test, domain.ds("counter"))]
    v, V, g = fields.unknowns["V"].test, fields["V"], controls.galvanostatic
    volume = domain.integral(1.0 * domain.dx(EVERYWHERE))
    held = (1 - g) * area * (V - controls.voltage) - g * controls.current
    return [g * data["anode"] * fields["i"]("+") * v("+") * domain.dS(*sorted(domain.transfer_labels)),
            held * v / volume * domain.dx(EVERYWHERE)]


def salt_data(case, domain, sub: str | None = None) -> tuple[fem.Function, ...]:
    """(D, t+, thermodynamic factor) in binary regions; t+ = 1 and D = 0 elsewhere, piecewise constant."""
    t = case.temperature

    def factor(region) -> float:
        return region.material.get("thermodynamic_factor").at(t) if region.material.has("thermodynamic_factor") else 1.0

    return (region_values(domain, sub, lambda r: r.material.get("salt_diffusivity").at(t) if r.binary else 0.0),
            region_values(domain, sub, lambda r: r.transference if r.ions else 1.0), region_values(domain, sub, factor))


def _salt_terms(case, domain, fields, controls, kappa) -> list:
    """Binary electrolytes: the concentration drives a current, and the current drives salt."""
    unknown, phi, q = fields.unknowns["c"], fields["phi"], fields.unknowns["phi"].test
    diffusivity, transference, factor = salt_data(case, domain)
    thermal = fem.Constant(domain.mesh, GAS_CONSTANT * case.temperature / FARADAY)
    c, dx = unknown.function, domain.dx(SALT)
    driven = 2 * kappa * thermal * (1 - transference) * factor / c * ufl.grad(c)
    current = -kappa * ufl.grad(phi) + driven
    return [charge.diffusion_potential(c, q, kappa, transference, factor, thermal, dx),
            transport.salt(c, (unknown.old, unknown.older), controls.weights, unknown.test, diffusivity, current, transference, FARADAY, dx)]


def _storage_terms(case, domain, fields, controls, group) -> list:
    unknown, material, t = fields.unknowns[f"x:{group.name}"], group.head.material, case.temperature
    c_max, d = (fem.Constant(domain.mesh, material.get(k).at(t)) for k in ("maximum_concentration", "diffusivity"))
    x, s, dx = unknown.function, unknown.test, domain.dx(GROUP + group.number)
    terms = [transport.storage(x, unknown.old, unknown.older, controls.weights, s, c_max, dx), transport.diffusion(x, s, c_max, d, dx)]
    if f"p:{group.name}" in fields and case.mechanics.swelling:
        omega = fem.Constant(domain.mesh, material.get("partial_molar_volume").at(t))
        terms.append(transport.stress_drift(x, fields[f"p:{group.name}"], s, c_max, d, omega, GAS_CONSTANT * t, dx))
    return terms


def equilibrium(case, domain, fields, group, side: str | None = None):
    """U of a storing group at its present filling (restricted to a side of the interface if given)."""
    x = fields[f"x:{group.name}"]
    x = x(side) if side else x
    entry = group.head.material.get("equilibrium_potential")
    if entry.table is None:
        return fem.Constant(domain.mesh, entry.at(case.temperature))
    knots, values = np.array(entry.table).T
    slopes = PchipInterpolator(knots, values).derivative()(knots)
    return curve(x, *([fem.Constant(domain.mesh, float(v)) for v in row] for row in (knots, values, slopes)))


def _mechanics_terms(case, domain, fields, controls, interface) -> list:
    """Momentum balance of both bodies, pressure of flowing regions, loads, and the bond between the bodies."""
    unknowns, r, terms = fields.unknowns, domain.x[0], []
    for name, label in (("u_m", ELASTIC_METAL), ("u_s", ELASTIC_CERAMIC)):
        if name in fields:
            shear, bulk = (parameter(domain, case, fields, BODIES[name], k) for k in ("shear", "bulk"))
            sigma = momentum.elastic_stress(momentum.strain(fields[name], domain.kind, r), shear, bulk)
            terms.append(momentum.virtual_work(sigma, momentum.strain(unknowns[name].test, domain.kind, r), domain.dx(label)))
    for group in domain.groups:
        if f"p:{group.name}" in fields:
            terms += _flowing_terms(case, domain, fields, controls, group)
    terms += _load_terms(case, domain, fields, controls)
    if "p_c" in fields:
        terms += _bond_terms(case, domain, fields, controls, interface)
    return terms


def _flowing_terms(case, domain, fields, controls, group) -> list:
    name = "u_m" if group.head.electrons else "u_s"
    law, body, dx = LAWS[group.head.law], BODIES[name], domain.dx(GROUP + group.number)
    shear, bulk = (parameter(domain, case, fields, body, k) for k in ("shear", "bulk"))
    p, p_test = fields[f"p:{group.name}"], fields.unknowns[f"p:{group.name}"].test
    eps = momentum.strain(fields[name], domain.kind, domain.x[0])
    eps_test = momentum.strain(fields.unknowns[name].test, domain.kind, domain.x[0])
    if law.PARAMETERS:
        flow = fields.flows[name]
        e = momentum.trial_deviator(eps, flow.plastic)
        ratio = law.ratio(momentum.equivalent_trial_stress(e, shear), shear, flow.hardened, controls.dt,
                          law_parameters(domain, case, fields, group), flow.ratio)
    else:
        e, ratio = ufl.dev(eps), 1.0
    swelling = 0.0
    if f"x:{group.name}" in fields and case.mechanics.swelling:
        material = group.head.material
        omega, c_max, c0 = (material.get(k).at(case.temperature)
                            for k in ("partial_molar_volume", "maximum_concentration", "initial_concentration"))
        omega, c_max, x0 = (fem.Constant(domain.mesh, v) for v in (omega, c_max, c0 / c_max))
        swelling = momentum.swelling(omega, c_max, fields[f"x:{group.name}"], x0)
    return [momentum.virtual_work(momentum.flowing_stress(e, ratio, shear, p), eps_test, dx),
            momentum.volume_constraint(eps, p, swelling, bulk, p_test, dx)]


def boundary_sides(domain: Domain, boundary: str) -> list[str]:
    """Displacements that live on a boundary (a side of the cell touches both bodies)."""
    facets = domain.facet_tags.find(domain.boundaries[boundary])
    links = domain.mesh.topology.connectivity(domain.dimension - 1, domain.dimension)
    regions = {int(domain.region_of_cell[c]) for f in facets for c in links.links(f)}
    regions = set().union(*domain.comm.allgather(regions))
    return [name for name, electrons in (("u_m", True), ("u_s", False)) if any(domain.regions[n].electrons == electrons for n in regions)]


def _load_terms(case, domain, fields, controls) -> list:
    terms, n = [], ufl.FacetNormal(domain.mesh)
    for boundary in domain.boundaries:
        support = case.mechanics.support(boundary)
        if support.kind not in ("stack", "pressure", "spring"):
            continue
        sides = boundary_sides(domain, boundary)
        if len(sides) != 1:
            raise DomainError(f'mechanics.boundaries."{boundary}": a pressure needs a boundary of one body; this one touches both')
        v, u = fields.unknowns[sides[0]].test, fields[sides[0]]
        p = fem.Constant(domain.mesh, support.pressure) if support.kind == "pressure" else controls.pressure
        terms.append(momentum.pressure_load(p, n, v, domain.ds(boundary)))
        if support.kind == "spring":
            terms.append(momentum.spring_load(fem.Constant(domain.mesh, support.spring), u, n, v, domain.ds(boundary)))
    return terms


def _bond_terms(case, domain, fields, controls, interface) -> list:
    data, n, dS = _plus(interface), domain.normal(), domain.dS(BONDED)
    u_m, u_s = fields["u_m"]("+"), fields["u_s"]("-")
    v_m, v_s = fields.unknowns["u_m"].test("+"), fields.unknowns["u_s"].test("-")
    p_c, p_test = fields["p_c"]("+"), fields.unknowns["p_c"].test("+")
    w = 0.0
    if fields.growth is not None:
        w = growth(fields.growth("+"), fields["i"]("+"), data["plated_rate"] * FARADAY, controls.dt, FARADAY)
    return [contact_work(p_c, n, v_m, v_s, dS), normal_jump(u_m, u_s, n, w, p_test, dS),
            tangential_stick(u_m, u_s, n, _mean_normal(case, domain, dS)("+"), w, v_m, v_s, data["stick"], dS)]


def _mean_normal(case, domain, dS) -> fem.Function:
    """Unit normal at the vertices of the interface mesh, linear between them: the mean over the facets that meet there.

    Each weighs by the inverse of its size, which is exact on a circle. A roller is a plane of symmetry, and the mean lies in it.
    """
    space = fem.functionspace(domain.submeshes["gamma"].mesh, ("Lagrange", 1, (domain.dimension,)))
    mean = fem.Function(space)
    weighted = domain.normal() / ufl.FacetArea(domain.mesh)("+") ** 2
    form = ufl.inner(weighted, ufl.TestFunction(space)("+")) * dS.measure
    fem.assemble_vector(mean.x.array, fem.form(form, entity_maps=domain.entity_maps))
    mean.x.scatter_reverse(la.InsertMode.add)
    mean.x.scatter_forward()
    rows, points = mean.x.array.reshape(-1, domain.dimension), space.tabulate_dof_coordinates()
    for axis, position in (domain.plane(b) for b in domain.boundaries if case.mechanics.support(b).kind == "roller"):
        rows[np.isclose(points[:, axis], position), axis] = 0.0
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-30)
    return mean


def _essential(case, domain, fields) -> list[fem.DirichletBC]:
    """Electrode potentials, rollers and clamps."""
    bcs = []
    if domain.kinetics:
        bcs += _electrode_conditions(case, domain, fields)
    if case.mechanics is not None:
        for boundary in domain.boundaries:
            support = case.mechanics.support(boundary)
            if support.kind not in ("roller", "clamped"):
                continue
            axes = range(domain.dimension) if support.kind == "clamped" else [domain.plane(boundary)[0]]
            for name in boundary_sides(domain, boundary):
                space = fields[name].function_space
                facets = _sub_facets(domain, BODIES[name], boundary)
                for axis in axes:
                    dofs = fem.locate_dofs_topological(space.sub(axis), domain.dimension - 1, facets)
                    bcs.append(fem.dirichletbc(0.0, dofs, space.sub(axis)))
    return bcs


def _sub_facets(domain: Domain, sub: str, boundary: str) -> np.ndarray:
    tags = domain.submeshes[sub].facet_tags
    return tags.find(domain.boundaries[boundary])


def _electrode_conditions(case, domain, fields) -> list[fem.DirichletBC]:
    """Potentials are measured from each electrode: zero at the collector, at the counter electrode, and in wired regions."""
    bcs = []
    last = case.regions[len(case.layers) - 1]
    if "collector" in domain.boundaries:
        bcs.append(_zero(domain, fields["phi_m"], "electrons", "collector"))
    if last.electrons and last.side == "counter":
        bcs.append(_zero(domain, fields["phi_m"], "electrons", "counter"))
    elif floats(domain, case):
        bcs.append(_zero(domain, fields["phi"], "ions", "counter"))
    wired = [r for r in case.regions if r.wired and r.electrons]
    if wired:
        space, cells = fields["phi_m"].function_space, domain.cells_of(wired, "electrons")
        bcs.append(fem.dirichletbc(0.0, fem.locate_dofs_topological(space, domain.dimension, cells), space))
    return bcs


def _zero(domain, function, sub: str, boundary: str) -> fem.DirichletBC:
    space = function.function_space
    return fem.dirichletbc(0.0, fem.locate_dofs_topological(space, domain.dimension - 1, _sub_facets(domain, sub, boundary)), space)


def _scales(case, domain, fields, area) -> None:
    """Size of a residual that matters, per block: 1 A/m^2 or 1 MPa over the cell's area, 1e-4 of volume strain, 1 nm of gap."""
    volume = domain.integral(1.0 * domain.dx(EVERYWHERE))
    scales = {"phi": area, "phi_m": area, "V": area, "i": area, "x": area / FARADAY, "c": area / FARADAY, "u_m": area, "u_s": area,
              "p": 1e-4 * volume, "p_c": 1e-3 * area}
    for name, unknown in fields.unknowns.items():
        unknown.scale = scales[name.split(":")[0]]
    if "c" in fields:
        start = region_values(domain, None, lambda r: r.material.get("initial_concentration").at(case.temperature) if r.binary else 0.0)
        fields.unknowns["c"].content = domain.integral(start * domain.dx(SALT))
    for group in domain.groups:
        if f"x:{group.name}" in fields:
            top = group.head.material.get("maximum_concentration").at(case.temperature)
            fields.unknowns[f"x:{group.name}"].content = top * domain.integral(1.0 * domain.dx(GROUP + group.number))
