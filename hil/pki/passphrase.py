"""Where the passphrases of keys come from: the environment, or a question on the terminal. Never an argument."""

from __future__ import annotations

import getpass
import os
import sys
from collections.abc import Callable

from hil.credentials.identity import CredentialsError
from hil.pki.description import Passphrase

#: OpenSSL's own prompt refuses fewer.
SHORTEST = 4


class Passphrases:
    """Fetches each passphrase once, when it is first needed, and keeps it in memory only."""

    def __init__(self, ask: Callable[[str], str] | None = None) -> None:
        self._ask = ask or _ask
        self._known: dict[str, bytes] = {}

    def get(self, source: Passphrase | None, name: str, *, new: bool = False) -> bytes | None:
        """The passphrase of the key of `name`; None where there is none. `new`: a prompt asks twice.

        Raises CredentialsError, which names the variable, never its value.
        """
        if source is None:
            return None
        place = source.env or f"prompt {name}"
        if place not in self._known:
            self._known[place] = self._fetch(source, name, new)
        return self._known[place]

    def _fetch(self, source: Passphrase, name: str, new: bool) -> bytes:
        if source.env is not None:
            found = os.environ.get(source.env, "")
            if not found:
                raise CredentialsError(
                    f"passphrase of {name}: the environment variable {source.env} is not set; export it first"
                )
        else:
            found = self._ask(f"Passphrase of {name}: ")
            if new and self._ask(f"The same again, for {name}: ") != found:
                raise CredentialsError(f"passphrase of {name}: the two are not the same; nothing was written")
        if len(found) < SHORTEST:
            raise CredentialsError(f"passphrase of {name}: expected at least {SHORTEST} characters")
        return found.encode()


def _ask(question: str) -> str:
    if not sys.stdin.isatty():
        raise CredentialsError(f"{question.rstrip(': ')}: no terminal to ask on; name an environment variable instead")
    try:
        return getpass.getpass(question)
    except EOFError:
        raise CredentialsError(f"{question.rstrip(': ')}: no answer") from None
