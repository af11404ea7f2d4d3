"""Named regions and interfaces of a case: what each region carries, and which pairs exchange charge.

Bare, interlayer and alloy cells differ only in the data held here. No dolfinx, no Gmsh.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import combinations

from .effective import medium_of
from .materials import Material, load_material

# role -> (ions, electrons, stores Li, reservoir of Li); a mixed conductor stores Li if its material has a maximum_concentration
ROLES: dict[str, tuple[bool, bool, bool, bool]] = {
    "metal": (False, True, False, True),
    "alloy": (False, True, True, False),
    "collector": (False, True, False, False),
    "mixed": (True, True, False, False),
    "electrolyte": (True, False, False, False),
    "interlayer": (True, False, False, False),
}
# What a region carries -> the body it belongs to, in the order in which the sides of an interface are told apart: "+" comes first.
BODIES: dict[tuple[bool, bool], str] = {(False, True): "metal", (True, True): "mixed", (True, False): "ceramic"}
ORDER = list(BODIES.values())
CARRIERS = {"ions": "ionic", "electrons": "electronic"}  # what two regions may both conduct -> how keys of their interface tell it
FLOWING_LAWS = ("j2", "norton", "anand")
VOID = "void"  # law of the soft medium that fills what is empty in finite strain, see physics/third_medium.py
LAW_PROPERTIES = {
    "elastic": [],
    VOID: [],
    "j2": ["yield_stress", "hardening_modulus"],
    "norton": ["creep_rate", "creep_reference_stress", "creep_exponent", "creep_activation_energy"],
    "anand": ["anand_rate", "anand_activation_energy", "anand_rate_sensitivity", "anand_saturation_stress", "anand_hardening",
              "anand_initial_resistance", "anand_hardening_exponent", "anand_saturation_exponent"],
}
# law -> property that adds a branch to it where the material has it, with what that branch needs besides
LAW_BRANCHES = {"norton": {"creep_breakdown_stress": [], "creep_diffusional_rate": ["creep_diffusional_activation_energy"]}}
# geometry -> names of the outer faces beside collector and counter, each with the axis to which it is normal
SIDES: dict[str, dict[str, str]] = {
    "plane": {"left": "x", "right": "x"},
    "axisymmetric": {"axis": "r", "inner": "r", "outer": "r"},
    "box": {"left": "x", "right": "x", "front": "y", "back": "y"},
}


@dataclass(frozen=True)
class Region:
    """One named part of the cell with one material.

    side: "anode" or "counter" if electron conductors alone lead from there to that end of the stack, else "electrolyte".
    layer: its place in the stack, None for a filled feature.
    wired: its electrons are held at the collector's potential although the mesh does not connect it.
    grading: property -> its course through the layer's thickness.
    """

    name: str
    material: Material
    law: str
    side: str
    thickness: float | None = None
    layer: int | None = None
    wired: bool = False
    grading: Mapping = field(default_factory=dict)

    @property
    def role(self) -> str:
        return self.material.role

    @property
    def hollow(self) -> bool:
        """Empty: a void or pore whose inside is meshed, and moves with the metal around it."""
        return self.law == VOID

    @property
    def ions(self) -> bool:
        return ROLES[self.role][0]

    @property
    def binary(self) -> bool:
        """A salt whose anions move too: the current also drives and feels a concentration (transference number below 1)."""
        return self.ions and self.transference < 1.0

    @property
    def transference(self) -> float:
        """Transference number of Li+; not activated."""
        known = self.material.has("transference_number")
        return self.material.get("transference_number").value if known else 1.0

    @property
    def electrons(self) -> bool:
        return ROLES[self.role][1]

    @property
    def stores(self) -> bool:
        return ROLES[self.role][2] or (self.role == "mixed" and self.material.has("maximum_concentration"))

    @property
    def separates(self) -> bool:
        """Its phases separate by Cahn-Hilliard: the chemical potential is an unknown of its own."""
        return self.deposits is False and self.material.has("gradient_energy")

    @property
    def reservoir(self) -> bool:
        return ROLES[self.role][3]

    @property
    def body(self) -> str:
        """Regions of one body share a displacement; bodies meet at interfaces, where lithium may come between them."""
        return body_of(self.role)

    @property
    def deposits(self) -> bool:
        """Lithium that reacts at its face is plated there; else it is stored in the region's volume."""
        return not (self.body == "metal" and self.stores)

    @property
    def flows(self) -> bool:
        """Needs the displacement-pressure element: nearly incompressible flow, or what it holds swells it."""
        return self.law in FLOWING_LAWS or self.stores or (self.binary and self.material.has("partial_molar_volume"))


