"""What a visitor does in examples/celery-flask, and what came of it: run in the project's folder, prints JSON."""

from __future__ import annotations

import json
import os
import sys
import time
from typing import Any

sys.path.insert(0, os.getcwd())  # noqa: PTH109

from sums import create_app

WITHIN_SECONDS = 60


def main() -> None:
    visitor = create_app().test_client()

    def post(task: str, **asked: Any) -> str:
        reply = visitor.post(f"/tasks/{task}", json=asked)
        return str(reply.json["result_id"])

    def end(ident: str) -> list[dict[str, Any]]:
        """What the page has shown meanwhile, the end last."""
        seen: list[dict[str, Any]] = []
        until = time.monotonic() + WITHIN_SECONDS
        while time.monotonic() < until and not (seen and seen[-1]["ready"]):
            reply = visitor.get(f"/tasks/result/{ident}").json
            if not seen or seen[-1] != reply:
                seen.append(reply)
            time.sleep(0.05)
        return seen

    many = [post("add", cents=[n, 100]) for n in range(20)]
    counting, refused = post("count", to=10), post("refuse", reason="not today")
    counted = end(counting)
    print(
        json.dumps(
            {
                "sums": [end(each)[-1]["value"] for each in many],
                "counted": counted[-1],
                "progress was seen": any(
                    isinstance(each["value"], dict) and each["value"].get("total") == 10 for each in counted
                ),
                "refused": end(refused)[-1],
            }
        )
    )


if __name__ == "__main__":
    main()
