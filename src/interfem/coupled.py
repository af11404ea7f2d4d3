"""The Jacobian of bodies that deform, flow and touch, and of what diffuses and reacts, with or without potentials, for iterative solvers.

With what carries charge e (see blocks.py), stored lithium, salt and the reaction layer c, displacements u of all bodies, pressures p of
flowing metal, the few numbers f of a frame (stack pressure, places of its plates) and, at the vertices of interfaces, contact pressures,
gaps, slips and shear tractions l, the preconditioner solves, in this order,

    E e = r_e,   C c = r_c - ...,   S p = r_p - ...,
    (A + D_u - U D^-1 L) u + B f = r_u - ... - U D^-1 r_l,   G u + H f = r_f - ...,   D l = r_l - L u - ...

- E: currents of interfaces eliminated, multigrid for the potentials;
- C: a few iterations of GMRES with multigrid;
- B, G, H: the frame's border, by the Schur complement `H - G P B`, P being the cycle that stands for the inverse on u;
- S = -(1/K + 1/(2 s G)) mass: the Schur complement of p, s being what flow leaves of the shear modulus G;
- A + D_u: stiffness; D_u = 2/3 s G div u div v completes a deviator to a strain, whose only free motions are those of rigid bodies;
- D: the block of l, vertex by vertex. It does not tell the traction where faces are closed or stick. There they are joined by springs,
  about as stiff as their vertices, `D - diag(L diag(A)^-1 U)/STIFF`, and so u is solved for, by one multigrid cycle for all bodies
  together. Where the current depends on l and makes metal grow, `diag(G E_i^-1 I)` is taken from D besides, E_i the block of currents.

Flexible GMRES does the rest. Sources: Elman, Silvester and Wathen, Finite Elements and Fast Iterative Solvers (2014), ch. 4 for S; Benzi,
Golub and Liesen, Acta Numerica 14 (2005) 1 for block preconditioners.
"""

from __future__ import annotations

import numpy as np
import ufl
from dolfinx import fem
from petsc4py import PETSc

from .blocks import CHARGE, CURRENT, Block, Blocks, shell
from .domain import GROUP
from .fields import BODIES, DISPLACEMENT, modulus
from .forms import compile_forms
from .physics import KINEMATICS

TOUCHING = ("p_c", "gap", "slip", "shear")  # l; several values at each vertex of the interfaces
SPREADING = ("x", "c", "sei")  # c, by the first part of their names
FRAME = ("stack", "plate")  # f, likewise; one number each
STIFF = 0.3  # of those springs; ten times stiffer ones multigrid finds hard, and GMRES then takes twice the iterations
MASSES = {"ksp_type": "cg", "ksp_rtol": 1e-3, "ksp_max_it": 20, "pc_type": "jacobi"}  # some 8 iterations, whatever the mesh (Wathen, IMA J.
# Numer. Anal. 7 (1987) 449)
SPREAD = {"ksp_type": "gmres", "ksp_rtol": 1e-3, "ksp_max_it": 30, "pc_type": "gamg", "pc_gamg_threshold": 0.02}


def fits(names, domain) -> bool:
    """All but meshed voids, whose medium is 1e6 times softer than what lies about it; lithium that separates into phases; and salt beside
    bodies, with which factors are faster where metal creeps."""
    known = {*CHARGE, *BODIES, *TOUCHING, *SPREADING, *FRAME, "p"} - ({"c"} if BODIES.keys() & set(names) else set())
    return not any(region.hollow for region in domain.regions) and all(kind(name) in known for name in names)


def kind(name: str) -> str:
    """Of an unknown, that of a group or a plate too: ``x:anode`` -> x"""
    return name.partition(":")[0]


def softened(case, domain, fields) -> dict[str, fem.Form]:
    """Of the preconditioner alone: S of each pressure, and D_u of each displacement that has a part which flows."""
    found, dilation = {}, {}
    if case.mechanics is None:
        return found
    motion, place = KINEMATICS[case.mechanics.kinematics], (domain.kind, domain.x[0])
    for group in domain.groups:
        if not group.head.flows:
            continue
        name, pressure = DISPLACEMENT[group.head.body], f"p:{group.name}"
        shear, bulk = (modulus(fields, group.head.body, key) for key in ("shear", "bulk"))
        left = fields.flows[name].ratio * shear if name in fields.flows else shear
        dx, space, u = domain.dx(GROUP + group.number), fields[pressure].function_space, fields[name]
        found[pressure] = -(1 / bulk + 0.5 / left) * ufl.TrialFunction(space) * ufl.TestFunction(space) * dx
        volume = motion.volume_strain(u, *place, 0.0)
        change, test = (ufl.derivative(volume, u, argument(u.function_space)) for argument in (ufl.TrialFunction, ufl.TestFunction))
        term = 2 * left / 3 * change * test * dx
        dilation[name] = dilation[name] + term if name in dilation else term
    return compile_forms(found | dilation, domain.entity_maps)


