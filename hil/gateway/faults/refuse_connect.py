"""Connections are accepted by the host's TCP and then not served."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from hil.gateway.faults.fault import Admission, Fault


@dataclass(frozen=True)
class RefuseConnect(Fault):
    """Refuse connects in one of three ways.

    `how`: 'reset' answers with RST, as a closed port or a full broker does; 'fin' closes politely; 'no-answer' holds
    the connection open and never says a word, until the device gives up or the fault is cleared.
    """

    name: ClassVar[str] = "refuse-connect"
    how: Admission = "reset"

    def __post_init__(self) -> None:
        self.expect_one_of("how", Admission)

    def admit(self) -> Admission | None:
        return self.how
