# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The program ``diffdenoise``."""

from __future__ import annotations

import logging
import sys
import warnings
from collections.abc import Sequence
from typing import Annotated, Any

import tyro

from monai_diffdenoise.cli.analyze import Analyze
from monai_diffdenoise.cli.batch import Batch
from monai_diffdenoise.cli.demo import Demo
from monai_diffdenoise.cli.denoise import Denoise
from monai_diffdenoise.cli.evaluate import Evaluate
from monai_diffdenoise.cli.export import Export
from monai_diffdenoise.cli.fit import Fit
from monai_diffdenoise.cli.label_app import LabelApp
from monai_diffdenoise.cli.view import View
from monai_diffdenoise.errors import InputError

__all__ = ["main"]

_Command = (
    Annotated[Denoise, tyro.conf.subcommand(name="denoise")]
    | Annotated[Batch, tyro.conf.subcommand(name="batch")]
    | Annotated[Analyze, tyro.conf.subcommand(name="analyze")]
    | Annotated[Evaluate, tyro.conf.subcommand(name="evaluate")]
    | Annotated[Export, tyro.conf.subcommand(name="export")]
    | Annotated[Fit, tyro.conf.subcommand(name="fit")]
    | Annotated[LabelApp, tyro.conf.subcommand(name="label-app")]
    | Annotated[View, tyro.conf.subcommand(name="view")]
    | Annotated[Demo, tyro.conf.subcommand(name="demo")]
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments: without the program's name; by default those of the process.

    Returns:
        0 for success, 2 for a mistake of the user (one line on standard error), 130 after Ctrl-C.
    """
    # notes of MONAI and torch to their own developers, which no user can act on
    warnings.filterwarnings("ignore", category=DeprecationWarning)
    warnings.filterwarnings("ignore", category=FutureWarning)
    warnings.filterwarnings("ignore", category=UserWarning, module="(monai|torch|ignite).*")
    logging.basicConfig(level=logging.WARNING, format="diffdenoise: %(message)s", stream=sys.stderr)
    logging.getLogger("ignite").setLevel(logging.CRITICAL)
    try:
        command: Any = tyro.cli(
            _Command,
            prog="diffdenoise",
            description="Self-supervised denoising of medical images. No clean image is needed, none is used.",
            args=list(arguments) if arguments is not None else None,
        )
        return command.run()
    except InputError as error:
        print(f"diffdenoise: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print("diffdenoise: interrupted", file=sys.stderr)
        return 130


if __name__ == "__main__":
    sys.exit(main())