class Coupled:
    """The linear system. `system` is the Jacobian with its rows weighed, in the order of the unknowns that are not held."""

    symmetric, method, closest = False, "fgmres", 1e-4

    def __init__(self, names: list[str], forms: list[list[fem.Form | None]], slices: dict[str, slice], weights: dict, spaces: dict,
                 charge: Blocks | None, softened: dict[str, fem.Form], sizes: dict[str, float], in_order: bool):  # fmt: skip
        """weights: of rows, `name -> () -> array`. sizes: of diagonal entries that essential conditions set, by block."""
        self.names, self.slices, self.weights, self.spaces, self.charge = names, slices, weights, spaces, charge
        self.blocks = {(row, column): Block(form, sizes.get(row, 1.0), in_order)
                       for row, line in zip(names, forms) for column, form in zip(names, line) if form is not None}
        if charge is not None:
            self.blocks |= charge.blocks
        self.softened = {name: Block(form, 0.0, in_order) for name, form in softened.items()}
        self._own = 0  # blocks assembled that are not those of charge
        self._nest: PETSc.Mat | None = None
        self.system: PETSc.Mat | None = None

    def choose(self, held: set[str]) -> None:
        """Take for unknowns what essential conditions do not hold wholly; everything is assembled anew."""
        if self.charge is not None:
            self.charge.choose(held)
        self.unknowns = [name for name in self.names if name not in held]
        for block in (*self.blocks.values(), *self.softened.values()):
            block.forget()
        self._free()
        self._nest = self.nest(self.unknowns, self.unknowns)
        like = self._nest.createVecRight()
        self.system = shell(like, self._weighed)
        like.destroy()

    def nest(self, rows: list[str], columns: list[str]) -> PETSc.Mat:
        """These blocks as one matrix, not copied."""
        return PETSc.Mat().createNest([[self.blocks[row, column].matrix if (row, column) in self.blocks else None for column in columns]
                                       for row in rows], comm=self.comm)

    @property
    def comm(self):
        return next(iter(self.blocks.values())).matrix.getComm()

    @property
    def assembled(self) -> int:
        return self._own + (self.charge.assembled if self.charge is not None else 0)

    @property
    def nonzeros(self) -> int:
        """Of the system, over all ranks."""
        kept = set(self.unknowns)
        return int(sum(block.matrix.getInfo(PETSc.Mat.InfoType.GLOBAL_SUM)["nz_used"]
                       for key, block in self.blocks.items() if kept.issuperset(key)))

    def _free(self) -> None:
        for matrix in (self.system, self._nest):
            if matrix is not None:
                matrix.destroy()
        self.system = self._nest = None

    def destroy(self) -> None:
        self._free()
        if self.charge is not None:
            self.charge.destroy()
        for block in (*self.blocks.values(), *self.softened.values()):
            block.destroy()

    def refresh(self, bcs: list[fem.DirichletBC]) -> None:
        """Bring the blocks of the unknowns up to date; what only the preconditioner needs waits until one is made."""
        kept, charge = set(self.unknowns), {}
        if self.charge is not None:
            self.charge.refresh(bcs)
            charge = self.charge.blocks
        self._own += sum(block.refresh(bcs) for key, block in self.blocks.items() if key not in charge and kept.issuperset(key))
        self._bcs = bcs
        self.held = {name: np.concatenate([bc.dof_indices()[0][: bc.dof_indices()[1]] for bc in here] or [np.empty(0, np.int32)])
                     for name, here in zip(self.spaces, fem.bcs_by_block([space._cpp_object for space in self.spaces.values()], bcs))}
        self._nest.assemble()
        self.system.stateIncrease()  # else PETSc takes it for unchanged, and keeps the preconditioner whatever is asked of it

    def softened_matrix(self, name: str) -> PETSc.Mat | None:
        """S of a pressure or D_u of a displacement, up to date."""
        if name not in self.softened:
            return None
        self.softened[name].refresh(self._bcs)
        return self.softened[name].matrix

    def whole(self) -> PETSc.Mat:
        """As one sparse matrix, which factors need."""
        matrix = self._nest.convert("aij", PETSc.Mat())
        weights = matrix.createVecLeft()
        weights.setArray(self._weights())
        matrix.diagonalScale(L=weights)
        weights.destroy()
        return matrix

    def _weights(self) -> np.ndarray:
        return np.concatenate([self.weights[name]() for name in self.unknowns])

    def _weighed(self, x: PETSc.Vec, y: PETSc.Vec) -> None:
        """The system times a vector."""
        self._nest.mult(x, y)
        y.getArray()[:] *= self._weights()

    def precondition(self, pc: PETSc.PC, prefix: str, options: dict) -> dict:
        """Have a preconditioner; the options that it takes, by their names behind the prefix."""
        pc.setType("python")
        pc.setPythonContext(Preconditioner(self, prefix))
        charge = self.charge.options(options["charge"]) | options["close"] if self.charge is not None else {}
        given = {f"charge_{key}": value for key, value in charge.items()}
        given |= {f"{part}_{key}": value for part, options in (("masses", MASSES), ("spread", SPREAD)) for key, value in options.items()}
        return options["whole"] | given | {f"bodies_{key}": value for key, value in options["bodies"].items()}

    # ---- vectors: dictionaries of PETSc vectors by name ----------------------------------------------------------------

    def vector(self, name: str) -> PETSc.Vec:
        part = self.slices[name]
        return PETSc.Vec().createMPI((part.stop - part.start, PETSc.DETERMINE), comm=self.comm)

    def split(self, array: np.ndarray) -> dict[str, np.ndarray]:
        """Parts of the owned values of a vector of the system."""
        sizes = [self.slices[name].stop - self.slices[name].start for name in self.unknowns]
        return dict(zip(self.unknowns, np.split(array, np.cumsum(sizes)[:-1])))

    def parts(self, vector: PETSc.Vec) -> dict[str, PETSc.Vec]:
        """The owned values of each block of a blocked vector, copied."""
        array, found = vector.getArray(readonly=True), {}
        for name in self.unknowns:
            found[name] = self.vector(name)
            found[name].setArray(array[self.slices[name]])
        return found

    def join(self, parts: dict[str, PETSc.Vec], vector: PETSc.Vec) -> None:
        vector.set(0.0)
        for name, part in parts.items():
            vector.getArray()[self.slices[name]] = part.getArray(readonly=True)

    def times(self, row: str, column: str, x: PETSc.Vec, y: PETSc.Vec, sign: float = 1.0) -> None:
        """`y += sign M x` for one block M, if it is there."""
        if (row, column) in self.blocks:
            z = y.duplicate()
            self.blocks[row, column].matrix.mult(x, z)
            y.axpy(sign, z)
            z.destroy()

    def multiply(self, x: dict[str, PETSc.Vec]) -> dict[str, PETSc.Vec]:
        """The Jacobian times a vector."""
        found = {name: vector.duplicate() for name, vector in x.items()}
        for row in found:
            for column in x:
                self.times(row, column, x[column], found[row])
        return found

    def solve(self, r: dict[str, PETSc.Vec], inner) -> dict[str, PETSc.Vec] | None:
        """Solution for a right-hand side, or None if `inner(b, x) -> bool`, which solves the system, has failed."""
        x, b = self._nest.createVecs()
        b.setArray(np.concatenate([r[name].getArray(readonly=True) for name in self.unknowns]) * self._weights())
        found = None
        if inner(b, x):
            found = {name: self.vector(name) for name in self.unknowns}
            for name, values in self.split(x.getArray(readonly=True)).items():
                found[name].setArray(values)
        x.destroy()
        b.destroy()
        return found


