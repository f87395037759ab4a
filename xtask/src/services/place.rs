//! Where servers live: folders, ports and addresses of one checkout.
//!
//! In: the root of the repository and two variables. Out: paths, ports, addresses.
//! Invariants: everything lies under one folder; a shift moves all ports alike and has run folders of its own, so
//! that two checkouts can run servers side by side. Nothing is created here.

use std::{
    env,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};

use super::table::Server;

/// Folder for artifacts and runs, instead of `target/services`.
const DIR: &str = "ANNALS_SERVICES_DIR";
/// Number added to every port.
const SHIFT: &str = "ANNALS_SERVICES_SHIFT";
/// Largest shift; beyond it ports would be such as systems hand out by chance.
const SHIFT_MAX: u16 = 11_000;

/// The folders and ports of one checkout.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    folder: PathBuf,
    shift: u16,
}

impl Place {
    /// As the variables say, or `target/services` and the ports of the table.
    ///
    /// # Errors
    /// The shift is no number, or too large.
    pub(crate) fn of(root: &Path) -> Result<Self> {
        let folder = env::var_os(DIR).map_or_else(|| root.join("target/services"), |dir| root.join(dir));
        let shift = env::var(SHIFT).ok().filter(|text| !text.is_empty());
        Self::new(folder, shift.as_deref())
    }

    fn new(folder: PathBuf, shift: Option<&str>) -> Result<Self> {
        let shift = shift.map_or(Ok(0), str::parse::<u16>);
        let shift = shift.with_context(|| format!("{SHIFT} must be a number from 0 to {SHIFT_MAX}"))?;
        ensure!(
            shift <= SHIFT_MAX,
            "{SHIFT} is {shift}, but may be {SHIFT_MAX} at most"
        );
        Ok(Self { folder, shift })
    }

    /// A place for a test.
    #[cfg(test)]
    pub(crate) fn at(folder: &Path) -> Self {
        Self {
            folder: folder.to_owned(),
            shift: 0,
        }
    }

    /// What was fetched, shared by all runs.
    pub(super) fn artifacts(&self) -> PathBuf {
        self.folder.join("artifacts")
    }

    /// The folder of one server's run: its settings, data, log and pid files.
    pub(super) fn run(&self, server: Server) -> PathBuf {
        let run = match self.shift {
            0 => "run".to_owned(),
            shift => format!("run-{shift}"),
        };
        self.folder.join(run).join(server.name())
    }

    /// The ports of a server, in the order of the table.
    pub(super) fn ports(&self, server: Server) -> Vec<u16> {
        server.ports().iter().map(|port| port + self.shift).collect()
    }

    /// The port for clients.
    pub(super) fn port(&self, server: Server) -> u16 {
        self.ports(server)[0]
    }

    /// Where clients find the server.
    pub(crate) fn url(&self, server: Server) -> String {
        format!("{}://127.0.0.1:{}", server.scheme(), self.port(server))
    }
}

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::{Place, Server};

    fn place(shift: Option<&str>) -> Result<Place, String> {
        Place::new(PathBuf::from("/s"), shift).map_err(|e| format!("{e:#}"))
    }

    #[test]
    fn addresses_are_those_that_are_documented() {
        let urls = Server::ALL.map(|server| place(None).unwrap().url(server));
        let expected = [
            "amqp://127.0.0.1:21672",
            "kafka://127.0.0.1:21692",
            "activemq://127.0.0.1:21561",
            "artemis://127.0.0.1:21571",
            "nats://127.0.0.1:21422",
            "http://127.0.0.1:21481",
        ];
        assert_eq!(urls, expected);
    }

    #[test]
    fn a_shift_moves_ports_and_run_folders_but_not_artifacts() {
        let (plain, shifted) = (place(None).unwrap(), place(Some("100")).unwrap());
        assert_eq!(shifted.ports(Server::Kafka), [21792, 21793, 21794, 21796]);
        assert_eq!(plain.run(Server::Kafka), Path::new("/s/run/kafka"));
        assert_eq!(shifted.run(Server::Kafka), Path::new("/s/run-100/kafka"));
        assert_eq!(plain.artifacts(), shifted.artifacts());
    }

    #[test]
    fn a_shift_that_is_none_is_refused() {
        for bad in ["many", "-1", "11001", "70000"] {
            let error = place(Some(bad)).unwrap_err();
            assert!(error.contains("ANNALS_SERVICES_SHIFT"), "{bad}: {error}");
        }
        assert!(place(Some("11000")).is_ok());
    }
}
