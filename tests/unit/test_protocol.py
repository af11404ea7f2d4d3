"""Protocols: what their steps ask for, what is refused before solving, and how steps are counted into cycles."""

import copy
import csv
import json
import math
import tomllib
from types import SimpleNamespace

import pytest

from interfem.at_rest import holdings, rest_voltage
from interfem.case import CaseError, case_schema, load_case, parse_case
from interfem.describe import describe_case
from interfem.materials import library_folder
from interfem.observe.cycles import Cycles
from interfem.protocol import flat_steps

BARE = tomllib.loads((library_folder().parent / "cases" / "bare.toml").read_text())
LI, SSE = {"name": "li", "material": "Li", "thickness": "5 um"}, {"name": "sse", "material": "Li6PS5Cl", "thickness": "20 um"}
ALLOY, REAR = {"name": "alloy", "material": "Li-In", "thickness": "5 um"}, LI | {"name": "rear"}


def tree(protocol: list, layers=(LI, SSE, REAR), **more) -> dict:
    return {"title": "t", "temperature": "298.15 K", "geometry": {"kind": "plane", "width": "10 um"}, "layers": list(layers),
            "protocol": protocol} | more  # fmt: skip


def case(protocol: list, layers=(LI, SSE, REAR), **more):
    return parse_case(tree(protocol, layers, **more))


def message(protocol: list, layers=(LI, SSE, REAR), **more) -> str:
    with pytest.raises(CaseError) as error:
        parse_case(tree(protocol, layers, **more), "x.toml")
    return str(error.value)


def only(step: dict):
    (plain,) = flat_steps(case([step]).protocol)
    return plain


CURRENT = {"kind": "current", "value": "10 A/m^2", "duration": "1 s"}
RAMP = {"kind": "ramp", "from": "-1 mA/cm^2", "to": "3 mA/cm^2", "duration": "4 s"}
STAIRS = {"kind": "staircase", "start": "0.1 mA/cm^2", "increment": "0.2 mA/cm^2", "times": 2, "areal_charge": "0.01 mAh/cm^2"}
HEAT = {"kind": "temperature", "to": "60 degC", "duration": "1 h"}
CV = {"kind": "voltage", "value": "10 mV", "duration": "1 h", "until_current_below": "0.1 mA/cm^2"}
PROFILE = {"kind": "profile", "points": "time [h],current density [mA/cm^2]\n0,0\n1,1\n3,-1\n"}


# ---- what the steps ask for ----


def test_ramp():
    step = only(RAMP)
    assert [step.density(t) for t in (0, 1, 4)] == pytest.approx([-10, 0, 30])
    assert step.knots == pytest.approx((1, 4)) and step.charge == pytest.approx(40) and step.span == pytest.approx((-10, 30))
    assert only(RAMP | {"from": "1 mA/cm^2"}).knots == (4,)


def test_linear_profile():
    step = only(PROFILE)
    assert step.length == 10800 and step.density(1800) == pytest.approx(5) and step.density(7200) == pytest.approx(0, abs=1e-12)
    assert step.knots == pytest.approx((3600, 7200, 10800)) and step.charge == pytest.approx(18000)
    assert step.step_after(7200) == math.inf and 0 < step.step_after(3600) < 100


def test_profile_in_steps():
    """Each row holds until the next; a time step that ends at a jump still has the load before it."""
    step = only(PROFILE | {"interpolation": "step"})
    assert [step.density(t) for t in (1, 3600, 3601, 10800)] == pytest.approx([0, 0, 10, 10])
    assert step.knots == (3600, 10800) and step.jumps and step.charge == pytest.approx(72000) and step.span == (0, 10)


def test_staircase_opens_out():
    steps = list(flat_steps(case([STAIRS | {"rest": "5 s", "until_voltage_above": "1 V", "max_step": "3 s"}]).protocol))
    assert [step.kind for step in steps] == ["current", "rest"] * 4
    assert [step.value for step in steps[::2]] == pytest.approx([1, -1, 3, -3])
    assert [step.length for step in steps] == pytest.approx([360, 5, 360, 5, 120, 5, 120, 5])
    assert [step.until for step in steps[::2]] == [(("voltage", 1.0, 1),), ()] * 2 and steps[0].max_step == 3
    first = next(flat_steps(case([STAIRS | {"start": "-0.1 mA/cm^2", "increment": "-0.1 mA/cm^2"}]).protocol))
    assert first.value == pytest.approx(-1)


