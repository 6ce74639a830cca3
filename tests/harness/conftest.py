"""The tests of the harness itself."""

from __future__ import annotations

import signal

# Started in the background by a shell without job control, a process ignores SIGINT, and so do its children: the tests
# that interrupt something would wait for ever.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
