"""What an MQTT 5 broker may state in its CONNACK, and a device has to follow."""

from __future__ import annotations

import itertools

from hil.diagnose.case import Case, first, of
from hil.diagnose.cause import Cause, Found
from hil.diagnose.words import span


def _keep_alive(case: Case) -> Found | None:
    for attempt in reversed(case.accepted):
        connect, connack = first(attempt, "connect"), first(attempt, "connack")
        faults = case.faults(attempt, "server-keep-alive")
        stated = faults[-1].get("seconds") if faults else (connack.get("server_keep_alive") if connack else None)
        if connect is None or connack is None or not isinstance(stated, int | float):
            continue
        sent = [
            e for e in attempt.events if e.kind in ("connect", "pingreq", "subscribe") or e.get("direction") == "up"
        ]
        end = attempt.ended if attempt.ended is not None else case.quiet_since
        moments = [e.monotonic for e in sent] + [end]
        longest = max(b - a for a, b in itertools.pairwise(moments)) if len(moments) > 1 else 0.0
        closed = attempt.ended is not None and attempt.events[-1]["how"] == "keep-alive"
        pings = [b.monotonic - a.monotonic for a, b in itertools.pairwise(of(attempt, "pingreq"))]
        own = connect["keep_alive"]
        rhythm = sorted(pings)[len(pings) // 2] if len(pings) >= 2 else stated
        if stated >= 2 * own > 0 and rhythm <= 0.75 * own:
            return Found(
                explanation=f"The CONNACK stated a keep-alive of {stated:g} s in place of the device's {own} s, and "
                f"the device went on sending a PINGREQ every {span(rhythm)}: it goes by its own.",
                evidence=[connack, *faults[-1:], *of(attempt, "pingreq")[:2]],
                confidence=0.9,
            )
        if not closed and longest <= 1.2 * stated + 0.5:
            continue
        return Found(
            explanation=f"The CONNACK stated a keep-alive of {stated:g} s in place of the device's "
            f"{connect['keep_alive']} s; the device was silent for up to {span(longest)} all the same"
            + (", and was closed for it." if closed else "."),
            evidence=[connack, *faults[-1:], *attempt.events[-1:]],
            confidence=0.94,
        )
    return None


CAUSES = (
    Cause(
        slug="server-keep-alive-ignored",
        title="The device ignores the keep-alive that the broker states",
        shown_by="Server Keep Alive in a CONNACK of MQTT 5, and a silence longer than it",
        next_steps=("use Server Keep Alive in place of the own value [MQTT-3.1.2-21]",),
        find=_keep_alive,
        outranks=("keep-alive-missed", "device-hangs", "telemetry-missing"),
    ),
)
