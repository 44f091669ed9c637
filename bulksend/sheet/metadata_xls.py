"""The records of an .xls workbook (BIFF8): hidden rows and error values."""

import struct
from collections.abc import Iterator
from pathlib import Path

import olefile

from bulksend.sheet.messages import Refusal, refuse
from bulksend.sheet.metadata import Metadata, check_spread

_ROW, _BOOLERR, _FORMULA, _BOUNDSHEET, _FILEPASS, _EOF = 0x0208, 0x0205, 0x0006, 0x0085, 0x002F, 0x000A
_CELLS = {_FORMULA, _BOOLERR, 0x0203, 0x0204, 0x00FD, 0x027E, 0x00BD}  # NUMBER, LABEL, LABELSST, RK, MULRK
_ROW_HIDDEN = 0x20
_ERRORS = {0x00: "#NULL!", 0x07: "#DIV/0!", 0x0F: "#VALUE!", 0x17: "#REF!", 0x1D: "#NAME?", 0x24: "#NUM!", 0x2A: "#N/A"}


def xls_metadata(path: Path) -> list[Metadata]:
    """Hidden rows and error values of each sheet.

    Raises:
        SheetError: a password protects the workbook, it is damaged, or a sheet's used area is so large that reading
            it would fill the memory.
        OSError: it is damaged.
    """
    stream = _workbook_stream(path)
    starts = []
    for kind, record in _records(stream, 0):
        if kind == _FILEPASS:
            raise refuse(Refusal.PASSWORD, name=path.name)
        if kind == _BOUNDSHEET and len(record) >= 4:
            starts.append(struct.unpack_from("<I", record)[0])
    if any(start >= len(stream) for start in starts):
        raise refuse(Refusal.DAMAGED, name=path.name)
    return [_sheet_metadata(path, stream, start) for start in starts]


def _sheet_metadata(path: Path, stream: bytes, start: int) -> Metadata:
    metadata = Metadata()
    last_row = width = cells = 0
    for kind, record in _records(stream, start):
        if kind == _ROW and len(record) >= 14:
            row, flags = struct.unpack_from("<H10xH", record)
            if flags & _ROW_HIDDEN:
                metadata.hidden.add(row + 1)
        elif kind in _CELLS and len(record) >= 6:
            row, column = struct.unpack_from("<HH", record)
            last_row, width, cells = max(last_row, row + 1), max(width, column + 1), cells + 1
            if kind == _BOOLERR and len(record) >= 8 and record[7]:
                _note_error(metadata, record, record[6])
            elif kind == _FORMULA and len(record) >= 14 and record[6] == 2 and record[12:14] == b"\xff\xff":
                _note_error(metadata, record, record[8])
    check_spread(path, last_row, width, cells)
    return metadata


def _note_error(metadata: Metadata, record: bytes, code: int) -> None:
    row, column = struct.unpack_from("<HH", record)
    metadata.texts.setdefault(row + 1, {})[column] = _ERRORS.get(code, "#N/A")


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
    with olefile.OleFileIO(str(path)) as file:
        if file.exists("EncryptedPackage"):
            raise refuse(Refusal.PASSWORD, name=path.name)
        for name in ("Workbook", "Book"):
            if file.exists(name):
                stream: bytes = file.openstream(name).read()
                return stream
    raise refuse(Refusal.DAMAGED, name=path.name)
