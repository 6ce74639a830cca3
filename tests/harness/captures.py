"""Captures made by hand: real TLS and MQTT bytes in TCP segments, as a tcpdump beside the broker would have them."""

from __future__ import annotations

import functools
import ipaddress
import ssl
import struct
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from hil.credentials import Authority, Credentials
from hil.wire import ip, pcap

DEVICE, SERVER, CLOCK = "10.0.0.7", "10.0.0.1", "10.0.0.2"


@functools.cache
def authority() -> Authority:
    return Authority.create()


class Capture:
    """Frames in order. Each `Connection` puts its own in."""

    def __init__(self) -> None:
        self.now = float(int(time.time()) + 60)  # behind the moment from which on its certificates are good
        self.frames: list[tuple[float, bytes]] = []
        self._ports = 40000

    def frame(self, data: bytes) -> None:
        self.now += 0.001
        self.frames.append((self.now, data))

    def connect(self, port: int = 8883, *, opened: bool = True) -> Connection:
        self._ports += 1
        connection = Connection(self, self._ports, port)
        connection.segment("up", ip.SYN)
        if opened:
            connection.segment("down", ip.SYN | ip.ACK)
        return connection

    def datagram(self, source: tuple[str, int], target: tuple[str, int], payload: bytes) -> None:
        header = struct.pack("!HHHH", source[1], target[1], 8 + len(payload), 0)
        self.frame(_ipv4(17, source[0], target[0], header + payload))

    def pcap(self) -> bytes:
        return pcap.write(pcap.LINK_RAW, self.frames)


class Connection:
    """One TCP connection of the device's; each side's bytes go out as segments of at most `size`."""

    def __init__(self, capture: Capture, port: int, server_port: int) -> None:
        self.capture = capture
        self._ends = {"up": (DEVICE, port), "down": (SERVER, server_port)}
        self._next = {"up": 0xFFFFFF00, "down": 1000}  # the first wraps soon

    def segment(self, way: str, flags: int = ip.ACK, payload: bytes = b"", back: int = 0) -> None:
        """One segment; `back`: so many bytes before the next one's place, as one that is sent again."""
        source, target = self._ends[way], self._ends["down" if way == "up" else "up"]
        sequence = (self._next[way] - back) % (1 << 32)
        tcp = struct.pack("!HHIIBBHHH", source[1], target[1], sequence, 0, 5 << 4, flags, 1000, 0, 0)
        self.capture.frame(_ipv4(6, source[0], target[0], tcp + payload))
        if not back:
            self._next[way] = (self._next[way] + len(payload) + bool(flags & (ip.SYN | ip.FIN))) % (1 << 32)

    def say(self, way: str, data: bytes, size: int = 1000) -> Connection:
        for at in range(0, len(data), size):
            self.segment(way, ip.ACK, data[at : at + size])
        return self

    def end(self, way: str, how: str = "fin") -> None:
        self.segment(way, ip.FIN | ip.ACK if how == "fin" else ip.RST)

    def tls(
        self,
        credentials: Credentials | None,
        *,
        trusts: bytes | None = None,
        name: str = "broker.test",
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_2,
        size: int = 1000,
        until: str = "",
    ) -> Connection:
        """A real handshake of OpenSSL with itself, as far as it comes; `until` 'server': to the server's first turn."""
        client = ssl.create_default_context(cadata=(trusts or authority().trust_anchors_pem).decode())
        client.maximum_version = version
        server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        server.load_verify_locations(cadata=authority().trust_anchors_pem.decode())
        server.verify_mode = ssl.CERT_REQUIRED
        identity = authority().issue_server(["broker.test"])
        _load(server, identity.chain_pem + identity.key_pem)
        if credentials is not None:
            _load(client, credentials.chain_pem + credentials.key_pem)
        up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = {
            "up": client.wrap_bio(down, up, server_hostname=name),
            "down": server.wrap_bio(up_at_server := ssl.MemoryBIO(), down_from := ssl.MemoryBIO(), server_side=True),
        }
        done: dict[str, bool] = {}
        for _ in range(8):
            for way, out, peer in (("up", up, up_at_server), ("down", down_from, down)):
                done[way] = done.get(way, False) or _step(ends[way])
                if data := out.read():
                    self.say(way, data, size)
                    peer.write(data)
            if until == "server":
                break
        return self


def _step(side: ssl.SSLObject) -> bool:
    """One go at the handshake; whether it is over, one way or the other."""
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True


def _load(context: ssl.SSLContext, pem: bytes) -> None:
    with tempfile.NamedTemporaryFile(suffix=".pem") as file:
        Path(file.name).write_bytes(pem)
        context.load_cert_chain(file.name)


def _ipv4(protocol: int, source: str, target: str, payload: bytes) -> bytes:
    addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(target).packed
    return struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(payload), 0, 0, 64, protocol, 0) + addresses + payload


#: Ways in which the same IP packet is framed: link type, and a function from packet to frame.
FRAMINGS: dict[str, tuple[int, Callable[[bytes], bytes]]] = {
    "raw": (pcap.LINK_RAW, bytes),
    "ethernet": (pcap.LINK_ETHERNET, lambda data: bytes(12) + b"\x08\x00" + data),
    "vlan": (pcap.LINK_ETHERNET, lambda data: bytes(12) + b"\x81\x00\x00\x05\x08\x00" + data),
    "cooked": (pcap.LINK_LINUX_SLL, lambda data: bytes(14) + b"\x08\x00" + data),
    "cooked2": (pcap.LINK_LINUX_SLL2, lambda data: b"\x08\x00" + bytes(18) + data),
    "loopback": (pcap.LINK_NULL, lambda data: b"\x02\x00\x00\x00" + data),
}


def pcapng(link: int, frames: list[tuple[float, bytes]], order: str = "<", resolution: int = 9) -> bytes:
    """The frames as pcapng, with times in 10 to the -`resolution` seconds."""

    def block(kind: int, body: bytes) -> bytes:
        body += bytes(-len(body) % 4)
        length = struct.pack(f"{order}I", 12 + len(body))
        return struct.pack(f"{order}I", kind) + length + body + length

    out = block(0x0A0D0D0A, struct.pack(f"{order}IHHq", 0x1A2B3C4D, 1, 0, -1))
    option = struct.pack(f"{order}HHB3xHH", 9, 1, resolution, 0, 0)
    out += block(1, struct.pack(f"{order}HHI", link, 0, 0) + option)
    for moment, data in frames:
        ticks = round(moment * 10**resolution)
        head = struct.pack(f"{order}IIIII", 0, ticks >> 32, ticks & 0xFFFFFFFF, len(data), len(data))
        out += block(6, head + data) + block(5, bytes(8))
    return out
