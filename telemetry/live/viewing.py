"""One viewer of a device: what it asks for, and what it may see from instant to instant."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from fastapi.concurrency import run_in_threadpool

from telemetry.grants import Grant
from telemetry.live.frames import Edition, Frame, Frames, Shown, View, newer_than, values_event
from telemetry.live.rings import DeviceFacts

log = structlog.get_logger(__name__)

LOOK_AGAIN_SECONDS = 5.0
BLIND_SECONDS = 9.0
PAUSE_SECONDS = 1.0
"""A stream that has not come round for so long was held up: its network took nothing."""
_BEAT_SECONDS = 0.02


@dataclass(frozen=True, slots=True)
class Viewing:
    """What a viewer asks for, and whom to ask about it. The callables may take their time: they run in threads."""

    device: str
    grant: Grant
    """As of now."""
    look_again: Callable[[], Grant | None]
    """Gives the grant anew; `None`: the right to see has ended."""
    learn: Callable[[frozenset[str]], DeviceFacts]
    """Reads what is known of the device; given the boots that were heard."""
    signals: frozenset[str] = field(default_factory=frozenset)
    """Only these; empty: all."""
    past: Callable[[], Mapping[str, Sequence[Shown]]] | None = None
    """Reads what is stored of the last minutes, already cut to the grant; `None`: it is not wanted."""


class Viewer:
    """What one stream knows of the right to see; asks again beside the frames, so that a slow answer stops none."""

    def __init__(self, viewing: Viewing) -> None:
        self._viewing = viewing
        self._grant = viewing.grant
        self.view = self._view()
        self._read_through = 0
        self._floors: dict[str, int] = {}
        """Signal → time of the last stored value that was sent, while the rings have not come past it."""
        self._asked_at = self._answered_at = self._came_round_at = time.monotonic()
        self._question: asyncio.Task[Grant | None] | None = None
        self._refused = False

    async def come_round(self) -> None:
        """Before each frame: whoever was held up could not ask meanwhile, and gets nothing before there is an answer.

        Waits for it while the right that was known last would have held; without an answer the viewer is blind.
        """
        now = time.monotonic()
        paused_s, self._came_round_at = now - self._came_round_at, now
        if paused_s <= PAUSE_SECONDS:
            return
        self.leave()  # a question of before the pause says nothing about now
        self._asked_at = -LOOK_AGAIN_SECONDS
        self._ask_when_due()
        while self._question is not None and time.monotonic() - now < BLIND_SECONDS - LOOK_AGAIN_SECONDS:
            await asyncio.sleep(_BEAT_SECONDS)
            self._ask_when_due()
        self._came_round_at = time.monotonic()

    def may_see(self, now_ns: int) -> bool:
        """Whether the stream may go on at this instant; asks again when it is time."""
        self._ask_when_due()
        blind = time.monotonic() - self._answered_at > BLIND_SECONDS
        return not self._refused and not blind and self._grant.covers(self._viewing.device, now_ns)

    def take(self, frames: Frames, edition: Edition) -> bytes | None:
        """The event with what is new; `None`: nothing is."""
        frame = frames.frame(self.view, self._read_through, edition)
        self._read_through = edition.through
        if frame is None:
            return None
        return self._beyond_the_past(frame, edition.at_ns) if self._floors else frame.body

    def begin_after(self, edition: Edition, sent: Mapping[str, Sequence[Shown]]) -> None:
        """Go on from here: this much has been sent."""
        self._read_through = edition.through
        self._floors = {signal: points[-1][0] for signal, points in sent.items() if points}

    def leave(self) -> None:
        """The viewer has gone."""
        question, self._question = self._question, None
        if question is not None:
            question.cancel()

    def _beyond_the_past(self, frame: Frame, at_ns: int) -> bytes | None:
        """The frame without what was sent from the store already."""
        values = dict(frame.values)
        for signal in self._floors.keys() & values.keys():
            values[signal] = newer_than(values[signal], self._floors[signal])
            if values[signal]:  # what follows is newer still
                del self._floors[signal]
            else:
                del values[signal]
        return values_event(values, at_ns) if values else None

    def _view(self) -> View:
        grant = self._grant
        return View(self._viewing.signals, tuple(grant.spans_of(self._viewing.device)), grant.uncertain)

    def _ask_when_due(self) -> None:
        now = time.monotonic()
        if self._question is None:
            if now - self._asked_at >= LOOK_AGAIN_SECONDS:
                self._asked_at = now
                self._question = asyncio.create_task(run_in_threadpool(self._viewing.look_again))
            return
        if not self._question.done():
            return
        question, self._question = self._question, None
        try:
            answer = question.result()
        except Exception:
            log.exception("cannot tell whether a live stream may go on", device=self._viewing.device)
            return
        self._answered_at = now
        if answer is None:
            self._refused = True
        elif answer != self._grant:
            self._grant = answer
            self.view = self._view()
