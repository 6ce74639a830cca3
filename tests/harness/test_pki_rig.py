"""A rig uses a kept hierarchy in place of the bench's own authority."""

from __future__ import annotations

from pathlib import Path

import pytest
from pki_files import needs_openssl, verdict

from hil import rig as rigs
from hil.credentials import CredentialsError, Flaw, broken
from hil.credentials.identity import certificates
from hil.parts import broker_side
from hil.parts.board import credentials
from hil.toml import FileError

CONTRACT = Path(__file__).parents[2] / "rigs" / "contracts" / "reference.toml"
PKI = """
[authorities.root]
[authorities.nz]
issuer = "root"
[authorities.site]
issuer = "nz"
[devices.one]
issuer = "site"
"""


def rig(folder: Path, said: str = 'pki = "pki.toml"', pki: str = PKI, board: str = "one") -> rigs.Rig:
    (folder / "pki.toml").write_text(pki)
    (folder / "rig.toml").write_text(
        f'name = "bench"\n[credentials]\n{said}\n[boards.{board}]\ncontract = "{CONTRACT}"\n'
        'virtual = "esp32"\nwifi = { ssid = "net" }\n'
    )
    return rigs.load(folder / "rig.toml")


@needs_openssl
def test_board_and_gateway_get_chains_of_the_same_hierarchy(tmp_path: Path) -> None:
    bench = rig(tmp_path)
    authority = broker_side.authority(bench)
    device = credentials(bench, bench.boards["one"], authority)
    server = authority.issue_server(["gateway.hil.test"])
    (tmp_path / "anchors.pem").write_bytes(device.trust_anchors_pem)
    for name, chain, purpose in (("device", device.chain_pem, "sslclient"), ("server", server.chain_pem, "sslserver")):
        assert len(certificates(chain)) == 3
        (tmp_path / name).write_bytes(chain)
        assert verdict(tmp_path / "anchors.pem", tmp_path / name, "-purpose", purpose) == "OK"
    (tmp_path / "crl.pem").write_bytes(authority.revocation_list(device))
    check = ("-CRLfile", str(tmp_path / "crl.pem"), "-crl_check")
    assert "error 23" in verdict(tmp_path / "anchors.pem", tmp_path / "device", *check)


def test_the_next_run_has_the_same_certificate(tmp_path: Path) -> None:
    first, second = rig(tmp_path), rig(tmp_path, f'pki = "{tmp_path}"')
    one, other = (credentials(r, r.boards["one"], broker_side.authority(r)) for r in (first, second))
    assert one == other


def test_a_hierarchy_of_a_root_alone_and_a_root_whose_key_is_elsewhere(tmp_path: Path) -> None:
    bench = rig(tmp_path, pki="[authorities.root]\n[devices.one]\n")
    authority = broker_side.authority(bench)
    assert len(certificates(authority.issue_server(["a.test"]).chain_pem)) == 1
    (tmp_path / "two").mkdir()
    bench = rig(tmp_path / "two")
    broker_side.authority(bench)
    (tmp_path / "two/pki/authorities/root/1.1/private.key").unlink()
    authority = broker_side.authority(bench)
    authority.issue_server(["a.test"])
    with pytest.raises(CredentialsError, match="the key of the root CN=root is not here"):
        broken.server(authority, ["a.test"], Flaw.NO_CERT_SIGN)


def test_the_authority_can_be_named_and_constraints_are_seen_before_a_handshake_is(tmp_path: Path) -> None:
    limited = PKI.replace("[authorities.site]", '[authorities.site]\nname_constraints.excluded = ["dns:hil.test"]')
    with pytest.raises(CredentialsError, match=r"authorities\.site\.name_constraints: do not allow"):
        broker_side.authority(rig(tmp_path, pki=limited))
    authority = broker_side.authority(rig(tmp_path, 'pki = "pki.toml"\nauthority = "nz"', limited))
    assert len(certificates(authority.issue_server(["gateway.hil.test"]).chain_pem)) == 2


@pytest.mark.parametrize(
    ("said", "board", "fault"),
    [
        ('pki = "none.toml"', "one", "credentials.pki: "),
        ('pki = "pki.toml"', "two", "boards.two: found no device of that name in pki.toml; add [devices.two]"),
        ('pki = "pki.toml"\nauthority = "one"', "one", "credentials.authority: found 'one', expected one of: root"),
        ('pki = "pki.toml"\ndirectory = "x"', "one", "credentials: found directory and pki, expected one of them"),
        ('authority = "site"', "one", "credentials: found authority and no pki"),
    ],
)
def test_faults_of_the_rig_file(tmp_path: Path, said: str, board: str, fault: str) -> None:
    with pytest.raises(FileError) as caught:
        rig(tmp_path, said, board=board)
    assert fault in str(caught.value)
    assert "\n" not in str(caught.value)
