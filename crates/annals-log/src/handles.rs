//! Open files of segments, a bounded number of them.
//!
//! In: a segment's number and path. Out: its file, open to read; the ones used longest ago are closed when there are
//! too many. Who holds a file keeps it open, so closing here never fails a read that is under way.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::disk::{Access, Disk, File};

/// The open files of one log.
#[derive(Debug)]
pub(crate) struct Handles {
    pub(crate) disk: Arc<dyn Disk>,
    max: usize,
    /// Those used longest ago come first.
    open: Mutex<Vec<(u32, Arc<dyn File>)>>,
}

impl Handles {
    /// At most `max` files are kept open, at least one.
    pub(crate) fn new(disk: Arc<dyn Disk>, max: usize) -> Arc<Self> {
        Arc::new(Self {
            disk,
            max: max.max(1),
            open: Mutex::default(),
        })
    }

    pub(crate) fn get(&self, number: u32, path: &Path) -> io::Result<Arc<dyn File>> {
        if let Some(file) = self.known(number) {
            return Ok(file);
        }
        // Opened outside of the lock: a slow disk does not hold up readers of other segments.
        let file = self.disk.open(path, Access::Read)?;
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if !open.iter().any(|(other, _)| *other == number) {
            open.push((number, file.clone()));
        }
        if open.len() > self.max {
            open.remove(0);
        }
        Ok(file)
    }

    /// Another file got this segment's name.
    pub(crate) fn forget(&self, number: u32) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|(other, _)| *other != number);
    }

    fn known(&self, number: u32) -> Option<Arc<dyn File>> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let at = open.iter().rposition(|(other, _)| *other == number)?;
        open[at..].rotate_left(1);
        open.last().map(|(_, file)| file.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::sim::SimDisk;

    #[test]
    fn the_ones_used_longest_ago_are_closed() {
        let disk = SimDisk::new(1);
        let path = |number: u32| Path::new("log").join(number.to_string());
        (0..4).for_each(|number| disk.place(&path(number), &[number as u8]));
        let handles = Handles::new(Arc::new(disk.clone()), 2);
        let kept = |handles: &Handles| -> Vec<u32> {
            handles
                .open
                .lock()
                .unwrap()
                .iter()
                .map(|(number, _)| *number)
                .collect()
        };
        let held = handles.get(0, &path(0)).unwrap();
        handles.get(1, &path(1)).unwrap();
        handles.get(0, &path(0)).unwrap();
        assert_eq!(kept(&handles), [1, 0]);
        handles.get(2, &path(2)).unwrap();
        handles.get(2, &path(2)).unwrap();
        assert_eq!(kept(&handles), [0, 2]);
        handles.get(3, &path(3)).unwrap();
        let mut byte = [9];
        held.read_at(&mut byte, 0).unwrap();
        assert_eq!(
            (kept(&handles), byte),
            (vec![2, 3], [0]),
            "a held file stays open"
        );
        assert!(handles.get(9, &path(9)).is_err());
        disk.remove(&path(3)).unwrap();
        disk.place(&path(3), &[7]);
        handles.forget(3);
        handles.get(3, &path(3)).unwrap().read_at(&mut byte, 0).unwrap();
        assert_eq!(byte, [7]);
    }
}
