//! Cases that need time and disturb nobody, all at once on one server: most of them wait, and waits may overlap.
//!
//! `ANNALS_CASE` names the only one to run.

use std::time::Instant;

use tokio::task::JoinSet;

use super::{members, roads, service, strangers};

/// Writes the list: what each case is called, and what it runs.
macro_rules! together {
    ($($module:ident::$case:ident)*) => {
        /// Every case of the list, side by side. Each that fails is named.
        pub(super) async fn together(server: &'static str) {
            let only = std::env::var("ANNALS_CASE").ok();
            let mut running = JoinSet::new();
            $(
                if only.as_deref().is_none_or(|only| only == stringify!($case)) {
                    // Apart, so that one that panics is not the end of the others.
                    let case = tokio::spawn($module::$case(server));
                    running.spawn(async move { (stringify!($case), case.await) });
                }
            )*
            let (began, mut failed) = (Instant::now(), Vec::new());
            assert!(!running.is_empty(), "there is no case {only:?}");
            while let Some(ended) = running.join_next().await {
                let (name, ended) = ended.unwrap();
                println!("{server}: {name} ended after {:.1} s", began.elapsed().as_secs_f64());
                if let Err(error) = ended {
                    failed.push(format!("{name}: {error}"));
                }
            }
            assert!(failed.is_empty(), "{server}: {failed:#?}");
        }
    };
}

together! {
    members::come_and_go
    members::revoked
    members::slow
    roads::not_there_yet
    roads::bad_weather
    roads::dropped
    service::tried_parked_and_requeued
    service::blocked_over_a_crash
    service::drained
    service::asked_and_absent
    strangers::wrong_password
    strangers::not_tried_over_and_over
}
