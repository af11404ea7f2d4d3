"""The command line as users meet it: exit statuses, one clear message, never a traceback."""

import subprocess
import sys
from types import SimpleNamespace

import pytest

from interfem import cli
from interfem.materials import library_folder
from interfem.mpi import LaunchError, check_size

BARE = library_folder().parent / "cases" / "bare.toml"


def interfem(*words, folder=None):
    return subprocess.run(
        [sys.executable, "-m", "interfem.cli", *map(str, words)],
        capture_output=True,
        text=True,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )


@pytest.mark.parametrize(
    "words, told",
    [
        (["nonsense"], "nonsense"),
        (["run"], "name a case file"),
        (["check"], "case file"),
        (["check", "no/such/file.toml"], "no such file"),
        (["check", BARE, "--set", "layers.li.thickness=-3 um"], "layers[0].thickness"),
        (["check", BARE, "--set", "layers.li.thickness=3"], "no unit"),
        (["check", BARE, "--set", "solver.presett=direct"], "presett"),
        (["run", BARE, "--set", "nonsense"], "path.to.key=value"),
        (["mesh", "no/such/file.toml"], "no such file"),
        (["materials", "Li6PS5C"], "Li6PS5Cl"),
        (["eis"], "SOURCE"),
        (["eis", "no/such/file.toml"], "no such file"),
        (["eis", "."], "no finished run"),
        (["eis", BARE, "--from", "5"], "no unit"),
        (["eis", BARE, "--from", "5 kg"], "frequency"),
        (["eis", BARE, "--to", "0 Hz"], "above zero"),
        (["eis", BARE, "--to=-1 Hz"], "above zero"),
        (["eis", BARE, "--points", "0"], "at least 1"),
        (["eis", BARE, "--set", "interfaces.'li|sse'.capacitance=10 uF"], "areal capacitance"),
        (["compare"], "RUNS"),
        (["compare", "no/such/folder"], "no folder"),
    ],
)
def test_wrong_input_is_one_message_and_status_2(words, told, tmp_path):
    done = interfem(*words, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == ""
    assert all(line.startswith("error: ") for line in done.stderr.splitlines()) and told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_programs_started_after_a_run_hear_the_signals_it_did_not_heed(tmp_path):
    """A shell that inherits SIGUSR1 as ignored cannot trap it: xvfb-run then waits for ever."""
    with pytest.raises(SystemExit):
        cli.main(["run", "--quiet", str(tmp_path / "missing.toml")])
    code = "import signal; print(signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "True"


def test_another_number_of_ranks_than_asked_for_is_refused():
    """As where the launcher's MPI is not ours: N copies of a serial run, in one folder."""
    for variable in ("PMI_SIZE", "OMPI_COMM_WORLD_SIZE", "SLURM_STEP_NUM_TASKS"):
        check_size(4, {variable: "4"})
        with pytest.raises(LaunchError, match=f"{variable} = 4: .* but MPI sees 1"):
            check_size(1, {variable: "4"})
    check_size(1, {"SLURM_NTASKS": "4"})


def test_check_prints_the_case_with_sources_and_needs_no_solver():
    code = (
        "import sys; from interfem.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "finally: print([name for name in ('dolfinx', 'gmsh', 'pyvista', 'matplotlib') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, "check", str(BARE)], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "Li6PS5Cl" in done.stdout and "doi:" in done.stdout
    assert done.stdout.splitlines()[-1] == "[]"


def test_schema_and_version_and_library_are_printed():
    assert '"$schema"' in interfem("check", "--schema").stdout
    assert interfem("--version").stdout.strip() == cli.__version__
    assert "Li6PS5Cl" in interfem("materials").stdout
    assert "ionic_conductivity" in interfem("materials", "Li6PS5Cl").stdout


def test_several_values_may_follow_set():
    assert cli.spread(["run", "a.toml", "--set", "x=1", "y=2 um", "--quiet"]) == [
        "run",
        "a.toml",
        "--set",
        "x=1",
        "--set",
        "y=2 um",
        "--quiet",
    ]
    assert cli.spread(["run", "--set", "x=1", "a.toml", "b=c"]) == ["run", "--set", "x=1", "a.toml", "b=c"]
    assert cli.spread(["--set"]) == ["--set"]


def test_mesh_writes_a_copy_and_a_picture(tmp_path):
    done = interfem(
        "mesh",
        BARE,
        "--set",
        "mesh.refinement=0.3",
        "--out",
        tmp_path / "a" / "cell.msh",
        "--picture",
        tmp_path / "cell.png",
        folder=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    assert "li|sse" in done.stdout and "Info" not in done.stdout
    assert (tmp_path / "a" / "cell.msh").stat().st_size > 0 and (tmp_path / "cell.png").stat().st_size > 0


def test_closing_words_tell_why_a_run_ended_and_where_it_is():
    summary = {"time_s": {"last": 12.0}, "overpotential_V": {"last": 0.0, "min": -0.004, "max": 0.0}}
    stopped = cli.closing(SimpleNamespace(status="stopped", event="voltage_limit", reason="", folder="runs/x", summary=summary))
    assert "event voltage_limit" in stopped and "12 s" in stopped and "-4 mV" in stopped and stopped.endswith("stopped: runs/x")
    failed = cli.closing(SimpleNamespace(status="failed", event="", reason="no convergence", folder="runs/x", summary={}))
    assert "before the first step" in failed and "no convergence" in failed


def test_public_names_come_lazily():
    code = (
        "import sys, interfem; assert 'interfem.case' not in sys.modules; "
        "from interfem import load_case, CaseError; assert 'interfem.run' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
    with pytest.raises(AttributeError):
        import interfem as package

        package.nothing


def test_shipped_cases_are_listed_and_shown():
    listed = interfem("cases")
    assert listed.returncode == 0, listed.stderr
    for file in sorted(BARE.parent.glob("*.toml")):
        assert any(line.startswith(f"{file.stem} ") for line in listed.stdout.splitlines()), file.stem
    assert "Li | LiF-rich 100 nm | Li3PS4-glass" in listed.stdout
    shown = interfem("cases", "lif_film")
    assert shown.returncode == 0 and shown.stdout.splitlines()[0] == str(BARE.with_name("lif_film.toml"))
    assert "Look for:" in shown.stdout and "#" not in shown.stdout
    wrong = interfem("cases", "lif_flim")
    assert wrong.returncode == 2 and 'did you mean "lif_film"' in wrong.stderr
