"""Pages about runs and studies, in a browser where there is one; field files in ParaView, or in the VTK of pyvista."""

import csv
import io
import json
import math
import os
import shutil
import subprocess
import sys
import tempfile
import tomllib
from html.parser import HTMLParser
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from browser import PROGRAM, Browser
from PIL import Image

from interfem.case import parse_case
from interfem.cli import main
from interfem.figures.data import open_run
from interfem.report import write_report
from interfem.report.cite import ABOUT, AUTHORS, WORKS
from interfem.report.charts import resistance_parts, time_charts
from interfem.report.words import number, typeset
from interfem.run import run as solve

CASE = """
title = "Void <script>alert(1)</script> & film"
temperature = "298.15 K"
geometry = {kind = "plane", width = "10 um"}
layers = [{name = "li", material = "Li", thickness = "5 um", law = "elastic"},
          {name = "sse", material = "Li6PS5Cl", thickness = "10 um"}]
features = [{kind = "void", interface = "li|sse", radius = "3 um", height = "1 um"}]
mechanics = {}
protocol = [{kind = "pressure", to = "1 MPa", duration = "1 s", first_step = "1 s", max_step = "1 s"},
            {kind = "current", value = "-1 mA/cm^2", duration = "2 s", first_step = "1 s", max_step = "1 s"}]
mesh = {refinement = 0.3}
output = {interval = "1 s", figures = false}
"""
REQUIRED = os.environ.get("INTERFEM_TEST_VIEWERS") == "required"  # where the tests have installed them


def needed(program: str, name: str) -> None:
    """Skips a test where a program is not there, unless it has to be."""
    if shutil.which(program) is None:
        assert not REQUIRED, f"{name} is not installed: make system-viewers"
        pytest.skip(f"{name} is not installed: make system-viewers")


AREA = {"metal": 10 * 5 - math.pi * 3 * 1 / 4, "electrolyte": 10 * 10}  # um^2; a void on the side is half of one


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """A run on one rank."""
    found = tmp_path_factory.mktemp("run")
    assert solve(parse_case(tomllib.loads(CASE)), found).status == "completed"
    return found


@pytest.fixture(scope="module")
def page(folder) -> Path:
    return write_report(folder)


class Reader(HTMLParser):
    """What a page refers to, its anchors, headings and texts."""

    def __init__(self, page: Path):
        super().__init__()
        self.ids, self.links, self.loads, self.alts, self.scripts, self.texts, self.open = [], [], [], [], [], [], []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        found = dict(attributes)
        self.ids += [found["id"]] if "id" in found else []
        self.links += [found["href"]] if tag == "a" else []
        self.loads += [found[key] for key in ("src", "href", "srcset", "data", "poster") if key in found and tag != "a"]
        self.alts += [found.get("alt")] if tag == "img" and "src" in found else []
        self.open += [tag] if tag in ("script", "style") else []
        self.scripts += [""] if tag == "script" else []

    def handle_endtag(self, tag):
        if self.open and self.open[-1] == tag:
            self.open.pop()

    def handle_data(self, data):
        if self.open == ["script"]:
            self.scripts[-1] += data
        elif not self.open:
            self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def check_self_contained(page: Path) -> Reader:
    """Nothing is loaded from elsewhere; anchors resolve; pictures are described."""
    found = Reader(page)
    assert all(load.startswith("data:") for load in found.loads)
    assert all("://" not in link and not link.startswith("//") for link in found.links)
    assert len(set(found.ids)) == len(found.ids)
    assert {link[1:] for link in found.links if link.startswith("#")} <= set(found.ids)
    assert all(found.alts)
    return found


# ---- a run ------------------------------------------------------------------------------------------------------------


def test_page_of_a_run(folder, page):
    found, run = check_self_contained(page), open_run(folder)
    assert "Void <script>alert(1)</script> & film" in found.text and "alert(1)" not in "".join(found.scripts[-1:])
    charts, steady = time_charts(run)
    assert len(charts) > 6 and all(f"Chart: {chart.title}" in page.read_text(encoding="utf-8") for chart in charts)
    assert "Stack pressure: 1 MPa" in steady and "Stack pressure: 1 MPa" in found.text
    assert number(run.value("asr_ohm_cm2", run.loaded)) in found.text
    parts, from_fields = resistance_parts(run)
    assert from_fields and math.isclose(sum(parts.values()), run.value("asr_ohm_cm2", run.loaded), rel_tol=1e-6)
    for words in ("What was asked", "ESTIMATE", "Singh 2022", "wall time", "How to cite", "No event", run.record["hash"]):
        assert words.lower() in found.text.lower(), words
    pictures = list(folder.glob("figures/*.png"))
    assert len(pictures) > 4, "drawn for the page"
    assert len(found.alts) == len([png for png in pictures if png.stem != "time"]) + 1, "and the mesh"


