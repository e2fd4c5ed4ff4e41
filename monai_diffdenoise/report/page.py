# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pages from templates: the one place that needs Jinja2."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from monai_diffdenoise.errors import InputError

__all__ = ["render", "trusted_html"]


def trusted_html(text: str) -> Any:
    """Text that :func:`render` takes as HTML: only what was made here, such as figures."""
    from markupsafe import Markup

    return Markup(text)


def render(template: str, values: dict[str, Any], *, script: str) -> str:
    """Fill a template; the page holds its style and its script, and all values are escaped.

    Args:
        template: name of a file in ``report/templates``.
        values: by name.
        script: name of the page's script.

    Raises:
        InputError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError as error:
        raise InputError(
            "reports need jinja2, which is not installed: pip install 'monai-diffdenoise[report]'"
        ) from error
    folder = files("monai_diffdenoise.report") / "templates"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    known = {"style": trusted_html(text("style.css")), "script": trusted_html(text(script))}
    return page.from_string(text(template)).render(**values, **known).strip() + "\n"
