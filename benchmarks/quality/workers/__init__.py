# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Methods that run in an environment of their own, one program each: ``python -m benchmarks.quality.workers.ants DIR``.

They import nothing of monai-diffdenoise, which is not installed there.
"""
