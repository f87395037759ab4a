//! Stores that stand before another one.

#[doc(hidden)]
pub use {annals_core, bytes, tokio};

/// Inside an `impl EventStore`: everything but `append` and `read` is asked of the store in this field.
///
/// For tests that need a store which fails, counts or lies: they say what is different and nothing else.
///
/// ```
/// use annals_core::port::store::{Append, AppendError, Appended, BoxFuture, EventStore, Page, Read, ReadError};
///
/// struct Full<S> {
///     store: S,
/// }
///
/// impl<S: EventStore> EventStore for Full<S> {
///     fn append(&self, _: Append) -> BoxFuture<'static, Result<Appended, AppendError>> {
///         Box::pin(async { Err(AppendError::Full("no space is left".into())) })
///     }
///
///     fn read(&self, read: Read) -> BoxFuture<'_, Result<Page, ReadError>> {
///         self.store.read(read)
///     }
///
///     annals_testkit::pass_on!(store);
/// }
/// ```
#[macro_export]
macro_rules! pass_on {
    ($store:ident) => {
        fn end(&self) -> $crate::pass_on::annals_core::position::Position {
            self.$store.end()
        }

        fn watch_end(
            &self,
        ) -> $crate::pass_on::tokio::sync::watch::Receiver<$crate::pass_on::annals_core::position::Position> {
            self.$store.watch_end()
        }

        fn revision(
            &self,
            tag: $crate::pass_on::annals_core::tag::Tag,
            before: $crate::pass_on::annals_core::position::Position,
        ) -> $crate::answer!('_, Option<$crate::pass_on::annals_core::position::Revision>) {
            self.$store.revision(tag, before)
        }

        fn end_at(
            &self,
            moment: $crate::pass_on::annals_core::time::Timestamp,
        ) -> $crate::answer!('_, $crate::pass_on::annals_core::position::Position) {
            self.$store.end_at(moment)
        }

        fn types(&self) -> $crate::answer!('_, Vec<$crate::pass_on::annals_core::port::store::TypeCount>) {
            self.$store.types()
        }

        fn type_count(&self) -> usize {
            self.$store.type_count()
        }

        fn mark(
            &self,
            key: $crate::pass_on::annals_core::mark::MarkKey,
        ) -> $crate::answer!('_, Option<$crate::pass_on::bytes::Bytes>) {
            self.$store.mark(key)
        }

        fn marks(
            &self,
            space: &str,
            prefix: &str,
        ) -> $crate::answer!('_, Vec<($crate::pass_on::annals_core::mark::MarkKey, $crate::pass_on::bytes::Bytes)>) {
            self.$store.marks(space, prefix)
        }
    };
}

/// The answer of a store.
#[doc(hidden)]
#[macro_export]
macro_rules! answer {
    ($life:lifetime, $of:ty) => {
        $crate::pass_on::annals_core::port::store::BoxFuture<
            $life,
            Result<$of, $crate::pass_on::annals_core::port::store::ReadError>,
        >
    };
}
