"""Field files for ParaView and pyvista: `fields/<part>.pvd`, one for each body and one for the interfaces; profiles along flaws.

Point values are linear, cell values constant; units stand in the names. Parts share the run's time.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import ufl
from dolfinx import fem

from ..case import Case
from ..domain import Domain
from ..fields import BODIES, DISPLACEMENT, Fields
from ..model import Model, salt_data
from ..units import FARADAY, GAS_CONSTANT
from ..whole import append_rows, whole
from .flaws import Profiles
from .scalars import Observer
from .stress import max_principal, pressure, von_mises
from .tips import FrontTable
from .vtu import join_pieces, write_piece


PARTS = {"metal": "metal", "mixed": "mixed", "electrolyte": "ceramic"}  # file -> body
POTENTIALS = {"phi": ("ions", "ionic_conductivity"), "phi_m": ("electrons", "electronic_conductivity")}

COLLECTION = """<?xml version="1.0"?>
<VTKFile type="Collection" version="1.0">
  <Collection>
{}
  </Collection>
</VTKFile>
"""


class FieldWriter:
    """Writes the parts that a case has: "metal", "mixed" (mixed conductors), "electrolyte" (ion conductors), "interface".

    `times` are those at which fields were written. A time stands in a part's .pvd once all that belongs to it is on the disk.
    """

    def __init__(self, folder: Path, case: Case, domain: Domain, fields: Fields, model: Model, observer: Observer):
        self.case, self.times, self.refused = case, [], None
        self.profiles = Profiles(folder.parent / "profiles", observer.flaws)
        self.folder = folder.resolve()
        self.fronts = FrontTable(folder.parent / "fronts.csv", observer.tips)
        self.show(domain, fields, model, observer)

    def show(self, domain: Domain, fields: Fields, model: Model, observer: Observer) -> None:
        """Write these from now on, into the same files."""
        self.domain, self.fields, self.model, self.observer = domain, fields, model, observer
        self.profiles.flaws, self.fronts.tips = observer.flaws, observer.tips
        self.parts = {name: self._solid(body, self._body_functions(body)) for name, body in PARTS.items() if body in domain.submeshes}
        if "gamma" in domain.submeshes:
            self.parts["interface"] = self._interface_functions()

    def write(self, time: float) -> None:
        """All parts at one time (s). All ranks take part; what cannot be written is an OSError on some of them."""
        number = len(self.times)
        for name in self.parts:
            self._write_piece(name, number)
        tables = self.profiles.look() | self.fronts.look()
        self.domain.comm.barrier()  # the pieces of all ranks are written
        if self.refused is not None:
            raise self.refused
        self.times.append(time)
        if self.domain.comm.rank == 0:
            self._list(number)
            for path, (columns, rows) in tables.items():
                path.parent.mkdir(exist_ok=True)
                append_rows(path, [] if path.exists() else [["time_s", *columns]])
                append_rows(path, [[f"{time:.12g}", *row] for row in rows])

    def _write_piece(self, name: str, number: int) -> None:
        for function, update in self.parts[name]:
            update(function)
        try:
            write_piece(self.folder / _piece(name, number, self.domain.comm.rank), [function for function, _ in self.parts[name]])
        except OSError as error:  # on this rank alone: it is told once all have met
            self.refused = error

    def _list(self, number: int) -> None:
        """Rank 0: the files of all times so far, once those of the last one are whole."""
        for name, functions in self.parts.items():
            pieces = [_piece(name, number, rank) for rank in range(self.domain.comm.size)]
            join_pieces(self.folder / _joined(name, number), pieces, [function for function, _ in functions])
            list_times(self.folder, name, self.times)

    # ---- bodies -------------------------------------------------------------------------------------------------------

    def _body_functions(self, body: str) -> list:
        mesh, cut = self.domain.submeshes[body].mesh, self._cut(body)
        linear, vector = (self.domain.lagrange(body, 1, shape, cut) for shape in ((), (self.domain.dimension,)))
        constant = fem.functionspace(mesh, ("DG", 0))
        flux = fem.functionspace(mesh, ("DG", 0, (self.domain.dimension,)))
        functions = []
        carried = {"metal": ("phi_m",), "mixed": ("phi", "phi_m"), "ceramic": ("phi",)}[body]
        for potential in carried:
            if potential in self.fields:
                kind = "electronic_" if body == "mixed" and potential == "phi_m" else ""
                functions.append((fem.Function(linear, name=f"{kind}potential_V"), self._potential(potential, body)))
                functions.append((fem.Function(flux, name=f"{kind}current_density_A_per_m2"), self._current(potential, body)))
        if body == "ceramic" and "c" in self.fields:
            functions.append((fem.Function(linear, name="salt_concentration_mol_per_m3"), self._salt))
        displacement = DISPLACEMENT[body]
        if displacement in self.fields:
            functions.append((fem.Function(vector, name="displacement_um"), lambda f, u=displacement: f.interpolate(self.fields[u])))
            functions += self._stress_functions(displacement, constant)
        if any(f"x:{g.name}" in self.fields and g.head.body == body for g in self.domain.groups):
            functions.append((fem.Function(linear, name="lithium_concentration_mol_per_m3"), lambda f: self._concentration(f, body)))
        functions.append((fem.Function(constant, name="region"), self._regions(body)))
        return functions

    def _cut(self, body: str) -> tuple[tuple[int, int], ...]:
        """Pairs of regions of a body between which a potential jumps."""
        inside = {n for n, region in enumerate(self.domain.regions) if region.body == body}
        return tuple(sorted({pair for pairs in self.domain.resisting.values() for pair in pairs.values() if inside.issuperset(pair)}))

    def _solid(self, body: str, functions: list) -> list:
        """The same without what is inside voids."""
        if f"solid {body}" not in self.domain.submeshes:
            return functions
        solid, found = self.domain.submeshes[f"solid {body}"].mesh, []
        for whole, update in functions:
            element = whole.function_space.ufl_element()
            shape = element.reference_value_shape
            space = (self.domain.lagrange(f"solid {body}", 1, shape, self._cut(body)) if element.basix_element.degree
                     else fem.functionspace(solid, ("DG", 0, shape) if shape else ("DG", 0)))
            function = fem.Function(space, name=whole.name)

            def cut(target, whole=whole, update=update) -> None:
                update(whole)
                self._carry(target, f"solid {body}", whole, body)
            found.append((function, cut))
        return found

    def _carry(self, target: fem.Function, body: str, source: fem.Function, sub: str, factor: float = 1.0) -> None:
        """Values of a function on one submesh, times a factor, onto the cells that another has in common with it."""
        own, other = self.domain.submeshes[body], self.domain.submeshes[sub]
        where = np.full(len(self.domain.region_of_cell), -1, np.int32)
        where[other.parents] = np.arange(len(other.parents), dtype=np.int32)
        common = np.flatnonzero(where[own.parents] >= 0)
        (into, dofs), (out, taken) = ((f.x.array.reshape(-1, f.function_space.dofmap.bs), f.function_space.dofmap.list)
                                      for f in (target, source))
        into[dofs[common]] = factor * out[taken[where[own.parents][common]]]

    def _potential(self, name: str, body: str):
        sub, _ = POTENTIALS[name]
        linear = fem.Function(self.domain.potential_space(sub, 1))

        def update(function) -> None:
            linear.interpolate(self.fields[name])
            if name == "phi_m":
                linear.x.array[:] += self._offset(linear)
            self._carry(function, body, linear, sub)
        return update

    def _offset(self, function) -> np.ndarray:
        """The anode side's voltage, at the nodes of the regions on that side."""
        voltage = self.observer.voltage() if "V" in self.fields else 0.0
        sub = self.domain.submeshes["electrons"]
        anode = np.array([r.side == "anode" for r in self.domain.regions])[self.domain.region_of_cell[sub.parents]]
        offset = np.zeros(len(function.x.array))
        offset[np.unique(function.function_space.dofmap.list[anode])] = voltage
        return offset

    def _current(self, name: str, body: str):
        """-conductivity grad(potential), and in binary electrolytes what the concentration drives."""
        sub, kind = POTENTIALS[name]
        mesh, dimension = self.domain.submeshes[sub].mesh, self.domain.dimension
        conductivity = self.model.parameters.conductivity(kind, lambda region: getattr(region, sub), sub)
        own = fem.Function(fem.functionspace(mesh, ("DG", 0, (dimension,))))
        points = own.function_space.element.interpolation_points
        ohmic = fem.Expression(-conductivity * ufl.grad(self.fields[name]), points)
        driven, extra = self._driven_by_salt() if name == "phi" and "c" in self.fields else (None, None)

        def update(function) -> None:
            own.interpolate(ohmic)
            self._carry(function, body, own, sub)
            if driven is not None:
                extra.interpolate(driven)
                whole = fem.Function(own.function_space)
                self._carry(whole, sub, extra, "salt")
                own.x.array[:] += whole.x.array
                self._carry(function, body, own, sub)
        return update

    def _driven_by_salt(self) -> tuple[fem.Expression, fem.Function]:
        """Current that the concentration drives, on the binary regions' own mesh."""
        kappa = self.model.parameters.conductivity("ionic_conductivity", lambda region: region.ions, "salt")
        _, transference, factor = salt_data(self.model.parameters, "salt")
        thermal = self.model.parameters.field(lambda at: GAS_CONSTANT * at.temperature / FARADAY, "salt")
        c = self.fields["c"]
        own = fem.Function(fem.functionspace(self.domain.submeshes["salt"].mesh, ("DG", 0, (self.domain.dimension,))))
        current = 2 * thermal * (1 - transference) * factor / c * (kappa * ufl.grad(c))
        return fem.Expression(current, own.function_space.element.interpolation_points), own

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

    def _concentration(self, function, body: str) -> None:
        function.x.array[:] = 0.0
        for group in self.domain.groups:
            if f"x:{group.name}" in self.fields and group.head.body == body:
                linear = fem.Function(fem.functionspace(self.domain.submeshes[group.name].mesh, ("Lagrange", 1)))
                linear.interpolate(self.fields[f"x:{group.name}"])
                self._carry(function, body, linear, group.name, group.head.material.get("maximum_concentration").value)

    def _salt(self, function) -> None:
        linear = fem.Function(fem.functionspace(self.domain.submeshes["salt"].mesh, ("Lagrange", 1)))
        linear.interpolate(self.fields["c"])
        self._carry(function, "ceramic", linear, "salt")

    def _regions(self, sub: str):
        named = [region.name for region in self.case.regions]
        number = np.array([named.index(region.name) for region in self.domain.regions], float)  # voids may have been left out since
        numbers = number[self.domain.region_of_cell[self.domain.submeshes[sub].parents]]

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
        if "sei" in self.fields:
            functions.append((fem.Function(constant, name="sei_thickness_nm"), self._at_middle(1e3 * self.fields["sei"], constant)))
        if "p_c" in self.fields:
            functions.append((fem.Function(linear, name="contact_pressure_MPa"), lambda f: f.interpolate(self.fields["p_c"])))
        if "gap" in self.fields:
            functions.append((fem.Function(linear, name="gap_um"), lambda f: f.interpolate(self.fields["gap"])))
        if "slip" in self.fields:
            vector = fem.functionspace(mesh, ("Lagrange", 1, (self.domain.dimension,)))
            for name, source in (("slip_um", "slip"), ("contact_shear_MPa", "shear")):
                functions.append((fem.Function(vector, name=name), lambda f, u=source: f.interpolate(self.fields[u])))
        if self.observer.contact is not None and self.domain.kinetics:
            state = self.observer.contact.state
            functions.append((fem.Function(constant, name="contact_state"), self._at_middle(state, constant)))
        functions.append((fem.Function(constant, name="interface"), self._interface_numbers))
        return functions

    def _at_middle(self, source, space):
        expression = fem.Expression(source, space.element.interpolation_points)
        return lambda f: f.interpolate(expression)

    def _interface_numbers(self, function) -> None:
        function.x.array[:] = self.domain.interface_of_gamma


def _piece(part: str, number: int, rank: int) -> str:
    """File of one rank's cells of a part at one of its times."""
    return f"{part}_{number:06d}__p{rank}_000000.vtu"


def _joined(part: str, number: int) -> str:
    """File that joins those of all ranks."""
    return f"{part}_{number:06d}_000000.pvtu"


def list_times(folder: Path, part: str, times: list[float]) -> None:
    """`<part>.pvd`, which names the files of a part at its times (s)."""
    lines = [f'    <DataSet timestep="{float(time)!r}" part="0" file="{_joined(part, n)}" />' for n, time in enumerate(times)]
    with whole(folder / f"{part}.pvd") as file:
        file.write(COLLECTION.format("\n".join(lines)))
