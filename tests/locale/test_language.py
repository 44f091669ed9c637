"""Which language is spoken: the one asked for, else the system's; and by whom."""

import errno
import subprocess
import sys
import threading
from contextvars import copy_context

import pytest

from bulksend import use_language
from bulksend.cli import run
from bulksend.entry.refusals import SentBefore
from bulksend.journal import Repeat
from bulksend.locale import Language, _, language, ngettext
from bulksend.locale.formats import number, reason
from bulksend.locale.system import system_language
from bulksend.validation import Report
from tests.processes import environment


@pytest.mark.parametrize(
    ("variables", "name"),
    [
        ({"LANG": "ru_RU.UTF-8"}, "ru_RU.UTF-8"),
        ({"LANG": "en_GB.UTF-8"}, "en_GB.UTF-8"),
        ({"LANG": "ru_RU.UTF-8", "LC_ALL": "C"}, "C"),
        ({"LANG": "de_DE.UTF-8", "LC_MESSAGES": "ru_RU"}, "ru_RU"),
        ({"LANG": "de_DE.UTF-8", "LANGUAGE": "ru:en"}, "ru"),
        ({}, ""),
    ],
)
def test_the_language_of_the_system(monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], name: str) -> None:
    """Is what gettext takes for it."""
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(variable, raising=False)
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value)
    monkeypatch.setattr("sys.platform", "linux")
    assert system_language() == name


@pytest.mark.parametrize(
    ("variables", "first"),
    [
        ({"LANG": "ru_RU.UTF-8", "BULKSEND_LANG": ""}, "Использование:"),
        ({"LANG": "ru_RU.UTF-8", "BULKSEND_LANG": "en"}, "Usage:"),
        ({"LANG": "C", "BULKSEND_LANG": "RU"}, "Использование:"),
        ({"LANG": "de_DE.UTF-8", "BULKSEND_LANG": ""}, "Usage:"),
    ],
)
def test_a_process_speaks_it(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str], first: str) -> None:
    """`BULKSEND_LANG`, else the system's language, else English."""
    others = {"LANGUAGE": "", "LC_ALL": "", "LC_MESSAGES": ""}
    done = subprocess.run(
        [sys.executable, "-m", "bulksend", "--help"],
        env=environment(tmp_path_factory.getbasetemp(), {**others, **variables}),
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout.startswith(first)


@pytest.mark.parametrize(
    "arguments", [["--lang", "ru", "send"], ["send", "--lang=ru"], ["--lang", "en", "send", "--lang", "RU"]]
)
def test_an_option_asks_for_it_anywhere(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    """Also what click says of the arguments is in that language, whatever the variable says."""
    assert run(arguments) == 2
    said = capsys.readouterr().err
    assert "Не указан аргумент 'ФАЙЛ'" in said
    assert said.startswith("Использование: bulksend send [ПАРАМЕТРЫ] ФАЙЛ")


def test_an_unknown_language_is_refused(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than taken for another, wherever it is named."""
    assert run(["send", "a.csv", "--lang", "de"]) == 2
    assert "'de' is not one of 'en', 'ru'" in capsys.readouterr().err
    monkeypatch.setenv("BULKSEND_LANG", "xx")
    assert run(["runs"]) == 2
    assert "'xx' is not one of 'en', 'ru'" in capsys.readouterr().err


def test_a_command_leaves_the_process_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    """The next one speaks its own language again."""
    run(["--lang", "ru", "--help"])
    assert capsys.readouterr().out.startswith("Использование:")
    run(["--help"])
    assert capsys.readouterr().out.startswith("Usage:")


def test_each_thread_has_its_own() -> None:
    """A language holds where it was chosen, and where a copy of the context runs."""
    heard: list[Language] = []
    with use_language("ru"):
        inside = copy_context()
        with use_language("en"):
            assert language() == "en"
        assert language() == "ru"
        apart = threading.Thread(target=lambda: heard.append(language()))
        with_context = threading.Thread(target=inside.run, args=(lambda: heard.append(language()),))
        for thread in (apart, with_context):
            thread.start()
            thread.join()
    assert heard == ["en", "ru"]
    assert language() == "en"


def test_sentences_take_their_language_when_they_are_said() -> None:
    """And an empty one is empty in both."""
    with use_language("ru"):
        assert (_("Usage:"), _("")) == ("Использование:", "")
    assert (_("Usage:"), _("")) == ("Usage:", "")


@pytest.mark.parametrize(
    ("value", "english", "russian"),
    [
        (0, "messages", "сообщений"),
        (1, "message", "сообщение"),
        (1.5, "messages", "сообщения"),
        (2, "messages", "сообщения"),
        (5, "messages", "сообщений"),
        (11, "messages", "сообщений"),
        (21, "messages", "сообщение"),
        (111, "messages", "сообщений"),
        (1204, "messages", "сообщения"),
    ],
)
def test_a_number_has_its_form(value: float, english: str, russian: str) -> None:
    """Fractions too."""
    one, many = "Send %(shown)s message", "Send %(shown)s messages"
    assert ngettext(one, many, value).split()[-1] == english
    with use_language("ru"):
        assert ngettext(one, many, value).split()[-1] == russian


def test_numbers_are_written_as_the_language_has_them() -> None:
    """With its separators."""
    assert [number(value) for value in (7, 1204, 1_000_000, 1.5)] == ["7", "1,204", "1,000,000", "1.5"]
    with use_language("ru"):
        assert [number(value) for value in (7, 1204, 1_000_000, 1.5)] == ["7", "1\xa0204", "1\xa0000\xa0000", "1,5"]


@pytest.mark.parametrize("encoding", ["ascii", "cp437", "cp866", "cp1251", "latin-1"])
def test_a_console_without_the_letters_breaks_nothing(tmp_path_factory: pytest.TempPathFactory, encoding: str) -> None:
    """What it cannot show is replaced, and the command goes on."""
    changes = {"BULKSEND_LANG": "ru", "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "bulksend", "send", "nowhere.csv", "--yes"],
        env=environment(tmp_path_factory.getbasetemp(), changes),
        capture_output=True,
        check=False,
    )
    said = done.stderr.decode(encoding, "replace")  # click writes UTF-8 where it is told ASCII
    assert done.returncode == 2
    assert "nowhere.csv" in said
    assert "Traceback" not in said


def test_many_rows_are_rows_in_russian_whatever_their_number_ends_in() -> None:
    """Forty-one has the form of one there, but not where the rows are listed; nor do several campaigns."""
    report = Report()
    report.add_rows("EMPTY_MESSAGE", 41, list(range(2, 12)))
    with use_language("ru"):
        assert "(строки 2, 3" in report.lines()[0]
        assert str(SentBefore([Repeat(2, 5), Repeat(3, 6)])).endswith("; рассылки 5 и 6.")
        assert str(SentBefore([Repeat(2, 5)])).endswith("; рассылка 5.")


def test_what_the_system_says() -> None:
    """Its common words are translated; others stay as they are."""
    with use_language("ru"):
        assert reason(PermissionError(errno.EACCES, "Permission denied")) == "нет доступа"
        in_use = "Address already in use (while attempting to bind on address ('127.0.0.1', 80))"
        assert reason(OSError(errno.EADDRINUSE, in_use)) == "адрес уже занят"
        assert reason(OSError(errno.EXDEV, "Invalid cross-device link")) == "Invalid cross-device link"
        assert not reason(OSError())
    assert reason(PermissionError(errno.EACCES, "Permission denied")) == "Permission denied"
