# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The viewer's page in a browser."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

from monai_diffdenoise.viewer import Scene, ViewerServer
from tests.browser import Visit, visit_page
from tests.browser import browser as browser

if TYPE_CHECKING:
    from playwright.sync_api import Browser


@pytest.fixture
def visit(browser: Browser) -> Iterator[Callable[..., Visit]]:
    """Factory: serve a scene and open its page; afterwards no test leaves an error or a foreign request behind."""
    open_ones: list[tuple[Visit, ViewerServer]] = []

    def go(scene: Scene, width: int = 1280, height: int = 800, theme: str = "light") -> Visit:
        server = ViewerServer(scene)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        one = visit_page(browser, server.opening_address, width, height, theme)
        one.address = server.address
        open_ones.append((one, server))
        one.page.wait_for_selector("body[data-ready]", timeout=60_000)
        return one

    yield go
    for one, server in open_ones:
        one.page.close()
        server.shutdown()
        server.server_close()
        assert one.complaints() == []
        assert one.asked[0] == server.opening_address or one.asked[0].startswith("http://127.0.0.1:")
        assert {url for url in one.asked[1:] if not url.startswith((server.address, "data:"))} == set()
