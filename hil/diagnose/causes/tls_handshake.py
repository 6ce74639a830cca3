"""The handshake itself: no common ground, records that are too large, no time-out, no TLS at all."""

from __future__ import annotations

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, loop, span, times
from hil.timeline import Event

_LIMITS = ("limit-tls", "tls-versions", "cipher-suites")
"""Faults that narrow what the server offers."""


def _failed(case: Case, *reasons: str) -> list[tuple[Attempt, Event]]:
    found = []
    for attempt in case.attempts:
        failed = first(attempt, "tls-failed")
        if failed is not None and any(reason in str(failed.get("reason")) for reason in reasons):
            found.append((attempt, failed))
    return found


def _strong(suite: str) -> bool:
    return "GCM" in suite or "CHACHA20" in suite or "CCM" in suite


def _ciphers(case: Case) -> Found | None:
    failed = [(a, e) for a, e in _failed(case, "no cipher suite in common") if not case.faults(a, *_LIMITS)]
    if failed:
        attempt, event = failed[-1]
        hello = first(attempt, "hello")
        offered = f" It offers {listed(hello['ciphers'])}." if hello is not None else ""
        return Found(
            explanation=f"The device's ClientHello and the server have no cipher suite in common, "
            f"{times(len(failed))}.{offered}{loop([a for a, _ in failed])}",
            evidence=[e for e in (hello, event) if e is not None],
            confidence=0.95,
        )
    for hello in case.all("gateway", "hello"):
        suites = [s for s in hello.get("ciphers", ()) if "SCSV" not in s and "RENEGOTIATION" not in s]
        if suites and not any(_strong(suite) for suite in suites):
            return Found(
                explanation=f"Its ClientHello offers {len(suites)} cipher suites, and none that is recommended today "
                f"(AEAD, RFC 9325): {listed(suites)}.",
                evidence=[hello],
                confidence=0.8,
                against=("this server still accepted one of them",) if case.all("gateway", "tls") else (),
            )
    return None


def _versions(case: Case) -> Found | None:
    failed = [(a, e) for a, e in _failed(case, "no TLS version in common") if not case.faults(a, *_LIMITS)]
    if not failed:
        return None
    hello = first(failed[-1][0], "hello")
    offered = f": it offers {listed(hello['versions'])}" if hello is not None else ""
    return Found(
        explanation=f"Device and server have no TLS version in common, {times(len(failed))}{offered}.",
        evidence=[e for e in (hello, failed[-1][1]) if e is not None],
        confidence=0.95,
    )


def _no_name(case: Case) -> Found | None:
    denied = case.all("gateway", "denied", what="sni")
    bare = [e for e in case.all("gateway", "hello") if "sni" in e.data and not e["sni"]]
    if not bare:
        return None
    cost = f" The broker ({denied[-1].get('policy')}) closed for it." if denied else ""
    return Found(
        explanation=f"None of its {len(bare)} ClientHellos says which server it means (no SNI).{cost}",
        evidence=[bare[-1], *denied[-1:]],
        confidence=0.95 if denied else 0.6,
        against=() if denied else ("this server has one name only, and let it in",),
    )


def _plain(case: Case) -> Found | None:
    """Plain MQTT on the TLS port, after TLS has failed or not."""
    plain = _failed(case, "not a TLS record", "plain MQTT")
    if not plain:
        return None
    failed = plain[-1][1]
    before = [a for a in case.attempts if a.connection < plain[0][0].connection and a.end is not End.ALIVE]
    why = f" The attempt before it: {before[-1].end}." if before else ""
    return Found(
        explanation=f"The device spoke plain MQTT on the TLS port, {times(len(plain))}: what it sent is no TLS "
        f"record.{why} Whoever disturbs its handshake can read its password and its data.",
        evidence=[*(before[-1].events[-1:] if before else ()), failed],
        confidence=0.95 if before else 0.8,
    )


def _stuck(case: Case, attempt: Attempt) -> bool:
    """Whether a connection still stood long after the device should have given it up."""
    return (
        case.lasted(attempt) > 2 * case.connect_timeout
        and not (attempt.ended is not None and attempt.events[-1].get("by") == "device")
        and not case.is_off(attempt.began + 2 * case.connect_timeout)
    )


