"""Text for people: a resolved case, a material, the library; in user units, with the source of every material value."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from textwrap import wrap

from .case import Case, CaseError
from .cautions import cautions, plated_thickness
from .checks import DRIVEN, suggestion
from .gradings import Grading
from .materials import Material, Property, library_folder, load_material, names
from .regions import CARRIERS, boundary_names, interface_name, is_transfer, kinetics, touching, used_properties
from .units import DIMENSIONS, FARADAY, GAS_CONSTANT, show, shown_factor, to_internal

WIDTH = 120
TRUST = {"verified-in-text": "in text", "from-memory-well-known": "well known", "estimate": "ESTIMATE", "user": "case file"}
LEGEND = 'trust: "in text" was read in the source, "well known" is common knowledge, ESTIMATE is a guess with the reason given'


def describe_case(case: Case) -> str:
    """All that a run of the case rests on: geometry, stack, interfaces, loads, numerics, material values, warnings."""
    sections = [*case_sections(case), ("Materials", _materials(case)), ("Cautions", cautions(case) or ["none"])]
    lines = [case.title, "=" * min(len(case.title), WIDTH)]
    for heading, found in sections:
        if found:
            lines += ["", heading, "-" * len(heading), *(line for item in found for line in _laid_out(item))]
    return "\n".join(lines)


class Rows(list):
    """A table inside a section: rows of cells under the row of headings."""


def case_sections(case: Case) -> list[tuple[str, list[str | Rows]]]:
    """What a case asks for: headings with lines of text and tables. Materials and cautions are not among them."""
    return [("Geometry", _geometry(case)), ("Stack, from the collector to the counter electrode", _stack(case)),
            ("Features", _features(case)), ("Charge-transfer interfaces", _interfaces(case)),
            ("Mechanics", _mechanics(case)), ("Protocol", _protocol(case)), ("Numerics", _numerics(case))]


@dataclass(frozen=True)
class Value:
    """A material property for people: at the case's temperature, as stated, and how far to trust it."""

    name: str
    here: str
    stated: str
    trust: str
    source: str
    estimate: bool


def material_values(case: Case, material: Material) -> tuple[list[Value], list[Value]]:
    """The properties of a material that the case uses, and those known too."""
    used = used_properties(case, material)
    found = {key: Value(entry.name, _here(entry, case.temperature), _stated(entry), TRUST[entry.confidence], _source(entry, True),
                        entry.confidence == "estimate") for key, entry in material.properties.items()}
    return [found[key] for key in used], [value for key, value in found.items() if key not in used]


def describe_material(material: Material) -> str:
    """Everything known about one material."""
    lines = [f"{material.name}: {material.title}", f"role {material.role}, law {material.law}", *wrap(material.notes, WIDTH), ""]
    return "\n".join([*lines, *_values(material.properties.values(), None), "", LEGEND])


def list_materials() -> str:
    """The library, one material a line."""
    rows = [["name", "role", "law", "values", "estimates", "title"]]
    for name in names():
        material = load_material(name)
        estimates = sum(entry.confidence == "estimate" for entry in material.properties.values())
        rows.append([name, material.role, material.law, str(len(material.properties)), str(estimates), material.title])
    return "\n".join([*_table(rows), "", "`interfem materials NAME` shows the values of one, with their sources."])


# ---- shipped cases ----------------------------------------------------------------------------------------------------

FILM = 15.0  # um; thinner layers are listed with their thickness


def shipped_cases() -> dict[str, Path]:
    """Name -> file of the cases that come with interfem, in a checkout or an installed package."""
    return {file.stem: file for file in sorted((library_folder().parent / "cases").glob("*.toml"))}


def list_cases() -> str:
    """The shipped cases, with a line each: name, layers from the collector to the counter electrode, title."""
    rows = [["name", "layers", "title"]]
    for name, file in shipped_cases().items():
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
        rows.append([name, " | ".join(_layer(layer) for layer in tree["layers"]), tree["title"]])
    return "\n".join([*_table(rows), "", "`interfem cases NAME` shows where the file is and what it is about."])


