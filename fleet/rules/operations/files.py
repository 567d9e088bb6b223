"""The files that [fleet] and [dashboard] name, and what the environment of a process can hold."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.config.model import Fleet
from fleet.machine import Machine
from fleet.rules.consumption_facts import count
from fleet.rules.files import text_of_file
from fleet.rules.finding import Finding, KeyPath
from fleet.rules.registry import rule

_SET_BY_FLEET = ("FLEET_ROUTING", "FLEET_STATE_DIR", "FLEET_SUPERVISED")
_CONTENT = {
    "token_file": "a line for each: NAME, viewer, operator or metrics, and a SECRET of 16 characters or more; "
    "`fleet dashboard token` writes them",
    "webhook_file": "its first line is the URL to POST to",
}


@rule(
    "FLT708",
    "named-file-unusable",
    "error",
    varies=True,
    singly=True,
    reads=("fleet.env_file", "dashboard.token_file", "alerts.webhook_file"),
)
def named_file_unusable(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    """`env_file`, `token_file` or `webhook_file` is not there, or can't be used.

    No worker starts without its environment. What is in the other two is a warning: workers run without a page that
    anybody can log in to, and without alerts that reach somebody. A file with an absolute path may be there only on
    the machine that runs the fleet, so that its absence here is a warning. (`url_file` is FLT904.)

    Bad:

        [fleet]
        app = "shop.tasks"
        env_file = "missing.env"

    Good:

        [fleet]
        app = "shop.tasks"
    """
    if (name := fleet.project.env_file) is not None:
        yield from _unusable(fleet, ("fleet", "env_file"), name)
    if fleet.dashboard and (name := fleet.dashboard.token_file) is not None:
        yield from _unusable(fleet, ("dashboard", "token_file"), name)
    if fleet.alerts and (name := fleet.alerts.webhook_file) is not None:
        yield from _unusable(fleet, ("alerts", "webhook_file"), name)


def _wrong_lines(path: KeyPath, name: str, text: str) -> Iterator[Finding]:
    from fleet.config.envfile import EnvFileError, parse_env_file

    try:
        parse_env_file(text)
    except EnvFileError as error:
        yield Finding(path, f"{name}, {error}", help="one KEY=VALUE a line; # begins a comment")


def _wrong_tokens(path: KeyPath, name: str, text: str) -> Iterator[Finding]:
    """Who has no line that can be read can't log in; the others can."""
    from fleet.token_lines import fault, read_line

    lines = text.splitlines()
    faults = [(number, why) for number, line in enumerate(lines, 1) if (why := fault(line)) is not None]
    some = any(read_line(line) is not None for line in lines)
    if not faults and not some:
        yield Finding(path, f"{name} has no token", help=_CONTENT["token_file"], severity="warning")
    elif faults:
        number, why = faults[0]
        more = f", and {count(len(faults) - 1, 'other line')}" if faults[1:] else ""
        yield Finding(
            path,
            f"line {number} of {name}{more}: this is no token, it {why}",
            help=_CONTENT["token_file"],
            severity="warning",
        )


def _unusable(fleet: Fleet, path: KeyPath, name: str) -> Iterator[Finding]:
    from fleet.secret_names import is_secret_in_place_of_path

    key = path[-1]
    if "://" in name:
        # Of a webhook the URL is the secret, and is not to be shown.
        content = {"webhook_file": "write the URL into a file, and name that"}
        yield Finding(
            path,
            f"`{key}` is the path of a file, and this is a URL",
            help=content.get(str(key), "name a file"),
        )
        return
    if not name.strip():
        yield Finding(path, f"`{key}` names no file", help="leave it out, or name one")
        return
    if is_secret_in_place_of_path(key, name):
        yield Finding(
            path,
            f"`{key}` is the path of a file, and this is what one holds",
            help="write it into a file, and name that",
        )
        return
    read = text_of_file(fleet, path, name, as_text="save it as UTF-8")
    if isinstance(read, Finding):
        yield read
    elif key == "env_file":
        yield from _wrong_lines(path, name, read)
    elif not read.strip():
        yield Finding(path, f"{name} is empty", help=_CONTENT[str(key)], severity="warning")
    elif key == "token_file":
        yield from _wrong_tokens(path, name, read)
    elif key == "webhook_file" and not read.lstrip().startswith(("http://", "https://")):
        yield Finding(
            path,
            f"the first line of {name} is no URL that begins with http:// or https://",
            help="the URL to POST to on the first line, the secret that signs on the second",
            severity="warning",
        )


@rule("FLT709", "impossible-variable", "error", reads=("workers.env",))
def impossible_variable(fleet: Fleet, _machine: Machine) -> Iterator[Finding]:
    r"""A name or value in `env` that no environment can hold.

    The kernel parts name and value by `=` and ends them with a zero byte: a name with `=` in it, an empty one, or a
    zero byte anywhere stops the worker before it has begun. Some variables fleet itself sets for its workers, whatever
    stands here: that is a warning.

    Bad:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        env = { GREETING = "a\u0000b" }

    Good:

        [workers.images]
        queues = ["images"]
        pool = "solo"
        env = { GREETING = "hello" }
    """
    for group, settings in fleet.workers.items():
        for name, value in settings.env.items():
            path: KeyPath = ("workers", group, "env", name)
            if name in _SET_BY_FLEET:
                yield Finding(
                    path,
                    f"fleet sets {name} for its workers itself: they never see this value",
                    part="key",
                    help="remove it",
                    severity="warning",
                )
            elif not name or "=" in name or "\0" in name:
                yield Finding(
                    path,
                    f"an environment variable can't have {_flaw(name)}",
                    part="key",
                    help="write another name: letters, digits and _",
                )
            elif "\0" in value:
                yield Finding(
                    path,
                    f"the value of {name} has a zero byte, which no environment variable can hold",
                    help=r"leave \u0000 out; binary data belongs into a file",
                )


def _flaw(name: str) -> str:
    if not name:
        return "an empty name"
    return 'a "=" in its name' if "=" in name else "a zero byte in its name"
