//! stdout: data and nothing else.
//!
//! In: lines, tables, documents. Out: the same, in the format that was asked for. Rows are as wide as the terminal; a
//! pipe gets them whole. A reader that went away ends the run quietly.

use std::io::{self, BufWriter, IsTerminal, Stdout, Write};

use comfy_table::{CellAlignment, ContentArrangement, Table};
use serde::Serialize;

use crate::failure::Failure;
use crate::paint::Paint;
use crate::settings::{Format, Settings};

/// Columns of a terminal that does not say how wide it is.
const WIDTH: usize = 100;

/// Writes data.
pub(crate) struct Out {
    stream: BufWriter<Stdout>,
    /// The format that was asked for.
    pub(crate) format: Format,
    /// Colours of stdout.
    pub(crate) paint: Paint,
    /// Columns of the terminal; `None`: nobody counts.
    pub(crate) width: Option<usize>,
}

impl Out {
    /// As the settings want it.
    pub(crate) fn new(settings: &Settings) -> Self {
        let stdout = io::stdout();
        let width = stdout.is_terminal().then(|| columns(&stdout));
        Self {
            format: settings.format(),
            paint: Paint::of(settings.color, &stdout),
            width,
            stream: BufWriter::new(stdout),
        }
    }

    /// A line.
    pub(crate) fn line(&mut self, line: &str) -> Result<(), Failure> {
        Ok(writeln!(self.stream, "{line}")?)
    }

    /// A document: indented as JSON, on one line as JSON lines.
    pub(crate) fn document(&mut self, document: &impl Serialize) -> Result<(), Failure> {
        let text = match self.format {
            Format::Jsonl => serde_json::to_string(document),
            _ => serde_json::to_string_pretty(document),
        };
        self.line(&text.expect("documents are made of strings, numbers and lists"))
    }

    /// One JSON object on a line of its own.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Failure> {
        self.line(&serde_json::to_string(object).expect("objects are made of strings, numbers and lists"))
    }

    /// Rows under headings; headings that begin with `>` are of numbers, which stand to the right.
    pub(crate) fn rows<const N: usize>(
        &mut self,
        headings: [&str; N],
        rows: impl IntoIterator<Item = [String; N]>,
    ) -> Result<(), Failure> {
        let text = table(headings, rows, self.width);
        self.line(&text)
    }

    /// Hands everything over to whoever reads.
    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        Ok(self.stream.flush()?)
    }
}

fn table<const N: usize>(
    headings: [&str; N],
    rows: impl IntoIterator<Item = [String; N]>,
    width: Option<usize>,
) -> String {
    let mut table = Table::new();
    table.load_style(comfy_table::presets::NOTHING);
    table.set_header(headings.map(|heading| heading.trim_start_matches('>').to_owned()));
    table.add_rows(rows);
    match width {
        Some(width) => {
            table.set_content_arrangement(ContentArrangement::Dynamic);
            table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
        }
        None => {
            table.set_content_arrangement(ContentArrangement::Disabled);
        }
    }
    for (heading, column) in headings.into_iter().zip(table.column_iter_mut()) {
        column.set_padding((0, 2));
        if heading.starts_with('>') {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
        .lines()
        .map(|line| line.trim_end().to_owned())
        .collect::<Vec<_>>()
        .join("\n")
}

fn columns(stdout: &Stdout) -> usize {
    match rustix::termios::tcgetwinsize(stdout) {
        Ok(size) if size.ws_col >= 20 => usize::from(size.ws_col),
        _ => WIDTH,
    }
}

/// At most `width` characters, with a mark where something is left out.
pub(crate) fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    let kept: String = text.chars().take(width.saturating_sub(1)).collect();
    format!("{kept}…")
}

/// An id whose middle is left out; never in JSON.
pub(crate) fn short(id: &str) -> String {
    match (id.get(..8), id.len().checked_sub(6).and_then(|at| id.get(at..))) {
        (Some(head), Some(tail)) if id.len() > 20 => format!("{head}…{tail}"),
        _ => id.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::{cut, short, table};

    fn row(cells: [&str; 2]) -> [String; 2] {
        cells.map(str::to_owned)
    }

    #[test]
    fn a_table_has_no_borders_and_its_numbers_stand_to_the_right() {
        let text = table(
            [">POSITION", "TYPE"],
            [row(["7", "order.placed"]), row(["1042", "tea"])],
            None,
        );
        assert_eq!(text, "POSITION  TYPE\n       7  order.placed\n    1042  tea");
    }

    #[test]
    fn a_table_is_no_wider_than_the_terminal() {
        let long = "a text that is much longer than the terminal is wide, so that it must be folded";
        let text = table(["A", "B"], [row(["x", long])], Some(40));
        assert!(text.lines().count() > 2, "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 40), "{text}");
        assert!(
            table(["A", "B"], [row(["x", long])], None).contains(long),
            "a pipe gets it whole"
        );
    }

    #[test]
    fn texts_are_cut_by_characters_and_ids_in_the_middle() {
        assert_eq!(
            (cut("größer", 4), cut("größer", 6)),
            ("grö…".to_owned(), "größer".to_owned())
        );
        assert_eq!(short("01234567-89ab-7def-8123-456789abcdef"), "01234567…abcdef");
        assert_eq!(short("536365"), "536365");
    }
}
