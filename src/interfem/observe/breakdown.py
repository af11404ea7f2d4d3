"""Which part of the resistance comes from what: the power that each takes, over the square of the current. All ranks take part.

Electrons and ions obey `V I = int i.grad(phi) dissipated in the volume + int i (phi_m - phi)` over the faces. With
`phi_m - phi = eta + film + U - Omega p/F` there, and without the power `V_rest I` of the rest voltage, the terms are the parts
of `overpotential I`, each an areal resistance `part area/I^2`:

bulk: of the layers if the current were uniform (of a mixed conductor, all that it takes); constriction: what the volume takes
besides (negative where a filled flaw shortens the way); charge_transfer: `int i eta` if the current were uniform over the whole
face; contact: what the kinetics take besides, since part of the face has no contact or the current crowds; film: films,
reaction layers and areal resistances between conductors; concentration: diffusion potential of salt, and filling of stores that
varies along the face; pressure: the same for pressure; reaction: current that goes into reaction layers and not into charge
transfer (the mixed potential of the two).
"""

from __future__ import annotations

import math
from dataclasses import replace

import ufl
from dolfinx import fem
from mpi4py import MPI

from ..case import Case
from ..domain import ELECTRONS, GROUP, IONS, SALT, Domain
from ..fields import Fields
from ..forms import compile_forms
from ..model import Model, anode_volume, electrode_potential, equilibrium, faradaic, felt_pressure, resisting_faces, salt_data
from ..model import stored_equilibrium, stored_shift, transfer_overpotential
from ..regions import Kinetics, Region, kinetics
from ..units import FARADAY, GAS_CONSTANT

PARTS = ("bulk", "constriction", "charge_transfer", "contact", "film", "concentration", "pressure", "reaction")
OHM_CM2 = 1e4  # of 1 ohm m^2


