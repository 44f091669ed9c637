"""A team's workers under load and under attack: ``python -m tests.drills portals|waiting|chaos|journals``.

``portals``: N campaigns on N portals at 2 calls a second each, in one worker; the pace of each, memory, processors.
``waiting``: N campaigns for tomorrow, and what they cost a worker.
``chaos``: two workers over 20 campaigns while they are killed, stopped, cut off from the database, or it is restarted.
``journals``: the rows a second of a journal on PostgreSQL and of one in a file.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psutil
import requests

from bulksend import Campaign, Journal, Options, PortalStore, Queue, Sending, examine, find_target, parse_webhook
from tests.postgres import Server, serving
from tests.processes import environment, rows, until, write_sheet
from tests.team import Team, WorkerProcess

if TYPE_CHECKING:
    from collections.abc import Iterator

    from bulksend import Run
    from tests.processes import TestRow

ROOT = Path(__file__).parents[1]


class Portals:
    """Portals in one process, and what they saw."""

    def __init__(self, count: int, latency: float, fault: float = 0.0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.portals", str(count), str(latency), str(fault)],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            encoding="utf-8",
        )
        assert self.process.stdout is not None
        self.webhooks: list[str] = json.loads(self.process.stdout.readline())
        self._door = requests.Session()
        self._door.trust_env = False

    def ask(self, webhook: str, what: str) -> list[dict[str, Any]]:
        """What a portal's control door says."""
        base = webhook.split("/rest/", maxsplit=1)[0]
        found: list[dict[str, Any]] = self._door.get(f"{base}/_sandbox/{what}", timeout=60).json()
        return found

    def close(self) -> None:
        """Serve no longer."""
        self.process.kill()
        self.process.wait()


class Drill:
    """A team with portals saved as p0, p1, …, one campaign on each of some."""

    def __init__(self, folder: Path, journal: str, portals: Portals, *, quick: bool) -> None:
        os.environ.update(environment(folder / "home"))
        self.team, self.portals, self.journal = Team(folder, journal, quick=quick), portals, journal
        self.sheets: dict[int, tuple[str, list[TestRow]]] = {}
        store = PortalStore(folder / "home")
        for n, webhook in enumerate(portals.webhooks):
            store.add(f"p{n}", parse_webhook(webhook))

    def enter(self, campaigns: int, count: int, chats: int, **sending: Any) -> None:
        """Enter campaigns of so many rows, and leave them to workers."""
        with Journal(self.journal) as journal, Queue(self.journal) as queue:
            for n in range(campaigns):
                webhook = self.portals.webhooks[n % len(self.portals.webhooks)]
                lines = rows(count, chats, f"Campaign {n}, message")
                # Chats of its own, so that several campaigns on a portal can be told apart.
                lines = [(kind, deal + 1000 * n, chat + 1000 * n, who, text) for kind, deal, chat, who, text in lines]
                sheet = write_sheet(self.team.commands.folder / f"sheet{n}.csv", lines)
                settings = Sending(**sending).resolved(time.time(), {})
                with (
                    find_target(f"p{n % len(self.portals.webhooks)}", self.team.commands.home, user_id=27) as target,
                    Campaign.enter(journal, examine(sheet), target, settings=settings.settings()) as campaign,
                ):
                    self.sheets[campaign.id] = webhook, lines
                queue.put(journal.run(campaign.id))

    def resume(self) -> int:
        """Leave those campaigns to workers again that a portal's refusal has stopped, as a person does; how many."""
        with Journal(self.journal) as journal, Queue(self.journal) as queue:
            there = queue.entries()
            stopped = [run for run in journal.runs() if run.counts.left and not run.holder and run.id not in there]
            for run in stopped:
                queue.put(run)
        return len(stopped)

    def broken(self) -> Counter[str]:
        """What was promised and not kept, by the portals' own ledgers."""
        found: Counter[str] = Counter()
        with Journal(self.journal) as journal:
            runs = {run.id: run for run in journal.runs()}
            states = {
                run_id: Counter((row.state.value, row.message_id) for row in journal.outcomes(run_id))
                for run_id in runs
            }
        ledgers = {webhook: self.portals.ask(webhook, "ledger") for webhook in self.portals.webhooks}
        for run_id, (webhook, lines) in self.sheets.items():
            chats = {chat for _, _, chat, _, _ in lines}
            mine = [entry for entry in ledgers[webhook] if entry["chat_id"] in chats]
            got = Counter((entry["chat_id"], entry["text"]) for entry in mine)
            wanted = Counter((chat, text) for _, _, chat, _, text in lines)
            counts = runs[run_id].counts
            found["unfinished"] += counts.left > 0
            found["twice"] += (got - wanted).total()
            found["lost"] += max(0, (wanted - got).total() - counts.unknown - counts.failed)
            found["unknown"] += counts.unknown
            found["failed"] += counts.failed
            ids = {str(entry["message_id"]) for entry in mine}
            found["untrue"] += sum(
                rows
                for (state, message_id), rows in states[run_id].items()
                if state == "sent" and str(message_id) not in ids
            )
            order = {(chat, text): place for place, (_, _, chat, _, text) in enumerate(lines)}
            newest: dict[int, int] = {}
            for entry in mine:
                place = order.get((entry["chat_id"], entry["text"]), -1)
                found["disordered"] += place < newest.get(entry["chat_id"], -1)
                newest[entry["chat_id"]] = place
        return found


