"""The library holds what it says it holds, and a material table that is wrong says where, what and how to mend it."""

import math
import tomllib

import pytest

from interfem.materials import (
    CONFIDENCES,
    LAWS,
    PROPERTIES,
    ROLES,
    MaterialError,
    library_folder,
    load_material,
    names,
    read_material,
)
from interfem.units import DIMENSIONS, FARADAY, GAS_CONSTANT, to_internal

WANTED = """Li Cu Li6PS5Cl Li10GeP2S12 Li7P3S11 Li5.5PS4.5Cl1.5 LLZTO LiF Li3N LiPON graphite GCN PEO Li-In Li-Sn Li-Al Li-Ag
Li-Mg Li5.6PS4.6I1.4 Li5.5PS4.5Cl0.8Br0.7 Li3PS4-glass LTLC LiCl SUS Li2O Li2S Li3P LiF-rich LiCl-LiGa organic-film PEG-MEA
Li5.6P0.8Si0.2S4.4Cl1.6 Li6PS5Cl-polymer GO-Li7P3S11 Li-Ga Li13In3 Ag-C graphite-PTFE LGPS-interphase""".split()

# what a material must know to play its role and obey its law
NEEDED = {
    "metal": ["electronic_conductivity", "molar_volume"],
    "collector": ["electronic_conductivity"],
    "electrolyte": ["ionic_conductivity", "transference_number", "exchange_current_density", "transfer_coefficient"],
    "interlayer": ["ionic_conductivity", "transference_number", "exchange_current_density", "transfer_coefficient"],
    "alloy": ["electronic_conductivity", "diffusivity", "maximum_concentration", "initial_concentration", "partial_molar_volume",
              "equilibrium_potential", "exchange_current_density", "transfer_coefficient"],
    "mixed": ["ionic_conductivity", "electronic_conductivity", "exchange_current_density", "transfer_coefficient"],
    "elastic": ["youngs_modulus", "poisson_ratio"],
    "j2": ["youngs_modulus", "poisson_ratio", "yield_stress", "hardening_modulus"],
    "norton": ["youngs_modulus", "poisson_ratio", "creep_rate", "creep_activation_energy", "creep_reference_stress",
               "creep_exponent"],
    "anand": ["youngs_modulus", "poisson_ratio", "anand_rate", "anand_activation_energy", "anand_rate_sensitivity",
              "anand_saturation_stress", "anand_initial_resistance", "anand_hardening", "anand_hardening_exponent",
              "anand_saturation_exponent"],
}  # fmt: skip


def given(**changes) -> dict:
    """A complete table of youngs_modulus, with changes; a change to None takes the key out."""
    entry = {"value": "10 GPa", "temperature": "298 K", "source": "someone", "confidence": "estimate"} | changes
    return {key: value for key, value in entry.items() if value is not None}


def new_material(**properties) -> dict:
    return {"role": "interlayer", "law": "elastic", "properties": properties}


def message(data: dict, base=None, place: str = "materials.X") -> str:
    with pytest.raises(MaterialError) as error:
        read_material(data, place, base)
    return str(error.value)


# ---- the library ----


def test_library_is_complete():
    assert sorted(names()) == sorted(WANTED)


@pytest.mark.parametrize("name", WANTED)
def test_library_material(name):
    material = load_material(name)
    file = library_folder() / f"{name.lower()}.toml"
    assert tomllib.loads(file.read_text(encoding="utf-8"))["name"] == material.name == name
    assert material.title and material.role in ROLES and material.law in LAWS
    for needed in NEEDED[material.role] + NEEDED[material.law]:
        assert material.has(needed), needed
    for prop in material.properties.values():
        assert prop.source.strip() and prop.confidence in CONFIDENCES
        assert "DO NOT USE" not in prop.source + prop.conditions
        assert prop.origin == f"library: models/materials/{file.name}"
        assert (prop.value is None) != (prop.table is None)
        if prop.value is not None:
            assert math.isfinite(prop.at(prop.reference_temperature or 298.15))


@pytest.mark.parametrize("name", [name for name in WANTED if load_material(name).role == "alloy"])
def test_alloy_is_well_posed(name):
    alloy = load_material(name)
    potential = alloy.get("equilibrium_potential")
    assert potential.monotone == -1 and potential.table[-1][0] == 1.0
    x = alloy.get("initial_concentration").value / alloy.get("maximum_concentration").value
    assert 0.0 < x < 1.0 and 0.0 <= potential.interpolate(x) < 1.0
    # storing all the Li swells by less than the lithiated phase itself
    assert 0.0 < alloy.get("partial_molar_volume").value * alloy.get("maximum_concentration").value <= 1.0