def body_of(role: str) -> str:
    """Body that a role belongs to: "metal", "mixed" or "ceramic"."""
    return BODIES[ROLES[role][:2]]


def ordered(a: Region, b: Region) -> tuple[Region, Region]:
    """The two regions of an interface, the "+" side (the more metallic one) first."""
    return (a, b) if ORDER.index(a.body) <= ORDER.index(b.body) else (b, a)


def cell_regions(case) -> tuple[Region, ...]:
    """Layers in stack order, then filled features; each with its resolved material, law and side."""
    blocks = [n for n, layer in enumerate(case.layers) if not ROLES[case.records[layer.material].role][1]]  # electrons
    first, last = (blocks[0], blocks[-1]) if blocks else (len(case.layers), len(case.layers))
    regions = []
    for n, layer in enumerate(case.layers):
        side = "anode" if n < first else "counter" if n > last else "electrolyte"
        material = medium_of(layer, case.records)
        regions.append(Region(layer.name, material, layer.law or material.law, side, layer.thickness, n, grading=layer.grading))
    layers = {region.name: region for region in regions}
    for feature in case.features:
        if getattr(feature, "fill", "empty") != "empty":
            material, wired = case.records[feature.fill], feature.electrons == "collector"
            touched = [] if wired else [layers[name] for name in touched_layers(feature, case)]
            regions.append(Region(feature.name, material, material.law, _side(material, touched), wired=wired))
        elif hollow(feature, case):
            metal = layers[cut_layer(feature, case)]
            regions.append(Region(feature.name, metal.material, VOID, metal.side))
    return tuple(regions)


def cut_layer(feature, case) -> str:
    """Name of the layer from which a void, flaw or pore is cut first."""
    if feature.kind in ("pore", "pores"):
        return feature.layer
    level, side = direction(feature, case)
    return case.layers[case.levels.index(level) - (side < 0)].name


def hollow(feature, case) -> bool:
    """The inside of this feature is meshed: an empty one in metal, in finite strain, without gas in it."""
    if feature.kind not in ("void", "voids", "pore", "pores") or getattr(feature, "fill", "empty") != "empty":
        return False
    layer = cut_layer(feature, case)
    record = case.records[next(item.material for item in case.layers if item.name == layer)]
    finite = case.mechanics is not None and case.mechanics.kinematics == "finite"
    return finite and record.role == "metal" and case.mechanics.support(f"{feature.name}|{layer}").kind == "free"


def void_size(feature) -> float:
    """Smallest half extent of a void or pore, um: its depth if it is flat."""
    across = getattr(feature, "height", None) or getattr(feature, "half_height", None) or feature.radius * getattr(feature, "aspect", 1.0)
    return min(feature.radius, across)


def roof_law(interface: str, case) -> str:
    """Name of the interface on which a void lies if this one is the void's roof, "void|sse"; its laws hold there too."""
    for feature in case.features:
        if feature.name == interface.split("|")[0] and feature.kind in ("void", "voids") and hollow(feature, case):
            return interface_name(*feature.interface.split("|"), case)
    return interface


def _side(material: Material, touched: list[Region]) -> str:
    """A filled feature belongs to the electrode that it touches; if it touches none, or is wired, to the anode."""
    if not ROLES[material.role][1]:
        return "electrolyte"
    return next((region.side for region in touched if region.electrons), "anode")


