//! What a transport claims to be able to do is tested on its server, or this fails.

use annals_core::port::transport::Capabilities;

/// The cases that prove what is claimed.
pub(super) fn proofs(claimed: Capabilities) -> Vec<(&'static str, &'static str)> {
    // Named one by one: a new capability does not compile until somebody says what proves it.
    let Capabilities {
        replay,
        exact_dedupe,
        partition_order,
        every_topic,
        late_groups,
        parks,
        broadcast,
        window,
        stored_means,
    } = claimed;
    let claims = [
        ("replay", replay, "replay"),
        ("exact_dedupe", exact_dedupe, "exact_dedupe"),
        ("partition_order", partition_order, "round_trip"),
        ("partition_order", partition_order, "two_of_a_group"),
        ("every_topic", every_topic, "every_topic"),
        ("late_groups", late_groups, "nobody_there"),
        ("parks", parks, "parking"),
        ("broadcast", broadcast, "broadcast"),
        ("window", window > 0, "several_on_their_way"),
        ("stored_means", !stored_means.is_empty(), "killed"),
    ];
    let claims = claims.into_iter().filter(|(_, claimed, _)| *claimed);
    claims.map(|(name, _, case)| (name, case)).collect()
}

pub(super) fn assert_tested(server: &str, claimed: Capabilities, cases: &[&str]) {
    for (name, case) in proofs(claimed) {
        assert!(
            cases.contains(&case),
            "{server} claims {name}, and no case `{case}` is run on it; there are {cases:?}"
        );
    }
}
