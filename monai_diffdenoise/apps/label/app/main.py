# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""What MONAI Label loads: the app's class, whose direct base must be named here."""

from __future__ import annotations

from typing import Any

from monailabel.interfaces.app import MONAILabelApp

from monai_diffdenoise.apps.label.app_parts import Parts


class DiffDenoiseApp(MONAILabelApp):
    """Image in, denoised image out. All it does stands in the package, so that an update of that updates this."""

    def __init__(self, app_dir: str, studies: str, conf: dict[str, str]) -> None:
        self.parts = Parts(app_dir)
        super().__init__(app_dir, studies, conf, name=Parts.name, description=Parts.description, labels=[])

    def init_infers(self) -> dict[str, Any]:
        return self.parts.infers()

    def init_trainers(self) -> dict[str, Any]:
        return self.parts.trainers()

    def init_scoring_methods(self) -> dict[str, Any]:
        return self.parts.scoring_methods()

    def init_strategies(self) -> dict[str, Any]:
        return self.parts.strategies()

    def init_batch_infer(self) -> Any:
        return self.parts.batch_infer()

    def infer(self, request: dict[str, Any], datastore: Any = None) -> dict[str, Any]:
        return self.parts.infer(super().infer, request, datastore or self.datastore())

    def train(self, request: dict[str, Any]) -> dict[str, Any]:
        return self.parts.train(super().train, request)
