//! `/metrics`: what the whole process counted, in the text format of Prometheus.
//!
//! In: everything recorded through the `metrics` facade, and gauges that are sampled when somebody looks. Out: text.
//! Labels name services, types, subscriptions and routes, never an entity, an event or a request.

use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use ::metrics::{Unit, describe_counter, describe_gauge, describe_histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;

/// Live streams that are open.
pub const SSE_CLIENTS: &str = "annals_sse_clients";
/// Requests answered, by route, method and status.
pub const HTTP_REQUESTS: &str = "annals_http_requests_total";
/// Time from the head of a request to the head of its answer, by route.
pub const HTTP_DURATION: &str = "http_server_request_duration_seconds";
/// Connections that are open.
pub const HTTP_CONNECTIONS: &str = "annals_http_connections";

/// Bounds of the buckets of every histogram in seconds.
const SECONDS: [f64; 14] = [
    0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0,
];
/// Bounds for what takes microseconds: appends and flushes.
const SHORT_SECONDS: [f64; 12] = [
    0.000_05, 0.000_1, 0.000_2, 0.000_5, 0.001, 0.002_5, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0,
];

/// How often what histograms gathered is folded.
const UPKEEP: std::time::Duration = std::time::Duration::from_secs(5);

static INSTALLED: OnceLock<Metrics> = OnceLock::new();

/// Why nothing is counted.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum MetricsError {
    /// Another recorder was installed before; `/metrics` would be empty. Install this one first.
    #[error("another metrics recorder is installed in this process already")]
    Taken,
    /// The recorder could not be built.
    #[error("the metrics recorder could not be built: {0}")]
    Build(String),
}

/// The counts of this process.
#[derive(Clone)]
pub struct Metrics {
    handle: PrometheusHandle,
    samplers: Arc<Mutex<Vec<Sampler>>>,
}

