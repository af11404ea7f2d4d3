"""Material records: what is known about each material, with unit, temperature, source and confidence.

The library is one TOML file a material in ``models/materials``. A case may override single properties of a library
material, or describe a new one (from scratch, or ``like`` a library one); both pass through `read_material`.
Every value is in internal units (see units.py) and holds at its reference temperature; a thermally activated one follows

    value(T) = value exp(-(Ea/R) (1/T - 1/T_ref)).
"""

from __future__ import annotations

import difflib
import math
import re
import tomllib
from bisect import bisect_right
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from .units import DIMENSIONS, GAS_CONSTANT, UnitError, show, to_internal

# property -> dimension, as named in units.DIMENSIONS
PROPERTIES: dict[str, str] = {
    # charge
    "electronic_conductivity": "conductivity",
    "ionic_conductivity": "conductivity",
    "transference_number": "number",
    "exchange_current_density": "current density",  # ion conductor: against Li; alloy: against the electrolyte, value or table in c/c_max
    "transfer_coefficient": "number",  # alpha of the cathodic branch
    "equilibrium_potential": "potential",  # against Li/Li+; a value, or a table in c/c_max
    "reduction_potential": "potential",
    "oxidation_potential": "potential",
    # transport of salt, or of stored Li
    "salt_diffusivity": "diffusivity",
    "thermodynamic_factor": "number",  # of the salt, 1 + dln(f)/dln(c); 1 if absent
    "diffusivity": "diffusivity",  # chemical diffusivity of stored Li; a value, or a table in c/c_max
    "storage_exchange_current_density": "current density",  # mixed conductor: between its ions and the lithium it stores
    "gradient_energy": "energy per length",  # alloy whose phases separate (Cahn-Hilliard): K of (K/2)|grad(c/c_max)|^2
    "specific_area": "specific area",  # of that exchange, per volume of the layer
    "maximum_concentration": "concentration",
    "minimum_concentration": "concentration",
    "initial_concentration": "concentration",
    "molar_volume": "molar volume",  # of Li metal: what plating adds
    "partial_molar_volume": "molar volume",  # of stored Li, or of the salt: chemical expansion
    # mechanics
    "density": "density",
    "thermal_expansion": "expansion",
    "youngs_modulus": "pressure",
    "poisson_ratio": "number",
    "yield_stress": "pressure",
    "hardening_modulus": "pressure",
    # Norton creep: rate = creep_rate exp(-Q/(R T)) (stress/creep_reference_stress)^creep_exponent, absolute Arrhenius
    "creep_rate": "rate",
    "creep_activation_energy": "molar energy",
    "creep_reference_stress": "pressure",
    "creep_exponent": "number",
    # branches of it, where stated: above the breakdown stress ln(rate) rises linearly with the stress; diffusional creep adds
    # creep_diffusional_rate exp(-Q_d/(R T)) stress/creep_reference_stress
    "creep_breakdown_stress": "pressure",
    "creep_diffusional_rate": "rate",
    "creep_diffusional_activation_energy": "molar energy",  # Q_d
    # Anand-Narayan viscoplasticity: rate = A exp(-Q/(R T)) (stress/S)^(1/m), dS = H0 |1 - S/S*|^a sign(1 - S/S*) d(strain),
    # S* = S0 (rate/(A exp(-Q/(R T))))^n
    "anand_rate": "rate",  # A
    "anand_activation_energy": "molar energy",  # Q
    "anand_rate_sensitivity": "number",  # m
    "anand_saturation_stress": "pressure",  # S0
    "anand_initial_resistance": "pressure",  # S at the start
    "anand_hardening": "pressure",  # H0
    "anand_hardening_exponent": "number",  # a
    "anand_saturation_exponent": "number",  # n
    # surfaces and cracks
    "surface_energy": "areal energy",
    "fracture_toughness": "toughness",
    # what the electrolyte turns into where electrons reduce it, below its reduction_potential; volumes per mole of electrons
    "sei_molar_volume": "molar volume",  # of the products
    "sei_consumed_volume": "molar volume",  # of the electrolyte that they were
    "sei_current_fraction": "number",  # of the charge that passes the interface, spent on the reaction besides
    "sei_electronic_conductivity": "conductivity",
    "sei_ionic_conductivity": "conductivity",
    "sei_growth_constant": "diffusivity",  # k_p = thickness^2/(2 t)
}
ROLES = ("metal", "alloy", "collector", "mixed", "electrolyte", "interlayer")
LAWS = ("elastic", "j2", "norton", "anand")
CONFIDENCES = ("verified-in-text", "from-memory-well-known", "estimate")

