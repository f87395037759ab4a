"""The desk: takes a delivery, sends what has to be sent, and answers with the event to publish.

When it returns, whatever it did is on the disk; the delivery may be acknowledged as soon as the
answer is published. The same delivery may come again at any time and gets the same answer.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone

from cloudevents.core.base import BaseCloudEvent

from notifications.conversion import Unreadable, notification_of, sent
from notifications.ledger import Ledger, Lines

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Delivery:
    """A message as a broker hands it over."""

    topic: str
    headers: Mapping[str, str]
    body: bytes
    read: Callable[[], BaseCloudEvent]
    """Reads the event in it, or raises whatever the bytes are worth."""


class Desk:
    """Takes deliveries one at a time."""

    def __init__(self, ledger: Ledger, parked: Lines) -> None:
        self._ledger = ledger
        self._parked = parked

    def take(self, delivery: Delivery) -> BaseCloudEvent | None:
        """The event to publish; nothing where nobody has to be told.

        What cannot be read is parked: written to a file of its own, whole, for people to look at.
        """
        try:
            notification = notification_of(_event(delivery))
        except Unreadable as reason:
            self._park(delivery, str(reason))
            return None
        if notification is None:
            return None
        at = self._ledger.record(notification, datetime.now(timezone.utc))
        return sent(notification, at)

    def _park(self, delivery: Delivery, reason: str) -> None:
        log.error("a message on %s is parked: %s", delivery.topic, reason)
        self._parked.append(
            {
                "topic": delivery.topic,
                "reason": reason,
                "headers": dict(delivery.headers),
                "body": base64.b64encode(delivery.body).decode(),
            }
        )


def _event(delivery: Delivery) -> BaseCloudEvent:
    try:
        return delivery.read()
    except (
        Exception
    ) as error:  # Whatever a stranger's bytes did to the reader is their fault.
        raise Unreadable(f"no CloudEvent: {error}") from error
