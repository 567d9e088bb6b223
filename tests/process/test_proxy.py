"""The page behind a real nginx, below a path, with the configuration that docs/how-to/see.md shows."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from fleet.dashboard.attempts import EACH
from fleet.launch_specs import DashboardLaunch
from tests.brokers import free_port
from tests.browser import Browser
from tests.support import ROOT, eventually
from tests.unit.dashboard.asking import TOKENS

pytestmark = pytest.mark.process

NAME = "workers.example.com"
SHOWN = (ROOT / "docs" / "how-to" / "see.md").read_text().partition("### Behind a proxy")[2]
NGINX = """\
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 64; }}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        listen 127.0.0.1:{port};
{location}
    }}
}}
"""


@dataclass
class Site:
    port: int  # of nginx
    direct: int | None  # of the dashboard itself
    session: dict[str, str] = field(default_factory=dict)

    def ask(
        self,
        path: str,
        value: Any = None,
        *,
        source: str = "127.0.0.1",
        port: int | None = None,
        **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:
        connection = self.connect(source, port)
        given = {
            "Host": f"{NAME}:{self.port}",
            **{name.replace("_", "-"): each for name, each in headers.items()},
        }
        body = None
        if value is not None:
            # As a browser without https: it says its origin, and no Sec-Fetch-Site.
            given = {"Origin": f"http://{given['Host']}", "Content-Type": "application/json", **given}
            body = json.dumps(value)
        try:
            connection.request("GET" if value is None else "POST", path, body, given)
            reply = connection.getresponse()
            return reply.status, {name.lower(): each for name, each in reply.getheaders()}, reply.read()
        finally:
            connection.close()

    def connect(self, source: str = "127.0.0.1", port: int | None = None) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(
            "127.0.0.1", port or self.port, timeout=20, source_address=(source, 0)
        )


@pytest.fixture(params=["tcp", "unix"])
def site(request: pytest.FixtureRequest, short_folder: Path) -> Iterator[Site]:
    """A dashboard without its controller: what is tested is between the two of them and the browser."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if nginx is None:
        pytest.skip("no nginx here: apt-get install nginx-light")
    port, direct = free_port(), free_port()
    settings = tomllib.loads(block("toml"))["dashboard"]
    location = block("nginx")
    listen = f"127.0.0.1:{direct}"
    assert "http://127.0.0.1:8787" in location
    if request.param == "unix":
        listen = f"unix:{short_folder}/page.sock"
        settings["trusted_proxies"] = ["unix"]
        location = location.replace("http://127.0.0.1:8787", f"http://{listen}")
    location = location.replace("http://127.0.0.1:8787", f"http://{listen}")
    (short_folder / "tokens").write_text(TOKENS)
    launch = DashboardLaunch("shop", str(short_folder), listen, str(short_folder / "tokens"), **settings)
    (short_folder / "dashboard.json").write_text(launch.to_json())
    user = "user root;" if os.getuid() == 0 else ""
    text = NGINX.format(folder=short_folder, port=port, location=location, user=user)
    (short_folder / "nginx.conf").write_text(text)
    commands = [
        [sys.executable, "-m", "fleet.dashboard", str(short_folder / "dashboard.json")],
        [nginx, "-c", str(short_folder / "nginx.conf"), "-e", str(short_folder / "error.log")],
    ]
    processes = [subprocess.Popen(command, cwd=ROOT) for command in commands]
    made = Site(port, direct if request.param == "tcp" else None)
    try:
        eventually(lambda: answers(made), within=60, message="the page is there")
        yield made
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(20)


def answers(site: Site) -> bool:
    try:
        return site.ask("/fleet/")[0] == 200
    except OSError:
        return False


def block(language: str) -> str:
    """Of the page of the documentation."""
    found = re.search(rf"```{language}\n(.*?)```", SHOWN, re.DOTALL)
    assert found
    return found[1]


