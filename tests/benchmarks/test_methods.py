# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import ast
import importlib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.quality.cases import CASES, needs_data, phantom_case
from benchmarks.quality.methods import METHODS, MissingPeerError, load_method

FOLDER = Path(importlib.import_module("benchmarks.quality.methods").__path__[0])
OTHERS = [
    name
    for name in METHODS
    if name.startswith(("ants", "bm3d", "bm4d", "careamics", "deepinv", "dipy", "sitk", "skimage"))
]


def small_case() -> Any:
    return phantom_case(None, 0, kind="gaussian", strength=0.1, shape=(16, 16, 4))


@pytest.mark.parametrize("name", METHODS)
def test_every_method_has_its_label_and_imports_no_peer_at_the_top(name: str) -> None:
    tree = ast.parse((FOLDER / f"{name}.py").read_text())
    roots = {n.module.partition(".")[0] for n in tree.body if isinstance(n, ast.ImportFrom) and n.module}
    roots |= {alias.name.partition(".")[0] for n in tree.body if isinstance(n, ast.Import) for alias in n.names}
    assert roots <= {"__future__", "benchmarks", "monai_diffdenoise", "numpy", "torch"}
    assert any(isinstance(n, ast.FunctionDef) and n.name == "run" for n in tree.body)
    assert load_method(name).LABEL


def test_labels_are_distinct() -> None:
    labels = [load_method(name).LABEL for name in METHODS]
    assert len(set(labels)) == len(labels)


@pytest.mark.parametrize("name", OTHERS)
def test_an_absent_peer_is_refused(name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def absent(module: str) -> Any:
        raise ImportError(module)

    method = load_method(name)
    monkeypatch.setattr("benchmarks.quality.peers.importlib.import_module", absent)
    monkeypatch.setenv("DIFFDENOISE_PEERS", str(tmp_path))
    with pytest.raises(MissingPeerError):
        method.run(small_case(), 0.0, 0)


def test_series_methods_refuse_a_single_volume_and_say_why() -> None:
    with pytest.raises(MissingPeerError, match="series of volumes"):
        load_method("dipy_mppca").run(small_case(), 0.0, 0)


@pytest.mark.parametrize("name", ["dipy_nlm", "dipy_ascm_told"])
def test_filters_for_volumes_refuse_a_slice(name: str) -> None:
    case = phantom_case(None, 0, kind="gaussian", strength=0.1, shape=(16, 16, 1))
    with pytest.raises(MissingPeerError, match="the case has 1 slice$"):
        load_method(name).run(case, 0.0, 0)


def test_phantoms_need_no_data_and_have_six_kinds_at_two_levels() -> None:
    assert sum(name.startswith("P_phantom_") for name in CASES) == 12
    assert sum(name.startswith("B_icbm152_crop_") for name in CASES) == 12
    assert all(needs_data(name) == (not name.startswith("P_")) for name in CASES)


def test_a_phantom_case_is_clean_plus_noise_of_the_strength_told() -> None:
    case = phantom_case(None, 3, kind="varying", strength=0.1, shape=(32, 32, 8), series=6)
    noisy = case.volume.image.as_tensor()
    assert noisy.shape == case.reference.shape == case.mask.shape == (6, 32, 32, 8)
    assert case.noise is not None
    assert float((noisy - case.reference - case.noise).abs().max()) < 1e-6
    assert float(case.noise.std()) == pytest.approx(case.sigma, rel=0.05)
    # the first is b = 0, the others are weakened, none alike
    means = case.reference.flatten(1).mean(1)
    assert float(means[0]) > 1.2 * float(means[1:].max())
    assert len({round(float(mean), 5) for mean in means}) == 6
