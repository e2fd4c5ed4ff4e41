# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The MONAI Label app on real servers: MONAI Label on a folder, and on an Orthanc by DICOMweb."""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from unittest.mock import MagicMock

import nibabel as nib
import numpy as np
import pydicom
import pytest
from pydicom.uid import generate_uid

from monai_diffdenoise import denoise, read_volume
from monai_diffdenoise.cli.main import main
from monai_diffdenoise.pipeline.fit import fit
from monai_diffdenoise.pipeline.settings import DenoiseSettings
from tests.bundles.kit import BUNDLES, REPOSITORY, run, write_noisy

TINY = {"iterations": 10, "channels": 4, "patch_size": 16, "diffusion_iterations": 10, "student_iterations": 10}
ORTHANC = shutil.which("Orthanc")
PLUGIN = next(iter(sorted(Path("/usr").glob("**/libOrthancDicomWeb.so*"))), None) if ORTHANC else None
served = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("monailabel") is None, reason="MONAI Label is not installed"),
]


def test_app_is_written_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["label-app", str(tmp_path / "app")]) == 0
    assert "start.py" in capsys.readouterr().out
    names = {str(path.relative_to(tmp_path / "app")) for path in (tmp_path / "app").rglob("*") if path.is_file()}
    fixed = {"main.py", "start.py", "bin/itkimage2segimage", "clients/slicer.py", "standin/pydicom_seg/__init__.py"}
    fixed |= {f"standin_torchvision/torchvision/{name}.py" for name in ("__init__", "utils")}
    assert names == fixed
    for path in (tmp_path / "app").rglob("*.py"):
        compile(path.read_text(encoding="utf-8"), path.name, "exec")
    assert os.access(tmp_path / "app" / "bin" / "itkimage2segimage", os.X_OK)
    assert main(["label-app", str(tmp_path / "app")]) == 2
    assert "exists already" in capsys.readouterr().err


def test_the_page_says_which_viewers_were_not_run() -> None:
    page = (REPOSITORY / "docs" / "monai_label.md").read_text(encoding="utf-8")
    viewers = " ".join(page[page.index("## Viewers") :].split())
    assert "was not run in 3D Slicer" in viewers and "was not run in OHIF" in viewers


pytestmark = pytest.mark.usefixtures("one_thread")


class Server:
    """A started MONAI Label."""

    def __init__(self, app: Path, studies: str, *options: str, **environment: str) -> None:
        assert main(["label-app", str(app)]) == 0
        self.port, self.log = _free_port(), app.with_suffix(".log")
        command = [sys.executable, str(app / "start.py"), "--studies", studies, "--port", str(self.port), *options]
        known = {"PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "1", "MONAI_LABEL_AUTO_UPDATE_SCORING": "false"}
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                command, env={**os.environ, **known, **environment}, stdout=log, stderr=log, cwd=app.parent
            )
        _wait_for(f"http://127.0.0.1:{self.port}/info/", self.process, self.log)

    def ask(self, path: str, answer: int = 200, **params: Any) -> bytes:
        """Post a request; settings go the way that the endpoint takes them."""
        if path.startswith("infer"):
            # MONAI Label takes settings of an inference as a form
            body, kind = _form({"params": json.dumps(params)}), "multipart/form-data; boundary=-"
        else:
            body, kind = json.dumps(params).encode(), "application/json"
        return self._open(urllib.request.Request(self.url(path), body, {"Content-Type": kind}), answer)

    def send(self, path: str, file: Path, answer: int = 200) -> bytes:
        """Post a file of one's own."""
        kind = {"Content-Type": "multipart/form-data; boundary=-"}
        return self._open(urllib.request.Request(self.url(path), _form({}, file), kind), answer)

    def get(self, path: str) -> bytes:
        return self._open(urllib.request.Request(self.url(path)), 200)

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.port}/{path}"

    def _open(self, request: urllib.request.Request, answer: int) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=300) as reply:
                code, found = reply.status, reply.read()
        except urllib.error.HTTPError as error:
            code, found = error.code, error.read()
        assert code == answer, (found[-500:], self.log.read_text()[-3000:])
        return found


def _form(fields: dict[str, str], file: Path | None = None) -> bytes:
    parts = [
        f'---\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n' for name, value in fields.items()
    ]
    body = "".join(parts).encode()
    if file is not None:
        head = f'---\r\nContent-Disposition: form-data; name="file"; filename="{file.name}"\r\n'
        body += f"{head}Content-Type: application/octet-stream\r\n\r\n".encode() + file.read_bytes() + b"\r\n"
    return body + b"-----\r\n"


def _values(file: bytes, folder: Path) -> np.ndarray:
    (folder / "values.nii.gz").write_bytes(file)
    return np.asarray(nib.load(folder / "values.nii.gz").dataobj)


