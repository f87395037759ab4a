use annals_testkit::scenario::given;

use super::{Parcel, ParcelFact};
use crate::contract::keys::OrderId;
use crate::contract::shipping::{ParcelRecalled, ParcelShipped, RecallOrder, ShipOrder};
use annals::Model;

fn order() -> OrderId {
    OrderId::from("7")
}

fn ship() -> ShipOrder {
    ShipOrder {
        order: order(),
        country: "Norway".to_owned(),
    }
}

fn shipped() -> ParcelShipped {
    ParcelShipped {
        order: order(),
        country: "Norway".to_owned(),
    }
}

fn recalled(had_left: bool) -> ParcelRecalled {
    ParcelRecalled {
        order: order(),
        had_left,
    }
}

#[test]
fn a_parcel_leaves_once() {
    given(()).when(ship()).then(shipped()).when(ship()).then_nothing();
}

#[test]
fn a_parcel_that_left_is_fetched_back_once_and_does_not_leave_again() {
    given(shipped())
        .when(RecallOrder { order: order() })
        .then(recalled(true))
        .when(RecallOrder { order: order() })
        .then_nothing()
        .when(ship())
        .then_refused("recalled");
}

#[test]
fn a_parcel_that_was_recalled_before_it_was_known_never_leaves() {
    given(())
        .when(RecallOrder { order: order() })
        .then(recalled(false))
        .when(ship())
        .then_refused("recalled");
}

#[test]
fn the_last_word_on_a_parcel_counts() {
    let mut parcel = Parcel::default();
    parcel.apply(&ParcelFact::Shipped(shipped()));
    assert_eq!(parcel, Parcel::Shipped);
    parcel.apply(&ParcelFact::Recalled(recalled(true)));
    assert_eq!(parcel, Parcel::Recalled);
}
