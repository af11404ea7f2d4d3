"""Which engine runs a study: the table [engine] of the study over that of the site file, and the command line over both."""

from __future__ import annotations

import os
from pathlib import Path

from ..units import show
from .engine import Engine, Local, cores
from .file import EngineTable, StudyError, read_site


def site_file() -> Path:
    """Where a site file is looked for if none is named."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "interfem" / "site.toml"


def settled(table: EngineTable, site: Path | None, **given: object) -> EngineTable:
    """Settings in force: those `given` (None: not given), else the study's `table`, else the site file's, key by key. StudyError."""
    path = site or site_file()
    below = read_site(path).engine if site is not None or path.is_file() else EngineTable()
    for key, value in given.items():
        if isinstance(value, int) and value < 1:
            raise StudyError(f"--{key} {value}: should be at least 1")
    above = {name: getattr(table, name) for name in table.model_fields_set} | {k: v for k, v in given.items() if v is not None}
    found = below.model_copy(update=above)
    if found.warning >= found.time:
        raise StudyError(f"engine.warning = {show(found.warning, 'time')}: is as long as engine.time, {show(found.time, 'time')}, so that "
                         "runs would queue again at once; make it shorter")
    return found


def make_engine(settings: EngineTable, folder: Path, study: Path) -> Engine:
    """The engine of a study file in a folder. StudyError if it cannot run here."""
    if settings.name == "slurm":
        from .slurm import Slurm  # submitit is slow to load

        return Slurm(settings, folder, study)
    found, needed = cores(), settings.ranks * (settings.jobs or 1)
    if needed > found:
        asked = f"--ranks {settings.ranks} --jobs {settings.jobs or 1}"
        raise StudyError(f"{asked}: needs {needed} cores, and there are {found}; lower one of them")
    return Local(settings.ranks, settings.jobs or found // settings.ranks)
