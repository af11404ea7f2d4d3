"""Lithium in flaws: how far it is pressed in, what presses on the walls, and the profile along each in `profiles/<flaw>.csv`.

Everything is taken as the mean over each facet of the wall.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem, la, mesh
from mpi4py import MPI

from ..case import Case
from ..domain import Domain
from ..fields import DISPLACEMENT, Fields, modulus
from ..interface.contact import slip_of
from ..model import Model, mean_normal, thermal_strain
from ..physics import KINEMATICS
from ..regions import direction

NEAR = 1e-6  # of the depth: nodes this close to the shallowest (deepest) one lie at the mouth (tip)
MAH_PER_CM2 = 1.0 / 36000.0  # of 1 C/m^2


class Flaw:
    """One flaw that is filled with metal."""

    def __init__(self, feature, case: Case, domain: Domain, fields: Fields, model: Model):
        self.name, self.domain, self.filled, self.depth = feature.name, domain, feature.filled, feature.depth
        region = next(r for r in domain.regions if r.name == feature.name)
        walls = flaw_walls(feature, domain)
        (level, self.sign), axis = direction(feature, case), domain.dimension - 1
        values = {"area": 1.0} | _electrical(fields)
        if case.mechanics is not None:
            values |= _mechanical(case, domain, fields, model, region, self.sign)
        self._means_of(values, walls)
        geometry, gamma = domain.submeshes["gamma"].mesh.geometry, domain.submeshes["gamma"]
        chosen = [domain.interfaces.index(name) for name in walls]
        self.cells = np.flatnonzero(np.isin(domain.interface_of_gamma[: gamma.owned], chosen)).astype(np.int32)
        self.middles = mesh.compute_midpoints(gamma.mesh, axis, self.cells)
        self.distances = self.sign * (self.middles[:, axis] - level)
        corners = self.sign * (geometry.x[geometry.dofmaps[0][self.cells], axis] - level)
        shallow, deep = -self._largest(-corners), self._largest(corners)
        self.rim = (corners <= shallow + NEAR * feature.depth).any(axis=1)
        deepest = corners >= deep - NEAR * feature.depth
        blunt = domain.comm.allreduce(int(deepest.all(axis=1).sum())) > 0  # its end is a face
        self.tip = deepest.all(axis=1) if blunt else deepest.any(axis=1)
        self.plated = self._plated(fields, model, walls)
        self.entered = self._entered(fields, region) if "rim_um" in values else None

    def _means_of(self, values: dict, walls: tuple[str, ...]) -> None:
        """One form for the integrals of all values over each facet."""
        self.columns = list(values)
        space = fem.functionspace(self.domain.submeshes["gamma"].mesh, ("DG", 0, (len(values),)))
        self.sums = fem.Function(space)
        form = ufl.inner(ufl.as_vector(list(values.values())), ufl.TestFunction(space)("+")) * self.domain.dS_between(walls)
        self.form = fem.form(form, entity_maps=self.domain.entity_maps)

    def _plated(self, fields: Fields, model: Model, walls: tuple[str, ...]) -> fem.Form | None:
        """Charge plated on the walls over the cell's area, C/m^2."""
        if fields.growth is None:
            return None
        charge, rate = fem.Function(model.plated_rate.function_space), model.plated_rate.x.array
        charge.x.array[:] = np.divide(1.0, rate, where=rate > 0, out=np.zeros_like(rate))
        return fem.form(charge * fields.growth / model.area * self.domain.dx_gamma(walls), entity_maps=self.domain.entity_maps)

    def _entered(self, fields: Fields, region) -> fem.Form | None:
        """Mean displacement of the metal into the flaw at its mouth; None if no metal lies before it."""
        domain, axis = self.domain, self.domain.dimension - 1
        others = [n for n, r in enumerate(domain.regions) if r.body == region.body and r is not region]
        facets = domain.facets_between(domain.regions.index(region), others)
        rows = fem.compute_integration_domains(fem.IntegralType.interior_facet, domain.mesh.topology, facets)
        measure = ufl.Measure("dS", domain=domain.mesh, subdomain_data=[(1, rows)], metadata={"quadrature_degree": 5})(1)
        weight = domain.weight("+") if domain.kind == "axisymmetric" else fem.Constant(domain.mesh, 1.0)
        area = domain.integral(weight * measure)
        if area == 0:
            return None
        moved = self.sign * fields[DISPLACEMENT[region.body]]("+")[axis]
        return fem.form(moved * weight / area * measure, entity_maps=domain.entity_maps)

    def _largest(self, values: np.ndarray) -> float:
        return self.domain.comm.allreduce(float(values.max()) if values.size else -np.inf, MPI.MAX)

    def _mean(self, values: np.ndarray, areas: np.ndarray) -> float:
        total = self.domain.comm.allreduce(np.array([values @ areas, areas.sum()]), MPI.SUM)
        return float(total[0] / total[1])

    def means(self) -> dict[str, np.ndarray]:
        """Mean over each owned facet of the wall, by column; "area" is the facet's (2D: its length), um^2."""
        self.sums.x.array[:] = 0.0
        fem.assemble_vector(self.sums.x.array, self.form)
        self.sums.x.scatter_reverse(la.InsertMode.add)
        rows = self.sums.x.array.reshape(-1, len(self.columns))[self.cells]
        areas = rows[:, 0]
        return {name: areas if n == 0 else rows[:, n] / areas for n, name in enumerate(self.columns)}

    def scalars(self, head: float | None) -> dict[str, float]:
        """Of the last accepted state: charge plated in it (of the cell's area), pressures on its walls, and how far metal has entered.

        head: mean depth of its metal, um, if it is not full.
        """
        found, means, name = {}, self.means(), self.name
        if self.plated is not None:
            charge = self.domain.comm.allreduce(fem.assemble_scalar(self.plated), MPI.SUM)
            found[f"flaw_charge_mAh_per_cm2[{name}]"] = charge * MAH_PER_CM2
        if "contact_pressure_MPa" in means:
            pressures, areas = means["contact_pressure_MPa"], means["area"]
            found[f"flaw_max_pressure_MPa[{name}]"] = self._largest(pressures)
            found[f"flaw_tip_pressure_MPa[{name}]"] = self._mean(pressures[self.tip], areas[self.tip])
        if self.entered is not None:
            rim = self._mean(means["rim_um"][self.rim], means["area"][self.rim])
            entered = self.domain.comm.allreduce(fem.assemble_scalar(self.entered), MPI.SUM)
            found[f"extrusion_length_um[{name}]"] = entered - rim
        if self.filled is not None:
            found[f"flaw_filled_um[{name}]"] = self.depth if head is None else head
            further = found[f"extrusion_length_um[{name}]"] if head is None else 0.0
            found[f"extrusion_length_um[{name}]"] = found[f"flaw_filled_um[{name}]"] - self.filled + further
        return found

    def profile(self) -> dict[str, np.ndarray] | None:
        """Columns from the mouth to the tip, on rank 0."""
        means = self.means()
        places = {"distance_um": self.distances, "x_um": self.middles[:, 0]} | ({"y_um": self.middles[:, 1]} if self.domain.dimension == 3 else {})
        table = places | {name: values for name, values in means.items() if name not in ("area", "rim_um")}
        parts = self.domain.comm.gather(table)
        if parts is None:
            return None
        whole = {name: np.concatenate([part[name] for part in parts]) for name in table}
        order = np.lexsort((whole["x_um"], np.round(whole["distance_um"], 9)))
        return {name: values[order] for name, values in whole.items()}


