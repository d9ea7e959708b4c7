//! Lists, a page at a time in JSON, or whole in a file.

use actix_web::HttpResponse;
use actix_web::http::header::{ACCEPT, VARY};

use super::cursor::{Cursors, Place};
use super::paging::Items;
use crate::app::{List, Record};
use crate::http::accept::Format;
use crate::http::export::{ExportOptions, export};
use crate::http::problem::Problem;
use crate::http::query::{DEFAULT_LIMIT, Query};

/// A list that can be paged through and exported.
pub(super) trait PagedList: List<Item: Record, Place: Place> {}

impl<L: List<Item: Record, Place: Place>> PagedList for L {}

/// The options of a list beside its filter.
pub(crate) struct ListRequest<P> {
    pub(crate) format: Format,
    /// Of a table: whether it begins as Excel wants a text in UTF-8 to begin.
    pub(crate) for_excel: bool,
    pub(crate) cursors: Cursors,
    pub(crate) after: Option<P>,
    /// Most items of a page, or of an export in all.
    pub(crate) limit: Option<usize>,
}

impl<P: Place> ListRequest<P> {
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
pub(crate) async fn respond<L: PagedList>(list: L, asked: ListRequest<L::Place>) -> Result<HttpResponse, Problem> {
    match asked.format {
        Format::Json => {
            let page = page(&list, &asked).await?;
            Ok(HttpResponse::Ok().insert_header((VARY, ACCEPT.as_str())).json(page))
        }
        Format::Ndjson | Format::Csv => export(list, asked.into()).await,
    }
}

/// Returns a page, with the cursor of the next.
pub(crate) async fn page<L: PagedList>(list: &L, asked: &ListRequest<L::Place>) -> Result<Items<L::Item>, Problem> {
    let limit = asked.limit.unwrap_or(DEFAULT_LIMIT);
    let found = list.page(asked.after, limit + 1).await?;
    Ok(Items::page(found, limit, |item| asked.cursors.write(&list.place(item))))
}

impl<P> From<ListRequest<P>> for ExportOptions<P> {
    fn from(request: ListRequest<P>) -> Self {
        Self {
            format: request.format,
            for_excel: request.for_excel,
            after: request.after,
            limit: request.limit,
        }
    }
}
