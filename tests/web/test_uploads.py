"""What is uploaded: bounded, kept apart under names that are no paths, and harmless however it is made."""

import http.client
import io
import struct
import time
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import openpyxl
import pytest

from bulksend.web.uploads import FORGOTTEN_SECONDS, Uploads, safe_name
from tests.processes import rows
from tests.web.conftest import NO_REDIRECT, PageProcess, Visitor, csv_of, wait_for

HEADINGS = ("CRM_ENTITY_TYPE", "CRM_ENTITY_ID", "CHAT_ID", "USER_ID", "MESSAGE")
SCRIPT = "<script>alert(1)</script>"

NAMES = {
    "../../../etc/passwd.csv": "passwd.csv",
    "..\\..\\windows\\system32\\x.csv": "x.csv",
    "C:\\Users\\me\\list.xlsx": "list.xlsx",
    "/root/.ssh/authorized_keys": "authorized_keys",
    "CON.csv": "sheetCON.csv",
    "lpt1": "sheetlpt1",
    "..": "sheet",
    "": "sheet",
    "...csv": "csv",
    "draft.json": "draft.json",
    "a\0b\nc\x1b[31m.csv": "a_b_c_[31m.csv",
    f"{SCRIPT}.csv": "script_.csv",
    "Список клиентов №5.xlsx": "Список клиентов №5.xlsx",
    "x.csv\u202egpj.exe": "x.csv_gpj.exe",
    "list.CSV": "list.csv",
}


@pytest.mark.parametrize("name", NAMES)
def test_no_name_is_a_path(name: str) -> None:
    """Whatever a file is called, it is kept in the folder made for it, under a name that can be shown."""
    assert safe_name(name) == NAMES[name]
    assert len(safe_name(f"{'я' * 500}.csv").encode()) < 255


@pytest.mark.parametrize("name", ["../../escaped.csv", "..\\escaped.csv", "/escaped.csv", "draft.json", "check.0.db"])
def test_an_upload_stays_in_its_folder(visitor: Visitor, name: str) -> None:
    """Nor can it take the place of what is kept beside it."""
    home = visitor.page.home
    sheet = visitor.upload(name, csv_of([HEADINGS, ("deal", 1, 2, "", "Hello")]))
    text = visitor.get(sheet).text
    assert "1 row can be sent" in text
    kept = {path.relative_to(home).parts[1] for path in (home / "uploads").rglob("*escaped*")}
    assert kept <= {path.name for path in (home / "uploads").iterdir()}
    assert not list(home.parent.glob("*escaped*"))


@pytest.mark.parametrize("address", ["/sheets/..%2f..%2fportals", "/sheets/%2e%2e", "/sheets/0", "/sheets/" + "0" * 24])
def test_no_address_reads_other_files(visitor: Visitor, address: str) -> None:
    """Neither does an id that is a path, nor one that is nobody's."""
    for path in (address, f"{address}/file", f"{address}/problems"):
        answer = visitor.get(path)
        assert answer.status_code in {400, 404}


def test_styles_are_served_from_their_folder_alone(visitor: Visitor) -> None:
    """The public folder has no way up."""
    for path in ("/static/../page.py", "/static/%2e%2e/page.py", "/static/", "/static/..%2fpage.py"):
        connection = http.client.HTTPConnection(visitor.page.host, timeout=20)
        connection.request("GET", path)
        assert connection.getresponse().status in {403, 404}


def test_two_gigabytes_are_refused_before_they_are_read(visitor: Visitor) -> None:
    """By what the request says of its length."""
    connection = http.client.HTTPConnection(visitor.page.host, timeout=20)
    connection.putrequest("POST", visitor.base.removeprefix(visitor.page.origin) + "/sheets")
    cookie = next(iter(visitor.session.cookies))
    for name, value in {
        "Cookie": f"{cookie.name}={cookie.value}",
        "Origin": visitor.page.origin,
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": str(2 << 30),
    }.items():
        connection.putheader(name, value)
    connection.endheaders()
    answer = connection.getresponse()
    assert answer.status == 413
    assert "larger than 512 MB" in answer.read().decode()


def test_a_form_that_is_too_long_is_refused(visitor: Visitor) -> None:
    """Only uploads may be large."""
    assert visitor.post("/portals", {"name": "x" * (2 << 20)}).status_code == 413


def test_no_file_is_a_sentence(visitor: Visitor) -> None:
    """A form sent without choosing one, or by something that sends no form."""
    assert "No file was chosen" in visitor.post("/sheets", files={"file": ("", b"")}).text
    assert "No file was chosen" in visitor.post("/sheets", {"file": "x"}).text


