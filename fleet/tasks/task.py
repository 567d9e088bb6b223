"""@task: a function with a name that messages call it by, and how to send it one."""

from __future__ import annotations

import inspect
import sys
from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, ParamSpec, TypeVar, overload

from fleet.tasks.durations import Duration, seconds
from fleet.tasks.send_options import SendOptions

P = ParamSpec("P")
R = TypeVar("R")
_MOST_SHAPES = 100  # of calls of one task; more is a function that takes any name
Arguments = Sequence[Any] | Mapping[str, Any]  # of one call: positional, or by name
_TakenApart = tuple[Sequence[Any], Mapping[str, Any]]


class DuplicateTask(ValueError):  # noqa: N818
    """Two functions claim one task name."""


@dataclass(frozen=True, eq=False)
class Task(Generic[P, R]):
    """A function that workers run. Call it to run it here and now; `send` it to have a worker do so.

    Settings that are None leave it to the worker group.
    """

    name: str
    function: Callable[P, R]
    queue: str | None = None
    max_retries: int | None = None
    retry_backoff_seconds: float | None = None
    retry_backoff_max_seconds: float | None = None
    time_limit_seconds: float | None = None
    soft_time_limit_seconds: float | None = None
    # Calls that have been found right: how many arguments by position, and which by name. All that it takes.
    _shapes: set[tuple[int, tuple[str, ...]]] = field(default_factory=set, repr=False)

    def __post_init__(self) -> None:
        # Looks like its function to whoever inspects it: name, docstring, module, signature.
        for attribute in ("__module__", "__name__", "__qualname__", "__doc__"):
            object.__setattr__(self, attribute, getattr(self.function, attribute, None))
        object.__setattr__(self, "__wrapped__", self.function)

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.function(*args, **kwargs)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """Have a worker run it; the id of the message, which is on the broker when this returns.

        Raises TypeError for arguments that the function can't take or JSON can't hold, Unroutable when no
        rule of fleet.toml matches, BrokerUnavailable when the broker can't be reached, Refused
        when it is there and does not take the message: its queue is full, say.
        """
        return self._send(args, kwargs, SendOptions())

    def send_many(self, calls: Iterable[Arguments]) -> list[str]:
        """Send one message for each of `calls`, many times faster than one by one; their ids, in order.

        A call is a tuple (or list) of positional arguments, or a dict of keyword arguments:
        `resize.send_many([("a.png",), ("b.png",)])`. All are on the broker when this returns. They go out
        in batches, so `calls` may be a generator of millions; when it raises (as `send` does), the batches
        before have been sent.
        """
        return self._send_many(calls, SendOptions())

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """As `send`, from async code: `await resize.asend("cat.png")`. The event loop goes on meanwhile.

        The message is on the broker when this returns. Whoever is cancelled while waiting for that can't know.
        """
        return await self._asend(args, kwargs, SendOptions())

    async def asend_many(self, calls: Iterable[Arguments] | AsyncIterable[Arguments]) -> list[str]:
        """As `send_many`, from async code; `calls` may be an async generator, too."""
        return await self._asend_many(calls, SendOptions())

    def options(
        self,
        *,
        delay: Duration | None = None,
        queue: str | None = None,
        priority: int | None = None,
        expires: Duration | None = None,
        time_limit: Duration | None = None,
        soft_time_limit: Duration | None = None,
    ) -> Sender[P]:
        """The same task, sent differently: `resize.options(delay="10s").send("cat.png")`.

        `expires`: workers drop the message unrun after that long.
        """
        return Sender(
            self,
            SendOptions(
                queue=queue,
                priority=priority,
                delay_seconds=seconds(delay, "delay"),
                expires_seconds=seconds(expires, "expires"),
                time_limit_seconds=seconds(time_limit, "time_limit"),
                soft_time_limit_seconds=seconds(soft_time_limit, "soft_time_limit"),
            ),
        )

    def _send(self, args: tuple[Any, ...], kwargs: dict[str, Any], options: SendOptions) -> str:
        from fleet.tasks.sending import send

        self._check_arguments(args, kwargs)
        return send(self.name, args, kwargs, options, queue=self.queue)

    def _send_many(self, calls: Iterable[Arguments], options: SendOptions) -> list[str]:
        from fleet.tasks.sending import send_many

        return send_many(self.name, map(self._taken_apart, calls), options, queue=self.queue)

    async def _asend(self, args: tuple[Any, ...], kwargs: dict[str, Any], options: SendOptions) -> str:
        from fleet.tasks.async_sending import asend

        self._check_arguments(args, kwargs)
        return await asend(self.name, args, kwargs, options, queue=self.queue)

    async def _asend_many(
        self, calls: Iterable[Arguments] | AsyncIterable[Arguments], options: SendOptions
    ) -> list[str]:
        from fleet.tasks.async_sending import asend_many

        return await asend_many(self.name, self._all_taken_apart(calls), options, queue=self.queue)

    def _all_taken_apart(
        self, calls: Iterable[Arguments] | AsyncIterable[Arguments]
    ) -> Iterator[_TakenApart] | AsyncIterator[_TakenApart]:
        if isinstance(calls, AsyncIterable):
            return self._each_taken_apart(calls)
        return map(self._taken_apart, calls)

    async def _each_taken_apart(self, calls: AsyncIterable[Arguments]) -> AsyncIterator[_TakenApart]:
        async for call in calls:
            yield self._taken_apart(call)

    def _taken_apart(self, call: Arguments) -> tuple[Sequence[Any], Mapping[str, Any]]:
        args: Sequence[Any] = () if isinstance(call, Mapping) else call
        kwargs: Mapping[str, Any] = call if isinstance(call, Mapping) else {}
        if isinstance(args, str | bytes) or not isinstance(args, Sequence):
            raise TypeError(f"{self.name}: a call is a tuple or a dict of arguments, not {call!r}")
        self._check_arguments(args, kwargs)
        return args, kwargs

    def _check_arguments(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> None:
        shape = len(args), tuple(kwargs)
        if shape in self._shapes:
            return
        try:
            inspect.signature(self.function).bind(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{self.name}: {error}") from None
        if len(self._shapes) < _MOST_SHAPES:
            self._shapes.add(shape)


@dataclass(frozen=True, slots=True)
class Sender(Generic[P]):
    """A task together with options; see Task.options."""

    task: Task[P, Any]
    chosen: SendOptions

    def send(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """As Task.send."""
        return self.task._send(args, kwargs, self.chosen)

    def send_many(self, calls: Iterable[Arguments]) -> list[str]:
        """As Task.send_many."""
        return self.task._send_many(calls, self.chosen)

    async def asend(self, *args: P.args, **kwargs: P.kwargs) -> str:
        """As Task.asend."""
        return await self.task._asend(args, kwargs, self.chosen)

    async def asend_many(self, calls: Iterable[Arguments] | AsyncIterable[Arguments]) -> list[str]:
        """As Task.asend_many."""
        return await self.task._asend_many(calls, self.chosen)


registry: dict[str, Task[..., Any]] = {}


@overload
def task(function: Callable[P, R], /) -> Task[P, R]: ...


@overload
def task(
    *,
    name: str | None = None,
    queue: str | None = None,
    max_retries: int | None = None,
    retry_backoff: Duration | None = None,
    retry_backoff_max: Duration | None = None,
    time_limit: Duration | None = None,
    soft_time_limit: Duration | None = None,
) -> Callable[[Callable[P, R]], Task[P, R]]: ...


def task(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    queue: str | None = None,
    max_retries: int | None = None,
    retry_backoff: Duration | None = None,
    retry_backoff_max: Duration | None = None,
    time_limit: Duration | None = None,
    soft_time_limit: Duration | None = None,
) -> Any:
    """Make a function a task, called `name` or else "module.function".

    Raises TypeError for what can't be a task (a generator, async or not), DuplicateTask for a name that is
    taken.
    """

    def decorate(function: Callable[..., Any]) -> Task[..., Any]:
        _check(function)
        made = Task(
            name=name or default_name(function),
            function=function,
            queue=queue,
            max_retries=max_retries,
            retry_backoff_seconds=seconds(retry_backoff, "retry_backoff"),
            retry_backoff_max_seconds=seconds(retry_backoff_max, "retry_backoff_max"),
            time_limit_seconds=seconds(time_limit, "time_limit"),
            soft_time_limit_seconds=seconds(soft_time_limit, "soft_time_limit"),
        )
        _register(made)
        return made

    return decorate if function is None else decorate(function)


def default_name(function: Callable[..., Any]) -> str:
    """ "module.function"; for a script, the module that a worker would import it as."""
    module = function.__module__
    if module in ("__main__", "__mp_main__"):
        module = _main_module(vars(sys.modules.get(module, object)))
    return f"{module}.{function.__name__}"


def _main_module(main: Mapping[str, Any]) -> str:
    if spec := main.get("__spec__"):  # python -m shop.tasks
        return str(spec.name).removesuffix(".__main__")
    if file := main.get("__file__"):  # python shop/tasks.py: its folder is the first on sys.path
        return Path(file).stem
    return "__main__"


def _check(function: Callable[..., Any]) -> None:
    if not callable(function) or not hasattr(function, "__name__"):
        raise TypeError(f"@task goes on a function, not on {function!r}")
    inner = inspect.unwrap(function)
    if inspect.isgeneratorfunction(inner) or inspect.isasyncgenfunction(inner):
        raise TypeError(f"{_place(function)}: a generator can't be a task: calling it would run nothing")


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine, as far as that can be told without calling it."""
    is_plain = inspect.isfunction(function) or inspect.ismethod(function)
    inner = inspect.unwrap(function) if is_plain else type(function).__call__
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(inner)


def _register(made: Task[..., Any]) -> None:
    known = registry.get(made.name)
    # The same lines run twice are no clash: a module reloaded, or imported beside __main__.
    clash = known is not None and _place(known.function) != _place(made.function)
    if known is not None and clash and not _is_notebook(known.function):
        raise DuplicateTask(
            f"two tasks are named {made.name!r}: {_place(known.function)} and {_place(made.function)}; "
            'rename one, or give it @task(name="…")'
        )
    registry[made.name] = made


def _is_notebook(function: Callable[..., Any]) -> bool:
    """Typed at a prompt or in a notebook: defining it again is how one works there."""
    return function.__module__ == "__main__" and "__file__" not in vars(sys.modules["__main__"])


def _place(function: Callable[..., Any]) -> str:
    code = getattr(inspect.unwrap(function), "__code__", None)
    where = f"{code.co_filename}:{code.co_firstlineno}" if code else function.__module__
    return f"{function.__name__} ({where})"
