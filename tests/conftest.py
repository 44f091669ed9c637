"""All tests speak one language whatever the machine speaks: English, unless ``BULKSEND_TEST_LANG`` names another."""

import os

os.environ["BULKSEND_LANG"] = os.environ.get("BULKSEND_TEST_LANG", "en")
