"""Which failure comes first in a run, how near one came that had none, and the map of a study that shows it."""

import math

import numpy as np
import pytest
from test_study import HEAD, THICK, write

from interfem.critical import Trial, told
from interfem.failures import STANDARD, Limit, colours, outcome, verdict
from interfem.observe.record import versions
from interfem.study import StudyError, charts
from interfem.study.plan import make_plan
from interfem.study.study import doubts

TIME = np.array([1.0, 2.0, 4.0])
WEAK = Limit("contact", "contact_fraction", below=0.5)


@pytest.mark.parametrize("scalars, events, limits, first, when", [
    ({"K_I_over_K_IC[left]": [0.2, 0.8, 1.2], "K_I_over_K_IC[right]": [0.5, 1.5, 2.0]}, [], STANDARD, "fracture[right]", 1.5),
    ({"K_I_over_K_IC[left]": [0.2, 0.8, 1.2]}, [(2.5, "voltage_limit")], STANDARD, "voltage_limit", 2.5),
    ({"K_I_over_K_IC[left]": [0.2, 0.8, 1.2]}, [(3.5, "contact_lost")], STANDARD, "fracture[left]", 3.0),
    ({"lithium_dead_mAh_per_cm2": [0.0, 0.0, 1e-3]}, [], STANDARD, "dead lithium", 2.0),
    ({"contact_fraction": [1.0, math.nan, 0.25]}, [(1.0, "void_closed[left]")], (WEAK, *STANDARD), "contact", 3.0),
    ({"K_I_over_K_IC": [1.1, 1.2, 1.3]}, [], STANDARD, "fracture", 1.0),
], ids=["two flaws", "event first", "limit first", "dead", "of the study", "from the start"])  # fmt: skip
def test_what_comes_first(scalars, events, limits, first, when):
    found = verdict(TIME, {name: np.array(values) for name, values in scalars.items()}, events, limits)
    assert (found.first, found.time) == (first, pytest.approx(when))


def test_how_near_a_run_came_that_nothing_ended():
    columns = {"K_I_over_K_IC[flaw]": np.array([0.1, 0.3, 0.2]), "contact_fraction": np.array([1.0, 0.8, 0.9]), "lithium_dead_mAh_per_cm2": np.zeros(3)}
    found = verdict(TIME, columns, [(2.0, "void_closed")], (WEAK, *STANDARD))
    assert (found.first, found.nearest, found.share) == ("", "contact", pytest.approx(0.5 / 0.8))
    assert verdict(TIME, {}, [], STANDARD).nearest == "" and math.isnan(verdict(TIME, {}, [], STANDARD).time)


def test_what_fails_with_the_jump_of_the_current_fails_at_once():
    assert told(Trial(10.0, "voltage", "voltage_limit", "cell voltage", 1.016e-11)) == "voltage: voltage_limit, cell voltage, at once"
    assert told(Trial(10.0, "voltage", "voltage_limit", "cell voltage", 2.5)).endswith("after 2.5 s")


def test_outcomes_have_a_colour_each():
    rows = [{"status": "stopped", "event": "void_closed[a]", "event_time_s": 3.0}, {"status": "completed", "failure": "fracture[a]", "failure_time_s": 1.0},
            {"status": "completed", "failure": "fracture[b]", "failure_time_s": 1.0}, {"status": "failed", "failure": None}]  # fmt: skip
    named = [outcome(row) for row in rows]
    assert named == [("void closed, a", 3.0), ("fracture, a", 1.0), ("fracture, b", 1.0), ("failed", None)]
    assert len(set(colours(name for name, _ in named).values())) == 4


FIRST = """
outputs = ["asr_ohm_cm2"]
[[failures]]
name = "overpotential"
column = "overpotential_V"
above = 0.1
[[axes]]
name = "current"
key = "protocol[0].value"
values = ["1 mA/cm^2", "3 mA/cm^2"]
[[figures]]
kind = "failures"
x = "thickness"
by = "current"
"""


def test_a_map_of_what_fails_first(tmp_path):
    plan = make_plan(write(tmp_path, HEAD + FIRST + THICK + 'values = ["5 um", "20 um"]\n'))
    assert [limit.name for limit in plan.file.limits] == ["overpotential", "fracture", "dead lithium"]
    names = {"current_mA_per_cm2": (1.0, 3.0), "thickness_um": (5.0, 20.0)}
    endings = [("completed", None, math.nan, 0.34), ("stopped", "contact_lost", 90.0, 0.2), ("completed", "fracture[flaw]", 1200.0, 1.5), ("waiting", None, None, None)]
    rows = [dict(zip(names, place)) | {"status": status, "failure": failure, "failure_time_s": when, "share_of_limit": share}
            for place, (status, failure, when, share) in zip(((1.0, 5.0), (1.0, 20.0), (3.0, 5.0), (3.0, 20.0)), endings)]  # fmt: skip
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_marked", lambda box, *_: drawn.append(box))
        assert len(charts.draw_figures(plan, rows, tmp_path / "figures")) == 1
    (box,) = drawn
    assert [text.get_text() for text in box.texts] == ["34 %", "90 s", "20 min", ""] and len(box.patches) == 4


@pytest.mark.parametrize("change, words", [
    (("above = 0.1", ""), "failures[0].above or `below`"), (("above = 0.1", "above = 0.1\nbelow = 0.1"), "failures[0].above"),
    (('by = "current"', ""), 'figures[0].by is missing for kind = "failures"'), (('kind = "failures"\n', ""), "figures[0].y is missing"),
    (('by = "current"', 'by = "current"\ny = "asr_ohm_cm2"'), "figures[0].y"),
], ids=["no limit", "two limits", "no axis", "lines", "a value"])  # fmt: skip
def test_wrong_tables_are_refused(change, words, tmp_path):
    text = HEAD + FIRST.replace(*change) + THICK + 'values = ["5 um", "20 um"]\n'
    with pytest.raises(StudyError) as error:
        make_plan(write(tmp_path, text))
    assert words in str(error.value), str(error.value)


def test_a_limit_on_a_column_that_no_run_has_is_told(tmp_path):
    plan = make_plan(write(tmp_path, HEAD + FIRST.replace('"overpotential_V"', '"overpotentiel_V"') + THICK + 'values = ["5 um", "20 um"]\n'))
    row = {"status": "completed", "asr_ohm_cm2": 4.0, "overpotential_V": 0.1, "K_I_over_K_IC[flaw]": 0.2, "interfem": versions().get("interfem")}
    assert list(doubts(plan, [row])) == ["failures[0]: no run has a column 'overpotentiel_V' (did you mean \"overpotential_V\"?)"]
