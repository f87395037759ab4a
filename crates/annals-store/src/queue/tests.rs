//! What the queue takes at once, what it lets wait, and when the writer wakes.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use annals_log::RECORD_HEADER_BYTES;

use super::*;

/// Longer than any test may take: who wakes only then was not woken.
const LONG: Duration = Duration::from_secs(60);
const SOON: Duration = Duration::from_secs(20);

/// An append of so many bytes.
fn job(bytes: usize) -> Job {
    let mut batch = Batch::default();
    if bytes > 0 {
        batch.push_unnumbered(|body| body.resize(body.len() + bytes - RECORD_HEADER_BYTES, 0));
    }
    assert_eq!(batch.bytes().len(), bytes);
    Job {
        batch,
        conditions: Vec::new(),
        marks: Vec::new(),
        reply: oneshot::channel().0,
        room: None,
    }
}

/// What became of it at once; none if it waits.
fn pushed(queue: &Queue, job: Job) -> Option<Result<(), AppendError>> {
    match pin!(queue.push(job)).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

fn push(queue: &Queue, bytes: usize) -> bool {
    pushed(queue, job(bytes)).is_some_and(|done| done.is_ok())
}

fn sizes(jobs: &VecDeque<Job>) -> Vec<usize> {
    jobs.iter().map(|job| job.batch.bytes().len()).collect()
}

fn jobs(waiting: Waiting) -> VecDeque<Job> {
    match waiting {
        Waiting::Jobs(jobs) => jobs,
        Waiting::Idle => panic!("it says that nothing came"),
        Waiting::Closed => panic!("it says that nothing will come"),
    }
}

#[test]
fn each_append_takes_a_piece_of_the_room_and_one_more_for_every_1024_bytes() {
    for (bytes, fit) in [
        (0, 8),
        (1_023, 8),
        (1_024, 4),
        (3_072, 2),
        (7_168, 1),
        (1 << 20, 1),
    ] {
        let queue = Queue::new(8 << 10);
        let taken = (0..20).take_while(|_| push(&queue, bytes)).count();
        assert_eq!(taken, fit, "of {bytes} bytes");
        assert_eq!(queue.waiting(), fit);
    }
    assert!(
        push(&Queue::new(0), 5_000),
        "nothing is too large for an empty queue"
    );
}

#[test]
fn what_waits_for_room_enters_when_an_append_is_dropped_and_all_come_out_in_order() {
    let queue = Queue::new(2 << 10);
    assert!(push(&queue, 100) && push(&queue, 200));
    let mut third = pin!(queue.push(job(300)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(third.as_mut().poll(&mut context).is_pending());
    let taken = queue.take_now();
    assert_eq!(sizes(&taken), [100, 200]);
    assert!(
        third.as_mut().poll(&mut context).is_pending(),
        "they are not written yet"
    );
    drop(taken);
    assert!(matches!(third.as_mut().poll(&mut context), Poll::Ready(Ok(()))));
    assert!(push(&queue, 400));
    assert_eq!(queue.waiting(), 2);
    assert_eq!(sizes(&jobs(queue.take(None))), [300, 400]);
    assert_eq!(queue.waiting(), 0);
}

#[test]
fn nothing_enters_a_closed_queue_and_what_waited_is_handed_out_first() {
    let queue = Queue::new(1 << 10);
    assert!(push(&queue, 0));
    let mut second = pin!(queue.push(job(0)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(second.as_mut().poll(&mut context).is_pending());
    assert_eq!(queue.closed(), None);
    queue.close("the disk is gone");
    queue.close("somebody closed it");
    let refused = |done| match done {
        Some(Err(AppendError::Closed(reason))) => assert_eq!(reason, "the disk is gone"),
        other => panic!("expected a refusal, found {other:?}"),
    };
    let Poll::Ready(done) = second.as_mut().poll(&mut context) else {
        panic!("it waits for a queue that is closed")
    };
    refused(Some(done));
    assert_eq!(queue.closed().as_deref(), Some("the disk is gone"));
    assert_eq!(jobs(queue.take(Some(LONG))).len(), 1);
    assert!(matches!(queue.take(Some(LONG)), Waiting::Closed));
    refused(pushed(&queue, job(0)));
}

#[test]
fn a_writer_that_waits_is_woken_by_an_append_and_by_the_end() {
    let queue = &Queue::new(1 << 20);
    let began = Instant::now();
    assert!(matches!(
        queue.take(Some(Duration::from_millis(1))),
        Waiting::Idle
    ));
    thread::scope(|scope| {
        for idle_after in [None, Some(LONG)] {
            let taking = scope.spawn(move || jobs(queue.take(idle_after)).len());
            thread::sleep(Duration::from_millis(20));
            assert!(push(queue, 0));
            assert_eq!(taking.join().unwrap(), 1);
        }
        let taking = scope.spawn(|| matches!(queue.take(None), Waiting::Closed));
        thread::sleep(Duration::from_millis(20));
        queue.close("closed");
        assert!(taking.join().unwrap());
    });
    assert!(began.elapsed() < SOON);
}

#[test]
fn who_waits_for_three_is_given_three_or_what_is_there_in_the_end() {
    let queue = &Queue::new(1 << 20);
    assert!(push(queue, 0));
    assert_eq!(queue.take_when(3, Duration::from_millis(1)).len(), 1);
    let began = Instant::now();
    thread::scope(|scope| {
        let taking = scope.spawn(|| queue.take_when(3, LONG).len());
        for waiting in 1..=2 {
            assert!(push(queue, 0));
            thread::sleep(Duration::from_millis(20));
            assert_eq!(queue.waiting(), waiting, "it was handed out too early");
        }
        assert!(push(queue, 0));
        assert_eq!(taking.join().unwrap(), 3);
        // Who comes next wakes the writer by itself again.
        let taking = scope.spawn(|| jobs(queue.take(None)).len());
        thread::sleep(Duration::from_millis(20));
        assert!(push(queue, 0));
        assert_eq!(taking.join().unwrap(), 1);

        let taking = scope.spawn(|| queue.take_when(3, LONG).len());
        assert!(push(queue, 0));
        thread::sleep(Duration::from_millis(20));
        queue.close("closed");
        assert_eq!(taking.join().unwrap(), 1);
    });
    assert!(began.elapsed() < SOON);
}
