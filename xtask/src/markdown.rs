//! The parts of a Markdown page that rules look at.
//!
//! In: the text of a page. Out: its headings, its fenced code and the targets of its links, each with a line.
//! It knows as much of Markdown as our pages use: fences of back-ticks or tildes, `#` headings, inline links
//! and images, link definitions, `href` and `src`.

/// A page taken apart.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Page {
    /// Level and line of each heading.
    pub(crate) headings: Vec<(usize, usize)>,
    /// Each fenced block.
    pub(crate) fences: Vec<Fence>,
    /// Target and line of each link.
    pub(crate) links: Vec<(String, usize)>,
}

/// A fenced block.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fence {
    /// What stands behind the opening marks.
    pub(crate) info: String,
    /// The lines inside.
    pub(crate) lines: Vec<String>,
    /// Line of the opening marks.
    pub(crate) line: usize,
}

impl Page {
    /// Takes `text` apart.
    pub(crate) fn of(text: &str) -> Self {
        let mut page = Self::default();
        let mut open: Option<(String, Fence)> = None;
        for (index, line) in text.lines().enumerate() {
            let marks = fence_marks(line);
            match open.take() {
                Some((closing, fence)) if marks.is_some_and(|m| closes(line, m, &closing)) => {
                    page.fences.push(fence)
                }
                Some((closing, mut fence)) => {
                    fence.lines.push(line.to_owned());
                    open = Some((closing, fence));
                }
                None => match marks {
                    Some(marks) => {
                        let info = line.trim()[marks.len()..].trim().to_owned();
                        open = Some((
                            marks.to_owned(),
                            Fence {
                                info,
                                lines: Vec::new(),
                                line: index + 1,
                            },
                        ));
                    }
                    None => page.prose(line, index + 1),
                },
            }
        }
        page.fences.extend(open.map(|(_, fence)| fence));
        page
    }

    fn prose(&mut self, line: &str, number: usize) {
        let level = line.chars().take_while(|c| *c == '#').count();
        if (1..=6).contains(&level) && line[level..].starts_with(' ') {
            self.headings.push((level, number));
        }
        let prose = without_code(line);
        let inline = after(&prose, "](").filter_map(|rest| until(rest, ')'));
        let quoted = ["href=\"", "src=\""]
            .into_iter()
            .flat_map(|mark| after(&prose, mark));
        let quoted = quoted.filter_map(|rest| until(rest, '"'));
        let defined = prose
            .trim_start()
            .strip_prefix('[')
            .and_then(|rest| Some(rest.split_once("]: ")?.1));
        let targets = inline.chain(quoted).chain(defined).filter_map(|target| {
            let target = target.trim();
            let bare = target.strip_prefix('<').and_then(|t| t.split('>').next());
            bare.or_else(|| target.split_whitespace().next())
        });
        self.links
            .extend(targets.map(|target| (target.to_owned(), number)));
    }
}

/// The marks of a line that opens or closes a fence.
fn fence_marks(line: &str) -> Option<&str> {
    let line = line.trim();
    let first = line.chars().next().filter(|c| matches!(c, '`' | '~'))?;
    let length = line.chars().take_while(|c| *c == first).count();
    let inline = first == '`' && line[length..].contains('`');
    (length >= 3 && !inline).then(|| &line[..length])
}

fn closes(line: &str, marks: &str, opening: &str) -> bool {
    marks.starts_with(opening) && line.trim() == marks
}

/// A line with the insides of its code spans taken out.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join("``")
}

fn after<'a>(text: &'a str, mark: &'static str) -> impl Iterator<Item = &'a str> {
    text.match_indices(mark)
        .map(move |(at, _)| &text[at + mark.len()..])
}

fn until(text: &str, end: char) -> Option<&str> {
    Some(text.split_once(end)?.0)
}

#[cfg(test)]
mod tests {
    use super::Page;

    #[test]
    fn a_page_is_taken_apart() {
        let text = "# A\n\n[x](a.md#b \"T\") ![y](<b c.png>) `[no](no.md)`\n\n```sh\n# not a heading\n[no](no.md)\n```\n\
                    ## B\n[ref]: docs/r.md\n<img src=\"p.svg\"> #no\n";
        let page = Page::of(text);
        assert_eq!(page.headings, [(1, 1), (2, 9)]);
        let links: Vec<_> = page.links.iter().map(|(t, l)| (t.as_str(), *l)).collect();
        assert_eq!(
            links,
            [("a.md#b", 3), ("b c.png", 3), ("docs/r.md", 10), ("p.svg", 11)]
        );
        assert_eq!(page.fences.len(), 1);
        assert_eq!(
            (page.fences[0].info.as_str(), page.fences[0].lines.len()),
            ("sh", 2)
        );
    }

    #[test]
    fn a_fence_closes_at_its_own_marks_only() {
        let page = Page::of("````md\n```rust\nx\n```\n````\n~~~\ny\n");
        let lines: Vec<_> = page.fences.iter().map(|f| f.lines.len()).collect();
        assert_eq!(lines, [3, 1]);
    }
}
