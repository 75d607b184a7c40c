//! Names of users and keys.

use unicode_normalization::UnicodeNormalization;

use crate::{problem::FieldError, text};

/// Longest name of a user or a key, in characters.
pub const MAX_NAME_CHARS: usize = 64;

/// Names that the audit log uses for other actors, as [`name_key`]s. It writes keys as `key NAME`.
const RESERVED_NAMES: [&str; 8] = ["anonymous", "anyone", "key", "loadify", "local", "root", "shell", "system"];

/// Characters that change how others are displayed, or are blank, besides those of [`text::is_invisible`]: the rest of the
/// general category `Cf`, line and paragraph separators, and a blank that is no white space.
const FORMATTING: [(char, char); 11] = [
    ('\u{600}', '\u{605}'),
    ('\u{6DD}', '\u{6DD}'),
    ('\u{70F}', '\u{70F}'),
    ('\u{890}', '\u{891}'),
    ('\u{8E2}', '\u{8E2}'),
    ('\u{2028}', '\u{2029}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{FFF9}', '\u{FFFC}'),
    ('\u{110BD}', '\u{110BD}'),
    ('\u{110CD}', '\u{110CD}'),
    ('\u{13430}', '\u{1343F}'),
];

/// Whether a character is a control character, has no width, or changes the direction of text: it can make two names look
/// the same, or a line of a log look like another.
pub fn is_invisible(char: char) -> bool {
    let is_formatting = || FORMATTING.iter().any(|(first, last)| (*first..=*last).contains(&char));
    char.is_control() || text::is_invisible(char) || is_formatting()
}

/// Returns the form in which names are compared: NFKC, in lower case, white space collapsed.
pub fn name_key(name: &str) -> String {
    let folded: String = name.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Returns the error of the name of a key or a user, if any.
pub fn check_name(name: &str) -> Option<FieldError> {
    let chars = name.trim().chars().count();
    let message = if chars == 0 {
        "enter a name".to_owned()
    } else if chars > MAX_NAME_CHARS {
        format!("has {chars} characters; at most {MAX_NAME_CHARS} are allowed")
    } else if let Some(char) = name.chars().find(|char| is_invisible(*char)) {
        format!("contains the invisible character U+{:04X}; remove it", u32::from(char))
    } else {
        return None;
    };
    Some(FieldError { field: "name".into(), message })
}

/// Returns the error of the name of a user, if any. Names that the audit log uses for other actors are reserved.
pub fn check_user_name(name: &str) -> Option<FieldError> {
    let key = name_key(name);
    let reserved = RESERVED_NAMES.contains(&key.as_str()) || key.starts_with("key ");
    check_name(name).or_else(|| {
        reserved.then(|| FieldError { field: "name".into(), message: "is reserved; choose another".into() })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_the_same_have_the_same_key() {
        for same in [" ADA ", "\u{FF21}da", "a\u{FF44}a"] {
            assert_eq!(name_key(same), "ada", "{same}");
        }
        assert_eq!(name_key("Ada\u{A0} Lovelace"), name_key("ada lovelace"));
        assert_ne!(name_key("adalovelace"), name_key("ada lovelace"));
    }

    #[test]
    fn names_have_a_length_and_no_invisible_characters() {
        for name in ["Ada Lovelace", "Åsa", "李小龍", "محمد", "O'Brien-Smith", "ada@example.com"] {
            assert_eq!(check_user_name(name), None, "{name}");
        }
        assert!(check_name("  ").is_some() && check_name(&"x".repeat(65)).is_some());
        for char in
            "\0\n\t\u{7F}\u{85}\u{AD}\u{61C}\u{200B}\u{200D}\u{200E}\u{202E}\u{2028}\u{2066}\u{2069}\u{FEFF}\u{E0041}"
                .chars()
        {
            let message = check_name(&format!("Ada{char}")).expect("refused").message;
            assert!(message.contains(&format!("U+{:04X}", u32::from(char))), "{message}");
        }
    }

    #[test]
    fn names_of_other_actors_are_reserved() {
        for name in ["shell", " Shell ", "ANYONE", "key", "key Nightly", "Key\u{A0}x", "local", "\u{FF53}hell"] {
            assert!(check_user_name(name).is_some(), "{name}");
        }
        for name in ["keyes", "Shelly", "admin"] {
            assert_eq!(check_user_name(name), None, "{name}");
        }
    }
}
