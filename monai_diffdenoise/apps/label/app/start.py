# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Start MONAI Label with this app, reachable from this computer alone: python start.py --studies FOLDER_OR_DICOMWEB.

With --app FOLDER it starts another one, such as MONAI Label's own monaibundle.
"""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent

# What MONAI Label 0.8.5 imports at the top and this installation need not have: for DICOM SEG alone (and it does not
# run with pydicom 3), and, with bundles, for pictures of a training.
STANDINS = {"pydicom_seg": "standin", "torchvision": "standin_torchvision"}


def main() -> None:
    """Hand over to MONAI Label's own program; what it starts inherits the environment."""
    os.environ.setdefault("MONAI_LABEL_TRACKING_ENABLED", "false")
    search = [str(HERE / place) for name, place in STANDINS.items() if importlib.util.find_spec(name) is None]
    os.environ["PYTHONPATH"] = os.pathsep.join([*search, *filter(None, [os.environ.get("PYTHONPATH")])])
    # of an option that stands there twice, the last one counts
    fixed = ["--app", str(HERE), "--host", "127.0.0.1"]
    os.execv(sys.executable, [sys.executable, "-m", "monailabel.main", "start_server", *fixed, *sys.argv[1:]])


if __name__ == "__main__":
    main()
