"""No password leaves through a URL that is shown, however badly it is written."""

from __future__ import annotations

import re
from collections.abc import Iterator
from urllib.parse import unquote, unquote_plus

from fleet.broker_url.parts import alternatives, family, is_port, split

MASK = "***"
Cut = tuple[int, int]

# A variable as make and Kubernetes, Python's configparser, Windows and templates write it.
FOREIGN_REFERENCE = re.compile(r"\$\((\w+)\)|%\((\w+)\)s|%(\w+)%|\{\{\s*\$?([\w.]+)\s*\}\}|<(\w+)>")
_COMMA = re.compile(r"[,\s]\s*(?=[A-Za-z][\w+.-]*://)")  # of who takes it for a semicolon
# Beyond the names that say secret everywhere: of a URL all is masked that is not known to be harmless.
_SECRET_NAME = re.compile(r"passw|pwd|secret|token|credential|auth|key|sig", re.IGNORECASE)
_FILE_NAME = re.compile(r"\w*(?:file|path|prefix)|auth_mechanism", re.IGNORECASE)
# Parameters that hold no secret: all others are masked, since nobody can list what drivers call theirs.
_PLAIN_NAME = re.compile(
    r"ssl_\w+|socket_\w+|retry_\w+|\w*timeout|heartbeat|\w+_interval|db|virtual_host|vhost|\w+_max|max_\w+"
    r"|client_name|username|protocol|verify|connection_attempts|locale|login_method"
    r"|server_name_indication|region|polling_\w+",
    re.IGNORECASE,
)
_PLAIN_USER = re.compile(r"[\w.+-]*")
_REFERENCE = re.compile(r"\$(\w+|\{\w+\})")
# A variable as a shell writes it. Any other word behind a $ may be a password.
_BARE_REFERENCE = re.compile(
    r"\$((?:[A-Z][A-Z0-9]*_)+(?:USER|USERNAME|LOGIN|PW|PASS|PASSWD|PASSWORD|SECRET|TOKEN|KEY)"
    r"|USER|USERNAME|LOGIN|PASS|PASSWD|PASSWORD|SECRET|TOKEN)"
)
_NETLOC = re.compile(r"(?P<host>\[[^\]]*\]|[^:\[\]]*)(?::(?P<port>[^:]*))?")
_WORDS = re.compile(r"[/@#?:;&=\s]+")
_LONG_ENOUGH = 4  # to be replaced inside other words


def mask_url(url: str) -> str:
    """`url` fit for logs and errors: what may be a secret becomes `***`; scheme, user and host stay."""
    return cut(url, secret_spans(url))


def cut(text: str, cuts: list[Cut]) -> str:
    """`text` with MASK in the place of each of `cuts`, which are sorted and apart."""
    shown, done = "", 0
    for start, end in cuts:
        shown, done = shown + text[done:start] + MASK, end
    return shown + text[done:]


def secret_spans(url: str) -> list[Cut]:
    """Where in `url` secrets are, or may be."""
    cuts: list[Cut] = []
    if FOREIGN_REFERENCE.fullmatch(url.strip()):
        return cuts  # a name, to be told that it is none here
    start = 0
    for piece in alternatives(url):
        start = url.index(piece, start)
        for begin, end in _of_piece(piece):
            cuts.append((start + begin, len(url) if end is None else start + end))
            if end is None:
                return cuts
        start += len(piece)
    return cuts


def has_password(url: str) -> bool:
    """Whether one is written out, rather than as ${VAR}; RabbitMQ's guest:guest is no secret."""
    for each in (part for several in alternatives(url) for part in _COMMA.split(several)):
        parts = split(each)
        user, _, password = (parts.credentials or "").partition(":")
        given = [(user, password)] if (user, password) != ("guest", "guest") else []
        pairs = (pair.partition("=") for pair in parts.query.split("&"))
        given += [("", value) for name, _, value in pairs if _says_secret(name) and not _is_plain(name)]
        if any(secret and "${" not in secret and not bare_reference(secret) for _, secret in given):
            return True
    return False


