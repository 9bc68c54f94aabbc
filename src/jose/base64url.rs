//! Base64url without padding, the only encoding of JOSE (RFC 7515 §2).
//!
//! Decoding is strict: the URL-safe alphabet, no padding, no whitespace, and zero trailing bits, so that a value
//! has exactly one spelling.

use ::base64::Engine as _;
use ::base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::JoseError;
use crate::protocol::base64;

pub(super) fn decode(text: &str) -> Result<Vec<u8>, JoseError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| JoseError::Base64)
}

pub(super) fn encode(bytes: &[u8]) -> String {
    base64::to_url(bytes)
}

pub(super) fn encode_onto(out: &mut String, bytes: &[u8]) {
    base64::push_url(bytes, out);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn padding_whitespace_and_the_standard_alphabet_are_refused() {
        for text in ["Zg==", "Zg=", "Z g", "Zg\n", " Zg", "+/8A", "Zm9vY", "é"] {
            assert_eq!(decode(text), Err(JoseError::Base64), "{text:?}");
        }
        assert_eq!(decode("-_8A"), Ok(vec![0xfb, 0xff, 0x00]));
    }

    proptest! {
        #[test]
        fn a_value_has_exactly_one_spelling(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let text = encode(&bytes);
            prop_assert_eq!(decode(&text), Ok(bytes.clone()));
            let alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
            if let Some(last) = text.chars().last() {
                let stem = &text[..text.len() - 1];
                for other in alphabet.chars().filter(|c| *c != last) {
                    prop_assert_ne!(decode(&format!("{stem}{other}")), Ok(bytes.clone()));
                }
                let free_bits = [0, 4, 2][bytes.len() % 3];
                if free_bits > 0 {
                    let value = alphabet.find(last).unwrap();
                    for junk in 1..(1 << free_bits) {
                        let other = alphabet.chars().nth(value | junk).unwrap();
                        prop_assert_eq!(decode(&format!("{stem}{other}")), Err(JoseError::Base64));
                    }
                }
            }
        }
    }
}
