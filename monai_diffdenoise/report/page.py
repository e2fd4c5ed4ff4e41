# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Pages from templates: the one place that needs Jinja2."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

from monai_diffdenoise.errors import InputError

__all__ = ["render"]


def render(template: str, values: dict[str, Any], *, script: str, trusted: tuple[str, ...] = ()) -> str:
    """Fill a template; the page holds its style and its script, and all values are escaped.

    Args:
        template: name of a file in ``report/templates``.
        values: by name.
        script: name of the page's script.
        trusted: values that are HTML made here.

    Raises:
        InputError: Jinja2 is not installed.
    """
    try:
        from jinja2 import Environment, StrictUndefined
        from markupsafe import Markup
    except ImportError as error:
        raise InputError(
            "reports need jinja2, which is not installed: pip install 'monai-diffdenoise[report]'"
        ) from error
    folder = files("monai_diffdenoise.report") / "templates"

    def text(name: str) -> str:
        return (folder / name).read_text(encoding="utf-8")

    page = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    safe = {name: Markup(values[name]) for name in trusted}
    known = {"style": Markup(text("style.css")), "script": Markup(text(script))}
    return page.from_string(text(template)).render(**{**values, **safe, **known}).strip() + "\n"
