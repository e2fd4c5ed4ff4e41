# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""In the place of torchvision, of which MONAI Label 0.8.5 imports two functions that draw pictures of a training."""
