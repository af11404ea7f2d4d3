"""What a valid case allows, but its user should know before results are believed."""

from __future__ import annotations

from collections.abc import Iterator
from math import exp, inf, sqrt

from .at_rest import rest_voltage
from .case import Case
from .checks import key_path
from .materials import Property, load_material, names
from .protocol import flat_steps
from .regions import Region, floating, hollow, touched_layers, used_properties
from .units import FARADAY, GAS_CONSTANT, show

ACTIVATED = ("ionic_conductivity", "exchange_current_density", "diffusivity", "salt_diffusivity", "storage_exchange_current_density",
             "yield_stress", "sei_electronic_conductivity", "sei_ionic_conductivity")
NEAR, FAR = 10.0, 60.0  # K from where a value was taken: without, and with, a known activation energy
BREAKDOWN = 2.8  # MPa; above it Li creeps faster than its power law
DENSE = 0.5  # porosity up to which the power laws of effective.py are taken without a word
BEYOND = 10.0  # V: no cell has as much
SMALL = 0.3  # part of the time in which a void closes, up to which its shape is taken as kept


def cautions(case: Case) -> list[str]:
    """One sentence each."""
    return [*_temperature(case), *_estimates(case), *_unusual(case), *_floating(case), *_pores(case), *_voids(case), *_flaws(case),
            *_limits(case), *_currents(case)]


def _temperature(case: Case) -> Iterator[str]:
    """Values used far from where they were taken."""
    for name, material in case.media.items():
        for key in used_properties(case, material):
            entry = material.get(key)
            kelvin = max(temperatures(case), key=lambda t: abs(t - entry.reference_temperature))
            away = abs(kelvin - entry.reference_temperature)
            taken, here = (show(t, "temperature") for t in (entry.reference_temperature, kelvin))
            if key in ACTIVATED and entry.activation_energy is None and away > NEAR:
                yield f"{name}: {key} has no activation energy: its {taken} value is used at {here}"
            elif entry.activation_energy is not None and away > FAR:
                yield f"{name}: {key} is carried by its activation energy over {away:.0f} K, from {taken} to {here}"
    for name, given in case.interfaces.items():
        fixed = [key for key in ("exchange_current_density", "resistance", "film_resistance", "ionic_resistance", "electronic_resistance")
                 if key in given.model_fields_set]
        if case.heated and fixed:
            yield f"{key_path('interfaces', name)}: {' and '.join(fixed)} of the case file stay as they are at every temperature"


def temperatures(case: Case) -> list[float]:
    """The case's temperature and those that the protocol goes to, K."""
    return [case.temperature, *(step.to for step in flat_steps(case.protocol) if step.kind == "temperature")]


def _estimates(case: Case) -> Iterator[str]:
    for name, material in case.media.items():
        found = [key for key in used_properties(case, material) if material.get(key).confidence == "estimate"]
        if found:
            yield f"{name}: rests on estimates of {', '.join(found)}"


def _unusual(case: Case) -> Iterator[str]:
    """Values of the case file beyond what the literature has of the same material: a modulus in MPa that should be in GPa."""
    for name in sorted(set(case.records) & set(names())):
        known, given = load_material(name), case.records[name]
        for key, entry in known.properties.items():
            value = _at_reference(given.get(key), entry.reference_temperature)
            if entry.range is not None and value is not None and not entry.range[0] <= value <= entry.range[1] and value != entry.value:
                low, high, here = (show(number, entry.dimension) for number in (*entry.range, value))
                at = f" at {entry.reference_temperature:g} K" if value != given.get(key).value else ""
                yield f"{name}: {key} = {here}{at} of the case file lies outside the range of the literature, {low} to {high}"


def _at_reference(given: Property, kelvin: float) -> float | None:
    """A value where the literature's holds, if that is a temperature far from its own."""
    far = kelvin > 0 and given.value is not None and abs(kelvin - given.reference_temperature) > NEAR
    return given.at(kelvin) if far else given.value


def _floating(case: Case) -> Iterator[str]:
    """Metal inside ion conductors."""
    regions = {region.name: region for region in case.regions}
    for name in floating(case):
        yield (f"{name}: no electron conductor leads from its {regions[name].material.name} to a terminal, so that its potential floats; "
               f'electrons = "collector" wires it')


def _pores(case: Case) -> Iterator[str]:
    """What pores of a population stand for, and where an effective medium ends."""
    for layer in case.layers:
        if layer.porosity > DENSE:
            yield (f"{layer.name}: at a porosity of {layer.porosity:g} conductivities and moduli scatter widely about the power "
                   f"laws of the effective medium; resolve the pores of a part of it (a feature of kind pores) to judge")
        if layer.porosity and case.mechanics is not None and case.region(layer.name).flows:
            yield f"{layer.name}: its effective medium flows at constant volume; pores do not collapse under pressure"
    for feature in case.features:
        if feature.kind == "pores" and case.geometry.kind == "axisymmetric":
            yield (f"{feature.name}: about an axis these pores are rings, and their porosity counts them so; use a box for "
                   f"round ones")
        if feature.kind == "pores" and case.geometry.kind == "plane":
            yield f"{feature.name}: in the plane these pores are channels across it; porosity is their share of the area"


