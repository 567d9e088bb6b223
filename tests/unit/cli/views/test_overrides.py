"""What a person reads about what another one has put over the file."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from fleet.cli.views.overrides import how_to_end, override_text

NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def override(verb: str, **more: Any) -> dict[str, Any]:
    target = {} if "queue" in more else {"group": "http"}
    common = {
        "replicas": None,
        "actor": "ann",
        "reason": None,
        "since": "2026-11-25T11:58:00Z",
        "until": None,
    }
    return {"verb": verb, **common, **target, **more}


def test_who_when_how_long_still_why_and_how_it_ends() -> None:
    scale = override("scale", replicas=4, declared=2, until="2026-11-25T12:30:00Z", reason="a campaign")
    assert override_text(scale, NOW) == (
        "http has 4 workers instead of 2: `fleet scale` by ann 2 min ago, 30 min left (a campaign)"
    )
    assert how_to_end(scale) == "`fleet scale http=file`"
    drain = override("drain", replicas=0)
    assert override_text(drain, NOW) == "http has no workers: `fleet drain` by ann 2 min ago"
    assert how_to_end(drain) == "`fleet resume http`"
    pause = override("pause", queue="io")
    assert override_text(pause, NOW) == "queue io is paused: `fleet pause` by ann 2 min ago"
    assert how_to_end(pause) == "`fleet resume --queue io`"
