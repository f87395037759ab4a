use super::*;

fn owned(lanes: &Lanes, consumer: ConsumerId) -> Vec<usize> {
    lanes.of(consumer).collect()
}

#[test]
fn a_key_has_the_same_lane_for_ever() {
    // Written down so that a change of the function is seen: it would reorder messages.
    let found: Vec<_> = ["order:1", "order:2", "sku:A-7", ""]
        .map(|key| lane_of(key.as_bytes()))
        .into();
    assert_eq!(found, EXPECTED_LANES);
}

const EXPECTED_LANES: [usize; 4] = [13, 0, 32, 1];

#[test]
fn keys_spread_over_the_lanes() {
    let mut counts = [0_usize; LANES];
    for number in 0..6_400 {
        counts[lane_of(format!("order:{number}").as_bytes())] += 1;
    }
    assert!(
        counts.iter().all(|count| (50..=160).contains(count)),
        "{counts:?}"
    );
}

#[test]
fn lanes_are_shared_evenly_and_few_move() {
    let mut lanes = Lanes::new();
    let a = lanes.join();
    assert_eq!(owned(&lanes, a).len(), 64);
    let b = lanes.join();
    let of_b = owned(&lanes, b);
    assert_eq!((owned(&lanes, a).len(), of_b.len()), (32, 32));
    let c = lanes.join();
    let shares = [a, b, c].map(|id| owned(&lanes, id).len());
    assert_eq!(shares.iter().sum::<usize>(), 64);
    assert!(shares.iter().all(|share| (21..=22).contains(share)), "{shares:?}");
    assert!(
        owned(&lanes, b).iter().all(|lane| of_b.contains(lane)),
        "a lane moved without need"
    );
    lanes.leave(b);
    assert_eq!([a, b, c].map(|id| owned(&lanes, id).len()), [32, 0, 32]);
    lanes.leave(a);
    lanes.leave(c);
    assert_eq!(lanes.consumers(), 0);
    let d = lanes.join();
    assert_eq!(owned(&lanes, d).len(), 64);
}

#[test]
fn more_consumers_than_lanes_stand_by() {
    let mut lanes = Lanes::new();
    let ids: Vec<_> = (0..70).map(|_| lanes.join()).collect();
    let shares: Vec<_> = ids.iter().map(|id| owned(&lanes, *id).len()).collect();
    assert_eq!(shares.iter().sum::<usize>(), 64);
    assert!(shares.iter().all(|share| *share <= 1));
}

#[test]
fn a_lane_in_hand_moves_only_when_it_is_idle_and_gets_a_new_generation() {
    let mut lanes = Lanes::new();
    let a = lanes.join();
    for lane in 0..LANES {
        lanes.take(lane);
    }
    assert_eq!(lanes.in_hand(a), 64);
    let b = lanes.join();
    assert_eq!(owned(&lanes, b), Vec::<usize>::new());
    assert_eq!(
        owned(&lanes, a).len(),
        32,
        "nothing more is handed out of lanes that are to move"
    );
    let moving: Vec<_> = (0..LANES)
        .filter(|lane| !owned(&lanes, a).contains(lane))
        .collect();
    let before = lanes.generation(moving[0]);
    lanes.give(moving[0]);
    assert_eq!(owned(&lanes, b), [moving[0]]);
    assert_eq!(lanes.generation(moving[0]), before + 1);
    lanes.leave(a);
    assert_eq!(
        owned(&lanes, b),
        [moving[0]],
        "what a left in hand holds its lanes"
    );
    for lane in (0..LANES).filter(|lane| *lane != moving[0]) {
        lanes.give(lane);
    }
    assert_eq!(owned(&lanes, b).len(), 64);
}
