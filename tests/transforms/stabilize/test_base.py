# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What all stabilizers share: types, shapes, memory, the remaining share, JSON."""

from __future__ import annotations

import json
import pickle

import pytest
import torch
from monai.data import MetaTensor

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.stabilize import (
    AnscombeStabilizer,
    LogGammaStabilizer,
    RicianStabilizer,
    Stabilizer,
    base,
)

STABILIZERS = [
    AnscombeStabilizer(),
    AnscombeStabilizer(2.5, -10, 4),
    LogGammaStabilizer(1, 0.1),
    LogGammaStabilizer(12, 1),
    RicianStabilizer(3),
    RicianStabilizer(2, 8),
]
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA"))]


def wide_values() -> torch.Tensor:
    """Sorted float64 values far below and above every model's domain, dense around 0."""
    fine = torch.linspace(-60, 60, 4001, dtype=torch.float64)
    coarse = torch.logspace(2, 6, 100, dtype=torch.float64)
    return torch.cat([-coarse.flip(0), fine, coarse])


@pytest.fixture(params=STABILIZERS, ids=repr)
def stabilizer(request: pytest.FixtureRequest) -> Stabilizer:
    return request.param


def test_forward_increases_strictly_and_stays_finite(stabilizer: Stabilizer) -> None:
    stabilized = stabilizer.forward(wide_values())
    assert stabilized.isfinite().all()
    assert (stabilized.diff() > 0).all()


def test_no_signal_becomes_0(stabilizer: Stabilizer) -> None:
    nothing = torch.tensor([getattr(stabilizer, "offset", 0.0)], dtype=torch.float64)
    assert float(stabilizer.forward(nothing)) == pytest.approx(0, abs=1e-12)


def test_algebraic_inverse_undoes_forward_everywhere(stabilizer: Stabilizer) -> None:
    values = wide_values()
    restored = stabilizer.algebraic_inverse(stabilizer.forward(values))
    assert torch.allclose(restored, values, rtol=1e-9, atol=1e-9)


def test_untouched_whole_numbers_come_back_through_float32(stabilizer: Stabilizer) -> None:
    values = torch.arange(-50, 4096, dtype=torch.float32)
    assert torch.equal(stabilizer.algebraic_inverse(stabilizer.forward(values)).round(), values)
    assert torch.equal(stabilizer.inverse(stabilizer.forward(values), 1).round(), values)


def test_unbiased_inverse_never_decreases_and_stays_finite(stabilizer: Stabilizer) -> None:
    restored = stabilizer.inverse(torch.linspace(-20, 60, 20001, dtype=torch.float64))
    assert restored.isfinite().all()
    assert (restored.diff() >= 0).all()


