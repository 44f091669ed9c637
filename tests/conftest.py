"""All tests speak one language whatever the machine speaks: English, unless ``BULKSEND_TEST_LANG`` names another.

Commands hear signals, though whoever started the tests may not: a shell has what it starts in the background ignore
Ctrl-C, and ``nohup`` the closing of a terminal.
"""

import atexit
import os
import shutil
import signal
import tempfile
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, settings

DATA_FOLDER = tempfile.mkdtemp(prefix="bulksend-tests-")
atexit.register(shutil.rmtree, DATA_FOLDER, ignore_errors=True)
os.environ["BULKSEND_HOME"] = DATA_FOLDER  # not the data of whoever runs the tests

os.environ["BULKSEND_LANG"] = os.environ.get("BULKSEND_TEST_LANG", "en")

# A computer that is busy with other tests may take its time over any example.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")

for number, handler in ((signal.SIGINT, signal.default_int_handler), (getattr(signal, "SIGHUP", None), signal.SIG_DFL)):
    if number is not None and signal.getsignal(number) is signal.SIG_IGN:
        signal.signal(number, handler)


@pytest.fixture(autouse=True)
def signals_stay() -> Iterator[None]:
    """A test that leaves a signal ignored would change what the commands of later tests hear."""
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
