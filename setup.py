# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Adds the top-level ``bundles/`` to the packages found in the tree; everything else stands in setup.cfg."""

from __future__ import annotations

from setuptools import find_packages, setup

setup(packages=[*find_packages(include=["monai_diffdenoise*"]), "monai_diffdenoise.bundles"])
