"""A machine that speaks to Pilot Lab, in Python with paho-mqtt (pip install paho-mqtt).

    python publisher.py --host 127.0.0.1 --lab gliwice --device mill-1 --password SECRET --signal spindle_power_kw

Replace `measure` by what reads your machine. What matters: a new `boot` at every start, `seq` without gaps, the time at
which the value was measured, QoS 1, a retained birth whenever it connects, and a death as last will.
"""

import argparse
import json
import math
import secrets
import time

import paho.mqtt.client as mqtt


def measure(moment: float) -> float:
    """The value at an instant; a real machine is asked here."""
    return round(1.5 + math.sin(moment), 3)


def main() -> None:
    """Publish until `--count` messages are confirmed by the broker, or for ever."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=1883)
    parser.add_argument("--lab", default="gliwice")
    parser.add_argument("--device", required=True)
    parser.add_argument("--password")
    parser.add_argument("--signal", required=True)
    parser.add_argument("--interval", type=float, default=0.1, help="seconds between two values")
    parser.add_argument("--count", type=int, default=0, help="so many messages; 0: for ever")
    chosen = parser.parse_args()
    boot = secrets.token_hex(4)
    topic = f"pilotlab/{chosen.lab}/{chosen.device}"
    last = {"seq": -1}

    client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=chosen.device)
    if chosen.password:
        client.username_pw_set(chosen.device, chosen.password)
    client.max_queued_messages_set(0)  # keep everything while the network is away
    client.will_set(f"{topic}/death", json.dumps({"boot": boot}), qos=1, retain=True)

    def on_connect(client: mqtt.Client, *_: object) -> None:
        now = time.time_ns()  # noqa: TID251 - a machine asks its own clock
        birth = {"boot": boot, "time": now, "firmware": "1.0", "signals": [chosen.signal]}
        client.publish(f"{topic}/birth", json.dumps(birth), qos=1, retain=True)
        client.subscribe(f"{topic}/command", qos=1)

    def on_message(client: mqtt.Client, _: object, message: mqtt.MQTTMessage) -> None:
        asked = json.loads(message.payload)
        if asked["command"] == "report_seq":
            detail = json.dumps({"boot": boot, "seq": last["seq"]})
            reply = {"id": asked["id"], "result": "done", "detail": detail}
        else:
            reply = {"id": asked["id"], "result": "refused", "detail": "this machine cannot do that"}
        client.publish(f"{topic}/reply", json.dumps(reply), qos=1)

    client.on_connect = on_connect
    client.on_message = on_message
    client.connect(chosen.host, chosen.port, keepalive=20)
    client.loop_start()
    published = []
    while not chosen.count or last["seq"] + 1 < chosen.count:
        now = time.time_ns()  # noqa: TID251
        data = {"boot": boot, "seq": last["seq"] + 1, "time": now, "values": {chosen.signal: measure(now / 1e9)}}
        last["seq"] += 1
        published.append(client.publish(f"{topic}/data", json.dumps(data), qos=1))
        published = [message for message in published if not message.is_published()]
        time.sleep(chosen.interval)
    for message in published:
        message.wait_for_publish(30)
    client.disconnect()
    client.loop_stop()


if __name__ == "__main__":
    main()
