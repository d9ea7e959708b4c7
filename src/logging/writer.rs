//! Writes log lines to standard error, and never fails or waits for long: serving goes on without a log.
//!
//! A line is lost if the output refuses it: its reader has gone, or its disk is full. It is also lost if the output does not
//! accept it in time: its reader stands still and the pipe is full. Lost lines are counted, see [`lost_lines`].

use std::io::{self, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use tracing_subscriber::fmt::MakeWriter;

/// How long a line waits for an output that took the line before.
const PATIENCE: Timespec = Timespec {
    tv_sec: 0,
    tv_nsec: 100_000_000,
};

/// The wait for an output that did not accept the line before.
const NO_PATIENCE: Timespec = Timespec { tv_sec: 0, tv_nsec: 0 };

/// A pipe that can be written to takes so many bytes at once.
const PIPE_BYTES: usize = 4096;

/// How often lost lines are looked for.
const INTERVAL: Duration = Duration::from_secs(5);

static LOST: AtomicU64 = AtomicU64::new(0);

static OUTPUT: Mutex<Output> = Mutex::new(Output {
    is_well: true,
    is_torn: false,
});

/// The state of standard error.
struct Output {
    /// The last line was written.
    is_well: bool,
    /// The last line was written in part.
    is_torn: bool,
}

/// Returns how many log lines could not be written since the start.
#[must_use]
pub fn lost_lines() -> u64 {
    LOST.load(Ordering::Relaxed)
}

/// Tells of lost lines once the output takes lines again, for as long as it is polled.
pub async fn report_losses() {
    // Lines of the start may be lost as well.
    let mut reported = 0;
    loop {
        tokio::time::sleep(INTERVAL).await;
        let lost = lost_lines();
        if lost > reported && OUTPUT.lock().is_well {
            tracing::warn!(
                lines = lost - reported,
                "log lines were lost: the log's output did not take them"
            );
            reported = lost;
        }
    }
}

/// Makes a [`LineWriter`] for each event.
pub(super) struct StandardError;

impl MakeWriter<'_> for StandardError {
    type Writer = LineWriter;

    fn make_writer(&self) -> LineWriter {
        LineWriter
    }
}

/// Takes one line, as a whole.
pub(super) struct LineWriter;

impl Write for LineWriter {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if OUTPUT.lock().write(line, &mut io::stderr().lock()).is_err() {
            LOST.fetch_add(1, Ordering::Relaxed);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Output {
    fn write(&mut self, line: &[u8], to: &mut (impl Write + std::os::fd::AsFd)) -> io::Result<()> {
        let mut begun = false;
        let written = self.write_parts(line, to, &mut begun);
        self.is_well = written.is_ok();
        self.is_torn = match written {
            Ok(()) => false,
            Err(_) => self.is_torn || begun,
        };
        written
    }

    fn write_parts(&self, line: &[u8], to: &mut (impl Write + std::os::fd::AsFd), begun: &mut bool) -> io::Result<()> {
        let mut patience = if self.is_well { PATIENCE } else { NO_PATIENCE };
        if self.is_torn {
            write_some(b"\n", to, patience)?;
        }
        let mut rest = line;
        while !rest.is_empty() {
            let part = &rest[..rest.len().min(PIPE_BYTES)];
            match write_some(part, to, patience)? {
                0 => return Err(io::ErrorKind::WriteZero.into()),
                count => rest = &rest[count..],
            }
            *begun = true;
            // A started line should be completed.
            patience = PATIENCE;
        }
        Ok(())
    }
}

/// Writes as much as the output takes at once, when it takes something.
fn write_some(part: &[u8], to: &mut (impl Write + std::os::fd::AsFd), patience: Timespec) -> io::Result<usize> {
    loop {
        let mut output = [PollFd::new(&*to, PollFlags::OUT)];
        match poll(&mut output, Some(&patience)) {
            Ok(0) => return Err(io::ErrorKind::TimedOut.into()),
            Ok(_) => {}
            Err(rustix::io::Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        }
        match to.write(part) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            written => return written,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;
    use std::time::Instant;

    use super::*;

    fn output() -> Output {
        Output {
            is_well: true,
            is_torn: false,
        }
    }

    #[test]
    fn a_pipe_that_nobody_empties_loses_lines_and_delays_no_one() {
        let (mut reader, mut writer) = io::pipe().unwrap();
        let mut output = output();
        let line = vec![b'x'; 10_000];
        let mut taken = 0;
        while output.write(&line, &mut writer).is_ok() {
            taken += 1;
        }
        assert!(taken > 0 && output.is_torn);
        let began = Instant::now();
        for _ in 0..1_000 {
            output.write(b"lost\n", &mut writer).unwrap_err();
        }
        assert!(began.elapsed() < Duration::from_secs(50), "each lost line waits");
        // Room again: the torn line is ended first.
        let mut some = vec![0; 64 * 1024];
        assert!(reader.read(&mut some).unwrap() > 10_000);
        output.write(b"next\n", &mut writer).unwrap();
        drop(writer);
        let mut rest = String::new();
        reader.read_to_string(&mut rest).unwrap();
        assert!(rest.ends_with("x\nnext\n") || rest == "\nnext\n", "{rest:.20}");
    }

    #[test]
    fn a_reader_that_has_gone_and_a_full_disk_are_errors_only() {
        let (reader, mut writer) = io::pipe().unwrap();
        drop(reader);
        let gone = output().write(b"line\n", &mut writer).unwrap_err();
        assert_eq!(gone.kind(), io::ErrorKind::BrokenPipe);
        let mut full = File::options().write(true).open("/dev/full").unwrap();
        let refused = output().write(b"line\n", &mut full).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::StorageFull);
    }
}
