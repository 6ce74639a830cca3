"""What Azure Event Grid is to be told, and whether it would know the device."""

from __future__ import annotations

from pathlib import Path

import pytest
from pki_files import described, needs_openssl, openssl

from hil.pki.eventgrid import registration
from hil.pki.hierarchy import Pki

FILE = """
[authorities.root]
[authorities."site.1"]
issuer = "root"
[devices.esp32-a]
issuer = "site.1"
"""
NAMES = 'names = ["dns:a.test", "dns:b.test", "email:a@a.test", "ip:192.0.2.7", "uri:urn:a"]\n'


def issued(folder: Path, more: str) -> Pki:
    pki = described(folder, FILE + more)
    pki.issue()
    return pki


@needs_openssl
def test_the_thumbprint_is_openssls_and_the_upload_is_the_immediate_parent(tmp_path: Path) -> None:
    pki = issued(tmp_path, "")
    told = registration(pki, "esp32-a")
    leaf = pki.shelf.directory / "devices/esp32-a/current/certificate.pem"
    said = openssl(tmp_path, "x509", "-in", str(leaf), "-noout", "-fingerprint", "-sha256").stdout
    assert told.thumbprint == said.split("=")[1].strip().replace(":", "").lower()
    assert told.upload == pki.shelf.directory / "authorities/site.1/1.1/certificate.pem"
    assert told.upload_name == "site-1"  # the portal takes no dots
    assert (told.authentication_name, told.scheme) == ("esp32-a", "SubjectMatchesAuthenticationName")
    assert told.faults == ()


@pytest.mark.parametrize(
    ("source", "name"),
    [("subject", "esp32-a"), ("dns", "b.test"), ("email", "a@a.test"), ("ip", "192.0.2.7"), ("uri", "urn:a")],
)
def test_each_source_that_matches(tmp_path: Path, source: str, name: str) -> None:
    pki = issued(tmp_path, f'{NAMES}authentication = {{ name = "{name}", source = "{source}" }}\n')
    told = registration(pki, "esp32-a")
    assert told.faults == ()
    assert told.scheme.lower().startswith(source)


@pytest.mark.parametrize(
    ("more", "fault"),
    [
        (NAMES + 'authentication = { name = "c.test", source = "dns" }', "found 'a.test', 'b.test', expected the"),
        ('authentication = { source = "uri" }', "the certificate has no uri name, expected 'esp32-a' there"),
        ('authentication = { name = "other" }', "expected the authentication name 'other'"),
        ('purpose = "server"', "lacks clientAuth"),
        ("[devices.alone]\nself_signed = true", 'expected source = "thumbprint"'),
    ],
)
def test_what_event_grid_would_not_know(tmp_path: Path, more: str, fault: str) -> None:
    pki = issued(tmp_path, more)
    faults = registration(pki, "alone" if "alone" in more else "esp32-a").faults
    assert len(faults) == 1
    assert fault in faults[0]


def test_a_certificate_that_was_issued_before_the_name_changed_is_caught(tmp_path: Path) -> None:
    issued(tmp_path, "")
    pki = described(tmp_path, FILE + 'subject = { CN = "new-name" }\n')
    assert "found 'esp32-a', 'CN=esp32-a', expected the authentication name 'new-name'" in str(
        registration(pki, "esp32-a").faults
    )
    pki.renew(["esp32-a"])
    assert registration(pki, "esp32-a").faults == ()


def test_by_thumbprint_nothing_is_uploaded(tmp_path: Path) -> None:
    pki = issued(tmp_path, '[devices.alone]\nself_signed = true\nauthentication = { source = "thumbprint" }\n')
    told = registration(pki, "alone")
    assert (told.scheme, told.upload, told.faults) == ("ThumbprintMatch", None, ())


def test_a_revoked_certificate(tmp_path: Path) -> None:
    pki = issued(tmp_path, "")
    pki.revoke("esp32-a")
    assert "disable the client" in registration(pki, "esp32-a").faults[0]
