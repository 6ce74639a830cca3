"""The broker's side of a bench, as its rig says: authority, broker, monitor, gateway with its policy, time server."""

from __future__ import annotations

from pathlib import Path

from hil.background import Loop
from hil.broker import Broker, Embedded, External, Joined, Monitor, Mosquitto, SharedBroker, find_mosquitto
from hil.credentials import Authority
from hil.gateway import PERMISSIVE, Gateway, Namespace, Policy, namespace_policy, policies
from hil.pki import bench as pki_bench
from hil.pki.hierarchy import Pki
from hil.rig import Rig
from hil.rig_file import ExternalBroker, MosquittoBroker
from hil.secret import Secret
from hil.timeline import Timeline
from hil.timeserver import TimeServer


def authority(rig: Rig) -> Authority:
    """The authority of the hierarchy that the rig names, the kept one, or a new one for this run."""
    config = rig.file.credentials
    if config.pki is not None:
        devices = [name for name, board in rig.boards.items() if board.config.identity is None]
        return pki_bench.authority(Pki.load(rig.resolve(config.pki)), devices, config.authority, server_names(rig))
    directory = config.directory
    return Authority.create() if directory is None else Authority.kept(rig.resolve(directory) / "authority")


def make_broker(rig: Rig, timeline: Timeline, artifacts: Path, shared: SharedBroker | None = None) -> Broker:
    """The broker that the rig names, not started yet; or one that runs already, for the processes that share it."""
    if shared is not None:
        return Joined(timeline, shared)
    config = rig.file.broker
    if isinstance(config, ExternalBroker):
        tls = config.tls
        user = config.username
        return External(
            timeline,
            config.host,
            config.port,
            username=user if isinstance(user, str) else None,
            username_env=user.env if isinstance(user, Secret) else None,
            password_env=config.password.env if config.password else None,
            ca=rig.resolve(tls.ca) if tls and tls.ca else None,
            certificate=rig.resolve(tls.certificate) if tls and tls.certificate else None,
            key=rig.resolve(tls.key) if tls and tls.key else None,
            tls=tls is not None,
        )
    if config.kind == "embedded" or (config.kind == "auto" and find_mosquitto() is None):
        return Embedded(timeline)
    program = config.program if isinstance(config, MosquittoBroker) else None
    return Mosquitto(timeline, artifacts / "broker", program=Path(program) if program else None)


def shared_broker(broker: Broker) -> SharedBroker:
    """What other processes have to know of a broker that was started here."""
    log = broker.log_path if isinstance(broker, Mosquitto) else None
    version = getattr(broker, "version", None)
    return SharedBroker(broker.kind, broker.host, broker.port, version, broker.capabilities, log)


def make_monitor(broker: Broker, timeline: Timeline) -> Monitor:
    """The monitor of a broker that has been started; it is not started itself yet."""
    if isinstance(broker, External):
        return Monitor(timeline, broker.host, broker.port, broker.username, broker.password, broker.tls_context())
    return Monitor(timeline, broker.host, broker.port, mqtt5="mqtt5" in broker.capabilities)


def make_time_server(rig: Rig, timeline: Timeline, loop: Loop) -> TimeServer:
    """The SNTP server, not started yet: a port for each board, or the rig's one port for all."""
    config = rig.file.time_server
    addresses = {b.config.address: name for name, b in rig.boards.items() if b.config.address is not None}
    return TimeServer(
        timeline,
        loop,
        bind=config.bind,
        boards=dict.fromkeys(rig.boards, 0),
        shared=config.port or None,
        board_of=addresses.get,
    )


def policy(rig: Rig) -> Policy:
    """The policy that the gateway plays, as the rig describes it."""
    config = rig.file.gateway
    namespace = Namespace(tuple(config.namespace.allowed)) if config.namespace is not None else None
    if config.policy is not None:
        topics = config.topics.topics() if config.topics is not None else namespace
        return policies.load(rig.policy_path(config.policy), topics)
    if config.namespace is None or namespace is None:
        return PERMISSIVE
    said = config.namespace
    return namespace_policy(rig.name, namespace, will=said.will, subscribe=said.subscribe, publish=said.publish)


def server_names(rig: Rig) -> list[str]:
    """What the gateway's certificate says: the bench's name first, then the address that boards are told."""
    return list(dict.fromkeys([rig.file.gateway.name, rig.file.gateway.host or rig.file.gateway.bind]))


def make_gateway(rig: Rig, broker: Broker, timeline: Timeline, loop: Loop, issuer: Authority) -> Gateway | None:
    """The gateway, not started yet; None in front of an external broker, which boards reach directly.

    It serves no board yet, see `serve`: other processes may have other boards of this rig, and their ports.
    """
    if broker.kind == "external":
        return None
    config = rig.file.gateway
    gateway = Gateway(
        timeline,
        loop,
        bind=config.bind,
        boards={},
        upstream=(broker.host, broker.port),
        server=issuer.issue_server(server_names(rig)),
        client_ca=issuer.trust_anchors_pem if config.client_certificates else None,
        policy=policy(rig),
    )
    if isinstance(broker, Mosquitto | Embedded | Joined):
        broker.attribute(gateway.board_of_port)
    return gateway


def serve(rig: Rig, gateway: Gateway, name: str) -> None:
    """Have the gateway listen for one board, on the port that the rig gives it. Raises GatewayError."""
    first = rig.file.gateway.first_port
    gateway.serve(name, first + list(rig.boards).index(name) if first else 0)
