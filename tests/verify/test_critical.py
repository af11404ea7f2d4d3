"""`interfem critical`: the bracket against closed forms, what failed, and that a trial goes on as a whole run does."""

import csv
import json

import pytest
from interfem.case import parse_case
from interfem.cli import main
from interfem.critical import critical
from interfem.run import run

F, OMEGA = 96485.33212, 1.3e-5
ASR = 2 * 5e-3 + 20e-6 / 0.2  # ohm m^2: two interfaces of 50 ohm cm2, 20 um of 2 mS/cm
CELL = {
    "title": "critical", "temperature": "298.15 K", "output": {"figures": False}, "geometry": {"kind": "plane", "width": "10 um"},
    "layers": [{"name": "li", "material": "Li", "thickness": "4 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"},
               {"name": "other", "material": "Li", "thickness": "4 um"}],
    "materials": {"Li6PS5Cl": {"ionic_conductivity": "0.2 S/m"}},
    "interfaces": {name: {"kinetics": "linear", "resistance": "50 ohm*cm^2"} for name in ("li|sse", "sse|other")},
    "mesh": {"size": "10 um", "interface_size": "10 um"}, "mechanics": {"boundaries": {"right": "free"}},
    "limits": {"voltage_above": "0.2 V"},
    "protocol": [{"kind": "pressure", "to": "0.2 MPa", "duration": "1 s", "first_step": "0.5 s", "max_step": "1 s"},
                 {"kind": "current", "value": "1 mA/cm^2", "duration": "100 s", "first_step": "25 s", "max_step": "50 s"}],
}  # fmt: skip


def test_voltage_limit_is_the_mechanism(tmp_path):
    """`i = 0.2 V/ASR` in the bracket; the pressure phase is run once, and a trial is the rest of the whole run: same last numbers."""
    (found,) = critical(parse_case(CELL), tmp_path, 1.0, 200.0, 0.5)
    exact = 0.2 / ASR
    assert found.passed.density < exact <= found.failed.density <= 1.5 * found.passed.density
    assert (found.failed.mode, found.failed.event, found.failed.where) == ("voltage", "voltage_limit", "cell voltage")
    with open(tmp_path / "critical.csv", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(found.trials) == 3
    wanted = run(parse_case(CELL), tmp_path / "whole")
    record = json.loads((tmp_path / found.trials[0].folder / "run.json").read_text(encoding="utf-8"))
    assert record["summary"]["phase"]["min"] == 1 and found.trials[0].density == pytest.approx(10.0)
    for name in ("cell_voltage_V", "collector_displacement_um", "plated_thickness_um", "max_plastic_strain", "interface_max_pressure_MPa"):
        assert record["summary"][name]["last"] == pytest.approx(wanted.last(name), rel=1e-6), name


def test_map_over_temperature_names_lithium(tmp_path, capsys):
    """4 um of lithium last 100 s up to 40 nm/s: exhausted at `i = 40e-9 F/Omega` at any temperature; drawn and tabulated."""
    tree = CELL | {"limits": {}, "protocol": CELL["protocol"][1:]}
    tree.pop("mechanics")
    case = tmp_path / "case.toml"
    case.write_text(toml(tree), encoding="utf-8")
    words = ["critical", str(case), "--from", "25 mA/cm^2", "--to", "40 mA/cm^2", "--tolerance", "0.7", "--temperatures", "25 degC,60 degC",
             "--out", str(tmp_path / "map"), "--quiet"]  # fmt: skip
    with pytest.raises(SystemExit) as status:
        main(words)
    assert status.value.code == 0
    assert capsys.readouterr().out.count("lithium: lithium_exhausted, anode (li)") == 2
    with open(tmp_path / "map" / "map.csv", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    exact = 40e-9 * F / OMEGA / 10
    for row, kelvin in zip(table, (298.15, 333.15)):
        assert float(row["temperature_K"]) == kelvin and row["mode"] == "lithium"
        assert float(row["passed_mA_per_cm2"]) < exact <= float(row["critical_mA_per_cm2"])
    assert (tmp_path / "map" / "map.png").stat().st_size > 1000


@pytest.mark.parametrize("change, words, told", [
    ({"protocol": CELL["protocol"][:1]}, [], 'there is no step of kind "current"'),
    ({"protocol": [*CELL["protocol"], {"kind": "voltage", "value": "0 V", "duration": "1 s"}]}, [], 'a step of kind "voltage" cannot be scaled'),
    ({}, ["--from", "2 mA/cm^2", "--to", "1 mA/cm^2"], "--from = 2"),
    ({}, ["--from", "2 mV"], "--from"),
    ({"protocol": CELL["protocol"][1:]}, ["--pressures", "1 MPa"], "no pressure step on the stack"),
    ({"limits": {"contact_below": 0.5}}, [], "no interface of the case loses contact"),
    ({"limits": {"k_ratio_above": 1.0}}, [], "has no crack front"),
    ({"fracture": {"radius": "1 um"}}, [], "has no crack front"),
])  # fmt: skip
def test_what_cannot_be_searched_is_refused(change, words, told, tmp_path, capsys):
    case = tmp_path / "case.toml"
    case.write_text(toml(CELL | change), encoding="utf-8")
    with pytest.raises(SystemExit) as status:
        main(["critical", str(case), "--out", str(tmp_path / "out"), *words])
    assert status.value.code == 2
    assert told in capsys.readouterr().err


def toml(tree: dict) -> str:
    """A case as TOML: tables inline."""
    def value(item) -> str:
        if isinstance(item, dict):
            return "{" + ", ".join(f"{json.dumps(key)} = {value(entry)}" for key, entry in item.items()) + "}"
        return "[" + ", ".join(map(value, item)) + "]" if isinstance(item, list) else json.dumps(item)

    return "\n".join(f"{key} = {value(item)}" for key, item in tree.items())
