"""What the firmware must know: where to connect, what to say, when to try again; in its NVS, namespace 'hil'.

Where an image has them from instead is in stores.py. Every value may be stored as a string; numbers also as NVS
integers, PEM files also as blobs. `{client_id}` in a topic stands for the client id. A value that cannot be used is an
error that names the key: firmware that guesses would hide what a bench is there to find.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

NAMESPACE = "hil"

Value = int | str | bytes


class SettingError(Exception):
    """A setting is missing or unusable; the text names the key, what was found and what is expected."""


@dataclass(frozen=True, slots=True)
class Settings:
    """All settings with their defaults. Times are in the unit that the name or the comment says."""

    # Network
    wifi_ssid: str = ""  # required
    wifi_pass: str = ""
    host: str = ""  # required; name or address of the broker
    port: int = 8883
    sni: str = ""  # server name that the certificate must hold; host if empty
    connect_ms: int = 10_000  # for TCP, for the TLS handshake, for CONNACK, and for one write
    tls_max: str = "1.2"  # "1.2" or "1.3"
    # Time
    time_host: str = ""
    time_port: int = 123
    time_answer: int = 3_000  # ms to wait for an answer (lwIP: SNTP_RECV_TIMEOUT)
    time_retry: int = 1_000  # ms before asking again when no answer came; doubles up to time_retry_max
    time_retry_max: int = 60_000  # ms
    time_period: int = 3_600  # s between two good answers
    # MQTT
    mqtt_version: str = "3.1.1"  # "3.1.1" or "5"
    client_id: str = ""  # hil- and the MAC address if empty
    user: str = ""
    password: str = ""
    keep_alive: int = 60  # s, 0 turns it off
    clean: int = 1
    session_expiry: int = 3_600  # s for which an MQTT 5 broker is asked to keep the session, where clean is 0
    will_topic: str = "{client_id}/status"  # empty: no will
    will_payload: str = "offline"
    will_qos: int = 1
    will_retain: int = 1
    online_topic: str = "{client_id}/status"
    online_payload: str = "online"
    online_retain: int = 1
    tele_topic: str = "{client_id}/telemetry"
    tele_period: int = 10_000  # ms
    tele_qos: int = 1
    cmd_topic: str = "{client_id}/cmd"
    cmd_qos: int = 1  # of the subscription
    max_payload: int = 32_768  # bytes of a command; a larger one is acknowledged and let be
    ans_topic: str = "{client_id}/answer"
    retry_first: int = 1_000  # ms before the second try to connect; doubles up to retry_max
    retry_max: int = 60_000  # ms
    resend: int = 10_000  # ms without an answer before a packet is sent again (MQTT 5: SUBSCRIBE only), 0: never
    # Credentials, PEM
    ca: bytes = b""
    cert: bytes = b""
    key: bytes = b""


_CHOICES = {"tls_max": ("1.2", "1.3"), "mqtt_version": ("3.1.1", "5")}
_LIMITS = {
    "port": (1, 65535), "time_port": (1, 65535), "keep_alive": (0, 65535), "clean": (0, 1),
    "will_qos": (0, 2), "tele_qos": (0, 2), "cmd_qos": (0, 2), "will_retain": (0, 1), "online_retain": (0, 1),
    "tele_period": (1, 86_400_000), "connect_ms": (1, 600_000),
}  # fmt: skip


def _number(key: str, value: Value) -> int:
    try:
        number = int(value)
    except ValueError:
        raise SettingError(f"setting {key}: found {value!r}, expected a whole number") from None
    low, high = _LIMITS.get(key, (0, 1 << 31))
    if not low <= number <= high:
        raise SettingError(f"setting {key}: found {number}, expected {low} to {high}")
    return number


def _convert(key: str, kind: str, value: Value) -> Value:
    if kind == "int":
        return _number(key, value)
    if kind == "bytes":
        return value if isinstance(value, bytes) else str(value).encode()
    text = value.decode("utf-8", "replace").rstrip("\0") if isinstance(value, bytes) else str(value)
    if key in _CHOICES and text not in _CHOICES[key]:
        raise SettingError(f"setting {key}: found {text!r}, expected {' or '.join(_CHOICES[key])}")
    return text


def load(get: Callable[[str, str], Value | None], mac: bytes) -> Settings:
    """The settings of a board with that MAC address; `get(namespace, key)` looks one up. Raises SettingError."""
    found: dict[str, Value] = {}
    for item in fields(Settings):
        value = get(NAMESPACE, item.name)
        if value is not None:
            found[item.name] = _convert(item.name, str(item.type), value)
    if not found.get("client_id"):
        found["client_id"] = f"hil-{mac.hex()}"
    settings = Settings(**found)  # type: ignore[arg-type]
    topics = {
        name: getattr(settings, name).replace("{client_id}", settings.client_id)
        for name in ("will_topic", "online_topic", "tele_topic", "cmd_topic", "ans_topic")
    }
    return Settings(**{**{f.name: getattr(settings, f.name) for f in fields(Settings)}, **topics})


def require(settings: Settings, place: str, *keys: str) -> None:
    """Raises SettingError for the first of these that is not set; `place` is where it should be."""
    for key in keys:
        if not getattr(settings, key):
            raise SettingError(f"setting {key} is missing in {place}: provision this board")


def check(key: str, text: str | None) -> None:
    """Raises SettingError for a key that the firmware does not know, and for a text that is none of its values.

    None: the key alone is looked at.
    """
    kinds = {item.name: str(item.type) for item in fields(Settings)}
    if key not in kinds:
        raise SettingError(f"unknown setting {key!r}")
    if text is not None:
        _convert(key, kinds[key], text)
