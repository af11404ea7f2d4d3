"""Material values where the equations take them: by region, by depth in a graded layer, by filling, and at the present temperature.

Every value that depends on temperature stands in a function or constant made here, so that `at_temperature` changes all of them
and no form is compiled anew.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import basix
import numpy as np
import ufl
from dolfinx import fem

from .case import Case
from .depth import depth_direction, relative_depth
from .domain import Domain, Group
from .interface.equilibrium import curve
from .regions import Region

TABLE_ERROR, MOST_ROWS = 1e-4, 32  # of tables in c/c_max, see `thinned`
NODES = 2  # degree of the polynomial that carries a value which varies inside a cell


@dataclass(frozen=True)
class At:
    """Values of one region's material at a temperature; `at("youngs_modulus")` is a number, or an array (cell, node) if it varies.

    depth: relative distance from the layer's lower face; filling: c/c_max of the last accepted step. Both (cell, node).
    """

    region: Region
    temperature: float
    depth: np.ndarray | None = None
    filling: np.ndarray | None = None

    def has(self, name: str) -> bool:
        return self.region.material.has(name)

    def __call__(self, name: str) -> float | np.ndarray:
        entry = self.region.material.get(name)
        if name in self.region.grading:
            return self.region.grading[name].at(self.depth) * entry.activation(self.temperature)
        if entry.table is not None:
            return np.interp(self.filling, *np.array(entry.table).T) * entry.activation(self.temperature)
        return entry.at(self.temperature)

    def mean(self, name: str, power: int) -> float | np.ndarray:
        """Arithmetic (1) or harmonic (-1) mean over the depth that each cell spans, (cell, 1); a number if not graded."""
        if name not in self.region.grading:
            return self(name)
        low, high = (f(axis=1, keepdims=True) for f in (self.depth.min, self.depth.max))
        return self.region.grading[name].mean(low, high, power) * self.region.material.get(name).activation(self.temperature)


class Parameters:
    """All functions and constants of a run that hold material values."""

    def __init__(self, case: Case, domain: Domain):
        self.case, self.domain, self.temperature = case, domain, case.temperature
        self.fillings: dict[str, fem.Function] = {}  # region -> stored lithium c/c_max, set when the fields are made
        self._fields: list[tuple[fem.Function, str | None, Callable]] = []
        self._interfaces: list[tuple[fem.Function, Callable]] = []
        self._constants: list[tuple[fem.Constant, Callable]] = []
        self._depths: dict[tuple[str, str | None], np.ndarray] = {}
        self._laws: dict[tuple[str, str], fem.Function] = {}

    def at_temperature(self, kelvin: float) -> None:
        """Let every value follow the temperature."""
        if kelvin != self.temperature:
            self.temperature = kelvin
            self._refresh()

    def follow_filling(self) -> None:
        """Let values tabulated against stored lithium follow the last accepted step."""
        if self.fillings:
            self._refresh()

    def _refresh(self) -> None:
        for constant, value in self._constants:
            constant.value = value(self.temperature)
        for function, value in self._interfaces:
            self._fill_interface(function, value)
        for function, sub, value in self._fields:
            self._fill(function, sub, value)

    # ---- making -------------------------------------------------------------------------------------------------------

    def constant(self, value: Callable[[float], float]) -> fem.Constant:
        """A number that follows the temperature: `value(kelvin)`."""
        constant = fem.Constant(self.domain.mesh, float(value(self.temperature)))
        self._constants.append((constant, value))
        return constant

    def field(self, value: Callable[[At], float | np.ndarray], sub: str | None = None) -> fem.Function:
        """Function on a submesh (None: the whole mesh) with `value(at)` in each region: one number a cell, or varying inside it."""
        target = self.domain.mesh if sub is None else self.domain.submeshes[sub].mesh
        varies = any(np.shape(value(self._at(region, sub)))[1:] not in ((), (1,)) for region in self.domain.regions)
        function = fem.Function(fem.functionspace(target, ("DG", NODES if varies else 0)))
        self._fill(function, sub, value)
        self._fields.append((function, sub, value))
        return function

    def conductivity(self, kind: str, carried: Callable[[Region], bool], sub: str | None = None):
        """A conductivity for UFL; 0 in regions that do not carry the charge.

        Inside a graded layer it is a tensor, constant in each cell: harmonic mean of what the cell spans across the layer,
        arithmetic mean along it. So the layer's resistance is exact however few elements lie across it.
        """
        def mean(power: int) -> fem.Function:
            return self.field(lambda at: at.mean(kind, power) if carried(at.region) else 0.0, sub)

        along = mean(1)
        if not any(kind in region.grading for region in self.domain.regions):
            return along
        mesh = along.function_space.mesh
        direction = fem.Function(fem.functionspace(mesh, ("DG", 0, (self.domain.dimension,))))
        for region in self.domain.regions:
            if kind in region.grading:
                cells = self._cells(region, sub)
                steepest = depth_direction(self.domain, self._parents(sub)[cells].astype(np.int32), self._at(region, sub).depth, NODES)
                direction.x.array.reshape(-1, self.domain.dimension)[cells] = steepest
        across = mean(-1)
        return along * ufl.Identity(self.domain.dimension) + (across - along) * ufl.outer(direction, direction)

    def interface(self, value: Callable) -> fem.Function:
        """Piecewise constant function on the interface mesh: `value(kinetics or None, interface name, kelvin)`."""
        function = fem.Function(fem.functionspace(self.domain.submeshes["gamma"].mesh, ("DG", 0)))
        self._fill_interface(function, value)
        self._interfaces.append((function, value))
        return function

    def law(self, body: str, name: str, value: Callable[[At], float | np.ndarray]) -> fem.Function:
        """Mechanical value on a body's submesh; made once and shared by all who ask for that name."""
        if (body, name) not in self._laws:
            self._laws[body, name] = self.field(lambda at: value(at) if at.region.body == body else 0.0, body)
        return self._laws[body, name]

    def of_group(self, group: Group, name: str):
        """Property of a group for UFL: a constant, or a function over the whole mesh if a layer of the group is graded in it."""
        if not any(name in region.grading for region in group.regions):
            return self.constant(group.head.material.get(name).at)
        return self.field(lambda at: at(name) if at.region in group.regions else 0.0)

    def of_filling(self, group: Group, name: str, x):
        """Property of a storing group at the filling x (UFL): a monotone cubic through the table's rows, or the plain value."""
        entry = group.head.material.get(name)
        from scipy.interpolate import PchipInterpolator  # slow to load, and few values are tabulated

        if entry.table is None:
            return self.of_group(group, name)
        knots, values = thinned(*np.array(entry.table).T)
        slopes = PchipInterpolator(knots, values).derivative()(knots)
        rows = [[fem.Constant(self.domain.mesh, float(v)) for v in row] for row in (knots, values, slopes)]
        return curve(x, *rows) * self.constant(entry.activation)

    # ---- filling in ---------------------------------------------------------------------------------------------------

    def _cells(self, region: Region, sub: str | None) -> np.ndarray:
        """Cells of the submesh in a region, ghosts included."""
        parents = self._parents(sub)
        return np.flatnonzero(self.domain.region_of_cell[parents] == self.domain.regions.index(region))

    def _parents(self, sub: str | None) -> np.ndarray:
        return np.arange(len(self.domain.region_of_cell)) if sub is None else self.domain.submeshes[sub].parents

    def _at(self, region: Region, sub: str | None) -> At:
        depth = filling = None
        if region.grading:
            if (region.name, sub) not in self._depths:
                parents = self._parents(sub)[self._cells(region, sub)].astype(np.int32)
                self._depths[region.name, sub] = relative_depth(self.domain, region, parents, NODES)
            depth = self._depths[region.name, sub]
        if region.name in self.fillings:
            filling = self._filling(region, sub)
        return At(region, self.temperature, depth, filling)

    def _filling(self, region: Region, sub: str | None) -> np.ndarray:
        x = self.fillings[region.name]
        own = next(s for s in self.domain.submeshes.values() if s.mesh.topology is x.function_space.mesh.topology)
        where = np.full(len(self.domain.region_of_cell), -1, np.int32)
        where[own.parents] = np.arange(len(own.parents), dtype=np.int32)
        values = x.x.array[x.function_space.dofmap.list[where[self._parents(sub)[self._cells(region, sub)]]]]
        nodes = basix.create_element(basix.ElementFamily.P, x.function_space.element.basix_element.cell_type, NODES).points
        return values @ x.function_space.element.basix_element.tabulate(0, nodes)[0, :, :, 0].T

    def _fill(self, function: fem.Function, sub: str | None, value: Callable) -> None:
        dofs = function.function_space.dofmap.list
        for region in self.domain.regions:
            cells = self._cells(region, sub)
            function.x.array[dofs[cells]] = value(self._at(region, sub))

    def _fill_interface(self, function: fem.Function, value: Callable) -> None:
        kinetics = self.domain.kinetics
        per_name = [value(kinetics.get(name), name, self.temperature) for name in self.domain.interfaces]
        function.x.array[:] = np.array(per_name or [0.0], float)[self.domain.interface_of_gamma]


def thinned(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows of a long table through which the monotone cubic keeps within `TABLE_ERROR` of the range of all rows.

    A form with a row more is longer by as much, and compiles and runs more slowly; measured tables have hundreds.
    """
    from scipy.interpolate import PchipInterpolator

    kept = [0, len(x) - 1] if len(x) > MOST_ROWS else list(range(len(x)))
    while len(kept) < MOST_ROWS < len(x):
        error = np.abs(PchipInterpolator(x[kept], y[kept])(x) - y)
        if error.max() <= TABLE_ERROR * np.ptp(y):
            break
        kept = sorted({*kept, int(error.argmax())})
    return x[kept], y[kept]


def at_points(function: fem.Function, cells: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Values of a discontinuous function at reference points of cells, shape (cell, point) or (cell, 1)."""
    values = function.x.array[function.function_space.dofmap.list[cells]]
    if values.shape[1] == 1:
        return values
    basis = function.function_space.element.basix_element.tabulate(0, points)[0, :, :, 0]
    return values @ basis.T
