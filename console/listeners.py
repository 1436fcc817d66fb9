"""Who is to be told of something. One who fails takes nobody else's news away, and no loop's life."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nicegui import app


class Listeners[**P]:
    """Those who are told, in the order in which they came."""

    def __init__(self) -> None:
        self._them: list[Callable[P, None]] = []

    def add(self, listener: Callable[P, None]) -> Callable[[], None]:
        """Have it called; answers how to stop, which may be called again."""
        self._them.append(listener)

        def stop() -> None:
            if listener in self._them:
                self._them.remove(listener)

        return stop

    def tell(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Call each. What one raises is logged."""
        for listener in list(self._them):
            try:
                listener(*args, **kwargs)
            except Exception as error:  # noqa: BLE001 - anything may be wrong with a page
                unforeseen(error)

    def __iter__(self) -> Iterator[Callable[P, None]]:
        return iter(list(self._them))

    def __bool__(self) -> bool:
        return bool(self._them)


def unforeseen(error: Exception) -> str:
    """Log what nobody has thought of, with its traceback; answers it in a sentence."""
    app.handle_exception(error)
    return f"Something went wrong in the console itself ({type(error).__name__}: {error}). Its log says more."
