# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from monai_diffdenoise.data.tiff_layout import TiffLayout, TiffPlace, check_places
from monai_diffdenoise.errors import InputError

# Two pages of 5 rows and 4 columns of 16 bits, in strips of 2, 2 and 1 rows.
PLACES = (
    TiffPlace((200, 216, 232), (16, 16, 8), {}, ((8, 60), (100, 12))),
    TiffPlace((300, 316, 332), (16, 16, 8), {}, ((400, 60), (100, 12))),
)
GOOD = TiffLayout(
    np.dtype("<u2"), "<", False, 5, 4, (2, 4), False, 1, 1, 1, None, PLACES, np.array([[0, 1]]), False, False
)


def test_a_good_layout():
    check_places(GOOD, 460, "x.tif")
    assert GOOD.shape == (1, 4, 5, 2) and not GOOD.color
    page = np.arange(20).reshape(5, 4)
    assert [part.shape for part in GOOD.pieces(page)] == [(2, 4), (2, 4), (1, 4)]
    tiles = replace(GOOD, piece=(3, 3), tiled=True)
    assert [part.shape for part in tiles.pieces(page)] == [(3, 3), (3, 1), (2, 3), (2, 1)]


def moved(offsets=(300, 316, 332), counts=(16, 16, 8), directory=((400, 60),)) -> TiffLayout:
    return replace(GOOD, places=(PLACES[0], TiffPlace(offsets, counts, {}, directory)))


@pytest.mark.parametrize(
    ("layout", "message"),
    [
        (replace(GOOD, piece=(0, 4)), "0 x 4"),
        (replace(GOOD, piece=(5, 4)), "3 strips or tiles, expected 1"),
        (moved(offsets=(300, 316), counts=(16, 16)), "expected 3"),
        (moved(counts=(16, 16, 7)), "more than its bytes"),
        (moved(counts=(16, 8, 16)), "shorter than its pixels"),
        (moved(counts=(40, 0, 8)), "more than its bytes"),
        (moved(offsets=(300, 316, 999)), "behind its end"),
        (moved(offsets=(200, 216, 232)), "share bytes"),
        (moved(offsets=(300, 308, 332)), "share bytes"),
        (moved(offsets=(300, 316, 60)), "share bytes"),
        (moved(offsets=(300, 316, 104)), "share bytes"),
        (moved(offsets=(300, 316, 4)), "share bytes"),
        (moved(offsets=(300, 316, 396)), "share bytes"),
        (replace(GOOD, rows=10**9, columns=10**9, piece=(10**9, 10**9)), "3 strips or tiles, expected 1"),
        (replace(GOOD, columns=10**9, piece=(2, 10**9)), "more than its bytes"),
        (replace(GOOD, columns=10**9, piece=(2, 10**9), compression=8), "more than its bytes"),
    ],
)
def test_refusals(layout, message):
    with pytest.raises(InputError, match=message) as caught:
        check_places(layout, 460, "x.tif")
    assert "x.tif" in str(caught.value)
