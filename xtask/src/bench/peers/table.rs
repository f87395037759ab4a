//! The table: a row per workload, a column per peer, and what annals is meant to reach.
//!
//! Every figure is the median of the rounds. In brackets stands how many times faster (or smaller) annals is, the median of
//! that ratio in each round, since a machine is not equally busy all the time.

use std::{collections::BTreeMap, fmt::Write};

use super::list::{ANNALS, Peer};

/// Whether more or less of it is better.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Better {
    More,
    Less,
}

/// What annals is meant to reach.
enum Goal {
    /// So many times as fast as that peer.
    Times(f64, &'static str),
    /// So many times as fast as the best of the general stores.
    TimesGeneral(f64),
    /// A figure not above this.
    AtMost(f64),
    /// A figure not below this.
    AtLeast(f64),
}

struct Row {
    key: &'static str,
    title: &'static str,
    better: Better,
    goals: &'static [Goal],
}

const fn row(key: &'static str, title: &'static str, better: Better, goals: &'static [Goal]) -> Row {
    Row {
        key,
        title,
        better,
        goals,
    }
}

use Better::{Less, More};
use Goal::{AtLeast, AtMost, Times, TimesGeneral};

const ROWS: &[Row] = &[
    row(
        "one",
        "1 writer × 1 event, events/s",
        More,
        &[Times(1.3, "Tephra")],
    ),
    // 1.3 times the latency of the bare write at most.
    row(
        "one-p50",
        "1 writer × 1 event, p50 µs",
        Less,
        &[Times(1.0 / 1.3, "limit")],
    ),
    row("one-p99", "1 writer × 1 event, p99 µs", Less, &[]),
    row(
        "many",
        "64 writers × 1 event, events/s",
        More,
        &[Times(2.0, "Tephra"), Times(6.0, "UmaDB"), TimesGeneral(3.0)],
    ),
    row("many-p50", "64 writers × 1 event, p50 µs", Less, &[]),
    row("many-p99", "64 writers × 1 event, p99 µs", Less, &[]),
    row(
        "batches",
        "1 writer × 1,000 events, events/s",
        More,
        &[
            Times(1.6, "Tephra"),
            Times(7.0, "UmaDB"),
            TimesGeneral(4.0),
            Times(0.25, "limit"),
        ],
    ),
    row("fill", "fill, events/s", More, &[Times(1.5, "Tephra")]),
    row(
        "guarded",
        "conditional append, 16 clients, commands/s",
        More,
        &[Times(1.7, "Tephra"), Times(6.0, "UmaDB")],
    ),
    row("guarded-p50", "conditional append, p50 µs", Less, &[]),
    row("guarded-p99", "conditional append, p99 µs", Less, &[]),
    row(
        "scan",
        "full scan, owned, events/s",
        More,
        &[Times(2.0, "Tephra")],
    ),
    row("scan-cpu-ns", "full scan, owned, CPU ns an event", Less, &[]),
    row(
        "scan-borrowed",
        "full scan, borrowed, events/s",
        More,
        &[Times(2.0, "Tephra"), AtLeast(14e6)],
    ),
    row(
        "scan-borrowed-cpu-ns",
        "full scan, borrowed, CPU ns an event",
        Less,
        &[],
    ),
    row(
        "scan-pages",
        "full scan, pages of decoded events, events/s",
        More,
        &[],
    ),
    row(
        "scan-pages-cpu-ns",
        "full scan, pages of decoded events, CPU ns an event",
        Less,
        &[],
    ),
    row(
        "tag-10",
        "10 events of a tag, reads/s",
        More,
        &[Times(2.0, "Tephra")],
    ),
    row("tag-10-cpu-ns", "10 events of a tag, CPU ns a read", Less, &[]),
    row(
        "tag-1000",
        "1,000 events of a tag, reads/s",
        More,
        &[Times(2.0, "Tephra")],
    ),
    row(
        "tag-1000-cpu-ns",
        "1,000 events of a tag, CPU ns a read",
        Less,
        &[],
    ),
    row(
        "type-ms",
        "a tenth of all events by type, ms",
        Less,
        &[Times(4.0, "Tephra")],
    ),
    row("type-cpu-ms", "a tenth of all events by type, CPU ms", Less, &[]),
    row(
        "open-ms",
        "open after a kill and read a tag, ms",
        Less,
        &[AtMost(20.0)],
    ),
    row(
        "memory-filled-mib",
        "memory after the fill, MiB",
        Less,
        &[AtMost(40.0)],
    ),
    row(
        "memory-opened-mib",
        "memory after opening, MiB",
        Less,
        &[AtMost(40.0)],
    ),
];

/// What was measured: by row and peer, a value per round.
#[derive(Default)]
pub(super) struct Figures {
    values: BTreeMap<(String, &'static str), BTreeMap<u32, f64>>,
}

impl Figures {
    /// Takes a figure in.
    pub(super) fn add(&mut self, peer: &Peer, row: &str, round: u32, value: f64) {
        let values = self.values.entry((row.to_owned(), peer.label)).or_default();
        values.insert(round, value);
    }

