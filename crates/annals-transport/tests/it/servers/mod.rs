//! What every transport keeps on its real server: the same cases for all, in a namespace of their own.
//!
//! The server is named by a variable such as `ANNALS_KAFKA_URL`; killing it needs the project's own command, named by
//! `ANNALS_XTASK`. Modules are listed lowest first.

mod kit;
mod claims;
mod cases;
mod foreign;
mod waiting;
mod killed;
mod refusals;

/// The cases on one server. Those in brackets open what they need themselves.
macro_rules! on_server {
    ($server:ident, $claimed:path, $mark:literal) => {
        mod $server {
            const SERVER: &str = stringify!($server);

            on_server! {
                @cases $claimed, $mark;
                round_trip groups unsettled retry nobody_there refused topology broadcast two_of_a_group published_twice out_of_turn backlog
            }
        }
    };
    (@cases $claimed:path, $mark:literal; $($case:ident)*) => {
        const CASES: &[&str] = &[$(stringify!($case),)* "every_topic", "foreign", "waiting", "killed"];

        $(
            #[tokio::test(flavor = "multi_thread")]
            #[ignore = $mark]
            async fn $case() {
                super::cases::$case(super::kit::open(SERVER, stringify!($case))).await;
            }
        )*

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = $mark]
        async fn every_topic() {
            super::cases::every_topic(SERVER).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = $mark]
        async fn foreign() {
            super::foreign::foreign(SERVER).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = $mark]
        async fn waiting() {
            super::waiting::waiting(super::kit::open(SERVER, "waiting")).await;
        }

        #[tokio::test(flavor = "multi_thread")]
        #[ignore = $mark]
        async fn killed() {
            super::killed::killed(super::kit::open(SERVER, "killed"), SERVER).await;
        }

        #[test]
        fn every_claim_is_tested() {
            super::claims::assert_tested(SERVER, $claimed, CASES);
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
