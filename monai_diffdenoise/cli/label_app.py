# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise label-app DIR``."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from monai_diffdenoise.errors import InputError

__all__ = ["LabelApp"]


@dataclass(frozen=True)
class LabelApp:
    """Write the MONAI Label app into a new folder; start.py in it starts the server."""

    folder: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="DIR", help="A new folder.")]

    def run(self) -> int:
        """Do it; returns the exit code."""
        from monai_diffdenoise.data import atomic_folder

        if self.folder.exists():
            raise InputError(f"got {self.folder}, which exists already; choose the name of a new folder")
        source = Path(__file__).resolve().parents[1] / "apps" / "label" / "app"
        with atomic_folder(self.folder) as made:
            shutil.copytree(source, made, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
            (made / "bin" / "itkimage2segimage").chmod(0o755)
        print(f"python {self.folder / 'start.py'} --studies FOLDER_WITH_IMAGES --port 8000")
        return 0
