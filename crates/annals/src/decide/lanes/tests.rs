use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

fn tags(names: &[&str]) -> Vec<Tag> {
    names.iter().map(|name| Tag::of("key", name).unwrap()).collect()
}

/// Polls once and says whether it is ready.
async fn is_ready<T>(future: &mut (impl Future<Output = T> + Unpin)) -> bool {
    tokio::select! {
        biased;
        _ = future => true,
        () = std::future::ready(()) => false,
    }
}

#[tokio::test]
async fn who_shares_a_key_waits_and_others_do_not() {
    let lanes = Lanes::default();
    let first = lanes.hold(tags(&["a", "b", "a"])).await;
    assert_eq!(lanes.len(), 2);
    let mut second = Box::pin(lanes.hold(tags(&["b", "c"])));
    assert!(!is_ready(&mut second).await);
    drop(lanes.hold(tags(&["d"])).await);
    drop(first);
    drop(second.await);
    assert!(lanes.is_empty(), "{} keys are left", lanes.len());
}

#[tokio::test]
async fn who_leaves_the_line_leaves_nothing_behind() {
    let lanes = Lanes::default();
    let first = lanes.hold(tags(&["a"])).await;
    let mut second = Box::pin(lanes.hold(tags(&["0", "a"])));
    assert!(!is_ready(&mut second).await);
    // The one in front goes first, then the one who waits gives up.
    drop(first);
    drop(second);
    assert!(lanes.is_empty(), "{} keys are left", lanes.len());
    drop(lanes.hold(tags(&["a"])).await);
}

#[tokio::test]
async fn keys_in_any_order_never_wait_for_each_other_for_ever() {
    let lanes = Lanes::default();
    let inside = Arc::new(AtomicUsize::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for number in 0..60 {
        let (lanes, inside) = (lanes.clone(), Arc::clone(&inside));
        let keys = [["a", "b"], ["b", "a"], ["b", "c"]][number % 3];
        tasks.spawn(async move {
            let _held = lanes.hold(tags(&keys)).await;
            assert_eq!(
                inside.fetch_add(1, Ordering::SeqCst),
                0,
                "all of them share the key b"
            );
            tokio::task::yield_now().await;
            inside.fetch_sub(1, Ordering::SeqCst);
        });
    }
    tasks.join_all().await;
    assert!(lanes.is_empty());
}
