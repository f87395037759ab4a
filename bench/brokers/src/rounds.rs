//! The rounds of one broker: every measurement once per round, one after the other, annals and the bare client by turns.
//!
//! In: a broker. Out: the figures of all rounds. Everything that was published is consumed and compared with what was
//! sent, also where only the publishing is measured.

use std::time::{Duration, Instant};

use annals::core::event::NewEvent;
use annals::core::port::transport::{Message, Published};
use anyhow::{Context, Result, ensure};

use crate::bare::{Bare, Publish};
use crate::delay;
use crate::figures::percentile;
use crate::message::{SENDER, enveloped, events, plain};
use crate::ours::{BATCH_MAX, Ours, RECEIVER};
use crate::publishing;
use crate::taking::{self, Taken};
use crate::verify::verify;

/// What to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Part {
    /// Publishing and taking in.
    Rates,
    /// Taking in and handling.
    Handled,
    /// Delays; needs the others, which say how fast to send.
    Delays,
}

/// How much to measure.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) parts: Vec<Part>,
    pub(crate) rounds: usize,
    /// How long the bare client shall take to publish.
    pub(crate) seconds: f64,
}

/// Messages of a round, at least and at most.
const COUNT: (usize, usize) = (8_000, 300_000);
/// Where the bare client consumes them in less than this, a round has more, but no more than so many times as many.
const CONSUME_MIN: (Duration, f64) = (Duration::from_millis(300), 3.0);
/// Of the messages of a round, so many go through a handler: one of each is a commit of its own.
const HANDLED_PART: usize = 4;
/// The part of the highest rate at which delays are measured.
const DELAY_PART: f64 = 0.1;
/// How long the bare client publishes to find out how many messages make a round.
const PROBE: Duration = Duration::from_millis(1_500);

/// The figures of one round, in messages per second.
#[derive(Debug, Clone, Default)]
pub(crate) struct Round {
    /// The bare client publishes contents alone.
    pub(crate) plain: f64,
    /// The bare client publishes the same messages as annals.
    pub(crate) same: f64,
    /// The relay publishes.
    pub(crate) relay: f64,
    /// The bare client consumes.
    pub(crate) consumed: f64,
    /// A store alone appends what the durable inbox appended, in the same order.
    pub(crate) appended: f64,
    /// A store alone appends the events as they were sent: in order of their ids, with neither origin nor topic.
    pub(crate) appended_as_sent: f64,
    /// The durable inbox copies and settles.
    pub(crate) copied: f64,
    /// Nanoseconds of the processor for each message: bare consuming, the store alone appending, the durable inbox.
    pub(crate) spent: [f64; 3],
    /// A service copies, settles and handles.
    pub(crate) handled: f64,
    /// At this rate the delays were taken.
    pub(crate) delay_rate: f64,
    /// Half of the messages, and 99 of 100, come within so many milliseconds: bare, annals.
    pub(crate) delays: [(f64, f64); 2],
    /// Half of the messages of annals take no longer than this to the log, to the copy, to the handler.
    pub(crate) parts: [f64; 3],
    /// Messages that came twice.
    pub(crate) twice: u64,
}

/// All figures of a broker.
pub(crate) struct Measured {
    pub(crate) server: String,
    /// Messages per round.
    pub(crate) count: usize,
    /// On their way without a confirmation.
    pub(crate) window: usize,
    pub(crate) rounds: Vec<Round>,
}

/// Measures a broker.
pub(crate) async fn measure<B: Bare>(server: &str, broker: &B, ours: &Ours, plan: &Plan) -> Result<Measured> {
    let run = format!("bench-{}", &uuid::Uuid::new_v4().simple().to_string()[..8]);
    let count = fitting(broker, ours, &run, plan).await?;
    eprintln!("{server}: {count} messages a round, window {}", B::WINDOW);
    let mut rounds = Vec::new();
    for number in 0..plan.rounds {
        let name = format!("{run}-{number}");
        let round = round(broker, ours, &name, count, plan, number % 2 == 1).await;
        let round = round.with_context(|| format!("round {number} of {server}"))?;
        eprintln!("{server}: {round:.0?}");
        rounds.push(round);
    }
    Ok(Measured {
        server: server.to_owned(),
        count,
        window: B::WINDOW,
        rounds,
    })
}

/// As many messages as the bare client publishes in the time of the plan; more where they are consumed too fast to be
/// measured.
async fn fitting<B: Bare>(broker: &B, ours: &Ours, run: &str, plan: &Plan) -> Result<usize> {
    let lane = format!("{run}-probe");
    let sent = events(&ours.world, COUNT.1 as u64)?;
    let messages = plain(&sent)?;
    broker.make(&lane).await?;
    let mut publisher = broker.publisher(&lane).await?;
    publisher.send(&messages[0]).await?;
    publisher.finish().await?;
    let begun = Instant::now();
    let mut count = 1;
    while begun.elapsed() < PROBE && count < messages.len() {
        publisher.send(&messages[count]).await?;
        count += 1;
    }
    publisher.finish().await?;
    let published = count as f64 / begun.elapsed().as_secs_f64() * plan.seconds;
    let taken = taking::bare(broker, &lane, count).await?;
    let (least, times) = (taken.rate * CONSUME_MIN.0.as_secs_f64(), CONSUME_MIN.1);
    let wanted = published.max(least.min(published * times));
    verify(&sent[..count], &taken.came)?;
    broker.remove(&lane).await?;
    Ok((wanted as usize).clamp(COUNT.0, COUNT.1))
}

