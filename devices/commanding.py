"""Commands to devices, and the check that they were obeyed.

`stop` asks a machine to end what it does. **It is no safety function**: it goes over a network, a broker and the
machine's own program, each of which can be late or silent. Whoever is in danger uses the emergency stop.

`report_seq` asks which message a device sent last; its reply's detail is JSON, `{"boot": "7f3a", "seq": 1042}`.

Who may: the lab's staff, and the product itself for the locked plan of a run that is going (`lab.watch.stopping`).
"""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, get_args

import structlog
from paho.mqtt.client import Client, MQTTMessage
from sqlalchemy.orm import Session

from devices import command_repository
from devices.command_schemas import CommandName
from devices.errors import CommandNotSentError, CommandUnknownError
from devices.messages.native import Command, MessageError, Reply, decode, encode
from devices.messages.times import format_time
from devices.messages.topics import topic
from devices.models import DeviceCommand
from devices.service import get_device
from lab.core.audit import note_change
from lab.core.clock import Clock
from lab.core.database import Database
from lab.core.ids import new_id
from lab.core.mqtt import BrokerAddress, connect, new_client
from lab.core.paging import Page, PageWish
from lab.core.time import to_nanoseconds
from lab.people.principals import Principal

log = structlog.get_logger(__name__)

COMMANDS = get_args(CommandName)
REPLY_SECONDS = 5.0
VALID_FOR = timedelta(seconds=10)
"""A device that gets a command later must not do it any more: somebody else may be at the machine."""
_CONNECT_SECONDS = 5.0
NO_ANSWER = "no-answer"


class LastSeq(NamedTuple):
    """What a device says that it sent last."""

    boot: str
    seq: int


@dataclass(frozen=True, slots=True)
class Sender:
    """What is needed to send commands to the devices of a lab."""

    address: BrokerAddress
    lab: str
    clock: Clock


def send_command(
    address: BrokerAddress, lab: str, device: str, command: Command, *, timeout_s: float = REPLY_SECONDS
) -> Reply | None:
    """Send a command over a short connection of its own and wait for its reply.

    Args:
        address: the broker.
        lab: the lab's short name.
        device: whom to ask.
        command: with an id of its own, and when it expires.
        timeout_s: how long to wait for the reply.

    Returns:
        The reply with the command's id; `None`: there came none in time.

    Raises:
        CommandNotSentError: if the broker does not answer or take it.
    """
    exchange = _Exchange(address, lab, device, command.id)
    try:
        exchange.open()
        return exchange.ask(encode(command), timeout_s)
    except OSError as error:
        raise CommandNotSentError(
            f"the command was not sent: the broker at {address.host}:{address.port} does not answer ({error})"
        ) from error
    finally:
        exchange.close()


