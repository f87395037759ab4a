"""One line per notification, on the disk, whatever comes how often."""

from __future__ import annotations

import json
import tempfile
import unittest
from pathlib import Path

from notifications.desk import Delivery, Desk
from notifications.ledger import Ledger, LedgerError, Lines
from tests.samples import delivery, event

SHIPPED = event("parcel.shipped", {"order": "42", "country": "France"})


class DeskTest(unittest.TestCase):
    def setUp(self) -> None:
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.out = Path(folder.name) / "sent.ndjson"
        self.parked = Path(folder.name) / "sent.ndjson.parked"
        self.open: list[Ledger | Lines] = []

    def tearDown(self) -> None:
        self.close()

    def close(self) -> None:
        while self.open:
            self.open.pop().close()

    def desk(self) -> Desk:
        ledger, parked = Ledger(self.out), Lines(self.parked)
        self.open += [ledger, parked]
        return Desk(ledger, parked)

    def lines(self, path: Path) -> list[dict[str, str]]:
        return [json.loads(line) for line in path.read_text().splitlines()]

    def test_a_repetition_gets_the_same_answer_and_no_second_line(self) -> None:
        desk = self.desk()
        first, second = desk.take(delivery(SHIPPED)), desk.take(delivery(SHIPPED))
        self.close()
        after_a_restart = self.desk().take(delivery(SHIPPED))
        assert first is not None and second is not None and after_a_restart is not None
        self.assertEqual(first.get_attributes(), second.get_attributes())
        self.assertEqual(first.get_attributes(), after_a_restart.get_attributes())
        (line,) = self.lines(self.out)
        self.assertEqual(
            (line["order"], line["cause"], line["id"]), ("42", "e1", first.get_id())
        )

    def test_what_nobody_is_told_of_leaves_no_line(self) -> None:
        self.assertIsNone(
            self.desk().take(delivery(event("order.placed", {"order": "1"})))
        )
        self.assertEqual((self.lines(self.out), self.lines(self.parked)), ([], []))

    def test_what_cannot_be_read_is_parked_whole(self) -> None:
        desk = self.desk()
        stranger = Delivery("orders", {"a": "b"}, b"\xff", lambda: event("", None))
        with self.assertLogs("notifications.desk", "ERROR"):
            self.assertIsNone(desk.take(stranger))
            self.assertIsNone(
                desk.take(delivery(event("parcel.shipped", {"order": 1})))
            )
        first, second = self.lines(self.parked)
        self.assertEqual(
            (first["topic"], first["headers"], first["body"]),
            ("orders", {"a": "b"}, "/w=="),
        )
        self.assertIn("`order`", second["reason"])
        self.assertEqual(self.lines(self.out), [])

    def test_a_line_that_a_crash_cut_short_is_removed(self) -> None:
        self.desk().take(delivery(SHIPPED))
        self.close()
        whole = self.out.read_bytes()
        self.out.write_bytes(whole + b'{"id": "half')
        self.desk().take(
            delivery(event("parcel.shipped", {"order": "43", "country": "x"}, id="e2"))
        )
        self.assertEqual(self.out.read_bytes()[: len(whole)], whole)
        self.assertEqual([line["order"] for line in self.lines(self.out)], ["42", "43"])

    def test_a_line_that_is_damaged_is_not_passed_over(self) -> None:
        self.out.write_text('{"id": "a"\n{}\n')
        with self.assertRaisesRegex(LedgerError, "line 1 is no JSON"):
            Ledger(self.out)

    def test_a_file_has_one_writer(self) -> None:
        self.desk()
        with self.assertRaisesRegex(LedgerError, "another process"):
            Ledger(self.out)
