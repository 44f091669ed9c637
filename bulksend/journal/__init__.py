"""The journal: what every campaign was asked to send, and what became of each row of it.

It is a database (SQLite on disk unless another address is given), and the one place where a row's state is kept.
Each method is one transaction, synced before it returns, so that what the world has seen is never ahead of what the
journal knows. A row's life::

    pending ─▶ sending ─▶ sent
                  │  ├──▶ failed                          the portal said no to this row
                  │  ├──▶ pending                         it surely did not arrive
                  │  └──▶ in_doubt ─▶ sent | pending | unknown | failed
    a row found in `sending` when its process is gone is in doubt

The journal knows nothing of portals' ways or of files: what pace and budgets mean is its callers' business, and it
keeps them as text for all processes that share it.
"""

from bulksend.journal.audit import Action, AuditEntry, system_user
from bulksend.journal.database import JournalAway
from bulksend.journal.holder import HEARTBEAT_SECONDS, Held, Paused, TakenOver
from bulksend.journal.journal import Journal
from bulksend.journal.model import (
    MOVES,
    WAITS,
    Change,
    Counts,
    Delivery,
    Departure,
    NewRow,
    Repeat,
    Row,
    RowOutcome,
    Run,
    SentMessage,
    SlotGrant,
    Stage,
    State,
    WaitReason,
    ZoneRows,
)
from bulksend.journal.pages import RowRecord
from bulksend.journal.users import Role, User

__all__ = [
    "HEARTBEAT_SECONDS",
    "MOVES",
    "WAITS",
    "Action",
    "AuditEntry",
    "Change",
    "Counts",
    "Delivery",
    "Departure",
    "Held",
    "Journal",
    "JournalAway",
    "NewRow",
    "Paused",
    "Repeat",
    "Role",
    "Row",
    "RowOutcome",
    "RowRecord",
    "Run",
    "SentMessage",
    "SlotGrant",
    "Stage",
    "State",
    "TakenOver",
    "User",
    "WaitReason",
    "ZoneRows",
    "system_user",
]
