"""Send a spreadsheet of messages into Bitrix24 open-channel chats: never twice, never lost."""

__version__ = "0.1.0"
