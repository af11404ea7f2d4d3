"""Sentences of the page: captions of figures, events, what to cite."""

from __future__ import annotations

import re

from ..failures import event_name

PICTURES = {  # file in figures/ -> caption
    "potential": "Ionic potential with current lines; equal currents flow between neighbours. Crowded lines mark a hot spot.",
    "current": "Current density of ions and electrons. A bright rim or tip takes many times the mean.",
    "stress": "Largest principal stress in the electrolyte (positive: tension, which opens cracks) and pressure in the metal "
    "(positive: compression).",
    "von_mises": "Von Mises stress, which makes lithium flow; in the metal it levels out where creep keeps pace with the load.",
    "plastic_strain": "Equivalent plastic strain of the metal since the start: where lithium has flowed.",
    "lithium": "Lithium stored in the alloy or the mixed conductor.",
    "salt": "Salt in the electrolyte; where it runs out, diffusion limits the current.",
    "interface": "Along the interfaces: current density (negative plates), contact pressure, lithium plated.",
    "current_3d": "Current density on the cell cut open through its features.",
    "stress_3d": "Stress on the cell cut open through its features.",
    "cycles": "Charges, efficiencies and voltages cycle by cycle.",
    "impedance": "Impedance about the state at the end of the run.",
}
EVENTS = {
    "voltage_limit": "the cell voltage reached a limit of the case, which ends the run",
    "voltage_reached": "the cell voltage reached the limit of the protocol step, which ends the step",
    "current_reached": "the current had tapered to the limit of the protocol step, which ends the step",
    "lithium_exhausted": "an electrode had no lithium left to give",
    "alloy_saturated": "the alloy was full at one place and took up no more lithium",
    "salt_exhausted": "the salt was used up at one place: diffusion limits the current",
    "contact_lost": "an electrode had lost almost all contact, so that a given current had no way left",
    "contact_below": "less contact was left than limits.contact_below of the case allows",
    "fracture": "the stress intensity of a crack front reached the toughness of the electrolyte, or the limit that the case sets to it",
    "dead lithium": "electrons no longer reach some of the lithium",
    "void_closed": "a void was closed by the lithium that flows into it",
    "flaw_full": "lithium had been pressed into the whole of a slot",
    "mesh_distorted": "cells were too distorted to go on",
    "mesh_worn": "cells of flowing metal were distorted; better ones took their place if there were any",
    "limit_load": "metal that yields bore no more: it flows on under a pressure that hardly rises",
    "max_steps": "the run had taken all the steps that solver.max_steps allows",
    "terminated": "the run was told to end; interfem run --restart goes on from its checkpoint",
}
PARTS = {  # of the areal resistance
    "bulk": "the layers, if the current were uniform",
    "constriction": "detours in the volume around voids, flaws and lost contact; negative where a filled flaw shortens the way",
    "charge transfer": "the kinetics, if the whole face took part evenly",
    "contact": "what the kinetics take besides, since part of the face has no contact or the current crowds",
    "film": "unresolved films and reaction layers",
    "concentration": "diffusion potential of salt, and a filling of stores that varies along the face",
    "pressure": "a pressure that varies along the face",
    "reaction": "current that goes into reaction layers and not into charge transfer",
}
HEADINGS = {"i0 mA/cm^2": "i₀ (mA/cm²)", "alpha": "α", "Z ohm*cm^2": "Z (Ω cm²)", "kappa*Z um": "κZ (µm)", "film ohm*cm^2": "film (Ω cm²)"}



def event_words(name: str) -> str:
    """What an event means; one without an entry by its name."""
    return EVENTS.get(name.partition("[")[0], event_name(name))


def heading(text: str) -> str:
    """The head of a column of a case's tables, as it is printed."""
    return HEADINGS.get(text, typeset(text))


def property_name(name: str) -> str:
    """``youngs_modulus`` -> Young's modulus"""
    return name.replace("_", " ").replace("youngs", "Young's").replace("poisson ratio", "Poisson's ratio")


def time_words(seconds: float) -> str:
    """A time as people say it: 0.5 s, 12 min, 3.2 h."""
    size, unit = (1.0, "s") if abs(seconds) < 600 else (60.0, "min") if abs(seconds) < 3 * 3600 else (3600.0, "h")
    return f"{number(seconds / size)} {unit}"


def number(value: float | None, digits: int = 4) -> str:
    """Digits with a true minus sign and whole numbers whole; a dash for what is not known."""
    if value is None or value != value:
        return "–"
    text = f"{value:.0f}" if value == round(value) and abs(value) < 1e9 else f"{value:.{digits}g}"
    return typeset(text.replace("-", "−"))


RAISED = str.maketrans("+-−0123456789", "⁺⁻⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def typeset(text: str) -> str:
    """Units and powers of ten as they are printed: ``1e-05 ohm*cm^2`` -> 1 × 10⁻⁵ Ω cm²."""
    text = re.sub(r"\b(nm|um|mm|cm|m)\^?([23])\b", lambda found: found[1] + found[2].translate(RAISED), text)
    text = re.sub(
        r"(?<!\w)(?<!\d\.)(\d+(?:\.\d+)?)e\+?([-−]?)0*(\d+)\b",
        lambda found: f"{found[1]} × 10{(found[2] + found[3]).translate(RAISED)}",
        text,
    )
    text = re.sub(r"\bum\b", "µm", text.replace("*m^0.5", " √m").replace("degC", "°C"))
    return re.sub(r"\bohm\b", "Ω", text).replace("Ω*", "Ω ")
