use std::{cell::Cell, fs, path::PathBuf};

use super::{cached, java_version, pom, run};
use crate::services::place::Place;

/// A folder that is removed at the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("annals-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(fs::remove_dir_all(&self.0));
    }
}

#[test]
fn what_is_whole_is_fetched_once_and_what_is_half_again() {
    let folder = Folder::new("cached");
    let place = Place::at(&folder.0);
    let fetched = Cell::new(0);
    let get = |version: &str, good: bool| {
        cached(&place, "thing", version, |inside| {
            assert!(
                !inside.join("rest").exists(),
                "the rest of a half download is still there"
            );
            fetched.set(fetched.get() + 1);
            fs::write(inside.join("rest"), "x").unwrap();
            if good {
                Ok(())
            } else {
                anyhow::bail!("the line went dead")
            }
        })
    };
    let error = format!("{:#}", get("1", false).unwrap_err());
    assert!(
        error.contains("thing 1") && error.contains("the line went dead"),
        "{error}"
    );
    let path = get("1", true).unwrap();
    assert_eq!(get("1", true).unwrap(), path);
    assert_eq!(fetched.get(), 2);
    get("2", true).unwrap();
    assert_eq!(fetched.get(), 3);
    fs::write(path.join("whole"), "thing 0\n").unwrap();
    get("1", true).unwrap();
    assert_eq!(fetched.get(), 4);
}

#[test]
fn versions_of_java_are_read() {
    for (text, version) in [
        ("openjdk version \"17.0.15\" 2025-04-15\n", Some(17)),
        ("openjdk version \"21\" 2023-09-19", Some(21)),
        ("openjdk version \"25-ea\" 2025-09-16", Some(25)),
        ("java version \"1.8.0_392\"", Some(8)),
        ("java: command of another kind", None),
    ] {
        assert_eq!(java_version(text), version, "{text}");
    }
}

#[test]
fn a_pom_names_every_part() {
    let text = pom(&["g:a:1".to_owned(), "h:b:2:tar.gz:bin".to_owned()]);
    let dependency = |inside: &str| format!("<dependency>{inside}</dependency>");
    let plain = "<groupId>g</groupId><artifactId>a</artifactId><version>1</version>";
    assert!(text.contains(&dependency(plain)), "{text}");
    let classified = "<version>2</version><type>tar.gz</type><classifier>bin</classifier></dependency>";
    assert!(text.contains(classified), "{text}");
}

#[test]
fn a_program_that_fails_or_is_not_there_says_so() {
    let folder = Folder::new("run");
    assert_eq!(
        run(&folder.0, "sh", &["-c", "echo $X"], &[("X", "y".as_ref())]).unwrap(),
        "y\n"
    );
    let error = run(&folder.0, "sh", &["-c", "echo oh no >&2; exit 3"], &[]).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("oh no") && error.contains('3'), "{error}");
    let error = run(&folder.0, "no-such-program-here", &[] as &[&str], &[]).unwrap_err();
    let error = format!("{error:#}");
    assert!(error.contains("`no-such-program-here`"), "{error}");
}
