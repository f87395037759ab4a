//! Rule `sizes`: a file stops at 800 lines, a function at 70, outside tests.
//!
//! In: the tree. Out: a finding per file or function that is too long, and one per exception that is no
//! longer needed. A function is counted from its `fn` line to its closing brace.

use syn::{ImplItem, Item, spanned::Spanned, visit::Visit};

use crate::{attrs, finding::Finding, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "sizes";
/// Most lines of a file.
const FILE_LINES_MAX: usize = 800;
/// Most lines of a function.
const FUNCTION_LINES_MAX: usize = 70;

/// A file or function that may be longer.
struct Exception {
    path: &'static str,
    /// Name of the function; none for the file.
    function: Option<&'static str>,
    /// Why it is better whole.
    reason: &'static str,
}

/// What may be longer, with the reason. Keep it short.
const EXCEPTIONS: &[Exception] = &[];

/// Checks every Rust file outside tests.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    check_with(tree, EXCEPTIONS)
}

fn check_with(tree: &Tree, exceptions: &[Exception]) -> Vec<Finding> {
    let mut used = vec![false; exceptions.len()];
    let mut excused = |path: &str, function: Option<&str>| {
        let found = exceptions
            .iter()
            .position(|e| e.path == path && e.function == function);
        found.map(|at| used[at] = true).is_some()
    };
    let mut findings = Vec::new();
    for file in tree.rust().filter(|file| !file.test) {
        let lines = file.text.lines().count();
        if lines > FILE_LINES_MAX && !excused(&file.path, None) {
            let message =
                format!("has {lines} lines, at most {FILE_LINES_MAX}; split it by thought or by verb");
            findings.push(Finding::new(RULE, &file.path, 0, message));
        }
        for long in file.syntax.iter().flat_map(long_functions) {
            if !excused(&file.path, Some(&long.name)) {
                let message = format!(
                    "`{}` has {} lines, at most {FUNCTION_LINES_MAX}; name its steps as functions",
                    long.name, long.lines
                );
                findings.push(Finding::new(RULE, &file.path, long.at, message));
            }
        }
    }
    let stale = exceptions.iter().zip(used).filter(|(_, used)| !used);
    findings.extend(stale.map(|(exception, _)| {
        let what = exception.function.unwrap_or("the file");
        let message = format!(
            "{what} needs its exception no more (\"{}\"); remove it",
            exception.reason
        );
        Finding::new(RULE, exception.path, 0, message)
    }));
    findings
}

struct Long {
    name: String,
    at: usize,
    lines: usize,
}

fn long_functions(file: &syn::File) -> Vec<Long> {
    let mut functions = Functions::default();
    functions.visit_file(file);
    functions.long
}

#[derive(Default)]
struct Functions {
    long: Vec<Long>,
}

impl Functions {
    fn see(&mut self, signature: &syn::Signature, block: &syn::Block) {
        let (at, end) = (signature.span().start().line, block.span().end().line);
        let lines = end - at + 1;
        if lines > FUNCTION_LINES_MAX {
            self.long.push(Long {
                name: signature.ident.to_string(),
                at,
                lines,
            });
        }
    }
}

impl<'ast> Visit<'ast> for Functions {
    fn visit_item(&mut self, item: &'ast Item) {
        if !attrs::test_only(attrs::of_item(item)) {
            syn::visit::visit_item(self, item);
        }
    }

    fn visit_impl_item(&mut self, item: &'ast ImplItem) {
        if !attrs::test_only(attrs::of_impl_item(item)) {
            syn::visit::visit_impl_item(self, item);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast syn::ItemFn) {
        self.see(&function.sig, &function.block);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast syn::ImplItemFn) {
        self.see(&function.sig, &function.block);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.see(&function.sig, block);
        }
        syn::visit::visit_trait_item_fn(self, function);
    }
}

#[cfg(test)]
mod tests {
    use super::{Exception, check_with};
    use crate::{finding::Finding, tree::Tree};

    const PATH: &str = "crates/a/src/lib.rs";

    fn run(text: &str, exceptions: &[Exception]) -> Vec<Finding> {
        check_with(
            &Tree::of(&[(PATH, text), ("crates/a/tests/it/main.rs", text)]),
            exceptions,
        )
    }

    fn function(head: &str, lines: usize) -> String {
        format!("{head} {{\n{}}}\n", "();\n".repeat(lines - 2))
    }

    #[test]
    fn the_limits_are_70_and_800_lines() {
        assert_eq!(run(&function("fn f()", 70), &[]), []);
        let long = run(&format!("\n{}", function("fn f()", 71)), &[]);
        assert_eq!((long.len(), long[0].line), (1, 2));
        assert_eq!(run(&"//\n".repeat(800), &[]), []);
        assert_eq!(run(&"//\n".repeat(801), &[]).len(), 1);
    }

    #[test]
    fn methods_and_defaults_of_traits_count_and_tests_do_not() {
        let method = format!("impl S {{\n{}}}", function("fn f()", 71));
        let default = format!("trait T {{\n{}}}", function("fn f()", 71));
        let test = format!("#[cfg(test)] mod tests {{\n{}}}", function("fn f()", 71));
        let found = [
            run(&method, &[]).len(),
            run(&default, &[]).len(),
            run(&test, &[]).len(),
        ];
        assert_eq!(found, [1, 1, 0]);
    }

    #[test]
    fn an_exception_holds_until_it_is_no_longer_needed() {
        let exception = [Exception {
            path: PATH,
            function: Some("f"),
            reason: "a table",
        }];
        assert_eq!(run(&function("fn f()", 71), &exception), []);
        let stale = run(&function("fn f()", 70), &exception);
        assert!(stale[0].message.contains("a table"), "{stale:?}");
    }
}
