"""Templates in files: a person's own, and those that ship with bulksend."""

from pathlib import Path

import pytest

from bulksend.errors import TemplateError
from bulksend.template import load_template, read_template, ready_templates
from bulksend.template.files import LARGEST_FILE


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1251"])
def test_a_text_file(tmp_path: Path, encoding: str) -> None:
    """Is read in whatever encoding a Windows editor leaves it."""
    path = tmp_path / "hello.txt"
    path.write_bytes("Здравствуйте, {{ имя }}!\r\nЖдём вас.".encode(encoding))
    assert read_template(path) == "Здравствуйте, {{ имя }}!\r\nЖдём вас."


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    """One sentence with its name."""
    with pytest.raises(TemplateError, match=r"^There is no message template '.*nothing\.txt': check the name .*\.$"):
        read_template(tmp_path / "nothing.txt")


def test_a_folder(tmp_path: Path) -> None:
    """One sentence, though systems differ in how they refuse it."""
    with pytest.raises(TemplateError, match="is a folder"):
        read_template(tmp_path)


def test_a_file_that_cannot_be_opened(tmp_path: Path) -> None:
    """One sentence with the system's own reason."""
    (tmp_path / "file").touch()
    with pytest.raises(TemplateError, match="cannot be opened"):
        read_template(tmp_path / "file" / "hello.txt")


@pytest.mark.parametrize(
    "content", [b"PK\x03\x04\x00\x00", b"%PDF-1.7 text", b"{\\rtf1 text}", b"\x98\xff", b"\x89PNG\r\n\x1a\n", b"a\x00b"]
)
def test_a_file_that_is_no_text(tmp_path: Path, content: bytes) -> None:
    """A Word document, a picture: one sentence that says how to save it."""
    path = tmp_path / "hello.txt"
    path.write_bytes(content)
    with pytest.raises(TemplateError, match="is not a text file: save"):
        read_template(path)


def test_a_huge_file(tmp_path: Path) -> None:
    """Is refused without being read to its end."""
    path = tmp_path / "hello.txt"
    path.write_bytes(b"x" * (LARGEST_FILE + 1))
    with pytest.raises(TemplateError, match="too large"):
        read_template(path)


def test_a_ready_template_by_its_name() -> None:
    """Is found, where there is no file of that name."""
    assert "invoice" in load_template("payment-reminder.en.txt")


def test_a_file_before_a_ready_template(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person's own file of the same name wins."""
    monkeypatch.chdir(tmp_path)
    Path("payment-reminder.en.txt").write_text("Mine", encoding="utf-8")
    assert load_template("payment-reminder.en.txt") == "Mine"


def test_neither_a_file_nor_a_ready_template(tmp_path: Path) -> None:
    """A bare name is answered with the ready ones, a path with itself alone."""
    with pytest.raises(TemplateError, match=r"ready ones: appointment\.en\.txt, "):
        load_template("reminder.txt")
    with pytest.raises(TemplateError, match=r"check the name and the folder\.$"):
        load_template(str(tmp_path / "payment-reminder.en.txt"))


def test_ready_templates() -> None:
    """There are four in each language."""
    names = ready_templates()
    assert len(names) == 8
    assert {name.removesuffix(".en.txt") for name in names if ".en." in name} == {
        name.removesuffix(".ru.txt") for name in names if ".ru." in name
    }


def test_ready_templates_of_an_installed_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Are found inside the package, where the wheel puts them."""
    (tmp_path / "_templates").mkdir()
    (tmp_path / "_templates" / "only.txt").write_text("Inside", encoding="utf-8")
    monkeypatch.setattr("importlib.resources.files", lambda _: tmp_path)
    assert ready_templates() == ["only.txt"]
    assert load_template("only.txt") == "Inside"
