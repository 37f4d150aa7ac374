"""What the host must have for a test."""

import os

import pytest

# Lets root's host be one that cannot run every test.
ALLOWS_SKIPS = "LAMBDALAB_ALLOW_SKIPS"


def lacks(reason):
    """Skips the test for what this host lacks. Root's host is to have it all, or to be said not to."""
    if os.geteuid() == 0 and not os.environ.get(ALLOWS_SKIPS):
        pytest.fail(f"{reason}: as root that is a failure, unless {ALLOWS_SKIPS}=1", pytrace=False)
    pytest.skip(reason)
