"""Quantities enter in any unit of the right dimension, and nothing else enters."""

import math

import pytest

from interfem.units import DIMENSIONS, FARADAY, GAS_CONSTANT, UnitError, show, to_internal


@pytest.mark.parametrize(
    ("text", "dimension", "internal"),
    [
        ("50 nm", "length", 0.05),
        ("5 µm", "length", 5.0),
        ("1 h", "time", 3600.0),
        ("25 degC", "temperature", 298.15),
        ("-20 °C", "temperature", 253.15),
        ("22.1 GPa", "pressure", 22100.0),
        ("1 mA/cm^2", "current density", 10.0),
        ("1 mA/cm2", "current density", 10.0),
        ("-0.5 mA cm^-2", "current density", -5.0),
        ("\u22120.5 mA/cm^2", "current density", -5.0),
        ("1 mAh/cm^2", "areal charge", 36000.0),
        ("1 S/m", "conductivity", 1e6),
        ("1.95 mS/cm", "conductivity", 1.95e5),
        ("0.8 Ω·cm²", "areal resistance", 0.8e-4),
        ("5.5e-7 cm^2/s", "diffusivity", 55.0),
        ("13 cm3/mol", "molar volume", 13e-6),
        ("1 mol/l", "concentration", 1000.0),
        ("37 kJ/mol", "molar energy", 0.037),
        ("2.3e4 1/s", "rate", 2.3e4),
        ("0.25 MPa m^0.5", "toughness", 250.0),
        ("0.46 N/m", "areal energy", 0.46),
    ],
)
def test_quantity(text, dimension, internal):
    assert to_internal(text, dimension) == pytest.approx(internal, rel=1e-12)


def test_electron_volts_are_per_particle():
    assert to_internal("0.35 eV", "molar energy") == pytest.approx(0.35 * FARADAY, rel=1e-9)  # 1 eV per particle is F times 1 V


def test_constants_make_the_thermal_voltage():
    assert GAS_CONSTANT * 298.15 / FARADAY == pytest.approx(25.6926e-3, rel=1e-5)


@pytest.mark.parametrize("dimension", [name for name in DIMENSIONS if name != "number"])
def test_show_reads_back(dimension):
    assert to_internal(show(1.25e-3, dimension), dimension) == pytest.approx(1.25e-3, rel=1e-5)


@pytest.mark.parametrize(
    ("value", "dimension", "words"),
    [
        (5, "pressure", ["5", "no unit", '"5 MPa"']),
        ("5", "pressure", ["no unit", '"5 MPa"']),
        ("5 V", "pressure", ["'5 V'", "not a pressure", "MPa"]),
        ("1 Pa", "areal energy", ["not an areal energy", "J/m^2"]),
        ("5 furlogs", "length", ["'furlogs'", "not known"]),
        ("five MPa", "pressure", ["not a quantity", '"1 MPa"']),
        ("5 MPa; import os", "pressure", ["not known"]),
        ("1,5 MPa", "pressure", ["1,5 MPa", "decimal point"]),
        ("25 C", "temperature", ["not a temperature", "K or degC"]),
        (True, "pressure", ["not a quantity"]),
        (None, "length", ["not a quantity"]),
        ("37 kJ", "molar energy", ["not a molar energy", "kJ/mol"]),  # only eV may stand for "per particle"
        ("1e999 MPa", "pressure", ["finite"]),
        (math.nan, "number", ["finite"]),
        (math.inf, "number", ["finite"]),
        ("0.3", "number", ["plain number"]),
        (True, "number", ["plain number"]),
    ],
)
def test_refused(value, dimension, words):
    with pytest.raises(UnitError) as error:
        to_internal(value, dimension)
    for word in words:
        assert word in str(error.value)
