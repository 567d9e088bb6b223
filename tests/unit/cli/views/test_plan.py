"""A plan as a tired person sees it, on a narrow terminal."""

from __future__ import annotations

from typing import Any

from fleet.cli.views.plan import lines

URLS = ("sqlite:////srv/shop/.fleet/broker.db", "amqp://bob:***@rabbit.internal/prod")


def reason(
    key: str, old: Any, new: Any, effect: str = "replace", at: tuple[int, int] | tuple[()] = (7, 7)
) -> Any:
    return {"key": key, "old": old, "new": new, "effect": effect, "lines": list(at)}


def group(name: str = "http", symbol: str = "±", **more: Any) -> dict[str, Any]:
    common = {"replicas": {"old": 2, "new": 2}, "reasons": [], "lines": [3, 3], "actions": []}
    return {"name": name, "symbol": symbol, **common, **more}


def seen(*groups: dict[str, Any], **more: Any) -> list[str]:
    common = {"fleet": "shop", "running": True, "changes": bool(groups), "fleet_changes": [], "drift": []}
    return list(lines({**common, "groups": list(groups), **more}, 80))


def test_each_reason_has_its_key_values_line_and_effect_and_fits() -> None:
    found = seen(
        group(
            reasons=[
                reason("broker.url", *URLS),
                reason("workers.http.env.API_KEY", "***", "***", at=(27, 29)),
                reason("workers.http.env.TOKEN", None, "***"),
                reason("workers.http.concurrency", 3, 5, "live"),
            ],
            actions=[{"symbol": "±", "worker": "http/0", "reason": "settings changed"}],
        )
    )
    assert found == [
        "shop: 1 to replace",
        "",
        "± http",
        "    broker.url   line 7: replaces workers",
        f'      "{URLS[0]}" →',
        f'        "{URLS[1]}"',
        "    env.API_KEY  another secret      lines 27 to 29: replaces workers",
        "    env.TOKEN    not set → a secret  line 7: replaces workers",
        "    concurrency  3 → 5               line 7: in place",
        "  ± http/0  settings changed",
    ]


def test_a_password_that_changed_is_told_apart_from_nothing() -> None:
    (_, _, _, _, value, *_) = seen(group(reasons=[reason("broker.url", URLS[1], URLS[1])]))
    assert value == f'      another secret in "{URLS[1]}"'


def test_a_rollback_is_not_called_as_declared() -> None:
    drift = [{"kind": "rolled back", "group": "http", "reason": "http/0 exited with code 3"}]
    assert seen(drift=drift)[0] == "shop: the file changes nothing"
    assert (
        seen(drift=drift)[-1]
        == "  http is rolled back: http/0 exited with code 3. `fleet reload` tries it again."
    )
    assert seen() == ["shop is as the file declares it: nothing to do"]


def test_what_the_running_fleet_refuses_says_what_to_do() -> None:
    name = reason("fleet.name", "shop", "store", "restart")
    assert seen(fleet_changes=[name], changes=True)[0].endswith("`fleet down`, then `fleet up`")


def test_hundreds_of_replicas_are_cut_short() -> None:
    steps = [{"symbol": "+", "worker": f"http/{n}", "reason": "there is none yet"} for n in range(200)]
    found = seen(group(symbol="+", actions=steps))
    assert found[0] == "shop: 200 to start"
    assert len(found) < 20
    assert found[-1] == "    and 188 more"
