//! Checks: what must hold before work is sent to a node, as data.

use std::borrow::Cow;
use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

/// One thing that must hold before work is sent here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Check {
    /// What is looked at: `orders.store`.
    #[schema(value_type = String)]
    pub name: Cow<'static, str>,
    /// Whether it holds.
    pub ok: bool,
    /// Why not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Check {
    /// It holds.
    pub fn ok(name: impl Into<Cow<'static, str>>) -> Self {
        Self {
            name: name.into(),
            ok: true,
            why: None,
        }
    }

    /// It does not hold.
    pub fn failed(name: impl Into<Cow<'static, str>>, why: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            ok: false,
            why: Some(why.into()),
        }
    }
}

/// Looks at everything, quickly: it is called at every probe.
pub type Checks = Arc<dyn Fn() -> Vec<Check> + Send + Sync>;
