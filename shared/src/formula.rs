//! Cells that a spreadsheet would run as a formula (OWASP, CSV injection), and how they are kept from it.
//!
//! An export puts a quote in front of such a cell, an import takes one away: what was exported comes back as it was. A cell
//! of quotes before the dangerous character counts as dangerous, or the two would not be each other's inverse.

use std::borrow::Cow;

/// A cell as it is written: with one more quote in front where a spreadsheet would run it, or would if its quotes went.
pub fn defused(cell: &str) -> Cow<'_, str> {
    if runs(cell.trim_start_matches('\'')) { Cow::Owned(format!("'{cell}")) } else { Cow::Borrowed(cell) }
}

/// A cell as it was before [`defused`].
pub fn armed(cell: &str) -> &str {
    match cell.strip_prefix('\'') {
        Some(rest) if runs(rest.trim_start_matches('\'')) => rest,
        _ => cell,
    }
}

fn runs(cell: &str) -> bool {
    cell.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_would_run_gets_a_quote() {
        for (cell, written) in [
            ("=1+1", "'=1+1"),
            ("-5", "'-5"),
            ("'@x", "''@x"),
            ("\tx", "'\tx"),
            ("'plain'", "'plain'"),
            ("a=1", "a=1"),
            (" =1", " =1"),
            ("", ""),
        ] {
            assert_eq!(defused(cell), written, "{cell:?}");
        }
    }

    #[test]
    fn every_cell_comes_back_and_none_is_written_so_that_it_runs() {
        // Every cell of up to five characters of these: all ways in which quotes and dangers can follow each other.
        let alphabet = ['\'', '=', '+', '-', '@', '\t', '\r', 'a', ' ', 'é'];
        let mut cells = vec![String::new()];
        for _ in 0..5 {
            let longer: Vec<_> = cells.iter().flat_map(|cell| alphabet.map(|c| format!("{cell}{c}"))).collect();
            for cell in &longer {
                let written = defused(cell);
                assert_eq!(armed(&written), cell);
                assert!(!runs(&written), "{cell:?}");
            }
            cells = longer;
        }
    }
}