STORING = ["Ag-C", "graphite-PTFE"]


@pytest.mark.parametrize("name", STORING)
def test_storing_mixed_conductor_ends_at_lithium(name):
    """Full, it stands at the potential of lithium, so that plating takes over there."""
    layer = load_material(name)
    for needed in ("maximum_concentration", "initial_concentration", "storage_exchange_current_density", "specific_area"):
        assert layer.has(needed), needed
    potential = layer.get("equilibrium_potential")
    assert potential.monotone == -1 and potential.interpolate(1.0) == 0.0
    assert 0 < layer.get("initial_concentration").value < layer.get("maximum_concentration").value
    growth = layer.get("partial_molar_volume").value * layer.get("maximum_concentration").value
    assert 0 <= growth < 0.3  # of the layer's volume: pores or the graphite lattice take the rest


def test_binary_salt_obeys_nernst_einstein():
    """D = 2 t+ (1 - t+) kappa R T/(F^2 c), to rounding for the estimate, within ion pairing for the measured PEO."""
    for name, low, high in (("PEG-MEA", 0.95, 1.05), ("PEO", 0.2, 1.0)):
        polymer = load_material(name)
        t, c = polymer.get("transference_number").value, polymer.get("initial_concentration").value
        kelvin = polymer.get("salt_diffusivity").reference_temperature
        einstein = 2 * t * (1 - t) * polymer.get("ionic_conductivity").at(kelvin) * GAS_CONSTANT * kelvin / (FARADAY**2 * c)
        assert low < polymer.get("salt_diffusivity").value / einstein < high, name


def test_composites_follow_from_their_parts():
    argyrodite, composite = (load_material(name).get("ionic_conductivity").value for name in ("Li6PS5Cl", "Li6PS5Cl-polymer"))
    assert composite == pytest.approx(argyrodite * 0.85**1.5, rel=0.03)
    kappa = load_material("graphite-PTFE").get("ionic_conductivity").value  # F^2 D c/(R T)
    assert kappa == pytest.approx(FARADAY**2 * 0.1 * 14e3 / (GAS_CONSTANT * 298.15), rel=0.1)
    agc = load_material("Ag-C").get("exchange_current_density")  # RT/(F R) of 50 ohm cm2 at 25 and 5 at 60 degC
    for kelvin, ohm_cm2 in ((298.15, 50), (333.15, 5)):
        assert agc.at(kelvin) == pytest.approx(GAS_CONSTANT * kelvin / FARADAY / (ohm_cm2 * 1e-4), rel=0.05)


def test_alloy_expansion_is_that_of_the_literature():
    for name, swelling in {"Li-In": 0.496, "Li-Al": 0.95, "Li-Sn": 2.58, "graphite": 0.107, "Li13In3": 2.97, "Li-Ga": 1.42}.items():
        alloy = load_material(name)
        share = alloy.get("partial_molar_volume").value * alloy.get("maximum_concentration").value  # of the lithiated volume
        assert share / (1.0 - share) == pytest.approx(swelling, rel=5e-3), name


def test_plateaus():
    assert load_material("Li-In").get("equilibrium_potential").interpolate(0.5) == pytest.approx(0.62)
    assert load_material("Li-Al").get("equilibrium_potential").interpolate(0.5) == pytest.approx(0.36)
    assert load_material("Li-Sn").get("equilibrium_potential").interpolate(4.0 / 4.4) == pytest.approx(0.38, abs=1e-3)
    assert load_material("Li-Mg").get("equilibrium_potential").interpolate(1.0) == 0.0
    rich = load_material("Li13In3").get("equilibrium_potential")  # In-LiIn, LiIn-Li3In2, Li3In2-Li2In, Li2In-Li13In3
    middles = [(0.5, 0.62), (1.25, 0.34), (1.75, 0.14), (3.2, 0.03)]
    assert [rich.interpolate(x * 3 / 13) for x, _ in middles] == pytest.approx([u for _, u in middles], abs=6e-3)


def test_li6ps5cl_is_not_mistaken_for_another_argyrodite():
    material = load_material("Li6PS5Cl")
    conductivity = material.get("ionic_conductivity")
    assert conductivity.value == pytest.approx(to_internal("1.95 mS/cm", "conductivity"))
    assert conductivity.range[1] < to_internal("12 mS/cm", "conductivity")
    assert material.get("youngs_modulus").value == pytest.approx(22.1e3)
    assert material.get("youngs_modulus").range[0] > to_internal("0.03 GPa", "pressure")
    # i0 = RT/(F R_P) with R_P = 0.8 ohm cm^2
    thermal_voltage = GAS_CONSTANT * 298.15 / FARADAY
    assert material.get("exchange_current_density").value == pytest.approx(thermal_voltage / 0.8e-4, rel=5e-3)


