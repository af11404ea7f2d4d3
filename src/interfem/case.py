"""The case file: TOML with units written out -> a frozen, validated `Case` in internal units.

Everything that can be wrong with an input is found here, before any mesh is made, and told as one message:
place, value, remedy. Nothing past this file sees raw dictionaries.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
import tomllib
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Union

from pydantic import BaseModel, BeforeValidator, Field, PrivateAttr, ValidationError, ValidationInfo, WithJsonSchema, field_validator, model_validator

from .checks import faults, key_path
from .explain import explain
from .gradings import Grading, Gradings
from .materials import LAWS, PROPERTIES, ROLES, Material, load_material, names, read_material
from .overrides import OverrideError, override
from .populations import PlacedPore, place
from .protocol import SLIP, Duration, Potential, Step, Temperature, flat_steps, sized
from .quantities import Dimension, Model, dimension_of, key_of, quantity, quantity_schema
from .regions import CARRIERS, Region, cell_regions, roof_law
from .scattered import PlacedVoid, place_voids
from .units import show, to_internal


class CaseError(Exception):
    """The input is wrong; the text says where, what and how to mend it. The command line exits with 2."""


Length = quantity("length", above=0, most=1e6, hint="lengths lie between 0 and 1 m; correct the number or its unit")
LengthOrZero = quantity("length", least=0)
Coordinate = quantity("length")
Pressure = quantity("pressure")
Name = Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_\-]*$")]


# ---- geometry -------------------------------------------------------------------------------------------------------


class Geometry(Model):
    """Extent across the stack. Coordinates: the stack grows from 0 along the last axis (y in 2D, z in 3D)."""

    kind: Literal["plane", "axisymmetric", "box"]
    width: Length | None = None  # x extent; outer radius if axisymmetric
    inner_radius: LengthOrZero = "0 um"  # axisymmetric only
    depth: Length | None = None  # y extent of a box
    file: str | None = None  # own mesh instead of a built one
    length_unit: str = "um"  # of the own mesh's coordinates
    regions: dict[str, str] = {}  # own mesh: physical group -> region name
    boundaries: dict[str, str] = {}  # own mesh: physical group -> boundary name

    @model_validator(mode="after")
    def _extent(self):
        if self.file is None and self.width is None:
            raise ValueError('`width` is missing; give it, for example width = "40 um"')
        if self.file is None and self.kind == "box" and self.depth is None:
            raise ValueError('`depth` is missing for kind = "box"; give it, for example depth = "40 um"')
        if self.kind != "box" and self.depth is not None:
            raise ValueError(f'`depth` has no meaning for kind = "{self.kind}"; remove it or use kind = "box"')
        if self.kind != "axisymmetric" and self.inner_radius:
            raise ValueError('`inner_radius` needs kind = "axisymmetric"; remove it')
        if self.width is not None and self.inner_radius >= self.width:
            raise ValueError("`inner_radius` is not below `width`, the outer radius; reduce it")
        if self.file is not None and not self.regions:
            raise ValueError("`regions` is missing: map each physical group of the mesh to a layer or filled feature")
        return self

    @property
    def dimension(self) -> int:
        return 3 if self.kind == "box" else 2


class Layer(Model):
    """One layer of the stack, from the collector to the counter electrode."""

    name: Name
    material: str = Field(min_length=1)
    thickness: Length | None = None
    law: Literal["elastic", "j2", "norton", "anand"] | None = None  # the material's own if absent
    grading: Gradings = {}  # property -> its course from the lower to the upper face
    porosity: quantity("number", least=0, below=1) = 0.0  # of an effective medium, see effective.py
    pore_uptake: quantity("number", least=0, most=1) = 0.0  # fraction of the swelling that the pores take up

    @model_validator(mode="after")
    def _pores(self):
        if self.pore_uptake and not self.porosity:
            raise ValueError("`pore_uptake` needs a porosity; remove it or give `porosity`, for example porosity = 0.3")
        return self


def _center(value: object) -> tuple[float, ...]:
    if isinstance(value, list | tuple) and not 1 <= len(value) <= 2:
        raise ValueError('should be one coordinate, or two in a box, for example ["0 um", "10 um"]')
    return tuple(to_internal(v, "length") for v in (value if isinstance(value, list | tuple) else [value]))


_LENGTH = quantity_schema("length")
_CENTER = {"anyOf": [_LENGTH, {"type": "array", "items": _LENGTH, "minItems": 1, "maxItems": 2}]}
Center = Annotated[tuple[float, ...], BeforeValidator(_center), WithJsonSchema(_CENTER), Dimension("length")]


class Void(Model):
    """Empty half-ellipse (half-ellipsoid), or part of a circle (spherical cap), in a layer, its flat face on an interface."""

    kind: Literal["void"]
    name: Name = "void"
    shape: Literal["ellipse", "cap"] = "ellipse"
    interface: str
    layer: Name | None = None  # the layer it is cut from; the electron conductor's side if absent
    center: Center = "0 um"
    radius: Length  # half extent along the interface
    height: Length  # extent away from the interface


class Voids(Model):
    """A seeded population of voids on one interface, clear of the sides and of other features; see scattered.py."""

    kind: Literal["voids"]
    name: Name = "voids"
    interface: str
    layer: Name | None = None  # as of a single void
    coverage: quantity("number", above=0, below=1)  # fraction of the interface that they cover
    radius: Length  # mean half extent along the interface
    radius_spread: quantity("number", least=0, most=1) = 0.0  # standard deviation over the mean
    aspect: quantity("number", least=0.1, most=10) = 1.0  # height over radius
    spacing: Length | None = None  # smallest gap to each other and to the sides; default a fifth of the radius
    seed: int = Field(0, ge=0, strict=True)


class Flaw(Model):
    """Surface flaw from an interface into the electrolyte: a wedge, half an ellipse, or a slot (parallel sides, flat end); filled
    by a material or empty.
    """

    kind: Literal["flaw"]
    name: Name = "flaw"
    interface: str
    layer: Name | None = None  # the layer it is cut from; the ion conductor's side if absent
    shape: Literal["wedge", "ellipse", "slot"] = "wedge"
    center: Center = "0 um"
    width: Length  # opening at the mouth, full
    depth: Length  # from the interface to the tip
    length: Length | None = None  # box: extent along y, full; default its width
    fill: str = "Li"  # material, or "empty"
    filled: Length | None = None  # slot: depth to which it is filled at first; the rest is empty, and metal may be pressed into it
    electrons: Literal["mesh", "collector"] = "mesh"  # reached through the mesh, or wired to the collector


class Pore(Model):
    """Buried ellipse (ellipsoid) inside one layer; filled by a material or empty."""

    kind: Literal["pore"]
    name: Name = "pore"
    layer: Name
    center: Center = "0 um"
    position: Length  # of its centre above the layer's lower face
    radius: Length  # half extent along the layer
    half_height: Length | None = None  # half extent across the layer; default its radius
    fill: str = "empty"
    electrons: Literal["mesh", "collector"] = "mesh"


class Pores(Model):
    """A seeded population of pores in one layer, clear of its faces, of the sides and of other features; all one region or hole.

    Ellipses (ellipsoids of revolution in a box; rings about an axis) whose radii are lognormal; see populations.py.
    """

    kind: Literal["pores"]
    name: Name = "pores"
    layer: Name
    porosity: quantity("number", above=0, below=1)  # volume fraction of the layer; area fraction in the plane
    radius: Length  # mean half extent along the layer
    radius_spread: quantity("number", least=0, most=1) = 0.0  # standard deviation over the mean
    aspect: quantity("number", least=0.1, most=10) = 1.0  # height over width
    spacing: Length | None = None  # smallest gap to each other, to faces and sides; default a fifth of the radius
    seed: int = Field(0, ge=0, strict=True)
    fill: str = "empty"
    electrons: Literal["mesh", "collector"] = "mesh"


class Patch(Model):
    """Part of an interface that passes no charge (contamination, an unmeshed void): `inner < distance < outer`."""

    kind: Literal["patch"]
    name: Name = "patch"
    interface: str
    center: Center = "0 um"
    inner: LengthOrZero = "0 um"
    outer: Length


class Roughness(Model):
    """An interface that is not flat; thin layers next to it follow conformally.

    sinusoidal: `amplitude cos(2 pi (x - center)/wavelength)`; random: Gaussian, rms `amplitude`, correlation length
    `wavelength`, from `seed`, the same for any mesh. Both faces have it, unless `fits = false`: then one is rough and the other
    flat, they touch at the summits, and what lies between is the gap of an unpressed unilateral contact.
    """

    kind: Literal["roughness"]
    name: Name = "roughness"
    interface: str
    shape: Literal["sinusoidal", "random"] = "sinusoidal"
    amplitude: Length
    wavelength: Length
    center: Center = "0 um"
    seed: int = Field(0, ge=0, strict=True)
    fits: bool = Field(True, strict=True)


Feature = Annotated[Union[Void, Voids, Flaw, Pore, Pores, Patch, Roughness], Field(discriminator="kind")]


class MeshOptions(Model):
    """Edge lengths; absent ones follow from the geometry. `refinement` divides them all (2 = twice as fine)."""

    size: Length | None = None  # far from everything
    interface_size: Length | None = None  # along charge-transfer interfaces
    rim_size: Length | None = None  # at contact edges of voids and patches
    tip_size: Length | None = None  # at flaw tips
    film_layers: int = Field(2, ge=1, le=20, strict=True)  # elements across a thin layer
    refinement: quantity("number", above=0) = 1.0


# ---- physics --------------------------------------------------------------------------------------------------------


class Interface(Model):
    """Charge transfer and mechanical contact between two touching regions; absent values come from the materials."""

    kinetics: Literal["butler_volmer", "linear"] = "butler_volmer"
    exchange_current_density: quantity("current density", above=0) | None = None
    transfer_coefficient: quantity("number", above=0, below=1) | None = None  # alpha of the cathodic branch
    resistance: quantity("areal resistance", above=0) | None = None  # Z of linear kinetics
    film_resistance: quantity("areal resistance", least=0) = "0 ohm*cm^2"  # unresolved films
    capacitance: quantity("areal capacitance", least=0) | None = None  # impedance: of the double layer, beside charge transfer
    film_capacitance: quantity("areal capacitance", least=0) | None = None  # impedance: beside film_resistance
    ionic_resistance: quantity("areal resistance", above=0) | None = None  # to ions, between two regions that conduct them
    ionic_capacitance: quantity("areal capacitance", least=0) | None = None  # impedance: beside ionic_resistance
    electronic_resistance: quantity("areal resistance", above=0) | None = None  # to electrons, between two that conduct them
    electronic_capacitance: quantity("areal capacitance", least=0) | None = None
    equilibrium_potential: Potential | None = None
    surface_energy: quantity("areal energy", above=0) | None = None  # of the metal's face: shifts the equilibrium where it is curved
    plating: bool | None = Field(None, strict=True)  # lithium may be plated on an inert side; by default if a side is a mixed conductor
    contact: Literal["bonded", "unilateral"] = "bonded"  # unilateral: the bodies may part
    tangential: Literal["stick", "frictionless", "coulomb"] = "stick"
    friction: quantity("number", least=0) | None = None  # Coulomb's coefficient
    adhesion_strength: quantity("pressure", least=0, most=500, hint=SLIP) = "0 MPa"  # pull at which it opens
    adhesion_energy: quantity("areal energy", above=0) | None = None  # work of separation; default: strength contact_gap/2
    contact_gap: Length = "5 nm"  # from which on no charge passes
    chi: quantity("number", least=0, most=1) = 0.0  # part of the stripped atoms that leave vacancies at the interface
    vacancy_charge: quantity("areal charge", above=0) | None = None  # stripped with chi = 1, it leaves no contact
    healing_rate: quantity("rate", least=0) | None = None  # of vacancies at 1 MPa; default: from the metal's creep
    healing_exponent: quantity("number", least=0) | None = None

    @property
    def parts(self) -> bool:
        return self.contact == "unilateral"

    def resistance_to(self, carrier: str) -> float | None:
        """Areal resistance between two regions that both conduct "ions" or "electrons"."""
        return getattr(self, f"{CARRIERS[carrier]}_resistance")

    def capacitance_beside(self, carrier: str) -> float:
        """Areal capacitance beside that resistance; 0 without one."""
        return getattr(self, f"{CARRIERS[carrier]}_capacitance") or 0.0

    @property
    def slides(self) -> bool:
        """Its slip has a history."""
        return self.tangential == "coulomb" or (self.parts and self.tangential == "stick")

    @model_validator(mode="after")
    def _kinetics(self):
        if self.kinetics == "linear" and self.resistance is None:
            raise ValueError('`resistance` is missing for kinetics = "linear"; give it, for example "0.8 ohm*cm^2"')
        if self.kinetics == "butler_volmer" and self.resistance is not None:
            raise ValueError('`resistance` belongs to kinetics = "linear"; remove it, or use `film_resistance`')
        for key in ("exchange_current_density", "transfer_coefficient"):
            if self.kinetics == "linear" and getattr(self, key) is not None:
                raise ValueError(f'`{key}` belongs to kinetics = "butler_volmer"; remove it')
        if self.film_capacitance and not self.film_resistance:
            raise ValueError('`film_capacitance` has no film to charge; remove it or give `film_resistance` too, such as "10 ohm*cm^2"')
        for kind in CARRIERS.values():
            if getattr(self, f"{kind}_capacitance") and not getattr(self, f"{kind}_resistance"):
                raise ValueError(f'`{kind}_capacitance` lies beside `{kind}_resistance`; remove it or give that too, '
                                 f'such as "10 ohm*cm^2"')
        return self

    @model_validator(mode="after")
    def _contact(self):
        if self.tangential == "coulomb" and self.friction is None:
            raise ValueError('`friction` is missing for tangential = "coulomb"; give it, for example friction = 0.3')
        if self.tangential != "coulomb" and self.friction is not None:
            raise ValueError('`friction` belongs to tangential = "coulomb"; remove it')
        for key in ("adhesion_strength", "adhesion_energy"):
            if not self.parts and key in self.model_fields_set:
                raise ValueError(f'`{key}` belongs to contact = "unilateral"; a bonded interface bears any pull; remove it')
        if self.adhesion_energy is not None and not self.adhesion_strength:
            raise ValueError('`adhesion_energy` needs an `adhesion_strength`; give it, for example "1 MPa"')
        if self.chi and self.vacancy_charge is None:
            raise ValueError('`vacancy_charge` is missing for chi > 0; give it, for example "0.1 mAh/cm^2"')
        for key in ("vacancy_charge", "healing_rate", "healing_exponent"):
            if not self.chi and getattr(self, key) is not None:
                raise ValueError(f"`{key}` has no effect at chi = 0; remove it, or set chi")
        if (self.healing_rate is None) != (self.healing_exponent is None):
            raise ValueError("give both of `healing_rate` (at 1 MPa) and `healing_exponent`, or neither")
        return self


class Support(Model):
    """How a boundary is held. `pressure` pushes inwards (positive = compression); `spring` resists outward motion.

    "stack" carries the protocol's pressure evenly; "platen" carries it by a rigid, frictionless plate, so that it stays flat.
    """

    kind: Literal["free", "roller", "clamped", "stack", "platen", "pressure", "spring"] = "pressure"
    allow: bool | None = Field(None, strict=True)  # more than 500 MPa
    pressure: Pressure = "0 MPa"
    spring: quantity("stiffness", least=0) = "0 MPa/um"

    @field_validator("pressure")
    @classmethod
    def _sized(cls, pressure, info):
        return sized(pressure, bool(info.data.get("allow")))

    @property
    def pressed(self) -> bool:
        """It carries the protocol's stack pressure."""
        return self.kind in ("stack", "platen")

    @model_validator(mode="after")
    def _own_keys(self):
        for key in ("pressure", "spring"):
            if key in self.model_fields_set and self.kind != key:
                raise ValueError(f'`{key}` does not go with kind = "{self.kind}"; remove one of them')
        if self.kind == "spring" and not self.spring:
            raise ValueError('`spring` is missing or zero; give it, for example spring = "10 MPa/um", or use kind = "free"')
        return self


