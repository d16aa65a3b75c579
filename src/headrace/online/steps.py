"""Code that asks and goes on with the answers, written once: one driver waits for them in a thread, one on an event loop."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, TypeVar

__all__ = ["Steps", "run", "run_async"]

Question = TypeVar("Question")
Answer = TypeVar("Answer")
Result = TypeVar("Result")
Steps = Generator[Question, Answer, Result]
"""Yields a question, is sent the answer, and so on; returns the result."""


def run(steps: Steps[Question, Answer, Result], ask: Callable[[Question], Answer]) -> Result:
    """The result, with each question put to `ask`; what `ask` raises ends it."""
    answer: Any = None  # as the first thing that a generator is sent
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = ask(question)


async def run_async(steps: Steps[Question, Answer, Result], ask: Callable[[Question], Awaitable[Answer]]) -> Result:
    """As `run`, but the event loop does other things while an answer is on its way."""
    answer: Any = None
    while True:
        try:
            question = steps.send(answer)
        except StopIteration as end:
            result: Result = end.value
            return result
        answer = await ask(question)
