//! Product files of any size, the same for the same seed.
//!
//! They have the shape of the file that this importer is measured with: 173 bytes per row, names of people, SKUs made of
//! words, descriptions of one to five sentences of which 60 % have line breaks inside quotes, CRLF between records, and one
//! row in fifteen with the SKU of an earlier row.

use std::{
    fs::File,
    io::{BufWriter, Write},
    path::PathBuf,
    sync::LazyLock,
};

use anyhow::Context;
use clap::Args;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};

static WORDS: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words/common.txt").lines().collect());
static FIRST_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words/first_names.txt").lines().collect());
static LAST_NAMES: LazyLock<Vec<&str>> = LazyLock::new(|| include_str!("words/last_names.txt").lines().collect());

#[derive(Args)]
pub struct Options {
    /// Rows to write, without the header
    #[arg(long, default_value_t = 500_000)]
    rows: u64,
    /// Seed of names and descriptions; SKUs do not depend on it
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// File to write; standard output by default
    #[arg(long)]
    output: Option<PathBuf>,
}

/// Share of rows with the SKU of an earlier row: 33,307 of 500,000.
const DUPLICATE_SHARE: f64 = 0.0666;
/// Share of descriptions with line breaks.
const MULTILINE_SHARE: f64 = 0.6;

pub fn write(options: &Options) -> anyhow::Result<()> {
    match &options.output {
        Some(path) => {
            let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
            write_to(BufWriter::new(file), options.rows, options.seed)
        }
        None => write_to(BufWriter::new(std::io::stdout().lock()), options.rows, options.seed),
    }
}

fn write_to(mut out: impl Write, rows: u64, seed: u64) -> anyhow::Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    out.write_all(b"name,sku,description\r\n")?;
    let mut distinct = 0;
    for _ in 0..rows {
        let name = format!("{} {}", pick(&mut random, &FIRST_NAMES), pick(&mut random, &LAST_NAMES));
        let sku = if distinct > 0 && random.random_bool(DUPLICATE_SHARE) {
            // Half of them in upper case, which is the same product.
            let sku = sku(random.random_range(0..distinct));
            if random.random() { sku.to_uppercase() } else { sku }
        } else {
            distinct += 1;
            sku(distinct - 1)
        };
        let description = description(&mut random);
        if description.contains('\n') {
            write!(out, "{name},{sku},\"{description}\"\r\n")?;
        } else {
            write!(out, "{name},{sku},{description}\r\n")?;
        }
    }
    out.flush().context("cannot write the file")
}

fn pick<'a>(random: &mut StdRng, from: &[&'a str]) -> &'a str {
    from.choose(random).copied().unwrap_or_default()
}

/// Returns the SKU of product `index`: three words, unique below the cube of the number of words.
fn sku(index: u64) -> String {
    let words = WORDS.len() as u64;
    // A step that is coprime to the number of combinations visits each of them once.
    let mut number = index * 314_159_267 % words.pow(3);
    let mut parts = [""; 3];
    for part in &mut parts {
        *part = WORDS[usize::try_from(number % words).unwrap_or_default()];
        number /= words;
    }
    parts.join("-")
}

fn description(random: &mut StdRng) -> String {
    let mut text = String::new();
    let breaks = random.random_bool(MULTILINE_SHARE);
    let sentences = if breaks { random.random_range(2..=5) } else { random.random_range(1..=3) };
    for sentence in 0..sentences {
        if sentence > 0 {
            // A multiline description has at least one break.
            text.push(if breaks && (sentence == 1 || random.random_bool(0.4)) { '\n' } else { ' ' });
        }
        for word in 0..random.random_range(5..=9) {
            let next = pick(random, &WORDS);
            if word == 0 {
                text.push_str(&next[..1].to_uppercase());
                text.push_str(&next[1..]);
            } else {
                text.push(' ');
                text.push_str(next);
            }
        }
        text.push('.');
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn a_sample_has_the_documented_shape() {
        let mut file = Vec::new();
        write_to(&mut file, 20_000, 7).expect("memory can be written");
        let mut again = Vec::new();
        write_to(&mut again, 20_000, 7).expect("memory can be written");
        assert!(file == again, "the same seed produces the same file");

        let text = String::from_utf8(file).expect("text");
        let rows: Vec<&str> = text.split_terminator("\r\n").skip(1).collect();
        assert_eq!(rows.len(), 20_000);
        let bytes = text.len() / rows.len();
        assert!((165..=180).contains(&bytes), "{bytes} bytes a row");
        let broken = rows.iter().filter(|row| row.contains('\n')).count();
        assert!((11_600..=12_400).contains(&broken), "{broken} rows with line breaks");
        let distinct: HashSet<String> =
            rows.iter().filter_map(|row| row.split(',').nth(1)).map(str::to_lowercase).collect();
        assert!((18_500..=18_900).contains(&distinct.len()), "{} distinct SKUs", distinct.len());
    }

    #[test]
    fn products_do_not_share_a_sku() {
        let skus: HashSet<String> = (0..1_000_000).map(sku).collect();
        assert_eq!(skus.len(), 1_000_000);
    }
}
