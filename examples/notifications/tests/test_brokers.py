"""Messages of both brokers: what annals writes is read, and what is written is what annals reads."""

from __future__ import annotations

import unittest
from collections.abc import Callable

from cloudevents.core.base import BaseCloudEvent

from notifications import kafka, rabbitmq
from notifications.address import Address, BadAddress
from tests.samples import BODY, HEADERS, event

ANSWER = event(
    "notification.sent", {"order": "42"}, partitionkey="order:42", correlationid="c"
)


class Reading(unittest.TestCase):
    def check(self, read: Callable[[], BaseCloudEvent]) -> None:
        found = read()
        self.assertEqual(found.get_id(), HEADERS["ce_id"])
        self.assertEqual(
            (found.get_source(), found.get_type()), ("/shipping", "parcel.shipped")
        )
        self.assertEqual(
            found.get_extension("correlationid"), HEADERS["ce_correlationid"]
        )
        self.assertEqual(found.get_extension("partitionkey"), "order:42")
        self.assertEqual(found.get_data(), {"order": "42", "country": "France"})

    def test_rabbitmq_in_every_spelling_of_a_header(self) -> None:
        for prefix in ("ce_", "ce-", "cloudEvents_"):
            headers = {
                name.replace("ce_", prefix): value for name, value in HEADERS.items()
            }
            self.check(lambda: rabbitmq.event_of(headers, "application/json", BODY))

    def test_kafka(self) -> None:
        headers = {name: value.encode() for name, value in HEADERS.items()}
        headers["content-type"] = b"application/json"
        self.check(lambda: kafka.event_of(headers, b"order:42", BODY))

    def test_what_is_no_event_is_refused(self) -> None:
        with self.assertRaises(Exception):
            rabbitmq.event_of({}, None, b"hello")
        with self.assertRaises(Exception):
            kafka.event_of({}, None, b"hello")


class Writing(unittest.TestCase):
    def test_rabbitmq(self) -> None:
        properties, body = rabbitmq.message_of(ANSWER)
        self.assertEqual(properties.headers["ce-partitionkey"], "order:42")
        self.assertEqual((properties.delivery_mode, properties.message_id), (2, "e1"))
        self.assertEqual((properties.content_type, body), (None, b'{"order": "42"}'))

    def test_kafka(self) -> None:
        message = kafka.message_of(ANSWER)
        self.assertEqual(
            (message.key, message.headers["ce_correlationid"]), ("order:42", b"c")
        )
        self.assertEqual(message.value, b'{"order": "42"}')


class Addresses(unittest.TestCase):
    def test_a_namespace_stands_in_front_of_every_name(self) -> None:
        found = Address.parse(
            "amqp://ann:secret@host:5672/shop?namespace=test-1&heartbeat=5"
        )
        self.assertEqual(
            (found.rest, found.options),
            ("ann:secret@host:5672/shop", {"heartbeat": "5"}),
        )
        self.assertEqual(
            (found.inside("orders"), found.outside("test-1.orders")),
            ("test-1.orders", "orders"),
        )
        self.assertEqual(str(found), "amqp://host:5672/shop")
        plain = Address.parse("kafka://a:1,b:2")
        self.assertEqual(
            (plain.inside("orders"), plain.outside("orders")), ("orders", "orders")
        )

    def test_a_bad_one_is_refused_and_not_repeated(self) -> None:
        for bad in (
            "nats://secret",
            "secret",
            "amqp://",
            "amqp://h?secret",
            "amqp://h?namespace=no.dots",
        ):
            with self.assertRaises(BadAddress, msg=bad) as caught:
                Address.parse(bad)
            self.assertNotIn("secret", str(caught.exception))

    def test_an_address_that_the_client_cannot_read_is_refused_and_not_repeated(
        self,
    ) -> None:
        with self.assertRaises(BadAddress) as caught:
            rabbitmq.RabbitMq(Address.parse("amqp://ann:secret@host:port"))
        self.assertNotIn("secret", str(caught.exception))

    def test_options_of_kafka_are_numbers(self) -> None:
        kafka.Kafka(Address.parse("kafka://h?partitions=3&replication=1"))
        for bad in ("partitions=0", "partitions=x", "colour=red"):
            with self.assertRaises(BadAddress, msg=bad):
                kafka.Kafka(Address.parse(f"kafka://h?{bad}"))
