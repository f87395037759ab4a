//! What the macros write is free of warnings where everything is public and every lint of the house is an error.

#![deny(warnings, missing_docs, unreachable_pub, unused, trivial_bounds)]

pub mod shop {
    //! Public all the way.

    use std::convert::Infallible;
    use std::sync::Arc;

    use annals::core::time::Timestamp;
    use annals::{Boundary, Command, Context, Dep, Each, Event, Events, Key, Model, Refusal, command, handler};
    use serde::{Deserialize, Serialize};

    /// A key.
    #[derive(Key, Copy)]
    #[key("order")]
    pub struct OrderId(u64);

    /// A key that is a text.
    #[derive(Key)]
    #[key("sku")]
    pub struct Sku(String);

    /// A line of an order.
    #[derive(Clone, Serialize, Deserialize)]
    pub struct Line {
        /// Which article.
        pub sku: Sku,
    }

    /// As it was.
    #[derive(Event, Serialize, Deserialize)]
    #[event("order.placed")]
    pub struct OrderPlacedV1 {
        /// Which order.
        #[tag]
        pub order: OrderId,
    }

    /// As it is.
    #[derive(Event, Serialize, Deserialize)]
    #[event("order.placed", version = 2, from = OrderPlacedV1, private)]
    pub struct OrderPlaced {
        /// What is in it.
        #[tag(each = sku)]
        pub lines: Vec<Line>,
        /// Which order.
        #[tag(partition)]
        pub order: OrderId,
        /// A present.
        #[tag]
        pub gift: Option<Sku>,
    }

    impl From<OrderPlacedV1> for OrderPlaced {
        fn from(old: OrderPlacedV1) -> Self {
            Self { lines: Vec::new(), order: old.order, gift: None }
        }
    }

    /// A set.
    #[derive(Events)]
    pub enum OrderFact {
        /// It was placed.
        #[commutes]
        Placed(OrderPlaced),
    }

    /// A model.
    #[derive(Default, Serialize)]
    pub struct Order {
        /// Whether it is there.
        pub placed: bool,
    }

    impl Model for Order {
        type Key = OrderId;
        type Event = OrderFact;

        fn apply(&mut self, _: &OrderFact) {
            self.placed = true;
        }
    }

    /// Another.
    #[derive(Default, Serialize)]
    pub struct Article;

    impl Model for Article {
        type Key = Sku;
        type Event = OrderPlaced;

        fn apply(&mut self, _: &OrderPlaced) {}
    }

    /// A command.
    #[derive(Command, Clone, Serialize, Deserialize)]
    #[named("orders.place")]
    pub struct Place {
        /// Which order.
        #[key]
        pub order: OrderId,
        /// What is in it.
        #[key(each = sku: Sku)]
        pub lines: Vec<Line>,
        /// When.
        #[occurred]
        pub date: Timestamp,
    }

    /// A refusal.
    #[derive(Debug, thiserror::Error, Refusal)]
    #[error("it is there already")]
    pub struct Twice;

    /// A decision.
    #[command]
    pub fn place(
        command: Place,
        order: &Order,
        cx: &Context,
        articles: &Each<Article>,
    ) -> Result<OrderPlaced, Twice> {
        if order.placed && cx.attempt() > 0 && !articles.is_empty() {
            return Err(Twice);
        }
        Ok(OrderPlaced { lines: command.lines, order: command.order, gift: None })
    }

    /// Two keys of one type.
    #[derive(Command, Clone, Serialize, Deserialize)]
    #[named("orders.merge")]
    pub struct Merge {
        /// This one.
        #[key(named)]
        pub from: OrderId,
        /// Into this one.
        #[key(named)]
        pub into: OrderId,
    }

    /// Both orders.
    #[derive(Boundary)]
    #[boundary(Merge)]
    pub struct Orders {
        /// This one.
        #[key(from)]
        pub from: Arc<Order>,
        /// Into this one.
        #[key(into)]
        pub into: Arc<Order>,
    }

    /// A decision on both.
    #[command]
    pub fn merge(_: Merge, _: &Orders) -> Result<(), Infallible> {
        Ok(())
    }

    /// A handler.
    #[handler(retry = 1)]
    pub async fn tell(_: OrderPlaced, _: Context, _: Dep<String>) -> Result<(), Infallible> {
        Ok(())
    }
}

fn main() {
    use annals::{Decide, Handle};

    fn decides<D: Decide>() {}
    decides::<shop::Place>();
    decides::<shop::Merge>();
    assert_eq!(<shop::OrderPlaced as Handle>::ATTEMPTS_MAX, 2);
}