def _voids(case: Case) -> Iterator[str]:
    """Strains are small here, and a run ends when a void is closed: it should outlast the run by far."""
    if case.mechanics is None:
        return
    pressure = max((step.to for step in flat_steps(case.protocol) if step.kind == "pressure"), default=0.0)
    time = sum(step.length for step in flat_steps(case.protocol))
    regions = {region.name: region for region in case.regions}
    if pressure > BREAKDOWN and any(region.law == "norton" for region in case.regions):
        yield (f"stack pressure {show(pressure, 'pressure')}: above {BREAKDOWN} MPa lithium creeps faster than its power "
               f"law; no test of lithium backs a rate there")
    for feature in case.features:
        if feature.kind == "void" and not hollow(feature, case):
            region = next(regions[name] for name in touched_layers(feature, case) if regions[name].electrons)
            closing = closing_time(region, feature, pressure, case)
            if time > SMALL * closing:
                yield (f"{feature.name}: creep closes it in about {closing:.2g} s at {show(pressure, 'pressure')}, and the run "
                       f"takes {time:.3g} s; strains are taken as small, and it ends when a void is closed")


def _flaws(case: Case) -> Iterator[str]:
    """Plating must not refill a flaw many times over."""
    plated = sum(plated_thickness(step, case) for step in flat_steps(case.protocol) if step.charge < 0)
    for feature in case.features:
        small = case.mechanics is not None and case.mechanics.kinematics == "small"
        if feature.kind == "flaw" and feature.fill != "empty" and small and plated > 0.5 * feature.width:
            yield (f"{feature.name}: {plated:.3g} um of lithium on average are plated against a mouth of "
                   f"{show(feature.width, 'length')}; strains are taken as small: shorten the run")


def _limits(case: Case) -> Iterator[str]:
    """Voltages beyond any equilibrium voltage of an alloy cell: only the overpotential can lead there."""
    span = rest_voltage(case, filled=False)
    if span is None or not any(region.stores for region in case.regions):
        return
    low, high = span
    found = {("limits.voltage_above", case.limits.voltage_above, 1), ("limits.voltage_below", case.limits.voltage_below, -1)}
    for step in flat_steps(case.protocol):
        found |= {(f"until_voltage_{'above' if sign > 0 else 'below'}", limit, sign)
                  for what, limit, sign in step.until if what == "voltage"}
    for place, limit, sign in sorted(entry for entry in found if entry[1] is not None):
        if sign * limit > sign * (high if sign > 0 else low):
            yield (f"{place} = {show(limit, 'potential')}: the equilibrium voltage stays within {show(low, 'potential')} and "
                   f"{show(high, 'potential')}, so that only an overpotential reaches it; the lithium may run out first")


def _currents(case: Case) -> Iterator[str]:
    """Currents at which the layers alone, taken as uniform, would take more than any cell has."""
    ohmic = sum(region.thickness / region.material.get("ionic_conductivity").at(case.temperature)
                for region in case.regions[: len(case.layers)] if region.ions and not region.electrons and region.thickness)  # ohm m^2
    for current in sorted({abs(step.density(step.length)) for step in flat_steps(case.protocol)
                           if step.kind in ("current", "ramp") and step.length > 0}):
        drop = ohmic * current
        if drop > BEYOND:
            yield (f"{show(current, 'current density')}: the layers' resistance of {show(ohmic, 'areal resistance')} alone takes {drop:.3g} V, "
                   f"more than any cell has; a slip of the unit?")


def plated_thickness(step, case: Case) -> float:
    """Mean thickness of lithium that a step plates or strips, |q| Omega/F in um; 0 if the anode stores it."""
    anodes = [region.material for region in case.regions if region.reservoir and region.side == "anode"]
    omega = anodes[0].get("molar_volume").value if anodes else 0.0
    return abs(step.charge) * omega / FARADAY


def closing_time(region: Region, feature, pressure: float, case: Case) -> float:
    """Time (s) in which Norton creep closes a half-elliptic void under a stack pressure p, within a factor of about two.

    Taken as 1/rate of a thick cylinder (sphere if round) with the void's radius a inside and the layer's thickness b outside:
    rate = (sqrt(3)/2)^(n+1) A ((2 p/n)/(1 - (a/b)^(2/n)))^n, or (A/2) ((3 p/(2 n))/(1 - (a/b)^(3/n)))^n, with
    A = A0 exp(-Q/RT)/reference^n (Wilkinson & Ashby 1975). A flat void loses its height in about the same time.
    """
    if region.law != "norton" or pressure <= 0:
        return inf
    a0, q, reference, n = (region.material.get(key).value
                           for key in ("creep_rate", "creep_activation_energy", "creep_reference_stress", "creep_exponent"))
    load, ratio = pressure / reference, min(feature.radius / region.thickness, 0.9)
    a = a0 * exp(-q / (GAS_CONSTANT * case.temperature))
    if case.geometry.kind == "box" or (case.geometry.kind == "axisymmetric" and feature.center[0] == 0):
        return 2 / a * ((1 - ratio ** (3 / n)) / (1.5 * load / n)) ** n
    return (2 / sqrt(3)) ** (n + 1) / a * ((1 - ratio ** (2 / n)) / (2 * load / n)) ** n
