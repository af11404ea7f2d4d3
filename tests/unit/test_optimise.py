"""Searches and sensitivities on a cell whose resistance is known: L/kappa + h/kappa_film + RT/(F i0), through runs of the product."""

import csv
import json
import math
import os
import time
from pathlib import Path

import numpy as np
import pytest
from matplotlib.image import imread

from interfem.cli import main
from interfem.study import StudyError, run_study
from interfem.study.engine import Ended, Job, Local
from interfem.study.optimum import front
from interfem.study.plan import make_plan

RT_F = 8.314462618 * 298.15 / 96485.33212  # V
KAPPA, KAPPA_FILM = 0.2, 1e-3  # S/m
CASE = f"""
title = "A film on lithium"
temperature = "298.15 K"
geometry = {{kind = "plane", width = "4 um"}}
layers = [{{name = "li", material = "Li", thickness = "4 um"}}, {{name = "film", material = "LiF-rich", thickness = "1 um"}},
          {{name = "sse", material = "Li6PS5Cl", thickness = "8 um"}}]
mesh = {{size = "8 um", interface_size = "4 um"}}
protocol = [{{kind = "current", value = "1e-4 mA/cm^2", duration = "10 s", first_step = "10 s", max_step = "10 s"}}]
materials.Li6PS5Cl.ionic_conductivity = "{KAPPA} S/m"
materials.LiF-rich.ionic_conductivity = "{KAPPA_FILM} S/m"
"""
HEAD = """
title = "Search"
case = "case.toml"
outputs = ["asr_ohm_cm2", {column = "asr_charge_transfer_ohm_cm2", name = "kinetic"}, {column = "asr_bulk_ohm_cm2", name = "ohmic"}]
"""
FILM = '[[axes]]\nname = "film"\nkey = "layers.film.thickness"\nlog = {from = "10 nm", to = "1 um"}\n'
CELL = '[[axes]]\nname = "cell"\nkey = "layers.sse.thickness"\nlinear = {from = "4 um", to = "20 um"}\n'
KINETICS = '[[axes]]\nname = "kinetics"\nkey = "interfaces.\\"li|film\\".exchange_current_density"\n'
LISTED = KINETICS + 'values = ["1 mA/cm^2", "5 mA/cm^2", "20 mA/cm^2"]\n'
RANGED = KINETICS + 'linear = {from = "4 mA/cm^2", to = "20 mA/cm^2"}\n'
WIDE = FILM.replace("log", "linear").replace("1 um", "1.2 um") + CELL.replace("20 um", "100 um") + RANGED
SEARCH = '[optimise]\nmaximise = "ohmic"\nconstraints = [{output = "asr_ohm_cm2", below = 10}]\nruns = 14\nbatch = 3\nseed = 2\n'


def resistance(row: dict) -> float:
    """ohm cm2"""
    ohmic = 1e4 * (float(row["cell_um"]) * 1e-6 / KAPPA + float(row["film_nm"]) * 1e-9 / KAPPA_FILM)
    return ohmic + 1e3 * RT_F / float(row["kinetics_mA_per_cm2"])


def run_here(engine: Local, jobs: list[Job]):
    """The engine of these tests: the command of each member, in this process, since to start one takes longer than to run it."""
    for job in jobs:
        job.folder.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        with pytest.raises(SystemExit) as end, open(job.folder / "output.txt", "w"):
            main(list(job.command[job.command.index("run") :]))
        yield Ended(job, end.value.code, time.monotonic() - began)


@pytest.fixture(scope="module", autouse=True)
def here():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Local, "run", run_here)
        yield


def write(folder: Path, text: str, name: str = "study") -> Path:
    (folder / "case.toml").write_text(CASE)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "study.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def best(folder: Path) -> dict:
    return json.loads((folder / "optimum.json").read_text())


def shown(path: Path) -> bool:
    picture = imread(path)[:, :, :3]
    return picture.shape[0] > 300 and 0.01 < (picture.min(axis=2) < 0.9).mean() < 0.5


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("search")
    return folder, run_study(write(folder, HEAD + SEARCH + FILM + CELL + LISTED), folder / "runs" / "whole", jobs=1)


