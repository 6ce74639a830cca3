"""The build options: good firmware has none of them, each makes one mistake that firmware in the field has made.

    python -m hil.virtual image --without date-checks --with foreign-will ...

`OPTIONS` is the one list of them. An option is written 'without:NAME' or 'with:NAME' in an image's manifest.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Option:
    """One way to build the firmware badly. `kind` is 'with' or 'without'; `does` says what this firmware does,
    `breaks` what goes wrong for it on a bench or in the field."""

    kind: str
    name: str
    does: str
    breaks: str

    @property
    def key(self) -> str:
        """As it stands in a manifest: 'without:will'."""
        return f"{self.kind}:{self.name}"

    @property
    def flag(self) -> str:
        """As it is given on the command line: '--without will'."""
        return f"--{self.kind} {self.name}"


OPTIONS: tuple[Option, ...] = (
    # Time
    Option(
        "without", "date-checks", "accepts certificates of any date",
        "an expired or not yet valid server certificate is accepted; a lost clock goes unnoticed",
    ),
    Option(
        "without", "time-wait", "connects without waiting for the time",
        "after a power cut the TLS connect fails until the clock happens to be set",
    ),
    Option(
        "without", "time-sync", "never asks for the time",
        "after a power cut every TLS connect fails, for ever",
    ),
    Option(
        "with", "asks-once", "asks for the time until it is answered, and never again",
        "one wrong answer, and every certificate is out of date until a reset",
    ),
    Option(
        "with", "kod-hammer", "asks on in short gaps when the time server says no (kiss-o'-death)",
        "a public time server bars the whole site",
    ),
    # TLS
    Option(
        "with", "first-anchor-only", "trusts the first of its trust anchors alone",
        "two roots overlap while a fleet moves to the new one; the broker moves, and the device stays behind",
    ),
    Option(
        "with", "kept-certificate", "copies certificate and key at its first boot, and shows the copy ever after",
        "a new certificate is put into it, and it goes on with the old one until that expires",
    ),
    Option(
        "with", "kept-intermediate", "copies its intermediate at its first boot, and sends the copy ever after",
        "its new certificate is of a new intermediate, and no broker can verify it with the old one",
    ),
    Option(
        "with", "kept-anchors", "adds new trust anchors to those that it was given before, and takes none away",
        "a root is given up because its key is lost, and whoever has that key can still be its broker",
    ),
    Option(
        "with", "ends-with-certificate", "gives up for good when it is told that its certificate has expired",
        "its certificate is renewed over the air or the broker's clock is put right, and it never asks again",
    ),
    Option(
        "with", "remembered-server", "does not verify a server certificate again that it has verified since its start",
        "a certificate that has expired since then is still trusted",
    ),
    Option(
        "without", "name-check", "accepts a certificate of any server name",
        "a server that holds any certificate of the same authority is trusted",
    ),
    Option(
        "without", "server-verification", "accepts any server certificate, whoever signed it (setInsecure)",
        "whoever can redirect its traffic can read it and command the device",
    ),
    Option(
        "without", "chain-checks", "does not ask whether an intermediate may sign",
        "the holder of any certificate of the authority can make more of them",
    ),
    Option(
        "without", "client-certificate", "sends no client certificate",
        "a broker that demands one refuses the handshake",
    ),
    Option(
        "with", "partial-chain", "sends its own certificate without the intermediate",
        "a broker that knows only the root cannot build the chain",
    ),
    Option(
        "with", "alertless", "closes the connection without a TLS alert when it refuses the server's certificate",
        "the broker's log does not tell why it left; Device Advisor warns",
    ),
    Option(
        "with", "weak-ciphers", "offers only cipher suites that nobody recommends (CBC with SHA-1)",
        "a broker with a current configuration has no suite in common with it",
    ),
    Option(
        "with", "small-tls-buffer", "takes TLS records of up to 4 KB only (CONFIG_MBEDTLS_SSL_IN_CONTENT_LEN)",
        "a long certificate chain or a large message ends the connection (-0x7200)",
    ),
    Option(
        "with", "whole-handshake", "takes no handshake message that comes in several records (Mbed TLS before 3.6.3)",
        "behind some servers and middleboxes the handshake fails",
    ),
    Option(
        "with", "old-tls", "speaks TLS 1.0 and 1.1 only",
        "current brokers refuse it; others let it speak what can be broken",
    ),
    Option(
        "without", "sni", "does not say in its ClientHello which server it means",
        "a broker with several names on one address shows the wrong certificate, or none",
    ),
    Option(
        "with", "plain-fallback", "tries plain MQTT when TLS has failed",
        "whoever can disturb the handshake gets its password and its data in clear",
    ),
    Option(
        "with", "endless-handshake", "sets no time-out for the TLS handshake",
        "a server that stalls in the handshake keeps it off for ever",
    ),
    # Connecting again
    Option(
        "without", "retry", "tries once, and gives up when that fails or the connection is lost",
        "one failed connect, and the device stays offline until somebody resets it",
    ),
    Option(
        "with", "fixed-retry", "tries again after the same gap each time (retry_first)",
        "all devices come back at once and go on hammering a broker that has just restarted",
    ),
    Option(
        "with", "no-keepalive", "never sends a ping",
        "an idle connection is closed by the broker; a half-open one is never noticed",
    ),
    Option(
        "with", "linear-retry", "tries again after gaps that grow by the same amount (retry_first)",
        "too many tries while a broker is down for long; Device Advisor fails it",
    ),
    Option(
        "without", "jitter", "doubles its gaps, and nothing random in them",
        "all devices that lost the broker at once come back at once",
    ),
    Option(
        "with", "reconnect-storm", "tries again at once, with no gap at all",
        "a broker that turns it away gets as many handshakes as the device can make",
    ),
    Option(
        "with", "hammer-refusals", "forgets its backoff when the CONNACK refuses it",
        "a broker that says no is asked again and again at the shortest gap",
    ),
    Option(
        "with", "obey-disconnect", "stays away once the broker has closed the connection or sent DISCONNECT",
        "a broker restarts, and the device stays offline until somebody resets it",
    ),
    Option(
        "with", "endless-connack", "sets no limit to the wait for CONNACK",
        "a broker that accepts and says nothing keeps it off for ever",
    ),
    Option(
        "with", "impatient-connack", "waits for CONNACK no longer than a quarter of its time-out",
        "a busy broker that answers late is connected to again and again, and gets busier",
    ),
    Option(
        "without", "ping-check", "does not care whether a ping is answered",
        "a connection that is dead in one direction is never given up",
    ),
    Option(
        "with", "late-ping", "pings only after twice the keep-alive",
        "a broker closes an idle connection after one and a half, again and again",
    ),
    Option(
        "with", "huge-keepalive", "announces a keep-alive of 18 hours",
        "brokers with a limit refuse it; on others its loss shows the next day",
    ),
    Option(
        "without", "server-keepalive", "ignores the keep-alive that an MQTT 5 broker states",
        "a broker that wants to hear from it more often closes the connection",
    ),
    # What it says
    Option(
        "without", "will", "connects without a last will",
        "nobody learns that the device has lost its power",
    ),
    Option(
        "with", "foreign-will", "has its last will on foreign/{client_id}/status",
        "a broker that confines devices to their own topics refuses it: connect, cut off, connect, for ever",
    ),
    Option(
        "with", "retained-will", "sets the will's retain flag, whatever will_retain says",
        "a broker that allows no retained messages refuses it; on others a stale 'offline' stays",
    ),
    Option(
        "with", "foreign-subscribe", "subscribes to foreign/{client_id}/cmd straight after connecting",
        "a broker that confines devices to their own topics cuts it off; its own log says only that it subscribed",
    ),
    Option(
        "with", "foreign-publish", "publishes on foreign/{client_id}/data straight after connecting",
        "a broker that confines devices to their own topics cuts it off, again and again",
    ),
    Option(
        "with", "rude-disconnect", "closes the connection without DISCONNECT when it is to disconnect",
        "the last will is published although the device went in order",
    ),
    Option(
        "without", "telemetry", "sends no telemetry",
        "it looks online, and says nothing",
    ),
    Option(
        "without", "answers", "does what a command says, and answers nothing",
        "nobody learns whether a command arrived",
    ),
    Option(
        "without", "online", "never publishes its online message",
        "the retained 'offline' of the last will stays although the device is back",
    ),
    Option(
        "with", "shared-id", "calls itself 'device', on each board",
        "two of them throw each other out, again and again",
    ),
    Option(
        "with", "random-id", "takes another client id at each connect",
        "its old connection is not ended for the new one: the will of the dead one comes last, and stays",
    ),
    Option(
        "with", "online-once", "publishes its online message at the first connection after boot only",
        "after a network loss the last will's 'offline' stays although it is back",
    ),
    Option(
        "with", "qos2-publish", "sends its telemetry at QoS 2",
        "brokers without QoS 2 close the connection",
    ),
    Option(
        "with", "many-filters", "subscribes to 60 topics, 12 with one SUBSCRIBE",
        "brokers with a limit close the connection",
    ),
    Option(
        "with", "big-packet", "publishes 600 KB at once after connecting",
        "brokers with a limit close the connection",
    ),
    # The session, and what it is told
    Option(
        "without", "resend", "never sends an unacknowledged message again while the connection lasts",
        "a lost PUBACK is a lost message",
    ),
    Option(
        "without", "puback", "never acknowledges a message",
        "the broker sends each again at each reconnect, until its window is full and nothing more comes",
    ),
    Option(
        "with", "resend-new-id", "sends an unacknowledged message again as a new one, with another packet id",
        "the broker cannot know it again: subscribers get it twice",
    ),
    Option(
        "with", "disconnect-unacknowledged", "drops the connection when a PUBACK is late",
        "a slow broker gets a reconnect in place of patience",
    ),
    Option(
        "without", "subscribe-retry", "sends SUBSCRIBE once, and waits for its SUBACK for ever",
        "one lost SUBACK, and it never hears a command",
    ),
    Option(
        "with", "blind-subscribe", "takes every SUBACK for a success",
        "a broker that refuses the subscription leaves it deaf, and its log says subscribed",
    ),
    Option(
        "without", "resubscribe", "subscribes once after boot, and never again",
        "the broker has lost the session: online, but deaf to commands",
    ),
    Option(
        "with", "always-subscribe", "subscribes at each connection, even if the broker has kept the session",
        "each reconnect delivers the retained messages again, and loads the broker",
    ),
    Option(
        "with", "record-per-packet", "takes what one read brings for whole packets",
        "packets that come in pieces are lost, and all that follows is misread",
    ),
    Option(
        "with", "lossy-outbox", "forgets unacknowledged messages when the connection is lost",
        "each loss of the network loses messages of QoS 1",
    ),
    Option(
        "with", "trusts-session", "believes session-present whatever it asked for",
        "a broker that is wrong about it leaves it without its subscription",
    ),
    Option(
        "with", "obey-retained", "obeys retained commands",
        "a 'restart' that somebody has retained by mistake makes a boot loop",
    ),
    Option(
        "with", "qos2-twice", "obeys a QoS 2 command again when it is sent again before its release",
        "exactly once becomes twice: a door opens again",
    ),
    Option(
        "with", "dup-twice", "obeys a QoS 1 command again when it comes again, marked DUP",
        "a PUBACK is lost, and a motor runs twice",
    ),
    # The device itself
    Option(
        "with", "silent-hang", "hangs after its third telemetry message: no output, no pings, no reset",
        "only the missing telemetry and the keep-alive show it",
    ),
    Option(
        "with", "warm-boot-hang", "hangs at boot if the clock was kept, trusting what else a reset kept",
        "after a software restart it stays away; switching it off and on helps, so nobody finds the fault",
    ),
    Option(
        "with", "heap-leak", "loses 4 KB of heap at each connect that fails",
        "after some forty failures there is no memory left for a handshake (-0x7F00) until a reset",
    ),
    Option(
        "with", "leak-reconnects", "loses 4 KB of heap at each connection that ends",
        "a restless network uses up its memory: no handshake (-0x7F00) until a reset",
    ),
    Option(
        "with", "crash-large", "crashes on a message of more than 2 KB",
        "whoever may send it a message can restart it",
    ),
    Option(
        "with", "crash-malformed", "crashes on a malformed packet",
        "a broken proxy on the way restarts it, again and again",
    ),
    Option(
        "with", "boot-lockout", "stays in a set-up mode, offline, after more than three quick boots",
        "a power line that flickers takes it out of service",
    ),
    Option(
        "with", "download-lock", "burns the eFuse that turns the serial download mode off, at its first boot",
        "it cannot be flashed over serial again: a firmware that was damaged half-way stays damaged",
    ),
    Option(
        "with", "fragile-nvs", "erases its settings at each boot, to write them anew a second later",
        "power that fails in that moment leaves it without settings and key",
    ),
    Option(
        "with", "secret-log", "prints the Wi-Fi password and its private key on the console",
        "whoever can read its serial port or its logs can be it",
    ),
    # Certificates that are not as they should be
    Option(
        "with", "weak-certificates", "accepts certificates that are signed with SHA-1, or whose key is short",
        "whoever can forge such a signature, or find such a key, can be its server",
    ),
    Option(
        "with", "unverified-fallback", "accepts any server if it has no trust anchors that it can read",
        "a damaged file, and whoever can redirect its traffic can read it and command the device",
    ),
    Option(
        "with", "certless-fallback", "connects without its certificate if it cannot use it, and says nothing",
        "one damaged character, and the broker refuses a stranger; nobody looks for a bad file",
    ),
    Option(
        "with", "crash-credentials", "crashes when it cannot use its certificates or its key",
        "a damaged file makes a boot loop, in which nothing else of it can be repaired",
    ),
    Option(
        "without", "error-log", "prints neither errors nor warnings (CONFIG_LOG_DEFAULT_LEVEL_NONE)",
        "it stays offline, and whoever connects a serial line to it sees no reason",
    ),
)  # fmt: skip

_BY_KEY = {option.key: option for option in OPTIONS}


class UnknownOption(ValueError):
    """An option that the firmware does not have; the text lists those that it has."""


def find(kind: str, name: str) -> Option:
    """The option of that kind and name; raises UnknownOption."""
    option = _BY_KEY.get(f"{kind}:{name}")
    if option is None:
        known = ", ".join(other.flag for other in OPTIONS)
        raise UnknownOption(f"the reference firmware has no option --{kind} {name}; it has: {known}")
    return option