def _support(value: object) -> object:
    """Short spellings: "roller", "5 MPa", {spring = "10 MPa/um"}."""
    if not isinstance(value, str | dict | Support):
        raise ValueError('should be "free", "roller", "clamped", "stack", "platen", a pressure such as "5 MPa", or {spring = "10 MPa/um"}')
    if isinstance(value, str):
        return {"kind": "pressure", "pressure": value} if re.match(r"\s*[-+.]?\d", value) else {"kind": value}
    if isinstance(value, dict) and "spring" in value:
        return {"kind": "spring"} | value
    return value


_Support = Annotated[Support, BeforeValidator(_support, json_schema_input_type=Union[str, Support])]


class Mechanics(Model):
    """Momentum balance; without this table no displacement is solved."""

    kinematics: Literal["small", "finite"] = "small"
    boundaries: dict[str, _Support] = {}
    swelling: bool = Field(True, strict=True)  # chemical expansion of regions that store Li

    def support(self, boundary: str) -> Support:
        """Given, or by default: stack pressure on the collector, rollers on all other outer faces, free holes."""
        if boundary in self.boundaries:
            return self.boundaries[boundary]
        if boundary == "collector":
            return Support(kind="stack")
        return Support(kind="free" if "|" in boundary else "roller")


# ---- the whole -------------------------------------------------------------------------------------------------------


