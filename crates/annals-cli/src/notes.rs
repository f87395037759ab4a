//! What is said on stderr: notes, hints, progress, logs. Never data.
//!
//! In: lines and a progress of known length. Out: the lines, above the bar if there is one; on no terminal a line every
//! five seconds instead of a bar; with `--quiet` only errors. Nobody listening is no error.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};

use crate::failure::Failure;
use crate::paint::Paint;
use crate::settings::Settings;

/// How often progress is told where no bar can be drawn.
const LINE_EVERY: Duration = Duration::from_secs(5);

/// Says things on stderr.
#[derive(Clone)]
pub(crate) struct Notes {
    /// Colours of stderr.
    pub(crate) paint: Paint,
    quiet: bool,
    bar: Arc<Mutex<Option<ProgressBar>>>,
}

impl Notes {
    /// As the settings want it.
    pub(crate) fn new(settings: &Settings) -> Self {
        let paint = Paint::of(settings.color, &io::stderr());
        Self {
            paint,
            quiet: settings.quiet,
            bar: Arc::default(),
        }
    }

    /// A line that helps and may be left out.
    pub(crate) fn note(&self, line: &str) {
        if !self.quiet {
            self.say(line);
        }
    }

    /// What went wrong, and the next step.
    pub(crate) fn failure(&self, failure: &Failure) {
        self.say(&format!("{} {failure}", self.paint.red("error:")));
        if let Some(hint) = &failure.hint {
            self.say(&format!("{} {hint}", self.paint.yellow("hint:")));
        }
    }

    /// A line that stays, above the bar if there is one.
    fn say(&self, line: &str) {
        let write = || {
            // Where stderr is closed there is nobody left to tell.
            let _unheard = writeln!(io::stderr(), "{line}");
        };
        match &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }

    /// Begins to show a progress of this length.
    pub(crate) fn progress(&self, what: &str, total: u64) -> Progress {
        let on_terminal = io::stderr().is_terminal();
        let target = if self.quiet || !on_terminal {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr_with_hz(10)
        };
        let bar = ProgressBar::with_draw_target(Some(total), target);
        let style = ProgressStyle::with_template("{msg} {wide_bar} {pos}/{len} {rate} ETA {eta}");
        let style = style.expect("the template has known fields only");
        bar.set_style(
            style.with_key("rate", |state: &ProgressState, out: &mut dyn fmt::Write| {
                // A bar that cannot be drawn for once is drawn the next time.
                let _undrawn = write!(out, "{:.0}/s", state.per_sec());
            }),
        );
        bar.set_message(what.to_owned());
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let (over, running) = mpsc::channel();
        if !self.quiet && !on_terminal {
            let (notes, bar) = (self.clone(), bar.clone());
            thread::spawn(move || tell(&notes, &bar, &running));
        }
        Progress {
            notes: self.clone(),
            bar,
            _over: over,
        }
    }
}

/// A progress that is shown until it is dropped.
pub(crate) struct Progress {
    notes: Notes,
    bar: ProgressBar,
    /// Whoever tells of it hears through this that it is over.
    _over: mpsc::Sender<()>,
}

impl Progress {
    /// So much is done. Cheap; may be called from anywhere, and often.
    pub(crate) fn reached(&self, done: u64) {
        self.bar.set_position(done);
    }

    /// What is being done, from now on.
    #[cfg(feature = "demo")]
    pub(crate) fn now(&self, what: &'static str) {
        self.bar.set_message(what);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *self.notes.bar.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Says a line every few seconds until the progress is over.
fn tell(notes: &Notes, bar: &ProgressBar, running: &mpsc::Receiver<()>) {
    while let Err(RecvTimeoutError::Timeout) = running.recv_timeout(LINE_EVERY) {
        let total = bar.length().unwrap_or_default();
        notes.note(&line(&bar.message(), bar.position(), total, bar.elapsed()));
    }
}

/// `feeding 1200/4000, 300/s, 9 s left`.
fn line(what: &str, done: u64, total: u64, spent: Duration) -> String {
    let seconds = spent.as_secs_f64();
    let rate = done as f64 / seconds.max(0.001);
    match done {
        0 => format!("{what} 0/{total}, waiting for the first"),
        done if done >= total => format!("{what} {done}/{total}, {seconds:.0} s so far"),
        done => {
            let left = (total - done) as f64 / rate;
            format!("{what} {done}/{total}, {rate:.0}/s, {left:.0} s left")
        }
    }
}

/// Log lines go the same way as notes, one write per line.
impl Write for Notes {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.say(String::from_utf8_lossy(bytes).trim_end());
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::line;

    #[test]
    fn a_line_of_progress_has_rate_and_time_left() {
        assert_eq!(
            line("feeding", 1_200, 4_000, Duration::from_secs(4)),
            "feeding 1200/4000, 300/s, 9 s left"
        );
        assert_eq!(
            line("waiting", 9, 9, Duration::from_secs(7)),
            "waiting 9/9, 7 s so far"
        );
        assert_eq!(
            line("feeding", 0, 9, Duration::from_secs(1)),
            "feeding 0/9, waiting for the first"
        );
    }
}
