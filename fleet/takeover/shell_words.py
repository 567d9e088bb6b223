"""Shell text as words: lines joined, comments off, variables put in where the file itself says their value."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Mapping, MutableMapping

ASSIGNMENT = re.compile(r"(?:export\s+|declare\s+-x\s+)?([A-Za-z_]\w*)=(.*)", re.DOTALL)
_WORD = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_REFERENCE = re.compile(
    r"\$\{(?P<braced>[A-Za-z_]\w*)(?::?-(?P<default>[^{}]*))?\}|\$(?P<plain>[A-Za-z_]\w*)"
    r"|\$\((?P<manifest>[A-Za-z_]\w*)\)|%\(ENV_(?P<supervisord>\w+)\)s"
)
_SUBSTITUTION = re.compile(r"\$\([^()]*\)|`[^`]*`")
_DESCRIPTOR = re.compile(r"(?<!\S)[012](?=[<>])")  # of 2>&1
_SEPARATORS = frozenset(";|&<>")


def expand(text: str, variables: Mapping[str, str]) -> str:
    """Put in the values of the variables that are known; of the others the default, if there is one."""

    def value(match: re.Match[str]) -> str:
        names = match.groupdict()
        name = names["braced"] or names["plain"] or names["manifest"] or names["supervisord"]
        if variables.get(name):
            return variables[name]
        return match.group() if names["default"] is None else names["default"]

    return _REFERENCE.sub(value, text)


def split(text: str) -> list[list[str]]:
    """The simple commands of a line: what `;`, `&&`, `|` and redirections part. Raises ValueError on open quotes."""
    text = _SUBSTITUTION.sub(lambda match: re.sub(r"\s+", "", match.group()), text)
    text = _DESCRIPTOR.sub("", text)
    lexer = shlex.shlex(text, posix=True, punctuation_chars="".join(_SEPARATORS))
    lexer.whitespace_split = True
    lexer.commenters = ""
    commands: list[list[str]] = [[]]
    redirected = False
    for word in lexer:
        if word and set(word) <= _SEPARATORS:
            redirected = "<" in word or ">" in word
            if not redirected:
                commands.append([])
        elif redirected:
            redirected = False  # the file
        else:
            commands[-1].append(word)
    return [words for words in commands if words]


def environment_and_words(words: list[str]) -> tuple[dict[str, str], list[str]]:
    """`A=1 env B=2 program …` as its variables and the rest."""
    environment: dict[str, str] = {}
    for index, word in enumerate(words):
        match = _WORD.fullmatch(word)
        if match:
            environment[match[1]] = match[2]
        elif word.rpartition("/")[2] not in ("env", "exec", "export"):
            return environment, words[index:]
    return environment, []


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Number of the first line and text of each command, continued lines and open quotes joined, no comments."""
    held, first = "", 0
    for number, line in enumerate(text.splitlines(), start=1):
        if not held:
            first = number
        elif line.lstrip().startswith("#"):
            continue
        held += line if held or not line.lstrip().startswith("#") else ""
        if held.endswith("\\"):
            held = held[:-1] + " "
            continue
        bare = _without_comment(held)
        if _open_quote(bare) and number - first < _LONGEST:
            held += "\n"
            continue
        if bare.strip():
            yield first, bare.strip()
        held = ""
    if held.strip():
        yield first, held.strip()


_LONGEST = 40  # lines: a quote that is open for longer is an apostrophe


def _without_comment(line: str) -> str:
    match = re.search(r"(^|\s)#", line)
    return line[: match.start()] if match and not _open_quote(line[: match.start()]) else line


def _open_quote(text: str) -> bool:
    try:
        shlex.split(text)
    except ValueError:
        return True
    return False


def assigned(line: str, variables: MutableMapping[str, str]) -> bool:
    """Whether the line is an assignment and nothing else; `variables` gets its value."""
    match = ASSIGNMENT.fullmatch(line)
    if match is None:
        return False
    try:
        words = shlex.split(match[2])
    except ValueError:
        return False
    if len(words) > 1:
        return False
    variables[match[1]] = expand(words[0] if words else "", variables)
    return True
