"""The long proof that a campaign survives anything: ``python -m tests.soak --seeds 20 [--batch 50]``.

A sheet is sent to a portal that applies every kind of fault, each to 2 % of the calls, by a
``bulksend send`` that is killed with SIGKILL at random moments and run again until it ends. Then the portal's ledger
must hold every row exactly once and in order, and the results sheet must say so with the ledger's own ids; only a row
whose answer was lost and whose chat's history is gone may be unknown. It prints a line of figures for each seed, and
exits with 1 if any seed broke a promise.

With ``--reopen`` the sheet's chats have every kind of dialog, most of them finished. Then rows that cannot be sent have
to be failed with their own codes, and no dialog may be started more often than kills and lost answers explain.
"""

import argparse
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import Any

from bulksend.portal.methods import SESSION_START
from bulksend.ratelimit import execution_time
from tests.processes import (
    Commands,
    PortalProcess,
    TestRow,
    end,
    read_results,
    rows,
    until,
    write_sheet,
)

FAULT = 0.02
"""How often each kind of fault is applied: with every kind of them, about half of the calls go wrong."""

EARLY = {1: 0.25, 50: 0.5}
"""How many of the kills come before the command's first call: more of them where few calls would do the work."""

LATEST = {1: 0.75, 50: 0.25}
"""Seconds after a command's first call within which it is killed."""

QUICK = ("--latency", 0.12, "--call-time", 0.005, "--limit-operating", "480,4,0.001")
"""A portal whose answers take little time, and whose used-up execution time is given back within four seconds."""

PATIENCE = 2.5
"""Seconds within which a command's first call is waited for: it may be waiting itself."""

LONGEST = 900.0
"""Seconds that the last run, which nobody kills, may take: after a refusal for the rate it waits, the longer the more
refusals there were lately."""

MOST_RUNS = 1_000

DIALOGS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sent", {}),
    ("sent", {"status": 60}),
    ("sent", {"status": 65}),
    ("CHAT_NOT_IN_CRM", {"status": 0}),
    ("sent", {"status": 60, "members": ()}),
    ("sent", {"status": 69}),
    ("CHAT_NOT_IN_CRM", {"stray": True}),
    ("sent", {"status": 75}),
    ("ACCESS_DENIED", {"status": 60, "joinable": False}),
    ("sent", {"status": 60, "connector": "whatsapp", "closes_in": -3600}),
    ("CHAT_NOT_IN_CRM", {"status": 50}),
    ("sent", {"status": 20, "members": ()}),
    ("CHAT_NOT_IN_CRM", {"status": 60, "connector": "viber"}),
    ("sent", {"status": 60, "silent": True}),
    ("CHAT_NOT_IN_CRM", {"group": True}),
)
"""What a row ends with, and what its chat is like, in turn from chat to chat."""

ANSWERS_LOST = ("did not list the chats", "answers were lost")
"""What a row says that failed because all answers to what had to be done for it were lost."""


@dataclass(slots=True)
class Figures:
    """What happened with one seed."""

    seed: int
    batch: int
    rows: int = 0
    kills: int = 0
    stops: int = 0
    runs: int = 0
    calls: int = 0
    faults: int = 0
    delivered: int = 0
    unknown: int = 0
    gave_up: int = 0
    twice: int = 0
    lost: int = 0
    disordered: int = 0
    untrue: int = 0
    starts: int = 0
    restarts: int = 0
    seconds: float = 0.0

    @property
    def broken(self) -> int:
        """How many promises were broken."""
        return self.twice + self.lost + self.disordered + self.untrue + self.restarts


def soak(
    seed: int, folder: Path, *, batch: int, count: int = 200, chats: int = 60, kills: int = 40, reopen: bool = False
) -> Figures:
    """Send a sheet under faults and kills until it ends, and count what went wrong."""
    began = time.monotonic()
    dice = random.Random(seed)
    figures = Figures(seed, batch, rows=count)
    lines = rows(count, chats, f"Seed {seed}, message")
    commands = Commands(folder, prepare=_be_impatient)
    sheet, results = write_sheet(folder / "sheet.csv", lines), folder / "out.csv"
    faults = ("--fault-all", FAULT, "--seed", seed, "--late-seconds", 0.6, "--silent-seconds", 3)
    answers = {chat: DIALOGS[place % len(DIALOGS)] for place, chat in enumerate(dict.fromkeys(row[2] for row in lines))}
    with PortalProcess(folder / "portal", *faults, *QUICK) as portal:
        if reopen:
            portal.turn("world", chats=[{"chat_id": chat, **described} for chat, (_, described) in answers.items()])
        command = (
            *("send", sheet, "--portal", portal.webhook, "--user-id", 27, "--yes", "--results", results),
            *("--batch", batch, "--rate", 0, "--max-in-flight", 2, "--timeout", 1, "--settle", 1.5),
            *(("--reopen", "--join") if reopen else ()),
        )
        started = 0.8
        codes: Counter[int] = Counter()
        while figures.runs < MOST_RUNS:
            figures.runs += 1
            before = len(portal.calls())
            launched = time.monotonic()
            process = commands.start(*command)
            if figures.kills < kills:
                if dice.random() < EARLY[batch]:
                    time.sleep(dice.uniform(0, started))
                else:
                    for _ in until(PATIENCE):
                        if process.poll() is not None or len(portal.calls(before)):
                            break
                    started = time.monotonic() - launched
                    time.sleep(dice.uniform(0, LATEST[batch]))
                if process.poll() is None:
                    process.kill()
                    figures.kills += 1
            ended = end(process, LONGEST)
            codes[ended.code] += 1
            if "inside bulksend" in ended.err:
                raise AssertionError(ended.err)
            if ended.code in {0, 1}:
                break
        figures.stops = codes[3]
        figures.calls = len(portal.calls())
        figures.faults = sum(1 for call in portal.calls() if call["fault"])
        refused = {chat: answer for chat, (answer, _) in answers.items() if reopen and answer != "sent"}
        _judge(figures, lines, portal.ledger, results, refused)
        _judge_starts(figures, portal)
    figures.seconds = round(time.monotonic() - began, 1)
    return figures


