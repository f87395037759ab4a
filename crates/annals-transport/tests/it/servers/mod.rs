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
mod refusals;

/// The cases on one server. Those in brackets open what they need themselves.
macro_rules! on_server {
    ($server:ident, $claimed:path, $mark:literal) => {
        mod $server {
            const SERVER: &str = stringify!($server);

            on_server! {
                @cases $claimed, $mark;
                round_trip several_on_their_way groups unsettled retry nobody_there refused topology broadcast two_of_a_group published_twice out_of_turn backlog
                replay exact_dedupe parking
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

mod embedded {
    const SERVER: &str = "embedded";
    const CASES: &[&str] = &[
        "round_trip",
        "several_on_their_way",
        "groups",
        "unsettled",
        "retry",
        "nobody_there",
        "refused",
        "topology",
        "broadcast",
        "two_of_a_group",
        "published_twice",
        "out_of_turn",
        "backlog",
        "replay",
        "exact_dedupe",
        "parking",
        "every_topic",
        "waiting",
        "killed",
    ];

    macro_rules! cases {
        ($($case:ident)*) => {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $case() {
                    super::cases::$case(super::kit::open(SERVER, stringify!($case))).await;
                }
            )*
        };
    }

    cases! {
        round_trip several_on_their_way groups unsettled retry nobody_there refused topology broadcast two_of_a_group published_twice
        out_of_turn backlog replay exact_dedupe parking
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn every_topic() {
        super::cases::every_topic(SERVER).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn waiting() {
        super::waiting::waiting(super::kit::open(SERVER, "waiting")).await;
    }

    /// Nothing is closed in order: the store is left as it is, and opened by another broker.
    #[tokio::test(flavor = "multi_thread")]
    async fn killed() {
        use super::kit::{apart, embedded_in, join, number_of, publish, take_and_settle};
        let folder = tempfile::tempdir().unwrap();
        let first = embedded_in(folder.path());
        publish(&*first, apart(0..50)).await;
        let mut consumer = join(&*first, "one").await;
        let before = take_and_settle(&mut *consumer, 20).await;
        drop((consumer, first));
        let second = embedded_in(folder.path());
        let mut consumer = join(&*second, "one").await;
        let after = take_and_settle(&mut *consumer, 30).await;
        let mut numbers: Vec<u64> = before.iter().chain(&after).map(number_of).collect();
        numbers.sort_unstable();
        assert!(numbers.into_iter().eq(0..50));
    }

    #[test]
    fn every_claim_is_tested() {
        let claimed = super::kit::embedded().capabilities();
        super::claims::assert_tested(SERVER, claimed, CASES);
    }
}
