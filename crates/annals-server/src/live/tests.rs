use super::*;

#[test]
fn a_frame_keeps_line_breaks_of_the_content_apart() {
    assert_eq!(
        frame("event", Position::new(8), "{\n\"a\":1}"),
        "id: 7\nevent: event\ndata: {\ndata: \"a\":1}\n\n"
    );
    assert_eq!(
        frame("caught-up", Position::ZERO, "{}"),
        "event: caught-up\ndata: {}\n\n"
    );
}

#[test]
fn the_header_wins_and_an_unreached_position_is_gone() {
    let end = Position::new(10);
    let headers = HeaderMap::from_iter([(LAST_EVENT_ID.parse().unwrap(), HeaderValue::from_static("7"))]);
    let none = HeaderMap::new();
    let (two, nine, ten) = (
        Some(Position::new(2)),
        Some(Position::new(9)),
        Some(Position::new(10)),
    );
    assert_eq!(begin(&headers, two, two, end).unwrap(), Position::new(8));
    assert_eq!(begin(&none, two, None, end).unwrap(), Position::new(3));
    assert_eq!(begin(&none, None, two, end).unwrap(), Position::new(2));
    assert_eq!(begin(&none, None, None, end).unwrap(), end);
    assert_eq!(begin(&none, nine, None, end).unwrap(), end);
    assert_eq!(begin(&none, ten, None, end).unwrap_err().status, 410);
}