def _layer(layer: dict) -> str:
    """"LiF-rich 100 nm"; the material alone if it is thick."""
    thin = to_internal(layer["thickness"], "length") < FILM
    return f"{layer['material']} {layer['thickness']}" if thin else layer["material"]


def describe_shipped(name: str) -> str:
    """Path and header comment of a shipped case; CaseError if there is none of that name."""
    files = shipped_cases()
    if name not in files:
        raise CaseError(f'there is no shipped case "{name}"{suggestion(name, files)}; `interfem cases` lists them all')
    header = takewhile(lambda line: line.startswith("#"), files[name].read_text(encoding="utf-8").splitlines())
    return "\n".join([str(files[name]), "", *(line.removeprefix("#").removeprefix(" ") for line in header)])


# ---- layout -----------------------------------------------------------------------------------------------------------


def _table(rows: list[list[str]]) -> list[str]:
    """Left-aligned columns under their headings; the last column folds at the width of the page."""
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]) - 1)]
    lines = []
    for row in rows:
        head = "  ".join(cell.ljust(width) for cell, width in zip(row, widths))
        tail = wrap(row[-1], max(WIDTH - len(head) - 2, 20)) or [""]
        lines.append(f"{head}  {tail[0]}".rstrip())
        lines += [" " * (len(head) + 2) + rest for rest in tail[1:]]
    return lines


def _laid_out(item: str | Rows) -> list[str]:
    return [line for text in (_table(item) if isinstance(item, Rows) else [item]) for line in _fold(text)]


def _fold(line: str) -> list[str]:
    return [line] if len(line) <= WIDTH else wrap(line, WIDTH, subsequent_indent="    ")


def _number(value: float, dimension: str) -> str:
    """Four digits, or a whole number below a million, and the unit that users read."""
    value *= shown_factor(dimension)
    text = f"{value:.0f}" if 1e4 <= abs(value) < 1e6 else f"{value:.4g}"
    return f"{text} {DIMENSIONS[dimension][1]}".rstrip()


def _pairs(data: dict, skip: Iterable[str] = ()) -> str:
    """`key value, key value` of plain data; the keys that only say "this much" are left out."""
    parts = []
    for key, value in data.items():
        if key not in skip and value not in ({}, []):
            shown = ", ".join(value) if isinstance(value, list) else f"{value:g}" if isinstance(value, float) else str(value)
            parts.append(shown if key == "value" else f"{key.replace('_', ' ')} {shown}")
    return ", ".join(parts)


# ---- sections ---------------------------------------------------------------------------------------------------------


def _geometry(case: Case) -> list[str]:
    geometry, tree = case.geometry, case.resolved()["geometry"]
    celsius = f"{show(case.temperature, 'temperature')} ({case.temperature - 273.15:.4g} degC) throughout"
    if geometry.file is not None:
        return [f"own mesh {geometry.file} ({geometry.kind}), lengths in {geometry.length_unit}", celsius]
    kind = {"plane": "plane strain", "axisymmetric": "axisymmetric; width is the outer radius", "box": "box"}[geometry.kind]
    extent = _pairs({key: tree[key] for key in ("width", "depth", "inner_radius") if key in tree and getattr(geometry, key)})
    return [f"{kind}: {extent}, height {show(case.levels[-1], 'length')}", celsius]


def _stack(case: Case) -> list[str | Rows]:
    rows = [["layer", "material", "role", "law", "thickness", "side"]]
    for region in case.regions[: len(case.layers)]:
        thickness = show(region.thickness, "length") if region.thickness else "of the mesh"
        rows.append([region.name, region.material.name, region.role, region.law, thickness, region.side])
    graded = [f"{layer.name}: {name} {_pairs(_courses(grading))} between the layer's faces, at least {grading.elements} elements"
              for layer in case.layers for name, grading in layer.grading.items()]
    last = case.regions[len(case.layers) - 1]
    end = f'ends as {case.counter} counter electrode on "{last.name}"' if last.ions else f'"{last.name}" is the counter electrode'
    return [Rows(rows), *graded, end]


def _courses(grading: Grading) -> dict:
    """A grading as pairs for printing."""
    tree = grading.describe()
    if "table" not in tree:
        return tree
    return {"table": [f"{value} at {s:g}" for s, value in tree["table"]]}


