"""Build the documentation in docs/build: pages, all modules from their docstrings, and the tutorial as it was really run.

python docs/build.py            # runs the commands of the tutorial (some minutes)
python docs/build.py --pages    # pages only; the tutorial without outputs and figures
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.progress import track

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent
ORDER = ("index", "tutorial", "results", "cases", "studies", "theory", "gallery", "verification", "cluster", "extending")  # others follow
NAMES = {"index": "Home", "tutorial": "Tutorial", "results": "Looking at results", "cases": "The case file", "studies": "Studies",
         "theory": "Theory", "gallery": "Verification in pictures", "verification": "Verification", "cluster": "Clusters", "extending": "Extending"}  # fmt: skip
LONGEST = 60  # lines of an output that a page shows
LIMIT = 900.0  # s for one command of the tutorial
ENOUGH = 128 + 13  # status of a command whose reader, such as `head`, has seen enough


class BuildError(Exception):
    """A page, or a command of the tutorial, is wrong."""


def build(target: Path = DOCS / "build", run: bool = True) -> Path:
    """The site in a folder, made anew; gives its first page. BuildError if a command fails or a link leads nowhere."""
    from mkdocs.commands.build import build as make
    from mkdocs.config import load_config
    from mkdocs.exceptions import Abort

    with tempfile.TemporaryDirectory() as folder:
        pages = Path(folder) / "pages"
        shutil.copytree(DOCS, pages, ignore=shutil.ignore_patterns("build", "*.py", "*.yml", "__pycache__"))
        tutorial = pages / "tutorial.md"
        tutorial.write_text(play(tutorial.read_text(encoding="utf-8"), Path(folder) / "work", pages) if run
                            else without_figures(tutorial.read_text(encoding="utf-8")), encoding="utf-8")  # fmt: skip
        interfaces = interface_pages(pages)
        os.environ.setdefault("NO_MKDOCS_2_WARNING", "1")
        config = load_config(
            str(DOCS / "mkdocs.yml"), docs_dir=str(pages), site_dir=str(target), strict=True, nav=navigation(pages, interfaces)
        )
        config["plugins"]["mkdocstrings"].config["handlers"]["python"]["paths"] = [str(ROOT / "src")]
        try:
            make(config)
        except Abort as error:
            raise BuildError(f"the pages have faults, see above ({error})") from None
    return target / "index.html"


# ---- pages ------------------------------------------------------------------------------------------------------------


def navigation(pages: Path, interfaces: list) -> list:
    """Pages in the order of reading, then the interfaces."""
    found = sorted(
        (path.stem for path in pages.glob("*.md")), key=lambda stem: (ORDER.index(stem) if stem in ORDER else len(ORDER), stem)
    )
    return [*({NAMES.get(stem, stem.replace("_", " ").capitalize()): f"{stem}.md"} for stem in found), {"Modules": interfaces}]


def interface_pages(pages: Path) -> list:
    """A page for each module and package, with what is public in it."""
    entries, source = [], ROOT / "src"
    for path in sorted((source / "interfem").rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        page = pages / "modules" / f"{name}.md"
        page.parent.mkdir(exist_ok=True)
        page.write_text(f"# {name}\n\n::: {name}\n", encoding="utf-8")
        entries.append({name: f"modules/{name}.md"})
    return entries


# ---- the tutorial -----------------------------------------------------------------------------------------------------

BLOCK = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FIGURE = re.compile(r"^!\[([^\]]*)\]\((runs/[^)]+)\)$", re.MULTILINE)


def commands(text: str) -> list[str]:
    """All commands of a tutorial, in order: lines of console blocks that begin with `$ `."""
    return [line[2:] for block in BLOCK.findall(text) for line in block.splitlines() if line.startswith("$ ")]


def without_figures(text: str) -> str:
    return FIGURE.sub(r"*(\1)*", text)


def play(text: str, work: Path, pages: Path) -> str:
    """Run every command of the tutorial; its output goes below it, and the figures of the runs into the pages."""
    shutil.copytree(ROOT / "models", work / "models")
    told = {command: execute(command, work) for command in track(commands(text), "tutorial")}

    def filled(block: re.Match) -> str:
        lines = [
            line + (f"\n{told[line[2:]]}" if line.startswith("$ ") and told[line[2:]] else "") for line in block[1].splitlines()
        ]
        return "```console\n" + "\n".join(lines) + "\n```"

    for _, figure in FIGURE.findall(text):
        (pages / figure).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(work / figure, pages / figure)
    return BLOCK.sub(filled, text)


def execute(command: str, work: Path) -> str:
    """What a command prints; BuildError if it fails."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {
        "PATH": path,
        "OMP_NUM_THREADS": "1",
        "MPLBACKEND": "Agg",
        "PYVISTA_OFF_SCREEN": "true",
        "COLUMNS": "120",
    }
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=work,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT,
    )
    if done.returncode not in (0, ENOUGH):
        raise BuildError(f"tutorial: `{command}` ended with {done.returncode}:\n{done.stderr or done.stdout}")
    lines = done.stdout.rstrip().splitlines()
    return "\n".join(lines if len(lines) <= LONGEST else [*lines[: LONGEST - 1], "..."])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pages", action="store_true", help="do not run the tutorial")
    parser.add_argument("--out", type=Path, default=DOCS / "build")
    asked, start = parser.parse_args(), time.monotonic()
    try:
        first = build(asked.out, not asked.pages)
    except BuildError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print(f"documentation: {first} ({time.monotonic() - start:.0f} s)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
