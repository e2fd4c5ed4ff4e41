# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""MONAI's own checks of every bundle, and that its programs do their work."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch

from monai_diffdenoise import networks
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.errors import InputError
from tests.bundles.kit import TINY, Bundle, causes, command_line, run, tiny_flags, workflow

Given = Callable[[str], dict[str, Path]]

# --- MONAI's own checks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("program", "kind"), [("train", "train"), ("evaluate", "evaluation"), ("inference", "infer")])
def test_check_properties(
    bundle: Bundle, program: str, kind: str, noisy: Path, model: Path, given: Given, tmp_path: Path
) -> None:
    config = getattr(bundle, program)
    override = {**TINY, "output_dir": tmp_path} if program == "train" else {"ckpt_path": model / "model.pt"}
    made = workflow(config, kind, dataset_dir=noisy, **given(kind), **override)
    assert made.check_properties() == []
    assert made.version == bundle.metadata["version"]
    assert isinstance(made.network_def, getattr(networks, bundle.network))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("program", ["train", "evaluate", "inference"])
@pytest.mark.parametrize("n", [1, 3])
def test_verify_net_in_out(bundle: Bundle, program: str, n: int) -> None:
    monai.bundle.verify_net_in_out(
        net_id="network_def",
        meta_file=str(bundle.configs / "metadata.json"),
        config_file=str(getattr(bundle, program)),
        device="cpu",
        n=n,
    )


@pytest.mark.parametrize("trace", [False, True])
def test_ckpt_export(bundle: Bundle, trace: bool, model: Path, tmp_path: Path) -> None:
    if not trace and not bundle.scripts:
        pytest.skip("the page of the bundle says to trace it")
    monai.bundle.ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(model / "model.pt"),
        meta_file=str(bundle.configs / "metadata.json"),
        config_file=str(bundle.inference),
        use_trace=trace,
        input_shape=[1, bundle.channels, 32, 32] if trace else None,
    )
    network = bundle.trained(model)
    exported = torch.jit.load(tmp_path / "model.ts")
    for size in ((32, 32), (48, 40), (37, 21)):
        image = torch.rand(2, bundle.channels, *size)
        # sums may be added up in another order
        torch.testing.assert_close(exported(image), network(image), rtol=0, atol=1e-6)


@pytest.mark.slow
def test_onnx_export(bundle: Bundle, model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    monai.bundle.onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(model / "model.pt"),
        meta_file=str(bundle.configs / "metadata.json"),
        config_file=str(bundle.inference),
        input_shape=[1, bundle.channels, 16, 16],
    )
    assert (tmp_path / "model.onnx").stat().st_size > 100_000


def test_monai_bundle_load_gives_the_trained_network(bundle: Bundle, model: Path, tmp_path: Path) -> None:
    """``monai.bundle.load`` reads JSON only, which is why inference.json is no YAML."""
    shutil.copytree(bundle.root, tmp_path / bundle.name)
    shutil.copy(model / "model.pt", tmp_path / bundle.name / "models" / "model.pt")
    loaded = monai.bundle.load(bundle.name, bundle_dir=str(tmp_path), workflow_type="inference", device="cpu")
    assert isinstance(loaded, getattr(networks, bundle.network))
    image = torch.rand(1, bundle.channels, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(image), bundle.trained(model)(image))


# --- programs -------------------------------------------------------------------------------------------------------


def test_training_writes_plain_weights_and_two_checkpoints(bundle: Bundle, model: Path) -> None:
    expected = ["model.pt", *bundle.leaves, "state_00000003.pt", "state_00000006.pt"]
    assert sorted(path.name for path in model.iterdir()) == expected
    weights = torch.load(model / "model.pt", weights_only=True)
    assert weights.keys() == bundle.make_network().state_dict().keys()
    assert any(not torch.equal(weights[name], value) for name, value in bundle.make_network().state_dict().items())