def required_properties(region: Region, case) -> list[str]:
    """Names of the properties that the region's role, its law and the equations of the case ask for."""
    need = []
    if region.ions:
        need.append("ionic_conductivity")
    if region.binary:
        need += ["salt_diffusivity", "initial_concentration"]
    if region.electrons:
        need.append("electronic_conductivity")
    if region.reservoir:
        need.append("molar_volume")
    if region.stores:
        need += ["maximum_concentration", "initial_concentration", "equilibrium_potential"]
        need += ["diffusivity"] if region.body == "metal" else ["storage_exchange_current_density", "specific_area"]
    if case.mechanics is not None:
        need += ["youngs_modulus", "poisson_ratio", *LAW_PROPERTIES[region.law]]
        for branch, others in LAW_BRANCHES.get(region.law, {}).items():
            need += [branch, *others] if region.material.has(branch) else []
        if region.stores and case.mechanics.swelling:
            need.append("partial_molar_volume")
    return need


def interface_name(a: str, b: str, case) -> str:
    """The one name of the pair: features before layers, layers in stack order: "li|sse", "flaw|sse", "li|void"."""
    layers = [layer.name for layer in case.layers]
    features = [f.name for f in case.features]

    def rank(name: str) -> int:
        if name in layers:
            return len(features) + layers.index(name)
        return features.index(name) if name in features else -1

    first, second = sorted((a, b), key=rank)
    return f"{first}|{second}"


def layer_pair(interface: str, case, place: str) -> tuple[int, int]:
    """Indices (lower, upper) of the two neighbouring layers that "a|b" names; ValueError with the known ones."""
    names = [layer.name for layer in case.layers]
    known = [f"{a}|{b}" for a, b in zip(names, names[1:])]
    parts = interface.split("|")
    if len(parts) == 2 and parts[0] in names and parts[1] in names:
        low, high = sorted(names.index(p) for p in parts)
        if high == low + 1:
            return low, high
    raise ValueError(f'{place} = "{interface}" is no interface between neighbouring layers; known: {", ".join(known) or "none"}')


def is_transfer(case, a: Region, b: Region) -> bool:
    """Li+ meets electrons here and Li is taken or given.

    Metal and alloy do so on any ion conductor. An inert collector, and a mixed conductor towards an electrolyte, carry lithium
    that is plated between the two; `plating` of the interface decides, by default wherever a mixed conductor is one side.
    """
    plus, minus = ordered(a, b)
    if plus.body == minus.body:
        return False
    if plus.body == "metal" and (plus.reservoir or plus.stores):
        return True
    given = case.interface(interface_name(a.name, b.name, case)).plating
    return given if given is not None else "mixed" in (plus.body, minus.body)


def touching(case) -> list[tuple[Region, Region]]:
    """Pairs of regions that touch, from the data alone (own mesh: every pair may)."""
    if case.geometry.file is not None:
        return list(combinations(case.regions, 2))
    regions = {region.name: region for region in case.regions}
    layers = case.regions[: len(case.layers)]
    pairs = list(zip(layers, layers[1:]))
    for feature in case.features:
        if feature.name in regions:
            pairs += [(regions[feature.name], regions[layer]) for layer in touched_layers(feature, case)]
    return pairs


def boundary_names(case) -> list[str]:
    """Every boundary that a support may name: outer faces, and the walls of holes ("void|li")."""
    geometry = case.geometry
    if geometry.file is not None:
        return list(dict.fromkeys(geometry.boundaries.values()))
    absent = "axis" if geometry.inner_radius else "inner"
    holes = [f for f in case.features if f.kind in ("void", "voids") or getattr(f, "fill", None) == "empty"]
    return ["collector", "counter", *(side for side in SIDES[geometry.kind] if side != absent),
            *(f"{f.name}|{layer}" for f in holes for layer in touched_layers(f, case))]


