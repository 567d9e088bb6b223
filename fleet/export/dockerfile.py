"""A Dockerfile and what not to send to its builder: two stages with uv, numeric user, read-only code, a probe."""

from __future__ import annotations

from collections.abc import Iterator

from fleet.export.facts import APP, PORT, PROBE, Facts
from fleet.export.problem import Problem

_DOCKERFILE = """\
# Written by `fleet export dockerfile`. Any group's worker: `docker run IMAGE fleet worker GROUP`.
FROM python:3.13-slim AS build
RUN pip install --no-cache-dir uv
ENV UV_COMPILE_BYTECODE=1 UV_LINK_MODE=copy UV_PYTHON_DOWNLOADS=0 UV_PROJECT_ENVIRONMENT={app}/.venv
WORKDIR {app}
# What changes seldom first. uv.lock has to name fleet-workers{extras}.
COPY pyproject.toml uv.lock ./
RUN uv sync --locked --no-dev --no-editable --no-install-project
COPY . .
RUN uv sync --locked --no-dev --no-editable

FROM python:3.13-slim
# The code belongs to root and stays as it is.
COPY --from=build {app} {app}
WORKDIR {app}
ENV PATH={app}/.venv/bin:$PATH PYTHONUNBUFFERED=1 FLEET_FILE={app}/fleet.toml FLEET_LISTEN=:{port}
# Numbers, so that Kubernetes can tell that it is not root.
USER 10001:10001
EXPOSE {port}
STOPSIGNAL SIGTERM
# /live never asks the broker: an outage there must not replace the workers.
HEALTHCHECK --start-period=60s --interval=10s --timeout=6s --retries=6 \\
    CMD ["python", "-c", "{probe}"]
# Exec form: signals reach fleet itself.
CMD ["fleet", "worker", "{group}"{more}]
"""

_IGNORED = """\
.git
.venv
.fleet
**/__pycache__
**/*.pyc
.env
*.secret
.mypy_cache
.pytest_cache
.ruff_cache
"""


def files(facts: Facts) -> tuple[dict[str, str], list[Problem]]:
    """By relative path, and what could not be said in them."""
    extras = ",".join(_extras(facts))
    text = _DOCKERFILE.format(
        app=APP,
        port=PORT,
        probe=PROBE,
        extras=f"[{extras}]" if extras else "",
        group=facts.units[0].name if facts.units else "GROUP",
        more="".join(f', "{each}"' for each in facts.arguments),
    )
    return {"Dockerfile": text, ".dockerignore": _IGNORED}, []


def _extras(facts: Facts) -> Iterator[str]:
    """By the pools and the broker's scheme."""
    wanted = {unit.group.pool for unit in facts.units} & {"gevent", "eventlet"}
    if facts.scheme is None or facts.scheme.startswith(("redis", "sentinel", "fleet-redis")):
        wanted.add("redis")
    if any(":" in app for app in facts.fleet.project.app):
        wanted.add("celery")
    yield from sorted(wanted)
