"""From what happened to an order to what its customer is told, and to the event that says so.

In: a CloudEvent. Out: a notification, or nothing where nobody has to be told. It knows no broker,
no file and no clock, so the same event always makes the same notification, with the same id.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.v1.event import CloudEvent

SOURCE = "/notifications"
SENT = "notification.sent"
#: Where our events go.
TOPIC = "notifications"
#: Where the ends of orders are told.
HEARD = ("orders", "shipping")

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "annals:notifications")
#: What an answer takes over from its event: all that belongs to the request and to the order.
_CARRIED = (
    "subject",
    "partitionkey",
    "tags",
    "correlationid",
    "traceparent",
    "actor",
)
_REASONS = {
    "customer": "as you asked",
    "out_of_stock": "because an article is out of stock",
    "payment_card_declined": "because your card was declined",
    "payment_late": "because your payment took too long",
}


class Unreadable(Exception):
    """A message that cannot be understood, and will not be understood later either."""


@dataclass(frozen=True)
class Notification:
    """What one customer is told about one order."""

    id: str
    """The same whenever the same event comes."""
    order: str
    outcome: str
    """`shipped` or `cancelled`."""
    text: str
    cause: BaseCloudEvent
    """The event that it answers."""


def notification_of(event: BaseCloudEvent) -> Notification | None:
    """What is to be told because of this event; nothing where it is not the end of an order.

    Raises Unreadable where it is one, but does not have the content that it should have.
    """
    told = _TOLD.get(event.get_type())
    if told is None:
        return None
    outcome, text = told
    data = event.get_data()
    if not isinstance(data, dict):
        raise Unreadable(
            f"expected a JSON object in {event.get_type()}, found {type(data).__name__}"
        )
    return Notification(
        id=str(uuid.uuid5(_NAMESPACE, f"{event.get_source()} {event.get_id()}")),
        order=_word(data, "order"),
        outcome=outcome,
        text=text(data),
        cause=event,
    )


def sent(notification: Notification, at: datetime) -> CloudEvent:
    """The event that says that this notification was sent at that moment."""
    cause = notification.cause
    attributes: dict[str, Any] = {
        "id": notification.id,
        "source": SOURCE,
        "type": SENT,
        "time": at,
        "datacontenttype": "application/json",
        "causationid": cause.get_id(),
    }
    found = cause.get_attributes()
    attributes |= {name: found[name] for name in _CARRIED if found.get(name)}
    data = {
        "order": notification.order,
        "outcome": notification.outcome,
        "text": notification.text,
    }
    return CloudEvent(attributes, data)


def _shipped(data: dict[str, Any]) -> str:
    return f"Order {_word(data, 'order')} is on its way to {_word(data, 'country')}."


def _cancelled(data: dict[str, Any]) -> str:
    reason = _word(data, "reason")
    why = _REASONS.get(reason, f"({reason})")
    return f"Order {_word(data, 'order')} was cancelled {why}."


_TOLD: dict[str, tuple[str, Callable[[dict[str, Any]], str]]] = {
    "parcel.shipped": ("shipped", _shipped),
    "order.cancelled": ("cancelled", _cancelled),
}


def _word(data: dict[str, Any], name: str) -> str:
    value = data.get(name)
    if not isinstance(value, str) or not value:
        raise Unreadable(f"expected a text as `{name}`, found {value!r}")
    return value
