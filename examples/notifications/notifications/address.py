"""The address of the broker, as every service of the order system takes it.

`amqp://USER:PASSWORD@HOST:PORT/VHOST` or `kafka://HOST:PORT,HOST:PORT`; `?namespace=NAME` puts a
name in front of every topic and group, so that several systems share one broker.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class BadAddress(ValueError):
    """An address that cannot be used. Its text is not repeated: it may hold a password."""


@dataclass(frozen=True)
class Address:
    """Where the broker is, and which names there are ours."""

    scheme: str
    rest: str
    """What stands between the scheme and the question mark."""
    options: dict[str, str]
    """What stands behind the question mark, without the namespace."""
    namespace: str

    @classmethod
    def parse(cls, text: str) -> Address:
        """Reads an address, or raises BadAddress."""
        scheme, separator, behind = text.partition("://")
        if not separator or scheme not in ("amqp", "kafka"):
            raise BadAddress(
                "expected a broker address that begins with amqp:// or kafka://"
            )
        rest, _, query = behind.partition("?")
        if not rest:
            raise BadAddress(
                f"expected {scheme}://HOST, found no host behind the scheme"
            )
        options = dict(_option(part) for part in query.split("&") if part)
        namespace = options.pop("namespace", "")
        if namespace and not re.fullmatch(r"[A-Za-z0-9_-]{1,64}", namespace):
            raise BadAddress(
                "expected a namespace of 1 to 64 letters, digits, `_` and `-`"
            )
        return cls(scheme, rest, options, namespace)

    def inside(self, name: str) -> str:
        """The name of a topic or group in our namespace."""
        return f"{self.namespace}.{name}" if self.namespace else name

    def outside(self, name: str) -> str:
        """The name of a topic or group without our namespace."""
        return name.removeprefix(f"{self.namespace}.") if self.namespace else name

    def __str__(self) -> str:
        return f"{self.scheme}://{self.rest.rpartition('@')[2]}"


def _option(part: str) -> tuple[str, str]:
    name, separator, value = part.partition("=")
    if not separator or not value:
        raise BadAddress("expected NAME=VALUE behind the question mark, found no value")
    return name, value
