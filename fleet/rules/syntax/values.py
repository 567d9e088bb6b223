"""Values: of the wrong type, out of range, with a variable that is not set."""

from __future__ import annotations

from fleet.config.model import POOLS
from fleet.rules.finding import Finding, KeyPath, Step
from fleet.rules.registry import found_by_loader

POOL_ADVICE = (
    "CPU-bound tasks: prefork; tasks that wait on the network: gevent, or asyncio if they are async def"
)


@found_by_loader("FLT004", "invalid-value", "error", fix="safe")
def invalid_value(
    path: KeyPath,
    where: str,
    expected: str,
    got: str,
    *,
    advice: str | None,
    steps: tuple[Step, ...],
    safe: bool,
) -> Finding:
    """A value of the wrong type, or out of its range.

    TOML knows numbers, strings, booleans, lists and tables apart, and so does fleet: `"2"` is not the
    number 2. Where only one thing can have been meant, `--fix` writes it.

    Bad:

        [workers.http]
        replicas = "2"

    Good:

        [workers.http]
        replicas = 2
    """
    message = f"{where}: expected {expected}, got {got}"
    return Finding(path, message, help=advice, steps=steps, safe=safe)


@found_by_loader("FLT006", "unknown-pool", "error", fix="safe")
def unknown_pool(path: KeyPath, where: str, got: str, guess: str | None, steps: tuple[Step, ...]) -> Finding:
    """A pool that does not exist.

    There are six: prefork (processes, for CPU-bound tasks), gevent and eventlet (green threads, for
    tasks that wait), asyncio (for tasks that wait and are `async def`), threads (for waiting code that
    can't be monkey-patched), and solo (the task runs in the worker itself).

    Bad:

        [workers.http]
        pool = "gevnt"

    Good:

        [workers.http]
        pool = "gevent"
    """
    advice = f'did you mean "{guess}"?' if guess else POOL_ADVICE
    message = f"{where}: no pool called {got}; there are {', '.join(POOLS)}"
    return Finding(path, message, help=advice, steps=steps, safe=True)


@found_by_loader("FLT007", "bad-unit", "error", fix="safe")
def bad_unit(
    path: KeyPath, where: str, expected: str, got: str, *, advice: str, steps: tuple[Step, ...], safe: bool
) -> Finding:
    """A duration or size that can't be read.

    Durations are a number and one of ms, s, m, h, d, without a space; a bare number means seconds. Sizes
    are a number and one of B, kB, MB, GB, TB (thousands) or KiB, MiB, GiB, TiB (1024); a bare number
    means bytes.

    Bad:

        [workers.http]
        grace_period = "10 mins"

    Good:

        [workers.http]
        grace_period = "10m"
    """
    message = f"{where}: expected {expected}, got {got}"
    return Finding(path, message, help=advice, steps=steps, safe=safe)


@found_by_loader("FLT008", "unset-variable", "error")
def unset_variable(
    path: KeyPath, where: str, reference: str, name: str | None, message: str | None
) -> Finding:
    """`${VAR}` without a value.

    The variable is not in the environment and the reference gives no default. `${VAR:-default}` gives one
    (also for a variable that is empty), `${VAR:?message}` says what to do about it, and `$$` is a plain
    dollar sign.

    Bad:

        [broker]
        url = "${BROKER_URL}"

    Good:

        [broker]
        url = "${BROKER_URL:-redis://localhost:6379/0}"
    """
    if name is None:
        from fleet.diagnostics.masking import mask_prose

        return Finding(
            path,
            f"{where}: `{mask_prose(reference)}` is not a variable",
            help="write ${NAME}, ${NAME:-default} or ${NAME:?message}; $$ is a plain dollar sign",
            within=reference,
        )
    if "${" in reference[1:]:
        return Finding(
            path,
            f"the default of `{name}` holds another variable: a reference ends with the first }}",
            help=f"one variable in each: ${{{name}}}, or ${{{name}:-…}} with a default that is written out",
            within=reference,
        )
    return Finding(
        path,
        f"environment variable `{name}` is not set" + (f": {message}" if message else ""),
        help=f"set it, or give a default: ${{{name}:-…}}",
        within=reference,
    )
