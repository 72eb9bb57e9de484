"""The contract with machines as an AsyncAPI 3 document, from the messages and topics themselves."""

import inspect
from typing import Any

import msgspec

from devices.messages.native import Birth, Command, Data, Death, Event, Message, Reply, State
from devices.messages.senml import VERSION
from devices.messages.topics import topic

CONTRACT_VERSION = "1.0.0"
_TIME = "2026-11-22T09:30:00.125Z"
_REF = "#/components/schemas/{name}"

_RETAINED = frozenset({"birth", "death", "state"})
_TO_DEVICES = frozenset({"command"})
EXAMPLES: dict[str, list[Message]] = {
    "birth": [Birth("7f3a", "2026-11-22T09:29:58Z", "2.1", ["spindle_power_kw", "feed_mm_s"])],
    "data": [
        Data("7f3a", 1042, time=_TIME, values={"spindle_power_kw": 1.82, "door": "closed", "coolant_on": True}),
        Data("7f3a", 1043, start=_TIME, rate_hz=51_200, waves={"vibration_x_g": [0.01, -0.02, 0.015]}),
        Data(
            "7f3a", 1044, buffered=True, samples={"spindle_power_kw": [(_TIME, 1.82), (1_795_426_201_125_000_000, 1.9)]}
        ),
        Data("7f3a", 1045, time=_TIME, values={"spindle_power_kw": 1.82}, units={"spindle_power_kw": "kW"}),
    ],
    "event": [Event("7f3a", 1046, _TIME, "part_finished", {"result": "good", "part": 17})],
    "state": [State("7f3a", 1047, _TIME, "Executing", "Processing", "P17")],
    "command": [Command("c-1", "stop", "spindle power above 7 kW", "2026-11-22T09:30:10Z")],
    "reply": [Reply("c-1", "done")],
    "death": [Death("7f3a")],
}
"""Kind → messages as devices send them."""
SENML_EXAMPLE: list[dict[str, Any]] = [
    {"bn": "urn:dev:mac:0024befffe804ff1:", "bt": 1795426200.125, "n": "spindle_power_kw", "u": "kW", "v": 1.82},
    {"n": "coolant_on", "vb": True},
    {"n": "spindle_power_kw", "t": 1, "u": "kW", "v": 1.9},
]

_SUMMARIES = {
    "birth": "A device has started, or is there again.",
    "data": "Measured values, in exactly one of three shapes.",
    "event": "Something happened.",
    "state": "What the machine is doing.",
    "command": "The lab asks a device to do something.",
    "reply": "The device's answer to a command.",
    "death": "A device has gone: its last will, with the boot of its birth.",
}


def asyncapi_document() -> dict[str, Any]:
    """The whole document, as JSON types."""
    kinds: dict[str, type[Message]] = {
        "birth": Birth,
        "data": Data,
        "event": Event,
        "state": State,
        "command": Command,
        "reply": Reply,
        "death": Death,
    }
    channels = {kind: _channel(kind) for kind in kinds}
    messages = {kind: _message(kind, shape) for kind, shape in kinds.items()}
    for kind, summary, content_type, schema, examples in _OTHER_FORMATS:
        name = kind.replace("/", "_")
        channels[name] = _channel(kind)
        messages[name] = {"name": name, "summary": summary, "contentType": content_type}
        if schema is not None:
            messages[name] |= {"payload": schema}
        if examples:
            messages[name] |= {"examples": [{"payload": example} for example in examples]}
    channels |= _SPARKPLUG_CHANNELS
    messages |= _SPARKPLUG_MESSAGES
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Pilot Lab: what machines say",
            "version": CONTRACT_VERSION,
            "description": "MQTT 3.1.1 or 5, QoS 1. docs/messages.md explains it with examples.",
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": {name: _operation(name) for name in channels},
        "components": {"messages": messages, "schemas": _schemas(list(kinds.values()))},
    }


def _channel(kind: str) -> dict[str, Any]:
    name = kind.replace("/", "_")
    return {
        "address": topic("{lab}", "{device}", kind),
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": {
            "lab": {"description": "Short name of the lab, setting `lab`."},
            "device": {"description": "Id of the device: its sign-in name at the broker."},
        },
        "bindings": {"mqtt": {}},
    }


def _operation(name: str) -> dict[str, Any]:
    """From the lab's side: it receives what devices say and sends what they are told."""
    sends = name in _TO_DEVICES or name in {"sparkplugCommand", "sparkplugState"}
    return {
        "action": "send" if sends else "receive",
        "channel": {"$ref": f"#/channels/{name}"},
        "bindings": {
            "mqtt": {"qos": 0 if name == "sparkplugCommand" else 1, "retain": name in {*_RETAINED, "sparkplugState"}}
        },
    }


def _message(kind: str, shape: type[Message]) -> dict[str, Any]:
    return {
        "name": kind,
        "summary": _SUMMARIES[kind],
        "contentType": "application/json",
        "payload": {"$ref": _REF.format(name=shape.__name__)},
        "examples": [{"payload": msgspec.json.decode(msgspec.json.encode(one))} for one in EXAMPLES[kind]],
    }


