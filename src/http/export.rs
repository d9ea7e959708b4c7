//! Lists, a page at a time for those who look, and whole for those who take them away.
//!
//! An export is read page by page, each when the client has taken the one before: it needs the memory of one page, however
//! much there is, and no connection to the database while the client is slow. What fails before the first page is a problem
//! like any other. What fails later breaks the connection off before the last chunk, so that half a list never looks like
//! the whole.

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT, CONTENT_DISPOSITION, VARY};
use actix_web::web::Bytes;
use conduit_actors::log_limit::{LogLimit, MINUTE};
use futures_util::stream;
use serde::Serialize;

use super::accept::Format;
use super::csv;
use super::cursor::{Cursors, Place};
use super::paging::{Items, Query};
use super::problem::Problem;

/// Items read at a time, at most.
const PAGE: usize = 500;

/// An item of a list, as a line of a table.
pub(crate) trait Row: Serialize + 'static {
    /// The list's name: the name of the file.
    const LIST: &'static str;
    /// The names of the cells, in their order.
    const COLUMNS: &'static [&'static str];
    /// Items of an export that are read at a time.
    const PAGE: usize = PAGE;

    /// As many as there are columns; empty for what is not there.
    fn cells(&self) -> Vec<String>;
}

/// A list under a filter.
pub(crate) trait List: 'static {
    type Item: Row;
    type Place: Place + Copy + 'static;

    /// The items behind a place: fewer than `limit` only if these are the last.
    async fn page(&self, after: Option<Self::Place>, limit: usize) -> Result<Vec<Self::Item>, Problem>;

    /// Where an item stands.
    fn place(&self, item: &Self::Item) -> Self::Place;
}

/// What is asked of a list, beside its filter.
pub(crate) struct Asked<P> {
    pub(crate) format: Format,
    /// Of a table: whether it begins as Excel wants a text in UTF-8 to begin.
    pub(crate) for_excel: bool,
    pub(crate) cursors: Cursors,
    pub(crate) after: Option<P>,
    /// Items at most: of a page, or of an export in all.
    pub(crate) limit: Option<usize>,
}

impl<P: Place> Asked<P> {
    /// Reads `limit`, `cursor` and `excel`.
    pub(crate) fn read(format: Format, list: &str, query: &Query) -> Result<Self, Problem> {
        let cursors = Cursors::of_query(list, query);
        Ok(Self {
            format,
            for_excel: query.flag("excel")?,
            after: cursors.read_from(query)?,
            limit: query.limit_if_given()?,
            cursors,
        })
    }
}

/// Answers a page, or all.
pub(crate) async fn respond<L: List>(list: L, asked: Asked<L::Place>) -> Result<HttpResponse, Problem> {
    match asked.format {
        Format::Json => {
            let page = page(&list, &asked).await?;
            Ok(HttpResponse::Ok().insert_header((VARY, ACCEPT.as_str())).json(page))
        }
        Format::Ndjson | Format::Csv => export(list, &asked).await,
    }
}

/// A page, with the cursor of the next.
pub(crate) async fn page<L: List>(list: &L, asked: &Asked<L::Place>) -> Result<Items<L::Item>, Problem> {
    let limit = asked.limit.unwrap_or(super::paging::DEFAULT_LIMIT);
    let found = list.page(asked.after, limit + 1).await?;
    Ok(Items::page(found, limit, |item| asked.cursors.write(&list.place(item))))
}

/// How far an export has come.
enum Progress<I, P> {
    /// These are next.
    Read(Vec<I>),
    /// What is behind this place is next.
    Behind(P),
    Ended,
}

struct Export<L: List> {
    list: L,
    is_csv: bool,
    /// Items that are still wanted.
    left: usize,
    progress: Progress<L::Item, L::Place>,
}

/// All of the list.
pub(crate) async fn export<L: List>(list: L, asked: &Asked<L::Place>) -> Result<HttpResponse, Problem> {
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

fn head<R: Row>(for_excel: bool) -> String {
    let mut text = String::new();
    if for_excel {
        text.push(csv::BYTE_ORDER_MARK);
    }
    csv::line(&mut text, R::COLUMNS);
    text
}

impl<L: List> Export<L> {
    /// Writes the next page; none if there is none. An error breaks the connection off.
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

    async fn read(&self, place: L::Place) -> Result<Vec<L::Item>, Problem> {
        fail::fail_point!("export::page", |_| Err(Problem::unavailable(
            "database_unavailable",
            "as asked for"
        )));
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
