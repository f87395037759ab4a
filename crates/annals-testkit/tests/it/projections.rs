use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use annals::{Event, Events, Key, Projection, Recorded, ServiceBuilder};
use annals_core::port::sink::{Sink, SinkError, SinkView, Tx};
use annals_core::position::Position;
use annals_sqlite::{Sqlite, SqliteView};
use annals_testkit::chain::{Chain, Stage};
use annals_testkit::replay;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use crate::chain::EVERYTHING;
use crate::crash::{enrolled_somehow, seeds};
use crate::school::{
    Course, CourseId, Enrol, Open, SeatFact, SeatFreed, SeatTaken, Withdraw, course, courses, student,
};

/// How many seats of each course are taken, counted in the most fragile way: one up, one down.
#[derive(Default)]
pub(crate) struct Taken {
    fails: Arc<AtomicBool>,
}

const CREATE: &str = "CREATE TABLE taken (course TEXT PRIMARY KEY, seats INTEGER NOT NULL);
    CREATE TABLE log (position INTEGER NOT NULL, student TEXT NOT NULL);";

impl Projection for Taken {
    const NAME: &str = "taken";
    const VERSION: u32 = 1;
    type Event = SeatFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut Tx<Sqlite>) -> Result<(), SinkError> {
        tx.execute_batch(CREATE)
    }

    async fn project(
        &mut self,
        event: Recorded<'_, &SeatFact>,
        tx: &mut Tx<Sqlite>,
    ) -> Result<(), SinkError> {
        let (course, student, change) = match *event {
            SeatFact::Taken(taken) => (&taken.course, &taken.student, 1),
            SeatFact::Freed(freed) => (&freed.course, &freed.student, -1),
        };
        let count = "INSERT INTO taken VALUES (?1, ?2) ON CONFLICT (course) DO UPDATE SET seats = seats + ?2";
        tx.execute(count, (course.to_string(), change))?;
        // A crash may come between the two halves.
        tokio::task::yield_now().await;
        if self.fails.load(Ordering::Relaxed) {
            return Err(SinkError::Unavailable("told to fail".into()));
        }
        let position = i64::try_from(event.position().get()).unwrap();
        tx.execute("INSERT INTO log VALUES (?1, ?2)", (position, student.to_string()))
            .map(drop)
    }
}

pub(crate) fn rows(view: &SqliteView) -> Vec<String> {
    let taken = view.rows("SELECT * FROM taken ORDER BY course", ()).unwrap();
    let log = view.rows("SELECT * FROM log ORDER BY position", ()).unwrap();
    taken
        .into_iter()
        .chain(log)
        .map(|row| serde_json::Value::Object(row).to_string())
        .collect()
}

fn with_taken(folder: PathBuf, fails: Arc<AtomicBool>) -> impl Fn(ServiceBuilder) -> ServiceBuilder {
    move |service| {
        let fails = Arc::clone(&fails);
        courses(service).projection(Taken { fails }, Arc::new(Sqlite::folder(&folder).unwrap()))
    }
}

async fn with_view(stage: &Stage) -> (annals::Service, Arc<AtomicBool>) {
    let fails = Arc::new(AtomicBool::new(false));
    let describe = with_taken(stage.folder().to_owned(), Arc::clone(&fails));
    (stage.service("courses", describe).await, fails)
}

fn open(name: &str) -> Open {
    Open {
        course: course(name),
        seats: 1_000,
    }
}

fn enrol(who: &str, name: &str) -> Enrol {
    Enrol {
        student: student(who),
        course: course(name),
    }
}

async fn rebuilt(stage: &Stage, folder: &Path) -> Vec<String> {
    let again = Sqlite::folder(folder.join("again")).unwrap();
    let store = Arc::clone(stage.running("courses").store());
    rows(&replay::projection(&store, Taken::default(), &again).await)
}

