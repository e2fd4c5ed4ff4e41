# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Bundle ns_n2n: what MONAI's tools and the Model Zoo's checks ask of it, and that its programs do their work."""

from __future__ import annotations

import configparser
import inspect
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jsonschema
import monai.bundle
import nibabel as nib
import numpy as np
import pytest
import torch
from monai.bundle import ConfigWorkflow

from monai_diffdenoise.bundle import bundle_root
from monai_diffdenoise.bundle_lint import parse_config
from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.phantom import add_noise, make_phantom
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.networks import ResidualDenoiser
from monai_diffdenoise.pipeline import DenoiseSettings, make_plan, resolve
from monai_diffdenoise.pipeline.zero_shot import ZeroShot

REPOSITORY = Path(__file__).resolve().parents[2]
ROOT = Path(bundle_root("ns_n2n"))
CONFIGS = ROOT / "configs"
TRAIN, EVALUATE, INFERENCE = CONFIGS / "train.yaml", CONFIGS / "evaluate.yaml", CONFIGS / "inference.json"
METADATA = json.loads((CONFIGS / "metadata.json").read_text(encoding="utf-8"))
README = (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
TINY: dict[str, Any] = {"max_epochs": 2, "epoch_length": 3, "batch_size": 2, "patch_size": 16, "val_batches": 1}
TINY |= {"device": "cpu", "val_batch_size": 2}


@pytest.fixture(autouse=True)
def anywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run in a folder that has nothing to do with the bundle, refuse duplicate keys, leave nothing in the bundle."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MONAI_FAIL_ON_DUPLICATE_CONFIG", "1")
    before = sorted(ROOT.rglob("*"))
    yield
    assert sorted(ROOT.rglob("*")) == before


def workflow(config: Path | list[Path], kind: str, **override: Any) -> ConfigWorkflow:
    """A workflow as ``monai.bundle run`` makes it, initialized."""
    files = [str(path) for path in ([config] if isinstance(config, Path) else config)]
    override = {name: str(value) if isinstance(value, Path) else value for name, value in override.items()}
    made = ConfigWorkflow(config_file=files, logging_file=False, workflow_type=kind, **override)
    made.initialize()
    return made


def run(config: Path, kind: str, **override: Any) -> ConfigWorkflow:
    made = workflow(config, kind, **override)
    made.run()
    made.finalize()
    return made


def causes(error: BaseException | None) -> list[BaseException]:
    found = []
    while error is not None:
        found.append(error)
        error = error.__cause__
    return found


def write_noisy(path: Path, seed: int = 0, shape: tuple[int, int, int] = (32, 32, 8)) -> Path:
    """An int16 NIfTI file of a noisy phantom in other units than 0 to 1, its slices along the first axis."""
    image = add_noise(make_phantom(shape, seed), "gaussian", 0.05, seed=seed + 1).numpy() * 1000 - 200
    affine = np.array([[0, 0, 3.0, -10], [1, 0, 0, 5], [0, 1, 0, 7], [0, 0, 0, 1]])[:, [2, 0, 1, 3]]
    nib.save(nib.Nifti1Image(np.round(image.transpose(2, 0, 1)).astype(np.int16), affine), path)
    return path


@pytest.fixture(scope="module")
def noisy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two noisy volumes of different sizes."""
    folder = tmp_path_factory.mktemp("noisy")
    write_noisy(folder / "a.nii.gz")
    write_noisy(folder / "b.nii", seed=1, shape=(28, 36, 9))
    return folder


@pytest.fixture(scope="module")
def model(noisy: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with what a tiny training wrote."""
    folder = tmp_path_factory.mktemp("model")
    run(TRAIN, "train", dataset_dir=noisy, output_dir=folder, **TINY)
    return folder


# --- the bundle as files --------------------------------------------------------------------------------------------