class Preconditioner:
    """See above; as PETSc calls it. All of it is made, and kept, at once."""

    def __init__(self, system: Coupled, prefix: str):
        self.system, self.prefix = system, prefix
        self._made: list = []

    def setUp(self, pc: PETSc.PC) -> None:
        self.destroy(pc)
        names = self.system.unknowns
        self.bodies, self.touching = ([name for name in names if name in which] for which in (BODIES, TOUCHING))
        self.flowing = [name for name in names if name.startswith("p:")]
        self.spreading, self.frame = ([name for name in names if kind(name) in which] for which in (SPREADING, FRAME))
        if self.bodies:
            self._set_up_bodies()
        if self.spreading:
            self.spread = self._solver(self._keep(_one(self.system.nest(self.spreading, self.spreading))), "spread_")
        self.masses = {name: self._solver(self.system.softened_matrix(name), "masses_") for name in self.flowing}
        if self.system.charge is not None:
            self.currents = self._solver(self.system.charge.system, "charge_")

    def _set_up_bodies(self) -> None:
        stiffness = self._keep(_one(self.system.nest(self.bodies, self.bodies)))
        springs = self._springs(stiffness) if self.touching else None
        self._add(stiffness, self._dilation())
        if springs is not None:
            self._add(stiffness, springs)
        self.cycle = self._multigrid(stiffness)
        if self.frame:
            self._border()

    def _border(self) -> None:
        """Columns `P B`, and the inverse of `H - G P B`, on all ranks."""
        beside, self.below, own = (self._keep(self._joined(*pair)) for pair in ((self.bodies, self.frame), (self.frame, self.bodies), (self.frame,) * 2))
        unit, force = own.createVecRight(), self.cycle.getOperators()[0].createVecLeft()
        first, last = unit.getOwnershipRange()
        self.followed, schur = [], []
        for n in range(unit.getSize()):
            unit.setArray((np.arange(first, last) == n).astype(float))
            beside.mult(unit, force)
            self.followed.append(self._keep(force.duplicate()))
            self.cycle.solve(force, self.followed[-1])
            schur.append(self._everywhere(own, unit) - self._everywhere(self.below, self.followed[-1]))
        self.schur = np.linalg.pinv(np.transpose(schur))  # a poor cycle may leave one that has no inverse
        unit.destroy()
        force.destroy()

    def _everywhere(self, rows: PETSc.Mat, x: PETSc.Vec) -> np.ndarray:
        """A few rows times a vector, on all ranks."""
        y = rows.createVecLeft()
        rows.mult(x, y)
        values = np.concatenate(self.system.comm.tompi4py().allgather(y.getArray(readonly=True).copy()))
        y.destroy()
        return values

    def destroy(self, pc: PETSc.PC) -> None:
        for thing in self._made:
            thing.destroy()
        self._made = []

    def _keep(self, thing):
        self._made.append(thing)
        return thing

    def _add(self, stiffness: PETSc.Mat, more: PETSc.Mat) -> None:
        stiffness.axpy(1.0, more, PETSc.Mat.Structure.DIFFERENT_NONZERO_PATTERN)
        more.destroy()

    def _dilation(self) -> PETSc.Mat:
        """D_u of all bodies."""
        found = [self.system.softened_matrix(name) or self._empty(name, name) for name in self.bodies]
        return _one(PETSc.Mat().createNest([[matrix if n == m else None for m in range(len(found))] for n, matrix in enumerate(found)],
                                           comm=self.system.comm))

    def _springs(self, stiffness: PETSc.Mat) -> PETSc.Mat:
        """`-U D^-1 L`; keeps U, L and D^-1."""
        self.across, self.back = (self._keep(_thin(self._joined(*pair))) for pair in ((self.bodies, self.touching), (self.touching, self.bodies)))
        soft = stiffness.getDiagonal()
        soft.reciprocal()
        scaled = self.across.copy()
        scaled.diagonalScale(L=soft)
        compliance = self.back.matMult(scaled)
        compliance.scale(1.0 / STIFF)
        self.local = self._keep(self._by_vertex([self._joined(self.touching, self.touching)], [compliance, *self._grown()]))
        rigid = self.across.matMult(self.local)
        springs = rigid.matMult(self.back)
        springs.scale(-1.0)
        for thing in (soft, scaled, rigid):
            thing.destroy()
        return springs

    def _grown(self) -> list[PETSc.Mat]:
        """`G E_i^-1 I`: growth by the current that l lets through."""
        blocks, charge = self.system.blocks, self.system.charge
        if charge is None or not any((CURRENT, name) in blocks for name in self.touching):
            return []
        grows, driven = (_thin(self._joined(*pair)) for pair in ((self.touching, [CURRENT]), ([CURRENT], self.touching)))
        inner = grows.matMult(charge.inverse)
        found = inner.matMult(driven)
        for thing in (grows, driven, inner):
            thing.destroy()
        return [found]

    def _by_vertex(self, added: list[PETSc.Mat], taken: list[PETSc.Mat]) -> PETSc.Mat:
        """Inverse of a sum of matrices of l, of which only what stays at one vertex counts; they are destroyed."""
        sizes = {name: self.system.spaces[name].dofmap.index_map_bs for name in self.touching}
        count = self.system.spaces[self.touching[0]].dofmap.index_map.size_local
        vertex = np.concatenate([np.repeat(np.arange(count), size) for size in sizes.values()])
        starts = np.cumsum([0, *sizes.values()])
        place = np.concatenate([np.tile(np.arange(size) + start, count) for size, start in zip(sizes.values(), starts)])
        dense = np.zeros((count, starts[-1], starts[-1]))
        for sign, matrix in [(1.0, matrix) for matrix in added] + [(-1.0, matrix) for matrix in taken]:
            indptr, indices, values = matrix.getValuesCSR()
            first = matrix.getOwnershipRange()[0]
            rows, columns = np.repeat(np.arange(len(vertex)), np.diff(indptr)), indices - first
            own = (columns >= 0) & (columns < len(vertex))
            own[own] = vertex[rows[own]] == vertex[columns[own]]
            np.add.at(dense, (vertex[rows[own]], place[rows[own]], place[columns[own]]), sign * values[own])
            whole = matrix.getSizes()
            matrix.destroy()
        inverse = np.linalg.inv(dense)
        members = np.empty((count, starts[-1]), np.int64)
        members[vertex, place] = np.arange(len(vertex)) + first
        csr = (np.arange(len(vertex) + 1) * starts[-1], members[vertex].ravel(), inverse[vertex, place].ravel())
        return PETSc.Mat().createAIJ(whole, csr=tuple(part.astype(kind) for part, kind in zip(csr, (PETSc.IntType, PETSc.IntType, float))),
                                     comm=self.system.comm)

    def _joined(self, rows: list[str], columns: list[str]) -> PETSc.Mat:
        """These blocks copied into one sparse matrix; what is not there is zero."""
        blocks = self.system.blocks
        parts = [[blocks[row, column].matrix if (row, column) in blocks else self._empty(row, column) for column in columns] for row in rows]
        return _one(PETSc.Mat().createNest(parts, comm=self.system.comm))

    def _empty(self, row: str, column: str) -> PETSc.Mat:
        """A block without entries, which tells its size."""
        sizes = [(part.stop - part.start, PETSc.DETERMINE) for part in (self.system.slices[row], self.system.slices[column])]
        matrix = self._keep(PETSc.Mat().createAIJ(sizes, nnz=0, comm=self.system.comm))
        matrix.assemble()
        return matrix

    def _multigrid(self, stiffness: PETSc.Mat) -> PETSc.KSP:
        """One cycle, which knows how bodies move freely."""
        spaces = [self.system.spaces[name] for name in self.bodies]
        size = spaces[0].dofmap.index_map_bs
        places = [space.tabulate_dof_coordinates()[: space.dofmap.index_map.size_local, :size].ravel() for space in spaces]
        stiffness.setBlockSize(size)
        vector = self._keep(stiffness.createVecRight())
        vector.setBlockSize(size)
        vector.setArray(np.concatenate(places))
        stiffness.setNearNullSpace(self._keep(PETSc.NullSpace().createRigidBody(vector)))
        return self._solver(stiffness, "bodies_")

    def _solver(self, matrix: PETSc.Mat, name: str) -> PETSc.KSP:
        """One application of a preconditioner."""
        ksp = self._keep(PETSc.KSP().create(matrix.getComm()))
        ksp.setOptionsPrefix(self.prefix + name)
        ksp.setOperators(matrix)
        ksp.setType("preonly")
        ksp.setFromOptions()
        ksp.setUp()
        ksp.setUpOnBlocks()
        return ksp

    def apply(self, pc: PETSc.PC, x: PETSc.Vec, y: PETSc.Vec) -> None:
        system, r, z = self.system, {}, {}
        for name, values in system.split(x.getArray(readonly=True)).items():
            r[name] = system.vector(name)
            r[name].setArray(values / system.weights[name]())
        if system.charge is not None:
            z |= system.charge.solve({name: r[name] for name in system.unknowns if name in system.charge.names}, self._cycle_of_charge)
            self._carry(z, r, system.unknowns)
        if self.spreading:
            found = self._spread(r)
            self._carry(found, r, [*self.flowing, *self.frame, *self.bodies, *self.touching])
            z |= found
        for name in self.flowing:
            z[name] = r[name].duplicate()
            self.masses[name].solve(r[name], z[name])
        self._carry({name: z[name] for name in self.flowing}, r, self.bodies)
        if self.bodies:
            z |= self._move(r)
        for name in system.unknowns:  # what is held stays where it is, however closely the rest is solved for
            z[name].getArray()[system.held[name]] = 0.0
        y.setArray(np.concatenate([z[name].getArray(readonly=True) for name in system.unknowns]))

    def _spread(self, r: dict[str, PETSc.Vec]) -> dict[str, PETSc.Vec]:
        """What is stored, dissolved and has reacted."""
        x, b = self.spread.getOperators()[0].createVecs()
        _fill(b, self.spreading, r)
        self.spread.solve(b, x)
        found = self._parted(self.spreading, x)
        x.destroy()
        b.destroy()
        return found

    def _cycle_of_charge(self, b: PETSc.Vec, x: PETSc.Vec) -> bool:
        self.currents.solve(b, x)
        return True

    def _carry(self, found: dict[str, PETSc.Vec], r: dict[str, PETSc.Vec], rows) -> None:
        """Take from right-hand sides what is found."""
        for row in rows:
            for column, vector in found.items():
                self.system.times(row, column, vector, r[row], -1.0)

    def _move(self, r: dict[str, PETSc.Vec]) -> dict[str, PETSc.Vec]:
        """Displacements, and what touching faces have."""
        u, b = self.cycle.getOperators()[0].createVecs()
        _fill(b, self.bodies, r)
        if self.touching:
            found, right = self.local.createVecs()
            carried = b.duplicate()
            _fill(right, self.touching, r)
            self.local.mult(right, found)
            self.across.mult(found, carried)
            b.axpy(-1.0, carried)
        self.cycle.solve(b, u)
        z = self._framed(r, u) if self.frame else {}
        z |= self._parted(self.bodies, u)
        if self.touching:
            self.back.mult(u, found)
            right.axpy(-1.0, found)
            self.local.mult(right, found)
            z |= self._parted(self.touching, found)
        return z

    def _framed(self, r: dict[str, PETSc.Vec], u: PETSc.Vec) -> dict[str, PETSc.Vec]:
        """The numbers of the frame; `u` is what bodies do without them, and then with them."""
        right = self.below.createVecLeft()
        _fill(right, self.frame, r)
        wanted = np.concatenate(self.system.comm.tompi4py().allgather(right.getArray(readonly=True).copy()))
        found = self.schur @ (wanted - self._everywhere(self.below, u))
        for value, column in zip(found, self.followed):
            u.axpy(-value, column)
        right.setArray(found[slice(*right.getOwnershipRange())])
        z = self._parted(self.frame, right)
        right.destroy()
        return z

    def _parted(self, names: list[str], vector: PETSc.Vec) -> dict[str, PETSc.Vec]:
        z, array, start = {}, vector.getArray(readonly=True), 0
        for name in names:
            z[name] = self.system.vector(name)
            count = z[name].getLocalSize()
            z[name].setArray(array[start: start + count])
            start += count
        return z


def _fill(vector: PETSc.Vec, names: list[str], parts: dict[str, PETSc.Vec]) -> None:
    vector.setArray(np.concatenate([parts[name].getArray(readonly=True) for name in names]))


def _one(nest: PETSc.Mat) -> PETSc.Mat:
    """Its blocks copied into one sparse matrix; it is destroyed."""
    matrix = nest.convert("aij", PETSc.Mat())
    nest.destroy()
    return matrix


def _thin(matrix: PETSc.Mat) -> PETSc.Mat:
    """Without the zeros that it stores."""
    indptr, indices, values = matrix.getValuesCSR()
    there = values != 0.0
    counts = np.concatenate([[0], np.cumsum(there)])[indptr].astype(indptr.dtype)
    return PETSc.Mat().createAIJ(matrix.getSizes(), csr=(counts, indices[there], values[there]), comm=matrix.getComm())