def make_flaws(case: Case, domain: Domain, fields: Fields, model: Model) -> list[Flaw]:
    """The flaws that are filled with metal and meet an ion conductor."""
    return [Flaw(feature, case, domain, fields, model) for feature in case.features
            if feature.kind == "flaw" and feature.fill != "empty" and flaw_walls(feature, domain)]


def flaw_walls(feature, domain: Domain) -> tuple[str, ...]:
    """Interfaces of a metal-filled flaw with ion conductors."""
    bodies = {r.name: r.body for r in domain.regions}
    pairs = [name for name in domain.interfaces if feature.name in name.split("|")]
    return tuple(name for name in pairs if {bodies[part] for part in name.split("|")} == {"metal", "ceramic"}
                 and bodies[feature.name] == "metal")


def _electrical(fields: Fields) -> dict:
    return {"current_density_A_per_m2": fields["i"]("+")} if "i" in fields else {}


def _mechanical(case: Case, domain: Domain, fields: Fields, model: Model, region, sign: int) -> dict:
    """What presses and shears the wall. The shear traction is that of the metal on the wall, positive towards the tip."""
    name, n, axis = DISPLACEMENT[region.body], domain.normal(), domain.dimension - 1
    u, wall = fields[name], fields["u_s"]("-")
    grown = fields.growth("+") if fields.growth is not None else 0.0
    if fields.laid is not None:
        grown = grown - fields.laid("+")
    shear = model.interface["stick"]("+") * slip_of(u("+"), wall, n, mean_normal(case, domain)("+"), grown)
    if "slip" in fields:
        shear = shear + fields["shear"]("+")
    values = {"contact_pressure_MPa": fields["p_c"]("+"), "li_pressure_MPa": _metal_pressure(case, domain, fields, region)("+"),
              "shear_traction_MPa": sign * shear[axis], "rim_um": sign * wall[axis]}
    return values | ({"gap_um": fields["gap"]("+")} if "gap" in fields else {})


def _metal_pressure(case: Case, domain: Domain, fields: Fields, region):
    """Pressure `-tr(sigma)/3` of the flaw's metal, MPa."""
    name, motion, place = DISPLACEMENT[region.body], KINEMATICS[case.mechanics.kinematics], (domain.kind, domain.x[0])
    group = next(g for g in domain.groups if region in g.regions)
    if f"p:{group.name}" not in fields:
        shear, bulk = (modulus(fields, region.body, k) for k in ("shear", "bulk"))
        return -ufl.tr(motion.elastic_stress_of(fields[name], *place, shear, bulk, thermal_strain(case, fields, region.body))) / 3
    ratio = motion.volume_ratio(fields[name], *place)
    return fields[f"p:{group.name}"] / (1.0 if ratio is None else ratio)


class Profiles:
    """`profiles/<flaw>.csv`: the profile of each flaw at one time after the other."""

    def __init__(self, folder: Path, flaws: list[Flaw]):
        self.flaws, self.folder = flaws, folder.resolve()

    def look(self) -> dict[Path, tuple[list[str], list[list[str]]]]:
        """(columns, rows) for each file at the present state, on rank 0; all ranks take part."""
        tables = {self.folder / f"{flaw.name}.csv": flaw.profile() for flaw in self.flaws}
        return {path: (list(table), [[f"{value:.9g}" for value in row] for row in zip(*table.values())])
                for path, table in tables.items() if table is not None}
