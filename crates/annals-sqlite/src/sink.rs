//! A folder of read models.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use annals_core::port::sink::{Sink, SinkError};
use annals_core::port::store::BoxFuture;

use crate::view::{Shared, SqliteView};
use crate::{failure, files};

/// Read models in one folder. Cheap to clone; a view that is open is shared by all who open it through clones of one
/// `Sqlite`.
#[derive(Clone)]
pub struct Sqlite {
    inner: Arc<Inner>,
}

struct Inner {
    folder: PathBuf,
    open: Mutex<HashMap<PathBuf, Weak<Shared>>>,
}

impl Sqlite {
    /// Uses a folder, creating it if it is not there. It should hold nothing else.
    ///
    /// # Errors
    /// `Unavailable`: the folder cannot be made; look at its permissions.
    pub fn folder(path: impl AsRef<Path>) -> Result<Self, SinkError> {
        let folder = path.as_ref().to_owned();
        fs::create_dir_all(&folder).map_err(|error| failure::of_disk(folder.display(), &error))?;
        Ok(Self {
            inner: Arc::new(Inner {
                folder,
                open: Mutex::default(),
            }),
        })
    }

    fn views(&self) -> MutexGuard<'_, HashMap<PathBuf, Weak<Shared>>> {
        // The map is changed by single inserts and removals only.
        self.inner.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open_view(&self, name: &str, version: u32) -> Result<SqliteView, SinkError> {
        let path = files::database(&self.inner.folder, name, version)?;
        let mut views = self.views();
        if let Some(shared) = views.get(&path).and_then(Weak::upgrade) {
            return Ok(SqliteView { shared });
        }
        let view = SqliteView::open(&path)?;
        views.retain(|_, shared| shared.strong_count() > 0);
        views.insert(path, Arc::downgrade(&view.shared));
        Ok(view)
    }

    fn remove_view(&self, name: &str, version: u32) -> Result<(), SinkError> {
        let path = files::database(&self.inner.folder, name, version)?;
        let mut views = self.views();
        if let Some(shared) = views.remove(&path).and_then(|shared| shared.upgrade()) {
            SqliteView { shared }.close();
        }
        files::remove(&self.inner.folder, name, version)
    }
}

impl Sink for Sqlite {
    type View = SqliteView;

    fn open(&self, name: &str, version: u32) -> BoxFuture<'_, Result<SqliteView, SinkError>> {
        let name = name.to_owned();
        Box::pin(async move { self.open_view(&name, version) })
    }

    fn promoted(&self, name: &str) -> BoxFuture<'_, Result<Option<u32>, SinkError>> {
        let name = name.to_owned();
        Box::pin(async move { files::promoted(&self.inner.folder, &name) })
    }

    fn promote(&self, name: &str, version: u32) -> BoxFuture<'_, Result<(), SinkError>> {
        let name = name.to_owned();
        Box::pin(async move { files::promote(&self.inner.folder, &name, version) })
    }

    fn remove(&self, name: &str, version: u32) -> BoxFuture<'_, Result<(), SinkError>> {
        let name = name.to_owned();
        Box::pin(async move { self.remove_view(&name, version) })
    }
}