def test_lithium_creep_follows_masias_and_lepage():
    li = load_material("Li")

    def rate(stress, temperature):
        factor = math.exp(-li.get("creep_activation_energy").value / (GAS_CONSTANT * temperature))
        power = (stress / li.get("creep_reference_stress").value) ** li.get("creep_exponent").value
        return li.get("creep_rate").value * factor * power

    for temperature, factor in {253.15: 0.0704, 273.15: 0.2551, 333.15: 4.797, 353.15: 10.22}.items():
        assert rate(0.5, temperature) / rate(0.5, 298.15) == pytest.approx(factor, rel=1e-3)
    assert rate(1.0, 298.15) == pytest.approx(7.7e-3, rel=0.03)
    assert rate(0.4, 298.15) == pytest.approx(1.888e-5, rel=0.03)


def test_activation():
    conductivity = load_material("Li6PS5Cl").get("ionic_conductivity")
    expected = conductivity.value * math.exp(-0.35 * FARADAY / GAS_CONSTANT * (1 / 333.15 - 1 / 298.0))
    assert conductivity.at(298.0) == conductivity.value
    assert conductivity.at(333.15) == pytest.approx(expected, rel=1e-9)
    mg = load_material("Li-Mg").get("diffusivity")  # the source measured these, in m^2/s
    for temperature, measured in {273.15: 3.9e-16, 323.15: 1.7e-14, 353.15: 9.5e-14, 373.15: 2.6e-13}.items():
        assert mg.at(temperature) == pytest.approx(measured * 1e12, rel=0.2)
    modulus = load_material("Li").get("youngs_modulus")
    assert modulus.at(253.15) == modulus.value


# ---- asking for what is not there ----


def test_unknown_material_names_close_ones():
    with pytest.raises(MaterialError, match=r"'li6ps5cL' is not known; did you mean Li6PS5Cl"):
        load_material("li6ps5cL")


def test_missing_property_says_where_to_state_it():
    with pytest.raises(MaterialError) as error:
        load_material("LiF").get("diffusivity")
    assert "materials.LiF.diffusivity" in str(error.value)
    assert 'models/materials/lif.toml, or in the case as [materials.LiF] diffusivity = "<number> m^2/s"' in str(error.value)
    with pytest.raises(MaterialError, match="did you mean youngs_modulus"):
        load_material("LiF").get("young_modulus")


def test_table_has_no_single_value():
    with pytest.raises(MaterialError, match="equilibrium_potential is a table"):
        load_material("Li-In").get("equilibrium_potential").at(298.15)


# ---- overrides and new materials ----


def test_short_override_keeps_activation_energy():
    base = load_material("Li6PS5Cl")
    material = read_material({"ionic_conductivity": "2 mS/cm"}, "materials.Li6PS5Cl", base)
    changed, library = material.get("ionic_conductivity"), base.get("ionic_conductivity")
    assert changed.value == pytest.approx(2e5) and changed.origin == "case"
    assert (changed.source, changed.confidence) == ("case file; activation energy of the library", "user")
    assert changed.activation_energy == library.activation_energy
    assert changed.reference_temperature == 298.15  # what a case states without a temperature holds at 25 degC
    assert changed.range is None
    assert material.get("youngs_modulus") is base.get("youngs_modulus")
    assert (material.name, material.title, material.role, material.law) == (base.name, base.title, base.role, base.law)
    assert base.get("ionic_conductivity").value == pytest.approx(1.95e5)  # the library stays as it was


def test_long_override():
    table = given(value="3 mS/cm", activation_energy="0.3 eV", temperature="303 K", source="my lab")
    material = read_material({"ionic_conductivity": table, "law": "j2"}, "materials.Li6PS5Cl", load_material("Li6PS5Cl"))
    assert material.law == "j2"
    prop = material.get("ionic_conductivity")
    assert prop.activation_energy == pytest.approx(0.3 * FARADAY, rel=1e-9)
    assert (prop.reference_temperature, prop.source, prop.confidence) == (303.0, "my lab", "estimate")


