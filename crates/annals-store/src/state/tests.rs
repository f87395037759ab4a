//! Frames whose checksums are right and whose records make no sense are told, not taken.

use annals_core::event::NewEvent;
use annals_core::id::EventId;
use annals_log::FrameHeader;
use bytes::Bytes;
use uuid::Uuid;

use super::*;
use crate::record::tests::plain;

/// A frame of events with these ids, after so many others.
fn frame(first: u64, ids: &[u128], time: i64) -> Frame {
    let mut batch = Batch::default();
    for id in ids {
        let event = NewEvent {
            id: EventId::from_uuid(Uuid::from_u128(*id)),
            ..plain()
        };
        batch.push_numbered(|out| record::write_event(&event, out));
    }
    of(first, &batch, time)
}

fn of(first: u64, batch: &Batch, time: i64) -> Frame {
    let header = FrameHeader {
        kind: FrameKind::Records,
        payload_bytes: batch.bytes().len() as u32,
        segment: 0,
        place: 512,
        number: 0,
        first,
        numbered: batch.numbered(),
        unnumbered: batch.unnumbered(),
        time,
        durable_to: 512,
        previous: 0,
    };
    Frame {
        header,
        checksum: 0,
        payload: Bytes::copy_from_slice(batch.bytes()),
    }
}

fn refusal(state: &mut State, frame: &Frame) -> String {
    state.replay(frame).unwrap_err()
}

#[test]
fn frames_that_follow_on_are_taken() {
    let mut state = State::default();
    state.replay(&frame(0, &[1, 2], 10)).unwrap();
    state.replay(&frame(2, &[3], 10)).unwrap();
    assert_eq!((state.end(), state.newest()), (3, Timestamp::from_micros(10)));
    let span = state.current.span(2).unwrap();
    assert_eq!((span.place.at, span.recorded), (592, Timestamp::from_micros(10)));
}

#[test]
fn time_that_goes_back_an_id_that_comes_back_and_records_of_nothing_are_told() {
    let mut state = State::default();
    state.replay(&frame(0, &[1, 2], 10)).unwrap();
    assert!(refusal(&mut state, &frame(2, &[3], 9)).contains("before the one in front of it"));
    assert!(refusal(&mut state, &frame(2, &[2], 10)).contains("a second time, first at position 1"));
    let mut nonsense = Batch::default();
    nonsense.push_numbered(|out| out.extend_from_slice(b"\x09nobody wrote this"));
    assert!(refusal(&mut state, &of(2, &nonsense, 10)).contains("kind 9"));
    let mut unknown_mark = Batch::default();
    unknown_mark.push_unnumbered(|out| out.extend_from_slice(b"\x02"));
    assert!(refusal(&mut state, &of(2, &unknown_mark, 10)).contains("a field of"));
    assert!(refusal(&mut state, &frame(7, &[5], 10)).contains("behind 2 of them"));
}
