//! Faults: which there are, in which order a seed deals them, and what each does and undoes.
//!
//! Invariant: when a fault has been inflicted everything runs again, and the way to the broker is clear.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use annals_testkit::proxy::{Proxy, Way, Weather};
use annals_testkit::seed::Seed;

use crate::town::{PARTS, PROVIDER, Town, services};

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Cut,
    HalfOpen,
    Delayed,
    Slow,
    ResetInFrame,
    StalledToServer,
    StalledToClient,
    DamagedToServer,
    DamagedToClient,
    BrokerKilled,
    BrokerPaused,
    BrokerRestarted,
    BrokerFull,
    PartKilled,
    PartPaused,
    PartRestarted,
    ProviderKilled,
    ProviderPaused,
    ClockAhead,
    ClockBehind,
}

const ALL: [Fault; 20] = [
    Fault::Cut,
    Fault::HalfOpen,
    Fault::Delayed,
    Fault::Slow,
    Fault::ResetInFrame,
    Fault::StalledToServer,
    Fault::StalledToClient,
    Fault::DamagedToServer,
    Fault::DamagedToClient,
    Fault::BrokerKilled,
    Fault::BrokerPaused,
    Fault::BrokerRestarted,
    Fault::BrokerFull,
    Fault::PartKilled,
    Fault::PartPaused,
    Fault::PartRestarted,
    Fault::ProviderKilled,
    Fault::ProviderPaused,
    Fault::ClockAhead,
    Fault::ClockBehind,
];

impl Fault {
    /// What the network does meanwhile, where this is the fault.
    fn weather(self) -> Option<Weather> {
        Some(match self {
            Self::Cut => Weather::Cut,
            Self::HalfOpen => Weather::HalfOpen,
            Self::Delayed => Weather::Delayed(Duration::from_millis(150)),
            Self::Slow => Weather::Slow(8 << 10),
            Self::ResetInFrame => Weather::ResetInFrame,
            Self::StalledToServer => Weather::Stalled(Way::ToServer),
            Self::StalledToClient => Weather::Stalled(Way::ToClient),
            Self::DamagedToServer => Weather::Damaged(Way::ToServer),
            Self::DamagedToClient => Weather::Damaged(Way::ToClient),
            _ => return None,
        })
    }
}

/// What there is to break.
pub(super) struct Scene<'a> {
    pub(super) server: &'static str,
    pub(super) proxy: &'a Proxy,
    pub(super) town: &'a mut Town,
    /// The number of the next order.
    pub(super) next: &'a AtomicU64,
}

/// Deals faults: every kind once before any comes again.
pub(super) struct Faults {
    seed: Seed,
    /// Says after each fault how long it took until work went on.
    watch: bool,
    kinds: Vec<Fault>,
    hand: Vec<Fault>,
}

impl Faults {
    pub(super) fn new(seed: Seed, server: &str, watch: bool) -> Self {
        let only = std::env::var("ANNALS_CHAOS_ONLY").unwrap_or_default();
        let asked = |fault: &Fault| only.is_empty() || only.split(',').any(|one| one == format!("{fault:?}"));
        let possible = |fault: &Fault| asked(fault) && (*fault != Fault::BrokerFull || server == "rabbitmq");
        Self {
            seed,
            watch,
            kinds: ALL.into_iter().filter(possible).collect(),
            hand: Vec::new(),
        }
    }

    /// One fault after the other, with a moment between them, until there were so many and so much time has passed.
    /// Answers how many there were.
    pub(super) fn inflict(&mut self, faults: u64, time: Duration, mut scene: Scene<'_>) -> u64 {
        let (first, mut number) = (Instant::now(), 0);
        while number < faults || first.elapsed() < time {
            number += 1;
            let fault = self.deal();
            // Most are over before anybody gives up waiting; some are not.
            let most = if self.seed.below(6) == 0 { 12_000 } else { 3_000 };
            let time = Duration::from_millis(200 + self.seed.below(most));
            let part = PARTS[self.seed.below(PARTS.len() as u64) as usize];
            let began = Instant::now();
            scene.suffer(fault, part, time);
            println!(
                "  {number} {fault:?} {part} for {:.1} s",
                began.elapsed().as_secs_f64()
            );
            if self.watch {
                println!("    work went on after {:.1} s", scene.resumed().as_secs_f64());
            }
            std::thread::sleep(Duration::from_millis(200 + self.seed.below(1_500)));
        }
        number
    }

    fn deal(&mut self) -> Fault {
        if self.hand.is_empty() {
            self.hand = self.kinds.clone();
        }
        let chosen = self.seed.below(self.hand.len() as u64) as usize;
        self.hand.swap_remove(chosen)
    }
}

impl Scene<'_> {
    /// Inflicts a fault, waits, and undoes it. The part is the one that suffers where a part does.
    fn suffer(&mut self, fault: Fault, part: &'static str, time: Duration) {
        let wait = || std::thread::sleep(time);
        if let Some(weather) = fault.weather() {
            self.proxy.set(weather);
            wait();
            self.proxy.set(Weather::Clear);
            return;
        }
        match fault {
            Fault::BrokerKilled => self.broker("kill", "up", time),
            Fault::BrokerPaused => self.broker("pause", "resume", time),
            Fault::BrokerRestarted => self.broker("down", "up", time),
            Fault::BrokerFull => self.broker("fill", "free", time),
            Fault::PartKilled => self.killed(part, time),
            Fault::PartPaused => self.paused(part, time),
            Fault::ProviderKilled => self.killed(PROVIDER, time),
            Fault::ProviderPaused => self.paused(PROVIDER, time),
            Fault::ClockAhead => self.clock(part, 3_600, time),
            Fault::ClockBehind => self.clock(part, -3_600, time),
            Fault::PartRestarted => {
                self.town.stop(part);
                self.town.start(part);
            }
            _ => unreachable!("the weather was dealt with"),
        }
    }

    /// How long it takes until an order that is placed now is shipped; or cancelled, where nobody was paid in time.
    fn resumed(&self) -> Duration {
        let began = Instant::now();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.town.order(number);
        self.town.ended(number);
        began.elapsed()
    }

    fn broker(&self, verb: &str, undo: &str, time: Duration) {
        services(verb, self.server);
        std::thread::sleep(time);
        services(undo, self.server);
    }

    fn killed(&mut self, part: &'static str, time: Duration) {
        self.town.kill(part);
        std::thread::sleep(time);
        self.town.start(part);
    }

    fn paused(&self, part: &str, time: Duration) {
        self.town.pause(part, true);
        std::thread::sleep(time);
        self.town.pause(part, false);
    }

    fn clock(&self, part: &str, seconds: i64, time: Duration) {
        self.town.set_clock(part, seconds);
        std::thread::sleep(time);
        self.town.set_clock(part, 0);
    }
}