def _features(case: Case) -> list[str | Rows]:
    if not case.features:
        return []
    rows = [["name", "kind", "where", "what"]]
    for feature, data in zip(case.features, case.resolved()["features"]):
        where = data.get("interface", "") + (f" in {data['layer']}" if "layer" in data else "")
        what = _pairs(data, ("name", "kind", "interface", "layer"))
        rows.append([feature.name, feature.kind, where.strip(), what + _placed(case.populations.get(feature.name, ()))])
    return [Rows(rows)]


def _placed(pores: tuple) -> str:
    """What came of a population."""
    if not pores:
        return ""
    least, most = (show(pick(pore.radius for pore in pores), "length") for pick in (min, max))
    return f"; {len(pores)} pores, radius {least} to {most}"


def _interfaces(case: Case) -> list[str | Rows]:
    pairs, resisting = [pair for pair in touching(case) if is_transfer(case, *pair)], list(_resisting(case))
    if not pairs:
        return resisting
    rows = [["interface", "kinetics", "i0 mA/cm^2", "alpha", "Z ohm*cm^2", "kappa*Z um", "film ohm*cm^2", "tangential"]]
    sources: dict[str, list[str]] = {}
    for a, b in pairs:
        law = kinetics(case, a, b)
        linear = law.law == "linear"
        z = law.resistance if linear else GAS_CONSTANT * case.temperature / (FARADAY * law.exchange_current_density)
        kappa = (a if a.ions else b).material.get("ionic_conductivity").at(case.temperature)
        i0, alpha = ("-", "-") if linear else (f"{law.exchange_current_density / 10:.4g}", f"{law.transfer_coefficient:.4g}")
        rows.append([law.name, law.law, i0, alpha, f"{z * shown_factor('areal resistance'):.4g}", f"{kappa * z:.4g}",
                     f"{law.film_resistance * shown_factor('areal resistance'):.4g}", law.tangential])
        sources.setdefault("resistance from the case file" if linear else f"i0 from {law.source}", []).append(law.name)
    told = list(_contact(case, pairs))
    return [Rows(rows), *told, *resisting, "Z = RT/(F i0) or the linear resistance; features much smaller than kappa*Z hardly focus the current",
            *(f"{', '.join(found)}: {source}" for source, found in sources.items())]


def _resisting(case: Case) -> Iterator[str]:
    """Areal resistances between regions that conduct alike."""
    for a, b in touching(case):
        name = interface_name(a.name, b.name, case)
        for carrier in CARRIERS:
            resistance = case.interface(name).resistance_to(carrier)
            if resistance and getattr(a, carrier) and getattr(b, carrier):
                yield f"{name}: an areal resistance of {show(resistance, 'areal resistance')} to {carrier}"


def _contact(case: Case, pairs) -> Iterator[str]:
    """What may part, slide or lose contact."""
    for a, b in pairs:
        name = interface_name(a.name, b.name, case)
        law = case.interface(name)
        if law.parts:
            pull = f"adhesion {show(law.adhesion_strength, 'pressure')}" if law.adhesion_strength else "no adhesion"
            yield f"{name}: the bodies may part ({pull}); no charge passes a gap of {_number(law.contact_gap * 1e3, 'number')} nm"
        if law.friction is not None:
            yield f"{name}: slides with a friction coefficient of {law.friction:g}"
        if law.chi:
            charge = show(law.vacancy_charge, "areal charge")
            yield f"{name}: {law.chi:g} of what is stripped leaves vacancies, {charge} of them no contact"


def _mechanics(case: Case) -> list[str | Rows]:
    if case.mechanics is None:
        return ["none: displacement is not solved"]
    rows = [["boundary", "support"]]
    for name in boundary_names(case):
        support = case.mechanics.support(name)
        value = {"pressure": show(support.pressure, "pressure"), "spring": show(support.spring, "stiffness"),
                 "stack": "pressure of the protocol", "platen": "pressure of the protocol, rigid"}.get(support.kind, "")
        rows.append([name, f"{support.kind} {value}".strip()])
    swelling = "swelling" if case.mechanics.swelling else "no swelling"
    return [f"{case.mechanics.kinematics} strains, {swelling} of what stores lithium", Rows(rows)]


