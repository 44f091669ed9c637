"""Send a spreadsheet of messages into Bitrix24 open-channel chats: never twice, never lost.

The names below are the library; they are loaded when first used, so that importing the package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from bulksend.campaign import Campaign
    from bulksend.entry.preview import Forecast
    from bulksend.entry.refusals import AlreadyDone, CampaignChanged, SentBefore
    from bulksend.errors import (
        BulksendError,
        JournalError,
        NoPortalError,
        PortalError,
        SheetError,
        TemplateError,
        UnknownPortalError,
        UsageError,
    )
    from bulksend.forecast import dry_run, predict_end
    from bulksend.jobs.queue import Queue, QueueEntry
    from bulksend.jobs.worker import Worker
    from bulksend.journal import (
        Action,
        AuditEntry,
        Counts,
        Delivery,
        Held,
        Journal,
        NewRow,
        Paused,
        Repeat,
        Role,
        Row,
        RowOutcome,
        Run,
        Stage,
        State,
        TakenOver,
        User,
        WaitReason,
    )
    from bulksend.locale import use_language
    from bulksend.metrics import metrics_registry
    from bulksend.metrics.server import serve_metrics
    from bulksend.plan import Plan, SheetOptions, examine
    from bulksend.portal.authorisation import application, parse_webhook
    from bulksend.portal.client import Client
    from bulksend.portal.credential_store import PortalStore, SavedPortal
    from bulksend.portal.recording import Recorder
    from bulksend.queries.checkup import Finding, check_up, recent_chats
    from bulksend.queries.lookup import fill_chats, look_up
    from bulksend.queries.preflight import ConnectionCheck, Findings, check_online, probe, rows_of_plan
    from bulksend.queries.query import QueryError, QueryProgress, QueryRunner
    from bulksend.queries.verify import verify
    from bulksend.ratelimit.limiter import Outlook, RateLimit
    from bulksend.results import check_path, write_run_results
    from bulksend.sandbox import Faults, Limits, Sandbox, World
    from bulksend.schedule.schedule import Schedule
    from bulksend.sender.options import Options, Progress, RunResult, StopReason, estimate
    from bulksend.sender.prediction import Prediction, predict
    from bulksend.sender.settings import Sending
    from bulksend.sheet.blank import write_blank
    from bulksend.target import Target, find_target, rows_for_sandbox
    from bulksend.template import load_template
    from bulksend.validation import Report
    from bulksend.validation.stop_list import StopList

_MODULES = {
    "campaign": ["Campaign"],
    "entry.preview": ["Forecast"],
    "entry.refusals": ["AlreadyDone", "CampaignChanged", "SentBefore"],
    "errors": [
        "BulksendError",
        "JournalError",
        "NoPortalError",
        "PortalError",
        "SheetError",
        "TemplateError",
        "UnknownPortalError",
        "UsageError",
    ],
    "forecast": ["dry_run", "predict_end"],
    "journal": [
        "Action",
        "AuditEntry",
        "Counts",
        "Delivery",
        "Held",
        "Journal",
        "NewRow",
        "Paused",
        "Repeat",
        "Role",
        "Row",
        "RowOutcome",
        "Run",
        "Stage",
        "State",
        "TakenOver",
        "User",
        "WaitReason",
    ],
    "jobs.queue": ["Queue", "QueueEntry"],
    "jobs.worker": ["Worker"],
    "locale": ["use_language"],
    "metrics": ["metrics_registry"],
    "metrics.server": ["serve_metrics"],
    "plan": ["Plan", "SheetOptions", "examine"],
    "portal.authorisation": ["application", "parse_webhook"],
    "portal.client": ["Client"],
    "portal.credential_store": ["PortalStore", "SavedPortal"],
    "portal.recording": ["Recorder"],
    "queries.checkup": ["Finding", "check_up", "recent_chats"],
    "queries.lookup": ["fill_chats", "look_up"],
    "queries.preflight": ["ConnectionCheck", "Findings", "check_online", "probe", "rows_of_plan"],
    "queries.query": ["QueryError", "QueryProgress", "QueryRunner"],
    "queries.verify": ["verify"],
    "ratelimit.limiter": ["Outlook", "RateLimit"],
    "results": ["check_path", "write_run_results"],
    "schedule.schedule": ["Schedule"],
    "sandbox": ["Faults", "Limits", "Sandbox", "World"],
    "sender.options": ["Options", "Progress", "RunResult", "StopReason", "estimate"],
    "sender.prediction": ["Prediction", "predict"],
    "sender.settings": ["Sending"],
    "sheet.blank": ["write_blank"],
    "target": ["Target", "find_target", "rows_for_sandbox"],
    "template": ["load_template"],
    "validation": ["Report"],
    "validation.stop_list": ["StopList"],
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}

__all__ = [
    "Action",
    "AlreadyDone",
    "AuditEntry",
    "BulksendError",
    "Campaign",
    "CampaignChanged",
    "Client",
    "ConnectionCheck",
    "Counts",
    "Delivery",
    "Faults",
    "Finding",
    "Findings",
    "Forecast",
    "Held",
    "Journal",
    "JournalError",
    "Limits",
    "NewRow",
    "NoPortalError",
    "Options",
    "Outlook",
    "Paused",
    "Plan",
    "PortalError",
    "PortalStore",
    "Prediction",
    "Progress",
    "QueryError",
    "QueryProgress",
    "QueryRunner",
    "Queue",
    "QueueEntry",
    "RateLimit",
    "Recorder",
    "Repeat",
    "Report",
    "Role",
    "Row",
    "RowOutcome",
    "Run",
    "RunResult",
    "Sandbox",
    "SavedPortal",
    "Schedule",
    "Sending",
    "SentBefore",
    "SheetError",
    "SheetOptions",
    "Stage",
    "State",
    "StopList",
    "StopReason",
    "TakenOver",
    "Target",
    "TemplateError",
    "UnknownPortalError",
    "UsageError",
    "User",
    "WaitReason",
    "Worker",
    "World",
    "application",
    "check_online",
    "check_path",
    "check_up",
    "dry_run",
    "estimate",
    "examine",
    "fill_chats",
    "find_target",
    "load_template",
    "look_up",
    "metrics_registry",
    "parse_webhook",
    "predict",
    "predict_end",
    "probe",
    "recent_chats",
    "rows_for_sandbox",
    "rows_of_plan",
    "serve_metrics",
    "use_language",
    "verify",
    "write_blank",
    "write_run_results",
]


def __getattr__(name: str) -> Any:
    module = _PLACES.get(name)
    if module is None:
        raise AttributeError(f"module 'bulksend' has no attribute {name!r}")
    return getattr(import_module(f"bulksend.{module}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
