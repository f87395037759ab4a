//! Every block of Rust in the pages is marked with where it comes from, and is what stands there.
//!
//! `<!-- code: FILE#REGION -->` means all lines between `// region: REGION` and `// endregion`;
//! `<!-- code: FILE FILE … -->` means that each paragraph of the block stands in one of the files, word for word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const PAGES: [&str; 3] = ["README.md", "README.zh-CN.md", "docs/tutorial.md"];

/// A block of code in a page.
struct Block {
    place: String,
    marker: Option<String>,
    code: String,
}

fn root() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

fn read(path: &str) -> String {
    let file = root().join(path);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// The blocks of Rust in a page.
fn blocks(page: &str, text: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut marker = None;
    let mut lines = text.lines().zip(1..);
    while let Some((line, number)) = lines.next() {
        let of_marker = line
            .strip_prefix("<!-- code: ")
            .and_then(|rest| rest.strip_suffix(" -->"));
        if let Some(found) = of_marker {
            marker = Some(found.to_owned());
        } else if let Some(language) = line.strip_prefix("```") {
            let code: Vec<&str> = lines
                .by_ref()
                .map(|(line, _)| line)
                .take_while(|line| *line != "```")
                .collect();
            let marker = marker.take();
            if language.starts_with("rust") {
                blocks.push(Block {
                    place: format!("{page}:{number}"),
                    marker,
                    code: code.join("\n"),
                });
            }
        } else if !line.trim().is_empty() {
            marker = None;
        }
    }
    blocks
}

/// The lines of a region, moved to the left as far as they go.
fn region(text: &str, name: &str) -> Option<String> {
    let begin = format!("// region: {name}");
    let inside = text.lines().skip_while(|line| line.trim() != begin).skip(1);
    let lines: Vec<&str> = inside.take_while(|line| line.trim() != "// endregion").collect();
    let indent = lines.iter().filter(|line| !line.trim().is_empty());
    let indent = indent.map(|line| line.len() - line.trim_start().len()).min()?;
    let moved = lines.iter().map(|line| line.get(indent..).unwrap_or_default());
    Some(moved.collect::<Vec<_>>().join("\n"))
}

/// What is wrong with a block, if anything is.
fn fault(block: &Block, read: impl Fn(&str) -> String) -> Option<String> {
    let Some(marker) = &block.marker else {
        return Some(format!(
            "{}: this code has no marker `<!-- code: … -->`",
            block.place
        ));
    };
    if let Some((file, name)) = marker.split_once('#') {
        let Some(expected) = region(&read(file), name) else {
            return Some(format!("{}: there is no region {name} in {file}", block.place));
        };
        let differs = expected.lines().zip(block.code.lines()).find(|(a, b)| a != b);
        return (expected != block.code).then(|| {
            format!(
                "{}: differs from {marker}: {differs:?}; the region is:\n{expected}",
                block.place
            )
        });
    }
    let files: Vec<String> = marker.split(' ').map(read).collect();
    let paragraphs = block
        .code
        .split("\n\n")
        .map(|paragraph| paragraph.trim_matches('\n'));
    let mut lost = paragraphs.filter(|paragraph| {
        let line = format!("{paragraph}\n");
        !files.iter().any(|file| file.contains(&line))
    });
    lost.next()
        .map(|paragraph| format!("{}: this stands in none of {marker}:\n{paragraph}", block.place))
}

#[test]
fn every_block_of_rust_in_the_pages_is_compiled_code() {
    let mut faults = Vec::new();
    for page in PAGES {
        let blocks = blocks(page, &read(page));
        assert!(!blocks.is_empty(), "{page} shows no code");
        faults.extend(blocks.iter().filter_map(|block| fault(block, read)));
    }
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
}

#[test]
fn every_region_is_shown_in_a_page() {
    let shown: BTreeSet<String> = PAGES
        .iter()
        .flat_map(|page| blocks(page, &read(page)))
        .filter_map(|block| block.marker)
        .collect();
    let mut files: Vec<PathBuf> = vec![root().join("examples/tutorial")];
    let mut forgotten = Vec::new();
    while let Some(file) = files.pop() {
        if file.is_dir() {
            files.extend(
                std::fs::read_dir(&file)
                    .unwrap()
                    .map(|entry| entry.unwrap().path()),
            );
            continue;
        }
        let path = file.strip_prefix(root()).unwrap().to_str().unwrap().to_owned();
        if path.ends_with(".rs") && !path.ends_with("it/docs.rs") {
            let text = read(&path);
            let names = text
                .lines()
                .filter_map(|line| line.trim().strip_prefix("// region: "));
            let places = names.map(|name| format!("{path}#{name}"));
            forgotten.extend(places.filter(|place| !shown.contains(place)));
        }
    }
    assert_eq!(forgotten, [""; 0]);
}

/// What is quoted with back-ticks and looks like a path of the repository, perhaps with a function behind it.
fn quoted_paths(text: &str) -> impl Iterator<Item = &str> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter(|word| {
        let path = word.split("::").next().unwrap_or_default();
        ["crates/", "examples/", "xtask/"]
            .iter()
            .any(|top| path.starts_with(top))
            && !word.contains(' ')
    })
}