_USER = "user"
_CASE = "case"
_CASE_TEMPERATURE = 298.15  # K, shown for a case's own value that has no activation energy, hence holds at every temperature
_MATERIAL_KEYS = ("name", "title", "role", "law", "notes", "properties")
_PROPERTY_KEYS = ("value", "table", "unit", "temperature", "activation_energy", "conditions", "source", "confidence", "range")

# property -> (what it should be, test); everything else must be positive
_BOUNDS: dict[str, tuple[str, Callable[[float], bool]]] = {
    "poisson_ratio": ("between -1 and 0.5, both excluded", lambda x: -1.0 < x < 0.5),
    "transfer_coefficient": ("between 0 and 1, both excluded", lambda x: 0.0 < x < 1.0),
    "transference_number": ("above 0 and at most 1", lambda x: 0.0 < x <= 1.0),
    "sei_current_fraction": ("at least 0 and below 1", lambda x: 0.0 <= x < 1.0),
    "anand_rate_sensitivity": ("above 0 and at most 1", lambda x: 0.0 < x <= 1.0),
    **dict.fromkeys(("creep_exponent", "anand_hardening_exponent"), ("at least 1", lambda x: x >= 1.0)),
    **dict.fromkeys(
        ("equilibrium_potential", "reduction_potential", "oxidation_potential", "partial_molar_volume", "thermal_expansion"),
        ("finite", math.isfinite),
    ),
    **dict.fromkeys(
        ("hardening_modulus", "minimum_concentration", "initial_concentration", "creep_activation_energy",
         "creep_diffusional_activation_energy", "anand_activation_energy", "anand_hardening"),
        ("zero or positive", lambda x: x >= 0.0),
    ),
}  # fmt: skip
_TABULATED = ("equilibrium_potential", "diffusivity", "exchange_current_density", "youngs_modulus")  # against c/c_max
_ORDERED = (
    ("minimum_concentration", "initial_concentration"),
    ("initial_concentration", "maximum_concentration"),
    ("minimum_concentration", "maximum_concentration"),
    ("reduction_potential", "oxidation_potential"),
)
_POSITIVE = ("positive", lambda x: x > 0.0)
_MOST_ACTIVATION = 0.5  # MJ/mol, 5 eV: no transport in solids has as much


class MaterialError(ValueError):
    """A material that is unknown, incomplete or wrong; the message gives place, value and remedy."""


@dataclass(frozen=True)
class Property:
    """One property in internal units, with where it comes from."""

    name: str
    dimension: str
    value: float | None  # at the reference temperature; None if tabulated
    table: tuple[tuple[float, float], ...] | None  # (x, value) with x = c/c_max in [0, 1], x strictly rising
    reference_temperature: float  # K; 0 for a first-principles value
    activation_energy: float | None  # pJ/amol
    source: str
    confidence: str
    conditions: str
    range: tuple[float, float] | None  # spread in the literature
    origin: str  # "library: models/materials/li.toml" or "case"

    def at(self, temperature: float) -> float:
        """value exp(-(Ea/R) (1/T - 1/T_ref)) at `temperature` in K."""
        if self.value is None:
            raise MaterialError(f"{self.name} is a table in c/c_max, not one value; read it with interpolate(x)")
        return self.value * self.activation(temperature)

    def activation(self, temperature: float) -> float:
        """exp(-(Ea/R) (1/T - 1/T_ref)); 1 without an activation energy."""
        if self.activation_energy is None:
            return 1.0
        return math.exp(-self.activation_energy / GAS_CONSTANT * (1 / temperature - 1 / self.reference_temperature))

    def interpolate(self, x: float) -> float:
        """Value at x = c/c_max: linear between the rows of the table, constant beyond its ends and for a plain value."""
        if self.table is None:
            return self.value
        right = min(max(bisect_right(self.table, (x, math.inf)), 1), len(self.table) - 1)
        (x0, y0), (x1, y1) = self.table[right - 1], self.table[right]
        weight = min(max((x - x0) / (x1 - x0), 0.0), 1.0)
        return (1.0 - weight) * y0 + weight * y1

    @property
    def monotone(self) -> int:
        """1 if the table rises strictly with x, -1 if it falls strictly, 0 otherwise and for a plain value."""
        if self.table is None:
            return 0
        steps = [right[1] - left[1] for left, right in zip(self.table, self.table[1:])]
        return int(all(step > 0 for step in steps)) - int(all(step < 0 for step in steps))