def test_like():
    material = read_material({"like": "Li6PS5Cl", "title": "Mine", "poisson_ratio": 0.3}, 'materials."Mine 1.5"', None)
    assert (material.name, material.title, material.role) == ("Mine 1.5", "Mine", "electrolyte")
    assert material.get("poisson_ratio").value == 0.3
    assert material.get("ionic_conductivity") is load_material("Li6PS5Cl").get("ionic_conductivity")
    assert "materials.X.like = 'Li6PS5CL'" in message({"like": "Li6PS5CL"}) and "Li6PS5Cl" in message({"like": "Li6PS5CL"})
    assert "choose a new name" in message({"like": "LiF"}, load_material("Li6PS5Cl"), "materials.Li6PS5Cl")


def test_new_material_from_scratch():
    material = read_material({"role": "interlayer", "law": "elastic", "youngs_modulus": "5 GPa"}, "materials.X", None)
    assert material.title == "X" and material.get("youngs_modulus").at(350.0) == 5000.0
    assert "materials.X: has no role" in message({"law": "elastic"})
    assert "should be one of elastic, j2, norton, anand" in message({"role": "metal", "law": "plastic"})
    with pytest.raises(MaterialError, match=r"in the case as \[materials.X\] density"):
        material.get("density")


@pytest.mark.parametrize("rows", [[[0.0, "0.65 V"], [0.5, "620 mV"], [1.0, "0.1 V"]], [[0.0, 0.65], [0.5, 0.62], [1.0, 0.1]]])
def test_table(rows):
    unit = {} if isinstance(rows[0][1], str) else {"unit": "V"}
    table = read_material({"equilibrium_potential": {"table": rows, **unit}}, "materials.Li-In", load_material("Li-In"))
    potential = table.get("equilibrium_potential")
    assert potential.value is None and potential.monotone == -1
    assert potential.table == ((0.0, 0.65), (0.5, 0.62), (1.0, 0.1))
    assert [potential.interpolate(x) for x in (-0.1, 0.0, 0.25, 0.5, 0.75, 1.0, 1.2)] == pytest.approx(
        [0.65, 0.65, 0.635, 0.62, 0.36, 0.1, 0.1]
    )


def test_monotone_of_other_tables():
    for rows, monotone in (([[0, 1.0], [1, 2.0]], 1), ([[0, 1.0], [0.5, 3.0], [1, 2.0]], 0)):
        table = new_material(diffusivity=given(table=rows, unit="um^2/s", value=None))
        assert read_material(table, "materials.X", None).get("diffusivity").monotone == monotone
    assert load_material("Li").get("youngs_modulus").monotone == 0
    assert load_material("Li").get("youngs_modulus").interpolate(0.3) == 7820.0


# ---- what is refused ----


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"value": 7.82}, ["youngs_modulus.value = 7.82", "no unit", "MPa"]),
        ({"value": "7.82"}, ["youngs_modulus.value = '7.82'", "no unit"]),
        ({"value": "7.82 V"}, ["youngs_modulus.value = '7.82 V'", "not a pressure"]),
        ({"value": "-1 GPa"}, ["youngs_modulus.value = '-1 GPa'", "should be positive"]),
        ({"value": "1e999 GPa"}, ["finite"]),
        ({"value": None}, ["youngs_modulus: has neither value nor table"]),
        ({"table": [[0, "1 GPa"], [1, "2 GPa"]]}, ["youngs_modulus: has both value and table"]),
        ({"unit": "GPa"}, ["youngs_modulus.unit", "goes with a table only"]),
        ({"sorce": "x"}, ["youngs_modulus.sorce", "did you mean source"]),
        ({"source": " "}, ["youngs_modulus.source", "text"]),
        ({"confidence": "sure"}, ["youngs_modulus.confidence = 'sure'", "verified-in-text"]),
        ({"temperature": "-5 K"}, ["youngs_modulus.temperature", "above 0 K"]),
        ({"temperature": 298}, ["youngs_modulus.temperature = 298", "no unit"]),
        ({"temperature": "0 K", "activation_energy": "0.3 eV"}, ["youngs_modulus.temperature", "above 0 K"]),
        ({"activation_energy": "0.3 V"}, ["youngs_modulus.activation_energy = '0.3 V'", "not a molar energy"]),
        ({"activation_energy": "-0.3 eV"}, ["youngs_modulus.activation_energy = '-0.3 eV'", "zero or positive"]),
        ({"activation_energy": "35 eV"}, ["youngs_modulus.activation_energy = '35 eV'", "at most 500 kJ/mol", "slip of the unit"]),
        ({"range": ["12 GPa", "20 GPa"]}, ["youngs_modulus.range", "does not hold the value"]),
        ({"range": ["20 GPa", "5 GPa"]}, ["youngs_modulus.range", "backwards"]),
        ({"range": "5 GPa"}, ["youngs_modulus.range", "[lowest, highest]"]),
        ({"temperature": None, "activation_energy": "0.3 eV"}, ["youngs_modulus: has no temperature"]),
    ],
)
def test_wrong_property(change, words):
    text = message(new_material(youngs_modulus=given(**change)))
    assert text.startswith("materials.X.properties.youngs_modulus")
    for word in words:
        assert word in text


