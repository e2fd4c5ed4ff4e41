# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import gzip
import random
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from monai_diffdenoise.data import ReadOptions, check_conversion, read_volume, volume_from_array, write_volume
from monai_diffdenoise.data.encoding import OUTPUT_DTYPES
from monai_diffdenoise.data.formats import FORMATS, detect_format, ending_of, format_of_name, known_endings
from monai_diffdenoise.errors import InputError

pytest.importorskip("PIL")
pytest.importorskip("tifffile")

RNG = np.random.default_rng(0)
SINGLE = [kind for kind in FORMATS if kind.written_as is None]
# What keeps position and orientation, and what keeps the size of the voxels.
ANATOMIC = (".nii.gz", ".nii", ".mha", ".nrrd")
AFFINE = np.array([[-1.9, 0.1, 0.1, 5], [0, -2.5, 0.2, 6], [0.3, 0, 3, 7], [0, 0, 0, 1.0]])


def test_names():
    assert [ending_of(name) for name in ("a.NII.GZ", "b.nii", "c.mha", "d.TIF", "e.hdr", "f.raw", "g", "h.gz")] == [
        ".NII.GZ", ".nii", ".mha", ".TIF", ".hdr", "", "", "",
    ]  # fmt: skip
    assert format_of_name("x/y.TIFF").title == "TIFF" and format_of_name("x.nii/y") is None
    assert known_endings() == ".nii.gz, .nii, .hdr.gz, .hdr, .mha, .mhd, .nrrd, .nhdr, .png, .tiff, .tif, .hdf5, .h5"
    assert known_endings(written=True) == ".nii.gz, .nii, .mha, .nrrd, .png, .tiff, .tif"


def test_every_result_has_an_ending_that_is_written():
    for kind in FORMATS:
        if kind.written_as is not None:
            other = format_of_name("x" + kind.written_as)
            assert other is not None and other.written_as is None
            assert other.name == kind.name or kind.name == "hdf5"


@pytest.fixture
def make(tmp_path: Path):
    """Factory: a volume that came from a file of the given ending."""

    def from_file(ending: str, dtype: str = "uint8", shape: tuple[int, ...] = (1, 5, 6, 4), channels: str = "time"):
        image = RNG.integers(0, 200, shape)
        if ending == ".png":
            image = image[:1, ..., 0] if image.ndim == 4 else image[:1]
        volume = replace(volume_from_array(image, AFFINE), channels=channels)
        path = tmp_path / f"source{ending}"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # By way of a format without a scale, so that NIfTI gets whole numbers, too.
            write_volume(volume, tmp_path / "made.nrrd", dtype, overwrite=True)
            write_volume(read_volume(tmp_path / "made.nrrd"), path, overwrite=True)
        return read_volume(path)

    return from_file


@pytest.mark.parametrize("kind", SINGLE, ids=lambda kind: kind.name)
def test_content_tells_the_format(make, tmp_path, kind):
    source = make(kind.endings[0])
    bare = source.source.path.rename(tmp_path / "bare")
    found = detect_format(bare)
    assert found is kind and [k for k in FORMATS if k.holds(bare)] == [kind]
    assert read_volume(bare).source.format == kind.name
    (tmp_path / "empty").touch()
    (tmp_path / "text").write_text("nothing of an image")
    assert not kind.holds(tmp_path / "empty") and not kind.holds(tmp_path / "text")


KINDS = [
    ("uint8", (1, 5, 6), "time"),
    ("uint16", (1, 5, 6, 4), "time"),
    ("float32", (3, 5, 6, 4), "time"),
    ("int16", (3, 5, 6, 4), "component"),
    ("float64", (2, 5, 6), "component"),
]
# A PNG holds one plane only.
WAYS = [
    (here.endings[-1], there.endings[-1], *kind)
    for here in SINGLE
    for there in SINGLE
    for kind in (KINDS[:1] if "png" in (here.name, there.name) else KINDS)
]


@pytest.mark.filterwarnings("ignore:.*keeps the size of the voxels only")
@pytest.mark.parametrize(("here", "there", "dtype", "shape", "channels"), WAYS)
def test_every_format_becomes_every_other(make, tmp_path, here, there, dtype, shape, channels):
    source = make(here, dtype, shape, channels)
    out = tmp_path / f"out{there}"
    check_conversion(source, out)
    write_volume(source, out)
    back = read_volume(out)
    # A plane with moments needs the third axis of space in some formats.
    np.testing.assert_array_equal(back.image.numpy().reshape(source.image.shape), source.image.numpy())
    assert back.source.native.dtype == dtype and back.channels == (channels if shape[0] > 1 else "time")
    if here in ANATOMIC and there in ANATOMIC:
        np.testing.assert_allclose(back.image.affine, source.image.affine, atol=1e-6)
    # Sizes are pixels per meter in a PNG.
    np.testing.assert_allclose(back.spacing[:2], source.spacing[:2], rtol=2e-3 if there == ".png" else 1e-6)
    again = tmp_path / f"again{here}"
    write_volume(back, again)
    np.testing.assert_array_equal(read_volume(again).image.numpy().reshape(source.image.shape), source.image.numpy())


@pytest.mark.filterwarnings("ignore:.*keeps the size of the voxels only")
@pytest.mark.parametrize("ending", [".nii.gz", ".mha", ".nrrd", ".tif", ".png"])
def test_dicom_becomes_every_format(make_series, tmp_path, ending):
    source = read_volume(make_series(slices=1 if ending == ".png" else 4))
    dtype = "uint16" if ending == ".png" else None
    if ending == ".png":
        # Hounsfield units start at -1024.
        with pytest.raises(InputError, match="PNG"):
            write_volume(source, tmp_path / "out.png", dtype)
        return
    write_volume(source, tmp_path / f"out{ending}")
    back = read_volume(tmp_path / f"out{ending}")
    np.testing.assert_array_equal(back.image.numpy(), source.image.numpy())
    assert back.source.native.dtype == source.source.native.dtype == np.int16
    if ending != ".tif":
        np.testing.assert_allclose(back.image.affine, source.image.affine, atol=1e-4)


