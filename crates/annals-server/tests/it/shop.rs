use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use annals::ground::backoff::Backoff;
use annals::{Command, Dep, Event, Events, Key, Model, Place, Refusal, Service, command, handler};
use annals_core::port::store::EventStore;
use annals_server::ServerOptions;
use annals_server::metrics::Metrics;
use annals_store::MemoryStore;
use annals_transport::embedded::EmbeddedBroker;
use serde::{Deserialize, Serialize};
use serde_json::json;
use thiserror::Error;

use crate::world::{Got, Node, world};

#[derive(Key)]
#[key("order")]
struct OrderId(String);

#[derive(Event, Debug, Clone, Serialize, Deserialize)]
#[event("order.placed")]
struct OrderPlaced {
    #[tag]
    order: OrderId,
    total: u32,
}

#[derive(Event, Debug, Clone, Serialize, Deserialize)]
#[event("order.cancelled")]
struct OrderCancelled {
    #[tag]
    order: OrderId,
}

#[derive(Events)]
enum OrderFact {
    Placed(OrderPlaced),
    Cancelled(OrderCancelled),
}

#[derive(Default, Serialize)]
struct Order {
    total: u32,
    state: &'static str,
}

impl Model for Order {
    type Key = OrderId;
    type Event = OrderFact;

    fn apply(&mut self, event: &OrderFact) {
        match event {
            OrderFact::Placed(placed) => {
                *self = Self {
                    total: placed.total,
                    state: "open",
                }
            }
            OrderFact::Cancelled(_) => self.state = "cancelled",
        }
    }
}

#[derive(Command, Debug, Clone, Serialize, Deserialize)]
#[named("orders.place")]
struct PlaceOrder {
    #[key]
    order: OrderId,
    total: u32,
}

#[derive(Command, Debug, Clone, Serialize, Deserialize)]
#[named("orders.cancel")]
struct Cancel {
    #[key]
    order: OrderId,
}

#[derive(Debug, Error, Refusal)]
enum No {
    #[error("{0} is placed already")]
    AlreadyPlaced(String),
    #[error("there is nothing to cancel")]
    NothingToCancel,
}

#[command]
fn place(command: PlaceOrder, order: &Order) -> Result<OrderPlaced, No> {
    match order.state {
        "" => Ok(OrderPlaced {
            order: command.order,
            total: command.total,
        }),
        _ => Err(No::AlreadyPlaced(command.order.to_string())),
    }
}

#[command]
fn cancel(command: Cancel, order: &Order) -> Result<Option<OrderCancelled>, No> {
    match order.state {
        "" => Err(No::NothingToCancel),
        "open" => Ok(Some(OrderCancelled { order: command.order })),
        _ => Ok(None),
    }
}

#[derive(Event, Debug, Clone, Serialize, Deserialize)]
#[event("bill.written")]
struct BillWritten {
    #[tag]
    order: OrderId,
}

/// The printer of bills, which may be broken.
#[derive(Default)]
struct Printer {
    broken: AtomicBool,
}

#[derive(Debug, Error)]
#[error("the printer is broken")]
struct Broken;

#[handler(retry = 1)]
async fn write_bill(message: OrderPlaced, Dep(printer): Dep<Printer>) -> Result<BillWritten, Broken> {
    match printer.broken.load(Ordering::Relaxed) {
        true => Err(Broken),
        false => Ok(BillWritten { order: message.order }),
    }
}

/// Orders, billing and a recorder in one node.
pub(crate) struct Shop {
    pub(crate) node: Node,
    services: Vec<Service>,
    printer: Arc<Printer>,
}

impl Shop {
    pub(crate) async fn open() -> Self {
        Self::open_on(|_| Arc::new(MemoryStore::new())).await
    }

    /// With a store of each name.
    pub(crate) async fn open_on(store: impl Fn(&str) -> Arc<dyn EventStore>) -> Self {
        let printer = Arc::new(Printer::default());
        let broker_store = store("broker");
        let world = world();
        let broker = EmbeddedBroker::new(Arc::clone(&broker_store), Arc::clone(&world.clock));
        let place = |name| Place {
            store: store(name),
            transport: Arc::new(broker.clone()),
            world: world.clone(),
            journal: None,
        };
        let quick = Backoff {
            first: Duration::from_millis(5),
            ..Backoff::default()
        };
        let orders = Service::builder("orders")
            .command::<PlaceOrder>()
            .command::<Cancel>();
        let billing = Service::builder("billing")
            .handler::<OrderPlaced>()
            .listens_to("orders")
            .provide(printer.clone());
        let orders = orders.backoff(quick).start(place("orders")).await.unwrap();
        let billing = billing.backoff(quick).start(place("billing")).await.unwrap();
        let recorder = Service::builder("recorder")
            .records_everything()
            .start(place("recorder"))
            .await
            .unwrap();
        let services = vec![orders.clone(), billing.clone(), recorder.clone()];
        let extend = |api: annals_server::Api| {
            api.metrics(Metrics::install().unwrap())
                .serve(orders)
                .serve(billing)
                .serve(recorder)
                .show("broker", broker_store)
        };
        Self {
            node: Node::with(extend, ServerOptions::default()).await,
            services,
            printer,
        }
    }

    /// Stops the node and its services, and lets go of their stores.
    pub(crate) async fn close(self) {
        self.node.server.shutdown().await;
        for service in &self.services {
            service.stop().await;
        }
    }

    /// Another node, that hosts nothing but billing.
    pub(crate) async fn billing_alone(&self) -> Node {
        let billing = self.services[1].clone();
        Node::with(|api| api.serve(billing), ServerOptions::default()).await
    }

    pub(crate) fn break_printer(&self, broken: bool) {
        self.printer.broken.store(broken, Ordering::Relaxed);
    }

    pub(crate) async fn post(&self, path: &str, headers: &[(&str, &str)], body: serde_json::Value) -> Got {
        let headers = [&[("content-type", "application/json")], headers].concat();
        self.node
            .ask(axum::http::Method::POST, path, &headers, &body.to_string())
            .await
    }

    pub(crate) async fn place(&self, order: &str, total: u32) -> Got {
        self.post(
            "/services/orders/commands/orders.place",
            &[],
            json!({ "order": order, "total": total }),
        )
        .await
    }

    pub(crate) async fn cancel(&self, order: &str) -> Got {
        self.post(
            "/services/orders/commands/orders.cancel",
            &[],
            json!({ "order": order }),
        )
        .await
    }

    /// Asks until the answer is as wanted.
    pub(crate) async fn until(&self, path: &str, wanted: impl Fn(&Got) -> bool) -> Got {
        for _ in 0..400 {
            let got = self.node.get(path).await;
            if wanted(&got) {
                return got;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("{path} never was as wanted: {}", self.node.get(path).await.text());
    }
}
