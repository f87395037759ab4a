//! Runs the instances of one process: reads their inputs from the log, records what they want, wakes the timers.
//!
//! A page of inputs becomes one append, or a few where they want much: what every instance wants, the commands to be
//! sent, the timers, and the checkpoint. Effects are therefore recorded exactly once, and nothing is sent that is not
//! recorded. An input that cannot be read, or an effect that cannot be written, stops the process there and says so;
//! skipping it would be a guess about money.

use std::collections::HashMap;
use std::marker::PhantomData;
use std::sync::Arc;

use annals_core::condition::{Condition, Conflict};
use annals_core::event::{NewEvent, RecordedEvent};
use annals_core::id::EventId;
use annals_core::mark::Mark;
use annals_core::port::follow::Follow;
use annals_core::port::store::{Append, AppendError, Page, limits};
use annals_core::position::Position;
use annals_core::tag::Tag;
use bytes::Bytes;
use smol_str::{SmolStr, format_smolstr};

use crate::decide::cache::Generations;
use crate::define::key::Key;
use crate::define::process::{Effect, Process};
use crate::ground::hub::{Hub, Tries};
use crate::ground::progress::Progress;
use crate::ground::record::{PROCESS_STEPPED, request_of};
use crate::react::instance::{Instance, Stepped, Wanted, inputs};
use crate::react::timers::{Timer, Timers, process_tag};

const PAGE_MAX: usize = 512;
const INSTANCES_MAX: usize = 65_536;
/// A commit ends behind the input that fills it so far; what one input wants may come on top.
const BATCH_BYTES: usize = limits::APPEND_BYTES_MAX / 4;
/// What an event needs beside its content and tags, roughly.
const EVENT_BYTES: usize = 512;
/// Where nothing matched, the checkpoint is written only every so many positions.
const IDLE_STRETCH: u64 = 16_384;

pub(crate) struct Manager<P: Process> {
    hub: Hub,
    timers: Timers,
    progress: Progress,
    instances: Generations<Tag, Instance<P>>,
    process: PhantomData<P>,
}

/// What inputs become.
#[derive(Default)]
struct Batch {
    events: Vec<NewEvent>,
    marks: Vec<Mark>,
    /// Of content and tags, roughly.
    bytes: usize,
}

impl Batch {
    fn push(&mut self, event: NewEvent) {
        self.bytes += EVENT_BYTES + event.data.len();
        self.bytes += event.tags.iter().map(|tag| tag.as_str().len()).sum::<usize>();
        self.events.push(event);
    }
}

impl<P: Process> Manager<P> {
    pub(crate) fn new(hub: Hub, timers: Timers, progress: Progress) -> Self {
        Self {
            hub,
            timers,
            progress,
            instances: Generations::new(INSTANCES_MAX),
            process: PhantomData,
        }
    }

    fn checkpoint_name() -> SmolStr {
        format_smolstr!("process.{}", P::NAME)
    }

    /// Runs until it is time to stop.
    pub(crate) async fn run(mut self) {
        let mut tries = Tries::new(&self.hub, &self.progress);
        while tries.again(self.follow().await).await {
            // What was folded may hold a step that was not recorded.
            self.instances = Generations::new(INSTANCES_MAX);
        }
    }

    async fn follow(&mut self) -> Result<(), String> {
        let mut saved = self
            .hub
            .checkpoint(&Self::checkpoint_name())
            .await
            .map_err(|error| error.to_string())?;
        self.progress.reached(saved);
        self.progress.begins();
        let mut follow = Follow::new(Arc::clone(&self.hub.store), inputs::<P>(), saved, PAGE_MAX);
        let mut stop = self.hub.stop.clone();
        loop {
            let page = tokio::select! {
                biased;
                () = stop.wait() => return Ok(()),
                page = follow.next() => page.map_err(|error| error.to_string())?,
            };
            let idle = page.events.is_empty() && page.next.get() - saved.get() < IDLE_STRETCH;
            if !idle {
                self.page(&page, saved).await?;
                saved = page.next;
            }
            self.progress.trouble(None);
            self.progress.reached(page.next);
        }
    }

    /// A page is one commit, unless it wants more than a store takes at once: then it is several, each with a
    /// checkpoint of its own.
    async fn page(&mut self, page: &Page, saved: Position) -> Result<(), String> {
        let mut saved = saved;
        let mut left = page.events.len();
        self.progress.in_flight(left);
        let mut batch = Batch::default();
        for event in &page.events {
            self.input(event, &mut batch).await?;
            left -= 1;
            if batch.bytes >= BATCH_BYTES {
                let next = if left == 0 {
                    page.next
                } else {
                    event.position.next()
                };
                self.commit(std::mem::take(&mut batch), saved, next).await?;
                saved = next;
                self.progress.in_flight(left);
            }
        }
        if saved < page.next {
            self.commit(batch, saved, page.next).await?;
        }
        self.progress.handled(page.events.len());
        self.progress.in_flight(0);
        Ok(())
    }