def test_units_and_powers_are_printed_as_such():
    assert typeset("0.2 MPa, 5 um, 1.3e-05 m^3/mol, 32 ohm*cm^2") == "0.2 MPa, 5 µm, 1.3 × 10⁻⁵ m³/mol, 32 Ω cm²"
    assert typeset("Singh 2023 33:2211067 2e3") == "Singh 2023 33:2211067 2 × 10³"
    assert (number(math.nan), number(-0.5), number(14221.0), number(-5.24e-15, 2)) == ("–", "−0.5", "14221", "−5.2 × 10⁻¹⁵")


def test_what_cannot_be_reported_is_told(tmp_path, folder, capsys):
    for words, told in ((["report", str(tmp_path / "none")], "is no folder"), (["report", str(tmp_path)], "has no run.json"),
                        (["report", str(folder), "--out", str(folder / "run.json" / "a.html")], "choose another file with --out"),
                        (["view", str(folder), "--field", "taste", "--screenshot", "a.png"], "this run has potential"),
                        (["view", str(folder), "--screenshot", "a.gif"], "ending .png"),
                        (["view", str(tmp_path), "--screenshot", "a.png"], "no finished run")):  # fmt: skip
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2 and told in capsys.readouterr().err


def test_view_draws_the_fields(folder, tmp_path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["view", str(folder), "--field", "stress", "--screenshot", str(tmp_path / "view.png")])
    assert ended.value.code == 0
    assert colors(pixels((tmp_path / "view.png").read_bytes())) > 200


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB")).astype(int)


