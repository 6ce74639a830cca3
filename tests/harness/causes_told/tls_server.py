"""Stories for `hil.diagnose.causes`: what devices make of a server's certificate."""

from __future__ import annotations

from stories import CONTRACT, Story

from causes_told.telling import shows


def shown(flaw: str) -> Story:
    story = Story().ready()
    story.gateway(story.secured("present-certificate", label=flaw), "connect", client_id="x", will=CONTRACT["will"],
                  version="3.1.1", clean=True, keep_alive=10)  # fmt: skip
    return story


@shows("server-not-verified")
def any_authority() -> Story:
    return shown("unknown-authority")


@shows("server-not-verified")
def any_authority_and_any_date() -> Story:
    story = shown("unknown-authority").wait(1)
    story.secured("present-certificate", label="expired")
    return story


@shows("dates-unchecked")
def an_expired_certificate_is_fine() -> Story:
    return shown("expired")


@shows("name-unchecked")
def any_name() -> Story:
    return shown("wrong-name")


@shows("chain-unchecked")
def anybody_may_sign() -> Story:
    return shown("ca-false")


@shows("weak-certificate-accepted")
def any_strength() -> Story:
    return shown("weak-key")


@shows("refuses-without-alert")
def leaves_without_an_alert() -> Story:
    story = Story().ready()
    return story.close(story.accept("present-certificate", label="expired"), "device", "fin")


@shows("server-not-trusted")
def refuses_the_good_server() -> Story:
    story = Story().ready()
    for _ in range(3):
        story.tls_failed(story.accept(), by="device", alert="unknown_ca").wait(2)
    return story.says("I esp-tls: verification info: flags 0x8").wait(2).looked()
