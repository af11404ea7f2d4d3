"""Studies: what a study file makes of a case, and small real runs that are shared, isolated, resumed, gathered and drawn."""

import csv
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import duckdb
import numpy as np
import pytest
from matplotlib.colors import to_hex
from matplotlib.image import imread

from interfem.case import load_case
from interfem.figures.data import Run
from interfem.materials import load_material
from interfem.restart import saved_state
from interfem.study import StudyError, charts, engine, read_status, run_study
from interfem.study.engine import cores, environment, launched, own_mpirun
from interfem.study.file import EngineTable, Output
from interfem.study.gather import value_of
from interfem.study.plan import make_plan
from interfem.study.site import settled

CASE = """
title = "Lithium on argyrodite"
temperature = "298.15 K"
geometry = {kind = "plane", width = "4 um"}
layers = [{name = "li", material = "Li", thickness = "4 um"}, {name = "sse", material = "Li6PS5Cl", thickness = "8 um"}]
mesh = {size = "4 um", interface_size = "4 um"}
protocol = [{kind = "current", value = "1 mA/cm^2", duration = "10 s", first_step = "10 s", max_step = "10 s"}]
materials.Li6PS5Cl.ionic_conductivity = "0.2 S/m"
"""
HEAD = 'title = "Study"\ncase = "case.toml"\n'
THICK = '[[axes]]\nname = "thickness"\nkey = "layers.sse.thickness"\n'
# the second shape of the interface turns elements over
GRID = HEAD + """
outputs = ["asr_ohm_cm2", {column = "overpotential_V", reduce = "max"}, {event = "voltage_limit"}]
[[axes]]
name = "thickness"
key = ["layers.sse.thickness", "features"]
values = [["8 um", []], ["16 um", []], ["12 um",
  [{kind = "roughness", interface = "li|sse", shape = "sinusoidal", amplitude = "3.9 um", wavelength = "4 um"}]]]
labels = ["8", "16", "rough"]
[[figures]]
x = "thickness"
y = ["asr_ohm_cm2", "overpotential_V_max"]
name = "lines"
[[figures.reference]]
label = "closed form"
source = "V05"
x = [0, 1]
y = [1.21, 1.61]
"""


def write(folder: Path, text: str, name: str = "study") -> Path:
    (folder / "case.toml").write_text(CASE)
    path = folder / f"{name}.toml"
    path.write_text(text)
    return path


