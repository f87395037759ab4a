"""What customers are told, and what the event that says so carries."""

from __future__ import annotations

import unittest
from datetime import datetime, timezone

from notifications.conversion import Unreadable, notification_of, sent
from tests.samples import event

NOW = datetime(2026, 1, 3, 10, 0, 1, tzinfo=timezone.utc)


class Conversion(unittest.TestCase):
    def test_both_ends_of_an_order_are_told(self) -> None:
        shipped = notification_of(
            event("parcel.shipped", {"order": "42", "country": "France"})
        )
        late = {"order": "43", "customer": None, "reason": "payment_late"}
        cancelled = notification_of(event("order.cancelled", late))
        assert shipped is not None and cancelled is not None
        self.assertEqual((shipped.order, shipped.outcome), ("42", "shipped"))
        self.assertEqual(shipped.text, "Order 42 is on its way to France.")
        self.assertEqual((cancelled.order, cancelled.outcome), ("43", "cancelled"))
        self.assertIn("payment took too long", cancelled.text)

    def test_a_reason_that_is_new_is_told_as_it_is(self) -> None:
        found = notification_of(
            event("order.cancelled", {"order": "1", "reason": "flood"})
        )
        assert found is not None
        self.assertEqual(found.text, "Order 1 was cancelled (flood).")

    def test_nobody_is_told_of_anything_else(self) -> None:
        for kind in ("order.placed", "parcel.recalled", "return.taken", "a.stranger"):
            self.assertIsNone(notification_of(event(kind, None)), kind)

    def test_an_end_without_its_content_is_unreadable(self) -> None:
        for data in (
            None,
            "text",
            {},
            {"order": 42, "country": "x"},
            {"order": "42", "country": ""},
        ):
            with self.assertRaises(Unreadable, msg=repr(data)):
                notification_of(event("parcel.shipped", data))

    def test_an_id_is_that_of_source_and_id_and_always_the_same(self) -> None:
        def made(**attributes: str) -> str:
            data = {"order": "42", "country": "France"}
            found = notification_of(event("parcel.shipped", data, **attributes))
            assert found is not None
            return found.id

        self.assertEqual(made(), made())
        self.assertEqual(made(), "2f032c4b-2b62-5e2b-bb77-04042c7fcbb7")
        self.assertEqual(len({made(), made(id="e2"), made(source="/other")}), 3)

    def test_an_answer_carries_what_belongs_to_the_request(self) -> None:
        carried = {
            "subject": "order:42",
            "partitionkey": "order:42",
            "tags": '["order:42","customer:7"]',
            "correlationid": "c",
            "traceparent": "t",
            "actor": "ann",
        }
        own = {
            "causationid": "another",
            "dataversion": "3",
            "originservice": "shipping",
        }
        data = {"order": "42", "country": "France"}
        found = notification_of(event("parcel.shipped", data, **carried, **own))
        assert found is not None
        answer = sent(found, NOW)
        attributes = answer.get_attributes()
        self.assertEqual({name: attributes[name] for name in carried}, carried)
        self.assertEqual(attributes["causationid"], "e1")
        self.assertEqual((answer.get_id(), answer.get_time()), (found.id, NOW))
        self.assertEqual(
            (answer.get_source(), answer.get_type()),
            ("/notifications", "notification.sent"),
        )
        self.assertFalse({"dataversion", "originservice"} & attributes.keys())
        self.assertEqual(
            answer.get_data(), {"order": "42", "outcome": "shipped", "text": found.text}
        )

    def test_an_answer_to_an_event_without_extras_has_none(self) -> None:
        found = notification_of(
            event("parcel.shipped", {"order": "42", "country": "France"})
        )
        assert found is not None
        names = set(sent(found, NOW).get_attributes())
        self.assertEqual(
            names,
            {
                "specversion",
                "id",
                "source",
                "type",
                "time",
                "datacontenttype",
                "causationid",
            },
        )