def test_temperature_and_taper():
    step = only(HEAT)
    assert (step.to, step.length, step.density(5.0), step.charge) == (pytest.approx(333.15), 3600, 0, 0)
    taper = only(CV)
    assert taper.until == (("current", pytest.approx(1), -1),) and math.isnan(taper.charge)


@pytest.mark.parametrize("header", ["time_s,current_density_A_per_m2", "time [s],current density [A/m^2]",
                                    "Time (s) , current (A/m2)", "current_density_A_per_m2,voltage_V,time_s"])  # fmt: skip
def test_headers_of_a_profile(header):
    swapped = header.startswith("current")
    text = "# from the cycler\n\n" + header + ("\n10,x,0\n-5,,2\n" if swapped else "\n0,10\n2,-5\n")
    times, values = only({"kind": "profile", "points": text}).table
    assert (times.tolist(), values.tolist()) == ([0, 2], [10, -5])


def test_units_of_a_profile():
    times, values = only({"kind": "profile", "points": "time_min,current_density_mA_per_cm2\n0,1\n1.5,2\n"}).table
    assert times == pytest.approx([0, 90]) and values == pytest.approx([10, 20])


def test_profile_beside_the_case_file(tmp_path):
    """Found relative to the case file, also inside a repeat; its numbers, not its name, decide the hash; the record has them."""
    text = '[[protocol]]\nkind = "repeat"\ntimes = 2\nsteps = [{kind = "profile", file = "data/p.csv"}]\n'
    whole = (library_folder().parent / "cases" / "bare.toml").read_text()
    (tmp_path / "data").mkdir()
    (tmp_path / "case.toml").write_text(whole[: whole.index("[[protocol]]")] + text)
    file = tmp_path / "data" / "p.csv"
    file.write_text("\ufefftime_s,current_density_A_per_m2\n0,1\n10,2\n")
    loaded = load_case(tmp_path / "case.toml")
    step = loaded.protocol[0].steps[0]
    assert step.charge == pytest.approx(15)
    resolved = json.loads(json.dumps(loaded.resolved()))
    assert set(resolved["protocol"][0]["steps"][0]) == {"kind", "points", "interpolation"}
    again = copy.deepcopy(tree(resolved["protocol"]))
    assert parse_case(again).protocol[0].steps[0].charge == pytest.approx(15)
    file.write_text("time_s,current_density_A_per_m2\n0,1\n10,2.001\n")
    assert load_case(tmp_path / "case.toml").hash != loaded.hash
    assert "2 rows from 0.1 mA/cm^2 to 0.2001 mA/cm^2 in 10 s" in describe_case(load_case(tmp_path / "case.toml"))


def test_resolved_protocol_reads_back():
    steps = [HEAT, RAMP, STAIRS, CV, PROFILE]
    found = case(steps)
    resolved = json.loads(json.dumps(found.resolved()["protocol"]))
    assert resolved[1] == {"kind": "ramp", "from": "-1 mA/cm^2", "to": "3 mA/cm^2", "duration": "4 s"}
    assert case(resolved).hash == found.hash
    assert max(map(len, describe_case(found).splitlines())) <= 120
    assert "from" in case_schema()["$defs"]["RampStep"]["properties"]


# ---- what is refused: the key's path, the value, the remedy ----

CSV = "time_s,current_density_A_per_m2\n"


def points(text: str) -> dict:
    return {"kind": "profile", "points": text}