@dataclass(frozen=True)
class Material:
    """A named set of properties with its role in the cell and its mechanical law."""

    name: str
    title: str
    role: str  # one of ROLES
    law: str  # one of LAWS
    notes: str
    properties: Mapping[str, Property]
    dense: str = ""  # an effective medium: the material it was made from

    def has(self, name: str) -> bool:
        return name in self.properties

    def describe(self) -> dict:
        """Plain data in user units, for `run.json`, reports and the content hash."""
        return {"title": self.title, "role": self.role, "law": self.law, "notes": self.notes,
                "properties": {name: _describe(entry) for name, entry in self.properties.items()}}

    def get(self, name: str) -> Property:
        """The property, or a MaterialError that says where to state it."""
        if name in self.properties:
            return self.properties[name]
        if name not in PROPERTIES:
            raise MaterialError(f'{_place(self.name)}: there is no property {name!r}{_did_you_mean(name, PROPERTIES)}')
        own = self.dense or self.name
        file = _library().get(own)
        where = f"in {_shown_path(file)}, or " if file else ""
        unit = DIMENSIONS[PROPERTIES[name]][1]
        example = f'"<number> {unit}"' if unit else "<number>"
        raise MaterialError(f"{_place(own)}.{name}: not known, but needed; state it {where}in the case as "
                            f"[{_place(own)}] {name} = {example}")  # fmt: skip


def _describe(entry: Property) -> dict:
    """Plain data of one property in user units."""
    data: dict[str, object] = {}
    if entry.table is not None:
        data["table"] = [[x, show(y, entry.dimension)] for x, y in entry.table]
    else:
        data["value"] = show(entry.value, entry.dimension)
    data["temperature"] = show(entry.reference_temperature, "temperature")
    if entry.activation_energy is not None:
        data["activation_energy"] = show(entry.activation_energy, "molar energy")
    if entry.range is not None:
        data["range"] = [show(bound, entry.dimension) for bound in entry.range]
    return data | {"conditions": entry.conditions, "source": entry.source, "confidence": entry.confidence, "origin": entry.origin}


def library_folder() -> Path:
    """models/materials: inside the installed package, or at the top of a checkout."""
    here = Path(__file__).resolve()
    installed = here.parent / "models" / "materials"
    return installed if installed.is_dir() else here.parents[2] / "models" / "materials"


def names() -> list[str]:
    """Names of the materials in the library."""
    return sorted(_library(), key=str.lower)


@lru_cache(maxsize=None)
def load_material(name: str) -> Material:
    """Read one material of the library."""
    files = _library()
    if name not in files:
        raise MaterialError(f"material {name!r} is not known{_did_you_mean(name, files)}; `interfem materials` lists them all, "
                            f"and [{_place(name)}] in the case defines a new one")  # fmt: skip
    return _read(_parse_file(files[name]), _place(name), None, f"library: {_shown_path(files[name])}")


