//! Rule `hollow`: a test can fail, and it is run.
//!
//! In: the tree. Out: a finding per `matches!` whose answer nobody looks at, and per ignored test that no
//! command runs. `cargo xtask test` runs what is ignored as `long: …` or `broker: server[ and python]: …`; any other reason
//! would be a test that never runs.

use syn::{Expr, ImplItemFn, ItemFn, Local, Pat, Stmt, spanned::Spanned, visit::Visit};

use crate::{attrs, finding::Finding, marked::Mark, tree::Tree};

/// Name of the rule.
pub(crate) const RULE: &str = "hollow";

/// Checks every Rust file.
pub(crate) fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in tree.rust() {
        let Ok(syntax) = &file.syntax else { continue };
        let mut hollow = Hollow::default();
        hollow.visit_file(syntax);
        findings.extend(
            hollow
                .found
                .into_iter()
                .map(|(line, say)| Finding::new(RULE, &file.path, line, say)),
        );
    }
    findings
}

#[derive(Default)]
struct Hollow {
    found: Vec<(usize, String)>,
}

impl Hollow {
    fn ignored(&mut self, attributes: &[syn::Attribute], signature: &syn::Signature) {
        let Some(reason) = attrs::text_of(attributes, "ignore") else {
            return;
        };
        if Mark::of(&reason).is_none() {
            let say = format!(
                "`{}` is ignored for `{reason}`, so nothing runs it; say `long: <why>` or `broker: <server>: <why>` \
                 to have it run by `cargo xtask test`, or do not ignore it",
                signature.ident,
            );
            self.found.push((signature.span().start().line, say));
        }
    }

    fn unseen(&mut self, call: &syn::Macro) {
        if call.path.segments.last().is_some_and(|s| s.ident == "matches") {
            let say =
                "nobody looks at the answer of this `matches!`, so it cannot fail; wrap it in `assert!`";
            self.found.push((call.span().start().line, say.to_owned()));
        }
    }
}

impl<'ast> Visit<'ast> for Hollow {
    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.ignored(&function.attrs, &function.sig);
        syn::visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.ignored(&function.attrs, &function.sig);
        syn::visit::visit_impl_item_fn(self, function);
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        match statement {
            Stmt::Macro(call) if call.semi_token.is_some() => self.unseen(&call.mac),
            Stmt::Expr(Expr::Macro(call), Some(_)) => self.unseen(&call.mac),
            _ => {}
        }
        syn::visit::visit_stmt(self, statement);
    }

    fn visit_local(&mut self, local: &'ast Local) {
        if let (Pat::Wild(_), Some(init)) = (&local.pat, &local.init)
            && let Expr::Macro(call) = &*init.expr
        {
            self.unseen(&call.mac);
        }
        syn::visit::visit_local(self, local);
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::tree::Tree;

    const NONE: [usize; 0] = [];

    fn lines(text: &str) -> Vec<usize> {
        check(&Tree::of(&[("crates/a/tests/it/main.rs", text)]))
            .iter()
            .map(|f| f.line)
            .collect()
    }

    #[test]
    fn a_matches_nobody_looks_at_is_found() {
        assert_eq!(
            lines("#[test]\nfn t() {\n matches!(x, 1);\n std::matches!(x, 1);\n let _ = matches!(x, 1);\n}"),
            [3, 4, 5]
        );
        assert_eq!(
            lines("fn t() -> bool { assert!(matches!(x, 1)); let a = matches!(x, 1); matches!(x, 1) }"),
            NONE
        );
    }

    #[test]
    fn only_tests_that_are_run_elsewhere_may_be_ignored() {
        assert_eq!(
            lines("#[test]\n#[ignore = \"long: kills a node\"]\nfn t() {}"),
            NONE
        );
        assert_eq!(lines("#[test]\n#[ignore]\nfn t() {}"), [3]);
        assert_eq!(lines("#[test]\n#[ignore = \"flaky\"]\nfn t() {}"), [3]);
        assert_eq!(lines("#[test]\n#[ignore = \"long: \"]\nfn t() {}"), [3]);
        assert_eq!(
            lines("#[test]\n#[ignore = \"broker: nats: its order\"]\nfn t() {}"),
            NONE
        );
        assert_eq!(
            lines("#[test]\n#[ignore = \"broker: post: slow\"]\nfn t() {}"),
            [3]
        );
    }
}
