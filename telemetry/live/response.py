"""A stream of events to a browser that may be slow, asleep or gone."""

from collections.abc import AsyncGenerator
from contextlib import aclosing

from starlette.responses import StreamingResponse
from starlette.types import Send

_HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}  # no proxy may hold events back


class LiveResponse(StreamingResponse):
    """Sends what the stream gives, as it is; the stream is closed whatever happens to the connection.

    The answer begins with the first event: whoever has it misses nothing that comes from then on.

    Sending waits while the viewer takes nothing, and so does the stream: what waits is bounded by the server's buffer.

    Args:
        events: the bytes of Server-Sent Events.
        status_code: of the answer.
    """

    media_type = "text/event-stream"

    def __init__(self, events: AsyncGenerator[bytes], status_code: int = 200) -> None:
        super().__init__(events, status_code, headers=_HEADERS)
        self._events = events

    async def stream_response(self, send: Send) -> None:
        """Send until the stream ends or the viewer has gone."""
        async with aclosing(self._events) as events:
            piece = await anext(events, b"")
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            while piece:
                await send({"type": "http.response.body", "body": piece, "more_body": True})
                piece = await anext(events, b"")
            await send({"type": "http.response.body", "body": b"", "more_body": False})
