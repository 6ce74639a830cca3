"""Commands: not answered, obeyed though retained, obeyed twice."""

from __future__ import annotations

from hil.attempts import Attempt
from hil.diagnose.case import Case, first, of, published
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import listed, since, span
from hil.timeline import Event


def _commands(case: Case) -> list[tuple[Attempt, Event]]:
    """The commands that reached the device."""
    topic = case.promised("command", "topic")
    return [(a, e) for a in case.accepted for e in published(a, topic, "down") if topic is not None]


def _answers(case: Case, attempt: Attempt, command: Event, until: float) -> list[Event]:
    topic = case.promised("command", "answer_topic")
    return [
        e
        for e in published(attempt, topic)
        if topic and e.sequence > command.sequence and e.monotonic <= until and not e["dup"]
    ]


def _next_order(attempt: Attempt, command: Event) -> float:
    """When the next command came that the device should obey: what is answered after it may be that one's answer."""
    later = [e for e in published(attempt, command["topic"], "down") if e.sequence > command.sequence]
    return min((e.monotonic for e in later if not e["dup"] and not e["retain"]), default=float("inf"))


def _unanswered(case: Case) -> Found | None:
    for attempt, command in reversed(_commands(case)):
        if command.get("retain"):
            continue
        end = min(attempt.ended if attempt.ended is not None else case.quiet_since, case.quiet_since)
        within = case.promised("command", "within", default=10.0)
        waited = end - command.monotonic
        if waited < min(within, 4.0) * 0.9 or _answers(case, attempt, command, end):
            continue
        said = [e for e in published(attempt) if e.sequence > command.sequence]
        acknowledged = command.get("packet_id") is not None and of(
            attempt, "puback", direction="up", packet_id=command["packet_id"]
        )
        return Found(
            explanation=f"The command on {command['topic']} reached the device"
            + (" and was acknowledged" if acknowledged else "")
            + f", and {span(waited)} later there was no answer on {case.promised('command', 'answer_topic')}"
            + (f"; it went on publishing on {listed(sorted({e['topic'] for e in said}))}." if said else "."),
            evidence=[command, *(acknowledged[:1] if acknowledged else ())],
            confidence=0.8,
            against=("from outside one cannot tell whether it did what the command says",),
        )
    return None


def _not_delivered(case: Case) -> Found | None:
    """Somebody published a command, and the broker did not hand it to the device."""
    topic = case.promised("command", "topic")
    seen = [e for e in case.unattributed if (e.source, e.kind) == ("monitor", "message") and e.get("topic") == topic]
    for message in reversed(seen):
        online = [a for a in case.accepted if a.began < message.monotonic < (a.ended or case.until)]
        if not online or message.get("retain"):
            continue
        down = [e for e in published(online[-1], topic, "down") if e.monotonic > message.monotonic - 1]
        if down:
            continue
        asked = [e for e in of(online[-1], "subscribe") if e.sequence < message.sequence]
        return Found(
            explanation=f"A command was published on {topic} while the device was connected, and the broker did not "
            f"hand it on: it was subscribed to {listed(f[0] for e in asked for f in e['filters']) or 'nothing'}.",
            evidence=[message, *asked[-1:]],
            confidence=0.7,
        )
    return None


def _retained(case: Case) -> Found | None:
    for attempt, command in _commands(case):
        if not command.get("retain"):
            continue
        end = min(attempt.ended or case.quiet_since, command.monotonic + 10, _next_order(attempt, command))
        answers = _answers(case, attempt, command, end)
        boots = [e for e in case.boots if 0 < e.monotonic - command.monotonic < 5]
        if answers or boots:
            did = answers[0] if answers else boots[0]
            what = f"answered it on {did['topic']}" if answers else f"restarted ({did.get('name')})"
            connack = first(attempt, "connack")
            return Found(
                explanation=f"A retained command came with the connection, and the device {what} {since(command, did)} "
                "later: it obeys what somebody left there, at each connection.",
                evidence=[e for e in (connack, command, did) if e is not None],
                confidence=0.93,
            )
    return None


def _twice(case: Case) -> Found | None:
    """One message with the same packet id came again, marked DUP, and was obeyed again."""
    commands = _commands(case)
    for attempt, again in commands:
        if not again.get("dup"):
            continue
        before = [(a, e) for a, e in commands if e.sequence < again.sequence and e["payload"] == again["payload"]
                  and e.get("packet_id") == again.get("packet_id")]  # fmt: skip
        if not before:
            continue
        one, original = before[-1]
        end = min(case.quiet_since, _next_order(attempt, again))
        done = _answers(case, one, original, end)
        done += [e for e in _answers(case, attempt, again, end) if e not in done]
        alike = [e for e in done if e["payload"] == done[0]["payload"]] if done else []
        if len(alike) >= 2:
            return Found(
                explanation=f"Command {original['packet_id']} (QoS {original['qos']}) came a second time with DUP, "
                f"{since(original, again)} after the first, and was answered twice: it was carried out twice.",
                evidence=[original, again, *alike[:2]],
                confidence=0.93 if original["qos"] == 2 else 0.85,
                against=()
                if original["qos"] == 2
                else ("at QoS 1 a message may come twice: the application has to know it by its own id",),
            )
    return None


CAUSES = (
    Cause(
        slug="command-unanswered",
        title="The device does not answer a command",
        shown_by="a command that went down to the device, and no message on the answer topic",
        next_steps=("look at its log for the command", "compare the answer's topic with the contract"),
        find=_unanswered,
        symptom=True,
    ),
    Cause(
        slug="command-not-delivered",
        title="The broker does not hand a command to the device",
        shown_by="a command that others see on the broker, and that does not go down to the device",
        next_steps=("compare the topic with the filters that the device has subscribed to",),
        find=_not_delivered,
        symptom=True,
    ),
    Cause(
        slug="retained-command-obeyed",
        title="The device obeys retained commands",
        shown_by="a PUBLISH with the retain flag on the command topic, and an answer or a restart after it",
        next_steps=(
            "ignore messages with the retain flag on the command topic; with MQTT 5, subscribe with retain handling 2",
        ),
        find=_retained,
        outranks=("crash", "command-unanswered"),
    ),
    Cause(
        slug="command-obeyed-twice",
        title="The device obeys one command twice",
        shown_by="the same packet again, marked DUP, and two answers",
        next_steps=(
            "at QoS 2 remember packet ids until PUBREL has come, and hand the message on once",
            "at QoS 1 give commands an id of their own, and remember the last ones",
        ),
        find=_twice,
        outranks=("command-unanswered",),
    ),
)
