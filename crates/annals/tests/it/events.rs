use annals::event::Drafts;
use annals::message::DecodeError;
use annals::{EventSet, IntoEvents, Message};

use crate::world::{Reservation, Stock, StockFact, StockReceived, StockReserved, order, sku};

fn received() -> StockReceived {
    StockReceived {
        sku: sku("a"),
        quantity: 3,
    }
}

fn reserved() -> StockReserved {
    StockReserved {
        sku: sku("a"),
        order: order(1),
        quantity: 2,
    }
}

#[test]
fn a_set_knows_its_types_and_which_of_them_decide() {
    assert_eq!(StockFact::TYPES, [StockReceived::TYPE, StockReserved::TYPE]);
    assert_eq!(StockFact::DECIDING, [StockReserved::TYPE]);
}

#[test]
fn a_set_reads_its_own_types_and_no_others() {
    let data = serde_json::to_vec(&reserved()).unwrap();
    let read = StockFact::decode(&StockReserved::TYPE, 1, &data).unwrap();
    assert_eq!(read, Some(StockFact::Reserved(reserved())));
    let unknown = annals::core::event::EventType::from_static("stock.burnt");
    assert_eq!(StockFact::decode(&unknown, 1, &data).unwrap(), None);
    let newer = StockFact::decode(&StockReserved::TYPE, 2, &data);
    assert!(matches!(
        newer,
        Err(DecodeError::Newer {
            found: 2,
            supported: 1,
            ..
        })
    ));
}

#[test]
fn an_event_turns_into_its_variant_and_is_written_as_itself() {
    let facts = vec![StockFact::from(received()), reserved().into()];
    assert_eq!(
        facts,
        [StockFact::Received(received()), StockFact::Reserved(reserved())]
    );
    let mut drafts = Drafts::default();
    facts.write(&mut drafts).unwrap();
    let drafts = drafts.into_vec();
    assert_eq!(drafts[0].event_type, StockReceived::TYPE);
    assert_eq!(drafts[1].data, serde_json::to_vec(&reserved()).unwrap());
    let mut types = Vec::new();
    Vec::<StockFact>::types(&mut types);
    assert_eq!(types, StockFact::TYPES);
}

#[test]
fn models_fold_sets_and_single_events_alike() {
    use annals::Model;
    let (mut stock, mut reservation) = (Stock::default(), Reservation::default());
    stock.apply(&received().into());
    stock.apply(&reserved().into());
    reservation.apply(&reserved());
    assert_eq!((stock.left, reservation.made), (1, true));
}
