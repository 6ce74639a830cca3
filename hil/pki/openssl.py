"""The same hierarchy for those whose authority is openssl: a configuration, and the commands that make it all.

`openssl ca` signs, so that each authority has a database of what it issued and can revoke. Each authority has a section
`ca_NAME`, and every certificate a section `ext_NAME` with its basicConstraints, keyUsage and so on: OpenSSL takes them
from there alone, and without one it signs an intermediate that may sign nothing.
"""

from __future__ import annotations

import ipaddress
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from cryptography import x509

from hil.credentials import CredentialsError, store
from hil.credentials.issue import constraint, general_name
from hil.pki.description import PLACES, Passphrase
from hil.pki.plan import Plan, Planned, above

CONFIGURATION, COMMANDS = "openssl.cnf", "make.sh"

_KEY_OPTIONS = {
    "ec-p256": "EC -pkeyopt ec_paramgen_curve:P-256",
    "ec-p384": "EC -pkeyopt ec_paramgen_curve:P-384",
    "rsa-2048": "RSA -pkeyopt rsa_keygen_bits:2048",
    "rsa-3072": "RSA -pkeyopt rsa_keygen_bits:3072",
    "rsa-4096": "RSA -pkeyopt rsa_keygen_bits:4096",
}
_USAGE_WORDS = {
    "digital_signature": "digitalSignature",
    "key_encipherment": "keyEncipherment",
    "key_cert_sign": "keyCertSign",
    "crl_sign": "cRLSign",
}
_PURPOSE_WORDS = {"1.3.6.1.5.5.7.3.1": "serverAuth", "1.3.6.1.5.5.7.3.2": "clientAuth"}
_KINDS = {
    x509.DNSName: "DNS",
    x509.IPAddress: "IP",
    x509.UniformResourceIdentifier: "URI",
    x509.RFC822Name: "email",
}
_LONG_NAMES = (
    *("countryName", "stateOrProvinceName", "localityName"),
    *("organizationName", "organizationalUnitName", "commonName"),
)


def write(plan: Plan, directory: Path) -> None:
    """Write both files into a new or empty directory. Raises CredentialsError."""
    store.create(directory, {CONFIGURATION: configuration(plan).encode(), COMMANDS: commands(plan).encode()})


# -- openssl.cnf -----------------------------------------------------------------------------------------------------


def configuration(plan: Plan) -> str:
    """The configuration file. Raises CredentialsError for what cannot be said there."""
    parts = [
        f"# The hierarchy of {plan.path.name}, for OpenSSL 3. Used by {COMMANDS}, from the directory of both.\n",
        _section("req", {"distinguished_name": "subject_from_command", "string_mask": "utf8only", "utf8": "yes"}),
        "[subject_from_command]\n",
        _section("any_subject", dict.fromkeys(_LONG_NAMES, "optional")),
        _section("crl_ext", {"authorityKeyIdentifier": "keyid:always"}),
    ]
    for entry in plan.entries.values():
        if not entry.imported:
            parts.append(f"# {_comment(entry)}\n" + _section(f"ext_{entry.name}", dict(_extensions(entry))))
        if entry.usage.names:
            names = {f"{_kind(n)}.{i}": _escaped(_value(n)) for i, n in enumerate(entry.usage.names, start=1)}
            parts.append(_section(f"names_{entry.name}", names))
        if entry.usage.authority:
            parts.append(_authority(plan, entry))
    return "\n".join(parts)


def _comment(entry: Planned) -> str:
    kind = "authority" if entry.usage.authority else "device"
    places = ", ".join(f"{place} {entry.places[place]}" for place in PLACES if place in entry.places)
    return f"{kind} {entry.name}" + (f": {places}" if places else "")


