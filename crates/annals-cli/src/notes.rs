//! What is said on stderr: notes, hints, progress, logs. Never data.
//!
//! In: lines and a progress of known length. Out: the lines, above the bar if there is one; on no terminal a line every
//! five seconds instead of a bar; with `--quiet` only errors. Nobody listening is no error.

use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

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
        let style = "{msg} {wide_bar} {pos}/{len} {per_sec} ETA {eta}";
        bar.set_style(ProgressStyle::with_template(style).expect("the template has known fields only"));
        bar.set_message(what.to_owned());
        *self.bar.lock().unwrap_or_else(PoisonError::into_inner) = Some(bar.clone());
        let said = Mutex::new(Instant::now());
        let lines = !self.quiet && !on_terminal;
        Progress {
            notes: self.clone(),
            bar,
            lines,
            said,
            began: Instant::now(),
            what: what.to_owned(),
            total,
        }
    }
}

/// A progress that is shown until it is dropped.
pub(crate) struct Progress {
    notes: Notes,
    bar: ProgressBar,
    lines: bool,
    said: Mutex<Instant>,
    began: Instant,
    what: String,
    total: u64,
}

impl Progress {
    /// So much is done. Cheap; may be called from anywhere, and often.
    pub(crate) fn reached(&self, done: u64) {
        self.bar.set_position(done);
        if !self.lines {
            return;
        }
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        if said.elapsed() >= LINE_EVERY {
            *said = Instant::now();
            self.notes
                .note(&line(&self.what, done, self.total, self.began.elapsed()));
        }
    }
}

/// `feeding 1200/4000, 300/s, 9 s left`.
fn line(what: &str, done: u64, total: u64, spent: Duration) -> String {
    let rate = done as f64 / spent.as_secs_f64().max(0.001);
    let left = if rate > 0.0 {
        total.saturating_sub(done) as f64 / rate
    } else {
        f64::INFINITY
    };
    let left = if left.is_finite() {
        format!("{left:.0} s left")
    } else {
        "waiting for the first".to_owned()
    };
    format!("{what} {done}/{total}, {rate:.0}/s, {left}")
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
        *self.notes.bar.lock().unwrap_or_else(PoisonError::into_inner) = None;
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
            line("feeding", 0, 9, Duration::from_secs(1)),
            "feeding 0/9, 0/s, waiting for the first"
        );
    }
}
