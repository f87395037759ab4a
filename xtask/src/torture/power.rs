//! Real power cuts: a file system on a loop device is shut down by its own ioctl at any moment, mounted again and compared.
//!
//! In: how many cuts, on which file systems, of what. Out: counts, and whether anything was lost. What is told before the
//! cut begins must be there afterwards, so must everything that was served or verified after an earlier cut; what is told
//! while the cut runs is unknown and only counted. Needs root and Linux; says so where it has not.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Arc, atomic::AtomicU64},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use clap::{Args, ValueEnum};
use serde_json::Value;

use crate::cargo;

mod disk;
mod http;
mod witness;
mod process;
mod store;
mod node;

use disk::{CutDisk, FileSystem};
use node::Node;
use store::Store;
use witness::{Contents, Heard, History, Witness};

/// Cuts of one disk before a fresh one is made: its history grows and recovers again and again until then.
const CUTS_PER_DISK: u64 = 20;
/// Work between a start and its cut, in milliseconds.
const WORK: (u64, u64) = (20, 700);
/// One cut in so many hits a start instead, while it recovers.
const CUTS_PER_EARLY: u64 = 5;
/// One cut in so many follows a kill: what the killed process wrote is served by the next before the power goes.
const CUTS_PER_KILL: u64 = 4;
/// Until an early cut, in milliseconds at most.
const EARLY_MAX: u64 = 250;

/// What to cut, and how often.
#[derive(Debug, Clone, Args)]
pub(crate) struct Power {
    /// How many cuts of each program on each file system.
    #[arg(long, default_value_t = 200)]
    pub(crate) cuts: u64,
    /// On which file systems.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [FileSystem::Ext4, FileSystem::Xfs])]
    pub(crate) fs: Vec<FileSystem>,
    /// Of which programs.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Program::Node, Program::Store])]
    pub(crate) program: Vec<Program>,
    /// Plant this bug of annals-log in the store, such as AcknowledgeUnflushed: the run fails unless it is found.
    #[arg(long)]
    pub(crate) bug: Option<String>,
    /// Programs as they are built for tests instead of for release.
    #[arg(long)]
    pub(crate) dev: bool,
    /// A program that is built already, such as the node that is shipped; say which with --program.
    #[arg(long, value_name = "FILE", requires = "program")]
    pub(crate) binary: Option<PathBuf>,
    /// Chooses the moments.
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

/// What is running when the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Program {
    /// `annals demo`: all services of the order system and the embedded broker, asked over HTTP.
    Node,
    /// The embedded store alone.
    Store,
}

/// Cuts of each program in the gate.
const SLICE: u64 = 8;

/// The slice of it that is part of the gate, on ext4, which every Linux can make, and the proof that it can fail; none where
/// this machine does not allow it.
///
/// # Errors
/// As for [`power`].
pub(crate) fn slice(root: &Path) -> Result<Option<bool>> {
    if let Some(why) = FileSystem::Ext4.missing() {
        println!("not run: power cuts: {why}");
        return Ok(None);
    }
    let slice = Power {
        cuts: SLICE,
        fs: vec![FileSystem::Ext4],
        program: vec![Program::Node, Program::Store],
        bug: None,
        dev: false,
        binary: None,
        seed: 1,
    };
    let proof = Power {
        bug: Some("AcknowledgeUnflushed".to_owned()),
        ..slice.clone()
    };
    Ok(Some(power(root, &slice)? && power(root, &proof)?))
}

/// Runs it and answers whether all went well: nothing lost, or the planted bug found.
///
/// # Errors
/// A program cannot be built or run.
pub(crate) fn power(root: &Path, power: &Power) -> Result<bool> {
    let (mut ready, mut all_well) = (Vec::new(), true);
    for fs in &power.fs {
        match fs.missing() {
            Some(why) => {
                println!("not run: power cuts on {}: {why}", fs.name());
                all_well = false;
            }
            None => ready.push(*fs),
        }
    }
    let programs = match power.bug {
        Some(_) => vec![Program::Store],
        None => power.program.clone(),
    };
    for program in programs {
        if ready.is_empty() {
            break;
        }
        let binary = match &power.binary {
            Some(binary) => binary.clone(),
            None => build(root, program, power.dev)?,
        };
        for fs in &ready {
            let mut run = Run::new(root, power, program, *fs, binary.clone())?;
            let ran = run.cuts(power.cuts);
            let found = match &ran {
                Ok(()) => run.wrong.is_some(),
                Err(_) => true,
            };
            run.report();
            match (ran, &power.bug) {
                (Ok(()), None) => all_well &= !found,
                (Err(error), None) => {
                    println!("FAILED after {} cuts: {error:#}", run.sums.cuts);
                    all_well = false;
                }
                (ran, Some(bug)) => {
                    let how = match ran {
                        Err(error) => format!("found after {} cuts: {error:#}", run.sums.cuts),
                        Ok(()) if found => format!("found after {} cuts", run.sums.cuts),
                        Ok(()) => "NOT FOUND".to_owned(),
                    };
                    println!("planted {bug}: {how}");
                    all_well &= found;
                }
            }
        }
    }
    Ok(all_well)
}

