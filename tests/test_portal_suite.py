"""The suite for a real portal is itself tried, on the sandbox."""

import os
import subprocess
import sys
from pathlib import Path

from bulksend.sandbox import Sandbox, World

ROOT = Path(__file__).parents[1]
SUITE = [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", "-m", "portal"]


def run(**changes: str) -> str:
    """What the suite says at its end."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")} | changes
    command = [*SUITE, "tests/test_real_portal.py"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, encoding="utf-8", check=False)
    return done.stdout.splitlines()[-1]


def test_it_passes_on_a_portal(tmp_path: Path) -> None:
    """Which the environment names."""
    world = World.closed()
    world.add_entity("deal", 288, chats=[8773])
    with Sandbox(world=world) as portal:
        said = run(BULKSEND_TEST_PORTAL=portal.webhook, BULKSEND_TEST_ENTITY="deal:288", BULKSEND_TEST_CHAT="8773")
    assert "2 passed" in said
    assert len(portal.ledger) == 2


def test_it_is_skipped_without_one() -> None:
    """And does not fail."""
    assert "2 skipped" in run(BULKSEND_TEST_PORTAL="", BULKSEND_TEST_ENTITY="", BULKSEND_TEST_CHAT="")
