//! Rules of passwords: length, and whether one is easily guessed. There are no rules on which characters it contains (OWASP
//! ASVS 5.0, 6.2).

use std::{collections::HashSet, sync::LazyLock};

use super::name_key;
use crate::problem::FieldError;

/// Shortest password, in characters (ASVS 5.0, 6.2.1, requires at least 8 and recommends 15).
pub const MIN_PASSWORD_CHARS: usize = 12;
/// Longest password, in characters (ASVS 5.0, 6.2.9, requires at least 64).
pub const MAX_PASSWORD_CHARS: usize = 256;

/// Passwords and words that attackers try first, in lower case: passwords of at least 12 characters, and the words that
/// shorter ones are made of. Compiled from the lists of zxcvbn (MIT licence) and Django (BSD licence).
const COMMON_PASSWORDS: &str = include_str!("common_passwords.txt");
const COMMON_WORDS: &str = include_str!("common_words.txt");
/// Words that attackers combine with others for this program.
const PRODUCT_WORDS: [&str; 1] = ["loadify"];

/// What a common word in a password counts for, in characters: three of them are not the first guess any more.
const CHARS_PER_COMMON_WORD: usize = 2;
/// Characters that a password needs besides predictable parts.
const MIN_UNPREDICTABLE_CHARS: usize = 6;
/// Shortest part of a user name that is recognized in a password.
const MIN_NAME_PART_CHARS: usize = 3;
const MIN_DISTINCT_CHARS: usize = 4;

static WORDS: LazyLock<HashSet<&str>> = LazyLock::new(|| COMMON_WORDS.lines().collect());
static LONGEST_WORD: LazyLock<usize> = LazyLock::new(|| WORDS.iter().map(|word| word.len()).max().unwrap_or(0));

/// Returns the error of a new password of the user `name`, if any.
pub fn check_password(field: &str, password: &str, name: &str) -> Option<FieldError> {
    let chars = password.chars().count();
    let lower = password.to_lowercase();
    let message = if chars < MIN_PASSWORD_CHARS {
        format!("must have at least {MIN_PASSWORD_CHARS} characters; a few unrelated words make a good one")
    } else if chars > MAX_PASSWORD_CHARS {
        format!("must have at most {MAX_PASSWORD_CHARS} characters")
    } else if COMMON_PASSWORDS.lines().any(|common| common == lower) || is_repetitive(&lower) {
        "is easily guessed; choose another".to_owned()
    } else if unpredictable_chars(&lower, name) < MIN_UNPREDICTABLE_CHARS {
        "is easily guessed, since most of it is a common password, your name, the product's name or a year; choose another"
            .to_owned()
    } else {
        return None;
    };
    Some(FieldError { field: field.into(), message })
}

fn is_repetitive(password: &str) -> bool {
    password.chars().collect::<HashSet<_>>().len() < MIN_DISTINCT_CHARS
}

/// Counts the characters that are not part of the user name, the product's name, a year, or a common word. Common words
/// count for [`CHARS_PER_COMMON_WORD`] each, punctuation does not count.
fn unpredictable_chars(password: &str, name: &str) -> usize {
    let name = name_key(name);
    let name_parts: Vec<Vec<char>> = name
        .split(|char: char| !char.is_alphanumeric())
        .chain(PRODUCT_WORDS)
        .map(|part| part.chars().collect::<Vec<_>>())
        .filter(|part| part.len() >= MIN_NAME_PART_CHARS)
        .collect();
    let plain: Vec<char> =
        password.chars().filter(|char| char.is_alphanumeric() || substitute(*char) != *char).collect();
    let letters: Vec<char> = plain.iter().copied().map(substitute).collect();
    let (mut at, mut count) = (0, 0);
    while at < plain.len() {
        let tails = [&plain[at..], &letters[at..]];
        let name_part = name_parts.iter().filter(|part| tails.iter().any(|tail| tail.starts_with(part)));
        if let Some(length) = name_part.map(Vec::len).max() {
            at += length;
        } else if let Some(length) = tails.iter().filter_map(|tail| common_word(tail)).max() {
            at += length;
            count += CHARS_PER_COMMON_WORD;
        } else if is_year(&plain[at..]) {
            at += 4;
        } else {
            // A repeated sign adds nothing, and a number counts as one character: people append "12" or "2024!!".
            let adds_nothing = at > 0
                && !plain[at].is_alphabetic()
                && (plain[at] == plain[at - 1] || plain[at].is_numeric() && plain[at - 1].is_numeric());
            at += 1;
            count += usize::from(!adds_nothing);
        }
    }
    count
}

/// Returns the length of the longest common word at the beginning of `text`.
fn common_word(text: &[char]) -> Option<usize> {
    let longest = text.len().min(*LONGEST_WORD);
    (4..=longest).rev().find(|length| WORDS.contains(text[..*length].iter().collect::<String>().as_str()))
}

/// Whether `text` begins with a year from 1900 to 2099.
fn is_year(text: &[char]) -> bool {
    matches!(text, ['1', '9', a, b, ..] | ['2', '0', a, b, ..] if a.is_ascii_digit() && b.is_ascii_digit())
}

/// Returns the letter that a digit or sign commonly replaces.
const fn substitute(char: char) -> char {
    match char {
        '0' => 'o',
        '1' | '!' => 'i',
        '3' => 'e',
        '4' | '@' => 'a',
        '5' | '$' => 's',
        '7' => 't',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_refused(password: &str) -> bool {
        check_password("password", password, "Ada Lovelace").is_some()
    }

    #[test]
    fn a_password_has_a_length() {
        assert!(is_refused("x7Kq!"));
        assert!(is_refused(&"long".repeat(65)));
        assert!(!is_refused("x7Kq!mR2#pLw"));
    }

    #[test]
    fn common_passwords_and_their_combinations_are_refused() {
        for password in [
            "Password1234",
            "abababababab",
            "AdaAdaAdaAda1",
            "Lovelace-2026",
            "Ada.Lovelace.1815",
            "Loadify-2026!",
            "loadify12345",
            "L0adify2026!!",
            "LoadifyLoadify",
            "Admin-Loadify1",
            "P@ssw0rd-2026",
            "Welcome2026!!",
            "Summer2025!!!!",
            "dragonmonkey12",
            "qwerty-qwerty-1",
            "iloveyou2020!",
            "1234567890123",
            "!!!!!!!!!!!!!!",
            "changeme-2024",
        ] {
            assert!(is_refused(password), "{password}");
        }
    }

    #[test]
    fn unrelated_words_and_random_characters_are_accepted() {
        for password in [
            "correct horse battery staple",
            "ein gräßlich langes Wort",
            "another long password",
            "abcde-fghij-kmnpq-rstuv",
            "kuvux-93hma-2sqpe",
            "Zürich liegt am See 7",
            "我喜欢喝热的绿茶和吃面包",
        ] {
            assert!(!is_refused(password), "{password}");
        }
    }

    #[test]
    fn the_lists_are_in_lower_case_and_long_enough() {
        let is_lower = |line: &str| line == line.to_lowercase();
        assert!(COMMON_PASSWORDS.lines().all(|line| line.chars().count() >= MIN_PASSWORD_CHARS && is_lower(line)));
        assert!(COMMON_WORDS.lines().all(|line| line.len() >= 4 && line.is_ascii() && is_lower(line)));
        assert!(COMMON_PASSWORDS.lines().count() > 600 && COMMON_WORDS.lines().count() > 1_400);
    }
}