def _load_in_slicer(
    server: Server, folder: Path, image: str, model: str, monkeypatch: pytest.MonkeyPatch
) -> list[bytes]:
    """What the script for 3D Slicer loads, in a place that only records what it is told."""
    slicer = MagicMock()
    slicer.app.temporaryPath = str(folder / "slicer")
    (folder / "slicer").mkdir()
    monkeypatch.setitem(sys.modules, "slicer", slicer)
    names: dict[str, Any] = {}
    exec((folder / "app" / "clients" / "slicer.py").read_text(encoding="utf-8"), names)
    names["show_denoised"](server.url("").rstrip("/"), image, model)
    return [Path(call.args[0]).read_bytes() for call in slicer.util.loadVolume.call_args_list]


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def _wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline and process.poll() is None:
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=60):
            return
        time.sleep(0.3)
    raise AssertionError(log.read_text()[-3000:])


def _wait_until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(20)
    process.kill()
    process.wait()


@pytest.fixture
def studies(tmp_path: Path) -> Path:
    folder = tmp_path / "studies"
    folder.mkdir()
    write_noisy(folder / "quiet.nii.gz", shape=(40, 40, 18))
    write_noisy(folder / "other.nii.gz", seed=1, shape=(40, 40, 18))
    return folder


@pytest.fixture
def server(tmp_path: Path, studies: Path) -> Iterator[Server]:
    started = Server(tmp_path / "app", str(studies))
    yield started
    _stop(started.process)


