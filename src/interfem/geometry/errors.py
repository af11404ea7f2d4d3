"""The one exception of this package."""


class GeometryError(ValueError):
    """The mesh cannot be made; the text gives place, value and remedy."""