#[test]
fn who_waits_for_his_write_reads_it() {
    Chain::new(1).run(async |stage| {
        let (service, _) = with_view(stage).await;
        service.execute(open("maths")).await.unwrap();
        for number in 1..=20 {
            let done = service
                .execute(enrol(&format!("s{number}"), "maths"))
                .await
                .unwrap();
            let view = service.view::<Taken>().after(&done).await.unwrap();
            let seats = view.rows("SELECT seats FROM taken", ()).unwrap();
            assert_eq!(seats[0]["seats"], serde_json::json!(number));
        }
        let twice = tokio::join!(
            service.execute(enrol("ann", "maths")),
            service.execute(enrol("ann", "maths"))
        );
        let (first, second) = (twice.0.unwrap(), twice.1.unwrap());
        assert_eq!((first.events.len(), second.events.len()), (1, 0));
        let view = service.view::<Taken>().after(&second).await.unwrap();
        let seats = view.rows("SELECT seats FROM taken", ()).unwrap();
        assert_eq!(
            seats[0]["seats"],
            serde_json::json!(21),
            "what held already is there for who asked second, too"
        );
        let patience = Duration::from_millis(50);
        let early = service
            .view::<Taken>()
            .at_least(Position::new(1_000), patience)
            .await
            .err()
            .unwrap();
        assert_eq!(early.to_string(), "taken is at position 22, not yet at 1000");
    });
}

#[test]
fn rows_and_checkpoint_are_one_through_crashes_at_any_point() {
    seeds(20).for_each(rows_and_checkpoint);
}