def test_metadata_holds_what_the_schema_demands() -> None:
    """The facts of MONAI's meta_schema_20240725.json, which is not to be had without a network."""
    text, obj = {"type": "string"}, {"type": "object"}
    tensor = {
        "type": "object",
        "required": ["type", "format", "num_channels", "spatial_shape", "dtype", "value_range"],
        "properties": {
            "num_channels": {"type": "integer"},
            "spatial_shape": {"type": "array", "items": {"type": ["integer", "string"]}},
            "dtype": text,
            "value_range": {"type": "array", "items": {"type": "number"}},
            "is_patch_data": {"type": "boolean"},
            "channel_def": obj,
        },
    }
    data_format = {
        "type": "object",
        "required": ["inputs", "outputs"],
        "properties": {side: {"additionalProperties": tensor} for side in ("inputs", "outputs")},
    }
    required = "schema version monai_version pytorch_version numpy_version required_packages_version task description"
    texts = "schema version monai_version pytorch_version numpy_version task description authors copyright data_source"
    texts += " data_type image_classes label_classes pred_classes intended_use name"
    objects = "changelog required_packages_version eval_metrics supported_apps"
    schema = {
        "type": "object",
        "required": [*required.split(), "authors", "copyright", "network_data_format"],
        "properties": {
            **{name: text for name in texts.split()},
            **{name: obj for name in objects.split()},
            "references": {"type": "array", "items": text},
        },
        "patternProperties": {"^[_a-zA-Z0-9]+_data_format$": data_format},
    }
    validator = jsonschema.Draft201909Validator(schema)
    validator.validate(METADATA)
    for spoiled in ({"version": 1}, {"authors": ["a"]}, {"changelog": []}, {"network_data_format": {"inputs": {}}}):
        assert not validator.is_valid({**METADATA, **spoiled})
    assert METADATA["schema"] == "https://project-monai.github.io/schema/meta_schema_20240725.json"
    for name in METADATA:
        assert name != "optional_packages_version", "deprecated"


def test_versions_agree() -> None:
    setup = configparser.ConfigParser()
    setup.read(REPOSITORY / "setup.cfg", encoding="utf-8")
    package = setup["metadata"]["version"]
    assert METADATA["version"] in METADATA["changelog"]
    assert METADATA["version"] == package
    assert METADATA["required_packages_version"] == {"monai-diffdenoise": package}
    pins = dict(re.findall(r"^([\w-]+)==([\w.]+)", (REPOSITORY / "constraints.txt").read_text(encoding="utf-8"), re.M))
    assert METADATA["monai_version"] == pins["monai"] == version("monai")
    assert METADATA["pytorch_version"] == pins["torch"]


def test_defaults_are_those_of_the_command_line() -> None:
    """The command line's preset is the one source of numbers; the bundle repeats them for people to see and change."""
    settings = resolve(DenoiseSettings())
    config = parse_config(TRAIN)
    assert config["max_epochs"] * config["epoch_length"] == settings.iterations
    assert config["epoch_length"] == settings.validate_every
    assert config["val_batch_size"] * config["val_batches"] == settings.validation_pairs
    same = (
        "patience batch_size patch_size learning_rate weight_decay ema_decay lambda_rc lambda_ic num_workers seed amp"
    )
    for name in same.split():
        assert config[name] == getattr(settings, name), name
    inference = parse_config(INFERENCE)
    assert inference["batch_size"] == settings.inference_batch
    assert inference["tile"] == settings.tile
    assert inference["fusion"] == settings.fusion
    arguments = inspect.signature(ResidualDenoiser).parameters
    assert arguments["channels"].default == settings.channels
    assert arguments["levels"].default == settings.levels
    for path in (TRAIN, EVALUATE, INFERENCE):
        assert parse_config(path)["network_def"] == {"_target_": "monai_diffdenoise.networks.ResidualDenoiser"}


def _commands() -> list[list[str]]:
    blocks = re.findall(r"```bash\n(.*?)```", README, re.S)
    return [shlex.split(line.replace("PATH", str(ROOT))) for block in blocks for line in block.strip().splitlines()]


@pytest.mark.parametrize("command", _commands(), ids=lambda command: " ".join(command[:5]))
def test_readme_command_is_one_that_exists(command: list[str]) -> None:
    module = command.index("-m")
    assert command[: module + 1] in (["python", "-m"], ["torchrun", "--standalone", "--nproc_per_node=2", "-m"])
    if command[module + 1] == "monai_diffdenoise.bundle_lint":
        assert Path(command[module + 2]).is_dir()
        return
    assert command[module + 1] == "monai.bundle"
    program, *rest = command[module + 2 :]
    known = set(inspect.signature(getattr(monai.bundle, program)).parameters)
    words = rest[1:] if program == "run" else rest
    assert len(words) % 2 == 0
    options = dict(zip(words[::2], words[1::2], strict=True))
    files = options["--config_file"]
    configs = [Path(file) for file in (json.loads(files.replace("'", '"')) if files.startswith("[") else [files])]
    ids: dict[str, Any] = {}
    for config in configs:
        ids.update(parse_config(config))
    for option in options:
        assert option.startswith("--")
        assert option[2:] in known | set(ids), option
    if program == "run":
        assert rest[0] in ids


