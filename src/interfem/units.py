"""One coherent unit system, and the only door through which quantities enter and leave it.

Inside: um, s, MPa, V, K, amol (1e-18 mol). Energies are then pJ, charges pC, currents pA; a current density is
numerically A/m^2, a concentration mol/m^3, an areal resistance ohm m^2, an areal energy J/m^2.
Outside: text with units written out, such as ``"1 mA/cm^2"``. A number without a unit is refused.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache

FARADAY = 96485.33212e-6  # pC/amol
GAS_CONSTANT = 8.314462618e-6  # pJ/(amol K)

# dimension name -> (internal unit as pint spells it, unit shown to users)
DIMENSIONS: dict[str, tuple[str, str]] = {
    "length": ("um", "um"),
    "area": ("um^2", "um^2"),
    "time": ("s", "s"),
    "temperature": ("K", "K"),
    "temperature rate": ("K/s", "K/s"),
    "pressure": ("MPa", "MPa"),
    "pressure rate": ("MPa/s", "MPa/s"),
    "stiffness": ("MPa/um", "MPa/um"),
    "potential": ("V", "V"),
    "current density": ("A/m^2", "mA/cm^2"),
    "areal charge": ("C/m^2", "mAh/cm^2"),
    "conductivity": ("uS/um", "mS/cm"),
    "areal resistance": ("ohm*m^2", "ohm*cm^2"),
    "areal capacitance": ("F/m^2", "uF/cm^2"),
    "diffusivity": ("um^2/s", "m^2/s"),
    "concentration": ("mol/m^3", "mol/m^3"),
    "molar volume": ("m^3/mol", "m^3/mol"),
    "molar energy": ("MJ/mol", "kJ/mol"),
    "areal energy": ("J/m^2", "J/m^2"),
    "rate": ("1/s", "1/s"),
    "frequency": ("Hz", "Hz"),
    "specific area": ("1/um", "1/um"),
    "energy per length": ("pJ/um", "J/m"),
    "toughness": ("MPa*um^0.5", "MPa*m^0.5"),
    "density": ("kg/m^3", "kg/m^3"),
    "expansion": ("1/K", "1/K"),
    "number": ("", ""),
}
_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*(.*?)\s*")
# A conductivity of 1 uS/um is 1 S/m; inside it is 1e6 pA/(V um), see `to_internal`.
_EXTRA_FACTOR = {"conductivity": 1.0e6}


@lru_cache(maxsize=1)
def _registry():
    import pint  # half a second: only when a quantity is really read

    registry = pint.UnitRegistry(autoconvert_offset_to_baseunit=True)
    registry.define("amol = 1e-18 mol")
    return registry


def _spelling(text: str) -> str:
    """Accept ``cm2``/``cm^2`` and the micro signs; pint wants an explicit power."""
    text = text.replace("µ", "u").replace("μ", "u").replace("Ω", "ohm").replace("·", "*")
    return re.sub(r"\b(nm|um|mm|cm|m)([23])\b", r"\1^\2", text)


class UnitError(ValueError):
    """A quantity whose unit is missing, unknown, or of the wrong dimension."""


def to_internal(value: object, dimension: str) -> float:
    """Read ``"5 MPa"`` as a float in internal units; ``"number"`` takes a plain number.

    Raises UnitError with the remedy when the unit is missing, unknown or of another dimension.
    """
    internal, shown = DIMENSIONS[dimension]
    if dimension == "number":
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise UnitError(f"{value!r} should be a plain number")
        if not abs(value) < 1e300:
            raise UnitError(f"{value!r} should be a finite number")
        return float(value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        raise UnitError(f'{value!r} has no unit; write it out, for example "{value} {shown}"')
    if not isinstance(value, str):
        raise UnitError(f'{value!r} is not a quantity; write a number and a unit, for example "1 {shown}"')
    return _parse(value, dimension, internal, shown)


@lru_cache(maxsize=4096)
def _parse(text: str, dimension: str, internal: str, shown: str) -> float:
    import pint

    match = _QUANTITY.fullmatch(text.replace("\u2212", "-"))  # the minus sign of printed text
    if match is None:
        raise UnitError(f'{text!r} is not a quantity; write a number and a unit, for example "1 {shown}"')
    if re.match(r",\d", match[2]):
        raise UnitError(f'{text!r} has a comma in its number; write a decimal point, and nothing between thousands')
    number, unit = float(match[1]), _spelling(match[2])
    if not unit:
        raise UnitError(f'{text!r} has no unit; write it out, for example "{match[1]} {shown}"')
    registry = _registry()
    try:
        quantity = registry.Quantity(number, unit)
        # "0.35 eV" means per particle; "37 kJ" is a forgotten "/mol"
        if dimension == "molar energy" and quantity.check("[energy]") and "electron_volt" in str(quantity.units):
            quantity = quantity * registry.Quantity(1, "avogadro_constant")
        magnitude = quantity.to(internal).magnitude
    except pint.DimensionalityError:
        article = "an" if dimension[0] in "aeiou" else "a"
        alike = "degC" if dimension == "temperature" else "alike"  # "25 C" is a charge
        raise UnitError(f"{text!r} is not {article} {dimension}; write it in {shown} or {alike}") from None
    except Exception:
        raise UnitError(f'{text!r}: unit {match[2]!r} is not known; write it in {shown} or alike') from None
    if not math.isfinite(magnitude):
        raise UnitError(f"{text!r} should be a finite number")
    return float(magnitude) * _EXTRA_FACTOR.get(dimension, 1.0)


def read_as(value: object, unit: str | None = None) -> tuple[float, str]:
    """(number, unit) of a plain number or a quantity such as ``"5 MPa"``, in its own unit or in another one. UnitError."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        number, own = float(value), ""
    else:
        match = _QUANTITY.fullmatch(value) if isinstance(value, str) else None
        if match is None:
            raise UnitError(f"{value!r} is no quantity; write a number, with its unit if it has one")
        number, own = float(match[1]), match[2]
    if unit is None or unit == own:
        return number, own
    registry = _registry()
    try:
        return float(registry.Quantity(number, _spelling(own)).to(_spelling(unit)).magnitude), unit
    except Exception:
        raise UnitError(f"{value!r} cannot be written in {unit or 'no unit'}; give both in units of one kind") from None


def show(value: float, dimension: str) -> str:
    """Text with the unit that users read, from a float in internal units; reads back through `to_internal`."""
    shown = DIMENSIONS[dimension][1]
    if not shown:
        return f"{value:.6g}"
    return f"{value * shown_factor(dimension):.6g} {shown}"


@lru_cache(maxsize=None)
def shown_factor(dimension: str) -> float:
    """Number of shown units in one internal unit (0.1 for a current density shown in mA/cm^2)."""
    internal, shown = DIMENSIONS[dimension]
    factor = 1.0 if internal == shown else _registry().Quantity(1.0, internal).to(shown).magnitude
    return float(factor) / _EXTRA_FACTOR.get(dimension, 1.0)
