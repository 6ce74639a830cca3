"""JSON over HTTP as switches speak it: one small request, one small answer, and errors that a person can act on.

Passwords go by Basic (RFC 7617) or, where the device asks for it, by Digest (RFC 7616; the standard library's own
knows no SHA-256), never into the address.
"""

from __future__ import annotations

import base64
import hashlib
import http.client
import json
import re
import secrets
import socket
import ssl
import time
from collections.abc import Mapping
from typing import Any, Literal
from urllib.parse import urlsplit
from urllib.request import parse_http_list, parse_keqv_list

from hil.power import PowerError

#: Bytes: an answer of any such device is far shorter.
LONGEST_ANSWER = 1 << 20
_HASHES = {"MD5": hashlib.md5, "SHA-256": hashlib.sha256}


class Web:
    """The device at `url` ('http://192.168.40.31'), called `what` in errors. `timeout`: seconds for one request.

    `scheme`: how user and password are shown: 'basic' with each request, 'digest' when asked.
    """

    def __init__(
        self,
        what: str,
        url: str,
        *,
        timeout: float,
        user: str | None = None,
        password: str | None = None,
        scheme: Literal["basic", "digest"] = "basic",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        parts = urlsplit(url)
        self._tls = parts.scheme == "https"
        self._host = parts.hostname or ""
        self._port = parts.port or (443 if self._tls else 80)
        self._base = parts.path.rstrip("/")
        self._where = f"{what} at {self._host}:{self._port}"
        self._timeout = timeout
        self._user = user
        self._password = password
        self._scheme = scheme
        self._headers = dict(headers or {})

    def ask(self, method: str, path: str, body: object = None) -> tuple[int, Any]:
        """The status and the JSON of the answer; None for an answer of another status than 200 that is no JSON.

        Raises PowerError: not reached, too slow, wrong password, or no JSON.
        """
        data = None if body is None else json.dumps(body).encode()
        headers = dict(self._headers) | ({"Content-Type": "application/json"} if data is not None else {})
        if self._scheme == "basic" and self._password is not None:
            shown = base64.b64encode(f"{self._user}:{self._password}".encode()).decode()
            headers["Authorization"] = f"Basic {shown}"
        status, challenge, answer = self._exchange(method, path, data, headers)
        if status == 401 and self._scheme == "digest" and self._password is not None:
            headers["Authorization"] = self._digest(challenge, method, self._base + path)
            status, _, answer = self._exchange(method, path, data, headers)
        if status in (401, 403):
            known = self._password is not None or "Authorization" in self._headers
            raise self.error(
                f"refuses the password or token (HTTP {status}); correct the environment variable that the rig names"
                if known
                else f'wants a password or token (HTTP {status}); give the rig one: {{ env = "NAME" }}'
            )
        try:
            return status, json.loads(answer)
        except ValueError:
            if status != 200:
                return status, None
            start = " ".join(answer[:60].decode("utf-8", "replace").split())
            raise self.error(f"answered {start!r}, which is no JSON; is this the right device?") from None

    def error(self, what: str) -> PowerError:
        """An error about this device."""
        return PowerError(f"{self._where} {what}")

    def _exchange(
        self, method: str, path: str, data: bytes | None, headers: Mapping[str, str]
    ) -> tuple[int, str, bytes]:
        deadline = time.monotonic() + self._timeout
        make = http.client.HTTPSConnection if self._tls else http.client.HTTPConnection
        connection = make(self._host, self._port, timeout=self._timeout)
        try:
            connection.request(method, self._base + path, data, dict(headers))
            response = connection.getresponse()
            answer = b""
            while len(answer) <= LONGEST_ANSWER and (piece := response.read1(65536)):
                answer += piece
                if time.monotonic() > deadline:
                    raise TimeoutError
            if len(answer) > LONGEST_ANSWER:
                raise self.error("answered more than a megabyte; is this the right device?")
            return response.status, response.headers.get("WWW-Authenticate", ""), answer
        except TimeoutError:
            raise self.error(
                f"did not answer within {self._timeout:g} s; is it on, and in this network? (timeout gives it more)"
            ) from None
        except socket.gaierror:
            raise self.error("has a name that cannot be resolved; write its address") from None
        except ssl.SSLError as error:
            raise self.error(f"fails in TLS ({error.reason}); is its certificate trusted by this host?") from None
        except OSError as error:
            why = error.strerror or type(error).__name__
            raise self.error(f"is not reached ({why}); check address, route and firewall") from None
        except http.client.HTTPException as error:
            raise self.error(f"does not speak HTTP ({type(error).__name__}); is this the right device?") from None
        finally:
            connection.close()

    def _digest(self, challenge: str, method: str, uri: str) -> str:
        """The Authorization header for a Digest challenge (RFC 7616, section 3.4), `qop` being auth or absent."""
        scheme, _, rest = challenge.partition(" ")
        asked = parse_keqv_list(parse_http_list(rest)) if scheme.lower() == "digest" else {}
        algorithm = asked.get("algorithm", "MD5").upper()
        if algorithm not in _HASHES or not {"realm", "nonce"} <= asked.keys():
            kind = re.sub(r"[^\w-]", "", scheme)[:20] or "nothing"
            raise self.error(f"asks for {kind} authentication in a way that is not known; expected Digest, SHA-256")

        def digest(*pieces: str) -> str:
            return _HASHES[algorithm](":".join(pieces).encode()).hexdigest()

        secret = digest(str(self._user), asked["realm"], str(self._password))
        request = digest(method, uri)
        said = {"username": str(self._user), "realm": asked["realm"], "nonce": asked["nonce"], "uri": uri}
        bare = {"algorithm": algorithm}
        if "qop" in asked:
            fresh = secrets.token_hex(8)
            said |= {"cnonce": fresh, "response": digest(secret, asked["nonce"], "00000001", fresh, "auth", request)}
            bare |= {"qop": "auth", "nc": "00000001"}
        else:
            said["response"] = digest(secret, asked["nonce"], request)
        if "opaque" in asked:
            said["opaque"] = asked["opaque"]
        return "Digest " + ", ".join([f'{k}="{v}"' for k, v in said.items()] + [f"{k}={v}" for k, v in bare.items()])
