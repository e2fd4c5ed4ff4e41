# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The scale that goes with the weights."""

from __future__ import annotations

from pathlib import Path

import pytest
from ignite.engine import Engine

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline import KeepScale, read_scale


def test_it_is_written_when_training_starts_and_not_before(tmp_path: Path) -> None:
    engine = Engine(lambda engine, batch: None)
    KeepScale(0.1234567890123, tmp_path / "new").attach(engine)
    assert not (tmp_path / "new").exists()
    engine.run([0])
    assert read_scale(tmp_path / "new" / "model.pt") == 0.1234567890123
    KeepScale(0.5, tmp_path / "new").write()
    assert read_scale(tmp_path / "new" / "other.pt") == 0.5


@pytest.mark.parametrize("text", [None, "", "{}", "[]", '{"scale": 0}', '{"scale": "wide"}', '{"scale": NaN}'])
def test_what_is_no_scale_is_named(text: str | None, tmp_path: Path) -> None:
    if text is not None:
        (tmp_path / "scale.json").write_text(text)
    with pytest.raises(InputError, match=r"scale\.json"):
        read_scale(tmp_path / "model.pt")