/// What is wrong with a quoted path, if anything is.
fn lost(quoted: &str) -> Option<String> {
    let (path, function) = quoted
        .split_once("::")
        .map_or((quoted, None), |(path, name)| (path, Some(name)));
    let file = root().join(path);
    if !file.exists() {
        return Some(format!("there is no {path}"));
    }
    let function = function?;
    let names = [format!("fn {function}("), format!("fn {function}<")];
    let text = std::fs::read_to_string(&file).unwrap();
    (!names.iter().any(|name| text.contains(name))).then(|| format!("there is no {function} in {path}"))
}

#[test]
fn every_file_and_every_test_that_a_page_names_is_there() {
    let mut pages = vec!["ARCHITECTURE.md".to_owned(), "README.md".to_owned()];
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        pages.push(format!("docs/{}", entry.unwrap().file_name().to_str().unwrap()));
    }
    let mut faults = Vec::new();
    let mut tests = 0;
    for page in pages.iter().filter(|page| page.ends_with(".md")) {
        let text = read(page);
        for quoted in quoted_paths(&text) {
            tests += usize::from(quoted.contains("::"));
            faults.extend(lost(quoted).map(|lost| format!("{page}: {lost}")));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    assert!(tests > 30, "docs/promises.md names {tests} tests only");
    assert!(lost("examples/tutorial/tests/it/docs.rs::nobody_wrote_this").is_some());
    assert!(lost("examples/tutorial/nowhere.rs").is_some());
}

#[test]
fn a_block_that_drifted_is_found() {
    let source = "mod a {\n    // region: x\n    fn a() {}\n\n    fn b() {}\n    // endregion\n}\n";
    let faults = |page: &str| {
        let found = blocks("page", page);
        found
            .iter()
            .filter(|block| fault(block, |_| source.to_owned()).is_some())
            .count()
    };
    let marked = |marker: &str, code: &str| format!("<!-- code: {marker} -->\n```rust\n{code}\n```\n");
    assert_eq!(faults(&marked("a.rs#x", "fn a() {}\n\nfn b() {}")), 0);
    assert_eq!(faults(&marked("a.rs#x", "fn a() {}")), 1);
    assert_eq!(faults(&marked("a.rs#x", "fn a() {}\n\nfn b() {}\nfn c() {}")), 1);
    assert_eq!(faults(&marked("a.rs#y", "fn a() {}\n\nfn b() {}")), 1);
    assert_eq!(faults(&marked("a.rs", "    fn a() {}\n\nmod a {")), 0);
    assert_eq!(faults(&marked("a.rs", "    fn a() {}\n\n    fn c() {}")), 1);
    assert_eq!(faults(&marked("a.rs", "fn a() {")), 1);
    assert_eq!(faults("```rust\nfn a() {}\n```\n"), 1);
    assert_eq!(
        faults("<!-- code: a.rs#x -->\nwords\n```rust\nfn a() {}\n```\n"),
        1
    );
    assert_eq!(faults("```sh\nanything\n```\n"), 0);
}
