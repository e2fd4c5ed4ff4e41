# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What the app offers, and what it does around each inference."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from fastapi import HTTPException
from monailabel.datastore.dicom import DICOMWebDatastore
from monailabel.interfaces.exception import MONAILabelException
from monailabel.interfaces.tasks.batch_infer import BatchInferTask
from monailabel.tasks.activelearning.first import First
from monailabel.tasks.activelearning.random import Random

from monai_diffdenoise.apps.label.denoise_task import DenoiseTask
from monai_diffdenoise.apps.label.derived import has_image, image_count, keep, noisy_images, place_of
from monai_diffdenoise.apps.label.fit_task import FitTask
from monai_diffdenoise.apps.label.least_sure import Disagreement, LeastSure
from monai_diffdenoise.apps.label.uncertainty_task import UncertaintyTask
from monai_diffdenoise.errors import InputError

__all__ = ["Parts"]

_log = logging.getLogger(__name__)
_METHODS = {"ns_n2n": "ns-n2n", "bsn": "bsn", "diffdenoise": "diffdenoise"}


class _Batch(BatchInferTask):
    def get_images(self, request: Mapping[str, Any], datastore: Any) -> list[str]:
        wanted = super().get_images(request, datastore)
        noisy = set(noisy_images(datastore))
        return [name for name in wanted if name in noisy]

    def __call__(self, request: Mapping[str, Any], datastore: Any, infer: Any) -> Any:
        known = {"label_tag": "denoised", **request}
        if not torch.cuda.is_available():
            # it would divide by the number of GPUs
            known |= {"multi_gpu": False, "device": "cpu"}
        return super().__call__(known, datastore, infer)


class Parts:
    """The tasks of the app, and the hook around its inference.

    Args:
        app_dir: the copied folder; trained models lie in ``model`` below it.
    """

    name = "Self-supervised denoising"
    description = "Image in, denoised image out, in the input's units and geometry. No labels, no clean images."

    def __init__(self, app_dir: str) -> None:
        self.models = Path(app_dir) / "model"

    def infers(self) -> dict[str, Any]:
        """Inference tasks by name."""
        tasks: dict[str, Any] = {name: DenoiseTask(method, self.models / name) for name, method in _METHODS.items()}
        return {**tasks, "uncertainty": UncertaintyTask(self.models / "diffdenoise")}

    def trainers(self) -> dict[str, Any]:
        """Training tasks by name."""
        return {name: FitTask(method, self.models / name) for name, method in _METHODS.items()}

    def scoring_methods(self) -> dict[str, Any]:
        """Scoring methods by name."""
        return {"disagreement": Disagreement(self.models / "diffdenoise")}

    def strategies(self) -> dict[str, Any]:
        """Ways to choose the next image, by name."""
        return {"least_sure": LeastSure(), "first": First(), "random": Random()}

    def batch_infer(self) -> Any:
        """MONAI Label's own batch, that also works without a GPU and does not call its results labels."""
        return _Batch()

    def infer(
        self, run: Callable[[Mapping[str, Any], Any], dict[str, Any]], request: Mapping[str, Any], datastore: Any
    ) -> dict[str, Any]:
        """Run an inference; with ``save_image`` its result becomes an image of the datastore, marked as derived.

        Args:
            run: MONAI Label's own.
            request: ``image`` (its name in the datastore, or an uploaded file), ``model``, and settings.
            datastore: where images are.

        Raises:
            HTTPException: a mistake of the client, in one sentence.
        """
        given, image = dict(request), str(request.get("image", ""))
        place, name = image, ""
        given.pop("derived_folder", None)
        try:
            name = self._check(image, given.get("model"))
            if name and not has_image(datastore, name):
                # MONAI Label has no name for it, and would go on with an empty one
                raise self._refused(404, f"got image {name!r}, which is not in the datastore")
            count = image_count(datastore, name) if name else 0
            if name:
                place = str(place_of(datastore, name))
            if name and isinstance(datastore, DICOMWebDatastore):
                given["image"] = place
                if given.get("save_image"):
                    folder = tempfile.TemporaryDirectory(prefix="diffdenoise-")
                    given["derived_folder"] = str(Path(folder.name, "series"))
            result = run(given, datastore) | {"derived_folder": given.get("derived_folder")}
            now = image_count(datastore, name) if name else 0
            if now != count:
                # what is missing at an end of a series is seen by nobody else
                Path(result["file"]).unlink(missing_ok=True)
                raise self._refused(409, f"got a series that had {count} images and has {now}: ask when it is complete")
            if given.get("save_image") and name and result.get("file"):
                result["params"]["saved_image_id"] = keep(datastore, name, str(given["model"]), result)
        except MONAILabelException as error:
            raise self._refused(404, error.msg) from error
        except InputError as error:
            # where files lie on the server is not for clients
            raise self._refused(400, str(error).replace(place, name or "the file")) from error
        return result

    def train(self, run: Callable[[Mapping[str, Any]], dict[str, Any]], request: Mapping[str, Any]) -> dict[str, Any]:
        """Run a training.

        Args:
            run: MONAI Label's own.
            request: ``model`` and settings.

        Raises:
            HTTPException: a mistake of the client, in one sentence.
        """
        try:
            return run(request)
        except MONAILabelException as error:
            raise self._refused(404, error.msg) from error
        except InputError as error:
            raise self._refused(400, str(error)) from error

    def _check(self, image: str, model: Any) -> str:
        """The name of an image of the datastore; empty for an uploaded file."""
        if model not in self.infers():
            raise self._refused(404, f"got model {model!r}; expected one of {', '.join(self.infers())}")
        path = Path(image)
        if not path.is_absolute() and not path.exists():
            return image
        if not path.resolve().is_relative_to(Path(tempfile.gettempdir()).resolve()):
            # MONAI Label would read any file of the server
            raise self._refused(400, "got the path of a file; expected the name of an image of the datastore")
        return ""

    @staticmethod
    def _refused(code: int, why: str) -> HTTPException:
        _log.warning("refused: %s", why)
        return HTTPException(code, detail=why)
