# Copyright (c) monai-diffdenoise contributors
# SPDX-License-Identifier: Apache-2.0
"""Decode JPEG Lossless (process 14, ISO/IEC 10918-1 annex H), the usual compression of older hospital archives.

Of the decoders that pydicom knows, one is under the GPL and the other ends the whole process at some damaged frames.
This one is numpy with one short loop from code to code: at each bit of the data a table says how many bits a code and
its difference would take there; the loop follows these steps, everything else is done for all pixels at once.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from monai_diffdenoise.data.codestream import FrameError

__all__ = ["decode_jpeg_lossless"]

# Bytes of data whose bits are looked at together: bounds the memory for pictures of any size.
_CHUNK = 1 << 14
_NO_CODE = 17
_MAX_TABLES = 64


@dataclass(frozen=True, eq=False)
class _Table:
    """What the next 16 bits mean: bits of the code, of the difference behind it (17: no code), and of both."""

    code: np.ndarray
    extra: np.ndarray
    both: np.ndarray


@dataclass
class _Picture:
    bits: int = 0
    rows: int = 0
    columns: int = 0
    components: list[int] = field(default_factory=list)
    tables: dict[int, _Table] = field(default_factory=dict)
    tables_read: int = 0
    restart: int = 0
    planes: dict[int, np.ndarray] = field(default_factory=dict)


def decode_jpeg_lossless(frame: bytes) -> np.ndarray:
    """Decode one frame whose size was checked (:func:`~monai_diffdenoise.data.codestream.check_frame`).

    Args:
        frame: the whole JPEG stream.

    Returns:
        (rows, columns, samples) uint16, the numbers as they were encoded, without sign.

    Raises:
        FrameError: damaged, cut off, or another kind of JPEG.
    """
    picture = _Picture()
    try:
        position = 2
        while len(picture.planes) < max(len(picture.components), 1):
            while frame[position] != 0xFF or frame[position + 1] in (0x00, 0xFF, *range(0xD0, 0xD9)):
                position += 1
            marker = frame[position + 1]
            (length,) = struct.unpack_from(">H", frame, position + 2)
            segment = frame[position + 4 : position + 2 + length]
            position += 2 + length
            if marker == 0xC4:
                _add_tables(picture, segment)
            elif marker == 0xC3:
                _start(picture, segment)
            elif marker == 0xDD:
                (picture.restart,) = struct.unpack(">H", segment)
            elif marker == 0xDA:
                position = _scan(picture, segment, frame, position)
            elif marker == 0xD9:
                break
        if not picture.components:
            raise FrameError("no picture in the JPEG stream")
        return np.stack([picture.planes[component] for component in picture.components], axis=-1)
    except (IndexError, KeyError, struct.error) as error:
        raise FrameError("a JPEG stream that is damaged or cut off") from error


def _start(picture: _Picture, segment: bytes) -> None:
    picture.bits, picture.rows, picture.columns, count = struct.unpack_from(">BHHB", segment)
    for index in range(count):
        name, factors, _ = struct.unpack_from(">3B", segment, 6 + 3 * index)
        if factors != 0x11:
            raise FrameError("components of different sizes")
        picture.components.append(name)
    if not 2 <= picture.bits <= 16:
        raise FrameError(f"{picture.bits} bits per value")


def _add_tables(picture: _Picture, segment: bytes) -> None:
    position = 0
    while position < len(segment):
        picture.tables_read += 1
        if picture.tables_read > _MAX_TABLES:
            raise FrameError("too many code tables")
        name, *counts = struct.unpack_from(">17B", segment, position)
        position += 17 + sum(counts)
        picture.tables[name] = _table(counts, segment[position - sum(counts) : position])


def _table(counts: Sequence[int], symbols: bytes) -> _Table:
    code = np.ones(1 << 16, np.uint8)
    extra = np.full(1 << 16, _NO_CODE, np.uint8)
    start, used = 0, 0
    for length, count in enumerate(counts, 1):
        for symbol in symbols[used : used + count]:
            end = start + (1 << 16 - length)
            if end > 1 << 16 or symbol > 16:
                raise FrameError("a damaged code table")
            code[start:end], extra[start:end] = length, symbol
            start = end
        used += count
    # A difference of 16 bits can only be 32768, so nothing follows its code.
    both = code + np.where((extra == 16) | (extra == _NO_CODE), 0, extra).astype(np.uint8)
    return _Table(code, extra, both)


def _scan(picture: _Picture, segment: bytes, frame: bytes, position: int) -> int:
    """Decode the components of one scan; returns where the next marker stands."""
    count = segment[0]
    names = [segment[1 + 2 * index] for index in range(count)]
    tables = [picture.tables[segment[2 + 2 * index] >> 4] for index in range(count)]
    predictor, _, shift = struct.unpack_from(">3B", segment, 1 + 2 * count)
    shift &= 15
    if not set(names) <= set(picture.components) or not names or not 1 <= predictor <= 7 or shift >= picture.bits:
        raise FrameError("a damaged scan")
    step = picture.rows
    if picture.restart:
        step, rest = divmod(picture.restart, picture.columns)
        if rest or not step:
            raise FrameError("restarts in the middle of a row")
    pieces, position = _entropy_coded(frame, position, -(-picture.rows // step))
    planes = np.empty((picture.rows, picture.columns, count), np.uint16)
    middle = 1 << (picture.bits - shift - 1)
    for index, top in enumerate(range(0, picture.rows, step)):
        part = planes[top : top + step]
        differences = _differences(pieces[index], tables, part.size).reshape(part.shape)
        for component in range(count):
            part[:, :, component] = _predict(differences[:, :, component], predictor, middle)
    planes <<= shift
    picture.planes.update({name: planes[:, :, index] for index, name in enumerate(names)})
    return position


def _entropy_coded(frame: bytes, position: int, count: int) -> tuple[list[np.ndarray], int]:
    """Cut the data of a scan at its ``count - 1`` restart markers and take out the zero bytes that protect 0xFF."""
    data = np.frombuffer(frame, np.uint8)[position:]
    marks = np.flatnonzero(data[:-1] == 0xFF)
    following = data[marks + 1]
    marks, following = marks[(following != 0) & (following != 0xFF)], following[(following != 0) & (following != 0xFF)]
    restarts = (following >= 0xD0) & (following <= 0xD7)
    last = int(np.argmin(restarts)) if not restarts.all() else len(marks)
    end = int(marks[last]) if last < len(marks) else len(data)
    if last != count - 1:
        raise FrameError(f"{last} restarts instead of {count - 1}")
    edges = [0, *(int(mark) for mark in marks[:last]), end]
    pieces = []
    for index in range(len(edges) - 1):
        piece = data[edges[index] + (2 if index else 0) : edges[index + 1]]
        stuffed = np.zeros(len(piece), bool)
        stuffed[1:] = (piece[:-1] == 0xFF) & (piece[1:] == 0)
        pieces.append(piece[~stuffed])
    return pieces, position + end


def _differences(data: np.ndarray, tables: list[_Table], count: int) -> np.ndarray:
    """Decode ``count`` differences, modulo 2^16; the tables take turns."""
    result = np.empty(count, np.uint16)
    # Zeros behind the end let the last codes be looked at like all others.
    padded = np.concatenate([data, np.zeros(8, np.uint8)])
    shifts = np.arange(8, 0, -1, dtype=np.uint32)
    kinds = list(dict.fromkeys(tables))
    turns = [kinds.index(table) for table in tables]
    done, position = 0, 0
    for chunk in range(0, len(data), _CHUNK):
        size = min(_CHUNK, len(data) - chunk)
        part = padded[chunk : chunk + size + 2].astype(np.uint32)
        triple = part[:-2] << 16 | part[1:-1] << 8 | part[2:]
        windows = ((triple[:, None] >> shifts) & 0xFFFF).ravel()
        steps = [table.both[windows].tobytes() for table in kinds]
        first = 8 * chunk
        starts = _follow(steps, turns, position - first, 8 * size, done, count)
        position = first + starts.pop()
        places = np.array(starts, np.int64)
        turn = np.array(turns)[(done + np.arange(len(places))) % len(turns)]
        for index, table in enumerate(kinds):
            mine = turn == index
            result[done : done + len(places)][mine] = _values(padded, windows, table, places[mine], first)
        done += len(places)
        if done == count:
            break
    if done < count or position > 8 * len(data):
        raise FrameError("a JPEG stream that is cut off")
    return result


def _follow(steps: list[bytes], turns: list[int], position: int, end: int, done: int, count: int) -> list[int]:
    """Places of the codes that start in this chunk, and last where the next one starts; bits from its beginning."""
    starts: list[int] = []
    add = starts.append
    if len(steps) == 1:
        (step,) = steps
        for _ in range(count - done):
            if position >= end:
                break
            add(position)
            position += step[position]
    else:
        for index in range(done, count):
            if position >= end:
                break
            add(position)
            position += steps[turns[index % len(turns)]][position]
    add(position)
    return starts


def _values(padded: np.ndarray, windows: np.ndarray, table: _Table, places: np.ndarray, first: int) -> np.ndarray:
    """The differences that start at some places, modulo 2^16."""
    window = windows[places]
    extra = table.extra[window].astype(np.int64)
    if (extra == _NO_CODE).any():
        raise FrameError("a code that is in no table")
    bits = np.where(extra == 16, 0, extra)
    place = first + places + table.code[window]
    byte = place >> 3
    word = np.zeros(len(byte), np.int64)
    for offset in range(4):
        word = word << 8 | padded[byte + offset]
    number = word >> (32 - (place & 7) - bits) & (1 << bits) - 1
    # Numbers without their highest bit stand for negative differences.
    negative = (bits > 0) & (number < 1 << np.maximum(bits - 1, 0))
    number = np.where(negative, number - (1 << bits) + 1, number)
    return np.where(extra == 16, 32768, number).astype(np.uint16)


def _predict(differences: np.ndarray, predictor: int, middle: int) -> np.ndarray:
    """Undo the prediction: the first row from the left, the first column from above, the rest as the scan says."""
    image = np.empty_like(differences)
    row_rule = _ROWS.get(predictor, _one_by_one)
    above = np.cumsum(np.concatenate([[middle], differences[0]]).astype(np.int64))[1:] & 0xFFFF
    image[0] = above
    for row in range(1, len(image)):
        above = row_rule(above, differences[row].astype(np.int64), predictor) & 0xFFFF
        image[row] = above
    return image


def _one_by_one(above: np.ndarray, row: np.ndarray, predictor: int) -> np.ndarray:
    up, values = above.tolist(), row.tolist()
    left = values[0] = (values[0] + up[0]) & 0xFFFF
    for index in range(1, len(values)):
        guess = up[index] + ((left - up[index - 1]) >> 1) if predictor == 6 else (left + up[index]) >> 1
        left = values[index] = (values[index] + guess) & 0xFFFF
    return np.array(values, np.int64)


def _left(above: np.ndarray, row: np.ndarray, _: int) -> np.ndarray:
    row[0] += above[0]
    return np.cumsum(row)


def _corner(above: np.ndarray, row: np.ndarray, _: int) -> np.ndarray:
    return row + np.concatenate([above[:1], above[:-1]])


def _half_slope(above: np.ndarray, row: np.ndarray, _: int) -> np.ndarray:
    row[0] += above[0]
    row[1:] += np.diff(above) >> 1
    return np.cumsum(row)


_ROWS: dict[int, Callable[[np.ndarray, np.ndarray, int], np.ndarray]] = {
    1: _left,
    2: lambda above, row, _: row + above,
    3: _corner,
    4: lambda above, row, _: above + np.cumsum(row),
    5: _half_slope,
}