    fn of(&self, row: &str, label: &'static str) -> Option<&BTreeMap<u32, f64>> {
        self.values.get(&(row.to_owned(), label))
    }

    fn value(&self, row: &str, label: &'static str) -> Option<f64> {
        median(self.of(row, label)?.values().copied().collect())
    }

    /// How many times better annals is, in the median of the rounds that have both.
    fn times(&self, row: &Row, label: &'static str) -> Option<f64> {
        let (ours, theirs) = (self.of(row.key, ANNALS.label)?, self.of(row.key, label)?);
        let ratio = |(round, ours): (&u32, &f64)| {
            let theirs = theirs.get(round)?;
            Some(match row.better {
                More => ours / theirs,
                Less => theirs / ours,
            })
        };
        median(ours.iter().filter_map(ratio).collect())
    }
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let last = values.len().checked_sub(1)?;
    Some((values[last / 2] + values[last.div_ceil(2)]) / 2.0)
}

/// The table as Markdown.
pub(super) fn markdown(peers: &[&'static Peer], figures: &Figures) -> String {
    let mut table = String::from("| |");
    for peer in peers {
        let _ = write!(table, " {} |", peer.label);
    }
    table.push_str(" goals |\n| --- |");
    table.push_str(&" ---: |".repeat(peers.len()));
    table.push_str(" --- |\n");
    for row in ROWS {
        let _ = write!(table, "| {} |", row.title);
        for peer in peers {
            let _ = write!(table, " {} |", cell(row, peer, figures));
        }
        let goals: Vec<String> = row
            .goals
            .iter()
            .map(|goal| verdict(goal, row, peers, figures))
            .collect();
        let _ = writeln!(table, " {} |", goals.join("; "));
    }
    table
}

fn cell(row: &Row, peer: &'static Peer, figures: &Figures) -> String {
    let Some(value) = figures.value(row.key, peer.label) else {
        return "—".to_owned();
    };
    match figures.times(row, peer.label).filter(|_| peer != ANNALS) {
        Some(times) => format!("{} ({})", number(value), times_text(times)),
        None => number(value),
    }
}

/// The goal, what was reached, and whether that is enough.
fn verdict(goal: &Goal, row: &Row, peers: &[&'static Peer], figures: &Figures) -> String {
    let (words, found, reached) = match goal {
        AtLeast(least) => {
            let found = figures.value(row.key, ANNALS.label);
            (
                format!("≥ {}", number(*least)),
                found.map(number),
                found.map(|found| found >= *least),
            )
        }
        AtMost(most) => {
            let found = figures.value(row.key, ANNALS.label);
            (
                format!("≤ {most}"),
                found.map(number),
                found.map(|found| found <= *most),
            )
        }
        Times(least, label) => {
            let found = figures.times(row, label);
            let words = format!("≥ {} × {label}", times_text(*least));
            (words, found.map(times_text), found.map(|found| found >= *least))
        }
        TimesGeneral(least) => {
            let general = peers.iter().filter(|peer| peer.is_general);
            let found = general
                .filter_map(|peer| figures.times(row, peer.label))
                .min_by(f64::total_cmp);
            let words = format!("≥ {} × best general", times_text(*least));
            (words, found.map(times_text), found.map(|found| found >= *least))
        }
    };
    match (found, reached) {
        (Some(found), Some(true)) => format!("{words}: {found} yes"),
        (Some(found), _) => format!("{words}: {found} **no**"),
        _ => format!("{words}: not measured"),
    }
}

fn times_text(times: f64) -> String {
    if times >= 10.0 {
        format!("{times:.0}")
    } else {
        format!("{times:.2}")
    }
}

/// Thousands apart; one place after the point where there are few before it.
fn number(value: f64) -> String {
    if value < 100.0 {
        return format!("{value:.1}");
    }
    let digits = format!("{value:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Figures, markdown, number};
    use crate::bench::peers::list::ALL;

    #[test]
    fn ratios_are_medians_of_rounds_and_losses_are_said() {
        let peers: Vec<_> = ALL
            .iter()
            .filter(|peer| ["annals", "Tephra"].contains(&peer.label))
            .collect();
        let mut figures = Figures::default();
        // Twice as fast in two rounds, half as fast in one; slower in the median of all.
        for (round, ours, theirs) in [
            (0, 2_000.0, 1_000.0),
            (1, 20_000.0, 10_000.0),
            (2, 2_000.0, 4_000.0),
        ] {
            figures.add(peers[0], "many", round, ours);
            figures.add(peers[1], "many", round, theirs);
        }
        figures.add(peers[0], "open-ms", 0, 30.0);
        let table = markdown(&peers, &figures);
        assert!(table.contains("| 2,000 | 4,000 (2.00) |"), "{table}");
        assert!(table.contains("≥ 2.00 × Tephra: 2.00 yes"), "{table}");
        assert!(table.contains("≥ 6.00 × UmaDB: not measured"), "{table}");
        assert!(table.contains("≤ 20: 30.0 **no**"), "{table}");
    }

    #[test]
    fn numbers_are_short() {
        assert_eq!(
            [number(12.34), number(123.4), number(1_234_567.8)],
            ["12.3", "123", "1,234,568"]
        );
    }
}
