"""The examples of docs/extending.md, put into a copy of the package as the page says, run against closed forms."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = re.compile(r'^```\w+ title="([^"]+)"\n(.*?)^```$', re.MULTILINE | re.DOTALL)
LINE = re.compile(r"^\| `([^`]+)` \| `([^`]+)` \| `(.+)` \|$", re.MULTILINE)
F, R, T = 96485.33212, 8.314462618, 298.15

CELL = """
title = "Extended"
temperature = "298.15 K"
geometry = {kind = "plane", width = "5 um"}
layers = [{name = "li", material = "Li", thickness = "5 um"}, {name = "film", material = "ExampleNitride", thickness = "1 um"},
          {name = "sse", material = "Li6PS5Cl", thickness = "10 um"}]
interfaces = {"li|film" = {kinetics = "sinh", exchange_current_density = "10 A/m^2"}}
materials = {Li6PS5Cl = {ionic_conductivity = "0.2 S/m"}}
protocol = [{kind = "current", value = "-30 A/m^2", duration = "1 s", first_step = "1 s", max_step = "1 s"}]
mesh = {size = "5 um"}
output = {figures = false}
"""
BAR = """
title = "Newtonian bar"
temperature = "298.15 K"
geometry = {kind = "axisymmetric", width = "10 um"}
layers = [{name = "li", material = "Li", thickness = "10 um", law = "newton"}]
mechanics = {boundaries = {outer = "free"}}
protocol = [{kind = "pressure", to = "0.5 MPa", duration = "1e-3 s"}, {kind = "rest", duration = "0.2 s", first_step = "0.1 s", max_step = "0.1 s"}]
mesh = {size = "5 um"}
output = {figures = false}
"""
SCRIPT = """
import csv, json, sys
import interfem
from interfem import load_case, run
assert interfem.__file__.startswith(sys.argv[1]), interfem.__file__
found = {}
for name in ("cell", "bar"):
    result = run(load_case(f"{name}.toml"), name)
    assert result.status == "completed", result.reason
    found[name] = list(csv.DictReader(open(f"{name}/scalars.csv")))
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory) -> Path:
    """A copy of the package with the page's files and lines in it."""
    place = tmp_path_factory.mktemp("extended")
    shutil.copytree(ROOT / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "models", place / "models")
    page = (ROOT / "docs" / "extending.md").read_text(encoding="utf-8")
    files, lines = FILE.findall(page), LINE.findall(page)
    assert len(files) == 3 and len(lines) == 10
    for name, text in files:
        assert not (place / name).exists(), f"{name}: the example is there already"
        (place / name).write_text(text, encoding="utf-8")
    for name, behind, goes in lines:
        text = (place / name).read_text(encoding="utf-8")
        head = re.search(rf"(^|\b){re.escape(behind)}", text, re.MULTILINE)
        assert head, f"{name} has no {behind!r} any more: mend docs/extending.md"
        (place / name).write_text(text[: head.end()] + goes + text[head.end() :], encoding="utf-8")
    return place


def test_examples_of_the_page_work(package):
    (package / "cell.toml").write_text(CELL, encoding="utf-8")
    (package / "bar.toml").write_text(BAR, encoding="utf-8")
    command = [sys.executable, "-c", SCRIPT, str(package)]
    environment = os.environ | {"PYTHONPATH": str(package / "src")}
    done = subprocess.run(command, cwd=package, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])

    i = -30.0
    ohmic = i * (10e-6 / 0.2 + 1e-6 / 5e-2)
    charge_transfer = 2 * R * T / F * math.asinh(i / 20.0)
    assert float(found["cell"][-1]["cell_voltage_V"]) == pytest.approx(ohmic + charge_transfer, rel=1e-8)

    first, last = found["bar"][-2:]
    shift = float(last["collector_displacement_um"]) - float(first["collector_displacement_um"])
    rate = -shift / 10.0 / (float(last["time_s"]) - float(first["time_s"]))
    assert rate == pytest.approx(7.7e-3 * 0.5, rel=1e-3), "A q/sigma_0 of the library's creep rate"
