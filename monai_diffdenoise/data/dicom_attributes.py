# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Attributes of one image by keyword, as plain values, wherever they stand in the file and however damaged they are."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterable
from datetime import date
from typing import Any

from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from monai_diffdenoise.errors import InputError

__all__ = ["Attributes"]

_MAX_SHOWN = 64


class Attributes:
    """Attributes of one image.

    Args:
        label: how messages call the image.
        layers: datasets that are asked for a keyword one after the other; the first that holds it answers.
    """

    def __init__(self, label: str, *layers: Dataset) -> None:
        self.label = label
        self._layers = layers
        self._known: dict[str | int, DataElement | None] = {}

    def element(self, keyword: str | int) -> DataElement | None:
        """The data element, None if it is absent. It may raise anything for damaged values."""
        # Asked for again and again by the frames of a large object.
        if keyword not in self._known:
            self._known[keyword] = self._find(keyword)
        return self._known[keyword]

    def _find(self, keyword: str | int) -> DataElement | None:
        for layer in self._layers:
            if keyword in layer:
                return layer[keyword]
        return None

    def __contains__(self, keyword: str | int) -> bool:
        try:
            return self.element(keyword) is not None
        except Exception:  # what cannot be decoded is there all the same
            return True

    def value(self, keyword: str | int) -> Any:
        """Value of an attribute, None if it is absent, empty or cannot be decoded."""
        try:
            element = self.element(keyword)
            value = None if element is None else element.value
        except Exception:  # pydicom raises many types for damaged values
            return None
        return None if value is None or (isinstance(value, str) and not value.strip()) else value

    def texts(self, keyword: str | int) -> list[str]:
        """The values of an attribute as text, [] if there is none."""
        value = self.value(keyword)
        if value is None:
            return []
        items = [value] if isinstance(value, (str, int, float)) else value
        try:
            return [str(item).strip() for item in items] if isinstance(items, Iterable) else [str(items).strip()]
        except Exception:  # a value that cannot be decoded counts as missing
            return []

    def text(self, keyword: str | int) -> str:
        """The first value of an attribute as text, empty if there is none."""
        return (self.texts(keyword) or [""])[0]

    def shown(self, keyword: str, start: int = 0) -> str:
        """The values of an attribute from ``start`` on, short and plain enough to stand in a message."""
        text = " ".join(self.texts(keyword)[start:])
        return "".join(c for c in text if c.isascii() and (c.isalnum() or c in " ._+-/"))[:_MAX_SHOWN].strip()

    def numbers(self, keyword: str, count: int) -> list[float]:
        """Numbers of an attribute, [] if it is absent or empty.

        Raises:
            InputError: they are not ``count`` finite numbers.
        """
        try:
            element = self.element(keyword)
            value = None if element is None else element.value
            if value is None or value == "":
                return []
            items = [float(item) for item in ([value] if isinstance(value, (str, int, float)) else list(value))]
        except Exception as error:  # pydicom raises many types for damaged values
            raise InputError(f"{self.label} has a damaged {keyword}: expected {count} number(s)") from error
        if items and (len(items) != count or not all(map(math.isfinite, items))):
            raise InputError(f"{self.label} has a damaged {keyword}: expected {count} finite number(s)")
        return items

    def number(self, keyword: str) -> float | None:
        """The first number of an attribute, None if it is absent, damaged or not finite."""
        try:
            number = float(self.text(keyword))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def seconds(self, day: str, time: str, both: str) -> float | None:
        """A moment in seconds, from an attribute that holds date and time, or from two; None if there is no time.

        Args:
            day: keyword of a date.
            time: keyword of a time.
            both: keyword of a date with time, which wins.
        """
        stamp = self.text(both)
        clock, calendar = (stamp[8:], stamp[:8]) if stamp else (self.text(time), self.text(day))
        digits, _, fraction = clock.partition("+")[0].partition("-")[0].partition(".")
        digits = digits.replace(":", "")
        if len(digits) < 4 or not (digits + fraction).isdigit():
            return None
        total = int(digits[:2]) * 3600 + int(digits[2:4]) * 60 + int(digits[4:6] or 0) + float(f"0.{fraction or 0}")
        with contextlib.suppress(ValueError):
            # Without the date a scan across midnight would run backwards.
            total += date(int(calendar[:4]), int(calendar[4:6]), int(calendar[6:8])).toordinal() * 86400
        return total
