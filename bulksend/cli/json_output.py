"""The answer to ``--json``: exactly one value on standard output, however the command ends."""

from __future__ import annotations

import sys
from typing import Any

import click

from bulksend.cli.console import put

NOT_STARTED = "not started"
HELD = "held"
BROKEN = "error"
"""How a command ended that has no campaign to report on; `StopReason` has the words for campaigns."""


class JsonAnswer:
    """Whether JSON was asked for, and whether it was written; the object of click's root context."""

    def __init__(self, *, asked: bool = False) -> None:
        self.asked = asked
        self._given = False

    def give(self, value: Any) -> None:
        """Write the answer.

        Raises:
            OutputError: it cannot be written.
        """
        import json

        self._given = True
        readable = (sys.stdout.encoding or "").lower().startswith("utf")
        put(json.dumps(value, ensure_ascii=not readable))

    def give_failure(self, how: str, reason: str, code: int) -> None:
        """Write why there is no other answer, if one was asked for and none was written yet."""
        if self.asked and not self._given:
            self.give(failure(how, reason, code))


def asked_by_environment(context: click.Context) -> bool:
    """Whether the environment asks for an answer of this command, whose arguments could not be understood."""
    option = next((each for each in context.command.params if each.name == "as_json"), None)
    return option is not None and bool(option.type_cast_value(context, option.value_from_envvar(context)))


def failure(how: str, reason: str, code: int, run: int | None = None) -> dict[str, Any]:
    """How a command ended that can say nothing of a campaign, except perhaps its number."""
    return {"run": run, "ended": how, "reason": reason, "exit_code": code}


def answer(value: Any) -> None:
    """Write the answer of the command that is running."""
    current().give(value)


def current(context: click.Context | None = None) -> JsonAnswer:
    """The answer of the command that is running."""
    return (context or click.get_current_context()).find_root().ensure_object(JsonAnswer)
