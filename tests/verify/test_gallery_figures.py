"""The figures of docs/gallery.md: their runs are as close to the closed forms as the figures say, and a figure that is off is refused."""

import importlib.util
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
SPEC = importlib.util.spec_from_file_location("gallery", ROOT / "docs" / "gallery.py")
gallery = importlib.util.module_from_spec(SPEC)
sys.modules["gallery"] = gallery
SPEC.loader.exec_module(gallery)


@pytest.mark.parametrize("name", gallery.FIGURES)
def test_figure_is_drawn_on_its_closed_form(name, tmp_path):
    figure = gallery.FIGURES[name](tmp_path / "runs")
    gallery.draw(figure, tmp_path / "figure.png")
    with Image.open(tmp_path / "figure.png") as picture, Image.open(ROOT / "docs" / "gallery" / f"{name}.png") as shown:
        assert picture.size == shown.size
        marks = np.abs(np.asarray(picture.convert("RGB")).astype(int) - [213, 94, 0]).max(axis=2) < 30
        assert marks.sum() > 100, "points are there"
    with pytest.raises(gallery.GalleryError, match="from the closed form"):
        gallery.draw(replace(figure, runs=figure.runs * (1 + 2 * figure.tolerance)), tmp_path / "figure.png")


def test_the_page_shows_every_figure_with_its_case():
    page = (ROOT / "docs" / "gallery.md").read_text(encoding="utf-8")
    assert all(f"(gallery/{name}.png)" in page and f"(gallery/{name}.toml)" in page for name in gallery.FIGURES)
