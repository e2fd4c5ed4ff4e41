# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A handler that has an identifier of its own, in a configuration's list of handlers."""

from __future__ import annotations

from typing import Any

from ignite.engine import Engine

__all__ = ["AttachHandler"]


class AttachHandler:
    """Ignite handler that attaches another one.

    MONAI's check of a bundle's properties takes each entry of ``train::handlers`` for a dictionary with a ``_target_``
    and fails at a plain reference such as ``"@average"``.

    Args:
        handler: what to attach.
    """

    def __init__(self, handler: Any) -> None:
        self.handler = handler

    def attach(self, engine: Engine) -> None:
        """Attach the handler to the engine."""
        self.handler.attach(engine)
