"""What the broker's policy does not allow: topics, flags, limits. The device's own log says none of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hil.attempts import Attempt
from hil.diagnose.case import Case, first, of
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import loop, since, times
from hil.timeline import Event

_PACKETS = {
    "will": ("connect", "CONNECT with its will on"),
    "will_qos": ("connect", "CONNECT with its will on"),
    "will_retain": ("connect", "CONNECT with its will on"),
    "subscribe": ("subscribe", "SUBSCRIBE to"),
    "publish": ("publish", "PUBLISH to"),
    "retain": ("publish", "retained PUBLISH to"),
    "qos": ("publish", "PUBLISH to"),
}
"""For a kind of denial: the packet it is about, and how to begin speaking of it."""

_ENDS = ("disconnect", "close", "refuse-disconnect")


def _denied(whats: tuple[str, ...], why: str) -> Callable[[Case], Found | None]:
    """Finds denials of these kinds. `why` ends the sentence: 'no topic space allows it'."""

    def find(case: Case) -> Found | None:
        denied = [e for what in whats for e in case.all("gateway", "denied", what=what)]
        if not denied:
            return None
        one = min(denied, key=lambda e: e.sequence)
        alike = [a for a in case.attempts if any(e.kind == "denied" and e["what"] in whats for e in a.events)]
        packet = _packet_before(alike[0], one) if alike else None
        promised = _is_promised(case, one)
        return Found(
            explanation=_sentence(one, packet, alike, why) + loop(alike),
            evidence=[e for e in (packet, one, *(alike[0].events[-1:] if alike else ())) if e is not None],
            confidence=0.6 if promised or one.get("action") == "drop" else 0.95,
            against=_against(one, packet, promised),
        )

    return find


def _sentence(denied: Event, packet: Event | None, alike: list[Attempt], why: str) -> str:
    _, words = _PACKETS.get(denied["what"], ("", ""))
    topic = denied.get("topic")
    about = f"{words} {topic}" if words and topic else str(topic or denied["what"].replace("_", " "))
    rule = f" ({denied['rule']})" if denied.get("rule") else ""
    close = first(alike[0], "close") if alike else None
    action = denied.get("action")
    if action in _ENDS and close is not None:
        return f"The broker closed {since(packet or denied, close)} after {about}: {why}{rule}."
    said = {"refuse": "refused it", "drop": "forgot it without a word", "ignore": "did not answer it"}
    return f"After {about} the broker {said.get(str(action), f'answered with {action}')}: {why}{rule}."


def _packet_before(attempt: Attempt, denied: Event) -> Event | None:
    kind, _ = _PACKETS.get(denied["what"], ("", ""))
    before = [e for e in of(attempt, kind) if e.sequence < denied.sequence] if kind else []
    before = before or [e for e in attempt.events if e.sequence < denied.sequence and e.kind != "fault"]
    return before[-1] if before else None


def _is_promised(case: Case, denied: Event) -> bool:
    topics = [case.promised(*keys, "topic") for keys in (("will",), ("online",), ("telemetry",), ("command",))]
    return denied.get("topic") in [*topics, case.promised("command", "answer_topic")] and denied["what"] in (
        "will", "subscribe", "publish"
    )  # fmt: skip


def _against(denied: Event, packet: Event | None, promised: bool) -> tuple[str, ...]:
    found = []
    if promised:
        found.append(
            "the contract promises this very topic: then the policy may be what is wrong, or be set by the test"
        )
    will: Any = packet.get("will") if packet is not None else None
    if denied["what"] == "will" and isinstance(will, dict) and will.get("retain"):
        found.append("the will is retained as well, which some brokers refuse: this policy judged the topic alone")
    return tuple(found)


def _cut_after(kind: str, words: str, answer: str) -> Callable[[Case], Found | None]:
    """A broker without a policy of ours: it closed right after a packet, and never answered it."""

    def find(case: Case) -> Found | None:
        alike, packets = [], []
        for attempt in case.attempts:
            close = first(attempt, "close")
            if close is None or close["by"] != "broker" or close["how"] not in ("fin", "reset", "disconnect"):
                continue
            if (
                case.faults(attempt)
                or of(attempt, "denied")
                or not attempt.accepted_by_broker
                or case.taken_over(attempt)
            ):
                continue
            last = [e for e in attempt.events if e.sequence < close.sequence and e.kind != "disconnect"][-1]
            if last.kind == kind and close.monotonic - last.monotonic < 2 and last.get("direction") in (None, "up"):
                alike.append(attempt)
                packets.append(last)
        if not alike:
            return None
        close = alike[0].events[-1]
        topic = packets[0].get("topic") or _first_filter(packets[0]) or _will_topic(alike[0])
        if kind == "connack" and topic is None:
            return None
        told = of(alike[0], "disconnect", direction="down")
        reason = f" It said why: DISCONNECT 0x{told[-1]['code']:02x}." if told else ""
        return Found(
            explanation=f"The broker closed {since(packets[0], close)} after {words}"
            + (f" {topic}" if topic else "")
            + f", {times(len(alike))}, and never {answer}: it does not seem to allow it.{reason}{loop(alike)}",
            evidence=[packets[0], *told[-1:], close],
            confidence=min(0.9, 0.55 + 0.1 * len(alike)),
            against=("a broker that was stopped or overloaded closes connections, too",) if len(alike) == 1 else (),
        )

    return find


def _first_filter(packet: Event) -> str | None:
    filters = packet.get("filters")
    return str(filters[0][0]) if filters else None


def _will_topic(attempt: Attempt) -> str | None:
    connect = first(attempt, "connect")
    will = connect.get("will") if connect is not None else None
    return str(will["topic"]) if will else None


def _either(*finders: Callable[[Case], Found | None]) -> Callable[[Case], Found | None]:
    return lambda case: next((found for finder in finders if (found := finder(case)) is not None), None)


def _identity(case: Case) -> Found | None:
    return _denied(
        ("client_id", "empty_client_id", "authentication_name", "client", "takeover_other"),
        "the client's names do not fit each other",
    )(case)


_LOOKS_LIKE = ("connection-lost", "retry-constant", "server-ends-connection", "never-online", "connect-refused",
               "retry-linear", "will-differs", "stays-away-after-server-close",
               "telemetry-missing", "no-retry")  # fmt: skip


def _cause(slug: str, title: str, find: Callable[[Case], Found | None], shown_by: str, *steps: str) -> Cause:
    return Cause(slug=slug, title=title, shown_by=shown_by, next_steps=steps, find=find, outranks=_LOOKS_LIKE)


CAUSES = (
    _cause(
        "will-topic-denied",
        "The last will's topic is not allowed",
        _either(
            _denied(("will",), "no topic space allows it"),
            _cut_after("connack", "its CONNACK, on a CONNECT with its will on", "heard anything else"),
        ),
        "a denied event for the will; or a broker that closes right after CONNACK 0, again and again",
        "compare the will's topic with the broker's topic spaces, for the publisher's side",
        "connect once without a will: if it stays connected then, this is it",
        "try the topic and the retain flag separately: a retained will may be refused by itself",
    ),
    _cause(
        "subscribe-denied",
        "A subscription is not allowed",
        _either(
            _denied(("subscribe",), "no topic space allows it"),
            _cut_after("subscribe", "SUBSCRIBE to", "answered with SUBACK"),
        ),
        "a denied event for a filter; or a broker that closes right after SUBSCRIBE, with no SUBACK",
        "compare the filter with the broker's topic spaces, for the subscriber's side; wildcards count",
        "look for a sample's subscription that was left in",
    ),
    _cause(
        "publish-denied",
        "A publication is not allowed",
        _either(
            _denied(("publish",), "no topic space allows it"),
            _cut_after("publish", "PUBLISH to", "acknowledged it"),
        ),
        "a denied event for a topic; or a broker that closes right after PUBLISH, with no PUBACK",
        "compare the topic with the broker's topic spaces, for the publisher's side",
        "look for a message that is sent at each connect (a hello, a version, a debug line)",
    ),
    _cause(
        "retain-denied",
        "A retained message or will is not allowed",
        _denied(("will_retain", "retain"), "retained messages are not allowed here"),
        "a denied event for the retain flag of a will or of a message",
        "clear the retain flag, of the will or of the message; the topic may be fine",
    ),
    _cause(
        "qos-denied",
        "The device uses a QoS that is not allowed",
        _denied(("qos", "will_qos", "subscribe_qos"), "the QoS is higher than this broker has"),
        "a denied event for the QoS of a message, will or subscription",
        "use QoS 1: several cloud brokers have no QoS 2",
    ),
    _cause(
        "keep-alive-denied",
        "The keep-alive is longer than allowed",
        _denied(("keep_alive",), "the keep-alive is longer than this broker takes"),
        "a denied event for the CONNECT's keep-alive",
        "set the keep-alive below the broker's limit (Azure Event Grid: 1160 s)",
    ),
    _cause(
        "packet-too-large",
        "A packet is larger than allowed",
        _denied(("packet_size",), "the packet is larger than this broker takes"),
        "a denied event for a packet's size",
        "split the message, or send it another way; mind Maximum Packet Size in an MQTT 5 CONNACK",
    ),
    _cause(
        "too-many-subscriptions",
        "There are more subscriptions or filters than allowed",
        _denied(("filters", "subscriptions"), "there are more of them than this broker takes"),
        "a denied event for the filters of one SUBSCRIBE, or for a session's subscriptions",
        "use a wildcard, or several SUBSCRIBE packets with fewer filters each",
    ),
    _cause(
        "identity-denied",
        "The client's id or name is not accepted",
        _identity,
        "a denied event for the client id, or for the name that the client authenticates with",
        "compare client id, user name and the certificate's subject with what is registered at the broker",
    ),
    _cause(
        "rate-exceeded",
        "The device does something more often than allowed",
        _denied(
            ("connect_rate", "client_connect_rate", "publish_rate", "subscribe_rate"), "that is more often than allowed"
        ),
        "a denied event for a rate",
        "look at what the device does in a loop; spread it, or wait between two of them",
    ),
    _cause(
        "feature-denied",
        "The device uses an MQTT feature that this broker does not have",
        _denied(("shared", "subscription_identifier", "session_expiry"), "this broker does not offer it"),
        "a denied event for a shared subscription, a subscription identifier or a session's expiry",
        "look at what the MQTT 5 CONNACK says is available",
    ),
)
