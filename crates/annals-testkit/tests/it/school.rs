//! A small school. `courses` enrols students, `desks` gives each a desk, `fees` takes the fee from a bank, and
//! `admissions` sees to it that a student has all three or none.

use annals::{Command, Each, Event, Events, Key, Model, Refusal, command};
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
