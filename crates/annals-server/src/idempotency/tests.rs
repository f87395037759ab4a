use axum::http::HeaderValue;

use super::*;

fn read(values: &[&str]) -> Result<Option<String>, u16> {
    let mut headers = HeaderMap::new();
    for value in values {
        headers.append(HEADER, HeaderValue::from_str(value).unwrap());
    }
    let key = IdempotencyKey::from_headers(&headers);
    key.map(|key| key.map(IdempotencyKey::into_string))
        .map_err(|problem| problem.status)
}

#[test]
fn takes_both_forms() {
    assert_eq!(read(&["\"8e03\""]), Ok(Some("8e03".into())));
    assert_eq!(read(&["8e03-978e/1"]), Ok(Some("8e03-978e/1".into())));
    assert_eq!(read(&[r#""a \"b\" \\""#]), Ok(Some(r#"a "b" \"#.into())));
    assert_eq!(read(&["\"k\"; a=1"]), Ok(Some("k".into())));
    assert_eq!(read(&[]), Ok(None));
}

#[test]
fn refuses_what_is_no_key() {
    let long = "k".repeat(256);
    for value in ["", "\"\"", "\"open", "a,b", "\"a\" b", r#""a\n""#, "a b", &long] {
        assert_eq!(read(&[value]), Err(400), "{value}");
    }
    assert_eq!(read(&["a", "a"]), Err(400));
    assert_eq!(read(&[&"k".repeat(255)]).unwrap().unwrap().len(), 255);
    assert_eq!(
        IdempotencyKey::required(&HeaderMap::new()).unwrap_err().code,
        "idempotency_key_missing"
    );
}
