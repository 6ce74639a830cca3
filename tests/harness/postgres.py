"""A PostgreSQL server of a test's own, which can be stopped, and started again."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import create_engine

from hil.history.place import Place, parse

POSTGRES = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None)
"""Debian's place for the server's programs; those of the newest version."""


class Postgres:
    """It listens on a socket file alone. Skips the test where there is no server, or no client."""

    def __init__(self) -> None:
        if POSTGRES is None:
            pytest.skip("PostgreSQL's server is not installed (Debian: postgresql)")
        pytest.importorskip("psycopg")
        # A socket's path may have 107 characters, and the server refuses to run as root.
        self._folder = Path(tempfile.mkdtemp(prefix="hil-pg-", dir="/tmp"))
        if os.getuid() == 0:
            shutil.chown(self._folder, "nobody")
        self._run("initdb", "-D", self._folder / "data", "-A", "trust", "-U", "hil", "--no-sync")
        self.start()

    def _run(self, program: str, *arguments: Any) -> None:
        user: dict[str, Any] = {"user": "nobody"} if os.getuid() == 0 else {}
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        assert POSTGRES is not None
        subprocess.run([POSTGRES / program, *arguments], cwd=self._folder, check=True, **quiet, **user)

    def start(self) -> None:
        """Returns when it answers."""
        settings = f"-c listen_addresses= -c unix_socket_directories={self._folder} -c fsync=off"
        self._run("pg_ctl", "-D", self._folder / "data", "-w", "-t", "60", "-o", settings, "start")

    def stop(self) -> None:
        """At once, whoever is connected."""
        self._run("pg_ctl", "-D", self._folder / "data", "-w", "-m", "immediate", "stop")

    def place(self, name: str, password: str = "") -> Place:
        """Where a history of this name is, or would be."""
        secret = f":{password}" if password else ""
        return parse(f"postgresql://hil{secret}@/{name}?host={self._folder}", "HIL_HISTORY", Path("/"))

    def new(self, name: str) -> Place:
        """An empty database."""
        engine = create_engine(self.place("postgres").url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        engine.dispose()
        return self.place(name)

    def remove(self) -> None:
        """All of it is gone."""
        if (self._folder / "data" / "postmaster.pid").exists():
            self.stop()
        shutil.rmtree(self._folder)
