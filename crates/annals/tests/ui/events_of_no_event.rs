//! A plain struct is no event.

use annals::Events;

struct OrderPlaced;

#[derive(Events)]
enum OrderFact {
    Placed(OrderPlaced),
}

fn main() {}
