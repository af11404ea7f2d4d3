"""Studies: a base case over many values of its keys, run side by side, gathered into tables and figures."""

from .control import cancel, collect
from .file import StudyError
from .study import Outcome, default_folder, read_status, run_study

__all__ = ["Outcome", "StudyError", "cancel", "collect", "default_folder", "read_status", "run_study"]