def test_a_search_closes_in_on_its_optimum_within_its_constraint(searched):
    """The most of ohmic resistance with less than 10 ohm cm2 in all is 10 - RT/(F 20 mA/cm2) = 8.72, of fast kinetics."""
    folder, outcome = searched
    rows, found = table(folder / "runs" / "whole"), best(folder / "runs" / "whole")
    assert outcome.exit_status == 0 and outcome.counts == {"completed": 14}
    for row in rows:
        assert float(row["asr_ohm_cm2"]) == pytest.approx(resistance(row), rel=1e-6)
        assert float(row["violation"]) == pytest.approx(max(resistance(row) / 10 - 1, 0), abs=1e-6)
    kept = [row for row in rows if resistance(row) < 10]
    assert found["runs"] == {"asked": 14, "judged": 14, "feasible": len(kept), "without_numbers": 0, "failed": 0}
    top = max(kept, key=lambda row: float(row["ohmic"]))
    (entry,) = found["best"]
    assert entry["member"] == int(top["member"]) and [row["member"] for row in rows if row["optimal"] == "1"] == [top["member"]]
    assert entry["margins"] == {"asr_ohm_cm2 below 10": pytest.approx(1 - resistance(top) / 10, abs=1e-6)}
    assert 5 < entry["outputs"]["ohmic"] < 10 - 1e3 * RT_F / 20
    late, early = ([abs(resistance(row) - 10) for row in part] for part in (rows[8:], rows[:8]))
    assert np.median(late) < np.median(early)  # what it learnt
    told = "\n".join(outcome.told)
    assert f"{len(kept)} of 14 runs keep all constraints" in told and f"member {top['member']}: film_nm" in told
    assert {"history.png", "search.png"} <= {path.name for path in outcome.figures} and all(map(shown, outcome.figures))


def test_a_search_takes_the_same_course_again_and_goes_on_where_it_was_ended(searched):
    folder, _ = searched
    whole = folder / "runs" / "whole"
    before = {path: os.stat(path).st_mtime_ns for path in (folder / "runs" / "store").glob("*/member.json")}
    text = HEAD + SEARCH + FILM + CELL + LISTED
    run_study(write(folder, text, "again"), folder / "runs" / "again", jobs=1)  # all its runs are in the store
    assert {path: os.stat(path).st_mtime_ns for path in (folder / "runs" / "store").glob("*/member.json")} == before
    assert [row["hash"] for row in table(folder / "runs" / "again")] == [row["hash"] for row in table(whole)]
    run_study(write(folder, text.replace("runs = 14", "runs = 6"), "part"), folder / "runs" / "part", jobs=1)
    assert len(table(folder / "runs" / "part")) == 6
    run_study(write(folder, text, "part"), folder / "runs" / "part", jobs=1)
    assert [row["hash"] for row in table(folder / "runs" / "part")] == [row["hash"] for row in table(whole)]
    assert best(folder / "runs" / "part")["best"] == best(whole)["best"]
    run_study(write(folder, text.replace("runs = 14", "runs = 1").replace("seed = 2", "seed = 3"), "other"), folder / "runs" / "other", jobs=1)
    assert table(folder / "runs" / "other")[0]["hash"] != table(whole)[0]["hash"]


def test_an_interrupted_batch_is_asked_again(tmp_path, monkeypatch):
    def interrupted(engine, jobs):
        for count, ended in enumerate(run_here(engine, jobs)):
            yield ended
            if count == 0:
                raise KeyboardInterrupt

    text = HEAD + SEARCH.replace("runs = 14", "runs = 3") + FILM + CELL + LISTED
    path = write(tmp_path, text)
    with monkeypatch.context() as patch:
        patch.setattr(Local, "run", interrupted)
        assert run_study(path, tmp_path / "runs" / "cut", jobs=1).counts == {"completed": 1, "waiting": 2}
    assert run_study(path, tmp_path / "runs" / "cut", jobs=1).counts == {"completed": 3}


def test_several_objectives_give_a_front(searched, tmp_path):
    """Less resistance of the film and a thicker cell: every point is a trade-off of the two, but for the kinetics."""
    text = HEAD + '[optimise]\nminimise = ["asr_ohm_cm2", "kinetic"]\nmaximise = "ohmic"\nruns = 8\npopulation = 4\nbatch = 4\n' + FILM + LISTED
    outcome = run_study(write(tmp_path, text), tmp_path / "runs" / "front", jobs=1)
    rows = table(tmp_path / "runs" / "front")
    costs = [(float(row["asr_ohm_cm2"]), float(row["kinetic"]), -float(row["ohmic"])) for row in rows]
    kept = {n for n, a in enumerate(costs) if not any(all(x <= y for x, y in zip(b, a)) and b != a for b in costs)}
    assert {n for n, row in enumerate(rows) if row["optimal"] == "1"} == kept
    assert {entry["member"] - 1 for entry in best(tmp_path / "runs" / "front")["best"]} == kept
    assert {"pareto1.png", "pareto2.png", "pareto3.png", "history.png", "search.png"} <= {path.name for path in outcome.figures}


