//! What the beginning of a file tells: whether it is a CSV of products, and where its columns are.
//!
//! Pure, and in this crate, because both sides ask: the browser before it sends half a gigabyte, the server because
//! not everybody is a browser.

use csv_core::ReadRecordResult;
use serde::{Deserialize, Serialize};

use crate::{formula, problem::ErrorCode};

/// How much of a file [`inspect`] wants to see, in bytes: the header record must end within it.
pub const HEAD_BYTES: usize = 64 * 1024;

/// Delimiters that are recognised, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Beginnings of files that people take for tables, and what to tell them.
const MAGIC: [(&[u8], &str); 6] = [
    (
        b"PK\x03\x04",
        "It is a ZIP archive or an Excel workbook; open it in the program that made it and save it as CSV (UTF-8).",
    ),
    (b"\xD0\xCF\x11\xE0", "It is an old Excel workbook; open it and save it as CSV (UTF-8)."),
    (b"%PDF", "It is a PDF."),
    (b"\x1F\x8B", "It is compressed with gzip; unpack it first."),
    (b"\xFF\xFE", "It is text in UTF-16; save it as CSV in UTF-8."),
    (b"\xFE\xFF", "It is text in UTF-16; save it as CSV in UTF-8."),
];

/// The layout of a file, found in its header. Stored with the import, so that each pass reads the same way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    pub delimiter: u8,
    /// Header of each column, in file order, trimmed; a nameless or repeated extra column is given a name.
    pub columns: Vec<String>,
    /// Index into `columns`.
    pub sku: usize,
    pub name: usize,
    /// Where a file has no description column, descriptions stay as they are.
    pub description: Option<usize>,
}

impl Layout {
    /// Indexes of the columns that are kept as attributes.
    pub fn extra(&self) -> impl Iterator<Item = usize> {
        (0..self.columns.len()).filter(|index| !self.is_own(*index))
    }

    fn is_own(&self, index: usize) -> bool {
        index == self.sku || index == self.name || Some(index) == self.description
    }
}

/// Why a file cannot be imported at all.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct FileProblem {
    pub code: ErrorCode,
    /// A sentence for a person, with what to do.
    pub detail: String,
}

fn refuse<T>(code: ErrorCode, detail: impl Into<String>) -> Result<T, FileProblem> {
    Err(FileProblem { code, detail: detail.into() })
}

/// Reads the header from `head`, the first [`HEAD_BYTES`] bytes of a file, or all of it, where `whole` is true.
pub fn inspect(head: &[u8], whole: bool) -> Result<Layout, FileProblem> {
    if let Some((_, advice)) = MAGIC.iter().find(|(magic, _)| head.starts_with(magic)) {
        return refuse(ErrorCode::NotText, format!("The file is not a CSV. {advice}"));
    }
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    if whole && text.trim_ascii().is_empty() {
        return refuse(
            ErrorCode::EmptyFile,
            "The file is empty. It needs a header line with the columns sku and name, then one row per product.",
        );
    }
    // A stray NUL spoils one row, which is then rejected; many of them are not text.
    if bytes_of(text, 0) * 100 > text.len() {
        return refuse(ErrorCode::NotText, "The file is not text: it looks like binary data. Save it as CSV in UTF-8.");
    }
    let mut widest: Option<(u8, Vec<String>)> = None;
    for delimiter in DELIMITERS {
        let Some((columns, rest)) = header(text, delimiter, whole)? else {
            continue;
        };
        if columns.iter().any(|column| is(column, "sku")) {
            if whole && rest.trim_ascii().is_empty() {
                return refuse(ErrorCode::EmptyFile, "The file has a header line but no rows.");
            }
            return layout(delimiter, columns);
        }
        if widest.as_ref().is_none_or(|(_, known)| known.len() < columns.len()) {
            widest = Some((delimiter, columns));
        }
    }
    match widest {
        None => refuse(
            ErrorCode::NoHeader,
            format!(
                "The first line does not end within {HEAD_BYTES} bytes, so it is no header. The file needs a header line with the columns sku and name."
            ),
        ),
        Some((_, columns)) => refuse(
            ErrorCode::NoSkuColumn,
            format!(
                "No column is called sku. The first line names: {}. Rename the column that holds the SKU to sku.",
                listed(&columns)
            ),
        ),
    }
}

fn layout(delimiter: u8, columns: Vec<String>) -> Result<Layout, FileProblem> {
    let find = |wanted: &str| {
        let mut found = (0..columns.len()).filter(|index| is(&columns[*index], wanted));
        match (found.next(), found.next()) {
            (_, Some(_)) => refuse(
                ErrorCode::RepeatedColumn,
                format!("Two columns are called {wanted}. Rename or remove one of them."),
            ),
            (first, None) => Ok(first),
        }
    };
    let (sku, name, description) = (find("sku")?, find("name")?, find("description")?);
    let Some(sku) = sku else { unreachable!("the caller has seen a sku column") };
    let Some(name) = name else {
        return refuse(
            ErrorCode::NoNameColumn,
            format!(
                "No column is called name. The first line names: {}. Rename the column that holds the product's name to name.",
                listed(&columns)
            ),
        );
    };
    let mut layout = Layout { delimiter, columns: Vec::new(), sku, name, description };
    for (index, column) in columns.into_iter().enumerate() {
        let base = if column.is_empty() { format!("column {}", index + 1) } else { column };
        let mut title = base.clone();
        let mut copies = 1;
        while layout.columns.contains(&title) {
            copies += 1;
            title = format!("{base} ({copies})");
        }
        layout.columns.push(title);
    }
    Ok(layout)
}