def test_resumed_training_ends_with_the_same_weights(
    bundle: Bundle, noisy: Path, model: Path, given: Given, tmp_path: Path
) -> None:
    shutil.copy(model / "state_00000003.pt", tmp_path)
    same = {"dataset_dir": noisy, "output_dir": tmp_path, **given("train"), **TINY}
    made = run(bundle.train, "train", resume="true", **same)
    assert made.trainer.state.iteration == 6
    mine, theirs = bundle.trained(tmp_path).state_dict(), bundle.trained(model).state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    # done is done: nothing is trained anew, and lost weights are written again
    (tmp_path / "model.pt").unlink()
    again = run(bundle.train, "train", resume=True, **same)
    assert again.trainer.state.iteration == 6
    assert all(torch.equal(bundle.trained(tmp_path).state_dict()[name], theirs[name]) for name in theirs)


def test_training_anew_does_not_keep_the_checkpoints_of_the_last_run(
    bundle: Bundle, noisy: Path, given: Given, tmp_path: Path
) -> None:
    (tmp_path / "state_00009999.pt").write_bytes(b"of a longer run")
    same = {"output_dir": tmp_path, **given("train"), **TINY}
    run(bundle.train, "train", dataset_dir=noisy / "a.nii.gz", resume="False", **same)
    assert sorted(tmp_path.glob("state_*")) == [tmp_path / "state_00000003.pt", tmp_path / "state_00000006.pt"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"learning_rate": 1e-4}, {}])
def test_resume_refuses_another_run(
    bundle: Bundle, other: dict[str, Any], noisy: Path, model: Path, given: Given, tmp_path: Path
) -> None:
    changed = {**given("train"), **TINY, **(other or dict([bundle.other]))}
    shutil.copy(model / "state_00000003.pt", tmp_path)
    with pytest.raises(RuntimeError) as caught:
        run(bundle.train, "train", dataset_dir=noisy, output_dir=tmp_path, resume=True, **changed)
    assert "another run" in str(causes(caught.value)[-1])
    assert not (tmp_path / "model.pt").exists()


def test_evaluation_scores_held_out_pairs(
    bundle: Bundle, noisy: Path, model: Path, given: Given, tmp_path: Path
) -> None:
    run(
        bundle.evaluate,
        "evaluation",
        dataset_dir=noisy,
        ckpt_path=model / "model.pt",
        output_dir=tmp_path / "e",
        batches=2,
        **given("evaluation"),
    )
    scores = json.loads((tmp_path / "e" / "scores.json").read_text(encoding="utf-8"))
    assert scores.keys() == {"pair_error", "input_error"}
    assert 0 < scores["pair_error"] < 1
    # the target of a blind-spot network is the noisy slice itself
    assert scores["input_error"] == 0 if bundle.name == "bsn" else 0 < scores["input_error"] < 1
    assert scores["pair_error"] != scores["input_error"]


def test_denoising_keeps_units_geometry_and_type(
    bundle: Bundle, noisy: Path, model: Path, given: Given, tmp_path: Path
) -> None:
    override = {"ckpt_path": model / "model.pt", "output_dir": tmp_path / "out", **given("infer")}
    run(bundle.inference, "infer", dataset_dir=noisy, **override)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a_denoised.nii.gz", "b_denoised.nii"]
    for name in ("a.nii.gz", "b.nii"):
        before = nib.load(noisy / name)
        after = nib.load(tmp_path / "out" / name.replace(".nii", "_denoised.nii"))
        assert after.header.get_data_dtype() == np.int16
        assert after.shape == before.shape
        assert np.array_equal(after.affine, before.affine)
        change = np.asarray(after.dataobj, dtype=float) - np.asarray(before.dataobj)
        assert 0 < np.abs(change).max() < 1000
        assert np.corrcoef(after.dataobj[:].ravel(), before.dataobj[:].ravel())[0, 1] > 0.9


def test_denoising_a_dicom_series_gives_a_derived_one(
    bundle: Bundle, make_series: Callable[..., Path], model: Path, given: Given, tmp_path: Path
) -> None:
    series = make_series(slices=5, shape=(20, 24))
    override = {"ckpt_path": model / "model.pt", "output_dir": tmp_path / "out", **given("infer")}
    run(bundle.inference, "infer", dataset_dir=series, **override)
    before, after = read_volume(series), read_volume(tmp_path / "out" / "series_denoised")
    assert after.image.shape == before.image.shape
    assert torch.allclose(after.image.affine, before.image.affine)
    assert not torch.equal(after.image.as_tensor(), before.image.as_tensor())
    assert len(list(series.iterdir())) == 5


