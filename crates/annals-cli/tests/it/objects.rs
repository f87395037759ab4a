//! The oldest events of a store moved to a bucket over S3: what comes back from it, and that nothing goes where it fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use annals_testkit::proxy::{Proxy, Weather};
use object_store::aws::AmazonS3Builder;
use object_store::{ObjectStore, ObjectStoreExt};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::run::{Ran, annals_on, command, until};
use crate::truncate::{EVENTS, imported};

/// Who may write to the bucket, the password, and the bucket.
const NAME: &str = "annals";
/// Bytes a second while the server is killed; the segments take some seconds at that.
const SLOW: u64 = 100_000;

/// How a run finds the storage.
#[derive(Clone)]
struct Storage {
    endpoint: String,
    password: &'static str,
    bucket: &'static str,
}

impl Storage {
    fn new() -> Self {
        Self {
            endpoint: std::env::var("ANNALS_S3_URL").expect("ANNALS_S3_URL names no server"),
            password: NAME,
            bucket: NAME,
        }
    }

    fn address(&self) -> SocketAddr {
        self.endpoint.strip_prefix("http://").unwrap().parse().unwrap()
    }

    fn by_way_of(&self, address: SocketAddr) -> Self {
        Self {
            endpoint: format!("http://{address}"),
            ..self.clone()
        }
    }

    /// Below this name no other test writes.
    fn archive(&self, test: &str) -> String {
        format!("s3://{}/{test}-{}", self.bucket, std::process::id())
    }

    fn truncation(&self, data: &Path, archive: &str) -> Command {
        let mut command = command(&["truncate", "--before", "3900", "--archive", archive, "--json"]);
        command
            .env("ANNALS_DATA", data)
            .env("AWS_ENDPOINT", &self.endpoint)
            .env("AWS_ALLOW_HTTP", "true")
            .env("AWS_ACCESS_KEY_ID", NAME)
            .env("AWS_SECRET_ACCESS_KEY", self.password)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn truncate(&self, data: &Path, archive: &str) -> Ran {
        Ran::of(self.truncation(data, archive).output().unwrap())
    }

    /// Brings a set here, as any program that speaks S3 does, and answers how many bytes it has.
    fn fetch(&self, set: &str, to: &Path) -> u64 {
        let objects = AmazonS3Builder::new()
            .with_endpoint(&self.endpoint)
            .with_allow_http(true)
            .with_access_key_id(NAME)
            .with_secret_access_key(self.password)
            .with_bucket_name(self.bucket)
            .build()
            .unwrap();
        let prefix = set.strip_prefix(&format!("s3://{}/", self.bucket)).unwrap();
        fs::create_dir_all(to).unwrap();
        Runtime::new().unwrap().block_on(async {
            let listed = objects.list_with_delimiter(Some(&prefix.into())).await.unwrap();
            assert!(listed.common_prefixes.is_empty(), "{listed:?}");
            let mut sum = 0;
            for object in listed.objects {
                let bytes = objects
                    .get(&object.location)
                    .await
                    .unwrap()
                    .bytes()
                    .await
                    .unwrap();
                fs::write(to.join(object.location.filename().unwrap()), &bytes).unwrap();
                sum += bytes.len() as u64;
            }
            sum
        })
    }
}

/// A data folder, and its events as they are exported.
struct Old {
    folder: TempDir,
    data: PathBuf,
    events: String,
}

impl Old {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let events = imported(&data);
        Self { folder, data, events }
    }

    /// Nothing was taken away.
    #[track_caller]
    fn is_whole(&self) {
        let now = annals_on(&self.data, &["export", "-"]).ended(0).out;
        assert!(now == self.events, "{} events are left", now.lines().count());
        annals_on(&self.data, &["verify"]).ended(0);
    }

