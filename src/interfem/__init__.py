"""interfem: finite-element simulator of the lithium / sulfide-electrolyte interface."""

__version__ = "0.1.0"