def bare_reference(text: str) -> str | None:
    """NAME of "$NAME", where that can't be a password that is written out."""
    found = _BARE_REFERENCE.fullmatch(text)
    return found[1] if found else None


def scrub(text: str, url: str) -> str:
    """`text`, which a driver has written about `url`, without the secrets of the URL."""
    if not text or not url:
        return text
    hidden = {url[begin:end] for begin, end in secret_spans(url)}
    words = {word for part in hidden for word in _WORDS.split(part)} | hidden
    words |= {unquoted(word) for word in words for unquoted in (unquote, unquote_plus)}
    shown = set(_WORDS.split(mask_url(url)))
    for word in sorted(words - shown - {"", MASK}, key=len, reverse=True):
        pattern = re.escape(word)
        text = re.sub(pattern if len(word) >= _LONG_ENOUGH else rf"(?<!\w){pattern}(?!\w)", MASK, text)
    return text


def _of_piece(url: str) -> Iterator[tuple[int, int | None]]:
    """End None: nothing from there on can be trusted, the URLs that follow included."""
    scheme, mark, _ = url.partition("://")
    rest = len(scheme + mark) if mark else 0
    if not mark:
        if not _REFERENCE.fullmatch(url) and url:
            yield 0, None
        return
    if family(url) == "sqlite":
        yield from _of_query(url, _index(url, "?", 0))
        return
    at = url.rfind("@")
    if at < rest:
        yield from _of_address(url, rest)
        return
    credentials = url[rest:at]
    if "?" in credentials or ("#" in credentials and _is_address(credentials.partition("#")[0])):
        yield rest, None  # is the "@" in a password, or behind the address?
        return
    user, colon, password = credentials.partition(":")
    # Redis knows no user without a password: who writes only one word has written the password.
    if not _PLAIN_USER.fullmatch(user) or (user and not colon and family(url) != "amqp"):
        yield rest, at
    elif password:
        yield rest + len(user) + 1, at
    yield from _of_address(url, at + 1)


def _of_address(url: str, start: int) -> Iterator[tuple[int, int | None]]:
    """Host and port, path, parameters. What is no port may be a password whose host was forgotten."""
    end = min(_index(url, mark, start) for mark in "/?#")
    netloc = _NETLOC.fullmatch(url[start:end])
    if netloc is None or (netloc["port"] and not is_port(netloc["port"])):
        colon = url.find(":", start)
        yield (start if colon < 0 else colon + 1), None
        return
    fragment = _index(url, "#", end)
    yield from _of_query(url[:fragment], _index(url[:fragment], "?", end))
    if fragment + 1 < len(url):
        yield fragment + 1, len(url)


def _is_address(text: str) -> bool:
    found = _NETLOC.fullmatch(text.partition("/")[0])
    return found is not None and bool(found["host"]) and (not found["port"] or is_port(found["port"]))


def _of_query(url: str, mark: int) -> Iterator[Cut]:
    start = mark + 1
    for parameter in url[start:].split("&"):
        name, equals, value = parameter.partition("=")
        if not equals:
            if name:
                yield start, start + len(name)
        elif value and not _is_plain(name):
            yield start + len(name) + 1, start + len(parameter)
        start += len(parameter) + 1


def _is_plain(name: str) -> bool:
    if _FILE_NAME.fullmatch(name):
        return True
    return bool(_PLAIN_NAME.fullmatch(name)) and not _says_secret(name)


def _says_secret(name: str) -> bool:
    if _SECRET_NAME.search(name):
        return True
    from fleet.secret_names import is_secret_name  # few URLs have parameters that need it

    return is_secret_name(name)


def _index(text: str, mark: str, start: int) -> int:
    found = text.find(mark, start)
    return len(text) if found < 0 else found
