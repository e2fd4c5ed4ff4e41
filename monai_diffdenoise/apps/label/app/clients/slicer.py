# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""In 3D Slicer's Python console: show the denoised volume beside the one that is open, views linked.

    exec(open("slicer.py").read()); show_denoised("http://127.0.0.1:8000", "vol_0")

MONAI Label's own Slicer module takes every result for a segmentation; this asks the server for the image.
"""

from __future__ import annotations

import json
import tempfile
import urllib.request


def show_denoised(server: str, image: str, model: str = "bsn", **settings: object) -> object:
    """Load image and result, and show them side by side.

    Args:
        server: address of MONAI Label.
        image: name in its datastore.
        model: of the app.
        settings: such as preset="balanced".

    Returns:
        the node of the denoised volume.
    """
    import slicer

    place = slicer.app.temporaryPath or tempfile.gettempdir()
    original, result = f"{place}/{image}.nii.gz", f"{place}/{image}_{model}.nii.gz"
    urllib.request.urlretrieve(f"{server}/datastore/image?image={image}", original)
    form = f'---\r\nContent-Disposition: form-data; name="params"\r\n\r\n{json.dumps(settings)}\r\n-----\r\n'
    request = urllib.request.Request(f"{server}/infer/{model}?image={image}&output=image", form.encode())
    request.add_header("Content-Type", "multipart/form-data; boundary=-")
    with urllib.request.urlopen(request) as reply, open(result, "wb") as stream:
        stream.write(reply.read())
    nodes = [slicer.util.loadVolume(path) for path in (original, result)]
    layout = slicer.vtkMRMLLayoutNode.SlicerLayoutSideBySideView
    slicer.app.layoutManager().setLayout(layout)
    for view, node in zip(("Red", "Yellow"), nodes, strict=True):
        logic = slicer.app.layoutManager().sliceWidget(view).sliceLogic()
        logic.GetSliceCompositeNode().SetBackgroundVolumeID(node.GetID())
        logic.GetSliceCompositeNode().SetLinkedControl(True)
        logic.GetSliceNode().SetOrientationToAxial()
        logic.FitSliceToAll()
    # one window for both, so that they can be compared
    first, second = (node.GetDisplayNode() for node in nodes)
    second.SetAutoWindowLevel(False)
    second.SetWindowLevel(first.GetWindow(), first.GetLevel())
    return nodes[1]
