"""A current profile: CSV text with units in its header -> times (s) and current densities (A/m^2)."""

from __future__ import annotations

import csv
import math
import re

import numpy as np

from .units import UnitError, to_internal

# start of a column's name -> dimension, unit as an example
COLUMNS = {"time": ("time", "s"), "current": ("current density", "A/m^2")}
EXAMPLE = '"time [s],current density [mA/cm^2]" or "time_s,current_density_A_per_m2"'
FEWEST = 2  # rows


class ProfileError(ValueError):
    """The profile is wrong; the text tells the row (line of the file), the column and the remedy."""


def read_profile(text: str) -> tuple[np.ndarray, np.ndarray]:
    """(times from 0 in s, current densities in A/m^2), one of each a row. Blank lines, "#" lines, other columns: left out."""
    lines = [(n, row) for n, row in enumerate(csv.reader(text.splitlines()), 1) if any(row) and not row[0].startswith("#")]
    if not lines:
        raise ProfileError(f"is empty; its first line should read {EXAMPLE}")
    columns = {start: _column(lines[0][1], start) for start in COLUMNS}
    data = lines[1:]
    if len(data) < FEWEST:
        raise ProfileError(f"has {len(data)} row(s) of numbers; give at least {FEWEST}, the first at time 0")
    times, values = (np.array([_number(n, row, place, label) * factor for n, row in data])
                     for place, label, factor in columns.values())
    _rising(times, [n for n, _ in data], columns["time"][1])
    return times, values


def _column(header: list[str], start: str) -> tuple[int, str, float]:
    """(place, label, internal units in one of the column's) of the one column whose name begins with a word."""
    dimension, example = COLUMNS[start]
    found = [n for n, label in enumerate(header) if label.strip().lower().startswith(start)]
    if len(found) != 1:
        many = "several columns" if found else "no column"
        raise ProfileError(f'row 1 has {many} of {dimension}: "{",".join(header)}"; write one, as in {EXAMPLE}')
    label = header[found[0]].strip()
    unit = _unit(label, dimension)
    try:
        return found[0], label, to_internal(f"1 {unit}", dimension)
    except UnitError:
        told = f'unit "{unit}" is not one of {dimension}' if unit else "it has no unit"
        raise ProfileError(f'row 1, column "{label}": {told}; write for example "{start} [{example}]"') from None


def _unit(label: str, dimension: str) -> str:
    """"time [h]" -> h; "current_density_mA_per_cm2" -> mA/cm2; "" if there is none."""
    bracket = re.search(r"[\[(]\s*([^\])]*?)\s*[\])]$", label)
    if bracket:
        return bracket[1]
    words = re.sub(rf"^{dimension.replace(' ', '[ _]')}", "", label, flags=re.IGNORECASE)
    return words.strip(" _").replace("_per_", "/")


def _number(line: int, row: list[str], place: int, label: str) -> float:
    text = row[place].strip() if place < len(row) else ""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise ProfileError(f'row {line}, column "{label}" = {text!r}: should be a finite number; correct it')
    return value


def _rising(times: np.ndarray, lines: list[int], label: str) -> None:
    if times[0] != 0:
        raise ProfileError(f'row {lines[0]}, column "{label}" = {times[0]:g} s: the first time should be 0; shift the times')
    wrong = np.flatnonzero(np.diff(times) <= 0)
    if len(wrong):
        n = int(wrong[0])
        raise ProfileError(f'row {lines[n + 1]}, column "{label}": {times[n + 1]:.12g} s does not come after {times[n]:.12g} s; '
                           f'times rise strictly (a jump: interpolation = "step", or two rows some ms apart)')
