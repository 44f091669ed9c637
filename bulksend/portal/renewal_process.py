"""Renews a saved portal's sign-in in a process that survives this one.

A renewal ends the old refresh token, so being killed between the endpoint's answer and its saving would cost the
person a new sign-in. The process that renews does nothing else, is in no terminal's group, and ends when it has saved.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from bulksend.locale import _, language
from bulksend.portal.authorisation import RenewalRefusedError, RenewalResult, RenewalUnreachableError, Tokens

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_PATIENCE = 150.0
"""Seconds: longer than waiting for the portal's lock and for the endpoint together."""

RENEW = "__renew__"
"""The argument by which a single executable file, which has no Python beside it, is started to renew a sign-in."""

_PROGRAM = (
    "import os, sys; sys.path[:] = sys.argv.pop().split(os.pathsep); from bulksend.portal.renewer import main; main()"
)
"""It finds its modules where this process does."""


def renew_in_subprocess(home: Path, name: str, stale: str) -> RenewalResult:
    """Renew what is saved in the data folder ``home`` under ``name``, unless its access token is no longer ``stale``.

    Where no process can be started, or none that answers, nothing has been renewed.

    Raises:
        RenewalRefusedError, RenewalUnreachableError: as `Authorisation.renew`.
    """
    try:
        answer = _run(home, name, stale)
    except subprocess.TimeoutExpired:
        raise RenewalUnreachableError(_("The sign-in is being renewed, but its server does not answer.")) from None
    if answer.get("refused"):
        raise RenewalRefusedError(answer["refused"], answer["sentence"])
    if answer.get("sentence"):
        raise RenewalUnreachableError(answer["sentence"])
    return RenewalResult(bool(answer.get("renewed")), Tokens(**answer["unsaved"]) if answer.get("unsaved") else None)


def _run(home: Path, name: str, stale: str) -> Mapping[str, Any]:
    if not sys.executable:
        return {}
    frozen = getattr(sys, "frozen", False)
    program = [RENEW] if frozen else ["-P", "-c", _PROGRAM]
    command = [sys.executable, *program, str(home.absolute()), name, *([] if frozen else [os.pathsep.join(sys.path)])]
    try:
        process = subprocess.Popen(  # noqa: S603 - our own program
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            # A single executable file unpacks itself anew, for what its parent unpacked goes with the parent.
            env={
                **os.environ,
                "BULKSEND_LANG": language(),
                **({"PYINSTALLER_RESET_ENVIRONMENT": "1"} if frozen else {}),
            },
            creationflags=_ALONE,
            start_new_session=True,  # Ctrl-C in the terminal is for the sender, which waits for what is under way
        )
    except OSError:
        return {}
    output = ""
    with suppress(OSError):
        output, _ = process.communicate(json.dumps(stale), timeout=_PATIENCE)
    try:
        answer = json.loads(output)
    except ValueError:
        return {}
    return answer if isinstance(answer, dict) else {}


if sys.platform == "win32":
    _ALONE = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
else:
    _ALONE = 0
