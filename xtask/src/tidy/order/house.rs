//! The modules of one crate root, and what each of them names.
//!
//! In: the tree and a root file. Out: every module that exists outside tests, its children in the order of
//! their `mod` lines, its imports, its own items and every path in its code.
//! Invariants: code for tests is left out; a path is kept as written, its meaning is decided elsewhere.
//! It sees no code that macros make.

use std::collections::{BTreeMap, BTreeSet};

use proc_macro2::{TokenStream, TokenTree};
use syn::{Item, UseTree, Visibility, spanned::Spanned, visit::Visit};

use crate::{
    attrs,
    tree::{Tree, module_folder},
};

/// Names from the crate root down; empty for the root itself.
pub(crate) type Path = Vec<String>;

/// One module of a crate.
#[derive(Debug, Default)]
pub(crate) struct Module {
    /// The file that holds it.
    pub(crate) file: String,
    /// Its modules, in the order of their `mod` lines.
    pub(crate) children: Vec<String>,
    /// Its `use` declarations, flattened.
    pub(crate) imports: Vec<Import>,
    /// Names of the items it defines itself.
    pub(crate) defines: BTreeSet<String>,
    /// Paths its own code names.
    pub(crate) names: Vec<Named>,
}

/// One leaf of a `use` declaration.
#[derive(Debug, Clone)]
pub(crate) struct Import {
    /// The name it brings in; none for `*`.
    pub(crate) name: Option<String>,
    /// The path as written, without the `*`.
    pub(crate) path: Path,
    /// Whether it passes the name on.
    pub(crate) public: bool,
    /// Line in the file.
    pub(crate) line: usize,
}

/// A path in the code of a module.
#[derive(Debug, Clone)]
pub(crate) struct Named {
    /// The path as written.
    pub(crate) path: Path,
    /// Line in the file.
    pub(crate) line: usize,
}

/// The modules of one crate root by path.
#[derive(Debug, Default)]
pub(crate) struct House {
    /// All modules; the root has the empty path.
    pub(crate) modules: BTreeMap<Path, Module>,
    /// Name under which the crate knows itself, by `extern crate self as name`.
    pub(crate) own_name: Option<String>,
    /// Exported macros, which answer to the root, and the modules that hold them.
    pub(crate) macros: BTreeMap<String, Path>,
}

impl House {
    /// Reads the modules reachable from `root`; files that cannot be parsed have no items.
    pub(crate) fn read(tree: &Tree, root: &str) -> Self {
        let mut house = Self::default();
        house.read_file(tree, root, Vec::new());
        house
    }

    fn read_file(&mut self, tree: &Tree, file: &str, path: Path) {
        let Some(syntax) = tree.rust_file(file).and_then(|f| f.syntax.as_ref().ok()) else {
            return;
        };
        self.read_items(tree, file, &module_folder(file), path, &syntax.items);
    }

    fn read_items(&mut self, tree: &Tree, file: &str, folder: &str, path: Path, items: &[Item]) {
        let mut module = Module {
            file: file.to_owned(),
            ..Module::default()
        };
        for item in items
            .iter()
            .filter(|item| !attrs::test_only(attrs::of_item(item)))
        {
            match item {
                Item::Mod(child) => {
                    let name = child.ident.to_string();
                    let below: Path = path.iter().cloned().chain([name.clone()]).collect();
                    if let Some((_, items)) = &child.content {
                        self.read_items(tree, file, &format!("{folder}/{name}"), below, items);
                    } else if let Some(found) = file_of(tree, folder, &name, &child.attrs) {
                        self.read_file(tree, &found, below);
                    }
                    module.children.push(name);
                }
                Item::ExternCrate(own) if own.ident == "self" => {
                    self.own_name = own.rename.as_ref().map(|(_, name)| name.to_string());
                }
                Item::Use(item) => module.imports.extend(imports(item)),
                _ => {
                    if let Some(name) = exported_macro(item) {
                        self.macros.insert(name, path.clone());
                    }
                    module.defines.extend(name_of(item));
                    let mut seen = Seen::default();
                    seen.visit_item(item);
                    module.names.extend(seen.names);
                }
            }
        }
        self.modules.insert(path, module);
    }
}

/// The file of `mod name;` declared in a file whose modules live in `folder`.
fn file_of(tree: &Tree, folder: &str, name: &str, attributes: &[syn::Attribute]) -> Option<String> {
    let stated = attrs::text_of(attributes, "path").map(|path| format!("{folder}/{path}"));
    let usual = [format!("{folder}/{name}.rs"), format!("{folder}/{name}/mod.rs")];
    stated
        .into_iter()
        .chain(usual)
        .find(|path| tree.rust_file(path).is_some())
}

