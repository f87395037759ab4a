"""RabbitMQ: one durable queue that hears our topics, and the exchange that all services publish to.

A delivery is acknowledged when the broker has confirmed the answer to it. What is not acknowledged
comes again when the channel closes.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event
from typing import Any

import pika
from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.rabbitmq import (
    RabbitMQMessage,
    from_rabbitmq_event,
    to_binary_event,
)
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from notifications.address import Address, BadAddress
from notifications.conversion import HEARD, TOPIC
from notifications.desk import Delivery, Desk

log = logging.getLogger(__name__)

#: What a broken connection is known by; the next one may do better.
LOST = (AMQPError, OSError)

_EXCHANGE = "annals"
_GROUP = "notifications"
_IN_HAND_MAX = 100
#: How long nothing may come before it is looked whether to stop.
_LOOK_EVERY = 0.25
_SECONDS_MAX = 10
#: RabbitMQ drops what was handed out more often than its queue's limit; nothing is to be dropped.
_QUEUE = {
    "x-queue-type": "quorum",
    "x-single-active-consumer": True,
    "x-delivery-limit": 1_000_000_000,
}
#: annals writes `ce_`, the binding of the Python SDK `ce-`. Each reads what the other writes, here.
_PREFIXES = ("ce-", "ce_", "cloudevents_")
_PERSISTENT = 2


def event_of(
    headers: Mapping[str, str], content_type: str | None, body: bytes
) -> BaseCloudEvent:
    """The event in a message, in binary or structured mode."""
    named = {_sdk_name(name): value for name, value in headers.items()}
    return from_rabbitmq_event(RabbitMQMessage(named, content_type, body))


def message_of(event: BaseCloudEvent) -> tuple[pika.BasicProperties, bytes]:
    """An event as a message in binary mode, which survives a restart of the broker."""
    message = to_binary_event(event)
    properties = pika.BasicProperties(
        content_type=message.content_type,
        delivery_mode=_PERSISTENT,
        headers=dict(message.headers),
        message_id=event.get_id(),
    )
    return properties, message.body


class RabbitMq:
    """A way to RabbitMQ; connected only while it runs."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._parameters = _parameters(address)

    def run(self, desk: Desk, ready: Callable[[], None], stopping: Event) -> None:
        """Works until it is told to stop; then what is in hand is finished.

        Raises what is in LOST when the connection breaks or the answer finds no queue.
        """
        connection = pika.BlockingConnection(self._parameters)
        try:
            channel = connection.channel()
            queue = self._declare(channel)
            channel.confirm_delivery()
            channel.basic_qos(prefetch_count=_IN_HAND_MAX)
            ready()
            self._work(channel, queue, desk, stopping)
        finally:
            if connection.is_open:
                connection.close()

    def _declare(self, channel: BlockingChannel) -> str:
        """Makes our queue; what is published from now on waits in it, also while we are gone."""
        channel.exchange_declare(_EXCHANGE, exchange_type="topic", durable=True)
        queue = f"annals.{self._address.inside(_GROUP)}"
        channel.queue_declare(queue, durable=True, arguments=_QUEUE)
        for topic in HEARD:
            channel.queue_bind(
                queue, _EXCHANGE, routing_key=self._address.inside(topic)
            )
        return queue

    def _work(
        self, channel: BlockingChannel, queue: str, desk: Desk, stopping: Event
    ) -> None:
        for method, properties, body in channel.consume(
            queue, inactivity_timeout=_LOOK_EVERY
        ):
            if stopping.is_set():
                break
            if method is None or properties is None or body is None:
                continue
            topic = self._address.outside(method.routing_key)
            answer = desk.take(_delivery(topic, properties, body))
            if answer is not None:
                self._publish(channel, answer)
            channel.basic_ack(method.delivery_tag)
        channel.cancel()

    def _publish(self, channel: BlockingChannel, event: BaseCloudEvent) -> None:
        """Returns when a majority of every queue that hears us has it; raises if none does."""
        properties, body = message_of(event)
        channel.basic_publish(
            _EXCHANGE,
            routing_key=self._address.inside(TOPIC),
            body=body,
            properties=properties,
            mandatory=True,
        )


def _parameters(address: Address) -> pika.URLParameters:
    options = {"heartbeat": "10"} | address.options
    query = "&".join(f"{name}={value}" for name, value in options.items())
    try:
        found = pika.URLParameters(f"amqp://{address.rest}?{query}")
    except ValueError:
        # Its text may hold the password.
        raise BadAddress("expected amqp://USER:PASSWORD@HOST:PORT/VHOST") from None
    found.socket_timeout = _SECONDS_MAX
    found.stack_timeout = _SECONDS_MAX
    found.blocked_connection_timeout = _SECONDS_MAX
    return found


def _delivery(topic: str, properties: pika.BasicProperties, body: bytes) -> Delivery:
    headers = {name: _text(value) for name, value in (properties.headers or {}).items()}
    content_type = properties.content_type
    return Delivery(topic, headers, body, lambda: event_of(headers, content_type, body))


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _sdk_name(name: str) -> str:
    lower = name.lower()
    for prefix in _PREFIXES:
        if lower.startswith(prefix):
            return f"ce-{lower.removeprefix(prefix)}"
    return lower
