"""What comes over a serial line in SLIP frames, and the loader's packets in them.

An input is a byte of plan and a stream. What must hold: the frames are the same however the stream is cut, none is
longer than allowed; a packet is understood or BadPacket is raised, and encodes to the very bytes it came from.
"""

from __future__ import annotations

from typing import Final

from hil.wire import esp_loader, slip

SHORT = 0x08  # frames of at most 16 bytes


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if not data:
        return
    plan, stream = data[0], data[1:]
    most = 16 if plan & SHORT else 4096
    frames = slip.Decoder(most).feed(stream)
    piecewise = slip.Decoder(most)
    size = 1 + plan % 8
    pieces = [stream[at : at + size] for at in range(0, len(stream), size)]
    assert [frame for piece in pieces for frame in piecewise.feed(piece)] == frames, "it matters where it is cut"
    for frame in frames:
        assert 0 < len(frame) <= most
        assert slip.Decoder(3 * most).feed(slip.encode(frame)) == [frame]
        check(frame)
    check(stream)


def check(packet: bytes) -> None:
    """That a request or a reply encodes to what it came from."""
    for kind in (esp_loader.Request, esp_loader.Reply):
        try:
            found = kind.decode(packet)
        except esp_loader.BadPacket:
            continue
        assert found.encode() == packet, "it encodes to other bytes"
        assert 0 <= esp_loader.checksum(found.data) <= 0xFF


def seeds() -> list[bytes]:
    """Requests and replies, alone and in frames."""
    packets = [
        esp_loader.Request(esp_loader.Command.SYNC, esp_loader.SYNC_PATTERN).encode(),
        esp_loader.Request(esp_loader.Command.MEM_DATA, b"\xc0\xdb\0\1", 5).encode(),
        esp_loader.Reply(esp_loader.Command.READ_REG, 0x00F01D83, bytes(4)).encode(),
    ]
    framed = [bytes((i,)) + b"boot\r\n" + slip.encode(p) for i, p in enumerate(packets)]
    lengths = bytes((SHORT,)) + b"".join(slip.encode(bytes(size)) for size in (15, 16, 17, 33, 4))
    return [*(b"\0" + p for p in packets), *framed, lengths]


WORDS: Final = (b"\xc0", b"\xdb\xdc", b"\xdb\xdd", b"OHAI", b"\xc0\xc0")