class Sei(Model):
    """Reduction of the electrolyte where electrons reach it; without this table nothing reacts. Data: materials."""

    initial_thickness: LengthOrZero = "0 nm"  # on every interface that reacts


class Limits(Model):
    """Ends the run with a named event when passed."""

    voltage_above: Potential | None = None
    voltage_below: Potential | None = None
    k_ratio_above: quantity("number", above=0) | None = None  # K_I/K_IC of any crack front
    contact_below: quantity("number", above=0, below=1) | None = None  # contact fraction of the anode's faces

    @model_validator(mode="after")
    def _order(self):
        if None not in (self.voltage_above, self.voltage_below) and self.voltage_above <= self.voltage_below:
            raise ValueError("`voltage_above` is not above `voltage_below`; swap them")
        return self


class Fracture(Model):
    """Stress intensities of flaws are asked for: what they need must be there."""

    radius: Length | None = None  # outer radius of the integrals; default: nine tenths of the room there is
    weibull_modulus: quantity("number", above=0) | None = None  # scatter of K_IC: gives the scalar short_risk


class Solver(Model):
    """Preset, and accuracy of the time steps."""

    preset: Literal["auto", "direct", "iterative"] = "auto"
    metal: Literal["auto", "field"] = "auto"  # auto: taken for equipotential where it is, and much is saved by it
    reproducible: bool = Field(False, strict=True)  # every digit the same on the same ranks, and 1e-10 on others: of any size, and by multigrid
    potential_degree: Literal[1, 2] = 2
    plastic_increment: quantity("number", above=0) = 0.02  # largest mean equivalent plastic strain in a step
    relaxation: quantity("number", above=0, most=0.5) = 0.1  # mean part of the stress that flow takes off in a step, above which steps do not grow
    max_steps: int = Field(100_000, ge=1, strict=True)
    on_distortion: Literal["stop", "remesh"] = "stop"  # of elements of metal that flows, in finite strain


