//! What every transport keeps, on its real server: the same cases for all, in a namespace of their own. The embedded broker
//! is one of them and needs no server; what it keeps beyond that is tested elsewhere.
//!
//! The server is named by a variable such as `ANNALS_KAFKA_URL`; killing it needs the project's own command, named by
//! `ANNALS_XTASK`. Modules are listed lowest first.

mod kit;
mod claims;
mod cases;
mod foreign;
mod waiting;
mod killed;
mod members;
mod service;
mod roads;
mod strangers;
mod together;
mod refusals;

/// Writes a module with every case for one transport: how it is called, what it claims, and its mark if it needs a server.
macro_rules! on_server {
    ($server:ident, $claimed:expr, $mark:literal) => {
        on_server! { @module $server $claimed, [#[ignore = $mark]]
            [foreign::foreign roads::paused together::together] }
    };
    ($server:ident, $claimed:expr) => {
        on_server! { @module $server $claimed, [] [] }
    };
    (@module $server:ident $claimed:expr, $mark:tt $own:tt) => {
        mod $server {
            const SERVER: &str = stringify!($server);

            on_server! { @cases $mark $own [
                cases::round_trip cases::bundles cases::several_on_their_way cases::groups cases::unsettled cases::retry cases::nobody_there
                cases::refused cases::topology cases::broadcast cases::two_of_a_group cases::published_twice cases::out_of_turn
                cases::backlog cases::replay cases::exact_dedupe cases::parking cases::every_topic waiting::waiting
                killed::killed killed::killed_while_empty
            ] }

            #[test]
            fn every_claim_is_tested() {
                super::claims::assert_tested(SERVER, $claimed, CASES);
            }
        }
    };
    (@cases $mark:tt [$($own_module:ident::$own:ident)*] [$($module:ident::$case:ident)*]) => {
        const CASES: &[&str] = &[$(stringify!($own),)* $(stringify!($case),)*];

        $(on_server! { @case $mark $own_module $own })*
        $(on_server! { @case $mark $module $case })*
    };
    (@case [$($mark:tt)*] $module:ident $case:ident) => {
        #[tokio::test(flavor = "multi_thread")]
        $($mark)*
        async fn $case() {
            super::$module::$case(SERVER).await;
        }
    };
}

on_server!(
    rabbitmq,
    annals_transport::rabbitmq::CAPABILITIES,
    "broker: rabbitmq: needs the server"
);
on_server!(
    kafka,
    annals_transport::kafka::CAPABILITIES,
    "broker: kafka: needs the server"
);
on_server!(
    activemq,
    annals_transport::activemq::CAPABILITIES,
    "broker: activemq: needs the server"
);
on_server!(
    artemis,
    annals_transport::activemq::CAPABILITIES,
    "broker: artemis: needs the server"
);
on_server!(
    nats,
    annals_transport::nats::CAPABILITIES,
    "broker: nats: needs the server"
);
on_server!(embedded, super::kit::embedded().capabilities());