WRONG_STEPS = [
    (HEAT | {"to": "60 K"}, "protocol[0].to = '60 K': should be at least 150 K"),
    ({"kind": "temperature", "duration": "1 s"}, 'protocol[0].to is missing; give it, for example to = "298.15 K"'),
    ({"kind": "ramp", "to": "1 A/m^2", "duration": "1 s"}, 'protocol[0].from is missing; give it, for example from = "1 mA/'),
    (RAMP | {"form": "1 A/m^2"}, 'protocol[0].form: unknown key (did you mean "from"?)'),
    (RAMP | {"to": "-1 mA/cm^2"}, "protocol[0].to = '-1 mA/cm^2' is the same as `from`; use kind"),
    (CV | {"until_current_below": "0 mA/cm^2"}, "protocol[0].until_current_below = '0 mA/cm^2': should be greater than 0"),
    (CURRENT | {"until_current_below": "1 mA/cm^2"}, "protocol[0].until_current_below: unknown key"),
    (STAIRS | {"start": "0 mA/cm^2"}, "protocol[0].start = '0 mA/cm^2' is zero"),
    (STAIRS | {"increment": "0 mA/cm^2"}, "protocol[0].increment = '0 mA/cm^2' does not lead away from zero; give it the sign"),
    (STAIRS | {"increment": "-1 mA/cm^2"}, "protocol[0].increment = '-1 mA/cm^2' does not lead away from zero"),
    (STAIRS | {"times": 0}, "protocol[0].times = 0: should be at least 1"),
    ({"kind": "profile"}, "protocol[0]: give one of `file` and `points`"),
    ({"kind": "profile", "file": "no.csv"}, "protocol[0].file = 'no.csv' cannot be read as text; correct the path"),
    ({"kind": "profile", "file": 3}, "protocol[0].file = 3: should be text in quotes"),
    (points(""), "protocol[0]: profile `points`: is empty; its first line should read"),
    (points(CSV + "0,1\n"), "has 1 row(s) of numbers; give at least 2, the first at time 0"),
    (points("0,1\n1,2\n"), 'row 1 has no column of time: "0,1"; write one, as in'),
    (points("time_s,time_h\n0,1\n1,2\n"), "row 1 has several columns of time"),
    (points("time_s,amps\n0,1\n1,2\n"), "row 1 has no column of current density"),
    (points("time,current_A_per_m2\n0,1\n1,2\n"), 'row 1, column "time": it has no unit; write for example "time [s]"'),
    (points("time [s],current [mA]\n0,1\n1,2\n"), 'row 1, column "current [mA]": unit "mA" is not one of current density'),
    (points(CSV + "0,1\n1,x\n"), "row 3, column \"current_density_A_per_m2\" = 'x': should be a finite number"),
    (points(CSV + "0,1\n1\n"), "row 3, column \"current_density_A_per_m2\" = '': should be a finite number"),
    (points(CSV + "0,1\ninf,2\n"), "row 3, column \"time_s\" = 'inf': should be a finite number"),
    (points(CSV + "1,1\n2,2\n"), 'row 2, column "time_s" = 1 s: the first time should be 0'),
    (points(CSV + "0,1\n\n2,1\n2,3\n"), 'row 5, column "time_s": 2 s does not come after 2 s; times rise strictly'),
    (CURRENT | {"until_voltage_below": "0.1 V"},
     "protocol[0].until_voltage_below = 0.1 V can never be met: a positive current strips the anode"),
    (CURRENT | {"value": "-10 A/m^2", "until_voltage_above": "0.1 V"},
     "protocol[0].until_voltage_above = 0.1 V can never be met: a negative current plates the anode"),
    (RAMP | {"from": "0 A/m^2", "until_voltage_below": "-1 V"}, "protocol[0].until_voltage_below = -1 V can never be met"),
    (CURRENT | {"until_voltage_above": "0 V"},
     "protocol[0].until_voltage_above = 0 V is not above the voltage at which the cell rests at first, 0 V, so that the"),
    (RAMP | {"until_voltage_below": "10 mV"}, "protocol[0].until_voltage_below = 0.01 V is not below the voltage at which"),
    (STAIRS | {"until_voltage_above": "-1 V"}, "protocol[0].until_voltage_above = -1 V is not above the voltage"),
]  # fmt: skip


@pytest.mark.parametrize(("step", "words"), WRONG_STEPS)
def test_wrong_step(step, words):
    text = message([step])
    assert words in text and len(text.splitlines()) == 1
    assert "protocol[0].steps[0]" in message([{"kind": "repeat", "times": 2, "steps": [step]}])


