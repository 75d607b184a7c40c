//! The beginning of a file: whether it is a table of products, how it is read, and which columns it has.

use std::fmt::Write;

use super::{Dialect, FileError, FileFormat, Mapping, RecordSplitter, Split, UTF8_ADVICE, mapping::with_unique_names};
use crate::{
    formula,
    problem::ErrorCode,
    product::MAX_ATTRIBUTE_NAME_CHARS,
    text::{header_key, without_invisible},
};

/// Bytes at the beginning of a file that [`inspect`] needs: the header must end within them.
pub const HEAD_BYTES: usize = 64 * 1024;
/// Most columns of a file.
pub const MAX_COLUMNS: usize = 1_000;
/// Longest list of column names in an error, in characters.
const MAX_LISTED_CHARS: usize = 2_000;
/// Longest column name in an error, in characters.
const MAX_SHOWN_CHARS: usize = 40;

/// Delimiters that are detected, the likeliest first.
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// Beginnings of files that are often taken for tables, what they are, and what to do before saving as CSV.
const SIGNATURES: [(&[u8], &str); 8] = [
    (b"PK\x03\x04", "It is an Excel workbook or a ZIP archive; open it in the program that wrote it."),
    (b"\xD0\xCF\x11\xE0", "It is an old Excel workbook; open it in a spreadsheet program."),
    (b"%PDF", "It is a PDF; ask for the table that it was made from."),
    (b"\x1F\x8B", "It is compressed with gzip; unpack it."),
    (b"\xFF\xFE", "It is text in UTF-16."),
    (b"\xFE\xFF", "It is text in UTF-16."),
    (b"<!DOCTYPE", "It is a web page; a link to a page was saved in place of the file."),
    (b"<html", "It is a web page; a link to a page was saved in place of the file."),
];

/// Returns how to read a file that begins with `head`, its first [`HEAD_BYTES`] bytes. `is_complete` says that the file has
/// no more bytes than these.
pub fn inspect(head: &[u8], is_complete: bool) -> Result<FileFormat, FileError> {
    let text = head.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(head);
    refuse_binary(head, text)?;
    if is_complete && text.trim_ascii().is_empty() {
        return Err(FileError::new(
            ErrorCode::EmptyFile,
            "The file is empty. It needs a header line with the columns sku and name, then one row per product.",
        ));
    }
    let mut best: Option<Header> = None;
    let mut malformed = None;
    for delimiter in DELIMITERS {
        let dialect = Dialect::detect(text, is_complete, delimiter);
        match Header::read(text, is_complete, dialect) {
            Ok(Some(header)) if best.as_ref().is_none_or(|best| header.rank() > best.rank()) => best = Some(header),
            Ok(_) => {}
            Err(error) => malformed = malformed.or(Some(error)),
        }
    }
    // Read with the wrong delimiter, an open quote can be text in the middle of a field.
    let best = best.filter(|header| malformed.is_none() || header.rank().0);
    let Some(header) = best else {
        return Err(malformed.unwrap_or_else(|| {
            let detail = format!(
                "The first line does not end within {HEAD_BYTES} bytes, so it is no header. The file needs a header line with the columns sku and name."
            );
            FileError::new(ErrorCode::NoHeader, detail)
        }));
    };
    header.into_format()
}

fn refuse_binary(head: &[u8], text: &[u8]) -> Result<(), FileError> {
    let not_text = |reason: &str| {
        Err(FileError::new(ErrorCode::NotText, format!("The file is not a CSV. {reason} {UTF8_ADVICE}")))
    };
    if let Some((_, reason)) = SIGNATURES.iter().find(|(signature, _)| head.starts_with(signature)) {
        return not_text(reason);
    }
    // A stray NUL spoils one row, which is then rejected; many of them are not text.
    if memchr::memchr_iter(0, text).count() * 100 > text.len() {
        return not_text("It contains binary data, or text in UTF-16.");
    }
    Ok(())
}

/// The first record of a file, read in one dialect.
struct Header {
    dialect: Dialect,
    columns: Vec<String>,
    has_rows: bool,
}