@dataclass(frozen=True)
class Kinetics:
    """Resolved law of one charge-transfer interface at one temperature; metal ("+" side) and ceramic are region names."""

    name: str
    metal: str
    ceramic: str
    law: str
    exchange_current_density: float
    transfer_coefficient: float
    resistance: float
    film_resistance: float
    tangential: str
    source: str


def kinetics(case, a: Region, b: Region, temperature: float | None = None) -> Kinetics:
    """Kinetic data of a pair: the case's [interfaces] table, else the materials. MaterialError if neither has them.

    An i0 that is tabulated against the filling is given at the initial one.
    """
    metal, ceramic = ordered(a, b)
    kelvin = case.temperature if temperature is None else temperature
    name = interface_name(a.name, b.name, case)
    given = case.interface(name)
    owner = ceramic.material if metal.deposits else metal.material
    i0, source = given.exchange_current_density, "case file"
    if i0 is None and given.kinetics == "butler_volmer":
        entry = owner.get("exchange_current_density")
        filling = owner.get("initial_concentration").value / owner.get("maximum_concentration").value if entry.table else 0.0
        i0, source = entry.interpolate(filling) * entry.activation(kelvin), f"{owner.name}: {entry.source}"
    alpha = given.transfer_coefficient
    if alpha is None:
        alpha = owner.get("transfer_coefficient").at(kelvin) if owner.has("transfer_coefficient") else 0.5
    return Kinetics(name, metal.name, ceramic.name, given.kinetics, i0 or 0.0, alpha, given.resistance or 0.0,
                    given.film_resistance, given.tangential, source)


def plated_material(case, region: Region) -> Material:
    """What is plated on a region: its own metal, or lithium as the case or the library has it."""
    return region.material if region.reservoir else case.records.get("Li") or load_material("Li")


# ---- reactions --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reaction:
    """What is reduced behind a charge-transfer interface: the electrolyte, and the stable layers that electrons cross to it."""

    electrolyte: Region
    through: tuple[Region, ...]


REACTING = ("sei_molar_volume", "sei_electronic_conductivity", "sei_ionic_conductivity")


def reaction(case, a: Region, b: Region) -> Reaction | None:
    """Of a pair that exchanges charge: its ion conductor, or the next one in the stack behind layers stable against lithium.

    None if all are stable, and at a mixed conductor, whose far face the electrons reach. MaterialError where data is missing.
    """
    metal, ion = ordered(a, b)
    passed: list[Region] = []
    while ion is not None and not ion.electrons:
        if ion.material.get("reduction_potential").value > 0:
            needed = REACTING + (("sei_consumed_volume",) if case.mechanics is not None else ())
            for name in needed:
                ion.material.get(name)
            for region in passed:
                region.material.get("electronic_conductivity")
            return Reaction(ion, tuple(passed))
        passed.append(ion)
        metal, ion = ion, _behind(case, metal, ion)
    return None


def _behind(case, first: Region, second: Region) -> Region | None:
    """The layer that follows two neighbouring layers of the stack; None behind a feature and at the end."""
    if first.layer is None or second.layer is None or abs(second.layer - first.layer) != 1:
        return None
    n = 2 * second.layer - first.layer
    return case.regions[n] if 0 <= n < len(case.layers) else None


def reactions(case) -> dict[str, Reaction]:
    """By the name of the interface; none without a `sei` table."""
    pairs = [pair for pair in touching(case) if is_transfer(case, *pair)] if case.sei is not None else []
    found = {interface_name(a.name, b.name, case): reaction(case, a, b) for a, b in pairs}
    return {name: what for name, what in found.items() if what is not None}


def used_properties(case, material: Material) -> list[str]:
    """Properties of a material that the equations of this case take, in the order of the record."""
    need: set[str] = set()
    for region in case.regions:
        if region.material.name == material.name:
            need |= {*required_properties(region, case)}
            need |= {"minimum_concentration", "diffusivity", "gradient_energy"} if region.stores else set()
    for a, b in touching(case):
        if is_transfer(case, a, b) and case.interface(interface_name(a.name, b.name, case)).kinetics == "butler_volmer":
            metal, ceramic = ordered(a, b)
            if (ceramic if metal.deposits else metal).material.name == material.name:
                need |= {"exchange_current_density", "transfer_coefficient"}
    for what in reactions(case).values():
        if what.electrolyte.material.name == material.name:
            need |= {"reduction_potential", *REACTING, "sei_consumed_volume", "sei_current_fraction"}
        if any(region.material.name == material.name for region in what.through):
            need |= {"reduction_potential", "electronic_conductivity"}
    return [name for name in material.properties if name in need]


