"""The studies that are shipped: all members of all of them are valid cases; one of them is run in part."""

import csv
import tomllib

import pytest

from interfem.materials import library_folder
from interfem.study import run_study
from interfem.study.axes import toml_text
from interfem.study.plan import make_plan

STUDIES = library_folder().parent / "studies"
FILES = sorted(STUDIES.glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_all_members_are_valid_and_the_file_says_what_is_asked(path):
    plan = make_plan(path)
    wanted = plan.file.optimise.runs if plan.file.optimise else len(plan.members)
    assert wanted > 1 and len({member.hash for member in plan.members}) == len(plan.members)
    assert len(plan.file.outputs) > 0
    first = path.read_text(encoding="utf-8").splitlines()[0]
    assert first.startswith("# ") and "?" in first
    case = (path.parent / plan.file.case).read_text(encoding="utf-8")
    assert case.startswith("# ")


def test_one_is_run(tmp_path):
    """Two of the films that are screened: Li3N costs little at the start, LiF-rich h/kappa = 50 ohm cm2; both hold the reaction back."""
    tree = tomllib.loads((STUDIES / "screening.toml").read_text(encoding="utf-8"))
    (axis,) = tree["axes"]
    kept = [axis["labels"].index(name) for name in ("Li3N", "LiF-rich")]
    axis |= {"labels": [axis["labels"][n] for n in kept], "values": [axis["values"][n] for n in kept]}
    tree["case"] = str(STUDIES / tree["case"])
    parts = [(key, part) for key in ("axes", "figures") for part in tree[key]]
    tables = "".join(f"[[{key}]]\n" + "".join(f"{k} = {toml_text(v)}\n" for k, v in part.items()) for key, part in parts)
    path = tmp_path / "screening.toml"
    path.write_text("".join(f"{key} = {toml_text(tree[key])}\n" for key in ("title", "case", "outputs")) + tables, encoding="utf-8")
    outcome = run_study(path, tmp_path / "runs" / "screening", jobs=1)
    assert outcome.counts == {"completed": 2} and [figure.name for figure in outcome.figures] == ["screening.png"]
    with open(outcome.folder / "study.csv", newline="", encoding="utf-8") as file:
        good, poor = csv.DictReader(file)
    bare = 2 * 0.6  # ohm cm2, about what charge transfer takes beside 30 um of electrolyte
    assert float(good["fresh_asr_ohm_cm2"]) < 10 * bare
    assert float(poor["fresh_asr_ohm_cm2"]) - float(good["fresh_asr_ohm_cm2"]) == pytest.approx(50 / 0.9, rel=0.1)  # a tenth lost
    for row in (good, poor):
        assert float(row["aged_asr_ohm_cm2"]) >= float(row["fresh_asr_ohm_cm2"])
        assert 0 < float(row["lithium_in_sei_mAh_per_cm2"]) < 0.03  # 100 h without a film
    assert float(poor["lithium_in_sei_mAh_per_cm2"]) < float(good["lithium_in_sei_mAh_per_cm2"])
