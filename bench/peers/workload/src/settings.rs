//! The command line of every driver: `STEP --dir FOLDER [--seconds S] [--events N] [--variant NAME]`.

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::fact::Shape;

/// What to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// One writer, one event at a time, in a new store.
    One,
    /// 64 writers, one event at a time, in a new store.
    Many,
    /// One writer, 1,000 events at a time, in a new store.
    Batches,
    /// A full store, which is left as a kill leaves it.
    Fill,
    /// Opening and reading the full store.
    Read,
    /// 16 clients that read a tag of the full store and append under it.
    Guarded,
}

/// What the command line says.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What to do.
    pub step: Step,
    /// Where; new stores are made in it, and a full one is looked for in it.
    pub dir: PathBuf,
    /// How long each measurement takes.
    pub time: Duration,
    /// How many events a full store has.
    pub shape: Shape,
    /// Which kind of the store, where there are several.
    pub variant: String,
}

impl Settings {
    /// Reads the command line.
    ///
    /// # Errors
    /// It is not as expected.
    pub fn read() -> Result<Self> {
        let mut words = env::args().skip(1);
        let step = match words.next().as_deref() {
            Some("one") => Step::One,
            Some("many") => Step::Many,
            Some("batches") => Step::Batches,
            Some("fill") => Step::Fill,
            Some("read") => Step::Read,
            Some("guarded") => Step::Guarded,
            found => bail!("expected one, many, batches, fill, read or guarded, found {found:?}"),
        };
        let mut settings = Self {
            step,
            dir: PathBuf::new(),
            time: Duration::from_secs(2),
            shape: Shape { events: 1_000_000 },
            variant: String::new(),
        };
        while let Some(name) = words.next() {
            let value = words.next().with_context(|| format!("{name} has no value"))?;
            match name.as_str() {
                "--dir" => settings.dir = value.into(),
                "--seconds" => settings.time = Duration::from_secs(value.parse()?),
                "--events" => settings.shape.events = value.parse()?,
                "--variant" => settings.variant = value,
                other => bail!("{other} is not known"),
            }
        }
        if settings.dir.as_os_str().is_empty() {
            bail!("no --dir is given");
        }
        if settings.shape.events == 0 || !settings.shape.events.is_multiple_of(10_000) {
            bail!(
                "expected --events in ten thousands, found {}",
                settings.shape.events
            );
        }
        Ok(settings)
    }
}
