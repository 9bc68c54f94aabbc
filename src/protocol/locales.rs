//! Languages by order of preference, and which of those that something is there in fits best (BCP 47: RFC 5646, RFC 4647).

use serde::{Deserialize, Serialize};

/// The most languages that count; those of less preference are forgotten.
pub const MAX_LOCALES: usize = 16;

/// The longest language tag, in bytes.
pub const MAX_TAG_BYTES: usize = 64;

/// Languages, the one preferred most first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Locales(Vec<String>);

impl Locales {
    /// No preference.
    pub const NONE: Self = Self(Vec::new());

    /// Reads a space-separated list of language tags. What is no tag is left out, and is no error (OpenID Connect Core
    /// §5.2); nor does anything count beyond [`MAX_LOCALES`].
    #[must_use]
    pub fn parse(text: &str) -> Self {
        Self(text.split(' ').filter(|tag| is_tag(tag)).take(MAX_LOCALES).map(str::to_owned).collect())
    }

    /// Whether no language is preferred.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The tags, as they were written.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// The tag of `available` that fits best: for the language preferred most, then for the next. One language is
    /// fitted by itself, by a variety of it ([`filter`]), and failing these by what it is a variety of, which is never as
    /// wide as another variety: for `de-CH` there may be `de-CH-1996` or `de`, but not `de-AT` (RFC 4647 §3.4).
    #[must_use]
    pub fn lookup<'t>(&self, available: &[&'t str]) -> Option<&'t str> {
        self.0.iter().find_map(|range| {
            let exactly = |wider: &str| available.iter().copied().find(|tag| tag.eq_ignore_ascii_case(wider));
            filter(range, available)
                .or_else(|| std::iter::successors(truncated(range), |own| truncated(own)).find_map(exactly))
        })
    }
}

/// The tag of `available` that says no less than `range`: the same, else the shortest that begins with it
/// (RFC 4647 §3.3.1).
#[must_use]
pub fn filter<'t>(range: &str, available: &[&'t str]) -> Option<&'t str> {
    let fits = |tag: &&&str| match tag.split_at_checked(range.len()) {
        Some((start, rest)) => {
            start.eq_ignore_ascii_case(range) && (rest.is_empty() || rest.starts_with('-'))
        }
        None => false,
    };
    available.iter().filter(fits).min_by_key(|tag| tag.len()).copied()
}

/// A range without its last subtag, and without the single letter that would then be its last (RFC 4647 §3.4).
fn truncated(range: &str) -> Option<&str> {
    let (shorter, _) = range.rsplit_once('-')?;
    match shorter.rsplit_once('-') {
        Some((before, single)) if single.len() == 1 => Some(before),
        _ => Some(shorter),
    }
}

/// Whether this has the form of a language tag (RFC 4647 §2.1, without wildcards).
fn is_tag(text: &str) -> bool {
    let subtag =
        |own: &str| (1..=8).contains(&own.len()) && own.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let primary = text.split('-').next().unwrap_or_default();
    text.len() <= MAX_TAG_BYTES
        && primary.bytes().all(|byte| byte.is_ascii_alphabetic())
        && text.split('-').all(subtag)
}

impl From<String> for Locales {
    fn from(text: String) -> Self {
        Self::parse(&text)
    }
}

