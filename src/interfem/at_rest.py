"""What a case alone tells of the cell before any current: its voltage, and the lithium that its electrodes hold. No dolfinx."""

from __future__ import annotations

from math import inf

from .regions import Region, interface_name, is_transfer, ordered, touching
from .units import FARADAY

EMPTY = 1e-3  # c/c_max to which an alloy without a minimum_concentration can be emptied


def rest_voltage(case, filled: bool = True) -> tuple[float, float] | None:
    """Bounds of the cell voltage without current and stress, V: at the initial filling, or (`filled` False) at any.

    The voltage of the anode's collector against the counter electrode; a counter face on an ion conductor counts as lithium.
    None where the data do not tell it: no charge transfer, or a mixed conductor, whose potential shares several reactions.
    """
    found: dict[str, list[float]] = {"anode": [], "counter": []}
    for a, b in touching(case):
        if is_transfer(case, a, b):
            metal, _ = ordered(a, b)
            if metal.body == "mixed" or metal.side not in found:
                return None
            given = case.interface(interface_name(a.name, b.name, case)).equilibrium_potential or 0.0
            found[metal.side] += [given] if metal.deposits else _potentials(case, metal, filled)
    if not found["anode"]:
        return None
    counter = found["counter"] or [0.0]
    return min(found["anode"]) - max(counter), max(found["anode"]) - min(counter)


def _potentials(case, region: Region, filled: bool) -> list[float]:
    """Values between which U of an alloy lies: those of the table's rows on both sides of its filling, or of all."""
    entry = region.material.get("equilibrium_potential")
    if entry.table is None:
        return [entry.at(case.temperature)]
    x = region.material.get("initial_concentration").value / region.material.get("maximum_concentration").value
    rows = entry.table
    if filled:
        low = max((row for row in rows if row[0] <= x), default=rows[0])
        rows = (low,) if low[0] == x else (low, min((row for row in rows if row[0] > x), default=rows[-1]))
    return [value * entry.activation(case.temperature) for _, value in rows]


def holdings(case, side: str) -> tuple[float, float] | None:
    """Charges (C/m^2) that can at most be (taken from, given to) the layers of the electrode on a `side` of the stack.

    Lithium metal: thickness F/Omega, and no end to plating. Alloy: (c0 - c_min) F thickness and (c_max - c0) F thickness.
    None where lithium is plated on what holds none at first, and where an own mesh sets the thickness.
    """
    layers = [region for region in case.regions[: len(case.layers)] if region.side == side and region.electrons]
    if not all(r.thickness and r.body == "metal" and (r.reservoir or r.stores or _inert(case, r)) for r in layers):
        return None
    give = take = 0.0
    for region in layers:
        if region.reservoir:
            give += region.thickness * FARADAY / region.material.get("molar_volume").at(case.temperature)
            take = inf
        elif region.stores:
            lowest, start, top = _concentrations(region, case.temperature)
            give += (start - lowest) * FARADAY * region.thickness
            take += (top - start) * FARADAY * region.thickness
    return (give, take) if give or take else None


def _inert(case, region: Region) -> bool:
    """A collector on which nothing is plated."""
    return not any(region in pair and is_transfer(case, *pair) for pair in touching(case))


def _concentrations(region: Region, kelvin: float) -> tuple[float, float, float]:
    """(least, initial, largest) concentration of stored lithium, mol/m^3."""
    start, top = (region.material.get(name).at(kelvin) for name in ("initial_concentration", "maximum_concentration"))
    known = region.material.has("minimum_concentration")
    return region.material.get("minimum_concentration").at(kelvin) if known else EMPTY * top, start, top
