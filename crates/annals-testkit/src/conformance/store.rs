//! What every event store keeps, whatever is behind it.
//!
//! In: a way to make an empty store that takes its times from a given clock. Out: nothing, or a panic that names the
//! cases that failed. Nothing here knows a particular store; whatever the port promises has a case below.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use annals_core::port::store::{BoxFuture, EventStore};
use annals_core::time::Clock;

mod kit;
mod appends;
mod conditions;
mod repeats;
mod reads;
mod answers;

pub use kit::{ManualClock, Rig};

/// One promise, tested.
#[derive(Clone, Copy)]
pub struct Case {
    /// What it is called in reports.
    pub name: &'static str,
    test: fn(Rig) -> BoxFuture<'static, ()>,
}

macro_rules! cases {
    ($($module:ident::$name:ident),* $(,)?) => {
        /// Every case.
        pub const CASES: &[Case] = &[$(Case {
            name: concat!(stringify!($module), "::", stringify!($name)),
            test: |rig| Box::pin($module::$name(rig)),
        }),*];
    };
}

cases![
    appends::positions_are_dense_from_zero,
    appends::everything_an_event_carries_comes_back,
    appends::an_append_is_side_by_side,
    appends::nothing_to_append_is_refused,
    appends::what_breaks_a_limit_is_refused_and_leaves_nothing,
    appends::the_largest_that_is_allowed_is_taken,
    appends::many_callers_get_different_positions,
    appends::a_dropped_future_harms_nobody,
    appends::recorded_time_never_decreases,
    conditions::the_second_to_say_never_before_loses,
    conditions::what_the_caller_knew_is_no_conflict,
    conditions::the_first_event_in_the_way_is_named,
    conditions::only_what_matches_all_of_an_item_conflicts,
    conditions::any_item_can_conflict,
    conditions::every_event_conflicts_with_a_query_for_all,
    conditions::a_correlation_can_conflict,
    conditions::a_bound_beyond_the_end_holds,
    conditions::a_tag_stands_where_it_stands,
    conditions::a_mark_is_what_it_is,
    conditions::all_must_hold_and_the_failed_one_is_numbered,
    conditions::a_lost_race_leaves_nothing,
    conditions::one_of_many_racers_wins,
    conditions::racers_on_a_revision_win_in_turn,
    conditions::racers_on_a_mark_win_once,
    conditions::terms_nobody_appends_do_not_disturb,
    repeats::the_same_append_has_one_effect,
    repeats::a_repeat_needs_no_conditions,
    repeats::a_repeat_sets_no_marks,
    repeats::part_of_an_append_is_a_repeat,
    repeats::other_content_under_a_known_id_is_refused,
    repeats::known_ids_in_other_company_are_refused,
    repeats::racing_repeats_have_one_effect,
    reads::an_empty_store_answers,
    reads::pages_follow_each_other_forward,
    reads::pages_follow_each_other_backward,
    reads::a_range_bounds_the_answer,
    reads::a_page_is_bounded_in_bytes_and_never_empty,
    reads::a_page_moves_on_where_nothing_matches,
    reads::types_tags_and_correlation_select,
    reads::any_query_equals_a_filter,
    reads::walking_in_pages_equals_a_filter,
    answers::a_tag_counts_its_revisions,
    answers::a_moment_has_an_end,
    answers::types_are_counted_by_name,
    answers::marks_are_set_overwritten_and_removed,
    answers::marks_are_listed_by_prefix,
    answers::marks_and_events_of_an_append_come_together,
    answers::the_end_moves_with_events_and_not_with_marks,
    answers::a_follower_sees_everything_once,
];

/// Runs every case, each on a store of its own, and reports all that failed.
///
/// # Panics
/// If any case failed; the message names them.
pub fn run(make_store: impl Fn(Arc<dyn Clock>) -> Arc<dyn EventStore>) {
    let failed: Vec<_> = CASES
        .iter()
        .filter(|case| !passes(case, &make_store))
        .map(|case| case.name)
        .collect();
    assert!(
        failed.is_empty(),
        "{} of {} cases failed: {failed:?}",
        failed.len(),
        CASES.len()
    );
}

fn passes(case: &Case, make_store: impl Fn(Arc<dyn Clock>) -> Arc<dyn EventStore>) -> bool {
    let clock = Arc::new(ManualClock::default());
    let rig = Rig {
        store: make_store(clock.clone()),
        clock,
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("the system gives a thread-local runtime");
    let passed = catch_unwind(AssertUnwindSafe(|| {
        runtime.block_on(within_deadline((case.test)(rig)))
    }))
    .is_ok();
    if !passed {
        eprintln!("case {} failed", case.name);
    }
    passed
}

async fn within_deadline(test: BoxFuture<'static, ()>) {
    let ended = tokio::time::timeout(std::time::Duration::from_secs(60), test).await;
    assert!(ended.is_ok(), "expected an end within a minute");
}
