"""The mistakes in a broker URL and its options, found before anybody connects. No secret is in the words."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import parse_qsl

from fleet.broker_url.masking import FOREIGN_REFERENCE, bare_reference, mask_url
from fleet.broker_url.mistake import Kind, Mistake, meant, nearest, shown
from fleet.broker_url.parts import SCHEMES, SOCKETS, Parts, alternatives, family, is_port, split

__all__ = ["Kind", "Mistake", "mistakes"]

# (family, TLS or not, port) → whose port it is, as a rule, and what was meant.
_PORTS = {
    **{
        ("amqp", tls, "15672"): (
            "RabbitMQ's management, which speaks HTTP",
            "did you mean 5672 (5671 with amqps://)?",
        )
        for tls in (0, 1)
    },
    **{
        ("amqp", tls, "15671"): (
            "RabbitMQ's management, which speaks HTTP",
            "did you mean amqps:// with 5671?",
        )
        for tls in (0, 1)
    },
    **{("amqp", tls, "6379"): ("Redis'", "did you mean redis://, or port 5672?") for tls in (0, 1)},
    **{
        ("redis", tls, port): ("RabbitMQ's", "did you mean amqp://, or port 6379?")
        for tls in (0, 1)
        for port in ("5672", "5671")
    },
    **{
        ("redis", tls, "26379"): ("a sentinel's", "did you mean sentinel://, or port 6379?") for tls in (0, 1)
    },
    ("amqp", 0, "5671"): ("RabbitMQ's for TLS", "did you mean amqps://, or port 5672?"),
    ("amqp", 1, "5672"): ("RabbitMQ's without TLS", "did you mean port 5671, or amqp://?"),
    ("sentinel", 0, "6379"): ("Redis' own, not a sentinel's", "did you mean port 26379, or redis://?"),
}
_SCHEMES_HELP = "such as amqp://USER:PASSWORD@HOST/VHOST or redis://HOST:6379/0"
_ENCODE = (
    "percent-encode it: / is %2F, @ is %40, : is %3A, # is %23, ? is %3F, ; is %3B, % is %25, a space %20; "
    "python3 -c 'from urllib.parse import quote; print(quote(input(), safe=\"\"))' does it"
)
_CLUSTER = re.compile(r"(redis|valkey)s?[+-]?cluster.*|cluster", re.IGNORECASE)
_REFERENCE = re.compile(r"\$\{?(?P<name>\w+)\}?")
_SEPARATED = re.compile(r"[,\s]\s*[a-z][\w+-]*://", re.IGNORECASE)
_BARE = re.compile(r"\$(\w+)")
_BREAKING = re.compile(r"[/#?;\[\]\x00-\x1f]")
_RISKY = re.compile(r"[@\s\"<>^`{|}\\]|%(?![0-9A-Fa-f]{2})")
# Their URLs are read by kombu's transport itself, in a syntax of its own.
_OWN_SYNTAX = (
    *("sqla", "sqlalchemy", "mongodb", "filesystem", "memory", "azurestoragequeues", "sqs", "slmq"),
    *("azureservicebus", "gcpubsub", "confluentkafka", "kafka", "pgmq", "zookeeper"),
)


def mistakes(url: str, options: Mapping[str, Any] | None = None) -> Iterator[Mistake]:
    """All that can be seen. `options` are the `transport_options`; None when they are not known."""
    if (basic := _no_url(url)) is not None:
        yield basic
        return
    urls = alternatives(url)
    if any(_SEPARATED.search(each) for each in urls):
        yield Mistake("url", "several broker URLs are parted by a semicolon", "URL;URL, without blanks")
        return
    unknown = [mistake for each in urls if (mistake := _unknown_scheme(each)) is not None]
    if unknown:
        yield from unknown
        return
    yield from _mixed(urls)
    for each in urls:
        yield from _of_one(each)
    if options or (options is not None and url.lower().startswith("sentinel:")):  # which needs one
        from fleet.broker_url.options import of_options

        yield from of_options(url, options)


def _no_url(url: str) -> Mistake | None:
    if not url.strip():
        return Mistake("url", "the broker URL is empty", "leave `url` out for the embedded broker")
    if found := _REFERENCE.fullmatch(url):
        name = found["name"]
        return Mistake("url", f'"${name}" is no reference to a variable', f'write "${{{name}}}"')
    if (foreign := FOREIGN_REFERENCE.fullmatch(url.strip())) is not None:
        name = next(filter(None, foreign.groups())).rpartition(".")[2]
        return Mistake(
            "url", f"{url.strip()} is no reference to a variable in fleet.toml", f'write "${{{name}}}"'
        )
    if "://" not in url:
        return Mistake("url", "the broker URL has no scheme", _SCHEMES_HELP)
    if url != url.strip() or url[0] in "'\"":
        what = "blanks" if url != url.strip() else "quotes"
        return Mistake(
            "url", f"the broker URL has {what} around it", f"remove the {what}: it begins with its scheme"
        )
    return None


def _unknown_scheme(url: str) -> Mistake | None:
    name = url.partition("://")[0]
    lower = name.lower()
    driver = lower.partition("+")[0]
    known = lower in SOCKETS or lower in SCHEMES or ("+" in lower and driver.startswith("sqla"))
    if known or "." in name or ":" in name:  # or a transport class by its full name
        return None
    if _CLUSTER.fullmatch(name):
        return Mistake(
            "url",
            "Redis Cluster is not supported: one step of a queue touches keys that a cluster spreads over servers",
            "one server, a pair of URLs (redis://A;redis://B), or sentinel:// for failover",
        )
    if not re.fullmatch(r"[\w+-]{1,30}", name):
        return Mistake("url", "the broker URL does not begin with a scheme", _SCHEMES_HELP)
    close = nearest(lower, (*SCHEMES, *SOCKETS))
    text = f"no broker has the scheme {name}://"
    return Mistake("url", text, f"did you mean {close}://?" if close else _SCHEMES_HELP)


def _mixed(urls: list[str]) -> Iterator[Mistake]:
    families = list(dict.fromkeys(family(url) for url in urls))
    if len(families) > 1:
        both = f"{families[0]}:// and {families[1]}://"
        yield Mistake(
            "url", f"URLs that are tried in turn name brokers of two kinds, {both}", "name one kind"
        )
    elif len({url.lower().startswith("sentinel:") for url in urls}) > 1:
        yield Mistake(
            "url", "sentinel:// beside URLs that name a Redis itself", "name the sentinels, all of them"
        )


def _bare_reference(url: str) -> Mistake:
    """The name is told only where it may be shown: what follows the $ may be half of a password."""
    shown = _BARE.search(split(mask_url(url)).netloc)
    what, name = (f'"{shown[0]}"', shown[1]) if shown else ("a $ in the broker URL", "NAME")
    return Mistake("url", f"{what} is no reference to a variable", f'write "${{{name}}}"')


def _bare_references(names: list[str]) -> Mistake:
    written = " and ".join(f'"${name}"' for name in names)
    what = "is no reference to a variable" if len(names) == 1 else "are no references to variables"
    return Mistake("url", f"{written} {what}", "write " + " and ".join(f'"${{{name}}}"' for name in names))


def _of_one(url: str) -> Iterator[Mistake]:
    parts = split(url)
    if parts.scheme == "sqlite":
        yield from _of_sqlite(parts)
        return
    if parts.scheme.partition("+")[0] in _OWN_SYNTAX or "." in parts.scheme:
        return
    credentials = parts.credentials or ""
    text = "the password in the broker URL is not percent-encoded"
    if _BREAKING.search(credentials):
        yield Mistake("password", text, _ENCODE)
        return
    if credentials.count(":") > 1 or _RISKY.search(credentials):
        yield Mistake("password", f"{text}: not every client reads it alike", _ENCODE, harmless=True)
    bare = [name for each in credentials.split(":") if (name := bare_reference(each))]
    if bare:
        yield _bare_references(bare)
    if (wrong := _wrong_address(url, parts)) is not None:
        yield wrong
        return
    if (
        parts.credentials
        and not parts.host
        and family(url) in ("amqp", "redis")
        and parts.scheme not in SOCKETS
    ):
        text = "the broker URL has a user or a password, and no host: that is this machine"
        yield Mistake("url", text, "write the host behind the @; this machine is localhost", harmless=True)
    yield from _of_port(parts, family(url))
    if family(url) == "redis":
        yield from _password_as_user(parts)
        yield from _of_redis(parts)


def _password_as_user(parts: Parts) -> Iterator[Mistake]:
    """Also for a user whom Redis lets in without a password, which is worth a word."""
    credentials = parts.credentials
    is_given = any(name == "password" for name, _ in parse_qsl(parts.query))
    if credentials and ":" not in credentials and not is_given and not bare_reference(credentials):
        text = (
            "the broker URL has a user and no password: what stands before the @ without a colon is the user"
        )
        yield Mistake(
            "url", text, f"write a colon before a password: {parts.scheme}://:PASSWORD@…", harmless=True
        )


def _wrong_address(url: str, parts: Parts) -> Mistake | None:
    if _BARE.search(parts.netloc):
        return _bare_reference(url)
    if "," in parts.netloc and family(url) in ("amqp", "redis"):
        text = "there are several hosts in one broker URL"
        return Mistake("url", text, "one URL for each, parted by a semicolon: URL;URL")
    if re.search(r"\s", parts.netloc):
        return Mistake("url", "there is a space in the broker's host or port", _SCHEMES_HELP)
    if parts.host is None:
        text = "what stands where the broker's host and port belong is neither"
        return Mistake("url", text, _SCHEMES_HELP)
    if parts.port and not is_port(parts.port):
        what = "the broker's port is not between 1 and 65535"
        how = "as a rule it is 5672 for RabbitMQ, 6379 for Redis"
        if not parts.port.isdigit():  # or the password of a URL without a host
            what = "what stands where the broker's port belongs is no number"
            how = "write HOST:PORT, a password goes before the host: redis://:PASSWORD@HOST:6379/0"
        return Mistake("url", what, how)
    return None


def _of_port(parts: Parts, kind: str) -> Iterator[Mistake]:
    """Any port can be any service's: what is unusual is worth a word, no more."""
    kind = "sentinel" if parts.scheme == "sentinel" else kind
    if found := _PORTS.get((kind, parts.scheme in ("amqps", "rediss", "valkeys"), parts.port or "")):
        whose, instead = found
        text = f"port {parts.port} is {whose}, but the scheme is {parts.scheme}://"
        yield Mistake("url", text, instead, harmless=True, where=f":{parts.port}")


