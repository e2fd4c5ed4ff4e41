# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""From a batch to the arguments of inferer and loss."""

from __future__ import annotations

import torch

from monai_diffdenoise.engines import PreparePair


def batch(*size: int) -> dict[str, torch.Tensor]:
    return {name: torch.randn(2, 3, *size) for name in ("image", "target", "weight")} | {"other": torch.zeros(1)}


def test_the_pair_is_label_and_keyword() -> None:
    data = batch(5, 4)
    image, label, positional, keywords = PreparePair()(data, torch.device("cpu"))
    assert positional == ()
    assert keywords == {"pair": label}
    assert label.keys() == {"image", "target", "weight"}
    assert image is label["image"]
    assert all(torch.equal(label[name], data[name]) for name in label)


def test_images_are_laid_out_with_channels_last() -> None:
    _, label, _, _ = PreparePair()(batch(5, 4))
    assert all(value.is_contiguous(memory_format=torch.channels_last) for value in label.values())
    _, label, _, _ = PreparePair(channels_last=False)(batch(5, 4))
    assert all(value.is_contiguous() for value in label.values())


def test_volumes_stay_as_they_are() -> None:
    data = batch(5, 4, 3)
    _, label, _, _ = PreparePair()(data)
    assert all(torch.equal(label[name], data[name]) and label[name].is_contiguous() for name in label)


def test_keywords_reach_the_conversion() -> None:
    image, label, _, _ = PreparePair()(batch(5, 4), "cpu", non_blocking=True, dtype=torch.float64)
    assert image.dtype == label["weight"].dtype == torch.float64