def _protocol(case: Case) -> list[str]:
    lines = list(_steps(case.resolved()["protocol"], case.protocol, case, ""))
    limits = _pairs(case.resolved()["limits"])
    return [*lines, *([f"ends when {limits}"] if limits else [])]


def _steps(trees: list[dict], steps: tuple, case: Case, indent: str) -> Iterator[str]:
    for n, (tree, step) in enumerate(zip(trees, steps)):
        if step.kind == "repeat":
            yield f"{indent}{n}  {step.times} times"
            yield from _steps(tree["steps"], step.steps, case, indent + "   ")
        else:
            yield f"{indent}{n}  {step.kind}: {_pairs(tree, ('kind', 'points'))}{_moved(step, case)}"


def _moved(step, case: Case) -> str:
    """What a step with a given current does to the anode."""
    if step.kind == "staircase":
        top = step.start + (step.times - 1) * step.increment
        return f"; up to {_number(abs(top), 'current density')} in {_number(sum(s.length for s in step.steps), 'time')}"
    if step.kind not in DRIVEN:
        return ""
    shape = ""
    if step.kind == "profile":
        low, high = (_number(value, "current density") for value in step.span)
        shape = f", {len(step.table[0])} rows from {low} to {high} in {_number(step.length, 'time')}"
    thickness = plated_thickness(step, case)
    lithium = f", {thickness:.3g} um of lithium" if thickness else ""
    way = "out of" if step.charge > 0 else "into"
    return f"{shape}; {_number(abs(step.charge), 'areal charge')}{lithium} {way} the anode"


def _numerics(case: Case) -> list[str]:
    tree = case.resolved()
    return [f"{part}: {_pairs(tree[part])}" for part in ("mesh", "solver", "output")]


# ---- materials --------------------------------------------------------------------------------------------------------


def _materials(case: Case) -> list[str]:
    lines = []
    for name, material in case.media.items():
        used = used_properties(case, material)
        rest = [entry for key, entry in material.properties.items() if key not in used]
        lines += [f"{name}: {material.title} ({material.role}, {material.law})",
                  *_values([material.properties[key] for key in used], case.temperature)]
        if rest:
            lines += ["  known too, but not used by this case:", *_values(rest, case.temperature)]
        lines.append("")
    return [*lines, LEGEND]


def _values(entries: Iterable[Property], temperature: float | None) -> list[str]:
    """Each value (at a temperature if given, and as stated) and how far to trust it, with its source below it."""
    rows = [["  property", *([f"at {temperature:.6g} K"] if temperature else []), "as stated", "trust"]]
    sources = [""]
    for entry in entries:
        here = [_here(entry, temperature)] if temperature else []
        rows.append([f"  {entry.name}", *here, _stated(entry), TRUST[entry.confidence]])
        sources.append(_source(entry, temperature is None))
    lines = []
    for line, source in zip(_table(rows), sources):
        lines += [line, *wrap(source, WIDTH, initial_indent=" " * 6, subsequent_indent=" " * 6)]
    return lines


def _here(entry: Property, temperature: float) -> str:
    return "table" if entry.value is None else _number(entry.at(temperature), entry.dimension)


def _stated(entry: Property) -> str:
    if entry.value is None:
        (first, start), (last, end) = entry.table[0], entry.table[-1]
        value = f"{_number(start, entry.dimension)} at {first:g} to {_number(end, entry.dimension)} at {last:g}"
    else:
        value = _number(entry.value, entry.dimension)
    energy = f", Ea {_number(entry.activation_energy, 'molar energy')}" if entry.activation_energy is not None else ""
    return f"{value}, {entry.reference_temperature:.5g} K{energy}"


def _source(entry: Property, full: bool) -> str:
    """Source, and in full the conditions and the range found elsewhere."""
    spread = f"range {' to '.join(_number(end, entry.dimension) for end in entry.range)}" if entry.range else ""
    return "; ".join(part for part in ((entry.source, entry.conditions, spread) if full else (entry.source,)) if part)
