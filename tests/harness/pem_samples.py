"""Certificates and keys for the tests of `hil pem`, and what is done to them to break each rule."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from functools import cache

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

PEM = serialization.Encoding.PEM


@cache
def key(name: str) -> ec.EllipticCurvePrivateKey:
    """One key for each name."""
    return ec.generate_private_key(ec.SECP256R1())


def key_pem(name: str, form: str = "sec1", password: str = "") -> str:
    forms = {"sec1": serialization.PrivateFormat.TraditionalOpenSSL, "pkcs8": serialization.PrivateFormat.PKCS8}
    lock: serialization.KeySerializationEncryption = serialization.NoEncryption()
    if password:
        lock = serialization.BestAvailableEncryption(password.encode())
    return key(name).private_bytes(PEM, forms[form], lock).decode()


@cache
def certificate(name: str, issuer: str, ca: bool = False, constraints: bool = True, sign: bool = True) -> str:
    """A certificate of this name, signed by the issuer of that name."""

    def named(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    builder = (
        x509.CertificateBuilder()
        .subject_name(named(name))
        .issuer_name(named(issuer))
        .public_key(key(name).public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.datetime(2020, 1, 1))
        .not_valid_after(datetime.datetime(2049, 1, 1))
    )
    if constraints:
        builder = builder.add_extension(x509.BasicConstraints(ca, None), critical=True)
    if ca:
        usage = x509.KeyUsage(True, False, False, False, False, sign, True, False, False)
        builder = builder.add_extension(usage, critical=True)
    return builder.sign(key(issuer), hashes.SHA256()).public_bytes(PEM).decode()


def root() -> str:
    return certificate("root", "root", ca=True)


def intermediate() -> str:
    return certificate("intermediate", "root", ca=True)


def leaf(name: str = "device") -> str:
    return certificate(name, "intermediate")


def _each(change: Callable[[str], str]) -> Callable[[str], str]:
    """A change of every line of base64."""

    def changed(pem: str) -> str:
        first, *lines, last = pem.splitlines()
        return "\n".join([first, *map(change, lines), last]) + "\n"

    return changed


def _at(number: int, *new: str, drop: int = 0) -> Callable[[str], str]:
    """Lines put in before line `number`, or lines taken away there."""

    def changed(pem: str) -> str:
        lines = pem.splitlines()
        lines[number : number + drop] = new
        return "\n".join(lines) + "\n"

    return changed


#: The rules' names, each with what breaks it and nothing else: name, change.
BROKEN: list[tuple[str, Callable[[str], str]]] = [
    ("blank-line", lambda pem: "\n\n" + pem),
    ("blank-line", lambda pem: pem + "\n"),
    ("blank-line-inside", _at(3, "")),
    ("blank-line-inside", _at(3, "   ")),
    ("trailing-space", _each(lambda line: line + "  ")),
    ("trailing-space", lambda pem: pem.replace("CERTIFICATE-----\n", "CERTIFICATE----- \n")),
    ("indented-mark", lambda pem: "  " + pem),
    ("indented-mark", lambda pem: pem.replace("-----END", " -----END")),
    ("crlf", lambda pem: pem.replace("\n", "\r\n")),
    ("final-line", lambda pem: pem.rstrip("\n")),
    ("byte-order-mark", lambda pem: "\ufeff" + pem),
    (
        "width",
        lambda pem: pem.replace("\n", "").replace("E-----M", "E-----\nM").replace("-----END", "\n-----END") + "\n",
    ),
    ("text-outside", lambda pem: "subject=CN=device\n" + pem),
    ("text-outside", lambda pem: pem + "the end\n"),
    ("text-beside", lambda pem: "ca = " + pem),
    ("glued", lambda pem: pem.replace("\n-----END", "-----END")),
    ("text-beside", lambda pem: pem.rstrip("\n") + " # end\n"),
    ("white-space", _each(lambda line: " " + line)),
    ("white-space", _each(lambda line: line + "\t")),
    ("white-space", _each(lambda line: line[:1] + " " + line[1:])),
    ("text-inside", _at(2, "CN: CN=Example Root")),
    ("text-inside", _at(1, "not base64 but letters")),
    ("damaged", _each(lambda line: line[:-1] + "!")),
    ("incomplete", _at(2, drop=1)),
    ("begin-line", lambda pem: pem.replace("CERTIFICATE-----\n", "CERTIFICATE-----  \n", 1)),
    ("literal-newline", lambda pem: pem.replace("\n", "\\n")),
    ("one-line", lambda pem: pem.replace("\n", " ").rstrip() + "\n"),
    ("cr-only", lambda pem: pem.replace("\n", "\r")),
    ("no-end", lambda pem: "".join(pem.splitlines(keepends=True)[:-1])),
    ("no-begin", lambda pem: "".join(pem.splitlines(keepends=True)[1:])),
    ("wrong-label", lambda pem: pem.replace("CERTIFICATE", "X509 CERTIFICATE")),
    ("empty", lambda pem: pem.splitlines(keepends=True)[0] + pem.splitlines(keepends=True)[-1]),
]