def reported_seq(reply: Reply | None) -> LastSeq | None:
    """What a reply to `report_seq` says; `None`: nothing that can be read."""
    if reply is None or reply.result != "done":
        return None
    try:
        said = json.loads(reply.detail)
        boot, seq = said["boot"], said["seq"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    sound = isinstance(boot, str) and 0 < len(boot) <= 64 and type(seq) is int and 0 <= seq < 2**63
    return LastSeq(boot, seq) if sound else None


def stop_device(
    database: Database,
    sender: Sender,
    principal: Principal,
    device_id: str,
    *,
    reason: str,
    run_id: str | None = None,
    alarm_id: str | None = None,
    command_id: str | None = None,
    until: datetime | None = None,
) -> DeviceCommand:
    """Ask a machine to end what it does, and note what it answers. See `command_device`."""
    return command_device(
        database,
        sender,
        principal,
        device_id,
        "stop",
        reason=reason,
        run_id=run_id,
        alarm_id=alarm_id,
        command_id=command_id,
        until=until,
    )


def command_device(
    database: Database,
    sender: Sender,
    principal: Principal,
    device_id: str,
    command: CommandName,
    *,
    reason: str,
    run_id: str | None = None,
    alarm_id: str | None = None,
    command_id: str | None = None,
    until: datetime | None = None,
) -> DeviceCommand:
    """Send a command and note what comes of it. It is written down before it is sent.

    Args:
        database: for the note.
        sender: the way to the device.
        principal: who asks.
        device_id: whom.
        command: one of `COMMANDS`.
        reason: in the asker's words; the device is told.
        run_id: that it is about.
        alarm_id: that asks for it.
        command_id: a name for the effect: asked for twice it is sent once, or again while it is valid and unanswered.
        until: at the latest then it must not be done any more.

    Returns:
        With `result` done, refused, or no-answer.

    Raises:
        ForbiddenError: for anybody but the staff.
        DeviceUnknownError: if the lab owns none of this name.
        CommandUnknownError: for another command.
    """
    principal.require_staff("send commands to machines")
    if command not in COMMANDS:
        raise CommandUnknownError(
            f"'{command[:40]}' is no command; there are {', '.join(COMMANDS)}", field="command", rule="known-command"
        )
    chosen = command_id or new_id("cmd")
    now = sender.clock.now()
    expires = min(now + VALID_FOR, until) if until is not None else now + VALID_FOR
    asked = database.transact(
        lambda session: _ask(
            session,
            DeviceCommand(
                id=chosen,
                device_id=device_id,
                command=command,
                reason=reason,
                asked_by=principal.account_id,
                alarm_id=alarm_id,
                run_id=run_id,
                asked_at=now,
                expires_at=expires,
            ),
        )
    )
    if asked.result is not None:
        return asked
    result, detail = NO_ANSWER, "it expired before it could be sent"
    if sender.clock.now() < asked.expires_at:
        result, detail = _send(sender, asked)
    log.info("command", device=device_id, command=command, id=chosen, result=result)
    return database.transact(lambda session: _note_result(session, chosen, result, detail, now=sender.clock.now()))


def list_commands(session: Session, principal: Principal, device_id: str, page: PageWish) -> Page[DeviceCommand]:
    """What a device was asked to do, the newest first (staff).

    Raises:
        ForbiddenError: for anybody but the staff.
        DeviceUnknownError: if the lab owns none of this name.
    """
    principal.require_staff("see the commands to machines")
    get_device(session, device_id)
    return command_repository.page_of_commands(session, device_id, page)


def _ask(session: Session, command: DeviceCommand) -> DeviceCommand:
    known = command_repository.find_command(session, command.id, lock=True)
    if known is not None:
        return known
    get_device(session, command.device_id)
    session.add(command)
    session.flush()
    note_change(
        session,
        "device-command",
        command.id,
        "asked",
        by=command.asked_by,
        at=command.asked_at,
        after={"device": command.device_id, "command": command.command, "run": command.run_id},
        reason=command.reason,
    )
    return command


def _send(sender: Sender, asked: DeviceCommand) -> tuple[str, str]:
    expires = format_time(to_nanoseconds(asked.expires_at))
    message = Command(asked.id, asked.command, asked.reason, expires)
    try:
        reply = send_command(sender.address, sender.lab, asked.device_id, message, timeout_s=REPLY_SECONDS)
    except CommandNotSentError as error:
        return NO_ANSWER, error.message
    if reply is None:
        return NO_ANSWER, f"no reply came within {REPLY_SECONDS:g} s"
    return ("done" if reply.result == "done" else "refused"), reply.detail[:2000]


def _note_result(session: Session, command_id: str, result: str, detail: str, *, now: datetime) -> DeviceCommand:
    command = command_repository.find_command(session, command_id, lock=True)
    assert command is not None
    if command.result is None:
        command.sent_at = command.sent_at or command.asked_at
        command.answered_at = now if result != NO_ANSWER else None
        command.result, command.detail = result, detail.replace("\x00", "") or None
        session.flush()
    return command


class _Exchange:
    """One question and its answer."""

    def __init__(self, address: BrokerAddress, lab: str, device: str, command_id: str) -> None:
        self._address = address
        self._question, self._answer = topic(lab, device, "command"), topic(lab, device, "reply")
        self._id = command_id
        self._client = new_client(address, f"pilotlab-command-{new_id('c')}")
        self._client.on_connect = self._on_connect
        self._client.on_subscribe = lambda *_: self._note("listening")
        self._client.on_publish = lambda *_: self._note("taken")
        self._client.on_message = self._on_message
        self._changed = threading.Condition()
        self._steps: set[str] = set()
        self._refusal: str | None = None
        self._reply: Reply | None = None
        self._open = False

    def open(self) -> None:
        """Connect, and listen for the reply."""
        connect(self._client, self._address)
        self._open = True
        self._client.loop_start()
        self._wait(lambda: "connected" in self._steps)
        self._client.subscribe(self._answer, 1)
        self._wait(lambda: "listening" in self._steps)

    def ask(self, payload: bytes, timeout_s: float) -> Reply | None:
        """Send, and wait for the answer."""
        until = time.monotonic() + timeout_s
        self._client.publish(self._question, payload, qos=1)
        self._wait(lambda: "taken" in self._steps or self._reply is not None)
        with self._changed:
            self._changed.wait_for(lambda: self._reply is not None, max(0.0, until - time.monotonic()))
            return self._reply

    def close(self) -> None:
        """Hang up."""
        if self._open:
            self._client.disconnect()
            self._client.loop_stop()

    def _wait(self, done: Callable[[], bool]) -> None:
        with self._changed:
            self._changed.wait_for(lambda: done() or self._refusal is not None, _CONNECT_SECONDS)
            if not done():
                where = f"{self._address.host}:{self._address.port}"
                raise CommandNotSentError(f"the command was not sent: {where} {self._refusal or 'stopped answering'}")

    def _note(self, step: str) -> None:
        with self._changed:
            self._steps.add(step)
            self._changed.notify_all()

    def _on_connect(self, _: Client, __: Any, ___: Any, reason: Any, ____: Any) -> None:
        if reason.is_failure:
            with self._changed:
                self._refusal = f"refused the connection: {reason}"
                self._changed.notify_all()
        else:
            self._note("connected")

    def _on_message(self, _: Client, __: Any, message: MQTTMessage) -> None:
        if message.retain:
            return
        try:
            reply = decode("reply", bytes(message.payload))
        except MessageError as error:
            log.warning("a reply that cannot be read", topic=message.topic, problem=error.reason)
            return
        if isinstance(reply, Reply) and reply.id == self._id:
            with self._changed:
                self._reply = reply
                self._changed.notify_all()
