//! What stands where in a record, and taking it apart.

use annals_core::time::Timestamp;
use uuid::Uuid;

pub(super) const EVENT: u8 = 1;
pub(super) const MARK: u8 = 2;
/// Bytes of an event before the type's name.
pub(super) const EVENT_FIXED: usize = 28;
pub(super) const MARK_FIXED: usize = 10;

pub(super) const COMMAND: u16 = 1;
pub(super) const PRIVATE: u16 = 1 << 1;
pub(super) const OCCURRED: u16 = 1 << 2;
pub(super) const CORRELATION: u16 = 1 << 3;
pub(super) const CAUSATION: u16 = 1 << 4;
pub(super) const TRACE_PARENT: u16 = 1 << 5;
pub(super) const ACTOR: u16 = 1 << 6;
pub(super) const SERVICE: u16 = 1 << 7;
pub(super) const TOPIC: u16 = 1 << 8;
pub(super) const ORIGIN: u16 = 1 << 9;
pub(super) const KNOWN: u16 = (1 << 10) - 1;

/// Takes pieces off the front of a body, never beyond its end.
pub(super) struct Cursor<'a> {
    body: &'a [u8],
    pub(super) at: usize,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(body: &'a [u8]) -> Self {
        Self { body, at: 0 }
    }

    #[inline]
    pub(super) fn take(&mut self, bytes: usize) -> Result<&'a [u8], String> {
        let rest = &self.body[self.at..];
        let Some(piece) = rest.get(..bytes) else {
            return Err(self.too_short(bytes));
        };
        self.at += bytes;
        Ok(piece)
    }

    #[cold]
    fn too_short(&self, bytes: usize) -> String {
        format!(
            "a field of {bytes} bytes at byte {} of a record of {}",
            self.at,
            self.body.len()
        )
    }

    #[inline]
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        Ok(self
            .take(N)?
            .try_into()
            .expect("as many bytes were taken as the array has"))
    }

    pub(super) fn u8(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    pub(super) fn u16(&mut self) -> Result<u16, String> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, String> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn moment(&mut self) -> Result<Timestamp, String> {
        Ok(Timestamp::from_micros(i64::from_le_bytes(self.array()?)))
    }

    pub(super) fn uuid(&mut self) -> Result<Uuid, String> {
        Ok(Uuid::from_bytes(self.array()?))
    }

    pub(super) fn text_of(&mut self, bytes: usize) -> Result<&'a str, String> {
        let at = self.at;
        std::str::from_utf8(self.take(bytes)?)
            .map_err(|error| format!("text at byte {at} that is no UTF-8: {error}"))
    }

    pub(super) fn text(&mut self) -> Result<&'a str, String> {
        let bytes = self.u16()?;
        self.text_of(usize::from(bytes))
    }

    /// What was taken from a byte on.
    pub(super) fn since(&self, from: usize) -> &'a [u8] {
        &self.body[from..self.at]
    }

    /// The rest of the body, which must have so many bytes.
    pub(super) fn rest(&mut self, bytes: u32) -> Result<&'a [u8], String> {
        let rest = &self.body[self.at..];
        if rest.len() != bytes as usize {
            return Err(format!(
                "{} bytes of content where {bytes} were announced",
                rest.len()
            ));
        }
        self.at = self.body.len();
        Ok(rest)
    }
}
