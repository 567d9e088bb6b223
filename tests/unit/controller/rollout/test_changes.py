"""Rollouts in the event log: started, halted, going on, finished; each once."""

from __future__ import annotations

import pytest

from fleet.controller.rollout.changes import rollout_changes
from fleet.controller.rollout.progress import RolloutView


def view(state: str) -> RolloutView:
    return RolloutView("http", state, "why")


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ([], ["progressing"], [("INFO", "rollout of http started")]),
        (["progressing"], ["progressing"], []),
        (["progressing"], ["halted"], [("ERROR", "rollout of http halted: why")]),
        (["halted"], ["halted"], []),
        (["halted"], ["progressing"], [("INFO", "rollout of http goes on")]),
        (["progressing"], ["rolled back"], [("ERROR", "rollout of http rolled back: why")]),
        (["progressing"], [], [("INFO", "rollout of http finished")]),
        (["rolled back"], [], []),
        ([], ["halted"], [("INFO", "rollout of http started"), ("ERROR", "rollout of http halted: why")]),
    ],
)
def test_a_rollout_tells_what_became_of_it(
    before: list[str], after: list[str], said: list[tuple[str, str]]
) -> None:
    assert list(rollout_changes([view(each) for each in before], [view(each) for each in after])) == said
