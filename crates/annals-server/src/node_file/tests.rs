use super::*;

fn node() -> NodeInfo {
    NodeInfo {
        address: "127.0.0.1:4000".parse().unwrap(),
        pid: std::process::id(),
        version: "0.1.0".into(),
        services: vec!["orders".into()],
    }
}

#[test]
fn a_node_is_found_while_it_runs_and_gone_after_a_clean_stop() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(Found::in_folder(folder.path()).unwrap(), Found::None);
    let file = NodeFile::claim(folder.path()).unwrap();
    file.announce(&node()).unwrap();
    assert_eq!(Found::in_folder(folder.path()).unwrap(), Found::Running(node()));
    drop(file);
    assert_eq!(Found::in_folder(folder.path()).unwrap(), Found::None);
    NodeFile::claim(folder.path()).unwrap();
}

#[test]
fn what_a_killed_node_leaves_is_stale_and_does_not_stop_the_next() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), serde_json::to_vec(&node()).unwrap()).unwrap();
    assert_eq!(Found::in_folder(folder.path()).unwrap(), Found::Stale(node()));
    fs::write(folder.path().join(LOCK), "").unwrap();
    assert_eq!(Found::in_folder(folder.path()).unwrap(), Found::Stale(node()));
    NodeFile::claim(folder.path()).unwrap();
}

#[test]
fn a_second_node_is_told_who_has_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    let first = NodeFile::claim(folder.path()).unwrap();
    first.announce(&node()).unwrap();
    let error = NodeFile::claim(folder.path()).unwrap_err().to_string();
    assert!(
        error.ends_with(&format!(
            "belongs to a running node at 127.0.0.1:4000 (pid {})",
            node().pid
        )),
        "{error}"
    );
    assert_eq!(
        Found::in_folder(folder.path()).unwrap(),
        Found::Running(node()),
        "the refused one changed nothing"
    );
}

#[test]
fn foreign_words_are_not_taken_for_a_node() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE), "{}").unwrap();
    assert!(matches!(
        Found::in_folder(folder.path()),
        Err(NodeFileError::Malformed { .. })
    ));
}