def colors(picture: np.ndarray) -> int:
    """How many different colours a picture has."""
    return len(np.unique(picture.reshape(-1, 3), axis=0))


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Skips where there is no Chromium."""
    if PROGRAM is None:
        assert not REQUIRED, "Chromium is not installed: make system-viewers"
        pytest.skip("Chromium is not installed: make system-viewers")
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def test_run_page_in_a_browser(page, browser):
    browser.open(page)
    browser.wait("document.documentElement.dataset.ready === 'yes' && document.documentElement.dataset.scene === '0'")
    drawn = browser.run("document.querySelectorAll('.plot .main-svg .trace').length")
    assert drawn >= browser.run("document.querySelectorAll('.plot').length") > 6

    plot = browser.box(".charts .plot")
    line = np.abs(seen(browser, plot) - [0, 114, 178]).max(axis=2) < 40
    assert line.any(axis=0).mean() > 0.5, "a line from left to right"

    frame = browser.box("iframe")
    first = settled(browser, frame)
    assert colors(first) > 200, "the scene is drawn"
    cell = (np.ptp(first[: 3 * len(first) // 4], axis=2) > 12).any(axis=0)
    length, width = browser.run("(() => { const s = document.querySelector('.scale');"
                                "return [Number(s.dataset.um), s.firstElementChild.getBoundingClientRect().width]; })()")  # fmt: skip
    assert np.ptp(np.flatnonzero(cell)) / 10 == pytest.approx(width / length, rel=0.03), "the scale bar is true of a cell of 10 um"
    browser.run("document.querySelector('[data-act=in]').focus()")
    browser.press("Enter", 13, "\r")
    shown = "document.querySelector('.scale').firstElementChild.getBoundingClientRect().width"
    grown = browser.run(f"{shown} / Number(document.querySelector('.scale').dataset.um)")
    assert grown == pytest.approx(1.25 * width / length, rel=1e-3), "and when zoomed"
    browser.run("document.querySelector('[data-act=reset]').click()")
    first = settled(browser, frame)
    browser.drag(frame["x"] + frame["width"] / 2, frame["y"] + frame["height"] / 2, 160, 60)
    turned = settled(browser, frame)
    assert differ(first, turned), "it turns"
    browser.run("document.querySelector('[data-act=reset]').click()")
    assert not differ(first, settled(browser, frame)), "and goes back"
    browser.run("(() => { const s = document.querySelector('.field'); s.value = '1'; s.dispatchEvent(new Event('change')); })()")
    browser.wait("document.documentElement.dataset.scene === '1'")
    assert differ(first, settled(browser, frame)), "another field"
    window = "document.querySelector('iframe').contentWindow.global.renderWindow"
    projections = f"{window}.getRenderers().map(r => r.getActiveCamera().getParallelProjection())"
    assert any(browser.run(projections)), "in parallel projection, as the first"

    plot = browser.box(".charts .plot")
    told = "[...document.querySelectorAll('.charts .plot')].filter(p => p.querySelector('.hovertext')).length >= 3"
    browser.hover(plot["x"] + 0.6 * plot["width"], plot["y"] + 0.5 * plot["height"], told)
    healthy(browser)


def test_sections_are_named_on_the_way(folder, tmp_path):
    told = []
    write_report(folder, tmp_path / "report.html", lambda fraction, text: told.append((fraction, text)))
    assert [fraction for fraction, _ in told] == sorted(fraction for fraction, _ in told) and ("pictures" in {text for _, text in told})


def test_citation_file_says_what_pages_say(page):
    cited = (Path(__file__).resolve().parents[2] / "CITATION.cff").read_text(encoding="utf-8")
    assert f"version: {version('interfem')}\n" in cited and ABOUT in cited and AUTHORS in cited
    told = Reader(page).text
    for work in WORKS:
        assert f'title: "{work.title}"' in cited or f"title: {work.title}" in cited
        assert work.doi in cited and work.year in cited and work.sentence in told and work.bibtex.splitlines()[0] in told


def test_page_by_keyboard_and_on_a_narrow_screen(page, browser):
    browser.open(page, 390, 800, mobile=True)
    browser.wait("document.documentElement.dataset.ready === 'yes'")
    assert browser.run("document.documentElement.scrollWidth") == 390, "nothing sticks out"
    browser.press("Tab", 9)
    assert browser.run("document.activeElement.className") == "skip"
    browser.press("Enter", 13, "\r")
    browser.wait("document.activeElement.id === 'content'")
    browser.run("document.querySelector('.enlarge').focus()")
    browser.press("Enter", 13, "\r")
    browser.wait("document.querySelector('dialog').open")
    browser.press("Escape", 27)
    browser.wait("!document.querySelector('dialog').open")
    healthy(browser)


def healthy(browser) -> None:
    assert not browser.errors and not browser.requests
    assert browser.run("document.documentElement.dataset.error ?? ''") == ""


def seen(browser, box: dict) -> np.ndarray:
    """What is seen in a box now."""
    x, y, width, height = (round(box[key]) for key in ("x", "y", "width", "height"))
    return pixels(browser.picture())[y : y + height, x : x + width]


def settled(browser, box: dict) -> np.ndarray:
    """What is seen in a box once two pictures in a row are alike."""
    last = None
    for _ in range(60):
        before, last = last, seen(browser, box)
        if before is not None and not differ(last, before) and colors(last) > 2:
            return last
        browser.run("new Promise(done => setTimeout(done, 60))")
    raise AssertionError("nothing is drawn, or it never comes to rest")


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """In more than one pixel of a thousand."""
    return bool((np.abs(one - other).max(axis=2) > 24).mean() > 1e-3)


# ---- a study ----------------------------------------------------------------------------------------------------------

STUDY = """
title = "Film & <current>"
case = "base.toml"
outputs = ["asr_ohm_cm2", {column = "current_focusing", reduce = "max"}]
axes = [{key = "layers.film.thickness", name = "film", log = {from = "10 nm", to = "1 um", count = 3}},
        {key = "protocol.0.value", name = "current", values = ["1 mA/cm^2", "2 mA/cm^2"]}]
