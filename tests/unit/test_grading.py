"""Gradings: their course, what is refused, and the round trip through the resolved case."""

import copy
import json
import tomllib

import jsonschema
import numpy as np
import pytest

from interfem.case import CaseError, case_schema, parse_case
from interfem.gradings import read_gradings
from interfem.materials import library_folder

BARE = tomllib.loads((library_folder().parent / "cases" / "bare.toml").read_text())
STEEP = {"ionic_conductivity": {"from": "1e-6 S/cm", "to": "1e-3 S/cm", "law": "exponential"}}


def tree(grading, layer=1, **more) -> dict:
    found = copy.deepcopy(BARE) | more
    found["layers"][layer]["grading"] = grading
    return found


def message(grading, layer=1, **more) -> str:
    with pytest.raises(CaseError) as error:
        parse_case(tree(grading, layer, **more), "c")
    return str(error.value)


def test_courses():
    s = np.array([0.0, 0.25, 0.5, 1.0])
    linear = read_gradings({"youngs_modulus": {"from": "1 GPa", "to": "5 GPa"}})["youngs_modulus"]
    assert linear.at(s) == pytest.approx([1000, 2000, 3000, 5000])
    steep = read_gradings(STEEP)["ionic_conductivity"]
    assert steep.at(s) == pytest.approx([1e2, 1e2 * 10**0.75, 1e2 * 10**1.5, 1e5])
    table = read_gradings({"poisson_ratio": {"table": [[0, 0.1], [0.5, 0.3], [1, 0.2]]}})["poisson_ratio"]
    assert table.at(s) == pytest.approx([0.1, 0.2, 0.3, 0.2])
    assert table.at(np.array([-1e-12, 1 + 1e-12])) == pytest.approx([0.1, 0.2])


def test_elements_through_the_thickness():
    def elements(entry):
        return read_gradings({"ionic_conductivity": entry})["ionic_conductivity"].elements

    assert elements({"from": "1 S/m", "to": "2 S/m"}) == 8
    assert elements({"from": "1 S/m", "to": "1e-6 S/m", "law": "exponential"}) == 20  # 2^20 = 1.05e6
    assert elements({"table": [[0, "1 S/m"], [0.1, "2 S/m"], [1, "3 S/m"]]}) == 20


def test_resolved_case_reads_back():
    table = {"youngs_modulus": {"table": [[0, "20 GPa"], [0.3, "25 GPa"], [1, "30 GPa"]]}}
    case = parse_case(tree(STEEP | table | {"poisson_ratio": {"from": 0.2, "to": 0.3}}))
    resolved = json.loads(json.dumps(case.resolved()))["layers"]
    assert resolved[1]["grading"]["ionic_conductivity"] == {"from": "0.001 mS/cm", "to": "1 mS/cm", "law": "exponential"}
    again = parse_case(BARE | {"layers": resolved})
    assert again.resolved()["layers"] == resolved
    assert case.hash != parse_case(BARE).hash


def test_schema_knows_gradings():
    jsonschema.validate(tree(STEEP), case_schema())
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(tree({"ionic_conductivity": {"from": "1 S/m"}}), case_schema())


@pytest.mark.parametrize(("grading", "place", "words"), [
    ({"ionic_conductivty": {"from": "1 S/m", "to": "2 S/m"}}, "ionic_conductivty", "did you mean ionic_conductivity"),
    ({"ionic_conductivity": {"from": "1 S/m", "to": "-2 S/m"}}, "ionic_conductivity.to = '-2 S/m'", "should be positive"),
    ({"ionic_conductivity": {"from": "1 MPa", "to": "2 S/m"}}, "ionic_conductivity.from = '1 MPa'", "not a conductivity"),
    ({"ionic_conductivity": {"from": 1, "to": "2 S/m"}}, "ionic_conductivity.from = 1", "no unit"),
    ({"ionic_conductivity": {"from": "1 S/m"}}, "ionic_conductivity.to is missing", "such as"),
    ({"ionic_conductivity": {"from": "1 S/m", "to": "2 S/m", "low": 1}}, "ionic_conductivity.low", "known: from, to"),
    ({"ionic_conductivity": {"from": "1 S/m", "to": "2 S/m", "law": "cubic"}}, "ionic_conductivity.law = 'cubic'", "linear"),
    ({"ionic_conductivity": "1 S/m"}, "ionic_conductivity = '1 S/m'", "should be a table"),
    ({"poisson_ratio": {"from": -0.1, "to": 0.2, "law": "exponential"}}, "poisson_ratio.to = 0.2", "one sign"),
    ({"poisson_ratio": {"from": 0.2, "to": 0.6}}, "poisson_ratio.to = 0.6", "between -1 and 0.5"),
    ({"poisson_ratio": {"table": [[0, 0.2], [0, 0.3], [1, 0.2]]}}, "poisson_ratio.table[1][0] = 0", "sort the rows"),
    ({"poisson_ratio": {"table": [[0, 0.2], [1.5, 0.3]]}}, "poisson_ratio.table[1][0] = 1.5", "[0, 1]"),
    ({"poisson_ratio": {"table": [[0.1, 0.2], [1, 0.3]]}}, "poisson_ratio.table[0][0] = 0.1", "should be 0"),
    ({"poisson_ratio": {"table": [[0, 0.2], ["0.5", 0.3], [1, 0.2]]}}, "poisson_ratio.table[1][0]", "plain number"),
    ({"poisson_ratio": {"table": [[0, 0.2]]}}, "poisson_ratio.table", "two or more rows"),
    ({"poisson_ratio": {"from": 0.2, "table": []}}, "poisson_ratio", "a table says all"),
    ({"yield_stress": {"from": "1 MPa", "to": "2 MPa"}}, "yield_stress", "nothing reads it inside layer"),
    ({"molar_volume": {"from": "1 cm^3/mol", "to": "2 cm^3/mol"}}, "molar_volume", "nothing reads it inside layer"),
])  # fmt: skip
def test_refused(grading, place, words):
    found = message(grading)
    assert f"c: layers[1].grading.{place}" in found and words in found, found
    assert "\n" not in found


def test_grading_needs_a_table():
    assert "layers[1].grading" in message("steep") and "should be a table" in message("steep")


def test_a_table_in_the_filling_is_not_graded():
    layers = copy.deepcopy(BARE["layers"])
    layers[0] |= {"material": "Li-Sn", "grading": {"diffusivity": {"from": "1e-14 m^2/s", "to": "2e-14 m^2/s"}}}
    with pytest.raises(CaseError, match="layers.0..grading.diffusivity: Li-Sn has a table in c/c_max"):
        parse_case(BARE | {"layers": layers})