class Links(HTMLParser):
    """What a page refers to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self.feed(text)

    def handle_starttag(self, _tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.found += [value for name, value in attributes if name in ("href", "src") and value]


def test_the_page_its_login_and_its_events_go_through(site: Site) -> None:
    status, _, page = site.ask("/fleet/")
    assert status == 200
    links = Links(page.decode()).found
    assert links
    for link in links:
        assert not link.startswith(("/", "http")), "relative: the page does not know where it is"
        assert site.ask(f"/fleet/{link}")[0] == 200, link
    assert json.loads(site.ask("/fleet/api/session")[2])["role"] is None, (
        "who is behind a proxy has to log in"
    )
    status, headers, _ = site.ask("/fleet/api/login", {"token": "ann-0123456789abcdef"})
    assert status == 200, headers
    cookie = headers["set-cookie"]
    assert "Path=/fleet" in cookie
    assert "Secure" not in cookie, "by http it would not come back"
    session = cookie.partition(";")[0]
    assert json.loads(site.ask("/fleet/api/session", cookie=session)[2])["role"] == "operator"
    assert site.ask("/fleet/api/login", {"token": "x"}, Origin="http://evil.example.com")[0] == 403
    assert_unbuffered(site, session)


def assert_unbuffered(site: Site, session: str) -> None:
    """Two events come one after the other: the answer never ends, so that what is kept back would never come."""
    connection = site.connect()
    connection.request("GET", "/fleet/api/live", headers={"Host": NAME, "Cookie": session})
    reply = connection.getresponse()
    assert (reply.status, reply.getheader("content-type")) == (200, "text/event-stream; charset=utf-8")
    came = []
    while len(came) < 2:
        if reply.readline().startswith(b"data: "):
            came.append(time.monotonic())
    connection.close()
    assert came[1] - came[0] > 0.3, "each as it was told"


def test_a_person_logs_in_and_out_through_the_proxy_in_a_real_browser(site: Site) -> None:
    browser = Browser(f"--host-resolver-rules=MAP {NAME} 127.0.0.1")
    base = f"http://{NAME}:{site.port}/fleet/"
    try:
        browser.open(base)
        browser.fill("[name=token]", "ann-wrong")
        browser.click("button", "Log in")
        browser.sees("token", ".problem")
        browser.fill("[name=token]", "ann-0123456789abcdef")
        browser.click("button", "Log in")
        browser.sees("ann · operator", "header.top")
        browser.sees("no controller answers", ".banner")  # which is not there: the events came through
        browser.run("location.hash = arguments[0]", "#/config")
        browser.sees("Config", "nav [aria-current]")
        assert browser.run("return [...window.violations, ...window.dialogs]") == []
        names = browser.run("return performance.getEntriesByType('resource').map((each) => each.name)")
        assert [name for name in names if not name.startswith(base)] == []
        browser.click("button", "ann · operator")
        browser.click("dialog button.yes")
        browser.sees("Token", "main.login")
    finally:
        browser.close()


def test_only_the_proxy_is_believed_who_asks_and_only_for_our_names(site: Site) -> None:
    login = "/fleet/api/login"
    for number in range(EACH):
        forged = f"198.51.100.{number}"
        assert site.ask(login, {"token": "wrong"}, source="127.0.0.2", x_forwarded_for=forged)[0] == 401
    assert site.ask(login, {"token": "wrong"}, source="127.0.0.2", x_forwarded_for="198.51.100.99")[0] == 429
    assert site.ask(login, {"token": "wrong"}, source="127.0.0.3")[0] == 401, "another address"
    for host in ("evil.example.com", f"{NAME}.evil.example.com", "10.0.0.1", f"{NAME}@evil.example.com"):
        status, headers, body = site.ask("/fleet/api/session", host=host)
        assert status in (400, 403), (host, headers, body)
    if site.direct is None:
        return
    forged = {"x_forwarded_for": "198.51.100.7", "x_forwarded_proto": "https"}
    token = {"token": "ann-0123456789abcdef"}
    for source, secure in (("127.0.0.1", True), ("127.0.0.4", False)):
        status, headers, _ = site.ask(login, token, source=source, port=site.direct, **forged)
        assert (status, "Secure" in headers["set-cookie"]) == (200, secure), source
    for number in range(EACH + 1):
        said = site.ask(
            login,
            {"token": "wrong"},
            source="127.0.0.5",
            port=site.direct,
            x_forwarded_for=f"198.51.100.{number}",
        )
        assert said[0] == (401 if number < EACH else 429), "whoever is no proxy is counted by its own address"


def test_no_path_and_no_header_leads_elsewhere(site: Site) -> None:
    status, headers, _ = site.ask("/fleet")
    assert status in (301, 307)
    assert headers["location"] in ("/fleet/", f"http://{NAME}:{site.port}/fleet/", f"http://{NAME}/fleet/")
    evil = {
        "x_forwarded_prefix": "//evil.example.com",
        "x_forwarded_host": "evil.example.com",
        "x_script_name": "/e",
    }
    page = site.ask("/fleet/")[2]
    assert site.ask("/fleet/", **evil)[2] == page
    for path in ("/fleet//evil.example.com/", "/fleet/%2f%2fevil.example.com", "/fleet/..%2f..%2fetc/passwd"):
        status, headers, body = site.ask(path)
        assert status in (400, 404), path
        assert "location" not in headers
        assert b"root:" not in body
    for path in ("/", "/api/session", "/fleetx/api/session"):
        assert b"fleet" not in site.ask(path)[2], "nothing of it is outside of its path"
