//! Tests that the quick gate leaves out, found by their marks: those that take long, and those that need a server.
//!
//! In: the tree. Out: per package, the names of the tests ignored as `long: why`, `broker: server: why` or
//! `broker: server and python: why`, with their modules. A mark that is handed to a macro says that the macro writes
//! tests for that server; their names are not known here, but they stand in a module named after the server.
//! It does not run them. Packages apart are left out: the gate cannot run theirs.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use syn::{ItemFn, ItemMod, Lit, visit::Visit};

use crate::{
    attrs,
    services::Server,
    tree::{Package, Tree},
};

/// What the reason of a test that takes long begins with; the rest says why it does.
pub(crate) const LONG: &str = "long: ";
/// What the reason of a test that needs a server begins with; its name and the reason follow.
pub(crate) const BROKER: &str = "broker: ";
/// What stands behind the name of the server where the test runs a service in Python.
pub(crate) const PYTHON: &str = " and python";

/// Why a test is left out of the quick gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// It takes long.
    Long,
    /// It needs that server.
    Broker(Server),
    /// It needs that server, and runs a service in Python.
    Python(Server),
}

impl Mark {
    /// The mark in the reason for which a test is ignored; none when nobody would ever run such a test.
    pub(crate) fn of(reason: &str) -> Option<Self> {
        let (mark, why) = match reason.strip_prefix(BROKER) {
            None => (Self::Long, reason.strip_prefix(LONG)?),
            Some(rest) => {
                let (server, why) = rest.split_once(": ")?;
                let mark = match server.strip_suffix(PYTHON) {
                    Some(server) => Self::Python(Server::named(server)?),
                    None => Self::Broker(Server::named(server)?),
                };
                (mark, why)
            }
        };
        (!why.trim().is_empty()).then_some(mark)
    }
}

/// Marked tests of one package for one server.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Suite {
    /// Names of tests, with their modules.
    pub(crate) tests: Vec<String>,
    /// Names of those that run a service in Python besides.
    pub(crate) in_python: Vec<String>,
    /// How many macros write further ones.
    pub(crate) macros: usize,
}

impl Suite {
    /// What to ask the test harness for.
    pub(crate) fn filters(&self, server: Server) -> Vec<String> {
        let module = (self.macros > 0).then(|| format!("{server}::"));
        let named = self.tests.iter().chain(&self.in_python).cloned();
        named.chain(module).collect()
    }

    /// Fewer tests than this cannot be all of them.
    pub(crate) fn tests_min(&self) -> u64 {
        (self.tests.len() + self.in_python.len()) as u64 + u64::from(self.macros > 0)
    }

    /// Those that can run where there is no Python.
    pub(crate) fn without_python(&self) -> Self {
        Self {
            in_python: Vec::new(),
            ..self.clone()
        }
    }

    /// How many there are, in words.
    pub(crate) fn count(&self) -> String {
        let many = |count: usize, what: &str| match count {
            0 => None,
            1 => Some(format!("1 {what}")),
            _ => Some(format!("{count} {what}s")),
        };
        let tests = self.tests.len() + self.in_python.len();
        let parts = [many(tests, "test"), many(self.macros, "suite")];
        parts.into_iter().flatten().collect::<Vec<_>>().join(" and ")
    }
}

/// Marked tests of one package.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Names of those that take long, with their modules.
    pub(crate) long: Vec<String>,
    /// Those that need a server.
    pub(crate) broker: BTreeMap<Server, Suite>,
    /// Features of the package that are named after servers; its tests need them switched on.
    pub(crate) features: Vec<String>,
}

/// Marked tests by package; packages without any are left out.
pub(crate) fn find(tree: &Tree) -> BTreeMap<String, Marked> {
    let mut found: BTreeMap<String, Marked> = BTreeMap::new();
    for package in tree.packages().into_iter().filter(|package| !package.is_apart()) {
        let inside = format!("{}/", package.folder);
        let mut marked = Marked::default();
        for file in tree.rust() {
            if let (Some(path), Ok(syntax)) = (file.path.strip_prefix(&inside), &file.syntax) {
                let mut search = Search {
                    modules: modules(path),
                    in_macros: file.of_product(),
                    found: &mut marked,
                };
                search.visit_file(syntax);
            }
        }
        if marked != Marked::default() {
            marked.features = features(&package);
            found.insert(package.name().to_owned(), marked);
        }
    }
    found
}

fn features(package: &Package) -> Vec<String> {
    let table = package.manifest.as_ref().ok().and_then(|m| m.get("features"));
    let defined = |server: &Server| table.is_some_and(|table| table.get(server.name()).is_some());
    let named = Server::ALL.into_iter().filter(defined);
    named.map(|server| server.name().to_owned()).collect()
}

/// The modules that a file stands in, inside the program it is part of.
fn modules(path: &str) -> Vec<String> {
    let mut parts: Vec<&str> = path.trim_end_matches(".rs").split('/').collect();
    let outside = match parts[..] {
        ["src", "bin", ..] => 3,
        ["tests", ..] => 2,
        _ => 1,
    };
    parts.drain(..outside.min(parts.len()));
    if let Some(&("lib" | "main" | "mod")) = parts.last() {
        parts.pop();
    }
    parts.into_iter().map(str::to_owned).collect()
}

struct Search<'a> {
    modules: Vec<String>,
    /// Whether marks are looked for in what macros are handed.
    in_macros: bool,
    found: &'a mut Marked,
}

impl Search<'_> {
    fn in_tokens(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.in_tokens(group.stream()),
                TokenTree::Literal(literal) => {
                    if let Lit::Str(text) = Lit::new(literal)
                        && let Some(Mark::Broker(server)) = Mark::of(&text.value())
                    {
                        self.found.broker.entry(server).or_default().macros += 1;
                    }
                }
                _ => {}
            }
        }
    }
}

impl<'ast> Visit<'ast> for Search<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        self.modules.push(module.ident.to_string());
        syn::visit::visit_item_mod(self, module);
        self.modules.pop();
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        let mark = attrs::text_of(&function.attrs, "ignore").and_then(|reason| Mark::of(&reason));
        if let Some(mark) = mark {
            let mut path = self.modules.clone();
            path.push(function.sig.ident.to_string());
            let tests = match mark {
                Mark::Long => &mut self.found.long,
                Mark::Broker(server) => &mut self.found.broker.entry(server).or_default().tests,
                Mark::Python(server) => &mut self.found.broker.entry(server).or_default().in_python,
            };
            tests.push(path.join("::"));
        }
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        if self.in_macros {
            self.in_tokens(call.tokens.clone());
        }
    }
}

#[cfg(test)]
mod tests;
