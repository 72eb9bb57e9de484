"""The program `pilotlab-simulators`: machines that do not exist, in a process of their own.

It reads the operator's lines from standard input and answers each on standard output (`simulators.protocol` has the
protocol). It ends at `{"do": "stop"}`, at the end of its input, and when told to terminate.
"""

import argparse
import json
import os
import queue
import signal
import sys
import threading
from collections.abc import Sequence
from typing import Any, TextIO

from simulators.connection import Broker
from simulators.protocol import Operator

_MAX_LINE = 1_000_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run until told to stop; the exit code is 0 then."""
    options = _read_arguments(arguments)
    ended = threading.Event()
    lines: queue.Queue[str | None] = queue.Queue()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: _end(ended, lines))
    operator = Operator(
        Broker(options.host, options.port, options.mqtt_version, options.tls_ca, options.patience_s),
        lab=options.lab,
        seed=options.seed,
        credentials=(options.username, options.password),
        ended=ended,
    )
    threading.Thread(target=_read_lines, args=(sys.stdin, lines, ended), name="stdin", daemon=True).start()
    while not operator.finished:
        line = lines.get()
        if line is None:
            break
        if line.strip():
            _answer(operator, line)
    operator.leave()
    return 0


def _read_arguments(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="pilotlab-simulators", description="Machines that do not exist, over MQTT.")
    parser.add_argument("--host", default="127.0.0.1", help="where the broker answers (default: %(default)s)")
    parser.add_argument("--port", type=int, default=1883, help="its port (default: %(default)s)")
    parser.add_argument("--lab", default="gliwice", help="short name of the lab in the topics (default: %(default)s)")
    parser.add_argument("--mqtt-version", type=int, choices=(4, 5), default=5, help="4: MQTT 3.1.1, 5: MQTT 5")
    parser.add_argument("--tls-ca", help="file with the broker's certificate authority; given: TLS is used")
    parser.add_argument("--seed", type=int, default=1, help="of every chance (default: %(default)s)")
    parser.add_argument(
        "--patience-s",
        type=float,
        default=60.0,
        help="seconds without any confirmation until a run is given up (default: %(default)s)",
    )
    parser.add_argument(
        "--username",
        default=os.environ.get("PILOTLAB_SIMULATORS_USERNAME"),
        help="sign-in name for all devices, else each signs in by its own (also PILOTLAB_SIMULATORS_USERNAME)",
    )
    parser.add_argument(
        "--password",
        default=os.environ.get("PILOTLAB_SIMULATORS_PASSWORD"),
        help="for devices started without one (better as PILOTLAB_SIMULATORS_PASSWORD: others see arguments)",
    )
    return parser.parse_args(arguments)


def _end(ended: threading.Event, lines: "queue.Queue[str | None]") -> None:
    ended.set()
    lines.put(None)


def _read_lines(source: TextIO, lines: "queue.Queue[str | None]", ended: threading.Event) -> None:
    """Pass the lines on; when whoever wrote them has gone, cut off what is being done."""
    source_bytes = source.buffer
    while line := source_bytes.readline(_MAX_LINE):
        lines.put(line.decode("utf-8", "replace"))
    _end(ended, lines)


def _answer(operator: Operator, line: str) -> None:
    answer: dict[str, Any]
    try:
        order = json.loads(line)
    except (ValueError, RecursionError) as error:
        answer = {"ok": False, "error": f"this line is no JSON: {' '.join(str(error).split())[:200]}"}
    else:
        if isinstance(order, dict):
            answer = operator.do(order)
        else:
            answer = {"ok": False, "error": 'a line must be a JSON object, such as {"do": "stop"}'}
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
