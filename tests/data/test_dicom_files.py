# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import logging
import shutil
import threading
import warnings
from pathlib import Path

import numpy as np
import pydicom
import pytest
import torch
from pydicom.data import get_testdata_file

from monai_diffdenoise.data import read_volume
from monai_diffdenoise.data.dicom_files import quiet
from monai_diffdenoise.errors import InputError


def sample(name: str) -> Path:
    found = get_testdata_file(name, download=False)
    if found is None:
        pytest.skip(f"this pydicom comes without {name}")
    return Path(found)


def test_junk_hidden_files_and_subfolders(make_series, tmp_path):
    folder = make_series()
    plain = read_volume(folder)
    (folder / "DICOMDIR").write_bytes(b"\0" * 128 + b"DICM" + b"junk")
    (folder / "notes.txt").write_text("not an image")
    (folder / "empty").write_bytes(b"")
    (folder / ".hidden").write_bytes(next(folder.iterdir()).read_bytes())
    (folder / ".cache").mkdir()
    shutil.copy(sorted(folder.glob("file*"))[0], folder / ".cache" / "copy.dcm")
    shutil.copy(sample("reportsi.dcm"), folder / "report.dcm")
    deeper = folder / "deeper"
    deeper.mkdir()
    sorted(folder.glob("file*"))[0].rename(deeper / "moved.dcm")
    assert torch.equal(read_volume(folder).image, plain.image)


def test_one_file_is_one_slice(make_series):
    folder = make_series()
    path = sorted(folder.iterdir())[0]
    volume = read_volume(path)
    assert volume.image.shape == (1, 8, 6, 1) and volume.spacing == (0.75, 0.5, 2.5)
    np.testing.assert_array_equal(volume.image[0, :, :, 0], pydicom.dcmread(path).pixel_array.T - 1024.0)


def test_several_series_are_listed_and_picked(make_series, tmp_path):
    make_series("both/a".replace("/", "_"), seed=1)
    root = tmp_path / "root"
    root.mkdir()
    uids = ["1.2.3.111118", "1.2.3.222228"]
    for number, uid in enumerate(uids):

        def edit(ds, index, uid=uid, number=number):
            ds.SeriesInstanceUID, ds.SeriesNumber, ds.SeriesDescription = uid, number + 7, "Doe private"

        make_series(f"s{number}", slices=3 + number, seed=number, edit=edit).rename(root / f"doe{number}")
    with pytest.raises(InputError, match="holds 2 series") as caught:
        read_volume(root)
    text = str(caught.value)
    assert "series 7 CT 3 slice(s)" in text and "series 8 CT 4 slice(s)" in text and "--series" in text
    assert "111118" in text and "1.2.3.111118" not in text
    assert "doe" not in text.replace(str(root), "").lower()
    assert read_volume(root, series=uids[1]).image.shape[-1] == 4
    assert read_volume(root, series="111118").image.shape[-1] == 3
    for wrong in ("9", "8", ""):
        with pytest.raises(InputError, match=r"\d series end in"):
            read_volume(root, series=wrong)


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


@pytest.mark.parametrize("name", ["reportsi.dcm", "rtplan.dcm", "DICOMDIR"])
def test_dicom_without_an_image(tmp_path, name):
    source = sample("reportsi.dcm" if name == "DICOMDIR" else name)
    shutil.copy(source, tmp_path / name)
    with pytest.raises(InputError, match="not a readable DICOM image|no readable DICOM image"):
        read_volume(tmp_path / name)
    with pytest.raises(InputError, match="no readable DICOM image"):
        read_volume(tmp_path)


def test_empty_folder(tmp_path):
    with pytest.raises(InputError, match="no readable DICOM image in it"):
        read_volume(tmp_path)


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
