//! Cells that a spreadsheet would run as a formula (OWASP, CSV injection), and how exports prevent it.
//!
//! An export adds an apostrophe before such a cell, an import removes one: exported values come back as they were. The
//! same is done behind each semicolon and line break of a cell, because a spreadsheet that separates by semicolons begins a
//! new cell there, whatever quotes are around. Numbers are not formulas: `-5` stays as it is.

use std::borrow::Cow;

/// Characters behind which a spreadsheet with other settings begins a new cell.
const BREAKS: [char; 3] = [';', '\n', '\r'];
/// Characters that begin a formula, also in their full-width forms.
const TRIGGERS: [char; 8] = ['=', '+', '-', '@', '＝', '＋', '－', '＠'];
/// Characters that a spreadsheet may remove before it looks for a formula.
const IGNORED: [char; 3] = ['\'', '"', '\t'];

/// Returns a cell as an export writes it, with an apostrophe before each part that a spreadsheet would run. A part of
/// apostrophes and a formula gets one more, so that [`unescape`] is the inverse.
pub fn escape(cell: &str) -> Cow<'_, str> {
    if !parts(cell).any(|(part, is_first)| is_formula(part, is_first)) {
        return Cow::Borrowed(cell);
    }
    let mut escaped = String::with_capacity(cell.len() + 1);
    for (part, is_first) in parts(cell) {
        if is_formula(part, is_first) {
            escaped.push('\'');
        }
        escaped.push_str(part);
    }
    Cow::Owned(escaped)
}

/// Returns a cell as it was before [`escape`].
pub fn unescape(cell: &str) -> Cow<'_, str> {
    // Few cells contain an apostrophe at all.
    if !cell.contains('\'') {
        return Cow::Borrowed(cell);
    }
    let unescaped = parts(cell)
        .map(|(part, is_first)| part.strip_prefix('\'').filter(|rest| is_formula(rest, is_first)).unwrap_or(part));
    Cow::Owned(unescaped.collect())
}

/// Returns the value of a cell of a file: without what [`escape`] added, and without the formula around a text (`="0042"`)
/// that keeps a spreadsheet from removing its leading zeros.
pub fn read(cell: &str) -> Cow<'_, str> {
    let text = cell.strip_prefix("=\"").and_then(|rest| rest.strip_suffix('"'));
    text.filter(|text| !text.contains('"')).map_or_else(|| unescape(cell), Cow::Borrowed)
}

/// The parts of a cell that can become cells of their own, and whether a part is the first.
fn parts(cell: &str) -> impl Iterator<Item = (&str, bool)> {
    cell.split_inclusive(BREAKS).enumerate().map(|(index, part)| (part, index == 0))
}

fn is_formula(part: &str, is_first: bool) -> bool {
    let bare = part.trim_start_matches(IGNORED);
    // OWASP counts a tab and a CR at the beginning of a cell as dangerous, whatever follows.
    let is_dangerous = is_first && part.trim_start_matches('\'').starts_with(['\t', '\r']);
    is_dangerous || bare.starts_with(TRIGGERS) && !is_number(part.trim_end_matches(BREAKS))
}

/// A number with a sign, as any spreadsheet writes it: `-5`, `+3.50`, `-1,234.5`, `-1e5`, `-5%`.
fn is_number(part: &str) -> bool {
    let Some(number) = part.strip_prefix(['+', '-']) else { return false };
    let number = number.strip_suffix('%').unwrap_or(number);
    let (mantissa, exponent) = number.split_once(['e', 'E']).unwrap_or((number, "0"));
    let exponent = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    let is_digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    mantissa.split(['.', ',']).all(is_digits) && is_digits(exponent)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formulas_get_an_apostrophe_and_numbers_do_not() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("-5", "-5"),
            ("+3.50", "+3.50"),
            ("-1.234,50", "-1.234,50"),
            ("-1E-5", "-1E-5"),
            ("-5%", "-5%"),
            ("-5\n", "-5\n"),
            ("-", "'-"),
            ("-5+A1", "'-5+A1"),
            ("+49 170", "'+49 170"),
            ("--1", "'--1"),
            ("'@x", "''@x"),
            ("'-5", "''-5"),
            ("\tx", "'\tx"),
            ("a\n\tx\r\ry", "a\n\tx\r\ry"),
            ("a\n\t=x", "a\n'\t=x"),
            ("＝1", "'＝1"),
            ("'plain'", "'plain'"),
            ("a=1", "a=1"),
            (" =1", " =1"),
            ("x;=1+1", "x;'=1+1"),
            ("x;-5;y", "x;-5;y"),
            ("x\n=1;@y", "x\n'=1;'@y"),
            ("\"=1", "'\"=1"),
            ("", ""),
        ] {
            assert_eq!(escape(cell), written, "{cell:?}");
        }
    }

    #[test]
    fn a_text_inside_of_a_formula_is_read_and_an_exported_formula_is_not_changed() {
        for (cell, value) in [("=\"0042\"", "0042"), ("=\"\"", ""), ("=\"a\"&\"b\"", "=\"a\"&\"b\""), ("=\"", "=\"")] {
            assert_eq!(read(cell), value);
            assert_eq!(read(&escape(cell)), cell);
        }
    }

    #[test]
    fn every_cell_comes_back_and_no_part_of_it_runs() {
        // Every cell of up to five of these characters: all ways in which apostrophes and triggers follow each other.
        let alphabet = ['\'', '"', '=', '-', '@', '\t', '\r', ';', '1', ' ', 'é'];
        let mut cells = vec![String::new()];
        for _ in 0..5 {
            cells = cells.iter().flat_map(|cell| alphabet.map(|c| format!("{cell}{c}"))).collect();
            for cell in &cells {
                let written = escape(cell);
                assert_eq!(unescape(&written), *cell);
                assert!(!written.starts_with(['\t', '\r']), "{cell:?}");
                for part in written.split(BREAKS) {
                    assert!(!part.starts_with(TRIGGERS) || is_number(part), "{cell:?}");
                }
            }
        }
    }
}
