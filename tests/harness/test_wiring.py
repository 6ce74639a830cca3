"""Sequences of modem lines, and each of them on each kind of wiring: what fits works, and what does not fails as it
does in reality."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.flash.esptool_environment import configuration, environment
from hil.ports import UsbPort
from hil.virtual import wiring as circuits
from hil.virtual.host import Cause
from hil.virtual.wiring import Restart
from hil.wiring import (
    ARDUINO,
    INVERTED,
    NONE,
    USB_OTG,
    USB_SERIAL_JTAG,
    USB_UART,
    BadSequence,
    Lines,
    Sequence,
    Wait,
    Wiring,
    custom,
)
from hil.wiring.choosing import Bridge, Custom, Plain, misfit, seen, wiring_of
from hil.wiring.kinds import HAS_USB

# -- the notation ------------------------------------------------------------------------------------------------------


def test_a_sequence_is_read_and_written() -> None:
    sequence = Sequence.parse(" D0 | R1|W0.1 |U1, 0|W.05||D0| ")
    assert sequence.steps == (
        Lines(dtr=False),
        Lines(rts=True),
        Wait(0.1),
        Lines(True, False),
        Wait(0.05),
        Lines(dtr=False),
    )
    assert str(sequence) == "D0|R1|W0.1|U1,0|W0.05|D0"


steps = st.one_of(
    st.builds(Lines, st.booleans(), st.booleans()),
    st.builds(lambda dtr: Lines(dtr=dtr), st.booleans()),
    st.builds(lambda rts: Lines(rts=rts), st.booleans()),
    st.builds(Wait, st.sampled_from([0.05, 0.1, 2.0])),
)


@given(st.lists(steps, min_size=1).filter(lambda found: any(isinstance(step, Lines) for step in found)))
def test_what_is_written_is_read_again_and_inverting_twice_changes_nothing(found: list[Lines | Wait]) -> None:
    sequence = Sequence(tuple(found))
    assert Sequence.parse(str(sequence)) == sequence
    assert sequence.inverted().inverted() == sequence
    assert final(sequence.apart()) == final(sequence)
    assert all(isinstance(step, Wait) or None in (step.dtr, step.rts) for step in sequence.apart())


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected steps as in 'D0|R1|W0.1|D1|R0|W0.05|D0'"),
        ("W1", "expected steps as in"),
        ("D0|R2", "found step 'R2', expected D0, D1, R0, R1"),
        ("D10", "found step 'D10'"),
        ("U1", "found step 'U1'"),
        ("R1|W-1", "found step 'W-1'"),
        ("R1|W90", "found step 'W90', expected at most 60 seconds"),
    ],
)
def test_what_is_no_sequence_is_named(text: str, words: str) -> None:
    with pytest.raises(BadSequence) as caught:
        Sequence.parse(text)
    assert words in str(caught.value)


def final(sequence: Sequence) -> tuple[bool, bool]:
    """The lines at the end."""
    return ([(False, False), *states(sequence)])[-1]


def states(sequence: Sequence) -> list[tuple[bool, bool]]:
    """The lines after each step."""
    dtr = rts = False
    found = []
    for step in sequence:
        if isinstance(step, Lines):
            dtr = dtr if step.dtr is None else step.dtr
            rts = rts if step.rts is None else step.rts
            found.append((dtr, rts))
    return found


@pytest.mark.parametrize("wiring", [USB_UART, USB_SERIAL_JTAG, USB_OTG, ARDUINO])
def test_every_sequence_leaves_both_lines_released(wiring: Wiring) -> None:
    for sequence in (wiring.hard, wiring.download):
        assert sequence is None or final(sequence) == (False, False)


# -- each sequence on each wiring --------------------------------------------------------------------------------------


def outcome(kind: str, chip: str, sequence: Sequence, mode: str = "run") -> str:
    """Where a chip in `mode` is after a sequence: 'untouched', 'run' or 'download' after a reset, held in 'reset'."""
    circuit = circuits.make(kind, chip)
    told = "untouched"
    for dtr, rts in states(sequence):
        was_held = circuit.held
        restart = circuit.lines(dtr, rts, mode)
        if restart is not None:
            mode = told = "download" if restart.download else "run"
        if circuit.held:
            mode = told = "reset"
        elif was_held or mode == "reset":
            # EN rises slowly: a state that is passed on the way to the next does not count.
            mode = "reset" if circuit.settling else "download" if circuit.strap else "run"
            told = mode
    return told


CHIPS = {
    "usb-uart": "esp32",
    "usb-uart-inverted": "esp32",
    "usb-serial-jtag": "esp32c3",
    "usb-otg": "esp32s2",
    "none": "esp32",
}
FITTING = {
    "usb-uart": USB_UART,
    "usb-uart-inverted": INVERTED,
    "usb-serial-jtag": USB_SERIAL_JTAG,
    "usb-otg": USB_OTG,
}


@pytest.mark.parametrize("sequence", FITTING)
@pytest.mark.parametrize("kind", CHIPS)
def test_only_the_fitting_sequence_starts_the_loader(kind: str, sequence: str) -> None:
    download = FITTING[sequence].download
    assert download is not None
    ends = outcome(kind, CHIPS[kind], download)
    # By their tables two more come there: the order of USB-OTG's sequence is the bridge's, too (it only does not wait
    # for a capacitor), and the inverted one sets USB-Serial/JTAG's flag before it resets.
    fits = kind == sequence or (kind, sequence) in (("usb-uart", "usb-otg"), ("usb-serial-jtag", "usb-uart-inverted"))
    assert (ends == "download") == fits, ends


@pytest.mark.parametrize("kind", ["usb-uart", "usb-uart-inverted"])
def test_a_bridge_bears_one_line_after_the_other(kind: str) -> None:
    wiring = FITTING[kind]
    assert wiring.download is not None
    assert wiring.hard is not None
    assert outcome(kind, "esp32", wiring.download.apart()) == "download"
    assert outcome(kind, "esp32", wiring.hard.apart()) == "run"


@pytest.mark.parametrize("kind", FITTING)
def test_the_fitting_hard_reset_ends_in_the_firmware(kind: str) -> None:
    hard = FITTING[kind].hard
    assert hard is not None
    assert outcome(kind, CHIPS[kind], hard) == "run"
    assert outcome(kind, CHIPS[kind], hard, mode="download") == "run"


def test_a_pulse_of_rts_does_not_restart_a_firmware_behind_usb_otg() -> None:
    assert USB_UART.hard is not None
    assert outcome("usb-otg", "esp32s2", USB_UART.hard) == "untouched"


def test_nothing_reaches_a_chip_that_is_not_wired() -> None:
    for wiring in FITTING.values():
        for sequence in (wiring.hard, wiring.download):
            assert sequence is not None
            assert outcome("none", "esp32", sequence) == "untouched"


def test_usb_serial_jtag_resets_the_core_by_an_edge() -> None:
    circuit = circuits.make("usb-serial-jtag", "esp32c6")
    assert circuit.lines(False, True, "run") == Restart(Cause.USB, download=False)
    assert circuit.lines(False, True, "run") is None  # the same again
    assert circuit.lines(False, False, "run") is None
    assert circuit.lines(True, False, "run") is None
    assert circuit.lines(True, True, "run") is None
    assert circuit.lines(False, True, "run") == Restart(Cause.USB, download=True)
    assert circuit.lines(False, True, "off") is None


def test_the_touch_is_for_a_firmware_with_usb_of_its_own() -> None:
    otg = circuits.make("usb-otg", "esp32s3")
    assert otg.rate(1200, "run") == Restart(Cause.SOFTWARE, download=True)
    assert otg.rate(1200, "download") is None
    assert otg.rate(115200, "run") is None
    for kind in ("usb-uart", "usb-serial-jtag", "none"):
        assert circuits.make(kind, "esp32s3").rate(1200, "run") is None


def test_a_chip_without_such_a_port_is_refused() -> None:
    with pytest.raises(ValueError, match="esp32c3 has no usb-otg port; those that have one: esp32s2, esp32s3, esp32p4"):
        circuits.make("usb-otg", "esp32c3")


# -- what a rig means --------------------------------------------------------------------------------------------------


def test_what_a_rig_says() -> None:
    assert wiring_of(Plain(kind="usb-serial-jtag")) is USB_SERIAL_JTAG
    assert wiring_of(Plain(kind="none")) is NONE
    assert wiring_of(Bridge(kind="usb-uart")) is USB_UART
    assert wiring_of(Bridge(kind="usb-uart", inverted=True)) is INVERTED
    own = wiring_of(Custom(kind="custom", download="D1|R1|W0.2|R0|W0.1|D0"))
    assert (str(own.download), str(own.hard)) == ("D1|R1|W0.2|R0|W0.1|D0", "R1|W0.1|R0")


def test_what_a_port_is_seen_to_be() -> None:
    for vid, pid, wiring in (
        (0x10C4, 0xEA60, USB_UART),
        (0x303A, 0x1001, USB_SERIAL_JTAG),
        (0x303A, 0x0002, USB_OTG),
        (0x303A, 0x4001, USB_OTG),
        (0xDEAD, 0xBEEF, USB_UART),
    ):
        assert seen(UsbPort("/dev/ttyX", vid=vid, pid=pid)) is wiring
    assert seen(None) is USB_UART


def test_a_chip_that_cannot_be_wired_so() -> None:
    assert misfit("reset", "usb-serial-jtag", "esp32") == (
        'found reset "usb-serial-jtag" on an esp32, which has no such port of its own; expected "usb-uart"'
    )
    told = misfit("wiring", "usb-otg", "esp32c3")
    assert told is not None
    assert told.endswith('expected "usb-uart" or "usb-serial-jtag"')
    assert misfit("wiring", "usb-otg", "esp32s2") is None
    assert misfit("wiring", "usb-otg", "auto") is None
    assert misfit("reset", "custom", "esp8266") is None


def test_virtual_and_real_wirings_know_the_same_chips() -> None:
    for kind, chips in circuits._OF_CHIPS.items():
        assert set(chips) <= HAS_USB[kind]


# -- what esptool is given ---------------------------------------------------------------------------------------------


def test_esptool_has_sequences_that_it_does_not_know_in_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ESPTOOL_CFGFILE", raising=False)
    with environment(custom("D1|R1|W0.2|R0|W0.1|D0", "U1,0|W0.3|U0,0")) as variables:
        file = Path(variables["ESPTOOL_CFGFILE"])
        assert file.read_text().splitlines() == [
            "[esptool]",
            "custom_reset_sequence = D1|R1|W0.2|R0|W0.1|D0",
            "custom_hard_reset_sequence = D1|R0|W0.3|D0|R0",
        ]
    assert not file.exists()
    with environment(USB_UART) as variables:
        assert "ESPTOOL_CFGFILE" not in variables
        assert variables["PATH"] == os.environ["PATH"]
    assert "custom_reset_sequence = D1|R0|W0.1|D0|R1|W0.05|D1|R1" in configuration(INVERTED)