def _bomb() -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w", force_zip64=True) as sheet:
            for _ in range(300):
                sheet.write(b" " * (1 << 20))
    return packed.getvalue()


def test_a_zip_bomb_is_a_sentence(visitor: Visitor) -> None:
    """A small file that would unpack to hundreds of megabytes is not unpacked."""
    answer = visitor.get(visitor.upload("bomb.xlsx", _bomb()))
    assert answer.status_code == 400
    assert "300 MB" in answer.text


def _lying_bomb(megabytes: int) -> bytes:
    """A workbook whose directory tells the size and checksum of the first part of a cell that goes on for long."""
    book = io.BytesIO(_workbook([HEADINGS, ("deal", "1", "2", "", "Hello")]))
    packed = io.BytesIO()
    with zipfile.ZipFile(book) as honest, zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as lying:
        for member in honest.infolist():
            text = honest.read(member)
            told = zipfile.ZipInfo(member.filename)
            if member.filename != "xl/worksheets/sheet1.xml":
                lying.writestr(told, text)
                continue
            text = text.partition(b"Hello")[0]
            # Blocks that stand for themselves, so that one of them is compressed and all the others copied.
            packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
            start = packer.compress(text) + packer.flush(zlib.Z_FULL_FLUSH)
            block = packer.compress(b"x" * (1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH)
            lying.writestr(told, start + block * megabytes + packer.flush())
            told.compress_type, told.file_size, told.CRC = zipfile.ZIP_DEFLATED, len(text), zlib.crc32(text)
    content = bytearray(packed.getvalue())
    # The local header, which was written before the lie: method, checksum, sizes.
    with zipfile.ZipFile(io.BytesIO(bytes(content))) as archive:
        told = archive.getinfo("xl/worksheets/sheet1.xml")
    struct.pack_into("<H", content, told.header_offset + 8, told.compress_type)
    struct.pack_into("<III", content, told.header_offset + 14, told.CRC, told.compress_size, told.file_size)
    return bytes(content)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="only Linux tells a process's peak memory so easily")
def test_a_zip_bomb_that_lies_about_its_size_is_a_sentence(own_page: PageProcess) -> None:
    """It is not unpacked further than it says, whatever it holds: neither memory nor time is filled by it."""
    visitor = own_page.start().enter()
    visitor.get(visitor.upload("honest.xlsx", _workbook([HEADINGS, ("deal", "1", "2", "", "Hello")])))
    before = own_page.peak_memory()
    answer = visitor.get(visitor.upload("bomb.xlsx", _lying_bomb(1_500)))
    assert own_page.peak_memory() - before < 100
    assert answer.status_code == 400
    assert "is damaged" in answer.text


@pytest.mark.parametrize(
    "content", [b"", b"%PDF-1.7", b"\x89PNG\r\n", b"<html></html>", b"PK\x03\x04broken", b"\0" * 100]
)
def test_what_is_no_sheet_is_a_sentence(visitor: Visitor, content: bytes) -> None:
    """And the way on stands beside it."""
    answer = visitor.get(visitor.upload("x.xlsx", content))
    assert answer.status_code == 400
    assert "Choose another file" in answer.text or "Match the columns" in answer.text


def test_script_in_cells_headings_and_names_is_text(visitor: Visitor) -> None:
    """Nothing in a sheet is a command to the browser, on any page that shows it."""
    attack = f"\"'>{SCRIPT}<img src=x onerror=alert(1)>[url=javascript:alert(1)]{SCRIPT}[/url]"
    headings = [*HEADINGS, f"Note {SCRIPT}"]
    sheet = visitor.upload(
        f"{SCRIPT}.csv",
        csv_of([headings, ("deal", 1, 2, "", attack, attack), (attack, attack, attack, attack, "", attack)]),
    )
    pages = [visitor.get(sheet), visitor.get(f"{sheet}/row?row=2"), visitor.get(f"{sheet}/columns")]
    number = visitor.send(sheet)
    pages += [visitor.get(f"/campaigns/{number}"), visitor.get(f"/campaigns/{number}/rows/0"), visitor.get("/")]
    for answer in pages:
        assert answer.ok
        assert SCRIPT not in answer.text
        assert "<img" not in answer.text
        assert 'href="javascript' not in answer.text
    assert "&lt;script&gt;" in pages[0].text


