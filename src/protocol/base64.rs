//! Base64 of what comes with every request (RFC 4648): ids, digests, handles and what is signed in base64url without
//! padding, Basic credentials in the standard alphabet.
//!
//! Reading is strict, so that a value has exactly one spelling. Letters are looked up in tables, which takes no
//! constant time: what is written and read here is random and seen once, or public, or hashed before it is compared.

use zeroize::Zeroize as _;

const URL_SAFE: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const STANDARD: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// The two letters of each twelve bits.
static PAIRS: [[u8; 2]; 4096] = pairs(URL_SAFE);
static URL_SAFE_VALUES: [u64; 256] = values(URL_SAFE);
static STANDARD_VALUES: [u64; 256] = values(STANDARD);

/// How many bytes are written at a time: whole groups.
const PIECE: usize = 192;

/// The value of what is no letter: its high bits outlast the seven shifts that a group takes.
const NO_LETTER: u64 = u64::MAX;

#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn pairs(alphabet: &[u8; 64]) -> [[u8; 2]; 4096] {
    let mut pairs = [[0; 2]; 4096];
    let mut bits = 0;
    while bits < pairs.len() {
        pairs[bits] = [alphabet[bits / 64], alphabet[bits % 64]];
        bits += 1;
    }
    pairs
}

/// The six bits of each letter.
#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
const fn values(alphabet: &[u8; 64]) -> [u64; 256] {
    let mut values = [NO_LETTER; 256];
    let mut bits = 0;
    while bits < alphabet.len() {
        values[alphabet[bits] as usize] = bits as u64;
        bits += 1;
    }
    values
}

/// How long the text of so many bytes is, without padding.
pub(crate) const fn text_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

/// Writes `bytes` in base64url into `text`, which must be [`text_len`] long.
#[inline]
pub(crate) fn write_url(bytes: &[u8], text: &mut [u8]) {
    let (groups, rest) = bytes.as_chunks();
    let (places, tail) = text.as_chunks_mut();
    for (group, place) in groups.iter().zip(places) {
        *place = letters(*group);
    }
    let mut last = [0; 6];
    last.iter_mut().zip(rest).for_each(|(to, byte)| *to = *byte);
    tail.iter_mut().zip(letters(last)).for_each(|(place, letter)| *place = letter);
}

/// Appends `bytes` in base64url.
pub(crate) fn push_url(bytes: &[u8], out: &mut String) {
    let mut text = [0; text_len(PIECE)];
    for piece in bytes.chunks(PIECE) {
        let (text, _) = text.split_at_mut(text_len(piece.len()));
        write_url(piece, text);
        out.push_str(str::from_utf8(text).unwrap_or_default());
    }
}

/// `bytes` in base64url.
pub(crate) fn to_url(bytes: &[u8]) -> String {
    let mut text = vec![0; text_len(bytes.len())];
    write_url(bytes, &mut text);
    String::from_utf8(text).unwrap_or_default()
}

/// Reads `N` bytes in base64url; anything that [`write_url`] would not have written is `None`.
#[inline]
pub(crate) fn from_url<const N: usize>(text: &[u8]) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    read(&URL_SAFE_VALUES, text, &mut bytes).then_some(bytes)
}

/// Reads bytes in padded standard base64. What was read of a text that turns out to be none is wiped.
pub(crate) fn from_standard(text: &[u8]) -> Option<Vec<u8>> {
    let letters = text.strip_suffix(b"==").or(text.strip_suffix(b"=")).unwrap_or(text);
    let mut bytes = Vec::with_capacity(letters.len());
    bytes.resize(letters.len() * 3 / 4, 0);
    let padded = text.len() == letters.len().next_multiple_of(4);
    if padded && read(&STANDARD_VALUES, letters, &mut bytes) {
        return Some(bytes);
    }
    bytes.zeroize();
    None
}

