//! The stock service of the order system, as the README shows it.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use annals::Service;
use annals::core::time::Timestamp;
use annals_sqlite::Sqlite;
use annals_testkit::chain::Chain;
use annals_testkit::scenario::given;
use ordering::contract::keys::Sku;
use ordering::contract::orders::Pieces;
use ordering::contract::stock::{ReceiveGoods, ReserveStock};
use ordering::stock::article::{Stock, StockReceived};
use ordering::stock::levels::StockLevels;

fn pieces(sku: &str, quantity: u32) -> Vec<Pieces> {
    vec![Pieces {
        sku: sku.into(),
        quantity,
    }]
}

fn received(sku: &str, quantity: u32) -> StockReceived {
    StockReceived {
        delivery: "d-1".into(),
        sku: sku.into(),
        quantity,
    }
}

fn reserve(order: &str, quantity: u32) -> ReserveStock {
    ReserveStock {
        order: order.into(),
        pieces: pieces("tea", quantity),
    }
}

// region: scenario
#[test]
fn what_is_not_there_is_not_reserved() {
    given(received("tea", 5))
        .when(reserve("o-1", 6))
        .then_refused("out_of_stock");
}
// endregion

// region: use
async fn look(stock: &Service, yesterday: Timestamp) -> Result<(i64, i64, usize), Box<dyn Error>> {
    let done = stock.execute(reserve("o-1", 2)).await?; // load, decide, append; again if somebody else was first
    let tea = Sku::from("tea");
    let now = stock.load::<Stock>(&tea).await?;
    let was = stock.load::<Stock>(&tea).at(yesterday).await?; // time travel: the same `apply`
    let levels = stock.view::<StockLevels>().after(&done).await?; // read your own write
    let rows = levels.rows("SELECT * FROM stock_levels WHERE available < 5", ())?;
    Ok((now.left, was.left, rows.len()))
}
// endregion

#[test]
fn the_lines_of_the_readme_do_what_they_say() {
    Chain::new(1).run(async |stage| {
        let views = Arc::new(Sqlite::folder(stage.folder()).unwrap());
        let describe = move |_| ordering::stock::service(Arc::clone(&views));
        let stock = stage.service("stock", describe).await;
        let receive = ReceiveGoods {
            delivery: "d-1".into(),
            pieces: pieces("tea", 5),
            received: None,
        };
        stock.execute(receive).await.unwrap();
        let yesterday = stage.now();
        stage.pass(Duration::from_secs(24 * 60 * 60)).await;
        assert_eq!(look(&stock, yesterday).await.unwrap(), (3, 5, 1));
    });
}
