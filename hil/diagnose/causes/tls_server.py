"""The server's certificate: accepted although it is bad, or refused although it is good."""

from __future__ import annotations

import re
from collections.abc import Callable

from hil.attempts import Attempt, End
from hil.diagnose.case import Case, first
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, loop, span, times
from hil.timeline import Event

_DATES = ("expired", "not-yet-valid", "intermediate-expired")
_NAMES = ("wrong-name",)
_AUTHORITIES = ("unknown-authority", "self-signed", "wrong-signature", "no-intermediate", "other-key", "wrong-key")
_CHAINS = ("ca-false", "no-basic-constraints", "no-key-cert-sign", "path-length-exceeded", "wrong-purpose")
_WEAK = ("weak-signature", "weak-key")
BAD = (*_DATES, *_NAMES, *_AUTHORITIES, *_CHAINS, *_WEAK)
"""The flaws (hil.credentials.Flaw) for which a server has to be refused."""

_FLAGS = {0x1: "expired", 0x4: "of another name", 0x8: "not trusted", 0x200: "not yet valid"}
"""mbedTLS's verification flags, as esp-tls prints them."""


def shown(case: Case, attempt: Attempt) -> Event | None:
    """The bad certificate that this connection met."""
    met = case.faults(attempt, "present-certificate")
    return met[-1] if met and met[-1].get("label") in BAD else None


def _accepted(case: Case) -> dict[str, tuple[Attempt, Event]]:
    """Each flaw that was accepted, with a connection that shows it."""
    found = {}
    for attempt in case.attempts:
        fault, secured = shown(case, attempt), first(attempt, "tls")
        if fault is not None and secured is not None:
            found[str(fault["label"])] = (attempt, secured)
    return found


def _earlier_accepted(case: Case) -> set[str]:
    """The flaws that this board accepted before the case."""
    labels = {e["connection"]: e.get("label") for e in case.earlier("gateway", "fault", state="applied")
              if e.get("name") == "present-certificate"}  # fmt: skip
    return {str(labels[e["connection"]]) for e in case.earlier("gateway", "tls") if e["connection"] in labels}


def _unchecked(flaws: tuple[str, ...], what: str, surely: float = 0.9) -> Callable[[Case], Found | None]:
    def find(case: Case) -> Found | None:
        taken = _accepted(case)
        others = {*taken, *_earlier_accepted(case)}
        everything = bool(others.intersection(_AUTHORITIES))
        mine = [label for label in taken if label in flaws]
        if not mine and flaws is _AUTHORITIES and everything:
            mine = list(taken)  # an unknown authority was shown before, and accepted
        if not mine:
            return None
        attempt, secured = taken[mine[0]]
        fault = case.faults(attempt, "present-certificate")[-1]
        connect = first(attempt, "connect")
        then = " and sent its CONNECT" if connect is not None else ""
        against = (
            ("it has accepted a server of an unknown authority as well: then nothing is verified at all",)
            if everything and flaws is not _AUTHORITIES
            else () if flaws is _AUTHORITIES
            else ("a client that verifies nothing would look the same; an unknown authority tells the two apart",)
        )  # fmt: skip
        return Found(
            explanation=f"The server showed a bad certificate ({listed(mine)}), and the device finished the TLS "
            f"handshake {span(secured.monotonic - attempt.began)} after it connected{then}: {what}.",
            evidence=[e for e in (fault, secured, connect) if e is not None],
            confidence=0.5 if everything and flaws is not _AUTHORITIES else surely,
            against=against,
        )

    return find


def _without_alert(case: Case) -> Found | None:
    for attempt in case.attempts:
        fault = shown(case, attempt)
        if fault is None or first(attempt, "tls") is not None or attempt.ended is None:
            continue
        failed, close = first(attempt, "tls-failed"), first(attempt, "close")
        if close is None or close["by"] != "device" or (failed is not None and failed.get("alert_from") == "device"):
            continue
        return Found(
            explanation=f"The server showed a bad certificate ({fault['label']}); the device closed the connection "
            f"({close['how']}) {span(close['seconds'])} after it was accepted, without a TLS alert. It refuses the "
            "server, as it should, but nobody on the server's side learns why.",
            evidence=[e for e in (fault, failed, close) if e is not None],
            confidence=0.9,
            against=("an alert that was lost with a reset of the connection would look the same",)
            if close["how"] == "reset"
            else (),
        )
    return None


def _misled(case: Case, attempt: Attempt) -> bool:
    """Whether the time server had told it a wrong time: then it is right to refuse."""
    told = [e for e in case.all("time", "answer") if e.monotonic < attempt.began and e.get("offset") is not None]
    return bool(told) and abs(told[-1]["offset"]) > 300