def _section(name: str, values: Mapping[str, str]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {value}" for key, value in values.items())]) + "\n"


def _authority(plan: Plan, entry: Planned) -> str:
    folder = f"./authorities/{entry.name}"
    values = {
        "certificate": f"{folder}/certificate.pem",
        "private_key": f"{folder}/private.key",
        "new_certs_dir": f"{folder}/issued",
        "database": f"{folder}/index.txt",
        "rand_serial": "yes",
        "crlnumber": f"{folder}/crlnumber",
        "default_md": _digest(entry),
        "default_crl_days": str(max(1, round(plan.crl_days))),
        "policy": "any_subject",
        "preserve": "yes",
        "string_mask": "utf8only",
        "unique_subject": "no",
        "copy_extensions": "none",
        "crl_extensions": "crl_ext",
    }
    return _section(f"ca_{entry.name}", values)


def _digest(signer: Planned) -> str:
    return "sha384" if signer.algorithm == "ec-p384" else "sha256"


def _extensions(entry: Planned) -> Iterator[tuple[str, str]]:
    usage = entry.usage
    yield "subjectKeyIdentifier", "hash"
    yield "authorityKeyIdentifier", "keyid:always"
    length = "" if usage.path_length is None else f", pathlen:{usage.path_length}"
    yield "basicConstraints", f"critical, CA:{'TRUE' if usage.authority else 'FALSE'}{length}"
    yield "keyUsage", ", ".join(["critical", *(_USAGE_WORDS[bit] for bit in usage.key_usage or ())])
    if usage.extended:
        yield "extendedKeyUsage", ", ".join(_PURPOSE_WORDS[purpose.dotted_string] for purpose in usage.extended)
    if usage.names:
        yield "subjectAltName", f"@names_{entry.name}"
    limits = [f"permitted;{_limit(name)}" for name in usage.permitted]
    limits += [f"excluded;{_limit(name)}" for name in usage.excluded]
    if limits:
        yield "nameConstraints", ", ".join(["critical", *limits])
    if usage.crl_url is not None:
        if "," in usage.crl_url or ";" in usage.crl_url:
            raise CredentialsError(f"found crl_url {usage.crl_url!r}, expected no ',' or ';' in it: write %2C or %3B")
        yield "crlDistributionPoints", f"URI:{_escaped(usage.crl_url)}"


def _kind(name: str) -> str:
    """OpenSSL's word for the kind of a subject alternative name."""
    general = general_name(name)
    return next(word for kind, word in _KINDS.items() if isinstance(general, kind))


def _value(name: str) -> str:
    return str(general_name(name).value)


def _limit(name: str) -> str:
    limit = constraint(name)
    value = limit.value
    if isinstance(value, ipaddress.IPv4Network | ipaddress.IPv6Network):
        return f"IP:{value.network_address}/{value.netmask}"
    kind = next(word for kind, word in _KINDS.items() if isinstance(limit, kind))
    return f"{kind}:{value}"


def _escaped(value: str) -> str:
    """A value that the configuration file's own rules leave alone."""
    return "".join(f"\\{c}" if c in "\\$#\"'`" else c for c in value)


# -- make.sh ---------------------------------------------------------------------------------------------------------


def commands(plan: Plan) -> str:
    """The shell script. It makes what is not there, so that it can be run again."""
    variables = sorted({e.passphrase.env for e in plan.entries.values() if e.passphrase and e.passphrase.env})
    lines = [
        "#!/bin/sh",
        f"# Makes the hierarchy of {plan.path.name} with openssl; what is there already is left alone.",
        "set -eu",
        'cd "$(dirname "$0")"',
        "umask 077",
        *(f': "${{{name}:?holds a passphrase, and is not set}}"' for name in variables),
    ]
    for entry in plan.entries.values():
        lines += ["", f"# {_comment(entry)}", *_steps(plan, entry)]
    return "\n".join([*lines, "", *_afterwards(plan)]) + "\n"


def _steps(plan: Plan, entry: Planned) -> Iterator[str]:
    folder = f"{entry.kind}/{entry.name}"
    certificate, key = f"{folder}/certificate.pem", f"{folder}/private.key"
    yield f"mkdir -p {folder}" + ("/issued" if entry.usage.authority else "")
    if entry.usage.authority:
        yield f"[ -e {folder}/index.txt ] || : > {folder}/index.txt"
        yield f"[ -e {folder}/crlnumber ] || echo 01 > {folder}/crlnumber"
    if entry.imported:
        yield f"[ -e {certificate} ] || {{ echo 'put {certificate} and {key} there first' >&2; exit 1; }}"
        return
    yield f"[ -e {key} ] || {_key_command(entry, key)}"
    yield f"if [ ! -e {certificate} ]; then"
    days = max(1, round(min(e.days for e in (entry, *above(entry, plan.entries)))))
    passin = _password("-passin", entry.passphrase)
    subject = shlex.quote(_subject(entry.subject))
    request = f"openssl req -new -utf8 -config {CONFIGURATION} -key {key}{passin} -subj {subject}"
    if entry.issuer is None:
        yield f"  {request} -x509 -extensions ext_{entry.name} -days {days} -{_digest(entry)} -out {certificate}.new"
    else:
        issuer = plan.entries[entry.issuer]
        sign = f"openssl ca -batch -notext -utf8 -config {CONFIGURATION} -name ca_{issuer.name}"
        sign += f" -extensions ext_{entry.name} -days {days}{_password('-passin', issuer.passphrase)}"
        yield f"  {request} -out {folder}/request.pem"
        yield f"  {sign} -in {folder}/request.pem -out {certificate}.new"
    yield f"  mv {certificate}.new {certificate}"
    yield "fi"
    if entry.kind == "devices":
        chain = [entry, *(e for e in above(entry, plan.entries) if e.issuer is not None)]
        yield f"cat {' '.join(f'{e.kind}/{e.name}/certificate.pem' for e in chain)} > {folder}/chain.pem"


def _key_command(entry: Planned, path: str) -> str:
    """PKCS#8 comes from genpkey itself; SEC 1 and PKCS#1 are a second form of the same key."""
    make, cipher = (
        f"openssl genpkey -algorithm {_KEY_OPTIONS[entry.algorithm]}",
        " -aes-256-cbc" if entry.passphrase else "",
    )
    if entry.key_format == "pkcs8":
        return f"{make}{cipher}{_password('-pass', entry.passphrase)} -out {path}"
    return f"{make} | openssl pkey -traditional{cipher}{_password('-passout', entry.passphrase)} -out {path}"


def _password(option: str, passphrase: Passphrase | None) -> str:
    """The option that names the environment variable; without one openssl asks."""
    return f" {option} env:{passphrase.env}" if passphrase is not None and passphrase.env is not None else ""


def _subject(fields: Mapping[str, str]) -> str:
    """As -subj wants it: '/' before each field, and a backslash before what means something to it."""
    return "".join(f"/{k}={''.join(chr(92) + c if c in '/+' + chr(92) else c for c in v)}" for k, v in fields.items())


def _afterwards(plan: Plan) -> Iterator[str]:
    yield "# To revoke a certificate, and to sign the issuer's revocation list (before it expires, again):"
    for entry in plan.of("authorities"):
        common = f"openssl ca -config {CONFIGURATION} -name ca_{entry.name}{_password('-passin', entry.passphrase)}"
        yield f"#   {common} -revoke devices/NAME/certificate.pem -crl_reason keyCompromise"
        yield f"#   {common} -gencrl -out authorities/{entry.name}/crl.pem"