/// The fields of a header, and what follows it.
type Header<'text> = (Vec<String>, &'text [u8]);

/// The first record, or nothing where it does not end within `text`.
fn header(text: &[u8], delimiter: u8, whole: bool) -> Result<Option<Header<'_>>, FileProblem> {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    let (mut output, mut ends) = (vec![0; text.len()], vec![0; text.len() + 1]);
    let (result, mut read, mut written, mut fields) = reader.read_record(text, &mut output, &mut ends);
    match result {
        ReadRecordResult::Record => {}
        ReadRecordResult::InputEmpty if whole => {
            // The end of the input ends the record.
            let (_, more_read, more_written, more_fields) =
                reader.read_record(&[], &mut output[written..], &mut ends[fields..]);
            read += more_read;
            written += more_written;
            fields += more_fields;
        }
        _ => return Ok(None),
    }
    let mut columns = Vec::with_capacity(fields);
    let mut start = 0;
    for end in &ends[..fields] {
        let Ok(column) = std::str::from_utf8(&output[start..*end]) else {
            return refuse(ErrorCode::NotText, "The header is not text in UTF-8. Save the file as CSV in UTF-8.");
        };
        if column.contains('\0') {
            return refuse(ErrorCode::NotText, "The header contains a NUL character. Save the file as CSV in UTF-8.");
        }
        columns.push(formula::armed(column).trim().to_owned());
        start = *end;
    }
    debug_assert!(start <= written);
    Ok(Some((columns, &text[read..])))
}

fn is(column: &str, wanted: &str) -> bool {
    column.eq_ignore_ascii_case(wanted)
}

#[expect(clippy::naive_bytecount, reason = "once per file, over some kilobytes")]
fn bytes_of(text: &[u8], wanted: u8) -> usize {
    text.iter().filter(|byte| **byte == wanted).count()
}

/// The columns for a message: the first dozen, each shortened.
fn listed(columns: &[String]) -> String {
    let mut names: Vec<String> = columns.iter().take(12).map(|column| column.chars().take(40).collect()).collect();
    if columns.len() > names.len() {
        names.push(format!("and {} more", columns.len() - names.len()));
    }
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(file: &[u8]) -> ErrorCode {
        inspect(file, true).expect_err("refused").code
    }

    #[test]
    fn columns_are_found_in_any_case_and_order_behind_any_delimiter() {
        for (file, delimiter) in [
            (&b"Description,SKU , Name,price\r\nd,s,n,1\r\n"[..], b','),
            (b"Description;SKU;Name;price\nd;s;n;1\n", b';'),
            (b"Description\tSKU\tName\tprice\nd\ts\tn\t1", b'\t'),
            (b"\xEF\xBB\xBF\"Description\"|sku|\"NAME\"|price\nd|s|n|1", b'|'),
        ] {
            let layout = inspect(file, true).expect("a table of products");
            assert_eq!((layout.delimiter, layout.sku, layout.name, layout.description), (delimiter, 1, 2, Some(0)));
            assert_eq!(layout.extra().collect::<Vec<_>>(), [3]);
        }
    }

    #[test]
    fn a_delimiter_inside_a_quoted_header_is_not_one() {
        let layout = inspect(b"sku,name,\"price; net\"\na,b,c\n", true).expect("a table of products");
        assert_eq!(layout.columns, ["sku", "name", "price; net"]);
    }

    #[test]
    fn what_is_no_table_of_products_is_refused_with_its_own_code() {
        assert_eq!(code(b""), ErrorCode::EmptyFile);
        assert_eq!(code(b"\xEF\xBB\xBF \r\n"), ErrorCode::EmptyFile);
        assert_eq!(code(b"sku,name\r\n"), ErrorCode::EmptyFile);
        assert_eq!(code(b"sku,name"), ErrorCode::EmptyFile);
        assert_eq!(code(b"PK\x03\x04abcdef"), ErrorCode::NotText);
        assert_eq!(code(b"\xFF\xFEs\0k\0u\0"), ErrorCode::NotText);
        assert_eq!(code(b"sku,\xE4\nx,y\n"), ErrorCode::NotText);
        assert_eq!(code(&[0; 500]), ErrorCode::NotText);
        assert_eq!(code(b"id,name\n1,x\n"), ErrorCode::NoSkuColumn);
        assert_eq!(code(b"sku,title\n1,x\n"), ErrorCode::NoNameColumn);
        assert_eq!(code(b"sku,name,Sku\n1,x,2\n"), ErrorCode::RepeatedColumn);
        assert_eq!(inspect(&vec![b'x'; HEAD_BYTES], false).expect_err("refused").code, ErrorCode::NoHeader);
    }

    #[test]
    fn the_message_names_the_columns_that_are_there() {
        let problem = inspect(b"id;title;price\n1;x;2\n", true).expect_err("refused");
        assert!(problem.detail.contains("id, title, price"), "{problem}");
    }

    #[test]
    fn nameless_and_repeated_extra_columns_get_names_of_their_own() {
        let layout = inspect(b"sku,name,,size,size\na,b,c,d,e\n", true).expect("a table of products");
        assert_eq!(layout.columns, ["sku", "name", "column 3", "size", "size (2)"]);
    }

    #[test]
    fn a_single_nul_in_a_row_does_not_condemn_the_file() {
        let file = format!("sku,name\na,b\0\n{}", "c,d\n".repeat(100));
        assert!(inspect(file.as_bytes(), true).is_ok());
    }
}