async fn round<B: Bare>(
    broker: &B,
    ours: &Ours,
    name: &str,
    count: usize,
    plan: &Plan,
    ours_first: bool,
) -> Result<Round> {
    let sent = events(&ours.world, count as u64)?;
    let mut round = Round::default();
    let wanted = |part: Part| plan.parts.contains(&part);
    if wanted(Part::Rates) {
        rates(broker, ours, name, &sent, ours_first, &mut round).await?;
    }
    if wanted(Part::Handled) {
        handled(broker, ours, name, &sent[..count / HANDLED_PART], &mut round).await?;
    }
    if !wanted(Part::Delays) {
        return Ok(round);
    }
    let highest = round.relay.min(round.handled);
    ensure!(
        highest > 0.0,
        "delays need rates and handled, which say how fast to send"
    );
    round.delay_rate = (highest * DELAY_PART).floor();
    let few = ((round.delay_rate * plan.seconds) as usize).clamp(200, count);
    delays(broker, ours, name, &sent[..few], &mut round).await?;
    Ok(round)
}

/// Publishing and taking in, each once with the bare client and once with annals; which of them begins changes from
/// round to round.
async fn rates<B: Bare>(
    broker: &B,
    ours: &Ours,
    name: &str,
    sent: &[NewEvent],
    ours_first: bool,
    round: &mut Round,
) -> Result<()> {
    let contents = format!("{name}-plain");
    broker.make(&contents).await?;
    round.plain = publishing::bare(broker, &contents, &plain(sent)?).await?;
    let taken = taking::bare(broker, &contents, sent.len()).await?;
    round.twice += verify(sent, &taken.came).context("contents alone")?;
    broker.remove(&contents).await?;

    let (same, namespace) = (format!("{name}-same"), format!("{name}-ours"));
    broker.make(&same).await?;
    for ours_now in [ours_first, !ours_first] {
        match ours_now {
            true => round.relay = publishing::relay(ours, &namespace, sent).await?,
            false => round.same = publishing::bare(broker, &same, &enveloped(sent)?).await?,
        }
    }
    let mut held = Vec::new();
    for ours_now in [ours_first, !ours_first] {
        let (taken, who) = match ours_now {
            true => {
                let taken;
                (taken, held) = taking::copied(ours, &namespace, sent.len()).await?;
                (taken, "the durable inbox")
            }
            false => (taking::bare(broker, &same, sent.len()).await?, "the bare client"),
        };
        round.twice += verify(sent, &taken.came).context(who)?;
        match ours_now {
            true => (round.copied, round.spent[2]) = (taken.rate, taken.spent),
            false => (round.consumed, round.spent[0]) = (taken.rate, taken.spent),
        }
    }
    broker.remove(&same).await?;
    broker.remove_ours(&namespace, RECEIVER, &SENDER.into()).await?;
    (round.appended, round.spent[1]) = taking::appended(ours, &namespace, "held", &held).await?;
    (round.appended_as_sent, _) = taking::appended(ours, &namespace, "sent", sent).await?;
    Ok(())
}

/// A service that handles what waits for it.
async fn handled<B: Bare>(
    broker: &B,
    ours: &Ours,
    name: &str,
    sent: &[NewEvent],
    round: &mut Round,
) -> Result<()> {
    let namespace = format!("{name}-handled");
    let remote = ours.remote(&namespace)?;
    remote.declare(RECEIVER.into(), vec![SENDER.into()]).await?;
    for batch in sent.chunks(BATCH_MAX) {
        let message = |event: &NewEvent| Message {
            topic: SENDER.into(),
            event: event.clone(),
        };
        let outcomes = remote.publish(batch.iter().map(message).collect()).await;
        let lost = outcomes.into_iter().find(|outcome| *outcome != Published::Stored);
        ensure!(lost.is_none(), "a message was not published: {lost:?}");
    }
    let Taken { rate, came, .. } = taking::handled(ours, &namespace, sent.len()).await?;
    round.handled = rate;
    round.twice += verify(sent, &came).context("the handler")?;
    broker.remove_ours(&namespace, RECEIVER, &SENDER.into()).await
}

async fn delays<B: Bare>(
    broker: &B,
    ours: &Ours,
    name: &str,
    sent: &[NewEvent],
    round: &mut Round,
) -> Result<()> {
    let lane = format!("{name}-delay");
    broker.make(&lane).await?;
    let mut bare = delay::bare(broker, &lane, &enveloped(sent)?, round.delay_rate).await?;
    broker.remove(&lane).await?;
    let namespace = format!("{name}-delays");
    let annals = delay::annals(ours, &namespace, sent, round.delay_rate).await?;
    broker.remove_ours(&namespace, RECEIVER, &SENDER.into()).await?;
    let delay::Travelled { mut whole, parts } = annals;
    round.delays = [&mut bare, &mut whole].map(|delays| (percentile(delays, 50), percentile(delays, 99)));
    round.parts = parts.map(|mut part| percentile(&mut part, 50));
    Ok(())
}
