# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Start MONAI Label with this app, reachable from this computer alone: python start.py --studies FOLDER_OR_DICOMWEB."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> None:
    """Hand over to MONAI Label's own program; what it starts inherits the environment."""
    os.environ.setdefault("MONAI_LABEL_TRACKING_ENABLED", "false")
    if importlib.util.find_spec("pydicom_seg") is None:
        # MONAI Label 0.8.5 imports it at the top, for DICOM SEG alone, and it does not run with pydicom 3
        search = [str(HERE / "standin"), os.environ.get("PYTHONPATH", "")]
        os.environ["PYTHONPATH"] = os.pathsep.join(part for part in search if part)
    given = sys.argv[1:]
    if "--host" not in given:
        given += ["--host", "127.0.0.1"]
    command = [sys.executable, "-m", "monailabel.main", "start_server", "--app", str(HERE), *given]
    os.execv(sys.executable, command)


if __name__ == "__main__":
    main()
