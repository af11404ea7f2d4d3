"""The one place where terms are summed: case + domain + fields -> residual blocks, boundary conditions, controls."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain

import numpy as np
import ufl
from dolfinx import fem, la
from mpi4py import MPI

from .case import Case
from .domain import BLOCKED, BONDED, BURIED, ELASTIC, ELECTRONS, EVERYWHERE, GROUP, IONS, MOUTHS, RESISTING, ROOF, ROOFED, SALT, WALL, Domain, DomainError
from .fields import BODIES, DISPLACEMENT, Fields, floats, law_parameters, modulus
from .geometry.roughness import gap
from .interface import KINETICS
from .interface import contact, sei
from .interface.bond import contact_work, growth, normal_jump, tangential_stick
from .interface.deposit import activity
from .interface.overpotential import overpotential
from .laws import LAWS
from .loads import Loads, boundary_sides, load_terms, make_loads
from .parameters import Parameters
from .physics import KINEMATICS, charge, storage, third_medium, transport
from .reaction import reaction_data
from .regions import direction, head, hollow, kinetics, ordered, plated_material, reservoir, void_size
from .roofs import marked
from .units import FARADAY, GAS_CONSTANT

CLUTCH = 1e3  # MPa: shear traction that a closed stuck interface can bear once it may part
STICK = 100.0  # shear stiffness of a stuck interface per um, times the metal's shear modulus: slip below 1e-2 of its shear strain
WALL_STIFFNESS = 10.0  # of a wall against metal that has yet to be laid on it, over the metal's shear modulus by the slot's width
TURNED = ("dt", "current", "density", "voltage", "galvanostatic")  # controls that are one number each


@dataclass
class Controls:
    """What the protocol turns: constants of the compiled forms."""

    dt: fem.Constant
    weights: list[fem.Constant]  # of the backward formula for stored Li, 1/s
    loads: Loads
    current: fem.Constant  # total current, pA; positive strips the anode
    density: fem.Constant  # the same over the cell's area, A/m^2
    voltage: fem.Constant  # imposed voltage, V
    galvanostatic: fem.Constant  # 1: current imposed, 0: voltage imposed

    @property
    def pressure(self) -> fem.Constant:
        """Stack pressure that is imposed, or at which the frame was locked, MPa."""
        return self.loads.pressure


    def memory(self) -> dict:
        """As plain data; the weights belong to one step."""
        return {name: float(getattr(self, name).value) for name in TURNED} | {"loads": self.loads.memory()}

    def recall(self, memory: dict) -> None:
        """Go on from there."""
        for name in TURNED:
            getattr(self, name).value = memory[name]
        self.loads.recall(memory["loads"])


@dataclass
class Model:
    """Residual form, essential conditions and the interface data that observers need."""

    residual: object  # one summed UFL form; its blocks follow fields.unknowns
    bcs: list[fem.DirichletBC]
    controls: Controls
    area: float  # nominal cell area, um^2 (plane: width times 1 um)
    parameters: Parameters
    anode_side: fem.Function | None  # 1 on interfaces of the anode's side
    plated_rate: fem.Function | None  # Omega/F on each interface cell, um^3/pC; 0 where Li is stored instead
    interface: dict[str, fem.Function]  # piecewise constant data of the kinetics, by name
    exchange: list  # (group, UFL current per volume) of mixed conductors that store Li, see `exchange_currents`
    mechanics: dict[str, list]  # terms of the momentum balance: "bodies", "loads", "interfaces"

    def at_temperature(self, kelvin: float) -> None:
        """Let every material value follow the temperature."""
        self.parameters.at_temperature(kelvin)


def build_model(case: Case, domain: Domain, fields: Fields) -> Model:
    """Sum all terms that the case carries."""
    controls = _controls(case, domain)
    area = cell_area(case, domain)
    interface = _interface_data(case, domain, fields) if "gamma" in domain.submeshes else {}
    exchange = exchange_currents(case, domain, fields) if domain.kinetics else []
    mechanics = _mechanics_terms(case, domain, fields, controls, interface) if case.mechanics is not None else {}
    terms = _charge_terms(case, domain, fields, controls, interface, area, exchange) if domain.kinetics else []
    terms += chain.from_iterable(mechanics.values())
    form = terms[0]
    for term in terms[1:]:
        form = form + term
    _scales(case, domain, fields, area)
    return Model(form, _essential(case, domain, fields), controls, area, fields.parameters, interface.get("anode"),
                 interface.get("plated_rate"), interface, exchange, mechanics)


def cell_area(case: Case, domain: Domain) -> float:
    """Nominal area of the cell: that of the counter electrode's face, or of the collector's."""
    for name in ("counter", "collector"):
        if name in domain.boundaries:
            found = domain.boundary_area(name)
            if found > 0:
                return found
    raise DomainError('the mesh has no boundary named "collector" or "counter"; name them in geometry.boundaries')


def _controls(case: Case, domain: Domain) -> Controls:
    def constant(value: float = 0.0) -> fem.Constant:
        return fem.Constant(domain.mesh, float(value))

    weights = [constant(1.0), constant(-1.0), constant(0.0)]
    return Controls(constant(1.0), weights, make_loads(case, domain), constant(), constant(), constant(), constant(1))


def _interface_data(case: Case, domain: Domain, fields: Fields) -> dict[str, fem.Function]:
    """Piecewise constant data on the interface mesh."""
    parameters = fields.parameters
    by_name = {r.name: r for r in case.regions}

    def sides(name):
        return ordered(*(by_name[n] for n in name.split("|")))

    def kinetic(key):
        return lambda law, name, t: getattr(kinetics(case, *sides(name), t), key) if law else 1.0

    def omega(law, name, t) -> float:
        if law is None:
            return 0.0
        plus = sides(name)[0]
        if plus.deposits:
            return plated_material(case, plus).get("molar_volume").at(t)
        swells = case.mechanics is not None and case.mechanics.swelling
        return plus.material.get("partial_molar_volume").at(t) if swells else 0.0

    def plated_rate(law, name, t) -> float:
        return omega(law, name, t) / FARADAY if law and sides(name)[0].deposits else 0.0

    def on_anode(law, name, t) -> float:
        return float(any(r.side == "anode" and r.electrons for r in sides(name)))

    def stick(law, name, t) -> float:
        if case.mechanics is None or case.interface(name).tangential == "frictionless" or case.interface(name).slides:
            return 0.0
        return STICK * shear(name, t)

    def shear(name, t) -> float:
        young, nu = (sides(name)[0].material.get(k) for k in ("youngs_modulus", "poisson_ratio"))
        return young.interpolate(0.5) * young.activation(t) / (2 * (1 + nu.at(t)))

    data = {key: parameters.interface(kinetic(key))
            for key in ("exchange_current_density", "transfer_coefficient", "resistance", "film_resistance")}
    data |= {key: parameters.interface(value)
             for key, value in {"omega": omega, "plated_rate": plated_rate, "anode": on_anode, "stick": stick}.items()}
    if domain.roofs:
        data["roof"] = parameters.interface(lambda law, name, t: STICK * shear(name, t))
    data["equilibrium"] = parameters.interface(lambda law, n, t: (case.interface(n).equilibrium_potential or 0.0) if law else 0.0)
    if any(case.interface(name).surface_energy for name in domain.kinetics):
        data["surface_energy"] = parameters.interface(lambda law, name, t: case.interface(name).surface_energy or 0.0 if law else 0.0)
        data["curvature"] = domain.curvature
    if fields.contact is not None:
        data |= _contact_data(case, domain, fields, sides, shear)
    if "sei" in fields:
        data |= reaction_data(case, domain, parameters)
        fields.sei_charge = data["sei_charge"]
        _start_reaction(case, fields, data["sei_open"])
    return data


def _start_reaction(case, fields, open_) -> None:
    """The layer that is there at first."""
    unknown = fields.unknowns["sei"]
    for function in (unknown.function, unknown.old, unknown.older):
        function.x.array[function.function_space.dofmap.list] = case.sei.initial_thickness * open_.x.array[:, None]


def _contact_data(case, domain, fields, sides, shear) -> dict[str, fem.Function]:
    """The same for interfaces that may part, slide or hold vacancies."""
    def given(value):
        return fields.parameters.interface(lambda law, name, t: float(value(case.interface(name), name, t)))

    def metal(name):
        plus = sides(name)[0]
        return plated_material(case, plus) if plus.deposits else plus.material

    size = max(case.levels[-1], case.geometry.width or 0.0) or 1.0
    data = {"contact_gap": given(lambda law, name, t: law.contact_gap),
            "loss": given(lambda law, name, t: law.chi / law.vacancy_charge if law.chi else 0.0),
            "healing": given(lambda law, name, t: _healing(law, metal(name), t)[0] if law.chi else 0.0),
            "exponent": given(lambda law, name, t: _healing(law, metal(name), t)[1] if law.chi else 1.0)}
    if "gap" in fields or "slip" in fields:
        data |= {"strength": given(lambda law, name, t: law.adhesion_strength),
                 "softening": given(lambda law, name, t: softening(law)),
                 "closing": given(lambda law, name, t: shear(name, t) / size),
                 "friction": given(lambda law, name, t: law.friction or 0.0),
                 "clutch": given(lambda law, name, t: CLUTCH if law.slides and law.tangential == "stick" else 0.0)}
    if "gap" in fields and any(not getattr(feature, "fits", True) for feature in case.features):
        data["misfit"] = _misfit(case, domain)
    fields.contact.laws.update(data)
    return data


def _misfit(case, domain) -> fem.Function:
    """Gap between faces that do not fit, unpressed, um."""
    gamma = domain.submeshes["gamma"].mesh
    misfit = fem.Function(fem.functionspace(gamma, ("DG", 2)))
    for feature in case.features:
        if not getattr(feature, "fits", True):
            names = [n for n, name in enumerate(domain.interfaces) if set(name.split("|")) == set(feature.interface.split("|"))]
            cells = np.flatnonzero(np.isin(domain.interface_of_gamma, names)).astype(np.int32)
            across = 1 if domain.dimension == 3 else 2
            misfit.interpolate(lambda x, f=feature, k=across: gap(f, case, x[0], x[k]), cells)
    return misfit


def softening(law) -> float:
    """Gap at which adhesion has done its work and is gone, um."""
    return 2 * law.adhesion_energy / law.adhesion_strength if law.adhesion_energy else law.contact_gap


def _healing(law, metal, kelvin: float) -> tuple[float, float]:
    """(rate at 1 MPa in 1/s, exponent) at which vacancies heal.

    By default as spherical voids of radius a close in creeping metal, `da/dt = -(a A/2) (3 p/(2 n sigma_0))^n`; the area that
    they take, as a^2, falls at `A (3 p/(2 n sigma_0))^n`. Source: Wilkinson and Ashby, Acta Metall. 23 (1975) 1277.
    """
    if law.healing_rate is not None:
        return law.healing_rate, law.healing_exponent
    if not metal.has("creep_rate"):
        return 0.0, 1.0
    keys = ("creep_rate", "creep_activation_energy", "creep_reference_stress", "creep_exponent")
    a0, q, reference, n = (metal.get(key).value for key in keys)
    return a0 * np.exp(-q / (GAS_CONSTANT * kelvin)) * (1.5 / (n * reference)) ** n, n


def _shear_limit(fields, data):
    """What friction, or a closed stuck interface, bears; MPa."""
    closed = contact.closeness(fields["gap"]("+"), data["contact_gap"]) if "gap" in fields else 1.0
    return data["friction"] * ufl.max_value(fields["p_c"]("+"), 0.0) + data["clutch"] * closed


def _plus(functions: dict) -> dict:
    return {key: f("+") for key, f in functions.items()}


def _charge_terms(case, domain, fields, controls, interface, area, exchange) -> list:
    """Charge balance of ions and electrons, kinetics, the current law and stored lithium."""
    unknowns, values = fields.unknowns, fields.parameters
    phi, phi_m, i = (fields[k] for k in ("phi", "phi_m", "i"))
    q, q_m, j = (unknowns[k].test for k in ("phi", "phi_m", "i"))
    kappa = values.conductivity("ionic_conductivity", lambda region: region.ions)
    sigma = values.conductivity("electronic_conductivity", lambda region: region.electrons)
    data = _plus(interface)
    i_, j_ = i("+"), j("+")
    terms = [charge.conduction(phi, q, kappa, domain.dx(IONS)), charge.conduction(phi_m, q_m, sigma, domain.dx(ELECTRONS)),
             charge.exchange(i_, q_m("+"), q("-"), domain.dS(*sorted(domain.transfer_labels)))]
    if "sei" in fields:
        terms.append(_reaction_term(domain, fields, controls, data))
    for label in domain.transfer_labels:
        terms += _transfer_terms(domain, fields, controls, data, label)
    if domain.comm.allreduce(int(domain.blocked.sum())):
        terms.append(i_ * j_ * domain.dS(BLOCKED))
    terms += _resisting_terms(case, domain, fields)
    if "c" in fields:
        terms += _salt_terms(domain, fields, controls, kappa)
    terms += _current_law(domain, fields, controls, data, area, exchange)
    for group in domain.groups:
        if f"x:{group.name}" in fields:
            terms += _storage_terms(case, domain, fields, controls, group, exchange)
    return terms


def resisting_faces(case, domain) -> list[tuple]:
    """(name of the potential that jumps, the interface's laws, carrier, measure) of each face with an areal resistance."""
    return [(name, case.interface(interface), carrier, domain.dS(RESISTING[carrier] + n))
            for name, carrier in (("phi", "ions"), ("phi_m", "electrons")) for n, interface in enumerate(domain.resisting[carrier])]


def _resisting_terms(case, domain, fields) -> list:
    """Current from one conductor to another that conducts alike, through an areal resistance."""
    return [charge.resisted(fields[name], fields.unknowns[name].test, fem.Constant(domain.mesh, law.resistance_to(carrier)), dS)
            for name, law, carrier, dS in resisting_faces(case, domain)]


def _transfer_terms(domain, fields, controls, data, label) -> list:
    """Kinetics on the interfaces of one metal and law, and what the current takes out of the metal's store."""
    group, law = domain.transfer_labels[label]
    i_, j_, dS = faradaic(fields, controls, data), fields.unknowns["i"].test("+"), domain.dS(label)
    eta = transfer_overpotential(domain, fields, controls, data, label)
    par = transfer_parameters(domain, fields, controls, data, label)
    f = fields.parameters.constant(lambda t: FARADAY / (GAS_CONSTANT * t))
    terms = [KINETICS[law](i_, eta, f, par) * j_ * dS]
    if not group.head.deposits:
        terms.append(transport.withdrawal(i_, fields.unknowns[f"x:{group.name}"].test("+"), FARADAY, dS))
    return terms


def transfer_overpotential(domain, fields, controls, data, label):
    """eta on the interfaces of one metal and law; `data` holds the "+" side."""
    group, _ = domain.transfer_labels[label]
    rest = data["equilibrium"] if group.head.deposits else equilibrium(fields, group, "+")
    eta = overpotential(electrode_potential(fields, data), fields["phi"]("-"), rest, data["omega"],
                        felt_pressure(fields, group, data), FARADAY, faradaic(fields, controls, data), data["film_resistance"])
    if "sei" not in fields:
        return eta
    layer, history = _reaction_layer(fields)
    lost = sei.ionic_loss(layer, history, controls.weights, data["sei_charge"], data["sei_resistivity"])
    return eta - fields["i"]("+") * data["sei_resistivity"] * layer - lost


def felt_pressure(fields, group, data):
    """Pressure against which charge transfer adds lithium, on the "+" side of an interface, MPa.

    Metal grows at its face, against the contact pressure and, if it has a surface energy gamma, against `gamma K` where it is curved. What stores lithium swells within, against `p = -tr(sigma)/3`: the same p as
    in its `mu = -F U + Omega_c p`, so that no current circulates at rest (Larche and Cahn, Acta Metall. 30 (1982) 1835).
    """
    name = "p_c" if group.head.deposits else f"p:{group.name}"
    pressure = fields[name]("+") if name in fields else 0.0
    return pressure + data["surface_energy"] * data["curvature"] if group.head.deposits and "curvature" in data else pressure


def electrode_potential(fields, data):
    """phi_m on the "+" side with the voltage of the anode's side, V."""
    return fields["phi_m"]("+") + (fields["V"]("+") * data["anode"] if "V" in fields else 0.0)


def _reaction_layer(fields):
    """(thickness, its history) of the reaction layer on the "+" side."""
    unknown = fields.unknowns["sei"]
    return unknown.function("+"), (unknown.old("+"), unknown.older("+"))


def faradaic(fields, controls, data):
    """Current of lithium on the "+" side: what passes the interface and what the reaction takes besides."""
    if "sei" not in fields:
        return fields["i"]("+")
    layer, history = _reaction_layer(fields)
    return fields["i"]("+") + sei.reaction_current(layer, history, controls.weights, data["sei_charge"])


def _reaction_term(domain, fields, controls, data):
    """Growth of the reaction layer, on every face between bodies (zero where nothing reacts)."""
    layer, history = _reaction_layer(fields)
    touching = contact_state(fields, controls, data) if fields.contact is not None else 1.0
    lost = sei.ionic_loss(layer, history, controls.weights, data["sei_charge"], data["sei_resistivity"])
    potential = electrode_potential(fields, data) - fields["phi"]("-") - lost
    drive = sei.driving(data["sei_potential"], potential, touching * data["sei_open"])
    extra = sei.spent(data["sei_fraction"], data["sei_rate"], fields["i"]("+"), drive)
    grown = sei.thickness(history, controls.weights, data["sei_lag"], data["sei_conductivity"] * data["sei_rate"] * drive, extra)
    return (layer - grown) * fields.unknowns["sei"].test("+") * domain.dS(*BONDED.values())


def transfer_parameters(domain, fields, controls, data, label) -> dict:
    """What the kinetic law takes: i0 (of the filling where it is tabulated), alpha, Z, and the activity of the metal."""
    group, _ = domain.transfer_labels[label]
    par = {key: data[key] for key in ("exchange_current_density", "transfer_coefficient", "resistance")}
    par |= {"activity": 1.0, "contact": contact_state(fields, controls, data) if fields.contact is not None else 1.0}
    if fields.living is not None:
        par["contact"] = par["contact"] * fields.living("+")
    head = group.head
    if not head.deposits and head.material.has("exchange_current_density") and head.material.get("exchange_current_density").table:
        par["exchange_current_density"] = fields.parameters.of_filling(group, "exchange_current_density", fields[f"x:{group.name}"]("+"))
    if head.deposits and not head.reservoir:
        par["activity"] = activity(_plated(fields, controls, data))
    return par


def contact_state(fields, controls, data):
    """Contact state at the end of the step, on the "+" side: of the gap, times that of the vacancies."""
    history = fields.contact
    state = 1.0 if history.roofs is None else history.roofs.covered("+")
    if "gap" in fields:
        state = state * contact.closeness(fields["gap"]("+"), data["contact_gap"])
    if history.vacancy is not None:
        k = contact.healing(fields["p_c"]("+") if "p_c" in fields else 0.0, data["healing"], data["exponent"])
        older = (history.vacancy("+"), history.vacancy_older("+"))
        state = state * contact.vacancy(older, faradaic(fields, controls, data), k, data["loss"], controls.weights)
    return contact.LEAST + (1 - contact.LEAST) * state


def _plated(fields, controls, data):
    """Plated thickness at the end of the step, on the "+" side."""
    history = fields.growth("+"), fields.growth_older("+")
    return growth(history, faradaic(fields, controls, data), data["plated_rate"], controls.weights)


def _current_law(domain, fields, controls, data, area, exchange) -> list:
    """Galvanostatic: the anode's total current is the imposed one. Potentiostatic: V is the imposed voltage.

    Without V (counter = "uniform") the current density enters through the counter boundary instead.
    """
    if "V" not in fields:
        return [charge.imposed_current(-controls.density, fields.unknowns["phi"].test, domain.ds("counter"))]
    v, V, g = fields.unknowns["V"].test, fields["V"], controls.galvanostatic
    area, volume = (fem.Constant(domain.mesh, value) for value in (area, domain.integral(1.0 * domain.dx(EVERYWHERE))))  # as numbers they
    # would be compiled into the form, anew with each mesh
    held = (1 - g) * area * (V - controls.voltage) - g * controls.current
    terms = [g * data["anode"] * fields["i"]("+") * v("+") * domain.dS(*sorted(domain.transfer_labels)),
             held * v / volume * domain.dx(EVERYWHERE)]
    for group, current in exchange:
        terms.append(g * anode_volume(fields) * current * v * domain.dx_store(group))
    return terms


def anode_volume(fields: Fields) -> fem.Function:
    """1 in the anode's electron conductors, over the whole mesh."""
    return fields.parameters.field(lambda at: float(at.region.side == "anode" and at.region.electrons))


def exchange_currents(case, domain, fields) -> list:
    """(group, current density per volume in A/m^2/um) of each mixed conductor between its ions and its stored lithium; UFL.

    Positive takes lithium out of the store.
    """
    found, values = [], fields.parameters
    f = values.constant(lambda t: FARADAY / (GAS_CONSTANT * t))
    for group in domain.groups:
        name = f"x:{group.name}"
        if name in fields and group.head.body == "mixed":
            offset = fields["V"] * anode_volume(fields) if "V" in fields else 0.0
            eta = fields["phi_m"] + offset - fields["phi"] - equilibrium(fields, group) + stored_shift(case, fields, group)
            rate = values.of_group(group, "specific_area") * values.of_group(group, "storage_exchange_current_density")
            found.append((group, storage.exchange(rate, eta, f, fields[name])))
    return found


def salt_data(parameters: Parameters, sub: str | None = None) -> tuple[fem.Function, ...]:
    """(D, t+, thermodynamic factor) in binary regions; t+ = 1 and D = 0 elsewhere."""
    return (parameters.field(lambda at: at("salt_diffusivity") if at.region.binary else 0.0, sub),
            parameters.field(lambda at: at("transference_number") if at.region.binary else 1.0, sub),
            parameters.field(lambda at: at("thermodynamic_factor") if at.region.binary and at.has("thermodynamic_factor") else 1.0, sub))


def _salt_terms(domain, fields, controls, kappa) -> list:
    """Binary electrolytes: the concentration drives a current, and the current drives salt."""
    unknown, phi, q = fields.unknowns["c"], fields["phi"], fields.unknowns["phi"].test
    diffusivity, transference, factor = salt_data(fields.parameters)
    thermal = fields.parameters.constant(lambda t: GAS_CONSTANT * t / FARADAY)
    c, dx = unknown.function, domain.dx(SALT)
    driven = 2 * thermal * (1 - transference) * factor / c * (kappa * ufl.grad(c))
    current = -kappa * ufl.grad(phi) + driven
    return [charge.diffusion_potential(c, q, kappa, transference, factor, thermal, dx),
            transport.salt(c, (unknown.old, unknown.older), controls.weights, unknown.test, diffusivity, current, transference, FARADAY, dx)]


def _storage_terms(case, domain, fields, controls, group, exchange) -> list:
    """Stored lithium: accumulation, diffusion, drift in the stress, and the exchange with the ions inside a mixed conductor."""
    unknown, material, values = fields.unknowns[f"x:{group.name}"], group.head.material, fields.parameters
    x, s, dx, store = unknown.function, unknown.test, domain.dx(GROUP + group.number), domain.dx_store(group)
    c_max = values.constant(material.get("maximum_concentration").at)
    terms = [transport.storage(x, unknown.old, unknown.older, controls.weights, s, c_max, store)]
    if material.has("diffusivity"):
        d = values.of_filling(group, "diffusivity", x)
        mobility = _mobility(fields, group, c_max, d)
        if f"mu:{group.name}" in fields:
            terms += _separation_terms(fields, group, c_max, mobility, dx)
        else:
            terms.append(transport.diffusion(x, s, c_max, d, dx))
        if f"p:{group.name}" in fields and case.mechanics.swelling:
            terms.append(transport.stress_drift(fields[f"p:{group.name}"], s, mobility, values.of_group(group, "partial_molar_volume"), dx))
    q, q_m = fields.unknowns["phi"].test, fields.unknowns["phi_m"].test
    for other, current in exchange:
        if other is group:
            terms += [charge.exchange(current, q_m, q, store), transport.withdrawal(current, s, FARADAY, store)]
    return terms


def _mobility(fields, group, c_max, d):
    """M in `N = -M grad(mu)`. D is chemical where U falls with the filling; else, where phases separate or U is one value, of a lattice gas."""
    x, values = fields[f"x:{group.name}"], fields.parameters
    if f"mu:{group.name}" in fields or group.head.material.get("equilibrium_potential").table is None:
        return transport.lattice_mobility(x, c_max, d, values.constant(lambda t: GAS_CONSTANT * t))
    filling = ufl.variable(x)
    slope = ufl.diff(values.of_filling(group, "equilibrium_potential", filling), filling)
    return transport.chemical_mobility(slope, c_max, d, FARADAY)


def _separation_terms(fields, group, c_max, mobility, dx) -> list:
    """Two phases with a front of finite width between them."""
    unknown, x, values = fields.unknowns[f"mu:{group.name}"], fields[f"x:{group.name}"], fields.parameters
    mu, s = unknown.function, fields.unknowns[f"x:{group.name}"].test
    u = values.of_filling(group, "equilibrium_potential", x)
    energy = values.constant(group.head.material.get("gradient_energy").at)
    return [transport.migration(mu, s, mobility, dx),
            transport.chemical_potential(mu, unknown.test, u, x, energy, c_max, FARADAY, dx)]


def equilibrium(fields, group, side: str | None = None):
    """U of a storing group at its present filling (restricted to a side of the interface if given); -mu/F where phases separate."""
    if f"mu:{group.name}" in fields:
        mu = fields[f"mu:{group.name}"]
        return -(mu(side) if side else mu) / FARADAY
    x = fields[f"x:{group.name}"]
    return fields.parameters.of_filling(group, "equilibrium_potential", x(side) if side else x)


def stored_shift(case, fields, group):
    """`Omega_c p/F`, by which pressure lowers the potential of a mixed conductor's store, V."""
    if f"p:{group.name}" not in fields or not case.mechanics.swelling:
        return 0.0
    return fields.parameters.of_group(group, "partial_molar_volume") * fields[f"p:{group.name}"] / FARADAY


def stored_equilibrium(fields, group):
    """Potential at which a mixed conductor's store exchanges no current, `U(x) + (RT/F) ln(places/lithium)`."""
    thermal = fields.parameters.constant(lambda t: GAS_CONSTANT * t / FARADAY)
    return equilibrium(fields, group) + thermal * storage.shift(fields[f"x:{group.name}"])


def _mechanics_terms(case, domain, fields, controls, interface) -> dict[str, list]:
    """Momentum balance of the bodies, pressure of flowing regions; loads; and the bonds between the bodies."""
    unknowns, r, bodies, bonds = fields.unknowns, domain.x[0], [], []
    motion = KINEMATICS[case.mechanics.kinematics]
    for name, body in BODIES.items():
        if name in fields:
            shear, bulk = (modulus(fields, body, k) for k in ("shear", "bulk"))
            work = motion.elastic_work(fields[name], unknowns[name].test, domain.kind, r, shear, bulk, thermal_strain(case, fields, body))
            bodies.append(work * domain.dx(ELASTIC[body]))
    if any(r.hollow for r in domain.regions):
        bodies += _hollow_terms(case, domain, fields)
    for group in domain.groups:
        if f"p:{group.name}" in fields:
            bodies += _flowing_terms(case, domain, fields, controls, group)
    if "p_c" in fields:
        for (plus, minus), label in BONDED.items():
            if DISPLACEMENT[plus] in fields and DISPLACEMENT[minus] in fields:
                bonds += _bond_terms(case, domain, fields, controls, interface, (plus, minus), label)
    if domain.roofs:
        bonds += _roof_terms(domain, fields, controls, interface)
    if "gap" in fields or "slip" in fields:
        bonds += _parting_terms(case, domain, fields, interface)
    if fields.walls is not None:
        bonds += _column_terms(case, domain, fields) + _edge_terms(case, domain, fields, controls, interface)
    return {"bodies": bodies, "loads": load_terms(case, domain, fields, controls.loads), "interfaces": bonds}


def _hollow_terms(case, domain, fields) -> list:
    """What fills voids, and pores in metal."""
    inside, (bulk, length) = (fields["u_m"], fields.unknowns["u_m"].test, domain.kind, domain.x[0]), medium(case, fields)
    return [third_medium.filling_work(*inside, bulk) * domain.dx_hollow(ROOFED),
            third_medium.medium_work(*inside, bulk, length) * domain.dx_hollow(BURIED)]


def medium(case, fields) -> tuple[fem.Function, fem.Function]:
    """(bulk modulus of the metal in MPa, size in um) of what fills each void."""
    sizes = {f.name: void_size(f) for f in case.features if hollow(f, case)}
    length = fields.parameters.field(lambda at: sizes[at.region.name] if at.region.hollow else 0.0)
    return modulus(fields, "metal", "bulk"), length


def thermal_strain(case, fields, body):
    """`alpha (T - T0)`, T0 the case's temperature, at which the cell is free of thermal stress; 0 if the protocol keeps it."""
    if not case.heated:
        return 0.0

    def value(at) -> float:
        return at("thermal_expansion") * (at.temperature - case.temperature) if at.has("thermal_expansion") else 0.0

    return fields.parameters.law(body, "thermal", value)


def free_volume(case, fields, group):
    """Volume strain of what flows under no stress: of heat, and of what it stores."""
    volume = 3 * thermal_strain(case, fields, group.head.body) if case.heated else 0.0
    if f"x:{group.name}" in fields and case.mechanics.swelling:
        material, values = group.head.material, fields.parameters
        omega, c_max = (values.of_group(group, k) for k in ("partial_molar_volume", "maximum_concentration"))
        x0 = values.constant(lambda t: material.get("initial_concentration").at(t) / material.get("maximum_concentration").at(t))
        volume = volume + KINEMATICS[case.mechanics.kinematics].swelling(omega, c_max, fields[f"x:{group.name}"], x0)
    if group.head.binary and group.head.material.has("partial_molar_volume") and case.mechanics.swelling:
        omega, c0 = (fields.parameters.constant(group.head.material.get(k).at) for k in ("partial_molar_volume", "initial_concentration"))
        volume = volume + omega * (fields["c"] - c0)
    return volume


def _flowing_terms(case, domain, fields, controls, group) -> list:
    body = group.head.body
    name, law, dx = DISPLACEMENT[body], LAWS[group.head.law], domain.dx(GROUP + group.number)
    motion, place = KINEMATICS[case.mechanics.kinematics], (domain.kind, domain.x[0])
    shear, bulk = (modulus(fields, body, k) for k in ("shear", "bulk"))
    p, p_test = fields[f"p:{group.name}"], fields.unknowns[f"p:{group.name}"].test
    u, v = fields[name], fields.unknowns[name].test
    if law.PARAMETERS:
        flow = fields.flows[name]
        e, mu = motion.measures(motion.trial(u, flow.plastic, *place), shear)
        ratio = law.ratio(motion.equivalent_trial_stress(e, shear), mu, flow.hardened, controls.dt, law_parameters(fields, group), flow.ratio)
    else:
        e, _ = motion.measures(motion.trial(u, ufl.as_tensor(motion.NO_FLOW.tolist()), *place), shear)
        ratio = 1.0
    pressed = any(feature.kind == "flaw" and feature.filled is not None for feature in case.features)  # its volume is told to 1e-3
    constraint = motion.volume_kept if pressed else motion.volume_constraint
    return [motion.flowing_work(u, v, *place, e, ratio, shear, p) * dx,
            constraint(motion.volume_strain(u, *place, free_volume(case, fields, group)), p, bulk, p_test, dx)]


def _bond_terms(case, domain, fields, controls, interface, bodies, label) -> list:
    data, n, dS = _plus(interface), domain.normal(), domain.dS(label)
    plus, minus = (DISPLACEMENT[body] for body in bodies)
    u_m, u_s = fields[plus]("+"), fields[minus]("-")
    v_m, v_s = fields.unknowns[plus].test("+"), fields.unknowns[minus].test("-")
    p_c, p_test = fields["p_c"]("+"), fields.unknowns["p_c"].test("+")
    w = _come_between(case, fields, controls, data)
    filled = w - data["misfit"] if "misfit" in data else w
    smooth = mean_normal(case, domain)("+")
    terms = [contact_work(p_c, n, v_m, v_s, dS), normal_jump(u_m, u_s, n, filled, p_test, dS),
             tangential_stick(u_m, u_s, n, smooth, w, v_m, v_s, data["stick"], dS)]
    if "slip" in fields:
        slip = contact.slip_of(u_m, u_s, n, smooth, w)
        terms += [contact.shear_work(fields["shear"]("+"), n, v_m, v_s, dS),
                  -ufl.inner(slip, fields.unknowns["slip"].test("+")) * dS]
    return terms


def _come_between(case, fields, controls, data):
    """What has come between two bodies by the end of the step, on the "+" side, um: plated, and not yet held by the metal's cells, or reacted."""
    w = _plated(fields, controls, data) if fields.growth is not None else 0.0
    if fields.laid is not None:
        w = w - fields.laid("+")
    if "sei" in fields:
        w = w + data["sei_share"] * (fields["sei"]("+") - case.sei.initial_thickness)
    return w


def _roof_terms(domain, fields, controls, interface) -> list:
    """A void under its roof: its wall may press on it, without friction; the filling rests on it, but for the rim.

    What the wall presses and how high the roof is are those of the last accepted step; what is plated on it goes on as it did then, and
    the pressure that the kinetics feel rises with what is plated in excess of that.
    """
    n, roofs, k, up = domain.normal(), fields.contact.roofs, interface["roof"]("+"), domain.dimension - 1
    u, v = fields["u_m"]("+"), fields.unknowns["u_m"].test("+")
    into = fields.parameters.field(lambda at: float(roofs.into.get(at.region.name, 0)))("+")
    floor = roofs.wall("+")[up] + controls.dt * roofs.lifting("+")[up]
    pressure = third_medium.wall_pressure(domain.x[up], u[up], floor, into, roofs.wall("+")[0])
    raised = fields.laid("+") + roofs.raised("+") + controls.dt * roofs.rising("+") if fields.growth is not None else 0.0
    excess = _plated(fields, controls, _plus(interface)) - raised if fields.growth is not None else 0.0
    borne = roofs.borne("+") + roofs.covered("+") * roofs.stiffness("+") * excess
    told = roofs.over("+") * (fields["p_c"]("+") - borne) / k * fields.unknowns["p_c"].test("+")
    none = [ufl.inner(fields[name]("+"), fields.unknowns[name].test("+")) for name in ("gap", "slip", "shear") if name in fields]
    terms = [-into * pressure * v[up] * domain.dS(WALL), told * domain.dS_vertices(*ROOF.values())]
    for body, label in ROOF.items():
        if DISPLACEMENT[body] in fields:
            u_s, v_s = fields[DISPLACEMENT[body]]("-"), fields.unknowns[DISPLACEMENT[body]].test("-")
            tie = roofs.over("+") * third_medium.roof_tie(u, u_s, n, roofs.raised("+") + controls.dt * roofs.rising("+"), k)
            terms += [contact_work(tie, n, v, v_s, domain.dS(label)), -roofs.borne("+") * ufl.inner(n, v_s) * domain.dS(label)]
    return terms + [roofs.over("+") * zero * domain.dS_vertices(*ROOF.values()) for zero in none]


def _column_terms(case, domain, fields) -> list:
    """Walls and end of a slot stop the head of the metal in it, without friction, where they were at the last accepted step."""
    terms, u, v = [], fields["u_m"], fields.unknowns["u_m"].test
    for feature in (f for f in case.features if f.kind == "flaw" and head(f.name) in domain.boundaries):
        center = 0.0 if domain.kind == "axisymmetric" else feature.center[0]
        stiffness = WALL_STIFFNESS * modulus(fields, "metal", "shear") / feature.width
        side = ufl.conditional(ufl.gt(domain.x[0], center), 1.0, -1.0)
        for axis, wall, into in ((0, center + side * fields.walls[0], -side), (1, fields.walls[1], -float(direction(feature, case)[1]))):
            pressure = third_medium.wall_pressure(domain.x[axis], u[axis], wall, into, stiffness)
            terms.append(-into * pressure * v[axis] * domain.ds(head(feature.name)))
    return terms


def _edge_terms(case, domain, fields, controls, interface) -> list:
    """At the mouth's edges `n.(u_s - u_m) = w`, and `w + g` at the head's ends, hold at the very point, by a spring, for face and wall each.

    The multipliers leave these points free, and metal would cut across the electrolyte's corner. Corners that are held belong to
    the first mortar method (Bernardi, Maday and Patera 1994). Metal comes round the mouth's edge, and may leave the wall behind it: the
    gap of the first facet is no gap at the edge, where the face holds the same point.
    """
    data, n, (mouth, end) = _plus(interface), domain.normal(), (edge("+") for edge in _edges(case, domain))
    u, v, u_s, v_s = fields["u_m"]("+"), fields.unknowns["u_m"].test("+"), fields["u_s"]("-"), fields.unknowns["u_s"].test("-")
    apart = ufl.inner(n, u - u_s) + _come_between(case, fields, controls, data) + (end * fields["gap"]("+") if "gap" in fields else 0.0)
    weight = domain.weight("+") if domain.kind == "axisymmetric" else 1.0
    stiffness = STICK * modulus(fields, "metal", "shear")("+")
    return [(mouth + end) * weight * stiffness * apart * ufl.inner(n, v - v_s) * domain.dS_vertices(MOUTHS)]


def _edges(case, domain) -> tuple[fem.Function, fem.Function]:
    """1 at the vertices where the walls of a slot that is partly empty meet the face of the layer before it; and where they end."""
    space = fem.functionspace(domain.submeshes["gamma"].mesh, ("Lagrange", 1))
    (mouth, end), dofs, owned = (fem.Function(space), fem.Function(space)), space.dofmap.list, domain.submeshes["gamma"].owned
    count = fem.Function(space)
    np.add.at(count.x.array, dofs[:owned], 1.0)
    count.x.scatter_reverse(la.InsertMode.add)
    count.x.scatter_forward()
    for feature in (f for f in case.features if f.kind == "flaw" and head(f.name) in domain.boundaries):
        metals = reservoir(case, feature.name).layer, feature.name
        face, wall = ([name for name in domain.interfaces if metal in name.split("|")] for metal in metals)
        on_wall, on_face = (marked(space, dofs[domain.on(names)]) for names in (wall, face))
        mouth.x.array[:] += on_wall & on_face
        end.x.array[:] += on_wall & ~on_face & (count.x.array < 1.5)
    return mouth, end


def _parting_terms(case, domain, fields, interface) -> list:
    """What holds vertex by vertex: gaps and slips share out the jump of displacement; gap and pressure exclude each other, as do
    sliding and a shear traction below its limit.
    """
    data, dS, terms = _plus(interface), domain.dS_vertices(*BONDED.values()), []
    share = vertex_share(domain)("+")
    if "slip" in fields:
        slip, shear = fields["slip"]("+"), fields["shear"]("+")
        sliding, normal = slip - fields.unknowns["slip"].old("+"), mean_normal(case, domain)("+")
        law = contact.friction(shear, sliding, normal, _shear_limit(fields, data), data["closing"])
        terms += [share * ufl.inner(slip, fields.unknowns["slip"].test("+")) * dS,
                  ufl.inner(law, fields.unknowns["shear"].test("+")) * dS]
    if "gap" in fields:
        g, p_c, widest = fields["gap"]("+"), fields["p_c"]("+"), fields.contact.widest("+")
        pull = contact.adhesion(g, widest, data["strength"], data["softening"])
        terms += [share * g * fields.unknowns["p_c"].test("+") * dS,
                  contact.complementarity(p_c, g, pull, data["closing"]) * fields.unknowns["gap"].test("+") * dS]
    return terms


def vertex_share(domain) -> fem.Function:
    """Weight of the geometry at each vertex: the integral of its shape function over that by the vertices alone."""
    space = domain.broken_space()
    one, labels = ufl.TestFunction(space)("+"), tuple(BONDED.values())
    share, plain = fem.Function(space), fem.Function(space)
    for function, form in ((share, one * domain.dS(*labels)), (plain, one * domain.dS_vertices(*labels))):
        fem.assemble_vector(function.x.array, fem.form(form, entity_maps=domain.entity_maps))
        function.x.scatter_reverse(la.InsertMode.add)
        function.x.scatter_forward()
    share.x.array[:] /= np.maximum(plain.x.array, 1e-30)
    return share


def mean_normal(case, domain) -> fem.Function:
    """Unit normal at the vertices of the interface mesh, linear between them: the mean over the facets that meet there.

    Each weighs by the inverse of its size, which is exact on a circle. A roller is a plane of symmetry, and the mean lies in it.
    """
    space = fem.functionspace(domain.submeshes["gamma"].mesh, ("Lagrange", 1, (domain.dimension,)))
    mean = fem.Function(space)
    weighted = domain.normal() / ufl.FacetArea(domain.mesh)("+") ** 2
    form = ufl.inner(weighted, ufl.TestFunction(space)("+")) * domain.dS(*BONDED.values()).measure
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
    if "gap" in fields:
        bcs.append(_closed(case, domain, fields["gap"]))
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


def _closed(case, domain, gap) -> fem.DirichletBC:
    """No gap on bonded interfaces, their ends included."""
    bonded = [n for n, name in enumerate(domain.interfaces) if not case.interface(name).parts]
    cells = np.flatnonzero(np.isin(domain.interface_of_gamma, bonded)).astype(np.int32)
    space = gap.function_space
    space.mesh.topology.create_connectivity(domain.dimension - 1, domain.dimension - 1)
    return fem.dirichletbc(0.0, fem.locate_dofs_topological(space, domain.dimension - 1, cells), space)


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
    wired = [r for r in case.regions if r.electrons and (r.wired or _alone(domain, r))]
    if wired:
        space, cells = fields["phi_m"].function_space, domain.cells_of(wired, "electrons")
        bcs.append(fem.dirichletbc(0.0, fem.locate_dofs_topological(space, domain.dimension, cells), space))
    return bcs


def _alone(domain, region) -> bool:
    """An inert island: electrons neither come to it through other conductors nor by transfer, so that any potential would do."""
    if region.layer is not None or any(region.name in name.split("|") for name in domain.kinetics):
        return False
    others = [n for n, other in enumerate(domain.regions) if other.electrons and other is not region]
    return not domain.comm.allreduce(len(domain.facets_between(domain.regions.index(region), others)))


def _zero(domain, function, sub: str, boundary: str) -> fem.DirichletBC:
    space = function.function_space
    return fem.dirichletbc(0.0, fem.locate_dofs_topological(space, domain.dimension - 1, _sub_facets(domain, sub, boundary)), space)


def _patches(domain, space, power: float) -> np.ndarray:
    """Size of the cells about each owned degree of freedom, to a power, over its root mean square.

    Where the mesh is fine the forces on it are small: by their sum alone they would count for nothing in a wide cell.
    """
    size, sub = fem.Function(space), space.mesh
    turn = ufl.SpatialCoordinate(sub)[0] if domain.kind == "axisymmetric" else 1.0
    each = turn * ufl.CellVolume(sub) ** (power - 1) * ufl.TestFunction(fem.functionspace(sub, ("DG", 0))) * ufl.dx
    cells, bs = fem.assemble_vector(fem.form(each)).array, space.dofmap.index_map_bs
    rows, owned = size.x.array.reshape(-1, bs), space.dofmap.index_map.size_local
    dofs = space.dofmap.list[: sub.topology.index_map(sub.topology.dim).size_local]
    np.add.at(rows, dofs, np.broadcast_to(cells[: len(dofs), None, None], (*dofs.shape, bs)))
    size.x.scatter_reverse(la.InsertMode.add)
    squares = domain.comm.allreduce(np.array([(rows[:owned] ** 2).sum(), owned * bs]), MPI.SUM)
    return rows[:owned].ravel() / np.sqrt(squares[0] / squares[1])


def _scales(case, domain, fields, area) -> None:
    """Size of a residual that matters, per block: 1 A/m^2 or 1 MPa over the cell's area, 1e-4 of volume strain, 1 nm of gap."""
    volume = domain.integral(1.0 * domain.dx(EVERYWHERE))
    scales = {"phi": area, "phi_m": area, "V": area, "i": area, "x": area / FARADAY, "c": area / FARADAY,
              **dict.fromkeys(BODIES, area), "p": 1e-4 * volume, "p_c": 1e-3 * area,
              "sei": 1e-3 * area, "gap": area, "slip": 1e-3 * area, "shear": area, "mu": FARADAY * volume, "stack": area,
              "plate": 1e-3 * area}
    for name, unknown in fields.unknowns.items():
        unknown.scale = scales[name.split(":")[0]]
        if name in BODIES:
            unknown.share = _patches(domain, unknown.function.function_space, 1 - 1 / domain.dimension)
        elif name.startswith("p:") or name == "p_c":
            unknown.share = _patches(domain, unknown.function.function_space, 1.0)
    if "c" in fields:
        start = fields.parameters.field(lambda at: at("initial_concentration") if at.region.binary else 0.0)
        fields.unknowns["c"].content = domain.integral(start * domain.dx(SALT))
    for group in domain.groups:
        if f"x:{group.name}" in fields:
            top = group.head.material.get("maximum_concentration").at(case.temperature)
            fields.unknowns[f"x:{group.name}"].content = top * domain.integral(1.0 * domain.dx(GROUP + group.number))
