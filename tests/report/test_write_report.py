# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import importlib.util
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import torch

from monai_diffdenoise.errors import InputError
from monai_diffdenoise.report import write_report
from tests.report.conftest import Record

_VOID = {"meta", "img", "input", "br", "link"}


class Page(HTMLParser):
    """Elements of a page with their attributes; notes tags that were not closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, Any]]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict[str, Any]]:
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture(scope="module")
def text(record: Record, tmp_path_factory: pytest.TempPathFactory) -> str:
    pytest.importorskip("matplotlib")
    pytest.importorskip("jinja2")
    path = tmp_path_factory.mktemp("report") / "r.html"
    maps = {"share": torch.rand(record.noisy.shape), "uncertainty": torch.rand(record.noisy.shape)}
    write_report(
        path, record.volume, record.noisy, record.report, maps=maps, command="diffdenoise denoise INPUT OUTPUT"
    )
    assert path.stat().st_size < 5e6
    return path.read_text(encoding="utf-8")


def test_needs_nothing_but_itself(text: str) -> None:
    page = Page(text)
    assert page.open == []
    for tag, attributes in page.elements:
        for name in ("src", "href", "xlink:href", "srcset", "poster", "action"):
            value = attributes.get(name) or "#"
            assert value.startswith(("#", "data:image/png;base64,")), (tag, name, value[:80])
    assert not page.all("link")
    assert "http" not in re.sub(r"http-equiv", "", text)
    assert "url(" not in re.sub(r"url\(#", "", text)
    policy = next(meta["content"] for meta in page.all("meta") if meta.get("http-equiv"))
    assert policy.startswith("default-src 'none'")


def test_can_be_read_without_eyes_or_mouse(text: str) -> None:
    page = Page(text)
    assert page.all("html") == [{"lang": "en"}]
    assert all(image.get("alt") for image in page.all("img"))
    assert all(chart.get("role") == "img" and chart.get("aria-label") for chart in page.all("svg"))
    headings = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert headings.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(headings, headings[1:]))
    sliders, labels = page.all("input"), [label["for"] for label in page.all("label")]
    assert [slider["type"] for slider in sliders] == ["range"] * 3
    assert [slider["id"] for slider in sliders] == labels
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    for attributes in page.all("section"):
        assert attributes["aria-labelledby"] in ids
    assert all(cell.get("scope") for cell in page.all("th"))
    assert text.count("<caption>") == text.count("<table")


def test_says_what_the_run_recorded(text: str) -> None:
    for words in (
        "look &lt;here&gt; &amp; there", "Method bsn: because.", "0.25", "A step.", "No check fails; look at: seams.",
        "64 x 72 x 32", "diffdenoise denoise INPUT OUTPUT", "1.2.3", "Put back", "Uncertainty", "better: it gains",
        "Scores over training", "Across edges", "Level by brightness", "prefers-color-scheme: dark", "@media print",
    ):  # fmt: skip
        assert words in text, words
    assert "look <here>" not in text


def test_three_planes_before_and_after(text: str) -> None:
    for name in ("axial", "coronal", "sagittal"):
        assert f'alt="{name} plane of the noisy image"' in text
    assert text.count('class="after"') == 3


def test_same_run_same_page(record: Record, text: str, tmp_path: Path) -> None:
    pages = []
    for name in ("a.html", "b.html"):
        write_report(tmp_path / name, record.volume, record.noisy, record.report)
        pages.append((tmp_path / name).read_bytes())
    assert pages[0] == pages[1]
    assert b"Uncertainty" not in pages[0]
    with pytest.raises(InputError, match="exists"):
        write_report(tmp_path / "a.html", record.volume, record.noisy, record.report)


def test_without_noise_without_checks(record: Record, tmp_path: Path) -> None:
    report = {**record.report, "gates": [], "plan": {**record.report["plan"], "noise": None, "sigma": None}}
    report["scores"] = {}
    write_report(tmp_path / "r.html", record.volume, record.noisy, report)
    text = (tmp_path / "r.html").read_text()
    assert "nothing could be checked" in text
    assert "Level by brightness" not in text


def test_one_plane(record: Record, tmp_path: Path) -> None:
    from monai_diffdenoise.data import volume_from_array

    volume = volume_from_array(record.volume.image.as_tensor()[..., 16])
    report = {**record.report, "input": volume.summary()}
    write_report(tmp_path / "r.html", volume, record.noisy[..., 16], report)
    assert (tmp_path / "r.html").read_text().count('type="range"') == 1


def test_mistakes(record: Record, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match=".html"):
        write_report(tmp_path / "r.pdf", record.volume, record.noisy, record.report)
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"monai-diffdenoise\[report\]"):
        write_report(tmp_path / "r.html", record.volume, record.noisy, record.report)
    assert not list(tmp_path.iterdir())
