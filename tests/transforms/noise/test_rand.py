# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Random noise for training."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
import torch
from monai.data import DataLoader, Dataset, MetaTensor
from monai.transforms import Compose, Randomizable
from monai.transforms.traits import RandomizableTrait

from monai_diffdenoise.data import PairDataset
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.transforms.noise import GaussianNoise, NoiseModel, PoissonNoise, RandNoise, RandNoised
from monai_diffdenoise.transforms.scaling import RobustScaled

GAUSS = GaussianNoise(0.1)


@pytest.fixture
def image() -> torch.Tensor:
    return torch.rand((2, 10, 9, 4), generator=torch.Generator().manual_seed(0))


def test_random_state_fixes_the_noise_and_moves_on(image: torch.Tensor) -> None:
    one, two = (RandNoise(GAUSS).set_random_state(seed=4) for _ in range(2))
    first, second = one(image), one(image)
    assert torch.equal(first, two(image)) and torch.equal(second, two(image))
    assert not torch.equal(first, second)
    state = np.random.RandomState(4)
    assert torch.equal(first, RandNoise(GAUSS).set_random_state(state=state)(image))
    assert not torch.equal(first, RandNoise(GAUSS).set_random_state(seed=5)(image))


def test_state_moves_by_the_same_steps_whatever_happens(image: torch.Tensor) -> None:
    follow = []
    for prob, given, noise in (
        (0.0, image, GAUSS),
        (1.0, image[:, :3], GAUSS),
        (1.0, image, ["gaussian", "ct", "gamma"]),
    ):
        transform = RandNoise(noise, level=(0.0, 1.0), prob=prob).set_random_state(seed=1)
        transform(given)
        follow.append(transform.R.rand())
    assert follow[0] == follow[1] == follow[2]


def test_seed_makes_it_depend_on_the_image_alone(image: torch.Tensor) -> None:
    one, two = RandNoise(GAUSS, prob=0.5, seed=3), RandNoise(GAUSS, prob=0.5, seed=3).set_random_state(seed=9)
    images = [image + k for k in range(40)]
    noisy = [one(x) for x in images]
    assert all(torch.equal(a, two(x)) for a, x in reversed(list(zip(noisy, images))))
    changed = [not torch.equal(a, x) for a, x in zip(noisy, images)]
    assert 8 < sum(changed) < 32
    other = [not torch.equal(RandNoise(GAUSS, prob=0.5, seed=4)(x), x) for x in images]
    assert changed != other


@pytest.mark.parametrize(("prob", "low", "high"), [(0.0, 0, 0), (0.3, 35, 90), (1.0, 200, 200)])
def test_probability(prob: float, low: int, high: int) -> None:
    transform = RandNoise(GAUSS, prob=prob).set_random_state(seed=0)
    image = torch.zeros(1, 3, 3)
    assert low <= sum(bool(transform(image).any()) for _ in range(200)) <= high


def test_without_noise_the_image_is_as_it_was_in_float32(image: torch.Tensor) -> None:
    clean = RandNoise(GAUSS, prob=0.0)(image.double().numpy())
    assert isinstance(clean, MetaTensor) and clean.dtype == torch.float32 and "noise" not in clean.meta
    assert torch.equal(clean.as_tensor(), image)


def test_levels_are_drawn_evenly() -> None:
    transform = RandNoise("gaussian", level=(0.1, 0.3)).set_random_state(seed=0)
    found = []
    for _ in range(300):
        transform.randomize()
        found.append(transform.model.sigma)
    assert min(found) >= 0.1 and max(found) <= 0.3
    counts, _ = np.histogram(found, bins=4, range=(0.1, 0.3))
    assert counts.min() > 50


def test_one_of_several_models_is_drawn() -> None:
    transform = RandNoise([GAUSS, "poisson", "rician"], level=0.05, options={"mid": 1.0}).set_random_state(seed=0)
    names: list[str] = []
    for _ in range(300):
        transform.randomize()
        names.append(type(transform.model).__name__)
        if isinstance(transform.model, PoissonNoise):
            assert transform.model.gain == pytest.approx(0.0025)
    assert {name: names.count(name) > 70 for name in set(names)} == dict.fromkeys(
        ("GaussianNoise", "PoissonNoise", "RicianNoise"), True
    )


def test_level_and_decision_do_not_depend_on_each_other() -> None:
    transform = RandNoise("gaussian", level=(0.0, 1.0), prob=0.5).set_random_state(seed=0)
    kept: list[list[float]] = [[], []]
    for _ in range(400):
        transform.randomize()
        kept[bool(transform._do_transform)].append(transform.model.sigma)
    assert abs(float(np.mean(kept[0]) - np.mean(kept[1]))) < 0.12


def test_noise_can_be_used_again(image: torch.Tensor) -> None:
    transform = RandNoise(GAUSS).set_random_state(seed=0)
    first = transform(image)
    assert torch.equal(first, transform(image, randomize=False))


