"""Compiles the catalogues when a wheel is built; `pyproject.toml` names it to hatchling."""

from pathlib import Path
from typing import Any

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class CatalogueHook(BuildHookInterface[Any]):
    """Writes each .mo beside its .po and puts it into the wheel."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 - hatchling's signature
        """Compile before the files of the wheel are gathered."""
        folder = Path(self.root, "bulksend", "locale")
        for edited in folder.glob("*/LC_MESSAGES/*.po"):
            compiled = edited.with_suffix(".mo")
            with edited.open("rb") as source, compiled.open("wb") as target:
                write_mo(target, read_po(source))
            build_data["artifacts"].append(f"/{compiled.relative_to(self.root).as_posix()}")