"""
HEAD = (
    "member,film_nm,current_mA_per_cm2,asr_ohm_cm2,current_focusing_max,"
    "status,event,event_time_s,reason,wall_s,ranks,interfem,hash"
).split(",")
MEMBERS = [  # what a study's tables hold
    "1,10,1,4,3,completed,,,,1.5,1,0.1.0,aaaaaaaaaaaa1", "2,10,2,4.5,3.5,stopped,contact_lost,5,,1.5,1,0.1.0,aaaaaaaaaaaa2",
    "3,100,1,5,2,completed,,,,1.5,1,0.1.0,aaaaaaaaaaaa3", "4,100,2,6,2.5,stopped,voltage_limit,5,,1.5,1,0.1.0,aaaaaaaaaaaa4",
    "5,1000,1,9,1.5,completed,,,,1.5,1,0.1.0,aaaaaaaaaaaa5",
    "6,1000,2,,,failed,,,Newton <did> not converge,1.5,1,0.1.0,aaaaaaaaaaaa6"]  # fmt: skip


@pytest.fixture(scope="module")
def study_page(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "study.toml").write_text(STUDY, encoding="utf-8")
    (folder / "study.csv").write_text("\n".join([",".join(HEAD), *MEMBERS]) + "\n", encoding="utf-8")
    for line in MEMBERS:
        (folder / "members" / line.split(",")[-1][:12]).mkdir(parents=True, exist_ok=True)
    return write_report(folder, folder / "pages" / "study.html")


def test_page_of_a_study(study_page):
    found = check_self_contained(study_page)
    assert "Film & <current>" in found.text and "Newton <did> not converge" in found.text
    for words in (
        "3 completed, 2 stopped, 1 failed",
        "contact lost",
        "had lost almost all contact",
        "film (nm)",
        "current focusing, largest",
    ):
        assert words in found.text, words
    runs = [link for link in found.links if not link.startswith("#")]
    assert len(runs) == 6 and (study_page.parent / runs[0]).is_dir()


def choose(browser, selector: str, value: str) -> None:
    browser.run(f"(() => {{ const s = document.querySelector({selector!r}); s.value = {value!r}; s.dispatchEvent(new Event('change')); }})()")


def test_study_page_from_the_table_alone(study_page, tmp_path):
    shutil.copy(study_page.parent.parent / "study.csv", tmp_path)
    found = check_self_contained(write_report(tmp_path))
    assert "Trade-off" in found.text and "Failure-mode map" in found.text


def test_page_of_a_search(study_page, tmp_path):
    """Its table has two columns more; the trade-off begins with what was wanted, the best are listed."""
    goals = '[optimise]\nruns = 6\nminimise = ["asr_ohm_cm2"]\nmaximise = ["current_focusing_max"]\n'
    goals += 'constraints = [{output = "asr_ohm_cm2", below = 5.5}]\n'
    (tmp_path / "study.toml").write_text(STUDY + goals, encoding="utf-8")
    head = [*HEAD[:5], "violation", "optimal", *HEAD[5:]]
    judged = ["0,1", "0,0", "0,0", "0.1,0", "0.6,0", ","]
    lines = [",".join([*line.split(",")[:5], verdict, *line.split(",")[5:]]) for line, verdict in zip(MEMBERS, judged)]
    (tmp_path / "study.csv").write_text("\n".join([",".join(head), *lines]) + "\n", encoding="utf-8")
    page = write_report(tmp_path)
    found = check_self_contained(page)
    for words in ("Wanted small: areal resistance (Ω cm²)", "Wanted large: current focusing, largest", "Constraint: areal resistance (Ω cm²) below 5.5",
                  "of 3 that keep the constraints"):  # fmt: skip
        assert words in found.text, words
    text = page.read_text(encoding="utf-8")
    assert '"sound": [true, true, true, false, false, false]' in text and '<option value="-1" selected>' in text


def test_study_page_in_a_browser(study_page, browser):
    browser.errors.clear()
    browser.open(study_page)
    browser.wait("document.documentElement.dataset.ready === 'yes'")
    assert browser.run("document.querySelector('.explorer').dataset.front") == "1 3 5", "the front of what is less in both"
    outcomes = browser.run(
        "document.querySelector('#outcomes .plot').data.map(t => [t.name, t.customdata.join(' '), t.marker.color])"
    )
    assert {name: members for name, members, _ in outcomes} == {
        "completed": "1 3 5",
        "contact lost": "2",
        "voltage limit": "4",
        "failed": "6",
    }
    assert len({color for *_, color in outcomes}) == 4
    place = browser.box("#outcomes .plot")
    tiles = seen(browser, place)
    for *_, color in outcomes:
        tile = np.abs(tiles - [int(color[n : n + 2], 16) for n in (1, 3, 5)]).max(axis=2) < 16
        assert tile.mean() > 0.02, f"a tile in {color}"
    choose(browser, "#outcomes select.y", "how it ended")
    browser.wait("document.querySelector('#outcomes .filters select') !== null")
    assert browser.run("document.querySelector('#outcomes .counts').textContent") == "3 completed.", "at the first current"
    choose(browser, "#outcomes .filters select", "1")
    browser.wait("document.querySelector('#outcomes .counts').textContent.includes('1 contact lost')")

    choose(browser, ".explorer select.y-better", "-1")
    browser.wait("document.querySelector('.explorer').dataset.front === '1'")
    browser.run("document.querySelector('.explorer .sound').click()")
    browser.wait("document.querySelector('.explorer').dataset.front === '1 2'")
    browser.box("#outputs .plot")
    place = browser.run("(() => { const b = document.querySelector('#outputs .plot .point').getBoundingClientRect();"
                        "return [b.x + b.width / 2, b.y + b.height / 2]; })()")  # fmt: skip
    browser.hover(*place, "document.querySelectorAll('#outputs .hovertext').length >= 2"
                          "&& document.querySelector('#members tr.lit')?.dataset.key === '1'")  # fmt: skip
    healthy(browser)


# ---- a critical current ------------------------------------------------------------------------------------------------


def test_page_of_a_critical_current(tmp_path):
    def trial(density, mode="", event="", where="", time=None):
        return {"density": density, "mode": mode, "event": event, "where": where, "time": time, "folder": f"{density / 10:.6g}mA_per_cm2"}

    conditions = []
    for pressure, low, high, mode, event in ((1.0, 8.0, 8.4, "fracture", "fracture[flaw]"), (5.0, 30.0, 31.0, "voltage", "voltage_limit")):
        trials = [trial(2 * high, mode, event, "there", 4.0), trial(low), trial(high, mode, event, "there", 9.5)]
        conditions.append({"failed": trials[2], "passed": trials[1], "trials": trials, "pressure": pressure, "temperature": 298.15})
        (tmp_path / f"{pressure:g}MPa" / trials[1]["folder"]).mkdir(parents=True)
    (tmp_path / "critical.json").write_text(json.dumps({"title": "Critical", "hash": "abc", "conditions": conditions}), encoding="utf-8")
    page = write_report(tmp_path)
    found = check_self_contained(page)
    for words in ("0.84 … 3.1", "Failure-mode map", "9.5 s", "the stress intensity of a crack front", "the cell voltage reached", "Hash of the case: abc"):
        assert words in found.text, words
    runs = [link for link in found.links if not link.startswith("#")]
    assert runs == ["1MPa/0.8mA_per_cm2/", "5MPa/3mA_per_cm2/"] and all((tmp_path / run).is_dir() for run in runs)
    text = page.read_text(encoding="utf-8")
    assert '"outcomes": ["fracture", "passed", "fracture", "voltage", "passed", "voltage"]' in text


# ---- ParaView ---------------------------------------------------------------------------------------------------------

PARTS = ("metal", "electrolyte", "interface")
INTEGRATE = """
import json, sys
from paraview.simple import *
found = {}
for part, run in ((part, run) for run in sys.argv[1:] for part in ("metal", "electrolyte", "interface")):
    reader = PVDReader(FileName=f"{run}/fields/{part}.pvd")
    times = list(reader.TimestepValues)
    total = IntegrateVariables(Input=reader)
    UpdatePipeline(time=times[-1], proxy=total)
    arrays = {name: data[name].GetNumberOfComponents() for data in (reader.CellData, reader.PointData) for name in data.keys()}
    integrals = {name: [data[name].GetRange(k)[0] for k in range(data[name].GetNumberOfComponents())]
                 for data in (total.CellData, total.PointData) for name in data.keys()}
    found.setdefault(run, {})[part] = {"times": times, "arrays": arrays, "integrals": integrals}
