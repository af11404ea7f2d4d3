"""Which pairs react, and what is refused: place, value, remedy."""

import pytest

from interfem.case import CaseError, parse_case
from interfem.regions import reactions, used_properties

LI = {"name": "li", "material": "Li", "thickness": "10 um"}
SSE = {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"}
FILM = {"name": "film", "material": "LiF-rich", "thickness": "1 um"}
OWN = {"role": "interlayer", "law": "elastic", "ionic_conductivity": "1 mS/cm", "exchange_current_density": "10 A/m^2",
       "reduction_potential": "0 V"}  # fmt: skip
FLAW = {"kind": "flaw", "interface": "li|film", "width": "0.5 um", "depth": "3 um", "center": "5 um"}


def case(layers, features=(), sei=None, **more):
    tree = {"title": "reactions", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "10 um"},
            "layers": list(layers), "features": list(features), "protocol": [{"kind": "rest", "duration": "1 s"}],
            "sei": {} if sei is None else sei}  # fmt: skip
    return parse_case(tree | more)


def refused(*args, **more) -> str:
    with pytest.raises(CaseError) as error:
        case(*args, **more)
    return str(error.value)


def found(*args, **more) -> dict[str, tuple]:
    """Interface -> (electrolyte that reacts, layers that electrons cross to it)."""
    reacting = reactions(case(*args, **more))
    return {name: (r.electrolyte.name, tuple(region.name for region in r.through)) for name, r in reacting.items()}


def test_what_reacts():
    both = [LI, SSE, LI | {"name": "back"}]
    assert found(both) == {"li|sse": ("sse", ()), "sse|back": ("sse", ())}
    assert found([LI, FILM, SSE]) == {"li|film": ("sse", ("film",))}
    assert found([LI, FILM, FILM | {"name": "second"}, SSE]) == {"li|film": ("sse", ("film", "second"))}
    assert found([LI, SSE, FILM, LI | {"name": "back"}]) == {"li|sse": ("sse", ()), "film|back": ("sse", ("film",))}
    assert found([LI, FILM, SSE], [FLAW]) == {"li|film": ("sse", ("film",)), "flaw|sse": ("sse", ())}


def test_a_mixed_conductor_reacts_at_its_far_face():
    mixed = {"name": "coat", "material": "LGPS-interphase", "thickness": "1 um"}
    assert found([LI, mixed, SSE]) == {"coat|sse": ("sse", ())}


def test_without_the_table_nothing_reacts():
    tree = case([LI, SSE]).input
    tree.pop("sei")
    plain = parse_case(tree)
    assert reactions(plain) == {} and plain.sei is None
    assert "sei_molar_volume" not in used_properties(plain, plain.records["Li6PS5Cl"])
    assert "sei_molar_volume" in used_properties(case([LI, SSE]), plain.records["Li6PS5Cl"])


@pytest.mark.parametrize("layers, more, said", [
    ([LI, SSE | {"material": "Li7P3S11"}], {}, 'sei, at "li|sse": materials.Li7P3S11.sei_molar_volume: not known'),
    ([LI, SSE | {"material": "LTLC"}], {}, 'materials.LTLC.reduction_potential: not known'),
    ([LI, FILM | {"material": "Own"}, SSE], {"materials": {"Own": OWN}}, "materials.Own.electronic_conductivity: not known"),
    ([LI, FILM], {}, "nothing reacts here"),
    ([SSE], {}, "nothing reacts here"),
    ([LI, SSE], {"sei": {"initial_thickness": "-1 nm"}}, "sei.initial_thickness"),
    ([LI, SSE], {"sei": {"initial_thickness": "1 m"}}, "sei.initial_thickness = 1e+06 um: thicker than a layer beside it"),
    ([LI, SSE], {"sei": {"thickness": "1 nm"}}, "sei.thickness: unknown key"),
    ([LI, SSE], {"materials": {"Li6PS5Cl": {"sei_current_fraction": 1.5}}}, "sei_current_fraction"),
])  # fmt: skip
def test_refused(layers, more, said):
    assert said in refused(layers, **more)


def test_volume_is_asked_for_only_with_mechanics():
    material = {"New": {"role": "electrolyte", "law": "elastic", "ionic_conductivity": "1 mS/cm", "reduction_potential": "1 V",
                        "exchange_current_density": "10 A/m^2", "youngs_modulus": "20 GPa", "poisson_ratio": 0.3,
                        "sei_molar_volume": "2e-5 m^3/mol", "sei_electronic_conductivity": "1e-12 S/cm",
                        "sei_ionic_conductivity": "1e-6 S/cm"}}  # fmt: skip
    stack = [LI, SSE | {"material": "New"}]
    assert found(stack, materials=material)
    assert "materials.New.sei_consumed_volume: not known" in refused(stack, materials=material, mechanics={})
