"""The tests of the harness itself."""

from __future__ import annotations

import signal

from hypothesis import HealthCheck, settings

# Started in the background by a shell without job control, a process ignores SIGINT, and so do its children: the tests
# that interrupt something would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# How long an example takes says nothing on a busy machine.
settings.register_profile("shared-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared-machine")
