use super::*;

fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in pairs {
        headers.append(*name, HeaderValue::from_static(value));
    }
    headers
}

#[test]
fn reads_position_and_wait() {
    let demand = MinPosition::from_headers(&headers(&[
        (MIN_POSITION, "12"),
        ("prefer", "respond-async, wait=5"),
    ]));
    let expected = MinPosition {
        position: Some(Position::new(12)),
        wait: Duration::from_secs(5),
    };
    assert_eq!(demand.unwrap(), expected);
    let long = MinPosition::from_headers(&headers(&[("prefer", "wait=9999")])).unwrap();
    assert_eq!((long.position, long.wait), (None, WAIT_MAX));
    assert_eq!(
        MinPosition::from_headers(&headers(&[(MIN_POSITION, "-1")]))
            .unwrap_err()
            .status,
        400
    );
    assert_eq!(
        MinPosition::from_headers(&headers(&[("prefer", "wait=soon")]))
            .unwrap_err()
            .status,
        400
    );
}

#[tokio::test(start_paused = true)]
async fn waits_as_long_as_asked_and_no_longer() {
    let (sender, watched) = watch::channel(Position::new(3));
    let wanted = |seconds| MinPosition {
        position: Some(Position::new(5)),
        wait: Duration::from_secs(seconds),
    };
    let problem = wanted(5).reached(watched.clone()).await.unwrap_err();
    assert_eq!((problem.status, problem.retry_after), (503, Some(1)));
    assert_eq!(
        (problem.expected.unwrap(), problem.actual.unwrap()),
        (5.into(), 3.into())
    );

    let waiting = tokio::spawn(wanted(5).reached(watched.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    sender.send(Position::new(6)).unwrap();
    assert_eq!(waiting.await.unwrap().unwrap(), Position::new(6));
    assert_eq!(
        wanted(0).reached(watched.clone()).await.unwrap(),
        Position::new(6)
    );
    assert_eq!(
        MinPosition::default().reached(watched).await.unwrap(),
        Position::new(6)
    );
}
