use super::*;

#[test]
fn reads_repeated_encoded_and_empty_values() {
    let params = Params::parse(
        Some("tag=order%3A42&tag=sku%3Agreen+tea&verbose&"),
        &["tag", "verbose"],
    )
    .unwrap();
    assert_eq!(
        params.all("tag").collect::<Vec<_>>(),
        ["order:42", "sku:green tea"]
    );
    assert!(params.has("verbose"));
    assert!(params.one("tag").is_err());
}

#[test]
fn what_is_encoded_is_read_back() {
    let value = "a=b&c d+é/%";
    let params = Params::parse(Some(&format!("x={}", encode(value))), &["x"]).unwrap();
    assert_eq!(params.one("x").unwrap(), Some(value));
}

#[test]
fn an_unknown_name_is_refused_with_the_nearest() {
    let problem = Params::parse(Some("tpye=x"), &["type", "tag"]).unwrap_err();
    assert_eq!(problem.status, 400);
    assert_eq!(problem.hint.as_deref(), Some("did you mean type?"));
    let problem = Params::parse(Some("colour=x"), &["type", "tag"]).unwrap_err();
    assert_eq!(problem.hint.as_deref(), Some("this path takes type, tag"));
}

#[test]
fn refuses_what_cannot_be_read() {
    assert!(Params::parse(Some("x=%ff"), &["x"]).is_err());
    assert!(Params::parse(Some(&"x=1&".repeat(257)), &["x"]).is_err());
    let params = Params::parse(Some("limit=many"), &["limit"]).unwrap();
    assert!(
        params
            .read::<usize>("limit")
            .unwrap_err()
            .detail
            .contains("\"many\"")
    );
}
