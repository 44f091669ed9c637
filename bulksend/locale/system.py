"""The language that a person's system is set to."""

from __future__ import annotations

import os
import sys


def system_language() -> str:
    """The name of the system's language, such as ``ru_RU.UTF-8``; empty where there is none."""
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return value.split(":")[0]
    if sys.platform == "win32":
        name = _windows()
    elif sys.platform == "darwin":
        name = _macos()
    else:
        name = ""
    return name


def _windows() -> str:
    import ctypes  # noqa: PLC0415 - Windows alone keeps the language there
    import locale  # noqa: PLC0415 - likewise

    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    return locale.windows_locale.get(kernel.GetUserDefaultUILanguage(), "")


def _macos() -> str:
    """Of programs that no terminal has started: a terminal sets ``LANG``."""
    import plistlib  # noqa: PLC0415 - macOS alone keeps the language there
    from pathlib import Path  # noqa: PLC0415 - likewise

    try:
        settings = plistlib.loads(Path("~/Library/Preferences/.GlobalPreferences.plist").expanduser().read_bytes())
        return str(settings["AppleLanguages"][0])
    except (OSError, ValueError, LookupError, TypeError):
        return ""
