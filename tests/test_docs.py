"""What the README promises is what the program does."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests import docs

README = docs.README.read_text(encoding="utf-8")


def test_generated_parts_are_up_to_date() -> None:
    """Help texts, error codes and figures in the README are the program's own; `python -m tests.docs` writes them."""
    assert docs.rendered(README) == README


def test_ci_runs_the_readmes_own_test_command(tmp_path: Path) -> None:
    """`.ci/run` takes the test command out of the README, so that the two cannot differ."""
    script = (docs.ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = re.search(r"<!-- the test command -->\n```bash\n(.*)\n```", README)
    assert command is not None
    assert command[1].endswith("-m pytest")
    assert "<!-- the test command -->" in script
    assert 'eval "$tests"' in script


def test_the_library_example_runs(tmp_path: Path) -> None:
    """The example for programs does what it says, as it is printed."""
    example = re.search(r"```python\n(.*?)```", README, re.DOTALL)
    assert example is not None
    source = example[1].replace('Path("samples/campaign.csv")', f"Path({str(docs.ROOT / 'samples/campaign.csv')!r})")
    source = source.replace("Options()", "Options(rule=RateLimit(rate=100))").replace("Options,", "Options, RateLimit,")
    source = source.replace("SheetOptions(rule=RateLimit(rate=100))", "SheetOptions()")
    done = subprocess.run([sys.executable, "-c", source], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "data" / "results.csv").read_text(encoding="utf-8-sig").count(",sent,") == 12


@pytest.mark.parametrize("link", re.findall(r"\]\(([\w./-]+?)(?:#[\w-]*)?\)", README))
def test_links_lead_somewhere(link: str) -> None:
    """Every file that the README points to is there."""
    assert (docs.ROOT / link).exists()