/// Students enrol while their service crashes; each is counted once.
pub(crate) fn rows_and_checkpoint(seed: u64) {
    Chain::with_faults(seed, EVERYTHING).run(async |stage| {
        with_view(stage).await;
        for number in 0..12 {
            enrolled_somehow(stage, &format!("s{number}")).await;
            stage.crash_somewhere("courses").await;
            if stage.seed().per_mille(500) {
                stage.settle().await;
            }
        }
        stage.settle().await;
        let view = stage.running("courses").view::<Taken>();
        let now = view.now().unwrap();
        assert_eq!(rows(&now)[0], r#"{"course":"maths","seats":12}"#, "seed {seed}");
        assert_eq!(rows(&now), rebuilt(stage, stage.folder()).await, "seed {seed}");
        let checkpoint = now.checkpoint().await.unwrap().unwrap();
        let newest = stage
            .history("courses")
            .await
            .into_iter()
            .rev()
            .find(|e| e.event_type.as_str() == "seat.taken");
        assert!(checkpoint > newest.unwrap().position, "seed {seed}");
    });
}

#[test]
fn a_batch_that_fails_leaves_nothing_and_is_tried_again() {
    Chain::new(1).run(async |stage| {
        let (service, fails) = with_view(stage).await;
        service.execute(open("maths")).await.unwrap();
        service.execute(enrol("ann", "maths")).await.unwrap();
        stage.settle().await;
        fails.store(true, Ordering::Relaxed);
        for who in ["bob", "cid"] {
            service.execute(enrol(who, "maths")).await.unwrap();
        }
        tokio::time::sleep(Duration::from_secs(5)).await;
        let view = service.view::<Taken>();
        assert_eq!(rows(&view.now().unwrap())[0], r#"{"course":"maths","seats":1}"#);
        let trouble = service.status().await.trouble().unwrap();
        assert!(
            trouble.contains("projection.taken: taken stops at position 2")
                && trouble.contains("told to fail"),
            "{trouble}"
        );
        fails.store(false, Ordering::Relaxed);
        stage.settle().await;
        assert_eq!(rows(&view.now().unwrap())[0], r#"{"course":"maths","seats":3}"#);
        assert!(service.status().await.trouble().is_none());
    });
}

/// The second version names the students; it waits at a gate.
struct TakenTwo {
    gate: Arc<Semaphore>,
    seen: Arc<AtomicU32>,
}

impl Projection for TakenTwo {
    const NAME: &str = "taken";
    const VERSION: u32 = 2;
    type Event = SeatFact;
    type Sink = Sqlite;

    async fn create(&mut self, tx: &mut Tx<Sqlite>) -> Result<(), SinkError> {
        tx.execute_batch("CREATE TABLE who (student TEXT PRIMARY KEY)")
    }

    async fn project(
        &mut self,
        event: Recorded<'_, &SeatFact>,
        tx: &mut Tx<Sqlite>,
    ) -> Result<(), SinkError> {
        self.gate.acquire().await.unwrap().forget();
        self.seen.fetch_add(1, Ordering::Relaxed);
        match *event {
            SeatFact::Taken(taken) => tx.execute("INSERT INTO who VALUES (?1)", [taken.student.to_string()]),
            SeatFact::Freed(freed) => {
                tx.execute("DELETE FROM who WHERE student = ?1", [freed.student.to_string()])
            }
        }
        .map(drop)
    }
}

#[test]
fn a_new_version_is_built_beside_and_then_promoted() {
    Chain::new(1).run(async |stage| {
        let (service, _) = with_view(stage).await;
        service.execute(open("maths")).await.unwrap();
        for who in ["ann", "bob", "cid"] {
            service.execute(enrol(who, "maths")).await.unwrap();
        }
        stage.settle().await;
        drop(service);
        stage.stop("courses").await;
        let (gate, seen) = (Arc::new(Semaphore::new(0)), Arc::new(AtomicU32::new(0)));
        let folder = stage.folder().to_owned();
        let (gate_of, seen_of) = (Arc::clone(&gate), Arc::clone(&seen));
        let describe = move |service: ServiceBuilder| {
            let projection = TakenTwo {
                gate: Arc::clone(&gate_of),
                seen: Arc::clone(&seen_of),
            };
            courses(service).projection(projection, Arc::new(Sqlite::folder(&folder).unwrap()))
        };
        let service = stage.restart_as("courses", describe.clone()).await;
        gate.add_permits(2);
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(seen.load(Ordering::Relaxed), 2);
        let served = service.view::<TakenTwo>().now().unwrap();
        assert_eq!(
            rows(&served)[0],
            r#"{"course":"maths","seats":3}"#,
            "readers keep the old version"
        );
        // A crash in the middle: the new version begins again, the old one is still served.
        stage.crash("courses").await;
        let service = stage.restart_as("courses", describe).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let served = service.view::<TakenTwo>().now().unwrap();
        assert_eq!(rows(&served)[0], r#"{"course":"maths","seats":3}"#);
        gate.add_permits(1_000);
        stage.settle().await;
        let served = service.view::<TakenTwo>().now().unwrap();
        assert_eq!(served.rows("SELECT student FROM who", ()).unwrap().len(), 3);
        let sink = Sqlite::folder(stage.folder()).unwrap();
        assert_eq!(sink.promoted("taken").await.unwrap(), Some(2));
        assert!(
            !stage.folder().join("taken.v1.sqlite").exists(),
            "the old version is removed"
        );
        let done = service.execute(enrol("dan", "maths")).await.unwrap();
        let served = service.view::<TakenTwo>().after(&done).await.unwrap();
        assert_eq!(served.rows("SELECT student FROM who", ()).unwrap().len(), 4);
    });
}

#[test]
fn a_view_that_was_deleted_is_built_again_from_the_events() {
    Chain::new(1).run(async |stage| {
        let (service, _) = with_view(stage).await;
        service.execute(open("maths")).await.unwrap();
        service.execute(enrol("ann", "maths")).await.unwrap();
        service.execute(enrol("bob", "maths")).await.unwrap();
        let free = Withdraw {
            student: student("ann"),
            course: course("maths"),
        };
        service.execute(free).await.unwrap();
        stage.settle().await;
        let before = rows(&service.view::<Taken>().now().unwrap());
        assert_eq!(before.len(), 4);
        drop(service);
        stage.stop("courses").await;
        for file in std::fs::read_dir(stage.folder()).unwrap() {
            std::fs::remove_file(file.unwrap().path()).unwrap();
        }
        let service = stage.restart("courses").await;
        stage.settle().await;
        assert_eq!(rows(&service.view::<Taken>().now().unwrap()), before);
        let maths = service.load::<Course>(&course("maths")).await.unwrap();
        assert_eq!(maths.taken, 1);
    });
}

#[derive(Event, Debug, Clone, PartialEq, Serialize, Deserialize)]
#[event("seat.taken", version = 2, from = SeatTaken)]
struct SeatTakenTwo {
    #[tag]
    course: CourseId,
}

impl From<SeatTaken> for SeatTakenTwo {
    fn from(old: SeatTaken) -> Self {
        Self { course: old.course }
    }
}

#[derive(Events)]
enum Lifted {
    Taken(SeatTakenTwo),
    Freed(SeatFreed),
}

#[test]
fn old_versions_are_lifted_for_projections_too() {
    use annals::EventSet;
    let taken = SeatTaken {
        course: course("maths"),
        student: student("ann"),
        seat: 1,
    };
    let json = serde_json::to_vec(&taken).unwrap();
    let name = <SeatTaken as annals::Message>::TYPE;
    let lifted = Lifted::decode(&name, 1, &json).unwrap();
    let Some(Lifted::Taken(seat)) = lifted else {
        panic!("the wrong event")
    };
    assert_eq!(seat.course.tag().unwrap().as_str(), "course:maths");
    let broken = Lifted::decode(&<SeatFreed as annals::Message>::TYPE, 1, b"{}");
    assert!(broken.is_err());
}
