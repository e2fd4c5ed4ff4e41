# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Training on the images of the datastore, without labels."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monailabel.interfaces.tasks.train import TrainTask

from monai_diffdenoise.apps.label.denoise_task import SETTINGS, settings_of
from monai_diffdenoise.apps.label.derived import noisy_images, place_of
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.pipeline.fit import fit

__all__ = ["FitTask"]

_log = logging.getLogger(__name__)


class FitTask(TrainTask):
    """``diffdenoise fit --method`` on the images of the datastore; derived ones are left out.

    Args:
        method: "ns-n2n", "bsn" or "diffdenoise".
        folder: gets the model when the training is complete; the old one serves until then.
    """

    def __init__(self, method: str, folder: Path) -> None:
        super().__init__(f"{method}: learns from the noisy images, without labels")
        self.method, self.folder = method, folder
        self._stats: dict[str, Any] = {}

    def config(self) -> dict[str, Any]:
        """Settings that clients are shown."""
        return dict(SETTINGS)

    def stats(self) -> dict[str, Any]:
        """Of the last training in this process."""
        return self._stats

    def __call__(self, request: Mapping[str, Any], datastore: Any) -> dict[str, Any]:
        """Train, and put the model in its place.

        Raises:
            InputError: no images, or images that do not go together.
        """
        names = noisy_images(datastore)
        if not names:
            raise InputError("got a datastore without noisy images; add some first")
        work = self.folder.with_name(f".{self.folder.name}.work")
        data = self.folder.with_name(f".{self.folder.name}.data")
        for folder in (work, data):
            shutil.rmtree(folder, ignore_errors=True)
        data.mkdir(parents=True)
        links = {}
        try:
            for number, name in enumerate(names):
                source = place_of(datastore, name)
                # numbers, since names may be those of patients
                link = data / f"{number:05d}{''.join(source.suffixes) if source.is_file() else ''}"
                link.symlink_to(source)
                links[str(link)] = name
            summary = fit(data, work, settings_of(request, self.method), progress=_tell(), say=_log.info)
            shutil.rmtree(self.folder, ignore_errors=True)
            (work / "model").rename(self.folder)
        except InputError as error:
            told = str(error)
            for path, name in links.items():
                told = told.replace(path, name)
            raise InputError(told) from error
        finally:
            for folder in (work, data):
                shutil.rmtree(folder, ignore_errors=True)
        self._stats = {"volumes": len(names), "seconds": summary["seconds"]}
        return {**self._stats, "warnings": summary["warnings"]}


def _tell() -> Any:
    """A progress for the log: a line at each tenth of a stage, since clients see the last lines only."""
    last: dict[str, int] = {}

    def tell(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if last.get(stage) != tenth:
            last[stage] = tenth
            _log.info("%s %d of %d", stage, done, total)

    return tell
