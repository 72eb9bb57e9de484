"""A browser and a program as the application sees them: requests straight into it, without a network."""

import asyncio
from typing import Any

from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient, Cookies, Response
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from lab.core.clock import Clock
from lab.core.database import Database
from lab.people.principals import Principal, Role
from lab.people.service import create_api_token, open_session
from tests.factories import make_account, make_organisation

ORIGIN = "http://lab.example"
PASSWORD = "correct horse battery"
PASSWORD_HASH = PasswordHash((Argon2Hasher(time_cost=1, memory_cost=64, parallelism=1),)).hash(PASSWORD)
"""With parameters that make it quick to verify: real ones are slow on purpose."""


class Client:
    """Sends requests; keeps cookies like a browser; follows no redirects."""

    def __init__(self, app: FastAPI, **headers: str) -> None:
        self._transport = ASGITransport(app, raise_app_exceptions=False)
        self.headers = headers
        self.cookies = Cookies()

    def get(self, path: str, **options: Any) -> Response:
        return self.call("GET", path, **options)

    def post(self, path: str, **options: Any) -> Response:
        return self.call("POST", path, **options)

    def call(self, method: str, path: str, **options: Any) -> Response:
        async def send() -> Response:
            async with AsyncClient(
                transport=self._transport, base_url=ORIGIN, headers=self.headers, cookies=self.cookies
            ) as client:
                response = await client.request(method, path, **options)
                self.cookies = client.cookies
                return response

        return asyncio.run(send())


def browser(app: FastAPI) -> Client:
    """A browser that nobody has signed in with; its requests come from our own pages."""
    return Client(app, Accept="text/html", Origin=ORIGIN)


def program(app: FastAPI, token: str | None = None) -> Client:
    """A program, with an API token or without."""
    return Client(app, **({"Authorization": f"Bearer {token}"} if token else {}))


class Town:
    """A lab, two companies, and somebody of each role, who can all sign in with `PASSWORD`."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self.database, self.clock = database, clock
        with database.write() as session:
            self.lab = make_organisation(session, "Lab", kind="lab")
            self.foundry = make_organisation(session, "Foundry")
            self.joinery = make_organisation(session, "Joinery")
            self.accounts = {
                name: make_account(session, role, organisation=where, sign_in=name, password_hash=PASSWORD_HASH)
                for name, role, where in (
                    ("manager", Role.MANAGER, self.lab),
                    ("engineer", Role.ENGINEER, self.lab),
                    ("founder", Role.MEMBER, self.foundry),
                    ("joiner", Role.MEMBER, self.joinery),
                    ("reader", Role.RECIPIENT, self.foundry),
                )
            }

    def principal(self, name: str) -> Principal:
        account = self.accounts[name]
        return Principal(account.id, account.organisation_id, Role(account.role), account.name)

    def browser(self, app: FastAPI, name: str) -> Client:
        """A browser in which this person is signed in."""
        account, now = self.accounts[name], self.clock.now()
        client = browser(app)
        with self.database.write() as session:
            client.cookies.set("pilotlab_session", open_session(session, account.id, now=now))
        return client

    def program(self, app: FastAPI, name: str, *scopes: str) -> Client:
        """A program with a fresh token of this person."""
        with self.database.write() as session:
            _, secret = create_api_token(
                session, self.principal(name), name="test", scopes=scopes or ("read", "write"), now=self.clock.now()
            )
        return program(app, secret)
