"""Stories for `hil.diagnose.causes`: what is wrong with the certificate that a device shows."""

from __future__ import annotations

from stories import Story

from causes_told.telling import shows


@shows("no-client-certificate")
def shows_no_certificate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "no client certificate")


@shows("client-chain-incomplete")
def sends_no_intermediate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "client certificate refused", verify_code=20)


@shows("client-chain-incomplete")
def sends_no_intermediate_to_a_server_that_resumes_nothing() -> Story:
    """That injected fault is no reason for a handshake to fail; others are."""
    story = Story().ready()
    return story.tls_failed(story.accept("resumption"), "client certificate refused", verify_code=20)


@shows("client-certificate-refused")
def sends_an_expired_certificate() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "client certificate refused", verify_code=10)


@shows("client-key-mismatch")
def signs_with_another_key() -> Story:
    story = Story().ready()
    return story.tls_failed(story.accept(), "the client certificate's key did not sign the handshake")
