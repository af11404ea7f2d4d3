"""From a run or study folder to one HTML file that needs nothing else: `write_report`."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from .blocks import Page
from .critical_page import critical_page
from .run_page import run_page
from .scene import viewer_page
from .study_page import study_page


class ReportError(Exception):
    """There is nothing to report on, or nowhere to write it; the text says why. The command line exits with 2."""


def write_report(folder: str | Path, out: str | Path | None = None, progress: Callable[[float, str], None] | None = None) -> Path:
    """Write the page of the run, study or search for the critical current in a folder, by default to `report.html` in it. ReportError if it can't be.

    `progress(fraction, text)` is called before each section.
    """
    folder = Path(folder)
    out = Path(out) if out is not None else folder / "report.html"
    if not folder.is_dir():
        raise ReportError(f"{folder}: is no folder; give one that `interfem run` or `interfem study` wrote")
    page = _read(folder, out, progress or (lambda fraction, text: None))
    part = out.with_name(out.name + ".part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(render(page), encoding="utf-8")
        os.replace(part, out)
    except OSError as error:
        raise ReportError(f"{out}: cannot be written ({error.strerror or error}); choose another file with --out") from None
    return out


def _read(folder: Path, out: Path, progress: Callable[[float, str], None]) -> Page:
    name = next((name for name in ("study.csv", "critical.json") if (folder / name).is_file()), "run.json")
    try:
        if name == "run.json":
            return run_page(folder, progress)
        return (study_page if name == "study.csv" else critical_page)(folder, out, progress)
    except FileNotFoundError as error:
        missing = Path(error.filename or name).name
        raise ReportError(
            f"{folder}: has no {missing}; give a folder that `interfem run` or `interfem study` wrote and that has ended"
        ) from None
    except (OSError, ValueError) as error:
        raise ReportError(f"{folder / name}: cannot be read ({error}); run it again") from None


def render(page: Page) -> str:
    """The HTML text of a page. Scripts of charts and scenes are there only if it has some."""
    kinds = set(_kinds(page.sections))
    environment = Environment(
        loader=PackageLoader("interfem.report", "."),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["script_json"] = script_json
    own = files("interfem.report")
    return environment.get_template("page.html").render(
        page=page,
        version=version("interfem"),
        style=Markup(own.joinpath("page.css").read_text(encoding="utf-8")),
        script=Markup(own.joinpath("page.js").read_text(encoding="utf-8")),
        plotly=Markup(files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8"))
        if kinds & {"chart", "explorer", "outcomes"}
        else "",
        viewer=viewer_page() if "scenes" in kinds else "",
    )


def _kinds(blocks):
    """Kinds of all blocks, inner ones too."""
    for block in blocks:
        yield block.kind
        yield from _kinds(getattr(block, "blocks", ()))


def script_json(data) -> Markup:
    """Data for a script element: no `<` that could end it."""
    return Markup(json.dumps(data, ensure_ascii=False, allow_nan=False).replace("<", "\\u003c").replace("\u2028", "\\u2028"))
