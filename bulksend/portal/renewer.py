"""The subprocess that renews a sign-in, given the data folder and a portal's name.

It reads from standard input which access token has run out, so that no token is among its arguments, and answers on
standard output with one JSON object. The answer holds tokens only where they could not be saved.
"""

import json
import sys
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bulksend.errors import PortalError
from bulksend.portal.authorisation import OAuth, RenewalRefusedError, RenewalUnreachableError
from bulksend.portal.credential_store import PortalStore


def renew(home: Path, name: str, stale: str) -> dict[str, Any]:
    """Renew a saved portal's tokens in this process, unless that has been done meanwhile; return the answer."""
    try:
        authorisation = PortalStore(home).get(name, in_subprocess=False)
    except PortalError:
        return {}  # whoever asked will find that out, too, and say it
    if not isinstance(authorisation, OAuth) or authorisation.parameters()["auth"] != stale:
        return {}
    try:
        authorisation.renew(authorisation.generation)
    except RenewalRefusedError as error:
        if authorisation.unsaved is not None:
            return {"renewed": True, "unsaved": asdict(authorisation.unsaved)}
        return {"refused": error.code, "sentence": str(error)}
    except RenewalUnreachableError as error:
        return {"sentence": str(error)}
    return {"renewed": True}


def main() -> None:
    """Renew, and answer if the process that asked still runs."""
    home, name = sys.argv[1:]
    # Nothing arrives from a process that was killed before it asked.
    asked = sys.stdin.read()
    answer = renew(Path(home), name, json.loads(asked)) if asked else {}
    with suppress(OSError):
        sys.stdout.write(json.dumps(answer))
        sys.stdout.flush()
