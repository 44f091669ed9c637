"""Sends the open rows of a campaign: nothing twice, nothing lost, in order within each chat.

`sender` decides what leaves and writes down what came back; `chats` knows whose turn it is; `doubts` settles rows whose
answer was lost, by the portal's `clock`; `reach` waits out an outage; `refusals` tells a campaign that is wrong as a
whole from rows that are.
"""

from bulksend.sender.sender import Sender

__all__ = ["Sender"]