class Output(Model):
    """Fields are written at the end of every protocol step, and at `interval` if given."""

    interval: Duration | None = None
    checkpoint: Duration = "10 min"  # of wall time between checkpoints, from which a run that was ended goes on
    figures: bool = Field(True, strict=True)


def _materials_schema() -> dict[str, Any]:
    """Of [materials]: each property is a quantity, or a table of value, temperature, activation_energy, source, ..."""
    text, entry = {"type": "string"}, {"type": "object"}
    properties = {name: {"anyOf": [quantity_schema(dimension), entry]} for name, dimension in PROPERTIES.items()}
    own = {"title": text, "like": text, "notes": text, "role": {"enum": list(ROLES)}, "law": {"enum": list(LAWS)},
           "properties": {"type": "object", "propertyNames": {"enum": list(PROPERTIES)}}}
    return {"type": "object",
            "additionalProperties": {"type": "object", "properties": own | properties, "additionalProperties": False}}


Materials = Annotated[dict[str, Any], WithJsonSchema(_materials_schema())]


class Case(Model):
    """A whole, consistent case in internal units. Build it by `load_case`."""

    title: str
    temperature: Temperature
    geometry: Geometry
    layers: tuple[Layer, ...] = Field(min_length=1)
    features: tuple[Feature, ...] = ()
    interfaces: dict[str, Interface] = {}
    materials: Materials = {}  # overrides and new ones as written; `records` holds the resolved materials
    counter: Literal["equipotential", "uniform"] = "equipotential"  # what ends the cell if its last layer conducts ions
    mechanics: Mechanics | None = None
    sei: Sei | None = None
    protocol: tuple[Step, ...] = Field(min_length=1)
    limits: Limits = Limits()
    fracture: Fracture | None = None
    mesh: MeshOptions = MeshOptions()
    solver: Solver = Solver()
    output: Output = Output()
    _input: dict[str, Any] = PrivateAttr(default_factory=dict)

    @field_validator("interfaces", mode="before")
    @classmethod
    def _named(cls, value: object, info: ValidationInfo) -> object:
        """What is said of a pair of regions that there is not is left aside: `checks` tells that the name is wrong."""
        if not isinstance(value, dict) or not {"layers", "features"} <= set(info.data):
            return value
        names = {item.name for key in ("layers", "features") for item in info.data[key]}
        return {key: table if set(key.split("|")) <= names or not isinstance(table, dict) else {} for key, table in value.items()}

    @model_validator(mode="after")
    def _whole(self):
        found = faults(self)
        if found:
            raise ValueError("\n".join(found))
        return self

    @property
    def input(self) -> dict[str, Any]:
        """The document that was validated, overrides included: `parse_case` makes the same case of it."""
        return copy.deepcopy(self._input)

    def material(self, name: str) -> Material:
        """The library's material, overlaid by the case's. MaterialError if it is unknown or wrong."""
        if name not in self.materials:
            return load_material(name)
        return read_material(self.materials[name], key_path("materials", name), load_material(name) if name in names() else None)

    @cached_property
    def records(self) -> dict[str, Material]:
        """Every material that layers and fills name, library values overlaid by the case's; dense, see `media`."""
        fills = [f.fill for f in self.features if isinstance(f, (Flaw, Pore, Pores)) and f.fill != "empty"]
        return {name: self.material(name) for name in dict.fromkeys([layer.material for layer in self.layers] + fills)}

    @cached_property
    def media(self) -> dict[str, Material]:
        """Every material that regions are made of, by its name: of porous layers the effective medium."""
        return {region.material.name: region.material for region in self.regions}

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Named regions in the order layers, filled features; see `regions.Region`."""
        return cell_regions(self)

    def without(self, features: list[str]) -> Case:
        """The same case without some features, and without what it says of their walls."""
        tree, gone = self.input, set(features)
        if not gone:
            return self
        tree["features"] = [table for table, feature in zip(tree.get("features", []), self.features) if feature.name not in gone]
        for tables in (tree.get("interfaces", {}), tree.get("mechanics", {}).get("boundaries", {})):
            for name in [name for name in tables if gone & set(name.split("|"))]:
                del tables[name]
        return parse_case(tree)

    @property
    def heated(self) -> bool:
        """The protocol changes the temperature."""
        return any(step.kind == "temperature" for step in flat_steps(self.protocol))

    @cached_property
    def framed(self) -> bool:
        """The place of the plates that press the stack matters: one is rigid, or they are held at some time."""
        if self.mechanics is None:
            return False
        held = any(step.kind == "pressure" and step.hold != "pressure" for step in flat_steps(self.protocol))
        return held or any(support.kind == "platen" for support in self.mechanics.boundaries.values())

    def region(self, name: str) -> Region:
        return next(r for r in self.regions if r.name == name)

    def interface(self, name: str) -> Interface:
        """Laws of an interface; on the roof of a void those of the interface that it lies on."""
        return self.interfaces.get(name) or self.interfaces.get(roof_law(name, self), Interface())

    @cached_property
    def populations(self) -> dict[str, tuple[PlacedPore | PlacedVoid, ...]]:
        """Single pores and voids of each feature of kind "pores" or "voids", by its name. PopulationError if they do not fit."""
        found: dict[str, tuple[PlacedPore | PlacedVoid, ...]] = {}
        for feature in self.features:
            if feature.kind == "pores":
                found[feature.name] = place(feature, self, [pore for pores in found.values() for pore in pores if pore.kind == "pore"])
            elif feature.kind == "voids":
                found[feature.name] = place_voids(feature, self)
        return found

    @cached_property
    def levels(self) -> tuple[float, ...]:
        """Heights of the layer faces, from 0 at the collector; one more than there are layers."""
        heights = [0.0]
        for layer in self.layers:
            heights.append(heights[-1] + (layer.thickness or 0.0))
        return tuple(heights)

    def resolved(self) -> dict[str, Any]:
        """Plain data of the whole case in user units with the materials in full, for `run.json` and the hash."""
        tree = _plain(self)
        tree["materials"] = {name: material.describe() for name, material in self.records.items()}
        return tree

    def decisive(self) -> dict[str, Any]:
        """Of `resolved` everything that decides the result: the title, pictures and checkpoints do not."""
        tree = self.resolved()
        tree.pop("title")
        for key in ("figures", "checkpoint"):
            tree["output"].pop(key)
        if self.geometry.file is not None:
            tree["geometry"]["content"] = hashlib.sha256(Path(self.geometry.file).read_bytes()).hexdigest()
        return tree

    @cached_property
    def hash(self) -> str:
        """Content hash of everything that decides the result."""
        return hashlib.sha256(json.dumps(self.decisive(), sort_keys=True).encode()).hexdigest()


# ---- plain data -------------------------------------------------------------------------------------------------------


def _plain(value: Any, dimension: str | None = None) -> Any:
    """Nested dictionaries and lists with quantities as text in user units."""
    if isinstance(value, BaseModel):
        return {key_of(name, field): _plain(getattr(value, name), dimension_of(field))
                for name, field in type(value).model_fields.items() if getattr(value, name) is not None and not field.exclude}
    if isinstance(value, Grading):
        return value.describe()
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item, dimension) for item in value]
    if isinstance(value, float) and dimension and dimension != "number":
        return show(value, dimension)
    return value


def case_schema() -> dict[str, Any]:
    """JSON schema of a case file: what an editor needs to complete and check it. Quantities are text with a unit."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema"} | Case.model_json_schema(mode="validation")


