"""Parts of the resistance against closed forms; they add up where current crowds, films resist, salt and stores polarise."""

import math

import pytest
from cases import RT_F, F, build, current, last, layer, resistances, rows

MESH = {"size": "5 um", "interface_size": "2 um"}


def part(row: dict, name: str) -> float:
    return row[f"asr_{name}_ohm_cm2"]


def adds_up(table: list[dict]) -> None:
    """To 0.1 %, wherever a current flows."""
    flowing = [row for row in table if row["asr_ohm_cm2"] is not None]
    assert flowing
    for row in flowing:
        assert sum(resistances(row)) == pytest.approx(row["asr_ohm_cm2"], rel=1e-3)


@pytest.mark.parametrize("counter", ["equipotential", "uniform"])
def test_planar_cell(tmp_path, counter):
    """V05 with a film: L/kappa, (2 RT/F) asinh(i/2i0)/i, r; nothing else."""
    given = {"exchange_current_density": "10 A/m^2", "film_resistance": "5 ohm*cm^2"}
    stack = [layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 20)]
    case = build(stack, [current(-10)], interfaces={"li|sse": given}, mesh=MESH, counter=counter)
    row = last(case, tmp_path)
    wanted = {"bulk": 1.0, "charge_transfer": 1e4 * 2 * RT_F * math.asinh(0.5) / 10, "film": 5.0}
    for name in ("bulk", "constriction", "charge_transfer", "contact", "film", "concentration", "pressure", "reaction"):
        assert part(row, name) == pytest.approx(wanted.get(name, 0.0), rel=1e-6, abs=1e-6)


def test_stripe_without_contact(tmp_path):
    """V03, b/a = 2, a/(kappa Z) = 1: charge transfer Z, and 1.527 Z for lost contact and constriction together."""
    a, kappa = 5e-6, 0.2
    z = a / kappa
    case = build([layer("li", "Li", 2), layer("sse", "Li6PS5Cl", 40)], [current(-10)], interfaces={
        "li|sse": {"kinetics": "linear", "resistance": f"{z * 1e4} ohm*cm^2"}},
        features=[{"kind": "patch", "interface": "li|sse", "outer": "5 um"}],
        mesh={"size": "5 um", "interface_size": "0.5 um", "rim_size": "0.01 um"})  # fmt: skip
    row = last(case, tmp_path)
    adds_up([row])
    assert part(row, "bulk") == pytest.approx(2.0, rel=1e-4)
    assert part(row, "charge_transfer") == pytest.approx(1e4 * z, rel=1e-6)
    assert part(row, "contact") > 1e4 * z * 0.999  # b/(b - a) - 1 = 1 of an even current, more of a crowded one
    assert part(row, "contact") + part(row, "constriction") == pytest.approx(1.527e4 * z, rel=2e-3)


def test_salt(tmp_path):
    """V08: steady across L = 50 um at 2 A/m^2 the concentration takes 2 RT(1 - t+)/F ln(c0/cL) = 36.27 mV, ohm's law L/kappa."""
    salt = {"Salt": {"role": "electrolyte", "law": "elastic", "ionic_conductivity": "0.1 S/m", "salt_diffusivity": "1e-12 m^2/s",
                     "transference_number": 0.2, "initial_concentration": "1000 mol/m^3",
                     "exchange_current_density": "10 A/m^2"}}  # fmt: skip
    stack = [layer("li", "Li", 2), layer("gap", "Salt", 50), layer("li2", "Li", 2)]
    mesh = {"size": "5 um", "interface_size": "1 um"}
    table = rows(build(stack, [current(2, 4000, 25)], materials=salt, width=5, mesh=mesh), tmp_path)
    adds_up(table)
    assert part(table[-1], "concentration") == pytest.approx(1e4 * 36.27e-3 / 2, rel=2e-3)
    assert part(table[-1], "bulk") == pytest.approx(5.0, rel=1e-6)
    assert abs(part(table[-1], "constriction")) < 2e-3


def test_void_under_pressure_with_a_film(tmp_path):
    """A cell of two electrodes with everything that bends the current; the walls of the flaw are at another pressure."""
    features = [{"kind": "void", "interface": "li|sse", "radius": "3 um", "height": "1 um"},
                {"kind": "flaw", "interface": "li|sse", "center": "7 um", "width": "1 um", "depth": "2 um"}]  # fmt: skip
    stack = [layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 15), layer("back", "Li", 3)]
    pressed = {"kind": "pressure", "to": "1 MPa", "duration": "1 s"}
    film = {"li|sse": {"film_resistance": "2 ohm*cm^2"}}
    case = build(stack, [pressed, current(-10, 2, 4)], features=features, mechanics={}, interfaces=film,
                 mesh=MESH | {"rim_size": "0.5 um", "tip_size": "0.5 um"})  # fmt: skip
    table = rows(case, tmp_path)
    adds_up(table)
    row = table[-1]
    assert part(row, "film") > 0 and part(row, "constriction") > 0 and part(row, "pressure") > 0


def test_alloy_and_its_lithium(tmp_path):
    """An alloy under a patch against lithium: parts add up, and what the alloy gives up is where the other electrode has it."""
    stack = [layer("alloy", "Li-In", 5), layer("sse", "Li6PS5Cl", 10), layer("li", "Li", 3)]
    patch = {"kind": "patch", "interface": "alloy|sse", "outer": "3 um"}
    table = rows(build(stack, [current(10, 100, 5)], features=[patch], mesh=MESH), tmp_path)
    adds_up(table)
    first, row = table[0], table[-1]
    moved = 10 * (row["time_s"] - first["time_s"]) / 36000
    assert first["lithium_alloyed_mAh_per_cm2"] - row["lithium_alloyed_mAh_per_cm2"] == pytest.approx(moved, rel=1e-6)
    assert row["lithium_reservoir_mAh_per_cm2"] - first["lithium_reservoir_mAh_per_cm2"] == pytest.approx(moved, rel=1e-6)
    assert row["lithium_total_mAh_per_cm2"] == pytest.approx(first["lithium_total_mAh_per_cm2"], rel=1e-9)


def test_inventory(tmp_path):
    """Reservoirs hold volume F/Omega; what leaves through the counter face of an electrolyte is counted there."""
    case = build([layer("li", "Li", 5), layer("sse", "Li6PS5Cl", 10)], [current(10, 60, 3)], mesh=MESH)
    row = last(case, tmp_path)
    assert row["lithium_beyond_counter_mAh_per_cm2"] == pytest.approx(10 * 60 / 36000, rel=1e-6)
    assert row["lithium_reservoir_mAh_per_cm2"] == pytest.approx((5e-6 * F / 1.3e-5 - 600) / 36000, rel=1e-6)
