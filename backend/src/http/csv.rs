//! CSV downloads of any length (RFC 4180), read from the database page by page.

use actix_web::{
    HttpResponse,
    http::header,
    web::{Bytes, Data},
};
use csv_async::{AsyncWriterBuilder, Terminator};
use diesel_async::AsyncPgConnection;
use futures_util::{StreamExt, stream};
use serde::Deserialize;
use shared::formula;
use utoipa::{IntoParams, ToSchema};

use crate::{
    app::App,
    db,
    http::{ApiError, ApiResult},
};

const BYTE_ORDER_MARK: &str = "\u{feff}";

/// How a download is written. The defaults suit programs; Excel reads UTF-8 with `bom=true`, and needs `delimiter=;` where
/// the comma is the decimal separator.
#[derive(Debug, Clone, Copy, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct CsvOptions {
    /// Begin with a byte order mark, by which Excel recognizes UTF-8
    #[param(default = false)]
    pub bom: bool,
    /// Separator of the cells
    #[param(inline)]
    pub delimiter: CsvDelimiter,
}

#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
pub enum CsvDelimiter {
    #[default]
    #[serde(rename = ",", alias = "comma")]
    Comma,
    #[serde(rename = ";", alias = "semicolon")]
    Semicolon,
    #[serde(rename = "tab", alias = "\t")]
    Tab,
}

impl CsvDelimiter {
    const fn byte(self) -> u8 {
        match self {
            Self::Comma => b',',
            Self::Semicolon => b';',
            Self::Tab => b'\t',
        }
    }
}

/// Lines of a page, and what to ask for the next page; `None` at the end.
pub type Page<Cursor> = (Vec<Vec<String>>, Option<Cursor>);

/// Returns a file with `header` and the lines of all pages, from the one at `first` on. Cells that a spreadsheet would run as
/// a formula are escaped.
///
/// A connection is held for the time of a page only: a client that reads slowly holds none. If a later page fails, the
/// connection to the client is cut, so that it cannot take a part for the whole.
///
/// # Errors
/// When the first page cannot be read.
pub async fn download<Cursor, Read>(
    app: Data<App>,
    options: CsvOptions,
    file_name: &str,
    header: Vec<String>,
    first: Cursor,
    read: Read,
) -> ApiResult<HttpResponse>
where
    Cursor: 'static,
    Read: AsyncFn(&mut AsyncPgConnection, Cursor) -> ApiResult<Page<Cursor>> + 'static,
{
    let (mut rows, next) = read(&mut *app.db_for_read().await?, first).await?;
    rows.insert(0, header);
    let mark = if options.bom { BYTE_ORDER_MARK } else { "" };
    let first = Bytes::from([mark.as_bytes(), &lines(&rows, options).await?].concat());
    let rest = stream::try_unfold((next, read), move |(cursor, read)| {
        let app = app.clone();
        async move {
            let Some(cursor) = cursor else { return ApiResult::Ok(None) };
            let reading = async { read(&mut *app.db_for_read().await?, cursor).await };
            // If the client disconnects in the middle of a page, its statement is canceled.
            let (rows, next) = db::abort_on_drop(reading).await?;
            Ok(Some((lines(&rows, options).await?, (next, read))))
        }
    });
    Ok(HttpResponse::Ok()
        .content_type("text/csv; charset=utf-8")
        .insert_header((header::CONTENT_DISPOSITION, format!("attachment; filename=\"{file_name}\"")))
        .streaming(stream::once(async { Ok(first) }).chain(rest)))
}

async fn lines(rows: &[Vec<String>], options: CsvOptions) -> ApiResult<Bytes> {
    let written = async {
        let mut writer = AsyncWriterBuilder::new()
            .delimiter(options.delimiter.byte())
            .terminator(Terminator::CRLF)
            .create_writer(Vec::new());
        for row in rows {
            writer.write_record(row.iter().map(|cell| formula::escape(cell).into_owned())).await?;
        }
        writer.into_inner().await.map_err(|error| anyhow::anyhow!("{error}"))
    };
    written.await.map(Bytes::from).map_err(ApiError::Internal)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn cells_are_quoted_for_their_delimiter_and_formulas_are_escaped() {
        let rows = [["a,b", "c;d", "e\tf", "=1", "-5", "x;=1"].map(String::from).to_vec()];
        for (delimiter, written) in [
            (CsvDelimiter::Comma, "\"a,b\",c;d,e\tf,'=1,-5,x;'=1\r\n"),
            (CsvDelimiter::Semicolon, "a,b;\"c;d\";e\tf;'=1;-5;\"x;'=1\"\r\n"),
            (CsvDelimiter::Tab, "a,b\tc;d\t\"e\tf\"\t'=1\t-5\tx;'=1\r\n"),
        ] {
            let options = CsvOptions { bom: false, delimiter };
            assert_eq!(lines(&rows, options).await.expect("lines"), written);
        }
    }
}
