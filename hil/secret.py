"""Secrets are never in a file: it names the environment variables that hold them."""

from __future__ import annotations

import os

from hil.toml import Strict


class MissingSecret(Exception):
    """An environment variable that a rig names is not set. The message says which and for what."""


class Secret(Strict):
    """The name of the environment variable that holds a secret."""

    env: str

    def value(self, purpose: str) -> str:
        """The secret itself. Raises MissingSecret."""
        found = os.environ.get(self.env)
        if not found:
            raise MissingSecret(f"{purpose}: the environment variable {self.env} is not set; export it before the run")
        return found
