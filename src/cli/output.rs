//! Prints a command's output. A reader that has gone (`conduit export | head`) ends the output quietly, and the command's work
//! goes on. Any other failure to print makes the command fail at its end.

use std::fmt;
use std::io::{self, Write as _};

use parking_lot::Mutex;

/// How printing went so far.
static PRINTED: Mutex<Output> = Mutex::new(Output::Well);

#[derive(Debug)]
enum Output {
    Well,
    /// Nobody reads any more.
    ReaderGone,
    /// The output refused a write, for this reason.
    Failed(String),
}

/// Prints, or notes that it failed.
///
/// # Errors
/// The output's error, also one of an earlier call, for text that must not be lost.
pub(super) fn print(text: fmt::Arguments<'_>) -> io::Result<()> {
    attempt(|out| out.write_fmt(text))
}

/// Prints the buffered text.
///
/// # Errors
/// As [`print`].
pub(super) fn flush() -> io::Result<()> {
    attempt(|_| Ok(()))
}

/// Writes a text to the error output. A failure has no other place to be told, and is dropped.
pub(super) fn write_error(text: fmt::Arguments<'_>) {
    let _ = io::stderr().lock().write_fmt(text);
}

/// Returns whether the reader of the output is gone.
pub(super) fn is_reader_gone() -> bool {
    matches!(*PRINTED.lock(), Output::ReaderGone)
}

/// Prints the buffered text. Returns why the output is incomplete, if it should be complete.
pub(super) fn close() -> Result<(), String> {
    let _ = flush();
    match &*PRINTED.lock() {
        Output::Well | Output::ReaderGone => Ok(()),
        Output::Failed(cause) => Err(format!("cannot print: {cause}")),
    }
}

fn attempt(write: impl FnOnce(&mut io::StdoutLock<'static>) -> io::Result<()>) -> io::Result<()> {
    let mut printed = PRINTED.lock();
    match &*printed {
        Output::Well => {}
        Output::ReaderGone => return Err(io::ErrorKind::BrokenPipe.into()),
        Output::Failed(cause) => return Err(io::Error::other(cause.clone())),
    }
    let mut out = io::stdout().lock();
    let written = write(&mut out).and_then(|()| out.flush());
    if let Err(error) = &written {
        *printed = match error.kind() {
            io::ErrorKind::BrokenPipe => Output::ReaderGone,
            _ => Output::Failed(error.to_string()),
        };
    }
    written
}

/// Prints text; a failure is noted for the command's end.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = $crate::cli::output::print(format_args!($($text)*));
    }};
}

/// Prints a line; a failure is noted for the command's end.
macro_rules! say_line {
    ($($text:tt)*) => {{
        let _ = $crate::cli::output::print(format_args!("{}\n", format_args!($($text)*)));
    }};
}

/// Writes a line to the error output.
macro_rules! complain {
    ($($text:tt)*) => {
        $crate::cli::output::write_error(format_args!("{}\n", format_args!($($text)*)))
    };
}

pub(super) use {complain, say, say_line};
