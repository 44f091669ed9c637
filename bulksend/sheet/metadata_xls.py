"""The records of an .xls workbook (BIFF8 inside an OLE file): hidden rows and error values."""

import struct
from collections.abc import Iterator
from pathlib import Path

from bulksend.sheet.messages import Refusal, refuse
from bulksend.sheet.metadata import Extras, check_spread

_END = 0xFFFFFFFE  # sectors from here on are marks, not places
_ROW, _BOOLERR, _FORMULA, _BOUNDSHEET, _FILEPASS, _EOF = 0x0208, 0x0205, 0x0006, 0x0085, 0x002F, 0x000A
_CELLS = {_FORMULA, _BOOLERR, 0x0203, 0x0204, 0x00FD, 0x027E, 0x00BD}  # NUMBER, LABEL, LABELSST, RK, MULRK
_ROW_HIDDEN = 0x20
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}


class BrokenFileError(ValueError):
    """The file is not what it says it is."""


def xls_extras(path: Path) -> list[Extras]:
    """Hidden rows and error values of each sheet.

    Raises:
        SheetError: a password protects the workbook, or a sheet's used area is so large that reading it would fill
            the memory.
        BrokenFileError: the file is damaged.
    """
    stream = _workbook_stream(path)
    starts = []
    for kind, record in _records(stream, 0):
        if kind == _FILEPASS:
            raise refuse(Refusal.PASSWORD, name=path.name)
        if kind == _BOUNDSHEET and len(record) >= 4:
            starts.append(struct.unpack_from("<I", record)[0])
    if any(start >= len(stream) for start in starts):
        raise BrokenFileError("a sheet begins behind the file's end")
    return [_sheet_extras(path, stream, start) for start in starts]


def _sheet_extras(path: Path, stream: bytes, start: int) -> Extras:
    extras = Extras()
    last_row = width = cells = 0
    for kind, record in _records(stream, start):
        if kind == _ROW and len(record) >= 14:
            row, flags = struct.unpack_from("<H10xH", record)
            if flags & _ROW_HIDDEN:
                extras.hidden.add(row + 1)
        elif kind in _CELLS and len(record) >= 6:
            row, column = struct.unpack_from("<HH", record)
            last_row, width, cells = max(last_row, row + 1), max(width, column + 1), cells + 1
            if kind == _BOOLERR and len(record) >= 8 and record[7]:
                _note_error(extras, record, record[6])
            elif kind == _FORMULA and len(record) >= 14 and record[6] == 2 and record[12:14] == b"\xff\xff":
                _note_error(extras, record, record[8])
    check_spread(path, last_row, width, cells)
    return extras


def _note_error(extras: Extras, record: bytes, code: int) -> None:
    row, column = struct.unpack_from("<HH", record)
    extras.texts.setdefault(row + 1, {})[column] = _ERRORS.get(code, "#N/A")


def _records(stream: bytes, start: int) -> Iterator[tuple[int, bytes]]:
    """The records of one substream, up to its end."""
    place = start
    while place + 4 <= len(stream):
        kind, size = struct.unpack_from("<HH", stream, place)
        place += 4
        if kind == _EOF:
            return
        yield kind, stream[place : place + size]
        place += size


def _workbook_stream(path: Path) -> bytes:
    """The stream called Workbook of an OLE file: its sectors in the order that its table of sectors gives."""
    data = path.read_bytes()
    try:
        sector_size = 1 << struct.unpack_from("<H", data, 30)[0]
        small_size = 1 << struct.unpack_from("<H", data, 32)[0]
        first_directory, cutoff, first_small = struct.unpack_from("<I4xII", data, 48)
        table = _sector_table(data, sector_size)
        directory = _chain(data, table, first_directory, sector_size)
        entries = [directory[place : place + 128] for place in range(0, len(directory) - 127, 128)]
        for entry in entries:
            length = struct.unpack_from("<H", entry, 64)[0]
            name = entry[: max(0, length - 2)].decode("utf-16-le", "replace").lower()
            if name == "encryptedpackage":
                raise refuse(Refusal.PASSWORD, name=path.name)
            if name in {"workbook", "book"}:
                first, size = struct.unpack_from("<II", entry, 116)
                if size >= cutoff:
                    return _chain(data, table, first, sector_size)[:size]
                root_first = struct.unpack_from("<I", entries[0], 116)[0]
                small = _chain(data, table, root_first, sector_size)
                small_table = _numbers(_chain(data, table, first_small, sector_size))
                return b"".join(
                    small[place * small_size : (place + 1) * small_size] for place in _places(small_table, first)
                )[:size]
    except (struct.error, IndexError, OverflowError) as error:
        raise BrokenFileError("the file's table of contents is broken") from error
    raise BrokenFileError("there is no workbook in the file")


def _sector_table(data: bytes, sector_size: int) -> list[int]:
    """The table that says, for each sector, which one follows."""
    if sector_size not in {512, 4096}:
        raise BrokenFileError("no such sector size")
    sectors = [place for place in struct.unpack_from("<109I", data, 76) if place < _END]
    following = struct.unpack_from("<I", data, 68)[0]
    for _ in range(len(data) // sector_size):
        if following >= _END:
            break
        numbers = _numbers(_sector(data, following, sector_size))
        sectors += [place for place in numbers[:-1] if place < _END]
        following = numbers[-1]
    return [number for place in sectors for number in _numbers(_sector(data, place, sector_size))]


def _sector(data: bytes, place: int, sector_size: int) -> bytes:
    return data[(place + 1) * sector_size : (place + 2) * sector_size]


def _numbers(data: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(data) // 4}I", data[: len(data) // 4 * 4]))


def _places(table: list[int], first: int) -> Iterator[int]:
    place = first
    for _ in range(len(table) + 1):
        if place >= _END:
            return
        yield place
        place = table[place]
    raise BrokenFileError("the sectors go round in a circle")


def _chain(data: bytes, table: list[int], first: int, sector_size: int) -> bytes:
    return b"".join(_sector(data, place, sector_size) for place in _places(table, first))
