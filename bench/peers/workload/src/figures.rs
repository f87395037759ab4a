//! Figures: latencies, rates, processor time, memory, and the lines they are printed as.

use std::fs;
use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// What something took: on the clock, and of the processors, all threads of this process together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Spent {
    /// On the clock.
    pub time: Duration,
    /// Of the processors: what others do on the machine disturbs it little.
    pub processor: Duration,
}

/// Measures both.
#[derive(Debug, Clone, Copy)]
pub struct Watch {
    began: Instant,
    processor: Duration,
}

impl Watch {
    /// From now on.
    pub fn start() -> Self {
        Self {
            processor: processor_time(),
            began: Instant::now(),
        }
    }

    /// Until now.
    pub fn stop(self) -> Spent {
        Spent {
            time: self.began.elapsed(),
            processor: processor_time().saturating_sub(self.processor),
        }
    }
}

fn processor_time() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// Prints two rows: operations per second, and processor time of each in nanoseconds; both in the median of the runs,
/// each of which did `operations`.
pub fn print_settled(row: &str, operations: u64, runs: &[Spent]) {
    let times = runs.iter().map(|run| run.time).collect();
    print(row, settled_rate(operations, times));
    let processor = runs.iter().map(|run| run.processor).collect();
    print(
        &format!("{row}-cpu-ns"),
        1e9 / settled_rate(operations, processor),
    );
}

/// Prints a figure as the line that the gatherer reads.
pub fn print(row: &str, value: f64) {
    println!("{{\"row\":\"{row}\",\"value\":{value}}}");
}

/// Prints a rate in operations per second.
pub fn print_rate(row: &str, operations: u64, took: Duration) {
    print(row, operations as f64 / took.as_secs_f64());
}

/// Prints the median and the 99th percentile, in microseconds, as two rows.
pub fn print_latencies(row: &str, mut latencies: Vec<Duration>) {
    latencies.sort_unstable();
    for (name, part) in [("p50", 0.5), ("p99", 0.99)] {
        let at = ((latencies.len() as f64 * part) as usize).min(latencies.len().saturating_sub(1));
        let micros = latencies.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e6);
        print(&format!("{row}-{name}"), micros);
    }
}

/// Operations per second in the median of the runs, each of which did `operations`.
pub fn settled_rate(operations: u64, mut runs: Vec<Duration>) -> f64 {
    runs.sort_unstable();
    let median = runs.get(runs.len() / 2).copied().unwrap_or_default();
    operations as f64 / median.as_secs_f64().max(1e-9)
}

/// Memory of a process that is in RAM, in KiB; files that are mapped count too. The process is a number or `self`.
pub fn resident_kib_of(process: &str) -> Option<u64> {
    let text = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
