//! Signatures by Standard Webhooks 1.0: HMAC-SHA256 over `id.timestamp.body`.

use base64::{Engine, prelude::BASE64_STANDARD};
use hmac::{Hmac, Mac};
use sha2::Sha256;

const PREFIX: &str = "whsec_";
const SECRET_BYTES: usize = 32;

/// Returns a new secret, in the form that receivers use.
pub fn new_secret() -> String {
    format!("{PREFIX}{}", BASE64_STANDARD.encode(rand::random::<[u8; SECRET_BYTES]>()))
}

/// Returns the value of `webhook-signature`: one signature per secret, in their order. `timestamp` is in seconds since 1970.
/// A malformed secret, which the table does not contain, is skipped.
pub fn sign<'a>(secrets: impl IntoIterator<Item = &'a str>, id: &str, timestamp: i64, body: &str) -> String {
    let signatures = secrets.into_iter().filter_map(|secret| {
        let key = BASE64_STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).ok()?;
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body.as_bytes());
        Some(format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes())))
    });
    signatures.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const SIGNATURE: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";

    fn signed<'a>(secrets: impl IntoIterator<Item = &'a str>) -> String {
        sign(secrets, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#)
    }

    #[test]
    fn the_test_vector_of_the_standard_is_reproduced() {
        assert_eq!(signed([SECRET]), SIGNATURE);
    }

    #[test]
    fn during_a_rotation_both_secrets_sign_the_new_one_first() {
        let new = new_secret();
        let both = signed([new.as_str(), SECRET]);
        let (first, second) = both.split_once(' ').expect("two signatures");
        assert_eq!((first, second), (signed([new.as_str()]).as_str(), SIGNATURE));
        assert_ne!(first, second);
    }

    #[test]
    fn a_secret_is_32_random_bytes() {
        let (one, other) = (new_secret(), new_secret());
        assert_ne!(one, other);
        let bytes = BASE64_STANDARD.decode(one.strip_prefix("whsec_").expect("the prefix")).expect("base64");
        assert_eq!(bytes.len(), 32);
    }
}
