//! Proof Key for Code Exchange (RFC 7636), S256 only.

use crate::protocol::Digest;

/// Reads an S256 code challenge: exactly 43 characters of canonical base64url (RFC 7636 §4.2).
#[must_use]
pub fn challenge(text: &str) -> Option<Digest> {
    Digest::from_base64url(text)
}

/// Whether `verifier` has the right form, 43 to 128 unreserved characters, and is what the challenge was made of
/// (RFC 7636 §4.1, §4.6).
#[must_use]
pub fn verifies(verifier: &str, challenge: &Digest) -> bool {
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() | matches!(byte, b'-' | b'.' | b'_' | b'~');
    (43..=128).contains(&verifier.len())
        && verifier.bytes().fold(true, |all, byte| all & unreserved(byte))
        && Digest::of(verifier.as_bytes()) == *challenge
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

    #[test]
    fn the_example_of_rfc_7636_appendix_b_verifies() {
        assert!(verifies(VERIFIER, &challenge(CHALLENGE).unwrap()));
    }

    #[test]
    fn a_challenge_is_43_characters_of_canonical_base64url() {
        for bad in [
            "",
            &CHALLENGE[1..],
            &format!("{CHALLENGE}="),
            &format!("{CHALLENGE}A"),
            &CHALLENGE.replace('-', "+"),
            &format!("{}N", &CHALLENGE[..42]),
        ] {
            assert!(challenge(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn a_verifier_has_43_to_128_unreserved_characters() {
        for (text, sound) in [
            ("a".repeat(42), false),
            ("a".repeat(43), true),
            ("a".repeat(128), true),
            ("a".repeat(129), false),
            ("+".repeat(43), false),
        ] {
            assert_eq!(verifies(&text, &Digest::of(text.as_bytes())), sound, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_other_verifier_fits(other in "[A-Za-z0-9._~-]{43,128}") {
            prop_assume!(other != VERIFIER);
            prop_assert!(!verifies(&other, &challenge(CHALLENGE).unwrap()));
        }
    }
}
