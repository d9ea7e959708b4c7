//! Whole lists, as CSV or as lines of JSON.
//!
//! An export is read page by page, each when the client has taken the one before. So it needs the memory of one page
//! for a list of any length, and no connection to the database while the client is slow. A failure before the first
//! page is a problem like any other. A later failure closes the connection before the last chunk, so that half a list
//! never looks complete.

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, VARY};
use actix_web::web::Bytes;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use futures_util::stream;

use super::accept::Format;
use super::csv;
use super::problem::Problem;
use crate::app::{Error, List, Record};

/// A list that can be exported.
pub(crate) trait ExportList: List<Item: Record> {}

impl<L: List<Item: Record>> ExportList for L {}

/// How a list is exported.
pub(crate) struct ExportOptions<P> {
    /// CSV, or lines of JSON.
    pub(crate) format: Format,
    /// Whether a table begins as Excel wants a text in UTF-8 to begin.
    pub(crate) for_excel: bool,
    /// The place behind which the export begins.
    pub(crate) after: Option<P>,
    /// Items in all, at most.
    pub(crate) limit: Option<usize>,
}

/// How far an export has come.
enum Progress<I, P> {
    /// These are next.
    Read(Vec<I>),
    /// The items after this place are next.
    Behind(P),
    Ended,
}

struct Export<L: ExportList> {
    list: L,
    is_csv: bool,
    /// Items that are still wanted.
    left: usize,
    progress: Progress<L::Item, L::Place>,
}

/// Answers with all of a list.
///
/// # Errors
/// The failures before the first page. A later failure closes the connection.
pub(crate) async fn export<L: ExportList>(list: L, asked: ExportOptions<L::Place>) -> Result<HttpResponse, Problem> {
    let left = asked.limit.unwrap_or(usize::MAX);
    let first = list.page(asked.after, left.min(L::Item::PAGE)).await?;
    let is_csv = asked.format == Format::Csv;
    let (media_type, ending) = if is_csv {
        ("text/csv; charset=utf-8; header=present", "csv")
    } else {
        ("application/x-ndjson", "ndjson")
    };
    let export = Export {
        list,
        is_csv,
        left,
        progress: Progress::Read(first),
    };
    let head = if is_csv {
        head::<L::Item>(asked.for_excel)
    } else {
        String::new()
    };
    let pages = stream::unfold((export, head), |(mut export, mut text)| async move {
        let written = export.next(&mut text).await?;
        Some((written.map(|()| Bytes::from(text)), (export, String::new())))
    });
    let name = format!("attachment; filename=\"{}.{ending}\"", L::Item::LIST);
    Ok(HttpResponse::Ok()
        .content_type(media_type)
        .insert_header((CONTENT_DISPOSITION, name))
        .insert_header((VARY, ACCEPT.as_str()))
        .streaming(Box::pin(pages)))
}

fn head<R: Record>(for_excel: bool) -> String {
    let mut text = String::new();
    if for_excel {
        text.push(csv::BYTE_ORDER_MARK);
    }
    csv::line(&mut text, R::COLUMNS);
    text
}

impl<L: ExportList> Export<L> {
    /// Writes the next page. Returns `None` after the last one. An error closes the connection.
    async fn next(&mut self, text: &mut String) -> Option<std::io::Result<()>> {
        let items = match std::mem::replace(&mut self.progress, Progress::Ended) {
            Progress::Ended => return None,
            Progress::Read(items) => items,
            Progress::Behind(place) => match self.read(place).await {
                Ok(items) => items,
                Err(problem) => {
                    let list = L::Item::LIST;
                    static BROKEN_OFF: LogLimit = LogLimit::new(20, MINUTE);
                    if let Some(line) = BROKEN_OFF.admit() {
                        tracing::warn!(
                            list, cause = %problem, left_out = line.left_out(),
                            "an export was broken off: its reader sees a connection that ended early"
                        );
                    }
                    return Some(Err(std::io::Error::other(problem.to_string())));
                }
            },
        };
        let was_full = items.len() == self.left.min(L::Item::PAGE);
        self.left -= items.len();
        if let Some(last) = items.last().filter(|_| was_full && self.left > 0) {
            self.progress = Progress::Behind(self.list.place(last));
        }
        for item in &items {
            if let Err(error) = self.write(text, item) {
                return Some(Err(error));
            }
        }
        Some(Ok(()))
    }

    async fn read(&self, place: L::Place) -> Result<Vec<L::Item>, Error> {
        conduit_actors::fail_point!("export::page", |_| {
            let cause = "as asked for".to_owned();
            Err(Error::Store(conduit_actors::ports::StoreError::Unavailable(cause)))
        });
        self.list.page(Some(place), self.left.min(L::Item::PAGE)).await
    }

    fn write(&self, text: &mut String, item: &L::Item) -> std::io::Result<()> {
        if self.is_csv {
            csv::line(text, item.cells());
        } else {
            text.push_str(&serde_json::to_string(item)?);
            text.push('\n');
        }
        Ok(())
    }
}
