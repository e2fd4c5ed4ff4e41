# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Noise fixed by a seed, as array and dictionary transform."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from monai.bundle import ConfigParser
from monai.data import DataLoader, Dataset, MetaTensor, set_track_meta
from monai.transforms import Compose

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import NOISE_KINDS, AddNoise, AddNoised, GaussianNoise, LevelMap, noise_model
from monai_diffdenoise.transforms.scaling import RobustScale, RobustScaled

GAUSS = GaussianNoise(0.1)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((2, 10, 9, 4), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_noise_is_fixed_by_seed_and_image(kind: str, image: torch.Tensor) -> None:
    noise, kept = noise_model(kind, 0.1), image.clone()
    noisy = AddNoise(noise, seed=3)(image)
    assert torch.equal(noisy, AddNoise(noise, seed=3)(image))
    assert torch.equal(image, kept)
    assert not torch.equal(noisy, AddNoise(noise, seed=4)(image))
    other = image.clone()
    other[0, 0, 0, 0] += 1
    assert not torch.equal(noisy[1], AddNoise(noise, seed=3)(other)[1])


def test_noise_is_a_draw_of_the_model(image: torch.Tensor) -> None:
    assert float((AddNoise(GAUSS)(image) - image).std()) == pytest.approx(0.1, rel=0.1)


def test_global_random_states_are_left_alone(image: torch.Tensor) -> None:
    torch.manual_seed(0)
    np.random.seed(0)
    before = torch.get_rng_state(), np.random.get_state()[1].copy()
    AddNoise(noise_model("gamma", 0.1))(image)
    assert torch.equal(before[0], torch.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])


def test_meta_data_are_kept_and_tell_the_noise(image: torch.Tensor) -> None:
    affine = torch.diag(torch.tensor([2.0, 1.0, 3.0, 1.0], dtype=torch.float64))
    given = MetaTensor(image, affine=affine, meta={"patient": "none"})
    noisy = AddNoise(GAUSS, seed=5)(given)
    assert isinstance(noisy, MetaTensor)
    assert torch.equal(noisy.affine, affine)
    assert noisy.meta["patient"] == "none"
    assert noisy.meta["noise"]["model"] == "GaussianNoise(sigma=0.1, texture=White())"
    again = GAUSS.sample(image, torch.Generator().manual_seed(noisy.meta["noise"]["seed"]))
    assert torch.equal(noisy.as_tensor(), again)
    assert "noise" not in given.meta


@pytest.mark.parametrize("convert", [lambda x: x.numpy(), torch.Tensor.double, MetaTensor, lambda x: x])
def test_every_kind_of_array_gets_the_same_noise(image: torch.Tensor, convert) -> None:
    given = convert(image)
    kept = torch.as_tensor(given).clone()
    noisy = AddNoise(GAUSS)(given)
    assert isinstance(noisy, MetaTensor) and noisy.dtype == torch.float32
    assert torch.equal(noisy.as_tensor(), AddNoise(GAUSS)(image).as_tensor())
    assert torch.equal(torch.as_tensor(given), kept)


def test_meta_data_can_be_switched_off(image: torch.Tensor) -> None:
    set_track_meta(False)
    try:
        assert type(AddNoise(GAUSS)(MetaTensor(image))) is torch.Tensor
        assert type(AddNoised("a", GAUSS)({"a": image})["a"]) is torch.Tensor
    finally:
        set_track_meta(True)


def test_inverse_of_a_chain_leaves_the_noise(image: torch.Tensor) -> None:
    chain = Compose([RobustScale(), AddNoise(GAUSS)])
    noisy = chain(image * 100 + 7)
    scaling = noisy.meta["scaling"]
    assert torch.allclose(chain.inverse(noisy), noisy.as_tensor() * scaling["scale"] + scaling["offset"])
    named = Compose([RobustScaled("a"), AddNoised("a", GAUSS)])
    noisy = named({"a": image * 100 + 7})
    assert float((named.inverse(noisy)["a"] - (image * 100 + 7)).std()) == pytest.approx(10, rel=0.15)


