//! Who answers: it shows in the thread on which a caller is woken.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use annals_core::position::Position;
use annals_core::time::Timestamp;
use annals_log::Batch;
use tokio::sync::oneshot::{self, Receiver};

use super::*;

/// What a caller does when it is woken.
#[derive(Default)]
struct Caller {
    woken_by: Mutex<Option<String>>,
    takes: Duration,
    panics: bool,
}

impl Wake for Caller {
    fn wake(self: Arc<Self>) {
        thread::sleep(self.takes);
        let name = thread::current().name().unwrap_or_default().to_owned();
        *self.woken_by.lock().unwrap() = Some(name);
        assert!(!self.panics, "as is wanted");
    }
}

/// Appends whose callers wait for their answers.
fn waiting(callers: &[Arc<Caller>]) -> (Vec<Answer>, Vec<Receiver<Result<Appended, AppendError>>>) {
    let one = |(number, caller): (usize, &Arc<Caller>)| {
        let (reply, mut receiver) = oneshot::channel();
        let waker = Waker::from(Arc::clone(caller));
        let asked = Pin::new(&mut receiver).poll(&mut Context::from_waker(&waker));
        assert!(asked.is_pending());
        let job = Job {
            batch: Batch::default(),
            conditions: Vec::new(),
            marks: Vec::new(),
            reply,
            room: None,
        };
        let outcome = Ok(Appended {
            first: Position::new(number as u64),
            count: 1,
            recorded: Timestamp::EPOCH,
            duplicate: false,
        });
        (Answer { job, outcome }, receiver)
    };
    callers.iter().enumerate().map(one).unzip()
}

fn callers(count: usize) -> Vec<Arc<Caller>> {
    (0..count).map(|_| Arc::default()).collect()
}

/// Each has its own answer.
fn all_answered(receivers: Vec<Receiver<Result<Appended, AppendError>>>) {
    for (number, mut receiver) in receivers.into_iter().enumerate() {
        let answer = Pin::new(&mut receiver).poll(&mut Context::from_waker(Waker::noop()));
        let Poll::Ready(Ok(Ok(appended))) = answer else {
            panic!("caller {number} was told {answer:?}")
        };
        assert_eq!(appended.first, Position::new(number as u64));
    }
}

#[test]
fn many_are_woken_by_a_thread_of_its_own_where_others_wait_and_else_at_once() {
    let here = thread::current().name().unwrap().to_owned();
    for (answers, count, others_wait, woken_by) in [
        (Answers::on_thread(), FEW + 1, true, "annals-answers"),
        (Answers::on_thread(), FEW, true, here.as_str()),
        (Answers::on_thread(), FEW + 1, false, here.as_str()),
        (Answers::default(), FEW + 1, true, here.as_str()),
    ] {
        let callers = callers(count);
        let (given, receivers) = waiting(&callers);
        answers.give(given, others_wait);
        drop(answers);
        all_answered(receivers);
        for caller in callers {
            assert_eq!(caller.woken_by.lock().unwrap().as_deref(), Some(woken_by));
        }
    }
}

#[test]
fn when_it_is_dropped_everybody_was_answered() {
    let answers = Answers::on_thread();
    let slow = || Caller {
        takes: Duration::from_millis(20),
        ..Caller::default()
    };
    let callers: Vec<Arc<Caller>> = (0..=FEW).map(|_| Arc::new(slow())).collect();
    let (given, receivers) = waiting(&callers);
    answers.give(given, true);
    drop(answers);
    all_answered(receivers);
    assert!(
        callers
            .iter()
            .all(|caller| caller.woken_by.lock().unwrap().is_some())
    );
}

#[test]
fn a_caller_that_panics_takes_nobody_with_it_who_comes_later() {
    let answers = Answers::on_thread();
    let mut bad = callers(FEW + 1);
    bad[FEW] = Arc::new(Caller {
        panics: true,
        ..Caller::default()
    });
    let (given, _receivers) = waiting(&bad);
    answers.give(given, true);
    while !answers.thread.as_ref().unwrap().thread.is_finished() {
        thread::sleep(Duration::from_millis(1));
    }
    let (given, receivers) = waiting(&callers(FEW + 1));
    answers.give(given, true);
    all_answered(receivers);
}

#[test]
fn a_caller_that_is_gone_is_passed_over() {
    let (given, mut receivers) = waiting(&callers(3));
    drop(receivers.remove(1));
    Answers::default().give(given, false);
    let told = receivers.iter_mut().map(|receiver| receiver.try_recv().is_ok());
    assert_eq!(told.collect::<Vec<_>>(), [true, true]);
}
