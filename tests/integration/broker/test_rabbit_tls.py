"""RabbitMQ over TLS: each option that docs/how-to/rabbitmq.md names, in the URL and in `transport_options`."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from fleet.broker.delivery import BrokerUnavailable
from fleet.broker.open import queue_stats
from fleet.spec import BrokerSpec, RoutingSpec
from tests.brokers import OwnRabbit, free_port, rabbitmq_server, unavailable
from tests.conftest import Broker
from tests.integration.broker.links import Desk, first_arguments

pytestmark = pytest.mark.broker


@dataclass
class TlsRabbit(OwnRabbit):
    """Wants a certificate of every client."""

    tls_port: int = field(default_factory=free_port)

    def environment(self) -> dict[str, str]:
        made = super().environment()
        with (self.folder / "rabbitmq.conf").open("a") as file:
            file.write(
                f"listeners.ssl.default = {self.tls_port}\n"
                f"ssl_options.cacertfile = {self.folder}/ca.pem\n"
                f"ssl_options.certfile = {self.folder}/server.pem\n"
                f"ssl_options.keyfile = {self.folder}/server.key\n"
                "ssl_options.verify = verify_peer\nssl_options.fail_if_no_peer_cert = true\n"
            )
        return made


def openssl(folder: Path, *arguments: str) -> None:
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True, timeout=60)


def certify(folder: Path, name: str, alternative: str) -> None:
    subject = ("-subj", f"/CN={name}", "-addext", f"subjectAltName={alternative}")
    key = ("-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-days", "2")
    if name == "ca":
        openssl(folder, "req", "-x509", *key, *subject, "-out", "ca.pem")
        return
    openssl(folder, "req", "-new", *key[:5], *subject, "-out", f"{name}.csr")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-copy_extensions", "copy")
    openssl(folder, "x509", "-req", "-in", f"{name}.csr", *signing, "-days", "2", "-out", f"{name}.pem")


@pytest.fixture(scope="module")
def server() -> Iterator[TlsRabbit]:
    if not rabbitmq_server() or not shutil.which("openssl"):
        unavailable("a RabbitMQ of the test's own, with openssl to make certificates")
    server = TlsRabbit()
    for name, alternative in (("ca", "DNS:ca"), ("server", "DNS:localhost"), ("client", "DNS:client")):
        certify(server.folder, name, alternative)
    (server.folder / "server.key").chmod(0o644)
    server.start()
    yield server
    server.destroy()


def spec(server: TlsRabbit, query: str, options: dict[str, Any], host: str = "localhost") -> BrokerSpec:
    url = f"amqps://guest:guest@{host}:{server.tls_port}//"
    return BrokerSpec(f"{url}?{query}" if query else url, transport_options=options)


def certificates(server: TlsRabbit, ca: str, certificate: str, key: str) -> dict[str, str]:
    folder = server.folder
    return {ca: f"{folder}/ca.pem", certificate: f"{folder}/client.pem", key: f"{folder}/client.key"}


def in_url(server: TlsRabbit) -> str:
    named = certificates(server, "cacertfile", "certfile", "keyfile")
    return "&".join(f"{name}={value}" for name, value in named.items())


def works(broker: BrokerSpec) -> None:
    desk = Desk(Broker("amqp", broker.url), {"transport_options": broker.transport_options})
    link = desk.link()
    desk.send("x", delay=0.1)
    link.ack(desk.receive(link))
    assert queue_stats(RoutingSpec(desk.spec, (desk.queue,), ()))[0].ready == 0
    desk.close()


def test_certificates_are_read_from_files_named_in_the_url(server: TlsRabbit) -> None:
    works(spec(server, f"{in_url(server)}&verify=verify_peer", {}))


def test_certificates_are_read_from_files_named_in_the_transport_options(server: TlsRabbit) -> None:
    tls = certificates(server, "ca_certs", "certfile", "keyfile")
    works(spec(server, "", {"ssl": {**tls, "cert_reqs": ssl.CERT_REQUIRED, "server_hostname": "localhost"}}))


def test_a_server_of_another_name_is_refused_unless_that_is_said(server: TlsRabbit) -> None:
    query = f"{in_url(server)}&verify=verify_peer"
    with pytest.raises(BrokerUnavailable, match=r"(?i)certificate"):
        works(spec(server, query, {}, host="127.0.0.1"))
    works(spec(server, f"{query}&server_name_indication=localhost", {}, host="127.0.0.1"))
    works(spec(server, f"{in_url(server)}&verify=verify_none", {}, host="127.0.0.1"))


def test_without_a_certificate_the_server_hangs_up(server: TlsRabbit) -> None:
    with pytest.raises(BrokerUnavailable):
        works(spec(server, f"cacertfile={server.folder}/ca.pem", {}))


def test_a_file_that_is_not_there_is_told(server: TlsRabbit) -> None:
    with pytest.raises(BrokerUnavailable, match="No such file"):
        works(spec(server, "cacertfile=/nowhere/ca.pem", {}))


def test_a_batch_larger_than_a_record_of_tls(server: TlsRabbit) -> None:
    desk = Desk(Broker("amqp", spec(server, in_url(server), {}).url))
    link = desk.link(prefetch=300)
    desk.send(*range(300))
    assert first_arguments(desk.receive(link, 300)) == list(range(300))
    desk.close()
