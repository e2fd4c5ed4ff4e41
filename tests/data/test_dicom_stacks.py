# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import numpy as np
import pytest
import torch
from pydicom.dataset import Dataset

from monai_diffdenoise.data import ReadOptions, read_volume
from monai_diffdenoise.errors import InputError
from tests.data.dicom_builders import clip, enhanced, grid, save


def parity(**values):
    """Slices of odd index lie where the even one before them lies, and say something else."""

    def edit(ds, index):
        ds.ImagePositionPatient = [0, 0, 2.5 * (index // 2)]
        for keyword, (even, odd) in values.items():
            setattr(ds, keyword, odd if index % 2 else even)

    return edit


def ge_component(ds: Dataset, index: int) -> None:
    ds.ImagePositionPatient = [0, 0, 2.5 * (index // 2)]
    ds.add_new(0x00430010, "LO", "GEMS_PARM_01")
    ds.add_new(0x0043102F, "SS", index % 2)


KINDS = {
    "magnitude and phase": (
        parity(ImageType=(["ORIGINAL", "PRIMARY", "M"], ["ORIGINAL", "PRIMARY", "P"])),
        "1: 8x6, 3 slice.s., type M; 2: 8x6, 3 slice.s., type P; pick one with --stack",
    ),
    "complex component": (parity(ComplexImageComponent=("MAGNITUDE", "PHASE")), "component MAGNITUDE.*component PHASE"),
    "component of GE": (ge_component, "component MAGNITUDE.*component PHASE"),
    "echoes": (parity(EchoTime=("20", "80"), EchoNumbers=(1, 2)), "echo number 1, echo time 20 ms.*echo time 80 ms"),
    "kernels": (parity(ConvolutionKernel=("B30f", "B70f")), "kernel B30f.*kernel B70f"),
    "stack ids": (parity(StackID=("1", "2")), "stack id 1.*stack id 2"),
    "frames of reference": (parity(FrameOfReferenceUID=("1.2.3", "1.2.4")), "frame of reference 1.2.3"),
    "averaged diffusion": (
        parity(DiffusionDirectionality=("DIRECTIONAL", "ISOTROPIC")),
        "1: 8x6, 3 slice.s.; 2: 8x6, 3 slice.s., diffusion ISOTROPIC",
    ),
}


@pytest.mark.parametrize("name", KINDS)
def test_kinds_are_stacks_of_their_own(make_series, name):
    edit, message = KINDS[name]
    folder = make_series(modality="MR", slices=6, edit=edit)
    with pytest.raises(InputError, match="the series holds 2 stacks that must not be mixed.*" + message):
        read_volume(folder)
    both = [read_volume(folder, options=ReadOptions(stack=k)) for k in (1, 2)]
    for odd, volume in enumerate(both):
        assert volume.image.shape == (1, 8, 6, 3)
        assert [item.moment.instance for item in volume.source.slices[0]] == [1 + odd, 3 + odd, 5 + odd]
    assert not torch.equal(both[0].image, both[1].image)
    for wrong in (0, 3, -1):
        with pytest.raises(InputError, match=f"got --stack {wrong}, expected 1 to 2: 1: 8x6"):
            read_volume(folder, options=ReadOptions(stack=wrong))


def test_images_without_diffusion_go_with_the_directions(make_series):
    values = ["NONE", "DIRECTIONAL", "DIRECTIONAL", "ISOTROPIC"]

    def edit(ds, index):
        ds.ImagePositionPatient = [0, 0, 2.5 * (index // 4)]
        ds.DiffusionDirectionality, ds.DiffusionBValue = values[index % 4], 0.0 if index % 4 == 0 else 800.0

    folder = make_series(modality="MR", slices=8, edit=edit)
    with pytest.raises(InputError, match="1: 8x6, 2 slice.s. x 3 time points; 2: 8x6, 2 slice.s., diffusion ISOTROPIC"):
        read_volume(folder)
    alone = make_series("alone", modality="MR", slices=8, edit=lambda ds, k: edit(ds, k) if k % 4 in (0, 3) else False)
    assert read_volume(alone).image.shape == (2, 8, 6, 2)


def test_localizer_is_a_stack_per_plane(make_series):
    planes = [[1, 0, 0, 0, 1, 0], [1, 0, 0, 0, 0, -1], [0, 1, 0, 0, 0, -1]]
    normals = [[0, 0, 1], [0, 1, 0], [-1, 0, 0]]

    def edit(ds, index):
        ds.ImageOrientationPatient = planes[index % 3]
        ds.ImagePositionPatient = [5.0 * (index // 3) * n for n in normals[index % 3]]

    folder = make_series(modality="MR", slices=9, edit=edit)
    with pytest.raises(InputError, match="3 stacks.*axial; 2.*coronal; 3.*sagittal; pick"):
        read_volume(folder)
    volume = read_volume(folder, options=ReadOptions(stack=3))
    assert volume.image.shape[-1] == 3 and volume.spacing[2] == pytest.approx(5.0)


def test_many_stacks_are_not_all_listed(make_series):
    def edit(ds, index):
        angle = np.deg2rad(10 * index)
        ds.ImageOrientationPatient = [float(np.cos(angle)), float(np.sin(angle)), 0, 0, 0, -1]

    with pytest.raises(InputError, match="holds 15 stacks.*12: 8x6.*; and 3 more; pick") as caught:
        read_volume(make_series(slices=15, edit=edit))
    assert "13:" not in str(caught.value) and "oblique (" in str(caught.value)


def test_numbers_of_stacks_do_not_hang_on_file_names(make_series, tmp_path):
    edit = parity(EchoTime=("20", "80"))
    folder = make_series(modality="MR", slices=6, edit=edit)
    first = read_volume(folder, options=ReadOptions(stack=1))
    for number, file in enumerate(sorted(folder.iterdir(), reverse=True)):
        file.rename(folder / f"x{number}")
    again = read_volume(folder, options=ReadOptions(stack=1))
    assert torch.equal(first.image, again.image) and torch.equal(first.image.affine, again.image.affine)


def test_a_picture_without_a_position_among_slices(make_series):
    def edit(ds, index):
        if index == 4:
            del ds.ImagePositionPatient

    folder = make_series(slices=5, edit=edit)
    with pytest.raises(InputError, match="1: 8x6, 4 slice.s.*2: 8x6, 1 image.s. without a position"):
        read_volume(folder)
    assert read_volume(folder, options=ReadOptions(stack=1)).image.shape[-1] == 4
    assert read_volume(folder, options=ReadOptions(stack=2)).image.shape[-1] == 1


def test_clips_of_an_examination(tmp_path):
    for number in (2, 3):
        save(clip(number + 2, number=number), tmp_path / f"c{number}")
    with pytest.raises(InputError, match="1: 8x6, 4 image.s. without a position, instance number 2; 2: 8x6, 5 image"):
        read_volume(tmp_path)
    with pytest.raises(InputError, match="5 images .* no position in space"):
        read_volume(tmp_path, options=ReadOptions(stack=2))
    assert read_volume(tmp_path, options=ReadOptions(stack=2, cine="time")).image.shape == (5, 8, 6, 1)


def test_classic_and_enhanced_of_one_series(make_series):
    folder = make_series(modality="MR", edit=lambda ds, index: setattr(ds, "SeriesInstanceUID", "1.2.3"))
    ds = enhanced(grid(3))
    ds.SeriesInstanceUID = "1.2.3"
    save(ds, folder / "frames")
    with pytest.raises(InputError, match="2 stacks.*class MR Image, .*class Enhanced MR Image"):
        read_volume(folder)


def test_frame_types_of_an_object(tmp_path):
    kinds = (("ORIGINAL", "MAGNITUDE"), ("DERIVED", "PHASE"))
    frames = [
        frame
        for name, component in kinds
        for frame in grid(3, times=2, type=[name, "PRIMARY", component[0], "NONE"], component=component)
    ]
    ds = enhanced(frames)
    path = save(ds, tmp_path / "a")
    with pytest.raises(InputError, match="3 slice.s. x 2 time points, component MAGNITUDE.*component PHASE"):
        read_volume(path)
    for k in (1, 2):
        volume = read_volume(path, options=ReadOptions(stack=k))
        assert volume.image.shape == (2, 8, 6, 3)
        assert {item.frame // 6 for item in volume.source.all_slices} == {k - 1}