def test_formulas_in_cells_stay_text(visitor: Visitor, tmp_path: Path) -> None:
    """The sheet with its problems, and the results, are opened in Excel."""
    sheet = visitor.upload("f.xlsx", _workbook([HEADINGS, ("deal", "=1+1", "x", "", '\'=HYPERLINK("http://e")')]))
    download = visitor.get(f"{sheet}/problems")
    assert download.headers["Content-Disposition"].startswith("attachment")
    path = tmp_path / "problems.xlsx"
    path.write_bytes(download.content)
    cells = [cell for row in openpyxl.load_workbook(path).worksheets[0].iter_rows() for cell in row]
    assert "f" not in {cell.data_type for cell in cells}


def _workbook(lines: list[tuple[str, ...]]) -> bytes:
    book, content = openpyxl.Workbook(), io.BytesIO()
    assert book.active is not None
    for line in lines:
        book.active.append(line)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"
    book.save(content)
    return content.getvalue()


def test_a_broken_upload_leaves_nothing(visitor: Visitor) -> None:
    """Who goes away in the middle leaves no half file behind."""
    before = set((visitor.page.home / "uploads").iterdir()) if (visitor.page.home / "uploads").exists() else set()
    connection = http.client.HTTPConnection(visitor.page.host, timeout=20)
    cookie = next(iter(visitor.session.cookies))
    connection.putrequest("POST", visitor.base.removeprefix(visitor.page.origin) + "/sheets")
    for name, value in {
        "Cookie": f"{cookie.name}={cookie.value}",
        "Origin": visitor.page.origin,
        "Content-Type": "multipart/form-data; boundary=x",
        "Content-Length": "100000",
    }.items():
        connection.putheader(name, value)
    connection.endheaders(b'--x\r\nContent-Disposition: form-data; name="file"; filename="half.csv"\r\n\r\nhalf')
    connection.close()
    visitor.upload_rows(rows(1, 1))
    uploads = visitor.page.home / "uploads"
    wait_for(lambda: all((path / "draft.json").exists() for path in set(uploads.iterdir()) - before))


def test_uploads_of_which_nothing_was_sent_are_not_kept_for_ever(tmp_path: Path) -> None:
    """Those of campaigns are, until the campaign's texts are deleted."""
    uploads, old = Uploads(tmp_path), time.time() - FORGOTTEN_SECONDS - 1
    kept = {}
    for name, changes in {"new": {}, "old": {"created": old}, "sent": {"created": old, "confirmed": {"x": 1}}}.items():
        draft = replace(uploads.begin(f"{name}.csv"), **changes)  # type: ignore[arg-type]
        uploads.save(draft)
        kept[name] = uploads.folder(draft.id)
    uploads.tidy()
    assert [name for name, folder in kept.items() if folder.exists()] == ["new", "sent"]


FORM = "application/x-www-form-urlencoded"


@pytest.mark.parametrize("place", ["/sheets", "/portals"])
@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", "a"),
        ("multipart/form-data; boundary=x", "junk"),
        ("multipart/form-data; boundary=x", "--x\r\njunk"),
        ("multipart/form-data; boundary=x", "--x\r\nContent-Disposition: x\r\n\r\nDEAL\r\n--x--\r\n"),
        ("multipart/mixed; boundary=x", "--x\r\nContent-Type: multipart/mixed\r\n\r\n--x--\r\n"),
        (f"multipart/form-data; boundary={'x' * 80}", "a"),
        (f"{FORM}; charset=bogus", "name=a"),
        (f"{FORM}; charset=utf-16", "n"),
        (FORM, b"name=\xff"),
        (f"{FORM}; charset=idna", b"name=\xff"),
    ],
)
def test_a_form_that_cannot_be_read_is_refused(visitor: Visitor, place: str, kind: str, body: str | bytes) -> None:
    """In a sentence, whatever was sent."""
    headers = {"Origin": visitor.page.origin, "Content-Type": kind}
    answer = visitor.session.post(f"{visitor.base}{place}", data=body, headers=headers, **NO_REDIRECT)
    assert answer.status_code == 400
    assert 'role="alert"' in answer.text


@pytest.mark.parametrize(
    "place", ["/portals/%00/remove", "/portals/%ff/remove", "/portals/..%2fx/remove", "/sheets/%00", "/blank/%00"]
)
def test_an_address_of_nothing_is_refused(visitor: Visitor, place: str) -> None:
    """Whatever bytes it has."""
    assert visitor.get(place).status_code in {400, 404}
    assert visitor.post(place).status_code in {400, 404, 405}
