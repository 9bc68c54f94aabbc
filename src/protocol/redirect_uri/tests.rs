mod matching;
mod properties;
mod registrable;

use super::registrable::{DENIED_SCHEMES, RESPONSE_PARAMETERS};
use super::*;

use ApplicationType::{Native, Web};

fn web(uri: &str) -> RedirectUri {
    RedirectUri::parse(uri, Web).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

fn native(uri: &str) -> RedirectUri {
    RedirectUri::parse(uri, Native).unwrap_or_else(|error| panic!("{uri}: {error}"))
}

fn refusal(uri: &str) -> RedirectUriError {
    let refusal = RedirectUri::parse(uri, Web).expect_err(uri);
    assert_eq!(RedirectUri::parse(uri, Native), Err(refusal), "{uri}");
    refusal
}