fn name_of(item: &Item) -> Option<String> {
    let ident = match item {
        Item::Const(i) => &i.ident,
        Item::Enum(i) => &i.ident,
        Item::Fn(i) => &i.sig.ident,
        Item::Macro(i) => i.ident.as_ref()?,
        Item::Static(i) => &i.ident,
        Item::Struct(i) => &i.ident,
        Item::Trait(i) => &i.ident,
        Item::TraitAlias(i) => &i.ident,
        Item::Type(i) => &i.ident,
        Item::Union(i) => &i.ident,
        _ => return None,
    };
    Some(ident.to_string())
}

fn exported_macro(item: &Item) -> Option<String> {
    attrs::of_item(item)
        .iter()
        .find(|attr| attr.path().is_ident("macro_export"))?;
    name_of(item)
}

fn imports(item: &syn::ItemUse) -> Vec<Import> {
    let mut found = Vec::new();
    if item.leading_colon.is_none() {
        let public = !matches!(item.vis, Visibility::Inherited);
        flatten(&item.tree, &mut Vec::new(), public, &mut found);
    }
    found
}

fn flatten(tree: &UseTree, prefix: &mut Path, public: bool, found: &mut Vec<Import>) {
    let line = tree.span().start().line;
    let mut leaf = |name: Option<String>, path: Path| {
        found.push(Import {
            name,
            path,
            public,
            line,
        })
    };
    let joined = |last: &syn::Ident| -> Path {
        let last = Some(last.to_string()).filter(|last| last != "self" || prefix.is_empty());
        prefix.iter().cloned().chain(last).collect()
    };
    match tree {
        UseTree::Path(step) => {
            prefix.push(step.ident.to_string());
            flatten(&step.tree, prefix, public, found);
            prefix.pop();
        }
        UseTree::Name(name) => {
            let path = joined(&name.ident);
            leaf(path.last().cloned(), path);
        }
        UseTree::Rename(renamed) => leaf(Some(renamed.rename.to_string()), joined(&renamed.ident)),
        UseTree::Glob(_) => leaf(None, prefix.clone()),
        UseTree::Group(group) => group.items.iter().for_each(|t| flatten(t, prefix, public, found)),
    }
}

/// Gathers the paths of code, inside macro calls too.
#[derive(Default)]
struct Seen {
    names: Vec<Named>,
}

impl<'ast> Visit<'ast> for Seen {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attrs::test_only(attrs::of_item(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast syn::ImplItem) {
        if !attrs::test_only(attrs::of_impl_item(item)) {
            syn::visit::visit_impl_item(self, item);
        }
    }

    // Attributes and `pub(in …)` name paths without using what is there.
    fn visit_attribute(&mut self, _: &'ast syn::Attribute) {}
    fn visit_visibility(&mut self, _: &'ast Visibility) {}

    fn visit_path(&mut self, path: &'ast syn::Path) {
        if path.leading_colon.is_none() {
            let segments = path.segments.iter().map(|s| s.ident.to_string()).collect();
            self.names.push(Named {
                path: segments,
                line: path.span().start().line,
            });
        }
        syn::visit::visit_path(self, path);
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.names.extend(imports(item).into_iter().map(|i| Named {
            path: i.path,
            line: i.line,
        }));
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.visit_path(&call.path);
        self.tokens(call.tokens.clone());
    }
}

impl Seen {
    /// Finds `a::b::c` in tokens; what follows `$` or a leading `::` is someone else's.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        let is = |at: usize, c: char| matches!(tokens.get(at), Some(TokenTree::Punct(p)) if p.as_char() == c);
        let colons = |at: usize| is(at, ':') && is(at + 1, ':');
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            let foreign = at > 0 && (is(at - 1, '$') || is(at - 1, '.'));
            let absolute = at > 1 && colons(at - 2);
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(first) => {
                    let mut path = vec![first.to_string()];
                    while colons(at + 1)
                        && let Some(TokenTree::Ident(next)) = tokens.get(at + 3)
                    {
                        path.push(next.to_string());
                        at += 3;
                    }
                    if !foreign && !absolute {
                        self.names.push(Named {
                            path,
                            line: first.span().start().line,
                        });
                    }
                }
                _ => {}
            }
            at += 1;
        }
    }
}
