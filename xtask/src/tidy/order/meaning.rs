//! What a path means: the module that owns the thing it names.
//!
//! In: a house, a module, a path as written there. Out: the module that defines what the path names, through
//! re-exports, or nothing when it lies outside the crate.
//! Names made by macros are taken to belong to the module they are asked of.

use super::house::{House, Import, Module, Path};

/// Re-exports followed before giving up; a chain that long is a circle.
const FOLLOW_MAX: usize = 32;

impl House {
    /// The module that owns what `path`, written in `from`, names.
    pub(crate) fn owner(&self, from: &[String], path: &[String]) -> Option<Path> {
        self.resolve(from, path, FOLLOW_MAX)
    }

    fn resolve(&self, from: &[String], path: &[String], left: usize) -> Option<Path> {
        let left = left.checked_sub(1)?;
        let (first, rest) = path.split_first()?;
        match first.as_str() {
            "crate" => self.walk(Vec::new(), rest, left),
            name if self.own_name.as_deref() == Some(name) => self.walk(Vec::new(), rest, left),
            "self" => self.walk(from.to_vec(), rest, left),
            "super" => {
                let ups = path.iter().take_while(|s| *s == "super").count();
                let base = from.len().checked_sub(ups)?;
                self.walk(from[..base].to_vec(), &path[ups..], left)
            }
            name => self.relative(from, name, path, left),
        }
    }

    /// A path that begins with a module of `from` or a name imported there.
    fn relative(&self, from: &[String], name: &str, path: &[String], left: usize) -> Option<Path> {
        let module = self.modules.get(from)?;
        if module.children.iter().any(|child| child == name) {
            return self.walk(from.to_vec(), path, left);
        }
        let import = named_import(module, name).filter(|import| import.path != path)?;
        self.follow(from, import, &path[1..], left)
    }

    fn follow(&self, at: &[String], import: &Import, rest: &[String], left: usize) -> Option<Path> {
        let whole: Path = import.path.iter().chain(rest).cloned().collect();
        self.resolve(at, &whole, left)
    }

    /// Goes down from `base` as far as modules go, then asks who owns the next name.
    fn walk(&self, base: Path, rest: &[String], left: usize) -> Option<Path> {
        let module = self.modules.get(&base)?;
        let Some((name, deeper)) = rest.split_first() else {
            return Some(base);
        };
        if module.children.iter().any(|child| child == name) {
            let below: Path = base.iter().cloned().chain([name.clone()]).collect();
            return self.walk(below, deeper, left);
        }
        if let Some(import) = named_import(module, name) {
            return self.follow(&base, import, deeper, left);
        }
        if module.defines.contains(name) {
            return Some(base);
        }
        if base.is_empty()
            && let Some(holder) = self.macros.get(name)
        {
            return Some(holder.clone());
        }
        self.through_globs(&base, module, rest, left)
    }

    /// A name that a `use …::*` may have brought in; outside the crate when a foreign one may have.
    fn through_globs(&self, base: &[String], module: &Module, rest: &[String], left: usize) -> Option<Path> {
        let left = left.checked_sub(1)?;
        let mut foreign = false;
        for glob in module.imports.iter().filter(|import| import.name.is_none()) {
            match self.resolve(base, &glob.path, left) {
                Some(source) if source != base && self.offers(&source, &rest[0], left) => {
                    return self.walk(source, rest, left);
                }
                Some(_) => {}
                None => foreign = true,
            }
        }
        (!foreign).then(|| base.to_vec())
    }

    /// Whether a module has a name to give.
    fn offers(&self, at: &[String], name: &str, left: usize) -> bool {
        let (Some(module), Some(left)) = (self.modules.get(at), left.checked_sub(1)) else {
            return false;
        };
        module.defines.contains(name)
            || module.children.iter().any(|child| child == name)
            || named_import(module, name).is_some()
            || module
                .imports
                .iter()
                .filter(|import| import.name.is_none())
                .any(|glob| {
                    let source = self.resolve(at, &glob.path, left);
                    source.is_some_and(|source| source != at && self.offers(&source, name, left))
                })
    }
}

fn named_import<'a>(module: &'a Module, name: &str) -> Option<&'a Import> {
    module
        .imports
        .iter()
        .find(|import| import.name.as_deref() == Some(name))
}