def test_fronts():
    assert front([(1, 5), (2, 2), (3, 3), (5, 1), (2, 2)]) == [0, 1, 3]
    assert front([(2.0,), (1.0,)]) == [1] and front([]) == []


def test_runs_that_fail_or_are_cut_short_are_never_the_best(tmp_path):
    """A film of 1 um makes the roof of the bulge turn over; a limit of the voltage ends thick films."""
    text = HEAD + '[optimise]\nmaximise = "ohmic"\nruns = 4\nbatch = 4\n'
    text += '[[axes]]\nname = "film"\nkey = ["layers.film.thickness", "limits", "features"]\nlabels = ["thin", "thick", "broken"]\nvalues = [\n'
    rough = '[{kind = "roughness", interface = "film|sse", shape = "sinusoidal", amplitude = "3.9 um", wavelength = "4 um"}]'
    text += f'["10 nm", {{}}, []], ["100 um", {{voltage_above = "1 nV"}}, []], ["8 um", {{}}, {rough}]]\n'
    outcome = run_study(write(tmp_path, text), tmp_path / "runs" / "bad", jobs=1)
    rows, found = table(tmp_path / "runs" / "bad"), best(tmp_path / "runs" / "bad")
    kinds = {row["film"]: row["status"] for row in rows}
    assert kinds == {"thin": "completed", "thick": "stopped", "broken": "failed"} and outcome.exit_status == 3
    assert {entry["parameters"]["film"] for entry in found["best"]} == {"thin"}
    assert found["runs"]["failed"] == sum(row["film"] == "broken" for row in rows)
    assert found["runs"]["without_numbers"] == sum(row["film"] == "thick" for row in rows)


def test_a_search_without_a_solution_names_the_nearest(tmp_path):
    text = HEAD + '[optimise]\nminimise = "ohmic"\nconstraints = [{output = "kinetic", below = 1e-3}]\nruns = 3\nbatch = 3\n' + KINETICS
    outcome = run_study(write(tmp_path, text + 'values = ["1 mA/cm^2", "20 mA/cm^2"]\n'), tmp_path / "runs" / "none", jobs=1)
    found = best(tmp_path / "runs" / "none")
    assert found["best"] == [] and found["nearest"]["parameters"]["kinetics_mA_per_cm2"] == 20
    assert "none keeps the constraints; nearest:" in "\n".join(outcome.told)


@pytest.mark.parametrize("old, new, told", [
    ('maximise = "ohmic"', 'maximise = "omic"', "optimise.maximise[0]: no output of the study is called 'omic' (did you mean \"ohmic\"?)"),
    ('maximise = "ohmic"', "", "minimise or maximise is missing"),
    (", below = 10", "", "below or above is missing"),
    ("runs = 14", "runs = 0", "runs"),
    ("runs = 14", "runs = 500", "more than its limit of 200"),
    ('to = "1 um"}', 'to = "1 um", count = 3}', "leave out `count`"),
    ('to = "20 um"', 'to = "-20 um"', "layers[2].thickness"),
    ("[optimise]", '[sample]\nmethod = "lhs"\ncount = 4\n[optimise]', "does not go with [optimise]"),
])  # fmt: skip
def test_what_is_wrong_with_a_search_is_told_before_anything_runs(tmp_path, old, new, told):
    text = HEAD + SEARCH + FILM + CELL + LISTED
    assert old in text
    with pytest.raises(StudyError) as error:
        make_plan(write(tmp_path, text.replace(old, new, 1)))
    assert told.replace("`", "") in str(error.value).replace("`", "")


# ---- sensitivity ----------------------------------------------------------------------------------------------------------


CELL_AND_KINETICS = (1e4 * 96e-6 / KAPPA) ** 2 / 12, (1e3 * RT_F) ** 2 * (1 / (4 * 20) - (math.log(5) / 16) ** 2)  # variances
SAMPLED = '[sample]\nmethod = "sobol"\ncount = 16\n'


def shares() -> np.ndarray:
    """Of the variance of the resistance: film, cell, kinetics; a sum of three, so that first order and total agree."""
    film = (1e4 * 1.19e-6 / KAPPA_FILM) ** 2 / 12
    return np.array([film, *CELL_AND_KINETICS]) / (film + sum(CELL_AND_KINETICS))


def sensitivities(folder: Path) -> dict[tuple[str, str], dict[str, str]]:
    with open(folder / "sensitivity.csv", newline="", encoding="utf-8") as file:
        return {(row["output"], row["parameter"]): row for row in csv.DictReader(file)}