def _of_sqlite(parts: Parts) -> Iterator[Mistake]:
    if not parts.path.startswith("/"):
        yield Mistake(
            "url", "sqlite:// names a file, not a host", "sqlite:///FILE, or sqlite:////ABSOLUTE/FILE"
        )
    if parts.query:
        text = "the embedded broker takes no parameters in its URL"
        yield Mistake("parameter", text, "leave out what follows the ?", harmless=True)


def _of_redis(parts: Parts) -> Iterator[Mistake]:
    database = parts.path.strip("/")
    if parts.scheme in SOCKETS:
        if parts.netloc or not database:
            text = "the URL of a Unix socket names a path alone"
            yield Mistake("url", text, f"three slashes: {parts.scheme}:///run/redis/redis.sock?db=0")
    elif database and not database.isdigit():
        yield Mistake("url", "a database of Redis is a number", "redis://HOST:6379/0")
    for where in parts.query.split("&"):
        for name, value in parse_qsl(where, keep_blank_values=True):
            yield from _of_parameter(name, value, where)


def _of_parameter(name: str, value: str, where: str) -> Iterator[Mistake]:
    from fleet.broker_url import redis_options

    if name not in redis_options.PARAMETERS:
        # What has no value may be half of a password.
        text = f"Redis' client knows no parameter `{shown(name) if value else '…'}`"
        yield Mistake("parameter", text, meant(name, redis_options.PARAMETERS), where=where)
        return
    try:
        redis_options.read(name, value)
    except ValueError:
        kind = redis_options.PARAMETERS[name]
        text = f"the parameter `{name}` of the URL takes {kind}"
        yield Mistake("parameter", text, redis_options.example(name, kind, "="), where=where)
