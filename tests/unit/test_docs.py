"""Pages build with every link alive and nothing loaded from elsewhere; the tutorial's commands are ones that exist."""

import importlib.util
import re
import shlex
from html.parser import HTMLParser
from pathlib import Path

from interfem.case import load_case
from interfem.cli import app, spread

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)


class Loads(HTMLParser):
    """What a page loads."""

    def __init__(self, page: Path):
        super().__init__()
        self.found = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        data = dict(attributes)
        wanted = tag in ("script", "img", "iframe") or (tag == "link" and data.get("rel") not in ("canonical", "prev", "next"))
        self.found += [data[key] for key in ("src", "href") if wanted and data.get(key)]


def test_pages_build_with_nothing_from_elsewhere(tmp_path):
    site = build.build(tmp_path / "site", run=False).parent
    names = ("index", "tutorial", "results", "cases", "theory", "gallery", "cluster", "extending", "modules/interfem.laws.norton")
    pages = [site / f"{name}.html" for name in names]
    for page in pages:
        for load in Loads(page).found:
            assert load.startswith("data:") or (page.parent / load.partition("#")[0]).is_file(), f"{page.name} loads {load}"
    assert "Norton creep" in pages[-1].read_text(encoding="utf-8")


def test_commands_of_the_tutorial_are_understood():
    told = build.commands((ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8"))
    assert len(told) >= 8
    for command in told:
        words = shlex.split(re.split(r" \| | 2>", command)[0])
        words = words[words.index("interfem") + 1 :]
        app.parse_args(spread(words), exit_on_error=False, print_error=False)
        case = next((word for word in words if word.startswith("models/cases/")), None)
        if case and "2>&1" not in command:
            load_case(ROOT / case, tuple(words[n + 1] for n, word in enumerate(words) if word == "--set"))


def test_tutorial_shows_what_commands_print(tmp_path):
    text = "a\n```console\n$ echo one two\n$ true\n```\nb\n![Mesh](runs/mesh.png)\n"
    (tmp_path / "work" / "runs").mkdir(parents=True)
    (tmp_path / "work" / "runs" / "mesh.png").write_bytes(b"png")
    assert (
        build.play(text, tmp_path / "work", tmp_path / "pages")
        == "a\n```console\n$ echo one two\none two\n$ true\n```\nb\n![Mesh](runs/mesh.png)\n"
    )
    assert (tmp_path / "pages" / "runs" / "mesh.png").read_bytes() == b"png"
    assert build.without_figures(text).endswith("*(Mesh)*\n")
