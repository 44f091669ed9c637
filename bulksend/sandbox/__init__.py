"""An embedded Bitrix24 portal: a real HTTP server on loopback for rehearsals and tests."""

from bulksend.sandbox.authorisation import OAuthApp
from bulksend.sandbox.chats import Delivery, Start, Status
from bulksend.sandbox.description import read_world
from bulksend.sandbox.faults import FaultKind, Faults
from bulksend.sandbox.limits import Limits, Operating
from bulksend.sandbox.portal import CallRecord
from bulksend.sandbox.refusal import CampaignRefusal
from bulksend.sandbox.sandbox import Sandbox, serve
from bulksend.sandbox.world import World

__all__ = [
    "CallRecord",
    "CampaignRefusal",
    "Delivery",
    "FaultKind",
    "Faults",
    "Limits",
    "OAuthApp",
    "Operating",
    "Sandbox",
    "Start",
    "Status",
    "World",
    "read_world",
    "serve",
]
