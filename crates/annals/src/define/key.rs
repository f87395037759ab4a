//! Keys: typed ids that are also tags.

use std::fmt::{Debug, Display};
use std::hash::Hash;

use annals_core::tag::{Tag, TagError};

/// A typed id. Written down it is a tag: `OrderId(42)` is `order:42`.
///
/// Derive it: `#[derive(Key)] #[key("order")] struct OrderId(Uuid);`. The derive brings along everything an id
/// needs: `Clone`, `Debug`, `Display`, `FromStr`, `Eq`, `Ord`, `Hash`, `Serialize`, `Deserialize` and `From` of the
/// inner type. The inner type must display and parse itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a key",
    note = "derive it: `#[derive(Key)] #[key(\"kind\")] struct {Self}(String);`"
)]
pub trait Key: Clone + Eq + Ord + Hash + Debug + Display + Send + Sync + 'static {
    /// The kind in front of the colon of its tags.
    const KIND: &'static str;

    /// This id as a tag.
    ///
    /// # Errors
    /// The id is empty, too long or holds control characters.
    fn tag(&self) -> Result<Tag, TagError>;

    /// The id from the part of a tag behind the colon; `None` if it does not parse.
    fn parse(value: &str) -> Option<Self>;

    /// The id a tag stands for; `None` if the tag is of another kind.
    fn from_tag(tag: &Tag) -> Option<Self> {
        (tag.kind() == Self::KIND)
            .then(|| Self::parse(tag.value()))
            .flatten()
    }
}