class Breakdown:
    """Powers of a step, pW: `look` before it is committed, `scalars` after."""

    def __init__(self, case: Case, domain: Domain, fields: Fields, model: Model):
        self.case, self.domain, self.fields, self.model = case, domain, fields, model
        forms = self._volume_forms() | self._face_forms()
        self.lithium = fem.Function(fields["i"].function_space)  # current of charge transfer alone
        forms |= {f"current:{name}": self.lithium * domain.dx_gamma((name,)) for name in domain.kinetics}
        self.forms = compile_forms(forms, domain.entity_maps)
        self.layers = case.regions[: len(case.layers)]
        self.volumes = {g.number: domain.integral(1.0 * domain.dx(GROUP + g.number)) for g in domain.groups}
        self.powers: dict[str, float] = {}

    def _volume_forms(self) -> dict:
        domain, fields, values = self.domain, self.fields, self.model.parameters
        kappa = values.conductivity("ionic_conductivity", lambda region: region.ions)
        sigma = values.conductivity("electronic_conductivity", lambda region: region.electrons)
        ions, electrons = (ufl.inner(k * ufl.grad(f), ufl.grad(f)) for k, f in ((kappa, fields["phi"]), (sigma, fields["phi_m"])))
        forms = {"ions": ions * domain.dx(IONS), "electrons": electrons * domain.dx(ELECTRONS)}
        if "c" in fields:
            _, transference, factor = salt_data(values)
            thermal = values.constant(lambda t: GAS_CONSTANT * t / FARADAY)
            pull = 2 * thermal * (1 - transference) * factor / fields["c"] * ufl.grad(fields["c"])
            forms["driven by salt"] = -ufl.inner(kappa * pull, ufl.grad(fields["phi"])) * domain.dx(SALT)
            forms["salt"] = ufl.inner(kappa * (ufl.grad(fields["phi"]) - pull), pull) * domain.dx(SALT)
        for group in domain.groups:
            if group.head.body == "mixed":
                forms[f"mixed:{group.number}"] = (ions + electrons) * domain.dx(GROUP + group.number)
        for group, current in self.model.exchange:
            offset = fields["V"] * anode_volume(fields) if "V" in fields else 0.0
            rest = stored_equilibrium(fields, group)
            forms[f"stored:{group.number}"] = current * rest * domain.dx_store(group)
            shift = stored_shift(self.case, fields, group)
            eta = fields["phi_m"] + offset - fields["phi"] - rest + shift
            forms[f"storing:{group.number}"] = current * eta * domain.dx_store(group)
            forms[f"pressure:{group.name}"] = -current * shift * domain.dx_store(group)
        return forms

    def _face_forms(self) -> dict:
        """Powers of charge transfer on the faces."""
        domain, fields, controls = self.domain, self.fields, self.model.controls
        data, i = {key: f("+") for key, f in self.model.interface.items()}, fields["i"]("+")
        forms = {f"film:{name}:{n}": (fields[name]("+") - fields[name]("-")) ** 2 / fem.Constant(domain.mesh, law.resistance_to(carrier)) * dS
                 for n, (name, law, carrier, dS) in enumerate(resisting_faces(self.case, domain))}
        for label, (group, _) in domain.transfer_labels.items():
            eta = transfer_overpotential(domain, fields, controls, data, label)
            rest = data["equilibrium"] if group.head.deposits else equilibrium(fields, group, "+")
            shift = data["omega"] * felt_pressure(fields, group, data) / FARADAY
            film = electrode_potential(fields, data) - fields["phi"]("-") - eta - rest + shift
            dS, transferred = domain.dS(label), faradaic(fields, controls, data)
            if "sei" in fields:
                forms[f"reaction:{label}"] = (i - transferred) * eta * dS
            forms |= {f"kinetics:{label}": transferred * eta * dS, f"film:{label}": i * film * dS, f"rest:{label}": i * rest * dS}
            if "p_c" in fields or "curvature" in data:
                forms[f"pressure:{label}"] = -i * shift * dS
        return forms

    def look(self) -> None:
        """Read the powers while the step's history is that of the last one."""
        comm = self.domain.comm
        self.lithium.x.array[:] = self.fields.faradaic([float(weight.value) for weight in self.model.controls.weights])
        self.powers = {name: comm.allreduce(fem.assemble_scalar(form), MPI.SUM) for name, form in self.forms.items()}

    def _sum(self, *kinds: str) -> float:
        return sum(value for name, value in self.powers.items() if name.partition(":")[0] in kinds)

    def scalars(self, current: float, rest: float, shift: float) -> dict[str, float]:
        """Parts in ohm cm2, empty without a current.

        current: in all, pA; rest: rest voltage without pressure, V; shift: what pressure adds to it, V.
        """
        if not (abs(current) > 1e-9 * self.model.area and self.powers):
            return {f"asr_{name}_ohm_cm2": math.nan for name in PARTS}
        volume, salt = self._sum("ions", "electrons", "driven by salt"), self._sum("salt")
        faces = self._sum("kinetics", "storing")
        bulk, transfer = self._bulk(current), self._uniform_transfer(current)
        values = {"bulk": bulk, "constriction": volume - salt - bulk, "charge_transfer": transfer, "contact": faces - transfer,
                  "film": self._sum("film"), "concentration": salt + self._sum("rest", "stored") - rest * current,
                  "pressure": self._sum("pressure") - shift * current, "reaction": self._sum("reaction")}
        return {f"asr_{name}_ohm_cm2": power * self.model.area / current**2 * OHM_CM2 for name, power in values.items()}

    def _bulk(self, current: float) -> float:
        """Power in the layers at a uniform current."""
        kelvin, resistance = self.model.parameters.temperature, 0.0
        for region in self.layers:
            if region.body != "mixed":
                resistance += self._height(region) * _resistivity(region, kelvin)
        return current**2 * resistance / self.model.area + self._sum("mixed")

    def _height(self, region: Region) -> float:
        """Thickness of a layer; in an own mesh, its share of its material's volume over the cell's area."""
        if region.thickness is not None:
            return region.thickness
        group = next(g for g in self.domain.groups if region in g.regions)
        return self.volumes[group.number] / len(group.regions) / self.model.area

    def _uniform_transfer(self, current: float) -> float:
        """Power of charge transfer if it were uniform over the cell's area; that in the volume of stores as it is.

        What passes through the walls of flaws is counted as if through the faces between layers.
        """
        power, regions = self._sum("storing"), {region.name: region for region in self.domain.regions}
        for side in ("anode", "counter"):
            passed = {n: self.powers[f"current:{n}"] for n, law in self.domain.kinetics.items()
                      if regions[law.metal].side == side}
            faces = {n: i for n, i in passed.items() if all(regions[r].layer is not None for r in n.split("|"))}
            if sum(faces.values()):
                share = sum(passed.values()) / sum(faces.values())
                power += sum(abs(share * i) * self._overpotential(n, share * i / self.model.area) for n, i in faces.items())
        return power

    def _overpotential(self, name: str, density: float) -> float:
        """Magnitude of eta that drives a current density, V; an i0 that is tabulated is that of the mean filling."""
        first, second = (self.case.region(r) for r in name.split("|"))
        kelvin = self.model.parameters.temperature
        law, metal = kinetics(self.case, first, second, kelvin), self.case.region(self.domain.kinetics[name].metal)
        if not metal.deposits and metal.material.has("exchange_current_density"):
            entry = metal.material.get("exchange_current_density")
            group = next(g for g in self.domain.groups if metal in g.regions)
            if entry.table is not None:
                law = replace(law, exchange_current_density=entry.interpolate(self._filling(group)) * entry.activation(kelvin))
        return overpotential_of(law, density, kelvin)

    def _filling(self, group) -> float:
        x = self.fields[f"x:{group.name}"]
        return self.domain.integral(x * self.domain.dx(GROUP + group.number)) / self.volumes[group.number]


def _resistivity(region: Region, kelvin: float) -> float:
    """Mean over the layer, in internal units."""
    name = "ionic_conductivity" if region.ions else "electronic_conductivity"
    entry = region.material.get(name)
    if name in region.grading:
        return 1 / (float(region.grading[name].mean(0.0, 1.0, -1)) * entry.activation(kelvin))
    return 1 / entry.at(kelvin)


def overpotential_of(law: Kinetics, density: float, kelvin: float) -> float:
    """Magnitude of the overpotential (V) at a current density (A/m^2) of either sign, without films."""
    from scipy.optimize import brentq  # slow to load, and needed once a current flows

    if law.law == "linear":
        return abs(density) * law.resistance
    thermal, alpha, i0 = GAS_CONSTANT * kelvin / FARADAY, law.transfer_coefficient, law.exchange_current_density
    bound = thermal * (math.asinh(abs(density) / i0) + 1.0) / min(alpha, 1.0 - alpha)

    def excess(eta: float) -> float:
        return i0 * (math.exp((1 - alpha) * eta / thermal) - math.exp(-alpha * eta / thermal)) - density

    return abs(brentq(excess, -bound, bound))