@pytest.fixture(scope="module")
def sampled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sampled")
    text = HEAD + SAMPLED + '[sensitivity]\noutputs = ["asr_ohm_cm2", "kinetic"]\n' + WIDE
    return folder, run_study(write(folder, text, "fitted"), folder / "runs" / "fitted", jobs=1)


def test_indices_by_a_surrogate_of_runs_are_those_of_the_closed_form(sampled):
    folder, outcome = sampled
    found = sensitivities(folder / "runs" / "fitted")
    for name, share in zip(("film", "cell", "kinetics"), shares()):
        row = found["asr_ohm_cm2", name]
        assert float(row["first"]) == pytest.approx(share, abs=0.03) and float(row["total"]) == pytest.approx(share, abs=0.03)
        assert row["from"] == "surrogate" and float(row["explained"]) > 0.97
        assert float(found["kinetic", name]["total"]) == pytest.approx(float(name == "kinetics"), abs=0.03)
    assert shown(folder / "runs" / "fitted" / "figures" / "sensitivity.png")
    assert any("asr_ohm_cm2 moves with film 0.7" in line for line in outcome.told)


def test_indices_from_the_design_of_saltelli_are_those_of_the_closed_form_at_its_points(tmp_path):
    text = HEAD + '[sample]\nmethod = "saltelli"\ncount = 2\n[sensitivity]\noutputs = ["asr_ohm_cm2"]\n' + WIDE
    run_study(write(tmp_path, text), tmp_path / "runs" / "direct", jobs=1)
    rows, found = table(tmp_path / "runs" / "direct"), sensitivities(tmp_path / "runs" / "direct")
    a, b, *swapped = np.array([resistance(row) for row in rows]).reshape(5, 2)
    variance = np.var(np.concatenate([a, b]))
    for name, there in zip(("film", "cell", "kinetics"), swapped):
        row = found["asr_ohm_cm2", name]
        assert row["from"] == "members" and row["explained"] == ""
        assert float(row["total"]) == pytest.approx(0.5 * np.mean((a - there) ** 2) / variance, rel=1e-4)
        assert float(row["first"]) == pytest.approx(np.mean((b - np.mean([a, b])) * (there - a)) / variance, rel=1e-4, abs=1e-5)
    assert [rows[n]["cell_um"] for n in (4, 5)] == [rows[n]["cell_um"] for n in (0, 1)]  # the film alone is that of B
    assert [rows[n]["film_nm"] for n in (4, 5)] == [rows[n]["film_nm"] for n in (2, 3)]


def test_what_moves_an_optimum(sampled):
    """The thickest film within 12 ohm cm2 is (12 ohm cm2 - L/kappa - RT/(F i0)) kappa_film: kinetics and cell move it as they do ASR."""
    folder, _ = sampled
    text = HEAD + SAMPLED + '[sensitivity]\noutputs = ["ohmic"]\n' + WIDE
    text += '[sensitivity.optimum]\nchoose = ["film"]\nmaximise = "ohmic"\nconstraints = [{output = "asr_ohm_cm2", below = 12}]\n'
    run_study(write(folder, text, "moved"), folder / "runs" / "moved", jobs=1)
    found = sensitivities(folder / "runs" / "moved")
    for name, variance in zip(("cell", "kinetics"), CELL_AND_KINETICS):
        assert float(found["best film_nm", name]["total"]) == pytest.approx(variance / sum(CELL_AND_KINETICS), abs=0.04)
    middle = (12 - 1e4 * 52e-6 / KAPPA - 1e3 * RT_F * math.log(5) / 16) * KAPPA_FILM / 1e4 * 1e9
    assert float(found["best film_nm", "cell"]["median"]) == pytest.approx(middle, rel=0.05)


@pytest.mark.parametrize("text, told", [
    ('outputs = ["asr"]\n', "sensitivity.outputs[0]: no output of the study is called 'asr'"),
    ('optimum = {choose = ["flim"], minimise = "ohmic"}\n', "no axis is called 'flim' (did you mean \"film\"?)"),
    ('optimum = {choose = ["film", "kinetics"], minimise = "ohmic"}\n', "leaves no axis to be uncertain"),
    ('optimum = {choose = ["film"], minimise = ["ohmic", "kinetic"]}\n', "has one objective only"),
    ("", "the design of Saltelli is for ranges alone"),
])  # fmt: skip
def test_what_is_wrong_with_a_sensitivity_is_told(tmp_path, text, told):
    method = "saltelli" if not text else "sobol"
    study = HEAD + f'[sample]\nmethod = "{method}"\ncount = 4\n[sensitivity]\n{text}' + FILM + (RANGED if text else LISTED)
    with pytest.raises(StudyError) as error:
        make_plan(write(tmp_path, study))
    assert told in str(error.value).replace("`", "")
