"""What can go wrong and be put right by a person.

BulksendError              every error below; its text is one sentence: what is wrong and what to do
├── UsageError             the command or call cannot be carried out as it was asked for
│   └── NoPortalError      no portal was named
├── SheetError             the file cannot be read as a sheet of messages
├── TemplateError          a message template cannot be used
├── PortalError            the portal's address or its saved credentials cannot be used
│   └── UnknownPortalError no portal is saved under that name
└── JournalError           the journal cannot be read or written
"""


class BulksendError(Exception):
    """An error a person can act on; ``str()`` of it is the sentence to show.

    It names no command and no option, since it is shown on the page and by other programs too.

    Args:
        sentence: what is wrong and what to do.
        code: which error it is, where something can be added for those who sit at the command line.
        words: what that addition needs.
    """

    def __init__(self, sentence: str = "", *, code: str = "", **words: object) -> None:
        super().__init__(sentence)
        self.code = code
        self.words = words


class UsageError(BulksendError):
    """The command or call cannot be carried out as it was asked for."""


class NoPortalError(UsageError):
    """No portal was named."""


class SheetError(BulksendError):
    """The file cannot be read as a sheet of messages."""


class TemplateError(BulksendError):
    """A message template cannot be used."""


class PortalError(BulksendError):
    """The portal's address or its saved credentials cannot be used."""


class UnknownPortalError(PortalError):
    """No portal is saved under that name."""


class JournalError(BulksendError):
    """The journal cannot be read or written; nothing more may be sent."""
