"""Studies: a base case over many values of its keys, run side by side, gathered into tables and figures."""

from .file import StudyError
from .study import Outcome, default_folder, read_status, run_study

__all__ = ["Outcome", "StudyError", "default_folder", "read_status", "run_study"]