def read_material(data: dict, place: str, base: Material | None) -> Material:
    """Read and validate the table of a material in a case; `place` is its key path, such as ``materials.Li6PS5Cl``.

    `base` is the library material of that name, whose properties the table overrides; None if there is none, then the table
    may name one with ``like``. Properties stand in the table itself or in its sub-table ``properties``, as a quantity or as a
    table of value, temperature, activation_energy, source, ...; what an override leaves out of temperature and
    activation_energy stays as in the library.
    """
    if not isinstance(data, dict):
        raise MaterialError(f"{place} = {data!r}: should be a table of properties, or like = and a library material")
    if data.get("name", _name(place)) != _name(place):
        raise MaterialError(f"{place}.name = {data['name']!r}: the table's own key is the name; leave name out")
    if "like" in data:
        like = data["like"]
        if not isinstance(like, str):
            raise MaterialError(f"{place}.like = {like!r}: should be the name of a library material")
        if base is not None and base.name != like:
            raise MaterialError(f"{place}.like = {like!r}: {base.name} is in the library; leave like out or choose a new name")
        try:
            base = load_material(like)
        except MaterialError as error:
            raise MaterialError(f"{place}.like = {like!r}: {error}") from None
        data = {key: value for key, value in data.items() if key != "like"}
    return _read(data, place, base, _CASE)


def read_value(name: str, given: object, place: str) -> float:
    """One value of a property in internal units, with its unit and bounds checked. MaterialError."""
    return _bounded(name, given, PROPERTIES[name], place)


# ---- library files ----


@lru_cache(maxsize=None)
def _library() -> dict[str, Path]:
    """Material name -> file."""
    return {_parse_file(file).get("name", file.stem): file for file in sorted(library_folder().glob("*.toml"))}


def _parse_file(file: Path) -> dict:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise MaterialError(f"{_shown_path(file)}: not valid TOML: {error}; correct the file") from None


def _shown_path(file: Path) -> str:
    return f"models/materials/{file.name}"


# ---- reading one material ----


def _read(data: dict, place: str, base: Material | None, origin: str) -> Material:
    nested = data.get("properties", {})
    if not isinstance(nested, dict):
        raise MaterialError(f"{place}.properties = {nested!r}: should be a table of properties")
    direct = {key: value for key, value in data.items() if key not in _MATERIAL_KEYS}
    for key in direct:
        if key not in PROPERTIES:
            raise MaterialError(_unknown(place, key, [*_MATERIAL_KEYS, "like", *PROPERTIES], "key or property"))
        if key in nested:
            raise MaterialError(f"{place}.{key}: also stands in {place}.properties; keep one of them")
    for key in nested:
        if key not in PROPERTIES:
            raise MaterialError(_unknown(f"{place}.properties", key, PROPERTIES, "property"))

    properties = dict(base.properties) if base else {}
    for table, path in ((direct, place), (nested, f"{place}.properties")):
        for name, given in table.items():
            properties[name] = _read_property(name, given, f"{path}.{name}", properties.get(name), origin)
    name = _text(data, "name", place, default=_name(place))
    material = Material(
        name=name,
        title=_text(data, "title", place, default=base.title if base else name),
        role=_choice(data, "role", place, ROLES, default=base.role if base else None),
        law=_choice(data, "law", place, LAWS, default=base.law if base else None),
        notes=_text(data, "notes", place, default=base.notes if base else ""),
        properties=properties,
    )
    for low, high in _ORDERED:
        _check_order(material, low, high, place)
    _check_potential(material, place)
    return material


def _check_potential(material: Material, place: str) -> None:
    """Where U rises with the filling the phases separate, which takes an energy of the front between them."""
    if material.has("equilibrium_potential") and not material.has("gradient_energy"):
        entry = material.get("equilibrium_potential")
        if entry.table is not None and entry.monotone != -1:
            raise MaterialError(f"{place}.equilibrium_potential.table: the equilibrium potential should fall strictly as Li is stored, or "
                                f"the diffusivity turns negative; give a plateau a slope of some mV, or state gradient_energy to let "
                                f"the phases separate")  # fmt: skip


