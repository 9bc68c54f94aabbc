//! User codes (RFC 8628 §6.1): short enough to be typed, as they are shown and as they are read.

use std::fmt;

/// The characters that user codes are made of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum UserCodeAlphabet {
    /// Eight consonants, `WDJB-MJHT`: no vowel makes a word, and 20^8 codes are 2^34.5.
    #[default]
    Letters,
    /// Twelve digits, `0194-5073-0269`, for those who have no Latin letters at hand: 10^12 codes are 2^39.8.
    Digits,
}

impl UserCodeAlphabet {
    /// The characters.
    #[must_use]
    pub const fn characters(self) -> &'static str {
        match self {
            Self::Letters => "BCDFGHJKLMNPQRSTVWXZ",
            Self::Digits => "0123456789",
        }
    }

    /// How many of them a code has.
    #[must_use]
    pub const fn length(self) -> usize {
        match self {
            Self::Letters => 8,
            Self::Digits => 12,
        }
    }
}

/// How many characters stand between two dashes.
const GROUP: usize = 4;

/// A user code without the dashes.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(Box<str>);

impl UserCode {
    /// What a person typed: case, and whatever no code is made of, do not matter. `None` when what is left is not as long
    /// as a code.
    #[must_use]
    pub fn read(typed: &str, alphabet: UserCodeAlphabet) -> Option<Self> {
        let upper = typed.chars().map(|letter| letter.to_ascii_uppercase());
        let code: String = upper
            .filter(|letter| alphabet.characters().contains(*letter))
            .take(alphabet.length() + 1)
            .collect();
        (code.len() == alphabet.length()).then(|| Self(code.into()))
    }

    /// The code that a number stands for. Numbers of 128 random bits make codes that are as good as evenly spread.
    #[must_use]
    pub fn of_number(mut number: u128, alphabet: UserCodeAlphabet) -> Self {
        let characters = alphabet.characters();
        let base = characters.len() as u128;
        let next = |_| {
            let digit = usize::try_from(number % base).unwrap_or_default();
            number /= base;
            characters.get(digit..=digit).unwrap_or_default()
        };
        Self((0..alphabet.length()).map(next).collect::<String>().into())
    }

    /// The code alone, which is secret until it is shown to whoever may type it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// The code as it is shown, in groups that are easy to read.
    #[must_use]
    pub fn shown(&self) -> String {
        let mut shown = String::with_capacity(self.0.len() + self.0.len() / GROUP);
        for (at, letter) in self.0.chars().enumerate() {
            if at > 0 && at % GROUP == 0 {
                shown.push('-');
            }
            shown.push(letter);
        }
        shown
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const BOTH: [UserCodeAlphabet; 2] = [UserCodeAlphabet::Letters, UserCodeAlphabet::Digits];

    proptest! {
        #[test]
        fn a_code_is_read_however_it_is_typed(
            number: u128,
            noise in proptest::collection::vec("[ ._\\-–/AEIOUYaeiouyéß\u{3000}]{0,3}", 13),
            lower in proptest::collection::vec(any::<bool>(), 12),
        ) {
            for alphabet in BOTH {
                let code = UserCode::of_number(number, alphabet);
                prop_assert_eq!(code.expose().len(), alphabet.length());
                prop_assert!(code.expose().chars().all(|letter| alphabet.characters().contains(letter)));
                prop_assert_eq!(UserCode::read(&code.shown(), alphabet), Some(code.clone()));
                let mut typed = noise[12].clone();
                for (at, letter) in code.expose().chars().enumerate() {
                    typed.push(if lower[at] { letter.to_ascii_lowercase() } else { letter });
                    typed.push_str(&noise[at]);
                }
                prop_assert_eq!(UserCode::read(&typed, alphabet), Some(code));
            }
        }

        #[test]
        fn another_code_is_another(one: u128, other: u128) {
            for alphabet in BOTH {
                let codes = (alphabet.characters().len() as u128).pow(u32::try_from(alphabet.length()).unwrap());
                let same = UserCode::of_number(one, alphabet) == UserCode::of_number(other, alphabet);
                prop_assert_eq!(same, one % codes == other % codes);
            }
        }

        #[test]
        fn no_text_makes_reading_panic(typed in "\\PC*") {
            BOTH.iter().for_each(|alphabet| drop(UserCode::read(&typed, *alphabet)));
        }
    }

    #[test]
    fn a_code_is_shown_in_groups_and_printed_never() {
        let code = UserCode::read("wdjbmjht", UserCodeAlphabet::Letters).unwrap();
        assert_eq!(code.shown(), "WDJB-MJHT");
        assert_eq!(format!("{code:?}"), "[redacted]");
        let code = UserCode::read("0194 5073 0269", UserCodeAlphabet::Digits).unwrap();
        assert_eq!(code.shown(), "0194-5073-0269");
    }

    #[test]
    fn what_is_too_short_or_too_long_is_no_code() {
        for typed in ["", "WDJB-MJH", "WDJB-MJHTT", "0194-5073-0269", "WDJB-MJHT WDJB-MJHT"] {
            assert_eq!(UserCode::read(typed, UserCodeAlphabet::Letters), None, "{typed}");
        }
    }

    /// RFC 8628 §5.1: five tries must not succeed more often than once in 2^32.
    #[test]
    fn there_are_enough_codes_for_five_tries() {
        for alphabet in BOTH {
            let codes = (alphabet.characters().len() as f64).powf(alphabet.length() as f64);
            assert!(5.0 / codes < 2.0_f64.powi(-32), "{alphabet:?}");
        }
    }
}
