# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Damage to image files, drawn from a seed."""

from __future__ import annotations

import gzip
import re
import struct
import zlib
from collections.abc import Callable

import numpy as np

__all__ = ["MUTATIONS", "mutate"]

Bytes = bytes
Mutation = Callable[[bytes, np.random.Generator], bytes]

_VRS = [b"AE", b"CS", b"DS", b"IS", b"LO", b"OB", b"OW", b"SQ", b"UI", b"UL", b"UN", b"US", b"UT", b"FD", b"ZZ"]
_NUMBERS = [b"0", b"-1", b"nan", b"inf", b"1e308", b"99999999999", b"2147483648", b"", b"0.0", b"1e-320", b"x"]


def _head(data: bytes, rng: np.random.Generator) -> int:
    """A position, more often than not near the start, where headers are."""
    reach = len(data) if rng.random() < 0.3 else min(len(data), int(rng.choice([64, 400, 2000])))
    return int(rng.integers(0, max(reach, 1)))


def truncate(data: bytes, rng: np.random.Generator) -> bytes:
    """Cut the end off, often a small one."""
    keep = len(data) - int(rng.integers(1, 200)) if rng.random() < 0.4 else _head(data, rng)
    return data[: max(keep, 0)]


def flip(data: bytes, rng: np.random.Generator) -> bytes:
    """Change single bytes or bits."""
    changed = bytearray(data)
    for _ in range(int(rng.integers(1, 12))):
        place = _head(data, rng)
        changed[place] = (
            changed[place] ^ (1 << int(rng.integers(0, 8))) if rng.random() < 0.5 else int(rng.integers(256))
        )
    return bytes(changed)


def lengths(data: bytes, rng: np.random.Generator) -> bytes:
    """Write an extreme number where a length may stand."""
    place = _head(data, rng)
    kind, value = [
        ("<I", 0xFFFFFFFF),
        ("<I", 0xFFFFFFF0),
        ("<I", 0x7FFFFFFF),
        ("<H", 0xFFFF),
        ("<H", 0),
        ("<I", 0),
        (">I", 0xFFFFFFFF),
        ("<f", float("nan")),
        ("<f", float("inf")),
        ("<f", 1e38),
        ("<f", 0.0),
    ][int(rng.integers(11))]
    packed = struct.pack(kind, value)
    return data[:place] + packed + data[place + len(packed) :]


def insert(data: bytes, rng: np.random.Generator) -> bytes:
    """Put random or repeated bytes in between."""
    place, count = _head(data, rng), int(rng.integers(1, 64))
    extra = data[place : place + count] if rng.random() < 0.5 else rng.bytes(count)
    return data[:place] + extra + data[place:]


def remove(data: bytes, rng: np.random.Generator) -> bytes:
    """Take some bytes out."""
    place = _head(data, rng)
    return data[:place] + data[place + int(rng.integers(1, 64)) :]


def swap_vr(data: bytes, rng: np.random.Generator) -> bytes:
    """Give a DICOM element another value representation."""
    places = [m.start() + 4 for m in re.finditer(rb"[\x02-\x88]\x00..(?:%s)" % b"|".join(_VRS[:-1]), data[:8000], re.S)]
    if not places:
        return flip(data, rng)
    place = places[int(rng.integers(len(places)))]
    return data[:place] + _VRS[int(rng.integers(len(_VRS)))] + data[place + 2 :]


def numbers(data: bytes, rng: np.random.Generator) -> bytes:
    """Replace a number that is written as text (MetaImage, NRRD, DICOM decimal strings, TIFF descriptions)."""
    places = list(re.finditer(rb"-?\d+\.?\d*", data[:4000]))
    if not places:
        return flip(data, rng)
    match = places[int(rng.integers(len(places)))]
    new = _NUMBERS[int(rng.integers(len(_NUMBERS)))]
    if rng.random() < 0.5:
        # of the same length, so that what follows stays in place
        new = new[: len(match[0])].ljust(len(match[0]))
    return data[: match.start()] + new + data[match.end() :]


def lines(data: bytes, rng: np.random.Generator) -> bytes:
    """Drop, repeat or exchange lines of a text header."""
    head, separator, rest = data[:3000], b"\n", data[3000:]
    parts = head.split(separator)
    if len(parts) < 3:
        return insert(data, rng)
    a, b = (int(rng.integers(len(parts) - 1)) for _ in range(2))
    choice = rng.random()
    if choice < 0.4:
        del parts[a]
    elif choice < 0.7:
        parts.insert(a, parts[b])
    else:
        parts[a], parts[b] = parts[b], parts[a]
    return separator.join(parts) + rest


def empty(data: bytes, rng: np.random.Generator) -> bytes:
    """Nothing, or nothing but zeros or noise, of about the right size."""
    return [b"", b"\0" * len(data), rng.bytes(len(data)), data[:4] + b"\0" * 20][int(rng.integers(4))]


MUTATIONS: list[Mutation] = [truncate, flip, lengths, insert, remove, swap_vr, numbers, lines, empty]
_WEIGHTS = np.array([3, 5, 4, 2, 2, 3, 5, 2, 0.5])


def mutate(data: bytes, rng: np.random.Generator) -> tuple[bytes, str]:
    """Damage a file once to three times; half of the gzip files are damaged inside and packed again.

    Returns:
        the damaged bytes, and the names of what was done.
    """
    inside = data[:2] == b"\x1f\x8b" and rng.random() < 0.7
    if inside:
        data = gzip.decompress(data)
    done = []
    for _ in range(int(rng.choice([1, 1, 1, 2, 3]))):
        mutation = MUTATIONS[int(rng.choice(len(MUTATIONS), p=_WEIGHTS / _WEIGHTS.sum()))]
        if data:
            data = mutation(data, rng)
            done.append(mutation.__name__)
    if inside:
        data = gzip.compress(data, 1, mtime=0)
        done.append("packed")
    return data, "+".join(done)


def repair_png(data: bytes) -> bytes:
    """Correct the checksums of PNG chunks, so that damage reaches the decoder and not only the checksum test."""
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        return data
    out, place = [data[:8]], 8
    while place + 12 <= len(data):
        size = struct.unpack(">I", data[place : place + 4])[0]
        body = data[place + 4 : place + 8 + size]
        if place + 12 + size > len(data):
            break
        out.append(data[place : place + 4] + body + struct.pack(">I", zlib.crc32(body)))
        place += 12 + size
    return b"".join(out) + data[place:]
