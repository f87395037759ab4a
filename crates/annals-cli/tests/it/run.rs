//! The binary, a file of invoices, and a demo that runs in the background.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// Seven lines: three orders, one return, one line that is refused.
pub(crate) const INVOICES: &str = "\
InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country
536365,85123A,WHITE HANGING HEART,6,2010-12-01 08:26:00,2.55,17850,United Kingdom
536365,71053,WHITE METAL LANTERN,6,2010-12-01 08:26:00,3.39,17850,United Kingdom
536366,22633,HAND WARMER,6,2010-12-01 08:28:00,1.85,17850,United Kingdom
536367,84879,BIRD ORNAMENT,32,2010-12-01 08:34:00,1.69,13047,France
C536379,85123A,WHITE HANGING HEART,-1,2010-12-01 09:41:00,2.55,17850,United Kingdom
536370,22728,ALARM CLOCK,0,2010-12-01 08:45:00,3.75,12583,France
";

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    pub(crate) fn of(output: Output) -> Self {
        Self {
            code: output.status.code().expect("it ended by itself"),
            out: String::from_utf8(output.stdout).expect("it prints UTF-8"),
            err: String::from_utf8(output.stderr).expect("it prints UTF-8"),
        }
    }

    /// Its document.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// It ended so.
    #[track_caller]
    pub(crate) fn ended(self, code: i32) -> Self {
        assert_eq!(self.code, code, "{self:?}");
        self
    }
}

/// The binary, untouched by whoever runs the tests.
pub(crate) fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_annals"));
    for variable in ["ANNALS_DATA", "ANNALS_NODE", "NO_COLOR", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) fn annals(arguments: &[&str]) -> Ran {
    Ran::of(command(arguments).output().expect("the binary can be run"))
}

/// Runs it on a data folder.
pub(crate) fn annals_on(data: &Path, arguments: &[&str]) -> Ran {
    let mut all = vec!["--data", data.to_str().expect("a folder with a plain name")];
    all.extend(arguments);
    annals(&all)
}

/// Runs it with something on its standard input.
pub(crate) fn annals_fed(data: &Path, arguments: &[&str], input: &str) -> Ran {
    let mut command = command(arguments);
    command
        .env("ANNALS_DATA", data)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("the binary can be run");
    child
        .stdin
        .take()
        .expect("a pipe")
        .write_all(input.as_bytes())
        .expect("it reads");
    Ran::of(child.wait_with_output().expect("it ends"))
}

/// A file in a folder of its own.
pub(crate) fn file(name: &str, text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join(name);
    std::fs::write(&path, text).expect("a file can be written");
    (folder, path)
}

/// A data folder that was fed with [`INVOICES`] and left; read it, do not change it.
pub(crate) fn fed() -> &'static Path {
    static FED: OnceLock<TempDir> = OnceLock::new();
    FED.get_or_init(feed).path()
}

/// A data folder of one's own, fed with [`INVOICES`].
pub(crate) fn feed() -> TempDir {
    let (_folder, invoices) = file("invoices.csv", INVOICES);
    let data = tempfile::tempdir().expect("a temporary folder");
    let orders = invoices.to_str().expect("a plain name");
    annals_on(data.path(), &["demo", "--orders", orders, "--port", "0", "-q"]).ended(0);
    data
}

/// A demo in the background.
pub(crate) struct Node {
    child: Child,
    /// The lines it printed first.
    pub(crate) banner: Vec<String>,
    /// `http://127.0.0.1:PORT`.
    pub(crate) url: String,
}

impl Node {
    /// Starts one on a data folder; it says where it is.
    pub(crate) fn start(data: &Path, options: &[&str]) -> Self {
        let mut all = vec!["demo", "--port", "0"];
        all.extend(options);
        let mut command = command(&all);
        command.env("ANNALS_DATA", data).stdout(Stdio::piped());
        let mut child = command.spawn().expect("the binary can be run");
        let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
        let mut banner = Vec::new();
        while let Some(Ok(line)) = lines.next() {
            let is_last = line.contains("curl ");
            banner.push(line);
            if is_last {
                break;
            }
        }
        let last = banner.last().expect("it says where it is");
        let url = last
            .split_whitespace()
            .find_map(|word| word.strip_suffix("/sales/countries"));
        let url = url.expect("the last line has its address").to_owned();
        Self { child, banner, url }
    }

    /// Interrupts it and waits; how it ended.
    pub(crate) fn interrupt(mut self) -> i32 {
        signal(&self.child, "-INT");
        self.child
            .wait()
            .expect("it ends")
            .code()
            .expect("it ends by itself")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        // Already waited for after `interrupt`; else it must not outlive the test.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Sends a signal to one process.
pub(crate) fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &child.id().to_string()])
        .status();
    assert!(sent.expect("there is a program kill").success());
}

/// Waits until something holds, for at most 20 seconds.
#[track_caller]
pub(crate) fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(
            began.elapsed() < Duration::from_secs(20),
            "not after 20 s: {what}"
        );
        std::thread::sleep(Duration::from_millis(50));
    }
}
