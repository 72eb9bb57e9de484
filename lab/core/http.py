"""What every endpoint needs, put on `app.state` by `lab.app` and handed out as FastAPI dependencies.

They are `async` although they wait for nothing: FastAPI sends each other one through a thread of its pool, which costs
more than all of them.
"""

from typing import Annotated, cast

from fastapi import Depends, Request

from lab.core.clock import Clock
from lab.core.database import Database
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


DatabaseDep = Annotated[Database, Depends(database_of)]
ClockDep = Annotated[Clock, Depends(clock_of)]
SettingsDep = Annotated[Settings, Depends(settings_of)]
