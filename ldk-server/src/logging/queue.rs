//! A queue of lines for one output. Callers do not wait for the output: a paused terminal, a pipe
//! without a reader or a lost mount must not stop the node.

use std::io;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

/// How many lines and bytes may wait; further lines are lost.
const CAPACITY: usize = 16_384;
const CAPACITY_BYTES: usize = 8 << 20;

/// The sending end of the queue.
pub(super) struct Queue<T> {
    lines: SyncSender<(T, usize)>,
    progress: Arc<Progress>,
}

#[derive(Default)]
struct Progress {
    waiting_bytes: AtomicUsize,
    pushed: AtomicU64,
    lost: AtomicU64,
    written: Mutex<u64>,
    has_written: Condvar,
}

impl<T: Send + 'static> Queue<T> {
    /// Creates a queue and a thread with this name that writes its lines.
    pub(super) fn start(name: &str, write: impl FnMut(T) + Send + 'static) -> io::Result<Self> {
        let (lines, waiting) = sync_channel(CAPACITY);
        let progress = Arc::<Progress>::default();
        let writing = Arc::clone(&progress);
        let thread = thread::Builder::new().name(name.to_owned());
        thread.spawn(move || writing.write_all(&waiting, write))?;
        Ok(Self { lines, progress })
    }

    /// Adds a line of so many bytes; if too much waits, the line is lost.
    pub(super) fn push(&self, line: T, bytes: usize) {
        let Progress { waiting_bytes, pushed, lost, .. } = &*self.progress;
        let before = waiting_bytes.fetch_add(bytes, Ordering::SeqCst);
        if before <= CAPACITY_BYTES && self.lines.try_send((line, bytes)).is_ok() {
            pushed.fetch_add(1, Ordering::SeqCst);
        } else {
            waiting_bytes.fetch_sub(bytes, Ordering::SeqCst);
            lost.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// The number of lost lines.
    pub(super) fn lost(&self) -> u64 {
        self.progress.lost.load(Ordering::SeqCst)
    }

    /// Waits until all lines so far are written, for a limited time.
    pub(super) fn flush(&self, patience: Duration) {
        let pushed = self.progress.pushed.load(Ordering::SeqCst);
        let written = self.progress.written();
        // A timeout has no consequence.
        let _ = self
            .progress
            .has_written
            .wait_timeout_while(written, patience, |written| *written < pushed);
    }
}

impl Progress {
    fn write_all<T>(&self, waiting: &Receiver<(T, usize)>, mut write: impl FnMut(T)) {
        for (line, bytes) in waiting {
            write(line);
            self.waiting_bytes.fetch_sub(bytes, Ordering::SeqCst);
            *self.written() += 1;
            self.has_written.notify_all();
        }
    }

    fn written(&self) -> MutexGuard<'_, u64> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn lines_are_written_in_order() {
        let written = Arc::<Mutex<Vec<u32>>>::default();
        let writing = Arc::clone(&written);
        let queue = Queue::start("test", move |line| writing.lock().unwrap().push(line)).unwrap();
        (0..100).for_each(|line| queue.push(line, 1));
        queue.flush(PATIENCE);
        assert_eq!(*written.lock().unwrap(), (0..100).collect::<Vec<_>>());
        assert_eq!(queue.lost(), 0);
    }

    /// A queue whose reader takes nothing until the sender is dropped.
    fn unread() -> (Queue<usize>, SyncSender<()>) {
        let (release, released) = sync_channel::<()>(0);
        let queue = Queue::start("test", move |_| {
            // An error, once the other end is gone.
            let _ = released.recv();
        });
        (queue.unwrap(), release)
    }

    #[test]
    fn nobody_waits_for_a_reader_who_does_not_read() {
        let (queue, release) = unread();
        // The thread holds one at most.
        (0..2 * CAPACITY).for_each(|line| queue.push(line, 1));
        let lost = queue.lost();
        assert!((CAPACITY as u64 - 1..=CAPACITY as u64).contains(&lost), "{lost}");
        let began = Instant::now();
        queue.flush(Duration::from_millis(10));
        assert!(began.elapsed() < PATIENCE);

        drop(release);
        queue.flush(PATIENCE);
        queue.push(0, 1);
        assert_eq!(queue.lost(), lost);
    }

    #[test]
    fn long_lines_are_lost_sooner() {
        let (queue, _release) = unread();
        (0..3).for_each(|line| queue.push(line, CAPACITY_BYTES));
        assert_eq!(queue.lost(), 1);
    }
}
