# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The page's server: this machine only, for whoever knows the address, reading only."""

from __future__ import annotations

import json
import os
import re
import secrets
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import resources
from socketserver import TCPServer
from typing import TYPE_CHECKING, cast

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.viewer.nifti_bytes import NiftiBytes
from monai_diffdenoise.viewer.scene import Scene

if TYPE_CHECKING:
    from socket import socket

__all__ = ["ViewerServer"]

_HOST = "127.0.0.1"
_TYPES = {
    "html": "text/html; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
_HEADERS = {
    # data: is how NiiVue carries its font; nothing else may come from outside this server.
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
_VOLUME = re.compile(r"(volumes|overlays)/(\d{1,3})/(\d{1,6})\.nii")
_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})")


@dataclass(frozen=True)
class _Content:
    """What an address stands for: ``size`` bytes, of which any part can be asked for."""

    kind: str
    size: int
    source: bytes | NiftiBytes

    def parts(self, start: int, stop: int) -> Iterable[bytes]:
        return [self.source[start:stop]] if isinstance(self.source, bytes) else self.source.parts(start, stop)


class ViewerServer(ThreadingHTTPServer):
    """Serves one scene on 127.0.0.1 until it is closed.

    Args:
        scene: what is shown.
        port: 0 for any free one.

    Raises:
        InputError: the port is out of range, taken, or not allowed.
    """

    daemon_threads = True
    # On Windows the option would let another program take the same port.
    allow_reuse_address = os.name != "nt"

    def __init__(self, scene: Scene, port: int = 0) -> None:
        if not 0 <= port < 65536:
            raise InputError(f"got --port {port}; expected 0 (any free one) to 65535")
        self._scene = scene
        self._facts = json.dumps(scene.facts(), allow_nan=False).encode()
        self._static = {
            entry.name: entry.read_bytes()
            for entry in resources.files("monai_diffdenoise.viewer").joinpath("static").iterdir()
            if entry.name.rpartition(".")[2] in _TYPES
        }
        self._token = secrets.token_urlsafe(24)
        self._ticket: str | None = secrets.token_urlsafe(24)
        try:
            super().__init__((_HOST, port), _Handler)
        except OSError as error:
            raise InputError(f"port {port} cannot be had ({error.strerror}): choose another one, or 0") from error

    def server_bind(self) -> None:
        """Bind without asking the name service for this machine's name, as the base class would."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = _HOST, self.server_address[1]

    @property
    def address(self) -> str:
        """Where the page is. Whoever has it sees the volumes."""
        return f"http://{_HOST}:{self.server_port}/{self._token}/"

    @property
    def opening_address(self) -> str:
        """Leads to the page once: a browser is started with it, and other users can see how programs are started."""
        return f"http://{_HOST}:{self.server_port}/{self._ticket}"

    def use_ticket(self, path: str) -> bool:
        """Whether this is the opening address, the first time it is asked for."""
        if self._ticket is None or not _equal(path, f"/{self._ticket}"):
            return False
        self._ticket = None
        return True

    def knows_host(self, header: str | None) -> bool:
        """Whether a Host header names this server: another name that leads here is somebody else's page (rebinding)."""
        # Browsers leave out :80.
        return header in {f"{name}:{self.server_port}".removesuffix(":80") for name in (_HOST, "localhost")}

    def find(self, path: str) -> _Content | None:
        """What stands at a path; None where nothing does, or its token is wrong."""
        token, slash, name = path.removeprefix("/").partition("/")
        if not _equal(token, self._token) or not slash:
            return None
        if name == "scene.json":
            return _Content("application/json", len(self._facts), self._facts)
        if (volume := _VOLUME.fullmatch(name)) is not None:
            return self._volume(volume[1], int(volume[2]), int(volume[3]))
        # A look-up among the names read at the start: no path reaches the file system.
        data = self._static.get(name or "index.html")
        return None if data is None else _Content(_TYPES[(name or "index.html").rpartition(".")[2]], len(data), data)

    def _volume(self, kind: str, number: int, frame: int) -> _Content | None:
        volumes = self._scene.volumes if kind == "volumes" else self._scene.overlays
        if number >= len(volumes) or frame >= volumes[number].volume.image.shape[0]:
            return None
        file = NiftiBytes(volumes[number].volume, frame)
        return _Content("application/octet-stream", file.size, file)

    def handle_error(self, request: socket | tuple[bytes, socket], client_address: object) -> None:
        """Stay silent about browsers that hang up in the middle of an answer; anything else is a fault of ours.

        Args:
            request: that failed.
            client_address: whose it was.
        """
        if not isinstance(sys.exc_info()[1], ConnectionError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "diffdenoise", ""
    # A browser keeps idle connections; each holds a thread.
    timeout = 60

    def _answer(self) -> None:
        server = cast(ViewerServer, self.server)
        if not server.knows_host(self.headers.get("Host")):
            return self.send_error(403)
        path = self.path.partition("?")[0]
        if self.command == "GET" and server.use_ticket(path):
            self.send_response(303)
            self.send_header("Location", server.address)
            return self._finish(0)
        content = server.find(path)
        if content is None:
            return self.send_error(404)
        if self.command not in ("GET", "HEAD"):
            return self.send_error(405)
        self._send(content)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def _send(self, content: _Content) -> None:
        part = _part(self.headers.get("Range"), content.size)
        if part is None:
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{content.size}")
            return self._finish(0)
        start, stop = part
        whole = self.headers.get("Range") is None or (start, stop) == (0, content.size)
        self.send_response(200 if whole else 206)
        if not whole:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{content.size}")
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Type", content.kind)
        self._finish(stop - start)
        if self.command == "GET":
            for piece in content.parts(start, stop):
                self.wfile.write(piece)

    def _finish(self, length: int) -> None:
        """Send the headers that every answer has."""
        self.send_header("Content-Length", str(length))
        for name, value in _HEADERS.items():
            self.send_header(name, value)
        self.end_headers()

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Refuse in one short line, with the same headers as ever, and repeat nothing of what was asked for."""
        # What else the request holds, such as a body, is not read.
        self.close_connection = True
        self.send_response(code)
        self.send_header("Connection", "close")
        if code == 405:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Type", _TYPES["txt"])
        body = f"{code}\n".encode()
        self._finish(len(body))
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing: paths hold the token."""


def _equal(given: str, secret: str) -> bool:
    """Compare in a time that does not tell how much of it was right."""
    return secrets.compare_digest(given.encode("utf-8", "replace"), secret.encode())


def _part(header: str | None, size: int) -> tuple[int, int] | None:
    """Start and end of the bytes that a Range header asks for: all without one, None where it cannot be met."""
    asked = None if header is None else _RANGE.fullmatch(header.strip())
    # Anything but one plain range may be ignored, says RFC 9110.
    if asked is None or asked[0] == "bytes=-":
        return 0, size
    if not asked[1]:
        return (max(0, size - int(asked[2])), size) if int(asked[2]) else None
    start, stop = int(asked[1]), min(int(asked[2]) + 1, size) if asked[2] else size
    if asked[2] and int(asked[2]) < start:
        return 0, size
    return (start, stop) if start < size else None