# ---- features ---------------------------------------------------------------------------------------------------------


def direction(feature, case) -> tuple[float, int]:
    """(height of the interface, +1 or -1) along which a void or flaw reaches into its layer.

    A void lies in the more metallic side of the pair, a flaw in the other, unless `layer` says otherwise.
    """
    place = f"features[{case.features.index(feature)}]" if feature in case.features else feature.name
    low, high = layer_pair(feature.interface, case, f"{place}.interface")
    sides = [case.layers[low].name, case.layers[high].name]
    if feature.layer is not None:
        if feature.layer not in sides:
            raise ValueError(f'{place}.layer = "{feature.layer}" is no side of "{feature.interface}"; use {" or ".join(sides)}')
        upper = feature.layer == sides[1]
    else:
        places = [ORDER.index(body_of(case.records[case.layers[n].material].role)) for n in (low, high)]
        if places[0] == places[1]:
            anode = ROLES[case.records[case.layers[0].material].role][1]
            remedy = "" if anode else f'make the first layer "{case.layers[0].name}" the anode (Li or an alloy), or '
            raise ValueError(f'{place}.interface = "{feature.interface}": both sides conduct alike; {remedy}say which one is cut, '
                             f'for example layer = "{sides[1]}"')
        upper = (places[1] < places[0]) == (feature.kind in ("void", "voids"))
    return case.levels[high], 1 if upper else -1


@dataclass(frozen=True)
class Surroundings:
    """The layer of metal around a void, all voids that lie in it, and the metal layers behind it, by name."""

    layer: str
    voids: tuple[str, ...]
    behind: tuple[str, ...]


def surroundings(case, void: str) -> Surroundings | None:
    """Of a void whose metal can begin anew where it is: in 2D, with one electrolyte at its face, only metal behind and voids in it."""
    feature = next(f for f in case.features if f.name == void)
    if case.geometry.kind == "box" or case.geometry.file is not None or feature.kind not in ("void", "voids"):
        return None
    name, into = cut_layer(feature, case), direction(feature, case)[1]
    number = [layer.name for layer in case.layers].index(name)
    behind = case.regions[number + 1 : len(case.layers)] if into > 0 else case.regions[:number]
    inside = [f for f in case.features if f.kind not in ("flaw", "patch", "roughness") and cut_layer(f, case) == name]
    face = case.regions[number - into]
    alone = all(f.kind in ("void", "voids") and direction(f, case)[1] == into for f in inside)
    if not alone or face.body != "ceramic" or any(region.body != "metal" for region in behind):
        return None
    return Surroundings(name, tuple(f.name for f in inside), tuple(region.name for region in behind))


def cell_volume(case) -> float:
    """Of the rectangle or box that is meshed, um^2 or um^3; about an axis that of its half section."""
    geometry = case.geometry
    return case.levels[-1] * (geometry.width - geometry.inner_radius) * (geometry.depth if geometry.dimension == 3 else 1.0)


GRADING = {2: 0.25, 3: 0.55}  # dimension -> growth of edges with the distance from what is meshed finely


def far_size(case) -> float:
    """Edge length far from everything, um, before refinement: `mesh.size`, or a part of the mean extent of the cell."""
    dimension = case.geometry.dimension
    return case.mesh.size or cell_volume(case) ** (1.0 / dimension) / {2: 12.0, 3: 8.0}[dimension]


@dataclass(frozen=True)
class Reservoir:
    """The layer of metal before a slot that is partly empty, all slots that it feeds (their features), and the metal layers behind it."""

    layer: str
    flaws: tuple
    behind: tuple[str, ...]


