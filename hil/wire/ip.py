"""TCP segments and UDP datagrams out of captured frames. Bytes in, values out.

Link layers: Ethernet with VLAN tags (IEEE 802.3, 802.1Q), Linux 'cooked' captures, BSD loopback, none. IPv4 (RFC 791)
and IPv6 (RFC 8200) with its extension headers; TCP is RFC 9293, UDP RFC 768. Fragments are passed over: TCP over
Ethernet makes none.
"""

from __future__ import annotations

import ipaddress
import struct
from dataclasses import dataclass
from typing import Final

from hil.wire import pcap

TCP: Final = 6
UDP: Final = 17

FIN, SYN, RST, ACK = 0x01, 0x02, 0x04, 0x10

_IPV4, _IPV6 = 0x0800, 0x86DD
_VLANS: Final = (0x8100, 0x88A8)
_EXTENSIONS: Final = (0, 43, 60)  # hop-by-hop, routing, destination options


@dataclass(frozen=True, slots=True)
class Packet:
    """A TCP segment or a UDP datagram. `payload_at`: where its payload begins in `data`, the IP packet.

    `missing`: bytes of its payload that the capture did not keep. `sequence` and `flags` are 0 in a datagram.
    """

    protocol: int
    source: tuple[str, int]
    target: tuple[str, int]
    sequence: int
    flags: int
    data: bytes
    payload_at: int
    missing: int = 0

    @property
    def payload(self) -> bytes:
        return self.data[self.payload_at :]


def parse(frame: pcap.Frame) -> Packet | None:
    """The packet that a frame carries; None for anything that is neither TCP nor UDP over IP, or is too short."""
    try:
        data = _network(frame)
        if not data:
            return None
        return _ipv4(data) if data[0] >> 4 == 4 else _ipv6(data) if data[0] >> 4 == 6 else None
    except (struct.error, IndexError, ValueError):
        return None


def _network(frame: pcap.Frame) -> bytes:
    """From the IP header on; empty where there is none."""
    data, link = frame.data, frame.link
    if link in (pcap.LINK_RAW, pcap.LINK_IPV4, pcap.LINK_IPV6):
        return data
    if link == pcap.LINK_NULL:
        return data[4:]
    if link == pcap.LINK_LINUX_SLL2:
        return data[20:] if _is_ip(data, 0) else b""
    if link == pcap.LINK_LINUX_SLL:
        return data[16:] if _is_ip(data, 14) else b""
    if link != pcap.LINK_ETHERNET:
        return b""
    at = 12
    while struct.unpack_from("!H", data, at)[0] in _VLANS:
        at += 4
    return data[at + 2 :] if _is_ip(data, at) else b""


def _is_ip(data: bytes, at: int) -> bool:
    return struct.unpack_from("!H", data, at)[0] in (_IPV4, _IPV6)


def _ipv4(data: bytes) -> Packet | None:
    header = (data[0] & 0x0F) * 4
    (total,) = struct.unpack_from("!H", data, 2)
    fragment = struct.unpack_from("!H", data, 6)[0] & 0x3FFF
    if header < 20 or fragment:
        return None
    source, target = (".".join(map(str, data[at : at + 4])) for at in (12, 16))
    whole = total or len(data)  # 0 where the network card cuts the segments itself
    return _transport(data[9], data[:whole], header, source, target, max(0, whole - len(data)))


def _ipv6(data: bytes) -> Packet | None:
    (length,) = struct.unpack_from("!H", data, 4)
    protocol, at = data[6], 40
    source, target = (str(ipaddress.IPv6Address(data[start : start + 16])) for start in (8, 24))
    while protocol in _EXTENSIONS:
        protocol, at = data[at], at + (data[at + 1] + 1) * 8
    whole = 40 + length if length else len(data)
    return _transport(protocol, data[:whole], at, source, target, max(0, whole - len(data)))


def _transport(protocol: int, data: bytes, at: int, source: str, target: str, missing: int) -> Packet | None:
    if protocol not in (TCP, UDP):
        return None
    from_port, to_port = struct.unpack_from("!HH", data, at)
    ends = (source, from_port), (target, to_port)
    if protocol == UDP:
        return Packet(UDP, *ends, 0, 0, data, at + 8, missing)
    (sequence,) = struct.unpack_from("!I", data, at + 4)
    offset, flags = data[at + 12] >> 4, data[at + 13]
    return Packet(TCP, *ends, sequence, flags, data, at + offset * 4, missing)