def _not_trusted(case: Case) -> Found | None:
    refused = [a for a in case.ended(End.SERVER_REFUSED) if not _misled(case, a)]
    if not refused:
        return None
    failed = first(refused[-1], "tls-failed")
    assert failed is not None
    told = _flags(case)
    words = f" Its own log says: {told}." if told else ""
    well = any(not case.faults(a) and first(a, "tls") is not None for a in case.attempts)
    return Found(
        explanation=f"The device refused the bench's good server certificate {times(len(refused))}, with the alert "
        f"{failed['alert']}.{words}" + loop(refused),
        evidence=[failed, *case.all("console", "line")[-1:]] if told else [failed],
        confidence=0.45 if well else 0.75,
        against=(
            "one alert stands for several faults: an unknown authority, a wrong name and a wrong clock all come as "
            f"{failed['alert']} from many stacks",
            *(("on other connections of this stretch it trusted the same certificate",) if well else ()),
        ),
    )


def _flags(case: Case) -> str:
    for line in reversed(case.all("console", "line")):
        found = re.search(r"flags:? 0x([0-9a-fA-F]+)", str(line.get("text")))
        if found:
            value = int(found[1], 16)
            return "the certificate is " + listed(word for bit, word in _FLAGS.items() if value & bit)
    return ""


CAUSES = (
    Cause(
        slug="server-not-verified",
        title="The device does not verify the server at all",
        shown_by="a completed handshake on a connection that showed a certificate of an unknown authority",
        next_steps=(
            "look for setInsecure(), VERIFY_NONE, skip_cert_common_name_check or an empty CA in the client's set-up",
            "see that the CA certificate is handed to the TLS client before it connects",
        ),
        find=_unchecked(_AUTHORITIES, "it does not ask who signed it", 0.95),
        outranks=("dates-unchecked", "name-unchecked", "chain-unchecked", "weak-certificate-accepted"),
    ),
    Cause(
        slug="dates-unchecked",
        title="The device does not check certificate dates",
        shown_by="a completed handshake on a connection that showed an expired or not yet valid certificate",
        next_steps=(
            "build mbedTLS with MBEDTLS_HAVE_TIME_DATE (ESP-IDF: CONFIG_MBEDTLS_HAVE_TIME_DATE); stock arduino-esp32 "
            "has it off",
            "if it cannot be changed, say time.dates = 'unchecked' in the contract: it is then a security finding",
        ),
        find=_unchecked(_DATES, "it does not look at the dates"),
    ),
    Cause(
        slug="name-unchecked",
        title="The device does not check the server's name",
        shown_by="a completed handshake on a connection that showed a certificate for another name",
        next_steps=(
            "set the expected host name (mbedtls_ssl_set_hostname, esp_tls common_name), and remove "
            "skip_cert_common_name_check",
        ),
        find=_unchecked(_NAMES, "it takes any name that its authority has signed"),
    ),
    Cause(
        slug="chain-unchecked",
        title="The device does not check whether an intermediate may sign",
        shown_by="a completed handshake on a connection whose intermediate may not sign (CA:FALSE, no keyCertSign, "
        "too long a path)",
        next_steps=(
            "look for a verify callback that clears flags or returns 0 for every certificate but the last",
            "see that the whole chain is verified, not only the leaf's signature",
        ),
        find=_unchecked(_CHAINS, "whoever holds a certificate of this authority could make more of them"),
    ),
    Cause(
        slug="weak-certificate-accepted",
        title="The device accepts certificates that are too weak",
        shown_by="a completed handshake on a connection that showed a certificate signed with SHA-1, or a short key",
        next_steps=(
            "look for a certificate profile of its own (mbedtls_ssl_conf_cert_profile), SECLEVEL=0, or "
            "MBEDTLS_TLS_DEFAULT_ALLOW_SHA1_IN_CERTIFICATES",
            "leave the default profile in force: SHA-256 and better, RSA of 2048 bits and more",
        ),
        find=_unchecked(_WEAK, "it takes signatures or keys that can be broken"),
    ),
    Cause(
        slug="refuses-without-alert",
        title="The device refuses a bad server, but sends no TLS alert",
        shown_by="a bad certificate was shown; the device closed the connection in the handshake with no alert before",
        next_steps=(
            "let the TLS library send its alert before the socket is closed: mbedtls_ssl_send_alert_message, or close "
            "only after mbedtls_ssl_handshake has returned and its output was flushed",
        ),
        find=_without_alert,
    ),
    Cause(
        slug="server-not-trusted",
        title="The device does not accept the good server certificate",
        shown_by="the device's alert about the certificate on connections that met no injected fault",
        next_steps=(
            "compare the device's trust anchor with the issuer of the server's certificate (a damaged or truncated PEM "
            "is skipped in silence by some stacks)",
            "compare the host name that the device expects with the names in the certificate",
            "look at the device's clock when it connects",
        ),
        find=_not_trusted,
    ),
)
