//! The servers of one run: of the gate, or of a benchmark.
//!
//! In: which servers are needed. Out: what steps have to be told about them, and why some are missing.
//! Invariant: the servers that this run started are gone when it ends, however it ends; others are left alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    env,
};

use anyhow::{Context, Result};

use crate::services::{self, Place, Server, Up};

/// The variable that names the program of this very command, for tests that kill and start servers.
const XTASK: &str = "ANNALS_XTASK";

/// Servers of a run.
pub(crate) struct Session {
    place: Place,
    program: String,
    /// Those that run.
    pub(crate) up: BTreeSet<Server>,
    /// Why others do not.
    pub(crate) missing: BTreeMap<Server, String>,
    started: Vec<Server>,
}

impl Session {
    /// A session without servers.
    ///
    /// # Errors
    /// The path of this program is not known, or is no text.
    pub(crate) fn new(place: Place) -> Result<Self> {
        let program = env::current_exe().context("the path of this program is not known")?;
        let program = program.to_str().context("the path of this program is no text")?;
        Ok(Self {
            place,
            program: program.to_owned(),
            up: BTreeSet::new(),
            missing: BTreeMap::new(),
            started: Vec::new(),
        })
    }

    /// Brings servers up and answers why that is a failure, if it is one. A server that cannot be had is none on a
    /// desk; with `strict`, it is.
    pub(crate) fn bring_up(&mut self, servers: &[Server], strict: bool) -> Option<String> {
        let ups = services::up(&self.place, servers);
        self.note(ups, strict)
    }

    fn note(&mut self, ups: Vec<(Server, Up)>, strict: bool) -> Option<String> {
        let mut failures = Vec::new();
        for (server, up) in ups {
            let (failed, why) = match up {
                Up::Started { .. } => {
                    self.started.push(server);
                    self.up.insert(server);
                    continue;
                }
                Up::Running => {
                    self.up.insert(server);
                    continue;
                }
                Up::Missing(why) => (strict, first_words(&why)),
                Up::Failed(why) => (true, first_words(&why)),
            };
            if failed {
                failures.push(server.name());
            }
            self.missing.insert(server, why);
        }
        (!failures.is_empty()).then(|| format!("not up: {}", failures.join(", ")))
    }

    /// What steps are told: where servers are, and how to reach this program.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let urls = self
            .up
            .iter()
            .map(|server| (server.variable(), self.place.url(*server)));
        urls.chain([(XTASK, self.program.clone())]).collect()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Err(error) = services::down(&self.place, &self.started, false) {
            eprintln!("error: {error:#}");
        }
    }
}

/// What went wrong, without advice and without what a server printed, which have been shown already.
fn first_words(error: &anyhow::Error) -> String {
    let text = format!("{error:#}");
    let end = text.find(['\n', ';']).unwrap_or(text.len());
    text[..end].to_owned()
}

#[cfg(test)]
mod tests {
    use std::{path::Path, time::Duration};

    use anyhow::anyhow;

    use super::{Place, Server, Session, Up};

    fn session() -> Session {
        // Nothing runs in a folder that is not there, so nothing is stopped at the end.
        Session::new(Place::at(Path::new("/nowhere/at/all"))).unwrap()
    }

    fn ups() -> Vec<(Server, Up)> {
        let ready = Duration::from_secs(1);
        vec![
            (Server::Kafka, Up::Running),
            (Server::Artemis, Up::Started { ready }),
            (Server::Nats, Up::Missing(anyhow!("there is no Go"))),
        ]
    }

    #[test]
    fn a_missing_server_is_a_failure_only_where_that_is_asked_for() {
        assert_eq!(session().note(ups(), false), None);
        assert_eq!(session().note(ups(), true).as_deref(), Some("not up: nats"));
    }

    #[test]
    fn a_server_that_does_not_start_is_a_failure_anywhere() {
        let mut session = session();
        let why = anyhow!("kafka ended before it was ready; the end of /log:\n    line");
        let failure = session.note(vec![(Server::Kafka, Up::Failed(why))], false);
        assert_eq!(failure.as_deref(), Some("not up: kafka"));
        assert_eq!(session.missing[&Server::Kafka], "kafka ended before it was ready");
    }

    #[test]
    fn steps_are_told_of_the_servers_that_run_and_only_started_ones_are_taken_down() {
        let mut session = session();
        session.note(ups(), false);
        let names: Vec<_> = session.variables().into_iter().map(|(name, _)| name).collect();
        assert_eq!(names, ["ANNALS_KAFKA_URL", "ANNALS_ARTEMIS_URL", "ANNALS_XTASK"]);
        assert_eq!(session.started, [Server::Artemis]);
    }
}
