//! The table: medians of all rounds, and whether each goal was met.
//!
//! In: the figures of brokers. Out: lines of Markdown. Rows that miss their goal say so.

use std::fmt::Write;

use crate::figures::median;
use crate::rounds::{Measured, Round};

/// What the relay must reach of the bare client that publishes the same messages.
const PUBLISH_GOAL: f64 = 0.85;
/// What the durable inbox must reach of the slower of consuming and appending.
const TAKE_GOAL: f64 = 0.70;

/// The whole table.
pub(crate) fn table(all: &[Measured]) -> String {
    let mut table = String::from(
        "| broker | measured | bare client | annals | ratio | goal |\n|---|---|--:|--:|--:|---|\n",
    );
    for one in all {
        writeln!(
            table,
            "| {} | messages a round {}, on their way {} | | | | |",
            one.server,
            whole(one.count as f64),
            one.window
        )
        .expect("writing to a string cannot fail");
        for row in rows(one) {
            writeln!(table, "| {} | {row} |", one.server).expect("writing to a string cannot fail");
        }
    }
    table
}

fn rows(measured: &Measured) -> [String; 8] {
    let of = |figure: &dyn Fn(&Round) -> f64| median(measured.rounds.iter().map(figure).collect());
    let shown = |figure: &dyn Fn(&Round) -> f64| whole(of(figure));
    let base = |round: &Round| round.consumed.min(round.appended);
    let delays = |whose: usize| {
        let (half, most) = (of(&|r| r.delays[whose].0), of(&|r| r.delays[whose].1));
        format!("{half:.1} / {most:.1}")
    };
    let same = of(&|r| r.relay / r.same);
    let copied = of(&|r| r.copied / base(r));
    [
        format!(
            "publish, per second | {} | {} | {same:.2} | {}",
            shown(&|r| r.same),
            shown(&|r| r.relay),
            goal(same, PUBLISH_GOAL)
        ),
        format!(
            "publish, bare client without attributes | {} | {} | {:.2} |",
            shown(&|r| r.plain),
            shown(&|r| r.relay),
            of(&|r| r.relay / r.plain)
        ),
        format!(
            "copy and settle, per second | consume {}, append {} | {} | {copied:.2} | {}",
            shown(&|r| r.consumed),
            shown(&|r| r.appended),
            shown(&|r| r.copied),
            goal(copied, TAKE_GOAL)
        ),
        format!(
            "copy and settle, ns of the processor a message | consume {}, append {} | {} | {:.2} |",
            shown(&|r| r.spent[0]),
            shown(&|r| r.spent[1]),
            shown(&|r| r.spent[2]),
            of(&|r| r.spent[2] / (r.spent[0] + r.spent[1]))
        ),
        format!(
            "append alone as they were sent, not as they came, per second | {} | {} | {:.2} |",
            shown(&|r| r.appended_as_sent),
            shown(&|r| r.copied),
            of(&|r| r.copied / r.appended_as_sent)
        ),
        format!(
            "copy, settle and handle, per second | | {} | {:.2} |",
            shown(&|r| r.handled),
            of(&|r| r.handled / base(r))
        ),
        format!(
            "delay, half / 99 of 100, ms, at {} per second | {} | {} | |",
            shown(&|r| r.delay_rate),
            delays(0),
            delays(1)
        ),
        format!(
            "delay, half, ms: to the log, to the copy, to the handler | | {:.1}, {:.1}, {:.1} | |",
            of(&|r| r.parts[0]),
            of(&|r| r.parts[1]),
            of(&|r| r.parts[2])
        ),
    ]
}

fn goal(reached: f64, goal: f64) -> String {
    let word = if reached >= goal { "met" } else { "**missed**" };
    format!("{goal:.2} {word}")
}

/// A number with commas between thousands.
fn whole(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{table, whole};
    use crate::rounds::{Measured, Round};

    #[test]
    fn thousands_are_parted() {
        assert_eq!(
            [7.0, 1_000.4, 1_234_567.0].map(whole),
            ["7", "1,000", "1,234,567"]
        );
    }

    #[test]
    fn a_row_that_misses_its_goal_says_so_and_the_slower_base_counts() {
        let round = Round {
            plain: 200.0,
            same: 100.0,
            relay: 84.0,
            consumed: 1_000.0,
            appended: 500.0,
            copied: 350.0,
            ..Round::default()
        };
        let measured = Measured {
            server: "kafka".into(),
            count: 1,
            window: 1,
            rounds: vec![round],
        };
        let table = table(&[measured]);
        assert!(table.contains("| kafka | publish, per second | 100 | 84 | 0.84 | 0.85 **missed** |"));
        assert!(
            table.contains("consume 1,000, append 500 | 350 | 0.70 | 0.70 met |"),
            "{table}"
        );
    }
}