def test_meta_data_are_kept_and_tell_the_noise(image: torch.Tensor) -> None:
    given = MetaTensor(image, meta={"scan": 1})
    noisy = RandNoise("poisson", level=0.1)(given)
    assert noisy.meta["scan"] == 1 and noisy.meta["noise"]["model"].startswith("PoissonNoise(gain=0.02")
    assert "noise" not in given.meta


def test_keys_share_the_model_and_not_the_noise(image: torch.Tensor) -> None:
    transform = RandNoised(["image", "target"], "gaussian", level=(0.01, 1.0), prob=0.5).set_random_state(seed=0)
    clean = torch.zeros(1, 60, 60)
    outcomes = set()
    for _ in range(20):
        noisy = transform({"image": clean, "target": clean, "other": 1})
        one, two = noisy["image"], noisy["target"]
        assert bool(one.any()) == bool(two.any()) and noisy["other"] == 1
        outcomes.add(bool(one.any()))
        if bool(one.any()):
            assert float(one.std()) == pytest.approx(float(two.std()), rel=0.1)
            assert abs(float(torch.corrcoef(torch.stack([one.flatten(), two.flatten()]))[0, 1])) < 0.1
    assert outcomes == {True, False}


def test_keys_may_have_other_shapes_and_be_missing(image: torch.Tensor) -> None:
    transform = RandNoised(["a", "b", "c"], GAUSS, allow_missing_keys=True)
    noisy = transform({"a": image, "b": image[:, :3]})
    assert noisy["b"].shape == (2, 3, 9, 4)
    assert transform({}) == {}
    with pytest.raises(KeyError):
        RandNoised("a", GAUSS)({})


def test_monai_seeds_it_in_a_chain(image: torch.Tensor) -> None:
    for transform, data in ((RandNoise(GAUSS), image), (RandNoised("a", GAUSS), {"a": image})):
        assert isinstance(transform, Randomizable) and isinstance(transform, RandomizableTrait)
        chain = Compose([transform])
        first, second = (chain.set_random_state(seed=8)(data) for _ in range(2))
        again = [x["a"] if isinstance(x, dict) else x for x in (first, second)]
        assert torch.equal(*again)
        other = chain.set_random_state(seed=9)(data)
        assert not torch.equal(again[0], other["a"] if isinstance(other, dict) else other)


def test_a_chain_with_random_noise_can_be_inverted_past_it(image: torch.Tensor) -> None:
    chain = Compose([RobustScaled("a"), RandNoised("a", GAUSS)])
    noisy = chain({"a": image * 100})
    assert float((chain.inverse(noisy)["a"] - image * 100).std()) == pytest.approx(10, rel=0.15)


def test_same_noise_whatever_the_number_of_workers_with_a_seed(image: torch.Tensor) -> None:
    transform = RandNoised("image", ["gaussian", "ct", "gamma"], level=(0.02, 0.2), prob=0.8, seed=1)
    data = Dataset([{"image": image * (k + 1)} for k in range(6)], transform)
    drawn = [
        torch.cat([batch["image"].as_tensor() for batch in DataLoader(data, batch_size=1, num_workers=workers)])
        for workers in (0, 1, 2)
    ]
    assert torch.equal(drawn[0], drawn[1]) and torch.equal(drawn[0], drawn[2])


def test_same_noise_whatever_the_number_of_workers_in_a_numbered_data_set(image: torch.Tensor) -> None:
    """A supply that sets the random state of its transform for each item, and new noise at every number."""
    data = PairDataset([{"image": image}], RandNoised("image", GAUSS), seed=2, length=4)
    drawn = [
        torch.cat([batch["image"].as_tensor() for batch in DataLoader(data, batch_size=2, num_workers=workers)])
        for workers in (0, 2)
    ]
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0][:2], drawn[0][2:4])


def test_transforms_travel(image: torch.Tensor) -> None:
    transform = RandNoised("a", ["rician", GAUSS], level=0.1).set_random_state(seed=3)
    twin = pickle.loads(pickle.dumps(transform))
    assert torch.equal(transform({"a": image})["a"], twin({"a": image})["a"])


@pytest.mark.parametrize(
    ("noise", "level", "message"),
    [
        ([], None, "no noise"),
        ("pink", 0.1, "'pink'"),
        ("gaussian", None, "no level"),
        ([GAUSS, "gaussian"], None, "no level"),
        ("gaussian", (0.2, 0.1), "noise level"),
        ("gaussian", (0.1, 0.2, 0.3), "noise level"),
        ("gaussian", -0.1, "noise level"),
        ("gaussian", (0.1, float("inf")), "inf"),
        (0.1, None, "float"),
        ([0.1], None, "float"),
    ],
)
def test_what_cannot_be_is_refused(noise, level, message: str) -> None:
    for make in (lambda: RandNoise(noise, level), lambda: RandNoised("a", noise, level)):
        with pytest.raises(InputError, match=message):
            make()


def test_options_that_cannot_be_are_refused_at_once() -> None:
    with pytest.raises(InputError, match="0 coils"):
        RandNoise("noncentral-chi", 0.1, options={"coils": 0})
    model: NoiseModel = GAUSS
    assert RandNoise(model).noise == (GAUSS,)
