"""The site made of these pages, the README and docstrings; ``scripts/docs`` builds it.

The sources are the whole checkout, so that links between pages are the same as where one reads
them without a site.
"""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import texsynth  # noqa: E402

project = "texsynth"
author = "The texsynth developers"
copyright = author
version = release = texsynth.__version__
language = "en"

root_doc = "docs/index"
include_patterns = [
    "README.md",
    "README.ja.md",
    "CHANGELOG.md",
    "docs/*.md",
    "docs/*.ipynb",
    "models/README.md",
    "samples/README.md",
]

# Not even looked into.
exclude_patterns = [".*", "build", "plugins", "scripts", "stubs", "tests", "texsynth"]

extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "sphinx.ext.viewcode"]

# Headings get the names that they have on a code host, to which links go.
myst_heading_anchors = 4

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
python_maximum_signature_line_length = 88
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True

# The tutorial shows the pictures that are kept in it; scripts/docs runs it before the building.
nb_execution_mode = "off"

html_theme = "furo"
html_title = "texsynth"
html_extra_path = ["site"]