@pytest.mark.parametrize("ending", [".mha", ".nrrd", ".tif"])
@pytest.mark.filterwarnings("ignore:.*keeps the size of the voxels only")
def test_slope_becomes_values(make_nifti, tmp_path, ending):
    stored = RNG.integers(-99, 99, (5, 6, 4)).astype(np.int16)
    source = read_volume(make_nifti(stored, slope=0.37, inter=-52.5))
    write_volume(source, tmp_path / f"out{ending}")
    back = read_volume(tmp_path / f"out{ending}")
    assert back.source.native.dtype == np.float32
    np.testing.assert_array_equal(back.image.numpy(), source.image.numpy())


@pytest.mark.filterwarnings("ignore:.*keeps the size of the voxels only")
@pytest.mark.parametrize("ending", [".nii", ".mha", ".nrrd", ".tif"])
def test_nonfinite_voxels_survive_every_format(tmp_path, ending):
    image = RNG.normal(size=(1, 5, 6, 4)).astype(np.float32)
    image[0, :2, 1, 1] = np.nan, -np.inf
    write_volume(volume_from_array(image), tmp_path / f"a{ending}")
    source = read_volume(tmp_path / f"a{ending}")
    assert source.nonfinite == 2
    written = write_volume(source.with_image(source.image * 2), tmp_path / f"b{ending}")
    (block, *more) = read_volume(tmp_path / f"b{ending}").source.blocks()
    stored = np.concatenate([b.stored for b in (block, *more)], axis=-1)
    np.testing.assert_array_equal(stored, image * 2)
    assert written.restored == 2


@pytest.mark.parametrize("kind", FORMATS, ids=lambda kind: kind.title)
def test_options_that_mean_nothing_are_refused(tmp_path, kind):
    path = tmp_path / f"a{kind.endings[0]}"
    path.write_bytes(b"any")
    with pytest.raises(InputError, match="--series"):
        read_volume(path, options=ReadOptions(series="1.2"))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_changed_voxels_only_change(tmp_path, data):
    """For every format and number type: what was not touched keeps its stored bits."""
    ending = data.draw(st.sampled_from([".mha", ".nrrd", ".tif"]))
    dtype = data.draw(st.sampled_from(OUTPUT_DTYPES))
    shape = data.draw(st.sampled_from([(1, 3, 4), (1, 3, 4, 2), (3, 3, 4, 2)]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    channels = data.draw(st.sampled_from(["time", "component"]))
    assume(not (ending == ".mha" and dtype == "uint8" and shape[0] == 3 and channels == "component"))
    volume = replace(volume_from_array(rng.integers(0, 100, shape), np.diag([-1.0, -1, 1, 1])), channels=channels)
    path, out = tmp_path / f"a{ending}", tmp_path / f"b{ending}"
    write_volume(volume, path, dtype, overwrite=True)
    source = read_volume(path)
    mask = rng.random(shape) < data.draw(st.sampled_from([0.0, 0.3, 1.0]))
    write_volume(source.with_image(source.image + torch_like(mask) * 7), out, overwrite=True)
    if not mask.any():
        assert out.read_bytes() == path.read_bytes() or ending == ".nrrd"
    back = read_volume(out)
    assert back.source.native.dtype == dtype
    np.testing.assert_array_equal(back.image.numpy(), source.image.numpy() + mask * 7)


def torch_like(mask: np.ndarray):
    import torch

    return torch.from_numpy(mask.astype(np.float32))


WORDS = [b"-1", b"0", b"nan", b"1e300", b"99999999999", b"none", b"../x", b"\n", b"\0\0\0\0", b"\xff\xff\xff\xff"]


@pytest.mark.parametrize("ending", [".nii", ".nii.gz", ".mha", ".nrrd", ".png", ".tif"])
def test_damaged_files_are_read_or_refused(make, tmp_path, ending):
    """Seeded: bytes flipped, put in, taken out, cut; nothing but a volume or an InputError may come of it."""
    raw = make(ending).source.path.read_bytes()
    raw = gzip.decompress(raw) if ending.endswith(".gz") else raw
    dice, counted = random.Random(3), {"read": 0, "refused": 0}
    for _ in range(60):
        damaged = bytearray(raw)
        at = dice.randrange(dice.choice([60, 400, len(raw)])) % len(raw)
        kind, word = dice.randrange(5), dice.choice(WORDS)
        if kind == 0:
            del damaged[at:]
        elif kind == 1:
            damaged[at : at + dice.randrange(1, 9)] = b""
        elif kind == 2:
            damaged[at : at + len(word)] = word
        elif kind == 3:
            damaged[at:at] = word
        else:
            damaged[at] ^= 1 << dice.randrange(8)
        path = tmp_path / f"damaged{ending}"
        path.write_bytes(gzip.compress(bytes(damaged)) if ending.endswith(".gz") else bytes(damaged))
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)
                volume = read_volume(path)
                write_volume(volume.with_image(volume.image + 1), tmp_path / f"out{ending}", overwrite=True)
            assert read_volume(tmp_path / f"out{ending}").image.shape == volume.image.shape
            counted["read"] += 1
        except InputError as error:
            assert "\n" not in str(error)
            counted["refused"] += 1
    assert counted["refused"] > 5 and sum(counted.values()) == 60