# ---- reading ----------------------------------------------------------------------------------------------------------


def parse_case(tree: dict[str, Any], place: str = "case") -> Case:
    """Validate a nested dictionary (a TOML document). Raises CaseError with the faults found, one a line."""
    try:
        case = Case.model_validate(tree)
    except ValidationError as error:
        raise CaseError("\n".join(f"{place}: {line}" for line in explain(error, tree, Case))) from None
    case._input = copy.deepcopy(tree)
    return case


def load_case(path: str | Path, overrides: tuple[str, ...] | list[str] = ()) -> Case:
    """Read a TOML case file, apply ``path.to.key=value`` overrides, validate. Raises CaseError."""
    path = Path(path)
    try:
        tree = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise CaseError(f"{path}: there is no such file; give a case file such as models/cases/bare.toml") from None
    except OSError as error:
        raise CaseError(f"{path}: cannot be read ({error.strerror}); give a case file such as models/cases/bare.toml") from None
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise CaseError(f'{path}: not TOML: {error}; text and quantities stand in quotes, as in thickness = "20 um"') from None
    try:
        for text in overrides:
            override(tree, text)
    except OverrideError as error:
        raise CaseError(str(error)) from None
    for table in (tree.get("geometry"), *_profiles(tree.get("protocol"))):
        if isinstance(table, dict) and isinstance(table.get("file"), str):
            table["file"] = str((path.parent / table["file"]).resolve())
    return parse_case(tree, str(path))


def _profiles(steps: Any) -> Iterator[dict]:
    """Tables of a protocol, not validated yet, that may name a file; those inside repeats too."""
    for step in steps if isinstance(steps, list) else ():
        if isinstance(step, dict):
            yield step
            yield from _profiles(step.get("steps"))
