"""Who keeps the firmware from running while a board is provisioned: methods that work in its flash, and they alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any, cast

import pytest

from hil.bench import Bench
from hil.provision import Applied, Setting
from hil.provision.recorded import Recorded
from hil.provision.several import Several
from hil.timeline import Timeline


class Sessions:
    """A flasher's sessions: how many are open."""

    open = 0

    @contextmanager
    def __call__(self) -> Iterator[None]:
        self.open += 1
        yield
        self.open -= 1


class Method:
    """Notes how many sessions are open around it."""

    name = "noting"

    def __init__(self, sessions: Sessions, in_flash: bool) -> None:
        self.sessions, self.in_flash, self.seen = sessions, in_flash, -1

    def apply(self, values: Mapping[str, Setting]) -> Applied:
        self.seen = self.sessions.open
        return Applied(0, 0, 0)


@pytest.mark.parametrize("in_flash", [True, False])
def test_a_method_in_the_flash_has_a_session_and_no_other(in_flash: bool) -> None:
    sessions = Sessions()
    method = Method(sessions, in_flash)
    provisioner = Recorded(method, Timeline(), "a", sessions)
    assert provisioner.in_flash is in_flash
    provisioner.provision({})
    assert method.seen == in_flash


@pytest.mark.parametrize(
    ("kinds", "seen"), [((True, True), [2, 2]), ((True, False), [1, 0]), ((False, False), [0, 0])]
)  # the session of them all, and that of each
def test_several_share_a_session_if_none_needs_the_firmware(kinds: tuple[bool, ...], seen: list[int]) -> None:
    sessions = Sessions()
    methods = [Method(sessions, kind) for kind in kinds]
    provisioner = Several(
        [({str(n)}, Recorded(method, Timeline(), "a", sessions)) for n, method in enumerate(methods)], sessions
    )
    assert provisioner.in_flash is all(kinds)
    provisioner.provision({})
    assert [method.seen for method in methods] == seen


@pytest.mark.parametrize(
    ("provisioner", "seen"),
    [(None, [1, 1]), (SimpleNamespace(in_flash=True), [1, 1]), (SimpleNamespace(in_flash=False), [0, 0])],
)
def test_flashing_and_provisioning_share_a_session_if_the_firmware_may_rest(provisioner: Any, seen: list[int]) -> None:
    sessions, noted = Sessions(), []
    board = SimpleNamespace(
        flashed=False,
        as_agreed=False,
        provisioner=provisioner,
        contract=SimpleNamespace(settings_in_firmware=False),
        flasher=SimpleNamespace(session=sessions),
        power_on=lambda: None,
        flash=lambda: noted.append(sessions.open),
        provision=lambda: noted.append(sessions.open),
    )
    Bench._write(cast(Bench, None), cast(Any, board))
    assert noted == seen


@pytest.mark.parametrize(("as_agreed", "done"), [(False, ["provision"]), (True, ["flash"])])
def test_firmware_with_its_settings_built_in_is_flashed_once(as_agreed: bool, done: list[str]) -> None:
    noted: list[str] = []
    board = SimpleNamespace(
        flashed=False,
        as_agreed=as_agreed,
        provisioner=SimpleNamespace(in_flash=False),
        contract=SimpleNamespace(settings_in_firmware=True),
        power_on=lambda: None,
        flash=lambda: noted.append("flash"),
        provision=lambda: noted.append("provision"),
    )
    Bench._write(cast(Bench, None), cast(Any, board))
    assert noted == done
