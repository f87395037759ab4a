"""`python -m notifications --broker amqp://127.0.0.1:5672 --out sent.ndjson`

Prints one line when it hears what is published, and works until SIGTERM or Ctrl-C. A broker that is
not there is waited for; a connection that is lost is made again, after a pause that grows.
"""

from __future__ import annotations

import argparse
import logging
import os
import random
import signal
import sys
import time
from pathlib import Path
from threading import Event

from notifications import kafka, rabbitmq
from notifications.address import Address, BadAddress
from notifications.conversion import HEARD
from notifications.desk import Desk
from notifications.ledger import Ledger, LedgerError, Lines

log = logging.getLogger("notifications")

#: The shortest and the longest pause before a new connection, in seconds.
PAUSES = (0.25, 10.0)
#: A connection that held for so long was a good one: the pauses begin anew.
GOOD_AFTER = 30.0
LOST = (*rabbitmq.LOST, *kafka.LOST)


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="notifications", description="Tells customers how their orders ended."
    )
    parser.add_argument(
        "--broker",
        default=os.environ.get("ORDERING_BROKER"),
        metavar="URL",
        help="amqp://HOST:PORT or kafka://HOST:PORT; else ORDERING_BROKER",
    )
    parser.add_argument(
        "--out",
        required=True,
        type=Path,
        metavar="FILE",
        help="what was sent, as JSON lines; what cannot be read goes to FILE.parked",
    )
    found = parser.parse_args()
    if found.broker is None:
        parser.error("expected --broker URL, or ORDERING_BROKER in the environment")
    return found


def broker(text: str) -> rabbitmq.RabbitMq | kafka.Kafka:
    address = Address.parse(text)
    return (
        rabbitmq.RabbitMq(address) if address.scheme == "amqp" else kafka.Kafka(address)
    )


def keep_running(
    way: rabbitmq.RabbitMq | kafka.Kafka, desk: Desk, shown: str, stopping: Event
) -> None:
    """Runs until it is told to stop, over as many connections as that takes."""

    shortest, longest = PAUSES
    pause = shortest
    told = False

    def ready() -> None:
        nonlocal told
        if not told:
            # Once: whoever waited for this line may have closed the other end since.
            print(f"notifications hears {' and '.join(HEARD)} on {shown}", flush=True)
            told = True
        log.info("connected to %s", shown)

    while not stopping.is_set():
        began = time.monotonic()
        try:
            way.run(desk, ready, stopping)
        except LOST as error:
            if time.monotonic() - began > GOOD_AFTER:
                pause = shortest
            log.warning(
                "lost %s, next try in about %.1f s: %s",
                shown,
                pause,
                str(error) or type(error).__name__,
            )
            stopping.wait(pause * random.uniform(0.8, 1.2))
            pause = min(pause * 2, longest)


def main() -> int:
    logging.basicConfig(
        level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    # It tells every step of every connection, at length.
    logging.getLogger("pika").setLevel(logging.CRITICAL)
    found = options()
    stopping = Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopping.set())
    try:
        way = broker(found.broker)
        parked = Lines(found.out.with_name(found.out.name + ".parked"))
        keep_running(
            way,
            Desk(Ledger(found.out), parked),
            str(Address.parse(found.broker)),
            stopping,
        )
    except (BadAddress, LedgerError) as error:
        print(f"notifications: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
