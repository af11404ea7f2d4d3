"""Keys of contact: what does not go together is refused with the remedy."""

import pytest
from test_case import BARE, GONE, changed

from interfem.case import CaseError, parse_case
from interfem.describe import describe_case

PLACE = "interfaces/li|sse/"


def refused(keys: dict, *changes) -> str:
    """The refusal of a bare case with these keys of its interface."""
    with pytest.raises(CaseError) as error:
        parse_case(changed(*((PLACE + key, value) for key, value in keys.items()), *changes))
    return str(error.value)


@pytest.mark.parametrize("keys, words", [
    ({"tangential": "coulomb"}, ("friction", "0.3")),
    ({"tangential": "coulomb", "friction": -0.1}, ("friction", "at least 0")),
    ({"friction": 0.3}, ("friction", "coulomb")),
    ({"adhesion_strength": "1 MPa"}, ("adhesion_strength", "unilateral")),
    ({"contact": "unilateral", "adhesion_energy": "1 J/m^2"}, ("adhesion_energy", "adhesion_strength")),
    ({"contact": "unilateral", "adhesion_strength": "-1 MPa"}, ("adhesion_strength", "at least 0")),
    ({"chi": 0.5}, ("vacancy_charge", "mAh/cm^2")),
    ({"chi": 1.5, "vacancy_charge": "1 mAh/cm^2"}, ("chi", "at most 1")),
    ({"vacancy_charge": "1 mAh/cm^2"}, ("vacancy_charge", "chi")),
    ({"chi": 0.5, "vacancy_charge": "1 mAh/cm^2", "healing_rate": "1 1/s"}, ("healing_rate", "healing_exponent")),
])  # fmt: skip
def test_keys_that_do_not_go_together(keys, words):
    text = refused(keys)
    assert all(word in text for word in words), text


@pytest.mark.parametrize("keys, word", [({"contact": "unilateral"}, "parts"), ({"tangential": "coulomb", "friction": 0.2}, "slides")])
def test_bodies_move_only_with_mechanics(keys, word):
    text = refused(keys, ("mechanics", GONE), ("protocol", BARE["protocol"][1:]))
    assert f"without displacement nothing {word}" in text and "[mechanics]" in text


def test_faces_that_do_not_fit_must_be_able_to_part():
    rough = {"kind": "roughness", "interface": "li|sse", "amplitude": "0.1 um", "wavelength": "10 um", "fits": False}
    assert 'contact = "unilateral"' in refused({}, ("features", [rough]))
    case = parse_case(changed((PLACE + "contact", "unilateral"), ("features", [rough])))
    assert case.interface("li|sse").parts and not case.features[0].fits


def test_contact_is_told():
    keys = {"contact": "unilateral", "tangential": "coulomb", "friction": 0.2, "adhesion_strength": "1 MPa", "chi": 0.1,
            "vacancy_charge": "0.5 mAh/cm^2"}
    text = describe_case(parse_case(changed(*((PLACE + key, value) for key, value in keys.items()))))
    assert all(words in text for words in ("adhesion 1 MPa", "gap of 5 nm", "friction coefficient of 0.2", "0.5 mAh/cm^2"))
