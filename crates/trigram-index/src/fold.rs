//! The equality of characters in a search: case, accents, width, ligatures and composition do not matter.

use unicode_normalization::UnicodeNormalization;

/// Passes the characters of `text` in their folded form to `each`: compatibility decomposition (NFKD) without combining
/// diacritical marks and invisible characters, in lower case, with letters that have no decomposition replaced by their
/// base letters.
pub fn fold(text: &str, mut each: impl FnMut(char)) {
    if text.is_ascii() {
        for byte in text.bytes() {
            each(char::from(byte.to_ascii_lowercase()));
        }
        return;
    }
    for c in text.nfkd().filter(|c| !is_ignored(*c)).flat_map(char::to_lowercase) {
        match c {
            'ς' => each('σ'),
            'ı' => each('i'),
            'ø' => each('o'),
            'ł' => each('l'),
            'đ' => each('d'),
            'ß' => "ss".chars().for_each(&mut each),
            'æ' => "ae".chars().for_each(&mut each),
            'œ' => "oe".chars().for_each(&mut each),
            c => each(c),
        }
    }
}

/// Returns `text` in its folded form. Folding it again changes nothing.
pub fn folded(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    fold(text, |c| folded.push(c));
    folded
}

/// Combining diacritical marks, and characters that are not visible.
const fn is_ignored(c: char) -> bool {
    matches!(c, '\u{AD}' | '\u{300}'..='\u{36F}' | '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}'
        | '\u{2060}'..='\u{2064}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_accents_width_and_composition_do_not_matter() {
        for (text, fold) in [
            ("TEA-01", "tea-01"),
            ("İNŞaat", "insaat"),
            ("i\u{307}nş", "ins"),
            ("ısı", "isi"),
            ("Çan", "can"),
            ("cafe\u{301}", "cafe"),
            ("CAFÉ", "cafe"),
            ("Feijão", "feijao"),
            ("STRAẞE", "strasse"),
            ("Straße", "strasse"),
            ("ΟΔΌΣ", "οδοσ"),
            ("οδός", "οδοσ"),
            ("ＡＢ１２", "ab12"),
            ("ﬁn", "fin"),
            ("Smørrebrød", "smorrebrod"),
            ("œuf", "oeuf"),
            ("绿茶", "绿茶"),
            ("zero\u{200B}width\u{AD}", "zerowidth"),
        ] {
            assert_eq!(folded(text), fold, "{text}");
        }
    }

    #[test]
    fn folding_is_idempotent_for_every_character() {
        for c in '\0'..=char::MAX {
            let once = folded(&format!("a{c}b"));
            assert_eq!(folded(&once), once, "U+{:04X}", u32::from(c));
        }
    }
}
