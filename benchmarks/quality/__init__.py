# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Quality of our methods and of others, on the same cases in the same run."""
