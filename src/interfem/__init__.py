"""interfem: finite-element simulator of the lithium / sulfide-electrolyte interface."""

from importlib.metadata import version

__version__ = version("interfem")
