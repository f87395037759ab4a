//! A small shop that plays: a few customers order, the warehouse is filled, some of it comes back.
//!
//! Seeded: the same seed asks for the same things in the same order. When they are asked for depends on the clock.

use std::time::Duration;

use annals::ExecuteError;

use crate::contract::keys::{CustomerId, DeliveryId, OrderId, ReturnId, Sku};
use crate::contract::orders::{CancelOrder, Line, Pieces, PlaceOrder, TakeReturn};
use crate::contract::stock::ReceiveGoods;
use crate::money::Money;
use crate::system::System;

/// What the shop sells: code and price of a piece in hundredths.
const ARTICLES: [(&str, u32); 12] = [
    ("tea-assam", 320),
    ("tea-sencha", 480),
    ("tea-rooibos", 290),
    ("pot-iron", 3_900),
    ("pot-glass", 1_850),
    ("cup-celadon", 1_240),
    ("cup-raku", 1_680),
    ("strainer", 560),
    ("scale", 2_100),
    ("tin-small", 410),
    ("tin-large", 690),
    ("kettle", 5_400),
];
const COUNTRIES: [&str; 6] = [
    "China",
    "Germany",
    "France",
    "Japan",
    "Portugal",
    "United Kingdom",
];
const CUSTOMERS: u64 = 40;
/// Pieces of each article that a delivery brings, and after how many orders the next one comes.
const DELIVERY: (u32, u64) = (60, 40);

/// A shop that plays until it is dropped.
pub struct Shop<'a> {
    system: &'a System,
    dice: Dice,
    /// Makes the ids of one run differ from those of the last.
    run: String,
    step: u64,
    placed: Vec<OrderId>,
}

impl<'a> Shop<'a> {
    /// A shop on this system. A later run on the same data goes on with other ids.
    pub fn new(system: &'a System, seed: u64) -> Self {
        let run = system.orders.store().end().to_string();
        Self {
            system,
            dice: Dice(seed ^ 0x9e37_79b9_7f4a_7c15),
            run,
            step: 0,
            placed: Vec::new(),
        }
    }

    /// Plays at about this many orders a second, from 0.1 to 1,000; 0: never.
    pub async fn play(&mut self, orders_per_second: f64) {
        if orders_per_second <= 0.0 {
            std::future::pending::<()>().await;
        }
        let pause = Duration::from_secs_f64(1.0 / orders_per_second.clamp(0.1, 1_000.0));
        loop {
            if let Err(trouble) = self.step().await {
                tracing::warn!("the shop could not carry on as usual: {trouble}");
            }
            tokio::time::sleep(pause.mul_f64(0.5 + self.dice.share())).await;
        }
    }

    /// One more thing happens.
    ///
    /// # Errors
    /// The system did not take it, in words.
    pub async fn step(&mut self) -> Result<(), String> {
        if self.step.is_multiple_of(DELIVERY.1) {
            self.deliver().await?;
        }
        self.step += 1;
        match self.dice.below(20) {
            0 => self.give_back().await,
            1 => self.cancel().await,
            _ => self.order().await,
        }
    }

    async fn deliver(&self) -> Result<(), String> {
        let pieces = |(sku, _): &(&str, u32)| Pieces {
            sku: Sku::from(*sku),
            quantity: DELIVERY.0,
        };
        let command = ReceiveGoods {
            delivery: DeliveryId::from(format!("{}-{}", self.run, self.step)),
            pieces: ARTICLES.iter().map(pieces).collect(),
            received: None,
        };
        self.system
            .stock
            .execute(command)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    async fn order(&mut self) -> Result<(), String> {
        let order = OrderId::from(format!("shop-{}-{}", self.run, self.step));
        let lines = (0..=self.dice.below(4)).map(|_| self.line(6)).collect();
        let command = PlaceOrder {
            order: order.clone(),
            customer: self.customer(),
            country: self.country(),
            lines,
            placed: None,
        };
        self.system
            .orders
            .execute(command)
            .await
            .map_err(|error| error.to_string())?;
        self.placed.push(order);
        if self.placed.len() > 50 {
            self.placed.remove(0);
        }
        Ok(())
    }

    async fn give_back(&mut self) -> Result<(), String> {
        let command = TakeReturn {
            id: ReturnId::from(format!("back-{}-{}", self.run, self.step)),
            customer: self.customer(),
            country: self.country(),
            lines: vec![self.line(2)],
            returned: None,
        };
        self.system
            .orders
            .execute(command)
            .await
            .map(|_| ())
            .map_err(|error| error.to_string())
    }

    /// A customer changes his mind; too late, as a rule.
    async fn cancel(&mut self) -> Result<(), String> {
        let Some(last) = self.placed.last() else {
            return Ok(());
        };
        let command = CancelOrder {
            order: last.clone(),
            reason: "customer".to_owned(),
        };
        match self.system.orders.execute(command).await {
            Ok(_) | Err(ExecuteError::Refused(_)) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    fn line(&mut self, pieces_max: u64) -> Line {
        let (sku, price) = ARTICLES[self.dice.index(ARTICLES.len())];
        let price = format!("{}.{:02}", price / 100, price % 100);
        Line {
            sku: Sku::from(sku),
            quantity: u32::try_from(1 + self.dice.below(pieces_max)).unwrap_or(1),
            price: price.parse().unwrap_or(Money::ZERO),
            goods: true,
        }
    }

    /// Every sixth is a guest.
    fn customer(&mut self) -> Option<CustomerId> {
        let known = self.dice.below(6) > 0;
        known.then(|| CustomerId::from(format!("{}", 10_001 + self.dice.below(CUSTOMERS))))
    }

    fn country(&mut self) -> String {
        COUNTRIES[self.dice.index(COUNTRIES.len())].to_owned()
    }
}

/// SplitMix64 (Steele, Lea and Flood, 2014).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn index(&mut self, len: usize) -> usize {
        usize::try_from(self.below(len as u64)).unwrap_or(0)
    }

    fn share(&mut self) -> f64 {
        self.below(1_000) as f64 / 1_000.0
    }
}
