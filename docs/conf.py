# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Sphinx configuration: ``sphinx-build -W docs docs/_build``."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

from sphinx.application import Sphinx

import monai_diffdenoise

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "monai-diffdenoise"
author = "monai-diffdenoise contributors"
copyright = author
release = monai_diffdenoise.__version__

extensions = ["command_line", "mathml", "public_names", "myst_nb", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
# Names of other projects become links where their inventories can be fetched. Builds without a network must not warn,
# and neither must .ci/run, so it is asked for: DIFFDENOISE_INTERSPHINX=1 sphinx-build ...
if os.environ.get("DIFFDENOISE_INTERSPHINX"):
    extensions.append("sphinx.ext.intersphinx")
    intersphinx_mapping = {
        "monai": ("https://docs.monai.io/en/stable", None),
        "pydicom": ("https://pydicom.github.io/pydicom/stable", None),
        "python": ("https://docs.python.org/3", None),
        "torch": ("https://docs.pytorch.org/docs/stable", None),
    }
exclude_patterns = ["_build"]

# Tutorials stand at the top of the repository, Sphinx reads what is below its own folder.
shutil.rmtree(Path(__file__).parent / "tutorials", ignore_errors=True)
shutil.copytree(Path(__file__).parents[1] / "tutorials", Path(__file__).parent / "tutorials")
nb_execution_mode = "force"
nb_execution_timeout = 900
nb_execution_raise_on_error = True
nb_execution_in_temp = True
nb_merge_streams = True

html_theme = "furo"
html_title = project
html_math_renderer = "mathml"
html_static_path = ["_static"]
html_css_files = ["math.css"]

myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
napoleon_numpy_docstring = False

# Docstrings write shapes as in Python, (B, C, *spatial); reStructuredText would read that star as emphasis.
_LITERAL_OR_SHAPE_STAR = re.compile(r"(``.*?``)|(?<=, )\*(?=\w)")


def _escape_shapes(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    lines[:] = [_LITERAL_OR_SHAPE_STAR.sub(lambda match: match[1] or r"\*", line) for line in lines]


def _from_where_pages_stand(app: Sphinx, docname: str, source: list[str]) -> None:
    """Links between docs/ and tutorials/ are written as they hold in the repository."""
    up = "../" * docname.count("/")
    text = source[0].replace(f"](../{up}tutorials/", f"]({up}tutorials/")
    source[0] = text.replace("](../docs/", "](../") if docname.startswith("tutorials/") else text


def setup(app: Sphinx) -> None:
    app.connect("source-read", _from_where_pages_stand)
    # Before napoleon, which registers at 500.
    app.connect("autodoc-process-docstring", _escape_shapes, priority=400)