type Sampler = Box<dyn Fn() + Send>;

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Metrics {
    /// Installs the recorder of this process; later calls give the same one.
    ///
    /// # Errors
    /// [`MetricsError`]; the process works without metrics.
    pub fn install() -> Result<Self, MetricsError> {
        static ONE: Mutex<()> = Mutex::new(());
        let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(installed) = INSTALLED.get() {
            return Ok(installed.clone());
        }
        let built = |error: metrics_exporter_prometheus::BuildError| MetricsError::Build(error.to_string());
        let ending = |name: &str| Matcher::Suffix(name.to_owned());
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(ending("_duration_seconds"), &SECONDS)
            .and_then(|builder| {
                builder.set_buckets_for_metric(
                    Matcher::Full("annals_append_duration_seconds".into()),
                    &SHORT_SECONDS,
                )
            })
            .and_then(|builder| {
                builder.set_buckets_for_metric(
                    Matcher::Full("annals_fsync_duration_seconds".into()),
                    &SHORT_SECONDS,
                )
            })
            .map_err(built)?
            .build_recorder();
        let metrics = Self {
            handle: recorder.handle(),
            samplers: Arc::default(),
        };
        ::metrics::set_global_recorder(recorder).map_err(|_| MetricsError::Taken)?;
        describe();
        ::metrics::gauge!("annals_build_info", "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        keep_up(metrics.handle.clone())?;
        Ok(INSTALLED.get_or_init(|| metrics).clone())
    }

    /// Calls this before every answer, to set gauges such as a subscription's lag.
    pub fn sample(&self, sampler: impl Fn() + Send + 'static) {
        self.samplers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(Box::new(sampler));
    }

    /// The text that `/metrics` answers.
    pub fn render(&self) -> String {
        self.samplers
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .iter()
            .for_each(|sampler| sampler());
        self.handle.render()
    }
}

/// Folds what histograms gather, now and then, so that they do not grow when nobody looks.
fn keep_up(handle: PrometheusHandle) -> Result<(), MetricsError> {
    let upkeep = move || loop {
        std::thread::sleep(UPKEEP);
        handle.run_upkeep();
    };
    let thread = std::thread::Builder::new()
        .name("annals-metrics".into())
        .spawn(upkeep);
    thread
        .map(drop)
        .map_err(|error| MetricsError::Build(error.to_string()))
}

fn describe_messages() {
    describe_counter!(
        "annals_inbox_copied_total",
        "Deliveries of a broker that were copied, duplicates included"
    );
    describe_counter!(
        "annals_inbox_duplicates_total",
        "Deliveries of a broker that were there already"
    );
    describe_gauge!(
        "annals_inbox_backlog_messages",
        "Messages that waited at the broker when the inbox last heard nothing"
    );
    describe_counter!(
        "annals_inbox_subscriptions_rebuilt_total",
        "Subscriptions that were opened anew because nothing came"
    );
    describe_counter!(
        "annals_message_attempts_failed_total",
        "Attempts at a message that failed"
    );
    describe_counter!("annals_messages_parked_total", "Messages that were put aside");
    describe_counter!(
        "annals_messages_undecodable_total",
        "Messages that could not be read, kept as bytes"
    );
    describe_counter!(
        "annals_relay_refused_total",
        "Messages that a broker will never take"
    );
}

fn describe_decisions() {
    describe_counter!(
        "annals_commands_total",
        "Commands, by service, command and outcome"
    );
    describe_histogram!(
        "annals_command_duration_seconds",
        Unit::Seconds,
        "Time to carry out a command"
    );
    describe_counter!("annals_conflicts_total", "Races that commands lost, by service");
    describe_counter!(
        "annals_snapshots_written_total",
        "States that were kept as snapshots, by service and model"
    );
    describe_counter!(
        "annals_snapshots_wrong_total",
        "Snapshots that were passed over, by service, model and reason; the events were folded instead"
    );
    describe_counter!(
        "annals_snapshots_skipped_total",
        "States that were not kept, by service, model and reason"
    );
}

/// Describes every metric of annals to whatever recorder is installed.
pub fn describe() {
    describe_decisions();
    describe_messages();
    describe_gauge!("annals_build_info", "The version of the running program");
    describe_gauge!(
        "annals_log_head_position",
        "The position the next event will get, by service"
    );
    describe_counter!(
        "annals_events_appended_total",
        "Events appended, by service and type"
    );
    describe_histogram!(
        "annals_append_duration_seconds",
        Unit::Seconds,
        "Time from an append to its acknowledgement"
    );
    describe_histogram!(
        "annals_fsync_duration_seconds",
        Unit::Seconds,
        "Time of one flush"
    );
    describe_gauge!(
        "annals_subscription_position",
        "Everything before this position is dealt with"
    );
    describe_gauge!(
        "annals_subscription_lag_events",
        "Positions between a subscription and the end"
    );
    describe_gauge!(
        "annals_subscription_lag_seconds",
        Unit::Seconds,
        "Age of the first event not dealt with"
    );
    describe_counter!(
        "annals_subscription_handled_total",
        "Events and messages dealt with, by outcome"
    );
    describe_gauge!(
        "annals_parked_messages",
        "Messages that were put aside, by service"
    );
    describe_gauge!(
        "annals_rebuild_progress_ratio",
        "How much of a rebuild is done, 0 to 1"
    );
    describe_gauge!("annals_store_size_bytes", Unit::Bytes, "Size of a store on disk");
    describe_counter!(
        "annals_journal_dropped_total",
        "Journal entries that were not kept"
    );
    describe_gauge!(SSE_CLIENTS, "Live streams that are open");
    describe_gauge!(HTTP_CONNECTIONS, "Connections that are open");
    describe_counter!(HTTP_REQUESTS, "Requests answered, by route, method and status");
    describe_histogram!(
        HTTP_DURATION,
        Unit::Seconds,
        "Time to the head of the answer, by route"
    );
}
