"""What is seen while a campaign runs."""

import math
import time

import pytest

from bulksend.cli.progress import Bar, Lines
from bulksend.journal import Counts, WaitReason
from bulksend.sender.options import Progress
from tests.untranslate import as_asserted


@pytest.mark.parametrize("kind", [Bar, Lines])
def test_a_wait_without_an_end_is_no_time_span(
    kind: type[Bar] | type[Lines], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for until something else happens has no seconds to tell, and ends no campaign."""
    monkeypatch.setenv("COLUMNS", "200")  # a bar is cut at its terminal's width
    counts = Counts(pending=2, sent=1)
    with kind(counts) as shown:
        for until in (math.inf, time.time() + 40):
            shown.show(Progress(counts, in_flight=1, reason=WaitReason.WORKER, until=until))
    said = as_asserted(capsys.readouterr().err)
    assert "sent 1" in said
    assert said.count("waiting") == said.count("waiting 40 s for a worker that is free")