def test_readme_has_the_sections_of_the_zoo() -> None:
    headings = re.findall(r"^#+ (.*)", re.sub(r"```.*?```", "", README, flags=re.S), re.M)
    wanted = "Model Overview/Data/Training configuration/Input/Output/Performance/MONAI Bundle Commands/Limitations"
    assert [heading for heading in headings if heading in wanted.split("/")] == wanted.split("/")
    assert headings[-2:] == ["References", "License"]
    assert "TorchScript" in README
    assert "TensorRT" in README


# --- MONAI's own checks ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("config", "kind"), [(TRAIN, "train"), (EVALUATE, "evaluation"), (INFERENCE, "infer")])
def test_check_properties(config: Path, kind: str, noisy: Path, model: Path, tmp_path: Path) -> None:
    override = {**TINY, "output_dir": tmp_path} if config == TRAIN else {"ckpt_path": model / "model.pt"}
    made = workflow(config, kind, dataset_dir=noisy, **override)
    assert made.check_properties() == []
    assert made.version == METADATA["version"]
    assert isinstance(made.network_def, ResidualDenoiser)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("config", [TRAIN, EVALUATE, INFERENCE], ids=lambda path: path.name)
@pytest.mark.parametrize("n", [1, 3])
def test_verify_net_in_out(config: Path, n: int) -> None:
    monai.bundle.verify_net_in_out(
        net_id="network_def", meta_file=str(CONFIGS / "metadata.json"), config_file=str(config), device="cpu", n=n
    )


@pytest.mark.parametrize("trace", [False, True])
def test_ckpt_export(trace: bool, model: Path, tmp_path: Path) -> None:
    monai.bundle.ckpt_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.ts"),
        ckpt_file=str(model / "model.pt"),
        meta_file=str(CONFIGS / "metadata.json"),
        config_file=str(INFERENCE),
        use_trace=trace,
        input_shape=[1, 1, 32, 32] if trace else None,
    )
    network = trained(model)
    exported = torch.jit.load(tmp_path / "model.ts")
    for size in ((32, 32), (48, 40), (37, 21)):
        image = torch.rand(2, 1, *size)
        assert torch.equal(exported(image), network(image)), size


def test_onnx_export(model: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    pytest.importorskip("onnxscript")
    monai.bundle.onnx_export(
        net_id="network_def",
        filepath=str(tmp_path / "model.onnx"),
        ckpt_file=str(model / "model.pt"),
        meta_file=str(CONFIGS / "metadata.json"),
        config_file=str(INFERENCE),
        input_shape=[1, 1, 16, 16],
    )
    assert (tmp_path / "model.onnx").stat().st_size > 100_000


def test_monai_bundle_load_gives_the_trained_network(model: Path, tmp_path: Path) -> None:
    """``monai.bundle.load`` reads JSON only, which is why inference.json is no YAML."""
    shutil.copytree(ROOT, tmp_path / "ns_n2n")
    shutil.copy(model / "model.pt", tmp_path / "ns_n2n" / "models" / "model.pt")
    loaded = monai.bundle.load("ns_n2n", bundle_dir=str(tmp_path), workflow_type="inference", device="cpu")
    assert isinstance(loaded, ResidualDenoiser)
    image = torch.rand(1, 1, 16, 16)
    with torch.no_grad():
        assert torch.equal(loaded.eval()(image), trained(model)(image))


# --- its programs ---------------------------------------------------------------------------------------------------


def trained(folder: Path) -> ResidualDenoiser:
    network = ResidualDenoiser().eval().requires_grad_(False)
    network.load_state_dict(torch.load(folder / "model.pt", weights_only=True))
    return network


def test_training_writes_plain_weights_and_two_checkpoints(model: Path) -> None:
    assert sorted(path.name for path in model.iterdir()) == ["model.pt", "state_00000003.pt", "state_00000006.pt"]
    weights = torch.load(model / "model.pt", weights_only=True)
    assert weights.keys() == ResidualDenoiser().state_dict().keys()
    assert any(not torch.equal(weights[name], value) for name, value in ResidualDenoiser().state_dict().items())


def test_configuration_trains_as_the_package_does(tmp_path: Path) -> None:
    """What train.yaml puts together is what ``PairTraining`` puts together: the same weights, bit for bit."""
    image = add_noise(make_phantom((32, 32, 8)), "gaussian", 0.05, seed=1)
    nib.save(nib.Nifti1Image(image.numpy(), np.eye(4)), tmp_path / "a.nii")
    sizes = {"iterations": 6, "validate_every": 3, "batch_size": 2, "patch_size": 16, "validation_pairs": 4}
    settings = resolve(DenoiseSettings(method="ns-n2n", distance=1, **sizes))
    volume = read_volume(tmp_path / "a.nii")
    job = ZeroShot(volume.image.as_tensor(), make_plan(volume, settings), settings, torch.device("cpu"))
    expected = job.train().state_dict()
    override = {**TINY, "val_batch_size": 4, "distance": 1}
    made = run(TRAIN, "train", dataset_dir=tmp_path / "a.nii", output_dir=tmp_path / "m", **override)
    mine = trained(tmp_path / "m").state_dict()
    assert all(torch.equal(mine[name], expected[name]) for name in expected)
    assert made.evaluator.state.metrics["pair_error"] == job.scores["validations"][-1]


def test_resumed_training_ends_with_the_same_weights(noisy: Path, model: Path, tmp_path: Path) -> None:
    shutil.copy(model / "state_00000003.pt", tmp_path)
    made = run(TRAIN, "train", dataset_dir=noisy, output_dir=tmp_path, resume="true", **TINY)
    assert made.trainer.state.iteration == 6
    mine, theirs = trained(tmp_path).state_dict(), trained(model).state_dict()
    assert all(torch.equal(mine[name], theirs[name]) for name in theirs)
    # done is done: nothing is trained anew, and lost weights are written again
    (tmp_path / "model.pt").unlink()
    again = run(TRAIN, "train", dataset_dir=noisy, output_dir=tmp_path, resume=True, **TINY)
    assert again.trainer.state.iteration == 6
    assert all(torch.equal(trained(tmp_path).state_dict()[name], theirs[name]) for name in theirs)


def test_training_anew_does_not_keep_the_checkpoints_of_the_last_run(noisy: Path, tmp_path: Path) -> None:
    (tmp_path / "state_00009999.pt").write_bytes(b"of a longer run")
    run(TRAIN, "train", dataset_dir=noisy / "a.nii.gz", output_dir=tmp_path, resume="False", **TINY)
    assert sorted(tmp_path.glob("state_*")) == [tmp_path / "state_00000003.pt", tmp_path / "state_00000006.pt"]


@pytest.mark.parametrize("other", [{"seed": 1}, {"learning_rate": 1e-4}, {"network_def::channels": 4}])
def test_resume_refuses_another_run(other: dict[str, Any], noisy: Path, model: Path, tmp_path: Path) -> None:
    shutil.copy(model / "state_00000003.pt", tmp_path)
    with pytest.raises(RuntimeError) as caught:
        run(TRAIN, "train", dataset_dir=noisy, output_dir=tmp_path, resume=True, **{**TINY, **other})
    assert "another run" in str(causes(caught.value)[-1])
    assert not (tmp_path / "model.pt").exists()


def test_evaluation_scores_held_out_pairs(noisy: Path, model: Path, tmp_path: Path) -> None:
    run(EVALUATE, "evaluation", dataset_dir=noisy, ckpt_path=model / "model.pt", output_dir=tmp_path / "e", batches=2)
    scores = json.loads((tmp_path / "e" / "scores.json").read_text(encoding="utf-8"))
    assert scores.keys() == {"pair_error", "input_error"}
    assert all(0 < value < 1 for value in scores.values())
    assert scores["pair_error"] != scores["input_error"]


def test_denoising_keeps_units_geometry_and_type(noisy: Path, model: Path, tmp_path: Path) -> None:
    run(INFERENCE, "infer", dataset_dir=noisy, ckpt_path=model / "model.pt", output_dir=tmp_path / "out")
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


@pytest.mark.parametrize("fusion", [True, False])
def test_identity_network_changes_no_bit(fusion: bool, noisy: Path, tmp_path: Path) -> None:
    torch.save(ResidualDenoiser().state_dict(), tmp_path / "identity.pt")
    override = {"ckpt_path": tmp_path / "identity.pt", "output_dir": tmp_path, "tile": 16, "fusion": str(fusion)}
    run(INFERENCE, "infer", dataset_dir=noisy / "b.nii", **override)
    before, after = nib.load(noisy / "b.nii"), nib.load(tmp_path / "b_denoised.nii")
    assert np.array_equal(np.asarray(before.dataobj.get_unscaled()), np.asarray(after.dataobj.get_unscaled()))


def test_denoising_a_dicom_series_gives_a_derived_one(
    make_series: Callable[..., Path], model: Path, tmp_path: Path
) -> None:
    series = make_series(slices=5, shape=(20, 24))
    run(INFERENCE, "infer", dataset_dir=series, ckpt_path=model / "model.pt", output_dir=tmp_path / "out")
    before, after = read_volume(series), read_volume(tmp_path / "out" / "series_denoised")
    assert after.image.shape == before.image.shape
    assert torch.allclose(after.image.affine, before.image.affine)
    assert not torch.equal(after.image.as_tensor(), before.image.as_tensor())
    assert len(list(series.iterdir())) == 5


def test_denoising_nothing_without_weights(noisy: Path, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError) as caught:
        run(INFERENCE, "infer", dataset_dir=noisy, ckpt_path=tmp_path / "none.pt", output_dir=tmp_path / "out")
    error = causes(caught.value)[-1]
    assert isinstance(error, InputError)
    assert "expected trained weights" in str(error)
    assert not (tmp_path / "out").exists()


def test_result_is_not_replaced_unasked(noisy: Path, model: Path, tmp_path: Path) -> None:
    (tmp_path / "a_denoised.nii.gz").write_bytes(b"mine")
    override = {"dataset_dir": noisy / "a.nii.gz", "ckpt_path": model / "model.pt", "output_dir": tmp_path}
    with pytest.raises(RuntimeError) as caught:
        run(INFERENCE, "infer", **override)
    assert "exists already" in str(causes(caught.value)[-1])
    assert (tmp_path / "a_denoised.nii.gz").read_bytes() == b"mine"
    run(INFERENCE, "infer", overwrite="true", **override)
    assert read_volume(tmp_path / "a_denoised.nii.gz").image.shape == (1, 8, 32, 32)


def test_programs_run_by_name_and_without(noisy: Path) -> None:
    for path, program in ((TRAIN, "training"), (EVALUATE, "evaluating"), (INFERENCE, "denoising")):
        config = parse_config(path)
        assert config["run"] == f"%{program}"
        assert isinstance(config[program], list)
        assert config["dataset_dir"] == "phantom"


# --- as processes ---------------------------------------------------------------------------------------------------


def command_line(*arguments: str, cwd: Path, launcher: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, *launcher, "-m", "monai.bundle", "run", *arguments]
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    if launcher and "terminate called without an active exception" in done.stderr:
        # torch's gloo threads can abort a process that has already done its work (1 of 15 starts before all processes
        # left the group together, 0 of 22 since); once more tells this from a fault of ours, which comes back
        done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def tiny_flags() -> list[str]:
    return [word for name, value in TINY.items() if name != "device" for word in (f"--{name}", str(value))]


@pytest.mark.slow
def test_command_line_from_another_folder(noisy: Path, tmp_path: Path) -> None:
    flags = ["--dataset_dir", str(noisy), "--output_dir", str(tmp_path / "out")]
    done = command_line("training", "--config_file", str(TRAIN), *flags, *tiny_flags(), cwd=tmp_path)
    assert f"wrote {tmp_path / 'out' / 'model.pt'}" in done.stderr
    weights = ["--ckpt_path", str(tmp_path / "out" / "model.pt")]
    # without the name of a program, from the root of the file system
    done = command_line("--config_file", str(INFERENCE), *flags, *weights, cwd=Path("/"))
    assert "wrote " in done.stderr
    assert (tmp_path / "out" / "b_denoised.nii").is_file()


@pytest.mark.slow
def test_two_processes_train_one_network(noisy: Path, tmp_path: Path) -> None:
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2")
    configs = str([str(TRAIN), str(CONFIGS / "multi_gpu_train.yaml")])
    flags = ["--config_file", configs, "--dataset_dir", str(noisy), "--output_dir", str(tmp_path / "m"), *tiny_flags()]
    done = command_line("training", *flags, cwd=tmp_path, launcher=launcher)
    assert done.stderr.count("epoch 1: ") == 1, "one process reports"
    names = ["model.pt", "state_00000003.pt", "state_00000006.pt"]
    assert sorted(path.name for path in (tmp_path / "m").iterdir()) == names
    first = trained(tmp_path / "m").state_dict()
    state = torch.load(tmp_path / "m" / "state_00000006.pt", weights_only=True)
    assert state["network"].keys() == first.keys()
    (tmp_path / "m" / "state_00000006.pt").unlink()
    command_line("training", *flags, "--resume", "True", cwd=tmp_path, launcher=launcher)
    second = trained(tmp_path / "m").state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_several_processes_need_torchrun(noisy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LOCAL_RANK", raising=False)
    with pytest.raises(RuntimeError) as caught:
        workflow([TRAIN, CONFIGS / "multi_gpu_train.yaml"], "train", dataset_dir=noisy, output_dir=tmp_path)
    assert isinstance(causes(caught.value)[-1], InputError)
    assert "torchrun" in str(causes(caught.value)[-1])
