use axum::http::HeaderValue;

use super::*;

fn judge(method: Method, host: &str, origin: Option<&str>) -> Result<(), u16> {
    let guard = Guard {
        names: Some(vec!["annals.test".into()]),
    };
    let mut headers = HeaderMap::new();
    headers.insert(header::HOST, HeaderValue::from_str(host).unwrap());
    if let Some(origin) = origin {
        headers.insert(header::ORIGIN, HeaderValue::from_str(origin).unwrap());
    }
    guard
        .judge(&method, &Uri::from_static("/x"), &headers)
        .map_err(|problem| problem.status)
}

#[test]
fn answers_for_loopback_and_known_names_only() {
    for host in [
        "localhost",
        "LOCALHOST:80",
        "127.0.0.1:4000",
        "127.9.9.9",
        "[::1]:4000",
        "[::1]",
        "annals.test:1",
    ] {
        assert_eq!(judge(Method::GET, host, None), Ok(()), "{host}");
    }
    for host in [
        "evil.test",
        "127.0.0.1.evil.test",
        "localhost.evil.test:80",
        "10.0.0.1",
        "",
    ] {
        assert_eq!(judge(Method::GET, host, None), Err(421), "{host}");
    }
}

#[test]
fn takes_changes_from_its_own_pages_only() {
    let post = |origin| judge(Method::POST, "127.0.0.1:4000", origin);
    assert_eq!(post(None), Ok(()));
    assert_eq!(post(Some("http://127.0.0.1:4000")), Ok(()));
    for origin in [
        "http://evil.test",
        "null",
        "http://127.0.0.1:4001",
        "http://localhost:4000",
    ] {
        assert_eq!(post(Some(origin)), Err(403), "{origin}");
    }
    assert_eq!(
        judge(Method::GET, "127.0.0.1", Some("http://evil.test")),
        Ok(()),
        "reading is kept apart by CORS"
    );
}
