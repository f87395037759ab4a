//! The peers: what they are called, which program drives them, what they are compared as.

/// One column of the table.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Peer {
    /// What the table calls it.
    pub(crate) label: &'static str,
    /// Its folder in `bench/peers`.
    pub(crate) folder: &'static str,
    /// Which kind of it.
    pub(crate) variant: &'static str,
    /// The package whose version counts.
    pub(crate) crate_name: &'static str,
    /// A store of no special kind, that people take instead of one for events.
    pub(crate) is_general: bool,
    /// Steps that it has nothing to do with.
    pub(crate) skips: &'static [&'static str],
}

const fn peer(label: &'static str, folder: &'static str, crate_name: &'static str, is_general: bool) -> Peer {
    Peer {
        label,
        folder,
        variant: "",
        crate_name,
        is_general,
        skips: &[],
    }
}

/// What everything is compared with: annals-store with an event's id and nothing more.
pub(crate) const ANNALS: &Peer = &ALL[0];

/// All, in the order of the columns.
pub(crate) const ALL: [Peer; 12] = [
    peer("annals", "annals", "", false),
    Peer {
        variant: "full",
        ..peer("annals full", "annals", "", false)
    },
    Peer {
        skips: &["guarded"],
        ..peer("limit", "limit", "", false)
    },
    peer("Tephra", "tephra", "tephra", false),
    peer("UmaDB", "umadb", "umadb-core", false),
    peer("UmaDB server", "umadb-server", "umadb-server", false),
    peer("SierraDB", "sierradb", "sierradb", false),
    peer("SQLite", "sqlite", "rusqlite", true),
    peer("redb", "redb", "redb", true),
    peer("fjall", "fjall", "fjall", true),
    peer("RocksDB", "rocksdb", "rocksdb", true),
    peer("PostgreSQL", "postgres", "tokio-postgres", false),
];

impl Peer {
    /// Those named, and those that are always there; all where none is named.
    pub(crate) fn chosen(named: &[String]) -> Result<Vec<&'static Self>, String> {
        let is_known = |name: &&String| ALL.iter().any(|peer| peer.folder == **name);
        if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
            let known: Vec<&str> = ALL.iter().map(|peer| peer.folder).collect();
            return Err(format!(
                "no peer is called `{unknown}`; there are {}",
                known.join(", ")
            ));
        }
        let wanted = |peer: &&Self| {
            named.is_empty() || peer.crate_name.is_empty() || named.iter().any(|name| name == peer.folder)
        };
        Ok(ALL.iter().filter(wanted).collect())
    }

    /// The package of its driver, and the program.
    pub(crate) fn package(&self) -> String {
        format!("annals-bench-{}", self.folder)
    }

    /// Whether it is annals itself, or the limit.
    pub(crate) fn is_ours(&self) -> bool {
        self.crate_name.is_empty()
    }

    /// Name and version, as the lock file has them.
    pub(crate) fn version(&self, lock: &toml::Table) -> Option<String> {
        Some(format!("{} {}", self.crate_name, version(lock, self.crate_name)?))
    }
}

/// The version of a package, as the lock file has it.
pub(crate) fn version<'a>(lock: &'a toml::Table, name: &str) -> Option<&'a str> {
    let packages = lock.get("package")?.as_array()?;
    let of = |package: &&toml::Value| package.get("name").and_then(toml::Value::as_str) == Some(name);
    packages.iter().find(of)?.get("version")?.as_str()
}

#[cfg(test)]
mod tests {
    use super::{ANNALS, Peer};

    #[test]
    fn annals_and_the_limit_are_always_there() {
        let labels = |named: &[&str]| -> Vec<_> {
            let named: Vec<_> = named.iter().map(|name| (*name).to_owned()).collect();
            Peer::chosen(&named)
                .unwrap()
                .iter()
                .map(|peer| peer.label)
                .collect()
        };
        assert_eq!(labels(&["sqlite"]), ["annals", "annals full", "limit", "SQLite"]);
        assert!(labels(&[]).len() > 4);
        assert!(
            Peer::chosen(&["nothing".to_owned()])
                .unwrap_err()
                .contains("tephra")
        );
        assert!(ANNALS.is_ours() && ANNALS.variant.is_empty());
    }
}
