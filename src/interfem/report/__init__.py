"""One page about a run or a study, and a window on a run's fields."""

from .page import ReportError, write_report
from .scene import SceneError, view_run

__all__ = ["ReportError", "SceneError", "view_run", "write_report"]
