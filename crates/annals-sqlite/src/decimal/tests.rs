use rusqlite::Connection;

use super::register;

fn ask(sql: &str) -> Result<Option<String>, String> {
    let connection = Connection::open_in_memory().unwrap();
    register(&connection).unwrap();
    connection
        .query_row(sql, [], |row| row.get(0))
        .map_err(|error| error.to_string())
}

#[test]
fn adds_and_subtracts_exactly() {
    assert_eq!(ask("SELECT decimal_add('0.1', '0.2')").unwrap().unwrap(), "0.3");
    assert_eq!(ask("SELECT decimal_add('12.50', 3)").unwrap().unwrap(), "15.50");
    assert_eq!(
        ask("SELECT decimal_sub('1.00', '2.5')").unwrap().unwrap(),
        "-1.50"
    );
    assert_eq!(ask("SELECT decimal_add('1', NULL)").unwrap(), None);
}

#[test]
fn sums_a_group_exactly_and_an_empty_one_to_null() {
    let cents = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 1000)";
    assert_eq!(
        ask(&format!("{cents} SELECT decimal_sum('0.01') FROM n"))
            .unwrap()
            .unwrap(),
        "10.00"
    );
    assert_eq!(
        ask("SELECT decimal_sum(x) FROM (SELECT NULL AS x)").unwrap(),
        None
    );
    assert_eq!(ask("SELECT decimal_sum(1) WHERE 0").unwrap(), None);
}

#[test]
fn refuses_what_would_lose_digits() {
    for sql in [
        "SELECT decimal_add(0.1, '1')",
        "SELECT decimal_add('1e', '1')",
        "SELECT decimal_add('79228162514264337593543950335', '0.5')",
        "SELECT decimal_add('79228162514264337593543950335', '1')",
        "SELECT decimal_add('7922816251426433759354395033', '0.55')",
        "SELECT decimal_add('0.00000000000000000000000000001', '1')",
    ] {
        assert!(ask(sql).is_err(), "{sql}");
    }
}

#[test]
fn orders_by_value_not_by_text() {
    let sql = "SELECT group_concat(x, ' ') FROM (SELECT column1 AS x FROM
        (VALUES ('9.5'), ('-3'), ('10'), ('none'), ('2.50')) ORDER BY x COLLATE decimal)";
    assert_eq!(ask(sql).unwrap().unwrap(), "-3 2.50 9.5 10 none");
}