def _be_impatient() -> None:
    """Where nobody tells when used-up execution time comes back, ask after one second, not fifteen."""
    execution_time.UNTOLD_RESET = 1.0  # type: ignore[misc]


def _judge(
    figures: Figures, lines: list[TestRow], ledger: list[dict[str, Any]], results: Path, refused: dict[int, str]
) -> None:
    wanted = Counter((chat, text) for _, _, chat, _, text in lines if chat not in refused)
    got = Counter((delivery["chat_id"], delivery["text"]) for delivery in ledger)
    figures.delivered = len(ledger)
    figures.twice = (got - wanted).total()
    order = {(chat, text): place for place, (_, _, chat, _, text) in enumerate(lines)}
    newest: dict[int, int] = {}
    for delivery in ledger:
        chat = delivery["chat_id"]
        place = order[chat, delivery["text"]]
        figures.disordered += place < newest.get(chat, -1)
        newest[chat] = max(place, newest.get(chat, -1))
    ids = {(delivery["chat_id"], delivery["text"]): str(delivery["message_id"]) for delivery in ledger}
    unknown: Counter[tuple[int, str]] = Counter()
    gave_up: Counter[tuple[int, str]] = Counter()
    true = 0
    for line in read_results(results) if results.exists() else []:
        row = int(line["CHAT_ID"]), line["MESSAGE"]
        match line["status"]:
            case "sent":
                true += line["message_id"] == ids.get(row)
            case "unknown":
                unknown[row] += 1
            case "failed" if row not in ids and line["error_code"] == refused.get(row[0]):
                true += 1
            case "failed" if row not in ids and any(lost in line["error_description"] for lost in ANSWERS_LOST):
                gave_up[row] += 1
            case _:
                print(f"untrue: {line}", file=sys.stderr)
    figures.unknown, figures.gave_up = unknown.total(), gave_up.total()
    figures.lost = (wanted - got - unknown - gave_up).total()
    figures.untrue = len(lines) - true - figures.unknown - figures.gave_up


def _judge_starts(figures: Figures, portal: PortalProcess) -> None:
    """Count the starts that neither a kill nor a call that went wrong explains."""
    starts = Counter(start["chat_id"] for start in portal.starts)
    begun = Counter(start["chat_id"] for start in portal.starts if start["new"])
    faults = sum(bool(call["fault"]) for call in portal.calls() if call["method"] in {"batch", SESSION_START})
    figures.starts = starts.total()
    figures.restarts = sum(times - 1 for times in begun.values())
    figures.restarts += sum(max(0, times - 1 - figures.kills - faults) for times in starts.values())
    figures.restarts += max(0, starts.total() - len(starts) - figures.batch * (figures.kills + faults))


def main() -> int:
    """Run the seeds and print their figures."""
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__)
    parser.add_argument("--seeds", type=int, default=20, help="how many seeds (default 20)")
    parser.add_argument("--first", type=int, default=1, help="the first seed (default 1)")
    parser.add_argument("--batch", type=int, choices=(1, 50), default=1, help="rows a call (default 1)")
    parser.add_argument("--rows", type=int, default=200)
    parser.add_argument("--chats", type=int, default=60)
    parser.add_argument("--kills", type=int, default=40)
    parser.add_argument("--reopen", action="store_true", help="chats with every kind of dialog, and send --reopen")
    given = parser.parse_args()
    names = [field.name for field in fields(Figures)]
    print(" ".join(f"{name:>10}" for name in names), flush=True)
    all_of_them: list[Figures] = []
    for seed in range(given.first, given.first + given.seeds):
        with tempfile.TemporaryDirectory(prefix="bulksend-soak-") as folder:
            figures = soak(
                seed,
                Path(folder),
                batch=given.batch,
                count=given.rows,
                chats=given.chats,
                kills=given.kills,
                reopen=given.reopen,
            )
        all_of_them.append(figures)
        print(" ".join(f"{value:>10}" for value in astuple(figures)), flush=True)
    totals = [sum(getattr(figures, name) for figures in all_of_them) for name in names[2:]]
    print(f"{'all':>10} {given.batch:>10} " + " ".join(f"{round(total, 1):>10}" for total in totals))
    broken = sum(figures.broken for figures in all_of_them)
    short = sum(figures.kills < given.kills for figures in all_of_them)
    print(f"{broken} broken promises; {short} seeds ended before all their kills")
    return 1 if broken else 0


if __name__ == "__main__":
    from tests import soak as by_its_name  # commands look there for what is to be done before them

    sys.exit(by_its_name.main())
