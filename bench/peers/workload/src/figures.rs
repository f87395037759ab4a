//! Figures: latencies, rates, memory, and the lines they are printed as.

use std::fs;
use std::time::Duration;

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

/// Memory of this process that is in RAM, in KiB; files that are mapped count too.
pub fn resident_kib() -> Option<u64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}
