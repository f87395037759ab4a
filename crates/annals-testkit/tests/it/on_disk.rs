use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use annals::{Place, Service, World};
use annals_core::port::store::EventStore;
use annals_sqlite::Sqlite;
use annals_store::{EmbeddedStore, Options};
use annals_testkit::replay;
use annals_transport::embedded::EmbeddedBroker;
use tempfile::TempDir;

use crate::school::{
    Admission, Bank, Course, Desk, Enrol, Fee, Open, admissions, course, courses, desks, fees, student,
};

/// The school on stores in a folder, with the machine's clock and several threads.
struct OnDisk {
    services: Vec<Service>,
    stores: Vec<EmbeddedStore>,
    bank: Arc<Bank>,
}

impl OnDisk {
    async fn open(folder: &Path, bank: Arc<Bank>) -> Self {
        let world = World::default();
        let mut stores = Vec::new();
        let mut store = |name: &str| {
            let store = EmbeddedStore::open(folder.join(name), Options::default()).unwrap();
            stores.push(store.clone());
            Arc::new(store) as Arc<dyn EventStore>
        };
        let broker = EmbeddedBroker::new(store("broker"), Arc::clone(&world.clock));
        let mut services = Vec::new();
        for name in ["courses", "desks", "fees", "admissions", "recorder"] {
            let service = Service::builder(name);
            let service = match name {
                "courses" => courses(service).projection(
                    crate::projections::Taken::default(),
                    Arc::new(Sqlite::folder(folder.join("views")).unwrap()),
                ),
                "desks" => desks(service),
                "fees" => fees(service, &bank),
                "admissions" => admissions(service),
                _ => service.records_everything(),
            };
            let place = Place {
                store: store(name),
                transport: Arc::new(broker.clone()),
                world: world.clone(),
                journal: None,
            };
            services.push(service.start(place).await.unwrap());
        }
        Self {
            services,
            stores,
            bank,
        }
    }

    fn service(&self, name: &str) -> &Service {
        self.services
            .iter()
            .find(|service| service.name() == name)
            .unwrap()
    }

    async fn settle(&self) {
        let deadline = Instant::now() + Duration::from_secs(120);
        let mut idle = 0;
        while idle < 3 {
            assert!(Instant::now() < deadline, "it does not settle");
            tokio::time::sleep(Duration::from_millis(20)).await;
            let mut all = true;
            for service in &self.services {
                all &= service.status().await.is_idle();
            }
            idle = if all { idle + 1 } else { 0 };
        }
    }

    async fn close(self) {
        for service in &self.services {
            service.stop().await;
        }
        drop(self.services);
        self.stores.iter().for_each(EmbeddedStore::close);
    }
}

const STUDENTS: u32 = 60;

async fn check(school: &OnDisk) {
    let seats = school
        .service("courses")
        .load::<Course>(&course("maths"))
        .await
        .unwrap()
        .taken;
    assert_eq!(seats, STUDENTS);
    for number in 0..STUDENTS {
        let who = student(&format!("s{number}"));
        let desk = school.service("desks").load::<Desk>(&who).await.unwrap();
        assert_eq!((desk.given, desk.returned), (1, 0), "{who}");
        assert!(
            school.service("fees").load::<Fee>(&who).await.unwrap().paid,
            "{who}"
        );
        assert_eq!(school.bank.asked_for(&who.to_string()), 1, "{who}");
    }
    assert_eq!(
        replay::process::<Admission>(school.service("admissions")).await as u32,
        STUDENTS * 3
    );
    let view = school
        .service("courses")
        .view::<crate::projections::Taken>()
        .now()
        .unwrap();
    assert_eq!(
        crate::projections::rows(&view)[0],
        format!(r#"{{"course":"maths","seats":{STUDENTS}}}"#)
    );
    // One opening, and per student a seat, two commands, a desk and a fee.
    assert_eq!(
        school.service("recorder").store().end().get(),
        u64::from(1 + STUDENTS * 5)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_school_runs_on_disk_and_goes_on_after_it_was_closed() {
    let folder = TempDir::new().unwrap();
    let bank = Arc::new(Bank::default());
    let school = OnDisk::open(folder.path(), Arc::clone(&bank)).await;
    let open = Open {
        course: course("maths"),
        seats: 1_000,
    };
    school
        .service("courses")
        .execute(open.clone())
        .idempotency_key("open")
        .await
        .unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..STUDENTS {
        let courses = school.service("courses").clone();
        let enrol = Enrol {
            student: student(&format!("s{number}")),
            course: course("maths"),
        };
        tasks.spawn(async move {
            courses
                .execute(enrol)
                .idempotency_key(format!("s{number}"))
                .await
                .unwrap()
        });
        if number == STUDENTS / 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
    tasks.join_all().await;
    // Closed in the middle of it.
    school.close().await;
    let school = OnDisk::open(folder.path(), Arc::clone(&bank)).await;
    school.settle().await;
    check(&school).await;
    let again = school
        .service("courses")
        .execute(open)
        .idempotency_key("open")
        .await
        .unwrap();
    assert!(again.repeated);
    replay::states(school.service("courses")).await;
    school.close().await;
    let school = OnDisk::open(folder.path(), bank).await;
    school.settle().await;
    check(&school).await;
    school.close().await;
}