@contextmanager
def drill(portals: int, latency: float, fault: float = 0.0, *, quick: bool = False) -> Iterator[tuple[Drill, Server]]:
    """A team on a server of its own."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bulksend-drill-")))
        server = stack.enter_context(serving())
        served = Portals(portals, latency, fault)
        stack.callback(served.close)
        made = Drill(folder, server.make_database("journal"), served, quick=quick)
        stack.enter_context(made.team)
        yield made, server


def peak(process: psutil.Process) -> float:
    """The most memory that a process and its children have had, MB."""
    found = 0.0
    for one in (process, *process.children(recursive=True)):
        for line in Path(f"/proc/{one.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM"):
                found += int(line.split()[1]) / 1024
    return found


def threads_of(process: psutil.Process) -> int:
    """How many threads a process and its children have."""
    return sum(one.num_threads() for one in (process, *process.children(recursive=True)))


def seconds_of(process: psutil.Process) -> float:
    """What a process and its children have used of the processors."""
    family = [process, *process.children(recursive=True)]
    return sum(sum(one.cpu_times()[:2]) for one in family if one.is_running())


def of_server(server: Server) -> psutil.Process:
    """The server's process."""
    return psutil.Process(int((server.folder / "data" / "postmaster.pid").read_text().splitlines()[0]))


def pace_on_portals(campaigns: int, seconds: float, latency: float) -> bool:
    """Whether each campaign keeps 95 % of its pace."""
    count = int(2 * seconds)
    with drill(campaigns, latency) as (made, server):
        made.enter(campaigns, count, chats=count)
        worker = made.team.worker("--campaigns", campaigns)
        process = psutil.Process(worker.process.pid)
        measured = process, of_server(server), psutil.Process(made.portals.process.pid)
        time.sleep(min(20.0, seconds / 3))
        before, began = [seconds_of(one) for one in measured], time.monotonic()
        time.sleep(seconds / 3)
        lasted, threads = time.monotonic() - began, threads_of(process)
        used = [(seconds_of(one) - was) / lasted for one, was in zip(measured, before, strict=True)]
        made.team.wait_until_finished(seconds * 3)
        paces = []
        for webhook in made.portals.webhooks:
            calls = [call for call in made.portals.ask(webhook, "calls") if call["method"].endswith("message.add")]
            arrived = sorted(call["arrived_at"] for call in calls)
            paces.append((len(arrived) - 1) / (arrived[-1] - arrived[0]) / 2.0)
        memory = peak(process)
        broken = made.broken()
    slowest, median = min(paces), statistics.median(paces)
    print(
        f"{campaigns} campaigns, {latency} s a call: the slowest at {slowest:.1%} of its pace, half at {median:.1%}; "
        f"worker {used[0]:.2f} cores, {memory:.0f} MB at the most, {threads} threads; database "
        f"{used[1]:.2f} cores, portals {used[2]:.2f}; load {os.getloadavg()[0]:.1f}; broken {broken.total()}",
        flush=True,
    )
    return slowest >= 0.95 and memory <= 1024 and not broken.total()