    async fn commit(&self, batch: Batch, saved: Position, next: Position) -> Result<(), String> {
        let mut marks = last_of_each(batch.marks);
        let timers = marks.clone();
        let here = Hub::checkpoint_mark(&Self::checkpoint_name(), next);
        marks.push(here.clone());
        // Nobody else may have come further meanwhile, or effects would be recorded twice.
        let still_there = Condition::MarkIs {
            key: here.key,
            expected: Hub::checkpoint_value(saved),
        };
        let append = Append {
            events: batch.events,
            conditions: vec![still_there],
            marks,
        };
        match self.hub.append(append).await {
            Ok(_) => {}
            // The answer to the first try was lost.
            Err(AppendError::Conflict(Conflict::Mark { found, .. })) if found == here.value => {}
            Err(error) => return Err(error.to_string()),
        }
        self.timers.committed(&timers);
        Ok(())
    }

    /// Tells every instance the event is about.
    async fn input(&mut self, event: &RecordedEvent, batch: &mut Batch) -> Result<(), String> {
        let tags = event
            .tags
            .iter()
            .filter(|tag| tag.kind() == <P::Key as Key>::KIND);
        for tag in tags {
            let mut instance = self.instance(tag, event.position).await?;
            let (effects, wanted) = instance.tell(event).map_err(|error| {
                format!(
                    "{} stops at position {} of {tag}: {error}",
                    P::NAME,
                    event.position
                )
            })?;
            if !effects.is_empty() {
                let sent = self.record(event, tag, effects, wanted, batch);
                instance.sent(&sent);
            }
            self.instances.put(tag.clone(), instance);
        }
        Ok(())
    }

    async fn instance(&mut self, tag: &Tag, before: Position) -> Result<Instance<P>, String> {
        match self.instances.take(tag) {
            Some(instance) => Ok(instance),
            None => Instance::fold(&*self.hub.store, tag, before)
                .await
                .map_err(|error| error.to_string()),
        }
    }

    fn record(
        &self,
        event: &RecordedEvent,
        tag: &Tag,
        effects: Vec<Effect>,
        wanted: Wanted,
        batch: &mut Batch,
    ) -> Vec<EventId> {
        let request = request_of(event);
        let recording = &self.hub.recording;
        let commands: Vec<NewEvent> = wanted
            .sends
            .iter()
            .map(|sending| with_tag(recording.command(sending, &request), tag))
            .collect();
        let sent: Vec<EventId> = commands.iter().map(|command| command.id).collect();
        let stepped = Stepped {
            process: SmolStr::new_static(P::NAME),
            effects,
            sent: sent.clone(),
        };
        let data = serde_json::to_vec(&stepped).expect("effects are made of strings and numbers");
        let tags = vec![tag.clone(), process_tag(P::NAME)];
        batch.push(recording.own(PROCESS_STEPPED, tags, Bytes::from(data), &request));
        commands.into_iter().for_each(|command| batch.push(command));
        let cancelled = wanted
            .cancel
            .iter()
            .map(|kind| Mark::remove(Timer::key(P::NAME, tag, kind)));
        batch.marks.extend(cancelled);
        let now = recording.world.now();
        batch
            .marks
            .extend(wanted.set.into_iter().map(|(kind, micros, data)| {
                let timer = Timer {
                    process: SmolStr::new_static(P::NAME),
                    instance: tag.clone(),
                    kind,
                    due: now.after(std::time::Duration::from_micros(micros)),
                    data,
                    correlation: request.correlation,
                    causation: request.causation,
                };
                timer.mark()
            }));
        sent
    }
}

/// A command carries the tag of the instance that sent it, its last unless it is a key of the command too: a refusal
/// finds the way back by it.
fn with_tag(mut command: NewEvent, instance: &Tag) -> NewEvent {
    if !command.tags.contains(instance) {
        command.tags.push(instance.clone());
    }
    command
}

/// A timer set and cancelled in one page needs only its last mark.
fn last_of_each(marks: Vec<Mark>) -> Vec<Mark> {
    let mut last = HashMap::new();
    for (at, mark) in marks.iter().enumerate() {
        last.insert(mark.key.clone(), at);
    }
    marks
        .into_iter()
        .enumerate()
        .filter(|(at, mark)| last.get(&mark.key) == Some(at))
        .map(|(_, mark)| mark)
        .collect()
}
