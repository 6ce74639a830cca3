"""The harness writes SPIFFS, the virtual board's firmware reads it; their code shares nothing."""

from __future__ import annotations

import random

import pytest

from hil.virtual.firmware.spiffs import read_file

spiffs = pytest.importorskip("hil.wire.spiffs")

SIZES = (0, 1, 250, 251, 252, 1500, 8000, 26000)
NAMES = [f"/certs/file{number}.pem" for number in range(6)]


def test_the_firmware_reads_what_was_merged() -> None:
    dice = random.Random(1)
    image, model = b"\xff" * 4096 * 40, dict[str, bytes]()
    full = 0
    for turn in range(120):
        changes = {name: dice.choice((None, dice.randbytes(dice.choice(SIZES)))) for name in dice.sample(NAMES, 2)}
        try:
            image = spiffs.merge(image, changes)
        except spiffs.SpiffsFull:
            full += 1
        else:
            model |= {name: content for name, content in changes.items() if content is not None}
            model = {name: content for name, content in model.items() if changes.get(name, b"") is not None}
        assert {name: read_file(image, name) for name in NAMES} == {name: model.get(name) for name in NAMES}, turn
    assert full < 60
