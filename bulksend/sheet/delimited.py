"""Text files: comma, semicolon or tab between cells, in the encodings people's programs write."""

import codecs
import csv
import io
import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.sheet import limits
from bulksend.sheet.chunks import HEAD_ROWS, Dialect, RawChunk
from bulksend.sheet.headings import field_of, key
from bulksend.sheet.messages import Refusal, refuse

_CHUNK = 1 << 22
_SAMPLE = 1 << 18
_LONGEST_RECORD = 1 << 23  # bytes; a quoted cell longer than this was never closed
_DELIMITERS = ",;\t|"
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n?", re.IGNORECASE)  # Excel's own way to name the separator

Positions = npt.NDArray[np.intp]


class DelimitedSource:
    """One text file, read in chunks; see `bulksend.sheet.chunks.SheetSource`."""

    name: str | None = None
    others: Sequence[str] = ()
    continued_on: str | None = None

    def __init__(self, path: Path, heading_names: Sequence[str] = ()) -> None:
        self._path = path
        encoding = _encoding(path)
        sample = _decoded_sample(path, encoding)
        named = _SEPARATOR_LINE.match(sample)
        delimiter = named[1] if named else _delimiter(sample, heading_names)
        self._records_before = 1 if named else 0  # Excel does not show the line that names the separator
        self.dialect: Dialect | None = Dialect(encoding, delimiter, "\r\n" if "\r\n" in sample else "\n")
        scan = _scan(path, encoding, delimiter)
        if scan.width > limits.MOST_COLUMNS:
            raise refuse(Refusal.NOT_A_SHEET, name=path.name, what=_("a file of another kind"))
        self.width = scan.width
        self._encoding, self._delimiter = encoding, delimiter
        self._first_rows = _rows_of(sample, delimiter)

    def head(self) -> list[list[str]]:
        """The first rows as texts."""
        raw = next(self.raw_chunks(HEAD_ROWS), None)
        return [] if raw is None else [list(row) for row in zip(*raw.columns, strict=True)]

    def cells_in_row(self, position: int) -> int:
        """How many cells the file has for one of the first rows."""
        record = position + self._records_before
        return len(self._first_rows[record]) if record < len(self._first_rows) else self.width

    def end_of_headings(self, position: int, columns: list[int]) -> int:  # noqa: ARG002
        """Text files have no merged cells."""
        return position

    def raw_chunks(self, rows: int) -> Iterator[RawChunk]:
        """All rows, at most ``rows`` at a time."""
        if not self.width:
            return
        first_row = 1
        skip = self._records_before
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", pd.errors.ParserWarning)
                reader = pd.read_csv(
                    self._path,
                    sep=self._delimiter,
                    header=None,
                    names=list(range(self.width)),
                    index_col=False,
                    dtype=object,
                    na_filter=False,
                    skip_blank_lines=False,
                    # the parser drops UTF-8's byte-order mark by itself, and reads plain UTF-8 much faster
                    encoding="utf-8" if self._encoding == "utf-8-sig" else self._encoding,
                    engine="c",
                    chunksize=rows,
                )
            with reader:
                for chunk in reader:
                    cells, skip = chunk.iloc[skip:], 0
                    cells.index = pd.RangeIndex(first_row, first_row + len(cells))
                    columns = [cells[position].tolist() for position in range(self.width)]
                    yield RawChunk(columns, first_row, np.zeros(len(cells), dtype=np.bool_), cells)
                    first_row += len(cells)
        except (pd.errors.ParserError, UnicodeError) as error:
            # the whole file was decoded before, so it has changed since
            raise refuse(Refusal.FILE_CHANGED, name=self._path.name) from error
        except OSError as error:
            raise refuse(Refusal.CANNOT_OPEN, name=self._path.name, why=reason(error) or _("read error")) from None


def _encoding(path: Path) -> str:
    """The file's encoding; a guess that may be wrong is refused, because customers would get the wrong characters."""
    with path.open("rb") as file:
        start = file.read(_SAMPLE)
        for mark, name in _BOMS:
            if start.startswith(mark):
                _must_decode(path, name)
                return name
        if b"\0" in start:
            wide = _wide_encoding(start)
            if wide is None:
                raise refuse(Refusal.NOT_A_SHEET, name=path.name, what=_("a file of another kind"))
            _must_decode(path, wide)
            return wide
        controls = sum(start.count(bytes([code])) for code in (*range(1, 9), *range(14, 32)))
        if controls * 100 > len(start):
            raise refuse(Refusal.NOT_A_SHEET, name=path.name, what=_("a file of another kind"))
    if _undecodable_row(path, "utf-8") is None:
        return "utf-8"
    row = _undecodable_row(path, "cp1251")
    odd = _odd_bytes(path)
    if _mostly_utf8(odd):
        raise refuse(Refusal.BROKEN_ENCODING, name=path.name, row=_undecodable_row(path, "utf-8"))
    if row is not None or not _reads_as_russian(odd):
        raise refuse(Refusal.UNKNOWN_ENCODING, name=path.name)
    return "cp1251"


