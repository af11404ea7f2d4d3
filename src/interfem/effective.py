"""Effective medium of a porous layer: the record of a material with empty pores in it, p their volume fraction.

| property | times | why |
|---|---|---|
| conductivities | (1-p)^1.5 | Bruggeman, Ann. Phys. 416 (1935) 636 |
| concentrations | 1-p | counted per volume of the layer |
| diffusivities | (1-p)^0.5 | the flux D grad(c) follows (1-p)^1.5 at the same filling of the skeleton |
| Young's modulus | (1-p)^2 | Gibson and Ashby, Cellular Solids, 1997, ch. 5: open cells |
| yield stress, hardening, toughness | (1-p)^1.5 | the same, prefactor 1 |
| creep reference stress, creep rate | (1-p)^1.5, (1-p)^-0.5 | the same, ch. 6: rate ~ stress^n (1-p)^(-(3n+1)/2) |
| exchange current density | 1-p | share of the face that is solid, per geometric area |
| partial molar volume | (1-u)/(1-p) | swells as its skeleton, but for the fraction u that the pores take up |
| density, specific area | 1-p | |

All else stays, activation energies too. Poisson's ratio stays, and plastic flow keeps the volume: pores do not collapse here.
"""

from __future__ import annotations

from dataclasses import replace

from .materials import Material, Property

# property -> (exponent of 1 - p, source)
BRUGGEMAN, GIBSON, SOLID = "Bruggeman 1935", "Gibson and Ashby 1997", "share of solid"
EXPONENTS: dict[str, tuple[float, str]] = {
    **dict.fromkeys(("electronic_conductivity", "ionic_conductivity"), (1.5, BRUGGEMAN)),
    **dict.fromkeys(("diffusivity", "salt_diffusivity"), (0.5, BRUGGEMAN)),
    **dict.fromkeys(("maximum_concentration", "minimum_concentration", "initial_concentration", "density",
                     "exchange_current_density", "specific_area"), (1.0, SOLID)),
    "youngs_modulus": (2.0, GIBSON),
    **dict.fromkeys(("yield_stress", "hardening_modulus", "creep_reference_stress", "creep_breakdown_stress", "fracture_toughness",
                     "anand_saturation_stress", "anand_initial_resistance", "anand_hardening"), (1.5, GIBSON)),
    **dict.fromkeys(("creep_rate", "creep_diffusional_rate"), (-0.5, GIBSON)),
    "partial_molar_volume": (-1.0, "swelling of the skeleton"),
}  # fmt: skip


def medium_of(layer, records: dict[str, Material]) -> Material:
    """Material of a layer: its own, or the effective medium if it is porous."""
    dense = records[layer.material]
    return _porous_material(dense, layer.porosity, layer.pore_uptake) if layer.porosity else dense


def _porous_material(dense: Material, porosity: float, pore_uptake: float) -> Material:
    uptake = f", uptake {pore_uptake:g}" if pore_uptake else ""
    properties = {name: _porous(entry, porosity, pore_uptake, dense.name) for name, entry in dense.properties.items()}
    return replace(dense, name=f"{dense.name} (porosity {porosity:g}{uptake})", dense=dense.name, properties=properties,
                   title=f"{dense.title}, effective medium with {100 * porosity:g} % pores")


def _porous(entry: Property, porosity: float, pore_uptake: float, dense: str) -> Property:
    """One property of the porous material; value, table and range alike."""
    exponent, why = EXPONENTS.get(entry.name, (0.0, ""))
    factor = (1.0 - porosity) ** exponent
    if entry.name == "partial_molar_volume":
        factor *= 1.0 - pore_uptake
    if factor == 1.0:
        return entry
    law = f"(1 - {porosity:g})^{exponent:g}" + (f" (1 - {pore_uptake:g})" if entry.name == "partial_molar_volume" else "")
    return replace(
        entry,
        value=None if entry.value is None else entry.value * factor,
        table=entry.table and tuple((x, y * factor) for x, y in entry.table),
        range=entry.range and tuple(end * factor for end in entry.range),
        source=f"effective medium of {dense}: dense value times {law}, {why}; {entry.source}",
        confidence="estimate",
    )
