"""What a file is, by its bytes: suffixes lie."""

import zipfile
from enum import StrEnum
from pathlib import Path

from bulksend.locale import N_, _
from bulksend.locale.formats import number, reason
from bulksend.sheet.messages import Refusal, refuse


class Kind(StrEnum):
    """The kinds of file that are read; the value is `Sheet.format`."""

    TEXT = "csv"
    XLSX = "xlsx"
    XLS = "xls"
    ODS = "ods"


_LARGEST = 4 << 30  # bytes unpacked: a full Excel sheet, 1,048,576 rows of a dozen columns, stays far below
_SUSPICIOUS = 200 << 20  # from this size on, a file that is compressed far more than any table is a bomb
_MOST_COMPRESSED = 150  # sheets are compressed 10 to 40 times, zeros 1,000 times

_MAGIC = (
    (b"%PDF", N_("a PDF document")),
    (b"\x89PNG", N_("a picture")),
    (b"\xff\xd8\xff", N_("a picture")),
    (b"GIF8", N_("a picture")),
    (b"BM", N_("a picture")),
    (b"II*\0", N_("a picture")),
    (b"MM\0*", N_("a picture")),
    (b"{\\rtf", N_("a text document")),
    (b"Rar!", N_("an archive")),
    (b"7z\xbc\xaf", N_("an archive")),
    (b"\x1f\x8b", N_("an archive")),
    (b"MZ", N_("a program")),
    (b"SQLite format 3\0", N_("a database")),
)


def kind_of(path: Path) -> Kind:
    """The kind of file at ``path``.

    Raises:
        SheetError: no such file, a folder, empty, of a kind that is no sheet, damaged, or unpacking without end.
    """
    name = path.name or str(path)
    try:
        if path.is_dir():
            raise refuse(Refusal.IS_A_FOLDER, name=name)
        if not path.exists():
            raise refuse(Refusal.NO_SUCH_FILE, name=path)
        if not path.is_file():
            raise refuse(Refusal.NOT_A_FILE, name=name)
        with path.open("rb") as file:
            start = file.read(4096)
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) and error.strerror else _("the name cannot be used")
        raise refuse(Refusal.CANNOT_OPEN, name=name, why=why.lower()) from None
    if not start:
        raise refuse(Refusal.EMPTY_FILE, name=name)
    if start.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return _packed_kind(path)
    if start.startswith(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"):
        return Kind.XLS
    _refuse_other(name, start)
    return Kind.TEXT


def _refuse_other(name: str, start: bytes) -> None:
    for magic, what in _MAGIC:
        if start.startswith(magic) and (len(magic) > 2 or b"\0" in start):
            raise refuse(Refusal.NOT_A_SHEET, name=name, what=_(what))
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<?xml") and b"urn:schemas-microsoft-com:office:spreadsheet" in text:
        raise refuse(Refusal.OTHER_WORKBOOK, name=name, what=_("a workbook in Excel 2003's XML"))
    if text.startswith((b"<!doctype", b"<html", b"<head", b"<meta", b"<table", b"<style", b"<?xml", b"<!--")):
        raise refuse(Refusal.WEB_PAGE, name=name)


def _packed_kind(path: Path) -> Kind:
    """Distinguish a workbook from other packed files, and refuse a zip bomb."""
    name = path.name
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            mimetype = _start_of(archive, "mimetype").decode("ascii", "replace")
            manifest = _start_of(archive, "META-INF/manifest.xml")
    except (zipfile.BadZipFile, zipfile.LargeZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, OSError):
        raise refuse(Refusal.DAMAGED, name=name) from None
    except Exception:  # noqa: BLE001  # a broken archive can fail in any way inside the reader
        raise refuse(Refusal.DAMAGED, name=name) from None
    size = sum(member.file_size for member in members)
    packed = sum(member.compress_size for member in members)
    if size > _LARGEST or (size > _SUSPICIOUS and size > _MOST_COMPRESSED * packed):
        raise refuse(Refusal.BOMB, name=name, size=number(size >> 20))
    names = {member.filename.lstrip("/").lower() for member in members}
    locked = any(member.flag_bits & 1 for member in members)
    if locked or "encrypted-package" in names or b":encryption-data" in manifest:
        raise refuse(Refusal.PASSWORD, name=name)
    if "xl/workbook.xml" in names or any(n.startswith("xl/worksheets/") and n.endswith(".xml") for n in names):
        return Kind.XLSX
    if "content.xml" in names and ("spreadsheet" in mimetype or not mimetype):
        return Kind.ODS
    others = {
        "xl/workbook.bin": N_("an Excel binary workbook (.xlsb)"),
        "index/document.iwa": N_("a Numbers document"),
        "index/metadata.iwa": N_("a Numbers document"),
    }
    for member_name, what in others.items():
        if member_name in names:
            raise refuse(Refusal.OTHER_WORKBOOK, name=name, what=_(what))
    if any(n.startswith("word/") for n in names) or "opendocument.text" in mimetype:
        raise refuse(Refusal.NOT_A_SHEET, name=name, what=_("a text document"))
    raise refuse(Refusal.NOT_A_SHEET, name=name, what=_("an archive or a damaged workbook"))


def _start_of(archive: zipfile.ZipFile, member: str) -> bytes:
    if member not in archive.namelist():
        return b""
    with archive.open(member) as file:
        return file.read(1 << 20)