impl From<Locales> for String {
    fn from(locales: Locales) -> Self {
        locales.0.join(" ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn lookup(preferred: &str, available: &[&'static str]) -> Option<&'static str> {
        Locales::parse(preferred).lookup(available)
    }

    #[test]
    fn the_language_preferred_most_wins_then_itself_then_a_variety_then_what_it_is_a_variety_of() {
        for (preferred, available, best) in [
            ("de en", &["en", "de"][..], Some("de")),
            ("ja en", &["en", "de"], Some("en")),
            ("fr ja", &["en", "de"], None),
            ("de", &["de-CH", "de", "de-AT"], Some("de")),
            ("de", &["en", "de-CH"], Some("de-CH")),
            ("de", &["de-CH-1996", "de-AT"], Some("de-AT")),
            ("de-CH en", &["en", "de"], Some("de")),
            ("de-CH en", &["en", "de-AT"], Some("en")),
            ("zh-Hant-CN-x-private1", &["zh", "zh-Hant"], Some("zh-Hant")),
            ("DE-ch", &["de-CH"], Some("de-CH")),
            ("de", &["den"], None),
            ("de", &[], None),
            ("", &["de"], None),
        ] {
            assert_eq!(lookup(preferred, available), best, "{preferred} of {available:?}");
        }
    }

    #[test]
    fn what_is_no_tag_is_left_out_and_is_no_error() {
        let left: Vec<String> = Locales::parse("  * de_CH e\u{e9} 1a ninechars de- -de de-* en-GB de").0;
        assert_eq!(left, ["en-GB", "de"]);
        let many = (0..2 * MAX_LOCALES).map(|n| format!("x{n}")).collect::<Vec<_>>().join(" ");
        assert_eq!(Locales::parse(&many), Locales::default(), "a language is named by letters");
        assert_eq!(Locales::parse(&"de ".repeat(2 * MAX_LOCALES)).iter().count(), MAX_LOCALES);
    }

    fn tag() -> impl Strategy<Value = String> {
        proptest::string::string_regex("(de|en|zh|DE)(-(Hant|x|CH|at|1996)){0,3}").unwrap()
    }

    proptest! {
        #[test]
        fn no_text_makes_reading_panic_and_what_is_read_is_written_back(text in "\\PC{0,80}") {
            let locales = Locales::parse(&text);
            prop_assert_eq!(Locales::from(String::from(locales.clone())), locales);
        }

        #[test]
        fn the_best_is_one_of_those_there_are_of_the_same_language_as_the_first_that_has_any_exactly(
            preferred in prop::collection::vec(tag(), 0..4), available in prop::collection::vec(tag(), 0..6),
        ) {
            let locales = Locales::parse(&preferred.join(" "));
            let available: Vec<&str> = available.iter().map(String::as_str).collect();
            let best = locales.lookup(&available);
            let language = |tag: &str| tag.split('-').next().unwrap_or_default().to_ascii_lowercase();
            match best {
                Some(best) => {
                    prop_assert!(available.contains(&best));
                    let of = |own: &&String| language(own) == language(best);
                    let first = preferred.iter().find(of).unwrap();
                    // Nobody gets another than the most preferred language where that is there as it was asked for.
                    for own in preferred.iter().take_while(|own| *own != first) {
                        prop_assert!(!available.iter().any(|tag| tag.eq_ignore_ascii_case(own)));
                    }
                }
                None => {
                    for own in &preferred {
                        prop_assert!(!available.iter().any(|tag| tag.eq_ignore_ascii_case(own)));
                        prop_assert!(!available.iter().any(|tag| tag.eq_ignore_ascii_case(&language(own))));
                    }
                }
            }
        }

        #[test]
        fn order_and_spelling_of_what_is_there_do_not_matter(
            preferred in prop::collection::vec(tag(), 0..4), available in prop::collection::btree_set("(de|en|zh)(-(CH|AT|Hant)){0,2}", 0..6),
        ) {
            let locales = Locales::parse(&preferred.join(" "));
            let forth: Vec<&str> = available.iter().map(String::as_str).collect();
            let upper: Vec<String> = forth.iter().map(|tag| tag.to_ascii_uppercase()).collect();
            let upper: Vec<&str> = upper.iter().map(String::as_str).collect();
            let best = locales.lookup(&forth);
            prop_assert_eq!(best.map(str::to_ascii_uppercase), locales.lookup(&upper).map(str::to_owned));
            prop_assert_eq!(best.is_some(), locales.lookup(&forth.iter().rev().copied().collect::<Vec<_>>()).is_some());
        }
    }
}
