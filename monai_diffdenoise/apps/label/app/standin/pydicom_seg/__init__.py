# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""In the place of pydicom-seg, which MONAI Label 0.8.5 imports and which does not run with pydicom 3. No DICOM SEG."""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    raise ImportError("DICOM SEG is not supported by this app: pydicom-seg does not run with pydicom 3")
