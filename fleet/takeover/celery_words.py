"""The `celery …` in a command: what stands before it (exec, poetry run, sh -c, gosu) is left off."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import PurePosixPath

from fleet.takeover.shell_words import environment_and_words, expand, split

SUBCOMMANDS = frozenset(
    {"worker", "multi", "beat", "flower", "inspect", "control", "events", "purge", "status", "shell"}
    | {"call", "report", "migrate", "result", "list", "amqp", "graph", "logtool", "upgrade"}
)
_OF_AN_OPTION = frozenset({"-A", "--app", "-Q", "--queues", "-n", "--hostname"})


def celery_calls(text: str, variables: Mapping[str, str]) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """(environment, words from `celery` on) of each call in a shell text. Raises ValueError on open quotes."""
    for words in split(expand(text, variables)):
        yield from calls_in_words(words, variables)


def calls_in_words(
    words: list[str], variables: Mapping[str, str]
) -> Iterator[tuple[dict[str, str], tuple[str, ...]]]:
    """The same of words that a shell would not split again. Raises ValueError."""
    environment, words = environment_and_words(words)
    for index, word in enumerate(words):
        before = words[index - 1] if index else ""
        if is_celery(word) and before not in _OF_AN_OPTION and SUBCOMMANDS & set(words[index + 1 :]):
            yield environment | environment_and_words(words[:index])[0], ("celery", *words[index + 1 :])
            return
        if "celery" in word and any(char.isspace() for char in word):
            for inner, found in celery_calls(word, variables):
                yield environment | inner, found


def is_celery(word: str) -> bool:
    """`celery`, `/srv/app/bin/celery`, `celery.exe`."""
    return PurePosixPath(word.replace("\\", "/")).name in ("celery", "celery.exe")
