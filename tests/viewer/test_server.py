# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The page's server: only this machine, only with the address, only reading, and every byte right."""

from __future__ import annotations

import http.client
import socket
import threading
from collections.abc import Iterator

import nibabel as nib
import numpy as np
import pytest

from monai_diffdenoise.data import volume_from_array
from monai_diffdenoise.errors import InputError
from monai_diffdenoise.viewer import Scene, Shown, ViewerServer

ARRAY = np.random.default_rng(0).normal(size=(2, 6, 5, 4)).astype(np.float32)
AFFINE = np.diag([2.0, 3.0, 4.0, 1.0])
SCENE = Scene((Shown(volume_from_array(ARRAY, AFFINE), "A"),), (Shown(volume_from_array(ARRAY[:1]), "Overlay 1"),))


@pytest.fixture
def server() -> Iterator[ViewerServer]:
    with ViewerServer(SCENE) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join(5)
        assert not thread.is_alive()


def _root(server: ViewerServer) -> str:
    return "/" + server.address.split("/", 3)[3]


def _ask(
    server: ViewerServer, path: str, method: str = "GET", **headers: str
) -> tuple[int, http.client.HTTPMessage, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    connection.request(method, path, headers=headers)
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    return answer.status, answer.headers, body


def test_only_this_machine_can_reach_it(server: ViewerServer) -> None:
    assert server.socket.getsockname()[0] == "127.0.0.1"
    assert server.address.startswith(f"http://127.0.0.1:{server.server_port}/")


def test_each_server_has_a_token_of_its_own_that_cannot_be_guessed() -> None:
    with ViewerServer(SCENE) as one, ViewerServer(SCENE) as two:
        assert _root(one) != _root(two)
        assert len(_root(one)) >= 32


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("", "text/html; charset=utf-8"),
        ("viewer.css", "text/css; charset=utf-8"),
        ("viewer.js", "text/javascript; charset=utf-8"),
        ("niivue.js", "text/javascript; charset=utf-8"),
        ("niivue-license.txt", "text/plain; charset=utf-8"),
        ("scene.json", "application/json"),
    ],
)
def test_page_and_its_parts(server: ViewerServer, name: str, kind: str) -> None:
    status, headers, body = _ask(server, _root(server) + name)
    assert (status, headers["Content-Type"]) == (200, kind)
    assert len(body) == int(headers["Content-Length"]) > 0


def test_volumes_are_nifti_files_of_the_values(server: ViewerServer) -> None:
    for frame in range(2):
        status, _, body = _ask(server, f"{_root(server)}volumes/0/{frame}.nii")
        image = nib.Nifti1Image.from_bytes(body)
        assert status == 200
        np.testing.assert_array_equal(np.asarray(image.dataobj), ARRAY[frame])
        np.testing.assert_array_equal(image.affine, AFFINE)
    _, _, body = _ask(server, f"{_root(server)}overlays/0/0.nii")
    np.testing.assert_array_equal(np.asarray(nib.Nifti1Image.from_bytes(body).dataobj), ARRAY[0])


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
@pytest.mark.parametrize("path", ["/", "/index.html", "/scene.json", "/favicon.ico", "/x/", "//", "/%00/"])
def test_nothing_is_there_without_the_token(server: ViewerServer, path: str, method: str) -> None:
    status, _, body = _ask(server, path, method)
    assert (status, body) == (404, b"" if method == "HEAD" else b"404\n")


@pytest.mark.parametrize(
    "name",
    [
        "../",
        "../../../../etc/passwd",
        "..%2f..%2fetc/passwd",
        "static/index.html",
        "//etc/passwd",
        "./viewer.js",
        "__init__.py",
        "server.py",
        "niivue.json",
        "volumes/1/0.nii",
        "volumes/0/2.nii",
        "volumes/-1/0.nii",
        "volumes/0/0.nii/",
        "volumes/9999/0.nii",
        "overlays/0/1.nii",
    ],
)
def test_no_path_leads_anywhere_else(server: ViewerServer, name: str) -> None:
    assert _ask(server, _root(server) + name)[0] == 404


@pytest.mark.parametrize(
    ("request_line", "status"),
    [(b"GET /\xfc\xff/ HTTP/1.1", b"404"), (b"BREW / HTTP/1.1", b"501"), (b"GET", b"400"), (b"GET / HTTP/x", b"400")],
)
def test_odd_requests_are_answered_without_an_echo(server: ViewerServer, request_line: bytes, status: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.server_port), timeout=5) as connection:
        connection.sendall(request_line + b"\r\nHost: 127.0.0.1:%d\r\n\r\n" % server.server_port)
        answer = connection.makefile("rb").read()
    assert status in answer.split(b"\r\n")[0]
    assert b"\xfc" not in answer
    assert b"BREW" not in answer


