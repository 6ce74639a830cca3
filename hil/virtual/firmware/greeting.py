"""CONNECT, as the settings say, and what to make of the CONNACK."""

from __future__ import annotations

import secrets

from hil.virtual.firmware.build import Build
from hil.virtual.firmware.settings import Settings
from hil.wire.mqtt import Connack, Connect, Properties, Version, Will

EIGHTEEN_HOURS = 65_535
"""The longest keep-alive that fits into a CONNECT, in seconds."""


class NotMySession(Exception):
    """The broker resumes a session where there can be none (MQTT 5 demands to end the connection)."""


def version_of(settings: Settings) -> Version:
    """The protocol version to speak."""
    return Version.V5 if settings.mqtt_version == "5" else Version.V311


def connect_packet(settings: Settings, build: Build) -> Connect:
    """The first packet of a connection."""
    will = None
    if settings.will_topic and not build.lacks("will"):
        topic = f"foreign/{settings.client_id}/status" if build.has("foreign-will") else settings.will_topic
        retain = bool(settings.will_retain) or build.has("retained-will")
        will = Will(topic, settings.will_payload.encode(), settings.will_qos, retain)
    properties: Properties = {}
    if version_of(settings) is Version.V5 and not settings.clean:
        properties = {"session_expiry_interval": settings.session_expiry}
    return Connect(
        client_id=_client_id(settings, build),
        version=version_of(settings),
        clean=bool(settings.clean),
        keep_alive=EIGHTEEN_HOURS if build.has("huge-keepalive") else settings.keep_alive,
        username=settings.user or None,
        password=settings.password.encode() if settings.password else None,
        will=will,
        properties=properties,
    )


def _client_id(settings: Settings, build: Build) -> str:
    if build.has("random-id"):
        return f"{settings.client_id}-{secrets.token_hex(4)}"
    return "device" if build.has("shared-id") else settings.client_id


def session_kept(answer: Connack, settings: Settings, build: Build) -> bool:
    """Whether the session goes on. Raises NotMySession.

    A CONNECT with the clean flag leaves no session to go on. If the broker claims one all the same, MQTT 3.1.1 lets
    the client choose (section 3.2.2.2): this one believes itself. MQTT 5 demands that it closes [MQTT-3.2.2-4].
    """
    if not settings.clean or build.has("trusts-session"):
        return answer.session_present
    if answer.session_present and version_of(settings) is Version.V5:
        raise NotMySession
    return False


def keep_alive(answer: Connack, settings: Settings, build: Build) -> int:
    """The keep-alive that counts, in seconds: a broker of MQTT 5 may state another one [MQTT-3.1.2-21]."""
    stated = answer.properties.get("server_keep_alive")
    if isinstance(stated, int) and not build.lacks("server-keepalive"):
        return stated
    return EIGHTEEN_HOURS if build.has("huge-keepalive") else settings.keep_alive
