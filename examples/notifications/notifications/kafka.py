"""Kafka: one consumer group that reads our topics, and an idempotent producer.

What was read is committed when the brokers have acknowledged all answers to it. What is not
committed comes again to the next reader.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from threading import Event

from cloudevents.core.base import BaseCloudEvent
from cloudevents.core.bindings.kafka import (
    KafkaMessage,
    from_kafka_event,
    to_binary_event,
)
from confluent_kafka import (
    Consumer,
    KafkaError,
    KafkaException,
    Message,
    Producer,
    TopicPartition,
)
from confluent_kafka.admin import AdminClient, NewTopic  # type: ignore[attr-defined]

from notifications.address import Address, BadAddress
from notifications.conversion import HEARD, TOPIC
from notifications.desk import Delivery, Desk

log = logging.getLogger(__name__)

#: What a broken connection is known by; the next one may do better.
LOST = (KafkaException,)

_PREFIX = "annals."
_GROUP = "notifications"
_IN_HAND_MAX = 100
#: How long nothing may come before it is looked whether to stop.
_LOOK_EVERY = 0.25
_SECONDS_MAX = 20
#: As many as annals makes; the number of partitions must be the same for everybody.
_PARTITIONS = 6
#: The broker's own default.
_REPLICATION = -1
_RECORD_BYTES_MAX = 8_388_608


def event_of(
    headers: Mapping[str, bytes], key: bytes | None, body: bytes
) -> BaseCloudEvent:
    """The event in a record, in binary or structured mode."""
    return from_kafka_event(KafkaMessage(dict(headers), key, body))


def message_of(event: BaseCloudEvent) -> KafkaMessage:
    """An event as a record in binary mode; its key is the partition key."""
    return to_binary_event(event)


class Kafka:
    """A way to Kafka; connected only while it runs."""

    def __init__(self, address: Address) -> None:
        self._address = address
        self._partitions = _number(address, "partitions", _PARTITIONS)
        self._replication = _number(address, "replication", _REPLICATION)
        unknown = address.options.keys() - {"partitions", "replication"}
        if unknown:
            raise BadAddress(
                f"expected partitions or replication, found {', '.join(sorted(unknown))}"
            )
        self._client: dict[str, str | int | float | bool] = {
            "bootstrap.servers": address.rest,
            "client.id": "notifications",
            "reconnect.backoff.ms": 250,
            "reconnect.backoff.max.ms": 5_000,
            "socket.timeout.ms": 10_000,
        }

    def run(self, desk: Desk, ready: Callable[[], None], stopping: Event) -> None:
        """Works until it is told to stop; then what is in hand is finished.

        Raises what is in LOST when the brokers do not answer in time.
        """
        self._make_topics()
        producer = self._producer()
        consumer = self._consumer()
        try:
            consumer.subscribe([self._topic(name) for name in HEARD])
            ready()
            while not stopping.is_set():
                records = _good(consumer.consume(_IN_HAND_MAX, timeout=_LOOK_EVERY))
                if records:
                    self._answer(producer, desk, records)
                    consumer.commit(offsets=_behind(records), asynchronous=False)
        finally:
            consumer.close()

    def _answer(self, producer: Producer, desk: Desk, records: list[Message]) -> None:
        """Returns when the brokers have acknowledged every answer; raises if they did not."""
        failures: list[KafkaError] = []

        def delivered(error: KafkaError | None, _: Message) -> None:
            if error is not None:
                failures.append(error)

        for record in records:
            answer = desk.take(self._delivery(record))
            if answer is not None:
                message = message_of(answer)
                producer.produce(
                    self._topic(TOPIC),
                    value=message.value,
                    key=message.key,
                    headers=list(message.headers.items()),
                    on_delivery=delivered,
                )
        if producer.flush(_SECONDS_MAX):
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        if failures:
            raise KafkaException(failures[0])

    def _delivery(self, record: Message) -> Delivery:
        headers = dict(_header(*header) for header in record.headers() or [])
        texts = {
            name: value.decode(errors="replace") for name, value in headers.items()
        }
        topic = self._address.outside((record.topic() or "").removeprefix(_PREFIX))
        key, body = _bytes(record.key()), _bytes(record.value()) or b""
        return Delivery(topic, texts, body, lambda: event_of(headers, key, body))

    def _topic(self, name: str) -> str:
        return f"{_PREFIX}{self._address.inside(name)}"

    def _make_topics(self) -> None:
        """Makes the topics that are not there yet; whoever comes first makes them."""
        wanted = [
            NewTopic(
                self._topic(name),
                num_partitions=self._partitions,
                replication_factor=self._replication,
                config={"max.message.bytes": str(_RECORD_BYTES_MAX)},
            )
            for name in (*HEARD, TOPIC)
        ]
        # Held until the answers are there: without it they fail.
        admin = AdminClient(self._client)
        made = admin.create_topics(wanted, request_timeout=_SECONDS_MAX)
        for future in made.values():
            try:
                future.result()
            except KafkaException as error:
                if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                    raise

    def _producer(self) -> Producer:
        return Producer(
            self._client
            | {
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 2,
                "message.timeout.ms": 15_000,
                "message.max.bytes": _RECORD_BYTES_MAX,
                # Keys go where Java clients put them.
                "partitioner": "murmur2_random",
            }
        )

    def _consumer(self) -> Consumer:
        return Consumer(
            self._client
            | {
                "group.id": f"{_PREFIX}{self._address.inside(_GROUP)}",
                "enable.auto.commit": False,
                "auto.offset.reset": "earliest",
                "partition.assignment.strategy": "cooperative-sticky",
                "isolation.level": "read_committed",
                "session.timeout.ms": 10_000,
                "topic.metadata.refresh.interval.ms": 5_000,
                "allow.auto.create.topics": False,
                "fetch.message.max.bytes": _RECORD_BYTES_MAX,
            }
        )


def _bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value


def _header(name: str, value: str | bytes | None) -> tuple[str, bytes]:
    return name, _bytes(value) or b""


def _good(records: list[Message]) -> list[Message]:
    """The records among what was read; raises what is no record but an error."""
    for record in records:
        error = record.error()
        if error is not None and error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise KafkaException(error)
    return [record for record in records if record.error() is None]


def _behind(records: list[Message]) -> list[TopicPartition]:
    """The place behind the last record of every partition."""
    last: dict[tuple[str, int], int] = {}
    for record in records:
        topic, partition, place = record.topic(), record.partition(), record.offset()
        if topic is not None and partition is not None and place is not None:
            last[topic, partition] = place
    return [
        TopicPartition(topic, partition, place + 1)
        for (topic, partition), place in last.items()
    ]


def _number(address: Address, name: str, default: int) -> int:
    text = address.options.get(name)
    if text is None:
        return default
    if not text.isdigit() or text == "0":
        raise BadAddress(f"expected {name}=NUMBER, found {name}={text}")
    return int(text)
