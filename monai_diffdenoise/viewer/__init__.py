# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""A page in the user's own browser that shows volumes, served from this machine to this machine."""

from __future__ import annotations

from monai_diffdenoise.viewer.scene import Scene, Shown, load_scene
from monai_diffdenoise.viewer.server import ViewerServer

__all__ = ["Scene", "Shown", "ViewerServer", "load_scene"]
