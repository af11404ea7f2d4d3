"""Is a case consistent as a whole? Each check yields its faults as text: place, value, remedy.

What one key alone can tell (unit, sign, type) is checked where the key is declared, in case.py.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Collection, Iterator
from itertools import combinations, islice
from pathlib import Path

from .at_rest import holdings, rest_voltage
from .fracture import faults as _fracture
from .materials import MaterialError
from .materials import names as library
from .populations import PopulationError
from .protocol import flat_steps
from .regions import CARRIERS, FLOWING_LAWS, GRADING, ROLES, SIDES, boundary_names, cell_volume, cut_layer, direction, extent, far_size
from .regions import floating, hollow, interface_name, is_transfer, kinetics, layer_pair, ordered, reaction, required_properties
from .regions import reservoir, roof_law, touching
from .units import FARADAY, UnitError, show, to_internal


def faults(case) -> list[str]:
    """All faults of the first stage that has any; the later stages build on what the earlier ones have found right."""
    for stage in STAGES:
        found = [fault for check in stage for fault in check(case)]
        if found:
            return list(dict.fromkeys(found))
    return []


def suggestion(word: str, known: Collection[str]) -> str:
    """' (did you mean "a"?)' or '' if nothing is close; capitals do not matter."""
    lower = {name.lower(): name for name in known}
    close = [lower[name] for name in difflib.get_close_matches(word.lower(), lower, n=2, cutoff=0.6)]
    return f" (did you mean {' or '.join(f'"{name}"' for name in close)}?)" if close else ""


def key_path(parent: str, key: str) -> str:
    """Path of a key as TOML writes it: ``interfaces."li|sse"``."""
    key = key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else f'"{key}"'
    return f"{parent}.{key}" if parent else key


def _um(value: float) -> str:
    return show(value, "length")


# ---- names and materials ----------------------------------------------------------------------------------------------


def _names(case) -> Iterator[str]:
    seen: dict[str, str] = {}
    for table, items in (("layers", case.layers), ("features", case.features)):
        for n, item in enumerate(items):
            if item.name in seen:
                yield f'{table}[{n}].name = "{item.name}" is used by {seen[item.name]} too; give each its own name'
            seen.setdefault(item.name, f"{table}[{n}]")
            if item.name in ("collector", "counter", *SIDES[case.geometry.kind]):
                yield f'{table}[{n}].name = "{item.name}" is the name of a boundary of the cell; choose another'


def _thickness(case) -> Iterator[str]:
    if case.geometry.file is None:
        for n, layer in enumerate(case.layers):
            if layer.thickness is None:
                yield f'layers[{n}].thickness is missing; give it, for example thickness = "20 um"'


def _own_mesh(case) -> Iterator[str]:
    geometry = case.geometry
    if geometry.file is None:
        return
    if not Path(geometry.file).is_file():
        yield f'geometry.file = "{geometry.file}": there is no such mesh; correct the path (relative to the case file)'
    if case.features:
        yield "features cannot be cut into an own mesh (geometry.file); mesh them there and remove [[features]]"
    layers = [layer.name for layer in case.layers]
    for group, region in geometry.regions.items():
        if region not in layers:
            yield (f'{key_path("geometry.regions", group)} = "{region}" is no layer{suggestion(region, layers)}; '
                   f"map each group to one of {', '.join(layers)} (lithium in a flaw to its lithium layer)")
    for layer in layers:
        if layer not in geometry.regions.values():
            yield f'geometry.regions: no group of the mesh is mapped to layer "{layer}"; map one, or remove the layer'
    if not {"collector", "counter"} & set(geometry.boundaries.values()):
        yield 'geometry.boundaries: no group of the mesh is mapped to "collector" or "counter"; map those two faces'
    try:
        to_internal(f"1 {geometry.length_unit}", "length")
    except UnitError:
        yield f'geometry.length_unit = "{geometry.length_unit}" is no unit of length; use um, mm or m'


def _materials(case) -> Iterator[str]:
    uses = [(f"layers[{n}].material", layer.material) for n, layer in enumerate(case.layers)]
    uses += [(f"features[{n}].fill", f.fill) for n, f in enumerate(case.features) if getattr(f, "fill", "empty") != "empty"]
    used = {name for _, name in uses}
    for name in case.materials:
        if name not in used:
            yield (f"{key_path('materials', name)} is given but no layer or feature uses it{suggestion(name, used)}; "
                   f"remove it or correct the name")
    for place, name in uses:
        try:
            case.material(name)
        except MaterialError as error:
            own = name in case.materials  # then the message has the place already
            yield str(error) if own else f"{place} = {error}" if name in library() else _unknown_material(place, name, case)


def _unknown_material(place: str, name: str, case) -> str:
    known = [*library(), *case.materials, *(["empty"] if place.endswith("fill") else [])]
    return (f'{place} = "{name}" is no known material{suggestion(name, known)}; `interfem materials` lists them all, '
            f"[{key_path('materials', name)}] defines a new one")


# ---- the stack --------------------------------------------------------------------------------------------------------


def _order(case) -> Iterator[str]:
    roles = [case.records[layer.material].role for layer in case.layers]
    ionic = [n for n, role in enumerate(roles) if ROLES[role][0]]
    for n, role in enumerate(roles):
        if ionic and ionic[0] < n < ionic[-1] and n not in ionic:
            yield (f'layers[{n}].material = "{case.layers[n].material}" ({role}) carries no ions but lies between ion '
                   f"conductors, so that no current can pass; move it to an end of the stack")


def _properties(case) -> Iterator[str]:
    for region in case.regions:
        for name in required_properties(region, case):
            try:
                region.material.get(name)
            except MaterialError as error:
                yield str(error)


OF_FILLING = ("maximum_concentration", "initial_concentration", "equilibrium_potential")  # what the filling of a store means


def _gradings(case) -> Iterator[str]:
    """Only what the equations take from inside the layer, and no table in c/c_max, can be graded."""
    for n, layer in enumerate(case.layers):
        region, material = case.regions[n], case.records[layer.material]
        fixed = ("molar_volume", *(OF_FILLING if region.stores else ()))
        read = [name for name in required_properties(region, case) if name not in fixed]
        for name in layer.grading:
            place = f"layers[{n}].grading.{name}"
            if name not in read:
                yield (f'{place}: nothing reads it inside layer "{layer.name}" ({region.role}, {region.law}); remove it, or '
                       f"grade one of {', '.join(read)}")
            elif material.has(name) and material.get(name).table is not None:
                yield (f"{place}: {layer.material} has a table in c/c_max here, which cannot be graded too; remove it, or give "
                       f"{key_path('materials', layer.material)}.{name} one value")


def _porous(case) -> Iterator[str]:
    """What an effective medium cannot stand for."""
    layers = list(zip(case.layers, case.regions))
    for n, (layer, region) in enumerate(layers):
        if layer.pore_uptake and not (region.stores and case.mechanics is not None and case.mechanics.swelling):
            yield f'layers[{n}].pore_uptake = {layer.pore_uptake:g}: nothing swells in layer "{layer.name}"; remove it'
        below, lower = layers[n - 1] if n else (layer, region)
        if region.binary and lower.binary and below.porosity != layer.porosity:
            yield (f'layers[{n}].porosity = {layer.porosity:g}: salt is counted per volume of the layer, which must agree with '
                   f'that of layer "{below.name}" ({below.porosity:g}), to which it passes; give both one porosity')


def _counter(case) -> Iterator[str]:
    last = case.regions[len(case.layers) - 1]
    if "counter" in case.model_fields_set and last.electrons:
        yield (f'counter = "{case.counter}" says how an ion conductor ends the stack, but the last layer "{last.name}" '
               f"({last.role}) conducts electrons and is the counter electrode itself; remove the key")
    elif "counter" not in case.model_fields_set and last.binary:
        yield (f'counter is missing: the last layer "{last.name}" is a binary electrolyte, and what its open end does to the anions '
               f'must be said; end the stack with an electrode, for example a layer of Li, or set counter = "equipotential" (a lithium '
               f'electrode that blocks anions) or "uniform"')


def _short(case) -> Iterator[str]:
    """Electrons must not pass from one electrode to the other."""
    layers = case.regions[: len(case.layers)]
    if case.geometry.file is None and all(region.electrons for region in layers) and any(region.ions for region in layers):
        names = ", ".join(region.name for region in layers)
        yield f"layers: every layer conducts electrons ({names}), so that the cell is shorted; put an electrolyte between the electrodes"


# ---- features ---------------------------------------------------------------------------------------------------------


def _references(case) -> Iterator[str]:
    """Interfaces and layers that features name, and keys that do not belong to them."""
    layers = [layer.name for layer in case.layers]
    for n, feature in enumerate(case.features):
        place = f"features[{n}]"
        if feature.kind in ("pore", "pores") and feature.layer not in layers:
            yield f'{place}.layer = "{feature.layer}" is no layer{suggestion(feature.layer, layers)}; known: {", ".join(layers)}'
        try:
            if feature.kind in ("void", "voids", "flaw"):
                direction(feature, case)
            elif feature.kind not in ("pore", "pores"):
                layer_pair(feature.interface, case, f"{place}.interface")
        except ValueError as error:
            yield str(error)
        if feature.kind == "flaw" and feature.length is not None and case.geometry.kind != "box":
            yield f'{place}.length = {_um(feature.length)}: only a flaw in a box has a length; remove it'
        wired = getattr(feature, "electrons", "mesh") == "collector"
        if wired and (feature.fill == "empty" or not ROLES[case.records[feature.fill].role][1]):
            yield f'{place}.electrons = "collector": its fill "{feature.fill}" conducts no electrons; remove the key'


def _features(case) -> Iterator[str]:
    for n, feature in enumerate(case.features):
        if feature.kind not in ("pores", "voids"):  # these are placed where they fit
            place = f"features[{n}]"
            yield from _sides(feature, case, place)
            yield from HEIGHTS[feature.kind](feature, case, place)


def _sides(feature, case, place: str) -> Iterator[str]:
    """Centre inside the cell; the feature inside too, or centred on a side, which is then a plane of symmetry."""
    geometry = case.geometry
    spans = [("x", geometry.inner_radius, geometry.width)] + ([("y", 0.0, geometry.depth)] if geometry.kind == "box" else [])
    if len(feature.center) > len(spans):
        yield f"{place}.center has {len(feature.center)} coordinates; a {geometry.kind} geometry takes {len(spans)}; remove one"
        return
    if feature.kind == "roughness":
        return
    center = (*feature.center, 0.0)
    for (axis, start, end), middle, half in zip(spans, center, extent(feature, case)):
        if not start <= middle <= end:
            yield f"{place}.center: {axis} = {_um(middle)} lies outside the cell ({_um(start)} to {_um(end)}); move it inside"
        elif half >= (end - start) * (1 - 1e-9) and not (feature.kind == "patch" and feature.inner):
            key = SIZES[feature.kind][axis]
            yield f"{place}.{key} = {_um(getattr(feature, key) or half)}: reaches across the cell ({_um(end - start)}); reduce it"
        elif feature.kind != "patch":  # a patch is only cut off there
            for side in (start, end):
                if 0 < abs(middle - side) < half * (1 + 1e-9):
                    yield (f"{place}.center: {axis} = {_um(middle)} with a half width of {_um(half)} crosses the side {axis} = "
                           f"{_um(side)} of the cell; centre it on that side (a plane of symmetry) or move it inside")


SIZES = {"void": {"x": "radius", "y": "radius"}, "flaw": {"x": "width", "y": "length"}, "pore": {"x": "radius", "y": "radius"},
         "patch": {"x": "outer", "y": "outer"}}  # keys that set the extent of a feature along an axis


def _patch_ring(feature, case, place: str) -> Iterator[str]:
    if feature.inner >= feature.outer:
        yield f"{place}.inner = {_um(feature.inner)} is not below outer = {_um(feature.outer)}; reduce it"


def _pore_height(feature, case, place: str) -> Iterator[str]:
    n = [layer.name for layer in case.layers].index(feature.layer)
    _, _, low, high = extent(feature, case)
    if low <= case.levels[n] or high >= case.levels[n + 1]:
        yield (f'{place}.position = {_um(feature.position)}: a pore of half height {_um((high - low) / 2)} leaves its layer '
               f'"{feature.layer}" (0 to {_um(case.layers[n].thickness)}); move it or make it smaller')


def _void_height(feature, case, place: str) -> Iterator[str]:
    layer = case.layers[_cut_layer(feature, case)]
    if feature.height >= layer.thickness:
        yield (f'{place}.height = {_um(feature.height)} exceeds layer "{layer.name}" ({_um(layer.thickness)}); '
               f"reduce it or thicken the layer")
    if feature.shape == "cap" and feature.height > feature.radius:
        yield (f"{place}.height = {_um(feature.height)}: a cap higher than its radius ({_um(feature.radius)}) is wider within than at the "
               f'interface; reduce it, or use shape = "ellipse"')


def _flaw_depth(feature, case, place: str) -> Iterator[str]:
    """A flaw may run on through the following layers that conduct alike."""
    first, (_, side) = _cut_layer(feature, case), direction(feature, case)
    regions, passed = case.regions[: len(case.layers)], []
    n = first
    while 0 <= n < len(regions) and regions[n].body == regions[first].body:
        passed.append(regions[n])
        n += side
    room = sum(region.thickness for region in passed)
    if feature.depth >= room:
        names = " and ".join(f'"{region.name}"' for region in passed)
        yield f"{place}.depth = {_um(feature.depth)} exceeds layer {names} ({_um(room)}); reduce it or thicken the layer"


def _partly_filled(case) -> Iterator[str]:
    """Slots into which metal may be pressed: what the layer before them, and they themselves, must be."""
    for n, feature in ((n, f) for n, f in enumerate(case.features) if f.kind == "flaw" and f.filled is not None):
        place = f"features[{n}].filled = {_um(feature.filled)}"
        level, way = direction(feature, case)
        before = next(r for r in case.regions if r.name == reservoir(case, feature.name).layer)
        others = [f for f in case.features if f is not feature and f.kind != "patch" and not
                  (f.kind == "flaw" and f.shape == "slot" and f.fill == feature.fill and direction(f, case) == (level, way))]
        if feature.fill == "empty":
            yield f'{place}: fill = "empty" says that nothing is in it; remove one of the keys'
        elif feature.shape != "slot":
            yield f'{place}: only a slot is filled in part; set shape = "slot", or remove the key'
        elif case.geometry.kind == "box" or case.geometry.file is not None:
            yield f'{place}: metal is pressed into a slot in a plane or about an axis; use geometry.kind = "plane" or "axisymmetric"'
        elif not feature.filled < feature.depth:
            yield f"{place} is not below depth = {_um(feature.depth)}; reduce it, or remove it where the slot is full"
        elif feature.filled < LIP * feature.width:
            yield f"{place} is below a tenth of the width ({_um(feature.width)}), and how metal comes round the mouth's edge is not resolved; raise it"
        elif case.mechanics is None or case.mechanics.kinematics != "finite":
            yield f'{place}: metal is pressed in in finite strain alone; set mechanics.kinematics = "finite"'
        elif case.records[feature.fill].name != before.material.name or before.law not in FLOWING_LAWS or before.law != case.records[feature.fill].law:
            yield (f'{place}: what fills the slot and the layer "{before.name}" before it must be one metal that flows; make both the same, '
                   f"with law {' or '.join(FLOWING_LAWS)}")
        elif case.geometry.kind == "axisymmetric" and case.geometry.inner_radius:
            yield f"{place}: a hole about an axis is on the axis; remove geometry.inner_radius"
        elif others:
            yield (f'{place}: beside it there may be patches and other slots of the same metal and interface only; '
                   f'remove feature "{others[0].name}"')


def _cut_layer(feature, case) -> int:
    """Index of the layer from which a void or flaw is cut first."""
    level, side = direction(feature, case)
    return case.levels.index(level) - (side < 0)


def _roughness_height(feature, case, place: str) -> Iterator[str]:
    _, high = layer_pair(feature.interface, case, f"{place}.interface")
    if not feature.fits and not any(case.interface(name).parts for name in _both_ways(feature.interface)):
        yield (f'{place}.fits = false leaves gaps, which a bonded interface has not; set '
               f'{key_path("interfaces", feature.interface)}.contact = "unilateral" or remove the key')
    reach = feature.amplitude * (1.0 if feature.shape == "sinusoidal" else 4.0)
    room = min(case.levels[high], case.levels[-1] - case.levels[high])
    if reach >= room:
        yield f"{place}.amplitude = {_um(feature.amplitude)}: reaches out of the cell ({_um(room)} on one side); reduce it"


def _contact_limit(case) -> Iterator[str]:
    """A limit of the contact fraction that nothing could ever reach."""
    limit = case.limits.contact_below
    if limit is not None and not any(table.parts or table.chi for table in case.interfaces.values()):
        yield (f'limits.contact_below = {limit:g}: no interface of the case loses contact; set contact = "unilateral", or chi, in '
               f"[interfaces], or remove the limit")


def _both_ways(interface: str) -> tuple[str, str]:
    return interface, "|".join(reversed(interface.split("|")))


HEIGHTS = {"void": _void_height, "flaw": _flaw_depth, "pore": _pore_height, "patch": _patch_ring, "roughness": _roughness_height}


def _populations(case) -> Iterator[str]:
    """Populations of pores that do not fit, the first one."""
    try:
        case.populations
    except PopulationError as error:
        yield str(error)
        return
    for n, feature in enumerate(case.features):
        if feature.kind == "voids":
            highest = max(void.height for void in case.populations[feature.name])
            layer = next(item for item in case.layers if item.name == cut_layer(feature, case))
            if highest >= layer.thickness:
                yield (f"features[{n}].aspect = {feature.aspect:g}: the largest void is {_um(highest)} high and exceeds layer "
                       f'"{layer.name}" ({_um(layer.thickness)}); reduce it or thicken the layer')


def _overlaps(case) -> Iterator[str]:
    """By the boxes around them, so that features that only just pass each other are refused too."""
    solid = [(n, f) for n, f in enumerate(case.features) if f.kind not in ("pores", "voids", "roughness")]
    for (n, a), (m, b) in combinations(solid, 2):
        if not (_beside(a, b, case) or _inside(a, b, case) or _inside(b, a, case)):
            yield f'features[{m}] "{b.name}" overlaps or touches features[{n}] "{a.name}"; change center of one of them'


def _apart(a, b, case) -> list[float]:
    """Distance of the centres along x, and along y in a box."""
    axes = 2 if case.geometry.kind == "box" else 1
    return [abs(p - q) for p, q in zip((*a.center, 0.0)[:axes], (*b.center, 0.0)[:axes])]


def _beside(a, b, case) -> bool:
    """Apart along x, along y or in height."""
    (*half_a, low_a, high_a), (*half_b, low_b, high_b) = extent(a, case), extent(b, case)
    across = any(d > p + q for d, p, q in zip(_apart(a, b, case), half_a, half_b))
    return across or low_a > high_b or low_b > high_a


def _inside(a, b, case) -> bool:
    """`a` within the hole of the ring-shaped patch `b`."""
    if b.kind != "patch":
        return False
    distances = _apart(a, b, case)
    return math.hypot(*distances) + math.hypot(*extent(a, case)[: len(distances)]) < b.inner


# ---- interfaces -------------------------------------------------------------------------------------------------------


def _roles(pair) -> str:
    """Why a pair of regions has no interface of its own, and what to do."""
    a, b = pair
    if a.body == b.body:
        key = f"{CARRIERS['ions' if a.ions else 'electrons']}_resistance"
        return f'"{a.name}" and "{b.name}", which conduct alike; what resists between them is `{key}`'
    return f"a {a.role} and a {b.role}; remove it"


RESISTING_KEYS = {f"{kind}_{what}" for kind in CARRIERS.values() for what in ("resistance", "capacitance")}


def _carried_by_one(given, pair) -> tuple[str, str, list[str]] | None:
    """(kind, carrier, the two regions) of an areal resistance to a carrier that not both regions conduct."""
    for carrier, kind in CARRIERS.items():
        if given.resistance_to(carrier) and not all(getattr(region, carrier) for region in pair):
            return kind, carrier, [f'"{region.name}"' for region in pair]
    return None


def _bare_island(case, pair) -> str | None:
    """Of a pair of regions the inert one whose potential floats."""
    islands = floating(case)
    return next((region.name for region in pair if region.role == "collector" and region.name in islands), None)


def _interfaces(case) -> Iterator[str]:
    regions = {region.name: region for region in case.regions}
    pairs = {interface_name(a.name, b.name, case): (a, b) for a, b in touching(case)}
    transfer = [name for name, pair in pairs.items() if is_transfer(case, *pair)]
    for key, given in case.interfaces.items():
        place, parts = key_path("interfaces", key), key.split("|")
        known = f"known: {', '.join(transfer) or 'none'}"
        if len(parts) != 2 or not set(parts) <= set(regions):
            yield f"{place} names no pair of regions{suggestion(key, transfer)}; {known}"
        elif roof_law(key, case) != key:
            yield f'{place}: the roof of a void follows the interface that it lies on; set {key_path("interfaces", roof_law(key, case))}'
        elif key not in pairs:
            name = interface_name(*parts, case)
            yield f'{place}: write it as "{name}"' if name in pairs else f"{place}: these two do not touch; {known}"
        elif (carrier := _carried_by_one(given, pairs[key])) is not None:
            yield (f"{place}.{carrier[0]}_resistance: {' and '.join(carrier[2])} do not both conduct {carrier[1]}; remove it, or use "
                   f"`film_resistance` where charge is transferred")
        elif key not in transfer and given.plating is not False and not set() < given.model_fields_set <= RESISTING_KEYS:
            yield f"{place}: no lithium passes between {_roles(pairs[key])}; {known}"
        elif given.parts and case.mechanics is None:
            yield f'{place}.contact = "unilateral": without displacement nothing parts; add a [mechanics] table or remove the key'
        elif given.tangential == "coulomb" and case.mechanics is None:
            yield f'{place}.tangential = "coulomb": without displacement nothing slides; add a [mechanics] table'
        elif given.plating and (island := _bare_island(case, pairs[key])):
            yield (f'{place}.plating = true: no electron conductor leads from "{island}" to a terminal and it holds no lithium, so that none is plated on it and '
                   f'nothing sets its potential; remove it, or wire it by electrons = "collector"')
        elif given.surface_energy is not None and not ordered(*pairs[key])[0].deposits:
            yield f"{place}.surface_energy: what stores lithium does not grow at its face; remove it"
        elif given.equilibrium_potential is not None and not ordered(*pairs[key])[0].deposits:
            alloy = ordered(*pairs[key])[0].material.dense or ordered(*pairs[key])[0].material.name
            yield (f"{place}.equilibrium_potential = {show(given.equilibrium_potential, 'potential')}: that of an alloy "
                   f"follows its filling; set it in [{key_path('materials', alloy)}]")
    if not transfer and case.mechanics is None:
        yield "interfaces: none passes lithium, which leaves nothing to solve; set plating = true where an inert side is plated, or add [mechanics]"
    for name in transfer:
        try:
            kinetics(case, *pairs[name])
        except MaterialError as error:
            yield f"{error}; or give {key_path('interfaces', name)}.exchange_current_density"


def _reactions(case) -> Iterator[str]:
    """What reacts must be known in full; a table that does nothing is a mistake."""
    pairs, reacting = [pair for pair in touching(case) if is_transfer(case, *pair)] if case.sei is not None else [], False
    for a, b in pairs:
        try:
            grows = reaction(case, a, b)
            reacting = grows is not None or reacting
            room = min((region.thickness for region in (a, b) if region.thickness), default=math.inf)
            if grows is not None and case.sei.initial_thickness >= room:
                yield (f'sei.initial_thickness = {_um(case.sei.initial_thickness)}: thicker than a layer beside it ({_um(room)}, at '
                       f'"{interface_name(a.name, b.name, case)}"); reaction layers are films of nm to some um: reduce it')
        except MaterialError as error:
            stable = ' (what is stable against lithium has "0 V")' if "reduction_potential" in str(error) else ""
            yield f'sei, at "{interface_name(a.name, b.name, case)}": {error}{stable}'
            reacting = True
    if case.sei is not None and not reacting:
        yield "sei: nothing reacts here: electrons reach no ion conductor with a reduction_potential above 0 V; remove it"


# ---- mechanics --------------------------------------------------------------------------------------------------------


def _supports(case) -> Iterator[str]:
    if case.mechanics is None:
        return
    known = boundary_names(case)
    for name, support in case.mechanics.boundaries.items():
        key, kind = key_path("mechanics.boundaries", name), support.kind
        place = f'{key} = "{kind}"'
        if name not in known:
            yield f"{key}: there is no such boundary{suggestion(name, known)}; known: {', '.join(known)}"
        elif "|" in name and kind not in ("free", "pressure"):
            yield f'{place}: the wall of a hole is "free" or carries a gas pressure such as "0.1 MPa"; use one of them'
        elif name == "axis" and kind != "roller":
            yield f'{place}: the axis of symmetry is always a "roller"; remove the key'
        elif support.pressed and name not in ("collector", "counter"):
            yield f'{place}: the stack pressure acts on the collector or the counter; use a pressure such as "5 MPa" here'


def _held(case) -> Iterator[str]:
    """No rigid motion: along each axis some boundary is held. (Around an axis of symmetry the radius is held by the hoops.)"""
    if case.mechanics is None or case.geometry.file is not None:
        return
    stack = "z" if case.geometry.kind == "box" else "y"
    normals = {"collector": stack, "counter": stack} | {k: v for k, v in SIDES[case.geometry.kind].items() if v != "r"}
    kinds = {name: case.mechanics.support(name).kind for name in boundary_names(case)}
    if "clamped" in kinds.values():
        return
    for axis in dict.fromkeys(normals.values()):
        across = {name: kinds[name] for name, normal in normals.items() if normal == axis}
        if not {"roller", "spring"} & set(across.values()):
            shown = ", ".join(f'{name} = "{kind}"' for name, kind in across.items())
            name = list(across)[-1]
            yield (f"mechanics.boundaries: {shown}: nothing holds the cell along {axis}, so that it would drift; "
                   f'set {name} = "roller" or "clamped"')


def _preset(case) -> Iterator[str]:
    """Multigrid is not for all, see `coupled.fits`."""
    if case.solver.preset != "iterative":
        return
    others = {"stored lithium in two phases": any(r.separates for r in case.regions)}
    if case.mechanics is not None:
        others |= {"a salt beside [mechanics]": any(r.binary for r in case.regions),
                   "voids whose inside is meshed": any(hollow(feature, case) for feature in case.features)}
    found = [name for name, there in others.items() if there]
    if found:
        yield f'solver.preset = "iterative" is not for {found[0]}; use "auto" or "direct"'


def _cells(case) -> Iterator[str]:
    """Edges far too short for the cell: fewest triangles or tetrahedra of the largest edge that fill it."""
    mesh, geometry = case.mesh, case.geometry
    if geometry.file is not None:
        return
    edge = far_size(case) / mesh.refinement
    count = {2: 2, 3: 6}[geometry.dimension] * cell_volume(case) / edge**geometry.dimension
    if count > MOST_CELLS:
        place, remedy = ("mesh.size", f"{_um(mesh.size)}") if mesh.size else ("mesh.refinement", f"{mesh.refinement:g}")
        yield (f"{place} = {remedy}: edges of {_um(edge)} everywhere make some {count:.0e} cells; "
               f"{'raise it, and give mesh.interface_size or rim_size' if mesh.size else 'lower it'}")
    elif mesh.interface_size:
        count = _along_faces(case, mesh.interface_size / mesh.refinement)
        if count > MOST_CELLS:
            yield (f"mesh.interface_size = {_um(mesh.interface_size)}: edges of {_um(mesh.interface_size / mesh.refinement)} along the "
                   f"interfaces make some {count:.0e} cells; raise it, and give mesh.rim_size or tip_size")


def _along_faces(case, edge: float) -> float:
    """Cells on both sides of the faces that pass charge, where edges h grow with the distance from them: A/(g h^(dim-1)) of 2 or 6 each."""
    dimension, layers = case.geometry.dimension, case.regions[: len(case.layers)]
    faces = sum(is_transfer(case, a, b) for a, b in zip(layers, layers[1:]))
    area = cell_volume(case) / sum(layer.thickness for layer in case.layers)
    return 2 * {2: 2, 3: 6}[dimension] * faces * area / (GRADING[dimension] * edge ** (dimension - 1))


def _remeshing(case) -> Iterator[str]:
    if case.solver.on_distortion == "stop":
        return
    place = 'solver.on_distortion = "remesh"'
    if case.mechanics is None or case.mechanics.kinematics != "finite":
        yield f'{place}: cells are distorted in finite strain alone; set mechanics.kinematics = "finite", or remove the key'


# ---- protocol ---------------------------------------------------------------------------------------------------------


def _protocol(case) -> Iterator[str]:
    obstacle = _obstacle(case)
    for place, step in _steps(case.protocol, "protocol"):
        kind = f'{place}.kind = "{step.kind}"'
        if step.kind in CARRYING and obstacle:
            yield f"{kind}: no current can pass: {obstacle}; or keep to pressure, temperature and rest steps"
        if step.kind in DRIVEN:
            yield from _against(step, place)
        if step.kind == "pressure":
            yield from _carried(case, kind, step, place)
        if step.kind == "voltage" and case.counter == "uniform":
            yield f'{kind} contradicts counter = "uniform", which imposes a current; use counter = "equipotential"'


def _against(step, place: str) -> Iterator[str]:
    """A voltage limit from which the current leads away: anodic current raises the cell voltage, cathodic current lowers it."""
    low, high = step.span
    above, below = step.until_voltage_above, step.until_voltage_below
    if low >= 0 and below is not None and above is None:
        yield (f"{place}.until_voltage_below = {_volt(below)} can never be met: a positive current strips the anode and raises "
               f"the cell voltage; use until_voltage_above, or reverse the current")
    if high <= 0 and above is not None and below is None:
        yield (f"{place}.until_voltage_above = {_volt(above)} can never be met: a negative current plates the anode and lowers "
               f"the cell voltage; use until_voltage_below, or reverse the current")


def _volt(value: float) -> str:
    return show(value, "potential")


def _limits_at_rest(case) -> Iterator[str]:
    """Voltages at which the run, or its first step with a current, would end before anything has happened."""
    rest = rest_voltage(case)
    if rest is None:
        return
    shift = _stress_shift(case)
    places = [("limits.voltage", case.limits.voltage_above, case.limits.voltage_below, "the run")]
    first = next(((place, step) for place, step in _steps(case.protocol, "protocol") if step.kind in CARRYING), None)
    if first and first[1].kind != "voltage":
        places.append((f"{first[0]}.until_voltage", first[1].until_voltage_above, first[1].until_voltage_below, "the step"))
    for place, above, below, what in places:
        if above is not None and above <= rest[0] - shift:
            yield (f"{place}_above = {_volt(above)} is not above the voltage at which the cell rests at first, {_volt(rest[0])}, "
                   f"so that {what} would end at once; raise it")
        if below is not None and below >= rest[1] + shift:
            yield (f"{place}_below = {_volt(below)} is not below the voltage at which the cell rests at first, {_volt(rest[1])}, "
                   f"so that {what} would end at once; lower it")


def _stress_shift(case) -> float:
    """How far a stack pressure p may move the rest voltage, 2 p Omega/F in V (twice, as features bear less than their share)."""
    if case.mechanics is None:
        return 0.0
    stack = [step.to for _, step in _steps(case.protocol, "protocol") if step.kind == "pressure"]
    held = [abs(case.mechanics.support(name).pressure) for name in boundary_names(case)]
    return 2 * max(stack + held, default=0.0) * LITHIUM_VOLUME / FARADAY


def _lithium(case) -> Iterator[str]:
    """An `areal_charge` that nothing cuts short, and that is more than the electrodes can give and take; the first each way."""
    for sign, giver, taker in ((1, "anode", "counter"), (-1, "counter", "anode")):
        rooms = {f"the {giver} gives": holdings(case, giver), f"the {taker} takes": holdings(case, taker)}
        what, room = min(((what, pair[n]) for n, (what, pair) in enumerate(rooms.items()) if pair), key=lambda e: e[1],
                         default=("", math.inf))
        place, charge, before = _overdrawn(case, sign, room * (1 + 1e-9))
        if place:
            after = f" after {show(before, 'areal charge')} the same way" if before > 0 else ""
            yield (f"{place}.areal_charge = {show(charge, 'areal charge')}{after} is more than {what} at all, "
                   f"{show(room, 'areal charge')}; reduce it, thicken that layer, or end the step by a voltage")


def _overdrawn(case, sign: int, room: float) -> tuple[str, float, float]:
    """(place, its charge, charge before it) of the first step that surely passes more than `room` one way; ("", 0, 0) if none.

    Where a step may end early, what it would have moved that way is not counted. Charges in C/m^2.
    """
    moved = 0.0
    for place, step in islice(_flat(case.protocol, "protocol"), LOOKED_AT):
        along = sign * step.charge
        cut = bool(step.until) or case.limits.voltage_above is not None or case.limits.voltage_below is not None
        if math.isnan(along) or (cut and step.kind in ("ramp", "profile")):  # only the solution tells what passes
            break
        if along > 0 and not cut and getattr(step, "areal_charge", None) is not None and moved + along > room:
            return place, along, moved
        moved += min(along, 0.0) if cut else along
    return "", 0.0, 0.0


def _flat(steps, place: str) -> Iterator[tuple[str, object]]:
    """Plain steps in the order in which they are run, each with the place where it is written."""
    for n, step in enumerate(steps):
        here = f"{place}[{n}]"
        if step.kind == "repeat":
            for _ in range(step.times):
                yield from _flat(step.steps, f"{here}.steps")
        else:
            yield from ((here, plain) for plain in flat_steps([step]))


def _steps(steps, place: str) -> Iterator[tuple[str, object]]:
    """Every step once, repeats opened, with its place."""
    for n, step in enumerate(steps):
        here = f"{place}[{n}]"
        yield here, step
        if step.kind == "repeat":
            yield from _steps(step.steps, f"{here}.steps")


def _carried(case, kind: str, step, place: str) -> Iterator[str]:
    """A boundary bears the pressure of the step."""
    if case.mechanics is None:
        yield f"{kind} needs a [mechanics] table; add one or remove the step"
    elif step.boundary is not None:
        known, key = boundary_names(case), key_path("mechanics.boundaries", step.boundary)
        if step.boundary not in known:
            yield f'{place}.boundary = "{step.boundary}" is no boundary{suggestion(step.boundary, known)}; known: {", ".join(known)}'
        elif case.mechanics.support(step.boundary).kind != "pressure":
            yield f'{place}.boundary = "{step.boundary}" carries no pressure; set {key} = "0 MPa" or remove the step'
    elif not any(case.mechanics.support(name).kind in ("stack", "platen", "spring") for name in boundary_names(case)):
        yield f'{kind}: no boundary carries the stack pressure; set mechanics.boundaries.collector = "stack" or remove the step'
    elif step.hold != "pressure" and not any(case.mechanics.support(name).pressed for name in boundary_names(case)):
        yield f'{place}.hold: no plate presses the stack; set mechanics.boundaries.collector = "stack" or "platen", or remove the key'


def _obstacle(case) -> str | None:
    """What keeps current from passing through the stack, with the remedy; None if it passes."""
    layers = case.regions[: len(case.layers)]
    if not any(region.ions for region in layers):
        return "no layer conducts ions; add an electrolyte"
    if not any(region.electrons for region in layers):
        return "no layer conducts electrons; add the anode, for example a layer of Li, before the electrolyte"
    if case.geometry.file is not None:
        return None  # the order of the stack is the mesh's
    if not layers[0].electrons:
        return (f'the first layer "{layers[0].name}" conducts no electrons, and layers go from the anode\'s collector to the '
                f"counter electrode; reverse them or add the anode")
    for a, b in zip(layers, layers[1:]):
        if {a.body, b.body} == {"metal", "ceramic"} and not is_transfer(case, a, b):
            metal, ceramic = ordered(a, b)
            return (f'layer "{metal.name}" ({metal.role}) gives and takes no lithium but meets the ion conductor '
                    f'"{ceramic.name}"; put a layer of metal or alloy between them')
    if not any(is_transfer(case, *pair) for pair in touching(case)):
        if any(region.stores for region in layers):
            return ("no interface passes lithium; leave one that may be plated, with equilibrium_potential = \"-1 V\" if only the store is "
                    "to take lithium")
        return "no interface passes lithium; set plating = true for one with an inert side"
    return None


CARRYING = ("current", "ramp", "profile", "staircase", "voltage")  # kinds of steps in which current passes
DRIVEN = ("current", "ramp", "profile")  # those that impose it, one way or both
LITHIUM_VOLUME = 1.3e-5  # um^3/amol
MOST_CELLS = 1e8  # Gmsh works on one core
LIP = 0.1  # of the width of a slot: least depth to which it is filled, if it is
LOOKED_AT = 1000  # plain steps, in the search for one that asks for too much lithium
STAGES = (
    (_names, _thickness, _own_mesh, _materials),
    (_order, _references),
    (_properties, _gradings, _porous, _counter, _short, _features, _interfaces, _reactions, _supports, _held, _preset, _cells,
     _remeshing, _partly_filled, _protocol),
    (_populations,),
    (_overlaps, _limits_at_rest, _lithium, _fracture, _contact_limit),
)
