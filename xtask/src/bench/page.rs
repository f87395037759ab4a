//! The page of benchmarks, and what stands above every table: the machine and the commit.
//!
//! Figures stand between two marks of their own; everything else on the page is words, which stay.

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use crate::cargo;

/// The page that holds the figures.
const PAGE: &str = "docs/benchmarks.md";

/// Puts a report between its marks.
///
/// # Errors
/// The page cannot be read or written, or has no such marks.
pub(crate) fn write(root: &Path, mark: &str, report: &str) -> Result<()> {
    let page = root.join(PAGE);
    let before = fs::read_to_string(&page).with_context(|| format!("cannot read {PAGE}"))?;
    fs::write(&page, redraw(&before, mark, report)?).with_context(|| format!("cannot write {PAGE}"))
}

/// The commit that is measured, and whether there are changes besides.
///
/// # Errors
/// Git does not answer.
pub(crate) fn commit(root: &Path) -> Result<String> {
    let commit = cargo::output(root, "git", &["rev-parse", "--short=12", "HEAD"])?;
    let changed = cargo::output(root, "git", &["status", "--porcelain", "--untracked-files=no"])?;
    let changed = changed.lines().any(|line| !line.ends_with(PAGE));
    Ok(format!(
        "{}{}",
        commit.trim(),
        if changed { ", with changes" } else { "" }
    ))
}

/// Processor, cores, memory, system, and how busy it is before anything is measured.
///
/// # Errors
/// The system does not tell.
pub(crate) fn machine() -> Result<String> {
    let read = |path: &str| fs::read_to_string(path).with_context(|| format!("cannot read {path}"));
    let (processors, memory) = (read("/proc/cpuinfo")?, read("/proc/meminfo")?);
    let value = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let model = value(&processors, "model name").unwrap_or_else(|| "unknown processor".to_owned());
    let cores = processors
        .lines()
        .filter(|line| line.starts_with("processor"))
        .count();
    let kib = value(&memory, "MemTotal").and_then(|kib| kib.split(' ').next()?.parse::<u64>().ok());
    let system = read("/proc/sys/kernel/osrelease")?;
    let load = read("/proc/loadavg")?;
    let load = load.split(' ').next().unwrap_or_default();
    Ok(format!(
        "{model}, {cores} cores, {} GiB, Linux {}, load {load} before",
        kib.unwrap_or(0) >> 20,
        system.trim(),
    ))
}

/// The page with the figures between these marks replaced.
fn redraw(page: &str, mark: &str, report: &str) -> Result<String> {
    let (first, last) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
    let begin = page.find(&first).map(|at| at + first.len());
    match (begin, page.find(&last)) {
        (Some(begin), Some(end)) if begin <= end => {
            Ok(format!("{}\n{report}\n{}", &page[..begin], &page[end..]))
        }
        _ => bail!(
            "{PAGE} has no lines `{}` and `{last}` around the figures",
            first.trim()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::{machine, redraw};
    use std::path::Path;

    #[test]
    fn figures_are_replaced_and_words_are_kept() {
        let page = "# B\n\n<!-- brokers -->\n\nold\n<!-- /brokers -->\n\nwords\n";
        let expected = "# B\n\n<!-- brokers -->\n\nnew\n\n<!-- /brokers -->\n\nwords\n";
        assert_eq!(redraw(page, "brokers", "new\n").unwrap(), expected);
        assert_eq!(redraw(expected, "brokers", "new\n").unwrap(), expected);
        assert!(redraw(page, "peers", "new").is_err());
    }

    #[test]
    fn the_machine_is_named() {
        if Path::new("/proc/cpuinfo").exists() {
            assert!(machine().unwrap().contains("cores"));
        }
    }
}
