"""The journal as one object: each method is one transaction.

Its promises are in the package's docstring.
"""

from bulksend.journal.decisions import Decisions
from bulksend.journal.deliveries import Deliveries
from bulksend.journal.lease import Lease
from bulksend.journal.other_runs import OtherRuns
from bulksend.journal.pages import Pages
from bulksend.journal.reports import Reports
from bulksend.journal.row_states import RowStates
from bulksend.journal.runs import Runs
from bulksend.journal.users import Users


class Journal(Runs, Lease, RowStates, OtherRuns, Reports, Pages, Decisions, Deliveries, Users):
    """The journal at ``address``: a path (created if missing) or a database address as SQLAlchemy writes them.

    It is meant for one thread. Every method may raise `JournalError`, and then nothing of it has happened.
    """