@pytest.mark.parametrize("name", ["forward", "inverse", "algebraic_inverse"])
def test_nan_stays_and_spoils_nothing_else(stabilizer: Stabilizer, name: str) -> None:
    values = torch.tensor([3.0, float("nan"), 7.0])
    got = getattr(stabilizer, name)(values)
    assert got.isnan().tolist() == [False, True, False]
    assert torch.equal(got[::2], getattr(stabilizer, name)(values[::2]))


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
        (torch.float16, torch.float32),
        (torch.bfloat16, torch.float32),
        (torch.int16, torch.float32),
        (torch.uint8, torch.float32),
    ],
)
def test_dtype_and_device(stabilizer: Stabilizer, given: torch.dtype, expected: torch.dtype, device: str) -> None:
    image = torch.arange(24, device=device).to(given).view(2, 3, 1, 4)
    for function in (stabilizer.forward, stabilizer.inverse, stabilizer.algebraic_inverse):
        got = function(image)
        assert (got.dtype, got.shape, got.device.type) == (expected, image.shape, device)
        assert torch.allclose(got.double(), function(image.double()), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("shape", [(), (0,), (3, 0, 2), (5,), (1, 2, 3, 4, 5)])
def test_any_shape(stabilizer: Stabilizer, shape: tuple[int, ...]) -> None:
    image = torch.full(shape, 4.0)
    for function in (stabilizer.forward, stabilizer.inverse, lambda t: stabilizer.inverse(t, 0.5)):
        assert function(image).shape == shape


def test_layout_in_memory_does_not_matter(stabilizer: Stabilizer) -> None:
    image = torch.rand(4, 5, 6, generator=torch.Generator().manual_seed(0)) * 20
    turned = image.permute(2, 0, 1)
    assert torch.equal(stabilizer.forward(turned), stabilizer.forward(image).permute(2, 0, 1))


def test_parts_of_a_large_image_are_put_together_in_order(
    stabilizer: Stabilizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = torch.rand(7, 11, generator=torch.Generator().manual_seed(0)) * 20
    share = torch.rand(7, 1, generator=torch.Generator().manual_seed(1))
    whole = stabilizer.forward(image), stabilizer.inverse(image), stabilizer.inverse(image, share)
    monkeypatch.setattr(base, "_CHUNK", 10)
    parts = stabilizer.forward(image), stabilizer.inverse(image), stabilizer.inverse(image, share)
    assert all(torch.equal(a, b) for a, b in zip(whole, parts))


def test_meta_tensor_keeps_its_geometry_and_history(stabilizer: Stabilizer) -> None:
    affine = torch.diag(torch.tensor([2.0, 3.0, 4.0, 1.0], dtype=torch.float64))
    image = MetaTensor(torch.rand(1, 3, 4, 5) * 9, affine=affine, applied_operations=[{"class": "Before"}])
    got = stabilizer.inverse(stabilizer.forward(image))
    assert isinstance(got, MetaTensor)
    assert torch.equal(got.affine, affine)
    assert got.applied_operations == [{"class": "Before"}]
    assert torch.equal(got.as_tensor(), stabilizer.inverse(stabilizer.forward(image.as_tensor())))


def test_gradients_agree_with_differences(stabilizer: Stabilizer) -> None:
    # 0 and -0.1 below the domain, the rest inside
    image = torch.tensor([-5.3, -0.1, 0.6, 3.3, 9.1, 30.7], dtype=torch.float64, requires_grad=True)
    stabilized = (stabilizer.forward(image.detach()) + 3).requires_grad_()
    assert torch.autograd.gradcheck(stabilizer.forward, image)
    assert torch.autograd.gradcheck(stabilizer.algebraic_inverse, stabilized)
    assert torch.autograd.gradcheck(stabilizer.inverse, stabilized)
    assert torch.autograd.gradcheck(lambda z: stabilizer.inverse(z, 0.3), stabilized)


def test_gradient_of_padding_is_that_of_one_side(stabilizer: Stabilizer) -> None:
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    (at,) = torch.autograd.grad(stabilizer.forward(zero), zero)
    near = [float(stabilizer.forward(torch.tensor([v], dtype=torch.float64))) for v in (-1e-6, 0.0, 1e-6)]
    sides = sorted([(near[1] - near[0]) / 1e-6, (near[2] - near[1]) / 1e-6])
    assert sides[0] * (1 - 1e-4) <= float(at) <= sides[1] * (1 + 1e-4)


def test_remaining_leads_from_the_unbiased_to_the_algebraic_inverse(stabilizer: Stabilizer) -> None:
    stabilized = torch.linspace(3, 20, 50, dtype=torch.float64)
    ends = stabilizer.inverse(stabilized), stabilizer.algebraic_inverse(stabilized)
    assert torch.allclose(stabilizer.inverse(stabilized, 1e-12), ends[0], rtol=1e-6, atol=1e-6)
    assert torch.allclose(stabilizer.inverse(stabilized, 1.0), ends[1], rtol=1e-9, atol=1e-9)
    low, high = torch.minimum(*ends), torch.maximum(*ends)
    between = stabilizer.inverse(stabilized, 0.5)
    assert ((low <= between) & (between <= high)).all()
    assert not torch.allclose(between, ends[0], rtol=1e-4) and not torch.allclose(between, ends[1], rtol=1e-4)


def test_remaining_may_be_a_map(stabilizer: Stabilizer) -> None:
    stabilized = torch.linspace(3, 20, 12).view(1, 3, 4)
    share = torch.tensor([[0.0], [0.4], [1.0]])
    got = stabilizer.inverse(stabilized, share)
    for row, value in enumerate((0.0, 0.4, 1.0)):
        assert torch.allclose(got[:, row], stabilizer.inverse(stabilized[:, row], value), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan"), torch.tensor([0.5, 2.0])])
def test_remaining_outside_0_to_1_is_refused(stabilizer: Stabilizer, share: float | torch.Tensor) -> None:
    with pytest.raises(InputError, match="remaining share"):
        stabilizer.inverse(torch.zeros(2), share)


def test_parameters_are_json_and_the_object_a_value(stabilizer: Stabilizer) -> None:
    parameters = json.loads(json.dumps(stabilizer.to_dict()))
    assert parameters.pop("kind") == stabilizer.kind
    again = type(stabilizer)(**parameters)
    assert again == stabilizer and hash(again) == hash(stabilizer)
    assert pickle.loads(pickle.dumps(stabilizer)) == stabilizer
    with pytest.raises(AttributeError):
        stabilizer.kind_of_noise = 1  # type: ignore[attr-defined]
