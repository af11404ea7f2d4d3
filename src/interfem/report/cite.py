"""How to cite: interfem itself, what it stands on, and BibTeX of both. CITATION.cff at the root says the same (a test compares)."""

from __future__ import annotations

from dataclasses import dataclass

from .blocks import Code, Fold, Notes, Section, Text

ABOUT = "interfem: finite-element simulator of the lithium / sulfide-electrolyte interface"
AUTHORS = "The interfem developers"


@dataclass(frozen=True)
class Work:
    """Something to cite: key, kind of BibTeX entry, authors, title, where it appeared, year, DOI."""

    key: str
    kind: str
    authors: str
    title: str
    place: str
    year: str
    doi: str = ""

    @property
    def sentence(self) -> str:
        authors = self.authors.replace(" and others", " et al.").replace(" and ", ", ")
        return f"{authors}: {self.title}, {self.place} ({self.year})" + (f", doi:{self.doi}." if self.doi else ".")

    @property
    def bibtex(self) -> str:
        venue = "journal" if self.kind == "article" else "publisher"
        entries = {"author": self.authors, "title": self.title, venue: self.place, "year": self.year, "doi": self.doi}
        lines = ",\n".join(f"  {name:<9} = {{{text}}}" for name, text in entries.items() if text)
        return f"@{self.kind}{{{self.key},\n{lines}\n}}"


WORKS = (
    Work(
        "dolfinx",
        "misc",
        "I. A. Baratta and J. P. Dean and J. S. Dokken and M. Habera and J. S. Hale and C. N. Richardson and M. E. Rognes and "
        "M. W. Scroggs and N. Sime and G. N. Wells",
        "DOLFINx: the next generation FEniCS problem solving environment",
        "Zenodo",
        "2023",
        "10.5281/zenodo.10447666",
    ),
    Work("petsc", "techreport", "S. Balay and others", "PETSc/TAO users manual", "Argonne National Laboratory, ANL-21/39", "2025"),
    Work(
        "gmsh",
        "article",
        "C. Geuzaine and J.-F. Remacle",
        "Gmsh: a 3-D finite element mesh generator with built-in pre- and post-processing facilities",
        "Int. J. Numer. Methods Eng. 79, 1309-1331",
        "2009",
        "10.1002/nme.2579",
    ),
)


def citation(version: str, also: tuple[str, ...], facts: str) -> Section:
    """Sentences and BibTeX; `also` are more sentences, `facts` tell the result itself apart."""
    own = f"{AUTHORS}: {ABOUT}, version {version}."
    bibtex = f"@software{{interfem,\n  author    = {{{{{AUTHORS}}}}},\n  title     = {{{ABOUT}}},\n  version   = {{{version}}}\n}}"
    entries = "\n\n".join([bibtex, *(work.bibtex for work in WORKS)])
    blocks = (Notes((own, *(work.sentence for work in WORKS), *also)), Fold("BibTeX", (Code(entries),)), Text((facts,)))
    return Section("cite", "How to cite", blocks)
