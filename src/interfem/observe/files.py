"""Field files for ParaView and pyvista: `fields/<part>.pvd`, one for each carrier and one for the interfaces.

Point values are linear, cell values constant; units stand in the names. Parts share the run's time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem, io

from ..case import Case
from ..domain import Domain
from ..fields import BODIES, Fields, region_values
from ..model import Model, salt_data
from ..units import FARADAY, GAS_CONSTANT
from .scalars import Observer
from .stress import max_principal, pressure, von_mises


class FieldWriter:
    """Writes the parts that a case has: "electrolyte" (ion conductors), "metal" (electron conductors), "interface"."""

    def __init__(self, folder: Path, case: Case, domain: Domain, fields: Fields, model: Model, observer: Observer):
        self.case, self.domain, self.fields, self.model, self.observer = case, domain, fields, model, observer
        if domain.comm.rank == 0:
            folder.mkdir(parents=True, exist_ok=True)
        domain.comm.barrier()
        self.parts = {}
        for name, sub in (("metal", "electrons"), ("electrolyte", "ions"), ("interface", "gamma")):
            if sub in domain.submeshes:
                functions = self._interface_functions() if sub == "gamma" else self._body_functions(sub)
                if functions:
                    file = io.VTKFile(domain.comm, folder / f"{name}.pvd", "w")
                    self.parts[name] = (file, functions)

    def write(self, time: float) -> None:
        """All parts at one time (s)."""
        for file, functions in self.parts.values():
            for function, update in functions:
                update(function)
            file.write_function([function for function, _ in functions], time)

    def close(self) -> None:
        for file, _ in self.parts.values():
            file.close()

    # ---- bodies -------------------------------------------------------------------------------------------------------

    def _body_functions(self, sub: str) -> list:
        mesh = self.domain.submeshes[sub].mesh
        linear, constant = fem.functionspace(mesh, ("Lagrange", 1)), fem.functionspace(mesh, ("DG", 0))
        vector = fem.functionspace(mesh, ("Lagrange", 1, (self.domain.dimension,)))
        flux = fem.functionspace(mesh, ("DG", 0, (self.domain.dimension,)))
        functions = []
        potential = "phi" if sub == "ions" else "phi_m"
        if potential in self.fields:
            functions.append((fem.Function(linear, name="potential_V"), self._potential(potential)))
            functions.append((fem.Function(flux, name="current_density_A_per_m2"), self._current(potential, sub, flux)))
        if sub == "ions" and "c" in self.fields:
            functions.append((fem.Function(linear, name="salt_concentration_mol_per_m3"), self._salt))
        displacement = "u_s" if sub == "ions" else "u_m"
        if displacement in self.fields:
            functions.append((fem.Function(vector, name="displacement_um"), lambda f, u=displacement: f.interpolate(self.fields[u])))
            functions += self._stress_functions(displacement, constant)
        if sub == "electrons" and any(f"x:{g.name}" in self.fields for g in self.domain.groups):
            functions.append((fem.Function(linear, name="lithium_concentration_mol_per_m3"), self._concentration))
        functions.append((fem.Function(constant, name="region"), self._regions(sub)))
        return functions

    def _potential(self, name: str):
        def update(function) -> None:
            function.interpolate(self.fields[name])
            if name == "phi_m":
                function.x.array[:] += self._offset(function)
        return update

    def _offset(self, function) -> np.ndarray:
        """The anode side's voltage, at the nodes of the regions on that side."""
        voltage = self.observer.voltage() if "V" in self.fields else 0.0
        sub = self.domain.submeshes["electrons"]
        anode = np.array([r.side == "anode" for r in self.domain.regions])[self.domain.region_of_cell[sub.parents]]
        offset = np.zeros(len(function.x.array))
        offset[np.unique(function.function_space.dofmap.list[anode])] = voltage
        return offset

    def _current(self, name: str, sub: str, space):
        kind = "ionic_conductivity" if sub == "ions" else "electronic_conductivity"
        conductivity = fem.Function(fem.functionspace(self.domain.submeshes[sub].mesh, ("DG", 0)))
        cells = self.domain.region_of_cell[self.domain.submeshes[sub].parents]
        values = [r.material.get(kind).at(self.case.temperature) if r.material.has(kind) else 0.0 for r in self.domain.regions]
        conductivity.x.array[:] = np.array(values)[cells]
        expression = fem.Expression(-conductivity * ufl.grad(self.fields[name]), space.element.interpolation_points)
        if sub == "ions" and "c" in self.fields:
            return self._current_with_salt(expression, space)
        return lambda f: f.interpolate(expression)

    def _current_with_salt(self, ohmic: fem.Expression, space):
        """Adds the part that the concentration drives, on the binary regions' own mesh, cell by cell."""
        salt, ions = self.domain.submeshes["salt"], self.domain.submeshes["ions"]
        kappa = region_values(self.domain, "salt", lambda r: r.material.get("ionic_conductivity").at(self.case.temperature) if r.ions else 0.0)
        _, transference, factor = salt_data(self.case, self.domain, "salt")
        c, thermal = self.fields["c"], GAS_CONSTANT * self.case.temperature / FARADAY
        driven = 2 * kappa * thermal * (1 - transference) * factor / c * ufl.grad(c)
        own = fem.Function(fem.functionspace(salt.mesh, ("DG", 0, (self.domain.dimension,))))
        expression = fem.Expression(driven, own.function_space.element.interpolation_points)
        where = np.full(len(self.domain.region_of_cell), -1, np.int32)
        where[ions.parents] = np.arange(len(ions.parents), dtype=np.int32)
        cells = where[salt.parents]

        def update(function) -> None:
            function.interpolate(ohmic)
            own.interpolate(expression)
            values = function.x.array.reshape(-1, self.domain.dimension)
            values[cells] += own.x.array.reshape(-1, self.domain.dimension)
        return update

    def _stress_functions(self, displacement: str, space) -> list:
        stress, cache = self.observer.stresses[displacement], {}

        def first(function) -> None:
            cache["sigma"] = stress().mean(axis=1)
            fill(function, von_mises(cache["sigma"]))

        def fill(function, values) -> None:
            function.x.array[: len(values)] = values
            function.x.scatter_forward()

        functions = [(fem.Function(space, name="von_mises_MPa"), first),
                     (fem.Function(space, name="max_principal_MPa"), lambda f: fill(f, max_principal(cache["sigma"]))),
                     (fem.Function(space, name="pressure_MPa"), lambda f: fill(f, pressure(cache["sigma"])))]
        if displacement in self.fields.flows:
            flow = self.fields.flows[displacement]
            owned = self.domain.submeshes[BODIES[displacement]].owned
            functions.append((fem.Function(space, name="plastic_strain"),
                              lambda f: fill(f, flow.hardened.x.array[flow.hardened.function_space.dofmap.list[:owned]].mean(axis=1))))
        return functions

    def _concentration(self, function) -> None:
        function.x.array[:] = 0.0
        for group in self.domain.groups:
            if f"x:{group.name}" in self.fields:
                top = group.head.material.get("maximum_concentration").at(self.case.temperature)
                self._spread(function, group.name, self.fields[f"x:{group.name}"], top)

    def _spread(self, function, sub: str, source, factor: float) -> None:
        """Nodal values of a field on a part of the body, times a factor, onto the body's nodes."""
        own, body = self.domain.submeshes[sub], "ions" if sub == "salt" else "electrons"
        where = np.full(len(self.domain.region_of_cell), -1, np.int32)
        where[self.domain.submeshes[body].parents] = np.arange(len(self.domain.submeshes[body].parents), dtype=np.int32)
        linear = fem.Function(fem.functionspace(own.mesh, ("Lagrange", 1)))
        linear.interpolate(source)
        values = factor * linear.x.array[linear.function_space.dofmap.list]
        function.x.array[function.function_space.dofmap.list[where[own.parents]]] = values

    def _salt(self, function) -> None:
        self._spread(function, "salt", self.fields["c"], 1.0)

    def _regions(self, sub: str):
        numbers = self.domain.region_of_cell[self.domain.submeshes[sub].parents].astype(float)

        def update(function) -> None:
            function.x.array[:] = numbers
        return update

    # ---- interfaces ---------------------------------------------------------------------------------------------------

    def _interface_functions(self) -> list:
        mesh = self.domain.submeshes["gamma"].mesh
        linear, constant = fem.functionspace(mesh, ("Lagrange", 1)), fem.functionspace(mesh, ("DG", 0))
        functions = []
        if "i" in self.fields:
            functions.append((fem.Function(constant, name="current_density_A_per_m2"), self._at_middle(self.fields["i"], constant)))
            functions.append((fem.Function(constant, name="plated_thickness_um"), self._at_middle(self.fields.growth, constant)))
        if "p_c" in self.fields:
            functions.append((fem.Function(linear, name="contact_pressure_MPa"), lambda f: f.interpolate(self.fields["p_c"])))
        functions.append((fem.Function(constant, name="interface"), self._interface_numbers))
        return functions

    def _at_middle(self, source, space):
        expression = fem.Expression(source, space.element.interpolation_points)
        return lambda f: f.interpolate(expression)

    def _interface_numbers(self, function) -> None:
        function.x.array[:] = self.domain.interface_of_gamma

