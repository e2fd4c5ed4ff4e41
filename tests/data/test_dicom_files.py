# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import threading
import warnings
from pathlib import Path

import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.dicom_files import is_dicom, quiet, read_dataset, read_header
from monai_diffdenoise.errors import InputError


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(found)


def test_file_without_preamble_is_read_if_it_is_an_image(tmp_path):
    for name in ("ExplVR_LitEndNoMeta.dcm", "ExplVR_BigEndNoMeta.dcm", "no_meta.dcm"):
        # None of these pydicom examples is a complete image: refused, and nothing else happens.
        with pytest.raises(InputError, match="expected"):
            read_volume(sample(name))
    ds = pydicom.dcmread(sample("CT_small.dcm"))
    plain = read_volume(sample("CT_small.dcm"))
    path = tmp_path / "bare"
    pydicom.dcmwrite(path, ds, implicit_vr=False, little_endian=True)
    raw = path.read_bytes()
    start = raw.index(b"\x08\x00\x05\x00", 132)
    path.write_bytes(raw[start:])
    assert torch.equal(read_volume(path).image, plain.image)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "MR_small_RLE.dcm", "rtdose.dcm"]
)
def test_header_ends_where_the_pixels_begin(name):
    path = sample(name)
    header, end = read_header(path)
    raw = path.read_bytes()
    tag = b"\x7f\xe0\x00\x10" if "big" in name else b"\xe0\x7f\x10\x00"
    assert raw[end : end + 4] == tag and "PixelData" not in header
    assert header.Rows == read_dataset(path).Rows


def test_deflated_header_has_no_such_place():
    assert read_header(sample("image_dfl.dcm"))[1] is None


def test_header_of_a_cut_file_ends_at_its_end(tmp_path):
    raw = sample("CT_small.dcm").read_bytes()
    path = tmp_path / "cut"
    path.write_bytes(raw[:2000])
    assert read_header(path)[1] >= 2000


@pytest.mark.parametrize("content", [b"", b"text", b"\0" * 200, b"\0" * 128 + b"DICOM"[:3]])
def test_what_is_no_dicom(tmp_path, content):
    path = tmp_path / "a"
    path.write_bytes(content)
    assert not is_dicom(path) and read_dataset(path) is None and read_header(path) is None


def test_more_attributes_on_demand():
    path = sample("CT_small.dcm")
    assert "PatientID" not in read_dataset(path, header_only=True)
    assert read_dataset(path, header_only=True, more=("PatientID",)).PatientID == pydicom.dcmread(path).PatientID


def grumble() -> None:
    """Make pydicom warn of a bad value, and of a bad character set: each to the log and as a warning."""
    pydicom.DataElement(0x00100020, "LO", "x" * 70)
    pydicom.charset.convert_encodings(["ISO_IR 99999"])


def state() -> tuple:
    settings = pydicom.config.settings
    return (
        list(warnings.filters),
        pydicom.config.logger.level,
        settings.reading_validation_mode,
        settings.writing_validation_mode,
    )


def test_quiet_silences_and_puts_everything_back(caplog):
    before = state()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        inside = state()
        with quiet(), quiet():
            grumble()
        assert not seen and not caplog.records
        assert state() == inside
        with pytest.raises(KeyError), quiet():
            raise KeyError
        grumble()
        assert len(seen) == 2 and len(caplog.records) == 2
    assert state() == before


def test_other_warnings_are_heard_inside(caplog):
    with pytest.warns(UserWarning, match="ours"), quiet():
        warnings.warn("ours", stacklevel=1)
        logging.getLogger("other").warning("heard")
    assert len(caplog.records) == 1


def test_threads_that_are_quiet_at_overlapping_times(caplog):
    """The first one to leave must not make pydicom loud for the others, nor the last one leave it silent."""
    before = state()
    first, second = quiet(), quiet()
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        first.__enter__()
        other = threading.Thread(target=second.__enter__)
        other.start()
        other.join()
        first.__exit__(None, None, None)
        grumble()
        assert not seen and not caplog.records
        other = threading.Thread(target=second.__exit__, args=(None, None, None))
        other.start()
        other.join()
        grumble()
        assert len(seen) == 2 and len(caplog.records) == 2
    assert state() == before


def test_many_threads_are_quiet(caplog):
    before, problems = state(), []

    def work() -> None:
        try:
            for _ in range(200):
                with quiet():
                    grumble()
        except BaseException as error:
            problems.append(error)
            raise

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert not problems and not seen and not caplog.records
    assert state() == before


def test_a_filter_list_that_another_thread_swaps_back_stays_clean():
    """catch_warnings of another thread, entered before us and left inside, or entered inside and left after us."""
    before = state()
    outer = warnings.catch_warnings()
    outer.__enter__()
    with quiet():
        outer.__exit__(None, None, None)
        with quiet(), warnings.catch_warnings(record=True) as seen:
            grumble()
        assert not seen
    assert state() == before