def test_channels_share_noise_when_told(image: torch.Tensor) -> None:
    same = image[:1].expand(3, -1, -1, -1)
    for kind in NOISE_KINDS:
        apart = AddNoise(noise_model(kind, 0.1))(same)
        together = AddNoise(noise_model(kind, 0.1), shared_channels=True)(same)
        assert torch.equal(together[0], together[1]) and torch.equal(together[0], together[2])
        assert not torch.equal(apart[0], apart[1])
        assert not torch.equal(together[0], same[0])


def test_keys_get_independent_noise_and_others_stay(image: torch.Tensor) -> None:
    data = {"image": image, "target": image.clone(), "label": image}
    noisy = AddNoised(["image", "target"], GAUSS, seed=1)(data)
    one, two = (noisy[key] - image for key in ("image", "target"))
    assert abs(float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])) < 0.15
    assert noisy["label"] is image and data["image"] is image
    assert torch.equal(noisy["target"], AddNoised("target", GAUSS, seed=1)(data)["target"])
    assert not torch.equal(noisy["target"], AddNoised("target", GAUSS, seed=2)(data)["target"])


def test_missing_keys() -> None:
    with pytest.raises(KeyError):
        AddNoised("image", GAUSS)({})
    assert AddNoised("image", GAUSS, allow_missing_keys=True)({"other": 1}) == {"other": 1}


@pytest.mark.parametrize("kind", NOISE_KINDS)
def test_same_noise_whatever_the_number_of_workers(kind: str) -> None:
    """The workers run on one thread each, the process itself on two."""
    images = torch.rand((4, 1, 40, 36, 3), generator=torch.Generator().manual_seed(0))
    data = Dataset([{"image": image} for image in images], AddNoised("image", noise_model(kind, 0.1), seed=1))
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        alone = torch.cat([batch["image"] for batch in DataLoader(data, batch_size=2, num_workers=0)])
        many = torch.cat([batch["image"] for batch in DataLoader(data, batch_size=1, num_workers=2)])
    finally:
        torch.set_num_threads(threads)
    assert torch.equal(alone.as_tensor(), many.as_tensor())
    assert not torch.equal(alone[0] - images[0], alone[1] - images[1])


def test_a_bundle_can_ask_for_it(image: torch.Tensor) -> None:
    home = "monai_diffdenoise.transforms.noise"
    config = {
        "named": {
            "_target_": f"{home}.AddNoised",
            "keys": "image",
            "noise": {"_target_": f"{home}.noise_model", "kind": "ct", "level": 0.1, "axes": [0, 1]},
        },
        "built": {
            "_target_": f"{home}.AddNoise",
            "noise": {
                "_target_": f"{home}.RicianNoise",
                "sigma": {"_target_": f"{home}.EdgeToCenter", "sigma": 0.1},
                "texture": {"_target_": f"{home}.ZeroFilled", "factors": [2, 1.5]},
            },
        },
    }
    parser = ConfigParser(config)
    expected = AddNoised("image", noise_model("ct", 0.1))({"image": image})["image"]
    assert torch.equal(parser.get_parsed_content("named")({"image": image})["image"], expected)
    assert parser.get_parsed_content("built")(image).shape == image.shape


@pytest.mark.parametrize("noise", ["gaussian", 0.1, None])
def test_what_is_no_model_is_refused(noise: object) -> None:
    for make in (lambda: AddNoise(noise), lambda: AddNoised("a", noise)):  # type: ignore[arg-type]
        with pytest.raises(InputError, match="noise_model"):
            make()


def test_an_image_without_channels_is_refused() -> None:
    with pytest.raises(InputError, match="channel first"):
        AddNoise(GAUSS)(torch.zeros(5))
    with pytest.raises(InputError, match="level map"):
        AddNoise(GaussianNoise(LevelMap(torch.ones(5, 5))))(torch.zeros(1, 5, 5))
