"""HTTP/1.1 as it comes over the wire: uvicorn's parser in C, with the limits that it lacks."""

from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

LARGEST_HEAD_BYTES = 512 * 1024
"""Of a request line with its headers, and of trailers; what is unfinished is kept in memory meanwhile."""
_FRAMING = 8
"""A body in chunks may have so many times its own length around it: chunks of one byte are a waste, but allowed."""
_REFUSED_METHOD = "HTTP/1.1 501 Not Implemented"
_REFUSED_HEAD = "HTTP/1.1 431 Request Header Fields Too Large"
_REFUSED = "HTTP/1.1 400 Bad Request"


class BoundedHttpProtocol(HttpToolsProtocol):
    """One connection; what is no request, or never ends, is answered and cut."""

    def __init__(self, *args: Any, **named: Any) -> None:
        super().__init__(*args, **named)
        self._received = 0
        self._body = 0

    def data_received(self, data: bytes) -> None:
        """Bytes came."""
        self._unset_keepalive_if_required()
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserInvalidMethodError:
            self._cut(_REFUSED_METHOD, "this server does not know that method")
        except httptools.HttpParserError:
            self._cut(_REFUSED, "this is not HTTP/1.1")
        except httptools.HttpParserUpgrade:
            pass  # nothing else is spoken here; the request itself is answered
        else:
            self._received += len(data)
            if self._received > LARGEST_HEAD_BYTES + _FRAMING * self._body:
                self._cut(_REFUSED_HEAD, f"the headers are larger than {LARGEST_HEAD_BYTES // 1024} KiB")

    def on_message_begin(self) -> None:
        """A request begins."""
        self._received = self._body = 0
        super().on_message_begin()

    def on_body(self, body: bytes) -> None:
        """A piece of the body came."""
        self._body += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The request is whole."""
        self._received = self._body = 0
        super().on_message_complete()

    def _cut(self, status: str, why: str) -> None:
        head = f"{status}\r\ncontent-type: text/plain\r\ncontent-length: {len(why)}\r\nconnection: close\r\n\r\n{why}"
        self.transport.write(head.encode())
        self.transport.close()
