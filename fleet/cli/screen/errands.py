"""The errands of `fleet top`: what is fetched or done once, because a key asked for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

from click import ClickException

from fleet.cli.running.api_client import ApiClient, ApiError, ControllerUnavailable
from fleet.cli.screen.acting import PURGE, RELOAD, RETRY, about_letters
from fleet.cli.screen.model import Count, Do, Fetch, Opened, Question
from fleet.cli.screen.paint import paint
from fleet.visible import all_visible, visible

if TYPE_CHECKING:
    from fleet.statedir import StateDir

_LOG_LINES = 500
_RESTART = "/commands/restart"

News = Opened | Question | str
"""Something to be shown in place of the list, a question that can now be asked, or a line below it."""


class Errands:
    def __init__(self, path: Path, env: str | None, state: StateDir) -> None:
        self._path = path
        self._env = env
        self._state = state
        self._client = ApiClient(state.api_socket)

    def run(self, errand: Fetch | Count | Do) -> Iterator[News]:
        """What there is to tell, as it comes; also why it could not be done."""
        try:
            if isinstance(errand, Do):
                yield from self._do(errand)
            elif isinstance(errand, Count):
                from fleet.cli.screen.dead_letters import counted

                yield about_letters(
                    errand.verb, errand.arguments, counted(errand.arguments, self._path, self._env)
                )
            else:
                yield self._fetched(errand)
        except (ControllerUnavailable, ApiError, OSError) as error:
            yield f"not done: {visible(str(error))}"
        except ClickException as error:
            yield f"not done: {visible(error.format_message())}"

    def _fetched(self, errand: Fetch) -> Opened:
        if errand.what == "log":
            return Opened(f"log of {errand.target}", lines=self._log(errand.target))
        if errand.what == "stack":
            from fleet.cli.views.stacks import lines

            answer = all_visible(self._client.get(f"/stacks?worker={quote(errand.target, safe='')}"))
            return Opened(f"stack of {errand.target}", lines=tuple(lines(answer, paint)))
        query = urlencode({"file": str(self._path), **({"env": self._env} if self._env else {})})
        return Opened("plan", lines=_plan(all_visible(self._client.get(f"/plan?{query}"))))

    def _log(self, target: str) -> tuple[str, ...]:
        from fleet.log_files import last_lines, select

        lines = last_lines(self._state.logs, select(target), _LOG_LINES)
        several = "/" not in target
        said = [visible(f"{each.slot} {each.text}" if several else each.text) for each in reversed(lines)]
        return (paint("The latest first", "dim"), *said) if said else ("nothing has been written yet",)

    def _do(self, errand: Do) -> Iterator[str]:
        if errand.path in (RETRY, PURGE):
            from fleet.cli.screen.dead_letters import deal

            yield from deal(errand.path, dict(errand.arguments), self._path, self._env, self._client)
            return
        if errand.path not in (RELOAD, _RESTART):
            answer = self._client.post(errand.path, dict(errand.arguments))
            yield visible("; ".join([answer["outcome"], *(answer.get("failed") or [])]))
            return
        for step in self._client.stream("POST", errand.path, dict(errand.arguments)):
            if said := _step(step, self._path):
                yield visible(said)


def _step(step: Mapping[str, Any], path: Path) -> str:
    from fleet.cli.views.reload_outcome import outcome

    if "event" in step:
        return str(step["event"]["message"])
    return str(step["progress"] or "") if "progress" in step else outcome(step, path)


def _plan(found: Mapping[str, Any]) -> tuple[str, ...]:
    from fleet.cli.views.plan import lines

    if "diagnostics" in found:
        said = [f"  {each['message']}" for each in found["diagnostics"]]
        return (paint("the file has errors: the fleet would go on as it is", "bad"), *said)
    return tuple(lines(dict(found), 200, paint))