def test_limits_that_are_passed_at_rest():
    text = message([CURRENT], [ALLOY, SSE, REAR], limits={"voltage_above": "0.5 V"})
    assert "limits.voltage_above = 0.5 V is not above the voltage at which the cell rests at first, 0.62 V, so that" in text
    assert "limits.voltage_below = 0 V is not below" in message([CURRENT], limits={"voltage_below": "0 V"})
    text = message([CURRENT], [LI, SSE, ALLOY], limits={"voltage_above": "-0.7 V"})
    assert "limits.voltage_above = -0.7 V is not above" in text
    own = {"li|sse": {"equilibrium_potential": "0.2 V"}}
    assert "rests at first, 0.2 V" in message([CURRENT], interfaces=own, limits={"voltage_above": "0.1 V"})


def test_more_lithium_than_there_is():
    """5 um of lithium are 1.03 mAh/cm^2; of Li-In, 5 um from half full to empty 0.284 mAh/cm^2."""
    strip = {"kind": "current", "value": "1 mA/cm^2", "areal_charge": "0.6 mAh/cm^2"}
    plate = strip | {"value": "-1 mA/cm^2"}
    much = strip | {"areal_charge": "1.1 mAh/cm^2"}
    text = message([much])
    assert "protocol[0].areal_charge = 1.1 mAh/cm^2 is more than the anode gives at all, 1.030" in text
    assert "is more than the counter gives at all" in message([much | {"value": "-1 mA/cm^2"}])
    assert "protocol[1].areal_charge = 0.6 mAh/cm^2 after 0.6 mAh/cm^2 the same way" in message([strip, strip])
    steps = [strip | {"areal_charge": "0.01 mAh/cm^2"}, {"kind": "rest", "duration": "1 s"}]
    repeat = {"kind": "repeat", "times": 1000, "steps": steps}
    assert "protocol[0].steps[0].areal_charge" in message([repeat])
    assert "the anode gives at all, 0.28" in message([strip], [ALLOY, SSE])
    assert "the anode takes at all, 0.28" in message([plate], [ALLOY, SSE])
    assert "the counter takes at all, 0.28" in message([strip], [LI, SSE, ALLOY | {"name": "rear"}])


def test_what_may_end_early_is_not_refused():
    """A cap by charge beside a voltage, a duration, a limit of the run, lithium that was plated before: all are in order."""
    much = {"kind": "current", "value": "1 mA/cm^2", "areal_charge": "1.1 mAh/cm^2"}
    plate = much | {"areal_charge": "0.5 mAh/cm^2", "value": "-1 mA/cm^2"}
    for protocol in ([much | {"until_voltage_above": "1 V"}], [plate, much],
                     [CURRENT | {"duration": "100 h"}], [CV, much]):  # fmt: skip
        assert case(protocol)
    assert case([much], limits={"voltage_above": "1 V"})
    assert case([CURRENT | {"until_voltage_above": "1 V", "until_voltage_below": "-1 V"}])
    half = much | {"areal_charge": "0.6 mAh/cm^2"}
    assert case([half | {"until_voltage_above": "1 V"}, half]), "the first may have stripped next to nothing"
    later = CURRENT | {"until_voltage_above": "-10 mV"}
    assert case([CURRENT | {"value": "-10 A/m^2"}, later]), "a voltage relaxes from below"
    assert case([much | {"value": "-1 mA/cm^2"}], [LI, SSE]), "lithium without end behind the counter face"


def test_pressure_leaves_room_around_the_rest_voltage():
    press = {"kind": "pressure", "to": "5 MPa"}
    assert case([press, CURRENT | {"until_voltage_above": "0 V"}], mechanics={})
    assert "until_voltage_above" in message([press, CURRENT | {"until_voltage_above": "-2 mV"}], mechanics={})


def test_rest_voltage_and_holdings():
    alloy = case([CURRENT], [ALLOY, SSE])
    low, high = rest_voltage(alloy)
    assert low == pytest.approx(0.62, abs=1e-4) and high - low < 6e-3 and rest_voltage(alloy, filled=False) == (0.34, 1.2)
    give, take = holdings(case([CURRENT]), "counter")
    assert give == pytest.approx(5e-6 / 1.3e-5 * 96485.33, rel=1e-6) and take == math.inf
    give, take = holdings(alloy, "anode")
    assert take == pytest.approx((42.43e3 - 21.2e3) * 96485.33 * 5e-6) and holdings(alloy, "counter") is None