def _endless_handshake(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        if first(attempt, "tls") is None and _stuck(case, attempt):
            fault = case.faults(attempt)
            return Found(
                explanation=f"The TLS handshake stood still for {span(case.lasted(attempt))}, and the device did not "
                f"give it up; {_limit(case)}. It stays offline until somebody else ends the connection.",
                evidence=[attempt.events[0], *fault[-1:], attempt.events[-1]],
                confidence=0.9 if fault and "connect_timeout" in case.contract else 0.6,
                against=() if "connect_timeout" in case.contract else ("no limit is promised (mqtt.connect_timeout)",),
            )
    return None


def _endless_connack(case: Case) -> Found | None:
    for attempt in reversed(case.attempts):
        connect = first(attempt, "connect")
        if connect is not None and first(attempt, "connack") is None and _stuck(case, attempt):
            fault = case.faults(attempt)
            return Found(
                explanation=f"No CONNACK came, and {span(case.lasted(attempt))} later the device had not given the "
                f"connection up; {_limit(case)}. It stays offline until somebody else ends the connection.",
                evidence=[connect, *fault[-1:], attempt.events[-1]],
                confidence=0.9 if fault and "connect_timeout" in case.contract else 0.6,
                against=() if "connect_timeout" in case.contract else ("no limit is promised (mqtt.connect_timeout)",),
            )
    return _waits_until_closed(case)


def _waits_until_closed(case: Case) -> Found | None:
    """The server's side gave up first, each time: for the silence of a device that waits."""
    waited = [
        a
        for a in case.attempts
        if first(a, "connect") is not None and first(a, "connack") is None and a.events[-1].kind == "close"
        and case.faults(a, "withhold", "black-hole") and case.lasted(a) >= 0.9 * case.connect_timeout
    ]  # fmt: skip
    mine = [a for a in waited if a.events[-1]["by"] == "device"]
    if len(waited) < 3 or mine:
        return None
    last = waited[-1]
    return Found(
        explanation=f"No CONNACK came on {len(waited)} connections, and each time the server's side ended the wait, "
        f"the last one after {span(case.lasted(last))} ({last.events[-1]['how']}); {_limit(case)}, and did not once.",
        evidence=[*case.faults(last)[-1:], last.events[-1]],
        confidence=0.75,
        against=("the server's patience ended at about the promised time: a longer one would show it better",),
    )


def _limit(case: Case) -> str:
    promised = case.promised("connect_timeout")
    return f"it promises to after {promised:g} s" if promised is not None else "good clients do after some 30 s"


def _otherwise(case: Case) -> Found | None:
    failed = [
        a for a in case.attempts
        if a.end is End.TLS_FAILED and not case.faults(a) and case.undisturbed(a.began, a.ended or a.began)
    ]  # fmt: skip
    if not failed:
        return None
    event = first(failed[-1], "tls-failed")
    assert event is not None
    return Found(
        explanation=f"The TLS handshake failed {times(len(failed))}: {event.get('reason')}"
        + (f", at {event['step']}" if event.get("step") else "")
        + f".{loop(failed)}",
        evidence=[event],
        confidence=0.4,
        against=("the gateway knows no single cause for this reason",),
    )


CAUSES = (
    Cause(
        slug="weak-ciphers",
        title="The device offers no recommended cipher suite",
        shown_by="'no cipher suite in common', or a hello without any AEAD suite",
        next_steps=(
            "enable an ECDHE suite with AES-GCM or ChaCha20 in the TLS configuration (RFC 9325, section 4.2)",
            "see that the server's key type (ECDSA or RSA) fits the suites that are left",
        ),
        find=_ciphers,
    ),
    Cause(
        slug="no-common-tls-version",
        title="Device and server have no TLS version in common",
        shown_by="the handshake ends with 'no TLS version in common' although the server was not limited",
        next_steps=("enable TLS 1.2 or 1.3 in the device's TLS library",),
        find=_versions,
    ),
    Cause(
        slug="no-server-name",
        title="The device does not say which server it means (SNI)",
        shown_by="hello events without sni; with some policies a denied event for it",
        next_steps=("set the host name in the TLS client (mbedtls_ssl_set_hostname); an IP address gives no SNI",),
        find=_no_name,
    ),
    Cause(
        slug="plain-fallback",
        title="The device falls back to plain MQTT",
        shown_by="bytes that are no TLS record on the TLS port",
        next_steps=("remove the fallback: a failed handshake has to end in a pause and another handshake",),
        find=_plain,
        outranks=("server-not-trusted", "tls-failed", "weak-ciphers"),
    ),
    Cause(
        slug="handshake-without-limit",
        title="The device sets no limit to the TLS handshake",
        shown_by="a handshake that stands still, and a device that stays in it longer than twice mqtt.connect_timeout",
        next_steps=("set a time-out for the handshake (esp-tls timeout_ms, setHandshakeTimeout) and close on it",),
        find=_endless_handshake,
        outranks=("no-retry", "device-hangs", "never-online"),
    ),
    Cause(
        slug="connack-without-limit",
        title="The device waits for CONNACK without a limit",
        shown_by="CONNECT without CONNACK, and a device that waits longer than twice mqtt.connect_timeout",
        next_steps=("set a time-out for the CONNACK, close on it, and try again",),
        find=_endless_connack,
        outranks=("no-retry", "device-hangs", "never-online"),
    ),
    Cause(
        slug="tls-failed",
        title="The TLS handshake fails",
        shown_by="tls-failed events with a reason that no other cause explains",
        next_steps=("look at the step and reason of the event, and at the device's TLS error number",),
        find=_otherwise,
    ),
)
