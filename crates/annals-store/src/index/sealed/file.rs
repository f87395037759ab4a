//! An index file that is read page by page.
//!
//! In: numbers of pages. Out: pages that were checked, from memory or from the disk. Reading everything from front to
//! back goes around the pages that are kept for questions.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use annals_log::disk::File;

use super::super::trouble::Trouble;
use super::cache::Cache;
use super::page::{Kind, PAGE_BYTES, Page, ROOM};

/// Pages read at once from front to back.
const WINDOW_PAGES: u32 = 64;

/// A page that took longer came from the medium, and so will others: only then are hints worth their calls. Nothing but
/// speed depends on this.
pub(crate) const COLD: Duration = Duration::from_micros(25);

/// Pages the kernel is told of around one that came from the medium.
const NEIGHBOURS: u32 = 16;

/// An open file.
#[derive(Debug)]
pub(super) struct PageFile {
    path: PathBuf,
    file: Arc<dyn File>,
    /// Different for every file this process opens.
    opened: u32,
    identity: u64,
    pages: u32,
    keep: Keep,
}

/// Where pages are kept.
#[derive(Debug)]
enum Keep {
    Cache(Arc<Cache>),
    /// The pages read last, and the number of the first.
    Window(Mutex<(u32, Vec<Arc<Page>>)>),
}

impl PageFile {
    pub(super) fn new(
        path: PathBuf,
        file: Arc<dyn File>,
        identity: u64,
        pages: u32,
        cache: Arc<Cache>,
    ) -> Self {
        static OPENED: AtomicU32 = AtomicU32::new(0);
        Self {
            path,
            file,
            opened: OPENED.fetch_add(1, Ordering::Relaxed),
            identity,
            pages,
            keep: Keep::Cache(cache),
        }
    }

    /// The same file, to be read from front to back.
    pub(super) fn streaming(&self) -> Self {
        Self {
            path: self.path.clone(),
            file: self.file.clone(),
            opened: self.opened,
            identity: self.identity,
            pages: self.pages,
            keep: Keep::Window(Mutex::default()),
        }
    }

    pub(super) fn path(&self) -> &PathBuf {
        &self.path
    }

    /// What tells it from every other file this process has opened.
    pub(super) fn opened(&self) -> u32 {
        self.opened
    }

    pub(super) fn pages(&self) -> u32 {
        self.pages
    }

    /// An error that names a page.
    pub(super) fn damaged(&self, page: u32, what: impl Into<String>) -> Trouble {
        Trouble::Damaged {
            file: self.path.clone(),
            at: u64::from(page) * PAGE_BYTES as u64,
            what: what.into(),
            opened: Some(self.opened),
        }
    }

    /// The page of a number, which must hold this kind of thing.
    pub(super) fn page(&self, number: u32, kind: Kind) -> Result<Arc<Page>, Trouble> {
        let page = match &self.keep {
            Keep::Cache(cache) => match cache.get((self.opened, number)) {
                Some(page) => page,
                None => {
                    let page = self.read_one(number)?;
                    cache.put((self.opened, number), page.clone());
                    page
                }
            },
            Keep::Window(window) => self.in_window(window, number)?,
        };
        match page.is(kind) {
            true => Ok(page),
            false => Err(self.damaged(number, format!("expected a page of kind {kind:?}, found another"))),
        }
    }

    fn in_window(&self, window: &Mutex<(u32, Vec<Arc<Page>>)>, number: u32) -> Result<Arc<Page>, Trouble> {
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        let known = |(first, pages): &(u32, Vec<Arc<Page>>)| {
            let place = number.checked_sub(*first)?;
            pages.get(place as usize).cloned()
        };
        if let Some(page) = known(&window) {
            return Ok(page);
        }
        *window = (number, self.read(number, WINDOW_PAGES)?);
        known(&window).ok_or_else(|| self.beyond(number))
    }

    fn beyond(&self, number: u32) -> Trouble {
        self.damaged(number, format!("expected one of {} pages", self.pages))
    }

    /// Reads one page.
    fn read_one(&self, number: u32) -> Result<Arc<Page>, Trouble> {
        if number >= self.pages {
            return Err(self.beyond(number));
        }
        let mut bytes = [0; PAGE_BYTES];
        let began = Instant::now();
        self.fill(&mut bytes, number)?;
        if began.elapsed() > COLD {
            // The pages around it will be wanted too, sooner or later, and cost little more.
            let first = number / NEIGHBOURS * NEIGHBOURS;
            let at = u64::from(first) * PAGE_BYTES as u64;
            self.file.hint(at, u64::from(NEIGHBOURS) * PAGE_BYTES as u64);
        }
        self.checked(&bytes, number)
    }

    /// Reads pages, fewer where the file ends.
    fn read(&self, first: u32, pages: u32) -> Result<Vec<Arc<Page>>, Trouble> {
        let pages = pages.min(self.pages.saturating_sub(first));
        let mut bytes = vec![0; pages as usize * PAGE_BYTES];
        self.fill(&mut bytes, first)?;
        let pages = (first..).zip(bytes.chunks(PAGE_BYTES));
        pages.map(|(number, bytes)| self.checked(bytes, number)).collect()
    }

    fn fill(&self, bytes: &mut [u8], first: u32) -> Result<(), Trouble> {
        let at = u64::from(first) * PAGE_BYTES as u64;
        let read = self.file.read_at(bytes, at).map_err(|source| Trouble::Io {
            file: self.path.clone(),
            at,
            source,
        })?;
        if read < bytes.len() {
            let last = first + (read / PAGE_BYTES) as u32;
            return Err(self.damaged(last, "expected a page, found the end of the file"));
        }
        Ok(())
    }

    fn checked(&self, bytes: &[u8], number: u32) -> Result<Arc<Page>, Trouble> {
        let page = Page::checked(bytes, self.identity, number);
        page.map(Arc::new).map_err(|what| self.damaged(number, what))
    }

    /// Says that a page will be read soon, unless it is kept.
    pub(super) fn hint(&self, number: u32) {
        if let Keep::Cache(cache) = &self.keep
            && cache.get((self.opened, number)).is_none()
        {
            self.file
                .hint(u64::from(number) * PAGE_BYTES as u64, PAGE_BYTES as u64);
        }
    }

    /// Bytes that were spread over pages of their own.
    pub(super) fn bytes(&self, first: u32, bytes: usize) -> Result<Vec<u8>, Trouble> {
        if bytes.div_ceil(ROOM) > self.pages as usize {
            return Err(self.damaged(first, format!("{bytes} bytes are more than the file has")));
        }
        let mut all = Vec::with_capacity(bytes);
        for number in first.. {
            if all.len() >= bytes {
                break;
            }
            all.extend_from_slice(self.page(number, Kind::Bytes)?.content());
        }
        all.truncate(bytes);
        Ok(all)
    }
}