@pytest.mark.parametrize("missing", ["source", "confidence", "temperature"])
def test_library_file_must_be_complete(missing, tmp_path, monkeypatch):
    entry = given(**{missing: None})
    lines = ['name = "X"', 'role = "interlayer"', 'law = "elastic"', "[properties.youngs_modulus]"]
    (tmp_path / "x.toml").write_text("\n".join(lines + [f'{key} = "{value}"' for key, value in entry.items()]))
    monkeypatch.setattr("interfem.materials._library", lambda: {"X": tmp_path / "x.toml"})
    with pytest.raises(MaterialError, match=f"materials.X.properties.youngs_modulus: has no {missing}"):
        load_material.__wrapped__("X")


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("poisson_ratio", 0.5, "between -1 and 0.5"),
        ("poisson_ratio", -1.0, "between -1 and 0.5"),
        ("poisson_ratio", "0.3", "plain number"),
        ("poisson_ratio", math.nan, "finite"),
        ("transfer_coefficient", 1.0, "between 0 and 1"),
        ("transference_number", 0.0, "above 0 and at most 1"),
        ("transference_number", 1.1, "above 0 and at most 1"),
        ("ionic_conductivity", "0 S/m", "positive"),
        ("creep_exponent", 0.5, "at least 1"),
        ("hardening_modulus", "-1 MPa", "zero or positive"),
        ("creep_activation_energy", "37 MJ/mol", "at most 500 kJ/mol"),
    ],
)
def test_out_of_bounds(name, value, words):
    text = message({name: value}, load_material("Li"), "materials.Li")
    assert text.startswith(f"materials.Li.{name} = ") and words in text


def test_what_may_be_zero_or_negative():
    table = {"reduction_potential": "-0.1 V", "hardening_modulus": "0 MPa", "partial_molar_volume": "0 m^3/mol"}
    material = read_material(table | {"transference_number": 1.0}, "materials.Li", load_material("Li"))
    assert material.get("reduction_potential").value == -0.1


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([[0.0, "0.6 V"]], "two or more rows"),
        ([[0.0, "0.6 V"], [0.5]], "two or more rows"),
        ([[0.5, "0.6 V"], [0.2, "0.5 V"]], "table[1][0] = 0.2: not above 0.5"),
        ([[0.5, "0.6 V"], [0.5, "0.5 V"]], "table[1][0] = 0.5: not above 0.5"),
        ([[0.0, "0.6 V"], [1.5, "0.5 V"]], "table[1][0] = 1.5: c/c_max should lie in [0, 1]"),
        ([[0.0, 0.6], [1.0, 0.5]], "table[0][1] = 0.6 has no unit"),
        ([[0.0, "0.6 V"], [1.0, "0.5 A"]], "table[1][1] = '0.5 A' is not a potential"),
        ([[0.0, "0.6 V"], [1.0, math.inf]], "table[1][1]"),
        ([[math.nan, "0.6 V"], [1.0, "0.5 V"]], "table[0][0]"),
        ([[0.0, "0.6 V"], [0.5, "0.6 V"], [1.0, "0.5 V"]], "fall strictly"),
    ],
)
def test_wrong_table(rows, words):
    text = message({"equilibrium_potential": {"table": rows}}, load_material("Li-In"), "materials.Li-In")
    assert text.startswith("materials.Li-In.equilibrium_potential.table") and words in text


def test_unknown_keys():
    assert "materials.X.youngs_modul: unknown key or property; did you mean youngs_modulus" in message({"youngs_modul": "1 GPa"})
    assert "materials.X.properties.titel: unknown property" in message({"properties": {"titel": "x"}})
    assert "materials.X.properties = 3" in message({"properties": 3})
    assert "materials.X = 3" in message(3)
    assert "materials.X.name = 'Y'" in message({"name": "Y"})
    assert "also stands in" in message({"density": "1 kg/m^3", "properties": {"density": "1 kg/m^3"}})


def test_values_that_contradict_each_other():
    text = message({"initial_concentration": "1e5 mol/m^3"}, load_material("Li-In"), "materials.Li-In")
    assert "materials.Li-In.initial_concentration = 100000 mol/m^3" in text and "above maximum_concentration" in text


def test_every_property_has_a_known_dimension():
    assert set(PROPERTIES.values()) <= set(DIMENSIONS)
