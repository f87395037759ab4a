//! The lead of an inbox: only the one that took it last has effects.
//!
//! Work on messages may outlive the inbox that began it: an append that waits in a slow store, a decision that waits for
//! its turn. An inbox that begins anew looks at the notes of what is dealt with, and removes them one day; what then
//! still came from before would have a second effect. So it takes the lead first, and every effect depends on the lead:
//! what came before is in the notes, what comes after is refused.

use annals_core::condition::{Condition, Conflict};
use annals_core::mark::{Mark, MarkKey};
use annals_core::port::store::{Append, AppendError};
use bytes::Bytes;

use crate::ground::hub::Hub;

/// The mark space of leads.
const LEAD: &str = "lead";
const NAME: &str = "inbox";

/// The lead, as long as nobody else takes it.
#[derive(Debug, Clone)]
pub(crate) struct Lead {
    /// A name that nobody else has.
    holder: Bytes,
}

impl Lead {
    /// Takes the lead from whoever has it.
    pub(crate) async fn take(hub: &Hub) -> Result<Self, String> {
        let found = hub.store.mark(key()).await.map_err(|error| error.to_string())?;
        let holder = Bytes::from(hub.recording.world.event_id().to_string());
        let append = Append {
            conditions: vec![Condition::MarkIs {
                key: key(),
                expected: found,
            }],
            marks: vec![Mark::set(key(), holder.clone())],
            ..Append::default()
        };
        match hub.append(append).await {
            Ok(_) => Ok(Self { holder }),
            // The answer to the first try was lost.
            Err(AppendError::Conflict(Conflict::Mark { found, .. })) if found.as_ref() == Some(&holder) => {
                Ok(Self { holder })
            }
            Err(error) => Err(error.to_string()),
        }
    }

    /// Holds while nobody else has taken it.
    pub(crate) fn condition(&self) -> Condition {
        Condition::MarkIs {
            key: key(),
            expected: Some(self.holder.clone()),
        }
    }
}

fn key() -> MarkKey {
    MarkKey::new(LEAD, NAME)
}
