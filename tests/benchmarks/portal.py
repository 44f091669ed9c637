"""The sandbox in a process of its own, so that the portal's work is not counted as the sender's."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import requests

from bulksend.sandbox import Limits, Sandbox
from tests.benchmarks.measure import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True, slots=True)
class Served:
    """A portal that is being served: its webhook's address, its control door's, the certificate to trust."""

    webhook: str
    control: str
    certificate: str

    def calls(self) -> list[dict[str, Any]]:
        """Every request that sent messages, in the order in which they arrived; see `bulksend.sandbox.CallRecord`."""
        return [call for call in self._ask("calls") if call["method"] in {"batch", "imopenlines.crm.message.add"}]

    def delivered(self) -> int:
        """How many messages arrived."""
        return len(self._ask("ledger"))

    def _ask(self, name: str) -> list[dict[str, Any]]:
        with requests.Session() as session:
            session.trust_env = False  # no proxy on the way to this very machine
            answer = session.get(f"{self.control}{name}", timeout=60, verify=self.certificate or True)
            return cast("list[dict[str, Any]]", answer.json())


@contextlib.contextmanager
def served(*, rate: tuple[float, float] | None = None, latency: float = 0.0, tls: bool = False) -> Iterator[Served]:
    """Serve a portal while the context lasts: its request bucket (None: no limit), seconds that a request takes."""
    settings = json.dumps({"rate": rate, "latency": latency, "tls": tls})
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.portal", settings],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    if process.stdin is None or process.stdout is None:
        raise AssertionError("pipes were asked for")
    with process, process.stdin:  # the portal ends when its input is closed
        yield Served(**json.loads(process.stdout.readline()))


def main() -> None:
    """Serve what the command line describes until standard input ends."""
    settings = json.loads(sys.argv[1])
    rate = settings["rate"]
    limits = Limits(rate=None if rate is None else (rate[0], rate[1]), operating=None)
    with Sandbox(limits=limits, latency=settings["latency"], tls=settings["tls"]) as portal:
        certificate = str(portal.ca_path) if settings["tls"] else ""
        print(json.dumps(asdict_of(portal, certificate)), flush=True)
        sys.stdin.read()


def asdict_of(portal: Sandbox, certificate: str) -> dict[str, str]:
    """What `Served` is made from."""
    return {"webhook": portal.webhook, "control": portal.control, "certificate": certificate}


if __name__ == "__main__":
    main()
