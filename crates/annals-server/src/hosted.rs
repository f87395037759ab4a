//! The services of this node, by name.

use std::collections::BTreeMap;
use std::sync::Arc;

use annals::Service;
use annals_core::port::store::EventStore;
use smol_str::SmolStr;

use crate::problem::{Answer, NOT_FOUND, Problem};

/// One service of this node.
#[derive(Clone)]
pub(crate) struct Hosted {
    /// Its name.
    pub(crate) name: SmolStr,
    /// Its history.
    pub(crate) store: Arc<dyn EventStore>,
    /// What runs on it; `None` for a history that is only shown.
    pub(crate) service: Option<Service>,
}

/// All services of this node.
#[derive(Clone, Default)]
pub(crate) struct Services {
    by_name: BTreeMap<SmolStr, Hosted>,
}

impl Services {
    /// Adds a service; one of the same name is replaced.
    pub(crate) fn add(&mut self, hosted: Hosted) {
        self.by_name.insert(hosted.name.clone(), hosted);
    }

    /// The service of this name.
    ///
    /// # Errors
    /// 404 with the names there are.
    pub(crate) fn get(&self, name: &str) -> Answer<&Hosted> {
        self.by_name.get(name).ok_or_else(|| {
            let names: Vec<_> = self.by_name.keys().map(SmolStr::as_str).collect();
            let problem = Problem::new(&NOT_FOUND, format!("this node hosts no service {name:?}"));
            Box::new(problem.hint(format!("it hosts: {}", names.join(", "))))
        })
    }

    /// All of them, by name.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Hosted> {
        self.by_name.values()
    }
}

impl Hosted {
    /// What runs on it.
    ///
    /// # Errors
    /// 404: nothing does.
    pub(crate) fn running(&self) -> Answer<&Service> {
        let shown = || {
            Box::new(Problem::new(
                &NOT_FOUND,
                format!("{} is a history without a service", self.name),
            ))
        };
        self.service.as_ref().ok_or_else(shown)
    }
}