print(json.dumps(found))
"""
DIMENSIONLESS = {"region", "interface", "plastic_strain"}


@pytest.fixture(scope="module")
def folders(folder, tmp_path_factory) -> tuple[Path, Path]:
    """The run on one rank, and the same on two."""
    place = tmp_path_factory.mktemp("ranks")
    (place / "case.toml").write_text(CASE, encoding="utf-8")
    launcher = Path(sys.executable).with_name("mpirun")
    words = f"-n 2 {sys.executable} -m interfem.cli run {place / 'case.toml'} --out {place / 'two'} --quiet"
    subprocess.run([str(launcher), *words.split()], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=200)
    assert len(list((place / "two" / "fields").glob("metal_000000__p*.vtu"))) == 2, "a piece from each rank"
    return folder, place / "two"


def by_paraview(folders: tuple[Path, Path]) -> list[dict]:
    """Times, arrays and integrals at the last time of each part of each run, from ParaView itself."""
    needed("pvpython", "ParaView")
    with tempfile.NamedTemporaryFile("w", suffix=".py") as script:
        script.write(INTEGRATE)
        script.flush()
        done = subprocess.run(["pvpython", script.name, *map(str, folders)], capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return [found[str(folder)] for folder in folders]


def by_pyvista(folders: tuple[Path, Path]) -> list[dict]:
    """The same from pyvista."""
    import pyvista

    def read(file: Path) -> dict:
        reader = pyvista.get_reader(file)
        reader.set_active_time_value(reader.time_values[-1])
        grid = reader.read().combine()
        total = grid.integrate_data()
        arrays = {n: 1 if a.ndim == 1 else a.shape[1] for n, a in [*grid.cell_data.items(), *grid.point_data.items()]}
        integrals = {name: np.ravel(data[name]).tolist() for data in (total.cell_data, total.point_data) for name in data.keys()}
        return {"times": list(reader.time_values), "arrays": arrays, "integrals": integrals}

    return [{part: read(folder / "fields" / f"{part}.pvd") for part in PARTS} for folder in folders]


@pytest.mark.parametrize("read", [by_paraview, by_pyvista])
def test_field_files_hold_names_units_times_and_no_cell_twice(read, folders):
    one, two = read(folders)
    for part in PARTS:
        assert one[part]["times"] == two[part]["times"] == pytest.approx([1.0, 2.0, 3.0]), "seconds"
        names = {name for name in one[part]["arrays"] if not name.startswith("vtk")}
        assert names == {name for name in two[part]["arrays"] if not name.startswith("vtk")}
        assert all(name in DIMENSIONLESS or name.endswith(("_um", "_V", "_MPa", "_A_per_m2")) for name in names), names
    for part, area in AREA.items():
        known = {"displacement_um": 3, "potential_V": 1, "current_density_A_per_m2": 3, "von_mises_MPa": 1, "max_principal_MPa": 1}
        assert known.items() <= one[part]["arrays"].items()
        assert one[part]["integrals"]["Area"] == pytest.approx([area], rel=5e-3)
    with open(folders[0] / "scalars.csv", newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    interface, electrolyte = one["interface"]["integrals"], one["electrolyte"]["integrals"]
    assert interface["plated_thickness_um"] == pytest.approx([10 * float(last["plated_thickness_um"])], rel=1e-3), "the field is the scalar"
    assert interface["current_density_A_per_m2"] == pytest.approx([-10.0 * 10], rel=1e-3), "all the charge, A/m^2 times um"
    assert electrolyte["current_density_A_per_m2"][1] == pytest.approx(-10.0 * 10 * 10, rel=2e-3), "through each height alike"
    for part in PARTS:
        scale = max(abs(v) for v in one[part]["integrals"].get("current_density_A_per_m2", [1.0]))
        for name, values in one[part]["integrals"].items():
            if not name.startswith("vtk"):
                assert two[part]["integrals"][name] == pytest.approx(values, rel=1e-6, abs=1e-6 * scale), f"{part}: {name}: no cell counts twice"


def test_standard_view_in_paraview(folders, tmp_path):
    needed("pvpython", "ParaView")
    needed("xvfb-run", "xvfb")
    script = Path(__file__).resolve().parents[2] / "docs" / "paraview_view.py"
    words = ["xvfb-run", "-a", "-s", "-screen 0 1400x900x24 -noreset", "pvpython", str(script), str(folders[1]), "--png", str(tmp_path / "view.png")]
    done = subprocess.run(words, capture_output=True, text=True, timeout=150, stdin=subprocess.DEVNULL)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    picture = pixels((tmp_path / "view.png").read_bytes())
    colored = np.ptp(picture, axis=2) > 12
    rows, columns = (np.flatnonzero(colored[:, 350:1050].any(axis=axis)) for axis in (1, 0))  # without colour bar and arrows
    assert colors(picture) > 100 and 0.1 < colored.mean() < 0.9
    assert np.ptp(rows) / np.ptp(columns) == pytest.approx(15 / 10, rel=0.1), "10 um by 15 um"
