# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import os

import numpy as np
import pytest
import torch

from monai_diffdenoise.data import check_output, read_volume, write_volume
from monai_diffdenoise.data.formats import ending_of
from monai_diffdenoise.errors import InputError


def test_format_is_seen_from_the_content(make_nifti, make_series, tmp_path):
    stored = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    bare = make_nifti(stored).rename(tmp_path / "image_without_ending")
    np.testing.assert_array_equal(read_volume(bare).image[0], stored)
    assert read_volume(make_series()).source.format == "dicom"
    assert read_volume(str(bare)).source.format == "nifti"


@pytest.mark.parametrize("name", ["picture.jpg", "volume.raw", "unknown"])
def test_other_files_are_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xd8\xff" * 100)
    with pytest.raises(InputError, match="not an image of a known format"):
        read_volume(path)


def test_missing_input(tmp_path):
    with pytest.raises(InputError, match="does not exist"):
        read_volume(tmp_path / "none.nii.gz")


def test_series_goes_with_dicom_only(make_nifti):
    with pytest.raises(InputError, match="means nothing for it"):
        read_volume(make_nifti(np.ones((3, 4, 5), np.int16)), series="1.2.3")


@pytest.fixture
def place(tmp_path, make_nifti, make_series):
    """A folder with a NIfTI file, a DICOM series, links and a full folder."""
    make_nifti(np.ones((3, 4, 5), np.int16), "in.nii.gz")
    make_series("series")
    (tmp_path / "taken.nii").write_bytes(b"old")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("old")
    (tmp_path / "empty").mkdir()
    (tmp_path / "folder.nii").mkdir()
    (tmp_path / "link.nii.gz").symlink_to(tmp_path / "in.nii.gz")
    (tmp_path / "dangling.nii.gz").symlink_to(tmp_path / "nowhere")
    (tmp_path / "linked").symlink_to(tmp_path / "series")
    os.link(tmp_path / "in.nii.gz", tmp_path / "hard.nii.gz")
    return tmp_path


@pytest.mark.parametrize(
    ("output", "given", "overwrite"),
    [
        ("new.nii", "in.nii.gz", False),
        ("new.nii.gz", "series", False),
        ("NEW.NII.GZ", "series", False),
        ("new", "series", False),
        ("new.v2/", "series", False),
        ("empty", "series", False),
        ("taken.nii", "in.nii.gz", True),
        ("new.nii.gz", "series/file000", False),
        ("new", "series/file000", False),
    ],
)
def test_good_outputs(place, output, given, overwrite):
    before = sorted(place.rglob("*"))
    check_output(f"{place}/{output}", [place / given], overwrite)
    assert sorted(place.rglob("*")) == before


@pytest.mark.parametrize("overwrite", [False, True])
@pytest.mark.parametrize(
    ("output", "given", "message"),
    [
        ("new.jpg", "in.nii.gz", "ends in '.jpg'"),
        ("new.xyz", "series", "ends in '.xyz'"),
        ("in.nii.gz", "in.nii.gz", "the input itself"),
        ("../{name}/in.nii.gz", "in.nii.gz", "the input itself"),
        ("hard.nii.gz", "in.nii.gz", "the input itself"),
        ("link.nii.gz", "in.nii.gz", "symbolic link"),
        ("dangling.nii.gz", "series", "symbolic link"),
        ("linked", "in.nii.gz", "symbolic link"),
        ("series", "series", "the input itself"),
        ("series", "linked", "the input itself"),
        ("series/out.nii.gz", "series", "inside the input folder"),
        ("series/out", "series", "inside the input folder"),
        ("linked/out.nii.gz", "series", "inside the input folder"),
        ("series", "series/file000", "holds the input"),
        (".", "series", "holds the input"),
        ("new", "in.nii.gz", "name a file"),
        ("full", "series", "not empty|other files"),
        ("folder.nii", "in.nii.gz", "is a folder"),
        ("taken.nii/new.nii", "in.nii.gz", "does not exist"),
        ("none/new.nii", "in.nii.gz", "does not exist"),
    ],
)
def test_bad_outputs(place, output, given, message, overwrite):
    before = sorted(place.rglob("*"))
    with pytest.raises(InputError, match=message) as caught:
        check_output(f"{place}/{output.format(name=place.name)}", [place / given], overwrite)
    assert "\n" not in str(caught.value)
    assert sorted(place.rglob("*")) == before


def test_taken_names(place):
    with pytest.raises(InputError, match="exists already"):
        check_output(place / "taken.nii", [place / "in.nii.gz"])
    (place / "file").write_bytes(b"old")
    with pytest.raises(InputError, match="is a file"):
        check_output(place / "file", [place / "series"], overwrite=True)


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a folder that cannot be written to")
def test_read_only_folder(place):
    (place / "empty").chmod(0o500)
    with pytest.raises(InputError, match="cannot be written to"):
        check_output(place / "empty" / "new.nii")


def test_writing_checks_the_output_itself(place):
    volume = read_volume(place / "in.nii.gz")
    with pytest.raises(InputError, match="the input itself"):
        write_volume(volume, place / "in.nii.gz", overwrite=True)
    write_volume(volume, place / "taken.nii", overwrite=True)
    assert torch.equal(read_volume(place / "taken.nii").image, volume.image)


REFUSED = {
    "C_dcm_fakepixels_mixed_orientations": "2 stacks",
    "C_dcm_philips_enhanced_fieldmap": "2 stacks",
    "C_dcm_rgb_j2k": "color",
    "C_dcm_transfer_syntaxes": "9 stacks",
    "C_dcm_us_sonosite_ybr_30frames": "color",
    "D_dcm_made_messy_folder": "2 series",
    "D_dcm_no_meta": "no readable DICOM image",
    "D_nii_made_empty.nii.gz": "empty",
    "D_nii_made_truncated.nii.gz": "cut off",
    "D_nii_rgba_structured.nii.gz": "color",
}


@pytest.mark.filterwarnings("ignore:the source has no Study Instance UID")
def test_every_real_scan_is_read_and_returned_or_refused(dev_data, tmp_path):
    """Classes A, C and D: what is read returns bit for bit; what is not says why in one line."""
    entries = []
    for top in sorted(p for p in dev_data.iterdir() if p.name[:2] in ("A_", "C_", "D_")):
        inner = sorted(p for p in top.iterdir() if p.is_dir() or ".nii" in p.name) if top.is_dir() else []
        entries += inner or [top]
    refused = set()
    for number, entry in enumerate(entries):
        name = str(entry.relative_to(dev_data))
        try:
            volume = read_volume(entry)
        except InputError as error:
            assert "\n" not in str(error)
            if "dicom-codecs" in str(error):
                continue
            assert REFUSED[name] in str(error), name
            refused.add(name)
            continue
        assert torch.isfinite(volume.image).all(), name
        if getattr(volume.source, "layout", "classic") != "classic":
            continue  # read only; how it is written is tested with the writer
        out = tmp_path / (f"{number}{ending_of(name)}" if ending_of(name) else str(number))
        write_volume(volume, out)
        pairs = zip(volume.source.blocks(), read_volume(out).source.blocks(), strict=True)
        assert all(a.stored.tobytes() == b.stored.tobytes() for a, b in pairs), name
    assert refused == set(REFUSED)
