//! Threads whose work can wait.

/// How much other threads go before it, of 19.
#[cfg(target_os = "linux")]
const NICENESS: i32 = 10;

/// Lets this thread run where others leave time for it. Where the system cannot do that, nothing changes.
pub fn give_way() {
    // Linux takes this for the calling thread; elsewhere it would mean the whole process.
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::setpriority_process(None, NICENESS) {
        tracing::debug!(%error, "a thread in the background runs like every other");
    }
}
