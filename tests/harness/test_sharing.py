"""A real board's tests stay in one worker, with those of whoever is on its outlet; a virtual board's are shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import rig as rigs
from hil.sharing import copied, groups, lanes, refusal

ALONE = {"a": "a", "b": "b"}
CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"


def rig_of(folder: Path, *boards: str, before: str = "") -> rigs.Rig:
    """A rig with boards a, b, c..., each described by the words given."""
    text = f'name = "shared"\n{before}\n'
    for name, words in zip("abcdef", boards, strict=False):
        text += f'[boards.{name}]\ncontract = "{CONTRACT}"\nwifi = {{ ssid = "x" }}\n{words}\n'
    file = folder / "rig.toml"
    file.write_text(text)
    return rigs.load(file)


def real(port: int, power: str) -> str:
    return f'port = "/dev/serial/by-id/usb-{port}"\npower = {power}'


def test_virtual_boards_are_shared_among_the_workers() -> None:
    tests = ["a", "b"] * 4
    shared = groups(tests, ALONE, frozenset("ab"), 4)
    assert shared == ["a/1", "b/1", "a/2", "b/2"] * 2


def test_a_real_board_goes_to_one_worker() -> None:
    assert groups(["a", "b", "a"], ALONE, frozenset("b"), 8) == ["a", "b/1", "a"]


def test_with_fewer_workers_than_boards_nothing_is_shared() -> None:
    assert groups(["a", "b", "a"], ALONE, frozenset("ab"), 1) == ["a/1", "b/1", "a/1"]
    assert groups([], {}, frozenset(), 4) == []


def test_boards_on_one_outlet_go_to_one_worker(tmp_path: Path) -> None:
    rig = rig_of(
        tmp_path,
        real(1, '{ kind = "uhubctl", location = "1-1", port = 2 }'),
        real(2, '{ kind = "uhubctl", location = "1-1", port = 2, timeout = 30 }'),
        real(3, '{ kind = "uhubctl", location = "1-1", port = 3 }'),
        real(4, '{ kind = "none" }'),
        real(5, '{ kind = "none" }'),
        'virtual = "esp32"',
    )
    names = list("abcdef")
    found = lanes(rig, names)
    assert found == {"a": "a", "b": "a", "c": "c", "d": "d", "e": "e", "f": "f"}
    assert copied(rig) == {"f"}
    assert groups(names, found, copied(rig), 4) == ["a", "a", "c", "d", "e", "f/1"]


@pytest.mark.parametrize("fixed", ["[gateway]\nfirst_port = 18883", "[time_server]\nport = 1123"])
def test_a_virtual_board_with_a_fixed_port_is_one(tmp_path: Path, fixed: str) -> None:
    rig = rig_of(tmp_path, 'virtual = "esp32"', before=fixed)
    assert copied(rig) == frozenset()


def test_one_port_for_the_time_is_one_worker_for_all(tmp_path: Path) -> None:
    words = [real(1, '{ kind = "none" }'), real(2, '{ kind = "none" }'), 'virtual = "esp32"']
    rig = rig_of(tmp_path, *words, before="[time_server]\nport = 1123")
    assert lanes(rig, ["b", "a", "c"]) == {"b": "b", "a": "b", "c": "b"}
    assert lanes(rig, []) == {}


@pytest.mark.parametrize(
    ("broker", "shared"),
    [
        ('kind = "auto"', False),
        ('kind = "mosquitto"\nshared = true', True),
        ('kind = "external"\nhost = "broker.example"', True),
    ],
)
def test_on_one_broker_there_are_no_copies(tmp_path: Path, broker: str, shared: bool) -> None:
    rig = rig_of(tmp_path, 'virtual = "esp32"', before=f"[broker]\n{broker}")
    assert copied(rig) == (frozenset() if shared else frozenset("a"))


def test_other_ways_of_sharing_are_refused_for_boards_that_are_one() -> None:
    assert refusal("loadgroup", ["a"], frozenset()) is None
    assert refusal("loadfile", ["a"], frozenset("a")) is None
    said = refusal("loadfile", ["a", "b"], frozenset("a"))
    assert said is not None
    assert "found --dist loadfile" in said
    assert "board b" in said
