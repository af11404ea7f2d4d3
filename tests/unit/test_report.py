"""Pages about runs and studies, in a browser where there is one; field files in ParaView, or in the VTK of pyvista."""

import csv
import io
import json
import math
import shutil
import subprocess
import sys
import tomllib
import warnings
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from browser import PROGRAM, Browser
from PIL import Image

from interfem.case import parse_case
from interfem.cli import main
from interfem.figures.data import open_run
from interfem.report import write_report
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
    """None where there is no Chromium: pages are then checked by their text only."""
    if PROGRAM is None:
        warnings.warn("no Chromium here: pages were parsed but not opened", stacklevel=1)
        yield None
        return
    with Browser(tmp_path_factory.mktemp("profile")) as found:
        yield found


def test_run_page_in_a_browser(page, browser):
    check_self_contained(page)
    if browser is None:
        return
    browser.open(page)
    browser.wait("document.documentElement.dataset.ready === 'yes' && document.documentElement.dataset.scene === '0'")
    drawn = browser.run("document.querySelectorAll('.plot .main-svg .trace').length")
    assert drawn >= browser.run("document.querySelectorAll('.plot').length") > 6

    frame = browser.box("iframe")
    first = settled(browser, frame)
    assert colors(first) > 200, "the scene is drawn"
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


def test_page_by_keyboard_and_on_a_narrow_screen(page, browser):
    check_self_contained(page)
    if browser is None:
        return
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


def settled(browser, box: dict) -> np.ndarray:
    """What is seen in a box once two pictures in a row are alike."""
    x, y, width, height = (round(box[key]) for key in ("x", "y", "width", "height"))
    last = None
    for _ in range(60):
        before, last = last, pixels(browser.picture())[y : y + height, x : x + width]
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


def test_study_page_in_a_browser(study_page, browser):
    check_self_contained(study_page)
    if browser is None:
        return
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
    browser.box("#outputs .plot")
    place = browser.run("(() => { const b = document.querySelector('#outputs .plot .point').getBoundingClientRect();"
                        "return [b.x + b.width / 2, b.y + b.height / 2]; })()")  # fmt: skip
    browser.hover(*place, "document.querySelectorAll('#outputs .hovertext').length >= 2"
                          "&& document.querySelector('#members tr.lit')?.dataset.key === '1'")  # fmt: skip
    healthy(browser)


# ---- ParaView ---------------------------------------------------------------------------------------------------------

INTEGRATE = """
import json, sys
from paraview.simple import *
found = {}
for part, run in ((part, run) for run in sys.argv[1:] for part in ("metal", "electrolyte", "interface")):
    reader = PVDReader(FileName=f"{run}/fields/{part}.pvd")
    times = list(reader.TimestepValues)
    total = IntegrateVariables(Input=reader)
    UpdatePipeline(time=times[-1], proxy=total)
    data = total.CellData
    arrays = {name: [reader.CellData[name].GetNumberOfComponents()] for name in reader.CellData.keys()}
    arrays |= {name: [reader.PointData[name].GetNumberOfComponents()] for name in reader.PointData.keys()}
    integrals = {name: data[name].GetRange(0)[0] for name in data.keys()}
    found.setdefault(run, {})[part] = {"times": times, "arrays": arrays, "integrals": integrals}
print(json.dumps(found))
"""


def read_fields(folders: list[Path], tmp_path: Path) -> list[dict]:
    """Times, arrays and integrals at the last time of each part of each run: in ParaView, or by the same filter in pyvista."""
    if shutil.which("pvpython") is None:
        warnings.warn("no ParaView here: field files were read by pyvista", stacklevel=1)
        return [{part: read_by_pyvista(folder / "fields" / f"{part}.pvd") for part in (*AREA, "interface")} for folder in folders]
    script = tmp_path / "integrate.py"
    script.write_text(INTEGRATE, encoding="utf-8")
    command = ["pvpython", str(script), *map(str, folders)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    return [found[str(folder)] for folder in folders]


def read_by_pyvista(file: Path) -> dict:
    import pyvista

    reader = pyvista.get_reader(file)
    reader.set_active_time_value(reader.time_values[-1])
    grid = reader.read().combine()
    data = grid.integrate_data().cell_data
    arrays = {n: [1 if a.ndim == 1 else a.shape[1]] for n, a in [*grid.cell_data.items(), *grid.point_data.items()]}
    integrals = {name: float(np.ravel(data[name])[0]) for name in data.keys()}
    return {"times": list(reader.time_values), "arrays": arrays, "integrals": integrals}


def test_field_files_in_paraview_on_one_and_two_ranks(folder, tmp_path):
    (tmp_path / "case.toml").write_text(CASE, encoding="utf-8")
    launcher = Path(sys.executable).with_name("mpirun")
    words = f"-n 2 {sys.executable} -m interfem.cli run {tmp_path / 'case.toml'} --out {tmp_path / 'two'} --quiet"
    subprocess.run([str(launcher), *words.split()], check=True, stdin=subprocess.DEVNULL, capture_output=True, timeout=200)
    one, two = read_fields([folder, tmp_path / "two"], tmp_path)
    assert one["metal"]["times"] == two["metal"]["times"] == pytest.approx([1.0, 2.0, 3.0])
    for part, area in AREA.items():
        known = {"displacement_um": [3], "potential_V": [1], "current_density_A_per_m2": [3], "von_mises_MPa": [1]}
        assert known.items() <= one[part]["arrays"].items()
        assert one[part]["integrals"]["Area"] == pytest.approx(area, rel=5e-3)
    with open(folder / "scalars.csv", newline="", encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    plated = one["interface"]["integrals"]["plated_thickness_um"] / 10
    assert plated == pytest.approx(float(last["plated_thickness_um"]), rel=1e-3), "the field is the scalar"
    for part, found in one.items():
        for name, value in found["integrals"].items():
            if not name.startswith(("vtk", "current")):  # the first component of the current is nearly none
                assert two[part]["integrals"][name] == pytest.approx(value, rel=1e-6), f"{part}: {name}: no cell counts twice"
