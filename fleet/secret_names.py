"""Names that say that what stands beside them is a secret: one list for files, messages, the page and commands."""

from __future__ import annotations

import re

_NAME = re.compile(
    r"(?i)passw(?:or)?d|passphrase|passcode|pwd|secret|token|credential|authori[sz]ation|webhook|dsn"
    r"|connection[ _-]?string|(?:api|private|access|auth|encryption|signing|license)[ _-]?key"
    r"|(?-i:_KEY(?![A-Z]))"  # routing_key is none
    r"|^(?:auth|pin)$"
)
_LAST_WORDS = frozenset(
    ["bearer", "cookie", "cookies", "creds", "cvc", "cvv", "hmac", "jwt", "otp", "pat", "pw", "salt", "sk"]
)
_PASS = re.compile(r"(?!by|com|encom|over|sur|tres|under)\w*pass")
_WORD_ENDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[\W_]+")
_WHOLE_WORDS = re.compile(
    r"(?i)(?:^|[_-])(?:\w*passw(?:or)?d|passphrase|pwd|secret|token|credentials?|dsn|connection[_-]?string"
    r"|(?:api|private|access|auth|encryption|signing|license|secret)[_-]?key)(?:$|[_-])"
)
_FILE_NAME = re.compile(r"(?i)_(?:file|path|dir)$")


def is_secret_name(name: object) -> bool:
    """Whether a key of this name holds a secret, rather than say where one is."""
    text = str(name)
    if _FILE_NAME.search(text):
        return False
    return ends_as_secret(text) or bool(_NAME.search(text))


def is_secret_in_words(name: str) -> bool:
    """By whole words, where a mistake costs more than a mask: TOKENIZERS_PARALLELISM has no token."""
    return ends_as_secret(name) or (bool(_WHOLE_WORDS.search(name)) and is_secret_name(name))


def ends_as_secret(name: str) -> bool:
    """By the last word alone: DB_PASS, dbPass, GITHUB_PAT. A number behind it does not count."""
    last = _WORD_ENDS.sub(" ", name.rstrip("0123456789_-")).lower().rpartition(" ")[2]
    return last in _LAST_WORDS or bool(_PASS.fullmatch(last))


def without_file(name: str) -> str:
    """ "token_file" → "token"."""
    return _FILE_NAME.sub("", name)


def is_secret_in_place_of_path(name: object, value: str) -> bool:
    """Whether a key such as `token_file` is given what the file should hold: a line of several words, or a URL."""
    stem = without_file(str(name))
    is_content = "://" in value or (" " in value.strip() and value.lstrip()[0] not in "/.~")
    return stem != name and is_content and is_secret_name(stem)