def _check_order(material: Material, low: str, high: str, place: str) -> None:
    """Refuse a material whose `low` lies above its `high`, if it has both."""
    if not (material.has(low) and material.has(high)):
        return
    below, above = material.get(low).value, material.get(high).value
    if below is not None and above is not None and below > above:
        below, above = (show(value, PROPERTIES[low]) for value in (below, above))
        raise MaterialError(f"{place}.{low} = {below}: above {high} = {above}; lower the one or raise the other")


def _read_property(name: str, given: object, place: str, base: Property | None, origin: str) -> Property:
    """One property; `base` is the one it overrides, whose temperature and activation energy it keeps unless it has its own."""
    dimension = PROPERTIES[name]
    short = not isinstance(given, dict)
    entry = {"value": given} if short else given
    for key in entry:
        if key not in _PROPERTY_KEYS:
            raise MaterialError(_unknown(place, key, _PROPERTY_KEYS, "key"))
    if ("value" in entry) == ("table" in entry):
        found = "both value and" if "value" in entry else "neither value nor"
        raise MaterialError(f"{place}: has {found} table; give one of them")
    if "unit" in entry and "table" not in entry:
        raise MaterialError(f'{place}.unit = {entry["unit"]!r}: goes with a table only; write the unit into the value')

    in_case = origin == _CASE
    temperature = _temperature(entry, place, base, in_case)
    activation_energy = _activation_energy(entry, place, base)
    if temperature < 0.0 or (temperature == 0.0 and activation_energy is not None):
        raise MaterialError(f"{place}.temperature = {temperature:g} K: should be above 0 K; correct it")
    kept = activation_energy is not None and "activation_energy" not in entry
    source = "case file; activation energy of the library" if kept else "case file"

    value = table = None
    if "table" in entry:
        table = _read_table(name, entry["table"], entry.get("unit"), dimension, f"{place}.table")
    else:
        value = _bounded(name, entry["value"], dimension, place if short else f"{place}.value")
    return Property(
        name=name,
        dimension=dimension,
        value=value,
        table=table,
        reference_temperature=temperature,
        activation_energy=activation_energy,
        source=_text(entry, "source", place, default=source if in_case else None),
        confidence=_choice(entry, "confidence", place, (*CONFIDENCES, _USER) if in_case else CONFIDENCES,
                           default=_USER if in_case else None),
        conditions=_text(entry, "conditions", place, default=""),
        range=_read_range(name, entry["range"], value, dimension, f"{place}.range") if "range" in entry else None,
        origin=origin,
    )  # fmt: skip


def _temperature(entry: dict, place: str, base: Property | None, in_case: bool) -> float:
    """Where the value holds, in K: as stated; a case's own value holds at 298.15 K unless it says otherwise."""
    if "temperature" in entry:
        return _quantity(entry["temperature"], "temperature", f"{place}.temperature")
    if in_case and (base is not None or "activation_energy" not in entry):
        return _CASE_TEMPERATURE
    raise MaterialError(f'{place}: has no temperature; say where the value holds, for example temperature = "298 K"')


def _activation_energy(entry: dict, place: str, base: Property | None) -> float | None:
    if "activation_energy" not in entry:
        return base.activation_energy if base else None
    energy = _quantity(entry["activation_energy"], "molar energy", f"{place}.activation_energy")
    if energy < 0.0:
        raise MaterialError(f"{place}.activation_energy = {entry['activation_energy']!r}: should be zero or positive")
    return _sized(energy, entry["activation_energy"], f"{place}.activation_energy")


def _sized(energy: float, given: object, place: str) -> float:
    """An activation energy that is none is a slip of the unit, which shows only away from the reference temperature."""
    if energy > _MOST_ACTIVATION:
        raise MaterialError(f"{place} = {given!r}: should be at most {show(_MOST_ACTIVATION, 'molar energy')}; that looks like a slip of "
                            'the unit; write for example "35 kJ/mol" or "0.35 eV"')
    return energy


