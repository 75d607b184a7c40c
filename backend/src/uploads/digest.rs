//! Hashes: one over the file, which any process continues with the next chunk, and one over a body.

use std::{fmt, str::FromStr};

use anyhow::Context;
use sha1::{Digest, Sha1};
use sha2_state::{
    Sha256,
    digest::common::hazmat::{SerializableState, SerializedState},
};

/// The SHA-256 over the bytes of a file so far.
///
/// Its state is stored with the offset. So the digest of the file is known with its last byte: nothing is read again while the
/// client waits, however large the file is.
#[derive(Debug, Clone, Default)]
pub struct Running(Sha256);

impl Running {
    pub fn restore(state: &[u8]) -> anyhow::Result<Self> {
        let state = SerializedState::<Sha256>::try_from(state).context("the state of the hash has the wrong size")?;
        Sha256::deserialize(&state).map(Self).map_err(|_| anyhow::anyhow!("the state of the hash is damaged"))
    }

    pub fn state(&self) -> Vec<u8> {
        self.0.serialize().to_vec()
    }

    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hexadecimal.
    pub fn hex(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The algorithms of `Upload-Checksum`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    Sha1,
    Sha256,
}

impl Algorithm {
    /// `Tus-Checksum-Algorithm`.
    pub const ALL: &str = "sha1,sha256";

    /// Size of a digest, in bytes.
    pub fn bytes(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
        }
    }

    pub fn hasher(self) -> Hasher {
        match self {
            Self::Sha1 => Hasher::Sha1(Sha1::new()),
            Self::Sha256 => Hasher::Sha256(Sha256::new()),
        }
    }
}

impl FromStr for Algorithm {
    type Err = UnknownAlgorithm;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        match name {
            "sha1" => Ok(Self::Sha1),
            "sha256" => Ok(Self::Sha256),
            _ => Err(UnknownAlgorithm),
        }
    }
}

#[derive(Debug)]
pub struct UnknownAlgorithm;

/// A hash over one body.
pub enum Hasher {
    Sha1(Sha1),
    Sha256(Sha256),
}

impl Hasher {
    pub fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha1(hash) => hash.update(bytes),
            Self::Sha256(hash) => hash.update(bytes),
        }
    }

    pub fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha1(hash) => hash.finalize().to_vec(),
            Self::Sha256(hash) => hash.finalize().to_vec(),
        }
    }
}

impl fmt::Debug for Hasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sha1(_) => "Sha1",
            Self::Sha256(_) => "Sha256",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_continues_from_its_state_wherever_it_was_cut() {
        let text: Vec<u8> = (0..200_u8).collect();
        let mut whole = Running::default();
        whole.update(&text);
        let expected = whole.hex();
        for cut in 0..=text.len() {
            let mut first = Running::default();
            first.update(&text[..cut]);
            let mut second = Running::restore(&first.state()).expect("a state");
            second.update(&text[cut..]);
            assert_eq!(second.hex(), expected, "cut at {cut}");
        }
    }

    #[test]
    fn the_digests_are_those_of_the_standard() {
        // FIPS 180-2, appendices A.1 and B.1: "abc".
        let mut hash = Running::default();
        hash.update(b"abc");
        assert_eq!(hash.hex(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        let mut hash = Algorithm::Sha1.hasher();
        hash.update(b"abc");
        assert_eq!(hash.finish()[..4], [0xa9, 0x99, 0x3e, 0x36]);
    }

    #[test]
    fn an_invalid_state_is_rejected() {
        assert!(Running::restore(&[]).is_err());
        assert!(Running::restore(&[0xff; 1000]).is_err());
    }
}