def cost_of_waiting(campaigns: int, seconds: float) -> bool:
    """Whether campaigns that wait for tomorrow cost next to nothing."""
    with drill(1, 0.1) as (made, _):
        idle = made.team.worker("--campaigns", 50)
        idle.wait_until_said("Sending through")
        time.sleep(10)
        base = peak(psutil.Process(idle.process.pid))
        idle.hand_over()
        made.enter(campaigns, 2, chats=2, at="tomorrow 10:00", timezone="UTC")
        worker = made.team.worker("--campaigns", 50)
        process = psutil.Process(worker.process.pid)
        for _ in until(600, 1.0):
            if sum("wait for their hours" in line for line in worker.lines) >= campaigns:
                break
        time.sleep(5)
        before, began = seconds_of(process), time.monotonic()
        time.sleep(seconds)
        used = (seconds_of(process) - before) / (time.monotonic() - began)
        memory, threads = peak(process), threads_of(process)
    print(
        f"{campaigns} campaigns wait: {used:.2%} of a core, {memory - base:.0f} MB more than a worker without any "
        f"({base:.0f} MB), {threads} threads; load {os.getloadavg()[0]:.1f}",
        flush=True,
    )
    return used <= 0.01 and memory - base <= 100


class Line:
    """Passes connections on to the database, until it swallows all that passes."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._open = threading.Event()
        self._open.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self) -> None:
        """Forward nothing any more."""
        self._open.clear()

    def mend(self) -> None:
        """Forward again, what was held back too."""
        self._open.set()

    def _serve(self) -> None:
        while True:
            near, _ = self._listener.accept()
            try:
                far = socket.create_connection(("127.0.0.1", self._port))
            except OSError:
                near.close()
                continue
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=self._pass, args=(source, target), daemon=True).start()

    def _pass(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self._open.wait()
                target.sendall(data)
        self._open.wait()
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_WR)


class Takeovers:
    """How long it takes until others have the campaigns of a worker that was attacked."""

    def __init__(self) -> None:
        self.longest = 0.0
        self._left: dict[int, tuple[int, float]] = {}

    def begin(self, runs: list[Run], pid: int) -> None:
        """That worker is attacked now."""
        held = {run.id for run in runs if run.holder and run.holder.pid == pid}
        self._left |= dict.fromkeys(held - self._left.keys(), (pid, time.monotonic()))

    def look(self, runs: list[Run]) -> None:
        """See who has them by now."""
        for run in runs:
            pid, since = self._left.get(run.id, (0, 0.0))
            if pid and (not run.counts.left or (run.holder and run.holder.pid != pid)):
                self.longest = max(self.longest, time.monotonic() - since)
                del self._left[run.id]


KINDS = ("kill", "stop", "restart", "partition")


def chaos(
    kind: str,
    seed: int,
    *,
    campaigns: int = 20,
    count: int = 30,
    every: float = 10.0,
    pause: float = 120.0,
    quick: bool = False,
) -> Counter[str]:
    """Attack two workers over some campaigns until all are finished, and judge by the portals' ledgers."""
    dice, began = random.Random(seed), time.monotonic()
    with drill(min(campaigns, 10), 0.1, fault=0.02, quick=quick) as (made, server):
        made.enter(campaigns, count, chats=max(2, count // 3), rate=2.0, timeout=1.0, settle=1.5)
        lines = [Line(server.port) for _ in range(2)]
        through = [made.journal.replace(f":{server.port}/", f":{line.port}/") for line in lines]
        options = ("--campaigns", campaigns)
        workers: list[WorkerProcess] = [made.team.worker(*options, journal=address) for address in through]
        for worker in workers:
            worker.wait_until_said("Sending through", 120)
        attacks, resumed, takeovers = 0, 0, Takeovers()
        next_at = time.monotonic() + every

        def wait(seconds: float) -> None:
            nonlocal resumed
            until_then = time.monotonic() + seconds
            while time.monotonic() < until_then:
                time.sleep(min(2.0, seconds))
                takeovers.look(made.team.runs())
                resumed += made.resume()

        while any(run.counts.left for run in made.team.runs()) and time.monotonic() < began + 3000:
            wait(1.0)
            if time.monotonic() < next_at:
                continue
            ended = [worker for worker in workers if worker.process.poll() is not None]
            if ended:
                raise AssertionError("a worker ended by itself:\n" + "\n".join(ended[0].lines))
            attacks, victim = attacks + 1, dice.randrange(2)
            if kind != "restart":
                takeovers.begin(made.team.runs(), workers[victim].process.pid)
            if kind == "kill":
                workers[victim].kill()
                workers[victim] = made.team.worker(*options, journal=through[victim])
            elif kind == "stop":
                workers[victim].freeze()
                wait(pause)
                workers[victim].thaw()
            elif kind == "restart":
                server.stop()
                time.sleep(dice.uniform(0.5, pause / 4))
                server.start()
            else:
                lines[victim].cut()
                wait(pause)
                lines[victim].mend()
            next_at = time.monotonic() + every
        found = made.broken()
    found["attacks"], found["resumed"], found["takeover"] = attacks, resumed, round(takeovers.longest)
    found["seconds"] = round(time.monotonic() - began)
    return found


def compare_journals(count: int) -> bool:
    """Whether a journal on PostgreSQL is at least 0.6 times as fast as one in a file."""
    rates: dict[str, list[float]] = {"file": [], "PostgreSQL": []}
    with serving() as server, tempfile.TemporaryDirectory() as place:
        for turn in range(3):
            for name, found in rates.items():
                portals = Portals(1, 0.0)
                folder = Path(place) / f"{name}{turn}"
                folder.mkdir()
                address: str | Path = server.make_database(f"j{turn}") if name != "file" else folder / "journal.db"
                sheet = write_sheet(folder / "sheet.csv", rows(count, chats=count))
                options: Options = Sending(fast=True, rate=0.0).options(count)
                with Journal(address) as journal, find_target(portals.webhooks[0], folder, user_id=27) as target:
                    began = time.monotonic()
                    with Campaign.enter(journal, examine(sheet), target) as campaign:
                        campaign.send(options)
                    found.append(count / (time.monotonic() - began))
                    if campaign.run.counts.sent != count:
                        raise AssertionError(campaign.run.counts)
                portals.close()
    ratio = statistics.median(rates["PostgreSQL"]) / statistics.median(rates["file"])
    said = "; ".join(f"{name} {', '.join(f'{rate:.0f}' for rate in found)} rows/s" for name, found in rates.items())
    print(f"{said}; ratio {ratio:.2f}; load {os.getloadavg()[0]:.1f}", flush=True)
    return ratio >= 0.6


def main() -> int:
    """Carry a drill out; 1 where a promise was broken or a bar not met."""
    parser = argparse.ArgumentParser(prog="python -m tests.drills", description=__doc__)
    parser.add_argument("drill", choices=("portals", "waiting", "chaos", "journals"))
    parser.add_argument("--campaigns", type=int, help="100 on portals, 1,000 that wait, 20 under attack")
    parser.add_argument("--seconds", type=float, default=60.0, help="how long it is measured")
    parser.add_argument("--latency", type=float, default=0.5, help="what a call takes on portals")
    parser.add_argument("--kind", choices=KINDS, nargs="*", default=KINDS, help="of attacks")
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--first", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="a worker's times made a tenth or so of what they are")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two attacks")
    parser.add_argument("--rows", type=int, help="30 of a campaign under attack, 20,000 of a journal")
    parser.add_argument("--pause", type=float, default=120.0, help="how long a worker is stopped or cut off")
    given = parser.parse_args()
    if given.drill == "portals":
        return 0 if pace_on_portals(given.campaigns or 100, given.seconds, given.latency) else 1
    if given.drill == "waiting":
        return 0 if cost_of_waiting(given.campaigns or 1000, given.seconds) else 1
    if given.drill == "journals":
        return 0 if compare_journals(given.rows or 20_000) else 1
    bad = 0
    for kind in given.kind:
        for seed in range(given.first, given.first + given.seeds):
            found = chaos(
                kind,
                seed,
                campaigns=given.campaigns or 20,
                count=given.rows or 30,
                every=given.every,
                pause=given.pause,
                quick=given.quick,
            )
            bad += sum(found[name] for name in ("unfinished", "twice", "lost", "untrue", "disordered"))
            print(kind, seed, dict(found), flush=True)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
