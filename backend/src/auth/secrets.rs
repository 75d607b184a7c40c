//! Tokens of sessions, setup links and API keys: generated here, shown once, stored as their SHA-256. Pure.
//!
//! A slow hash would add nothing: an attacker has to guess 256 random bits.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use rand::{TryRngCore, rngs::OsRng};
use sha2::{Digest, Sha256};

/// Prefix of every key, so that users and secret scanners recognize one.
const KEY_PREFIX: &str = "ldf_";
/// Digits after the prefix that lists show.
const SHOWN_DIGITS: usize = 8;
/// Hexadecimal digits of the random part, and of the checksum after it.
const RANDOM_DIGITS: usize = 64;
const CHECKSUM_DIGITS: usize = 8;

/// Returns the SHA-256 that the database stores.
pub fn hash(secret: &str) -> Vec<u8> {
    Sha256::digest(secret).to_vec()
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    OsRng.try_fill_bytes(&mut bytes).expect("the system has a random number generator");
    bytes
}

/// Returns a token for a session cookie or a setup link: 256 bits in base64url.
pub fn new_token() -> String {
    BASE64_URL_SAFE_NO_PAD.encode(random_bytes())
}

/// Returns `ldf_`, 256 bits, and a checksum of both, in hexadecimal.
pub fn new_key() -> String {
    let body: String = random_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
    let checksum = checksum(&body);
    format!("{KEY_PREFIX}{body}{checksum:0CHECKSUM_DIGITS$x}")
}

fn checksum(body: &str) -> u32 {
    let mut checksum = crc32fast::Hasher::new();
    checksum.update(KEY_PREFIX.as_bytes());
    checksum.update(body.as_bytes());
    checksum.finalize()
}

/// Whether `text` has the form of a key. A mistyped key is recognized without a query.
pub fn is_key(text: &str) -> bool {
    let Some(digits) = text.strip_prefix(KEY_PREFIX) else { return false };
    if digits.len() != RANDOM_DIGITS + CHECKSUM_DIGITS || !digits.is_ascii() {
        return false;
    }
    let (body, sum) = digits.split_at(RANDOM_DIGITS);
    u32::from_str_radix(sum, 16) == Ok(checksum(body))
}

/// Returns the part of a key that lists show.
pub fn prefix(key: &str) -> &str {
    &key[..KEY_PREFIX.len() + SHOWN_DIGITS]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mistyped_key_is_recognized() {
        let key = new_key();
        assert_eq!((key.len(), prefix(&key).len()), (76, 12));
        assert!(is_key(&key));
        let last = if key.ends_with('0') { '1' } else { '0' };
        let mistyped = format!("{}{last}", &key[..key.len() - 1]);
        assert!(!is_key(&mistyped) && !is_key(&key[1..]) && !is_key("ldf_") && !is_key(&key.replace("ldf_", "abc_")));
        assert_ne!(key, new_key());
    }

    #[test]
    fn a_token_has_256_bits() {
        assert_eq!(new_token().len(), 43);
        assert_ne!(new_token(), new_token());
        assert_eq!(hash("a").len(), 32);
    }
}
