use super::*;

fn at(number: u64) -> Position {
    Position::new(number)
}

#[test]
fn the_checkpoint_waits_for_the_slowest() {
    let mut window = Window::starting_at(at(10));
    [10, 12, 15]
        .into_iter()
        .for_each(|number| window.begin(at(number)));
    window.finish(at(12), None);
    window.finish(at(15), None);
    assert_eq!(window.checkpoint(), at(10));
    window.finish(at(10), None);
    assert_eq!(window.checkpoint(), at(16));
}

#[test]
fn notes_go_when_the_checkpoint_has_passed_them() {
    let id = |byte| EventId::from_uuid(uuid::Uuid::from_bytes([byte; 16]));
    let mut window = Window::default();
    [1, 2, 3].into_iter().for_each(|number| window.begin(at(number)));
    window.finish(at(2), Some(id(2)));
    assert_eq!(window.superfluous(window.checkpoint()), vec![]);
    window.finish(at(1), Some(id(1)));
    let checkpoint = window.checkpoint();
    assert_eq!(checkpoint, at(3));
    assert_eq!(window.superfluous(checkpoint), vec![id(1), id(2)]);
    assert_eq!(window.superfluous(checkpoint), vec![]);
}
