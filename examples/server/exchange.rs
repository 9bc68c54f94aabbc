//! Which tokens are exchanged for which, and which other issuers are trusted.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use grantor::host::{AnyExchange, OnBehalfOf, OwnTokenExchange, StaticTrust, TokenExchangePolicy};
use grantor::jose::JwkSet;
use grantor::protocol::Resource;
use grantor::record::assertion::KeySource;
use grantor::record::key_ring::PublishedKeys;
use grantor::record::trust::TrustedIssuer;
use serde::Deserialize;
use url::Url;

/// The demo client that is an API, and calls other APIs on behalf of its callers.
const API: &str = "demo-api";

/// A client exchanges its own access token for a narrower one, and the demo API acts on behalf of its callers towards every
/// resource there is.
pub(crate) fn policy(resources: &[Resource]) -> Arc<dyn TokenExchangePolicy> {
    let on_behalf_of = OnBehalfOf::new().allow(API, resources.iter().cloned());
    Arc::new(AnyExchange(vec![Arc::new(OwnTokenExchange), Arc::new(on_behalf_of)]))
}

/// Where the keys of a trusted issuer are.
#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum Keys {
    Jwks(JwkSet),
    JwksUri(Url),
}

/// The issuers of `--trusted-issuers`, which call the users by their names here; nobody without it.
pub(crate) fn trust(path: Option<&Path>) -> Result<StaticTrust, String> {
    let Some(path) = path else { return Ok(StaticTrust::default()) };
    let in_words = |error: String| format!("--trusted-issuers {}: {error}", path.display());
    let json = std::fs::read(path).map_err(|error| in_words(error.to_string()))?;
    parse(&json).map_err(|error| in_words(error.to_string()))
}

fn parse(json: &[u8]) -> serde_json::Result<StaticTrust> {
    let issuers: BTreeMap<String, Keys> = serde_json::from_slice(json)?;
    Ok(StaticTrust::new(issuers.into_iter().map(|(issuer, keys)| {
        let keys = match keys {
            Keys::Jwks(set) => KeySource::Given(Arc::new(PublishedKeys::new(set))),
            Keys::JwksUri(uri) => KeySource::At(uri),
        };
        (issuer, TrustedIssuer::new(keys))
    })))
}

#[cfg(test)]
mod tests {
    use grantor::host::AssertionTrust as _;

    use super::*;

    #[tokio::test]
    async fn the_issuers_in_the_file_are_trusted_with_their_keys_and_no_other_is() {
        let trust = parse(br#"{"https://idp.example":{"jwks_uri":"https://idp.example/jwks"}}"#).unwrap();
        let issuer = trust.issuer("https://idp.example").await.unwrap().unwrap();
        assert!(matches!(&issuer.keys, KeySource::At(uri) if uri.path() == "/jwks"));
        assert!(trust.issuer("https://evil.example").await.unwrap().is_none());
        for wrong in [&b"[]"[..], br#"{"https://idp.example":{}}"#, br#"{"https://idp.example":{"keys":1}}"#]
        {
            assert!(parse(wrong).is_err());
        }
    }
}
