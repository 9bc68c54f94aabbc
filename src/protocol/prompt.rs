//! `prompt`: what the client wants the user to be shown (OpenID Connect Core §3.1.2.1).

/// The values of one request.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prompts {
    /// Nothing at all: answer, or say why not.
    pub none: bool,
    /// The login page, whoever is signed in.
    pub login: bool,
    /// The consent page, whatever was allowed before.
    pub consent: bool,
    /// A choice of accounts.
    pub select_account: bool,
    /// The page that makes an account (Initiating User Registration via OpenID Connect §4.1).
    pub create: bool,
}

impl Prompts {
    /// The values this release knows, by name.
    pub const NAMES: &'static [&'static str] = &["none", "login", "consent", "select_account", "create"];

    /// Reads the space-separated list; `None` when a value is unknown or `none` does not stand alone.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut prompts = Self::default();
        for value in text.split(' ').filter(|value| !value.is_empty()) {
            match value {
                "none" => prompts.none = true,
                "login" => prompts.login = true,
                "consent" => prompts.consent = true,
                "select_account" => prompts.select_account = true,
                "create" => prompts.create = true,
                _ => return None,
            }
        }
        let alone = prompts == Self { none: true, ..Self::default() };
        (alone || !prompts.none).then_some(prompts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_is_read_and_nothing_else() {
        for name in Prompts::NAMES {
            assert!(Prompts::parse(name).is_some_and(|prompts| prompts != Prompts::default()), "{name}");
        }
        assert_eq!(Prompts::parse("login consent"), Prompts::parse("consent  login login"));
        assert_eq!(Prompts::parse(""), Some(Prompts::default()));
        for bad in ["None", "login,consent", "page", "login\tconsent"] {
            assert_eq!(Prompts::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn none_stands_alone() {
        for name in Prompts::NAMES.iter().filter(|name| **name != "none") {
            assert_eq!(Prompts::parse(&format!("none {name}")), None);
        }
        assert_eq!(Prompts::parse("none"), Some(Prompts { none: true, ..Prompts::default() }));
    }
}