impl Header {
    /// Returns nothing where the first record does not end within `text`.
    fn read(text: &[u8], is_complete: bool, dialect: Dialect) -> Result<Option<Self>, FileError> {
        let mut splitter = RecordSplitter::of_head(dialect, text, is_complete);
        let columns = match splitter.split() {
            Split::Record { raw, .. } => columns(dialect, raw)?,
            Split::Malformed { error, line, .. } => {
                return Err(FileError::new(
                    ErrorCode::NoHeader,
                    format!("The header on line {line} is not valid: {error}."),
                ));
            }
            Split::NeedsInput | Split::End => return Ok(None),
        };
        let has_rows = !matches!(splitter.split(), Split::End);
        Ok(Some(Self { dialect, columns, has_rows }))
    }

    /// The delimiter that yields a SKU, then a name, then the most columns is the right one.
    fn rank(&self) -> (bool, bool, usize) {
        let has = |wanted| self.columns.iter().any(|column| is_named(column, wanted));
        (has("sku"), has("name"), self.columns.len())
    }

    fn into_format(self) -> Result<FileFormat, FileError> {
        self.check_limits()?;
        let [sku, name, description] = ["sku", "name", "description"].map(|wanted| self.find(wanted));
        let duplicates = [("sku", &sku), ("name", &name), ("description", &description)];
        let duplicates: Vec<_> = duplicates.iter().filter(|(_, found)| found.len() > 1).collect();
        let (Some(&sku), Some(&name), true) = (sku.first(), name.first(), duplicates.is_empty()) else {
            let mut faults = Vec::new();
            for (wanted, _) in [("sku", &sku), ("name", &name)].iter().filter(|(_, found)| found.is_empty()) {
                faults.push(self.missing(wanted));
            }
            for (wanted, found) in duplicates {
                let numbers = found.iter().map(|index| (index + 1).to_string()).collect::<Vec<_>>().join(", ");
                faults.push(format!("Columns {numbers} are all called {wanted}; rename or remove all but one."));
            }
            let code = match (sku.is_empty(), name.is_empty()) {
                (true, _) => ErrorCode::NoSkuColumn,
                (_, true) => ErrorCode::NoNameColumn,
                _ => ErrorCode::RepeatedColumn,
            };
            return Err(FileError::new(code, format!("{} {}", faults.join(" "), self.listed())));
        };
        if !self.has_rows {
            return Err(FileError::new(ErrorCode::EmptyFile, "The file has a header line but no rows."));
        }
        let description = description.first().copied();
        Ok(FileFormat {
            dialect: self.dialect,
            mapping: Mapping { columns: with_unique_names(self.columns), sku, name, description },
        })
    }

    fn check_limits(&self) -> Result<(), FileError> {
        let too_large = |detail| Err(FileError::new(ErrorCode::HeaderTooLarge, detail));
        if self.columns.len() > MAX_COLUMNS {
            let columns = self.columns.len();
            return too_large(format!("The header has {columns} columns; at most {MAX_COLUMNS} are allowed."));
        }
        for (index, column) in self.columns.iter().enumerate() {
            let chars = column.chars().count();
            if chars > MAX_ATTRIBUTE_NAME_CHARS {
                return too_large(format!(
                    "The name of column {} has {chars} characters; at most {MAX_ATTRIBUTE_NAME_CHARS} are allowed.",
                    index + 1
                ));
            }
        }
        Ok(())
    }

    fn find(&self, wanted: &str) -> Vec<usize> {
        (0..self.columns.len()).filter(|index| is_named(&self.columns[*index], wanted)).collect()
    }

    /// An error about a missing column, with the column that may be meant.
    fn missing(&self, wanted: &str) -> String {
        let resembling = self.columns.iter().position(|column| header_key(column).contains(wanted));
        let advice = resembling.map_or_else(
            || format!("rename the column that holds it to {wanted}."),
            |index| {
                format!("if column {}, {}, holds it, rename that to {wanted}.", index + 1, shown(&self.columns[index]))
            },
        );
        format!("No column is called {wanted}; {advice}")
    }

    /// The columns of the file.
    fn listed(&self) -> String {
        let mut text = String::from("The header has: ");
        for (index, column) in self.columns.iter().enumerate() {
            if text.len() > MAX_LISTED_CHARS {
                // Writing to a string cannot fail.
                let _ = write!(text, ", and {} more", self.columns.len() - index);
                break;
            }
            let separator = if index > 0 { ", " } else { "" };
            let _ = write!(text, "{separator}{}", shown(column));
        }
        text.push('.');
        text
    }
}

