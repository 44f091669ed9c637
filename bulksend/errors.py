"""What a person can be told went wrong.

BulksendError              every error below; its text is one sentence: what is wrong and what to do
├── UsageError             the command or call cannot be carried out as it was asked for
├── SheetError             the file cannot be read as a sheet of messages
├── TemplateError          a message template cannot be used
├── PortalError            the portal's address or its saved credentials cannot be used
└── JournalError           the journal cannot be read or written
"""


class BulksendError(Exception):
    """An error a person can act on; ``str()`` of it is the sentence to show."""


class UsageError(BulksendError):
    """The command or call cannot be carried out as it was asked for."""


class SheetError(BulksendError):
    """The file cannot be read as a sheet of messages."""


class TemplateError(BulksendError):
    """A message template cannot be used."""


class PortalError(BulksendError):
    """The portal's address or its saved credentials cannot be used."""


class JournalError(BulksendError):
    """The journal cannot be read or written; nothing more may be sent."""