def table(folder: Path) -> list[dict[str, str]]:
    with open(folder / "study.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def stamps(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob("*/member.json")}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    """A finished study with one member that fails; (its files' folder, what it left)."""
    folder = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        yield folder, run_study(write(folder, GRID), folder / "runs" / "grid")


def test_members_are_run_and_gathered_and_a_failed_one_is_isolated(done):
    folder, outcome = done
    rows = table(folder / "runs" / "grid")
    assert [row["status"] for row in rows] == ["completed", "completed", "failed"]
    assert float(rows[1]["asr_ohm_cm2"]) - float(rows[0]["asr_ohm_cm2"]) == pytest.approx(8e-6 / 0.2 * 1e4, rel=1e-6)
    assert float(rows[0]["overpotential_V_max"]) == pytest.approx(float(rows[0]["asr_ohm_cm2"]) * 1e-3, rel=1e-6)
    assert rows[0]["voltage_limit_time_s"] == "" and float(rows[0]["time_s"]) == 10 and float(rows[0]["wall_s"]) > 0
    assert "turned over" in rows[2]["reason"] and rows[2]["asr_ohm_cm2"] == ""
    assert outcome.exit_status == 3 and outcome.counts == {"completed": 2, "failed": 1}
    assert outcome.failed[0][:2] == ("3", "thickness = rough") and "turned over" in outcome.failed[0][2]
    assert len(list((folder / "runs" / "grid" / "members").glob("*/run.json"))) == 2
    assert read_status(folder / "runs" / "grid").counts == outcome.counts


def test_parquet_holds_the_same_with_types(done):
    folder, _ = done
    rows = table(folder / "runs" / "grid")
    found = duckdb.read_parquet(str(folder / "runs" / "grid" / "study.parquet")).fetchnumpy()
    assert list(found) == list(rows[0]) and found["hash"][0] == rows[0]["hash"]
    assert np.allclose(found["asr_ohm_cm2"][:2].astype(float), [float(row["asr_ohm_cm2"]) for row in rows[:2]])


@pytest.mark.parametrize("values", [[f"film {n}" for n in range(13)], list(range(13))], ids=["names", "numbers"])
def test_many_lines_are_told_apart(values):
    """Names by colour, mark and dash, of which no two pairs are the same; numbers by a colour scale."""
    styles = [(to_hex(colour), mark, dash) for colour, (mark, dash) in charts._styles(values)]
    assert len(set(styles)) == len(values)
    assert (len({mark for _, mark, _ in styles}) > 1) == isinstance(values[0], str)


@pytest.mark.parametrize("log", ['["x", "y", "by"]', "[]"])
def test_a_map_is_drawn_over_axes_of_each_kind(log, tmp_path):
    """Every place of a small grid is marked, and its number told; what one run is without is left out."""
    text = (HEAD + 'outputs = ["asr_ohm_cm2"]\n' + THICK + 'values = ["5 um", "20 um"]\n[[axes]]\nname = "current"\n'
            'key = "protocol[0].value"\nvalues = ["0.2 mA/cm^2", "1 mA/cm^2", "3 mA/cm^2"]\n'
            f'[[figures]]\nname = "map"\nkind = "map"\nx = "thickness"\nby = "current"\ny = ["asr_ohm_cm2"]\nlog = {log}\n')
    plan = make_plan(write(tmp_path, text))
    across, up = (track.column for track in plan.tracks)
    rows = [{across: x, up: y, "asr_ohm_cm2": x * y if x * y < 60 else None, "status": "completed", "event": ""} for x in (5, 20) for y in (0.2, 1, 3)]
    drawn = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(charts, "_references", lambda box, _: drawn.append(box))
        assert [path.name for path in charts.draw_figures(plan, rows, tmp_path / "figures")] == ["map.png"]
    (box,) = drawn
    assert [t.get_text() for t in box.get_xticklabels()] == ["5", "20"] and [t.get_text() for t in box.get_yticklabels()] == ["0.2", "1", "3"]
    assert sorted(float(t.get_text()) for t in box.texts) == [1, 4, 5, 15, 20]
    assert box.get_xscale() == box.get_yscale() == ("linear" if log == "[]" else "log")


def test_figures_show_something(done):
    _, outcome = done
    assert [path.name for path in outcome.figures] == ["lines.png"]
    picture = imread(outcome.figures[0])[:, :, :3]
    assert picture.shape[0] > 400 and 0.02 < (picture.min(axis=2) < 0.9).mean() < 0.5


def test_a_rerun_runs_only_what_is_missing_and_other_studies_share_equal_runs(done):
    folder, _ = done
    before = stamps(folder / "runs" / "store")
    other = HEAD + 'outputs = ["asr_ohm_cm2"]\n' + THICK + 'values = ["0.008 mm", "24 um", "16 um"]\n'
    outcome = run_study(write(folder, other, "other"), folder / "runs" / "other")
    after = stamps(folder / "runs" / "store")
    assert outcome.counts == {"completed": 3} and outcome.exit_status == 0
    assert {key: after[key] for key in before} == before and len(after) == len(before) + 1
    run_study(folder / "study.toml", folder / "runs" / "grid")
    assert stamps(folder / "runs" / "store") == after
    run_study(folder / "study.toml", folder / "runs" / "grid", retry=True)
    again = stamps(folder / "runs" / "store")
    assert len([key for key in after if again[key] != after[key]]) == 1


@pytest.mark.skipif(cores() < 2, reason="needs two cores")
def test_ranks_do_not_matter(done, tmp_path):
    folder, _ = done
    study = HEAD + 'outputs = ["asr_ohm_cm2"]\n' + THICK + 'values = ["16 um"]\n'
    assert run_study(write(tmp_path, study), tmp_path / "runs" / "two", ranks=2).exit_status == 0
    one, two = table(folder / "runs" / "grid")[1], table(tmp_path / "runs" / "two")[0]
    assert two["ranks"] == "2" and two["hash"] == one["hash"]
    assert float(two["asr_ohm_cm2"]) == pytest.approx(float(one["asr_ohm_cm2"]), rel=1e-10)


def test_an_interrupt_ends_the_runs_and_keeps_the_table(tmp_path):
    write(tmp_path, HEAD + THICK + 'values = ["3 um", "5 um", "7 um"]\n')
    words = [sys.executable, "-m", "interfem.cli", "study", "study.toml", "--jobs", "1"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts what runs in its background deaf to interrupts
    process = subprocess.Popen(words, cwd=tmp_path, text=True, **pipes)
    signal.signal(signal.SIGINT, heard)
    until = time.monotonic() + 60
    while not list(tmp_path.glob("runs/study/running/*/output.txt")) and time.monotonic() < until:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, told = process.communicate(timeout=60)
    assert process.returncode == 3 and "3 waiting" in out and "interrupted" in told and "Traceback" not in told
    assert [row["status"] for row in table(tmp_path / "runs" / "study")] == ["waiting"] * 3
    left = [_words(path) for path in Path("/proc").glob("[0-9]*")]
    assert not [words for words in left if str(tmp_path) in words] and all(map(saved_state, tmp_path.glob("runs/study/running/*")))


def test_an_interrupt_while_a_run_is_being_started_ends_that_run_too(tmp_path, monkeypatch):
    """It comes when the process is there, but not known yet."""
    begun, words = [], (sys.executable, "-c", "import time; time.sleep(60)")
    started = engine.start

    def interrupted(*given):
        begun.append(started(*given))
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.2)
        return begun[0]

    monkeypatch.setattr(engine, "start", interrupted)
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    with pytest.raises(KeyboardInterrupt):
        list(engine.Local(1, 1).run([engine.Job("a", words, tmp_path / "a")]))
    signal.signal(signal.SIGINT, heard)
    assert begun[0].poll() is not None


def test_what_was_cut_off_goes_on_from_its_checkpoint_after_a_signal_and_after_cancel(tmp_path):
    """The run ends by SIGTERM from elsewhere, then by `study cancel`; at last it is whole, in one piece."""
    write(tmp_path, HEAD + 'set = ["protocol[0].duration=4 s", "protocol[0].first_step=1 ms", "protocol[0].max_step=1 ms"]\n' + AXIS
          + 'values = ["9 um"]\n')  # fmt: skip
    words = [sys.executable, "-m", "interfem.cli", "study"]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "cwd": tmp_path, "text": True}

    def begun(steps: int, *more: str) -> tuple[subprocess.Popen, int]:
        """The study, and its run once it has made steps."""
        study, until = subprocess.Popen([*words, "study.toml", *more], **pipes), time.monotonic() + 120
        while time.monotonic() < until:
            if [path for path in tmp_path.glob("runs/study/running/*/scalars.csv") if path.read_bytes().count(b"\n") > steps]:
                return study, next(int(path.name) for path in Path("/proc").glob("[0-9]*") if "cli run" in _words(path).replace("\0", " ")
                                   and str(tmp_path) in _words(path))  # fmt: skip
            time.sleep(0.02)
        raise AssertionError(study.communicate(timeout=60))

    study, run = begun(5)
    os.kill(run, signal.SIGTERM)
    out, _ = study.communicate(timeout=60)
    assert study.returncode == 3 and "failed: ended by signal 15, with a checkpoint; --retry goes on from there" in out
    [store] = (tmp_path / "runs" / "store").glob("*")
    first = (store / "scalars.csv").read_bytes().count(b"\n")
    study, _ = begun(first, "--retry")
    told = subprocess.run([*words, "cancel", "runs/study"], timeout=120, **pipes)
    assert told.returncode == 0 and "1 waiting" in told.stdout and study.wait(timeout=60) == 3
    done = subprocess.run([*words, "study.toml"], timeout=120, **pipes)
    assert done.returncode == 0, done.stdout + done.stderr
    [row] = table(tmp_path / "runs" / "study")
    with open(store / "scalars.csv", newline="", encoding="utf-8") as file:
        steps = [int(row["step"]) for row in csv.DictReader(file)]
    restarts = [entry["step"] for entry in json.loads((store / "run.json").read_text())["restarts"]]
    assert row["status"] == "completed" and steps == list(range(1, len(steps) + 1)) and len(restarts) == 2
    assert first - 1 == restarts[0] < restarts[1] < len(steps)


def _words(process: Path) -> str:
    """State, command and folder of a process; nothing of one that has ended."""
    try:
        if "State:\tZ" in (process / "status").read_text():
            return ""
        return f"{(process / 'cmdline').read_bytes().decode()} {os.readlink(process / 'cwd')}"
    except OSError:
        return ""


# ---- plans ------------------------------------------------------------------------------------------------------------


def test_grids_span_their_ranges_and_multiply(tmp_path):
    text = HEAD + THICK + 'log = {from = "1 um", to = "0.1 mm", count = 3}\n'
    text += '[[axes]]\nkey = "protocol[0].value"\nname = "current"\nlinear = {from = "0 mA/cm^2", to = "10 A/m^2", count = 2}\n'
    text = text.replace('"0 mA/cm^2"', '"0.5 mA/cm^2"')
    plan = make_plan(write(tmp_path, text))
    assert plan.parameters == ["thickness_um", "current_mA_per_cm2"]
    assert [tuple(m.shown.values()) for m in plan.members] == [(1, 0.5), (1, 1), (10, 0.5), (10, 1), (100, 0.5), (100, 1)]
    assert load_case(plan.case, plan.members[4].overrides).layers[1].thickness == pytest.approx(100)
    assert len({m.hash for m in plan.members}) == 6


@pytest.mark.parametrize("method", ["lhs", "sobol"])
def test_samples_cover_ranges_evenly_and_again_by_their_seed(method, tmp_path):
    text = HEAD + f'[sample]\nmethod = "{method}"\ncount = 16\nseed = 3\n' + THICK + 'log = {from = "1 um", to = "100 um"}\n'
    text += '[[axes]]\nkey = "materials.Li6PS5Cl.youngs_modulus"\nuncertain = true\n'
    text += '[[axes]]\nkey = "layers.li.thickness"\nvalues = ["4 um", "6 um"]\n'
    plan, again = (make_plan(write(tmp_path, text)) for _ in range(2))
    assert [m.hash for m in plan.members] == [m.hash for m in again.members] and len(plan.members) == 32
    low, high = load_material("Li6PS5Cl").get("youngs_modulus").range
    for column, start, end, log in (("thickness_um", 1, 100, True), ("Li6PS5Cl.youngs_modulus_MPa", low, high, False)):
        values = np.array([m.shown[column] for m in plan.members[:16]])
        u = np.log(values / start) / np.log(end / start) if log else (values - start) / (end - start)
        assert sorted(np.floor(16 * u).astype(int)) == list(range(16))


def test_an_uncertain_property_keeps_its_temperature_and_activation(tmp_path):
    text = HEAD + '[sample]\nmethod = "lhs"\ncount = 2\n[[axes]]\nkey = "materials.Li3N.ionic_conductivity"\nuncertain = true\n'
    path = write(tmp_path, text)
    film = CASE.replace('thickness = "8 um"', 'thickness = "8 um"}, {name = "film", material = "Li3N", thickness = "8 um"')
    (tmp_path / "case.toml").write_text(film)
    member = make_plan(path).members[0]
    case = load_case(tmp_path / "case.toml", member.overrides)
    own, sampled = (m.get("ionic_conductivity") for m in (load_material("Li3N"), case.material("Li3N")))
    assert own.range[0] < sampled.value < own.range[1] and sampled.value != own.value
    assert sampled.reference_temperature == own.reference_temperature
    assert sampled.activation_energy == pytest.approx(own.activation_energy, rel=1e-5)  # as written out


AXIS = '[[axes]]\nkey = "layers.sse.thickness"\n'
DRAWN = AXIS + 'values = ["3 um"]\n[[figures]]\nx = "layers.sse.thickness"\ny = "asr_ohm_cm2"\n'
BAD = [
    ("title = 3", "not TOML"),
    (HEAD, "axes is missing"),
    (HEAD + "[[axes]]\nvalues = [1]", "axes[0].key is missing"),
    (HEAD + AXIS, "has no values"),
    (HEAD + AXIS + 'values = ["3 um"]\nmaterial = ["Li"]', "keep one"),
    (HEAD + AXIS + 'values = ["3 um", "-3 um"]', "member 2 (layers.sse.thickness_um = -3): "),
    (HEAD + AXIS + "values = [3]", "no unit"),
    (HEAD + '[[axes]]\nkey = "layers.ssse.thickness"\nvalues = ["3 um"]', "'ssse'"),
    (HEAD + '[[axes]]\nkey = "layers.sse.material"\nmaterial = ["Li6PS5C"]', "did you mean"),
    (HEAD + '[[axes]]\nkey = "layers sse"\nvalues = ["3 um"]', "should be a key of the case"),
    (HEAD + AXIS + 'log = {from = "0 um", to = "3 um", count = 3}', "above zero"),
    (HEAD + AXIS + 'log = {from = "1 um", to = "3 MPa", count = 3}', "units of one kind"),
    (HEAD + AXIS + 'linear = {from = "1 um", to = "3 um", count = 1}', "at least 2"),
    (HEAD + AXIS + 'linear = {from = "1 um", to = "3 um"}', "[sample]"),
    (HEAD + AXIS + "uncertain = true", "one property of a material"),
    (HEAD + '[sample]\nmethod = "lhs"\ncount = 2\n[[axes]]\nkey = "materials.Li.density"\nuncertain = true', "states no range"),
    (HEAD + '[sample]\nmethod = "sobol"\ncount = 12\n' + AXIS + 'linear = {from = "1 um", to = "3 um"}', "use 16"),
    (HEAD + AXIS + 'values = ["3 um"]\n' + AXIS + 'values = ["4 um"]', "two have the column"),
    (HEAD + AXIS + 'linear = {from = "1 um", to = "3 um", count = 201}', "--yes"),
    (HEAD + 'outputs = [{column = "a", below = 1, above = 2}]\n' + AXIS + 'values = ["3 um"]', "keep one"),
    (HEAD + "outputs = [3]\n" + AXIS + 'values = ["3 um"]', "outputs[0]"),
    (HEAD + 'outputs = ["a", "a"]\n' + AXIS + 'values = ["3 um"]', "another name"),
    (HEAD + AXIS + 'values = ["3 um"]\n[[figures]]\nx = "layers.sse.thicknes"\ny = "asr_ohm_cm2"', "did you mean"),
    (HEAD + DRAWN + 'kind = "map"', "by is missing"),
    (HEAD + DRAWN + '[[figures.reference]]\nlabel = "a"\nx = [1]\ny = [1]', "source is missing"),
    (HEAD + DRAWN + '[[figures.reference]]\nlabel = "a"\nsource = "b"\nfile = "none.csv"', "none.csv"),
    (HEAD.replace("case.toml", "none.toml") + AXIS + 'values = ["3 um"]', "no such file"),
    (HEAD + AXIS + 'values = ["3 um"]\nlabels = ["a", "b"]', "2 entries for 1 values"),
    (HEAD + 'set = ["nonsense"]\n' + AXIS + 'values = ["3 um"]', "path.to.key=value"),
]  # fmt: skip


@pytest.mark.parametrize("text, told", BAD, ids=[told for _, told in BAD])
def test_a_wrong_study_is_told_before_anything_runs(text, told, tmp_path):
    path = write(tmp_path, text.replace("title = 3", "title = 3 4"))
    with pytest.raises(StudyError) as error:
        run_study(path, tmp_path / "runs" / "study")
    lines = str(error.value).splitlines()
    assert told in str(error.value) and all(line.startswith(str(path)) for line in lines) and not (tmp_path / "runs").exists()


def test_what_is_wrong_in_all_members_is_told_once(tmp_path):
    with pytest.raises(StudyError) as error:
        make_plan(write(tmp_path, HEAD + 'set = ["layers.li.thickness=3"]\n' + AXIS + 'values = ["3 um", "4 um", "-5 um"]'))
    all_of_them, third = str(error.value).splitlines()
    assert "layers[0].thickness = 3 has no unit" in all_of_them and "member" not in all_of_them
    assert "member 3" in third and "layers[1].thickness" in third


def test_a_folder_belongs_to_one_study_at_a_time(tmp_path):
    path = write(tmp_path, HEAD + AXIS + 'values = ["3 um"]')
    with pytest.raises(StudyError, match="where run folders are stored"):
        run_study(path, tmp_path / "runs" / "store")
    (tmp_path / "runs" / "study").mkdir(parents=True)
    with open(tmp_path / "runs" / "study" / ".lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(StudyError, match="another study works in this folder"):
            run_study(path, tmp_path / "runs" / "study")


def test_outputs_reduce_columns_over_time_and_at_events(tmp_path):
    (tmp_path / "scalars.csv").write_text("time_s,a_V\n1,2\n2,-5\n3,4\n4,\n")
    (tmp_path / "log.txt").write_text("12:00:00 event void_closed[left] at 2 s\n12:00:01 event void_closed[right] at 3 s\n")
    run = Run(tmp_path, {"status": "completed"}, None)
    found = {reduce: value_of(Output(column="a_V", reduce=reduce), run) for reduce in ("last", "max", "min", "largest")}
    assert found == {"last": 4, "max": 4, "min": -5, "largest": -5}
    assert value_of(Output(event="void_closed"), run) == 2 and value_of(Output(event="void_closed[right]", column="a_V"), run) == 4
    assert value_of(Output(column="a_V", below=-1.5), run) == pytest.approx(1.5) and value_of(Output(column="a_V", above=1), run) == 1
    assert np.isnan(value_of(Output(column="a_V", above=9), run)) and np.isnan(value_of(Output(column="b", below=9), run))
    assert np.isnan(value_of(Output(event="contact_lost"), run)) and np.isnan(value_of(Output(column="b"), run))


def test_the_command_line_gives_status_2_and_one_message(tmp_path):
    path, sound = write(tmp_path, HEAD + AXIS), write(tmp_path, HEAD + AXIS + 'values = ["3 um"]', "sound")
    wrong = [([path], "has no values"), ([sound, "--ranks", "999"], "999 cores"), ([sound, "--detach"], "--engine slurm"),
             (["status", "."], "no study in this folder"), (["cancel", "."], "no study in this folder")]  # fmt: skip
    for words, told in wrong:
        done = subprocess.run([sys.executable, "-m", "interfem.cli", "study", *map(str, words)], capture_output=True, text=True,
                              cwd=tmp_path, stdin=subprocess.DEVNULL, timeout=120)  # fmt: skip
        assert done.returncode == 2 and done.stdout == ""
        assert all(line.startswith("error: ") for line in done.stderr.splitlines()) and told in done.stderr


# ---- engines ----------------------------------------------------------------------------------------------------------

ENGINE = HEAD + AXIS + 'values = ["3 um"]\n[engine]\n'
BAD_ENGINES = [
    ('name = "slurmm"', "engine.name"),
    ("ranks = 0", "engine.ranks"),
    ('time = "3 um"', "engine.time"),
    ('time = "0 s"', "engine.time"),
    ('accont = "me"', 'did you mean "account"'),
    ('sbatch = "-N 2"', "engine.sbatch[0]"),
    ('sbatch = ["--exclusive", "--time=3"]', "engine.sbatch[1]: --time is set by the study itself; use the key 'time'"),
    ('sbatch = "--output=x"', "remove it"),
    ('time = "1 min"\nwarning = "1 min"', "engine.warning"),
]


@pytest.mark.parametrize("text, told", BAD_ENGINES)
def test_a_wrong_engine_is_told_before_anything_runs(text, told, tmp_path):
    with pytest.raises(StudyError) as error:
        run_study(write(tmp_path, ENGINE + text), tmp_path / "runs" / "study")
    assert told in str(error.value) and len(str(error.value).splitlines()) == 1 and not (tmp_path / "runs").exists()


def test_the_study_goes_before_the_site_and_the_command_line_before_both(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert settled(EngineTable(), None) == EngineTable()
    (tmp_path / "interfem").mkdir()
    (tmp_path / "interfem" / "site.toml").write_text('[engine]\nname = "slurm"\naccount = "all"\nranks = 4\ntime = "1-02:00:00"\n')
    found = settled(EngineTable(account="mine", jobs=3), None, ranks=2, name=None)
    assert (found.name, found.account, found.ranks, found.jobs, found.minutes) == ("slurm", "mine", 2, 3, 26 * 60)
    (tmp_path / "other.toml").write_text('[engine]\npartition = "fast"\n')
    assert settled(EngineTable(), tmp_path / "other.toml").partition == "fast"
    for text, told in (("", "engine is missing"), ("[engine]\nrank = 2", "other.toml: engine.rank: unknown key")):
        (tmp_path / "other.toml").write_text(text)
        with pytest.raises(StudyError, match=told):
            settled(EngineTable(), tmp_path / "other.toml")
    with pytest.raises(StudyError, match="no such file"):
        settled(EngineTable(), tmp_path / "none.toml")


def test_ranks_are_started_by_the_launcher_and_no_outer_launch_is_seen(monkeypatch):
    for name in ("PMI_RANK", "SLURM_NTASKS", "SUBMITIT_EXECUTOR"):
        monkeypatch.setenv(name, "1")
    assert launched(("run",), 1, "srun") == ("run",) and launched(("run",), 2, "srun --mpi=pmi2") == ("srun", "--mpi=pmi2", "-n", "2", "run")
    assert launched(("run",), 2, "mpirun") == (own_mpirun(), "-n", "2", "run")
    outer = [{name for name in environment(ranks, launcher) if name.startswith(("PMI", "SLURM", "SUBMITIT"))}
             for ranks, launcher in ((1, "srun"), (2, "mpirun"), (2, "srun --mpi=pmi2"))]  # fmt: skip
    assert outer[:2] == [set(), set()] and "SLURM_NTASKS" in outer[2]
