"""How Sphinx builds the site: `make docs`."""

from importlib.metadata import version as version_of

import surrogate

project = "surrogate"
copyright = "the surrogate developers"
version = release = version_of("surrogate")

extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "sphinx.ext.mathjax", "numpydoc"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "notebooks"]

# Public is what `surrogate` and its rooms list in `__all__`; the template writes one page for each of them.
autosummary_imported_members = True
autosummary_ignore_module_all = False
autosummary_context = {"top": surrogate.__all__}  # described once, on the page of the package
templates_path = ["templates"]
autodoc_typehints = "none"  # numpydoc docstrings tell types with shapes and units
autodoc_inherit_docstrings = False
numpydoc_show_class_members = False

html_theme = "furo"
html_title = f"surrogate {version}"
html_show_sourcelink = False
