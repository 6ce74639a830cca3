"""The file that describes a hierarchy: its tables and keys. docs/certificates.md explains each."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from hil import templates
from hil.credentials.identity import CredentialsError
from hil.credentials.issue import AUTHORITY_DAYS, CRL_DAYS, DEVICE_DAYS, Algorithm, KeyFormat, constraint
from hil.toml import Strict

#: By what intermediates are told apart. An entry may have each once; they are placeholders in its texts as well.
PLACES = ("device_type", "geography", "application", "customer")
#: What a text of an entry may name.
NAMES = ("name", *PLACES, "number")

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}")
VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")

Text = Annotated[str, AfterValidator(lambda value: templates.check(value, NAMES))]
Days = Annotated[float, Field(gt=0, le=36500, allow_inf_nan=False)]


def _word(value: str) -> str:
    if not NAME.fullmatch(value):
        raise ValueError(f"found {value!r}, expected letters, digits, '-', '_' or '.', at most 63")
    return value


Word = Annotated[str, AfterValidator(_word)]


class Subject(Strict):
    """Fields of a name. Lengths are the upper bounds of RFC 5280, appendix A; they are checked again when filled."""

    CN: Text | None = None
    OU: Text | None = None
    O: Text | None = None  # noqa: E741
    L: Text | None = None
    ST: Text | None = None
    C: Text | None = None


class Passphrase(Strict):
    """Where the passphrase of a key comes from: an environment variable, or a question on the terminal."""

    env: str | None = None
    prompt: bool = False

    @model_validator(mode="after")
    def _one(self) -> Passphrase:
        if (self.env is None) != self.prompt:
            raise ValueError('expected either env = "NAME" (an environment variable) or prompt = true')
        if self.env is not None and not VARIABLE.fullmatch(self.env):
            raise ValueError("found an env that is no name of an environment variable")
        return self


class Each(Strict):
    """One entry for each combination of these values; the entry's name gets them as its ending."""

    device_type: list[Word] | None = None
    geography: list[Word] | None = None
    application: list[Word] | None = None
    customer: list[Word] | None = None
    number: list[Word] | None = None

    @model_validator(mode="after")
    def _something(self) -> Each:
        lists = [value for _, value in self if value is not None]
        if not lists or not all(lists):
            raise ValueError("expected at least one list, and at least one value in each")
        if any(len(set(values)) < len(values) for values in lists):
            raise ValueError("found a value twice in a list")
        return self


class Constraints(Strict):
    """Name constraints: which names the certificates below may bear, such as 'dns:example.com', 'ip:10.0.0.0/8'."""

    permitted: list[str] = Field(default_factory=list)
    excluded: list[str] = Field(default_factory=list)

    @field_validator("permitted", "excluded")
    @classmethod
    def _sound(cls, value: list[str]) -> list[str]:
        for name in value:
            try:
                constraint(name)
            except CredentialsError as error:
                raise ValueError(str(error)) from None
        return value

    @model_validator(mode="after")
    def _something(self) -> Constraints:
        if not self.permitted and not self.excluded:
            raise ValueError("found no constraint, expected permitted or excluded names (RFC 5280, 4.2.1.10)")
        return self


class Entry(Strict):
    """What authorities and devices have in common."""

    issuer: Text | None = None
    subject: Subject = Subject()
    algorithm: Algorithm | None = None
    passphrase: Passphrase | None = None
    key_format: KeyFormat | None = None
    device_type: Word | None = None
    geography: Word | None = None
    application: Word | None = None
    customer: Word | None = None
    each: Each | None = None


class AuthorityEntry(Entry):
    """A root (no `issuer`) or an intermediate. `imported`: it was made elsewhere, and `hil pki import` brings it."""

    days: Days | None = None
    path_length: Annotated[int, Field(ge=0, le=20)] | None = None
    name_constraints: Constraints | None = None
    crl_url: Annotated[str, Field(pattern=r"^(http|ldap)://\S+$")] | None = None
    imported: bool = False


class Authentication(Strict):
    """Under which name Azure Event Grid knows a device, and by what in its certificate; 'thumbprint': all of it."""

    name: Text | None = None
    source: Literal["subject", "dns", "uri", "ip", "email", "thumbprint"] = "subject"


class DeviceEntry(Entry):
    """An end of the hierarchy: a device, a server, or both. `self_signed`: no authority stands above it."""

    days: Days | None = None
    names: list[Text] = Field(default_factory=list)
    purpose: Literal["client", "server", "both"] = "client"
    self_signed: bool = False
    authentication: Authentication = Authentication()


class Defaults(Strict):
    """What holds where an entry says nothing."""

    algorithm: Algorithm = "ec-p256"
    authority_days: Days = AUTHORITY_DAYS
    device_days: Days = DEVICE_DAYS
    crl_days: Days = CRL_DAYS
    key_format: KeyFormat = "sec1"
    passphrase: Passphrase | None = None


class PkiFile(Strict):
    """The file as it stands."""

    name: str = "pki"
    directory: str = "pki"
    subject: Subject = Subject()
    defaults: Defaults = Defaults()
    authorities: Annotated[dict[str, AuthorityEntry], Field(min_length=1)]
    devices: dict[str, DeviceEntry] = Field(default_factory=dict)