/// Reads exactly as many bytes as there is room for. Inlined where that is known beforehand, so that it is unrolled.
#[inline(always)]
fn read(values: &[u64; 256], text: &[u8], bytes: &mut [u8]) -> bool {
    if text.len() != text_len(bytes.len()) {
        return false;
    }
    let (groups, tail) = text.as_chunks();
    let (places, rest) = bytes.as_chunks_mut::<6>();
    let mut beyond = 0;
    for (group, place) in groups.iter().zip(places) {
        let value = value(values, *group);
        beyond |= value >> 48;
        let [_, _, six @ ..] = value.to_be_bytes();
        *place = six;
    }
    let mut last = [b'A'; 8];
    last.iter_mut().zip(tail).for_each(|(to, letter)| *to = *letter);
    let value = value(values, last);
    beyond |= value >> 48;
    let [_, _, last @ ..] = value.to_be_bytes();
    let mut last = last.into_iter();
    rest.iter_mut().zip(last.by_ref()).for_each(|(place, byte)| *place = byte);
    beyond == 0 && last.all(|byte| byte == 0)
}

#[inline]
fn letters([a, b, c, d, e, f]: [u8; 6]) -> [u8; 8] {
    let bits = u64::from(u32::from_be_bytes([a, b, c, d])) << 16 | u64::from(u16::from_be_bytes([e, f]));
    let pair = |shift: u32| PAIRS.get((bits >> shift) as usize % 4096).copied().unwrap_or_default();
    let ([a, b], [c, d], [e, f], [g, h]) = (pair(36), pair(24), pair(12), pair(0));
    [a, b, c, d, e, f, g, h]
}

#[inline]
fn value(values: &[u64; 256], letters: [u8; 8]) -> u64 {
    let of = |letter: u8| values.get(usize::from(letter)).copied().unwrap_or(NO_LETTER);
    letters.into_iter().fold(0, |value, letter| value << 6 | of(letter))
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD as PADDED, URL_SAFE_NO_PAD};
    use proptest::prelude::*;

    use super::*;

    fn agrees<const N: usize>(bytes: &[u8]) {
        let bytes: [u8; N] = *bytes.first_chunk().unwrap();
        let text = to_url(&bytes);
        assert_eq!(text, URL_SAFE_NO_PAD.encode(bytes));
        assert_eq!(from_url(text.as_bytes()), Some(bytes));
    }

    fn is_strict<const N: usize>(text: &str) {
        let theirs = URL_SAFE_NO_PAD.decode(text).ok().and_then(|bytes| <[u8; N]>::try_from(bytes).ok());
        assert_eq!(from_url(text.as_bytes()), theirs, "{text:?}");
    }

    proptest! {
        #[test]
        fn basic_credentials_are_read_as_everyone_reads_them(bytes: Vec<u8>, text in "[A-Za-z0-9+/=]{0,12}|[ -~]{0,9}") {
            prop_assert_eq!(from_standard(PADDED.encode(&bytes).as_bytes()), Some(bytes));
            prop_assert_eq!(from_standard(text.as_bytes()), PADDED.decode(&text).ok());
        }

        #[test]
        fn what_is_appended_is_the_same_however_long(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
            let mut text = "e30.".to_owned();
            push_url(&bytes, &mut text);
            prop_assert_eq!(text, format!("e30.{}", URL_SAFE_NO_PAD.encode(&bytes)));
        }

        #[test]
        fn it_is_the_encoding_that_everyone_uses(bytes: [u8; 63]) {
            agrees::<16>(&bytes);
            agrees::<32>(&bytes);
            agrees::<51>(&bytes);
            agrees::<63>(&bytes);
        }

        #[test]
        fn a_value_has_exactly_one_spelling(text in "[A-Za-z0-9_-]{22}|[ -~]{20,24}", byte: u8, at in 0_usize..22) {
            is_strict::<16>(&text);
            is_strict::<17>(&text);
            is_strict::<15>(&text);
            let mut other = text.into_bytes();
            if let Some(place) = other.get_mut(at) {
                *place = byte;
            }
            prop_assert_eq!(
                from_url::<16>(&other).is_some(),
                URL_SAFE_NO_PAD.decode(&other).is_ok_and(|bytes| bytes.len() == 16)
            );
        }
    }
}
