# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Seeds that follow the image: the same noise for one image in any process, other noise for another image."""

from __future__ import annotations

import hashlib

import torch

__all__ = ["derive_seed", "image_seed"]


def derive_seed(*parts: object) -> int:
    """A seed from numbers and names; close ones give unrelated seeds.

    Args:
        parts: whose ``str`` counts.

    Returns:
        0 to 2^62 - 1, the same on every machine.
    """
    digest = hashlib.blake2b("\n".join(map(str, parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") % 2**62


def image_seed(seed: int, image: torch.Tensor) -> int:
    """A seed from a seed, the shape of an image and every bit of its voxels as float32."""
    values = image.detach().as_subclass(torch.Tensor).to("cpu", torch.float32)
    content = hashlib.blake2b(values.reshape(-1).contiguous().numpy().data, digest_size=16)
    return derive_seed(seed, tuple(image.shape), content.hexdigest())
