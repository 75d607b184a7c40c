//! How texts are compared: characters that are not visible, spaces, and the keys of SKUs and headers.
//!
//! Each kind of comparison has one function here, used wherever it applies; none is repeated in SQL.

use std::borrow::Cow;

use caseless::Caseless;
use unicode_normalization::UnicodeNormalization;

/// Default-ignorable characters (Unicode, `DerivedCoreProperties`): they are not displayed.
const IGNORABLE: [(char, char); 17] = [
    ('\u{AD}', '\u{AD}'), // soft hyphen
    ('\u{34F}', '\u{34F}'),
    ('\u{61C}', '\u{61C}'),
    ('\u{115F}', '\u{1160}'),
    ('\u{17B4}', '\u{17B5}'),
    ('\u{180B}', '\u{180F}'),
    ('\u{200B}', '\u{200F}'), // zero-width space and joiners, directional marks
    ('\u{202A}', '\u{202E}'), // directional embeddings and overrides
    ('\u{2060}', '\u{206F}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{FE00}', '\u{FE0F}'), // variation selectors
    ('\u{FEFF}', '\u{FEFF}'), // byte order mark
    ('\u{FFA0}', '\u{FFA0}'),
    ('\u{FFF0}', '\u{FFF8}'),
    ('\u{1BCA0}', '\u{1BCA3}'),
    ('\u{1D173}', '\u{1D17A}'),
    ('\u{E0000}', '\u{E0FFF}'),
];

/// Whether a character is not displayed.
pub fn is_invisible(c: char) -> bool {
    !c.is_ascii() && IGNORABLE.iter().any(|(first, last)| (*first..=*last).contains(&c))
}

/// Whether nothing of a text is visible.
pub fn is_blank(text: &str) -> bool {
    text.chars().all(|c| c.is_whitespace() || is_invisible(c))
}

/// Removes invisible characters, except those that change how others look: joiners and variation selectors.
pub fn without_invisible(text: &str) -> Cow<'_, str> {
    let is_removed = |c| is_invisible(c) && !matches!(c, '\u{200C}' | '\u{200D}' | '\u{FE00}'..='\u{FE0F}');
    if text.contains(is_removed) { Cow::Owned(text.replace(is_removed, "")) } else { Cow::Borrowed(text) }
}

/// The form in which names of columns are compared: visible characters, white space folded, ASCII in lower case.
pub fn header_key(name: &str) -> String {
    fold_spaces(name.chars().filter(|c| !is_invisible(*c))).to_ascii_lowercase()
}

/// White space of all kinds becomes one space, and none at the beginning and at the end.
fn fold_spaces(text: impl Iterator<Item = char>) -> String {
    let mut folded = String::new();
    let mut is_space = false;
    for c in text {
        if c.is_whitespace() {
            is_space = !folded.is_empty();
            continue;
        }
        if std::mem::take(&mut is_space) {
            folded.push(' ');
        }
        folded.push(c);
    }
    folded
}

/// The form in which SKUs are compared, so that SKUs that look the same are one product: without invisible characters,
/// white space folded and trimmed, NFC, and without case by Unicode's full case folding (not the database's locale).
///
/// This is the only rule for equality of SKUs: rows of a file are de-duplicated with it before they reach the database,
/// whose unique column holds its result. It is idempotent. Full case folding maps `ß` and `SS` to the same key.
pub fn sku_key(sku: &str) -> String {
    if sku.is_ascii() {
        let sku = sku.trim();
        let has_wide_space = sku.bytes().any(|byte| matches!(byte, b'\t'..=b'\r')) || sku.contains("  ");
        return if has_wide_space { fold_spaces(sku.chars()) } else { sku.to_owned() }.to_ascii_lowercase();
    }
    // Folding can take a text out of its normal form, and normalizing can bring forth a character that can be folded.
    let mut key = folded_once(sku);
    loop {
        let again = folded_once(&key);
        if again == key {
            return key;
        }
        key = again;
    }
}

/// Canonical caseless matching (Unicode, D145), of what is visible.
fn folded_once(text: &str) -> String {
    let visible = text.chars().filter(|c| !is_invisible(*c));
    let folded = visible.nfd().default_case_fold().nfc().filter(|c| !is_invisible(*c));
    fold_spaces(folded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skus_that_look_the_same_are_equal() {
        for (left, right) in [
            ("TEA-01", "tea-01"),
            ("  Tea-01\t", "tea-01"),
            ("ÄPFEL", "äpfel"),
            ("Cafe\u{301}", "CAFÉ"),
            ("ΟΔΟΣ-1", "οδος-1"),
            ("ΟΔΟΣ", "οδοσ"),
            ("İ-1", "i\u{307}-1"),
            ("STRASSE", "straße"),
            ("STRAẞE", "straße"),
            ("\u{212a}elvin", "kelvin"), // KELVIN SIGN
            ("ZW\u{200b}-01", "zw-01"),
            ("ZW-\u{ad}01", "zw-01"),
            ("\u{feff}ZW-01\u{200e}", "zw-01"),
            ("ZW\u{a0}02", "zw 02"),
            ("ZW \t\u{3000}02", "zw 02"),
            ("ZW  02", "ZW\n02"),
            ("\u{200b} ZW-01 \u{200b} ", "zw-01"),
        ] {
            assert_eq!(sku_key(left), sku_key(right), "{left} and {right}");
        }
        for (left, right) in [("tea-01", "tea-1"), ("zw02", "zw 02"), ("cafe", "café"), ("ａ", "a")] {
            assert_ne!(sku_key(left), sku_key(right), "{left} and {right}");
        }
    }

    #[test]
    fn the_key_of_a_key_is_itself_for_every_character() {
        for c in '\0'..=char::MAX {
            for text in [c.to_string(), format!("a{c}\u{301}b"), format!("{c}\u{345}")] {
                let key = sku_key(&text);
                assert_eq!(sku_key(&key), key, "U+{:04X}", c as u32);
            }
        }
    }

    #[test]
    fn invisible_characters_are_removed_unless_they_shape_others() {
        assert_eq!(without_invisible("\u{feff}a\u{200b}b\u{ad}"), "ab");
        let family = "👨\u{200d}👩\u{fe0f}";
        assert_eq!(without_invisible(family), family);
        assert!(is_blank(" \u{200b}\u{a0}\u{fe0f}") && !is_blank("a"));
        assert_eq!(header_key("\u{feff} Product\u{a0} Name\u{200d} "), "product name");
    }
}
