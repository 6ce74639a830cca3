"""Hierarchies for the tests of `hil pki`, and openssl's opinion of what came out."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from hil.pki.hierarchy import Pki

needs_openssl = pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the openssl command")

SMALL = """
[authorities.root]
[authorities.site]
issuer = "root"
[devices.esp32-a]
issuer = "site"
[devices.esp32-b]
issuer = "site"
"""


def described(folder: Path, text: str = SMALL) -> Pki:
    """The hierarchy of a file with this text."""
    (folder / "pki.toml").write_text(text, encoding="utf-8")
    return Pki.load(folder / "pki.toml")


def openssl(folder: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run openssl in a folder; `variables` are added to its environment."""
    command = ["openssl", *arguments]
    return subprocess.run(command, cwd=folder, env=os.environ | variables, capture_output=True, text=True, timeout=300)


def verdict(anchors: Path, chain: Path, *options: str) -> str:
    """What `openssl verify` says of a chain file, leaf first; 'OK' if it is good."""
    arguments = ["verify", "-CAfile", str(anchors), "-untrusted", str(chain), "-x509_strict", *options, str(chain)]
    done = openssl(chain.parent, *arguments)
    return "OK" if done.returncode == 0 else done.stderr
