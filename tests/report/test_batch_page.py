# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""The page of a batch in the browser, beside its table in a file."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from monai_diffdenoise.report.index_page import BatchRow, row_of, write_csv, write_index
from monai_diffdenoise.report.pictures import thumbnail
from tests.browser import IN_BROWSER, Visit, visit_page
from tests.report.modalities import MODALITIES, modality_result

if TYPE_CHECKING:
    from playwright.sync_api import Browser

pytestmark = IN_BROWSER

NAMES = ("b 10.nii.gz", "a.nii", "=b 9.png")
COLUMNS = ("name", "verdict", "reason", "size", "method", "sigma", "drift", "put_back", "seconds")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("jinja2")
    folder = tmp_path_factory.mktemp("batch")
    rows = []
    for name, modality in zip(NAMES, MODALITIES, strict=True):
        result = modality_result(modality)
        record = {**result.report, "thumbnail": thumbnail(result.volume)}
        rows.append(row_of(name, record, f"{name.split('.')[0]}.report.html"))
    rows.append(BatchRow("c.nii", "failed", reason="got a file that is <damaged>"))
    write_index(folder / "index.html", rows)
    write_csv(folder / "results.csv", rows)
    return folder


@pytest.fixture
def one(browser: Browser, folder: Path) -> Iterator[Visit]:
    """The page; afterwards nothing was said, and nothing but the file was asked for."""
    visit = visit_page(browser, (folder / "index.html").as_uri())
    yield visit
    visit.page.close()
    assert visit.said == []
    assert {url for url in visit.asked[1:] if not url.startswith("data:")} == set()


def _column(one: Visit, title: str) -> list[str]:
    number = one.page.locator("#results thead th").all_inner_texts().index(title)
    return [row.locator("th, td").nth(number).inner_text() for row in one.page.locator("#results tbody tr").all()]


def test_sorts_by_mouse_and_keyboard(one: Visit) -> None:
    assert _column(one, "Name") == [*NAMES, "c.nii"]
    one.page.get_by_role("button", name="Noise").click()
    rising = _column(one, "Noise")
    # what failed has no number and comes last
    assert [float(text) for text in rising[:3]] == sorted(float(text) for text in rising[:3])
    assert rising[3] == ""
    one.page.get_by_role("button", name="Name").focus()
    one.page.keyboard.press("Enter")
    assert _column(one, "Name") == ["=b 9.png", "a.nii", "b 10.nii.gz", "c.nii"]
    assert one.page.locator("th[aria-sort=ascending]").all_inner_texts() == ["Name"]
    assert one.page.locator("#said").inner_text() == "Sorted by Name, rising"
    one.page.keyboard.press("Space")
    assert _column(one, "Name")[0] == "c.nii"
    assert one.page.locator("th[aria-sort=descending]").all_inner_texts() == ["Name"]
    one.page.get_by_role("button", name="Verdict").click()
    assert _column(one, "Verdict")[0] == "failed"


def test_pictures_load_and_names_lead_to_reports(one: Visit) -> None:
    sizes = one.page.evaluate("[...document.images].map((image) => [image.complete, image.naturalWidth])")
    assert len(sizes) == 3
    assert all(loaded and wide > 40 for loaded, wide in sizes)
    links = one.page.locator("#results a").evaluate_all("(all) => all.map((a) => a.getAttribute('href'))")
    assert links == ["b%2010.report.html", "a.report.html", "%3Db%209.report.html"]


def test_file_says_what_the_table_says(one: Visit, folder: Path) -> None:
    with open(folder / "results.csv", newline="") as stream:
        rows = list(csv.DictReader(stream))
    cells = one.page.evaluate(
        """[...document.querySelectorAll("#results tbody tr")].map((row) => [...row.children].slice(1).map(
             (cell) => [cell.textContent.trim(), cell.dataset.value]))"""
    )
    for row, shown in zip(rows, cells, strict=True):
        for column, (text, number) in zip(COLUMNS, shown, strict=True):
            if column in ("sigma", "drift", "put_back", "seconds"):
                assert (number is None) == (row[column] == ""), column
                assert number is None or float(number) == pytest.approx(float(row[column]), rel=1e-5)
            elif column == "verdict":
                assert text == (row["verdict"] or row["status"])
            elif column == "reason":
                assert text == (row[column] or "nothing")
            else:
                # a spreadsheet must not take a name for a formula
                assert text == row[column].removeprefix("'")


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_nothing_at_two_widths(browser: Browser, folder: Path, theme: str) -> None:
    one = visit_page(browser, (folder / "index.html").as_uri(), theme=theme)  # type: ignore[arg-type]
    for width in (1280, 400):
        one.page.set_viewport_size({"width": width, "height": 800})
        assert one.width() <= width
        # nor is anything cut off in the table itself
        assert (
            one.page.evaluate("(part => part.scrollWidth - part.clientWidth)(document.querySelector('.scroll'))") <= 1
        )
        assert one.faults() == []
        badge = one.page.locator("#results .badge").first.bounding_box()
        assert badge is not None
        # the verdict is seen without moving the table
        assert badge["x"] + badge["width"] < width
    one.page.close()