def reservoir(case, flaw: str) -> Reservoir:
    """Of a slot with `filled`."""
    feature = next(f for f in case.features if f.name == flaw)
    level, way = direction(feature, case)
    above = case.levels.index(level)
    number = above - 1 if way > 0 else above
    behind = case.regions[:number] if way > 0 else case.regions[number + 1 : len(case.layers)]
    fed = tuple(f for f in case.features if f.kind == "flaw" and f.fill != "empty" and direction(f, case) == (level, way))
    return Reservoir(case.layers[number].name, fed, tuple(region.name for region in behind))


def extent(feature, case) -> tuple[float, float, float, float] | None:
    """(half width along x, half length along y, lowest, highest height) of a feature; of the layer, or of the interface, if a population;

    None for roughness.
    """
    if feature.kind == "roughness":
        return None
    if feature.kind == "pores":
        n, geometry = [layer.name for layer in case.layers].index(feature.layer), case.geometry
        return 0.5 * (geometry.width - geometry.inner_radius), 0.5 * (geometry.depth or 0.0), case.levels[n], case.levels[n + 1]
    if feature.kind == "pore":
        n = [layer.name for layer in case.layers].index(feature.layer)
        half, middle = feature.half_height or feature.radius, case.levels[n] + feature.position
        return feature.radius, feature.radius, middle - half, middle + half
    if feature.kind == "patch":
        level = case.levels[layer_pair(feature.interface, case, f'feature "{feature.name}".interface')[1]]
        return feature.outer, feature.outer, level, level
    level, sign = direction(feature, case)
    if feature.kind == "void":
        reach, half_x, half_y = feature.height, feature.radius, feature.radius
    elif feature.kind == "voids":
        heights = [void.height for void in case.populations[feature.name]]
        reach, half_x, half_y = max(heights), 0.5 * case.geometry.width, 0.5 * (case.geometry.depth or 0.0)
    else:
        reach, half_x, half_y = feature.depth, 0.5 * feature.width, 0.5 * (feature.length or feature.width)
    return half_x, half_y, min(level, level + sign * reach), max(level, level + sign * reach)


def unfilled(flaw: str) -> str:
    """Name of the hole that is what is empty of a flaw: its boundaries are "flaw:empty|sse", and "flaw:empty|flaw" to the metal."""
    return f"{flaw}:empty"


def head(flaw: str) -> str:
    """Name of the boundary between a flaw's metal and what is empty of the flaw."""
    return f"{unfilled(flaw)}|{flaw}"


def floating(case) -> list[str]:
    """Names of features filled with what conducts electrons, from which no electron conductor leads to a wire or an end of the stack: their
    potential floats.
    """
    ends = {case.layers[0].name, case.layers[-1].name}
    conducting = {region.name for region in case.regions if region.electrons}
    reached = {region.name for region in case.regions if region.electrons and (region.wired or region.name in ends)}
    pairs = [{a.name, b.name} for a, b in touching(case) if {a.name, b.name} <= conducting]
    while grown := set().union(*(pair for pair in pairs if pair & reached)) - reached:
        reached |= grown
    return [feature.name for feature in case.features if feature.name in conducting - reached]


def touched_layers(feature, case) -> list[str]:
    """Names of the layers that meet the wall of a void, flaw or pores; none for a patch or roughness."""
    names = [layer.name for layer in case.layers]
    if feature.kind in ("pore", "pores"):
        return [feature.layer]
    if feature.kind == "voids":
        level, side = direction(feature, case)
        above = case.levels.index(level)
        return names[above - 1 : above + 1]
    if feature.kind not in ("void", "flaw"):
        return []
    level, side = direction(feature, case)
    _, _, lowest, highest = extent(feature, case)
    above = case.levels.index(level)
    mouth = above - 1 if side > 0 else above
    return [name for n, name in enumerate(names) if n == mouth or (case.levels[n] < highest and case.levels[n + 1] > lowest)]
