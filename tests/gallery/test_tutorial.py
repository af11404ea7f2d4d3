"""Every command of the tutorial is carried out as it stands there, and leaves the pictures that the page shows."""

import importlib.util
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("build", ROOT / "docs" / "build.py")
build = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(build)


def test_tutorial(tmp_path):
    text = (ROOT / "docs" / "tutorial.md").read_text(encoding="utf-8")
    told = build.play(text, tmp_path / "work", tmp_path / "pages")
    for words in ("thickness = 20 has no unit", "completed: runs/bare", "completed: runs/film", "Areal resistance under current",
                  "report: runs/film/report.html", "picture: runs/view.png"):  # fmt: skip
        assert words in told, words
    pictures = [figure for _, figure in build.FIGURE.findall(text)]
    assert len(pictures) == 4 and all((tmp_path / "pages" / figure).stat().st_size > 10_000 for figure in pictures)
