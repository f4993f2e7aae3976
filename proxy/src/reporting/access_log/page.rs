//! Pages of the access log, and how they get to the file.

use std::cell::{Cell, RefCell};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use super::{AccessLog, Format, Line};

/// A page with this many bytes is full.
const FULL: usize = 32 * 1024;
/// Pages that may wait.
const WAITING: usize = 64;

/// What takes pages from the threads.
#[derive(Debug, Clone)]
pub(crate) struct Sink {
    format: Format,
    pages: SyncSender<Vec<u8>>,
    lost: Arc<AtomicU64>,
}

/// A thread's own part of the log.
pub(crate) struct Log {
    sink: Sink,
    text: RefCell<Vec<u8>>,
    lines: Cell<u64>,
    clock: RefCell<Clock>,
}

/// Shows times. Most are of the second that was shown last.
#[derive(Default)]
pub(crate) struct Clock {
    second: Option<u64>,
    shown: String,
}

impl Sink {
    /// Opens the log. Its thread ends once the last sink has gone and all lines are written.
    pub(crate) fn open(log: &AccessLog) -> io::Result<(Self, JoinHandle<()>)> {
        let mut to: Box<dyn Write + Send> = match &log.path {
            Some(path) => Box::new(OpenOptions::new().create(true).append(true).open(path)?),
            None => Box::new(io::stdout()),
        };
        let (pages, waiting) = sync_channel(WAITING);
        let lost = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&lost);
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn(move || {
            if let Err(error) = write_down(&waiting, &mut to, &counted) {
                tracing::error!(%error, "the access log cannot be written any more");
            }
        })?;
        Ok((Self { format: log.format, pages, lost }, thread))
    }
}

fn write_down(waiting: &Receiver<Vec<u8>>, to: &mut impl Write, lost: &AtomicU64) -> io::Result<()> {
    for page in waiting {
        to.write_all(&page)?;
        to.flush()?;
        let lost = lost.swap(0, Ordering::Relaxed);
        if lost > 0 {
            tracing::warn!(lost, "the access log could not keep up");
        }
    }
    Ok(())
}

impl Log {
    /// A thread's part of what the sink takes.
    pub(crate) fn new(sink: Sink) -> Self {
        Self { sink, text: RefCell::default(), lines: Cell::new(0), clock: RefCell::default() }
    }

    /// Writes a line down.
    pub(super) fn put(&self, line: &Line) {
        let full = {
            let mut text = self.text.borrow_mut();
            line.write(self.sink.format, &mut self.clock.borrow_mut(), &mut text);
            text.len() >= FULL
        };
        self.lines.set(self.lines.get() + 1);
        if full {
            self.turn();
        }
    }

    /// Hands the page over, whatever is on it.
    pub(crate) fn turn(&self) {
        let lines = self.lines.take();
        if lines == 0 {
            return;
        }
        let page = self.text.replace(Vec::with_capacity(FULL + FULL / 8));
        if self.sink.pages.try_send(page).is_err() {
            self.sink.lost.fetch_add(lines, Ordering::Relaxed);
        }
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.turn();
    }
}

impl Clock {
    /// A time, to the millisecond.
    pub(super) fn show(&mut self, time: SystemTime) -> &str {
        // Nothing here is older than the computers that tell the time so.
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        if self.second != Some(since.as_secs()) {
            self.second = Some(since.as_secs());
            let second = Timestamp::try_from(UNIX_EPOCH + Duration::from_secs(since.as_secs()));
            self.shown = format!("{:.3}", second.unwrap_or_default());
        }
        let at = self.shown.len().saturating_sub("000Z".len());
        self.shown.truncate(at);
        let millis = since.subsec_millis();
        self.shown.extend([100, 10, 1].map(|place| char::from(b'0' + (millis / place % 10) as u8)));
        self.shown.push('Z');
        &self.shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_to_the_millisecond() {
        let mut clock = Clock::default();
        for (millis, shown) in [
            (1_700_000_000_007, "2023-11-14T22:13:20.007Z"),
            (1_700_000_000_999, "2023-11-14T22:13:20.999Z"),
            (1_700_000_001_000, "2023-11-14T22:13:21.000Z"),
            (1_699_999_999_120, "2023-11-14T22:13:19.120Z"),
        ] {
            assert_eq!(clock.show(UNIX_EPOCH + Duration::from_millis(millis)), shown);
        }
    }
}
