//! Highlights the words of the search. Pure, except for the component at the end.

use leptos::prelude::*;

/// Number of characters before the first match in an excerpt.
const LEAD_CHARS: usize = 40;
/// Longest excerpt, in characters: more than any cell shows.
const MAX_EXCERPT_CHARS: usize = 300;

/// A part of a text, and whether it is one of the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    pub text: String,
    pub is_match: bool,
}

/// Splits `text` where one of the words begins or ends, ignoring case. `words` are in lower case.
pub fn fragments(text: &str, words: &[String]) -> Vec<Fragment> {
    let mut fragments: Vec<Fragment> = Vec::new();
    let matches = matches(text, words);
    for (index, character) in text.chars().enumerate() {
        let is_match = matches[index];
        match fragments.last_mut() {
            Some(fragment) if fragment.is_match == is_match => fragment.text.push(character),
            _ => fragments.push(Fragment { text: character.to_string(), is_match }),
        }
    }
    fragments
}

/// Returns for each character whether it belongs to one of the words.
fn matches(text: &str, words: &[String]) -> Vec<bool> {
    let mut matches = vec![false; text.chars().count()];
    if words.is_empty() {
        return matches;
    }
    // A character may become several in lower case, so each byte remembers its origin.
    let (mut lower, mut origins) = (String::new(), Vec::new());
    for (index, character) in text.chars().enumerate() {
        for small in character.to_lowercase() {
            lower.push(small);
            origins.extend(std::iter::repeat_n(index, small.len_utf8()));
        }
    }
    for word in words.iter().filter(|word| !word.is_empty()) {
        for (start, found) in lower.match_indices(word.as_str()) {
            matches[origins[start]..=origins[start + found.len() - 1]].fill(true);
        }
    }
    matches
}

/// Returns the words of a search text, for [`fragments`].
pub fn search_words(q: &str) -> Vec<String> {
    q.split_whitespace().map(str::to_lowercase).collect()
}

/// Returns a text as one line around its first match. Runs of white space become single spaces, and the text is cut to what
/// a cell can show.
pub fn excerpt(text: &str, words: &[String]) -> String {
    let line = text.split_whitespace().take(20_000).collect::<Vec<_>>().join(" ");
    let first = matches(&line, words).iter().position(|is_match| *is_match).unwrap_or(0);
    let skipped = if first > LEAD_CHARS * 2 { first - LEAD_CHARS } else { 0 };
    // From the beginning of a word, if one begins before the match.
    let word = line.chars().skip(skipped).take(first - skipped.min(first)).position(char::is_whitespace);
    let skipped = if skipped > 0 { skipped + word.map_or(0, |at| at + 1) } else { 0 };
    let mut excerpt: String = line.chars().skip(skipped).take(MAX_EXCERPT_CHARS).collect();
    if line.chars().nth(skipped + MAX_EXCERPT_CHARS).is_some() {
        excerpt.push('…');
    }
    if skipped > 0 {
        excerpt.insert(0, '…');
    }
    excerpt
}

/// A text with its matches highlighted.
#[component]
pub fn Highlighted(
    #[prop(into)] text: Signal<String>,
    /// In lower case.
    words: Signal<Vec<String>>,
) -> impl IntoView {
    move || {
        let fragments = text.with(|text| words.with(|words| fragments(text, words)));
        fragments
            .into_iter()
            .map(
                |Fragment { text, is_match }| {
                    if is_match { view! { <mark>{text}</mark> }.into_any() } else { text.into_any() }
                },
            )
            .collect_view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn highlighted(text: &str, q: &str) -> String {
        let fragment =
            |fragment: Fragment| if fragment.is_match { format!("[{}]", fragment.text) } else { fragment.text };
        fragments(text, &search_words(q)).into_iter().map(fragment).collect()
    }

    #[test]
    fn every_word_is_highlighted_anywhere_and_in_any_case() {
        assert_eq!(highlighted("Green tea, evergreen", "GREEN tea"), "[Green] [tea], ever[green]");
        assert_eq!(highlighted("Tea", ""), "Tea");
        assert_eq!(highlighted("Tea", "coffee"), "Tea");
        assert_eq!(highlighted("teatea", "tea"), "[teatea]");
        assert_eq!(highlighted("abcd", "bc abc"), "[abc]d");
    }

    #[test]
    fn letters_that_change_their_length_do_not_shift_highlights() {
        assert_eq!(highlighted("İstanbul tea é", "TEA É"), "İstanbul [tea] [é]");
        assert_eq!(highlighted("ÄPFEL", "äpf"), "[ÄPF]EL");
        assert_eq!(highlighted("日本茶 a", "本茶"), "日[本茶] a");
    }

    #[test]
    fn an_excerpt_is_one_line_around_the_first_match() {
        assert_eq!(excerpt("  Sencha,\r\n\tfirst   harvest\n", &[]), "Sencha, first harvest");
        let long = format!("{}needle {}", "hay ".repeat(100), "straw ".repeat(100));
        let cut = excerpt(&long, &search_words("Needle"));
        assert!(cut.starts_with("…hay") && cut.ends_with('…') && cut.find("needle").expect("a match") < 50, "{cut}");
        assert_eq!(cut.chars().count(), MAX_EXCERPT_CHARS + 2);
    }
}
