//! A small school. `courses` enrols students, `desks` gives each a desk, `fees` takes the fee from a bank, and
//! `admissions` sees to it that a student has all three or none.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use annals::{
    Command, Context, Dep, Each, Effects, Event, Events, Key, Model, On, Process, Refusal, Refused,
    ServiceBuilder, command, handler,
};
use annals_testkit::chain::Stage;
use serde::{Deserialize, Serialize};
use thiserror::Error;

#[derive(Key)]
#[key("course")]
pub(crate) struct CourseId(String);

#[derive(Key)]
#[key("student")]
pub(crate) struct StudentId(String);

pub(crate) fn course(name: &str) -> CourseId {
    CourseId::from(name)
}

pub(crate) fn student(name: &str) -> StudentId {
    StudentId::from(name)
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.opened")]
pub(crate) struct CourseOpened {
    #[tag]
    pub(crate) course: CourseId,
    pub(crate) seats: u32,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("course.renamed", private)]
pub(crate) struct CourseRenamed {
    #[tag]
    pub(crate) course: CourseId,
    pub(crate) title: String,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("seat.taken")]
pub(crate) struct SeatTaken {
    #[tag]
    pub(crate) course: CourseId,
    #[tag(partition)]
    pub(crate) student: StudentId,
    pub(crate) seat: u32,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("seat.freed")]
pub(crate) struct SeatFreed {
    #[tag]
    pub(crate) course: CourseId,
    #[tag(partition)]
    pub(crate) student: StudentId,
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum CourseFact {
    Opened(CourseOpened),
    #[commutes]
    Renamed(CourseRenamed),
    Taken(SeatTaken),
    Freed(SeatFreed),
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum SeatFact {
    Taken(SeatTaken),
    Freed(SeatFreed),
}

#[derive(Debug, Default, Clone, PartialEq, Serialize)]
pub(crate) struct Course {
    pub(crate) seats: u32,
    pub(crate) taken: u32,
    pub(crate) title: String,
}

impl Model for Course {
    type Key = CourseId;
    type Event = CourseFact;
    const IGNORED: &'static [&'static str] = &["course.praised"];

    fn apply(&mut self, event: &CourseFact) {
        match event {
            CourseFact::Opened(opened) => self.seats = opened.seats,
            CourseFact::Renamed(renamed) => self.title.clone_from(&renamed.title),
            CourseFact::Taken(_) => self.taken += 1,
            CourseFact::Freed(_) => self.taken -= 1,
        }
    }
}

/// What a student has; at most three courses at a time.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Timetable {
    pub(crate) courses: Vec<CourseId>,
}

pub(crate) const COURSES_MAX: usize = 3;

impl Model for Timetable {
    type Key = StudentId;
    type Event = SeatFact;

    fn apply(&mut self, event: &SeatFact) {
        match event {
            SeatFact::Taken(taken) => self.courses.push(taken.course.clone()),
            SeatFact::Freed(freed) => self.courses.retain(|course| *course != freed.course),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Error, Refusal)]
pub(crate) enum CourseError {
    #[error("the course is open already")]
    OpenAlready,
    #[error("{0} has no free seat")]
    Full(CourseId),
    #[error("the student has as many courses as there may be")]
    TooMany,
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("courses.open")]
pub(crate) struct Open {
    #[key]
    pub(crate) course: CourseId,
    pub(crate) seats: u32,
}

#[command]
pub(crate) fn open(command: Open, course: &Course) -> Result<CourseOpened, CourseError> {
    if course.seats > 0 {
        return Err(CourseError::OpenAlready);
    }
    let Open { course, seats } = command;
    Ok(CourseOpened { course, seats })
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("courses.rename")]
pub(crate) struct Rename {
    #[key]
    pub(crate) course: CourseId,
    pub(crate) title: String,
}

#[command]
pub(crate) fn rename(command: Rename, course: &Course) -> Result<Option<CourseRenamed>, CourseError> {
    let Rename { course: id, title } = command;
    Ok((course.title != title).then_some(CourseRenamed { course: id, title }))
}

/// A seat in one course: the course and the student decide together.
#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("courses.enrol")]
pub(crate) struct Enrol {
    #[key]
    pub(crate) student: StudentId,
    #[key]
    pub(crate) course: CourseId,
}

#[command]
pub(crate) fn enrol(
    command: Enrol,
    course: &Course,
    timetable: &Timetable,
) -> Result<Option<SeatTaken>, CourseError> {
    if timetable.courses.contains(&command.course) {
        return Ok(None);
    }
    if timetable.courses.len() >= COURSES_MAX {
        return Err(CourseError::TooMany);
    }
    if course.taken >= course.seats {
        return Err(CourseError::Full(command.course));
    }
    let Enrol { student, course: id } = command;
    Ok(Some(SeatTaken {
        course: id,
        student,
        seat: course.taken + 1,
    }))
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Choice {
    pub(crate) course: CourseId,
}

/// A seat in each of several courses, or in none.
#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("courses.enrol_in_all")]
pub(crate) struct EnrolInAll {
    #[key]
    pub(crate) student: StudentId,
    #[key(each = course: CourseId)]
    pub(crate) choices: Vec<Choice>,
}

#[command]
pub(crate) fn enrol_in_all(
    command: EnrolInAll,
    timetable: &Timetable,
    courses: &Each<Course>,
) -> Result<Vec<SeatTaken>, CourseError> {
    if timetable.courses.len() + courses.len() > COURSES_MAX {
        return Err(CourseError::TooMany);
    }
    if let Some((full, _)) = courses.iter().find(|(_, course)| course.taken >= course.seats) {
        return Err(CourseError::Full(full.clone()));
    }
    let taken = courses.iter().map(|(id, course)| SeatTaken {
        course: id.clone(),
        student: command.student.clone(),
        seat: course.taken + 1,
    });
    Ok(taken.collect())
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("courses.withdraw")]
pub(crate) struct Withdraw {
    #[key]
    pub(crate) student: StudentId,
    pub(crate) course: CourseId,
}

#[command]
pub(crate) fn withdraw(
    command: Withdraw,
    timetable: &Timetable,
) -> Result<Option<SeatFreed>, std::convert::Infallible> {
    let Withdraw { student, course } = command;
    let has = timetable.courses.contains(&course);
    Ok(has.then_some(SeatFreed { course, student }))
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("desk.given")]
pub(crate) struct DeskGiven {
    #[tag]
    pub(crate) student: StudentId,
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("desk.returned")]
pub(crate) struct DeskReturned {
    #[tag]
    pub(crate) student: StudentId,
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum DeskFact {
    Given(DeskGiven),
    Returned(DeskReturned),
}

/// Whether a student has a desk.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Desk {
    pub(crate) has: bool,
    pub(crate) given: u32,
    pub(crate) returned: u32,
}

impl Model for Desk {
    type Key = StudentId;
    type Event = DeskFact;

    fn apply(&mut self, event: &DeskFact) {
        match event {
            DeskFact::Given(_) => {
                self.has = true;
                self.given += 1;
            }
            DeskFact::Returned(_) => {
                self.has = false;
                self.returned += 1;
            }
        }
    }
}

#[derive(Debug, Clone, PartialEq, Error, Refusal)]
pub(crate) enum DeskError {
    #[error("{0} is too tall for our desks")]
    TooTall(StudentId),
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("desks.give")]
pub(crate) struct GiveDesk {
    #[key]
    pub(crate) student: StudentId,
}

/// Students whose name begins with `tall` get none. A student who has a desk gets another one all the same: a test sees
/// at once when a command had two effects.
#[command]
pub(crate) fn give_desk(command: GiveDesk, _: &Desk) -> Result<DeskGiven, DeskError> {
    if command.student.to_string().starts_with("tall") {
        return Err(DeskError::TooTall(command.student));
    }
    Ok(DeskGiven {
        student: command.student,
    })
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("desks.take_back")]
pub(crate) struct TakeBackDesk {
    #[key]
    pub(crate) student: StudentId,
}

#[command]
pub(crate) fn take_back_desk(
    command: TakeBackDesk,
    _: &Desk,
) -> Result<DeskReturned, std::convert::Infallible> {
    Ok(DeskReturned {
        student: command.student,
    })
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("fee.paid")]
pub(crate) struct FeePaid {
    #[tag]
    pub(crate) student: StudentId,
    pub(crate) reference: String,
}

/// The bank, outside. Counts what it was asked, and fails as often as it is told to for a student.
#[derive(Debug, Default)]
pub(crate) struct Bank {
    failures: Mutex<HashMap<String, u32>>,
    asked: Mutex<Vec<(String, String)>>,
}

#[derive(Debug, Error)]
#[error("the bank is closed")]
pub(crate) struct BankClosed;

impl Bank {
    /// Fails so many times for this student.
    pub(crate) fn fails(&self, who: &str, times: u32) {
        self.failures.lock().unwrap().insert(who.to_owned(), times);
    }

    /// Who was asked for, with which idempotency key, in order.
    pub(crate) fn asked(&self) -> Vec<(String, String)> {
        self.asked.lock().unwrap().clone()
    }

    pub(crate) fn asked_for(&self, who: &str) -> usize {
        self.asked().iter().filter(|(asked, _)| asked == who).count()
    }

    fn take(&self, who: &str, reference: &str) -> Result<(), BankClosed> {
        self.asked
            .lock()
            .unwrap()
            .push((who.to_owned(), reference.to_owned()));
        match self.failures.lock().unwrap().get_mut(who) {
            Some(left) if *left > 0 => {
                *left -= 1;
                Err(BankClosed)
            }
            _ => Ok(()),
        }
    }
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("fees.take")]
pub(crate) struct TakeFee {
    #[key]
    pub(crate) student: StudentId,
}

#[handler(retry = 3)]
pub(crate) async fn take_fee(
    message: TakeFee,
    cx: Context,
    Dep(bank): Dep<Bank>,
) -> Result<FeePaid, BankClosed> {
    let reference = cx.idempotency_key();
    tokio::time::sleep(Duration::from_millis(20)).await;
    bank.take(&message.student.to_string(), &reference)?;
    Ok(FeePaid {
        student: message.student,
        reference,
    })
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("fee.refunded")]
pub(crate) struct FeeRefunded {
    #[tag]
    pub(crate) student: StudentId,
}

/// Whether a student has paid.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Fee {
    pub(crate) paid: bool,
}

impl Model for Fee {
    type Key = StudentId;
    type Event = FeePaid;

    fn apply(&mut self, _: &FeePaid) {
        self.paid = true;
    }
}

#[derive(Command, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[named("fees.refund")]
pub(crate) struct RefundFee {
    #[key]
    pub(crate) student: StudentId,
}

#[command]
pub(crate) fn refund_fee(
    command: RefundFee,
    fee: &Fee,
) -> Result<Option<FeeRefunded>, std::convert::Infallible> {
    Ok(fee.paid.then_some(FeeRefunded {
        student: command.student,
    }))
}

#[derive(Events, Debug, PartialEq)]
pub(crate) enum AdmissionFact {
    Seat(SeatTaken),
    Desk(DeskGiven),
    Fee(FeePaid),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) enum AdmissionTimer {
    /// The fee was not paid in time.
    FeeLate,
    /// Somebody should be asked how it went.
    AskAround { round: u32 },
}

/// A seat is followed by a desk, a desk by the fee; without the fee within half an hour both are taken back.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(crate) struct Admission {
    pub(crate) student: Option<StudentId>,
    pub(crate) course: Option<CourseId>,
    pub(crate) done: bool,
    pub(crate) failed: bool,
    pub(crate) rounds: u32,
}

impl Model for Admission {
    type Key = StudentId;
    type Event = AdmissionFact;

    fn apply(&mut self, event: &AdmissionFact) {
        match event {
            AdmissionFact::Seat(seat) => {
                self.student = Some(seat.student.clone());
                self.course = Some(seat.course.clone());
            }
            AdmissionFact::Desk(_) => {}
            AdmissionFact::Fee(_) => self.done = true,
        }
    }
}

pub(crate) const FEE_PATIENCE: Duration = Duration::from_secs(30 * 60);
pub(crate) const ROUND: Duration = Duration::from_secs(10 * 60);

impl Process for Admission {
    const NAME: &'static str = "admission";
    type Timer = AdmissionTimer;

    fn react(&self, on: On<'_, AdmissionFact, AdmissionTimer>, effects: &mut Effects<AdmissionTimer>) {
        match on {
            On::Event(AdmissionFact::Seat(seat)) => {
                let student = || seat.student.clone();
                let back = TakeBackDesk { student: student() };
                effects.send(GiveDesk { student: student() }).undo(back);
                effects.after(FEE_PATIENCE, AdmissionTimer::FeeLate);
                effects.after(ROUND, AdmissionTimer::AskAround { round: 1 });
            }
            On::Event(AdmissionFact::Desk(desk)) => {
                let student = || desk.student.clone();
                effects
                    .send(TakeFee { student: student() })
                    .undo(RefundFee { student: student() });
            }
            On::Event(AdmissionFact::Fee(_)) => effects.complete(),
            On::Timer(AdmissionTimer::AskAround { round }) if *round < 2 => {
                effects.after(ROUND, AdmissionTimer::AskAround { round: round + 1 });
            }
            On::Timer(AdmissionTimer::AskAround { .. }) => {}
            On::Timer(AdmissionTimer::FeeLate) | On::Refused(_) => {
                effects.cancel(&AdmissionTimer::AskAround { round: 0 });
                effects.cancel(&AdmissionTimer::FeeLate);
                effects.compensate();
                if let (Some(student), Some(course)) = (self.student.clone(), self.course.clone()) {
                    effects.send(Withdraw { student, course });
                }
            }
        }
    }

    fn on_timer(&mut self, timer: &AdmissionTimer) {
        match timer {
            AdmissionTimer::AskAround { round } => self.rounds = *round,
            AdmissionTimer::FeeLate => self.failed = true,
        }
    }

    fn on_refused(&mut self, _: &Refused) {
        self.failed = true;
    }
}

/// How each service of the school is built.
pub(crate) fn courses(service: ServiceBuilder) -> ServiceBuilder {
    service
        .command::<Open>()
        .command::<Rename>()
        .command::<Enrol>()
        .command::<EnrolInAll>()
        .command::<Withdraw>()
}

pub(crate) fn desks(service: ServiceBuilder) -> ServiceBuilder {
    service.command::<GiveDesk>().command::<TakeBackDesk>()
}

pub(crate) fn fees(service: ServiceBuilder, bank: &Arc<Bank>) -> ServiceBuilder {
    service
        .handler::<TakeFee>()
        .command::<RefundFee>()
        .provide(Arc::clone(bank))
}

pub(crate) fn admissions(service: ServiceBuilder) -> ServiceBuilder {
    service
        .process::<Admission>()
        .listens_to("courses")
        .listens_to("desks")
        .listens_to("fees")
}

/// The whole school, and its bank.
pub(crate) async fn school(stage: &Stage) -> Arc<Bank> {
    let bank = Arc::new(Bank::default());
    let for_fees = Arc::clone(&bank);
    stage.service("courses", courses).await;
    stage.service("desks", desks).await;
    stage
        .service("fees", move |service| fees(service, &for_fees))
        .await;
    stage.service("admissions", admissions).await;
    stage
        .service("recorder", |service| service.records_everything())
        .await;
    bank
}