def test_almost_the_token_is_not_the_token(server: ViewerServer) -> None:
    root = _root(server)
    for path in (root[:-2] + "/", root.upper(), root[:-1] + "A/", root[:-1]):
        assert _ask(server, path)[0] == 404, path


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "", "0.0.0.0:{port}"]
)
def test_pages_of_other_names_are_refused(server: ViewerServer, host: str) -> None:
    """DNS rebinding: a foreign page whose name was made to lead to this machine."""
    for path in (_root(server), "/", server.opening_address.split("/", 3)[3]):
        status, _, body = _ask(server, f"/{path.lstrip('/')}", Host=host.format(port=server.server_port))
        assert (status, body) == (403, b"403\n")
    # and the opening address was not used up by it
    assert _ask(server, "/" + server.opening_address.rsplit("/", 1)[1])[0] == 303


def test_the_machine_may_be_called_localhost(server: ViewerServer) -> None:
    assert _ask(server, _root(server), Host=f"localhost:{server.server_port}")[0] == 200


def test_browsers_leave_the_usual_port_out() -> None:
    with ViewerServer(SCENE) as server:
        server.server_port = 80
        assert server.knows_host("127.0.0.1")
        assert not server.knows_host("evil.example")
        server.server_port = 8080
        assert not server.knows_host("127.0.0.1")
        assert not server.knows_host(None)


def test_opening_address_works_once(server: ViewerServer) -> None:
    path = "/" + server.opening_address.rsplit("/", 1)[1]
    assert _ask(server, path, "HEAD")[0] == 404
    status, headers, _ = _ask(server, path)
    assert (status, headers["Location"]) == (303, server.address)
    assert _ask(server, path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS"])
def test_only_reading_is_allowed(server: ViewerServer, method: str) -> None:
    status, headers, _ = _ask(server, _root(server), method)
    assert (status, headers["Allow"]) == (405, "GET, HEAD")


@pytest.mark.parametrize("path", ["", "viewer.js", "volumes/0/0.nii", "nothing"])
def test_every_answer_keeps_the_browser_on_this_page(server: ViewerServer, path: str) -> None:
    headers = _ask(server, _root(server) + path)[1]
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert {source for sources in policy.values() for source in sources.split()} <= {"'none'", "'self'", "data:"}
    assert "data:" not in policy["script-src"] + policy["style-src"] + policy["connect-src"]
    assert policy["frame-ancestors"] == "'none'"
    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert "Access-Control-Allow-Origin" not in headers
    assert "Python" not in headers["Server"]


def test_head_says_what_get_sends(server: ViewerServer) -> None:
    status, headers, body = _ask(server, f"{_root(server)}volumes/0/0.nii", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == 352 + 4 * ARRAY[0].size


@pytest.mark.parametrize(
    ("asked", "part"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=350-360", slice(350, 361)),
        ("bytes=801-", slice(801, None)),
        ("bytes=-5", slice(-5, None)),
        ("bytes=-99999", slice(0, None)),
        ("bytes=800-99999", slice(800, None)),
        # what is not one plain range is ignored
        ("bytes=0-1,5-6", slice(0, None)),
        ("bytes=9-3", slice(0, None)),
        ("bytes=-", slice(0, None)),
        ("lines=0-1", slice(0, None)),
    ],
)
def test_ranges(server: ViewerServer, asked: str, part: slice) -> None:
    path = f"{_root(server)}volumes/0/0.nii"
    whole = _ask(server, path)[2]
    status, headers, body = _ask(server, path, Range=asked)
    assert body == whole[part]
    start, stop, _ = part.indices(len(whole))
    assert status == (200 if body == whole else 206)
    if status == 206:
        assert headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole)}"


@pytest.mark.parametrize("asked", ["bytes=832000-", "bytes=-0"])
def test_ranges_outside_the_file(server: ViewerServer, asked: str) -> None:
    status, headers, body = _ask(server, f"{_root(server)}volumes/0/0.nii", Range=asked)
    assert (status, headers["Content-Range"], body) == (416, "bytes */832", b"")


def test_one_connection_carries_many_questions(server: ViewerServer) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.server_port, timeout=5)
    for method, name in [("GET", ""), ("HEAD", "scene.json"), ("GET", "volumes/0/1.nii"), ("HEAD", ""), ("GET", "")]:
        connection.request(method, _root(server) + name)
        answer = connection.getresponse()
        answer.read()
        assert answer.status == 200
        assert connection.sock is not None
    connection.close()


def test_nothing_is_printed(server: ViewerServer, capfd: pytest.CaptureFixture[str]) -> None:
    _ask(server, _root(server))
    _ask(server, "/nothing")
    assert capfd.readouterr() == ("", "")


def test_port_of_choice_and_a_port_that_is_taken() -> None:
    with ViewerServer(SCENE) as one:
        with pytest.raises(InputError, match=f"port {one.server_port} cannot be had"):
            ViewerServer(SCENE, one.server_port)
        port = one.server_port
    with ViewerServer(SCENE, port) as again:
        assert again.server_port == port


@pytest.mark.parametrize("port", [-1, 65536])
def test_ports_that_are_none(port: int) -> None:
    with pytest.raises(InputError, match=f"got --port {port}"):
        ViewerServer(SCENE, port)