def _schemas(shapes: list[type[Message]]) -> dict[str, Any]:
    _, schemas = msgspec.json.schema_components(shapes, ref_template=_REF)
    for schema in schemas.values():
        if "description" in schema:
            schema["description"] = inspect.cleandoc(schema["description"])
    schemas["Data"]["oneOf"] = [
        {"required": ["time", "values"], "not": {"anyOf": [{"required": ["waves"]}, {"required": ["samples"]}]}},
        {
            "required": ["start", "rate_hz", "waves"],
            "not": {"anyOf": [{"required": ["values"]}, {"required": ["samples"]}]},
        },
        {"required": ["samples"], "not": {"anyOf": [{"required": ["values"]}, {"required": ["waves"]}]}},
    ]
    schemas["SenML"] = _SENML
    return schemas


_NUMBER, _TEXT = {"type": "number"}, {"type": "string"}
_SENML = {
    "title": "SenML",
    "description": "A pack of RFC 8428; the first record may tell of boot, seq and buffered. Times are absolute.",
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "bn": _TEXT,
            "bt": _NUMBER,
            "bu": _TEXT,
            "bv": _NUMBER,
            "bver": {"type": "integer", "maximum": VERSION},
            "n": _TEXT,
            "u": _TEXT,
            "v": _NUMBER,
            "vs": _TEXT,
            "vb": {"type": "boolean"},
            "t": _NUMBER,
            "boot": {"type": "string", "minLength": 1, "maxLength": 64},
            "seq": {"type": "integer", "minimum": 0},
            "buffered": {"type": "boolean"},
        },
        "not": {"required": ["vd"]},
        "patternProperties": {"_$": False},
    },
}
_OTHER_FORMATS: list[tuple[str, str, str, dict[str, Any] | None, list[Any]]] = [
    (
        "data/cbor",
        "Data in CBOR: the same shapes, waves as typed arrays of RFC 8746 (tags 64 to 82 and 84 to 86, not 76).",
        "application/cbor",
        {"$ref": _REF.format(name="Data")},
        [],
    ),
    (
        "data/senml",
        "Data in SenML JSON, RFC 8428.",
        "application/senml+json",
        {"$ref": _REF.format(name="SenML")},
        [SENML_EXAMPLE],
    ),
]


def _sparkplug_channel(name: str, address: str, **parameters: Any) -> dict[str, Any]:
    return {
        "address": address,
        "messages": {name: {"$ref": f"#/components/messages/{name}"}},
        "parameters": parameters,
        "bindings": {"mqtt": {}},
    }


_GROUP = {"description": "Setting `sparkplug_group`."}
_NODE = {"description": "Id of the edge node: its sign-in name at the broker."}
_SPARKPLUG_CHANNELS = {
    "sparkplugNode": _sparkplug_channel(
        "sparkplugNode",
        "spBv1.0/{group}/{kind}/{node}",
        group=_GROUP,
        kind={"enum": ["NBIRTH", "NDATA", "NDEATH"]},
        node=_NODE,
    ),
    "sparkplugDevice": _sparkplug_channel(
        "sparkplugDevice",
        "spBv1.0/{group}/{kind}/{node}/{device}",
        group=_GROUP,
        kind={"enum": ["DBIRTH", "DDATA", "DDEATH"]},
        node=_NODE,
        device={"description": "Of the edge node's devices."},
    ),
    "sparkplugCommand": _sparkplug_channel("sparkplugCommand", "spBv1.0/{group}/NCMD/{node}", group=_GROUP, node=_NODE),
    "sparkplugState": _sparkplug_channel(
        "sparkplugState", "spBv1.0/STATE/{host}", host={"description": "Setting `sparkplug_host_id`."}
    ),
}
_PROTOBUF = "application/x-protobuf"
_SPARKPLUG_MESSAGES: dict[str, Any] = {
    "sparkplugNode": {
        "name": "sparkplugNode",
        "summary": "Sparkplug B 3.0, of an edge node.",
        "contentType": _PROTOBUF,
    },
    "sparkplugDevice": {"name": "sparkplugDevice", "summary": "The same, of a device of it.", "contentType": _PROTOBUF},
    "sparkplugCommand": {
        "name": "sparkplugCommand",
        "summary": "`Node Control/Rebirth`, when messages are missing or the birth was not heard.",
        "contentType": _PROTOBUF,
    },
    "sparkplugState": {
        "name": "sparkplugState",
        "summary": "Whether this host application is there; also its last will, with the timestamp of its birth.",
        "contentType": "application/json",
        "payload": {
            "type": "object",
            "properties": {"online": {"type": "boolean"}, "timestamp": {"type": "integer"}},
            "required": ["online", "timestamp"],
        },
        "examples": [{"payload": {"online": True, "timestamp": 1795426200125}}],
    },
}
