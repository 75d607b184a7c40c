//! Marks the words that were searched for. Pure, but for the component at the end.

use leptos::prelude::*;

/// Characters before the first hit that an excerpt keeps.
const LEAD: usize = 40;
/// Longest excerpt, in characters: more than any cell shows.
const LONGEST: usize = 300;

/// A piece of a text, and whether it is one of the words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    pub text: String,
    pub hit: bool,
}

/// Cuts `text` where one of the words begins or ends, in any case. `words` are in lower case.
pub fn pieces(text: &str, words: &[String]) -> Vec<Piece> {
    let mut pieces: Vec<Piece> = Vec::new();
    let hits = hits(text, words);
    for (index, character) in text.chars().enumerate() {
        let hit = hits[index];
        match pieces.last_mut() {
            Some(piece) if piece.hit == hit => piece.text.push(character),
            _ => pieces.push(Piece { text: character.to_string(), hit }),
        }
    }
    pieces
}

/// For each character whether it belongs to one of the words.
fn hits(text: &str, words: &[String]) -> Vec<bool> {
    let mut hits = vec![false; text.chars().count()];
    if words.is_empty() {
        return hits;
    }
    // A character may become several when it is lower-cased: each remembers where it came from.
    let (mut lower, mut origins) = (String::new(), Vec::new());
    for (index, character) in text.chars().enumerate() {
        for small in character.to_lowercase() {
            lower.push(small);
            origins.extend(std::iter::repeat_n(index, small.len_utf8()));
        }
    }
    for word in words.iter().filter(|word| !word.is_empty()) {
        for (start, found) in lower.match_indices(word.as_str()) {
            hits[origins[start]..=origins[start + found.len() - 1]].fill(true);
        }
    }
    hits
}

/// The words of a search text, as [`pieces`] wants them.
pub fn search_words(q: &str) -> Vec<String> {
    q.split_whitespace().map(str::to_lowercase).collect()
}

/// A text as one line around its first hit: runs of white space become single spaces, and what no cell shows is cut.
pub fn excerpt(text: &str, words: &[String]) -> String {
    let line = text.split_whitespace().take(20_000).collect::<Vec<_>>().join(" ");
    let first = hits(&line, words).iter().position(|hit| *hit).unwrap_or(0);
    let skipped = if first > LEAD * 2 { first - LEAD } else { 0 };
    // From the beginning of a word, where one begins before the hit.
    let word = line.chars().skip(skipped).take(first - skipped.min(first)).position(char::is_whitespace);
    let skipped = if skipped > 0 { skipped + word.map_or(0, |at| at + 1) } else { 0 };
    let mut excerpt: String = line.chars().skip(skipped).take(LONGEST).collect();
    if line.chars().nth(skipped + LONGEST).is_some() {
        excerpt.push('…');
    }
    if skipped > 0 {
        excerpt.insert(0, '…');
    }
    excerpt
}

/// A text whose words are marked.
#[component]
pub fn Marked(
    #[prop(into)] text: Signal<String>,
    /// In lower case.
    words: Signal<Vec<String>>,
) -> impl IntoView {
    move || {
        let pieces = text.with(|text| words.with(|words| pieces(text, words)));
        pieces
            .into_iter()
            .map(|Piece { text, hit }| if hit { view! { <mark>{text}</mark> }.into_any() } else { text.into_any() })
            .collect_view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(text: &str, q: &str) -> String {
        let piece = |piece: Piece| if piece.hit { format!("[{}]", piece.text) } else { piece.text };
        pieces(text, &search_words(q)).into_iter().map(piece).collect()
    }

    #[test]
    fn every_word_is_marked_wherever_it_stands_and_whatever_its_case() {
        assert_eq!(marked("Green tea, evergreen", "GREEN tea"), "[Green] [tea], ever[green]");
        assert_eq!(marked("Tea", ""), "Tea");
        assert_eq!(marked("Tea", "coffee"), "Tea");
        assert_eq!(marked("teatea", "tea"), "[teatea]");
        assert_eq!(marked("abcd", "bc abc"), "[abc]d");
    }

    #[test]
    fn letters_that_change_their_length_do_not_shift_the_marks() {
        assert_eq!(marked("İstanbul tea é", "TEA É"), "İstanbul [tea] [é]");
        assert_eq!(marked("ÄPFEL", "äpf"), "[ÄPF]EL");
        assert_eq!(marked("日本茶 a", "本茶"), "日[本茶] a");
    }

    #[test]
    fn an_excerpt_is_one_line_around_the_first_hit() {
        assert_eq!(excerpt("  Sencha,\r\n\tfirst   harvest\n", &[]), "Sencha, first harvest");
        let long = format!("{}needle {}", "hay ".repeat(100), "straw ".repeat(100));
        let cut = excerpt(&long, &search_words("Needle"));
        assert!(cut.starts_with("…hay") && cut.ends_with('…') && cut.find("needle").expect("a hit") < 50, "{cut}");
        assert_eq!(cut.chars().count(), LONGEST + 2);
    }
}