def _wide_encoding(start: bytes) -> str | None:
    """UTF-16 without a byte-order mark: every other byte of ASCII text is zero."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    half = len(start) // 2
    if odd > half * 0.2 and even < half * 0.02:
        return "utf-16-le"
    if even > half * 0.2 and odd < half * 0.02:
        return "utf-16-be"
    return None


def _must_decode(path: Path, encoding: str) -> None:
    row = _undecodable_row(path, encoding)
    if row is not None:
        raise refuse(Refusal.BROKEN_ENCODING, name=path.name, row=row)


def _undecodable_row(path: Path, encoding: str) -> int | None:
    """The line of the first byte that ``encoding`` cannot read, None where it reads all."""
    decoder = codecs.getincrementaldecoder(encoding)()
    with path.open("rb") as file:
        while True:
            chunk = file.read(_CHUNK)
            before = file.tell() - len(chunk)
            try:
                decoder.decode(chunk, final=not chunk)
            except UnicodeDecodeError as error:
                file.seek(0)
                # what the decoder had kept back from the chunk before is in the error's bytes too
                good = file.read(before + len(chunk) - len(error.object) + error.start)
                return good.decode(encoding, "replace").count("\n") + 1
            if not chunk:
                return None


def _odd_bytes(path: Path, most: int = 40_000) -> bytes:
    """The words that are not ASCII, the first of them that the file has."""
    found: list[bytes] = []
    size = 0
    with path.open("rb") as file:
        while size < most and (chunk := file.read(_CHUNK)):
            if not chunk.isascii():
                for word in re.finditer(rb"[A-Za-z]*[\x80-\xff][A-Za-z\x80-\xff]*", chunk):
                    found.append(word[0])
                    size += len(word[0])
                    if size >= most:
                        break
    return b" ".join(found)


def _mostly_utf8(odd: bytes) -> bool:
    text = odd.decode("utf-8", "replace")
    lost = text.count("\ufffd")
    kept = sum(ord(character) > 127 for character in text) - lost
    return kept > 3 * lost


def _reads_as_russian(odd: bytes) -> bool:
    """Whether bytes make Russian words in Windows-1251, rather than text in another code page."""
    text = odd.decode("cp1251", "replace")
    strange = sum(ord(letter) > 127 and not _usual(letter) for letter in text)
    letters = sum("а" <= letter.lower() <= "я" or letter in "ёЁ" for letter in text)
    mixed = len(re.findall(r"[A-Za-z][а-яёА-ЯЁ]|[а-яёА-ЯЁ][A-Za-z]", text))
    # KOI8-R read as Windows-1251 has the cases swapped: пРИВЕТ
    swapped = len(re.findall(r"[а-яё][А-ЯЁ]", text))
    right = len(re.findall(r"[А-ЯЁ][а-яё]|[а-яё][а-яё]", text))
    return strange * 5 <= letters + 4 and mixed * 4 <= letters + 1 and swapped <= right + 1


def _usual(letter: str) -> bool:
    return "а" <= letter.lower() <= "я" or letter in "ёЁ№«»—–„“”‘’…\xa0°•§©®™±·€"


def _decoded_sample(path: Path, encoding: str) -> str:
    with path.open("rb") as file:
        start = file.read(_SAMPLE)
    return codecs.getincrementaldecoder(encoding)().decode(start)


def _delimiter(sample: str, heading_names: Sequence[str]) -> str:
    """The separator that finds most headings; where none does, the one that cuts most lines alike."""
    names = {key(name) for name in heading_names}
    best, best_score = ",", (0, 0, 0)
    for delimiter in _DELIMITERS:
        rows = _rows_of(sample, delimiter)
        known = max((sum(1 for cell in row if field_of(cell) or key(cell) in names) for row in rows), default=0)
        widths = [len(row) for row in rows if len(row) > 1]
        usual = max(set(widths), key=widths.count) if widths else 0
        score = (known, widths.count(usual) if usual else 0, usual)
        if score > best_score:
            best, best_score = delimiter, score
    return best


def _rows_of(sample: str, delimiter: str) -> list[list[str]]:
    rows = []
    try:
        for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter):
            rows.append(row)  # what was read before an error counts
            if len(rows) >= HEAD_ROWS:
                break
    except csv.Error:
        pass
    return rows


@dataclass(slots=True)
class _Scan:
    """What one pass over the raw bytes finds out."""

    width: int = 0
    records: int = 0
    quote_rows: list[int] = field(default_factory=list)


def _scan(path: Path, encoding: str, delimiter: str) -> _Scan:
    """Read the whole file once, to know its widest row and that its quotation marks match."""
    found = _Scan()
    separator = ord(delimiter) if ord(delimiter) < 128 else 0
    left = b""
    with path.open("rb") as file:
        for chunk, last in _byte_chunks(file, encoding):
            data = left + chunk
            if b"\0" in data:
                row = found.records + data[: data.index(b"\0")].count(b"\n") + 1
                raise refuse(Refusal.BINARY_IN_TEXT, name=path.name, row=row)
            used = _scan_records(path, data, separator, found, last=last)
            left = data[used:]
            if len(left) > _LONGEST_RECORD:
                raise refuse(Refusal.UNCLOSED_QUOTE, name=path.name, row=found.records + 1)
    return found


def _byte_chunks(file: io.BufferedReader, encoding: str) -> Iterator[tuple[bytes, bool]]:
    """The file as bytes in which separators, quotes and line ends are single ASCII bytes; the last one is flagged."""
    decoder = None if encoding in {"utf-8", "cp1251"} else codecs.getincrementaldecoder(encoding)()
    while True:
        chunk = file.read(_CHUNK)
        yield (chunk if decoder is None else decoder.decode(chunk, final=not chunk).encode("utf-8")), not chunk
        if not chunk:
            return


def _scan_records(path: Path, data: bytes, separator: int, found: _Scan, *, last: bool) -> int:
    """Count the whole records of ``data``, which begins with one; the bytes used up."""
    raw = np.frombuffer(data, dtype=np.uint8)
    ends = _line_ends(data, raw, last=last)
    separators = np.flatnonzero(raw == separator)
    if b'"' in data:
        quotes = _quotes(path, data, raw, separator, found.records, last=last)
        ends = ends[~_inside(ends, quotes)]
        separators = separators[~_inside(separators, quotes)]
    if last and (not ends.size or ends[-1] != len(data) - 1) and data:
        ends = np.append(ends, len(data))
    if not ends.size:
        return 0
    before = np.searchsorted(separators, ends)
    widths = np.diff(before, prepend=0)
    found.width = max(found.width, int(widths.max()) + 1)
    found.records += int(ends.size)
    return min(int(ends[-1]) + 1, len(data))


def _line_ends(data: bytes, raw: npt.NDArray[np.uint8], *, last: bool) -> Positions:
    """Where lines end: line feeds, and carriage returns that stand alone (old Macs)."""
    if b"\r" not in data or data.count(b"\r") == data.count(b"\r\n"):
        return np.flatnonzero(raw == 10)
    at_return = raw == 13
    at_return[:-1] &= raw[1:] != 10
    if not last and raw[-1] == 13:
        at_return[-1] = False  # a line feed may follow in the next chunk
    return np.flatnonzero((raw == 10) | at_return)


def _inside(positions: Positions, quotes: Positions) -> npt.NDArray[np.bool_]:
    """Which positions are inside a quoted cell: those behind an odd number of the marks that open and close."""
    return np.asarray(np.searchsorted(quotes, positions) & 1, dtype=np.bool_)


def _quotes(
    path: Path, data: bytes, raw: npt.NDArray[np.uint8], separator: int, records: int, *, last: bool
) -> Positions:
    """Where quoted cells open and close, in turn. Most files quote cleanly and need no walk over the marks."""
    marks = np.flatnonzero(raw == 34)
    edge = np.zeros(256, dtype=np.bool_)
    edge[[separator, 10, 13]] = True
    opens, closes = marks[0::2], marks[1::2]
    doubled = np.zeros(len(opens), dtype=np.bool_)  # the second mark of two inside a quoted cell, which stand for one
    doubled[1:] = opens[1:] - 1 == closes[: len(opens) - 1]
    clean_open = (opens == 0) | edge[raw[opens - 1]] | doubled
    clean_close = edge[raw[np.minimum(closes + 1, len(raw) - 1)]] | (closes == len(raw) - 1)
    clean_close[: len(opens) - 1] |= doubled[1 : len(closes) + 1][: len(clean_close)]
    quotes = marks
    if not (clean_open.all() and clean_close.all()):
        quotes = _walk_quotes(path, data, marks, edge, records)
    if last and len(quotes) % 2:
        outside = _line_ends(data, raw, last=last)
        outside = outside[~_inside(outside, quotes)]
        row = records + int(np.searchsorted(outside, quotes[-1])) + 1
        raise refuse(Refusal.UNCLOSED_QUOTE, name=path.name, row=row)
    return quotes


def _walk_quotes(path: Path, data: bytes, marks: Positions, edge: npt.NDArray[np.bool_], records: int) -> Positions:
    """The careful way: a mark opens a cell only at its beginning, elsewhere in a bare cell it is text."""
    quotes: list[int] = []
    bom = len(codecs.BOM_UTF8) if data.startswith(codecs.BOM_UTF8) else 0
    skip_to = -1
    for mark in marks.tolist():
        if mark < skip_to:
            continue
        if len(quotes) % 2 == 0:
            if mark in {0, bom} or edge[data[mark - 1]]:
                quotes.append(mark)
        elif data[mark + 1 : mark + 2] == b'"':
            skip_to = mark + 2
        elif mark + 1 == len(data) or edge[data[mark + 1]]:
            quotes.append(mark)
        else:
            before = data[: quotes[-1]]
            ends = _line_ends(before, np.frombuffer(before, dtype=np.uint8), last=True)
            ends = ends[~_inside(ends, np.array(quotes[:-1], dtype=np.intp))]
            raise refuse(Refusal.STRAY_QUOTE, name=path.name, row=records + int(ends.size) + 1)
    return np.array(quotes, dtype=np.intp)
