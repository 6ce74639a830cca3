"""MQTT 3.1.1 and MQTT 5 without any input or output: bytes in, packets out, and back.

    decoder = Decoder()                          # the device's side: the version is learnt from its CONNECT
    for packet, raw in decoder.feed(data): ...
    answers = Decoder(version=decoder.version)   # the broker's side has to be told
    socket.sendall(encode(Connack(), Version.V311))

Sources: OASIS 'MQTT Version 3.1.1' (29 October 2014) and 'MQTT Version 5.0' (7 March 2019). Ids in brackets, such as
[MQTT-3.1.2-3], are the numbered statements of these documents.
"""

from __future__ import annotations

from hil.wire.mqtt.codes import connack_code
from hil.wire.mqtt.decode import decode
from hil.wire.mqtt.decoder import Decoder
from hil.wire.mqtt.encode import encode
from hil.wire.mqtt.errors import ProtocolError
from hil.wire.mqtt.packets import (
    Auth,
    Connack,
    Connect,
    Disconnect,
    Packet,
    Pingreq,
    Pingresp,
    Properties,
    Puback,
    Pubcomp,
    Publish,
    Pubrec,
    Pubrel,
    Suback,
    Subscribe,
    Subscription,
    Unsuback,
    Unsubscribe,
    Version,
    Will,
)
from hil.wire.mqtt.splitter import MAX_PACKET, Splitter
from hil.wire.mqtt.topics import check_filter, check_name, topic_matches

__all__ = [
    "MAX_PACKET",
    "Auth",
    "Connack",
    "Connect",
    "Decoder",
    "Disconnect",
    "Packet",
    "Pingreq",
    "Pingresp",
    "Properties",
    "ProtocolError",
    "Puback",
    "Pubcomp",
    "Publish",
    "Pubrec",
    "Pubrel",
    "Splitter",
    "Suback",
    "Subscribe",
    "Subscription",
    "Unsuback",
    "Unsubscribe",
    "Version",
    "Will",
    "check_filter",
    "check_name",
    "connack_code",
    "decode",
    "encode",
    "topic_matches",
]
