"""The terminal of `fleet top`: curses around the pure core. Sleeps until a key, an answer or a new size comes."""

from __future__ import annotations

import curses
import os
import queue
import select
import signal
import sys
import threading
import time
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from fleet.cli.screen.errands import Errands, News
from fleet.cli.screen.frame import fitted, frame
from fleet.cli.screen.keys import asked_later, press
from fleet.cli.screen.model import NEEDS, Count, Do, Fetch, Model, Opened, Question, Quit
from fleet.cli.screen.paint import spans
from fleet.cli.screen.polling import Poller

if TYPE_CHECKING:
    from fleet.cli.running.api_client import ApiClient

_LOOK_SECONDS = 2.0  # an answer that does not come is to be seen, too
_MOST_IN_VAIN = 10  # readable, and nothing to read: the terminal has gone
_ESCAPE_MILLISECONDS = "25"
_NAMES = {
    curses.KEY_UP: "UP",
    curses.KEY_DOWN: "DOWN",
    curses.KEY_PPAGE: "PAGE_UP",
    curses.KEY_NPAGE: "PAGE_DOWN",
    curses.KEY_HOME: "HOME",
    curses.KEY_END: "END",
    curses.KEY_ENTER: "ENTER",
    curses.KEY_BACKSPACE: "BACKSPACE",
}
_CHARACTERS = {"\n": "ENTER", "\r": "ENTER", "\x1b": "ESC", "\x7f": "BACKSPACE", "\b": "BACKSPACE"}
_COLOURS = {"31": curses.COLOR_RED, "32": curses.COLOR_GREEN, "33": curses.COLOR_YELLOW}
_ATTRIBUTES = {"1": curses.A_BOLD, "2": curses.A_DIM, "7": curses.A_REVERSE}


class Terminal:
    """`run` returns when somebody has quit."""

    def __init__(self, model: Model, client: ApiClient, errands: Errands, *, coloured: bool) -> None:
        self._model = model
        self._errands = errands
        self._coloured = coloured
        self._attributes: dict[str, int] = {}
        self._news: queue.SimpleQueue[News] = queue.SimpleQueue()
        self._woken, self._waker = os.pipe()
        os.set_blocking(self._woken, False)
        os.set_blocking(self._waker, False)
        self._poller = Poller(client, self._wake)

    def run(self) -> None:
        os.environ.setdefault("ESCDELAY", _ESCAPE_MILLISECONDS)
        self._poller.show(NEEDS[self._model.screen])
        self._poller.start()  # it asks while the terminal is being set up
        curses.wrapper(self._loop)

    def _loop(self, screen: curses.window) -> None:
        signal.signal(signal.SIGWINCH, lambda _number, _frame: self._wake())
        for number in (signal.SIGTERM, signal.SIGHUP):  # not without giving the terminal back
            signal.signal(number, lambda number, _frame: sys.exit(128 + number))
        screen.nodelay(True)
        with suppress(curses.error):
            curses.curs_set(0)
        self._attributes = _attributes(self._coloured)
        in_vain = 0
        while True:
            self._take_in(screen)
            self._draw(screen)
            ready, _, _ = select.select([sys.stdin, self._woken], [], [], _LOOK_SECONDS)
            keys = _keys(screen)
            in_vain = in_vain + 1 if sys.stdin in ready and keys is None else 0
            if in_vain > _MOST_IN_VAIN:
                return
            for key in keys or ():
                self._model, intent = press(self._sized(screen), key)
                if isinstance(intent, Quit):
                    return
                if intent is not None:
                    threading.Thread(target=self._go, args=(intent,), daemon=True).start()
            self._poller.show(NEEDS[self._model.screen])

    def _take_in(self, screen: curses.window) -> None:
        """What has come from other threads."""
        with suppress(BlockingIOError):
            while os.read(self._woken, 4096):
                pass
        self._model = replace(self._sized(screen), known=self._poller.known, now=time.time())
        with suppress(queue.Empty):
            while True:
                news = self._news.get_nowait()
                if isinstance(news, Opened):
                    self._model = replace(self._model, opened=news, top=0, notice="")
                elif isinstance(news, Question):
                    self._model = asked_later(self._model, news)
                else:
                    self._model = replace(self._model, notice=news)

    def _sized(self, screen: curses.window) -> Model:
        columns, lines = os.get_terminal_size(sys.__stdout__.fileno())  # type: ignore[union-attr]
        if (lines, columns) != screen.getmaxyx() and lines and columns:
            curses.resizeterm(lines, columns)
        lines, columns = screen.getmaxyx()
        return fitted(self._model, columns, lines)

    def _draw(self, screen: curses.window) -> None:
        screen.erase()
        for y, line in enumerate(frame(self._model)):
            room = self._model.width - (y == self._model.height - 1)  # the last corner would scroll
            with suppress(curses.error):  # narrower than any frame
                screen.move(y, 0)
                for code, text in spans(line, room):
                    screen.addstr(text, self._attributes.get(code, curses.A_NORMAL))
        screen.refresh()

    def _go(self, errand: Fetch | Count | Do) -> None:
        for news in self._errands.run(errand):
            self._news.put(news)
            self._wake()
        if isinstance(errand, Do):
            self._poller.hurry()

    def _wake(self) -> None:
        with suppress(BlockingIOError):  # full: it is being woken anyway
            os.write(self._waker, b"w")


def _attributes(coloured: bool) -> dict[str, int]:
    found = dict(_ATTRIBUTES)
    with suppress(curses.error):
        curses.use_default_colors()  # else curses itself writes white on black
    if not coloured or not curses.has_colors():
        return {**found, "31": curses.A_BOLD}
    with suppress(curses.error):
        for number, (code, colour) in enumerate(_COLOURS.items(), 1):
            curses.init_pair(number, colour, -1)
            found[code] = curses.color_pair(number)
    return found


def _keys(screen: curses.window) -> list[str] | None:
    """All that has been pressed; None when that is nothing at all."""
    found = None
    with suppress(curses.error):
        while True:
            key = screen.get_wch()
            name = _NAMES.get(key, "") if isinstance(key, int) else _CHARACTERS.get(key, key)
            found = [*(found or []), *([name] if name else [])]
    return found
