"""The kinds of faults, as parameters of tests."""

from collections.abc import Iterable

from bulksend.sandbox import FaultKind


def parameters(kinds: Iterable[FaultKind]) -> list[tuple[FaultKind, int]]:
    """Each kind alone (1) and in a batch (50), where it happens there."""
    return [(kind, batch) for kind in kinds for batch in (1, 50) if batch > 1 or not kind.only_in_batches]
