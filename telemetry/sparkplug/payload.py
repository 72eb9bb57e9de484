"""The payload of Sparkplug B, in protobuf, from the field numbers of the specification.

The messages are described here and built at import: nothing is generated. Text fields are described as bytes, which
have the same form, so that a text that is no UTF-8 costs its metric and not the payload; data sets and templates stay
closed for the same reason, nobody here opens them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

from google.protobuf import descriptor_pb2, descriptor_pool, message, message_factory

from devices.messages.times import LATEST_NS, format_time

MOST_METRICS = 20_000
_LATEST_MS = LATEST_NS // 1_000_000

_Field = descriptor_pb2.FieldDescriptorProto
_PAYLOAD: dict[str, tuple[int, int, bool]] = {
    "timestamp": (1, _Field.TYPE_UINT64, False),
    "metrics": (2, _Field.TYPE_MESSAGE, True),
    "seq": (3, _Field.TYPE_UINT64, False),
}
_METRIC: dict[str, tuple[int, int, bool]] = {
    "name": (1, _Field.TYPE_BYTES, False),
    "alias": (2, _Field.TYPE_UINT64, False),
    "timestamp": (3, _Field.TYPE_UINT64, False),
    "datatype": (4, _Field.TYPE_UINT32, False),
    "is_historical": (5, _Field.TYPE_BOOL, False),
    "is_null": (7, _Field.TYPE_BOOL, False),
}
_VALUES: dict[str, tuple[int, int, bool]] = {
    "int_value": (10, _Field.TYPE_UINT32, False),
    "long_value": (11, _Field.TYPE_UINT64, False),
    "float_value": (12, _Field.TYPE_FLOAT, False),
    "double_value": (13, _Field.TYPE_DOUBLE, False),
    "boolean_value": (14, _Field.TYPE_BOOL, False),
    "string_value": (15, _Field.TYPE_BYTES, False),
    "bytes_value": (16, _Field.TYPE_BYTES, False),
    "dataset_value": (17, _Field.TYPE_BYTES, False),
    "template_value": (18, _Field.TYPE_BYTES, False),
    "extension_value": (19, _Field.TYPE_BYTES, False),
}
"""Field → (number, type, repeated); `_VALUES` exclude each other."""

BOOLEAN, STRING, UINT64 = 11, 12, 8
_SIGNED_BITS = {1: 8, 2: 16, 3: 32, 4: 64}
_UNSIGNED_BITS = {5: 8, 6: 16, 7: 32, 8: 64}
_FLOATS = frozenset({9, 10})
_DATE_TIME = 13
_TEXTS = frozenset({12, 14, 15})
_NAMES_OF_OTHERS = {
    16: "a data set",
    17: "bytes",
    18: "a file",
    19: "a template",
    20: "a property set",
    21: "properties",
}


class PayloadError(ValueError):
    """The bytes are no payload of Sparkplug B."""


class RawMetric(NamedTuple):
    """A metric as it came."""

    name: str | None
    alias: int | None
    timestamp_ms: int | None
    datatype: int | None
    historical: bool
    field: str | None
    """Which value field is set; `None`: the value is null."""
    value: Any
    named: bool = True
    """Whether the name, if there is one, is text."""


class Payload(NamedTuple):
    """A payload as it came."""

    timestamp_ms: int | None
    seq: int | None
    metrics: tuple[RawMetric, ...]

    def metric(self, name: str) -> RawMetric | None:
        """The metric of this name, if it is there."""
        return next((metric for metric in self.metrics if metric.name == name), None)


class Unsupported(NamedTuple):
    """A value that no signal can have: a template, a data set, bytes, ….

    `kind` is for a person.
    """

    kind: str


def _build() -> Any:
    file = descriptor_pb2.FileDescriptorProto(name="pilotlab/sparkplug_b.proto", package="pilotlab.sparkplug")
    file.syntax = "proto2"
    outer = file.message_type.add(name="Payload")
    metric = outer.nested_type.add(name="Metric")
    metric.oneof_decl.add(name="value")
    for described, fields, exclusive in ((outer, _PAYLOAD, False), (metric, _METRIC, False), (metric, _VALUES, True)):
        for name, (number, kind, repeated) in fields.items():
            label = _Field.LABEL_REPEATED if repeated else _Field.LABEL_OPTIONAL
            added = described.field.add(name=name, number=number, type=kind, label=label)
            if kind == _Field.TYPE_MESSAGE:
                added.type_name = ".pilotlab.sparkplug.Payload.Metric"
            if exclusive:
                added.oneof_index = 0
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    found = pool.FindMessageTypeByName("pilotlab.sparkplug.Payload")
    return message_factory.GetMessageClass(found)


_Payload = _build()


def decode_payload(content: bytes) -> Payload:
    """Read a payload.

    Raises:
        PayloadError: if it is none, or has more metrics than anybody needs.
    """
    found = _Payload()
    try:
        found.ParseFromString(content)
    except message.DecodeError as error:
        raise PayloadError("the bytes are no protobuf message of Sparkplug B") from error
    if len(found.metrics) > MOST_METRICS:
        raise PayloadError(f"{len(found.metrics)} metrics; {MOST_METRICS} are the most")
    return Payload(
        found.timestamp if found.HasField("timestamp") else None,
        found.seq if found.HasField("seq") else None,
        tuple(_read_metric(metric) for metric in found.metrics),
    )


def encode_payload(metrics: Sequence[RawMetric], *, timestamp_ms: int, seq: int | None = None) -> bytes:
    """Write a payload."""
    payload = _Payload(timestamp=timestamp_ms)
    if seq is not None:
        payload.seq = seq
    for metric in metrics:
        written = payload.metrics.add()
        if metric.name is not None:
            written.name = metric.name.encode()
        for field, value in (
            ("alias", metric.alias),
            ("timestamp", metric.timestamp_ms),
            ("datatype", metric.datatype),
            ("is_historical", metric.historical or None),
            ("is_null", metric.field is None or None),
        ):
            if value is not None:
                setattr(written, field, value)
        if metric.field is not None:
            value = metric.value
            setattr(written, metric.field, value.encode() if isinstance(value, str) else value)
    content: bytes = payload.SerializeToString()
    return content


def value_of(metric: RawMetric, datatype: int | None) -> float | int | bool | str | Unsupported | None:
    """What a metric's value means.

    Args:
        metric: as it came.
        datatype: its own, or that of its birth.

    Returns:
        `None` for null.
    """
    field, value = metric.field, metric.value
    if field is None:
        return None
    if field in {"int_value", "long_value"}:
        return _whole_number(value, datatype)
    if field in {"float_value", "double_value"}:
        return float(value) if datatype is None or datatype in _FLOATS else Unsupported("a float of another type")
    if field == "boolean_value":
        return bool(value)
    if field == "string_value":
        try:
            return bytes(value).decode()
        except UnicodeDecodeError:
            return Unsupported("text that is not UTF-8")
    by_field = {"dataset_value": "a data set", "template_value": "a template", "bytes_value": "bytes"}
    return Unsupported(_NAMES_OF_OTHERS.get(datatype or 0) or by_field.get(field, "an extension"))


def _whole_number(value: int, datatype: int | None) -> int | str | bool | Unsupported:
    if datatype is None:
        return Unsupported("a number without a datatype")
    if datatype in _SIGNED_BITS:
        bits = _SIGNED_BITS[datatype]
        cut = value & ((1 << bits) - 1)
        return cut - (1 << bits) if cut >> (bits - 1) else cut
    if datatype in _UNSIGNED_BITS:
        return value & ((1 << _UNSIGNED_BITS[datatype]) - 1)
    if datatype == _DATE_TIME:
        return format_time(value * 1_000_000) if value <= _LATEST_MS else Unsupported("a time after 2262")
    return Unsupported("a whole number of another type")


def _read_metric(metric: Any) -> RawMetric:
    name, named = None, True
    if metric.HasField("name"):
        try:
            name = metric.name.decode()
        except UnicodeDecodeError:
            named = False
    field = metric.WhichOneof("value")
    if metric.is_null:
        field = None
    return RawMetric(
        name,
        metric.alias if metric.HasField("alias") else None,
        metric.timestamp if metric.HasField("timestamp") else None,
        metric.datatype if metric.HasField("datatype") else None,
        metric.is_historical,
        field,
        getattr(metric, field) if field is not None else None,
        named,
    )
