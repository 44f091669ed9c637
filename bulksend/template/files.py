"""Where templates come from: a person's own file, or one of those that ship with bulksend."""

from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Final

from bulksend.errors import TemplateError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.template.messages import TemplateFault

LARGEST_FILE: Final = 400_000
"""Bytes; a template of the greatest length is smaller in any encoding."""


def read_template(path: Path) -> str:
    """Return the text of a template file: UTF-8, with or without a byte-order mark, UTF-16, or Windows-1251.

    Raises:
        TemplateError: it is missing, a folder, not to be read, or no text.
    """
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_FILE + 1)
    except FileNotFoundError:
        raise TemplateError(TemplateFault.NO_SUCH_FILE.say(path=path, ready="")) from None
    except OSError as error:
        if path.is_dir():
            raise TemplateError(TemplateFault.IS_A_FOLDER.say(path=path)) from None
        raise TemplateError(TemplateFault.CANNOT_OPEN.say(path=path, why=reason(error) or error)) from None
    if len(content) > LARGEST_FILE:
        raise TemplateError(TemplateFault.LARGE_FILE.say(path=path))
    text = _decode(content)
    if text is None:
        raise TemplateError(TemplateFault.NO_TEXT.say(path=path))
    return text


def _decode(content: bytes) -> str | None:
    """Return the text, or ``None`` where there is none."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    elif b"\0" in content or content.startswith((b"{\\rtf", b"%PDF")):
        return None
    else:
        encodings = ["utf-8-sig", "cp1251"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        return None if any(ord(character) < 32 and character not in "\t\r\n\f" for character in text) else text
    return None


def load_template(name: str) -> str:
    """Return a template's text by its path, else by the name of one that ships with bulksend (``appointment.en.txt``).

    Raises:
        TemplateError: there is no such file and no such name, or it cannot be read.
    """
    path, ready = Path(name), ready_templates()
    if path.exists() or path.name != name:
        return read_template(path)
    if name in ready:
        return _folder().joinpath(name).read_text(encoding="utf-8")
    listed = _(", or take one of the ready ones: {names}").format(names=", ".join(ready))
    raise TemplateError(TemplateFault.NO_SUCH_FILE.say(path=name, ready=listed))


def ready_templates() -> list[str]:
    """Return the names of the message templates that ship with bulksend."""
    return sorted(entry.name for entry in _folder().iterdir() if entry.name.endswith(".txt"))


def _folder() -> Traversable:
    """Return the folder of what ships with bulksend: inside the installed package, beside it in a checkout."""
    installed = resources.files("bulksend").joinpath("_templates")
    return installed if installed.is_dir() else Path(__file__).parents[2] / "templates"
