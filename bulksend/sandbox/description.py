"""A world described in JSON: what a world file holds, and what the control door's ``world`` takes."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from bulksend.errors import UsageError
from bulksend.locale import _
from bulksend.locale.formats import reason
from bulksend.sandbox.world import World

_SWITCHES = ("history_refused", "empty_history", "escape_history")


def change(world: World, asked: Mapping[str, Any]) -> None:
    """Change a world: lists of keyword arguments by what they describe, and its switches."""
    verbs: dict[str, Callable[..., object]] = {
        "channels": world.add_channel,
        "entities": world.add_entity,
        "chats": world.add_chat,
        "messages": world.say,
        "sessions": world.new_session,
    }
    for name, value in asked.items():
        if name in _SWITCHES:
            setattr(world, name, bool(value))
        elif name == "usual":
            world.set_usual(**value)
        elif name in verbs:
            for arguments in value:
                verbs[name](**arguments)
        else:
            raise UsageError(
                _("A world has no {name!r}; it has {known}.").format(
                    name=name, known=", ".join((*verbs, "usual", *_SWITCHES))
                )
            )


def read_world(path: Path, **usual: Any) -> World:
    """Read a world file: a JSON object as :func:`change` takes it; with ``"open": true`` it knows other chats too.

    ``usual`` is what chats are like where the file does not say otherwise, as :meth:`World.add_chat` takes it.

    Raises:
        UsageError: It cannot be read, or describes what there is not.
    """
    try:
        asked = json.loads(path.read_text(encoding="utf-8-sig"))
        world = World() if asked.pop("open", False) else World.closed()
        world.set_usual(**usual)
        change(world, asked)
    except OSError as error:
        raise UsageError(_("{file} cannot be read: {reason}.").format(file=path.name, reason=reason(error))) from error
    except (UsageError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(_("{file} does not describe a world: {error}").format(file=path.name, error=error)) from error
    return world
