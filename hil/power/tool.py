"""A tool that works a switch: run as a process, with its faults in one line. Secrets never go into its arguments."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hil.power import PowerError
from hil.process import Finished, run


def run_tool(
    command: Sequence[str], *, timeout: float, install: str, stuck: str, env: Mapping[str, str] | None = None
) -> Finished:
    """Run `command` to its end. Raises PowerError if it is missing (cure: `install`) or hangs (cure: `stuck`)."""
    try:
        done = run(command, timeout=timeout, env=env)
    except FileNotFoundError:
        raise PowerError(f"{command[0]} is not installed; {install}") from None
    except PermissionError:
        raise PowerError(f"{command[0]} may not be run by this user; see its mode with ls -l") from None
    if done.ended != "exit":
        raise PowerError(f"`{' '.join(command)}` was not done after {timeout:g} s and has been ended; {stuck}")
    return done


def failed(command: Sequence[str], done: Finished) -> PowerError:
    """The error for a tool that ended otherwise than it should, with its own last words."""
    return PowerError(f"`{' '.join(command)}` exited with {done.code}: {done.last_words}; run it by hand")