/// Builds a program and answers where it is.
fn build(root: &Path, program: Program, dev: bool) -> Result<PathBuf> {
    let line = match program {
        Program::Node => "build -p annals-cli --bin annals",
        Program::Store => "build -p annals-store --example power_cut",
    };
    let (profile, folder) = if dev {
        ("dev", "debug")
    } else {
        ("release", "release")
    };
    let args: Vec<&str> = line.split(' ').chain(["--profile", profile]).collect();
    if let Some(failure) = cargo::run(root, &args, &[])?.failure {
        bail!("{failure}");
    }
    let target = target(root)?.join(folder);
    Ok(match program {
        Program::Node => node::binary(&target),
        Program::Store => target.join("examples/power_cut"),
    })
}

/// Where cargo builds.
fn target(root: &Path) -> Result<PathBuf> {
    let told = cargo::output(root, "cargo", &["metadata", "--format-version", "1", "--no-deps"])?;
    let told: Value = serde_json::from_str(&told).context("cargo metadata is no JSON")?;
    let folder = told["target_directory"]
        .as_str()
        .context("cargo does not say where it builds")?;
    Ok(folder.into())
}

/// Counts of one program on one file system.
#[derive(Debug, Default)]
struct Sums {
    cuts: u64,
    early: u64,
    killed: u64,
    acknowledged: u64,
    events: u64,
    shown: u64,
    unknown: u64,
    unknown_there: u64,
    lost: u64,
}

struct Run {
    folder: PathBuf,
    fs: FileSystem,
    program: Program,
    binary: PathBuf,
    bug: Option<String>,
    chance: u64,
    next: Arc<AtomicU64>,
    sums: Sums,
    seconds: f64,
    wrong: Option<Vec<String>>,
}

/// What runs.
enum Running {
    Node(Node),
    Store(Store),
}

impl Run {
    fn new(root: &Path, power: &Power, program: Program, fs: FileSystem, binary: PathBuf) -> Result<Self> {
        let folder = target(root)?.join("torture/power");
        fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Ok(Self {
            folder,
            fs,
            program,
            binary,
            bug: power.bug.clone(),
            chance: power.seed,
            next: Arc::default(),
            sums: Sums::default(),
            seconds: 0.0,
            wrong: None,
        })
    }

    /// Cuts so often, or until something is wrong.
    fn cuts(&mut self, cuts: u64) -> Result<()> {
        let began = Instant::now();
        let done = self.disks(cuts);
        self.seconds = began.elapsed().as_secs_f64();
        done
    }