def test_caution_about_limits_beyond_the_table():
    step = CURRENT | {"until_voltage_above": "2 V"}
    text = " ".join(describe_case(case([step], [ALLOY, SSE])).split())
    assert "until_voltage_above = 2 V: the equilibrium voltage stays within 0.34 V and 1.2 V" in text
    assert "stays within" not in describe_case(case([step]))


# ---- counting ----


def run(path, steps) -> tuple[list[dict], list[dict]]:
    """Columns of each step and rows of cycles.csv; steps: (duration s, current A/m^2, voltage V), each of its own kind."""
    cycles, columns, time, charge = Cycles(path), [], 0.0, 0.0
    for n, (dt, current, voltage, *more) in enumerate(steps):
        time, charge = time + dt, charge + dt * current / 36000
        scalars = {"current_density_A_per_m2": current, "areal_charge_mAh_per_cm2": charge, "cell_voltage_V": voltage,
                   "overpotential_V": voltage - 0.5}  # fmt: skip
        event, kind = (*more, "", "current")[:2] if more else ("", "current")
        columns.append(cycles.add(SimpleNamespace(scalars=scalars, time=time, dt=dt, phase=n, kind=kind, event=event, last=True)))
    cycles.close("completed")
    if not path.exists():
        return columns, []
    with open(path, newline="", encoding="utf-8") as file:
        table = list(csv.DictReader(file))
    return columns, [{k: v if k.endswith("_by") else float(v or "nan") for k, v in row.items()} for row in table]


def test_cycles_are_counted(tmp_path):
    """Rests do not count; the first current, here plating, gives the sign with which cycles begin."""
    plate, pause = (36, -10, 0.4), (3, 0, 0.5)
    steps = [(5, 0, 0.5), plate, pause, (36, -5, 0.3), (36, 12, 0.6, "voltage_reached"), pause, plate]
    columns, (first, second) = run(tmp_path / "cycles.csv", steps)
    assert [c["cycle"] for c in columns] == [1, 1, 1, 1, 1, 1, 2]
    assert columns[0]["plated_mAh_per_cm2"] == 0 and math.isnan(columns[3]["coulombic_efficiency"])
    assert columns[4]["coulombic_efficiency"] == columns[5]["coulombic_efficiency"] == pytest.approx(0.8)
    assert [first["start_s"], first["end_s"], second["start_s"], second["end_s"]] == [5, 116, 119, 155]
    assert first["plated_mAh_per_cm2"] == pytest.approx(0.015) and first["stripped_mAh_per_cm2"] == pytest.approx(0.012)
    assert first["plating_mean_voltage_V"] == pytest.approx((0.4 * 10 + 0.3 * 5) / 15)
    assert first["hysteresis_V"] == pytest.approx(0.6 - 5.5 / 15) and first["max_overpotential_V"] == pytest.approx(0.2)
    assert first["plating_energy_mWh_per_cm2"] == pytest.approx(-0.0055), "it delivers"
    assert first["energy_efficiency"] == pytest.approx(0.0055 / 0.0072)
    assert (first["plating_ended_by"], first["stripping_ended_by"]) == ("charge", "voltage_reached")
    assert second["cycle"] == 2 and math.isnan(second["coulombic_efficiency"]) and second["stripping_ended_by"] == ""


def test_a_half_of_several_steps_ends_as_its_last_one(tmp_path):
    steps = [(1, 9, 1, "voltage_reached"), (1, 5, 1, "current_reached", "voltage"), (1, -9, 0, "", "voltage")]
    _, (row,) = run(tmp_path / "c.csv", steps)
    assert (row["stripping_ended_by"], row["plating_ended_by"]) == ("current_reached", "time")


def test_no_current_no_table(tmp_path):
    columns, found = run(tmp_path / "c.csv", [(1, 0, 0.5), (1, 1e-12, 0.5)])
    assert not found and columns[-1]["cycle"] == 1 and math.isnan(columns[-1]["coulombic_efficiency"])
    mechanics = SimpleNamespace(scalars={"stack_pressure_MPa": 1.0})
    assert Cycles(tmp_path / "d.csv").add(mechanics) == {}


def test_numbers_of_the_table_are_finite_or_empty(tmp_path):
    run(tmp_path / "c.csv", [(1, 9, 1)])
    assert "nan" not in (tmp_path / "c.csv").read_text()
