"""What every endpoint needs, put on `app.state` by `lab.app` and handed out as FastAPI dependencies.

They are `async` although they wait for nothing: FastAPI sends each other one through a thread of its pool, which costs
more than all of them.
"""

from typing import Annotated, Any, cast

from fastapi import Depends, Query, Request, Response

from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.paging import DEFAULT_LIMIT, LARGEST_LIMIT, Page, PageWish
from lab.core.settings import Settings


async def database_of(request: Request) -> Database:
    """The relational store."""
    return cast(Database, request.app.state.database)


async def clock_of(request: Request) -> Clock:
    """The lab's clock."""
    return cast(Clock, request.app.state.clock)


async def settings_of(request: Request) -> Settings:
    """The settings."""
    return cast(Settings, request.app.state.settings)


async def page_wish(
    limit: Annotated[int, Query(ge=1, le=LARGEST_LIMIT, description="how many at most")] = DEFAULT_LIMIT,
    cursor: Annotated[str | None, Query(description="`next` of the page before; leave it out for the first")] = None,
) -> PageWish:
    """The page that a request asks for."""
    return PageWish(limit, cursor)


DatabaseDep = Annotated[Database, Depends(database_of)]
ClockDep = Annotated[Clock, Depends(clock_of)]
SettingsDep = Annotated[Settings, Depends(settings_of)]
PageDep = Annotated[PageWish, Depends(page_wish)]


def say_next(request: Request, response: Response, page: Page[Any]) -> str | None:
    """Point to the next page, if there is one, in the `Link` header (RFC 8288); gives its cursor for the body."""
    if page.next is not None:
        # Only the query: whatever stands before it in the address, here and at a proxy, stays.
        query = request.url.include_query_params(cursor=page.next).query
        response.headers.append("Link", f'<?{query}>; rel="next"')
    return page.next
