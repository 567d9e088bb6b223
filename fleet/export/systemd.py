"""systemd units without `fleet up`: a template per group, an instance per worker, a target that wants them all."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.export.facts import Facts, Unit, mebibytes, sends_by_clock
from fleet.export.problem import Problem

_HARDENED = """\
NoNewPrivileges=yes
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
ProtectHome=read-only
PrivateTmp=yes
PrivateDevices=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectClock=yes
ProtectHostname=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6 AF_NETLINK
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallErrorNumber=EPERM
UMask=0077
LimitCORE=0
"""


def files(facts: Facts) -> tuple[dict[str, str], list[Problem]]:
    """By relative path, and what could not be said in them."""
    made: dict[str, str] = {}
    for unit in facts.units:
        base = f"fleet-{facts.slug}-{unit.slug}"
        made[f"{base}@.service"] = _service(facts, unit, base)
        made[f"{base}.target"] = _target(facts, unit, base)
    if sends_by_clock(facts.fleet):
        made[f"fleet-{facts.slug}-view.service"] = _scheduler(facts)
    return dict(sorted(made.items())), [*facts.problems, *_problems(facts)]


def _problems(facts: Facts) -> Iterator[Problem]:
    rollout = facts.fleet.rollout
    for key in ("max_surge", "max_unavailable", "min_ready", "progress_deadline", "on_failure", "watch"):
        if key in rollout.said:
            yield Problem(
                ("rollout", key), "systemd restarts, it does not roll out: `fleet up` does", None, "info"
            )
    for unit in facts.units:
        path = ("workers", unit.name)
        if unit.scales:
            yield Problem(
                (*path, "replicas"),
                f"systemd does not scale: there are always {unit.fewest}",
                "`fleet up` with its own autoscaler (examples/systemd/fleet.service)",
                "warning",
            )
        if unit.group.preload:
            yield Problem((*path, "preload"), "each instance imports the app itself", None, "info")


def _service(facts: Facts, unit: Unit, base: str) -> str:
    group, folder = unit.group, f"/srv/{facts.slug}"
    command = [
        f"{folder}/.venv/bin/fleet",
        *facts.command[1:],
        *facts.arguments,
        "--replica",
        "%i",
        unit.name,
    ]
    weight = min(10_000, 100 * unit.concurrency) if group.pool == "prefork" else 100
    lines = [
        *_head(folder),
        f"Description={_text(facts.name)} worker {_text(unit.name)}/%i (fleet)",
        f"PartOf={base}.target",
        *_NETWORK,
        *_run_as(facts, group.user or facts.slug, folder),
        *(f"Environment={_quoted(f'{key}={value}')}" for key, value in unit.environment.items()),
        f"ExecStart={' '.join(command)}",
        "KillMode=mixed",
        f"TimeoutStopSec={unit.stop_seconds}s",
        *_RESTART,
        f"Nice={group.nice}",
        f"CPUWeight={weight}",
        "LimitNOFILE=65536",
        "OOMPolicy=continue",
    ]
    if unit.memory_limit is not None:
        lines.append(f"MemoryMax={mebibytes(unit.memory_limit)}M")
    return _ended(facts, folder, lines)


def _scheduler(facts: Facts) -> str:
    """`fleet view`, for its scheduler: one on all hosts is enough, and more do no harm."""
    folder = f"/srv/{facts.slug}"
    command = [f"{folder}/.venv/bin/fleet", "view", *facts.arguments, "--listen", "127.0.0.1:0"]
    lines = [
        *_head(folder),
        f"Description={_text(facts.name)}: what is sent by the clock (fleet)",
        *_NETWORK,
        *_run_as(facts, facts.slug, folder),
        f"ExecStart={' '.join(command)}",
        "KillMode=mixed",
        "TimeoutStopSec=20s",
        *_RESTART,
    ]
    return _ended(facts, folder, lines) + "\n[Install]\nWantedBy=multi-user.target\n"


_NETWORK = ("After=network-online.target", "Wants=network-online.target", "StartLimitIntervalSec=0", "")
_RESTART = (
    *("Restart=always", "RestartSec=1s"),
    "# 78: fleet.toml is wrong. Starting again would not mend it.",
    "RestartPreventExitStatus=78",
)


def _head(folder: str) -> Iterator[str]:
    yield f"# Written by `fleet export systemd` for {folder} with its .venv: change both if need be."
    yield "[Unit]"


def _run_as(facts: Facts, user: str, folder: str) -> Iterator[str]:
    yield from ("[Service]", "Type=exec", f"User={user}", f"WorkingDirectory={folder}")
    yield f"Environment=FLEET_FILE={folder}/fleet.toml PYTHONUNBUFFERED=1"
    yield from _secrets(facts, folder)


def _ended(facts: Facts, folder: str, lines: list[str]) -> str:
    if facts.scheme == "sqlite":
        lines.append(f"ReadWritePaths=-{_from(folder, facts.fleet.project.state_dir)}")
    return "\n".join(lines) + "\n" + _HARDENED


def _secrets(facts: Facts, folder: str) -> Iterator[str]:
    if facts.variables:
        names = ", ".join(each.name for each in facts.variables)
        yield f"# NAME=VALUE lines, mode 0600: {names}"
        yield f"EnvironmentFile=-/etc/fleet/{facts.slug}.env"
    if facts.fleet.broker.url_file:
        yield f"LoadCredential=broker_url:{_from(folder, facts.fleet.broker.url_file)}"


def _target(facts: Facts, unit: Unit, base: str) -> str:
    instances = " ".join(f"{base}@{number}.service" for number in range(unit.fewest))
    wants = f"Wants={instances}\n" if instances else ""
    head = f"[Unit]\nDescription={_text(facts.name)} workers {_text(unit.name)} (fleet)\n"
    return f"{head}{wants}\n[Install]\nWantedBy=multi-user.target\n"


def _from(folder: str, path: str) -> str:
    return path if path.startswith("/") else f"{folder}/{path}"


def _text(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%").replace("\n", "\\n")
    return f'"{escaped}"'
