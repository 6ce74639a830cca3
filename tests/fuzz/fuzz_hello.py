"""The hellos of a TLS handshake, as the gateway reads them from whoever connects.

An input is a byte of plan and a message. The plan says which message, and whether its outer length is mended first.

What must hold: nothing but ValueError is raised; a message that was understood is none any more without its last byte;
what is told of it is text that a line can hold, and goes into JSON.
"""

from __future__ import annotations

import contextlib
import json
import ssl
from typing import Final

from hil.gateway.tls.hello import ClientHello, ServerHello, parse_client_hello, parse_server_hello, what_is_this

SERVER = 0x01
MENDED = 0x02


def run(data: bytes) -> None:
    """One input. Raises where it is wrong."""
    if not data:
        return
    plan, message = data[0], data[1:]
    stranger = what_is_this(message)
    assert stranger is None or stranger.isprintable()
    if plan & MENDED:
        body = message[4:]
        message = bytes((2 if plan & SERVER else 1,)) + len(body).to_bytes(3, "big") + body
    with contextlib.suppress(ValueError):
        check(parse(plan, message))
        if plan & MENDED:
            cut_short(plan, message[:-1])


def parse(plan: int, message: bytes) -> ClientHello | ServerHello:
    return parse_server_hello(message) if plan & SERVER else parse_client_hello(message)


def check(hello: ClientHello | ServerHello) -> None:
    """That an event can tell it."""
    if isinstance(hello, ServerHello):
        assert len(hello.random) == 32
        return
    facts = hello.facts()
    assert json.loads(json.dumps(facts)) == facts
    for text in (hello.sni or "", *hello.alpn, *hello.versions, *hello.groups, *hello.signatures):
        assert text.isprintable(), "a name that is not one line"


def cut_short(plan: int, message: bytes) -> None:
    try:
        parse(plan, message)
    except ValueError:
        return
    raise AssertionError("understood, though its end is missing")


def seeds() -> list[bytes]:
    """Hellos as this Python's TLS library sends them, and their beginnings."""
    found = []
    for least, most in ((ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_2), (ssl.TLSVersion.TLSv1_2, None)):
        context = ssl.create_default_context()
        context.minimum_version = least
        if most is not None:
            context.maximum_version = most
        context.set_alpn_protocols(["mqtt"])
        out = ssl.MemoryBIO()
        tls = context.wrap_bio(ssl.MemoryBIO(), out, server_hostname="broker.example")
        with contextlib.suppress(ssl.SSLWantReadError):
            tls.do_handshake()
        message = out.read()[5:]
        found += [bytes((plan,)) + message for plan in (0, MENDED)]
        found.append(bytes((MENDED,)) + message.replace(b"broker", b"\n\x1b[A\xff\0").replace(b"mqtt", b"\r\n\t\x7f"))
        found += [b"\0" + message[:60], b"\0" + bytes((0x16, 3, 1)) + message]
    body = b"\3\3" + bytes(32) + b"\0" + b"\x13\1\0" + b"\0\6\0\x2b\0\2\3\4"
    found += [bytes((SERVER | MENDED,)) + bytes(4) + body]
    return [*found, b"\0GET / HTTP/1.1", b"\0\x10\x0d\0\4MQTT", b"\0\x80\x2e\1\0\2"]


WORDS: Final = (b"\3\4", b"\3\3", b"\0\0", b"\0\x10", b"\0\x2b", b"\0\x0a", b"\0\x0d", b"\0\1", b"\0\x1c", b"\x0a\x0a")