    /// What went is in the bucket and can be restored; the rest is here.
    #[track_caller]
    fn is_truncated(&self, done: &Value, storage: &Storage) {
        let begins = done["begins"].as_u64().unwrap();
        assert!(begins > 1_000 && begins <= 3_900, "{done}");
        assert_eq!(done["events"], begins);
        let from = begins.to_string();
        let rest = annals_on(&self.data, &["export", "-", "--from", &from])
            .ended(0)
            .out;
        assert!(rest.lines().eq(self.events.lines().skip(begins as usize)));
        assert_eq!(rest.lines().count(), EVENTS - begins as usize);
        annals_on(&self.data, &["verify"]).ended(0);

        let set = done["archive"].as_str().unwrap();
        let gone = annals_on(&self.data, &["event", "show", "old:5"]).ended(4);
        assert!(gone.err.contains(&format!("was archived to {set}")), "{gone:?}");
        let (fetched, past) = (
            self.folder.path().join("set"),
            self.folder.path().join("past/old"),
        );
        assert_eq!(done["bytes"], storage.fetch(set, &fetched));
        annals_on(&past, &["restore", fetched.to_str().unwrap()]).ended(0);
        annals_on(&past, &["verify"]).ended(0);
        let restored = annals_on(&past, &["export", "-"]).ended(0).out;
        assert!(restored.lines().eq(self.events.lines().take(begins as usize)));
    }
}

#[test]
#[ignore = "broker: s3: archives to a bucket"]
fn what_is_archived_in_a_bucket_can_be_restored_and_the_rest_goes_on() {
    let (old, storage) = (Old::new(), Storage::new());
    let archive = storage.archive("whole");
    let done = storage.truncate(&old.data, &archive).ended(0).json();
    let set = done["archive"].as_str().unwrap();
    assert!(set.starts_with(&format!("{archive}/old/")), "{done}");
    old.is_truncated(&done, &storage);
}

#[test]
#[ignore = "broker: s3: refuses what it must"]
fn a_bucket_that_refuses_is_named_with_the_next_step_and_nothing_is_taken_away() {
    let (old, right) = (Old::new(), Storage::new());
    let nobody = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let nowhere = nobody.local_addr().unwrap();
    drop(nobody);
    let wrong_password = Storage {
        password: "wrong",
        ..right.clone()
    };
    let no_bucket = Storage {
        bucket: "missing",
        ..right.clone()
    };
    for (wrong, said, next) in [
        (&wrong_password, "SignatureDoesNotMatch", "AWS_SECRET_ACCESS_KEY"),
        (&no_bucket, "NoSuchBucket", "make the bucket"),
        (&right.by_way_of(nowhere), "onnection refused", "AWS_ENDPOINT"),
    ] {
        let archive = wrong.archive("refused");
        let ran = wrong.truncate(&old.data, &archive).ended(1);
        for part in [archive.as_str(), said, next, "nothing was taken away"] {
            assert!(ran.err.contains(part), "{part} is not in {}", ran.err);
        }
        assert!(ran.err.len() < 1_000, "nobody reads this: {}", ran.err);
        old.is_whole();
    }
    let again = right.truncate(&old.data, &right.archive("refused")).ended(0);
    old.is_truncated(&again.json(), &right);
}

#[test]
#[ignore = "broker: s3: killed while it takes an archive"]
fn a_server_that_is_killed_meanwhile_takes_nothing_away_and_is_asked_again() {
    let (old, storage) = (Old::new(), Storage::new());
    let archive = storage.archive("killed");
    let runtime = Runtime::new().unwrap();
    let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let proxy = runtime.block_on(Proxy::start(any, storage.address())).unwrap();
    proxy.set(Weather::Slow(SLOW));
    let slow = storage.by_way_of(proxy.address());
    let child = slow.truncation(&old.data, &archive).spawn().unwrap();
    until("it sends", || proxy.accepted() > 0);
    std::thread::sleep(Duration::from_secs(1));
    services("kill");
    proxy.set(Weather::Clear);
    let ran = Ran::of(child.wait_with_output().unwrap());
    // Before the test can fail: others want the server too.
    services("up");
    let ran = ran.ended(1);
    assert!(
        ran.err.contains(&archive) && ran.err.contains("nothing was taken away"),
        "{ran:?}"
    );
    old.is_whole();
    let again = storage.truncate(&old.data, &archive).ended(0);
    old.is_truncated(&again.json(), &storage);
}

fn services(verb: &str) {
    let xtask = std::env::var("ANNALS_XTASK").expect("ANNALS_XTASK is the project's own command");
    let done = Command::new(xtask)
        .args(["services", verb, "s3"])
        .status()
        .unwrap();
    assert!(done.success(), "services {verb} s3");
}