def test_denoising_nothing_without_weights(bundle: Bundle, noisy: Path, given: Given, tmp_path: Path) -> None:
    override = {"ckpt_path": tmp_path / "none.pt", "output_dir": tmp_path / "out", **given("infer")}
    with pytest.raises(RuntimeError) as caught:
        run(bundle.inference, "infer", dataset_dir=noisy, **override)
    error = causes(caught.value)[-1]
    assert isinstance(error, InputError)
    assert "expected trained weights" in str(error)
    assert not (tmp_path / "out").exists()


def test_result_is_not_replaced_unasked(bundle: Bundle, noisy: Path, model: Path, given: Given, tmp_path: Path) -> None:
    (tmp_path / "a_denoised.nii.gz").write_bytes(b"mine")
    override = {"dataset_dir": noisy / "a.nii.gz", "ckpt_path": model / "model.pt", "output_dir": tmp_path}
    override |= given("infer")
    with pytest.raises(RuntimeError) as caught:
        run(bundle.inference, "infer", **override)
    assert "exists already" in str(causes(caught.value)[-1])
    assert (tmp_path / "a_denoised.nii.gz").read_bytes() == b"mine"
    run(bundle.inference, "infer", overwrite="true", **override)
    assert read_volume(tmp_path / "a_denoised.nii.gz").image.shape == (1, 8, 32, 32)


# --- as processes ---------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_command_line_from_another_folder(bundle: Bundle, noisy: Path, given: Given, tmp_path: Path) -> None:
    flags = ["--dataset_dir", str(noisy), "--output_dir", str(tmp_path / "out")]
    needed = [word for name, path in given("train").items() for word in (f"--{name}", str(path))]
    tiny = [*flags, *needed, *tiny_flags()]
    done = command_line("training", "--config_file", str(bundle.train), *tiny, cwd=tmp_path)
    assert f"wrote {tmp_path / 'out' / 'model.pt'}" in done.stderr
    weights = ["--ckpt_path", str(tmp_path / "out" / "model.pt")]
    weights += [word for name, path in given("infer").items() for word in (f"--{name}", str(path))]
    # without the name of a program, from the root of the file system
    done = command_line("--config_file", str(bundle.inference), *flags, *weights, cwd=Path("/"))
    assert "wrote " in done.stderr
    assert (tmp_path / "out" / "b_denoised.nii").is_file()


@pytest.mark.slow
def test_two_processes_train_one_network(bundle: Bundle, noisy: Path, given: Given, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    configs = str([str(path) for path in bundle.multi_gpu])
    flags = ["--config_file", configs, "--dataset_dir", str(noisy), "--output_dir", str(tmp_path / "m"), *tiny_flags()]
    flags += [word for name, path in given("train").items() for word in (f"--{name}", str(path))]
    done = command_line("training", *flags, cwd=tmp_path, launcher=launcher)
    assert done.stderr.count("epoch 1: ") == 1, "one process reports"
    names = ["model.pt", *bundle.leaves, "state_00000003.pt", "state_00000006.pt"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == names
    first = bundle.trained(tmp_path / "m").state_dict()
    state = torch.load(tmp_path / "m" / "state_00000006.pt", weights_only=True)
    assert state["network"].keys() == first.keys()
    (tmp_path / "m" / "state_00000006.pt").unlink()
    command_line("training", *flags, "--resume", "True", cwd=tmp_path, launcher=launcher)
    second = bundle.trained(tmp_path / "m").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_several_processes_need_torchrun(
    bundle: Bundle, noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(RuntimeError) as caught:
        workflow(
            [bundle.train, bundle.configs / "multi_gpu_train.yaml"], "train", dataset_dir=noisy, output_dir=tmp_path
        )
    assert isinstance(causes(caught.value)[-1], InputError)
    assert "torchrun" in str(causes(caught.value)[-1])
