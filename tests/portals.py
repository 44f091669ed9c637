"""Many portals in one process: ``python -m tests.portals N LATENCY FAULT`` prints their webhooks and serves them."""

import json
import sys
from contextlib import ExitStack

from bulksend.sandbox import Faults, Limits, Sandbox


def main() -> None:
    """Serve so many portals, with calls of so many seconds, each fault as often as that."""
    count, latency, fault = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
    with ExitStack() as stack:
        served = [
            stack.enter_context(
                Sandbox(
                    latency=latency,
                    limits=Limits.none(),
                    faults=Faults.every(fault, seed=n, late_seconds=0.6, silent_seconds=3.0) if fault else None,
                )
            )
            for n in range(count)
        ]
        print(json.dumps([portal.webhook for portal in served]), flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