class TestFolder:
    pytestmark = served

    def test_from_training_to_batch(
        self, server: Server, studies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        info = json.loads(server.get("info/"))
        # no trained model yet, so no map of it
        assert set(info["models"]) == {"ns_n2n", "bsn", "diffdenoise"}
        assert set(info["trainers"]) == set(info["models"])
        assert {model["type"] for model in info["models"].values()} == {"others"}

        # viewers ask for uint8 labels
        asked = {"seed": 3, "result_dtype": "uint8", "result_extension": ".nrrd", **TINY}
        (tmp_path / "bsn.nii.gz").write_bytes(server.ask("infer/bsn?image=quiet&output=image", **asked))
        found, noisy = nib.load(tmp_path / "bsn.nii.gz"), nib.load(studies / "quiet.nii.gz")
        assert found.get_data_dtype() == np.float32 and np.array_equal(found.affine, noisy.affine)
        own = denoise(studies / "quiet.nii.gz", method="bsn", preset="fast", seed=3, **TINY).image.as_tensor()[0]
        assert np.abs(np.asarray(found.dataobj) - own.numpy()).max() < 1e-3

        told = json.loads(server.ask("infer/ns_n2n?image=quiet&output=json", save_image=True, **TINY))
        assert told["saved_image_id"] == "quiet_ns_n2n" and (studies / "quiet_ns_n2n.nii.gz").is_file()
        assert told["model"] == "learned from the image itself"

        for name in ("ns_n2n", "bsn", "diffdenoise"):
            if name == "bsn":
                # as clients do: in a process of its own
                server.ask(f"train/{name}", **TINY)
                _wait_until(lambda: json.loads(server.get("train/"))["status"] == "DONE")
            else:
                # what was saved above is not learned from
                assert json.loads(server.ask(f"train/{name}?run_sync=true", **TINY))["volumes"] == 2
            found, mine = tmp_path / f"{name}.nii.gz", tmp_path / f"{name}_mine.nii.gz"
            found.write_bytes(server.ask(f"infer/{name}?image=other&output=image"))
            options = ["--model", str(tmp_path / "app" / "model" / name), "--preset", "fast"]
            options += ["--output-dtype", "float32"]
            assert main(["denoise", str(studies / "other.nii.gz"), str(mine), *options]) == 0
            assert np.array_equal(*(np.asarray(nib.load(path).dataobj) for path in (found, mine)))
            assert json.loads(server.ask(f"infer/{name}?image=other&output=json"))["model"] == "trained"
        original, shown = _load_in_slicer(server, tmp_path, "other", "bsn", monkeypatch)
        assert original == (studies / "other.nii.gz").read_bytes()
        assert np.array_equal(_values(shown, tmp_path), _values((tmp_path / "bsn.nii.gz").read_bytes(), tmp_path))
        # a series of images over time is no mistake
        noisy = nib.load(studies / "other.nii.gz")
        series = np.stack([np.asarray(noisy.dataobj), np.asarray(noisy.dataobj) + 1], -1)
        nib.save(nib.Nifti1Image(series, noisy.affine), tmp_path / "series.nii.gz")
        found = _values(server.send("infer/ns_n2n?output=image", tmp_path / "series.nii.gz"), tmp_path)
        assert found.shape == series.shape and found.dtype == np.float32
        (tmp_path / "map.nii.gz").write_bytes(server.ask("infer/uncertainty?image=other&output=image"))
        assert np.asarray(nib.load(tmp_path / "map.nii.gz").dataobj).std() > 0

        assert json.loads(server.ask("scoring/disagreement?run_sync=true"))["executed"] == 2
        assert json.loads(server.ask("scoring/disagreement?run_sync=true"))["executed"] == 0
        chosen = json.loads(server.ask("activelearning/least_sure"))
        assert chosen["id"] in ("quiet", "other") and chosen["disagreement_over_noise"] > 0

        server.ask("batch/infer/diffdenoise?run_sync=true")
        made = {path.name for path in (studies / "labels" / "denoised").iterdir()}
        # what was made from another image is not denoised again
        assert made == {"quiet.nii.gz", "other.nii.gz"}
        assert not (studies / "labels" / "final").exists() or not list((studies / "labels" / "final").iterdir())

    def test_bad_requests_get_one_sentence_and_leave_nothing(
        self, server: Server, studies: Path, tmp_path: Path, make_series: Callable[..., Path]
    ) -> None:
        # still being written
        (studies / "half.nii.gz").write_bytes((studies / "other.nii.gz").read_bytes()[:5000])
        _wait_until(lambda: b'"half"' in server.get("datastore/?output=all"))
        before = sorted(path.name for path in studies.glob("*.nii.gz"))
        broken = tmp_path / "broken.nii.gz"
        broken.write_bytes(b"no volume")
        for answer, path, params, told in (
            (404, "infer/nobody?image=quiet&output=image", {}, "expected one of"),
            (404, "infer/bsn?image=unknown&output=image", {"save_image": True}, "not in the datastore"),
            (400, "infer/bsn?image=/etc/hostname&output=image", {}, "path of a file"),
            (400, "infer/bsn?image=quiet&output=image", {"preset": "huge"}, "expected one of fast"),
            (400, "infer/uncertainty?image=quiet&output=image", {}, "train it first"),
            (400, "infer/bsn?image=half&output=image", {"save_image": True}, "half is cut off"),
            (404, "train/nobody?run_sync=true", {}, "nobody"),
            (400, "train/bsn?run_sync=true", {"iterations": 0}, "at least 1"),
            (400, "train/bsn?run_sync=true", TINY, "half is cut off"),
        ):
            detail = json.loads(server.ask(path, answer, **params))["detail"]
            assert told in detail and "\n" not in detail and str(tmp_path) not in detail
            assert detail in server.log.read_text()
        assert "NIfTI" in json.loads(server.send("infer/bsn?output=image", broken, 400))["detail"]
        colors = np.zeros((8, 8, 4), np.dtype([("R", "u1"), ("G", "u1"), ("B", "u1")]))
        nib.save(nib.Nifti1Image(colors, np.eye(4)), broken)
        assert "color" in json.loads(server.send("infer/bsn?output=image", broken, 400))["detail"]
        slices = next(make_series(slices=3, shape=(40, 40)).iterdir())
        slices.write_bytes(slices.read_bytes()[:-1000])
        assert "cut off" in json.loads(server.send("infer/bsn?output=image", slices, 400))["detail"]
        assert sorted(path.name for path in studies.glob("*.nii.gz")) == before
        assert not any((studies / "labels").glob("*/*")) and not list((tmp_path / "app" / "model").glob("*/*"))


@pytest.fixture
def pacs(tmp_path: Path) -> Iterator[str]:
    if ORTHANC is None or PLUGIN is None:
        pytest.skip("no Orthanc with DICOMweb here")
    port, folder = _free_port(), tmp_path / "orthanc"
    folder.mkdir()
    settings = {"StorageDirectory": str(folder), "IndexDirectory": str(folder), "HttpPort": port}
    settings |= {"DicomPort": _free_port(), "Plugins": [str(PLUGIN)], "AuthenticationEnabled": False}
    settings |= {"RemoteAccessAllowed": False, "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
    (folder / "orthanc.json").write_text(json.dumps(settings))
    log = folder / "log"
    with open(log, "wb") as stream:
        process = subprocess.Popen([ORTHANC, str(folder / "orthanc.json")], stdout=stream, stderr=stream)
    _wait_for(f"http://127.0.0.1:{port}/system", process, log)
    yield f"http://127.0.0.1:{port}/dicom-web"
    _stop(process)


class TestDicomWeb:
    pytestmark = served

    def test_a_series_comes_back_as_a_derived_one(
        self, pacs: str, tmp_path: Path, make_series: Callable[..., Path]
    ) -> None:
        from dicomweb_client.api import DICOMwebClient

        client = DICOMwebClient(pacs)
        ids = {name: generate_uid() for name in ("study", "series", "frame")}

        def edit(ds: pydicom.Dataset, index: int) -> None:
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.FrameOfReferenceUID = ids.values()
            ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = generate_uid()

        folder = make_series(slices=19, shape=(40, 40), edit=edit)
        instances = sorted((pydicom.dcmread(path) for path in folder.iterdir()), key=lambda ds: ds.InstanceNumber)
        later, hole = instances.pop(), instances[7]
        (folder / Path(later.filename).name).unlink()
        client.store_instances([instance for instance in instances if instance is not hole])

        def all_series() -> int:
            return len(client.search_for_series(ids["study"]))

        environment = {"MONAI_LABEL_DICOMWEB_CACHE_PATH": str(tmp_path / "cache")}
        environment["MONAI_LABEL_DICOMWEB_SEARCH_FILTER"] = '{"Modality":"CT"}'
        server = Server(tmp_path / "app", pacs, **environment)
        try:
            assert "not in the datastore" in json.loads(server.ask("infer/bsn?image=1.2.3&output=json", 404))["detail"]
            asked = {"method": "bsn", "seed": 1, **TINY}
            path = f"infer/bsn?image={ids['series']}&output=json"
            # a series that is being written is not denoised, nor are its first images kept for later
            assert "slices" in json.loads(server.ask(path, 400, save_image=True, **asked))["detail"]
            assert all_series() == 1
            client.store_instances([hole])
            told = json.loads(server.ask(path, save_image=True, **asked))
            trained = json.loads(server.ask("train/diffdenoise?run_sync=true", **TINY))
            stored, before = client.retrieve_series(ids["study"], told["saved_image_id"]), all_series()
            begun = server.log.read_text().count("Infer Request:")
            with ThreadPoolExecutor() as pool:
                reply = pool.submit(server.ask, path, 409, save_image=True, **{**asked, "iterations": 400})
                _wait_until(lambda: server.log.read_text().count("Infer Request:") > begun)
                time.sleep(1)
                client.store_instances([later])
            assert "18 images and has 19" in json.loads(reply.result())["detail"]
            assert all_series() == before
        finally:
            _stop(server.process)
        assert trained["volumes"] == 1
        assert len(stored) == 18 and stored[0].ImageType[0] == "DERIVED"
        back = tmp_path / "back"
        back.mkdir()
        for number, instance in enumerate(stored):
            instance.save_as(back / f"{number}.dcm", enforce_file_format=True)
        own = denoise(folder, method="bsn", preset="fast", seed=1, **TINY).image.as_tensor()
        # values are rounded to whole HU
        assert float((read_volume(back).image.as_tensor() - own).abs().max()) <= 0.51


class TestStockApp:
    pytestmark = served

    def test_monaibundle_serves_our_bundle_from_a_local_folder(self, studies: Path, tmp_path: Path) -> None:
        get = [sys.executable, "-m", "monailabel.main", "apps", "--download", "--name", "monaibundle", "--output", "."]
        subprocess.run(get, cwd=tmp_path, check=True, capture_output=True)
        bundle = tmp_path / "monaibundle" / "model" / "ns_n2n"
        shutil.copytree(BUNDLES[0].root, bundle, ignore=shutil.ignore_patterns("*.pt"))
        trained = DenoiseSettings(method="ns-n2n", iterations=20, device="cpu")
        fit(studies, tmp_path / "work", trained)
        shutil.copy(tmp_path / "work" / "model" / "weights.pt", bundle / "models" / "model.pt")

        options = ["models ns_n2n", "zoo_source local", "skip_trainers true", "sam2 false"]
        words = [word for option in options for word in ("--conf", *option.split())]
        server = Server(tmp_path / "app", str(studies), "--app", str(tmp_path / "monaibundle"), *words)
        try:
            (tmp_path / "found.nii.gz").write_bytes(server.ask("infer/ns_n2n?image=other&output=image", device="cpu"))
        finally:
            _stop(server.process)
        given = {"dataset_dir": str(studies / "other.nii.gz"), "output_dir": str(tmp_path), "output_dtype": "float32"}
        run(BUNDLES[0].inference, "infer", ckpt_path=str(bundle / "models" / "model.pt"), device="cpu", **given)
        # the stock app leaves the slices last, with an affine that says so
        found, mine = (
            nib.as_closest_canonical(nib.load(tmp_path / name)) for name in ("found.nii.gz", "other_denoised.nii.gz")
        )
        assert found.get_data_dtype() == np.float32 and np.allclose(found.affine, mine.affine, atol=1e-4)
        assert np.array_equal(np.asarray(found.dataobj), np.asarray(mine.dataobj))
        noisy = nib.as_closest_canonical(nib.load(studies / "other.nii.gz"))
        assert not np.array_equal(np.asarray(found.dataobj), np.asarray(noisy.dataobj))
