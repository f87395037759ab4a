use std::time::Duration;

use super::{Launch, Noted, Stat, start, tail};

#[test]
fn the_line_of_a_process_is_read_whatever_its_name() {
    let line = |name: &str, state: &str| {
        let between = " 1".repeat(18);
        format!("42 ({name}) {state}{between} 987654 5 6\n")
    };
    for name in ["beam.smp", "a) R 7 (b", "two words"] {
        let stat = Stat::parse(&line(name, "S")).unwrap();
        let expected = Stat {
            state: 'S',
            started: 987_654,
        };
        assert_eq!(stat, expected, "{name}");
    }
    assert_eq!(Stat::parse("42 (cut) S 1 2"), None);
    assert_eq!(Stat::parse(""), None);
}

#[test]
fn a_note_that_was_cut_short_is_none() {
    assert_eq!(Noted::parse("42 7\n"), Some(Noted { pid: 42, started: 7 }));
    for bad in ["", "42", "42 ", "x 7", "-1 7", "0 7", "1 7"] {
        assert_eq!(Noted::parse(bad), None, "{bad}");
    }
}

#[test]
fn a_pid_that_somebody_else_has_now_is_not_the_process_that_was_noted() {
    let pid = i32::try_from(std::process::id()).unwrap();
    let started = Stat::of(pid).unwrap().started;
    assert!(Noted { pid, started }.alive());
    let before = Noted {
        pid,
        started: started - 1,
    };
    assert!(!before.alive());
    // This test would end here if the signal were sent.
    before.kill().unwrap();
}

#[test]
fn a_started_process_is_noted_paused_and_stopped() {
    let folder = std::env::temp_dir().join(format!("annals-process-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let launch = Launch {
        program: "sh".into(),
        args: vec!["-c".into(), "echo $WORD; exec sleep 60".into()],
        variables: vec![("WORD", "hello".into())],
        folder: folder.clone(),
        log: folder.join("log"),
    };
    let note = folder.join("one.pid");
    let noted = start(&launch, &note).unwrap();
    assert_eq!(Noted::living(&note).unwrap(), Some(noted));
    while !tail(&launch.log).contains("hello") {
        std::thread::sleep(Duration::from_millis(10));
    }
    noted.signal(rustix::process::Signal::STOP).unwrap();
    while !noted.paused() {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(noted.alive());
    noted.stop(Duration::from_secs(10)).unwrap();
    assert!(!noted.alive());
    assert_eq!(Noted::living(&note).unwrap(), None);
    assert_eq!(Noted::read(&folder.join("none.pid")).unwrap(), None);
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn the_end_of_a_log_is_its_last_lines() {
    let file = std::env::temp_dir().join(format!("annals-tail-{}", std::process::id()));
    let lines: String = (0..30).map(|n| format!("line {n}\n")).collect();
    std::fs::write(&file, lines).unwrap();
    let end = tail(&file);
    std::fs::remove_file(&file).unwrap();
    assert!(
        end.contains("line 29") && end.contains("line 10") && !end.contains("line 9\n"),
        "{end}"
    );
}
