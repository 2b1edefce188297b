"""Work in a daemon thread, which does not keep a run from ending that waits in vain."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def in_background(name: str, work: Callable[[], T]) -> "Future[T]":
    """Begins `work` at once; its answer, or what it raised, is for whoever asks for the result."""
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # handed on
            answer.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return answer
