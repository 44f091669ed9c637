"""What the README promises is what the program does."""

import re
from pathlib import Path

import pytest

from tests import docs

README = docs.README.read_text(encoding="utf-8")


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_generated_parts_are_up_to_date(page: Path) -> None:
    """Help texts, error codes and figures are the program's own; `python -m tests.docs` writes them."""
    text = page.read_text(encoding="utf-8")
    assert docs.rendered(text, docs.language_of(page)) == text


def test_every_generated_part_is_on_a_page() -> None:
    """Nothing that is generated is left out."""
    pages = "".join(page.read_text(encoding="utf-8") for page in docs.PAGES)
    assert all(f"<!-- generated: {part} -->" in pages for part in docs.PARTS)


def test_ci_runs_the_readmes_own_test_command(tmp_path: Path) -> None:
    """`.ci/run` takes the test command out of the README, so that the two cannot differ."""
    script = (docs.ROOT / ".ci" / "run").read_text(encoding="utf-8")
    command = re.search(r"<!-- the test command -->\n```bash\n(.*)\n```", README)
    assert command is not None
    assert command[1].endswith("-m pytest")
    assert "<!-- the test command -->" in script
    assert 'eval "$tests"' in script


@pytest.mark.parametrize("page", docs.PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    """Every file that a page points to is there."""
    links = re.findall(r"\]\(([\w./-]+?)(?:#[\w-]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []
