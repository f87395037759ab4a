"""Events as the order system publishes them."""

from __future__ import annotations

import json
from typing import Any

from cloudevents.core.v1.event import CloudEvent

from notifications.desk import Delivery

#: The headers of a `parcel.shipped`, as annals writes them to RabbitMQ and Kafka.
HEADERS = {
    "ce_specversion": "1.0",
    "ce_id": "0199a5d2-0000-7000-8000-000000000001",
    "ce_source": "/shipping",
    "ce_type": "parcel.shipped",
    "ce_dataversion": "1",
    "ce_time": "2026-01-03T10:00:00.123456789Z",
    "ce_subject": "order:42",
    "ce_partitionkey": "order:42",
    "ce_correlationid": "0199a5d2-0000-7000-8000-00000000000c",
    "ce_causationid": "0199a5d2-0000-7000-8000-00000000000a",
    "ce_traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    "ce_actor": "ann",
    "ce_originservice": "shipping",
    "ce_originposition": "7",
    "ce_originrecorded": "2026-01-03T10:00:00.123456789Z",
}
BODY = b'{"order":"42","country":"France"}'


def event(kind: str, data: Any, **attributes: str) -> CloudEvent:
    """An event without the attributes that it need not have."""
    fixed = {"id": "e1", "source": "/orders", "type": kind}
    return CloudEvent(fixed | attributes, data)


def delivery(content: CloudEvent) -> Delivery:
    """A delivery that is this event."""
    return Delivery(
        "orders", {}, json.dumps(content.get_data()).encode(), lambda: content
    )