def _read_table(name: str, rows: object, unit: object, dimension: str, place: str) -> tuple[tuple[float, float], ...]:
    """Rows [x, value] with x = c/c_max; values are quantities, or plain numbers all in `unit`."""
    if name not in _TABULATED:
        raise MaterialError(f"{place}: {name} takes one value; tables in c/c_max are for {', '.join(_TABULATED)}")
    if not isinstance(rows, list) or len(rows) < 2 or not all(isinstance(row, list) and len(row) == 2 for row in rows):
        raise MaterialError(f"{place} = {rows!r}: should be two or more rows [c/c_max, value]")
    table = []
    for i, (x, y) in enumerate(rows):
        here = f"{place}[{i}]"
        x = _quantity(x, "number", f"{here}[0]")
        if not 0.0 <= x <= 1.0:
            raise MaterialError(f"{here}[0] = {x:g}: c/c_max should lie in [0, 1]; correct the row")
        if table and x <= table[-1][0]:
            raise MaterialError(f"{here}[0] = {x:g}: not above {table[-1][0]:g} of the row before; sort the rows, none twice")
        if isinstance(unit, str) and isinstance(y, (int, float)) and not isinstance(y, bool):
            y = f"{float(y)!r} {unit}"
        table.append((x, _bounded(name, y, dimension, f"{here}[1]")))
    return tuple(table)


def _read_range(name: str, given: object, value: float | None, dimension: str, place: str) -> tuple[float, float]:
    if not isinstance(given, list) or len(given) != 2:
        raise MaterialError(f"{place} = {given!r}: should be [lowest, highest]")
    low, high = (_bounded(name, end, dimension, f"{place}[{i}]") for i, end in enumerate(given))
    if low > high:
        raise MaterialError(f"{place} = {given!r}: runs backwards; swap the two")
    tolerance = 1e-9 * max(abs(low), abs(high))
    if value is not None and not low - tolerance <= value <= high + tolerance:
        raise MaterialError(f"{place} = {given!r}: does not hold the value; widen it or correct the value")
    return low, high


# ---- small readers ----


def _quantity(given: object, dimension: str, place: str) -> float:
    try:
        return to_internal(given, dimension)
    except UnitError as error:
        raise MaterialError(f"{place} = {error}") from None


def _bounded(name: str, given: object, dimension: str, place: str) -> float:
    value = _quantity(given, dimension, place)
    wanted, holds = _BOUNDS.get(name, _POSITIVE)
    if not holds(value):
        raise MaterialError(f"{place} = {given!r}: {name} should be {wanted}; correct the number or its unit")
    return _sized(value, given, place) if dimension == "molar energy" else value


def _text(table: dict, key: str, place: str, default: str | None) -> str:
    """Text at `key`; without a default it must be there."""
    if key not in table and default is not None:
        return default
    value = table.get(key)
    if value is None:
        raise MaterialError(f'{place}: has no {key}; add {key} = "..."')
    if not isinstance(value, str) or not (value.strip() or default == ""):
        raise MaterialError(f"{place}.{key} = {value!r}: should be text that says something")
    return value


def _choice(table: dict, key: str, place: str, choices: Collection[str], default: str | None) -> str:
    if key not in table and default is None:
        raise MaterialError(f"{place}: has no {key}; add {key} = one of {', '.join(choices)}")
    value = table.get(key, default)
    if value not in choices:
        raise MaterialError(f"{place}.{key} = {value!r}: should be one of {', '.join(choices)}")
    return value


def _unknown(place: str, key: str, known: Collection[str], kind: str) -> str:
    close = _did_you_mean(key, known) or f"; known are {', '.join(known)}"
    return f"{place}.{key}: unknown {kind}{close}"


def _did_you_mean(word: str, known: Collection[str]) -> str:
    """'; did you mean a, b?' or '' if nothing is close; capitals do not matter."""
    lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word.lower(), lower, n=3, cutoff=0.55)
    return f"; did you mean {', '.join(lower[name] for name in close)}?" if close else ""


def _place(name: str) -> str:
    """Key path of a material as TOML writes it: ``materials.Li``, ``materials."Li5.5PS4.5Cl1.5"``."""
    return f"materials.{name}" if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'materials."{name}"'


def _name(place: str) -> str:
    """Inverse of `_place`, also where the quotes were left out."""
    return place.removeprefix("materials.").strip('"')
