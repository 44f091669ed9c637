"""A person waits for the first word no longer than needed: what a command does not use, it does not import."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {"pandas", "numpy", "openpyxl", "aiohttp", "jinja2"}


def imported_by(home: Path, *arguments: str) -> set[str]:
    """The packages that a command has imported when it ends."""
    program = (
        "import json, sys\nfrom bulksend.cli import main\ntry:\n    main(json.loads(sys.argv[1]))\n"
        "except SystemExit:\n    pass\nprint(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, json.dumps(arguments)],
        env={**os.environ, "BULKSEND_HOME": str(home)},
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    return set(json.loads(done.stdout.splitlines()[-1]))


@pytest.mark.parametrize("arguments", [["--help"], ["send", "--help"], ["runs"], ["resume"]], ids=" ".join)
def test_no_sheet_no_pandas(tmp_path: Path, arguments: list[str]) -> None:
    """Help, `runs` and `resume` need neither sheets nor a server."""
    assert not imported_by(tmp_path, *arguments) & HEAVY


def test_help_needs_no_database(tmp_path: Path) -> None:
    """Nor anything else that takes long to import."""
    assert not imported_by(tmp_path, "--help") & {"sqlalchemy", "requests", "tqdm", "keyring", "psutil"}


def test_a_campaign_is_gone_on_with_before_sheets_are_imported(tmp_path: Path) -> None:
    """The library's own door imports pandas only to read or write a sheet."""
    done = subprocess.run(
        [sys.executable, "-c", "import bulksend.campaign, sys; print('pandas' in sys.modules)"],
        capture_output=True,
        check=True,
        encoding="utf-8",
    )
    assert done.stdout.strip() == "False"
