//! Work that may panic where it cannot unwind.
//!
//! The library's functions have C's calling convention, and a panic that reaches such a function ends the
//! process. The panic hook runs before that, so on a thread of this module it does not return: it reports the
//! failure and waits for ever. A picture that makes the decoder panic costs a thread, and what its decoder
//! held, but not the process. After [`MOST_LOST`] of them nothing is tried any more.
//!
//! The hook that was there before is kept and called. Another hook has to be set before the first AVIF picture
//! is decoded: one that is set later takes the place of this one, or waits for ever for threads left behind.

use std::cell::RefCell;
use std::panic::{set_hook, take_hook};
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::mpsc::sync_channel;
use std::thread;

/// Threads that may be lost.
const MOST_LOST: usize = 16;

/// Why there is no result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failed {
    /// The work panicked.
    Panicked,
    /// Too much work panicked before, or there is no thread for it.
    NotTried,
}

type Alarm = Box<dyn FnOnce()>;

thread_local! {
    /// What reports a panic of this thread's work.
    static ALARM: RefCell<Option<Alarm>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();
static LOST: AtomicUsize = AtomicUsize::new(0);

/// The result of `work`, done on a thread of its own.
pub(super) fn contained<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Failed> {
    if LOST.load(Relaxed) >= MOST_LOST {
        return Err(Failed::NotTried);
    }
    HOOK.call_once(install);
    let (sender, receiver) = sync_channel(1);
    let alarm = sender.clone();
    let work = move || {
        let alarm = move || drop(alarm.try_send(Err(Failed::Panicked)));
        ALARM.set(Some(Box::new(alarm)));
        let result = work();
        ALARM.set(None);
        // Who asked waits for it.
        let _ = sender.try_send(Ok(result));
    };
    thread::Builder::new().name("av1".into()).spawn(work).map_err(|_| Failed::NotTried)?;
    receiver.recv().unwrap_or(Err(Failed::Panicked))
}

fn install() {
    let before = take_hook();
    set_hook(Box::new(move |panic| {
        before(panic);
        let alarm = ALARM.try_with(RefCell::take).ok().flatten();
        if let Some(alarm) = alarm {
            LOST.fetch_add(1, Relaxed);
            tracing::error!(panic = %panic, "the AV1 decoder failed; its thread is left behind");
            alarm();
            loop {
                thread::park();
            }
        }
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As the library's functions are: a panic in it would end the process.
    extern "C" fn decoder(length: usize) -> u8 {
        let bytes = [1, 2, 3];
        bytes[length]
    }

    /// Whoever sets a hook after a panic waits for the threads that are left behind, and the test's own
    /// harness does; so this ends its process itself.
    #[test]
    #[ignore = "run in a process of its own, by the other test"]
    fn panics_that_cannot_unwind() {
        assert_eq!(contained(|| decoder(1)), Ok(2));
        for _ in 0..MOST_LOST {
            assert_eq!(contained(|| decoder(3)), Err(Failed::Panicked));
            // Panics of other threads unwind as ever.
            assert!(std::panic::catch_unwind(|| panic!("elsewhere")).is_err());
        }
        assert_eq!(contained(|| decoder(1)), Err(Failed::NotTried));
        LOST.store(0, Relaxed);
        assert_eq!(contained(|| decoder(2)), Ok(3));
        std::process::exit(7);
    }

    #[test]
    fn a_panic_that_cannot_unwind_loses_a_thread_and_not_the_process() {
        let name = "decode::heif::av1::contained::tests::panics_that_cannot_unwind";
        let program = std::env::current_exe().unwrap();
        let ended =
            std::process::Command::new(program).args(["--exact", name, "--ignored"]).output();
        let ended = ended.unwrap();
        assert_eq!(ended.status.code(), Some(7), "{ended:?}");
    }
}