fn is_named(column: &str, wanted: &str) -> bool {
    header_key(column) == wanted
}

fn shown(column: &str) -> String {
    if column.is_empty() {
        return "(no name)".to_owned();
    }
    let mut chars = column.chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut text: String = chars.by_ref().take(MAX_SHOWN_CHARS).collect();
    if chars.next().is_some() {
        text.push('…');
    }
    text
}

/// The names in a header, without invisible characters and the white space around them.
fn columns(dialect: Dialect, raw: &[u8]) -> Result<Vec<String>, FileError> {
    let not_text = |reason: &str| FileError::new(ErrorCode::NotText, format!("{reason} {UTF8_ADVICE}"));
    let fields = fields(dialect.delimiter, &dialect.normalized(raw));
    let column = |field: Vec<u8>| {
        let text = String::from_utf8(field).map_err(|_| not_text("The header is not text in UTF-8."))?;
        if text.contains('\0') {
            return Err(not_text("The header contains a NUL character."));
        }
        Ok(without_invisible(formula::unescape(&text).trim()).trim().to_owned())
    };
    fields.into_iter().map(column).collect()
}

/// Parses one record.
fn fields(delimiter: u8, record: &[u8]) -> Vec<Vec<u8>> {
    let mut reader = csv_core::ReaderBuilder::new().delimiter(delimiter).build();
    // A record has at most one field more than bytes, and its fields at most as many bytes as it.
    let (mut output, mut ends) = (vec![0; record.len() + 1], vec![0; record.len() + 2]);
    let (_, _, mut written, mut count) = reader.read_record(record, &mut output, &mut ends);
    // The end of the input ends the record.
    let (_, _, more_written, more) = reader.read_record(&[], &mut output[written..], &mut ends[count..]);
    (written, count) = (written + more_written, count + more);
    debug_assert!(ends[..count].last().is_none_or(|end| *end == written));
    let starts = std::iter::once(0).chain(ends[..count].iter().copied());
    starts.zip(&ends[..count]).map(|(start, end)| output[start..*end].to_vec()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(file: &[u8]) -> FileError {
        inspect(file, true).expect_err("refused")
    }

    #[test]
    fn columns_are_found_in_any_case_and_order_behind_any_delimiter() {
        for (file, delimiter) in [
            (&b"Description,SKU , Name,price\r\nd,s,n,1\r\n"[..], b','),
            (b"Description;SKU;Name;price\nd;s;n;1\n", b';'),
            (b"Description\tSKU\tName\tprice\nd\ts\tn\t1", b'\t'),
            (b"\xEF\xBB\xBF\"Description\"|sku|\"NAME\"|price\nd|s|n|1", b'|'),
            (b"\"Description\", \"sku\", \"name\", \"price\"\n\"d\", \"s\", \"n\", 1\n", b','),
            (b"Description,sku,name,price\rd,s,n,1\r", b','),
        ] {
            let format = inspect(file, true).expect("a table of products");
            assert_eq!(format.dialect.delimiter, delimiter);
            let mapping = format.mapping;
            assert_eq!((mapping.sku, mapping.name, mapping.description), (1, 2, Some(0)));
            assert_eq!(mapping.attributes().collect::<Vec<_>>(), [3]);
            assert_eq!(mapping.attribute_names().collect::<Vec<_>>(), ["price"]);
        }
    }

    #[test]
    fn a_delimiter_inside_a_quoted_name_separates_nothing() {
        let format = inspect(b"sku,name,\"price; net\"\na,b,c\n", true).expect("a table of products");
        assert_eq!(format.mapping.columns, ["sku", "name", "price; net"]);
    }

    #[test]
    fn invisible_characters_and_unusual_spaces_do_not_hide_a_column() {
        let file = "\u{200b}sku,name\u{a0},de\u{ad}scription,\u{200e}colour,e\u{301}t\u{200d}\nHD-01,Hat,x,green,y\n";
        let mapping = inspect(file.as_bytes(), true).expect("a table of products").mapping;
        assert_eq!((mapping.sku, mapping.name, mapping.description), (0, 1, Some(2)));
        assert_eq!(mapping.columns[3..], ["colour", "e\u{301}t\u{200d}"]);
    }

    #[test]
    fn a_file_that_is_no_table_of_products_is_refused_with_its_own_code() {
        for (file, code) in [
            (&b""[..], ErrorCode::EmptyFile),
            (b"\xEF\xBB\xBF \r\n", ErrorCode::EmptyFile),
            (b"sku,name\r\n", ErrorCode::EmptyFile),
            (b"sku,name\r\n\r\n\r\n", ErrorCode::EmptyFile),
            (b"sku,name", ErrorCode::EmptyFile),
            (b"PK\x03\x04abcdef", ErrorCode::NotText),
            (b"\xFF\xFEs\0k\0u\0", ErrorCode::NotText),
            (b"<!DOCTYPE html><html>", ErrorCode::NotText),
            (b"sku,\xE4\nx,y\n", ErrorCode::NotText),
            (b"sku,name,\0\nx,y,\n", ErrorCode::NotText),
            (&[0; 500], ErrorCode::NotText),
            (b"id,name\n1,x\n", ErrorCode::NoSkuColumn),
            (b"sku,title\n1,x\n", ErrorCode::NoNameColumn),
            (b"id,title\n1,x\n", ErrorCode::NoSkuColumn),
            (b"sku,name,Sku\n1,x,2\n", ErrorCode::RepeatedColumn),
            (b"sku,\"name\n1,x\n", ErrorCode::NoHeader),
        ] {
            let error = refused(file);
            assert_eq!(error.code, code, "{}: {error}", String::from_utf8_lossy(file));
        }
        assert_eq!(inspect(&vec![b'x'; HEAD_BYTES], false).expect_err("refused").code, ErrorCode::NoHeader);
    }

    #[test]
    fn an_error_lists_all_missing_columns_and_considers_every_column() {
        let detail = |file: &[u8]| refused(file).detail;
        assert_eq!(
            detail(b"id;title;price\n1;x;2\n"),
            "No column is called sku; rename the column that holds it to sku. No column is called name; rename the column that holds it to name. The header has: id, title, price."
        );
        let many: String = (0..40).map(|n| format!("column of number {n},")).collect();
        let text = detail(format!("{many}Variant SKU,name,name\n1,2\n").as_bytes());
        assert!(text.contains("if column 41, Variant SKU, holds it, rename that to sku."), "{text}");
        assert!(text.contains("Columns 42, 43 are all called name; rename or remove all but one."), "{text}");
        assert!(text.contains("column of number 39, Variant SKU, name, name."), "{text}");
        for file in [&b"sku,\xE4\nx,y\n"[..], b"\xFF\xFEs\0k\0u\0"] {
            assert!(detail(file).contains("CSV UTF-8"), "{}", detail(file));
        }
        let hostile = detail(b"sku,\"evil\nINFO: all is well\"\n1,2\n");
        assert!(!hostile.contains('\n'), "{hostile}");
    }

    #[test]
    fn the_errors_about_a_header_that_is_too_large_say_the_limits() {
        let wide = format!("sku,name{}\na,b\n", ",a".repeat(6_000));
        let error = refused(wide.as_bytes());
        assert_eq!(error.code, ErrorCode::HeaderTooLarge);
        assert_eq!(error.detail, "The header has 6002 columns; at most 1000 are allowed.");
        let error = refused(format!("sku,name,{}\na,b,c\n", "x".repeat(60_000)).as_bytes());
        assert_eq!(error.detail, "The name of column 3 has 60000 characters; at most 500 are allowed.");
        let widest = format!("sku,name{}\na,b\n", ",a".repeat(MAX_COLUMNS - 2));
        assert_eq!(inspect(widest.as_bytes(), true).expect("a table").mapping.columns[999], "a (998)");
    }

    #[test]
    fn a_single_nul_in_a_row_does_not_condemn_the_file() {
        let file = format!("sku,name\na,b\0\n{}", "c,d\n".repeat(100));
        assert!(inspect(file.as_bytes(), true).is_ok());
    }

    #[test]
    fn no_beginning_of_a_file_panics() {
        let pieces: [&[u8]; 10] =
            [b"sku", b"name", b",", b";", b"\"", b"\n", b"\r", b" ", b"\xEF\xBB\xBF", b"\xE2\x80"];
        let mut files: Vec<Vec<u8>> = vec![Vec::new()];
        for _ in 0..4 {
            files = files.iter().flat_map(|file| pieces.map(|piece| [file, piece].concat())).collect();
            for file in &files {
                let _ = (inspect(file, true), inspect(file, false));
            }
        }
    }
}
