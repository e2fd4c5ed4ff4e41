# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""``diffdenoise view A [B ...]``."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from monai_diffdenoise.data.read_options import ReadOptions

__all__ = ["View"]


@dataclass(frozen=True)
class View:
    """Look at volumes in your browser: linked slices, 3D, before and after, maps laid over.

    The page is served from this machine to this machine; nothing comes from the network or leaves.
    """

    images: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(
            metavar="A [B ...]",
            help="One to eight image files, DICOM files or folders with one series.",
            help_behavior_hint="",
        ),
    ]
    residual: Annotated[bool, tyro.conf.arg(help="Lay A minus B, what was removed, over the images.")] = False
    overlay: Annotated[
        tyro.conf.UseAppendAction[tuple[Path, ...]],
        tyro.conf.arg(metavar="P", help="Lay this map over the images, such as an uncertainty. May be given again."),
    ] = ()
    port: Annotated[int, tyro.conf.arg(help="Port of the page on 127.0.0.1; 0 takes a free one.")] = 0
    browser: Annotated[bool, tyro.conf.arg(help="Open the page; without, only its address is printed.")] = True
    reading: tyro.conf.OmitArgPrefixes[ReadOptions] = field(default_factory=ReadOptions)

    def run(self) -> int:
        """Serve the page until Ctrl-C; returns the exit code.

        Raises:
            InputError: an image that cannot be read, no residual between A and B, or a port that cannot be had.
        """
        from monai_diffdenoise.cli.denoise import say
        from monai_diffdenoise.viewer import ViewerServer, load_scene

        say("reading ...")
        scene = load_scene(self.images, self.overlay, self.residual, self.reading)
        for shown in (*scene.volumes, *scene.overlays):
            for note in shown.volume.notes:
                say(f"note: {shown.label}: {note}")
        with ViewerServer(scene, self.port) as server:
            print(server.address, flush=True)
            say("This address shows the images to anyone on this machine who has it. Ctrl-C ends.")
            if self.browser and not _open(server.opening_address):
                say("No browser could be opened: open the address yourself.")
            try:
                server.serve_forever()
            except KeyboardInterrupt:
                say("")
        return 0


def _open(address: str) -> bool:
    """Open a browser window; False where there is none."""
    import webbrowser

    # Without a screen Python would start a browser inside this terminal.
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    return webbrowser.open(address)