    fn disks(&mut self, cuts: u64) -> Result<()> {
        while self.sums.cuts < cuts {
            let disk = CutDisk::new(&self.folder, self.fs)?;
            let mut history = History::default();
            let until = cuts.min(self.sums.cuts + CUTS_PER_DISK);
            let mut last = Heard::default();
            while self.sums.cuts < until {
                last = self.one_cut(&disk, &mut history, &last)?;
                if self.wrong.is_some() {
                    return Ok(());
                }
            }
            // What the last cut left.
            let (running, found) = self.start(&disk)?;
            running.kill();
            self.judge(&mut history, &found, &last);
            self.sums.events += history.events();
            if self.wrong.is_some() {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Starts, compares, works, cuts. Answers what was heard.
    fn one_cut(&mut self, disk: &CutDisk, history: &mut History, last: &Heard) -> Result<Heard> {
        let cutter = disk.cutter()?;
        if self.sums.cuts % CUTS_PER_EARLY == CUTS_PER_EARLY - 1 {
            let wait = self.below(EARLY_MAX);
            let mut process = self.spawn(disk)?;
            thread::sleep(Duration::from_millis(wait));
            cutter.cut()?;
            process.kill();
            disk.restart()?;
            (self.sums.cuts, self.sums.early) = (self.sums.cuts + 1, self.sums.early + 1);
            self.verify(disk)?;
            return Ok(last.clone());
        }
        let (mut running, mut found) = self.start(disk)?;
        self.judge(history, &found, last);
        let mut unknown = Vec::new();
        let after_kill = self.sums.cuts.is_multiple_of(CUTS_PER_KILL);
        if self.wrong.is_none() && after_kill {
            let witness = self.work(&mut running, &found);
            witness.cut_begins();
            running.kill();
            let killed = witness.take();
            self.count(&killed);
            unknown.clone_from(&killed.unknown);
            history.add(killed);
            (running, found) = self.start(disk)?;
            self.judge(history, &found, &Heard::default());
        }
        if self.wrong.is_some() {
            running.kill();
            return Ok(Heard::default());
        }
        // What was served just now must stay, so nothing more is asked of a disk that may be told to keep it thereby.
        let witness = match after_kill {
            true => Arc::default(),
            false => self.work(&mut running, &found),
        };
        witness.cut_begins();
        cutter.cut()?;
        running.kill();
        disk.restart()?;
        self.sums.cuts += 1;
        self.sums.killed += u64::from(after_kill);
        let mut heard = witness.take();
        self.count(&heard);
        heard.unknown.append(&mut unknown);
        history.add(heard.clone());
        self.verify(disk)?;
        Ok(heard)
    }

    /// Lets it work for a while.
    fn work(&mut self, running: &mut Running, found: &Contents) -> Arc<Witness> {
        let witness = Arc::new(Witness::default());
        running.work(found, &witness, &self.next);
        let wait = WORK.0 + self.below(WORK.1 - WORK.0);
        thread::sleep(Duration::from_millis(wait));
        witness
    }

    fn count(&mut self, heard: &Heard) {
        self.sums.acknowledged += heard.acknowledged.len() as u64;
        self.sums.shown += heard.shown.iter().map(|told| told.ids.len() as u64).sum::<u64>();
        self.sums.unknown += heard.unknown.len() as u64;
    }

    fn judge(&mut self, history: &mut History, found: &Contents, last: &Heard) {
        let judgement = history.judge(found);
        self.sums.unknown_there += history.holds(&last.unknown) as u64;
        self.sums.lost += judgement.lost;
        if !judgement.wrong.is_empty() {
            self.wrong = Some(judgement.wrong);
        }
    }

    /// What the cut left, as it lies there, before anything is recovered.
    fn verify(&mut self, disk: &CutDisk) -> Result<()> {
        let data = data(disk);
        let wrong = match self.program {
            Program::Node if !data.exists() => Vec::new(),
            Program::Node => node::verify(&self.binary, &data)?,
            Program::Store if !data.exists() => Vec::new(),
            Program::Store => store::verify(&self.binary, &data)?,
        };
        if !wrong.is_empty() {
            self.wrong.get_or_insert_default().extend(wrong);
        }
        Ok(())
    }

    fn complaints(&self) -> PathBuf {
        self.folder.join("complaints.log")
    }

    fn spawn(&self, disk: &CutDisk) -> Result<process::Process> {
        let (binary, data, complaints) = (&self.binary, data(disk), self.complaints());
        match self.program {
            Program::Node => Node::spawn(binary, &data, &complaints),
            Program::Store => Store::spawn(binary, &data, self.bug.as_deref(), &complaints),
        }
    }

    fn start(&self, disk: &CutDisk) -> Result<(Running, Contents)> {
        let (binary, data, complaints) = (&self.binary, data(disk), self.complaints());
        Ok(match self.program {
            Program::Node => {
                let (node, contents) = Node::start(binary, &data, &complaints)?;
                (Running::Node(node), contents)
            }
            Program::Store => {
                let (store, contents) = Store::start(binary, &data, self.bug.as_deref(), &complaints)?;
                (Running::Store(store), contents)
            }
        })
    }

    /// splitmix64.
    fn below(&mut self, limit: u64) -> u64 {
        self.chance = self.chance.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.chance;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % limit.max(1)
    }

    fn report(&self) {
        let Sums {
            cuts,
            early,
            killed,
            acknowledged,
            events,
            shown,
            unknown,
            unknown_there,
            lost,
        } = self.sums;
        let (program, fs) = (format!("{:?}", self.program).to_lowercase(), self.fs.name());
        let rate = cuts as f64 / self.seconds.max(0.001) * 60.0;
        println!(
            "{program} on {fs}: {cuts} cuts, {early} of them during a start and {killed} after a kill, {rate:.0} a \
             minute; {acknowledged} appends acknowledged, {shown} events shown to readers, {events} events read at the \
             end; {unknown} answers raced a cut, {unknown_there} of them there after all; {lost} events lost"
        );
        for wrong in self.wrong.iter().flatten() {
            println!("  WRONG: {wrong}");
        }
    }
}

impl Running {
    fn work(&mut self, contents: &Contents, witness: &Arc<Witness>, next: &Arc<AtomicU64>) {
        match self {
            Self::Node(node) => node.work(contents, witness, next),
            Self::Store(store) => store.work(witness),
        }
    }

    fn kill(self) {
        match self {
            Self::Node(node) => node.kill(),
            Self::Store(store) => store.kill(),
        }
    }
}

fn data(disk: &CutDisk) -> PathBuf {
    disk.path().join("data")
}
