use super::{Mark, Suite, find, modules};
use crate::{services::Server, tree::Tree};

fn test(reason: &str, name: &str) -> String {
    format!("#[test]\n#[ignore = \"{reason}\"]\nfn {name}() {{}}\n")
}

#[test]
fn marks_are_read() {
    assert_eq!(Mark::of("long: minutes"), Some(Mark::Long));
    assert_eq!(
        Mark::of("broker: kafka: kills it"),
        Some(Mark::Broker(Server::Kafka))
    );
    assert_eq!(
        Mark::of("broker: nats and python: kills both"),
        Some(Mark::Python(Server::Nats))
    );
    for none in [
        "flaky",
        "long: ",
        "broker: kafka",
        "broker: kafka: ",
        "broker: carrier-pigeon: slow",
        "broker: why",
        "broker: python: alone",
        "broker: nats and perl: older",
    ] {
        assert_eq!(Mark::of(none), None, "{none}");
    }
}

#[test]
fn marked_tests_are_found_in_every_part_of_a_package() {
    let tree = Tree::of(&[
        ("crates/a/Cargo.toml", "[package]\nname = \"a\""),
        (
            "crates/a/src/lib.rs",
            &format!("mod tests {{ {} }}", test("long: minutes", "inner")),
        ),
        (
            "crates/a/tests/it/main.rs",
            &(test("long: hours", "outer") + &test("other", "not_this")),
        ),
        ("crates/b/Cargo.toml", "[package]\nname = \"b\""),
        ("crates/b/src/lib.rs", "#[test] fn quick() {}"),
    ]);
    let found = find(&tree);
    assert_eq!(found.len(), 1);
    assert_eq!(found["a"].long, ["tests::inner", "outer"]);
    assert!(found["a"].broker.is_empty());
}

#[test]
fn tests_that_need_a_server_are_told_apart_by_server() {
    let tree = Tree::of(&[
        (
            "crates/a/Cargo.toml",
            "[package]\nname = \"a\"\n[features]\nnats = []\nembedded = []\nkafka = []",
        ),
        (
            "crates/a/tests/it/kafka.rs",
            &(test("broker: kafka: real offsets", "one")
                + &test("broker: nats: both ways", "two")
                + &test("broker: nats and python: a third way", "three")),
        ),
        (
            "crates/a/tests/it/amqp.rs",
            "suite!(artemis, Rig, \"broker: artemis: real\"); suite!(other, \"broker: artemis\");\n\
             macro_rules! suite { () => { #[ignore = \"broker: artemis: more\"] fn $f() {} } }",
        ),
        ("xtask/Cargo.toml", "[package]\nname = \"xtask\""),
        (
            "xtask/src/main.rs",
            "fn f() { say!(\"broker: kafka: an example\"); }",
        ),
    ]);
    let found = find(&tree);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["a"]);
    let suite = |server| &found["a"].broker[&server];
    assert_eq!(suite(Server::Kafka).filters(Server::Kafka), ["kafka::one"]);
    let nats = suite(Server::Nats);
    assert_eq!(nats.filters(Server::Nats), ["kafka::two", "kafka::three"]);
    assert_eq!(nats.without_python().filters(Server::Nats), ["kafka::two"]);
    assert_eq!((nats.tests_min(), nats.count().as_str()), (2, "2 tests"));
    let artemis = suite(Server::Artemis);
    assert_eq!(artemis.filters(Server::Artemis), ["artemis::"]);
    assert_eq!((artemis.tests_min(), artemis.count().as_str()), (1, "2 suites"));
    assert_eq!(found["a"].broker.len(), 3);
    assert_eq!(found["a"].features, ["kafka", "nats"]);
}

#[test]
fn files_stand_in_the_modules_that_cargo_gives_them() {
    for (path, expected) in [
        ("src/lib.rs", ""),
        ("src/main.rs", ""),
        ("src/a/b.rs", "a::b"),
        ("src/a/mod.rs", "a"),
        ("src/a/tests.rs", "a::tests"),
        ("src/bin/tool.rs", ""),
        ("src/bin/tool/main.rs", ""),
        ("tests/it/main.rs", ""),
        ("tests/it/kafka/kill.rs", "kafka::kill"),
        ("tests/alone.rs", ""),
    ] {
        assert_eq!(modules(path).join("::"), expected, "{path}");
    }
}

#[test]
fn tests_are_counted_in_words() {
    let count = |tests: usize, macros| Suite {
        tests: vec!["t".to_owned(); tests],
        macros,
        ..Suite::default()
    };
    assert_eq!(count(1, 0).count(), "1 test");
    assert_eq!(count(2, 1).count(), "2 tests and 1 suite");
    assert_eq!((count(2, 3).tests_min(), count(0, 0).tests_min()), (3, 0));
}
